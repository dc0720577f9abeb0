/*
 * What the files compiled once per instruction set share. ISA (v2, v3, v4 or v4_half) comes from
 * the compiler's command line and becomes the ending of every external name.
 *
 * With LOOPS_HALF the activations of HALF ops, `element`, are BF16: load widens one, and store
 * rounds to the nearest, ties to even. All arithmetic is in single precision either way. Files
 * without such an op are not compiled that way.
 *
 * Sums are kept in single precision over a few hundred terms at most, then in double.
 */
#ifndef CAIRN_ENGINE_CPU_LOOPS_H
#define CAIRN_ENGINE_CPU_LOOPS_H

#include "engine/cpu/cpu_parts.h"
#include "engine/cpu/formulas.h"

/* Nobody looks at floating-point traps, but allowing for them keeps the compiler from vectorising
 * conditionals; no result changes. */
#pragma GCC optimize("no-trapping-math")

#define ISA_PASTE_(name, isa) name##_##isa
#define ISA_PASTE(name, isa)  ISA_PASTE_(name, isa)
#define ISA_NAME(name)        ISA_PASTE(name, ISA)

#ifdef LOOPS_HALF
typedef uint16_t element;

MATH_INLINE float load(element x)
{
    return float_of((uint32_t)x << 16);
}

MATH_INLINE element store(float x)
{
    uint32_t u = bits_of(x), rounded = u + 0x7fffu + (u >> 16 & 1u);
    return (element)((x == x ? rounded : u | 0x400000u) >> 16);
}
#else
typedef float element;

MATH_INLINE float load(element x)
{
    return x;
}

MATH_INLINE element store(float x)
{
    return x;
}
#endif

/* A pass over items begin .. end-1 (range_body). */
#define RANGE(name)                                                                                \
    static void name(const struct loop *loop, void *const *arg __attribute__((unused)),            \
                     void *scratch __attribute__((unused)), int64_t begin, int64_t end)

/* The kernel maker of an op; loops do not fail. */
#define MAKER(name)                                                                                \
    int ISA_NAME(cpu_##name)(struct kernel * out, const struct kernel_desc *desc,                  \
                             struct err *err __attribute__((unused)))

#define OP_ALIAS(name, nin, nout, flags, help)
#define OP(name, nin, nout, flags, help) MAKER(name);
#include "engine/ops.def"

/* reduce_sum where only the channels are kept */
MAKER(sum_to_channels);

/* A product of ours (see library_product), where the library has none: c is F32, row by row. */
void ISA_NAME(cpu_product)(struct kernel *out, struct backend *backend, struct matrix a,
                           struct matrix b, struct matrix c);
/* Likewise conv, conv_data or conv_filter, without bias and activation; the result is F32. */
void ISA_NAME(cpu_convolution)(struct kernel *out, const struct kernel_desc *desc);

/* A kernel of one pass. */
static inline int one_pass(struct kernel *out, const struct kernel_desc *desc, range_body *body,
                           int64_t items)
{
    cpu_loop_pass(cpu_loop_make(out, desc), body, items);
    return 0;
}

/* Elements per item of a pass over contiguous memory. */
enum { BLOCK = 4096 };

static inline int64_t blocks_of(int64_t count)
{
    return (count + BLOCK - 1) / BLOCK;
}

/* Channels are summed this many at a time. */
enum { LANES = 64 };

static inline int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Where blocks up to `end` of such a tensor end; the last may be short. */
static inline int64_t block_end(struct shape shape, int64_t end)
{
    return min64(end * BLOCK, shape_count(shape));
}

static inline int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The formulas as functions, for loops that fuse one; the slope is d y / d x. */
#define UNARY(name, value, uses, dx)                                                               \
    MATH_INLINE float name##_value(float x, float p, float q)                                      \
    {                                                                                              \
        (void)p, (void)q;                                                                          \
        return value;                                                                              \
    }                                                                                              \
    MATH_INLINE float name##_slope(float x, float y, float p, float q)                             \
    {                                                                                              \
        const float dy = 1;                                                                        \
        (void)x, (void)y, (void)p, (void)q;                                                        \
        return dx;                                                                                 \
    }
#define BINARY(name, value)
UNARY(none, x, none, dy)
#include "engine/pointwise.def"
#undef UNARY
#undef BINARY

/* An activation by name; act is a constant where this is inlined. */
MATH_INLINE float act_value(enum act act, float x)
{
    switch (act) {
#define ACT(id, op, p, cost, library)                                                              \
    case ACT_##id:                                                                                 \
        return op##_value(x, (float)(p), 0);
#include "engine/activation.def"
    }
    return x;
}

/* d act(x) / d x, where y = act(x) */
MATH_INLINE float act_slope(enum act act, float x, float y)
{
    switch (act) {
#define ACT(id, op, p, cost, library)                                                              \
    case ACT_##id:                                                                                 \
        return op##_slope(x, y, (float)(p), 0);
#define ACT_SLOPE(id, op, p, cost, library, slope)                                                 \
    case ACT_##id:                                                                                 \
        return slope;
#include "engine/activation.def"
    }
    return 1;
}

/*
 * Work along the channels of [rows, c] with few of them leaves most of a vector register empty.
 * `fold` rows are therefore seen as one of fold * c lanes; what belongs to a channel is repeated
 * for each.
 */
static inline int64_t fold_of(int64_t c)
{
    return c >= 256 ? 1 : (255 + c) / c;
}

#endif
