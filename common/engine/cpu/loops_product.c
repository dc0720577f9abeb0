/*
 * Matrix products, and convolutions as products, where the library has none that may be used: its
 * other f32 product allocates in every call, and moves the stack pointer into what it allocated.
 *
 *   conv         y[pixel of y, o]           = windows of x [pixel of y, (tap, c)]  w[o, (tap, c)]^T
 *   conv_filter  dw[o, (tap, c)]            = dy[pixel of y, o]^T                  windows of x
 *   conv_data    dx[pixel of a phase, c]    = dy as seen from there, (tap, o)      w[(tap, o), c]
 *
 * A phase are the pixels of x that the same taps of a stride reach. No operand but the result is
 * ever laid out as a whole: blocks of both factors are packed into panels (K. Goto, R. van de Geijn,
 * Anatomy of High-Performance Matrix Multiplication, 2008), read from where they are, and multiplied
 * tile by tile. Each element's sum is cut at the same places with any number of threads: it is
 * taken in single precision over at most DEPTH terms, and these are added up.
 */
#include "engine/cpu/loops.h"

#include <stdlib.h>
#include <string.h>
#ifdef __FMA__
#include <immintrin.h>
#endif

#if defined __AVX512F__
enum { VECTOR = 16, TALL = 12 };
#elif defined __AVX__
enum { VECTOR = 8, TALL = 6 };
#else
enum { VECTOR = 4, TALL = 6 };
#endif
/* A tile of the result is TALL x WIDE; blocks are HIGH or BROAD by DEPTH, so that those of the left
 * factor stay in the second cache. A panel is at most MOST wide. Below FEW_PRODUCTS multiplications
 * threads cost more than they save. */
enum { WIDE = 2 * VECTOR, MOST = 32, DEPTH = 256, HIGH = 144, BROAD = 480, FEW_PRODUCTS = 1 << 16 };

typedef float lanes __attribute__((vector_size(VECTOR * sizeof(float)), aligned(4), may_alias));

/* ---- a tile --------------------------------------------------------------------------------- */

MATH_INLINE lanes multiply_add(lanes a, lanes b, lanes c)
{
#if defined __AVX512F__
    return (lanes)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined __FMA__
    return (lanes)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return a * b + c;
#endif
}

/* Rows of c = (or, with more, +=) panel a [depth, TALL] transposed times panel b [depth, WIDE], of
 * which the first `wide` * VECTOR columns count. */
MATH_INLINE void multiply_lanes(int wide, int64_t depth, const float *a, const float *b,
                                float *const c[TALL], bool more)
{
    lanes sum[TALL][2] = {{{0}}};
    for (int64_t k = 0; k < depth; k++, a += TALL, b += WIDE) {
        lanes left = *(const lanes *)b, right = *(const lanes *)(b + VECTOR);
#pragma GCC unroll 12
        for (int i = 0; i < TALL; i++) {
            lanes x = a[i] - (lanes){0};
            sum[i][0] = multiply_add(x, left, sum[i][0]);
            if (wide > 1)
                sum[i][1] = multiply_add(x, right, sum[i][1]);
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < TALL; i++) {
        lanes *to = (lanes *)c[i];
        for (int j = 0; j < wide; j++) {
            if (more)
                sum[i][j] += to[j];
            to[j] = sum[i][j];
        }
    }
}

static void multiply_tile(int64_t depth, const float *a, const float *b, float *const c[TALL],
                          bool more)
{
    multiply_lanes(2, depth, a, b, c, more);
}

static void multiply_narrow(int64_t depth, const float *a, const float *b, float *const c[TALL],
                            bool more)
{
    multiply_lanes(1, depth, a, b, c, more);
}

/* ---- factors -------------------------------------------------------------------------------- */

/* How the rows of a factor lie: as those of a matrix; gathered from x for a pixel of y, or from dy
 * for a pixel of a phase; the taps of a phase from the weights. */
enum lie { PLAIN, WINDOWS, SEEN, TAPS };

/* along: a row is one of the result's rows or columns, and its numbers are multiplied in turn; else
 * a row holds what is multiplied at the same time. */
struct factor {
    enum lie lie;
    bool along;
    enum dtype type;
    int arg;
    int64_t stride; /* PLAIN: from row to row */
};

/* Pixels of x of a phase, along each axis: `first` and every stride-th after it, `count` in all. Tap
 * tap + j * stride, of `taps` such, sees from the i-th of them y's pixel at + i - j. */
struct phase {
    int64_t first[3], count[3], tap[3], taps[3], at[3];
};

struct product {
    struct loop loop; /* first: a struct loop * is cast to this */
    struct factor a, b;
    int c;                            /* the argument that takes the result */
    int64_t m, n, k;                  /* conv_data: of the largest phase */
    int down, across;                 /* threads share the result as so many parts */
    struct shape x, y;                /* of the convolution */
    int phases[3];                    /* conv_data: along each axis, else 1 */
    int64_t depth, left, right, slot; /* of each part's scratch: packed rows; floats, all in all */
};

/* What a part of a product works on. */
struct part {
    const struct product *product;
    struct phase phase;
    const void *a, *b;
    float *c;
    int64_t k, m_end, n_end; /* where it ends */
    float *left, *right, *row;
};

static void widen(float *to, const element *from, int64_t count)
{
#ifdef LOOPS_HALF
#pragma omp simd
    for (int64_t i = 0; i < count; i++)
        to[i] = load(from[i]);
#else
    memcpy(to, from, (size_t)count * sizeof *to);
#endif
}

static struct window window_of(const struct product *product)
{
    return product->loop.attr.window;
}

/* Columns begin .. end-1 of the window of x at pixel `row` of y: runs of pixels along w, which lie
 * together as their channels do; zeros outside. */
static void read_window(float *to, const struct product *p, const element *from, int64_t row,
                        int64_t begin, int64_t end)
{
    const struct window *window = &p->loop.attr.window;
    struct shape x = p->x, y = p->y;
    int64_t w = row % y.w * window->stride[2] - window->pad[2];
    int64_t h = row / y.w % y.h * window->stride[1] - window->pad[1];
    int64_t d = row / y.w / y.h % y.d * window->stride[0] - window->pad[0];
    int64_t run = (int64_t)window->size[2] * x.c;
    int64_t left = max64(0, -w) * x.c, right = min64(window->size[2], x.w - w) * x.c;
    from += row / y.w / y.h / y.d * x.d * x.h * x.w * x.c;
    for (int64_t line = begin / run, at = begin % run; begin < end; line++, at = 0) {
        int64_t stop = min64(run, at + end - begin);
        int64_t dd = d + line / window->size[1], hh = h + line % window->size[1];
        int64_t first = max64(at, left), last = min64(stop, right);
        begin += stop - at;
        if (dd < 0 || dd >= x.d || hh < 0 || hh >= x.h || first >= last) {
            memset(to, 0, (size_t)(stop - at) * sizeof *to);
        } else {
            memset(to, 0, (size_t)(first - at) * sizeof *to);
            widen(to + first - at, from + ((dd * x.h + hh) * x.w + w) * x.c + first, last - first);
            memset(to + last - at, 0, (size_t)(stop - last) * sizeof *to);
        }
        to += stop - at;
    }
}

/* Of the taps of a phase, the number'th: its number along each axis. */
static void tap_of(int64_t tap[3], const struct phase *phase, int64_t number)
{
    tap[2] = number % phase->taps[2];
    tap[1] = number / phase->taps[2] % phase->taps[1];
    tap[0] = number / phase->taps[2] / phase->taps[1];
}

/* Pixel `row` of a phase: its number along each axis; returns its case. */
static int64_t pixel_of_phase(int64_t pixel[3], const struct phase *phase, int64_t row)
{
    pixel[2] = row % phase->count[2];
    pixel[1] = row / phase->count[2] % phase->count[1];
    pixel[0] = row / phase->count[2] / phase->count[1] % phase->count[0];
    return row / phase->count[2] / phase->count[1] / phase->count[0];
}

/* Columns begin .. end-1, (tap, o), of dy as pixel `row` of the phase sees it. */
static void read_seen(float *to, const struct part *part, int64_t row, int64_t begin, int64_t end)
{
    const struct phase *phase = &part->phase;
    struct shape y = part->product->y;
    const int32_t length[3] = {y.d, y.h, y.w};
    int64_t pixel[3], tap[3], n = pixel_of_phase(pixel, phase, row);
    for (int64_t number = begin / y.c, at = begin % y.c; begin < end; number++, at = 0) {
        int64_t stop = min64(y.c, at + end - begin), from = n;
        bool outside = false;
        tap_of(tap, phase, number);
        for (int i = 0; i < 3; i++) {
            int64_t seen = phase->at[i] + pixel[i] - tap[i];
            outside |= seen < 0 || seen >= length[i];
            from = from * length[i] + seen;
        }
        if (outside)
            memset(to, 0, (size_t)(stop - at) * sizeof *to);
        else
            widen(to, (const element *)part->a + from * y.c + at, stop - at);
        to += stop - at;
        begin += stop - at;
    }
}

/* Where in the weights [o, tap, c] the row (tap, o) of a phase begins. */
static int64_t taps_row(const struct part *part, int64_t row)
{
    struct window window = window_of(part->product);
    struct shape x = part->product->x, y = part->product->y;
    int64_t tap[3], number = row % y.c;
    tap_of(tap, &part->phase, row / y.c);
    for (int i = 0; i < 3; i++)
        number = number * window.size[i] + part->phase.tap[i] + tap[i] * window.stride[i];
    return number * x.c;
}

/* Numbers begin .. end-1 of a row of a factor: where they are, or copied to `part->row + at`. */
static const float *read_row(const struct part *part, const struct factor *factor, const void *from,
                             int64_t row, int64_t begin, int64_t end, int64_t at)
{
    float *to = part->row + at;
    switch (factor->lie) {
    case PLAIN:
        if (factor->type == F32)
            return (const float *)from + row * factor->stride + begin;
        widen(to, (const element *)from + row * factor->stride + begin, end - begin);
        return to;
    case WINDOWS:
        read_window(to, part->product, from, row, begin, end);
        return to;
    case SEEN:
        read_seen(to, part, row, begin, end);
        return to;
    case TAPS:
        return (const float *)from + taps_row(part, row) + begin;
    }
    return NULL;
}

/* ---- panels --------------------------------------------------------------------------------- */

typedef float four __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t four_places __attribute__((vector_size(16)));

/* to[j, 0..3] = row[0..3][j], j < depth */
MATH_INLINE void turn_four(float *to, int width, const float *const row[4], int64_t depth)
{
    static const four_places low = {0, 4, 1, 5}, high = {2, 6, 3, 7};
    int64_t j = 0;
    for (; j + 4 <= depth; j += 4, to += 4 * width) {
        four a = *(const four *)(row[0] + j), b = *(const four *)(row[1] + j);
        four c = *(const four *)(row[2] + j), d = *(const four *)(row[3] + j);
        four ac = __builtin_shuffle(a, c, low), bd = __builtin_shuffle(b, d, low);
        *(four *)to = __builtin_shuffle(ac, bd, low);
        *(four *)(to + width) = __builtin_shuffle(ac, bd, high);
        ac = __builtin_shuffle(a, c, high), bd = __builtin_shuffle(b, d, high);
        *(four *)(to + 2 * width) = __builtin_shuffle(ac, bd, low);
        *(four *)(to + 3 * width) = __builtin_shuffle(ac, bd, high);
    }
    for (; j < depth; j++, to += width)
        for (int i = 0; i < 4; i++)
            to[i] = row[i][j];
}

/* panel[k, i] = row i of a factor at k; rows from `end` on are zero. */
MATH_INLINE void pack_along(float *panel, const struct part *part, const struct factor *factor,
                            const void *from, int64_t begin, int64_t end, int64_t k, int64_t depth,
                            int width)
{
    static const float zero[DEPTH];
    const float *row[MOST];
    for (; begin < end; begin += width, panel += width * depth) {
        for (int i = 0; i < width; i++)
            row[i] = begin + i < end ? read_row(part, factor, from, begin + i, k, k + depth,
                                                i * part->product->depth)
                                     : zero;
        int i = 0;
        for (; i + 4 <= width; i += 4)
            turn_four(panel + i, width, row + i, depth);
        for (; i < width; i++)
            for (int64_t j = 0; j < depth; j++)
                panel[j * width + i] = row[i][j];
    }
}

/* A panel's row, of `count` numbers; zeros behind them. */
MATH_INLINE void pack_row(float *to, const float *row, int64_t count, int width)
{
    if (count >= width) {
        memcpy(to, row, (size_t)width * sizeof *to);
        return;
    }
    for (int i = 0; i < width; i++)
        to[i] = i < count ? row[i] : 0;
}

/* panel[k, i] = row k of a factor at i; those from `end` on are zero. */
MATH_INLINE void pack_across(float *panel, const struct part *part, const struct factor *factor,
                             const void *from, int64_t begin, int64_t end, int64_t k, int64_t depth,
                             int width)
{
    enum { ROWS = 16 }; /* of one panel after the other: panels may lie a page's multiple apart */
    int64_t count = end - begin;
    if (factor->lie == PLAIN && factor->type == F32) {
        const float *rows = (const float *)from + k * factor->stride + begin;
        for (int64_t first = 0; first < depth; first += ROWS)
            for (int64_t i = 0; i < count; i += width)
                for (int64_t j = first; j < min64(first + ROWS, depth); j++)
                    pack_row(panel + i * depth + j * width, rows + j * factor->stride + i,
                             count - i, width);
        return;
    }
    for (int64_t j = 0; j < depth; j++) {
        const float *row = read_row(part, factor, from, k + j, begin, end, 0);
        for (int64_t i = 0; i < count; i += width)
            pack_row(panel + i * depth + j * width, row + i, count - i, width);
    }
}

MATH_INLINE void pack(float *panel, const struct part *part, const struct factor *factor,
                      const void *from, int64_t begin, int64_t end, int64_t k, int64_t depth,
                      int width)
{
    if (factor->along)
        pack_along(panel, part, factor, from, begin, end, k, depth, width);
    else
        pack_across(panel, part, factor, from, begin, end, k, depth, width);
}

/* ---- blocks --------------------------------------------------------------------------------- */

static float *result_row(const struct part *part, int64_t row)
{
    const struct product *p = part->product;
    if (p->a.lie != SEEN)
        return part->c + row * p->n;
    struct window window = window_of(p);
    const int32_t length[3] = {p->x.d, p->x.h, p->x.w};
    int64_t pixel[3], at = pixel_of_phase(pixel, &part->phase, row);
    for (int i = 0; i < 3; i++)
        at = at * length[i] + part->phase.first[i] + pixel[i] * window.stride[i];
    return part->c + at * p->n;
}

/* The tile whose first element is (m, n), which may reach over the part's end. */
static void multiply_edge(const struct part *part, int64_t m, int64_t n, int64_t depth,
                          const float *a, const float *b, bool more)
{
    float tile[TALL][WIDE], *row[TALL];
    int64_t width = min64(WIDE, part->n_end - n);
    for (int i = 0; i < TALL; i++)
        row[i] = tile[i];
    (width > VECTOR ? multiply_tile : multiply_narrow)(depth, a, b, row, false);
    for (int i = 0; i < TALL && m + i < part->m_end; i++) {
        float *to = result_row(part, m + i) + n;
        for (int64_t j = 0; j < width; j++)
            to[j] = more ? to[j] + tile[i][j] : tile[i][j];
    }
}

/* The block of the result at (m, n), high x broad, of packed blocks. */
static void multiply_block(const struct part *part, int64_t m, int64_t high, int64_t n,
                           int64_t broad, int64_t depth, bool more)
{
    float *row[HIGH];
    for (int64_t i = 0; i < high; i++)
        row[i] = result_row(part, m + i) + n;
    for (int64_t j = 0; j < broad; j += WIDE)
        for (int64_t i = 0; i < high; i += TALL) {
            const float *a = part->left + i * depth, *b = part->right + j * depth;
            float *c[TALL];
            if (i + TALL > high || j + WIDE > broad) {
                multiply_edge(part, m + i, n + j, depth, a, b, more);
                continue;
            }
            for (int r = 0; r < TALL; r++)
                c[r] = row[i + r] + j;
            multiply_tile(depth, a, b, c, more);
        }
}

/* Rows m .. m_end-1, columns n .. n_end-1 of the result. */
static void multiply(const struct part *part, int64_t m, int64_t n)
{
    const struct product *p = part->product;
    for (int64_t i = m; i < part->m_end && part->k == 0; i++)
        memset(result_row(part, i) + n, 0, (size_t)(part->n_end - n) * sizeof(float));
    for (int64_t j = n; j < part->n_end; j += BROAD) {
        int64_t broad = min64(BROAD, part->n_end - j);
        for (int64_t k = 0; k < part->k; k += DEPTH) {
            int64_t depth = min64(DEPTH, part->k - k);
            pack(part->right, part, &p->b, part->b, j, j + broad, k, depth, WIDE);
            for (int64_t i = m; i < part->m_end; i += HIGH) {
                int64_t high = min64(HIGH, part->m_end - i);
                pack(part->left, part, &p->a, part->a, i, i + high, k, depth, TALL);
                multiply_block(part, i, high, j, broad, depth, k > 0);
            }
        }
    }
}

/* ---- parts ---------------------------------------------------------------------------------- */

/* count, rounded up to whole tiles */
static int64_t whole(int64_t count, int64_t tile)
{
    return (count + tile - 1) / tile * tile;
}

/* Where part `index` of `parts` of `count` begins. */
static int64_t part_begin(int64_t index, int parts, int64_t count, int tile)
{
    return min64(count, whole(count, tile) / tile * index / parts * tile);
}

/* Phase `index`; returns false if it has no pixel. */
static bool find_phase(struct phase *out, const struct product *p, int64_t index)
{
    struct window window = window_of(p);
    const int32_t length[3] = {p->x.d, p->x.h, p->x.w};
    bool any = true;
    for (int i = 2; i >= 0; i--) {
        int64_t first = index % p->phases[i], shifted = first + window.pad[i];
        int64_t stride = window.stride[i];
        index /= p->phases[i];
        out->first[i] = first;
        out->count[i] = first < length[i] ? (length[i] - first + stride - 1) / stride : 0;
        out->tap[i] = shifted % stride;
        out->taps[i] = max64(0, (window.size[i] - out->tap[i] + stride - 1) / stride);
        out->at[i] = (shifted - out->tap[i]) / stride;
        any &= out->count[i] > 0;
    }
    return any;
}

static void part_of_phase(struct part *part, int64_t item, int64_t m)
{
    const struct product *p = part->product;
    int64_t i = item / p->across, j = item % p->across;
    part->m_end = part_begin(i + 1, p->down, m, TALL);
    part->n_end = part_begin(j + 1, p->across, p->n, WIDE);
    multiply(part, part_begin(i, p->down, m, TALL), part_begin(j, p->across, p->n, WIDE));
}

/* Items are parts of the result. */
RANGE(product_range)
{
    const struct product *p = (const struct product *)loop;
    for (int64_t item = begin; item < end; item++) {
        struct part part = {
            .product = p, .a = arg[p->a.arg], .b = arg[p->b.arg], .c = arg[p->c], .k = p->k};
        part.left = (float *)scratch + item * p->slot;
        part.right = part.left + p->left;
        part.row = part.right + p->right;
        if (p->a.lie != SEEN) {
            part_of_phase(&part, item, p->m);
            continue;
        }
        int phases = p->phases[0] * p->phases[1] * p->phases[2];
        for (int index = 0; index < phases; index++) {
            const struct phase *phase = &part.phase;
            if (!find_phase(&part.phase, p, index))
                continue;
            part.k = phase->taps[0] * phase->taps[1] * phase->taps[2] * p->y.c;
            part_of_phase(&part, item,
                          p->x.n * phase->count[0] * phase->count[1] * phase->count[2]);
        }
    }
}

static int product_run(const struct kernel *kernel, void *const *arg, void *scratch,
                       struct err *err)
{
    (void)err;
    const struct loop *loop = kernel->state;
    cpu_spread(loop->threads, loop, arg, scratch);
    return 0;
}

static void product_free(struct kernel *kernel)
{
    free(kernel->state);
}

/* Cuts the result into as many parts as there are threads, so that little is multiplied beside it
 * (in tiles) and little is packed twice. */
static void share(struct product *p, int threads)
{
    enum { PACKING = 24 }; /* a number packed takes as long as so many multiplications */
    double best = 0;
    for (int down = 1; down <= threads; down++) {
        int across = threads / down;
        double m = (double)whole((p->m + down - 1) / down, TALL);
        /* cppcheck-suppress zerodiv ; down is at most threads */
        double n = (double)whole((p->n + across - 1) / across, WIDE);
        double cost = m * n + PACKING * (m + n);
        if (best > 0 && cost >= best)
            continue;
        best = cost;
        p->down = down;
        p->across = across;
    }
}

/* Finishes a product of which all but how it is shared is known. */
static void make_product(struct kernel *out, const struct product *known, struct backend *backend)
{
    struct product *p = xcalloc(1, sizeof *p);
    *p = *known;
    bool few = (double)p->m * (double)p->n * (double)p->k < FEW_PRODUCTS;
    share(p, few ? 1 : backend->threads);
    p->loop.threads = p->down * p->across;
    cpu_loop_pass(&p->loop, product_range, p->loop.threads);
    p->depth = min64(DEPTH, max64(p->k, 1));
    p->left = min64(HIGH, whole(p->m, TALL)) * p->depth;
    p->right = min64(BROAD, whole(p->n, WIDE)) * p->depth;
    p->slot = whole(p->left + p->right + max64(MOST * p->depth, BROAD), 16);
    *out = (struct kernel){.run = product_run,
                           .free = product_free,
                           .state = p,
                           .scratch = (size_t)(p->slot * p->loop.threads) * sizeof(float)};
}

void ISA_NAME(cpu_product)(struct kernel *out, struct backend *backend, struct matrix a,
                           struct matrix b, struct matrix c)
{
    struct product p = {.m = a.rows, .n = b.columns, .k = a.columns, .c = 2};
    p.a = (struct factor){PLAIN, !a.transposed, a.type, 0, a.transposed ? a.rows : a.columns};
    p.b = (struct factor){PLAIN, b.transposed, b.type, 1, b.transposed ? b.rows : b.columns};
    if (c.type != F32 || c.transposed)
        bug("a product that is not F32, row by row");
    make_product(out, &p, backend);
}

void ISA_NAME(cpu_convolution)(struct kernel *out, const struct kernel_desc *desc)
{
    const struct window *window = &desc->attr->window;
    int64_t taps = (int64_t)window->size[0] * window->size[1] * window->size[2];
    enum lie x_lies = library_is_product(window) ? PLAIN : WINDOWS;
    enum dtype type = desc->in_type[0];
    struct product p = {.loop.attr = *desc->attr, .c = 3, .phases = {1, 1, 1}};
    if (desc->op == OP_conv) {
        p.x = desc->in[0], p.y = desc->out[0];
        p.m = rows_of(p.y), p.n = p.y.c, p.k = taps * p.x.c;
        p.a = (struct factor){x_lies, true, type, 0, p.x.c};
        p.b = (struct factor){PLAIN, true, F32, 1, p.k};
    } else if (desc->op == OP_conv_filter) {
        p.x = desc->in[0], p.y = desc->in[1], p.c = 2;
        p.m = p.y.c, p.n = taps * p.x.c, p.k = rows_of(p.y);
        p.a = (struct factor){PLAIN, false, desc->in_type[1], 1, p.y.c};
        p.b = (struct factor){x_lies, false, type, 0, p.x.c};
    } else {
        p.x = desc->out[0], p.y = desc->in[0];
        p.m = p.x.n, p.n = p.x.c, p.k = p.y.c;
        p.a = (struct factor){SEEN, true, type, 0, 0};
        p.b = (struct factor){TAPS, false, F32, 1, 0};
        const int32_t length[3] = {p.x.d, p.x.h, p.x.w};
        for (int i = 0; i < 3; i++) {
            p.phases[i] = window->stride[i];
            p.m *= whole(length[i], window->stride[i]) / window->stride[i];
            p.k *= whole(window->size[i], window->stride[i]) / window->stride[i];
        }
        if (x_lies == PLAIN) {
            p.a = (struct factor){PLAIN, true, type, 0, p.y.c};
            p.b = (struct factor){PLAIN, false, F32, 1, p.x.c};
        }
    }
    make_product(out, &p, desc->backend);
}
