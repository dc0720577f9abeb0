/* The table of makers, and the ops that are one formula per element (pointwise.def). */
#include "engine/cpu/loops.h"

#include <string.h>

kernel_maker *const ISA_NAME(cpu_makers)[OPS] = {
#define OP_ALIAS(name, nin, nout, flags, help)
#ifdef LOOPS_HALF
#define OP(name, nin, nout, flags, help) [OP_##name] = (flags)&HALF ? ISA_NAME(cpu_##name) : NULL,
#else
#define OP(name, nin, nout, flags, help) [OP_##name] = ISA_NAME(cpu_##name),
#endif
#include "engine/ops.def"
};

/* ---- one input ------------------------------------------------------------------------------ */

/* What a derivative uses; the compiler says where a row of pointwise.def is wrong about it. */
#define LOAD_none
#define LOAD_x  float x = load(xs[i]);
#define LOAD_y  float y = load(ys[i]);
#define LOAD_xy LOAD_x LOAD_y

#define UNARY(name, value, uses, slope)                                                            \
    RANGE(name##_range)                                                                            \
    {                                                                                              \
        const element *xs = arg[0];                                                                \
        element *ys = arg[1];                                                                      \
        float p = loop->attr.p, q = loop->attr.q;                                                  \
        int64_t last = block_end(loop->desc.out[0], end);                                          \
        (void)p, (void)q;                                                                          \
        _Pragma("omp simd") for (int64_t i = begin * BLOCK; i < last; i++)                         \
        {                                                                                          \
            float x = load(xs[i]);                                                                 \
            ys[i] = store(value);                                                                  \
        }                                                                                          \
    }                                                                                              \
    MAKER(name)                                                                                    \
    {                                                                                              \
        return one_pass(out, desc, name##_range, blocks_of(shape_count(desc->out[0])));            \
    }                                                                                              \
    RANGE(name##_grad_range)                                                                       \
    {                                                                                              \
        const element *dys = arg[0], *xs = arg[1], *ys = arg[2];                                   \
        element *dxs = arg[3];                                                                     \
        float p = loop->attr.p, q = loop->attr.q;                                                  \
        int64_t last = block_end(loop->desc.out[0], end);                                          \
        (void)xs, (void)ys, (void)p, (void)q;                                                      \
        _Pragma("omp simd") for (int64_t i = begin * BLOCK; i < last; i++)                         \
        {                                                                                          \
            float dy = load(dys[i]);                                                               \
            LOAD_##uses dxs[i] = store(slope);                                                     \
        }                                                                                          \
    }                                                                                              \
    MAKER(name##_grad)                                                                             \
    {                                                                                              \
        return one_pass(out, desc, name##_grad_range, blocks_of(shape_count(desc->out[0])));       \
    }
#define BINARY(name, value)
#include "engine/pointwise.def"
#undef UNARY
#undef BINARY

/* ---- two inputs, axes of size 1 repeated ---------------------------------------------------- */

static void axes_of(int64_t axis[5], struct shape shape)
{
    const int64_t all[5] = {shape.n, shape.d, shape.h, shape.w, shape.c};
    memcpy(axis, all, sizeof all);
}

/* Merges axes along which both inputs go on in the same way, so that the last is long. */
static void merge_axes(struct loop *loop, struct shape z, struct shape a, struct shape b)
{
    int64_t extent[5], size[2][5], step[2] = {1, 1};
    axes_of(extent, z), axes_of(size[0], a), axes_of(size[1], b);
    int rank = 0; /* built from the last axis on */
    for (int axis = 4; axis >= 0; axis--) {
        int64_t stride[2];
        bool joins = rank > 0;
        for (int i = 0; i < 2; i++) {
            stride[i] = size[i][axis] == 1 ? 0 : step[i];
            step[i] *= size[i][axis];
            /* cppcheck-suppress negativeIndex ; joins is false where rank is 0 */
            joins = joins && stride[i] == loop->stride[i][rank - 1] * loop->extent[rank - 1];
        }
        if (extent[axis] == 1)
            continue;
        if (joins) {
            loop->extent[rank - 1] *= extent[axis];
            continue;
        }
        loop->extent[rank] = extent[axis];
        loop->stride[0][rank] = stride[0];
        loop->stride[1][rank++] = stride[1];
    }
    if (rank == 0)
        loop->extent[rank++] = 1;
    loop->rank = rank;
}

/* A row is a piece of the innermost merged axis, at most BLOCK long: loop->chunks of them. */
static void prepare_rows(struct loop *loop)
{
    loop->chunks = blocks_of(loop->extent[0]);
    loop->rows = loop->chunks;
    for (int i = 1; i < loop->rank; i++)
        loop->rows *= loop->extent[i];
}

struct row {
    int64_t z, a, b, count;
};

/* Of the rows from `item` to `end`, how many follow along one axis, so that the next is a fixed step
 * away: a short row costs less than finding where it is. */
static int64_t run_of(const struct loop *loop, int64_t item, int64_t end)
{
    if (loop->rank < 2 || loop->chunks > 1)
        return 1;
    return min64(end - item, loop->extent[1] - item % loop->extent[1]);
}

static struct row row_at(const struct loop *loop, int64_t index)
{
    int64_t first = index % loop->chunks * BLOCK, step = loop->extent[0];
    struct row row = {.z = first,
                      .a = first * loop->stride[0][0],
                      .b = first * loop->stride[1][0],
                      .count = min64(BLOCK, loop->extent[0] - first)};
    index /= loop->chunks;
    for (int i = 1; i < loop->rank; i++) {
        int64_t at = index % loop->extent[i];
        row.z += at * step;
        row.a += at * loop->stride[0][i];
        row.b += at * loop->stride[1][i];
        step *= loop->extent[i];
        index /= loop->extent[i];
    }
    return row;
}

#define BINARY(name, value)                                                                        \
    static inline void name##_row(const struct loop *loop, const element *as, const element *bs,   \
                                  element *zs, int64_t count)                                      \
    {                                                                                              \
        if (loop->stride[0][0] && loop->stride[1][0]) {                                            \
            _Pragma("omp simd") for (int64_t i = 0; i < count; i++)                                \
            {                                                                                      \
                float a = load(as[i]), b = load(bs[i]);                                            \
                zs[i] = store(value);                                                              \
            }                                                                                      \
        } else if (loop->stride[0][0]) {                                                           \
            float b = load(bs[0]);                                                                 \
            _Pragma("omp simd") for (int64_t i = 0; i < count; i++)                                \
            {                                                                                      \
                float a = load(as[i]);                                                             \
                zs[i] = store(value);                                                              \
            }                                                                                      \
        } else {                                                                                   \
            float a = load(as[0]);                                                                 \
            _Pragma("omp simd") for (int64_t i = 0; i < count; i++)                                \
            {                                                                                      \
                float b = load(bs[i * loop->stride[1][0]]);                                        \
                zs[i] = store(value);                                                              \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    RANGE(name##_range)                                                                            \
    {                                                                                              \
        for (int64_t item = begin, run; item < end; item += run) {                                 \
            struct row row = row_at(loop, item);                                                   \
            const element *as = (const element *)arg[0] + row.a,                                   \
                          *bs = (const element *)arg[1] + row.b;                                   \
            element *zs = (element *)arg[2] + row.z;                                               \
            run = run_of(loop, item, end);                                                         \
            for (int64_t k = 0; k < run; k++)                                                      \
                name##_row(loop, as + k * loop->stride[0][1], bs + k * loop->stride[1][1],         \
                           zs + k * row.count, row.count);                                         \
        }                                                                                          \
    }                                                                                              \
    MAKER(name)                                                                                    \
    {                                                                                              \
        struct loop *loop = cpu_loop_make(out, desc);                                              \
        merge_axes(loop, desc->out[0], desc->in[0], desc->in[1]);                                  \
        prepare_rows(loop);                                                                        \
        cpu_loop_pass(loop, name##_range, loop->rows);                                             \
        return 0;                                                                                  \
    }
#define UNARY(name, value, uses, slope)
#include "engine/pointwise.def"
#undef UNARY
#undef BINARY

RANGE(broadcast_range)
{
    int64_t stride = loop->stride[0][0];
    for (int64_t item = begin, run; item < end; item += run) {
        struct row row = row_at(loop, item);
        run = run_of(loop, item, end);
        for (int64_t k = 0; k < run; k++) {
            const element *x = (const element *)arg[0] + row.a + k * loop->stride[0][1];
            element *y = (element *)arg[1] + row.z + k * row.count;
#pragma omp simd
            for (int64_t i = 0; i < row.count; i++)
                y[i] = x[i * stride];
        }
    }
}

MAKER(broadcast)
{
    struct loop *loop = cpu_loop_make(out, desc);
    merge_axes(loop, desc->out[0], desc->in[0], desc->in[0]);
    prepare_rows(loop);
    cpu_loop_pass(loop, broadcast_range, loop->rows);
    return 0;
}

/* ---- between the two types ------------------------------------------------------------------ */

RANGE(widen_range)
{
    const element *x = arg[0];
    float *y = arg[1];
    int64_t last = block_end(loop->desc.out[0], end);
#pragma omp simd
    for (int64_t i = begin * BLOCK; i < last; i++)
        y[i] = load(x[i]);
}

RANGE(narrow_range)
{
    const float *x = arg[0];
    element *y = arg[1];
    int64_t last = block_end(loop->desc.out[0], end);
#pragma omp simd
    for (int64_t i = begin * BLOCK; i < last; i++)
        y[i] = store(x[i]);
}

MAKER(cast)
{
    return one_pass(out, desc, desc->out_type[0] == F32 ? widen_range : narrow_range,
                    blocks_of(shape_count(desc->out[0])));
}
