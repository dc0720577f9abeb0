/* Overlap measures and surface distances: drawn masks against scikit-learn, SciPy and MONAI
 * (scripts/golden-overlap.py), distances against their definition, and small masks by hand. */
#include "evaluate/overlap.h"

#include "base/random.h"
#include "data/data.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { MOST_CLASSES = 4, VOXELS = 7 * 18 * 18 };

static void near(double found, double expected, double tolerance, const char *what, size_t at)
{
    bool same = isnan(expected) ? isnan(found) : fabs(found - expected) <= tolerance;
    if (!same)
        fail_msg("case %zu: %s is %.17g, expected %.17g", at, what, found, expected);
}

/* ---- drawn masks, as the script draws them -------------------------------------------------- */
static const struct {
    int64_t counts[MOST_CLASSES * MOST_CLASSES];
    double accuracy, miou;
    double classes[MOST_CLASSES][8];
} golden[] = {
#include "golden/overlap.def"
};
enum { GOLDEN = sizeof golden / sizeof *golden };

struct drawn {
    int32_t size[3], classes;
    int64_t voxels;
    double spacing[3], tolerance;
    uint8_t truth[VOXELS], prediction[VOXELS];
};

/* Knuth's MMIX generator. */
static int32_t draw(uint64_t *state, int32_t below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (int32_t)((*state >> 33) % (uint64_t)below);
}

static int64_t square(int64_t x)
{
    return x * x;
}

static void paint(uint8_t *mask, const struct drawn *is, uint64_t *state)
{
    const int32_t *size = is->size;
    int32_t blobs = 1 + draw(state, 5);
    for (int32_t b = 0; b < blobs; b++) {
        int32_t value = 1 + draw(state, is->classes - 1), at[3], r[3];
        for (int k = 0; k < 3; k++)
            at[k] = draw(state, size[k]);
        for (int k = 0; k < 3; k++)
            r[k] = 1 + draw(state, 1 + size[k] / 2);
        for (int64_t i = 0; i < is->voxels; i++) {
            int64_t x = i % size[2], y = i / size[2] % size[1], z = i / size[2] / size[1];
            int64_t reach = square((z - at[0]) * r[1] * r[2]) + square((y - at[1]) * r[0] * r[2]) +
                            square((x - at[2]) * r[0] * r[1]);
            if (reach <= square((int64_t)r[0] * r[1] * r[2]))
                mask[i] = (uint8_t)value;
        }
    }
}

static int32_t clip(int64_t x, int32_t size)
{
    return x < 0 ? 0 : x >= size ? size - 1 : (int32_t)x;
}

static void wander(struct drawn *out, uint64_t *state)
{
    const int32_t *size = out->size;
    int32_t shift[3];
    for (int k = 0; k < 3; k++)
        shift[k] = draw(state, 5) - 2;
    for (int64_t i = 0; i < out->voxels; i++) {
        int32_t x = clip(i % size[2] - shift[2], size[2]);
        int32_t y = clip(i / size[2] % size[1] - shift[1], size[1]);
        int32_t z = clip(i / size[2] / size[1] - shift[0], size[0]);
        out->prediction[i] = out->truth[(z * size[1] + y) * size[2] + x];
    }
    for (int64_t i = 0; i < out->voxels; i++)
        if (draw(state, 64) == 0)
            out->prediction[i] = (uint8_t)draw(state, out->classes);
}

static void drawn(struct drawn *out, size_t k)
{
    uint64_t state = k + 1;
    memset(out, 0, sizeof *out);
    out->size[0] = k < GOLDEN / 2 ? 1 : 2 + draw(&state, 6);
    out->size[1] = 6 + draw(&state, 13);
    out->size[2] = 6 + draw(&state, 13);
    out->voxels = (int64_t)out->size[0] * out->size[1] * out->size[2];
    out->classes = 2 + draw(&state, 3);
    for (int i = 0; i < 3; i++)
        out->spacing[i] = (1 + draw(&state, 8)) / 4.0;
    out->tolerance = (1 + draw(&state, 12)) / 4.0;
    size_t kind = k % 10;
    if (kind == 1) {
        memset(out->truth, 1, sizeof out->truth);
        memset(out->prediction, 1, sizeof out->prediction);
    } else if (kind == 3) {
        paint(out->prediction, out, &state);
    } else if (kind) {
        paint(out->truth, out, &state);
        if (kind == 4)
            paint(out->prediction, out, &state);
        else if (kind > 4)
            wander(out, &state);
    }
    for (int64_t i = 0; kind % 2 == 0 && i < out->voxels; i++)
        if (draw(&state, 16) == 0)
            out->truth[i] = MASK_IGNORE;
}

static void as_others_say(void **state)
{
    (void)state;
    assert_int_equal(GOLDEN, 100);
    for (size_t k = 0; k < GOLDEN; k++) {
        struct drawn is;
        int64_t counts[MOST_CLASSES * MOST_CLASSES] = {0};
        drawn(&is, k);
        confusion_add(counts, is.classes, is.truth, is.prediction, is.voxels);
        for (int32_t i = 0; i < is.classes * is.classes; i++)
            near((double)counts[i], (double)golden[k].counts[i], 0, "a count", k);
        near(confusion_accuracy(counts, is.classes), golden[k].accuracy, 1e-14, "accuracy", k);
        near(confusion_miou(counts, is.classes), golden[k].miou, 1e-14, "mean iou", k);
        for (int32_t c = 0; c < is.classes; c++) {
            const double *want = golden[k].classes[c];
            struct overlap overlap = confusion_overlap(counts, is.classes, c);
            struct surface surface =
                surface_compare(is.truth, is.prediction, c, is.size, is.spacing, is.tolerance);
            near(overlap.dice, want[0], 1e-14, "dice", k);
            near(overlap.iou, want[1], 1e-14, "iou", k);
            near(overlap.precision, want[2], 1e-14, "precision", k);
            near(overlap.recall, want[3], 1e-14, "recall", k);
            near(surface.hd95, want[4], 1e-12, "hd95", k);
            near(surface.average, want[5], 1e-12, "average", k);
            near(surface.f, want[6], 1e-14, "boundary f", k);
            near(surface.dice, want[7], 1e-14, "surface dice", k);
        }
    }
}

/* ---- by definition -------------------------------------------------------------------------- */
enum { SMALL = 6 * 7 * 8 };

struct small {
    int32_t size[3], count;
    double spacing[3];
    uint8_t truth[SMALL], prediction[SMALL];
};

static bool has(const struct small *is, const uint8_t *mask, int32_t z, int32_t y, int32_t x)
{
    const int32_t *size = is->size;
    if (z < 0 || y < 0 || x < 0 || z >= size[0] || y >= size[1] || x >= size[2])
        return false;
    int32_t i = (z * size[1] + y) * size[2] + x;
    return mask[i] == 1 && is->truth[i] != MASK_IGNORE;
}

static int32_t surface_of(double (*out)[3], const struct small *is, const uint8_t *mask)
{
    int32_t count = 0;
    bool volume = is->size[0] > 1;
    for (int32_t i = 0; i < is->count; i++) {
        int32_t x = i % is->size[2], y = i / is->size[2] % is->size[1];
        int32_t z = i / is->size[2] / is->size[1];
        bool within = has(is, mask, z, y - 1, x) && has(is, mask, z, y + 1, x) &&
                      has(is, mask, z, y, x - 1) && has(is, mask, z, y, x + 1);
        if (volume)
            within &= has(is, mask, z - 1, y, x) && has(is, mask, z + 1, y, x);
        if (!has(is, mask, z, y, x) || within)
            continue;
        out[count][0] = z * is->spacing[0];
        out[count][1] = y * is->spacing[1];
        out[count++][2] = x * is->spacing[2];
    }
    return count;
}

/* The sum of the distances from one surface to another, and how many are within the tolerance. */
static double to_nearest(int32_t *within, double (*from)[3], int32_t count, double (*to)[3],
                         int32_t to_count, double tolerance)
{
    double sum = 0;
    *within = 0;
    for (int32_t i = 0; i < count; i++) {
        double best = INFINITY;
        for (int32_t j = 0; j < to_count; j++) {
            double a = from[i][0] - to[j][0], b = from[i][1] - to[j][1], c = from[i][2] - to[j][2];
            best = fmin(best, sqrt(a * a + b * b + c * c));
        }
        sum += best;
        *within += best <= tolerance;
    }
    return sum;
}

static void check_small(const struct small *is, double tolerance, size_t number)
{
    static double real[SMALL][3], predicted[SMALL][3];
    int32_t near_predicted, near_real;
    int32_t reals = surface_of(real, is, is->truth);
    int32_t predictions = surface_of(predicted, is, is->prediction);
    if (!reals || !predictions)
        return;
    double sum = to_nearest(&near_predicted, real, reals, predicted, predictions, tolerance) +
                 to_nearest(&near_real, predicted, predictions, real, reals, tolerance);
    double precision = (double)near_real / predictions, recall = (double)near_predicted / reals;
    double f = near_real ? 2 * precision * recall / (precision + recall) : 0;
    struct surface got =
        surface_compare(is->truth, is->prediction, 1, is->size, is->spacing, tolerance);
    near(got.average, sum / (reals + predictions), 1e-12, "average", number);
    near(got.f, f, 1e-14, "boundary f", number);
    near(got.dice, (double)(near_real + near_predicted) / (reals + predictions), 1e-14,
         "surface dice", number);
}

/* Masks sparse and dense, in spacings that are no round numbers. */
static void by_definition(void **state)
{
    (void)state;
    struct stream stream = stream_new(3, "distances");
    for (size_t k = 0; k < 400; k++) {
        struct small is = {.count = 1};
        const int32_t most[] = {6, 7, 8};
        for (int i = 0; i < 3; i++) {
            is.size[i] = 2 + (int32_t)stream_below(&stream, (uint32_t)most[i] - 1);
            is.spacing[i] = exp(stream_normal(&stream));
        }
        is.size[0] = k % 2 ? 1 : is.size[0];
        is.count = is.size[0] * is.size[1] * is.size[2];
        uint32_t sparse[2] = {1 + stream_below(&stream, 20), 1 + stream_below(&stream, 20)};
        for (int32_t i = 0; i < is.count; i++) {
            is.truth[i] = stream_below(&stream, sparse[0]) == 0;
            is.prediction[i] = stream_below(&stream, sparse[1]) == 0;
            if (k % 3 == 0 && stream_below(&stream, 5) == 0)
                is.truth[i] = MASK_IGNORE;
        }
        check_small(&is, exp(stream_normal(&stream)), k);
    }
}

/* ---- by hand -------------------------------------------------------------------------------- */
static const double unit[3] = {1, 1, 1};

/* Two rows of 2..5 against 3..8: all of it is surface, at the edge of the image. */
static void two_rows(void **state)
{
    (void)state;
    const uint8_t truth[] = {0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0};
    const uint8_t prediction[] = {0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0};
    struct surface s =
        surface_compare(truth, prediction, 1, (const int32_t[3]){1, 2, 10}, unit, 1.0);
    /* distances of each row: from the truth 1 0 0 0, from the prediction 0 0 0 1 2 3 */
    near(s.hd95, 3, 1e-14, "hd95", 0); /* at 0.95 * 11 of 0 0 0 0 0 0 1 1 2 2 3 3 */
    near(s.average, 7.0 / 10, 1e-15, "average", 0);
    near(s.f, 2 * 1 * (4.0 / 6) / (1 + 4.0 / 6), 1e-15, "boundary f", 0);
    near(s.dice, 8.0 / 10, 1e-15, "surface dice", 0);
}

/* A full square has its frame as surface; what is ignored leaves a hole, and makes a surface, in
 * both. */
static void ignored(void **state)
{
    (void)state;
    uint8_t truth[25], prediction[25];
    const int32_t size[3] = {1, 5, 5};
    memset(truth, 1, sizeof truth);
    memset(prediction, 1, sizeof prediction);
    truth[12] = MASK_IGNORE;
    prediction[12] = 0;
    int64_t counts[2 * (MASK_IGNORE + 1)] = {0}; /* room for a row of what is no class */
    confusion_add(counts, 2, truth, prediction, 25);
    for (int i = 0; i < 2 * (MASK_IGNORE + 1); i++)
        assert_int_equal(counts[i], i == 3 ? 24 : 0);
    struct surface s = surface_compare(truth, prediction, 1, size, unit, 0);
    near(s.average, 0, 0, "average", 0);
    near(s.dice, 1, 0, "surface dice", 0);
    memset(truth, MASK_IGNORE, sizeof truth); /* nothing is left */
    s = surface_compare(truth, prediction, 1, size, unit, 0);
    near(s.f, NAN, 0, "boundary f", 0);
    near(s.hd95, NAN, 0, "hd95", 0);
    int64_t none[4] = {0};
    confusion_add(none, 2, truth, prediction, 25);
    near(confusion_accuracy(none, 2), NAN, 0, "accuracy", 0);
    near(confusion_miou(none, 2), NAN, 0, "mean iou", 0);
}

/* A thin plane in a volume of two slices: both slices are the edge along d; an image has none. */
static void edges(void **state)
{
    (void)state;
    enum { SIDE = 5, N = SIDE * SIDE };
    uint8_t truth[2 * N], prediction[2 * N] = {0};
    memset(truth, 1, sizeof truth);
    prediction[N / 2] = 1; /* the centre of the first slice */
    struct surface s =
        surface_compare(truth, prediction, 1, (const int32_t[3]){1, SIDE, SIDE}, unit, 100);
    near(s.average, (2 + (4 * 2 + 8 * sqrt(5) + 4 * sqrt(8))) / 17, 1e-14, "average of an image",
         0);
    s = surface_compare(truth, prediction, 1, (const int32_t[3]){2, SIDE, SIDE}, unit, 0.5);
    near(s.dice, 2.0 / 51, 1e-15, "surface dice of a volume", 0);
}

/* Tolerance counts what lies exactly at it, in any spacing. */
static void at_the_tolerance(void **state)
{
    (void)state;
    const uint8_t truth[8] = {1}, prediction[8] = {0, 0, 0, 1};
    const int32_t size[3] = {1, 2, 4};
    const double spacing[3] = {1, 1, 0.7};
    near(surface_compare(truth, prediction, 1, size, spacing, 3 * 0.7).f, 1, 0, "f", 0);
    near(surface_compare(truth, prediction, 1, size, spacing, 2.09).f, 0, 0, "f", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_others_say), cmocka_unit_test(by_definition),
        cmocka_unit_test(two_rows),      cmocka_unit_test(ignored),
        cmocka_unit_test(edges),         cmocka_unit_test(at_the_tolerance),
    };
    return cmocka_run_group_tests_name("evaluate_overlap", tests, NULL, NULL);
}
