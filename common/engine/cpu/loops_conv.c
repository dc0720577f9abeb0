/*
 * Convolutions: oneDNN's; a pass for the bias and activation that it does not fuse into a
 * transposed convolution; and, where it is weak, with very few channels on one side (to an image,
 * or the gradient of that), a matrix product over the many channels and a pass over planes:
 *
 *   conv         planes[o,tap] = w x^T for every pixel of x; y sums over the taps
 *   conv_data    planes[tap,c] = w^T dy^T for every pixel of dy; dx sums over the taps
 *   conv_filter  planes[o,tap] hold dy where that tap of a pixel of x meets it, else 0; dw = planes
 * x
 *
 * In BF16 it is also slow where overlapping windows take steps: 6.7 ms for the filter of 64 to 128
 * channels, 4x4 by 2, batch 128 on 8x8, where columns[pixel of dy, tap, c] of x and the product
 * dw = dy^T columns take 0.5 and 0.9 (oneDNN 2.6.3, one core with AMX).
 */
#include "engine/cpu/loops.h"

#include <stdlib.h>
#include <string.h>

enum { FEW = 4, MANY = 8, MAX_ACROSS = 16 };

static int64_t taps_of(const struct window *window)
{
    return (int64_t)window->size[0] * window->size[1] * window->size[2];
}

/* The planes should not be much larger than the tensor with many channels. */
static bool is_few(int64_t few, int64_t many, const struct window *window)
{
    return !library_is_product(window) && few <= FEW && many >= MANY &&
           window->size[2] <= MAX_ACROSS && few * taps_of(window) <= 2 * many;
}

/* ---- two kernels, one after the other ------------------------------------------------------- */

/* product_arg: which of the arguments the first kernel takes, or the planes. */
enum { PLANES = -1 };

struct pair {
    struct kernel product, pass;
    bool product_first;
    int product_arg[4];
    size_t planes; /* bytes at the start of scratch */
};

static int run_product(const struct pair *pair, void *const *arg, void *scratch, struct err *err)
{
    void *chosen[4];
    for (int i = 0; i < 4; i++)
        chosen[i] = pair->product_arg[i] == PLANES ? scratch : arg[pair->product_arg[i]];
    return pair->product.run(&pair->product, chosen, (char *)scratch + pair->planes, err);
}

static int run_pair(const struct kernel *kernel, void *const *arg, void *scratch, struct err *err)
{
    const struct pair *pair = kernel->state;
    if (pair->product_first)
        TRY(run_product(pair, arg, scratch, err));
    TRY(pair->pass.run(&pair->pass, arg, scratch, err));
    return pair->product_first ? 0 : run_product(pair, arg, scratch, err);
}

static void free_pair(struct kernel *kernel)
{
    struct pair *pair = kernel->state;
    if (pair->product.state)
        pair->product.free(&pair->product);
    free(pair->pass.state);
    free(pair);
}

/* A pair whose pass has no items yet; its product is made by the caller. */
static struct pair *make_pair(struct kernel *out, struct loop **loop,
                              const struct kernel_desc *desc)
{
    struct kernel pass;
    *loop = cpu_loop_make(&pass, desc);
    struct pair *pair = xcalloc(1, sizeof *pair);
    pair->pass = pass;
    *out = (struct kernel){.run = run_pair, .free = free_pair, .state = pair};
    return pair;
}

static int finish_pair(struct kernel *out, int failed)
{
    struct pair *pair = out->state;
    pair->planes = (pair->planes + 63) / 64 * 64;
    out->scratch = pair->planes + pair->product.scratch;
    if (failed) {
        free_pair(out);
        *out = (struct kernel){0};
    }
    return failed ? -1 : 0;
}

/* The library's product, or ours. */
static int make_product(struct kernel *out, struct backend *backend, struct matrix a,
                        struct matrix b, struct matrix c, struct err *err)
{
    TRY(library_product(out, backend, a, b, c, err));
    if (!out->run)
        ISA_NAME(cpu_product)(out, backend, a, b, c);
    return 0;
}

/* ---- rows of pixels ------------------------------------------------------------------------- */

/* A row of the large side (x of a convolution), by its number. */
struct line {
    int64_t n, d, h;
};

static struct line line_at(struct shape shape, int64_t index)
{
    return (struct line){index / ((int64_t)shape.h * shape.d), index / shape.h % shape.d,
                         index % shape.h};
}

/* Of the y of a convolution, the coordinate whose tap `tap` looks at `at` of x; -1 if none does. */
static int64_t seen_from(const struct window *window, int axis, int64_t at, int64_t tap,
                         int64_t length)
{
    int64_t shifted = at + window->pad[axis] - tap, stride = window->stride[axis];
    if (shifted < 0 || shifted % stride || shifted / stride >= length)
        return -1;
    return shifted / stride;
}

/* The part of a row of y whose tap `tap` lies in a row of x: begin .. end-1, and where begin's
 * lies. */
struct overlap {
    int64_t begin, end, first;
};

static struct overlap overlap_of(const struct window *window, int64_t tap, int64_t x_length,
                                 int64_t y_length)
{
    int64_t stride = window->stride[2], shift = tap - window->pad[2];
    int64_t begin = shift >= 0 ? 0 : (stride - 1 - shift) / stride;
    int64_t room = x_length - 1 - shift;
    int64_t end = room < 0 ? 0 : min64(y_length, room / stride + 1);
    return (struct overlap){begin, max64(begin, end), begin * stride + shift};
}

/* That of every tap along the row. */
static void overlaps(struct overlap *part, const struct window *window, int64_t x_length,
                     int64_t y_length)
{
    for (int64_t tap = 0; tap < window->size[2]; tap++)
        part[tap] = overlap_of(window, tap, x_length, y_length);
}

MATH_INLINE void finish_lanes(enum act act, element *y, const float *bias, int64_t n)
{
#pragma omp simd
    for (int64_t j = 0; j < n; j++)
        y[j] = store(act_value(act, bias ? load(y[j]) + bias[j] : load(y[j])));
}

/* Folded rows (fold_of) of at most WIDTH lanes; of more channels a row is long enough. */
enum { WIDTH = 512 };

MATH_INLINE void finish_rows(enum act act, element *y, const float *bias, int64_t rows, int64_t c)
{
    float lane[WIDTH];
    int64_t width = fold_of(c) * c, count = rows * c;
    if (!bias) {
        finish_lanes(act, y, NULL, count);
        return;
    }
    if (width <= WIDTH) {
        for (int64_t j = 0; j < min64(width, count); j++)
            lane[j] = j < c ? bias[j] : lane[j - c];
        bias = lane;
    }
    for (int64_t at = 0; at < count; at += width)
        finish_lanes(act, y + at, bias, min64(width, count - at));
}

/* The last step for rows of a result: bias, if there is one, and activation. */
static void finish(const struct loop *loop, const float *bias, element *y, int64_t rows, int64_t c)
{
    if (!bias && loop->attr.act == ACT_NONE)
        return;
    switch (loop->attr.act) {
#define ACT(id, op, p, cost, library)                                                              \
    case ACT_##id:                                                                                 \
        finish_rows(ACT_##id, y, bias, rows, c);                                                   \
        break;
#include "engine/activation.def"
    }
}

/* Rows of a result with few channels are summed in F32: in their place, or where that is BF16 behind
 * the planes. */
static float *row_sums(const struct loop *loop, void *y, void *scratch, int64_t item, int64_t count)
{
    float *sums = loop->desc.out_type[0] == F32 ? (float *)y : (float *)scratch + loop->sums_at;
    memset(sums + item * count, 0, (size_t)count * sizeof *sums);
    return sums + item * count;
}

#ifdef LOOPS_HALF
MATH_INLINE void round_rows(enum act act, const float *sums, element *y, const float *bias,
                            int64_t rows, int64_t c)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < c; j++)
            y[i * c + j] = store(act_value(act, sums[i * c + j] + (bias ? bias[j] : 0)));
}

static void finish_sums(const struct loop *loop, const float *bias, const float *sums, element *y,
                        int64_t rows, int64_t c)
{
    switch (loop->attr.act) {
#define ACT(id, op, p, cost, library)                                                              \
    case ACT_##id:                                                                                 \
        round_rows(ACT_##id, sums, y, bias, rows, c);                                              \
        break;
#include "engine/activation.def"
    }
}
#else
static void finish_sums(const struct loop *loop, const float *bias, const float *sums, element *y,
                        int64_t rows, int64_t c)
{
    (void)sums;
    finish(loop, bias, y, rows, c);
}
#endif

/* The planes of a result with few channels, and its sums where it is BF16. */
static size_t planes_bytes(struct loop *loop, int64_t planes)
{
    bool half = loop->desc.out_type[0] == BF16;
    loop->sums_at = planes;
    return (size_t)(planes + (half ? shape_count(loop->desc.out[0]) : 0)) * sizeof(float);
}

/* to[i * to_step] += from[i * from_step] */
static void add_strided(float *to, int64_t to_step, const float *from, int64_t from_step,
                        int64_t count)
{
    if (to_step == 1 && from_step == 1)
#pragma omp simd
        for (int64_t i = 0; i < count; i++)
            to[i] += from[i];
    else
#pragma omp simd
        for (int64_t i = 0; i < count; i++)
            to[i * to_step] += from[i * from_step];
}

/* ---- without the library ---------------------------------------------------------------------- */

static bool is_bare(const struct kernel_desc *desc)
{
    return !desc->in_used[2] && desc->attr->act == ACT_NONE;
}

/* Items are rows of the result, which has been computed without bias and activation. */
RANGE(finish_range)
{
    int64_t c = loop->desc.out[0].c;
    finish(loop, arg[2], (element *)arg[3] + begin * c, end - begin, c);
}

#ifdef LOOPS_HALF
/* Likewise, in F32 in the scratch. */
RANGE(round_range)
{
    int64_t c = loop->desc.out[0].c;
    finish_sums(loop, arg[2], (float *)scratch + begin * c, (element *)arg[3] + begin * c,
                end - begin, c);
}
#endif

/* A convolution or gradient by our own product, and bias, activation and rounding in a pass of
 * their own. */
static int make_convolution(struct kernel *out, const struct kernel_desc *desc)
{
    bool half = desc->out_type[0] == BF16;
    if (desc->op == OP_conv_filter || (!half && is_bare(desc))) {
        ISA_NAME(cpu_convolution)(out, desc);
        return 0;
    }
    struct loop *loop;
    struct pair *pair = make_pair(out, &loop, desc);
    int to = 3;
#ifdef LOOPS_HALF
    to = PLANES;
    pair->planes = (size_t)shape_count(desc->out[0]) * sizeof(float);
    cpu_loop_pass(loop, round_range, rows_of(desc->out[0]));
#else
    cpu_loop_pass(loop, finish_range, rows_of(desc->out[0]));
#endif
    pair->product_first = true;
    memcpy(pair->product_arg, (const int[]){0, 1, 2, to}, sizeof pair->product_arg);
    ISA_NAME(cpu_convolution)(&pair->product, desc);
    return finish_pair(out, 0);
}

/* ---- convolution to few channels ------------------------------------------------------------ */

/* Items are rows of y. */
RANGE(conv_few_range)
{
    const struct window *window = &loop->attr.window;
    struct shape xs = loop->desc.in[0], ys = loop->desc.out[0];
    int64_t taps = taps_of(window), plane = rows_of(xs), across = window->size[2];
    struct overlap part[MAX_ACROSS];
    overlaps(part, window, xs.w, ys.w);
    for (int64_t item = begin; item < end; item++) {
        struct line line = line_at(ys, item);
        float *y = row_sums(loop, arg[3], scratch, item, ys.w * ys.c);
        for (int64_t t = 0; t < taps; t += across) {
            int64_t d = line.d * window->stride[0] - window->pad[0] + t / across / window->size[1];
            int64_t h = line.h * window->stride[1] - window->pad[1] + t / across % window->size[1];
            if (d < 0 || d >= xs.d || h < 0 || h >= xs.h)
                continue;
            const float *from = (float *)scratch + ((line.n * xs.d + d) * xs.h + h) * xs.w;
            for (int64_t o = 0; o < ys.c; o++)
                for (int64_t w = 0; w < across; w++)
                    add_strided(y + part[w].begin * ys.c + o, ys.c,
                                from + (o * taps + t + w) * plane + part[w].first,
                                window->stride[2], part[w].end - part[w].begin);
        }
        finish_sums(loop, arg[2], y, (element *)arg[3] + item * ys.w * ys.c, ys.w, ys.c);
    }
}

MAKER(conv)
{
    struct shape x = desc->in[0], y = desc->out[0];
    const struct window *window = &desc->attr->window;
    if (!is_few(y.c, x.c, window)) {
        TRY(library_conv(out, desc, err));
        return out->run ? 0 : make_convolution(out, desc);
    }
    struct loop *loop;
    struct pair *pair = make_pair(out, &loop, desc);
    int64_t rows = rows_of(x), planes = y.c * taps_of(window);
    cpu_loop_pass(loop, conv_few_range, (int64_t)y.n * y.d * y.h);
    pair->product_first = true;
    memcpy(pair->product_arg, (const int[]){1, 0, PLANES, 0}, sizeof pair->product_arg);
    pair->planes = planes_bytes(loop, planes * rows);
    return finish_pair(out, make_product(&pair->product, desc->backend,
                                         (struct matrix){planes, x.c, false, F32},
                                         (struct matrix){x.c, rows, true, desc->in_type[0]},
                                         (struct matrix){planes, rows, false, F32}, err));
}

/* ---- its filter gradient -------------------------------------------------------------------- */

/* Items are (plane, row of x). */
RANGE(spread_range)
{
    const struct window *window = &loop->attr.window;
    struct shape xs = loop->desc.in[0], ys = loop->desc.in[1];
    int64_t taps = taps_of(window), lines = (int64_t)xs.n * xs.d * xs.h, across = window->size[2];
    struct overlap part[MAX_ACROSS];
    overlaps(part, window, xs.w, ys.w);
    for (int64_t item = begin; item < end; item++) {
        int64_t o = item / lines / taps, tap = item / lines % taps;
        struct line line = line_at(xs, item % lines);
        const struct overlap *w = &part[tap % across];
        element *to = (element *)scratch + item * xs.w;
        memset(to, 0, (size_t)xs.w * sizeof *to);
        int64_t d = seen_from(window, 0, line.d, tap / across / window->size[1], ys.d);
        int64_t h = seen_from(window, 1, line.h, tap / across % window->size[1], ys.h);
        if (d < 0 || h < 0)
            continue;
        int64_t from = ((line.n * ys.d + d) * ys.h + h) * ys.w + w->begin;
        const element *dy = (const element *)arg[1] + from * ys.c + o;
        for (int64_t i = 0; i < w->end - w->begin; i++)
            to[w->first + i * window->stride[2]] = dy[i * ys.c];
    }
}

/* Do windows take steps, and overlap? */
static bool strides(const struct window *window)
{
    bool steps = false, overlap = false;
    for (int i = 0; i < 3; i++) {
        steps |= window->stride[i] > 1;
        /* (beyond the border the library's sums are wrong for some: 3 1 1 by 3 1 1 with padding 1) */
        overlap |= window->stride[i] > 1 &&
                   (window->size[i] > window->stride[i] || window->pad[i] || window->pad_end[i]);
    }
    return steps && overlap;
}

/* One window of x as a column: runs of pixels along w, which lie together as their channels do;
 * zeros outside. */
static void fill_column(const struct window *window, struct shape x, const element *from,
                        const int64_t first[3], element *column)
{
    int64_t across = window->size[2], run = across * x.c;
    int64_t left = max64(0, -first[2]), right = max64(0, min64(across, x.w - first[2]));
    for (int64_t i = 0; i < window->size[0]; i++)
        for (int64_t j = 0; j < window->size[1]; j++, column += run) {
            int64_t d = first[0] + i, h = first[1] + j;
            if (d < 0 || d >= x.d || h < 0 || h >= x.h || left >= right) {
                memset(column, 0, (size_t)run * sizeof *column);
                continue;
            }
            const element *at = from + ((d * x.h + h) * x.w + first[2] + left) * x.c;
            memset(column, 0, (size_t)(left * x.c) * sizeof *column);
            memcpy(column + left * x.c, at, (size_t)((right - left) * x.c) * sizeof *column);
            memset(column + right * x.c, 0, (size_t)((across - right) * x.c) * sizeof *column);
        }
}

/* Columns are made, and multiplied, for so many rows of dy at a time that they take no more than this
 * (if a single row does not); the products are summed in the rows' order. */
enum { COLUMNS_BYTES = 64 << 20 };

struct blocks {
    struct kernel pass, product[2]; /* of a full block, and of a shorter one behind those */
    struct shape dy;
    int64_t lines, each;   /* rows of dy, and in a full block */
    int64_t count;         /* elements of dw */
    size_t columns, share; /* bytes: from the beginning of scratch on; behind that a block's dw */
};

/* Items are rows of dy, from arg[1] on. */
RANGE(columns_range)
{
    const struct window *window = &loop->attr.window;
    struct shape x = loop->desc.in[0], dy = loop->desc.in[1];
    int64_t length = taps_of(window) * x.c, case_size = shape_count(x) / x.n;
    int64_t lines = (int64_t)dy.n * dy.d * dy.h, before = *(const int64_t *)arg[1];
    for (int64_t item = begin; item < min64(end, lines - before); item++) {
        struct line line = line_at(dy, before + item);
        const element *from = (const element *)arg[0] + line.n * case_size;
        element *column = (element *)scratch + item * dy.w * length;
        int64_t first[3] = {line.d * window->stride[0] - window->pad[0],
                            line.h * window->stride[1] - window->pad[1], -window->pad[2]};
        for (int64_t w = 0; w < dy.w; w++, column += length, first[2] += window->stride[2])
            fill_column(window, x, from, first, column);
    }
}

static int run_blocks(const struct kernel *kernel, void *const *arg, void *scratch, struct err *err)
{
    const struct blocks *b = kernel->state;
    for (int64_t before = 0; before < b->lines; before += b->each) {
        const struct kernel *product = &b->product[b->lines - before < b->each];
        void *dy = (element *)arg[1] + before * b->dy.w * b->dy.c;
        void *dw = before ? (char *)scratch + b->columns : arg[2];
        TRY(b->pass.run(&b->pass, (void *[]){arg[0], &before}, scratch, err));
        TRY(product->run(product, (void *[]){dy, scratch, dw},
                         (char *)scratch + b->columns + b->share, err));
        if (before)
            add_strided(arg[2], 1, dw, 1, b->count);
    }
    return 0;
}

static void free_blocks(struct kernel *kernel)
{
    struct blocks *b = kernel->state;
    for (int i = 0; i < 2; i++)
        if (b->product[i].state)
            b->product[i].free(&b->product[i]);
    free(b->pass.state);
    free(b);
}

static int make_filter_columns(struct kernel *out, const struct kernel_desc *desc, struct err *err)
{
    struct shape x = desc->in[0], dy = desc->in[1];
    struct blocks *b = xcalloc(1, sizeof *b);
    int64_t length = taps_of(&desc->attr->window) * x.c, row = dy.w * length * sizeof(element);
    b->dy = dy;
    b->lines = (int64_t)dy.n * dy.d * dy.h;
    b->each = max64(1, min64(b->lines, COLUMNS_BYTES / row));
    b->count = dy.c * length;
    b->columns = (size_t)(b->each * row + 63) / 64 * 64;
    b->share = b->each < b->lines ? (size_t)(b->count * sizeof(float) + 63) / 64 * 64 : 0;
    cpu_loop_pass(cpu_loop_make(&b->pass, desc), columns_range, b->each);
    *out = (struct kernel){.run = run_blocks, .free = free_blocks, .state = b};
    const int64_t lines[2] = {b->each, b->lines % b->each};
    int failed = 0;
    for (int i = 0; !failed && i < 2 && lines[i]; i++) {
        int64_t rows = lines[i] * dy.w;
        failed = make_product(&b->product[i], desc->backend,
                              (struct matrix){dy.c, rows, true, desc->in_type[1]},
                              (struct matrix){rows, length, false, desc->in_type[0]},
                              (struct matrix){dy.c, length, false, F32}, err);
        out->scratch = (size_t)max64((int64_t)out->scratch, (int64_t)b->product[i].scratch);
    }
    out->scratch += b->columns + b->share;
    if (failed) {
        free_blocks(out);
        *out = (struct kernel){0};
    }
    return failed;
}

MAKER(conv_filter)
{
    struct shape x = desc->in[0], dy = desc->in[1];
    const struct window *window = &desc->attr->window;
    if (desc->in_type[0] == BF16 && strides(window))
        return make_filter_columns(out, desc, err);
    if (!is_few(dy.c, x.c, window)) {
        TRY(library_conv_filter(out, desc, err));
        return out->run ? 0 : make_convolution(out, desc);
    }
    struct loop *loop;
    struct pair *pair = make_pair(out, &loop, desc);
    int64_t rows = rows_of(x), planes = dy.c * taps_of(window);
    cpu_loop_pass(loop, spread_range, planes * x.n * x.d * x.h);
    memcpy(pair->product_arg, (const int[]){PLANES, 0, 2, 0}, sizeof pair->product_arg);
    enum dtype type = desc->in_type[0];
    pair->planes = (size_t)(planes * rows) * sizeof(element);
    return finish_pair(out, make_product(&pair->product, desc->backend,
                                         (struct matrix){planes, rows, false, type},
                                         (struct matrix){rows, x.c, false, type},
                                         (struct matrix){planes, x.c, false, F32}, err));
}

/* ---- transposed convolution, or the gradient by data ---------------------------------------- */

/* Items are rows of dx. */
RANGE(data_few_range)
{
    const struct window *window = &loop->attr.window;
    struct shape xs = loop->desc.out[0], ys = loop->desc.in[0];
    int64_t taps = taps_of(window), plane = rows_of(ys), across = window->size[2];
    struct overlap part[MAX_ACROSS];
    overlaps(part, window, xs.w, ys.w);
    for (int64_t item = begin; item < end; item++) {
        struct line line = line_at(xs, item);
        float *dx = row_sums(loop, arg[3], scratch, item, xs.w * xs.c);
        for (int64_t t = 0; t < taps; t += across) {
            int64_t d = seen_from(window, 0, line.d, t / across / window->size[1], ys.d);
            int64_t h = seen_from(window, 1, line.h, t / across % window->size[1], ys.h);
            if (d < 0 || h < 0)
                continue;
            const float *from =
                (float *)scratch + t * xs.c * plane + ((line.n * ys.d + d) * ys.h + h) * ys.w;
            for (int64_t w = 0; w < across; w++)
                for (int64_t c = 0; c < xs.c; c++)
                    add_strided(dx + part[w].first * xs.c + c, window->stride[2] * xs.c,
                                from + (w * xs.c + c) * plane + part[w].begin, 1,
                                part[w].end - part[w].begin);
        }
        finish_sums(loop, arg[2], dx, (element *)arg[3] + item * xs.w * xs.c, xs.w, xs.c);
    }
}

static int make_data_few(struct kernel *out, const struct kernel_desc *desc, struct err *err)
{
    struct shape dy = desc->in[0], dx = desc->out[0];
    struct loop *loop;
    struct pair *pair = make_pair(out, &loop, desc);
    int64_t rows = rows_of(dy), planes = dx.c * taps_of(&desc->attr->window);
    cpu_loop_pass(loop, data_few_range, (int64_t)dx.n * dx.d * dx.h);
    pair->product_first = true;
    memcpy(pair->product_arg, (const int[]){1, 0, PLANES, 0}, sizeof pair->product_arg);
    pair->planes = planes_bytes(loop, planes * rows);
    return finish_pair(out, make_product(&pair->product, desc->backend,
                                         (struct matrix){planes, dy.c, true, F32},
                                         (struct matrix){dy.c, rows, true, desc->in_type[0]},
                                         (struct matrix){planes, rows, false, F32}, err));
}

MAKER(conv_data)
{
    const struct window *window = &desc->attr->window;
    if (is_few(desc->out[0].c, desc->in[0].c, window))
        return make_data_few(out, desc, err);
    if (library_is_product(window) || is_bare(desc)) {
        TRY(library_conv_data(out, desc, err));
        return out->run ? 0 : make_convolution(out, desc);
    }
    struct loop *loop;
    struct pair *pair = make_pair(out, &loop, desc);
    cpu_loop_pass(loop, finish_range, rows_of(desc->out[0]));
    pair->product_first = true;
    memcpy(pair->product_arg, (const int[]){0, 1, 2, 3}, sizeof pair->product_arg);
    TRY(finish_pair(out, library_conv_data(&pair->product, desc, err)));
    if (pair->product.run)
        return 0;
    free_pair(out);
    return make_convolution(out, desc);
}
