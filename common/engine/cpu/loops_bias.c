/* The gradient of bias and activation, and sums to channels, which are the same without one. */
#include "engine/cpu/rows.h"

#include <string.h>

/* da and sum may be NULL; da may be dy. */
MATH_INLINE void bias_lanes(enum act act, const element *dy, const element *y, element *da,
                            float *sum, int64_t n)
{
#pragma omp simd
    for (int64_t j = 0; j < n; j++) {
        float d = load(dy[j]);
        if (act != ACT_NONE) /* of a fused one, which does not ask for x */
            d *= act_slope(act, NAN, load(y[j]));
        if (da)
            da[j] = store(d);
        if (sum)
            sum[j] += d;
    }
}

MATH_INLINE void bias_span(enum act act, const struct loop *loop, const element *dy,
                           const element *y, element *da, float *sum, struct span span)
{
    int64_t width = loop->width;
    for (int64_t i = 0; i <= span.wide; i++) {
        int64_t at = i * width, n = i < span.wide ? width : span.rest;
        if (da && sum)
            bias_lanes(act, dy + at, y + at, da + at, sum, n);
        else if (da)
            bias_lanes(act, dy + at, y + at, da + at, NULL, n);
        else
            bias_lanes(act, dy + at, y + at, NULL, sum, n);
    }
}

/* reduce_sum over all axes but the channels is the same without an activation. */
static float *bias_sums(const struct loop *loop, void *const *arg)
{
    return loop->desc.op == OP_reduce_sum ? arg[1] : arg[3];
}

/* scratch: for each chunk sums [width] */
RANGE(bias_range)
{
    bool sum_only = loop->desc.op == OP_reduce_sum || !arg[2];
    enum act act = loop->desc.op == OP_reduce_sum ? ACT_NONE : loop->attr.act;
    int64_t c = loop->desc.in[0].c;
    for (int64_t item = begin; item < end; item++) {
        struct span span = span_of(loop, item, c);
        const element *dy = (const element *)arg[0] + span.first;
        const element *y = act == ACT_NONE ? dy : (const element *)arg[1] + span.first;
        element *da = sum_only ? NULL : (element *)arg[2] + span.first;
        float *sum = bias_sums(loop, arg) ? (float *)scratch + item * loop->width : NULL;
        if (sum)
            memset(sum, 0, (size_t)loop->width * sizeof *sum);
        switch (act) {
#define ACT(id, op, p, cost, library)                                                              \
    case ACT_##id:                                                                                 \
        bias_span(ACT_##id, loop, dy, y, da, sum, span);                                           \
        break;
#include "engine/activation.def"
        }
        if (sum)
            fold(sum, c, loop->width);
    }
}

RANGE(bias_join_range)
{
    float *dbias = bias_sums(loop, arg);
    for (int64_t item = begin; item < end; item++) {
        int64_t first = item * LANES, n = min64(LANES, loop->desc.in[0].c - first);
        double total[LANES] = {0};
        for (int64_t k = 0; k < loop->chunks; k++) {
            const float *sum = (const float *)scratch + k * loop->width + first;
#pragma omp simd
            for (int64_t j = 0; j < n; j++)
                total[j] += sum[j];
        }
        for (int64_t j = 0; j < n; j++)
            dbias[first + j] = (float)total[j];
    }
}

static int make_bias(struct kernel *out, const struct kernel_desc *desc, bool sums)
{
    struct loop *loop = cpu_loop_make(out, desc);
    struct shape dy = desc->in[0];
    cut_rows(loop, 1, rows_of(dy), dy.c);
    cpu_loop_pass(loop, bias_range, loop->chunks);
    if (sums)
        cpu_loop_pass(loop, bias_join_range, (dy.c + LANES - 1) / LANES);
    out->scratch = (size_t)(loop->chunks * loop->width) * sizeof(float);
    return 0;
}

MAKER(act_bias_grad)
{
    return make_bias(out, desc, desc->out_used[1]);
}

MAKER(sum_to_channels)
{
    return make_bias(out, desc, true);
}
