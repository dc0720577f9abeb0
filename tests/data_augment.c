/*
 * Augmentation: each kind does what it claims and no more, image and mask move together, and what
 * a case looks like is a function of (seed, epoch, id). The map that was drawn is read off a
 * picture of two ramps, whose values are their own coordinates; pictures are then compared with a
 * sampler of the test's own.
 */
#include "data/augment.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { SIDE = 65, STEP = 8, DRAWS = 600, MOST = 3 * SIDE * SIDE, IGNORE = 255 };

static const struct augment_limits usual = {0.75, 15, 0.2, 0.2, 0.2, 0.2};

static struct augment only(enum augmentation kind, struct augment_limits limits)
{
    struct augment augment = {.limits = limits};
    augment.use[kind] = true;
    return augment;
}

static struct augment everything(struct augment_limits limits)
{
    struct augment augment = {.limits = limits};
    for (int i = 0; i < AUGMENTATIONS; i++)
        augment.use[i] = true;
    return augment;
}

static int64_t size_of(struct augment_shape s)
{
    return (int64_t)s.d * s.h * s.w * s.c;
}

/* Bytes without a pattern, from least to most. */
static void noise(uint8_t *out, int64_t count, int least, int most)
{
    uint32_t random = 99;
    for (int64_t i = 0; i < count; i++) {
        random = random * 1664525u + 1013904223u;
        out[i] = (uint8_t)(least + (int)((random >> 16) % (uint32_t)(most - least + 1)));
    }
}

/* ---- what changes nothing ------------------------------------------------------------------- */
static const struct augment_shape shapes[] = {{1, 5, 7, 3},  {1, 8, 8, 1}, {1, 1, 9, 3},
                                              {3, 4, 1, 2},  {1, 1, 1, 1}, {4, 6, 5, 1},
                                              {1, 33, 64, 3}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static void expect_as_it_was(const struct augment *augment, struct augment_shape shape)
{
    static uint8_t image[MOST], mask[MOST];
    static float out[MOST];
    static int32_t mask_out[MOST];
    noise(image, size_of(shape), 0, 255);
    noise(mask, size_of(shape) / shape.c, 250, IGNORE);
    for (uint64_t epoch = 0; epoch < 5; epoch++) {
        memset(out, 0xFF, sizeof out);
        memset(mask_out, 0xFF, sizeof mask_out);
        augment_case(out, mask_out, image, mask, shape, augment, 1, epoch, "a");
        for (int64_t i = 0; i < size_of(shape); i++)
            assert_true(out[i] == (float)image[i] / 255.0f);
        for (int64_t i = 0; i < size_of(shape) / shape.c; i++)
            assert_int_equal(mask_out[i], mask[i]);
    }
}

static void without_augmentation_a_case_is_exact(void **state)
{
    (void)state;
    struct augment none = {.limits = {0.5, 90, 0.5, 0.5, 0.5, 0.5}};
    struct augment still = everything((struct augment_limits){.crop = 1});
    still.use[AUGMENT_FLIP] = still.use[AUGMENT_FLIP_VERTICAL] = false;
    still.use[AUGMENT_FLIP_DEPTH] = false;
    for (int i = 0; i < SHAPES; i++) {
        expect_as_it_was(&none, shapes[i]);
        expect_as_it_was(&still, shapes[i]);
    }
}

static void saturation_needs_three_channels(void **state)
{
    (void)state;
    struct augment augment = only(AUGMENT_SATURATION, (struct augment_limits){.saturation = 0.9});
    for (int i = 0; i < SHAPES; i++)
        if (shapes[i].c != 3)
            expect_as_it_was(&augment, shapes[i]);
}

/* ---- flips ---------------------------------------------------------------------------------- */
/* Pixel numbers as class and as grey value; which of the eight reflections it became. */
static int which_flip(const struct augment *augment, struct augment_shape s, uint64_t epoch)
{
    uint8_t image[256], mask[256];
    float out[256];
    int32_t mask_out[256];
    int found = -1;
    for (int i = 0; i < 256; i++)
        image[i] = mask[i] = (uint8_t)i;
    augment_case(out, mask_out, image, mask, s, augment, 3, epoch, "case");
    for (int flips = 0; flips < 8; flips++) {
        bool same = true;
        for (int z = 0, i = 0; z < s.d; z++)
            for (int y = 0; y < s.h; y++)
                for (int x = 0; x < s.w; x++, i++) {
                    int from = flips & 4 ? s.d - 1 - z : z;
                    from = from * s.h + (flips & 2 ? s.h - 1 - y : y);
                    from = from * s.w + (flips & 1 ? s.w - 1 - x : x);
                    same &= out[i] == (float)from / 255.0f && mask_out[i] == from;
                }
        if (same)
            found = flips;
    }
    assert_in_range(found, 0, 7);
    return found;
}

static void flips_are_exact_and_half_of_the_cases(void **state)
{
    (void)state;
    struct augment_shape shape = {3, 4, 5, 1};
    for (int kind = 0; kind < 3; kind++) {
        struct augment augment = only(AUGMENT_FLIP + (enum augmentation)kind, usual);
        int seen[8] = {0};
        for (uint64_t epoch = 0; epoch < DRAWS; epoch++)
            seen[which_flip(&augment, shape, epoch)]++;
        assert_in_range(seen[1 << kind], 240, 360); /* 300, six standard deviations of 12 are 73 */
        assert_int_equal(seen[0] + seen[1 << kind], DRAWS);
    }
    struct augment all = {.use = {true, true, true}}, turned = all;
    turned.use[AUGMENT_ROTATE] = turned.use[AUGMENT_CROP] = true; /* by nothing: still exact */
    turned.limits.crop = 1;
    int seen[8] = {0};
    for (uint64_t epoch = 0; epoch < DRAWS; epoch++) {
        int flips = which_flip(&all, shape, epoch);
        assert_int_equal(which_flip(&turned, shape, epoch), flips);
        seen[flips]++;
    }
    for (int flips = 0; flips < 8; flips++)
        assert_in_range(seen[flips], 45, 115); /* 75 and a standard deviation of 8 */
}

/* ---- the map, read off ramps ---------------------------------------------------------------- */
/* Output pixel (i, j), counted from the middle, comes from (y + y_y i + y_x j, x + x_y i + x_x j),
 * in pixels from the middle. */
struct map {
    double y, x, y_y, y_x, x_y, x_x;
};

static struct map drawn_map(const struct augment *augment, int32_t h, int32_t w, uint64_t epoch)
{
    static uint8_t ramps[MOST];
    static float out[MOST];
    struct augment geometry = *augment;
    geometry.use[AUGMENT_BRIGHTNESS] = geometry.use[AUGMENT_CONTRAST] = false;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            ramps[(y * w + x) * 2] = (uint8_t)(3 * y);
            ramps[(y * w + x) * 2 + 1] = (uint8_t)(3 * x);
        }
    struct augment_shape shape = {1, h, w, 2};
    augment_case(out, NULL, ramps, NULL, shape, &geometry, 7, epoch, "case");
    const float *at = out + (int64_t)((h / 2) * w + w / 2) * 2;
    const float *below = at + (int64_t)STEP * w * 2, *right = at + (int64_t)STEP * 2;
    const double unit = 255.0 / 3;
    return (struct map){.y = at[0] * unit - h / 2,
                        .x = at[1] * unit - w / 2,
                        .y_y = (below[0] - at[0]) * unit / STEP,
                        .y_x = (right[0] - at[0]) * unit / STEP,
                        .x_y = (below[1] - at[1]) * unit / STEP,
                        .x_x = (right[1] - at[1]) * unit / STEP};
}

static void near(double got, double want, double within)
{
    if (!(fabs(got - want) <= within))
        fail_msg("%.9g instead of %.9g (within %g)", got, want, within);
}

struct spread {
    double sum, least, most;
};

static void count(struct spread *spread, double value, int number)
{
    spread->sum += value;
    spread->least = !number || value < spread->least ? value : spread->least;
    spread->most = !number || value > spread->most ? value : spread->most;
}

/* Even over [low, high]: both ends come into reach, and the mean is the middle. */
static void expect_even(const struct spread *spread, double low, double high)
{
    double length = high - low, deviation = length / sqrt(12.0 * DRAWS);
    assert_true(spread->least >= low - 1e-4 * length && spread->most <= high + 1e-4 * length);
    assert_true(spread->least < low + 0.03 * length && spread->most > high - 0.03 * length);
    near(spread->sum / DRAWS, (low + high) / 2, 4 * deviation);
}

static void rotation_turns_about_the_middle(void **state)
{
    (void)state;
    struct augment augment = only(AUGMENT_ROTATE, (struct augment_limits){.rotate = 40});
    struct spread angles = {0};
    for (int n = 0; n < DRAWS; n++) {
        struct map map = drawn_map(&augment, SIDE, SIDE, (uint64_t)n);
        near(hypot(map.y, map.x), 0, 1e-4);
        near(map.x_x * map.x_x + map.x_y * map.x_y, 1, 1e-4);
        near(map.y_y, map.x_x, 1e-4);
        near(map.y_x, -map.x_y, 1e-4);
        count(&angles, atan2(map.y_x, map.x_x) * 180 / M_PI, n);
    }
    expect_even(&angles, -40, 40);
}

static void scale_is_even_in_the_logarithm(void **state)
{
    (void)state;
    struct augment augment = only(AUGMENT_SCALE, (struct augment_limits){.scale = 0.6});
    struct spread logarithms = {0};
    for (int n = 0; n < DRAWS; n++) {
        struct map map = drawn_map(&augment, SIDE, SIDE, (uint64_t)n);
        near(hypot(map.y, map.x), 0, 1e-4);
        near(map.y_y, map.x_x, 1e-4);
        near(hypot(map.x_y, map.y_x), 0, 1e-4);
        count(&logarithms, -log(map.x_x), n);
    }
    expect_even(&logarithms, -log(1.6), log(1.6));
}

/* The window lies in the picture and comes to its ends, on each axis by itself. */
static void crop_takes_any_window_inside(void **state)
{
    (void)state;
    enum { H = 49, W = SIDE };
    struct augment augment = only(AUGMENT_CROP, (struct augment_limits){.crop = 0.6});
    struct spread sizes = {0}, tops = {0}, lefts = {0};
    double together = 0;
    for (int n = 0; n < DRAWS; n++) {
        struct map map = drawn_map(&augment, H, W, (uint64_t)n);
        near(map.y_y, map.x_x, 1e-4);
        near(hypot(map.x_y, map.y_x), 0, 1e-4);
        double size = map.x_x, room = 1 - size;
        double top = (map.y + H / 2.0 - size * H / 2) / H;
        double left = (map.x + W / 2.0 - size * W / 2) / W;
        assert_true(top > -1e-4 && top < room + 1e-4 && left > -1e-4 && left < room + 1e-4);
        count(&sizes, size, n);
        double down = room > 0.02 ? top / room : 0.5, right = room > 0.02 ? left / room : 0.5;
        count(&tops, down, n);
        count(&lefts, right, n);
        together += (down - 0.5) * (right - 0.5) * 12 / DRAWS;
    }
    expect_even(&sizes, 0.6, 1);
    near(tops.sum / DRAWS, 0.5, 0.05);
    near(lefts.sum / DRAWS, 0.5, 0.05);
    assert_true(tops.least < 0.03 && tops.most > 0.97 && lefts.least < 0.03 && lefts.most > 0.97);
    near(together, 0, 0.17); /* the correlation, whose standard deviation is 0.041 */
}

/* ---- pictures against a sampler of the test's own ------------------------------------------- */
static int mirrored(int i, int size)
{
    while (i < 0 || i >= size)
        i = i < 0 ? -1 - i : 2 * size - 1 - i;
    return i;
}

static double sampled(const uint8_t *image, int h, int w, int c, double y, double x)
{
    double sum = 0, top = floor(y), left = floor(x);
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++) {
            int row = mirrored((int)top + i, h), column = mirrored((int)left + j, w);
            double share = (i ? y - top : 1 - y + top) * (j ? x - left : 1 - x + left);
            sum += share * image[(row * w + column) * c];
        }
    return sum / 255;
}

static bool between_pixels(double position)
{
    return fabs(position - floor(position) - 0.5) < 2e-3;
}

/* Image [h,w,3] and mask under everything geometric, beyond the edges, too. */
static int check_picture(const struct augment *augment, int h, int w, uint64_t epoch)
{
    static uint8_t image[MOST], mask[MOST];
    static float out[MOST];
    static int32_t mask_out[MOST];
    struct augment_shape shape = {1, h, w, 3};
    noise(image, size_of(shape), 100, 140);
    noise(mask, (int64_t)h * w, 248, IGNORE);
    augment_case(out, mask_out, image, mask, shape, augment, 7, epoch, "case");
    struct map map = drawn_map(augment, h, w, epoch);
    int beyond = 0;
    for (int i = 0; i < h; i++)
        for (int j = 0; j < w; j++) {
            double y = h / 2 + map.y + (i - h / 2) * map.y_y + (j - w / 2) * map.y_x;
            double x = w / 2 + map.x + (i - h / 2) * map.x_y + (j - w / 2) * map.x_x;
            for (int k = 0; k < 3; k++)
                near(out[(i * w + j) * 3 + k], sampled(image + k, h, w, 3, y, x), 5e-4);
            beyond += y < -0.5 || y > h - 0.5 || x < -0.5 || x > w - 0.5;
            if (between_pixels(y) || between_pixels(x))
                continue;
            int row = mirrored((int)floor(y + 0.5), h), column = mirrored((int)floor(x + 0.5), w);
            assert_int_equal(mask_out[i * w + j], mask[row * w + column]);
        }
    return beyond;
}

static void pictures_and_masks_follow_the_map(void **state)
{
    (void)state;
    static const int sizes[][2] = {{65, 65}, {64, 48}, {31, 60}, {40, 40}};
    struct augment augment = everything((struct augment_limits){0.75, 30, 0.3, 0, 0, 0});
    int beyond = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (uint64_t epoch = 0; epoch < 40; epoch++)
            beyond += check_picture(&augment, sizes[i][0], sizes[i][1], epoch);
    assert_true(beyond > 10000);
}

static void a_mask_painted_from_the_image_stays_so(void **state)
{
    (void)state;
    enum { N = 48 };
    static uint8_t image[N * N], mask[N * N];
    static float out[N * N];
    static int32_t mask_out[N * N];
    struct augment augment = everything((struct augment_limits){0.75, 180, 0.4, 0, 0, 0});
    for (int y = 0; y < N; y++)
        for (int x = 0; x < N; x++) { /* a blob away from the middle, growing lighter inwards */
            double away = hypot(y - 15, 0.6 * (x - 26)), grey = 128 + 12 * (9 - away);
            image[y * N + x] = (uint8_t)(grey < 0 ? 0 : grey > 255 ? 255 : grey);
            mask[y * N + x] = image[y * N + x] > 128;
        }
    for (uint64_t epoch = 0; epoch < 60; epoch++) {
        int inside = 0;
        augment_case(out, mask_out, image, mask, (struct augment_shape){1, N, N, 1}, &augment, 5,
                     epoch, "blob");
        for (int i = 0; i < N * N; i++) {
            double over = (double)out[i] * 255 - 128.5; /* half a pixel is worth 12 sqrt(1/2) */
            assert_true(fabs(over) < 9 || mask_out[i] == (over > 0));
            inside += mask_out[i];
        }
        assert_in_range(inside, 100, N * N - 100);
    }
}

/* One pixel wide or high, a turn reaches far beyond: what comes is of the picture. */
static void sides_of_one_pixel(void **state)
{
    (void)state;
    struct augment augment = everything((struct augment_limits){0.5, 180, 0.9, 0, 0, 0});
    for (int i = 0; i < SHAPES; i++) {
        uint8_t image[MOST], mask[MOST];
        float out[MOST];
        int32_t mask_out[MOST];
        noise(image, size_of(shapes[i]), 50, 60);
        noise(mask, size_of(shapes[i]), 3, 5);
        for (uint64_t epoch = 0; epoch < 20; epoch++) {
            augment_case(out, mask_out, image, mask, shapes[i], &augment, 1, epoch, "thin");
            for (int64_t k = 0; k < size_of(shapes[i]); k++)
                assert_true(out[k] > 49.99f / 255 && out[k] < 60.01f / 255);
            for (int64_t k = 0; k < size_of(shapes[i]) / shapes[i].c; k++)
                assert_in_range(mask_out[k], 3, 5);
        }
    }
}

/* Every slice of a volume under one map, and none mixed with another. */
static void volumes_move_slice_by_slice(void **state)
{
    (void)state;
    enum { D = 3, H = 9, W = 12, PIXELS = H * W };
    uint8_t image[D * PIXELS], mask[D * PIXELS];
    float out[D * PIXELS], slice[PIXELS];
    int32_t mask_out[D * PIXELS], mask_slice[PIXELS];
    struct augment augment = everything(usual);
    augment.use[AUGMENT_BRIGHTNESS] = augment.use[AUGMENT_CONTRAST] = false;
    noise(image, D * PIXELS, 0, 255);
    noise(mask, D * PIXELS, 0, 3);
    int turned = 0;
    for (uint64_t epoch = 0; epoch < 20; epoch++) {
        augment.use[AUGMENT_FLIP_DEPTH] = true;
        augment_case(out, mask_out, image, mask, (struct augment_shape){D, H, W, 1}, &augment, 2,
                     epoch, "v");
        augment.use[AUGMENT_FLIP_DEPTH] = false;
        int kept = 0, turned_now = 0;
        for (int z = 0; z < D; z++) {
            augment_case(slice, mask_slice, image + z * PIXELS, mask + z * PIXELS,
                         (struct augment_shape){1, H, W, 1}, &augment, 2, epoch, "v");
            kept += !memcmp(slice, out + z * PIXELS, sizeof slice) &&
                    !memcmp(mask_slice, mask_out + z * PIXELS, sizeof mask_slice);
            turned_now += !memcmp(slice, out + (D - 1 - z) * PIXELS, sizeof slice) &&
                          !memcmp(mask_slice, mask_out + (D - 1 - z) * PIXELS, sizeof mask_slice);
        }
        assert_true(kept == D || turned_now == D);
        turned += turned_now == D;
    }
    assert_in_range(turned, 1, 19);
}

/* The same picture in floats, from 0 to 1, is the same but for rounding. */
static void floats_move_as_bytes_do(void **state)
{
    (void)state;
    enum { D = 3, H = 9, W = 12, ALL = D * H * W };
    uint8_t image[ALL], mask[ALL];
    float volume[ALL], out[ALL], want[ALL];
    int32_t mask_out[ALL], mask_want[ALL];
    struct augment augment = everything(usual);
    noise(image, ALL, 100, 150); /* nothing reaches 0 or 1 */
    noise(mask, ALL, 0, 3);
    for (int i = 0; i < ALL; i++)
        volume[i] = (float)image[i] / 255.0f;
    for (uint64_t epoch = 0; epoch < 20; epoch++) {
        struct augment_shape shape = {D, H, W, 1};
        augment_case(want, mask_want, image, mask, shape, &augment, 2, epoch, "v");
        augment_volume(out, mask_out, volume, mask, shape, &augment, 2, epoch, "v");
        assert_memory_equal(mask_out, mask_want, sizeof mask_out);
        for (int i = 0; i < ALL; i++)
            assert_true(fabsf(out[i] - want[i]) < 1e-5f);
    }
}

static void floats_are_not_clamped(void **state)
{
    (void)state;
    const float volume[6] = {-300, 7, 1e6f, 2, 0.5f, -1};
    float out[6];
    struct augment none = {.limits = usual}, bright = only(AUGMENT_BRIGHTNESS, usual);
    struct augment_shape shape = {1, 2, 1, 3};
    augment_volume(out, NULL, volume, NULL, shape, &none, 1, 0, "v");
    assert_memory_equal(out, volume, sizeof out);
    bright.use[AUGMENT_SATURATION] = true; /* floats have no colour */
    augment_volume(out, NULL, volume, NULL, shape, &bright, 1, 0, "v");
    float factor = out[1] / volume[1];
    assert_true(factor >= 0.8f && factor <= 1.2f && fabsf(factor - 1) > 1e-4f);
    for (int i = 0; i < 6; i++)
        assert_true(fabsf(out[i] - factor * volume[i]) <= 1e-5f * fabsf(volume[i]));
}

/* ---- colour --------------------------------------------------------------------------------- */
enum { N = 13, VALUES = N * N * 3 };
static const struct augment_shape small = {1, N, N, 3};

static void colours(float *out, const uint8_t *image, const struct augment *augment, int epoch)
{
    augment_case(out, NULL, image, NULL, small, augment, 7, (uint64_t)epoch, "case");
}

static double mean_of(const float *values)
{
    double sum = 0;
    for (int i = 0; i < VALUES; i++)
        sum += (double)values[i];
    return sum / VALUES;
}

/* The one factor b with out = b * image. */
static double factor_of(const float *out, const uint8_t *image)
{
    double factor = (double)out[0] * 255 / image[0];
    for (int i = 0; i < VALUES; i++)
        near((double)out[i], factor * image[i] / 255, 1e-6);
    return factor;
}

/* The one factor c with out = middle + c * (before - middle). */
static double factor_about(const float *out, const float *before, double middle)
{
    int far = 0;
    for (int i = 1; i < VALUES; i++)
        if (fabs((double)before[i] - middle) > fabs((double)before[far] - middle))
            far = i;
    double factor = ((double)out[far] - middle) / ((double)before[far] - middle);
    for (int i = 0; i < VALUES; i++)
        near((double)out[i], middle + factor * ((double)before[i] - middle), 2e-6);
    return factor;
}

static void brightness_and_contrast(void **state)
{
    (void)state;
    uint8_t image[VALUES];
    float before[VALUES], out[VALUES];
    struct augment brightness = only(AUGMENT_BRIGHTNESS, usual), both = brightness;
    struct augment contrast = only(AUGMENT_CONTRAST, (struct augment_limits){.contrast = 0.3});
    both.use[AUGMENT_CONTRAST] = true;
    both.limits.contrast = 0.3;
    struct spread brighter = {0}, stronger = {0};
    noise(image, VALUES, 80, 140);
    for (int i = 0; i < VALUES; i++)
        before[i] = (float)image[i] / 255.0f;
    for (int n = 0; n < DRAWS; n++) {
        colours(out, image, &brightness, n);
        double b = factor_of(out, image);
        colours(out, image, &contrast, n);
        near(mean_of(out), mean_of(before), 1e-6);
        double c = factor_about(out, before, mean_of(before));
        count(&brighter, b, n);
        count(&stronger, c, n);
        colours(out, image, &both, n); /* one more changes no other's draw */
        near(mean_of(out), b * mean_of(before), 2e-6);
        near(out[7], b * (mean_of(before) + c * (before[7] - mean_of(before))), 2e-6);
    }
    expect_even(&brighter, 0.8, 1.2);
    expect_even(&stronger, 0.7, 1.3);
}

static double luma_of(const float *pixel)
{
    return 0.299 * (double)pixel[0] + 0.587 * (double)pixel[1] + 0.114 * (double)pixel[2];
}

static void saturation_keeps_luma(void **state)
{
    (void)state;
    uint8_t image[VALUES];
    float out[VALUES];
    struct augment augment = only(AUGMENT_SATURATION, (struct augment_limits){.saturation = 0.5});
    struct spread factors = {0};
    noise(image, VALUES, 100, 150);
    image[0] = 150;
    image[2] = 100;
    for (int n = 0; n < DRAWS; n++) {
        colours(out, image, &augment, n);
        double factor = (double)(out[0] - out[2]) * 255 / 50;
        for (int i = 0; i < VALUES; i += 3) {
            float before[3] = {image[i] / 255.0f, image[i + 1] / 255.0f, image[i + 2] / 255.0f};
            near(luma_of(out + i), luma_of(before), 1e-6);
            for (int k = 0; k < 2; k++)
                near(out[i + k] - out[i + k + 1], factor * (before[k] - before[k + 1]), 2e-6);
        }
        count(&factors, factor, n);
    }
    expect_even(&factors, 0.5, 1.5);
}

static void colours_are_clamped(void **state)
{
    (void)state;
    static const enum augmentation kinds[] = {AUGMENT_BRIGHTNESS, AUGMENT_CONTRAST,
                                              AUGMENT_SATURATION};
    uint8_t image[VALUES];
    float out[VALUES];
    noise(image, VALUES, 0, 255);
    for (int kind = 0; kind < 3; kind++) {
        struct augment augment = only(kinds[kind], (struct augment_limits){1, 0, 0, .9, .9, .9});
        int black = 0, white = 0;
        for (int n = 0; n < 50; n++) {
            colours(out, image, &augment, n);
            for (int i = 0; i < VALUES; i++) {
                assert_true(out[i] >= 0 && out[i] <= 1);
                black += image[i] > 0 && out[i] == 0;
                white += image[i] < 255 && out[i] == 1;
            }
        }
        assert_true(white > 50 && (kind == 0 || black > 50));
    }
}

/* ---- of what it is a function --------------------------------------------------------------- */
static void a_function_of_seed_epoch_and_id(void **state)
{
    (void)state;
    static const struct {
        uint64_t seed, epoch;
        const char *id;
    } of[] = {{1, 2, "a"}, {2, 2, "a"},   {1, 2, "b"}, {1, 21, "a"},
              {1, 2, ""},  {1, 2, "1/a"}, {1, 0, "a"}, {UINT64_MAX, UINT64_MAX, "a"}};
    enum { ROWS = sizeof of / sizeof *of };
    float out[ROWS][VALUES], again[VALUES];
    uint8_t image[VALUES];
    struct augment augment = everything(usual);
    noise(image, VALUES, 0, 255);
    for (int i = 0; i < ROWS; i++)
        augment_case(out[i], NULL, image, NULL, small, &augment, of[i].seed, of[i].epoch, of[i].id);
    for (int i = ROWS - 1; i >= 0; i--) {
        augment_case(again, NULL, image, NULL, small, &augment, of[i].seed, of[i].epoch, of[i].id);
        assert_memory_equal(again, out[i], sizeof again);
        for (int k = 0; k < i; k++)
            assert_memory_not_equal(out[i], out[k], sizeof again);
    }
}

/* What is drawn for one augmentation does not depend on the others. */
static void draws_do_not_depend_on_each_other(void **state)
{
    (void)state;
    struct augment all = everything((struct augment_limits){0.75, 30, 0.3, 0.2, 0.2, 0.2});
    for (uint64_t epoch = 0; epoch < 30; epoch++) {
        struct map map = drawn_map(&all, SIDE, SIDE, epoch);
        struct augment turning = only(AUGMENT_ROTATE, all.limits);
        struct augment zooming = only(AUGMENT_SCALE, all.limits);
        struct augment cropping = only(AUGMENT_CROP, all.limits);
        struct map turn = drawn_map(&turning, SIDE, SIDE, epoch);
        struct map zoom = drawn_map(&zooming, SIDE, SIDE, epoch);
        struct map crop = drawn_map(&cropping, SIDE, SIDE, epoch);
        double size = zoom.x_x * crop.x_x; /* a turn by less than 90 degrees keeps the signs: */
        double flip_y = map.y_y < 0 ? -size : size, flip_x = map.x_x < 0 ? -size : size;
        near(map.y_y, turn.y_y * flip_y, 1e-4);
        near(map.x_y, turn.x_y * flip_y, 1e-4);
        near(map.y_x, turn.y_x * flip_x, 1e-4);
        near(map.x_x, turn.x_x * flip_x, 1e-4);
        near(hypot(map.y - crop.y, map.x - crop.x), 0, 1e-3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_augmentation_a_case_is_exact),
        cmocka_unit_test(saturation_needs_three_channels),
        cmocka_unit_test(flips_are_exact_and_half_of_the_cases),
        cmocka_unit_test(rotation_turns_about_the_middle),
        cmocka_unit_test(scale_is_even_in_the_logarithm),
        cmocka_unit_test(crop_takes_any_window_inside),
        cmocka_unit_test(pictures_and_masks_follow_the_map),
        cmocka_unit_test(a_mask_painted_from_the_image_stays_so),
        cmocka_unit_test(sides_of_one_pixel),
        cmocka_unit_test(volumes_move_slice_by_slice),
        cmocka_unit_test(floats_move_as_bytes_do),
        cmocka_unit_test(floats_are_not_clamped),
        cmocka_unit_test(brightness_and_contrast),
        cmocka_unit_test(saturation_keeps_luma),
        cmocka_unit_test(colours_are_clamped),
        cmocka_unit_test(a_function_of_seed_epoch_and_id),
        cmocka_unit_test(draws_do_not_depend_on_each_other),
    };
    return cmocka_run_group_tests_name("data_augment", tests, NULL, NULL);
}
