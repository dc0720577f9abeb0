#include "oracle/kernels.h"

#include <math.h>
#include <string.h>

static void zero(double *out, struct shape shape)
{
    memset(out, 0, (size_t)shape_count(shape) * sizeof *out);
}

static struct index shifted(struct index i, int32_t axis, int32_t by)
{
    int32_t *const place[] = {&i.n, &i.d, &i.h, &i.w, &i.c};
    *place[axis] += by;
    return i;
}

/* ---- pooling -------------------------------------------------------------------------------- */

static int positions(const struct window *w)
{
    return w->size[0] * w->size[1] * w->size[2];
}

/* Where position k of the window at output index y lies. */
static struct index position(const struct window *w, struct index y, int k)
{
    int kw = k % w->size[2], kh = k / w->size[2] % w->size[1], kd = k / w->size[2] / w->size[1];
    return window_at(w, y, kd, kh, kw);
}

REFERENCE(max_pool)
{
    const double *x = arg[0];
    double *y = arg[1];
    uint8_t *winner = arg[2];
    const struct window *w = &desc->attr->window;
    for (int64_t e = 0; e < shape_count(desc->out[0]); e++) {
        int best = -1;
        double most = 0;
        for (int k = 0; k < positions(w); k++) {
            struct index i = position(w, index_of(desc->out[0], e), k);
            if (!within(desc->in[0], i) ||
                (best >= 0 && !(x[at(desc->in[0], i)] > most) && !isnan(x[at(desc->in[0], i)])))
                continue;
            best = k;
            most = x[at(desc->in[0], i)];
        }
        y[e] = most;
        if (winner)
            winner[e] = (uint8_t)best;
    }
}

REFERENCE(max_pool_grad)
{
    const double *dy = arg[0];
    const uint8_t *winner = arg[1];
    double *dx = arg[3];
    zero(dx, desc->out[0]);
    for (int64_t e = 0; arg[2] && e < shape_count(desc->out[0]); e++)
        dx[e] = ((const double *)arg[2])[at(
            desc->in[2], shifted(index_of(desc->out[0], e), AXIS_C, desc->attr->begin))];
    for (int64_t e = 0; e < shape_count(desc->in[0]); e++)
        dx[at(desc->out[0], position(&desc->attr->window, index_of(desc->in[0], e), winner[e]))] +=
            dy[e];
}

/* Visits the pairs (x, y) of average pooling with their weight; forward sums into y, else into x.
 */
static void average(const struct window *w, struct shape xs, struct shape ys, double *x, double *y,
                    bool forward)
{
    for (int64_t e = 0; e < shape_count(ys); e++) {
        int count = 0;
        for (int k = 0; k < positions(w); k++)
            count += within(xs, position(w, index_of(ys, e), k));
        for (int k = 0; k < positions(w); k++) {
            struct index i = position(w, index_of(ys, e), k);
            if (!within(xs, i))
                continue;
            if (forward)
                y[e] += x[at(xs, i)] / count;
            else
                x[at(xs, i)] += y[e] / count;
        }
    }
}

REFERENCE(avg_pool)
{
    zero(arg[1], desc->out[0]);
    average(&desc->attr->window, desc->in[0], desc->out[0], arg[0], arg[1], true);
}

REFERENCE(avg_pool_grad)
{
    zero(arg[1], desc->out[0]);
    average(&desc->attr->window, desc->out[0], desc->in[0], arg[1], arg[0], false);
}

/* ---- upsampling ----------------------------------------------------------------------------- */

/* Output position `o` is (1 - part) of source a and part of source b: half-pixel centres, the
 * border repeated. */
static void source(int32_t o, int32_t factor, int32_t size, int mode, int32_t *a, int32_t *b,
                   double *part)
{
    *a = *b = o / factor;
    *part = 0;
    if (mode == MODE_NEAREST)
        return;
    double x = fmin(fmax((o + 0.5) / factor - 0.5, 0), size - 1);
    *a = (int32_t)floor(x);
    *b = *a + 1 < size ? *a + 1 : *a;
    *part = x - *a;
}

static void interpolate(const struct attr *attr, struct shape xs, struct shape ys, double *x,
                        double *y, bool forward)
{
    const int32_t *factor = attr->window.size;
    for (int64_t e = 0; e < shape_count(ys); e++) {
        struct index o = index_of(ys, e);
        int32_t d[2], h[2], w[2];
        double pd, ph, pw;
        source(o.d, factor[0], xs.d, attr->mode, &d[0], &d[1], &pd);
        source(o.h, factor[1], xs.h, attr->mode, &h[0], &h[1], &ph);
        source(o.w, factor[2], xs.w, attr->mode, &w[0], &w[1], &pw);
        for (int k = 0; k < 8; k++) {
            int kd = k >> 2, kh = k >> 1 & 1, kw = k & 1;
            double weight = (kd ? pd : 1 - pd) * (kh ? ph : 1 - ph) * (kw ? pw : 1 - pw);
            int64_t i = at(xs, (struct index){o.n, d[kd], h[kh], w[kw], o.c});
            if (forward)
                y[e] += weight * x[i];
            else
                x[i] += weight * y[e];
        }
    }
}

REFERENCE(upsample)
{
    zero(arg[1], desc->out[0]);
    interpolate(desc->attr, desc->in[0], desc->out[0], arg[0], arg[1], true);
}

REFERENCE(upsample_grad)
{
    zero(arg[1], desc->out[0]);
    interpolate(desc->attr, desc->out[0], desc->in[0], arg[1], arg[0], false);
}

/* ---- smoothing ------------------------------------------------------------------------------ */
static double density(const struct attr *attr, int32_t i)
{
    double x = i - attr->begin / 2, sigma = (double)attr->p;
    return exp(-x * x / (2 * sigma * sigma));
}

/* y: where the window lies inside x; forward: y from x, else x from y. */
static void smooth(const struct attr *attr, struct shape xs, struct shape ys, double *x, double *y,
                   bool forward)
{
    double sum = 0;
    for (int32_t i = 0; i < attr->begin; i++)
        sum += density(attr, i);
    for (int64_t e = 0; e < shape_count(ys); e++)
        for (int32_t i = 0; i < attr->begin; i++) {
            int64_t from = at(xs, shifted(index_of(ys, e), attr->axis, i));
            double weight = density(attr, i) / sum;
            if (forward)
                y[e] += weight * x[from];
            else
                x[from] += weight * y[e];
        }
}

REFERENCE(gaussian)
{
    zero(arg[1], desc->out[0]);
    smooth(desc->attr, desc->in[0], desc->out[0], arg[0], arg[1], true);
}

REFERENCE(gaussian_adjoint)
{
    zero(arg[1], desc->out[0]);
    smooth(desc->attr, desc->out[0], desc->in[0], arg[1], arg[0], false);
}

/* ---- joining and cutting -------------------------------------------------------------------- */

/* Copies between part and whole, of which part lies at `begin` along axis. */
static void copy_part(double *whole, struct shape ws, double *part, struct shape ps, int32_t axis,
                      int32_t begin, bool out_of_part)
{
    for (int64_t e = 0; e < shape_count(ps); e++) {
        int64_t i = at(ws, shifted(index_of(ps, e), axis, begin));
        if (out_of_part)
            whole[i] = part[e];
        else
            part[e] = whole[i];
    }
}

REFERENCE(concat)
{
    int32_t axis = desc->attr->axis;
    struct shape a = desc->in[0];
    const int32_t size[] = {a.n, a.d, a.h, a.w, a.c};
    copy_part(arg[2], desc->out[0], arg[0], a, axis, 0, true);
    copy_part(arg[2], desc->out[0], arg[1], desc->in[1], axis, size[axis], true);
}

REFERENCE(slice)
{
    copy_part(arg[0], desc->in[0], arg[1], desc->out[0], desc->attr->axis, desc->attr->begin,
              false);
}

REFERENCE(unslice)
{
    zero(arg[1], desc->out[0]);
    copy_part(arg[1], desc->out[0], arg[0], desc->in[0], desc->attr->axis, desc->attr->begin, true);
}

/* ---- sums ----------------------------------------------------------------------------------- */

REFERENCE(reduce_sum)
{
    const double *x = arg[0];
    double *y = arg[1];
    zero(y, desc->out[0]);
    for (int64_t e = 0; e < shape_count(desc->in[0]); e++)
        y[repeated(desc->out[0], index_of(desc->in[0], e))] += x[e];
}

REFERENCE(broadcast)
{
    const double *x = arg[0];
    double *y = arg[1];
    for (int64_t e = 0; e < shape_count(desc->out[0]); e++)
        y[e] = x[repeated(desc->in[0], index_of(desc->out[0], e))];
}

REFERENCE(sum_squares)
{
    const double *x = arg[0];
    double sum = 0;
    for (int64_t e = 0; e < shape_count(desc->in[0]); e++)
        sum += x[e] * x[e];
    *(double *)arg[1] = sum;
}
