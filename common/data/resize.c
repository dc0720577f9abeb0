/* Resizing by separable weights: first along w, then along h. */
#include "data/image.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Output sample i is the sum of weight[i * most + k] * input sample first[i] + k. */
struct weights {
    int32_t most, *first, *count;
    double *weight;
};

static double triangle(double x)
{
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

/* How much of output i's interval [i, i + 1) * scale lies in input pixel `at`. */
static double overlap(int32_t i, double scale, int32_t at)
{
    double low = fmax(i * scale, at), high = fmin((i + 1) * scale, at + 1.0);
    return high > low ? high - low : 0;
}

static double weight_of(enum resize_filter filter, int32_t i, double scale, double reach,
                        int32_t at)
{
    if (filter == RESIZE_AREA)
        return overlap(i, scale, at);
    return triangle((at + 0.5 - (i + 0.5) * scale) / reach);
}

static struct weights weights_new(int32_t out, int32_t in, enum resize_filter filter)
{
    double scale = (double)in / out, reach = fmax(scale, 1);
    struct weights w = {.most = (int32_t)ceil(2 * reach) + 2};
    w.first = xcalloc((size_t)out, sizeof *w.first);
    w.count = xcalloc((size_t)out, sizeof *w.count);
    w.weight = xcalloc((size_t)out * (size_t)w.most, sizeof *w.weight);
    for (int32_t i = 0; i < out; i++) {
        double centre = (i + 0.5) * scale, sum = 0;
        int32_t from = (int32_t)fmax(floor(centre - reach), 0);
        double *weight = w.weight + (size_t)i * (size_t)w.most;
        w.first[i] = from;
        for (int32_t at = from; at < in && at < from + w.most; at++)
            sum += weight[w.count[i]++] = weight_of(filter, i, scale, reach, at);
        for (int32_t k = 0; k < w.count[i]; k++)
            weight[k] /= sum;
    }
    return w;
}

static void weights_free(struct weights *w)
{
    free(w->first);
    free(w->count);
    free(w->weight);
}

static void along_w(double *out, int32_t out_w, const double *row, int32_t c,
                    const struct weights *w)
{
    for (int32_t x = 0; x < out_w; x++)
        for (int32_t j = 0; j < c; j++) {
            const double *weight = w->weight + (size_t)x * (size_t)w->most;
            const double *from = row + (size_t)w->first[x] * (size_t)c + j;
            double sum = 0;
            for (int32_t k = 0; k < w->count[x]; k++)
                sum += weight[k] * from[(size_t)k * (size_t)c];
            *out++ = sum;
        }
}

/* Row y of the result. */
static void along_h(double *out, int32_t y, const double *in, size_t row, const struct weights *w)
{
    const double *weight = w->weight + (size_t)y * (size_t)w->most;
    for (size_t x = 0; x < row; x++) {
        const double *from = in + (size_t)w->first[y] * row + x;
        double sum = 0;
        for (int32_t k = 0; k < w->count[y]; k++)
            sum += weight[k] * from[(size_t)k * row];
        out[x] = sum;
    }
}

static int32_t nearest(int32_t i, int32_t out, int32_t in)
{
    return (int32_t)((2 * (int64_t)i + 1) * in / (2 * (int64_t)out));
}

static void resize_nearest(uint8_t *out, int32_t out_h, int32_t out_w, const uint8_t *in, int32_t h,
                           int32_t w, int32_t c)
{
    for (int32_t y = 0; y < out_h; y++)
        for (int32_t x = 0; x < out_w; x++, out += c) {
            int64_t from = (int64_t)nearest(y, out_h, h) * w + nearest(x, out_w, w);
            memcpy(out, in + from * c, (size_t)c);
        }
}

/* Conversion of samples to double and back. */
struct samples {
    size_t size;
    void (*widen)(double *out, const void *in, size_t count);
    void (*narrow)(void *out, const double *in, size_t count);
};

static void widen_levels(double *out, const void *in, size_t count)
{
    const uint8_t *levels = in;
    for (size_t i = 0; i < count; i++)
        out[i] = levels[i];
}

static void narrow_levels(void *out, const double *in, size_t count)
{
    uint8_t *levels = out;
    for (size_t i = 0; i < count; i++)
        levels[i] = (uint8_t)floor(fmin(fmax(in[i], 0), 255) + 0.5);
}

static void widen_floats(double *out, const void *in, size_t count)
{
    const float *values = in;
    for (size_t i = 0; i < count; i++)
        out[i] = values[i];
}

static void narrow_floats(void *out, const double *in, size_t count)
{
    float *values = out;
    for (size_t i = 0; i < count; i++)
        values[i] = (float)in[i];
}

static void resize(void *out, int32_t out_h, int32_t out_w, const void *in, int32_t h, int32_t w,
                   int32_t c, enum resize_filter filter, const struct samples *samples)
{
    size_t row = (size_t)out_w * (size_t)c, in_row = (size_t)w * (size_t)c;
    struct weights across = weights_new(out_w, w, filter), down = weights_new(out_h, h, filter);
    double *middle = xcalloc((size_t)h * row, sizeof *middle);
    double *wide = xcalloc(row > in_row ? row : in_row, sizeof *wide);
    for (int32_t y = 0; y < h; y++) {
        samples->widen(wide, (const char *)in + (size_t)y * in_row * samples->size, in_row);
        along_w(middle + (size_t)y * row, out_w, wide, c, &across);
    }
    for (int32_t y = 0; y < out_h; y++) {
        along_h(wide, y, middle, row, &down);
        samples->narrow((char *)out + (size_t)y * row * samples->size, wide, row);
    }
    free(wide);
    free(middle);
    weights_free(&across);
    weights_free(&down);
}

void image_resize(uint8_t *out, int32_t out_h, int32_t out_w, const uint8_t *in, int32_t h,
                  int32_t w, int32_t c, enum resize_filter filter)
{
    static const struct samples levels = {1, widen_levels, narrow_levels};
    if (filter == RESIZE_NEAREST)
        resize_nearest(out, out_h, out_w, in, h, w, c);
    else
        resize(out, out_h, out_w, in, h, w, c, filter, &levels);
}

void image_resize_floats(float *out, int32_t out_h, int32_t out_w, const float *in, int32_t h,
                         int32_t w, int32_t c)
{
    static const struct samples floats = {sizeof(float), widen_floats, narrow_floats};
    resize(out, out_h, out_w, in, h, w, c, RESIZE_BILINEAR, &floats);
}
