/*
 * Pooling and its gradients. Gradients gather (each element of dx has one writer), so that rows can
 * be shared out without atomics. Items are rows (n, d, h) of the result.
 */
#include "engine/cpu/lanes.h"
#include "engine/cpu/pixels.h"

/* ---- windows -------------------------------------------------------------------------------- */

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

/* A window with a NaN has no greatest value: it gives the NaN, so that it is seen. */
static void max_lanes(const struct loop *loop, const element *x, const struct view *view,
                      int64_t lanes, float *best, int32_t *winner)
{
    struct shape shape = loop->desc.in[0];
    const int32_t *size = loop->attr.window.size;
    bool first = true;
    for (int32_t d = view->d.begin; d < view->d.end; d++)
        for (int32_t h = view->h.begin; h < view->h.end; h++)
            for (int32_t w = view->w.begin; w < view->w.end; w++) {
                const element *at = x + offset_of(shape, 0, d, h, w);
                int32_t position = (d * size[1] + h) * size[2] + w;
#pragma omp simd
                for (int64_t j = 0; j < lanes; j++) {
                    float here = load(at[j]);
                    bool better = first || here > best[j] || isnan(here);
                    best[j] = better ? here : best[j];
                    winner[j] = better ? position : winner[j];
                }
                first = false;
            }
}

static void max_sixteen(const struct loop *loop, const element *x, const struct view *view,
                        element *y, uint8_t *winners)
{
    struct shape shape = loop->desc.in[0];
    const int32_t *size = loop->attr.window.size;
    float_lanes best, here;
    word_lanes best_bits, here_bits;
    lanes_load(&best, x + offset_of(shape, 0, view->d.begin, view->h.begin, view->w.begin));
    word_lanes winner =
        (word_lanes){0} +
        (uint32_t)((view->d.begin * size[1] + view->h.begin) * size[2] + view->w.begin);
    for (int32_t d = view->d.begin; d < view->d.end; d++)
        for (int32_t h = view->h.begin; h < view->h.end; h++)
            for (int32_t w = view->w.begin; w < view->w.end; w++) {
                lanes_load(&here, x + offset_of(shape, 0, d, h, w));
                word_lanes better = (word_lanes)(here > best) | (word_lanes)(here != here);
                word_lanes position = (word_lanes){0} + (uint32_t)((d * size[1] + h) * size[2] + w);
                best_bits = (word_lanes)best;
                here_bits = (word_lanes)here;
                lanes_choose(&best_bits, &here_bits, &better);
                lanes_choose(&winner, &position, &better);
                best = (float_lanes)best_bits;
            }
    lanes_store(y, &best);
    if (winners)
        lanes_store_bytes(winners, &winner);
}

RANGE(max_pool_range)
{
    const struct window *window = &loop->attr.window;
    struct shape from = loop->desc.in[0], shape = loop->desc.out[0];
    uint8_t *winners = arg[2];
    float best[SIXTEEN] = {0};
    int32_t winner[SIXTEEN] = {0};
    for (int64_t row = begin; row < end; row++) {
        struct view view = view_of(loop, pixel_of(shape, row));
        for (int32_t w = 0; w < shape.w; w++) {
            view.w = inside(window, 2, w, from.w);
            const element *x =
                (const element *)arg[0] + view.first + (int64_t)w * window->stride[2] * from.c;
            int64_t pixel = (row * shape.w + w) * shape.c, c = 0;
            for (; c + SIXTEEN <= shape.c; c += SIXTEEN)
                max_sixteen(loop, x + c, &view, (element *)arg[1] + pixel + c,
                            winners ? winners + pixel + c : NULL);
            if (c < shape.c) {
                int64_t lanes = shape.c - c, at = pixel + c;
                element *y = (element *)arg[1] + at;
                max_lanes(loop, x + c, &view, lanes, best, winner);
                for (int64_t j = 0; j < lanes; j++)
                    y[j] = store(best[j]);
                for (int64_t j = 0; winners && j < lanes; j++)
                    winners[at + j] = (uint8_t)winner[j];
            }
        }
    }
}

MAKER(max_pool)
{
    struct shape y = desc->out[0];
    return one_pass(out, desc, max_pool_range, (int64_t)y.n * y.d * y.h);
}

static void sum_window(const struct loop *loop, const element *x, const struct view *view,
                       int64_t lanes, float *sum)
{
    struct shape shape = loop->desc.in[0];
    for (int32_t d = view->d.begin; d < view->d.end; d++)
        for (int32_t h = view->h.begin; h < view->h.end; h++)
            for (int32_t w = view->w.begin; w < view->w.end; w++) {
                const element *at = x + offset_of(shape, 0, d, h, w);
#pragma omp simd
                for (int64_t j = 0; j < lanes; j++)
                    sum[j] += load(at[j]);
            }
}

RANGE(avg_pool_range)
{
    const struct window *window = &loop->attr.window;
    struct shape shape = loop->desc.out[0], from = loop->desc.in[0];
    for (int64_t row = begin; row < end; row++) {
        struct view view = view_of(loop, pixel_of(shape, row));
        for (int32_t w = 0; w < shape.w; w++) {
            view.w = inside(window, 2, w, from.w);
            const element *x =
                (const element *)arg[0] + view.first + (int64_t)w * window->stride[2] * from.c;
            element *y = (element *)arg[1] + (row * shape.w + w) * shape.c;
            float count = (float)(view.d.end - view.d.begin) * (float)(view.h.end - view.h.begin) *
                          (float)(view.w.end - view.w.begin);
            for (int64_t c = 0; c < shape.c; c += LANES) {
                int64_t lanes = min64(LANES, shape.c - c);
                float sum[LANES] = {0};
                sum_window(loop, x + c, &view, lanes, sum);
                for (int64_t j = 0; j < lanes; j++)
                    y[c + j] = store(sum[j] / count);
            }
        }
    }
}

MAKER(avg_pool)
{
    struct shape y = desc->out[0];
    return one_pass(out, desc, avg_pool_range, (int64_t)y.n * y.d * y.h);
}

/* ---- gradients of pooling ------------------------------------------------------------------- */

/* What sixteen channels of a pixel of dx get of one output, of whose window it is this position. */
MATH_INLINE void take_sixteen(element *dx, const element *dy, const uint8_t *winner,
                              const element *more, int32_t position)
{
    float_lanes d, sum;
    word_lanes won;
    lanes_load(&d, dy);
    lanes_load_bytes(&won, winner);
    d = (float_lanes)((word_lanes)d & (word_lanes)(won == (uint32_t)position));
    if (more) {
        lanes_load(&sum, more);
        d = sum + d;
    }
    lanes_store(dx, &d);
}

/* more: another gradient that is added, or NULL. */
static void take_won(element *dx, const element *dy, const uint8_t *winner, const element *more,
                     int32_t position, int64_t c)
{
    int64_t j = 0;
    if (more)
        for (; j + SIXTEEN <= c; j += SIXTEEN)
            take_sixteen(dx + j, dy + j, winner + j, more + j, position);
    else
        for (; j + SIXTEEN <= c; j += SIXTEEN)
            take_sixteen(dx + j, dy + j, winner + j, NULL, position);
    for (; j < c; j++) {
        float d = winner[j] == position ? load(dy[j]) : 0;
        dx[j] = store(more ? load(more[j]) + d : d);
    }
}

/* The other gradient of pixel (n, d, h, 0), if one is added. */
static const element *more_at(const struct loop *loop, void *const *arg, struct pixel at)
{
    return arg[2] ? (const element *)arg[2] + offset_of(loop->desc.in[2], at.n, at.d, at.h, 0) +
                        loop->attr.begin
                  : NULL;
}

static void add_won(float *sum, const element *dy, const uint8_t *winner, int32_t position,
                    int64_t lanes)
{
#pragma omp simd
    for (int64_t j = 0; j < lanes; j++) {
        int32_t won = winner[j];
        sum[j] += won == position ? load(dy[j]) : 0;
    }
}

/* Windows that do not overlap and leave nothing out: each output writes its own window. Items are
 * rows of y. */
RANGE(max_pool_tiles_range)
{
    const int32_t *size = loop->attr.window.size;
    struct shape x = loop->desc.out[0], y = loop->desc.in[0];
    for (int64_t row = begin; row < end; row++) {
        struct pixel at = pixel_of(y, row);
        for (int32_t line = 0; line < size[0] * size[1]; line++) {
            const element *dy = (const element *)arg[0] + row * y.w * y.c;
            const uint8_t *winner = (const uint8_t *)arg[1] + row * y.w * y.c;
            struct pixel to = {at.n, at.d * size[0] + line / size[1],
                               at.h * size[1] + line % size[1]};
            element *dx = (element *)arg[3] + offset_of(x, to.n, to.d, to.h, 0);
            const element *more = more_at(loop, arg, to);
            for (int32_t w = 0; w < y.w; w++, dy += y.c, winner += y.c)
                for (int32_t k = 0; k < size[2]; k++, dx += x.c) {
                    take_won(dx, dy, winner, more, line * size[2] + k, x.c);
                    more = more ? more + loop->desc.in[2].c : NULL;
                }
        }
    }
}

/* The outputs that cover a pixel of dx. */
struct cover {
    int64_t n;
    int32_t d, h, w; /* the pixel */
    struct reach over[3];
};

static void sum_won(const struct loop *loop, void *const *arg, const struct cover *cover, int64_t c,
                    int64_t lanes, float *sum)
{
    const struct window *window = &loop->attr.window;
    struct shape y = loop->desc.in[0];
    for (int32_t i = cover->over[0].begin; i < cover->over[0].end; i++)
        for (int32_t j = cover->over[1].begin; j < cover->over[1].end; j++)
            for (int32_t k = cover->over[2].begin; k < cover->over[2].end; k++) {
                int64_t at = offset_of(y, cover->n, i, j, k) + c;
                int32_t in_d = cover->d + window->pad[0] - i * window->stride[0];
                int32_t in_h = cover->h + window->pad[1] - j * window->stride[1];
                int32_t in_w = cover->w + window->pad[2] - k * window->stride[2];
                add_won(sum, (const element *)arg[0] + at, (const uint8_t *)arg[1] + at,
                        (in_d * window->size[1] + in_h) * window->size[2] + in_w, lanes);
            }
}

/* Items are rows of dx. */
RANGE(max_pool_grad_range)
{
    const struct window *window = &loop->attr.window;
    struct shape x = loop->desc.out[0], y = loop->desc.in[0];
    for (int64_t row = begin; row < end; row++) {
        struct pixel pixel = pixel_of(x, row);
        struct cover cover = {.n = pixel.n, .d = (int32_t)pixel.d, .h = (int32_t)pixel.h};
        cover.over[0] = covering(window, 0, pixel.d, y.d);
        cover.over[1] = covering(window, 1, pixel.h, y.h);
        const element *more = more_at(loop, arg, pixel);
        for (cover.w = 0; cover.w < x.w; cover.w++) {
            cover.over[2] = covering(window, 2, cover.w, y.w);
            element *dx = (element *)arg[3] + (row * x.w + cover.w) * x.c;
            for (int64_t c = 0; c < x.c; c += LANES) {
                int64_t lanes = min64(LANES, x.c - c);
                float sum[LANES] = {0};
                for (int64_t j = 0; more && j < lanes; j++)
                    sum[j] = load(more[cover.w * loop->desc.in[2].c + c + j]);
                sum_won(loop, arg, &cover, c, lanes, sum);
                for (int64_t j = 0; j < lanes; j++)
                    dx[c + j] = store(sum[j]);
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
    struct loop *loop = cpu_loop_make(out, desc);
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

static void sum_parts(const struct loop *loop, const element *dy, const struct cover *cover,
                      int64_t c, int64_t lanes, float *sum)
{
    const struct window *window = &loop->attr.window;
    struct shape x = loop->desc.out[0], y = loop->desc.in[0];
    for (int32_t i = cover->over[0].begin; i < cover->over[0].end; i++)
        for (int32_t j = cover->over[1].begin; j < cover->over[1].end; j++)
            for (int32_t k = cover->over[2].begin; k < cover->over[2].end; k++) {
                const element *from = dy + offset_of(y, cover->n, i, j, k) + c;
                float part = part_of(window, 0, i, x.d) * part_of(window, 1, j, x.h) *
                             part_of(window, 2, k, x.w);
#pragma omp simd
                for (int64_t l = 0; l < lanes; l++)
                    sum[l] = fma1(part, load(from[l]), sum[l]);
            }
}

RANGE(avg_pool_grad_range)
{
    const struct window *window = &loop->attr.window;
    struct shape x = loop->desc.out[0], y = loop->desc.in[0];
    for (int64_t row = begin; row < end; row++) {
        struct pixel pixel = pixel_of(x, row);
        struct cover cover = {.n = pixel.n};
        cover.over[0] = covering(window, 0, pixel.d, y.d);
        cover.over[1] = covering(window, 1, pixel.h, y.h);
        for (int64_t w = 0; w < x.w; w++) {
            cover.over[2] = covering(window, 2, w, y.w);
            element *dx = (element *)arg[1] + (row * x.w + w) * x.c;
            for (int64_t c = 0; c < x.c; c += LANES) {
                int64_t lanes = min64(LANES, x.c - c);
                float sum[LANES] = {0};
                sum_parts(loop, arg[0], &cover, c, lanes, sum);
                for (int64_t j = 0; j < lanes; j++)
                    dx[c + j] = store(sum[j]);
            }
        }
    }
}

MAKER(avg_pool_grad)
{
    struct shape x = desc->out[0];
    return one_pass(out, desc, avg_pool_grad_range, (int64_t)x.n * x.d * x.h);
}
