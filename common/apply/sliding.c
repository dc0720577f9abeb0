#include "apply/sliding.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The windows along one axis of an image, and their weights for the pixels under them. */
struct axis {
    int32_t length, side, count; /* of the image; of a window; number of windows */
    int32_t *begin;              /* [count]; negative if a window begins before the image */
    double *share;               /* [count,side]; they add up to 1 over all windows */
};

static struct axis axis_new(int32_t length, int32_t side)
{
    struct axis axis = {.length = length, .side = side, .count = 1};
    int64_t over = (int64_t)length - side;
    if (over > 0)
        axis.count = (int32_t)((2 * over + side - 1) / side) + 1;
    axis.begin = xcalloc((size_t)axis.count, sizeof *axis.begin);
    axis.share = xcalloc((size_t)axis.count * (size_t)side, sizeof *axis.share);
    double *total = xcalloc((size_t)length, sizeof *total), middle = (side - 1) / 2.0;
    for (int64_t k = 0, gaps = axis.count - 1; k < axis.count; k++) {
        axis.begin[k] = (int32_t)(gaps ? (2 * k * over + gaps) / (2 * gaps) : -(-over / 2));
        for (int32_t i = 0; i < side; i++) {
            double *share = &axis.share[k * side + i], away = (i - middle) / (side / 8.0);
            int32_t at = axis.begin[k] + i;
            *share = exp(-away * away / 2);
            if (at >= 0 && at < length)
                total[at] += *share;
        }
    }
    for (int32_t k = 0; k < axis.count; k++)
        for (int32_t i = 0; i < side; i++)
            if (axis.begin[k] + i >= 0 && axis.begin[k] + i < length)
                axis.share[(size_t)k * (size_t)side + (size_t)i] /= total[axis.begin[k] + i];
    free(total);
    return axis;
}

/* Reflects an index outside the image: ... 2 1 [0 1 2 ... n-1] n-2 n-3 ... */
static int32_t reflected(int32_t at, int32_t length)
{
    if (length == 1)
        return 0;
    int32_t period = 2 * (length - 1);
    at = at % period + (at % period < 0 ? period : 0);
    return at < length ? at : period - at;
}

/* One window: along d, h and w. */
struct window {
    const struct axis *axis; /* [3] */
    int32_t number[3];       /* its number along each axis */
};

static struct window window_at(const struct axis axis[3], int64_t number)
{
    int64_t row = number / axis[2].count;
    return (struct window){axis,
                           {(int32_t)(row / axis[1].count), (int32_t)(row % axis[1].count),
                            (int32_t)(number % axis[2].count)}};
}

/* The image index of voxel i of the window; outside if the window extends beyond the image. */
static int32_t place(const struct window *window, int k, int32_t i)
{
    return window->axis[k].begin[window->number[k]] + i;
}

static double share(const struct window *window, int k, int32_t i)
{
    const struct axis *axis = &window->axis[k];
    return axis->share[(size_t)window->number[k] * (size_t)axis->side + (size_t)i];
}

static bool within(const struct window *window, int k, int32_t i)
{
    int32_t at = place(window, k, i);
    return at >= 0 && at < window->axis[k].length;
}

static void copy_pixel(float *out, const struct raster *raster, int64_t at)
{
    const uint8_t *levels = raster->values;
    const float *values = raster->values;
    for (int32_t j = 0; j < raster->c; j++)
        if (raster->pixel == PIXEL_U8)
            out[j] = pixel_value(levels[at * raster->c + j]);
        else
            out[j] = values[at * raster->c + j];
}

static void copy_window(float *out, const struct raster *raster, const struct window *window)
{
    const struct axis *axis = window->axis;
    for (int32_t z = 0; z < axis[0].side; z++)
        for (int32_t y = 0; y < axis[1].side; y++) {
            int64_t row = (int64_t)reflected(place(window, 0, z), raster->d) * raster->h +
                          reflected(place(window, 1, y), raster->h);
            for (int32_t x = 0; x < axis[2].side; x++, out += raster->c)
                copy_pixel(out, raster,
                           row * raster->w + reflected(place(window, 2, x), raster->w));
        }
}

/* One row of a window; sum: the image's row. */
static void add_row(float *sum, const float *probability, int32_t outputs,
                    const struct window *window, double of_row)
{
    for (int32_t x = 0; x < window->axis[2].side; x++) {
        if (!within(window, 2, x))
            continue;
        const float *from = probability + (int64_t)x * outputs;
        float *to = sum + (int64_t)place(window, 2, x) * outputs;
        float weight = (float)(of_row * share(window, 2, x));
        for (int32_t k = 0; k < outputs; k++)
            to[k] += weight * from[k];
    }
}

static void add_window(float *sum, const float *probability, int32_t outputs,
                       const struct window *window)
{
    const struct axis *axis = window->axis;
    for (int32_t z = 0; z < axis[0].side; z++)
        for (int32_t y = 0; y < axis[1].side; y++) {
            if (!within(window, 0, z) || !within(window, 1, y))
                continue;
            int64_t row = (int64_t)place(window, 0, z) * axis[1].length + place(window, 1, y);
            int64_t from = (int64_t)z * axis[1].side + y;
            add_row(sum + row * axis[2].length * outputs,
                    probability + from * axis[2].side * outputs, outputs, window,
                    share(window, 0, z) * share(window, 1, y));
        }
}

static int predict_all(float *probability, const struct sliding *s, const struct raster *raster,
                       const struct axis axis[3], struct err *err)
{
    int64_t windows = (int64_t)axis[0].count * axis[1].count * axis[2].count;
    int64_t pixels = (int64_t)s->d * s->h * s->w;
    size_t batch = (size_t)(s->batch * pixels);
    float *in = xcalloc(batch, (size_t)s->c * sizeof *in);
    float *out = xcalloc(batch, (size_t)s->outputs * sizeof *out);
    int status = 0;
    for (int64_t first = 0; !status && first < windows; first += s->batch) {
        int64_t n = windows - first < s->batch ? windows - first : s->batch;
        for (int64_t i = 0; i < n; i++) {
            const struct window window = window_at(axis, first + i);
            copy_window(in + i * pixels * s->c, raster, &window);
        }
        status = s->predict(s->user, in, out, err);
        for (int64_t i = 0; !status && i < n; i++) {
            const struct window window = window_at(axis, first + i);
            add_window(probability, out + i * pixels * s->outputs, s->outputs, &window);
        }
    }
    free(in);
    free(out);
    return status ? -1 : 0;
}

int sliding_predict(float *probability, const struct sliding *s, const struct raster *raster,
                    struct err *err)
{
    struct axis axis[3] = {axis_new(raster->d, s->d), axis_new(raster->h, s->h),
                           axis_new(raster->w, s->w)};
    size_t pixels = (size_t)raster->d * (size_t)raster->h * (size_t)raster->w;
    memset(probability, 0, pixels * (size_t)s->outputs * sizeof *probability);
    int status = predict_all(probability, s, raster, axis, err);
    for (int k = 0; k < 3; k++) {
        free(axis[k].begin);
        free(axis[k].share);
    }
    return status;
}
