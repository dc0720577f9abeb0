/* Segmenting pictures of any size: sliding windows held against arithmetic, and UNets whose
 * prediction is the picture's grey level. */
#include "apply/predict.h"

#include "base/stop.h"
#include "evaluate_painter.h"

#include <signal.h>

/* ---- sliding windows ------------------------------------------------------------------------ */
/* A pretended model that keeps what it was asked. */
struct asked {
    struct sliding sliding;
    int windows;
    float first[64]; /* of each window the first pixel */
    float seen[256]; /* the last batch */
    bool constant;   /* else a pixel's outputs are its value, 1 - it, ... */
};

static int answer(void *user, const float *image, float *probability, struct err *err)
{
    struct asked *asked = user;
    const struct sliding *s = &asked->sliding;
    (void)err;
    for (int32_t i = 0; i < s->batch; i++, asked->windows++)
        if (asked->windows < 64)
            asked->first[asked->windows] = image[i * s->h * s->w * s->c];
    for (int32_t at = 0; at < s->batch * s->h * s->w; at++) {
        float value = asked->constant ? 0.3f : image[at * s->c];
        if (at < 256)
            asked->seen[at] = image[at * s->c];
        for (int32_t k = 0; k < s->outputs; k++)
            probability[at * s->outputs + k] = k % 2 ? 1 - value : value;
    }
    return 0;
}

static struct asked asked_of(int32_t h, int32_t w, int32_t c, int32_t outputs, int32_t batch)
{
    return (struct asked){.sliding = {1, h, w, c, outputs, batch, answer, NULL}};
}

static struct raster raster_of(const struct image *image)
{
    return (struct raster){1, image->h, image->w, image->c, PIXEL_U8, image->pixels};
}

static struct image noise_image(int32_t h, int32_t w, int32_t c)
{
    struct image image = {.h = h, .w = w, .c = c, .pixels = malloc((size_t)(h * w * c))};
    assert_non_null(image.pixels);
    for (int i = 0; i < h * w * c; i++)
        image.pixels[i] = (uint8_t)(i * 73 % 251 + i / 7 % 5);
    return image;
}

static float *slide(struct asked *asked, const struct image *image)
{
    struct err err;
    size_t count = (size_t)(image->h * image->w * asked->sliding.outputs);
    float *out = malloc(count * sizeof *out);
    assert_non_null(out);
    memset(out, 0xff, count * sizeof *out); /* NaN: what is not written shows */
    asked->sliding.user = asked;
    const struct raster raster = raster_of(image);
    OK(sliding_predict(out, &asked->sliding, &raster, &err));
    return out;
}

static const int32_t sizes[][4] = {/* image, window */
                                   {9, 14, 4, 6}, {7, 5, 3, 5},  {13, 13, 5, 4},
                                   {3, 20, 8, 6}, {20, 2, 4, 9}, {4, 4, 1, 1}};
enum { SIZES = sizeof sizes / sizeof *sizes };

static void what_is_constant_stays_so(void **state)
{
    (void)state;
    for (int i = 0; i < SIZES; i++) {
        struct image image = noise_image(sizes[i][0], sizes[i][1], 1);
        struct asked asked = asked_of(sizes[i][2], sizes[i][3], 1, 1, 1);
        asked.constant = true;
        float *out = slide(&asked, &image);
        for (int at = 0; at < image.h * image.w; at++)
            near(out[at], 0.3, 1e-6);
        free(out);
        image_free(&image);
    }
}

/* Each pixel of each window lands where it came from, all outputs of it, in batches of any size. */
static void windows_land_where_they_were_cut(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * SIZES; i++) {
        const int32_t *size = sizes[i / 2];
        int32_t c = i % 2 ? 3 : 1;
        struct image image = noise_image(size[0], size[1], c);
        struct asked one = asked_of(size[2], size[3], c, 3, 1),
                     batches = asked_of(size[2], size[3], c, 3, 5);
        float *out = slide(&one, &image), *batched = slide(&batches, &image);
        assert_memory_equal(out, batched, (size_t)(image.h * image.w * 3) * sizeof *out);
        assert_int_equal(batches.windows, (one.windows + 4) / 5 * 5);
        for (int at = 0; at < image.h * image.w; at++) {
            double value = image.pixels[at * c] / 255.0;
            near(out[3 * at], value, 1e-6);
            near(out[3 * at + 1], 1 - value, 1e-6);
            near(out[3 * at + 2], value, 1e-6);
        }
        free(out);
        free(batched);
        image_free(&image);
    }
}

static void one_window_is_one_prediction(void **state)
{
    (void)state;
    struct image image = noise_image(5, 7, 3);
    struct asked asked = asked_of(5, 7, 3, 2, 1);
    float *out = slide(&asked, &image), *want = calloc(5 * 7 * 3 + 5 * 7 * 2, sizeof *want);
    struct err err;
    assert_int_equal(asked.windows, 1);
    for (int i = 0; i < 5 * 7 * 3; i++)
        want[i] = (float)image.pixels[i] / 255.0f;
    OK(answer(&asked, want, want + 5 * 7 * 3, &err));
    assert_memory_equal(out, want + 5 * 7 * 3, 5 * 7 * 2 * sizeof *out);
    free(want);
    free(out);
    image_free(&image);
}

/* Evenly spread, no further apart than half a window, as few as that allows. */
static void windows_are_spread_evenly(void **state)
{
    (void)state;
    static const struct {
        int32_t length, side, count, begin[8];
    } rows[] = {{11, 4, 5, {0, 2, 4, 5, 7}},  {8, 4, 3, {0, 2, 4}}, {9, 8, 2, {0, 1}},
                {16, 6, 5, {0, 3, 5, 8, 10}}, {8, 8, 1, {0}},       {7, 3, 4, {0, 1, 3, 4}}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int down = 0; down < 2; down++) {
            int32_t length = rows[i].length, side = rows[i].side;
            struct image image = noise_image(down ? length : 1, down ? 1 : length, 1);
            struct asked asked = asked_of(down ? side : 1, down ? 1 : side, 1, 1, 1);
            for (int k = 0; k < length; k++)
                image.pixels[k] = (uint8_t)k;
            free(slide(&asked, &image));
            assert_int_equal(asked.windows, rows[i].count);
            for (int k = 0; k < asked.windows; k++)
                assert_int_equal(lrintf(255 * asked.first[k]), rows[i].begin[k]);
            image_free(&image);
        }
}

/* Windows of 4 at 0 and 2 of a row of 6 say 0.2 and 1; sigma is half a pixel, so that what is half a
 * pixel off a window's middle weighs exp(-1/2), and what is 1.5 off exp(-9/2). */
static int tell_apart(void *user, const float *image, float *probability, struct err *err)
{
    (void)user, (void)err;
    for (int i = 0; i < 4; i++)
        probability[i] = image[0] > 0 ? 1 : 0.2f;
    return 0;
}

static void weights_are_a_gaussian(void **state)
{
    (void)state;
    uint8_t pixels[6] = {0, 1, 2, 3, 4, 5};
    struct image image = {.h = 1, .w = 6, .c = 1, .pixels = pixels};
    struct sliding sliding = {1, 1, 4, 1, 1, 1, tell_apart, NULL};
    struct err err;
    float out[6];
    const struct raster raster = raster_of(&image);
    OK(sliding_predict(out, &sliding, &raster, &err));
    double inner = exp(-0.5), outer = exp(-4.5), all = inner + outer;
    double want[6] = {0.2, 0.2, (0.2 * inner + outer) / all, (0.2 * outer + inner) / all, 1, 1};
    for (int i = 0; i < 6; i++)
        near(out[i], want[i], 1e-6);
}

static void what_is_smaller_is_reflected(void **state)
{
    (void)state;
    static const int row[] = {20, 10, 0, 10, 20, 10, 0, 10}, /* 0 10 20 in the middle of 8 */
        column[] = {7, 9, 7, 9, 7, 9};
    uint8_t of_three[] = {0, 10, 20}, of_two[] = {7, 9};
    struct image wide = {.h = 1, .w = 3, .c = 1, .pixels = of_three},
                 high = {.h = 2, .w = 1, .c = 1, .pixels = of_two};
    struct asked asked = asked_of(2, 8, 1, 1, 1);
    float *out = slide(&asked, &wide);
    for (int i = 0; i < 16; i++)
        near(255 * asked.seen[i], row[i % 8], 1e-4);
    for (int i = 0; i < 3; i++)
        near(255 * out[i], of_three[i], 1e-4);
    free(out);
    asked = asked_of(6, 1, 1, 1, 1);
    free(slide(&asked, &high));
    for (int i = 0; i < 6; i++)
        near(255 * asked.seen[i], column[i], 1e-4);
}

static int refuse(void *user, const float *image, float *probability, struct err *err)
{
    (void)user, (void)image, (void)probability;
    return fail_as(err, STATUS_FAILED, "no");
}

static void a_failure_ends_it(void **state)
{
    (void)state;
    struct image image = noise_image(6, 6, 1);
    struct sliding sliding = {1, 4, 4, 1, 1, 2, refuse, NULL};
    struct err err;
    float out[36];
    const struct raster raster = raster_of(&image);
    FAILS(sliding_predict(out, &sliding, &raster, &err), STATUS_FAILED, "no");
    image_free(&image);
}

/* ---- predictor ------------------------------------------------------------------------------ */
static const struct treatment as_it_is = {0};

/* A picture of classes, drawn as rows of digits. */
static struct image drawn(const char *rows)
{
    int32_t w = (int32_t)strcspn(rows, " "), h = ((int32_t)strlen(rows) + 1) / (w + 1);
    struct image image = {.h = h, .w = w, .c = 1, .pixels = malloc((size_t)(h * w))};
    assert_non_null(image.pixels);
    for (int at = 0; at < h * w; at++)
        image.pixels[at] = levels[rows[at / w * (w + 1) + at % w] - '0'];
    return image;
}

static void expect_mask(struct predictor *p, const char *rows, const char *want)
{
    struct image image = drawn(rows);
    struct err err;
    int pixels = image.h * image.w, outputs = p->facts.outputs;
    float *probability = calloc((size_t)(pixels * outputs), sizeof *probability);
    uint8_t *mask = malloc((size_t)pixels + 1);
    assert_true(probability && mask);
    mask[pixels] = 77;
    OK(predictor_picture(p, probability, &image, &err));
    OK(predictor_decide(mask, probability, pixels, outputs, &err));
    for (int at = 0; at < pixels; at++)
        if (mask[at] != want[at / image.w * (image.w + 1) + at % image.w] - '0')
            fail_msg("pixel %d of '%s' is %d", at, rows, mask[at]);
    assert_int_equal(mask[pixels], 77);
    free(probability);
    free(mask);
    image_free(&image);
}

static void pictures_of_any_size(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct predictor p;
    struct meter meter = {0};
    static const char *const pictures[] = {"1",
                                           "01",
                                           "0 1",
                                           "1001101 0110010 1111000 0000111 1010101",
                                           "101 010 001 110 111 000 010",
                                           "1001 0110 1100 0011"};
    struct id model = one_logit(lab);
    OK(predictor_open(&p, lab->store, &model, &as_it_is, one_thread(), &meter, &err));
    assert_int_equal(predictor_form(&p), IMAGE_GREY);
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++)
        for (int again = 0; again < 2; again++)
            expect_mask(&p, pictures[i], pictures[i]);
    predictor_close(&p);
    assert_int_equal(meter.now, 0);
    model = nearest_level(lab);
    OK(predictor_open(&p, lab->store, &model, &as_it_is, one_thread(), &meter, &err));
    expect_mask(&p, "01201 22101 10021", "01201 22101 10021");
    predictor_close(&p);
}

/* The frame of 4x4 is filled up with black, which is background; the picture itself is light. */
static void a_frame_is_cut_off(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct predictor p;
    struct id model = one_logit(lab);
    const struct treatment keep = {.fit = {.h = SIDE, .w = SIDE, .keep_aspect = true}},
                           stretch = {.fit = {.h = SIDE, .w = SIDE}};
    OK(predictor_open(&p, lab->store, &model, &keep, one_thread(), NULL, &err));
    expect_mask(&p, "11 11 11 11 11 11 11 11", "11 11 11 11 11 11 11 11");
    expect_mask(&p, "1111111 1111111", "1111111 1111111");
    expect_mask(&p, "11 11 11 11 00 00 00 00", "11 11 11 11 00 00 00 00");
    expect_mask(&p, "11110000 11110000", "11110000 11110000");
    expect_mask(&p, "1001 0110 1100 0011", "1001 0110 1100 0011");
    assert_int_equal(p.windows.size[1], SIDE);
    assert_int_equal(p.windows.size[2], SIDE);
    predictor_close(&p);
    OK(predictor_open(&p, lab->store, &model, &stretch, one_thread(), NULL, &err));
    expect_mask(&p, "11 11 11 11 00 00 00 00", "11 11 11 11 00 00 00 00");
    expect_mask(&p, "10", "10");
    predictor_close(&p);
}

/* Probabilities a a b b of a frame, at eight pixels. */
static void probabilities_come_back_between(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct predictor p;
    struct id model = nearest_level(lab);
    const struct treatment fit = {.fit = {.h = SIDE, .w = SIDE}};
    struct image image = drawn("11110000 11110000 11110000 11110000"),
                 small = drawn("1100 1100 1100 1100");
    float wide[4 * 8 * CLASSES], own[4 * 4 * CLASSES];
    OK(predictor_open(&p, lab->store, &model, &fit, one_thread(), NULL, &err));
    OK(predictor_picture(&p, wide, &image, &err));
    OK(predictor_picture(&p, own, &small, &err));
    static const double share[8] = {1, 1, 1, 0.75, 0.25, 0, 0, 0};
    for (int x = 0; x < 8; x++)
        for (int k = 0; k < CLASSES; k++) {
            double a = own[k], b = own[3 * CLASSES + k];
            near(wide[(2 * 8 + x) * CLASSES + k], share[x] * a + (1 - share[x]) * b, 1e-6);
        }
    assert_true(own[1] > 0.9 && own[3 * CLASSES] > 0.9);
    predictor_close(&p);
    image_free(&image);
    image_free(&small);
}

/* As one up to PREDICT_PIXELS, in windows of the training size beyond. */
static void what_is_large_goes_in_windows(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct predictor p;
    struct id model = one_logit(lab);
    enum { W = 1024 };
    static float probability[W * (W + 1)];
    struct image image = {.h = W, .w = W, .c = 1, .pixels = malloc((size_t)W * (W + 1))};
    assert_non_null(image.pixels);
    for (int at = 0; at < W * (W + 1); at++)
        image.pixels[at] = levels[(at / W / 3 + at % W / 5) % 2];
    OK(predictor_open(&p, lab->store, &model, &as_it_is, one_thread(), NULL, &err));
    for (; image.h <= W + 1; image.h++) {
        OK(predictor_picture(&p, probability, &image, &err));
        assert_int_equal(p.windows.size[1], image.h == W ? W : SIDE);
        assert_int_equal(p.windows.size[2], image.h == W ? W : SIDE);
        assert_int_equal(p.windows.batch, image.h == W ? 1 : 64);
        for (int at = 0; at < image.h * W; at++)
            if ((probability[at] >= 0.5f) != (image.pixels[at] == levels[1]))
                fail_msg("pixel %d of %d rows is %g", at, image.h, probability[at]);
    }
    predictor_close(&p);
    image_free(&image);
}

static void what_cannot_be_predicted(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct predictor p;
    struct id none, model;
    OK(artifact_of(&none, lab->store, "weights.bin", "1", &err));
    FAILS(predictor_open(&p, lab->store, &none, &as_it_is, one_thread(), NULL, &err),
          STATUS_MISSING, "model.txt");
    predictor_close(&p);

    float values[4] = {0.5f, 0.49f, NAN};
    uint8_t mask[3];
    OK(predictor_decide(mask, values, 2, 1, &err));
    assert_int_equal(mask[0], 1);
    assert_int_equal(mask[1], 0);
    FAILS(predictor_decide(mask, values, 3, 1, &err), STATUS_FAILED, "is NaN");
    for (int k = 0; k < 3; k++) {
        float classes[3] = {0.25f, 0.5f, 0.25f};
        classes[k] = NAN;
        FAILS(predictor_decide(mask, classes, 1, 3, &err), STATUS_FAILED, "is NaN");
    }

    struct image image = drawn("10 01");
    struct stop stop = stop_watch();
    model = one_logit(lab);
    OK(predictor_open(&p, lab->store, &model, &as_it_is, one_thread(), NULL, &err));
    raise(SIGTERM);
    FAILS(predictor_picture(&p, values, &image, &err), STATUS_STOPPED, "stopped");
    stop_unwatch(&stop);
    predictor_close(&p);
    image_free(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_constant_stays_so),
        cmocka_unit_test(windows_land_where_they_were_cut),
        cmocka_unit_test(one_window_is_one_prediction),
        cmocka_unit_test(windows_are_spread_evenly),
        cmocka_unit_test(weights_are_a_gaussian),
        cmocka_unit_test(what_is_smaller_is_reflected),
        cmocka_unit_test(a_failure_ends_it),
        LAB_TEST(pictures_of_any_size),
        LAB_TEST(a_frame_is_cut_off),
        LAB_TEST(probabilities_come_back_between),
        LAB_TEST(what_is_large_goes_in_windows),
        LAB_TEST(what_cannot_be_predicted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
