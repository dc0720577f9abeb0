/* Image metrics against scikit-image (scripts/golden-similarity.py) and against what must hold. */
#include "evaluate/similarity.h"

#include "near.h"

#include <stdlib.h>

enum { ROOM = 4096 };

static const struct {
    int d, h, w, c, first, second;
    double mse, psnr, ssim;
} golden[] = {
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
    float a[ROOM], b[ROOM];
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
        cmocka_unit_test(as_scikit_image_says),         cmocka_unit_test(psnr_has_a_ceiling),
        cmocka_unit_test(absolute_errors_are_averaged), cmocka_unit_test(the_unit_does_not_matter),
        cmocka_unit_test(channels_are_averaged),        cmocka_unit_test(every_pixel_is_seen),
    };
    return cmocka_run_group_tests_name("evaluate_similarity", tests, NULL, NULL);
}
