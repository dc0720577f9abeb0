#include "evaluate/similarity.h"

#include "base/memory.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

double image_mse(const float *a, const float *b, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++) {
        double difference = (double)a[i] - (double)b[i];
        sum += difference * difference;
    }
    return sum / (double)count;
}

double image_mae(const float *a, const float *b, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += fabs((double)a[i] - (double)b[i]);
    return sum / (double)count;
}

double image_psnr(double mse, double range)
{
    double noise = mse / (range * range);
    return -10 * log10(noise < 1e-10 ? 1e-10 : noise);
}

/* ---- structural similarity ------------------------------------------------------------------ */

enum { WINDOW = 11 };
static const double sigma = 1.5, k1 = 0.01, k2 = 0.03;

struct window {
    int length;
    double weight[WINDOW];
};

static struct window window_for(int axis)
{
    struct window window = {.length = axis < WINDOW ? axis - (axis + 1) % 2 : WINDOW};
    double sum = 0;
    for (int i = 0; i < window.length; i++) {
        double x = (i - window.length / 2) / sigma;
        window.weight[i] = exp(-0.5 * x * x);
        sum += window.weight[i];
    }
    for (int i = 0; i < window.length; i++)
        window.weight[i] /= sum;
    return window;
}

/* Weighted means of both images, their squares and their product at one point. */
struct moments {
    double a, b, aa, bb, ab;
};

/* Filters the middle axis of [outer,axis,inner] in place, where the window fits: the result is
 * never longer, so writing never overtakes reading. Returns the remaining length of the axis. */
static int filter(struct moments *map, int64_t outer, int axis, int64_t inner)
{
    struct window window = window_for(axis);
    int left = axis - window.length + 1;
    struct moments *out = map;
    for (int64_t o = 0; o < outer; o++)
        for (int i = 0; i < left; i++)
            for (int64_t k = 0; k < inner; k++) {
                const struct moments *in = map + (o * axis + i) * inner + k;
                struct moments sum = {0};
                for (int j = 0; j < window.length; j++, in += inner) {
                    double weight = window.weight[j];
                    sum.a += weight * in->a;
                    sum.b += weight * in->b;
                    sum.aa += weight * in->aa;
                    sum.bb += weight * in->bb;
                    sum.ab += weight * in->ab;
                }
                *out++ = sum;
            }
    return left;
}

static double similarity(const struct moments *m, double range)
{
    double c1 = k1 * range * (k1 * range), c2 = k2 * range * (k2 * range);
    double mean_ab = m->a * m->b, mean_aa = m->a * m->a, mean_bb = m->b * m->b;
    double luminance = (2 * mean_ab + c1) / (mean_aa + mean_bb + c1);
    double covariance = m->ab - mean_ab, variances = m->aa - mean_aa + m->bb - mean_bb;
    return luminance * (2 * covariance + c2) / (variances + c2);
}

/* The contrast and structure terms, without luminance. */
static double contrast_and_structure(const struct moments *m, double range)
{
    double c2 = k2 * range * (k2 * range);
    double covariance = m->ab - m->a * m->b;
    double variances = m->aa - m->a * m->a + m->bb - m->b * m->b;
    return (2 * covariance + c2) / (variances + c2);
}

/* Both images' values of one channel, [d,h,w]. */
struct pair {
    int32_t size[3];
    double *a, *b;
    struct moments *map; /* room */
};

static struct pair pair_new(const int32_t size[3])
{
    struct pair pair = {.size = {size[0], size[1], size[2]}};
    size_t pixels = (size_t)size[0] * (size_t)size[1] * (size_t)size[2];
    pair.a = xcalloc(pixels, sizeof *pair.a);
    pair.b = xcalloc(pixels, sizeof *pair.b);
    pair.map = xcalloc(pixels, sizeof *pair.map);
    return pair;
}

static void pair_free(struct pair *pair)
{
    free(pair->a);
    free(pair->b);
    free(pair->map);
}

static void take_channel(struct pair *out, const float *a, const float *b, const int32_t size[4],
                         int32_t channel)
{
    int64_t pixels = (int64_t)size[0] * size[1] * size[2];
    memcpy(out->size, size, sizeof out->size);
    for (int64_t i = 0; i < pixels; i++) {
        out->a[i] = (double)a[i * size[3] + channel];
        out->b[i] = (double)b[i * size[3] + channel];
    }
}

/* The mean over all windows that lie inside. */
static double mean_of(const struct pair *pair, double range,
                      double (*what)(const struct moments *m, double range))
{
    const int32_t d = pair->size[0], h = pair->size[1], w = pair->size[2];
    for (int64_t i = 0; i < (int64_t)d * h * w; i++) {
        double x = pair->a[i], y = pair->b[i];
        pair->map[i] = (struct moments){x, y, x * x, y * y, x * y};
    }
    int64_t columns = filter(pair->map, (int64_t)d * h, w, 1);
    int64_t rows = filter(pair->map, d, h, columns);
    int64_t windows = filter(pair->map, 1, d, rows * columns) * rows * columns;
    double sum = 0;
    for (int64_t i = 0; i < windows; i++)
        sum += what(&pair->map[i], range);
    return sum / (double)windows;
}

double image_ssim(const float *a, const float *b, const int32_t size[4], double range)
{
    struct pair pair = pair_new(size);
    double sum = 0;
    for (int32_t channel = 0; channel < size[3]; channel++) {
        take_channel(&pair, a, b, size, channel);
        sum += mean_of(&pair, range, similarity);
    }
    pair_free(&pair);
    return sum / size[3];
}

/* ---- at several scales ---------------------------------------------------------------------- */
/* Wang et al. 2003, section 3.2: determined in experiments with people. */
static const double scale_weight[MS_SSIM_SCALES] = {0.0448, 0.2856, 0.3001, 0.2363, 0.1333};

/* Means of 2 values along each axis longer than 1; an odd last value is dropped. In place: writing
 * never overtakes reading. */
static void halve(double *values, const int32_t size[3])
{
    int32_t step[3], out[3];
    for (int k = 0; k < 3; k++) {
        step[k] = size[k] > 1 ? 2 : 1;
        out[k] = size[k] / step[k];
    }
    const double share = 1.0 / (step[0] * step[1] * step[2]);
    double *to = values;
    for (int32_t z = 0; z < out[0]; z++)
        for (int32_t y = 0; y < out[1]; y++)
            for (int32_t x = 0; x < out[2]; x++) {
                double sum = 0;
                for (int32_t k = z * step[0]; k < (z + 1) * step[0]; k++)
                    for (int32_t j = y * step[1]; j < (y + 1) * step[1]; j++)
                        for (int32_t i = x * step[2]; i < (x + 1) * step[2]; i++)
                            sum += values[((int64_t)k * size[1] + j) * size[2] + i];
                *to++ = sum * share;
            }
}

static void halve_both(struct pair *pair)
{
    halve(pair->a, pair->size);
    halve(pair->b, pair->size);
    for (int k = 0; k < 3; k++)
        pair->size[k] = pair->size[k] > 1 ? pair->size[k] / 2 : 1;
}

int ms_ssim_side(int scales)
{
    return WINDOW << (scales - 1);
}

int ms_ssim_scales(const int32_t size[4])
{
    int32_t least = size[1] < size[2] ? size[1] : size[2];
    int scales = 0;
    if (size[0] > 1 && size[0] < least)
        least = size[0];
    while (scales < MS_SSIM_SCALES && least >= ms_ssim_side(scales + 1))
        scales++;
    return scales;
}

double image_ms_ssim(const float *a, const float *b, const int32_t size[4], double range,
                     int scales)
{
    struct pair pair = pair_new(size);
    double sum = 0, all = 0, used = 0;
    for (int k = 0; k < MS_SSIM_SCALES; k++) {
        all += scale_weight[k];
        used += k < scales ? scale_weight[k] : 0;
    }
    for (int32_t channel = 0; channel < size[3]; channel++) {
        double product = 1;
        take_channel(&pair, a, b, size, channel);
        for (int k = 0; k < scales; k++) {
            bool last = k == scales - 1;
            double mean = mean_of(&pair, range, last ? similarity : contrast_and_structure);
            product *= pow(fmax(mean, 0), scale_weight[k] * all / used);
            if (!last)
                halve_both(&pair);
        }
        sum += product;
    }
    pair_free(&pair);
    return sum / size[3];
}
