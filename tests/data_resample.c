/* What becomes of one volume: grids and intensities beside scipy and numpy (scripts/golden-volumes.py). */
#include "data/data.h"

#include "store/tensors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state)
{
    static struct tensors golden;
    struct err err;
    if (tensors_open(&golden, "tests/golden/resampled.safetensors", &err)) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    *state = &golden;
    return 0;
}

static int teardown(void **state)
{
    tensors_close(*state);
    return 0;
}

static const struct tensor *need(const struct tensors *golden, const char *name, const char *part)
{
    char full[128];
    snprintf(full, sizeof full, "%s:%s", name, part);
    const struct tensor *t = tensors_find(golden, full);
    if (!t)
        fail_msg("the golden file has no '%s'", full);
    return t;
}

static void must(int status, const struct err *err)
{
    if (status)
        fail_msg("%s", err->text);
}

static void near(double got, double want, double most)
{
    if (!(fabs(got - want) <= most))
        fail_msg("%.9g, not %.9g", got, want);
}

/* ---- grids ---------------------------------------------------------------------------------- */

static void check_resampled(const struct tensors *golden, const char *name)
{
    const struct tensor *values = need(golden, name, "values"),
                        *linear = need(golden, name, "linear");
    const struct tensor *nearest = need(golden, name, "nearest");
    const double *spacing = need(golden, name, "spacing")->data;
    struct voxel_grid from, to;
    struct err err;
    for (int i = 0; i < 3; i++) {
        from.size[i] = (int32_t)values->dim[i];
        from.spacing[i] = spacing[i];
    }
    must(grid_respace(&to, &from, spacing + 3, &err), &err);
    for (int i = 0; i < 3; i++)
        assert_int_equal(to.size[i], linear->dim[i]);
    float *out = xmalloc(linear->bytes);
    uint8_t *classes = xmalloc(nearest->bytes);
    grid_linear(out, &to, values->data, &from, (int32_t)values->dim[3]);
    for (size_t i = 0; i < linear->bytes / sizeof *out; i++)
        near((double)out[i], (double)((const float *)linear->data)[i], 2e-4);
    grid_nearest(classes, &to, need(golden, name, "classes")->data, &from);
    assert_memory_equal(classes, nearest->data, nearest->bytes);
    free(out);
    free(classes);
}

static void resampling_agrees_with_scipy(void **state)
{
    static const char *const names[] = {"finer",        "coarser",        "one axis",
                                        "to one voxel", "from one voxel", "probabilities"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        check_resampled(*state, names[i]);
}

static void between_two_voxels_the_later_is_nearest(void **state)
{
    (void)state;
    const struct voxel_grid from = {{1, 1, 4}, {1, 1, 1}}, to = {{1, 1, 2}, {1, 1, 2}};
    const uint8_t in[4] = {1, 2, 3, 4};
    uint8_t out[2];
    grid_nearest(out, &to, in, &from);
    assert_int_equal(out[0], 2);
    assert_int_equal(out[1], 4);
}

static void placing_is_centred(void **state)
{
    (void)state;
    const uint16_t five[5] = {1, 2, 3, 4, 5}, fill = 9;
    uint16_t two[2], back[5], rows[6];
    for (int axis = 0; axis < 3; axis++) {
        int32_t small[3] = {1, 1, 1}, large[3] = {1, 1, 1};
        small[axis] = 2;
        large[axis] = 5;
        grid_place(two, small, five, large, &fill, sizeof fill);
        assert_memory_equal(two, ((const uint16_t[]){2, 3}), sizeof two);
        grid_place(back, large, two, small, &fill, sizeof fill);
        assert_memory_equal(back, ((const uint16_t[]){9, 2, 3, 9, 9}), sizeof back);
    }
    /* cut along one axis and filled up along another */
    grid_place(rows, (const int32_t[]){1, 3, 2}, five, (const int32_t[]){1, 1, 4}, &fill,
               sizeof fill);
    assert_memory_equal(rows, ((const uint16_t[]){9, 9, 2, 3, 9, 9}), sizeof rows);
}

static void spacings_that_do_not_fit(void **state)
{
    (void)state;
    const struct voxel_grid from = {{100, 100, 100}, {1, 1, 1}};
    const double fine[3] = {0.1, 0.1, 0.1}, same[3] = {1.00005, 0.99995, 1},
                 other[3] = {1.02, 1, 1};
    struct voxel_grid to;
    struct err err;
    assert_int_equal(grid_respace(&to, &from, fine, &err), -1);
    assert_int_equal(err.status, STATUS_BAD_DATA);
    assert_non_null(strstr(err.text, "1000 x 1000 x 1000 voxels"));
    must(grid_respace(&to, &from, same, &err), &err);
    assert_memory_equal(to.size, from.size, sizeof to.size);
    assert_memory_equal(to.spacing, from.spacing, sizeof to.spacing);
    must(grid_respace(&to, &from, other, &err), &err);
    assert_int_equal(to.size[0], 98);
    near(to.spacing[0], 1.02, 0);
    near(to.spacing[1], 1, 0);
}

/* ---- intensities ---------------------------------------------------------------------------- */

static struct volume volume_of(const float *voxels, int32_t d, int32_t h, int32_t w)
{
    size_t bytes = (size_t)(d * h * w) * sizeof *voxels;
    return (struct volume){.d = d,
                           .h = h,
                           .w = w,
                           .voxels = memcpy(xmalloc(bytes), voxels, bytes),
                           .spacing = {1, 1, 1},
                           .to_world = {{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}};
}

static void intensities_agree_with_numpy(void **state)
{
    static const struct {
        const char *name;
        enum intensity kind;
        double low, high;
    } kinds[] = {{"values", INTENSITY_NONE, 0, 0},
                 {"percentile", INTENSITY_PERCENTILE, 1.5, 97},
                 {"zscore", INTENSITY_ZSCORE, 0, 0},
                 {"range", INTENSITY_RANGE, 50, 300}};
    const struct tensor *values = need(*state, "intensity", "values");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const float *want = need(*state, "intensity", kinds[i].name)->data;
        struct volume volume = volume_of(values->data, 4, 5, 6);
        struct err err;
        const struct volume_spec spec = {
            .intensity = kinds[i].kind, .low = kinds[i].low, .high = kinds[i].high};
        must(volume_normalise(&volume, &spec, &err), &err);
        for (size_t k = 0; k < 120; k++)
            near((double)volume.voxels[k], (double)want[k], 2e-6 * fmax(1, (double)fabsf(want[k])));
        volume_free(&volume);
    }
}

static void percentiles_of_few_voxels(void **state)
{
    (void)state;
    const float voxels[5] = {-3, 8, -7, 0, 2}; /* sorted: -7 -3 0 2 8 */
    struct volume volume = volume_of(voxels, 1, 1, 5);
    struct err err;
    struct volume_spec spec = {.intensity = INTENSITY_PERCENTILE, .low = 0, .high = 100};
    must(volume_normalise(&volume, &spec, &err), &err);
    const double want[5] = {4, 15, 0, 7, 9};
    for (int i = 0; i < 5; i++)
        near((double)volume.voxels[i], want[i] / 15, 1e-6);
    volume_free(&volume);
    volume = volume_of(voxels, 5, 1, 1);
    spec.low = 25, spec.high = 75; /* -3 and 2 */
    must(volume_normalise(&volume, &spec, &err), &err);
    const double clipped[5] = {0, 1, 0, 0.6, 1};
    for (int i = 0; i < 5; i++)
        near((double)volume.voxels[i], clipped[i], 1e-6);
    volume_free(&volume);
}

/* By hand: of {0, 2, 4, 0, 6} and of {2, 4, 6}. */
static void statistics_of_all_or_of_what_is_not_zero(void **state)
{
    (void)state;
    const float voxels[5] = {0, 2, 4, 0, 6};
    const struct {
        struct volume_spec spec;
        double want[5];
    } cases[] = {
        /* mean 2.4, variance 56 / 5 - 2.4 * 2.4 */
        {{.intensity = INTENSITY_ZSCORE, .within = WITHIN_ALL},
         {-2.4 / sqrt(5.44), -0.4 / sqrt(5.44), 1.6 / sqrt(5.44), -2.4 / sqrt(5.44),
          3.6 / sqrt(5.44)}},
        /* mean 4, variance 8 / 3 */
        {{.intensity = INTENSITY_ZSCORE, .within = WITHIN_NONZERO},
         {0, -sqrt(1.5), 0, 0, sqrt(1.5)}},
        {{.intensity = INTENSITY_ZSCORE}, {0, -sqrt(1.5), 0, 0, sqrt(1.5)}},
        {{.intensity = INTENSITY_PERCENTILE, .low = 0, .high = 100, .within = WITHIN_ALL},
         {0, 1 / 3.0, 2 / 3.0, 0, 1}},
        {{.intensity = INTENSITY_PERCENTILE, .low = 0, .high = 100}, {0, 1 / 3.0, 2 / 3.0, 0, 1}},
        {{.intensity = INTENSITY_PERCENTILE, .low = 0, .high = 50, .within = WITHIN_NONZERO},
         {0, 0, 1, 0, 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct volume volume = volume_of(voxels, 1, 1, 5);
        struct err err;
        must(volume_normalise(&volume, &cases[i].spec, &err), &err);
        for (int k = 0; k < 5; k++)
            near((double)volume.voxels[k], cases[i].want[k], 1e-6);
        volume_free(&volume);
    }
    /* where 0 is a value like the others it stays 0, though others are below */
    const float signs[4] = {-8, 0, 8, 4};
    struct volume volume = volume_of(signs, 1, 2, 2);
    const struct volume_spec spec = {
        .intensity = INTENSITY_PERCENTILE, .low = 0, .high = 100, .within = WITHIN_NONZERO};
    struct err err;
    must(volume_normalise(&volume, &spec, &err), &err);
    near((double)volume.voxels[0], 0, 0);
    near((double)volume.voxels[1], 0, 0);
    near((double)volume.voxels[3], 0.75, 1e-6);
    volume_free(&volume);
}

static void nothing_to_normalise_by(void **state)
{
    (void)state;
    const float flat[4] = {5, 5, 5, 5}, zero[4] = {0}, one[4] = {0, -0.0f, 3, 0};
    const float *const volumes[] = {flat, zero, one};
    for (int i = 0; i < 3; i++) {
        struct volume volume = volume_of(volumes[i], 1, 2, 2);
        struct err err;
        const struct volume_spec zscore = {.intensity = INTENSITY_ZSCORE},
                                 percentile = {
                                     .intensity = INTENSITY_PERCENTILE, .low = 1, .high = 99};
        assert_int_equal(volume_normalise(&volume, &zscore, &err), -1);
        assert_int_equal(err.status, STATUS_BAD_DATA);
        if (i < 2)
            assert_int_equal(volume_normalise(&volume, &percentile, &err), -1);
        assert_int_equal(err.status, STATUS_BAD_DATA);
        volume_free(&volume);
    }
}

/* ---- all three ------------------------------------------------------------------------------ */

static double height_at(const struct volume *v, int32_t z, int32_t y, int32_t x)
{
    static const double slope[3] = {0.3, -1.1, 0.7};
    double sum = 5;
    for (int row = 0; row < 3; row++) {
        const double *m = v->to_world[row];
        sum += slope[row] * (m[0] * x + m[1] * y + m[2] * z + m[3]);
    }
    return sum;
}

/* Voxels that are a linear function of the place in the world are so on every grid. */
static void the_place_in_the_world_stays(void **state)
{
    (void)state;
    static const struct volume_spec specs[] = {
        {.spacing = {1.3, 0.9, 2.1}},
        {.size = {6, 4, 7}},
        {.spacing = {0.8, 1.1, 1.9}, .size = {9, 5, 20}},
        {.size = {11, 12, 14}},
    };
    float voxels[8 * 9 * 10] = {0};
    for (size_t s = 0; s < sizeof specs / sizeof *specs; s++) {
        struct volume v = volume_of(voxels, 8, 9, 10);
        /* turned in the plane, spacings 1.5 (w), 1.2 (h) and 2 (d) */
        const double world[3][4] = {{1.2, -0.72, 0, 7}, {0.9, 0.96, 0, -3}, {0, 0, 2, 11}};
        const double spacing[3] = {2, 1.2, 1.5};
        memcpy(v.to_world, world, sizeof world);
        memcpy(v.spacing, spacing, sizeof spacing);
        for (int32_t i = 0; i < 720; i++)
            v.voxels[i] = (float)height_at(&v, i / 90, i / 10 % 9, i % 10);
        struct err err;
        must(volume_prepare(&v, &specs[s], &err), &err);
        float least = v.voxels[0]; /* also what is filled up */
        for (int32_t i = 0; i < v.d * v.h * v.w; i++)
            least = fminf(least, v.voxels[i]);
        int checked = 0;
        for (int32_t i = 0; i < v.d * v.h * v.w; i++) {
            int32_t z = i / (v.h * v.w), y = i / v.w % v.h, x = i % v.w;
            bool inside = z > 0 && y > 0 && x > 0 && z < v.d - 1 && y < v.h - 1 && x < v.w - 1;
            if (!inside || v.voxels[i] <= least)
                continue;
            near((double)v.voxels[i], height_at(&v, z, y, x), 1e-4);
            checked++;
        }
        assert_true(checked >= 40);
        const int32_t size[3] = {v.d, v.h, v.w};
        for (int i = 0; i < 3; i++) {
            double norm = 0;
            for (int row = 0; row < 3; row++)
                norm += v.to_world[row][2 - i] * v.to_world[row][2 - i];
            near(v.spacing[i], sqrt(norm), 1e-9);
            near(v.spacing[i], specs[s].spacing[0] > 0 ? specs[s].spacing[i] : spacing[i], 1e-9);
            if (specs[s].size[0])
                assert_int_equal(size[i], specs[s].size[i]);
        }
        volume_free(&v);
    }
}

static void what_is_padded(void **state)
{
    (void)state;
    const float voxels[4] = {3, 5, -2, 4};
    const struct volume_spec specs[] = {
        {.size = {1, 2, 4}},
        {.intensity = INTENSITY_RANGE, .low = 2, .high = 6, .size = {1, 2, 4}},
        {.intensity = INTENSITY_ZSCORE, .size = {1, 2, 4}},
        {.intensity = INTENSITY_ZSCORE, .size = {1, 2, 4}, .within = WITHIN_ALL},
    };
    /* of all voxels: mean 2.5, variance 54 / 4 - 6.25; air around the patient, not the mean */
    const double fill[] = {-2, 0, 0, (double)(float)(-4.5 / sqrt(7.25))};
    for (int i = 0; i < 4; i++) {
        struct volume v = volume_of(voxels, 1, 2, 2);
        struct err err;
        must(volume_prepare(&v, &specs[i], &err), &err);
        const int outside[4] = {0, 3, 4, 7};
        for (int k = 0; k < 4; k++)
            near((double)v.voxels[outside[k]], fill[i], 0);
        if (i == 1)
            near((double)v.voxels[2], 0.75, 1e-7);
        volume_free(&v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resampling_agrees_with_scipy),
        cmocka_unit_test(between_two_voxels_the_later_is_nearest),
        cmocka_unit_test(placing_is_centred),
        cmocka_unit_test(spacings_that_do_not_fit),
        cmocka_unit_test(intensities_agree_with_numpy),
        cmocka_unit_test(percentiles_of_few_voxels),
        cmocka_unit_test(statistics_of_all_or_of_what_is_not_zero),
        cmocka_unit_test(nothing_to_normalise_by),
        cmocka_unit_test(the_place_in_the_world_stays),
        cmocka_unit_test(what_is_padded),
    };
    return cmocka_run_group_tests_name("data_resample", tests, setup, teardown);
}
