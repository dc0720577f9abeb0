/* The formulas of pointwise.def and losses.def, read as doubles. */
#include "oracle/kernels.h"

typedef double real;
#define EXP  exp
#define LOG  log
#define TANH tanh
#define SQRT sqrt
#define ERF  erf
#define FABS fabs
#define FMIN fmin
#define FMAX fmax

/* A formula rarely uses all its variables. */
#define UNARY(name, y_of, uses, dx_of)                                                             \
    static double name##_value(double x, double p, double q)                                       \
    {                                                                                              \
        (void)p, (void)q;                                                                          \
        return y_of;                                                                               \
    }                                                                                              \
    static double name##_slope(double dy, double x, double y, double p, double q)                  \
    {                                                                                              \
        (void)x, (void)y, (void)p, (void)q;                                                        \
        return dx_of;                                                                              \
    }                                                                                              \
    REFERENCE(name)                                                                                \
    {                                                                                              \
        const double *x = arg[0];                                                                  \
        for (int64_t i = 0; i < shape_count(desc->in[0]); i++)                                     \
            ((double *)arg[1])[i] =                                                                \
                name##_value(x[i], (double)desc->attr->p, (double)desc->attr->q);                  \
    }                                                                                              \
    REFERENCE(name##_grad)                                                                         \
    {                                                                                              \
        const double *dy = arg[0], *x = arg[1], *y = arg[2];                                       \
        for (int64_t i = 0; i < shape_count(desc->in[0]); i++)                                     \
            ((double *)arg[3])[i] =                                                                \
                name##_slope(dy[i], x[i], y[i], (double)desc->attr->p, (double)desc->attr->q);     \
    }

#define BINARY(name, z_of)                                                                         \
    REFERENCE(name)                                                                                \
    {                                                                                              \
        for (int64_t i = 0; i < shape_count(desc->out[0]); i++) {                                  \
            struct index at_out = index_of(desc->out[0], i);                                       \
            double a = ((const double *)arg[0])[repeated(desc->in[0], at_out)];                    \
            double b = ((const double *)arg[1])[repeated(desc->in[1], at_out)];                    \
            ((double *)arg[2])[i] = z_of;                                                          \
        }                                                                                          \
    }

#define LOSS(name, value_of, slope_of)                                                             \
    REFERENCE(name)                                                                                \
    {                                                                                              \
        double *loss = arg[2], *slope = arg[3];                                                    \
        int64_t count = shape_count(desc->in[0]), per_case = count / desc->in[0].n;                \
        for (int32_t n = 0; loss && n < desc->in[0].n; n++)                                        \
            loss[n] = 0;                                                                           \
        for (int64_t i = 0; i < count; i++) {                                                      \
            double x = ((const double *)arg[0])[i], t = ((const double *)arg[1])[i];               \
            if (loss)                                                                              \
                loss[i / per_case] += value_of;                                                    \
            if (slope)                                                                             \
                slope[i] = slope_of;                                                               \
        }                                                                                          \
    }

#include "engine/pointwise.def"
#include "engine/losses.def"

static double none_value(double x, double p, double q)
{
    (void)p, (void)q;
    return x;
}

static double none_slope(double dy, double x, double y, double p, double q)
{
    (void)x, (void)y, (void)p, (void)q;
    return dy;
}

double reference_act(enum act act, double x)
{
    switch (act) {
#define ACT(id, op, p, cost, library)                                                              \
    case ACT_##id:                                                                                 \
        return op##_value(x, p, 0);
#include "engine/activation.def"
    }
    return NAN;
}

double reference_act_slope(enum act act, double x, double y)
{
    switch (act) {
#define ACT(id, op, p, cost, library)                                                              \
    case ACT_##id:                                                                                 \
        return op##_slope(1, x, y, p, 0);
#include "engine/activation.def"
    }
    return NAN;
}

/* The nearest number of 8 significant bits, ties to even. */
static double rounded(double x)
{
    int exponent;
    if (x == 0 || !isfinite(x))
        return x;
    frexp(x, &exponent);
    double unit = ldexp(1, (exponent < -125 ? -125 : exponent) - 8);
    return rint(x / unit) * unit;
}

REFERENCE(cast)
{
    const double *x = arg[0];
    double *y = arg[1];
    for (int64_t e = 0; e < shape_count(desc->out[0]); e++)
        y[e] = desc->out_type[0] == BF16 ? rounded(x[e]) : x[e];
}
