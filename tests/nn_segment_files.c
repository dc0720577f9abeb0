/* What the evaluation of a UNet leaves for each case: predictions, probabilities, pictures. */
#include "nn_painter.h"

/* ---- what is predicted ---------------------------------------------------------------------- */
static void predicted(struct lab *lab, const struct id *id, const char *name, const char *digits)
{
    char path[PATH_BYTES];
    struct image image;
    struct err err;
    OK(artifact_path(path, lab->store, id, name, &err));
    OK(image_read(&image, IMAGE_INDEX, path, &err));
    assert_int_equal(image.h * image.w, PIXELS);
    for (int i = 0; i < PIXELS; i++)
        assert_int_equal(image.pixels[i], digits[i] - '0');
    image_free(&image);
}

/* Two classes are never told apart by chance: 0.5 is foreground, the first of equals wins. */
static void ties(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct data data;
    const float zeros[CLASSES] = {0}, last[CLASSES] = {-1, 0, 0};
    draw(&data, five, FIVE, 2);
    struct id model = painter(lab, &(struct head){1, zeros, zeros}, 2, 1), result;
    OK(evaluate(&result, lab, NULL, &data.set, &model, &usual, &err));
    predicted(lab, &result, "prediction-empty.png", "1111111111111111");
    draw(&data, three, 3, CLASSES);
    model = painter(lab, &(struct head){CLASSES, zeros, zeros}, CLASSES, 1);
    OK(evaluate(&result, lab, NULL, &data.set, &model, &usual, &err));
    predicted(lab, &result, "prediction-all.png", "0000000000000000");
    model = painter(lab, &(struct head){CLASSES, zeros, last}, CLASSES, 1);
    OK(evaluate(&result, lab, NULL, &data.set, &model, &usual, &err));
    predicted(lab, &result, "prediction-all.png", "1111111111111111");
}

/* Any two cases have files of their own. */
static void names(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct data data;
    static const struct drawing drawings[] = {
        {"a/b", "0000 1000 0000 0000 0000 0000 0000 0000 "},
        {"-a_2Fb", "0000 0100 0000 0000 0000 0000 0000 0000 "},
        {"a_2Fb", "0000 0010 0000 0000 0000 0000 0000 0000 "},
        {"a//", "0000 1001 0000 0000 0000 0000 0000 0000 "},
        {"a_2F/", "0000 1010 0000 0000 0000 0000 0000 0000 "},
        {"a_b.c-d", "0000 0001 0000 0000 0000 0000 0000 0000 "},
    };
    draw(&data, drawings, 6, 2);
    struct id model = one_logit(lab), result;
    OK(evaluate(&result, lab, NULL, &data.set, &model, &usual, &err));
    struct manifest manifest;
    OK(artifact_manifest(&manifest, &lab->arena, lab->store, &result, &err));
    int found = 0;
    for (size_t i = 0; i < manifest.count; i++)
        found += starts_with(manifest.lines[i].name, "prediction-");
    assert_int_equal(found, 6);
    predicted(lab, &result, "prediction--a_2Fb.png", "1000000000000000");
    predicted(lab, &result, "prediction--a_2F_2F.png", "1001000000000000");
    predicted(lab, &result, "prediction-a_2Fb.png", "0010000000000000");
    predicted(lab, &result, "prediction-a_b.c-d.png", "0001000000000000");
}

static void open_tensors(struct tensors *out, struct lab *lab, const struct id *id,
                         const char *name)
{
    char path[PATH_BYTES];
    struct err err;
    OK(artifact_path(path, lab->store, id, name, &err));
    OK(tensors_open(out, path, &err));
}

static const void *tensor_of(const struct tensors *file, const char *name, enum tensor_type type,
                             int dims, int64_t count)
{
    const struct tensor *t;
    struct err err;
    OK(tensors_need(&t, file, name, type, dims, &err));
    assert_int_equal(t->dim[0], count);
    return t->data;
}

static void probabilities(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct data data;
    struct tensors file;
    draw(&data, five, FIVE, 2);
    struct id model = one_logit(lab), result;
    OK(evaluate(&result, lab, NULL, &data.set, &model, &usual, &err));
    open_tensors(&file, lab, &result, "probabilities.safetensors");
    const float *p = tensor_of(&file, "probabilities", TENSOR_F32, 4, FIVE);
    for (int i = 0; i < FIVE * PIXELS; i++)
        near(p[i], 1 / (1 + exp(data.images[TEST_BEGIN * PIXELS + i] > 128 ? -3 : 3)), 1e-6);
    tensors_close(&file);
    draw(&data, three, 3, CLASSES);
    model = nearest_level(lab);
    OK(evaluate(&result, lab, NULL, &data.set, &model, &usual, &err));
    open_tensors(&file, lab, &result, "probabilities.safetensors");
    p = tensor_of(&file, "probabilities", TENSOR_F32, 4, 3);
    for (int i = 0; i < 3 * PIXELS; i++)
        near(p[i * CLASSES] + p[i * CLASSES + 1] + p[i * CLASSES + 2], 1, 1e-6);
    tensors_close(&file);
}

/* A volume of two slices: what is predicted stands in one file, and there are no pictures. */
static void volumes(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct data data;
    struct tensors file;
    static const struct drawing slices[] = {
        {"first", "1100 1110 1100 1110 1100 1110 1100 1110 "},
        {"second", "0000 0000 0000 0110 0000 0110 0000 0000 "},
    };
    draw(&data, slices, 2, 2);
    data.set.d = 2;
    data.set.begin[SPLIT_TEST] = 1;
    data.set.count[SPLIT_TEST] = 1;
    const float slope = 10, offset = -5;
    struct id model = painter(lab, &(struct head){1, &slope, &offset}, 2, 2), result;
    OK(evaluate(&result, lab, NULL, &data.set, &model, &usual, &err));
    open_tensors(&file, lab, &result, "predictions.safetensors");
    const uint8_t *got = tensor_of(&file, "predictions", TENSOR_U8, 4, 1);
    for (int i = 0; i < 2 * PIXELS; i++)
        assert_int_equal(got[i], data.images[2 * PIXELS + i] == levels[1]);
    tensors_close(&file);
    assert_false(has_file(lab, &result, "pictures.safetensors"));
    char *json = text_of(lab, &result, "metrics.json");
    metric_is(json, "dice/foreground", 16.0 / 24);
    free(json);
}

/* ---- pictures ------------------------------------------------------------------------------- */
static void pictures(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct data data;
    struct tensors file;
    draw(&data, five, FIVE, 2);
    struct id model = one_logit(lab), result;
    OK(evaluate(&result, lab, NULL, &data.set, &model, &usual, &err));
    open_tensors(&file, lab, &result, "pictures.safetensors");
    assert_string_equal(tensors_meta(&file, "mask_classes"), "background,foreground");
    assert_string_equal(tensors_meta(&file, "segmentation_ids"), "right\nbehind\nwide\nonly seen");
    assert_string_equal(tensors_meta(&file, "segmentation_ranks"), "best,best,best,worst");
    const float *score = tensor_of(&file, "segmentation_score", TENSOR_F32, 1, 4);
    near(score[0], 1, 0);
    near(score[1], 6.0 / 7, 1e-7);
    near(score[3], 0, 0);
    static const int order[] = {3, 4, 0, 2};
    const uint8_t *image = tensor_of(&file, "segmentation_images", TENSOR_U8, 4, 4);
    const uint8_t *truth = tensor_of(&file, "segmentation_truth", TENSOR_U8, 3, 4);
    const uint8_t *seen = tensor_of(&file, "segmentation_prediction", TENSOR_U8, 3, 4);
    const uint8_t *sure = tensor_of(&file, "segmentation_confidence", TENSOR_U8, 3, 4);
    for (int k = 0; k < 4; k++) {
        int at = (TEST_BEGIN + order[k]) * PIXELS;
        assert_memory_equal(image + k * PIXELS, data.images + at, PIXELS);
        assert_memory_equal(truth + k * PIXELS, data.masks + at, PIXELS);
        for (int i = 0; i < PIXELS; i++) {
            assert_int_equal(seen[k * PIXELS + i], data.images[at + i] == levels[1]);
            assert_int_equal(sure[k * PIXELS + i], 243); /* 255 / (1 + exp(-3)) = 242.9 */
        }
    }
    tensors_close(&file);
}

/* All is foreground; of case k k pixels are found, but for two equals. */
static void ranks(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct data data;
    struct tensors file;
    static const char *const ids[] = {"k", "j", "i", "h", "g", "f", "e", "d", "c", "b", "a"};
    static const int found[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10};
    struct drawing drawings[11];
    for (int i = 0; i < 11; i++)
        drawings[i] = (struct drawing){ids[i], "1111 0000 1111 0000 1111 0000 1111 0000 "};
    draw(&data, drawings, 11, 2);
    for (int i = 0; i < 11; i++)
        memset(data.images + (TEST_BEGIN + i) * PIXELS, levels[1], (size_t)found[i]);
    struct id model = one_logit(lab), result;
    OK(evaluate(&result, lab, NULL, &data.set, &model, &usual, &err));
    open_tensors(&file, lab, &result, "pictures.safetensors");
    assert_string_equal(tensors_meta(&file, "segmentation_ids"), "a\nb\nc\ne\nf\ng\ni\nj\nk");
    assert_string_equal(tensors_meta(&file, "segmentation_ranks"),
                        "best,best,best,median,median,median,worst,worst,worst");
    tensors_close(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_TEST(ties),    LAB_TEST(names),    LAB_TEST(probabilities),
        LAB_TEST(volumes), LAB_TEST(pictures), LAB_TEST(ranks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
