/* Rows of pixels, for loops over windows of them. */
#ifndef CAIRN_ENGINE_CPU_PIXELS_H
#define CAIRN_ENGINE_CPU_PIXELS_H

#include "engine/cpu/loops.h"

/* A row, or a pixel of it. */
struct pixel {
    int64_t n, d, h;
};

static inline struct pixel pixel_of(struct shape shape, int64_t row)
{
    return (struct pixel){row / ((int64_t)shape.h * shape.d), row / shape.h % shape.d,
                          row % shape.h};
}

static inline int64_t offset_of(struct shape s, int64_t n, int64_t d, int64_t h, int64_t w)
{
    return (((n * s.d + d) * s.h + h) * s.w + w) * s.c;
}

/* Positions begin .. end-1 along an axis. In 32 bits, as shapes are: divisions are part of the cost.
 */
struct reach {
    int32_t begin, end;
};

static inline int32_t min32(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

static inline int32_t max32(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

#endif
