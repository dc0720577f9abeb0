/* Moving elements: joining, cutting and padding along an axis. */
#include "engine/cpu/loops.h"

#include <string.h>

/*
 * Every array is seen as [outer, pieces of contiguous elements], outer being the axes before
 * attr.axis: width is the length of the joined (or padded) row, chunk that of its first part.
 */
static int64_t elements_after(struct shape shape, int axis, int64_t *outer)
{
    const int64_t size[5] = {shape.n, shape.d, shape.h, shape.w, shape.c};
    int64_t inner = 1;
    *outer = 1;
    for (int i = 0; i < 5; i++)
        *(i < axis ? outer : &inner) *= size[i];
    return inner; /* the axis itself included */
}

/* Elements of one step along the axis. */
static int64_t step_of(struct shape shape, int axis)
{
    const int64_t size[5] = {shape.n, shape.d, shape.h, shape.w, shape.c};
    int64_t step = 1;
    for (int i = axis + 1; i < 5; i++)
        step *= size[i];
    return step;
}

/* memcpy's call is dear for a few elements. */
static void copy(element *to, const element *from, int64_t count)
{
    if (count >= 256) {
        memcpy(to, from, (size_t)count * sizeof *to);
        return;
    }
    int64_t i = 0;
    for (; i + 16 <= count; i += 16)
        memcpy(to + i, from + i, 16 * sizeof *to);
    for (; i < count; i++)
        to[i] = from[i];
}

/*
 * One pass for all: rows of `width` elements on the long side, [before, middle, after]; items are
 * (outer, piece of the row), a piece being at most BLOCK elements. What a piece does with each of
 * the three parts is the op's.
 */
struct part {
    int64_t outer, begin, end;
};

static struct part part_of(const struct loop *loop, int64_t item)
{
    if (loop->chunks == 1) /* a division costs as much as a short row */
        return (struct part){item, 0, loop->width};
    int64_t begin = item % loop->chunks * BLOCK;
    return (struct part){item / loop->chunks, begin, min64(loop->width, begin + BLOCK)};
}

static void set_rows(struct loop *loop, struct shape longest, int axis)
{
    loop->width = elements_after(longest, axis, &loop->outer);
    loop->chunks = blocks_of(loop->width);
}

RANGE(concat_range)
{
    int64_t split = loop->chunk, rest = loop->width - split;
    for (int64_t item = begin; item < end; item++) {
        struct part part = part_of(loop, item);
        const element *a = (const element *)arg[0] + part.outer * split;
        const element *b = (const element *)arg[1] + part.outer * rest;
        element *y = (element *)arg[2] + part.outer * loop->width;
        int64_t middle = max64(part.begin, min64(part.end, split));
        copy(y + part.begin, a + part.begin, middle - part.begin);
        copy(y + middle, b + middle - split, part.end - middle);
    }
}

MAKER(concat)
{
    struct loop *loop = cpu_loop_make(out, desc);
    set_rows(loop, desc->out[0], desc->attr->axis);
    loop->chunk = elements_after(desc->in[0], desc->attr->axis, &loop->outer);
    cpu_loop_pass(loop, concat_range, loop->outer * loop->chunks);
    return 0;
}

/* loop->chunk: elements in front; loop->rows: elements of the short row */
RANGE(slice_range)
{
    for (int64_t item = begin; item < end; item++) {
        struct part part = part_of(loop, item);
        const element *x = (const element *)arg[0] + part.outer * loop->rows + loop->chunk;
        element *y = (element *)arg[1] + part.outer * loop->width;
        copy(y + part.begin, x + part.begin, part.end - part.begin);
    }
}

/* A single channel is cut out in one go. */
RANGE(slice_one_range)
{
    const element *x = (const element *)arg[0] + loop->chunk;
    element *y = arg[1];
    int64_t step = loop->rows;
#pragma omp simd
    for (int64_t i = begin; i < end; i++)
        y[i] = x[i * step];
}

MAKER(slice)
{
    struct loop *loop = cpu_loop_make(out, desc);
    int axis = desc->attr->axis;
    loop->rows = elements_after(desc->in[0], axis, &loop->outer);
    set_rows(loop, desc->out[0], axis);
    loop->chunk = desc->attr->begin * step_of(desc->in[0], axis);
    cpu_loop_pass(loop, loop->width == 1 ? slice_one_range : slice_range,
                  loop->outer * loop->chunks);
    return 0;
}

RANGE(unslice_range)
{
    int64_t first = loop->chunk, last = first + loop->rows;
    for (int64_t item = begin; item < end; item++) {
        struct part part = part_of(loop, item);
        const element *x = (const element *)arg[0] + part.outer * loop->rows;
        element *y = (element *)arg[1] + part.outer * loop->width;
        int64_t from = max64(part.begin, min64(part.end, first));
        int64_t to = max64(from, min64(part.end, last));
        memset(y + part.begin, 0, (size_t)(from - part.begin) * sizeof *y);
        copy(y + from, x + from - first, to - from);
        memset(y + to, 0, (size_t)(part.end - to) * sizeof *y);
    }
}

MAKER(unslice)
{
    struct loop *loop = cpu_loop_make(out, desc);
    int axis = desc->attr->axis;
    loop->rows = elements_after(desc->in[0], axis, &loop->outer);
    set_rows(loop, desc->out[0], axis);
    loop->chunk = desc->attr->begin * step_of(desc->out[0], axis);
    cpu_loop_pass(loop, unslice_range, loop->outer * loop->chunks);
    return 0;
}
