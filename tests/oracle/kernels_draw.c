#include "oracle/kernels.h"

#include "engine/draw.h"

static const double PI = 3.14159265358979323846;

/* The uniform number of one element of the global batch. */
static double uniform(const int32_t *clock, uint64_t key, uint64_t element)
{
    return (double)uniform_open(draw_block(clock, key, element / 4).v[element % 4]);
}

static double normal(const int32_t *clock, uint64_t key, uint64_t element)
{
    uint64_t pair = element / 2 * 2;
    double u0 = uniform(clock, key, pair), u1 = uniform(clock, key, pair + 1);
    double r = sqrt(-2 * log(u0));
    return element % 2 ? r * sin(2 * PI * u1) : r * cos(2 * PI * u1);
}

REFERENCE(normal)
{
    const int32_t *clock = arg[0];
    double *y = arg[1];
    int64_t count = shape_count(desc->out[0]), per_case = count / desc->out[0].n;
    for (int64_t i = 0; i < count; i++)
        y[i] = normal(clock, desc->attr->key, (uint64_t)(clock[CLOCK_FIRST] * per_case + i));
}

REFERENCE(dropout)
{
    const double *x = arg[0];
    const int32_t *clock = arg[1];
    double *y = arg[2];
    struct shape s = desc->in[0];
    int64_t count = shape_count(s), per_case = count / s.n;
    for (int64_t i = 0; i < count; i++) {
        int64_t n = clock[CLOCK_FIRST] + i / per_case;
        int64_t element = desc->attr->per_channel ? n * s.c + i % s.c : n * per_case + i % per_case;
        double p = (double)desc->attr->p;
        y[i] = uniform(clock, desc->attr->key, (uint64_t)element) >= p ? x[i] / (1 - p) : 0;
    }
}

REFERENCE(fill)
{
    for (int64_t i = 0; i < shape_count(desc->out[0]); i++)
        ((double *)arg[0])[i] = (double)desc->attr->p;
}
