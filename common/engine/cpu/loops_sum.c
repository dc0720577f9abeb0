/* Sums over axes. */
#include "engine/cpu/loops.h"

#include <string.h>

/*
 * After merging axes that are kept or summed together, the last axis decides: if it is kept, rows
 * are added; if it is summed, each row gives one number. loop->extent and stride[0] (of x), from
 * the last axis on; stride[1] is that of y, 0 where summed.
 *
 * A sum over `rows` rows (all summed axes but the last) is cut into loop->chunks chunks of
 * loop->chunk; each leaves its part in scratch as [chunk][outputs] floats (kept) or doubles.
 */
enum { ROWS_PER_CHUNK = 256, RUN = 1024 };

static void merge_summed(struct loop *loop, struct shape x, struct shape y)
{
    const int64_t xs[5] = {x.n, x.d, x.h, x.w, x.c}, ys[5] = {y.n, y.d, y.h, y.w, y.c};
    int64_t x_step = 1, y_step = 1;
    int rank = 0;
    for (int axis = 4; axis >= 0; axis--) {
        if (xs[axis] == 1)
            continue;
        bool kept = ys[axis] == xs[axis];
        if (rank > 0 && kept == (loop->stride[1][rank - 1] != 0)) {
            loop->extent[rank - 1] *= xs[axis];
        } else {
            loop->extent[rank] = xs[axis];
            loop->stride[0][rank] = x_step;
            loop->stride[1][rank++] = kept ? y_step : 0;
        }
        x_step *= xs[axis];
        y_step *= ys[axis];
    }
    if (rank == 0) {
        loop->extent[0] = 1;
        loop->stride[0][0] = loop->stride[1][0] = 1;
        rank = 1;
    }
    loop->rank = rank;
}

/* Offset in x of the index-th combination of the axes from 1 on that are kept (or summed). */
static int64_t offset_of(const struct loop *loop, bool kept, int64_t index)
{
    int64_t at = 0;
    for (int i = 1; i < loop->rank; i++) {
        if ((loop->stride[1][i] != 0) != kept)
            continue;
        at += index % loop->extent[i] * loop->stride[0][i];
        index /= loop->extent[i];
    }
    return at;
}

static double sum_run(const element *x, int64_t count)
{
    double total = 0;
    for (int64_t at = 0; at < count; at += RUN) {
        int64_t n = min64(RUN, count - at);
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < n; i++)
            sum += load(x[at + i]);
        total += sum;
    }
    return total;
}

/* The last axis is kept. Items are (chunk, block of the last axis, outer); loop->width blocks. */
RANGE(add_rows_range)
{
    int64_t outputs = shape_count(loop->desc.out[0]), c = loop->extent[0];
    for (int64_t item = begin; item < end; item++) {
        int64_t o = item % loop->outer, rest = item / loop->outer;
        int64_t first = rest % loop->width * BLOCK, k = rest / loop->width;
        int64_t n = min64(BLOCK, c - first);
        const element *x = (const element *)arg[0] + offset_of(loop, true, o) + first;
        float *sum = (float *)scratch + k * outputs + o * c + first;
        int64_t last = min64(loop->rows, (k + 1) * loop->chunk);
        memset(sum, 0, (size_t)n * sizeof *sum);
        for (int64_t row = k * loop->chunk; row < last; row++) {
            const element *xs = x + offset_of(loop, false, row);
#pragma omp simd
            for (int64_t j = 0; j < n; j++)
                sum[j] += load(xs[j]);
        }
    }
}

RANGE(join_rows_range)
{
    float *y = arg[1];
    int64_t outputs = shape_count(loop->desc.out[0]);
    for (int64_t i = begin; i < end; i++) {
        double sum = 0;
        for (int64_t k = 0; k < loop->chunks; k++)
            sum += ((const float *)scratch)[k * outputs + i];
        y[i] = (float)sum;
    }
}

/* The last axis is summed. Items are (output, chunk); rows here are pieces of the last axis. */
RANGE(sum_rows_range)
{
    for (int64_t item = begin; item < end; item++) {
        int64_t k = item % loop->chunks, o = item / loop->chunks;
        const element *x = (const element *)arg[0] + offset_of(loop, true, o);
        int64_t last = min64(loop->rows, (k + 1) * loop->chunk);
        double sum = 0;
        for (int64_t row = k * loop->chunk; row < last; row++) {
            int64_t first = row % loop->width * BLOCK;
            sum += sum_run(x + offset_of(loop, false, row / loop->width) + first,
                           min64(BLOCK, loop->extent[0] - first));
        }
        if (loop->chunks == 1)
            ((float *)arg[1])[o] = (float)sum;
        else
            ((double *)scratch)[item] = sum;
    }
}

/* Rows of so few that a register holds several: side by side, each from its first to its last. */
MATH_INLINE void add_few(const element *x, float *y, int64_t rows, int64_t c)
{
#pragma omp simd
    for (int64_t o = 0; o < rows; o++) {
        float sum = 0;
        for (int64_t j = 0; j < c; j++)
            sum += load(x[o * c + j]);
        y[o] = sum;
    }
}

/* Each output is the sum of a row of its own: short rows are many, and this is all they need. */
RANGE(sum_row_range)
{
    int64_t c = loop->extent[0];
    const element *x = (const element *)arg[0] + begin * c;
    float *y = (float *)arg[1] + begin;
    if (c == 2)
        add_few(x, y, end - begin, 2);
    else if (c == 3)
        add_few(x, y, end - begin, 3);
    else if (c == 4)
        add_few(x, y, end - begin, 4);
    else
        for (int64_t o = 0; o < end - begin; o++)
            y[o] = (float)sum_run(x + o * c, c);
}

/* scratch: doubles [output][chunk] */
RANGE(join_sums_range)
{
    float *y = arg[1];
    for (int64_t i = begin; i < end; i++) {
        double sum = 0;
        for (int64_t k = 0; k < loop->chunks; k++)
            sum += ((const double *)scratch)[i * loop->chunks + k];
        y[i] = (float)sum;
    }
}

MAKER(reduce_sum)
{
    struct shape x = desc->in[0], y = desc->out[0];
    if (y.c == x.c && y.c > 1 && shape_count(y) == y.c)
        return ISA_NAME(cpu_sum_to_channels)(out, desc, err);
    struct loop *loop = cpu_loop_make(out, desc);
    int64_t outputs = shape_count(desc->out[0]);
    merge_summed(loop, desc->in[0], desc->out[0]);
    bool kept = loop->stride[1][0] != 0;
    loop->width = blocks_of(loop->extent[0]);
    loop->outer = loop->rows = 1;
    for (int i = 1; i < loop->rank; i++)
        *(loop->stride[1][i] ? &loop->outer : &loop->rows) *= loop->extent[i];
    if (!kept)
        loop->rows *= loop->width;
    loop->chunk = kept ? ROWS_PER_CHUNK : max64(1, BLOCK / min64(BLOCK, loop->extent[0]));
    loop->chunks = (loop->rows + loop->chunk - 1) / loop->chunk;
    if (kept) {
        cpu_loop_pass(loop, add_rows_range, loop->outer * loop->width * loop->chunks);
        cpu_loop_pass(loop, join_rows_range, outputs);
        out->scratch = (size_t)(outputs * loop->chunks) * sizeof(float);
    } else if (loop->rank == 2 && loop->rows == 1) {
        cpu_loop_pass(loop, sum_row_range, outputs);
    } else {
        cpu_loop_pass(loop, sum_rows_range, outputs * loop->chunks);
        if (loop->chunks > 1)
            cpu_loop_pass(loop, join_sums_range, outputs);
        out->scratch = (size_t)(outputs * loop->chunks) * sizeof(double);
    }
    return 0;
}

RANGE(squares_range)
{
    int64_t count = shape_count(loop->desc.in[0]);
    for (int64_t item = begin; item < end; item++) {
        const element *x = (const element *)arg[0] + item * BLOCK;
        int64_t n = min64(BLOCK, count - item * BLOCK);
        double total = 0;
        for (int64_t at = 0; at < n; at += RUN) {
            int64_t run = min64(RUN, n - at);
            float sum = 0;
#pragma omp simd reduction(+ : sum)
            for (int64_t i = 0; i < run; i++)
                sum = fma1(load(x[at + i]), load(x[at + i]), sum);
            total += sum;
        }
        ((double *)scratch)[item] = total;
    }
}

MAKER(sum_squares)
{
    struct loop *loop = cpu_loop_make(out, desc);
    loop->chunks = blocks_of(shape_count(desc->in[0]));
    out->scratch = (size_t)loop->chunks * sizeof(double);
    cpu_loop_pass(loop, squares_range, loop->chunks);
    cpu_loop_pass(loop, join_sums_range, 1);
    return 0;
}
