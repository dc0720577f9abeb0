/* Evaluation of a UNet, held against arithmetic: models whose weights are written by hand, so that an
 * image's grey levels are its prediction, and masks whose numbers are counted by hand. */
#include "base/stop.h"
#include "data/data.h"
#include "nn/evaluate.h"
#include "nn/segment.h"
#include "store/tensors.h"
#include "store_lab.h"

#include <math.h>
#include <signal.h>

enum { SIDE = 4, PIXELS = SIDE * SIDE, MOST = 16, CLASSES = 3 };
static const uint8_t levels[CLASSES] = {51, 204, 128}; /* grey of a class; 1 is the lightest */

/* ---- data ----------------------------------------------------------------------------------- */
struct data {
    uint8_t images[MOST * PIXELS], masks[MOST * PIXELS];
    const char *ids[MOST];
    struct dataset set;
};

/* A case as drawn: rows of truth and, behind a blank each, of what the model is to see; 'x': no class. */
struct drawing {
    const char *id, *rows;
};

/* Two train cases first, which no evaluation of the test split may touch. */
enum { TEST_BEGIN = 2 };

static void draw(struct data *data, const struct drawing *drawings, uint32_t count,
                 uint32_t mask_classes)
{
    static const char *names[] = {"background", "foreground", "stone"};
    memset(data, 0, sizeof *data);
    memset(data->images, levels[1], TEST_BEGIN * PIXELS);
    data->ids[0] = "train-0";
    data->ids[1] = "train-1";
    for (uint32_t i = 0; i < count; i++) {
        size_t at = (TEST_BEGIN + i) * PIXELS;
        data->ids[TEST_BEGIN + i] = drawings[i].id;
        for (int k = 0; k < PIXELS; k++) {
            const char *row = drawings[i].rows + k / SIDE * 2 * (SIDE + 1);
            char truth = row[k % SIDE], seen = row[SIDE + 1 + k % SIDE];
            data->masks[at + (size_t)k] = truth == 'x' ? MASK_IGNORE : (uint8_t)(truth - '0');
            data->images[at + (size_t)k] = levels[seen - '0'];
        }
    }
    data->set = (struct dataset){.d = 1,
                                 .h = SIDE,
                                 .w = SIDE,
                                 .c = 1,
                                 .begin = {0, TEST_BEGIN, TEST_BEGIN},
                                 .count = {TEST_BEGIN, 0, count},
                                 .images = data->images,
                                 .masks = data->masks,
                                 .ids = data->ids,
                                 .mask_class_count = mask_classes,
                                 .mask_classes = names};
}

/* The five cases of most tests; "behind" has an ignored row that is predicted as foreground. */
static const struct drawing five[] = {
    {"wide", "1100 1110 1100 1110 1100 1110 1100 1110 "},
    {"empty", "0000 0000 0000 0000 0000 0000 0000 0000 "},
    {"only seen", "0000 0000 0000 0110 0000 0110 0000 0000 "},
    {"right", "1100 1100 1100 1100 0000 0000 0000 0000 "},
    {"behind", "1111 1110 xxxx 1111 0000 0000 0000 0000 "},
};
enum { FIVE = sizeof five / sizeof *five };

/* ---- models --------------------------------------------------------------------------------- */
struct weights {
    size_t count;
    struct tensor items[24];
    float data[24][64];
};

static float *weight(struct weights *w, const char *name, int dims, const int64_t *dim)
{
    struct tensor *t = &w->items[w->count];
    *t = (struct tensor){.name = name, .type = TENSOR_F32, .dims = dims, .data = w->data[w->count]};
    t->bytes = sizeof(float);
    for (int i = 0; i < dims; i++) {
        t->dim[i] = dim[i];
        t->bytes *= (size_t)dim[i];
    }
    assert_true(t->bytes <= sizeof w->data[0]);
    return w->data[w->count++];
}

/* A convolution (of a volume, if deep) with its bias; returns its weights, zeros. */
static float *convolution(struct weights *w, const char *weight_name, const char *bias_name,
                          bool deep, int32_t side, int32_t from, int32_t to)
{
    int64_t dim[5] = {to};
    weight(w, bias_name, 1, dim);
    int dims = shape_dims(dim, (struct shape){to, deep ? side : 1, side, side, from});
    return weight(w, weight_name, dims, dim);
}

struct head {
    int outputs;
    const float *slope, *offset; /* logit k = slope[k] * grey + offset[k] */
};

/* What the encoder's first level sees goes over the skip to the head; all else is multiplied by 0. */
static struct id painter(struct lab *lab, const struct head *head, int mask_classes, int depth)
{
    struct unet_description is = {
        .data = {depth, SIDE, SIDE, 1, 7}, .mask_classes = mask_classes, .outputs = head->outputs};
    is.model = (struct unet_model_config){.channels = {2, (int64_t[]){1, 1}},
                                          .norm = NORM_NONE,
                                          .norm_groups = 1,
                                          .activation = ACT_RELU};
    struct weights *w = calloc(1, sizeof *w);
    bool deep = depth > 1;
    int middle = deep ? 13 : 4;
#define CONVOLUTION(name, side, from, to)                                                          \
    convolution(w, name ".weight", name ".bias", deep, side, from, to)
    CONVOLUTION("encoder.0.conv1", 3, 1, 1)[middle] = 1;
    CONVOLUTION("encoder.0.conv2", 3, 1, 1)[middle] = 1;
    CONVOLUTION("encoder.1.conv1", 3, 1, 1);
    CONVOLUTION("encoder.1.conv2", 3, 1, 1);
    CONVOLUTION("decoder.0.up", 2, 1, 1);
    CONVOLUTION("decoder.0.conv1", 3, 2, 1)[2 * middle] = 1;
    CONVOLUTION("decoder.0.conv2", 3, 1, 1)[middle] = 1;
    float *slope = CONVOLUTION("head", 1, 1, head->outputs);
#undef CONVOLUTION
    float *offset = (float *)(uintptr_t)w->items[w->count - 2].data;
    memcpy(slope, head->slope, (size_t)head->outputs * sizeof *slope);
    memcpy(offset, head->offset, (size_t)head->outputs * sizeof *offset);

    struct draft *draft;
    struct id id;
    char path[PATH_BYTES];
    struct err err;
    OK(draft_open(&draft, lab->store, &err));
    OK(model_text_write(&is, unet_description_fields, draft, &err));
    OK(draft_path(draft, "weights.safetensors", path, &err));
    OK(tensors_write(path, w->items, w->count, NULL, 0, &err));
    OK(draft_seal(draft, &id, &err));
    free(w);
    return id;
}

/* One logit: 3 where the image is light, -3 where it is dark (or of the third class: 0.012). */
static struct id one_logit(struct lab *lab)
{
    const float slope = 10, offset = -5;
    return painter(lab, &(struct head){1, &slope, &offset}, 2, 1);
}

/* A logit a class: the nearest level, as |x - l|^2 is least where 2 x l - l^2 is greatest. */
static struct id nearest_level(struct lab *lab)
{
    float slope[CLASSES], offset[CLASSES];
    for (int k = 0; k < CLASSES; k++) {
        float level = (float)levels[k] / 255;
        slope[k] = 2 * 50 * level;
        offset[k] = -50 * level * level;
    }
    return painter(lab, &(struct head){CLASSES, slope, offset}, CLASSES, 1);
}

/* ---- evaluating ----------------------------------------------------------------------------- */
static int64_t all_metrics[] = {
    METRIC_PIXEL_ACCURACY, METRIC_IOU,        METRIC_DICE, METRIC_PRECISION,
    METRIC_RECALL,         METRIC_BOUNDARY_F, METRIC_HD95, METRIC_SURFACE_DISTANCE,
    METRIC_SURFACE_DICE};
static int64_t both_saved[] = {SAVE_PREDICTIONS, SAVE_PROBABILITIES};
static const struct evaluate_config usual = {.split = SPLIT_TEST,
                                             .metrics = {9, all_metrics},
                                             .batch = 2,
                                             .tolerance = 0.5,
                                             .save = {2, both_saved}};

static int evaluate(struct id *out, struct lab *lab, struct run *run, const struct dataset *set,
                    const struct id *model, const struct evaluate_config *config, struct err *err)
{
    struct evaluation what = {.run = run,
                              .store = lab->store,
                              .dataset = set,
                              .model = model,
                              .threads = 1,
                              .quiet = true};
    struct draft *draft;
    TRY(draft_open(&draft, lab->store, err));
    if (evaluate_unet(&what, config, draft, err)) {
        draft_drop(draft);
        return -1;
    }
    return draft_seal(draft, out, err);
}

static char *text_of(struct lab *lab, const struct id *id, const char *name)
{
    char path[PATH_BYTES], *text;
    size_t length;
    struct err err;
    OK(artifact_path(path, lab->store, id, name, &err));
    OK(file_read(&text, &length, path, 1 << 20, &err));
    return text;
}

static void near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%.12g is not %.12g", got, want);
}

/* want NAN: null */
static void metric_is(const char *json, const char *name, double want)
{
    char key[128];
    snprintf(key, sizeof key, "\"test/%s\": ", name);
    const char *at = strstr(json, key);
    if (!at)
        fail_msg("no metric '%s' in %s", name, json);
    at += strlen(key);
    if (isnan(want) ? !starts_with(at, "null") : !(fabs(strtod(at, NULL) - want) < 1e-12))
        fail_msg("%s is %.20s, not %.17g", name, at, want);
}

static bool has_file(struct lab *lab, const struct id *id, const char *name)
{
    char path[PATH_BYTES];
    struct err err;
    return !artifact_path(path, lab->store, id, name, &err);
}

/* ---- two classes ---------------------------------------------------------------------------- */
/*
 * Foreground:  true positives  false positives  false negatives
 *   wide             8              4
 *   only seen                       4
 *   right            4
 *   behind           3                               1         (12 pixels count)
 */
static void pooled(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct data data;
    draw(&data, five, FIVE, 2);
    struct id model = one_logit(lab), result;
    OK(evaluate(&result, lab, NULL, &data.set, &model, &usual, &err));
    char *json = text_of(lab, &result, "metrics.json");
    metric_is(json, "pixel_accuracy", 67.0 / 76);
    metric_is(json, "dice/foreground", 30.0 / 39);
    metric_is(json, "iou/foreground", 15.0 / 24);
    metric_is(json, "precision/foreground", 15.0 / 23);
    metric_is(json, "recall/foreground", 15.0 / 16);
    metric_is(json, "miou", (15.0 / 24 + 52.0 / 61) / 2);
    assert_null(strstr(json, "background"));
    free(json);
    char *csv = text_of(lab, &result, "confusion.csv");
    assert_string_equal(csv, "truth,background,foreground\nbackground,52,8\nforeground,1,15\n");
    free(csv);
}

/* Surfaces at a tolerance of 0.5. wide: 6 of 8 true ones and 6 of 10 predicted ones are the same, the
 * others 1 apart. behind: 3 of 4 and 3 of 3. */
static void per_case(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct data data;
    draw(&data, five, FIVE, 2);
    struct id model = one_logit(lab), result;
    OK(evaluate(&result, lab, NULL, &data.set, &model, &usual, &err));
    char *json = text_of(lab, &result, "metrics.json");
    metric_is(json, "dice_per_case/foreground", (16.0 / 20 + 0 + 1 + 6.0 / 7) / 4);
    metric_is(json, "iou_per_case/foreground", (8.0 / 12 + 0 + 1 + 3.0 / 4) / 4);
    metric_is(json, "boundary_f_per_case/foreground", (2.0 / 3 + 0 + 1 + 6.0 / 7) / 4);
    metric_is(json, "surface_dice_per_case/foreground", (12.0 / 18 + 0 + 1 + 6.0 / 7) / 4);
    metric_is(json, "hd95_per_case/foreground", (1 + 0 + 0.85) / 3);
    metric_is(json, "surface_distance_per_case/foreground", (6.0 / 18 + 0 + 1.0 / 7) / 3);
    metric_is(json, "hd95_undefined/foreground", 1);
    metric_is(json, "surface_distance_undefined/foreground", 1);
    free(json);
    char *csv = text_of(lab, &result, "cases.csv"), *line = csv;
    assert_true(starts_with(line, "case_id,label,test/dice_per_case/foreground,"
                                  "test/iou_per_case/foreground,"
                                  "test/boundary_f_per_case/foreground,"
                                  "test/hd95_per_case/foreground,"
                                  "test/surface_distance_per_case/foreground,"
                                  "test/surface_dice_per_case/foreground\nwide,,0.8,0.66"));
    assert_non_null(strstr(csv, "\nempty,,,,,,,\n"));
    assert_non_null(strstr(csv, "\nonly seen,,0,0,0,,,0\n"));
    assert_non_null(strstr(csv, "\nright,,1,1,1,0,0,1\n"));
    free(csv);
}

/* The default tolerance is a pixel here: nothing is further away. */
static void tolerance(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct data data;
    draw(&data, five, FIVE, 2);
    struct evaluate_config config = usual;
    config.tolerance = 0;
    struct id model = one_logit(lab), result;
    OK(evaluate(&result, lab, NULL, &data.set, &model, &config, &err));
    char *json = text_of(lab, &result, "metrics.json");
    metric_is(json, "boundary_f_per_case/foreground", 3.0 / 4);
    metric_is(json, "surface_dice_per_case/foreground", 3.0 / 4);
    free(json);
}

/* Without a wish all that is usual is measured: no distances but the boundary's. */
static void by_default(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct data data;
    draw(&data, five, FIVE, 2);
    struct evaluate_config config;
    struct arena arena = {0};
    struct yaml *tree;
    OK(yaml_parse(&tree, &arena, "test", "{}", 2, &err));
    OK(config_bind(&config, evaluate_fields, tree, "test", &arena, &err));
    assert_int_equal(config.batch, -1);
    struct id model = one_logit(lab), result;
    OK(evaluate(&result, lab, NULL, &data.set, &model, &config, &err));
    char *json = text_of(lab, &result, "metrics.json");
    metric_is(json, "pixel_accuracy", 67.0 / 76);
    metric_is(json, "boundary_f_per_case/foreground", 3.0 / 4);
    assert_null(strstr(json, "hd95"));
    assert_null(strstr(json, "surface"));
    free(json);
    assert_true(has_file(lab, &result, "prediction-right.png"));
    assert_false(has_file(lab, &result, "probabilities.safetensors"));
    config.metrics = (struct int_list){1, (int64_t[]){METRIC_DICE}};
    config.save.count = 0;
    OK(evaluate(&result, lab, NULL, &data.set, &model, &config, &err));
    json = text_of(lab, &result, "metrics.json");
    metric_is(json, "dice/foreground", 30.0 / 39);
    assert_null(strstr(json, "iou"));
    assert_null(strstr(json, "boundary"));
    assert_false(has_file(lab, &result, "prediction-right.png"));
    free(json);
    arena_free(&arena);
}

static void batches(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct data data;
    draw(&data, five, FIVE, 2);
    struct id model = one_logit(lab), first, other;
    OK(evaluate(&first, lab, NULL, &data.set, &model, &usual, &err));
    static const int64_t sizes[] = {1, 3, 5, 8, -1};
    for (int i = 0; i < 5; i++) {
        struct evaluate_config config = usual;
        config.batch = sizes[i];
        OK(evaluate(&other, lab, NULL, &data.set, &model, &config, &err));
        assert_string_equal(first.hex, other.hex);
    }
}

/* ---- several classes ------------------------------------------------------------------------ */
/* "all": of 0 4 of 6 are found, of 1 5 of 5, of 2 4 of 5. "none of 2": stone is seen once. */
static const struct drawing three[] = {
    {"all", "0011 0111 0011 0111 0012 0012 2222 2222 "},
    {"none of 2", "0000 0000 0000 0000 1111 1111 1111 1112 "},
    {"nothing", "0000 0000 0000 0000 0000 0000 xxxx 1212 "},
};

static void several_classes(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct data data;
    draw(&data, three, 3, CLASSES);
    struct id model = nearest_level(lab), result;
    OK(evaluate(&result, lab, NULL, &data.set, &model, &usual, &err));
    char *csv = text_of(lab, &result, "confusion.csv");
    assert_string_equal(csv, "truth,background,foreground,stone\nbackground,24,2,0\n"
                             "foreground,0,12,1\nstone,0,0,5\n");
    free(csv);
    char *json = text_of(lab, &result, "metrics.json");
    metric_is(json, "pixel_accuracy", 41.0 / 44);
    metric_is(json, "iou/background", 24.0 / 26);
    metric_is(json, "iou/foreground", 12.0 / 15);
    metric_is(json, "iou/stone", 5.0 / 6);
    metric_is(json, "miou", (24.0 / 26 + 12.0 / 15 + 5.0 / 6) / 3);
    metric_is(json, "dice/background", 48.0 / 50);
    metric_is(json, "precision/background", 1);
    metric_is(json, "recall/background", 24.0 / 26);
    metric_is(json, "precision/stone", 5.0 / 6);
    metric_is(json, "dice_per_case/foreground", (10.0 / 12 + 14.0 / 15) / 2);
    metric_is(json, "dice_per_case/stone", (1.0 + 0) / 2);
    metric_is(json, "hd95_undefined/stone", 1);
    metric_is(json, "hd95_undefined/foreground", 0);
    assert_null(strstr(json, "case/background"));
    free(json);
}

/* A class that is nowhere has no value, and does not count in the mean. */
static void absent_class(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct data data;
    static const struct drawing drawings[] = {{"a", "0000 0000 0000 0000 1111 1111 1111 1110 "}};
    draw(&data, drawings, 1, CLASSES);
    struct id model = nearest_level(lab), result;
    OK(evaluate(&result, lab, NULL, &data.set, &model, &usual, &err));
    char *json = text_of(lab, &result, "metrics.json");
    metric_is(json, "iou/stone", NAN);
    metric_is(json, "dice/stone", NAN);
    metric_is(json, "hd95_per_case/stone", NAN);
    metric_is(json, "hd95_undefined/stone", 0);
    metric_is(json, "miou", (8.0 / 9 + 7.0 / 8) / 2);
    free(json);
}

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
        {"a_b.c-d", "0000 0001 0000 0000 0000 0000 0000 0000 "},
    };
    draw(&data, drawings, 4, 2);
    struct id model = one_logit(lab), result;
    OK(evaluate(&result, lab, NULL, &data.set, &model, &usual, &err));
    struct manifest manifest;
    OK(artifact_manifest(&manifest, &lab->arena, lab->store, &result, &err));
    int found = 0;
    for (size_t i = 0; i < manifest.count; i++)
        found += starts_with(manifest.lines[i].name, "prediction-");
    assert_int_equal(found, 4);
    predicted(lab, &result, "prediction--a_2Fb.png", "1000000000000000");
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

/* ---- the registry and errors ---------------------------------------------------------------- */
struct found {
    int dice, hd95, other;
    double sum;
};

static int count_case(void *user, const struct case_metric_row *row, struct err *err)
{
    struct found *found = user;
    (void)err;
    found->other++;
    found->hd95 += strcmp(row->name, "test/hd95_per_case/foreground") == 0;
    if (strcmp(row->name, "test/dice_per_case/foreground") == 0) {
        found->dice++;
        found->sum += row->value;
        assert_true(strcmp(row->case_id, "empty") != 0);
    }
    return 0;
}

static int take_miou(void *user, const struct metric_row *row, struct err *err)
{
    double *miou = user;
    (void)err;
    if (strcmp(row->name, "test/miou") == 0)
        *miou = row->value;
    return 0;
}

static void on_the_run(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct data data;
    draw(&data, five, FIVE, 2);
    struct id model = one_logit(lab);
    struct port port = {.name = "evaluation"};
    struct run *run;
    struct found found = {0};
    double miou = 0;
    OK(claim(&run, lab, "stage evaluate\n", false, &err));
    int64_t number = run_id(run);
    OK(evaluate(&port.artifact, lab, run, &data.set, &model, &usual, &err));
    OK(run_commit(run, &port, 1, &err));
    OK(registry_metrics(lab->store, number, true, take_miou, &miou, &err));
    near(miou, (15.0 / 24 + 52.0 / 61) / 2, 1e-12);
    OK(registry_case_metrics(lab->store, number, count_case, &found, &err));
    assert_int_equal(found.dice, 4);
    assert_int_equal(found.hd95, 3);
    assert_int_equal(found.other, 4 * 4 + 2 * 3);
    near(found.sum, 16.0 / 20 + 1 + 6.0 / 7, 1e-12);
}

static void stopped(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct data data;
    draw(&data, five, FIVE, 2);
    struct id model = one_logit(lab), result;
    struct stop *stop = stop_watch();
    raise(SIGTERM);
    FAILS(evaluate(&result, lab, NULL, &data.set, &model, &usual, &err), STATUS_STOPPED,
          "run the same command");
    stop_unwatch(stop);
    OK(evaluate(&result, lab, NULL, &data.set, &model, &usual, &err));
}

static void refusals(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct data data;
    draw(&data, five, FIVE, 2);
    struct id model = one_logit(lab), other = nearest_level(lab), result;
    struct evaluate_config config = usual;
    config.split = SPLIT_VAL;
    FAILS(evaluate(&result, lab, NULL, &data.set, &model, &config, &err), STATUS_CONFIG,
          "the val split is empty");
    config = usual;
    config.metrics = (struct int_list){1, (int64_t[]){METRIC_SSIM}};
    FAILS(evaluate(&result, lab, NULL, &data.set, &model, &config, &err), STATUS_CONFIG,
          "'ssim' is not measured of a UNet");
    config = usual;
    config.importance_samples = 3;
    FAILS(evaluate(&result, lab, NULL, &data.set, &model, &config, &err), STATUS_CONFIG,
          "importance_samples");
    FAILS(evaluate(&result, lab, NULL, &data.set, &other, &usual, &err), STATUS_BAD_DATA,
          "the model was trained on masks of 3 classes, the data set has 2");
    data.set.c = 4;
    FAILS(evaluate(&result, lab, NULL, &data.set, &model, &usual, &err), STATUS_BAD_DATA,
          "the data set has [1,4,4,4]");
    data.set.c = 1;
    data.set.masks = NULL;
    FAILS(evaluate(&result, lab, NULL, &data.set, &model, &usual, &err), STATUS_CONFIG,
          "the data set has none");
}

static void not_a_number(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct data data;
    const float slope[CLASSES] = {0}, offset[CLASSES] = {0, NAN, 0};
    draw(&data, five, FIVE, 2);
    struct id model = painter(lab, &(struct head){1, slope, offset + 1}, 2, 1), result;
    FAILS(evaluate(&result, lab, NULL, &data.set, &model, &usual, &err), STATUS_FAILED,
          "the model's output for case 'wide' is not a number");
    draw(&data, three, 3, CLASSES);
    model = painter(lab, &(struct head){CLASSES, slope, offset}, CLASSES, 1);
    FAILS(evaluate(&result, lab, NULL, &data.set, &model, &usual, &err), STATUS_FAILED,
          "the model's output for case 'all' is not a number");
}

/* Labels of whole images are nothing to a UNet: the model's data had seven, these have none. What it
 * measures may have any. */
static void labels(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct data data;
    static const char *classes[] = {"cat", "dog, wet"};
    const int32_t label[MOST] = {0, 0, 1, 0, 0, 0, 0};
    draw(&data, five, FIVE, 2);
    data.set.labels = label;
    data.set.classes = classes;
    data.set.class_count = 2;
    struct id model = one_logit(lab), result;
    OK(evaluate(&result, lab, NULL, &data.set, &model, &usual, &err));
    char *csv = text_of(lab, &result, "cases.csv");
    assert_non_null(strstr(csv, "\nwide,\"dog, wet\",0.8,"));
    assert_non_null(strstr(csv, "\nright,cat,1,"));
    free(csv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_TEST(pooled),        LAB_TEST(per_case),     LAB_TEST(tolerance),
        LAB_TEST(by_default),    LAB_TEST(batches),      LAB_TEST(several_classes),
        LAB_TEST(absent_class),  LAB_TEST(ties),         LAB_TEST(names),
        LAB_TEST(probabilities), LAB_TEST(volumes),      LAB_TEST(pictures),
        LAB_TEST(ranks),         LAB_TEST(on_the_run),   LAB_TEST(stopped),
        LAB_TEST(refusals),      LAB_TEST(not_a_number), LAB_TEST(labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
