/*
 * Pooling and upsampling, and their gradients. Gradients gather (each element of dx has one
 * writer), so that rows can be shared out without atomics. Items are rows (n, d, h) of the result.
 */
#include "engine/cpu_loops.h"

#include <string.h>

/* Channels are taken this many at a time. */
enum { LANES = 64 };

struct pixel {
    int64_t n, d, h;
};

static struct pixel pixel_of(struct shape shape, int64_t row)
{
    return (struct pixel){row / ((int64_t)shape.h * shape.d), row / shape.h % shape.d,
                          row % shape.h};
}

static int64_t offset_of(struct shape s, int64_t n, int64_t d, int64_t h, int64_t w)
{
    return (((n * s.d + d) * s.h + h) * s.w + w) * s.c;
}

/* ---- windows -------------------------------------------------------------------------------- */

/* Positions begin .. end-1 along an axis. In 32 bits, as shapes are: divisions are part of the
 * cost. */
struct reach {
    int32_t begin, end;
};

static int32_t min32(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

static int32_t max32(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

/* The part of an output's window that lies in the input, as positions in the window. */
static struct reach inside(const struct window *window, int axis, int64_t output, int32_t length)
{
    int32_t first = (int32_t)output * window->stride[axis] - window->pad[axis];
    return (struct reach){max32(0, -first), min32(window->size[axis], length - first)};
}

/* The outputs whose window covers an input. */
static struct reach covering(const struct window *window, int axis, int64_t input, int32_t outputs)
{
    int32_t at = (int32_t)input + window->pad[axis], stride = window->stride[axis];
    int32_t first = at - window->size[axis] + 1;
    return (struct reach){first <= 0 ? 0 : (first + stride - 1) / stride,
                          min32(outputs, at / stride + 1)};
}

/* A window seen from one output pixel. */
struct view {
    struct reach d, h, w;
    int64_t first; /* offset of the window's first position in x, which may lie outside */
};

/* Of the first pixel of a row; w and first move along. */
static struct view view_of(const struct loop *loop, struct pixel pixel)
{
    const struct window *window = &loop->attr.window;
    struct shape x = loop->desc.in[0];
    return (struct view){
        .d = inside(window, 0, pixel.d, x.d),
        .h = inside(window, 1, pixel.h, x.h),
        .first = offset_of(x, pixel.n, pixel.d * window->stride[0] - window->pad[0],
                           pixel.h * window->stride[1] - window->pad[1], -window->pad[2])};
}

static void max_lanes(const struct loop *loop, const float *x, const struct view *view,
                      int64_t lanes, float *best, int32_t *winner)
{
    struct shape shape = loop->desc.in[0];
    const int32_t *size = loop->attr.window.size;
    bool first = true;
    for (int32_t d = view->d.begin; d < view->d.end; d++)
        for (int32_t h = view->h.begin; h < view->h.end; h++)
            for (int32_t w = view->w.begin; w < view->w.end; w++) {
                const float *at = x + offset_of(shape, 0, d, h, w);
                int32_t position = (d * size[1] + h) * size[2] + w;
#pragma omp simd
                for (int64_t j = 0; j < lanes; j++) {
                    bool better = first || at[j] > best[j];
                    best[j] = better ? at[j] : best[j];
                    winner[j] = better ? position : winner[j];
                }
                first = false;
            }
}

static void max_pool_range(const struct loop *loop, void *const *arg, void *scratch, int64_t begin,
                           int64_t end)
{
    (void)scratch;
    const struct window *window = &loop->attr.window;
    struct shape from = loop->desc.in[0], shape = loop->desc.out[0];
    uint8_t *winners = arg[2];
    float best[LANES] = {0};
    int32_t winner[LANES] = {0};
    for (int64_t row = begin; row < end; row++) {
        struct view view = view_of(loop, pixel_of(shape, row));
        for (int32_t w = 0; w < shape.w; w++) {
            view.w = inside(window, 2, w, from.w);
            const float *x =
                (const float *)arg[0] + view.first + (int64_t)w * window->stride[2] * from.c;
            for (int64_t c = 0; c < shape.c; c += LANES) {
                int64_t lanes = min64(LANES, shape.c - c), at = (row * shape.w + w) * shape.c + c;
                float *y = (float *)arg[1] + at;
                max_lanes(loop, x + c, &view, lanes, best, winner);
                for (int64_t j = 0; j < lanes; j++)
                    y[j] = best[j];
                for (int64_t j = 0; winners && j < lanes; j++)
                    winners[at + j] = (uint8_t)winner[j];
            }
        }
    }
}

MAKER(max_pool)
{
    struct loop *loop = cpu_loop_make(out, desc, err);
    if (!loop)
        return -1;
    struct shape y = desc->out[0];
    cpu_loop_pass(loop, max_pool_range, (int64_t)y.n * y.d * y.h);
    return 0;
}

static void sum_window(const struct loop *loop, const float *x, const struct view *view, float *y)
{
    struct shape shape = loop->desc.in[0];
    for (int32_t d = view->d.begin; d < view->d.end; d++)
        for (int32_t h = view->h.begin; h < view->h.end; h++)
            for (int32_t w = view->w.begin; w < view->w.end; w++) {
                const float *at = x + offset_of(shape, 0, d, h, w);
#pragma omp simd
                for (int64_t j = 0; j < shape.c; j++)
                    y[j] += at[j];
            }
}

static void avg_pool_range(const struct loop *loop, void *const *arg, void *scratch, int64_t begin,
                           int64_t end)
{
    (void)scratch;
    const struct window *window = &loop->attr.window;
    struct shape shape = loop->desc.out[0], from = loop->desc.in[0];
    for (int64_t row = begin; row < end; row++) {
        struct view view = view_of(loop, pixel_of(shape, row));
        for (int32_t w = 0; w < shape.w; w++) {
            view.w = inside(window, 2, w, from.w);
            float *y = (float *)arg[1] + (row * shape.w + w) * shape.c;
            float count = (float)(view.d.end - view.d.begin) * (float)(view.h.end - view.h.begin) *
                          (float)(view.w.end - view.w.begin);
            memset(y, 0, (size_t)shape.c * sizeof *y);
            sum_window(loop,
                       (const float *)arg[0] + view.first + (int64_t)w * window->stride[2] * from.c,
                       &view, y);
#pragma omp simd
            for (int64_t j = 0; j < shape.c; j++)
                y[j] /= count;
        }
    }
}

MAKER(avg_pool)
{
    struct loop *loop = cpu_loop_make(out, desc, err);
    if (!loop)
        return -1;
    struct shape y = desc->out[0];
    cpu_loop_pass(loop, avg_pool_range, (int64_t)y.n * y.d * y.h);
    return 0;
}

/* ---- gradients of pooling ------------------------------------------------------------------- */

/* What a pixel of dx gets of one output, of whose window it is this position. */
static void take_won(float *dx, const float *dy, const uint8_t *winner, int32_t position, int64_t c)
{
#pragma omp simd
    for (int64_t j = 0; j < c; j++) {
        int32_t won = winner[j];
        dx[j] = won == position ? dy[j] : 0;
    }
}

static void add_won(float *dx, const float *dy, const uint8_t *winner, int32_t position, int64_t c)
{
#pragma omp simd
    for (int64_t j = 0; j < c; j++) {
        int32_t won = winner[j];
        dx[j] += won == position ? dy[j] : 0;
    }
}

/* Windows that do not overlap and leave nothing out: each output writes its own window. Items are
 * rows of y. */
static void max_pool_tiles_range(const struct loop *loop, void *const *arg, void *scratch,
                                 int64_t begin, int64_t end)
{
    (void)scratch;
    const int32_t *size = loop->attr.window.size;
    struct shape x = loop->desc.out[0], y = loop->desc.in[0];
    for (int64_t row = begin; row < end; row++) {
        struct pixel at = pixel_of(y, row);
        for (int32_t line = 0; line < size[0] * size[1]; line++) {
            const float *dy = (const float *)arg[0] + row * y.w * y.c;
            const uint8_t *winner = (const uint8_t *)arg[1] + row * y.w * y.c;
            float *dx = (float *)arg[2] + offset_of(x, at.n, at.d * size[0] + line / size[1],
                                                    at.h * size[1] + line % size[1], 0);
            for (int32_t w = 0; w < y.w; w++, dy += y.c, winner += y.c)
                for (int32_t k = 0; k < size[2]; k++, dx += x.c)
                    take_won(dx, dy, winner, line * size[2] + k, x.c);
        }
    }
}

/* Items are rows of dx. */
static void max_pool_grad_range(const struct loop *loop, void *const *arg, void *scratch,
                                int64_t begin, int64_t end)
{
    (void)scratch;
    const struct window *window = &loop->attr.window;
    struct shape x = loop->desc.out[0], y = loop->desc.in[0];
    for (int64_t row = begin; row < end; row++) {
        struct pixel pixel = pixel_of(x, row);
        struct reach d = covering(window, 0, pixel.d, y.d), h = covering(window, 1, pixel.h, y.h);
        for (int32_t w = 0; w < x.w; w++) {
            struct reach across = covering(window, 2, w, y.w);
            float *dx = (float *)arg[2] + (row * x.w + w) * x.c;
            memset(dx, 0, (size_t)x.c * sizeof *dx);
            for (int32_t i = d.begin; i < d.end; i++)
                for (int32_t j = h.begin; j < h.end; j++)
                    for (int32_t k = across.begin; k < across.end; k++) {
                        int64_t at = offset_of(y, pixel.n, i, j, k);
                        int32_t in_d = (int32_t)pixel.d + window->pad[0] - i * window->stride[0];
                        int32_t in_h = (int32_t)pixel.h + window->pad[1] - j * window->stride[1];
                        int32_t in_w = w + window->pad[2] - k * window->stride[2];
                        add_won(dx, (const float *)arg[0] + at, (const uint8_t *)arg[1] + at,
                                (in_d * window->size[1] + in_h) * window->size[2] + in_w, x.c);
                    }
        }
    }
}

static bool is_tiling(const struct window *window, struct shape x, struct shape y)
{
    const int32_t from[3] = {x.d, x.h, x.w}, to[3] = {y.d, y.h, y.w};
    for (int i = 0; i < 3; i++)
        if (window->size[i] != window->stride[i] || window->pad[i] || window->pad_end[i] ||
            to[i] * window->size[i] != from[i])
            return false;
    return true;
}

MAKER(max_pool_grad)
{
    struct loop *loop = cpu_loop_make(out, desc, err);
    if (!loop)
        return -1;
    struct shape x = desc->out[0], y = desc->in[0];
    if (is_tiling(&desc->attr->window, x, y))
        cpu_loop_pass(loop, max_pool_tiles_range, (int64_t)y.n * y.d * y.h);
    else
        cpu_loop_pass(loop, max_pool_grad_range, (int64_t)x.n * x.d * x.h);
    return 0;
}

/* 1 / how many positions of an output's window lie in the input, along one axis */
static float part_of(const struct window *window, int axis, int64_t output, int32_t length)
{
    struct reach reach = inside(window, axis, output, length);
    return 1 / (float)(reach.end - reach.begin);
}

static void avg_pool_grad_range(const struct loop *loop, void *const *arg, void *scratch,
                                int64_t begin, int64_t end)
{
    (void)scratch;
    const struct window *window = &loop->attr.window;
    struct shape x = loop->desc.out[0], y = loop->desc.in[0];
    for (int64_t row = begin; row < end; row++) {
        struct pixel pixel = pixel_of(x, row);
        struct reach d = covering(window, 0, pixel.d, y.d), h = covering(window, 1, pixel.h, y.h);
        for (int64_t w = 0; w < x.w; w++) {
            struct reach across = covering(window, 2, w, y.w);
            float *dx = (float *)arg[1] + (row * x.w + w) * x.c;
            memset(dx, 0, (size_t)x.c * sizeof *dx);
            for (int64_t i = d.begin; i < d.end; i++)
                for (int64_t j = h.begin; j < h.end; j++)
                    for (int64_t k = across.begin; k < across.end; k++) {
                        const float *dy = (const float *)arg[0] + offset_of(y, pixel.n, i, j, k);
                        float part = part_of(window, 0, i, x.d) * part_of(window, 1, j, x.h) *
                                     part_of(window, 2, k, x.w);
#pragma omp simd
                        for (int64_t c = 0; c < x.c; c++)
                            dx[c] = fma1(part, dy[c], dx[c]);
                    }
        }
    }
}

MAKER(avg_pool_grad)
{
    struct loop *loop = cpu_loop_make(out, desc, err);
    if (!loop)
        return -1;
    struct shape x = desc->out[0];
    cpu_loop_pass(loop, avg_pool_grad_range, (int64_t)x.n * x.d * x.h);
    return 0;
}

/* ---- upsampling ----------------------------------------------------------------------------- */

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
static void column_taps_range(const struct loop *loop, void *const *arg, void *scratch,
                              int64_t begin, int64_t end)
{
    (void)arg;
    for (int64_t w = begin; w < end; w++)
        ((struct tap *)scratch)[w] =
            tap_of(loop->attr.mode, w, loop->attr.window.size[2], loop->desc.in[0].w);
}

/* from: the four rows that an output row looks at, and how much of each; y: one pixel */
static void blend_pixel(const float *const from[4], const float weight[4], const struct tap *tap,
                        float *y, int64_t c)
{
    bool first = true;
    for (int corner = 0; corner < 8; corner++) {
        float part = weight[corner / 2] * tap->weight[corner % 2];
        if (part == 0)
            continue;
        const float *x = from[corner / 2] + tap->at[corner % 2] * c;
        if (first)
#pragma omp simd
            for (int64_t j = 0; j < c; j++)
                y[j] = part * x[j];
        else
#pragma omp simd
            for (int64_t j = 0; j < c; j++)
                y[j] = fma1(part, x[j], y[j]);
        first = false;
    }
}

static void upsample_range(const struct loop *loop, void *const *arg, void *scratch, int64_t begin,
                           int64_t end)
{
    const int32_t *factor = loop->attr.window.size;
    int mode = loop->attr.mode;
    struct shape x = loop->desc.in[0], y = loop->desc.out[0];
    for (int64_t row = begin; row < end; row++) {
        struct pixel pixel = pixel_of(y, row);
        struct tap d = tap_of(mode, pixel.d, factor[0], x.d);
        struct tap h = tap_of(mode, pixel.h, factor[1], x.h);
        const float *from[4];
        float weight[4];
        for (int i = 0; i < 4; i++) {
            from[i] = (const float *)arg[0] + offset_of(x, pixel.n, d.at[i / 2], h.at[i % 2], 0);
            weight[i] = d.weight[i / 2] * h.weight[i % 2];
        }
        for (int64_t w = 0; w < y.w; w++)
            blend_pixel(from, weight, (const struct tap *)scratch + w,
                        (float *)arg[1] + (row * y.w + w) * y.c, y.c);
    }
}

MAKER(upsample)
{
    struct loop *loop = cpu_loop_make(out, desc, err);
    if (!loop)
        return -1;
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

/* scratch: for every column of x, what it gets of each output that may look at it. */
static void column_shares_range(const struct loop *loop, void *const *arg, void *scratch,
                                int64_t begin, int64_t end)
{
    (void)arg;
    int mode = loop->attr.mode;
    int32_t factor = loop->attr.window.size[2], length = loop->desc.out[0].w;
    for (int64_t column = begin; column < end; column++) {
        struct reach reach = looking(mode, column, factor, length);
        float *share = (float *)scratch + column * loop->width;
        for (int32_t k = reach.begin; k < reach.end; k++)
            share[k - reach.begin] = share_of(mode, k, column, factor, length);
    }
}

/* Adds what one row of dy gives to a row of dx. */
static void gather_row(const struct loop *loop, const float *shares, float outer, const float *dy,
                       float *dx)
{
    struct shape x = loop->desc.out[0];
    for (int64_t column = 0; column < x.w; column++) {
        struct reach w = looking(loop->attr.mode, column, loop->attr.window.size[2], x.w);
        const float *share = shares + column * loop->width;
        for (int32_t k = w.begin; k < w.end; k++) {
            float weight = outer * share[k - w.begin];
#pragma omp simd
            for (int64_t c = 0; c < x.c; c++)
                dx[column * x.c + c] = fma1(weight, dy[k * (int64_t)x.c + c], dx[column * x.c + c]);
        }
    }
}

static void upsample_grad_range(const struct loop *loop, void *const *arg, void *scratch,
                                int64_t begin, int64_t end)
{
    const int32_t *factor = loop->attr.window.size;
    int mode = loop->attr.mode;
    struct shape x = loop->desc.out[0], y = loop->desc.in[0];
    for (int64_t row = begin; row < end; row++) {
        struct pixel pixel = pixel_of(x, row);
        struct reach d = looking(mode, pixel.d, factor[0], x.d);
        struct reach h = looking(mode, pixel.h, factor[1], x.h);
        float *dx = (float *)arg[1] + row * x.w * x.c;
        memset(dx, 0, (size_t)x.w * (size_t)x.c * sizeof *dx);
        for (int64_t i = d.begin; i < d.end; i++)
            for (int64_t j = h.begin; j < h.end; j++) {
                float outer = share_of(mode, i, pixel.d, factor[0], x.d) *
                              share_of(mode, j, pixel.h, factor[1], x.h);
                if (outer > 0)
                    gather_row(loop, scratch, outer,
                               (const float *)arg[0] + offset_of(y, pixel.n, i, j, 0), dx);
            }
    }
}

MAKER(upsample_grad)
{
    struct loop *loop = cpu_loop_make(out, desc, err);
    if (!loop)
        return -1;
    struct shape x = desc->out[0];
    loop->width = 2 * desc->attr->window.size[2] + 2;
    cpu_loop_pass(loop, column_shares_range, x.w);
    cpu_loop_pass(loop, upsample_grad_range, (int64_t)x.n * x.d * x.h);
    out->scratch = (size_t)(x.w * loop->width) * sizeof(float);
    return 0;
}
