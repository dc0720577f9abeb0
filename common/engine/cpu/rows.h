/*
 * Sums over the rows of [outer, rows, c] per channel. Each outer is cut into chunks of rows; a
 * chunk's sums are taken in single precision, chunks are joined in double.
 */
#ifndef CAIRN_ENGINE_CPU_ROWS_H
#define CAIRN_ENGINE_CPU_ROWS_H

#include "engine/cpu/loops.h"

/* Chunks long enough that their sums are few, short enough that single precision holds. */
static inline void cut_rows(struct loop *loop, int64_t outer, int64_t rows, int64_t c)
{
    loop->outer = outer;
    loop->rows = rows;
    loop->chunk = max64(64, 8192 / c);
    loop->chunks = (rows + loop->chunk - 1) / loop->chunk;
    loop->width = fold_of(c) * c;
}

static inline int64_t chunk_rows(const struct loop *loop, int64_t k)
{
    return min64(loop->chunk, loop->rows - k * loop->chunk);
}

/* A range of rows, seen as `wide` folded rows and a rest of less than one. */
struct span {
    int64_t first, wide, rest; /* in elements, folded rows, elements */
};

static inline struct span span_of(const struct loop *loop, int64_t item, int64_t c)
{
    int64_t k = item % loop->chunks, o = item / loop->chunks;
    int64_t elements = chunk_rows(loop, k) * c;
    return (struct span){(o * loop->rows + k * loop->chunk) * c, elements / loop->width,
                         elements % loop->width};
}

/* Adds the lanes of a channel into the first c. */
static inline void fold(float *lane, int64_t c, int64_t width)
{
    for (int64_t i = c; i < width; i += c)
#pragma omp simd
        for (int64_t j = 0; j < c; j++)
            lane[j] += lane[i + j];
}

#endif
