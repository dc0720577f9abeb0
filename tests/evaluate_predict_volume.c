/* Segmenting volumes: sliding windows in three dimensions held against arithmetic, and UNets whose
 * prediction is the voxel's value. */
#include "apply/predict.h"

#include "base/stop.h"
#include "evaluate_painter.h"

#include <signal.h>

/* ---- sliding windows ------------------------------------------------------------------------ */
/* A pretended model of one output that says what it sees, and keeps the first voxel of each window. */
struct asked {
    struct sliding sliding;
    int windows;
    float first[64];
};

static int answer(void *user, const float *image, float *probability, struct err *err)
{
    struct asked *asked = user;
    const struct sliding *s = &asked->sliding;
    int32_t voxels = s->d * s->h * s->w;
    (void)err;
    for (int32_t i = 0; i < s->batch; i++, asked->windows++)
        if (asked->windows < 64)
            asked->first[asked->windows] = image[i * voxels * s->c];
    for (int32_t at = 0; at < s->batch * voxels; at++)
        probability[at] = image[at * s->c];
    return 0;
}

static struct asked asked_of(int32_t d, int32_t h, int32_t w, int32_t batch)
{
    return (struct asked){.sliding = {d, h, w, 1, 1, batch, answer, NULL}};
}

static void slide(float *out, struct asked *asked, const struct raster *raster)
{
    struct err err;
    int count = raster->d * raster->h * raster->w;
    for (int i = 0; i < count; i++)
        out[i] = NAN; /* what is not written shows */
    asked->sliding.user = asked;
    OK(sliding_predict(out, &asked->sliding, raster, &err));
}

/* Each voxel of each window lands where it came from, whatever is larger, and floats are not scaled. */
static void windows_land_where_they_were_cut(void **state)
{
    (void)state;
    static const int32_t sizes[][6] = {/* volume, window */
                                       {9, 7, 5, 4, 3, 2}, {5, 9, 4, 5, 4, 3}, {3, 8, 9, 8, 6, 4},
                                       {7, 2, 6, 2, 5, 3}, {1, 6, 9, 3, 4, 4}, {4, 3, 2, 1, 1, 1}};
    static float values[512], out[512], batched[512];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const int32_t *size = sizes[i];
        int count = size[0] * size[1] * size[2];
        const struct raster raster = {size[0], size[1], size[2], 1, PIXEL_F32, values};
        for (int k = 0; k < count; k++)
            values[k] = (float)(k * 73 % 251) - 100;
        struct asked one = asked_of(size[3], size[4], size[5], 1),
                     batches = asked_of(size[3], size[4], size[5], 5);
        slide(out, &one, &raster);
        slide(batched, &batches, &raster);
        assert_memory_equal(out, batched, (size_t)count * sizeof *out);
        for (int k = 0; k < count; k++)
            near(out[k], values[k], 1e-4);
    }
}

/* As in two dimensions: evenly, in the order d, h, w. */
static void windows_are_spread_along_each_axis(void **state)
{
    (void)state;
    static const int deep[] = {0, 2, 4, 5, 7}, high[] = {0, 1}, wide[] = {0, 2, 4};
    float values[11 * 9 * 8], out[11 * 9 * 8];
    const struct raster raster = {11, 9, 8, 1, PIXEL_F32, values};
    for (int i = 0; i < 11 * 9 * 8; i++)
        values[i] = (float)i;
    struct asked asked = asked_of(4, 8, 4, 1);
    slide(out, &asked, &raster);
    assert_int_equal(asked.windows, 5 * 2 * 3);
    for (int i = 0; i < asked.windows; i++) {
        int at = (deep[i / 6] * 9 + high[i / 3 % 2]) * 8 + wide[i % 3];
        assert_int_equal(lrintf(asked.first[i]), at);
    }
}

/* Windows of 4 at 0 and 2 of a column of 6 say 0.2 and 1; sigma is half a voxel. */
static int tell_apart(void *user, const float *image, float *probability, struct err *err)
{
    (void)user, (void)err;
    for (int i = 0; i < 4; i++)
        probability[i] = image[0] > 0 ? 1 : 0.2f;
    return 0;
}

static void weights_are_a_gaussian_along_the_depth(void **state)
{
    (void)state;
    const float values[6] = {0, 1, 2, 3, 4, 5};
    const struct raster raster = {6, 1, 1, 1, PIXEL_F32, values};
    struct sliding sliding = {4, 1, 1, 1, 1, 1, tell_apart, NULL};
    struct err err;
    float out[6];
    OK(sliding_predict(out, &sliding, &raster, &err));
    double inner = exp(-0.5), outer = exp(-4.5), all = inner + outer;
    double want[6] = {0.2, 0.2, (0.2 * inner + outer) / all, (0.2 * outer + inner) / all, 1, 1};
    for (int i = 0; i < 6; i++)
        near(out[i], want[i], 1e-6);
}

/* ---- predictor ------------------------------------------------------------------------------ */
static const float slope = 10, offset = -5;

static struct unet_description description_of(int32_t d, int32_t h, int32_t w)
{
    return (struct unet_description){.data = {d, h, w, 1, 0}, .mask_classes = 2, .outputs = 1};
}

static void open_as(struct predictor *p, struct lab *lab, const struct unet_description *is,
                    const struct volume_spec *spec)
{
    struct err err;
    const struct treatment treatment = {.volume = *spec};
    struct id model = painter_of(lab, &(struct head){1, &slope, &offset}, *is);
    OK(predictor_open(p, lab->store, &model, &treatment, one_thread(), NULL, &err));
    assert_true(predictor_takes_volumes(p));
}

static struct volume volume_of(int32_t d, int32_t h, int32_t w, double spacing)
{
    struct volume v = {.d = d, .h = h, .w = w, .spacing = {spacing, spacing, spacing}};
    v.voxels = calloc((size_t)(d * h * w), sizeof *v.voxels);
    assert_non_null(v.voxels);
    for (int i = 0; i < d * h * w; i++)
        v.voxels[i] = i * 7 % 5 < 2 ? 0.8f : 0.2f;
    for (int i = 0; i < 3; i++)
        v.to_world[i][i] = spacing;
    return v;
}

static double said_of(double value)
{
    return 1 / (1 + exp(-(slope * value + offset)));
}

/* Predicts it and compares with what the network says of each voxel by itself, times scale. */
static void expect_own(struct predictor *p, struct volume *v, double scale)
{
    struct err err;
    int count = v->d * v->h * v->w;
    float *values = malloc((size_t)count * sizeof *values), *out = malloc((size_t)count * 4);
    assert_true(values && out);
    memcpy(values, v->voxels, (size_t)count * sizeof *values);
    OK(predictor_volume(p, out, v, &err));
    for (int i = 0; i < count; i++)
        near(out[i], said_of(scale * (double)values[i]), 1e-5);
    volume_free(v);
    free(values);
    free(out);
}

static void expect_windows(const struct predictor *p, int d, int h, int w)
{
    assert_int_equal(p->windows.size[0], d);
    assert_int_equal(p->windows.size[1], h);
    assert_int_equal(p->windows.size[2], w);
}

static void volumes_of_any_size(void **state)
{
    struct lab *lab = *state;
    struct predictor p;
    const struct unet_description is = description_of(4, 4, 4);
    static const int32_t sizes[][3] = {{5, 6, 7}, {2, 3, 4}, {4, 4, 4}, {9, 2, 1}};
    open_as(&p, lab, &is, &(struct volume_spec){0});
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct volume v = volume_of(sizes[i][0], sizes[i][1], sizes[i][2], 3);
        expect_own(&p, &v, 1);
        expect_windows(&p, sizes[i][0], sizes[i][1], sizes[i][2]);
    }
    struct volume slice =
        volume_of(1, 6, 9, 3); /* a network of volumes does not take it as it is */
    expect_own(&p, &slice, 1);
    expect_windows(&p, 4, 4, 4);
    predictor_close(&p);
}

static void intensities_are_those_of_training(void **state)
{
    struct lab *lab = *state;
    struct predictor p;
    const struct unet_description is = description_of(4, 4, 4);
    open_as(&p, lab, &is,
            &(struct volume_spec){.intensity = INTENSITY_RANGE, .low = 0, .high = 1000});
    struct volume v = volume_of(4, 3, 5, 1);
    for (int i = 0; i < 4 * 3 * 5; i++)
        v.voxels[i] *= 1000;
    expect_own(&p, &v, 1e-3);
    predictor_close(&p);
}

/* Filled up to the size, but never cropped to it; what filled it up is cut off again. */
static void volumes_stand_in_a_frame(void **state)
{
    struct lab *lab = *state;
    struct predictor p;
    const struct unet_description is = description_of(8, 8, 8);
    open_as(&p, lab, &is, &(struct volume_spec){.size = {8, 8, 8}});
    struct volume small = volume_of(5, 6, 7, 1), long_one = volume_of(12, 5, 9, 1),
                  slice = volume_of(1, 6, 7, 1);
    expect_own(&p, &small, 1);
    expect_windows(&p, 8, 8, 8);
    expect_own(&p, &long_one, 1);
    expect_windows(&p, 12, 8, 9);
    expect_own(&p, &slice, 1);
    expect_windows(&p, 8, 8, 8);
    predictor_close(&p);
}

/* Voxels of 2 mm at 1 mm: two for one, a quarter of the way to the neighbours; back again the mean of
 * both. */
static double between(const float *values, int n, double at)
{
    double low = floor(at), share = at - low;
    int a = low < 0 ? 0 : (int)low, b = (int)low + 1 >= n ? n - 1 : (int)low + 1;
    return (1 - share) * (double)values[a] + share * (double)values[b];
}

static void volumes_come_to_the_spacing_and_back(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct predictor p;
    const struct unet_description is = description_of(4, 4, 4);
    open_as(&p, lab, &is, &(struct volume_spec){.spacing = {1, 1, 1}});
    float row[5], out[3 * 4 * 5];
    struct volume v = volume_of(3, 4, 5, 2);
    for (int i = 0; i < 5; i++)
        row[i] = i * i % 3 ? 0.9f : 0.3f;
    for (int i = 0; i < 3 * 4 * 5; i++)
        v.voxels[i] = row[i % 5];
    OK(predictor_volume(&p, out, &v, &err));
    expect_windows(&p, 6, 8, 10);
    for (int i = 0; i < 3 * 4 * 5; i++) {
        int x = i % 5;
        double left = said_of(between(row, 5, x - 0.25)),
               right = said_of(between(row, 5, x + 0.25));
        near(out[i], (left + right) / 2, 1e-5);
    }
    volume_free(&v);
    predictor_close(&p);
}

/* Where the files kept their own spacing the model says which it was; a trifle makes no other one. */
static void the_model_knows_its_spacing(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct predictor p;
    struct unet_description is = description_of(4, 4, 4);
    is.spacing = (struct model_spacing){true, 1, 1.5, 3};
    open_as(&p, lab, &is, &(struct volume_spec){0});
    near(p.facts.spacing.h, 1.5, 0);
    struct volume near_by = volume_of(4, 4, 4, 1), other = volume_of(4, 6, 8, 3);
    float out[4 * 6 * 8];
    memcpy(near_by.spacing, (double[]){1.0009, 1.4991, 3}, sizeof near_by.spacing);
    expect_own(&p, &near_by, 1);
    expect_windows(&p, 4, 4, 4);
    OK(predictor_volume(&p, out, &other, &err));
    expect_windows(&p, 12, 12, 8);
    volume_free(&other);
    for (int k = 0; k < 3; k++) { /* one side alone is another one */
        other = volume_of(4, 4, 4, 1);
        memcpy(other.spacing, (double[]){1, 1.5, 3}, sizeof other.spacing);
        other.spacing[k] *= 2;
        OK(predictor_volume(&p, out, &other, &err));
        expect_windows(&p, k == 0 ? 8 : 4, k == 1 ? 8 : 4, k == 2 ? 8 : 4);
        volume_free(&other);
    }
    predictor_close(&p);
    open_as(&p, lab, &is, &(struct volume_spec){.spacing = {1, 1, 1}}); /* a wish comes first */
    other = volume_of(2, 2, 2, 2);
    OK(predictor_volume(&p, out, &other, &err));
    expect_windows(&p, 4, 4, 4);
    volume_free(&other);
    predictor_close(&p);
    is.spacing = (struct model_spacing){true, 5e-4, 5e-4, 5e-4}; /* half a micron is not one */
    open_as(&p, lab, &is, &(struct volume_spec){0});
    other = volume_of(4, 4, 4, 1);
    for (int k = 0; k < 3; k++)
        other.spacing[k] = 1e-3;
    OK(predictor_volume(&p, out, &other, &err));
    expect_windows(&p, 8, 8, 8);
    volume_free(&other);
    predictor_close(&p);
}

/* As one up to PREDICT_PIXELS, beyond in windows of what the training saw at a time. */
static void what_is_large_goes_in_windows(void **state)
{
    struct lab *lab = *state;
    struct predictor p;
    struct unet_description is = description_of(2, 1024, 600);
    is.patch = (struct model_patch){true, 2, 128, 96};
    open_as(&p, lab, &is, &(struct volume_spec){0});
    struct volume whole = volume_of(2, 1024, 512, 1), larger = volume_of(2, 1024, 513, 1);
    expect_own(&p, &whole, 1);
    expect_windows(&p, 2, 1024, 512);
    expect_own(&p, &larger, 1);
    expect_windows(&p, 2, 128, 96);
    assert_int_equal(p.windows.batch, 8);
    predictor_close(&p);
    is.patch.present = false; /* it saw 2 x 1024 x 600 */
    open_as(&p, lab, &is, &(struct volume_spec){0});
    larger = volume_of(2, 1024, 513, 1);
    expect_own(&p, &larger, 1);
    expect_windows(&p, 2, 1024, 513);
    predictor_close(&p);
}

/* What is evaluated is cut into the same windows; a case stands where it belongs. */
static void large_volumes_are_evaluated_in_windows(void **state)
{
    struct lab *lab = *state;
    enum { D = 2, H = 1024, W = 513, ALL = D * H * W };
    static float images[2 * ALL];
    static uint8_t masks[2 * ALL];
    static const char *ids[] = {"train", "test"};
    const struct dataset set = masked_volumes((const int32_t[]){D, H, W}, 1, 1, images, masks, ids);
    const struct evaluate_config config = {
        .split = SPLIT_TEST,
        .metrics = {1, (int64_t[]){METRIC_dice}},
        .batch = -1,
        .save = {2, (int64_t[]){SAVE_PREDICTIONS, SAVE_PROBABILITIES}}};
    for (int i = 0; i < ALL; i++) {
        bool light = (i / 7 + i / W / 3) % 4 == 0;
        images[ALL + i] = light ? 0.8f : 0.2f;
        masks[ALL + i] = light;
    }
    struct unet_description is = description_of(D, H, W);
    is.patch = (struct model_patch){true, 2, 128, 96};
    struct id model = painter_of(lab, &(struct head){1, &slope, &offset}, is), result;
    struct tensors file;
    char path[PATH_BYTES];
    struct err err;
    result = evaluation_of(lab, &set, &model, &config);
    metric_is(text_of(lab, &result, "metrics.json"), "dice/foreground", 1);
    OK(artifact_path(path, lab->store, &result, "probabilities.safetensors", &err));
    OK(tensors_open(&file, path, &err));
    const float *p = file.items[0].data;
    bool whole = true;
    for (int i = 0; i < ALL; i++) {
        near(p[i], said_of((double)images[ALL + i]), 1e-5);
        whole &= p[i] <= p[0] && p[i] >= p[0];
    }
    assert_false(whole);
    tensors_close(&file);
}

static void what_cannot_be_predicted(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct predictor p;
    const struct treatment as_it_is = {0};
    struct unet_description is = description_of(4, 4, 4);
    is.data.c = 2;
    struct id model = painter_of(lab, &(struct head){1, &slope, &offset}, is);
    FAILS(
        predictor_open(&p, lab->store, &model, &as_it_is, one_thread(), NULL, &err),
        STATUS_BAD_DATA,
        "the model is for volumes with 2 channels; grey or colour images or volumes of one channel "
        "expected");
    predictor_close(&p);
    is.data.c = 1;
    open_as(&p, lab, &is, &(struct volume_spec){.intensity = INTENSITY_ZSCORE});
    float out[8];
    struct volume flat = volume_of(2, 2, 2, 1);
    memset(flat.voxels, 0, 8 * sizeof *flat.voxels);
    assert_int_equal(predictor_volume(&p, out, &flat, &err), -1);
    assert_int_equal(err.status, STATUS_BAD_DATA);
    volume_free(&flat);
    struct volume v = volume_of(2, 2, 2, 1);
    struct stop stop = stop_watch();
    raise(SIGTERM);
    FAILS(predictor_volume(&p, out, &v, &err), STATUS_STOPPED, "stopped");
    stop_unwatch(&stop);
    volume_free(&v);
    predictor_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_land_where_they_were_cut),
        cmocka_unit_test(windows_are_spread_along_each_axis),
        cmocka_unit_test(weights_are_a_gaussian_along_the_depth),
        LAB_TEST(volumes_of_any_size),
        LAB_TEST(intensities_are_those_of_training),
        LAB_TEST(volumes_stand_in_a_frame),
        LAB_TEST(volumes_come_to_the_spacing_and_back),
        LAB_TEST(the_model_knows_its_spacing),
        LAB_TEST(what_is_large_goes_in_windows),
        LAB_TEST(large_volumes_are_evaluated_in_windows),
        LAB_TEST(what_cannot_be_predicted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
