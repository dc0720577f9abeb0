/*
 * Upsampling and its gradient, which gathers (each element of dx has one writer), so that rows can
 * be shared out without atomics. Items are rows (n, d, h) of the result.
 */
#include "engine/cpu/pixels.h"

/* An output's value along one axis is (1 - t) x[low] + t x[high]; nearest: t = 0. Half-pixel
 * centres: output o looks at input (o + 1/2) / factor - 1/2, held at the edges. */
struct tap {
    int64_t at[2];
    float weight[2];
};

static struct tap tap_of(int mode, int64_t output, int64_t factor, int64_t length)
{
    if (mode == MODE_NEAREST || factor == 1)
        return (struct tap){{output / factor, output / factor}, {1, 0}};
    int64_t twice = 2 * output + 1 - factor; /* position * 2 factor */
    int64_t low = twice < 0 ? 0 : twice / (2 * factor), high = min64(low + 1, length - 1);
    float t = twice < 0 ? 0 : (float)(twice - low * 2 * factor) / (float)(2 * factor);
    return (struct tap){{low, high}, {1 - t, t}};
}

/* scratch: the taps of every column. Items are columns. */
RANGE(column_taps_range)
{
    for (int64_t w = begin; w < end; w++)
        ((struct tap *)scratch)[w] =
            tap_of(loop->attr.mode, w, loop->attr.window.size[2], loop->desc.in[0].w);
}

/* from: the four rows that an output row looks at, and how much of each; y: one pixel */
static void blend_pixel(const element *const from[4], const float weight[4], const struct tap *tap,
                        element *y, int64_t c)
{
    for (int64_t at = 0; at < c; at += LANES) {
        int64_t lanes = min64(LANES, c - at);
        float sum[LANES];
        bool first = true;
        for (int corner = 0; corner < 8; corner++) {
            float part = weight[corner / 2] * tap->weight[corner % 2];
            if (part == 0)
                continue;
            const element *x = from[corner / 2] + tap->at[corner % 2] * c + at;
#pragma omp simd
            for (int64_t j = 0; j < lanes; j++)
                sum[j] = first ? part * load(x[j]) : fma1(part, load(x[j]), sum[j]);
            first = false;
        }
        for (int64_t j = 0; j < lanes; j++)
            y[at + j] = store(sum[j]);
    }
}

RANGE(upsample_range)
{
    const int32_t *factor = loop->attr.window.size;
    int mode = loop->attr.mode;
    struct shape x = loop->desc.in[0], y = loop->desc.out[0];
    for (int64_t row = begin; row < end; row++) {
        struct pixel pixel = pixel_of(y, row);
        struct tap d = tap_of(mode, pixel.d, factor[0], x.d);
        struct tap h = tap_of(mode, pixel.h, factor[1], x.h);
        const element *from[4];
        float weight[4];
        for (int i = 0; i < 4; i++) {
            from[i] = (const element *)arg[0] + offset_of(x, pixel.n, d.at[i / 2], h.at[i % 2], 0);
            weight[i] = d.weight[i / 2] * h.weight[i % 2];
        }
        for (int64_t w = 0; w < y.w; w++)
            blend_pixel(from, weight, (const struct tap *)scratch + w,
                        (element *)arg[1] + (row * y.w + w) * y.c, y.c);
    }
}

MAKER(upsample)
{
    struct loop *loop = cpu_loop_make(out, desc);
    struct shape y = desc->out[0];
    cpu_loop_pass(loop, column_taps_range, y.w);
    cpu_loop_pass(loop, upsample_range, (int64_t)y.n * y.d * y.h);
    out->scratch = (size_t)y.w * sizeof(struct tap);
    return 0;
}

/* How much output o takes of input i. */
static float share_of(int mode, int64_t output, int64_t input, int64_t factor, int64_t length)
{
    struct tap tap = tap_of(mode, output, factor, length);
    return (tap.at[0] == input ? tap.weight[0] : 0) + (tap.at[1] == input ? tap.weight[1] : 0);
}

/* The outputs that may look at an input. */
static struct reach looking(int mode, int64_t input, int32_t factor, int32_t length)
{
    int32_t beyond = mode == MODE_NEAREST || factor == 1 ? 0 : (factor + 1) / 2;
    return (struct reach){max32(0, (int32_t)input * factor - beyond),
                          min32(length * factor, ((int32_t)input + 1) * factor + beyond)};
}

/* scratch: for every position along d, h and w in turn, what it gets of each output that may look at
 * it. Items are positions. */
RANGE(shares_range)
{
    const int32_t lengths[3] = {loop->desc.out[0].d, loop->desc.out[0].h, loop->desc.out[0].w};
    for (int64_t item = begin; item < end; item++) {
        int64_t at = item;
        int axis = 0;
        for (; at >= lengths[axis]; axis++)
            at -= lengths[axis];
        int32_t factor = loop->attr.window.size[axis], length = lengths[axis];
        struct reach reach = looking(loop->attr.mode, at, factor, length);
        float *share = (float *)scratch + loop->table_at[axis] + at * loop->table_row[axis];
        for (int32_t k = reach.begin; k < reach.end; k++)
            share[k - reach.begin] = share_of(loop->attr.mode, k, at, factor, length);
    }
}

/* What a position along an axis gets, and of which outputs. */
struct gather {
    struct reach reach;
    const float *share;
};

static struct gather gather_of(const struct loop *loop, const void *scratch, int axis, int64_t at,
                               int32_t length)
{
    return (struct gather){looking(loop->attr.mode, at, loop->attr.window.size[axis], length),
                           (const float *)scratch + loop->table_at[axis] +
                               at * loop->table_row[axis]};
}

static void gather_pixel(const element *dy, struct shape y, int64_t n,
                         const struct gather gather[3], int64_t lanes, float *sum)
{
    const struct gather *d = &gather[0], *h = &gather[1], *w = &gather[2];
    for (int32_t i = d->reach.begin; i < d->reach.end; i++)
        for (int32_t j = h->reach.begin; j < h->reach.end; j++) {
            float outer = d->share[i - d->reach.begin] * h->share[j - h->reach.begin];
            if (outer == 0)
                continue;
            for (int32_t k = w->reach.begin; k < w->reach.end; k++) {
                const element *from = dy + offset_of(y, n, i, j, k);
                float weight = outer * w->share[k - w->reach.begin];
#pragma omp simd
                for (int64_t l = 0; l < lanes; l++)
                    sum[l] = fma1(weight, load(from[l]), sum[l]);
            }
        }
}

RANGE(upsample_grad_range)
{
    struct shape x = loop->desc.out[0], y = loop->desc.in[0];
    for (int64_t row = begin; row < end; row++) {
        struct pixel pixel = pixel_of(x, row);
        struct gather gather[3] = {gather_of(loop, scratch, 0, pixel.d, x.d),
                                   gather_of(loop, scratch, 1, pixel.h, x.h)};
        for (int64_t w = 0; w < x.w; w++) {
            gather[2] = gather_of(loop, scratch, 2, w, x.w);
            element *dx = (element *)arg[1] + (row * x.w + w) * x.c;
            for (int64_t c = 0; c < x.c; c += LANES) {
                int64_t lanes = min64(LANES, x.c - c);
                float sum[LANES] = {0};
                gather_pixel((const element *)arg[0] + c, y, pixel.n, gather, lanes, sum);
                for (int64_t j = 0; j < lanes; j++)
                    dx[c + j] = store(sum[j]);
            }
        }
    }
}

MAKER(upsample_grad)
{
    struct loop *loop = cpu_loop_make(out, desc);
    struct shape x = desc->out[0];
    const int64_t lengths[3] = {x.d, x.h, x.w};
    int64_t room = 0;
    for (int axis = 0; axis < 3; axis++) {
        loop->table_row[axis] = 2 * desc->attr->window.size[axis] + 2;
        loop->table_at[axis] = room;
        room += lengths[axis] * loop->table_row[axis];
    }
    cpu_loop_pass(loop, shares_range, x.d + x.h + x.w);
    cpu_loop_pass(loop, upsample_grad_range, (int64_t)x.n * x.d * x.h);
    out->scratch = (size_t)room * sizeof(float);
    return 0;
}
