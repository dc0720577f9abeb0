/* Random numbers as engine/draw.h says, GROUP Philox blocks at a time. */
#include "engine/cpu/loops.h"
#include "engine/draw.h"

#include <string.h>

enum { GROUP = 16, DRAWN = 4 * GROUP };

/* The elements of blocks first .. first+GROUP-1, as lanes: bits[lane][block]. */
static void draw(uint32_t bits[4][GROUP], const int32_t *clock, uint64_t key, uint64_t first)
{
#pragma omp simd
    for (int i = 0; i < GROUP; i++) {
        struct philox block = draw_block(clock, key, first + (uint64_t)i);
        bits[0][i] = block.v[0];
        bits[1][i] = block.v[1];
        bits[2][i] = block.v[2];
        bits[3][i] = block.v[3];
    }
}

static void draw_uniform(float *out, const int32_t *clock, uint64_t key, uint64_t first)
{
    uint32_t bits[4][GROUP];
    draw(bits, clock, key, first);
    for (int i = 0; i < GROUP; i++)
        for (int lane = 0; lane < 4; lane++)
            out[4 * i + lane] = uniform_open(bits[lane][i]);
}

static void draw_normal(float *out, const int32_t *clock, uint64_t key, uint64_t first)
{
    uint32_t bits[4][GROUP];
    float value[4][GROUP];
    draw(bits, clock, key, first);
    for (int pair = 0; pair < 4; pair += 2)
#pragma omp simd
        for (int i = 0; i < GROUP; i++) {
            float sine, cosine;
            float r = sqrt1(-2.0f * log1(uniform_open(bits[pair][i])));
            turn1(uniform_open(bits[pair + 1][i]), &sine, &cosine);
            value[pair][i] = r * cosine;
            value[pair + 1][i] = r * sine;
        }
    for (int i = 0; i < GROUP; i++)
        for (int lane = 0; lane < 4; lane++)
            out[4 * i + lane] = value[lane][i];
}

/* Number of the batch's first element among all there are. */
static uint64_t first_element(const int32_t *clock, int64_t per_case)
{
    return (uint64_t)(uint32_t)clock[CLOCK_FIRST] * (uint64_t)per_case;
}

RANGE(normal_range)
{
    const int32_t *clock = arg[0];
    int64_t count = shape_count(loop->desc.out[0]), last = min64(count, end * BLOCK);
    uint64_t first = first_element(clock, count / loop->desc.out[0].n);
    float *y = arg[1], drawn[DRAWN];
    for (int64_t at = begin * BLOCK; at < last;) {
        uint64_t number = first + (uint64_t)at;
        int64_t skip = (int64_t)(number % 4), n = min64(DRAWN - skip, last - at);
        draw_normal(drawn, clock, loop->attr.key, number / 4);
        memcpy(y + at, drawn + skip, (size_t)n * sizeof *y);
        at += n;
    }
}

MAKER(normal)
{
    return one_pass(out, desc, normal_range, blocks_of(shape_count(desc->out[0])));
}

RANGE(dropout_range)
{
    const element *x = arg[0];
    const int32_t *clock = arg[1];
    element *y = arg[2];
    float drawn[DRAWN], p = loop->attr.p, scale = 1 / (1 - p);
    int64_t count = shape_count(loop->desc.out[0]), last = min64(count, end * BLOCK);
    uint64_t first = first_element(clock, count / loop->desc.out[0].n);
    for (int64_t at = begin * BLOCK; at < last;) {
        uint64_t number = first + (uint64_t)at;
        int64_t skip = (int64_t)(number % 4), n = min64(DRAWN - skip, last - at);
        draw_uniform(drawn, clock, loop->attr.key, number / 4);
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            y[at + i] = store(drawn[skip + i] >= p ? load(x[at + i]) * scale : 0);
        at += n;
    }
}

/* scratch: the factor of every (case, channel) */
RANGE(channel_factor_range)
{
    const int32_t *clock = arg[1];
    float *factor = scratch, drawn[DRAWN], p = loop->attr.p, scale = 1 / (1 - p);
    uint64_t first = first_element(clock, loop->desc.in[0].c);
    for (int64_t at = begin; at < end;) {
        uint64_t number = first + (uint64_t)at;
        int64_t skip = (int64_t)(number % 4), n = min64(DRAWN - skip, end - at);
        draw_uniform(drawn, clock, loop->attr.key, number / 4);
        for (int64_t i = 0; i < n; i++)
            factor[at + i] = drawn[skip + i] >= p ? scale : 0;
        at += n;
    }
}

/* Items are pixels. */
RANGE(dropout_channels_range)
{
    struct shape shape = loop->desc.in[0];
    int64_t c = shape.c, pixels = (int64_t)shape.d * shape.h * shape.w;
    for (int64_t row = begin; row < end; row++) {
        const element *x = (const element *)arg[0] + row * c;
        const float *factor = (const float *)scratch + row / pixels * c;
        element *y = (element *)arg[2] + row * c;
#pragma omp simd
        for (int64_t j = 0; j < c; j++)
            y[j] = store(factor[j] > 0 ? load(x[j]) * factor[j] : 0);
    }
}

MAKER(dropout)
{
    struct loop *loop = cpu_loop_make(out, desc);
    struct shape x = desc->in[0];
    if (!desc->attr->per_channel) {
        cpu_loop_pass(loop, dropout_range, blocks_of(shape_count(x)));
        return 0;
    }
    cpu_loop_pass(loop, channel_factor_range, (int64_t)x.n * x.c);
    cpu_loop_pass(loop, dropout_channels_range, rows_of(x));
    out->scratch = (size_t)x.n * (size_t)x.c * sizeof(float);
    return 0;
}
