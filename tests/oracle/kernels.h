/* How the oracle's kernels are written: one function per op, a maker around it. */
#ifndef CAIRN_TESTS_ORACLE_KERNELS_H
#define CAIRN_TESTS_ORACLE_KERNELS_H

#include "engine/backend.h"

#include <math.h>

#define OP_ALIAS(name, nin, nout, flags, help)
#define OP(name, nin, nout, flags, help) kernel_maker ref_##name;
#include "engine/ops.def"

typedef void reference_run(const struct kernel_desc *desc, void *const *arg);
int reference_kernel(struct kernel *out, const struct kernel_desc *desc, reference_run *run);

/* Begins the body of op `name`: what it reads is in desc and arg (inputs, then outputs). */
#define REFERENCE(name)                                                                            \
    static void name##_run(const struct kernel_desc *desc, void *const *arg);                      \
    int ref_##name(struct kernel *out, const struct kernel_desc *desc, struct err *err)            \
    {                                                                                              \
        (void)err;                                                                                 \
        return reference_kernel(out, desc, name##_run);                                            \
    }                                                                                              \
    static void name##_run(const struct kernel_desc *desc, void *const *arg)

struct index {
    int32_t n, d, h, w, c;
};

static inline int64_t at(struct shape s, struct index i)
{
    return ((((int64_t)i.n * s.d + i.d) * s.h + i.h) * s.w + i.w) * s.c + i.c;
}

/* The index of element `element`. */
static inline struct index index_of(struct shape s, int64_t element)
{
    struct index i;
    i.c = (int32_t)(element % s.c), element /= s.c;
    i.w = (int32_t)(element % s.w), element /= s.w;
    i.h = (int32_t)(element % s.h), element /= s.h;
    i.d = (int32_t)(element % s.d);
    i.n = (int32_t)(element / s.d);
    return i;
}

/* Where an array of shape s, repeated over its axes of size 1, has index i. */
static inline int64_t repeated(struct shape s, struct index i)
{
    return at(s, (struct index){s.n == 1 ? 0 : i.n, s.d == 1 ? 0 : i.d, s.h == 1 ? 0 : i.h,
                                s.w == 1 ? 0 : i.w, s.c == 1 ? 0 : i.c});
}

static inline bool within(struct shape s, struct index i)
{
    return i.d >= 0 && i.d < s.d && i.h >= 0 && i.h < s.h && i.w >= 0 && i.w < s.w;
}

/* Where position (kd, kh, kw) of the window at output index y lies in the input. */
static inline struct index window_at(const struct window *w, struct index y, int32_t kd, int32_t kh,
                                     int32_t kw)
{
    return (struct index){y.n, y.d * w->stride[0] - w->pad[0] + kd,
                          y.h * w->stride[1] - w->pad[1] + kh, y.w * w->stride[2] - w->pad[2] + kw,
                          y.c};
}

double reference_act(enum act act, double x);
/* at x, where it is y; x may be NaN where only y is needed */
double reference_act_slope(enum act act, double x, double y);

#endif
