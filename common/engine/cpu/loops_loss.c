/* Losses (losses.def): a sum per case, and the slope in the same pass; and constants. */
#include "engine/cpu/loops.h"

RANGE(fill_range)
{
    float *y = arg[0], p = loop->attr.p;
    int64_t last = block_end(loop->desc.out[0], end);
    for (int64_t i = begin * BLOCK; i < last; i++)
        y[i] = p;
}

MAKER(fill)
{
    return one_pass(out, desc, fill_range, blocks_of(shape_count(desc->out[0])));
}

/* ---- losses: a sum per case, and the slope in the same pass --------------------------------- */

/* scratch: a double for each block of each case */
RANGE(case_sums_range)
{
    float *loss = arg[2];
    if (!loss)
        return;
    for (int64_t i = begin; i < end; i++) {
        const double *part = (const double *)scratch + i * loop->chunks;
        double sum = 0;
        for (int64_t k = 0; k < loop->chunks; k++)
            sum += part[k];
        loss[i] = (float)sum;
    }
}

/* Items are blocks of SUM_RUN elements of a case, so that single precision is enough for the sum.
 */
enum { SUM_RUN = 1024 };

#define LOSS(name, value, slope)                                                                   \
    RANGE(name##_range)                                                                            \
    {                                                                                              \
        for (int64_t item = begin; item < end; item++) {                                           \
            int64_t first = item % loop->chunks * SUM_RUN;                                         \
            int64_t at = item / loop->chunks * loop->width + first;                                \
            int64_t count = min64(SUM_RUN, loop->width - first);                                   \
            const float *xs = (const float *)arg[0] + at, *ts = (const float *)arg[1] + at;        \
            float sum = 0;                                                                         \
            if (arg[3]) {                                                                          \
                float *slopes = (float *)arg[3] + at;                                              \
                _Pragma("omp simd reduction(+ : sum)") for (int64_t i = 0; i < count; i++)         \
                {                                                                                  \
                    float x = xs[i], t = ts[i];                                                    \
                    sum += value;                                                                  \
                    slopes[i] = slope;                                                             \
                }                                                                                  \
            } else {                                                                               \
                _Pragma("omp simd reduction(+ : sum)") for (int64_t i = 0; i < count; i++)         \
                {                                                                                  \
                    float x = xs[i], t = ts[i];                                                    \
                    sum += value;                                                                  \
                }                                                                                  \
            }                                                                                      \
            ((double *)scratch)[item] = sum;                                                       \
        }                                                                                          \
    }                                                                                              \
    MAKER(name)                                                                                    \
    {                                                                                              \
        struct loop *loop = cpu_loop_make(out, desc);                                              \
        int64_t cases = desc->in[0].n;                                                             \
        loop->width = shape_count(desc->in[0]) / cases;                                            \
        loop->chunks = (loop->width + SUM_RUN - 1) / SUM_RUN;                                      \
        out->scratch = (size_t)(cases * loop->chunks) * sizeof(double);                            \
        cpu_loop_pass(loop, name##_range, cases * loop->chunks);                                   \
        cpu_loop_pass(loop, case_sums_range, cases);                                               \
        return 0;                                                                                  \
    }
#include "engine/losses.def"
#undef LOSS
