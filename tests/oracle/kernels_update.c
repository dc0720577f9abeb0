#include "oracle/kernels.h"

static bool absent_or_finite(const double *number)
{
    return !number || isfinite(*number);
}

REFERENCE(adam)
{
    double *p = arg[0], *m = arg[2], *v = arg[3];
    const double *g = arg[1], *rate = arg[4], *scale = arg[5], *guard = arg[6];
    double b1 = rate[RATE_BETA1], b2 = rate[RATE_BETA2], decay = rate[RATE_WEIGHT_DECAY];
    if (!absent_or_finite(scale) || !absent_or_finite(guard))
        return;
    for (int64_t i = 0; i < shape_count(desc->in[0]); i++) {
        double gs = g[i] * (scale ? *scale : 1);
        if (desc->attr->decoupled)
            p[i] -= rate[RATE_LR] * decay * p[i];
        else
            gs += decay * p[i];
        m[i] = b1 * m[i] + (1 - b1) * gs;
        v[i] = b2 * v[i] + (1 - b2) * gs * gs;
        p[i] -= rate[RATE_LR] * (m[i] / rate[RATE_BIAS1]) /
                (sqrt(v[i] / rate[RATE_BIAS2]) + rate[RATE_EPS]);
    }
}

REFERENCE(sgd)
{
    double *p = arg[0], *m = arg[2];
    const double *g = arg[1], *rate = arg[3], *scale = arg[4], *guard = arg[5];
    if (!absent_or_finite(scale) || !absent_or_finite(guard))
        return;
    for (int64_t i = 0; i < shape_count(desc->in[0]); i++) {
        double gs = g[i] * (scale ? *scale : 1) + rate[RATE_WEIGHT_DECAY] * p[i];
        double momentum = m ? rate[RATE_MOMENTUM] * m[i] + gs : gs;
        if (m)
            m[i] = momentum;
        p[i] -= rate[RATE_LR] * (desc->attr->mode ? gs + rate[RATE_MOMENTUM] * momentum : momentum);
    }
}

REFERENCE(blend)
{
    const double *src = arg[1], *share = arg[3];
    double *dst = arg[0], keep = share ? *share : (double)desc->attr->p;
    double add = share ? 1 - keep : (double)desc->attr->q;
    if (!absent_or_finite(arg[2]))
        return;
    for (int64_t i = 0; i < shape_count(desc->in[0]); i++)
        dst[i] = keep == 0 ? add * src[i] : keep * dst[i] + add * src[i];
}
