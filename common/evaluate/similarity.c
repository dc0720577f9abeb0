#include "evaluate/similarity.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

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

/* Weighted means of both images, their squares and their product around one point. */
struct moments {
    double a, b, aa, bb, ab;
};

/* Filters the middle axis of [outer,axis,inner] in place, where the window fits. Writing never
 * overtakes reading: the result is nowhere longer. Returns what is left of the axis. */
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

double image_ssim(const float *a, const float *b, const int32_t size[4], double range)
{
    const int32_t d = size[0], h = size[1], w = size[2], c = size[3];
    int64_t pixels = (int64_t)d * h * w;
    struct moments *map = xcalloc((size_t)pixels, sizeof *map);
    double sum = 0;
    for (int channel = 0; channel < c; channel++) {
        for (int64_t i = 0; i < pixels; i++) {
            double x = (double)a[i * c + channel], y = (double)b[i * c + channel];
            map[i] = (struct moments){x, y, x * x, y * y, x * y};
        }
        int64_t columns = filter(map, (int64_t)d * h, w, 1);
        int64_t rows = filter(map, d, h, columns);
        int64_t windows = filter(map, 1, d, rows * columns) * rows * columns;
        double channel_sum = 0;
        for (int64_t i = 0; i < windows; i++)
            channel_sum += similarity(&map[i], range);
        sum += channel_sum / (double)windows;
    }
    free(map);
    return sum / c;
}
