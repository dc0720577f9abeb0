#include "oracle/kernels.h"

enum target { TO_Y, TO_X, TO_W };

/* The direct convolution is a sum of products x w into y; its gradients are the same products
 * summed into x or w. Visits every product. */
static void convolve(const struct window *window, struct shape xs, struct shape ws, struct shape ys,
                     double *x, double *w, double *y, enum target target)
{
    for (int64_t e = 0; e < shape_count(ys); e++) {
        struct index iy = index_of(ys, e);
        for (int64_t k = 0; k < shape_count(ws) / ws.n; k++) {
            struct index iw = index_of(ws, k);
            struct index ix = window_at(window, iy, iw.d, iw.h, iw.w);
            ix.c = iw.c;
            iw.n = iy.c;
            if (!within(xs, ix))
                continue;
            double *px = &x[at(xs, ix)], *pw = &w[at(ws, iw)], *py = &y[e];
            if (target == TO_Y)
                *py += *px * *pw;
            else if (target == TO_X)
                *px += *py * *pw;
            else
                *pw += *px * *py;
        }
    }
}

static void begin(double *out, struct shape shape, const double *bias)
{
    for (int64_t i = 0; i < shape_count(shape); i++)
        out[i] = bias ? bias[i % shape.c] : 0;
}

static void activate(double *out, struct shape shape, enum act act)
{
    for (int64_t i = 0; i < shape_count(shape); i++)
        out[i] = reference_act(act, out[i]);
}

REFERENCE(conv)
{
    begin(arg[3], desc->out[0], arg[2]);
    convolve(&desc->attr->window, desc->in[0], desc->in[1], desc->out[0], arg[0], arg[1], arg[3],
             TO_Y);
    activate(arg[3], desc->out[0], desc->attr->act);
}

REFERENCE(conv_data)
{
    begin(arg[3], desc->out[0], arg[2]);
    convolve(&desc->attr->window, desc->out[0], desc->in[1], desc->in[0], arg[3], arg[1], arg[0],
             TO_X);
    activate(arg[3], desc->out[0], desc->attr->act);
}

REFERENCE(conv_filter)
{
    begin(arg[2], desc->out[0], NULL);
    convolve(&desc->attr->window, desc->in[0], desc->out[0], desc->in[1], arg[0], arg[2], arg[1],
             TO_W);
}

REFERENCE(act_bias_grad)
{
    const double *dy = arg[0], *y = arg[1];
    double *da = arg[2], *dbias = arg[3];
    struct shape s = desc->in[0];
    if (dbias)
        begin(dbias, desc->out[1], NULL);
    for (int64_t i = 0; i < shape_count(s); i++) {
        double slope = reference_act_slope(desc->attr->act, NAN, y[i]) * dy[i];
        if (dbias)
            dbias[i % s.c] += slope;
        if (da)
            da[i] = slope;
    }
}
