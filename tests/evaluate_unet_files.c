/* What the evaluation of a UNet leaves for each case: predictions, probabilities, pictures. */
#include "evaluate_painter.h"

/* ---- what is predicted ---------------------------------------------------------------------- */
static void predicted(struct lab *lab, const struct id *id, const char *name, const char *digits)
{
    char path[PATH_BYTES];
    struct image image;
    struct err err;
    OK(artifact_path(path, lab->store, id, name, &err));
    OK(image_read(&image, IMAGE_INDEX, GROUND_FILE, path, &err));
    assert_int_equal(image.h * image.w, PIXELS);
    for (int i = 0; i < PIXELS; i++)
        assert_int_equal(image.pixels[i], digits[i] - '0');
    image_free(&image);
}

/* Two classes are never told apart by chance: 0.5 is foreground, the first of equals wins. */
static void ties(void **state)
{
    struct lab *lab = *state;
    struct data data;
    const float zeros[CLASSES] = {0}, last[CLASSES] = {-1, 0, 0};
    draw(&data, five, FIVE, 2);
    struct id model = painter(lab, &(struct head){1, zeros, zeros}, 2, 1);
    struct id result = evaluation_of(lab, &data.set, &model, &usual);
    predicted(lab, &result, "prediction-empty.png", "1111111111111111");
    draw(&data, three, 3, CLASSES);
    model = painter(lab, &(struct head){CLASSES, zeros, zeros}, CLASSES, 1);
    result = evaluation_of(lab, &data.set, &model, &usual);
    predicted(lab, &result, "prediction-all.png", "0000000000000000");
    model = painter(lab, &(struct head){CLASSES, zeros, last}, CLASSES, 1);
    result = evaluation_of(lab, &data.set, &model, &usual);
    predicted(lab, &result, "prediction-all.png", "1111111111111111");
}

/* All is said to be 0, with a confidence of a third: 26 of 44 pixels are, the others have no truth. */
static void calibration(void **state)
{
    struct lab *lab = *state;
    struct data data;
    struct evaluate_config config = usual;
    const float zeros[CLASSES] = {0};
    draw(&data, three, 3, CLASSES);
    struct id model = painter(lab, &(struct head){CLASSES, zeros, zeros}, CLASSES, 1);
    struct id result = evaluation_of(lab, &data.set, &model, &config);
    assert_false(has_file(lab, &result, "calibration.csv"));
    config.metrics = (struct int_list){1, (int64_t[]){METRIC_calibration}};
    result = evaluation_of(lab, &data.set, &model, &config);
    near(metric_of(text_of(lab, &result, "metrics.json"), "calibration_error"), 26.0 / 44 - 1 / 3.0,
         1e-7);
    const char *csv = text_of(lab, &result, "calibration.csv");
    assert_true(starts_with(csv, "low,high,pixels,confidence,accuracy\n0,0.06666"));
    const char *line = strstr(csv, ",0.4,44,0.3333333");
    assert_non_null(line);
    line = strchr(line + strlen(",0.4,44,"), ',');
    near(strtod(line + 1, NULL), 26.0 / 44, 1e-15);
    assert_non_null(strstr(csv, ",1,0,,\n"));
}

/* A hundred bytes, which are 300 where each is escaped. */
#define TEN  "////////\xc3\xa9"
#define LONG TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

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
        {LONG LONG LONG "1", "0000 1011 0000 0000 0000 0000 0000 0000 "},
        {LONG LONG LONG "2", "0000 0011 0000 0000 0000 0000 0000 0000 "},
    };
    draw(&data, drawings, 8, 2);
    struct id model = one_logit(lab);
    struct id result = evaluation_of(lab, &data.set, &model, &usual);
    struct manifest manifest;
    OK(artifact_manifest(&manifest, &lab->arena, lab->store, &result, &err));
    int found = 0;
    for (size_t i = 0; i < manifest.count; i++)
        found += starts_with(manifest.lines[i].name, "prediction-");
    assert_int_equal(found, 8);
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
    struct data data;
    struct tensors file;
    draw(&data, five, FIVE, 2);
    struct id model = one_logit(lab);
    struct id result = evaluation_of(lab, &data.set, &model, &usual);
    open_tensors(&file, lab, &result, "probabilities.safetensors");
    const float *p = tensor_of(&file, "probabilities", TENSOR_F32, 4, FIVE);
    assert_string_equal(tensors_meta(&file, "layout"), "[case,height,width,class]");
    for (int i = 0; i < FIVE * PIXELS; i++)
        near(p[i], 1 / (1 + exp(data.images[TEST_BEGIN * PIXELS + i] > 128 ? -3 : 3)), 1e-6);
    tensors_close(&file);
    draw(&data, three, 3, CLASSES);
    model = nearest_level(lab);
    result = evaluation_of(lab, &data.set, &model, &usual);
    open_tensors(&file, lab, &result, "probabilities.safetensors");
    p = tensor_of(&file, "probabilities", TENSOR_F32, 4, 3);
    for (int i = 0; i < 3 * PIXELS; i++)
        near(p[i * CLASSES] + p[i * CLASSES + 1] + p[i * CLASSES + 2], 1, 1e-6);
    tensors_close(&file);
}

/* A volume of two slices: what is predicted stands in one file. */
static void volumes(void **state)
{
    struct lab *lab = *state;
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
    struct id model = painter(lab, &(struct head){1, &slope, &offset}, 2, 2);
    struct id result = evaluation_of(lab, &data.set, &model, &usual);
    open_tensors(&file, lab, &result, "predictions.safetensors");
    const uint8_t *got = tensor_of(&file, "predictions", TENSOR_U8, 4, 1);
    assert_string_equal(tensors_meta(&file, "layout"), "[case,depth,height,width]");
    for (int i = 0; i < 2 * PIXELS; i++)
        assert_int_equal(got[i], data.images[2 * PIXELS + i] == levels[1]);
    tensors_close(&file);
    const char *json = text_of(lab, &result, "metrics.json");
    metric_is(json, "dice/foreground", 16.0 / 24);
}

/* ---- pictures ------------------------------------------------------------------------------- */
static void pictures(void **state)
{
    struct lab *lab = *state;
    struct data data;
    struct tensors file;
    draw(&data, five, FIVE, 2);
    struct id model = one_logit(lab);
    struct id result = evaluation_of(lab, &data.set, &model, &usual);
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

/* 255 / (1 + exp(-3)) is 242.9; what one output leaves is the background's. */
static void class_confidence(void **state)
{
    struct lab *lab = *state;
    struct data data;
    struct tensors file;
    struct evaluate_config config = usual;
    config.save = (struct int_list){1, (int64_t[]){SAVE_CONFIDENCE}};
    draw(&data, five, FIVE, 2);
    struct id model = one_logit(lab);
    struct id result = evaluation_of(lab, &data.set, &model, &config);
    assert_false(has_file(lab, &result, "probabilities.safetensors"));
    open_tensors(&file, lab, &result, "pictures.safetensors");
    const uint8_t *seen = tensor_of(&file, "segmentation_prediction", TENSOR_U8, 3, 4);
    const uint8_t *classes = tensor_of(&file, "segmentation_classes", TENSOR_U8, 4, 4);
    for (int i = 0; i < 4 * PIXELS; i++) {
        assert_int_equal(classes[2 * i], seen[i] ? 12 : 243);
        assert_int_equal(classes[2 * i + 1], seen[i] ? 243 : 12);
    }
    tensors_close(&file);
    draw(&data, three, 3, CLASSES);
    model = nearest_level(lab);
    result = evaluation_of(lab, &data.set, &model, &config);
    open_tensors(&file, lab, &result, "pictures.safetensors");
    seen = tensor_of(&file, "segmentation_prediction", TENSOR_U8, 3, 2);
    const uint8_t *sure = tensor_of(&file, "segmentation_confidence", TENSOR_U8, 3, 2);
    classes = tensor_of(&file, "segmentation_classes", TENSOR_U8, 4, 2);
    for (int i = 0; i < 2 * PIXELS; i++)
        assert_int_equal(classes[i * CLASSES + seen[i]], sure[i]);
    tensors_close(&file);
    result = evaluation_of(lab, &data.set, &model, &usual);
    open_tensors(&file, lab, &result, "pictures.safetensors");
    assert_null(tensors_find(&file, "segmentation_classes")); /* only where it is asked for */
    tensors_close(&file);
}

/* All is foreground; of case k k pixels are found, but for two equals. */
static void ranks(void **state)
{
    struct lab *lab = *state;
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
    struct id model = one_logit(lab);
    struct id result = evaluation_of(lab, &data.set, &model, &usual);
    open_tensors(&file, lab, &result, "pictures.safetensors");
    assert_string_equal(tensors_meta(&file, "segmentation_ids"), "a\nb\nc\ne\nf\ng\ni\nj\nk");
    assert_string_equal(tensors_meta(&file, "segmentation_ranks"),
                        "best,best,best,median,median,median,worst,worst,worst");
    tensors_close(&file);
}

/* ---- slices --------------------------------------------------------------------------------- */
enum { DEEP = 5, VOXELS = DEEP * PIXELS };

/* A test case alone, a model of volumes: light is foreground. */
static void volume_of(struct data *data, struct id *model, struct lab *lab)
{
    static const struct drawing nothing[] = {{"v", "0000 0000 0000 0000 0000 0000 0000 0000 "}};
    const float slope = 10, offset = -5;
    draw(data, nothing, 1, 2);
    data->ids[0] = "v";
    data->set.d = DEEP;
    data->set.begin[SPLIT_TEST] = 0;
    data->set.count[SPLIT_TEST] = 1;
    *model = painter(lab, &(struct head){1, &slope, &offset}, 2, DEEP);
}

/* [d,h,w] at a place of the axis `fixed`. */
static uint8_t voxel(const uint8_t *volume, int fixed, int place, int row, int column)
{
    int at[3] = {0};
    at[fixed] = place;
    at[fixed == 0 ? 1 : 0] = row;
    at[fixed == 2 ? 1 : 2] = column;
    return volume[(at[0] * SIDE + at[1]) * SIDE + at[2]];
}

static void assert_slices(const struct tensors *file, const char *part, const uint8_t *volume,
                          const int middle[3])
{
    static const char *const names[] = {"axial", "coronal", "sagittal"};
    for (int fixed = 0; fixed < 3; fixed++) {
        char name[64];
        snprintf(name, sizeof name, "slices_%s%s", names[fixed], part);
        const uint8_t *got = tensor_of(file, name, TENSOR_U8, 3, 1);
        const struct tensor *t = tensors_find(file, name);
        assert_int_equal(t->dim[1], fixed == 0 ? SIDE : DEEP);
        assert_int_equal(t->dim[2], SIDE);
        for (int row = 0; row < (fixed ? DEEP : SIDE); row++)
            for (int column = 0; column < SIDE; column++)
                assert_int_equal(got[row * SIDE + column],
                                 voxel(volume, fixed, middle[fixed], row, column));
    }
}

/* Foreground at (d, h, w) = (4, 0, 3), (3, 0, 2), (4, 0, 3 and 2 of the next row): on average
 * (3.75, 0.25, 2.5), which is rounded. */
static void slices_go_through_the_middle(void **state)
{
    struct lab *lab = *state;
    struct data data;
    struct tensors file;
    struct id model, result;
    uint8_t predicted[VOXELS];
    volume_of(&data, &model, lab);
    static const int truth[][3] = {{4, 0, 3}, {3, 0, 2}, {4, 0, 2}, {4, 1, 3}};
    for (int i = 0; i < VOXELS; i++)
        data.images[i] = (uint8_t)(i * 37 % 251);
    data.masks[0] = data.masks[1] = MASK_IGNORE;
    for (int i = 0; i < 4; i++)
        data.masks[(truth[i][0] * SIDE + truth[i][1]) * SIDE + truth[i][2]] = 1;
    memcpy(data.set.spacing, (double[]){2.5, 1, 0.75}, sizeof data.set.spacing);
    for (int i = 0; i < VOXELS; i++)
        predicted[i] = data.images[i] > 127;
    result = evaluation_of(lab, &data.set, &model, &usual);
    open_tensors(&file, lab, &result, "pictures.safetensors");
    assert_slices(&file, "", data.images, (int[]){4, 0, 3});
    assert_slices(&file, "_truth", data.masks, (int[]){4, 0, 3});
    assert_slices(&file, "_prediction", predicted, (int[]){4, 0, 3});
    assert_string_equal(tensors_meta(&file, "slices_spacing"), "2.5,1,0.75");
    assert_string_equal(tensors_meta(&file, "segmentation_ids"), "v");
    assert_null(tensors_find(&file, "segmentation_images"));
    tensors_close(&file);
    memset(data.masks, 0, VOXELS); /* the volume's own middle */
    result = evaluation_of(lab, &data.set, &model, &usual);
    open_tensors(&file, lab, &result, "pictures.safetensors");
    assert_slices(&file, "", data.images, (int[]){DEEP / 2, SIDE / 2, SIDE / 2});
    tensors_close(&file);
}

/* 80 values from -7 in steps of 2; of 79 steps the nearest to 0.5 % is none, and to 99.5 % all but
 * none: 0.395 and 78.6. */
static void floats_are_shown_in_a_window(void **state)
{
    struct lab *lab = *state;
    struct data data;
    struct tensors file;
    struct id model, result;
    float values[VOXELS];
    uint8_t levels_of[VOXELS];
    volume_of(&data, &model, lab);
    for (int i = 0; i < VOXELS; i++) {
        int rank = i * 33 % VOXELS;
        values[i] = -7 + 2 * (float)rank;
        levels_of[i] = (uint8_t)(int)(255.0 * rank / (VOXELS - 1) + 0.5);
    }
    data.set.pixel = PIXEL_F32;
    data.set.images = values;
    data.masks[0] = 1;
    result = evaluation_of(lab, &data.set, &model, &usual);
    open_tensors(&file, lab, &result, "pictures.safetensors");
    assert_slices(&file, "", levels_of, (int[]){0, 0, 0});
    assert_string_equal(tensors_meta(&file, "slices_spacing"), "1,1,1");
    tensors_close(&file);
}

/* Floats of a single slice are an image: 16 values, of which one is far off, in 100 images of which
 * the last is measured. */
static void outliers_are_clipped(void **state)
{
    struct lab *lab = *state;
    struct tensors file;
    struct data data;
    enum { W = 20, H = 20 };
    static float values[2 * W * H];
    static uint8_t masks[2 * W * H];
    const char *ids[] = {"t", "v"};
    const float slope = 10, offset = -5;
    draw(&data, five, 1, 2);
    data.set.h = H;
    data.set.w = W;
    data.set.pixel = PIXEL_F32;
    data.set.images = values;
    data.set.masks = masks;
    data.set.ids = ids;
    data.set.begin[SPLIT_TEST] = 1;
    masks[W * H] = 1;
    for (int i = 0; i < W * H; i++)
        values[W * H + i] = 10 + (float)(i * 7 % (W * H)); /* 10 to 409 */
    values[W * H] = -1e6F;                                 /* was 10 */
    struct id model = painter_of(lab, &(struct head){1, &slope, &offset},
                                 (struct unet_description){
                                     .data = {1, H, W, 1, 0}, .mask_classes = 2, .outputs = 1}),
              result;
    result = evaluation_of(lab, &data.set, &model, &usual);
    open_tensors(&file, lab, &result, "pictures.safetensors");
    const uint8_t *got = tensor_of(&file, "segmentation_images", TENSOR_U8, 4, 1);
    /* of 399 steps 0.5 % are 2, 99.5 % are 397: the values 12 and 407 */
    for (int i = 0; i < W * H; i++) {
        double share = fmin(fmax(((double)values[W * H + i] - 12) / (407 - 12), 0), 1);
        assert_int_equal(got[i], (int)(255 * share + 0.5));
    }
    tensors_close(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_TEST(ties),
        LAB_TEST(calibration),
        LAB_TEST(names),
        LAB_TEST(probabilities),
        LAB_TEST(volumes),
        LAB_TEST(pictures),
        LAB_TEST(class_confidence),
        LAB_TEST(ranks),
        LAB_TEST(slices_go_through_the_middle),
        LAB_TEST(floats_are_shown_in_a_window),
        LAB_TEST(outliers_are_clipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
