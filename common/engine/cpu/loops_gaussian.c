/*
 * Smoothing along one axis, and its adjoint. The axis and what lies within it are one row of memory, in
 * which a step along the axis is `width` elements: both ops add rows that are shifted by multiples of
 * it, always in the order of the window. Items are blocks of a row of the result.
 */
#include "engine/cpu/loops.h"

#include <math.h>
#include <string.h>

static void window_of(const struct attr *attr, float weight[GAUSSIAN_MOST])
{
    double each[GAUSSIAN_MOST], sum = 0;
    for (int32_t i = 0; i < attr->begin; i++) {
        double x = (i - attr->begin / 2) / (double)attr->p;
        sum += each[i] = exp(-0.5 * x * x);
    }
    for (int32_t i = 0; i < attr->begin; i++)
        weight[i] = (float)(each[i] / sum);
}

static void add(float *y, const float *x, float weight, int64_t count)
{
#pragma omp simd
    for (int64_t i = 0; i < count; i++)
        y[i] = fma1(weight, x[i], y[i]);
}

/* Part of a row of y; loop->rows is the elements in one of x, loop->chunk in one of y. */
struct block {
    const float *x;
    float *y;
    int64_t first, count; /* of y's row */
};

static struct block block_of(const struct loop *loop, void *const *arg, int64_t item)
{
    int64_t row = item / loop->chunks, first = item % loop->chunks * BLOCK;
    return (struct block){(const float *)arg[0] + row * loop->rows,
                          (float *)arg[1] + row * loop->chunk + first, first,
                          min64(BLOCK, loop->chunk - first)};
}

RANGE(gaussian_range)
{
    float weight[GAUSSIAN_MOST];
    window_of(&loop->attr, weight);
    for (int64_t item = begin; item < end; item++) {
        struct block b = block_of(loop, arg, item);
        memset(b.y, 0, (size_t)b.count * sizeof *b.y);
        for (int32_t k = 0; k < loop->attr.begin; k++)
            add(b.y, b.x + b.first + k * loop->width, weight[k], b.count);
    }
}

RANGE(gaussian_adjoint_range)
{
    float weight[GAUSSIAN_MOST];
    window_of(&loop->attr, weight);
    for (int64_t item = begin; item < end; item++) {
        struct block b = block_of(loop, arg, item);
        memset(b.y, 0, (size_t)b.count * sizeof *b.y);
        for (int32_t k = 0; k < loop->attr.begin; k++) {
            int64_t shift = k * loop->width, from = max64(b.first, shift);
            int64_t to = min64(b.first + b.count, shift + loop->rows);
            if (from < to)
                add(b.y + from - b.first, b.x + from - shift, weight[k], to - from);
        }
    }
}

static int smooth(struct kernel *out, const struct kernel_desc *desc, range_body *body)
{
    struct loop *loop = cpu_loop_make(out, desc);
    struct shape x = desc->in[0], y = desc->out[0];
    int axis = desc->attr->axis - AXIS_D;
    const int64_t within[] = {(int64_t)x.h * x.w * x.c, (int64_t)x.w * x.c, x.c};
    const int32_t before[] = {x.d, x.h, x.w}, after[] = {y.d, y.h, y.w};
    loop->width = within[axis];
    loop->rows = before[axis] * loop->width;
    loop->chunk = after[axis] * loop->width;
    loop->chunks = blocks_of(loop->chunk);
    loop->outer = shape_count(y) / loop->chunk;
    cpu_loop_pass(loop, body, loop->outer * loop->chunks);
    return 0;
}

MAKER(gaussian)
{
    return smooth(out, desc, gaussian_range);
}

MAKER(gaussian_adjoint)
{
    return smooth(out, desc, gaussian_adjoint_range);
}
