#include "evaluate/overlap.h"

#include "base/memory.h"
#include "data/data.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* ---- counting pixels ------------------------------------------------------------------------ */
void confusion_add(int64_t *counts, int32_t classes, const uint8_t *truth,
                   const uint8_t *prediction, int64_t pixels)
{
    for (int64_t i = 0; i < pixels; i++)
        if (truth[i] != MASK_IGNORE)
            counts[(int64_t)truth[i] * classes + prediction[i]]++;
}

/* NaN for 0 / 0. */
static double share(int64_t part, int64_t whole)
{
    return whole ? (double)part / (double)whole : NAN;
}

double confusion_accuracy(const int64_t *counts, int32_t classes)
{
    int64_t right = 0, all = 0;
    for (int32_t i = 0; i < classes; i++)
        for (int32_t j = 0; j < classes; j++) {
            all += counts[i * classes + j];
            right += i == j ? counts[i * classes + j] : 0;
        }
    return share(right, all);
}

struct overlap confusion_overlap(const int64_t *counts, int32_t classes, int32_t class)
{
    int64_t both = counts[class * classes + class], truth = 0, predicted = 0;
    for (int32_t i = 0; i < classes; i++) {
        truth += counts[class * classes + i];
        predicted += counts[i * classes + class];
    }
    return (struct overlap){.dice = share(2 * both, truth + predicted),
                            .iou = share(both, truth + predicted - both),
                            .precision = share(both, predicted),
                            .recall = share(both, truth),
                            .volume = 1 - share(llabs(predicted - truth), predicted + truth)};
}

double confusion_miou(const int64_t *counts, int32_t classes)
{
    double sum = 0;
    int32_t measured = 0;
    for (int32_t i = 0; i < classes; i++) {
        double iou = confusion_overlap(counts, classes, i).iou;
        if (isnan(iou))
            continue;
        sum += iou;
        measured++;
    }
    return measured ? sum / measured : NAN;
}

/* ---- distances ------------------------------------------------------------------------------ */
/* The lower envelope of parabolas f[j] + (step (i - j))^2 along a line of n samples, in place
 * (Felzenszwalb & Huttenlocher, "Distance Transforms of Sampled Functions", 2012). */
struct line {
    double *f, *value, *border;
    int32_t *centre;
};

static void envelope(const struct line *line, int32_t n, double step)
{
    double *f = line->f;
    int32_t last = -1;
    for (int32_t j = 0; j < n; j++) {
        if (isinf(f[j]))
            continue;
        double meets = -INFINITY;
        for (; last >= 0; last--) {
            int32_t k = line->centre[last];
            meets =
                ((f[j] - f[k]) / (step * step) + (double)j * j - (double)k * k) / (2.0 * (j - k));
            if (meets > line->border[last])
                break;
            meets = -INFINITY;
        }
        line->centre[++last] = j;
        line->border[last] = meets;
    }
    if (last < 0)
        return;
    for (int32_t i = 0, k = 0; i < n; i++) {
        while (k < last && line->border[k + 1] <= i)
            k++;
        double away = step * (i - line->centre[k]);
        line->value[i] = f[line->centre[k]] + away * away;
    }
    memcpy(f, line->value, (size_t)n * sizeof *f);
}

/* squared: 0 at the set's voxels, infinity elsewhere; then the squared distance to the set. */
static void distance_transform(double *squared, const int32_t size[3], const double spacing[3])
{
    int32_t longest = size[0];
    for (int axis = 1; axis < 3; axis++)
        longest = size[axis] > longest ? size[axis] : longest;
    struct line line = {
        xcalloc((size_t)longest, sizeof(double)), xcalloc((size_t)longest, sizeof(double)),
        xcalloc((size_t)longest, sizeof(double)), xcalloc((size_t)longest, sizeof(int32_t))};
    int64_t total = (int64_t)size[0] * size[1] * size[2], stride = total;
    for (int axis = 0; axis < 3; axis++) {
        int32_t n = size[axis];
        int64_t outer = stride;
        stride /= n;
        for (int64_t at = 0; n > 1 && at < total; at++) {
            if (at % outer >= stride) /* not the first of its line */
                continue;
            for (int32_t i = 0; i < n; i++)
                line.f[i] = squared[at + i * stride];
            envelope(&line, n, spacing[axis]);
            for (int32_t i = 0; i < n; i++)
                squared[at + i * stride] = line.f[i];
        }
    }
    free(line.f);
    free(line.value);
    free(line.border);
    free(line.centre);
}

/* ---- surfaces ------------------------------------------------------------------------------- */
struct region {
    const uint8_t *truth, *mask; /* of mask, the class's voxels whose truth is not ignored */
    int32_t class;
    const int32_t *size;
};

static bool inside(const struct region *v, int64_t at)
{
    return v->mask[at] == v->class && v->truth[at] != MASK_IGNORE;
}

static bool on_surface(const struct region *v, int64_t at, const int32_t where[3])
{
    int64_t stride = 1;
    for (int axis = 2; axis >= 0; stride *= v->size[axis--]) {
        if (v->size[axis] == 1)
            continue;
        if (where[axis] == 0 || where[axis] == v->size[axis] - 1 || !inside(v, at - stride) ||
            !inside(v, at + stride))
            return true;
    }
    return false;
}

/* Stores the surface's voxels in `at` (large enough for all); returns how many. */
static int64_t find_surface(int64_t *at, const struct region *v)
{
    int64_t count = 0, i = 0;
    int32_t where[3];
    for (where[0] = 0; where[0] < v->size[0]; where[0]++)
        for (where[1] = 0; where[1] < v->size[1]; where[1]++)
            for (where[2] = 0; where[2] < v->size[2]; where[2]++, i++)
                if (inside(v, i) && on_surface(v, i, where))
                    at[count++] = i;
    return count;
}

/* Distances of one surface's voxels to the other surface, sorted. */
struct directed {
    double *distance;
    int64_t count;
};

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct directed measure(const int64_t *from, int64_t count, const int64_t *to,
                               int64_t to_count, const int32_t size[3], const double spacing[3])
{
    int64_t total = (int64_t)size[0] * size[1] * size[2];
    double *squared = xcalloc((size_t)total, sizeof *squared);
    struct directed out = {xcalloc((size_t)count, sizeof(double)), count};
    for (int64_t i = 0; i < total; i++)
        squared[i] = INFINITY;
    for (int64_t i = 0; i < to_count; i++)
        squared[to[i]] = 0;
    distance_transform(squared, size, spacing);
    for (int64_t i = 0; i < count; i++)
        out.distance[i] = sqrt(squared[from[i]]);
    free(squared);
    qsort(out.distance, (size_t)count, sizeof(double), by_size);
    return out;
}

/* Linear interpolation between the order statistics (numpy's default). */
static double percentile(const struct directed *d, double share_below)
{
    double at = share_below * (double)(d->count - 1);
    int64_t low = (int64_t)at, high = low + 1 < d->count ? low + 1 : low;
    return d->distance[low] + (at - (double)low) * (d->distance[high] - d->distance[low]);
}

static double total_of(const struct directed *d)
{
    double sum = 0;
    for (int64_t i = 0; i < d->count; i++)
        sum += d->distance[i];
    return sum;
}

static int64_t within(const struct directed *d, double tolerance)
{
    int64_t count = 0;
    while (count < d->count && d->distance[count] <= tolerance)
        count++;
    return count;
}

static struct surface compare(const struct directed *truth, const struct directed *predicted,
                              double tolerance)
{
    int64_t near_truth = within(predicted, tolerance), near_predicted = within(truth, tolerance);
    double precision = share(near_truth, predicted->count);
    double recall = share(near_predicted, truth->count);
    int64_t all = truth->count + predicted->count;
    return (struct surface){
        .hd95 = fmax(percentile(truth, 0.95), percentile(predicted, 0.95)),
        .average = (total_of(truth) + total_of(predicted)) / (double)all,
        .f = precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0,
        .dice = share(near_truth + near_predicted, all)};
}

struct surface surface_compare(const uint8_t *truth, const uint8_t *prediction, int32_t class,
                               const int32_t size[3], const double spacing[3], double tolerance)
{
    size_t total = (size_t)size[0] * (size_t)size[1] * (size_t)size[2];
    struct region of_truth = {truth, truth, class, size},
                  of_prediction = {truth, prediction, class, size};
    int64_t *a = xcalloc(total, sizeof *a), *b = xcalloc(total, sizeof *b);
    int64_t a_count = find_surface(a, &of_truth), b_count = find_surface(b, &of_prediction);
    struct surface out = {NAN, NAN, NAN, NAN};
    if (a_count && b_count) {
        struct directed forward = measure(a, a_count, b, b_count, size, spacing);
        struct directed back = measure(b, b_count, a, a_count, size, spacing);
        out = compare(&forward, &back, tolerance);
        free(forward.distance);
        free(back.distance);
    } else if (a_count || b_count) {
        out.f = out.dice = 0;
    }
    free(a);
    free(b);
    return out;
}
