/* The optimiser's updates: one pass over flat arrays, in place. Formulas: ops.def. */
#include "engine/cpu/loops.h"

/* Whether a number is given and not finite. */
static bool is_bad(const void *number)
{
    const float *value = number;
    return value && !isfinite(*value);
}

static float scale_of(const void *scale)
{
    return scale ? *(const float *)scale : 1;
}

static int make_update(struct kernel *out, const struct kernel_desc *desc, range_body *body)
{
    return one_pass(out, desc, body, blocks_of(shape_count(desc->in[0])));
}

/* AdamW's decay is a factor on p, Adam's a term of the gradient: keep and decay are 1 and 0 where
 * they do not apply. */
RANGE(adam_range)
{
    if (is_bad(arg[5]) || is_bad(arg[6]))
        return;
    float *p = arg[0], *m = arg[2], *v = arg[3];
    const float *g = arg[1], *rates = arg[4];
    float scale = scale_of(arg[5]), beta1 = rates[RATE_BETA1], beta2 = rates[RATE_BETA2];
    float decay = loop->attr.decoupled ? 0 : rates[RATE_WEIGHT_DECAY];
    float keep = loop->attr.decoupled ? 1 - rates[RATE_LR] * rates[RATE_WEIGHT_DECAY] : 1;
    float step = rates[RATE_LR] / rates[RATE_BIAS1], eps = rates[RATE_EPS];
    float root = 1 / sqrtf(rates[RATE_BIAS2]), rest1 = 1 - beta1, rest2 = 1 - beta2;
    int64_t last = block_end(loop->desc.in[0], end);
#pragma omp simd
    for (int64_t i = begin * BLOCK; i < last; i++) {
        float gs = fma1(decay, p[i], g[i] * scale);
        float mean = fma1(beta1, m[i], rest1 * gs);
        float square = fma1(beta2, v[i], rest2 * gs * gs);
        m[i] = mean;
        v[i] = square;
        p[i] = keep * p[i] - step * mean / fma1(sqrt1(square), root, eps);
    }
}

MAKER(adam)
{
    return make_update(out, desc, adam_range);
}

RANGE(sgd_range)
{
    if (is_bad(arg[4]) || is_bad(arg[5]))
        return;
    float *p = arg[0], *m = arg[2];
    const float *g = arg[1], *rates = arg[3];
    float scale = scale_of(arg[4]), lr = rates[RATE_LR], decay = rates[RATE_WEIGHT_DECAY];
    float momentum = rates[RATE_MOMENTUM];
    bool nesterov = loop->attr.mode == 1;
    int64_t last = block_end(loop->desc.in[0], end);
    if (!m) {
        float slope = nesterov ? 1 + momentum : 1;
#pragma omp simd
        for (int64_t i = begin * BLOCK; i < last; i++)
            p[i] -= lr * slope * fma1(decay, p[i], g[i] * scale);
        return;
    }
#pragma omp simd
    for (int64_t i = begin * BLOCK; i < last; i++) {
        float gs = fma1(decay, p[i], g[i] * scale);
        float mean = fma1(momentum, m[i], gs);
        m[i] = mean;
        p[i] -= lr * (nesterov ? fma1(momentum, mean, gs) : mean);
    }
}

MAKER(sgd)
{
    return make_update(out, desc, sgd_range);
}

RANGE(blend_range)
{
    if (is_bad(arg[2]))
        return;
    const float *src = arg[1], *share = arg[3];
    float *dst = arg[0], keep = share ? *share : loop->attr.p;
    float add = share ? 1 - keep : loop->attr.q;
    int64_t last = block_end(loop->desc.in[0], end);
    if (keep == 0)
#pragma omp simd
        for (int64_t i = begin * BLOCK; i < last; i++)
            dst[i] = add * src[i];
    else
#pragma omp simd
        for (int64_t i = begin * BLOCK; i < last; i++)
            dst[i] = fma1(keep, dst[i], add * src[i]);
}

MAKER(blend)
{
    return make_update(out, desc, blend_range);
}
