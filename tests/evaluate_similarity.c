/* Image metrics against scikit-image (scripts/golden-similarity.py) and against what must hold. */
#include "evaluate/similarity.h"

#include "near.h"

#include <stdlib.h>

enum { ROOM = 34000 };

static const struct {
    int d, h, w, c, first, second;
    double mse, psnr, ssim;
} golden[] = {
#include "golden/similarity.def"
};

static const struct {
    int h, w, c, scales, first, second;
    double ms_ssim;
} multiscale[] = {
#define MULTISCALE
#include "golden/similarity.def"
};

static int byte_of(int kind, uint64_t i)
{
    if (kind == 3)
        return (3 * byte_of(1, i) + byte_of(2, i)) / 4;
    if (kind >= 4)
        return 60 * kind - 180;
    return (int)((i * i * 31 + i * (kind == 1 ? 17 : 91)) / 7 % 256);
}

static void fill(float *out, int kind, int count)
{
    assert_true(count <= ROOM);
    for (int i = 0; i < count; i++)
        out[i] = (float)byte_of(kind, (uint64_t)i) / 255.0f;
}

static void as_scikit_image_says(void **state)
{
    (void)state;
    static float a[ROOM], b[ROOM];
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        int d = golden[i].d, h = golden[i].h, w = golden[i].w, c = golden[i].c;
        fill(a, golden[i].first, d * h * w * c);
        fill(b, golden[i].second, d * h * w * c);
        double mse = image_mse(a, b, d * h * w * c);
        near(mse, golden[i].mse, 1e-14);
        near(image_psnr(mse, 1), golden[i].psnr, 1e-11);
        near(image_ssim(a, b, (int32_t[]){d, h, w, c}, 1), golden[i].ssim, 1e-12);
        near(image_ssim(b, a, (int32_t[]){d, h, w, c}, 1), golden[i].ssim, 1e-12);
    }
}

static void several_scales_are_as_scikit_images_maps_say(void **state)
{
    (void)state;
    static float a[ROOM], b[ROOM];
    for (size_t i = 0; i < sizeof multiscale / sizeof *multiscale; i++) {
        int h = multiscale[i].h, w = multiscale[i].w, c = multiscale[i].c;
        int scales = multiscale[i].scales;
        fill(a, multiscale[i].first, h * w * c);
        fill(b, multiscale[i].second, h * w * c);
        near(image_ms_ssim(a, b, (int32_t[]){1, h, w, c}, 1, scales), multiscale[i].ms_ssim, 1e-9);
    }
    near(image_ms_ssim(a, b, (int32_t[]){1, 28, 28, 1}, 1, 1),
         image_ssim(a, b, (int32_t[]){1, 28, 28, 1}, 1), 1e-4); /* weights of sum 1.0001 */
}

/* Of a plane with as many slices: each of them is as it, and what is 3D halves along d, too. */
static void volumes_are_halved_along_every_axis(void **state)
{
    (void)state;
    enum { N = 22 };
    static float a[N * N * N], b[N * N * N], flat_a[N * N], flat_b[N * N];
    fill(flat_a, 1, N * N);
    fill(flat_b, 3, N * N);
    for (int i = 0; i < N * N * N; i++) {
        a[i] = flat_a[i % (N * N)];
        b[i] = flat_b[i % (N * N)];
    }
    near(image_ms_ssim(a, b, (int32_t[]){N, N, N, 1}, 1, 2),
         image_ms_ssim(flat_a, flat_b, (int32_t[]){1, N, N, 1}, 1, 2), 1e-12);
}

static void scales_leave_a_whole_window(void **state)
{
    (void)state;
    assert_int_equal(ms_ssim_scales((int32_t[]){1, 176, 500, 3}), 5);
    assert_int_equal(ms_ssim_scales((int32_t[]){1, 500, 175, 3}), 4);
    assert_int_equal(ms_ssim_scales((int32_t[]){22, 500, 175, 1}), 2);
    assert_int_equal(ms_ssim_scales((int32_t[]){1, 11, 11, 1}), 1);
    assert_int_equal(ms_ssim_scales((int32_t[]){1, 10, 11, 1}), 0);
    assert_int_equal(ms_ssim_scales((int32_t[]){1, 4000, 4000, 1}), 5);
}

static void psnr_has_a_ceiling(void **state)
{
    (void)state;
    near(image_psnr(1, 1), 0, 0);
    near(image_psnr(0.01, 1), 20, 1e-13);
    near(image_psnr(0, 1), 100, 1e-13);
    near(image_psnr(1e-12, 1), 100, 1e-13);
    assert_true(isnan(image_psnr(NAN, 1)));
}

/* 1, -2 and 3 apart; the sign does not matter. */
static void absolute_errors_are_averaged(void **state)
{
    (void)state;
    const float a[] = {0.5f, 1, -1, 7}, b[] = {-0.5f, 3, 2, 7};
    near(image_mae(a, b, 4), 6.0 / 4, 0);
    near(image_mae(b, a, 4), 6.0 / 4, 0);
}

/* Values up to 2 are those up to 1 in another unit: their similarity is the same. */
static void the_unit_does_not_matter(void **state)
{
    (void)state;
    enum { N = 16 * 12 };
    const int32_t size[] = {1, 16, 12, 1};
    float a[N], b[N], far_a[N], far_b[N];
    fill(a, 1, N);
    fill(b, 3, N);
    for (int i = 0; i < N; i++) {
        far_a[i] = 2 * a[i];
        far_b[i] = 2 * b[i];
    }
    near(image_psnr(image_mse(far_a, far_b, N), 2), image_psnr(image_mse(a, b, N), 1), 1e-12);
    near(image_ssim(far_a, far_b, size, 2), image_ssim(a, b, size, 1), 1e-12);
    assert_true(fabs(image_ssim(far_a, far_b, size, 1) - image_ssim(a, b, size, 1)) > 1e-6);
}

/* Per channel, then the mean: interleaved channels and separate images say the same. */
static void channels_are_averaged(void **state)
{
    (void)state;
    enum { N = 20 * 15 };
    float a[N], b[N], pair_a[2 * N], pair_b[2 * N];
    fill(a, 1, N);
    fill(b, 3, N);
    for (int i = 0; i < N; i++) {
        pair_a[2 * i] = a[i], pair_a[2 * i + 1] = b[i];
        pair_b[2 * i] = b[i], pair_b[2 * i + 1] = b[i];
    }
    near(image_ssim(pair_a, pair_b, (int32_t[]){1, 20, 15, 2}, 1),
         (image_ssim(a, b, (int32_t[]){1, 20, 15, 1}, 1) + 1) / 2, 1e-14);
}

/* Windows reach into the corners, which one of them sees. */
static void every_pixel_is_seen(void **state)
{
    (void)state;
    enum { N = 12 * 12 };
    float a[N], b[N];
    fill(a, 1, N);
    for (int at = 0; at < N; at++) {
        fill(b, 1, N);
        b[at] = 1 - b[at];
        assert_true(image_ssim(a, b, (int32_t[]){1, 12, 12, 1}, 1) < 1 - 1e-9);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_scikit_image_says),
        cmocka_unit_test(psnr_has_a_ceiling),
        cmocka_unit_test(absolute_errors_are_averaged),
        cmocka_unit_test(the_unit_does_not_matter),
        cmocka_unit_test(several_scales_are_as_scikit_images_maps_say),
        cmocka_unit_test(volumes_are_halved_along_every_axis),
        cmocka_unit_test(scales_leave_a_whole_window),
        cmocka_unit_test(channels_are_averaged),
        cmocka_unit_test(every_pixel_is_seen),
    };
    return cmocka_run_group_tests_name("evaluate_similarity", tests, NULL, NULL);
}
