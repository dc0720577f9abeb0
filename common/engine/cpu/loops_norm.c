/*
 * Normalisation over a batch, groups or instances, and its gradient: sums over the rows of [outer,
 * rows, c] per channel (cpu_rows.h), then one more pass. Sums are taken about the chunk's first row,
 * so that a mean far from zero costs no digits.
 */
#include "engine/cpu/rows.h"

#include <string.h>

/* Repeats the first c of `lane` along the width. */
static void repeat(float *lane, int64_t c, int64_t width)
{
    for (int64_t i = c; i < width; i++)
        lane[i] = lane[i - c];
}

/* ---- statistics ----------------------------------------------------------------------------- */

/* scratch of norm: for each chunk [origin, sum, sum of squares][width], floats; then for each outer
 * the [mean, scale, shift][width] of the last pass. */
enum { STAT_LANES = 3 };

static void stat_lanes(const element *x, const float *origin, float *sum, float *squares, int64_t n)
{
#pragma omp simd
    for (int64_t j = 0; j < n; j++) {
        float d = load(x[j]) - origin[j];
        sum[j] += d;
        squares[j] = fma1(d, d, squares[j]);
    }
}

RANGE(stat_range)
{
    int64_t c = loop->desc.in[0].c, width = loop->width;
    for (int64_t item = begin; item < end; item++) {
        struct span span = span_of(loop, item, c);
        const element *x = (const element *)arg[0] + span.first;
        float *origin = (float *)scratch + item * STAT_LANES * width;
        float *sum = origin + width, *squares = sum + width;
        for (int64_t j = 0; j < c; j++)
            origin[j] = load(x[j]);
        repeat(origin, c, width);
        memset(sum, 0, 2 * (size_t)width * sizeof *sum);
        for (int64_t i = 0; i < span.wide; i++)
            stat_lanes(x + i * width, origin, sum, squares, width);
        stat_lanes(x + span.wide * width, origin, sum, squares, span.rest);
        fold(sum, c, width);
        fold(squares, c, width);
    }
}

/* Mean and sum of squared deviations of channels begin .. begin+n-1 over the chunks of outer o
 * (Chan, Golub, LeVeque 1979). */
static void join_chunks(const struct loop *loop, const float *scratch, int64_t o, int64_t begin,
                        int64_t n, double *mean, double *m2)
{
    double before = 0;
    memset(mean, 0, (size_t)n * sizeof *mean);
    memset(m2, 0, (size_t)n * sizeof *m2);
    for (int64_t k = 0; k < loop->chunks; k++) {
        const float *origin = scratch + (o * loop->chunks + k) * STAT_LANES * loop->width + begin;
        const float *sum = origin + loop->width, *squares = sum + loop->width;
        double rows = (double)chunk_rows(loop, k), all = before + rows;
        double per_row = 1 / rows, part = rows / all, both = before * part;
#pragma omp simd
        for (int64_t j = 0; j < n; j++) {
            double about = sum[j] * per_row, delta = origin[j] + about - mean[j];
            mean[j] += delta * part;
            m2[j] += squares[j] - sum[j] * about + delta * delta * both;
        }
        before = all;
    }
}

/* Where outer o has its [mean, scale, shift]. */
static float *tile_of(const struct loop *loop, void *scratch, int64_t o)
{
    return (float *)scratch + (loop->outer * loop->chunks + o) * STAT_LANES * loop->width;
}

static void set_tile(const struct loop *loop, void *const *arg, void *scratch, int64_t o,
                     int64_t channel, float mean, float rstd)
{
    const float *gamma = arg[1], *beta = arg[2];
    int64_t c = loop->desc.in[0].c;
    float *tile = tile_of(loop, scratch, o);
    for (int64_t j = channel; j < loop->width; j += c) {
        tile[j] = mean;
        tile[j + loop->width] = gamma[channel] * rstd;
        tile[j + 2 * loop->width] = beta[channel];
    }
}

static void put_stat(void *const *arg, int64_t index, double mean, double rstd)
{
    if (arg[6])
        ((float *)arg[6])[index] = (float)mean;
    if (arg[7])
        ((float *)arg[7])[index] = (float)rstd;
}

/* Batch statistics: items are LANES channels. */
RANGE(batch_stat_range)
{
    int64_t c = loop->desc.in[0].c;
    double mean[LANES], m2[LANES];
    for (int64_t item = begin; item < end; item++) {
        int64_t first = item * LANES, n = min64(LANES, c - first);
        join_chunks(loop, scratch, 0, first, n, mean, m2);
        for (int64_t j = 0; j < n; j++) {
            double variance = (m2[j] > 0 ? m2[j] : 0) / (double)loop->rows;
            double rstd = 1 / sqrt(variance + (double)loop->attr.eps);
            put_stat(arg, first + j, mean[j], rstd);
            set_tile(loop, arg, scratch, 0, first + j, (float)mean[j], (float)rstd);
        }
    }
}

/* Statistics per group: items are (case, group). */
RANGE(group_stat_range)
{
    int64_t groups = loop->attr.groups, size = loop->desc.in[0].c / groups;
    double mean[LANES], m2[LANES], rows = (double)loop->rows;
    for (int64_t item = begin; item < end; item++) {
        int64_t o = item / groups, first = item % groups * size;
        double group_mean = 0, group_m2 = 0, before = 0;
        for (int64_t at = 0; at < size; at += LANES) {
            int64_t n = min64(LANES, size - at);
            join_chunks(loop, scratch, o, first + at, n, mean, m2);
            for (int64_t j = 0; j < n; j++) {
                double delta = mean[j] - group_mean, part = rows / (before + rows);
                group_mean += delta * part;
                group_m2 += m2[j] + delta * delta * before * part;
                before += rows;
            }
        }
        double variance = (group_m2 > 0 ? group_m2 : 0) / before;
        double rstd = 1 / sqrt(variance + (double)loop->attr.eps);
        put_stat(arg, item, group_mean, rstd);
        for (int64_t j = 0; j < size; j++)
            set_tile(loop, arg, scratch, o, first + j, (float)group_mean, (float)rstd);
    }
}

/* Statistics that were given, per channel: items are channels. */
RANGE(given_stat_range)
{
    const float *mean = arg[3], *rstd = arg[4];
    for (int64_t j = begin; j < end; j++) {
        put_stat(arg, j, mean[j], rstd[j]);
        set_tile(loop, arg, scratch, 0, j, mean[j], rstd[j]);
    }
}

MATH_INLINE void norm_lanes(enum act act, const element *x, element *y, const float *mean,
                            const float *scale, const float *shift, int64_t n)
{
#pragma omp simd
    for (int64_t j = 0; j < n; j++)
        y[j] = store(act_value(act, fma1(load(x[j]) - mean[j], scale[j], shift[j])));
}

MATH_INLINE void norm_span(enum act act, const struct loop *loop, const element *x, element *y,
                           const float *tile, struct span span)
{
    int64_t width = loop->width;
    const float *scale = tile + width, *shift = scale + width;
    for (int64_t i = 0; i < span.wide; i++)
        norm_lanes(act, x + i * width, y + i * width, tile, scale, shift, width);
    int64_t at = span.wide * width;
    norm_lanes(act, x + at, y + at, tile, scale, shift, span.rest);
}

RANGE(norm_range)
{
    for (int64_t item = begin; item < end; item++) {
        struct span span = span_of(loop, item, loop->desc.in[0].c);
        const element *x = (const element *)arg[0] + span.first;
        element *y = (element *)arg[5] + span.first;
        const float *tile = tile_of(loop, scratch, item / loop->chunks);
        switch (loop->attr.act) {
#define ACT(id, op, p, cost, library)                                                              \
    case ACT_##id:                                                                                 \
        norm_span(ACT_##id, loop, x, y, tile, span);                                               \
        break;
#include "engine/activation.def"
        }
    }
}

MAKER(norm)
{
    struct loop *loop = cpu_loop_make(out, desc);
    struct shape x = desc->in[0];
    bool given = desc->in_used[3];
    int64_t groups = given ? 0 : desc->attr->groups, outer = groups ? x.n : 1;
    cut_rows(loop, outer, rows_of(x) / outer, x.c);
    int64_t items = outer * loop->chunks;
    if (given) {
        cpu_loop_pass(loop, given_stat_range, x.c);
    } else {
        cpu_loop_pass(loop, stat_range, items);
        if (groups)
            cpu_loop_pass(loop, group_stat_range, outer * groups);
        else
            cpu_loop_pass(loop, batch_stat_range, (x.c + LANES - 1) / LANES);
    }
    if (desc->out_used[0])
        cpu_loop_pass(loop, norm_range, items);
    out->scratch = (size_t)((items + outer) * STAT_LANES * loop->width) * sizeof(float);
    return 0;
}

/* ---- gradient ------------------------------------------------------------------------------- */

/*
 * scratch of norm_grad: for each outer [mean, rstd, gamma, beta, a, b][width]; for each chunk the
 * sums [dpre, dpre xhat][width]; then for each outer the same sums [2][c] in double. dx = rstd
 * (gamma dpre - a - xhat b): a and b are the means of gamma dpre and gamma dpre xhat.
 */
enum { TILE_LANES = 6, SUM_LANES = 2 };

static float *grad_tile(const struct loop *loop, void *scratch, int64_t o)
{
    return (float *)scratch + o * TILE_LANES * loop->width;
}

static float *grad_sums(const struct loop *loop, void *scratch, int64_t item)
{
    return grad_tile(loop, scratch, loop->outer) + item * SUM_LANES * loop->width;
}

static double *grad_totals(const struct loop *loop, void *scratch, int64_t o)
{
    float *end = grad_sums(loop, scratch, loop->outer * loop->chunks);
    return (double *)end + o * SUM_LANES * loop->desc.in[1].c;
}

/* Are the sums over dpre needed? */
static bool needs_sums(const struct kernel_desc *desc)
{
    return !desc->attr->fixed || desc->out_used[1] || desc->out_used[2];
}

/* Where the slope costs more than a pass over memory, the sums leave dpre in dx for the last pass. */
static bool keeps_dpre(const struct kernel_desc *desc)
{
    enum { LIGHT, HEAVY };
    static const uint8_t cost_of[] = {
#define ACT(id, op, p, cost, library) [ACT_##id] = cost,
#include "engine/activation.def"
    };
    return cost_of[desc->attr->act] == HEAVY && needs_sums(desc) && desc->out_used[0];
}

/* Items are outers. */
RANGE(grad_tile_range)
{
    const float *gamma = arg[2], *beta = arg[3], *mean = arg[4], *rstd = arg[5];
    int64_t c = loop->desc.in[1].c, width = loop->width;
    int64_t groups = loop->attr.groups && !loop->attr.fixed ? loop->attr.groups : c;
    for (int64_t o = begin; o < end; o++) {
        float *tile = grad_tile(loop, scratch, o);
        memset(tile, 0, TILE_LANES * (size_t)width * sizeof *tile);
        for (int64_t j = 0; j < width; j++) {
            int64_t channel = j % c, index = o * groups + channel / (c / groups);
            tile[j] = mean[index];
            tile[j + width] = rstd[index];
            tile[j + 2 * width] = gamma[channel];
            tile[j + 3 * width] = beta[channel];
        }
    }
}

/* kept: dpre, or NULL */
MATH_INLINE void grad_sum_lanes(enum act act, const element *dy, const element *x, element *kept,
                                const float *tile, int64_t width, float *sum, int64_t n)
{
    float *product = sum + width;
    const float *mean = tile, *rstd = tile + width, *gamma = rstd + width, *beta = gamma + width;
#pragma omp simd
    for (int64_t j = 0; j < n; j++) {
        float xhat = (load(x[j]) - mean[j]) * rstd[j];
        float pre = fma1(xhat, gamma[j], beta[j]);
        float dpre = load(dy[j]) * act_slope(act, pre, act_value(act, pre));
        if (kept)
            kept[j] = store(dpre);
        sum[j] += dpre;
        product[j] = fma1(dpre, xhat, product[j]);
    }
}

MATH_INLINE void grad_sum_span(enum act act, const struct loop *loop, const element *dy,
                               const element *x, element *kept, const float *tile, float *sum,
                               struct span span)
{
    int64_t width = loop->width;
    for (int64_t i = 0; i <= span.wide; i++) {
        int64_t at = i * width, n = i < span.wide ? width : span.rest;
        if (kept)
            grad_sum_lanes(act, dy + at, x + at, kept + at, tile, width, sum, n);
        else
            grad_sum_lanes(act, dy + at, x + at, NULL, tile, width, sum, n);
    }
}

RANGE(grad_sum_range)
{
    int64_t c = loop->desc.in[1].c, width = loop->width;
    for (int64_t item = begin; item < end; item++) {
        struct span span = span_of(loop, item, c);
        const element *dy = (const element *)arg[0] + span.first;
        const element *x = (const element *)arg[1] + span.first;
        element *kept = keeps_dpre(&loop->desc) ? (element *)arg[6] + span.first : NULL;
        const float *tile = grad_tile(loop, scratch, item / loop->chunks);
        float *sum = grad_sums(loop, scratch, item);
        memset(sum, 0, SUM_LANES * (size_t)width * sizeof *sum);
        switch (loop->attr.act) {
#define ACT(id, op, p, cost, library)                                                              \
    case ACT_##id:                                                                                 \
        grad_sum_span(ACT_##id, loop, dy, x, kept, tile, sum, span);                               \
        break;
#include "engine/activation.def"
        }
        fold(sum, c, width);
        fold(sum + width, c, width);
    }
}

/* Joins chunks: items are LANES channels. */
RANGE(grad_join_range)
{
    float *dgamma = arg[7], *dbeta = arg[8];
    int64_t c = loop->desc.in[1].c, width = loop->width;
    for (int64_t item = begin; item < end; item++) {
        int64_t first = item * LANES, n = min64(LANES, c - first);
        double all[SUM_LANES][LANES] = {{0}};
        for (int64_t o = 0; o < loop->outer; o++) {
            double total[SUM_LANES][LANES] = {{0}};
            for (int64_t k = 0; k < loop->chunks; k++) {
                const float *sum = grad_sums(loop, scratch, o * loop->chunks + k) + first;
#pragma omp simd
                for (int64_t j = 0; j < n; j++) {
                    total[0][j] += sum[j];
                    total[1][j] += sum[j + width];
                }
            }
            double *totals = grad_totals(loop, scratch, o) + first;
            for (int64_t j = 0; j < n; j++) {
                all[0][j] += totals[j] = total[0][j];
                all[1][j] += totals[j + c] = total[1][j];
            }
        }
        for (int64_t j = 0; j < n; j++) {
            if (dbeta)
                dbeta[first + j] = (float)all[0][j];
            if (dgamma)
                dgamma[first + j] = (float)all[1][j];
        }
    }
}

/* a and b of the tiles: items are outers. */
RANGE(grad_mean_range)
{
    const float *gamma = arg[2];
    int64_t c = loop->desc.in[1].c, width = loop->width;
    int64_t size = loop->attr.groups ? c / loop->attr.groups : 1;
    for (int64_t o = begin; o < end; o++) {
        const double *total = grad_totals(loop, scratch, o);
        float *a = grad_tile(loop, scratch, o) + 4 * width, *b = a + width;
        double count = (double)(loop->rows * size);
        for (int64_t first = 0; first < c; first += size) {
            double sum = 0, product = 0;
            for (int64_t j = first; j < first + size; j++) {
                sum += gamma[j] * total[j];
                product += gamma[j] * total[j + c];
            }
            for (int64_t j = first; j < first + size; j++) {
                a[j] = (float)(sum / count);
                b[j] = (float)(product / count);
            }
        }
        repeat(a, c, width);
        repeat(b, c, width);
    }
}

/* dx may be dy. */
MATH_INLINE void grad_lanes(enum act act, const element *dy, const element *x, element *dx,
                            const float *tile, int64_t width, int64_t n)
{
    const float *mean = tile, *rstd = tile + width, *gamma = rstd + width, *beta = gamma + width;
    const float *a = beta + width, *b = a + width;
#pragma omp simd
    for (int64_t j = 0; j < n; j++) {
        float xhat = (load(x[j]) - mean[j]) * rstd[j];
        float pre = fma1(xhat, gamma[j], beta[j]);
        float dpre = load(dy[j]) * act_slope(act, pre, act_value(act, pre));
        dx[j] = store(rstd[j] * (fma1(gamma[j], dpre, -a[j]) - xhat * b[j]));
    }
}

MATH_INLINE void grad_span(enum act act, const struct loop *loop, const element *dy,
                           const element *x, element *dx, const float *tile, struct span span)
{
    int64_t width = loop->width, at = span.wide * width;
    for (int64_t i = 0; i < span.wide; i++)
        grad_lanes(act, dy + i * width, x + i * width, dx + i * width, tile, width, width);
    grad_lanes(act, dy + at, x + at, dx + at, tile, width, span.rest);
}

RANGE(grad_range)
{
    bool kept = keeps_dpre(&loop->desc);
    for (int64_t item = begin; item < end; item++) {
        struct span span = span_of(loop, item, loop->desc.in[1].c);
        const element *dy = (const element *)arg[kept ? 6 : 0] + span.first;
        const element *x = (const element *)arg[1] + span.first;
        element *dx = (element *)arg[6] + span.first;
        const float *tile = grad_tile(loop, scratch, item / loop->chunks);
        switch (kept ? ACT_NONE : loop->attr.act) {
#define ACT(id, op, p, cost, library)                                                              \
    case ACT_##id:                                                                                 \
        grad_span(ACT_##id, loop, dy, x, dx, tile, span);                                          \
        break;
#include "engine/activation.def"
        }
    }
}

MAKER(norm_grad)
{
    struct loop *loop = cpu_loop_make(out, desc);
    struct shape x = desc->in[1];
    bool fixed = desc->attr->fixed;
    int64_t outer = desc->attr->groups && !fixed ? x.n : 1;
    cut_rows(loop, outer, rows_of(x) / outer, x.c);
    int64_t items = outer * loop->chunks;
    cpu_loop_pass(loop, grad_tile_range, outer);
    if (needs_sums(desc)) {
        cpu_loop_pass(loop, grad_sum_range, items);
        cpu_loop_pass(loop, grad_join_range, (x.c + LANES - 1) / LANES);
    }
    if (desc->out_used[0]) {
        if (!fixed)
            cpu_loop_pass(loop, grad_mean_range, outer);
        cpu_loop_pass(loop, grad_range, items);
    }
    out->scratch =
        (size_t)((outer * TILE_LANES + items * SUM_LANES) * loop->width) * sizeof(float) +
        (size_t)(outer * SUM_LANES * x.c) * sizeof(double) + sizeof(double);
    return 0;
}
