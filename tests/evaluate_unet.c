/* Evaluation of a UNet, held against arithmetic: masks whose numbers are counted by hand. */
#include "base/stop.h"
#include "evaluate_painter.h"
#include "store_db.h"

#include <signal.h>

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
    struct data data;
    draw(&data, five, FIVE, 2);
    struct id model = one_logit(lab);
    struct id result = evaluation_of(lab, &data.set, &model, &usual);
    const char *json = text_of(lab, &result, "metrics.json");
    metric_is(json, "pixel_accuracy", 67.0 / 76);
    metric_is(json, "dice/foreground", 30.0 / 39);
    metric_is(json, "iou/foreground", 15.0 / 24);
    metric_is(json, "precision/foreground", 15.0 / 23);
    metric_is(json, "recall/foreground", 15.0 / 16);
    metric_is(json, "miou", (15.0 / 24 + 52.0 / 61) / 2);
    assert_null(strstr(json, "background"));
    const char *csv = text_of(lab, &result, "confusion.csv");
    assert_string_equal(csv, "truth,background,foreground\nbackground,52,8\nforeground,1,15\n");
}

/* Surfaces at a tolerance of 0.5. wide: 6 of 8 true ones and 6 of 10 predicted ones are the same, the
 * others 1 apart. behind: 3 of 4 and 3 of 3. */
static void per_case(void **state)
{
    struct lab *lab = *state;
    struct data data;
    draw(&data, five, FIVE, 2);
    struct id model = one_logit(lab);
    struct id result = evaluation_of(lab, &data.set, &model, &usual);
    const char *json = text_of(lab, &result, "metrics.json");
    metric_is(json, "dice_per_case/foreground", (16.0 / 20 + 0 + 1 + 6.0 / 7) / 4);
    metric_is(json, "iou_per_case/foreground", (8.0 / 12 + 0 + 1 + 3.0 / 4) / 4);
    metric_is(json, "boundary_f_per_case/foreground", (2.0 / 3 + 0 + 1 + 6.0 / 7) / 4);
    metric_is(json, "surface_dice_per_case/foreground", (12.0 / 18 + 0 + 1 + 6.0 / 7) / 4);
    metric_is(json, "hd95_per_case/foreground", (1 + 0 + 0.85) / 3);
    metric_is(json, "surface_distance_per_case/foreground", (6.0 / 18 + 0 + 1.0 / 7) / 3);
    metric_is(json, "hd95_undefined/foreground", 1);
    metric_is(json, "surface_distance_undefined/foreground", 1);
    const char *csv = text_of(lab, &result, "cases.csv"), *line = csv;
    assert_true(starts_with(line, "case_id,label,test/dice_per_case/foreground,"
                                  "test/iou_per_case/foreground,"
                                  "test/boundary_f_per_case/foreground,"
                                  "test/hd95_per_case/foreground,"
                                  "test/surface_distance_per_case/foreground,"
                                  "test/surface_dice_per_case/foreground\nwide,,0.8,0.66"));
    assert_non_null(strstr(csv, "\nempty,,,,,,,\n"));
    assert_non_null(strstr(csv, "\nonly seen,,0,0,0,,,0\n"));
    assert_non_null(strstr(csv, "\nright,,1,1,1,0,0,1\n"));
}

/* The default tolerance is a pixel here: nothing is further away. */
static void tolerance(void **state)
{
    struct lab *lab = *state;
    struct data data;
    draw(&data, five, FIVE, 2);
    struct evaluate_config config = usual;
    config.tolerance = 0;
    struct id model = one_logit(lab);
    struct id result = evaluation_of(lab, &data.set, &model, &config);
    const char *json = text_of(lab, &result, "metrics.json");
    metric_is(json, "boundary_f_per_case/foreground", 3.0 / 4);
    metric_is(json, "surface_dice_per_case/foreground", 3.0 / 4);
    static const struct drawing corner[] = {{"", "1000 1110 0000 1000 0000 0000 0000 0000 "}};
    draw(&data, corner, 1, 2);
    result = evaluation_of(lab, &data.set, &model, &config);
    json = text_of(lab, &result, "metrics.json");
    metric_is(json, "boundary_f_per_case/foreground", 2 * 0.75 / 1.75); /* 1 of 1, 3 of 4 */
    metric_is(json, "surface_dice_per_case/foreground", 4.0 / 5);
}

/* Pixels of 2 x 5 mm, however thin: one case is off by a row, the other by a column, and the default tolerance is
 * the shorter side. */
static void distances_are_in_millimetres(void **state)
{
    struct lab *lab = *state;
    struct data data;
    static const struct drawing shifted[] = {
        {"row", "0000 0000 0100 0000 0000 0100 0000 0000 "},
        {"column", "0000 0000 0100 0010 0000 0000 0000 0000 "}};
    draw(&data, shifted, 2, 2);
    memcpy(data.set.spacing, (double[]){0.25, 2, 5}, sizeof data.set.spacing);
    struct evaluate_config config = usual;
    config.tolerance = 0;
    struct id model = one_logit(lab);
    struct id result = evaluation_of(lab, &data.set, &model, &config);
    const char *csv = text_of(lab, &result, "cases.csv");
    assert_non_null(strstr(csv, "\nrow,,0,0,1,2,2,1\n"));
    assert_non_null(strstr(csv, "\ncolumn,,0,0,0,5,5,0\n"));
    config.tolerance = 5;
    result = evaluation_of(lab, &data.set, &model, &config);
    const char *json = text_of(lab, &result, "metrics.json");
    metric_is(json, "surface_dice_per_case/foreground", 1);
    metric_is(json, "hd95_per_case/foreground", 3.5);
}

/* Of images of about 400 mm 0.75 % are 3.0 mm, and two rows are nearer or not; of small ones it is
 * the shorter side of a pixel, and two rows are further. */
static void the_tolerance_follows_the_diagonal(void **state)
{
    struct lab *lab = *state;
    struct data data;
    static const struct drawing shifted[] = {{"rows", "0100 0000 0000 0000 0000 0100 0000 0000 "}};
    static const struct {
        double h, w, f;
    } rows[] = {{1, 100, 1}, {1.45, 100, 1}, {1.55, 100, 0}, {10, 10, 0}, {0.1, 10, 1}};
    struct id model = one_logit(lab), result;
    struct evaluate_config config = usual;
    config.tolerance = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        draw(&data, shifted, 1, 2);
        memcpy(data.set.spacing, (double[]){1, rows[i].h, rows[i].w}, sizeof data.set.spacing);
        result = evaluation_of(lab, &data.set, &model, &config);
        const char *json = text_of(lab, &result, "metrics.json");
        metric_is(json, "boundary_f_per_case/foreground", rows[i].f);
    }
}

/* As many pixels are similar wherever they are; 3 of 1 leave 1 - 2/4. */
static void volumes_are_compared_by_size(void **state)
{
    struct lab *lab = *state;
    struct data data;
    static const struct drawing drawings[] = {
        {"elsewhere", "1100 0000 0000 0000 0000 0000 0000 0011 "},
        {"thrice", "0000 0000 0100 1110 0000 0000 0000 0000 "},
        {"missed", "1000 0000 0000 0000 0000 0000 0000 0000 "},
        {"nothing", "0000 0000 0000 0000 0000 0000 0000 0000 "}};
    draw(&data, drawings, 4, 2);
    struct evaluate_config config = usual;
    config.metrics = (struct int_list){1, (int64_t[]){METRIC_volume_similarity}};
    struct id model = one_logit(lab);
    struct id result = evaluation_of(lab, &data.set, &model, &config);
    const char *csv = text_of(lab, &result, "cases.csv");
    assert_string_equal(csv, "case_id,label,test/volume_similarity_per_case/foreground\n"
                             "elsewhere,,1\nthrice,,0.5\nmissed,,0\nnothing,,\n");
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
    struct id model = one_logit(lab);
    struct id result = evaluation_of(lab, &data.set, &model, &config);
    const char *json = text_of(lab, &result, "metrics.json");
    metric_is(json, "pixel_accuracy", 67.0 / 76);
    metric_is(json, "boundary_f_per_case/foreground", 3.0 / 4);
    assert_null(strstr(json, "hd95"));
    assert_null(strstr(json, "surface"));
    assert_true(has_file(lab, &result, "prediction-right.png"));
    assert_false(has_file(lab, &result, "probabilities.safetensors"));
    config.metrics = (struct int_list){1, (int64_t[]){METRIC_dice}};
    config.save = (struct int_list){1, (int64_t[]){SAVE_PROBABILITIES}};
    result = evaluation_of(lab, &data.set, &model, &config);
    json = text_of(lab, &result, "metrics.json");
    metric_is(json, "dice/foreground", 30.0 / 39);
    assert_null(strstr(json, "iou"));
    assert_null(strstr(json, "boundary"));
    assert_false(has_file(lab, &result, "prediction-right.png"));
    arena_free(&arena);
}

static void batches(void **state)
{
    struct lab *lab = *state;
    struct data data;
    draw(&data, five, FIVE, 2);
    struct id model = one_logit(lab), first, other;
    first = evaluation_of(lab, &data.set, &model, &usual);
    static const int64_t sizes[] = {1, 3, 5, 8, -1};
    for (int i = 0; i < 5; i++) {
        struct evaluate_config config = usual;
        config.batch = sizes[i];
        other = evaluation_of(lab, &data.set, &model, &config);
        assert_string_equal(first.hex, other.hex);
    }
}

/* ---- several classes ------------------------------------------------------------------------ */
static void several_classes(void **state)
{
    struct lab *lab = *state;
    struct data data;
    draw(&data, three, 3, CLASSES);
    struct id model = nearest_level(lab);
    struct id result = evaluation_of(lab, &data.set, &model, &usual);
    const char *csv = text_of(lab, &result, "confusion.csv");
    assert_string_equal(csv, "truth,background,foreground,stone\nbackground,24,2,0\n"
                             "foreground,0,12,1\nstone,0,0,5\n");
    const char *json = text_of(lab, &result, "metrics.json");
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
}

/* What is in front of the best and the last of a UNet's pictures. */
static void expect_shown(struct lab *lab, const struct id *result, const char *ids,
                         const double *scores, int count)
{
    struct err err;
    struct tensors file;
    const struct tensor *score;
    char path[PATH_BYTES];
    OK(artifact_path(path, lab->store, result, "pictures.safetensors", &err));
    OK(tensors_open(&file, path, &err));
    assert_string_equal(tensors_meta(&file, "segmentation_ids"), ids);
    OK(tensors_need(&score, &file, "segmentation_score", TENSOR_F32, 1, &err));
    assert_int_equal(score->dim[0], count);
    for (int i = 0; i < count; i++)
        near((double)((const float *)score->data)[i], scores[i], 1e-6);
    tensors_close(&file);
}

/* Of sky: 4 of 6 in "all", 8 of 8 and 12 of 12 in the others, of which "nothing" has no other class. */
static void class_0_is_a_class_where_it_is_no_background(void **state)
{
    struct lab *lab = *state;
    struct data data;
    static const struct {
        const char *name;
        int background;
        bool counts;
    } rows[] = {{"sky", BACKGROUND_AUTO, true},
                {"background", BACKGROUND_AUTO, false},
                {"Background", BACKGROUND_AUTO, false},
                {"background", BACKGROUND_AS_CLASS, true},
                {"sky", BACKGROUND_LEFT_OUT, false}};
    static const double with[] = {1, (0.8 + 10.0 / 12 + 1) / 3, (1 + 14.0 / 15 + 0) / 3},
                        without[] = {(10.0 / 12 + 1) / 2, (14.0 / 15 + 0) / 2};
    struct id model = nearest_level(lab), result;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *names[] = {rows[i].name, "foreground", "stone"}, *name = rows[i].name;
        char key[64];
        struct evaluate_config config = usual;
        draw(&data, three, 3, CLASSES);
        data.set.mask_classes = names;
        config.background = rows[i].background;
        result = evaluation_of(lab, &data.set, &model, &config);
        const char *json = text_of(lab, &result, "metrics.json");
        const char *csv = text_of(lab, &result, "cases.csv");
        snprintf(key, sizeof key, "dice/%s", name);
        metric_is(json, key, 48.0 / 50); /* pooled, either way */
        snprintf(key, sizeof key, "dice_per_case/%s", name);
        assert_int_equal(strstr(json, key) != NULL, rows[i].counts);
        assert_int_equal(strstr(csv, key) != NULL, rows[i].counts);
        if (rows[i].counts) {
            metric_is(json, key, (0.8 + 1 + 1) / 3);
            snprintf(key, sizeof key, "hd95_undefined/%s", name);
            metric_is(json, key, 0);
            expect_shown(lab, &result, "nothing\nall\nnone of 2", with, 3);
        } else {
            expect_shown(lab, &result, "all\nnone of 2", without, 2);
        }
        metric_is(json, "dice_per_case/stone", (1.0 + 0) / 2);
    }
}

/* Of two classes the first is the rest, whatever it is called, unless it is asked for. */
static void of_two_classes_one_is_enough(void **state)
{
    struct lab *lab = *state;
    struct data data;
    const char *names[] = {"sky", "foreground"};
    struct id model = one_logit(lab), result;
    draw(&data, five, FIVE, 2);
    data.set.mask_classes = names;
    result = evaluation_of(lab, &data.set, &model, &usual);
    const char *json = text_of(lab, &result, "metrics.json");
    assert_null(strstr(json, "/sky\""));
    struct evaluate_config config = usual;
    config.background = BACKGROUND_AS_CLASS;
    result = evaluation_of(lab, &data.set, &model, &config);
    json = text_of(lab, &result, "metrics.json");
    metric_is(json, "iou/sky", 52.0 / 61); /* of miou in on_the_run */
    /* sky of 8, 16, 16, 12 and 8 pixels: 4 missed, none, 4 missed, none, 1 missed */
    metric_is(json, "iou_per_case/sky", (4.0 / 8 + 1 + 12.0 / 16 + 1 + 8.0 / 9) / 5);
}

/* A class that is nowhere has no value, and does not count in the mean. */
static void absent_class(void **state)
{
    struct lab *lab = *state;
    struct data data;
    static const struct drawing drawings[] = {{"a", "0000 0000 0000 0000 1111 1111 1111 1110 "}};
    draw(&data, drawings, 1, CLASSES);
    struct id model = nearest_level(lab);
    struct id result = evaluation_of(lab, &data.set, &model, &usual);
    const char *json = text_of(lab, &result, "metrics.json");
    metric_is(json, "iou/stone", NAN);
    metric_is(json, "dice/stone", NAN);
    metric_is(json, "hd95_per_case/stone", NAN);
    metric_is(json, "hd95_undefined/stone", 0);
    metric_is(json, "miou", (8.0 / 9 + 7.0 / 8) / 2);
}

/* ---- the registry and errors ---------------------------------------------------------------- */
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
    double miou = 0;
    OK(claim(&run, lab, "stage evaluate\n", false, &err));
    int64_t number = run_id(run);
    OK(measured(&port.artifact, lab,
                (struct evaluation){.run = run, .dataset = &data.set, .model = &model}, &usual,
                &err));
    OK(run_commit(run, &port, 1, &err));
    OK(registry_metrics(lab->store, number, true, take_miou, &miou, &err));
    near(miou, (15.0 / 24 + 52.0 / 61) / 2, 1e-12);
    /* 16/20 + 1 + 6/7; the case without a voxel has no Dice */
    db_gives(lab,
             "SELECT count(*), round(sum(value), 12), sum(case_id = 'empty') FROM case_metric "
             "WHERE name = 'test/dice_per_case/foreground'",
             "4|2.657142857143|0\n");
    db_gives(lab, "SELECT count(*), sum(name = 'test/hd95_per_case/foreground') FROM case_metric",
             "22|3\n"); /* 4 of 4, 2 of 3 */
}

static void stopped(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct data data;
    draw(&data, five, FIVE, 2);
    struct id model = one_logit(lab), result;
    struct stop stop = stop_watch();
    raise(SIGTERM);
    FAILS(evaluated(&result, lab, &data.set, &model, &usual, &err), STATUS_STOPPED,
          "run the same command");
    stop_unwatch(&stop);
    result = evaluation_of(lab, &data.set, &model, &usual);
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
    FAILS(evaluated(&result, lab, &data.set, &model, &config, &err), STATUS_CONFIG,
          "the val split is empty");
    config = usual;
    config.metrics = (struct int_list){1, (int64_t[]){METRIC_ssim}};
    FAILS(evaluated(&result, lab, &data.set, &model, &config, &err), STATUS_CONFIG,
          "'ssim' needs a model that reconstructs images");
    config = usual;
    config.importance_samples = 3;
    FAILS(evaluated(&result, lab, &data.set, &model, &config, &err), STATUS_CONFIG,
          "importance_samples");
    FAILS(evaluated(&result, lab, &data.set, &other, &usual, &err), STATUS_BAD_DATA,
          "the model was trained on masks of 3 classes, but the data set has 2");
    data.set.c = 4;
    FAILS(evaluated(&result, lab, &data.set, &model, &usual, &err), STATUS_BAD_DATA,
          "the data set has [1,4,4,4]");
    data.set.c = 1;
    data.set.masks = NULL;
    FAILS(evaluated(&result, lab, &data.set, &model, &usual, &err), STATUS_CONFIG,
          "the data set has none");
}

static void not_a_number(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct data data;
    const float none[CLASSES] = {0}, nan[CLASSES] = {0, to_spoil, 0};
    const float steep[CLASSES] = {0, 3e38f, 0}, much[CLASSES] = {0, 3e38f, 0};
    static const char logits[] = "the segmentation's logits are not finite; first at 'head";
    draw(&data, five, FIVE, 2);
    struct id model = painter(lab, &(struct head){1, none, nan + 1}, 2, 1), result;
    FAILS(evaluated(&result, lab, &data.set, &model, &usual, &err), STATUS_BAD_DATA,
          "value 0 of tensor 'head.bias' is nan");
    model = painter(lab, &(struct head){1, steep + 1, much + 1}, 2, 1);
    FAILS(evaluated(&result, lab, &data.set, &model, &usual, &err), STATUS_FAILED, logits);
    assert_true(starts_with(err.text, "case 'wide': "));
    draw(&data, three, 3, CLASSES);
    model = painter(lab, &(struct head){CLASSES, steep, much}, CLASSES, 1);
    FAILS(evaluated(&result, lab, &data.set, &model, &usual, &err), STATUS_FAILED, logits);
    assert_true(starts_with(err.text, "case 'all': "));
}

/* Labels of whole images are nothing to a UNet: the model's data had seven, these have none. What it
 * measures may have any. */
static void labels(void **state)
{
    struct lab *lab = *state;
    struct data data;
    static const char *classes[] = {"cat", "dog, wet"};
    const int32_t label[MOST] = {0, 0, 1, 0, 0, 0, 0};
    draw(&data, five, FIVE, 2);
    data.set.labels = label;
    data.set.classes = classes;
    data.set.class_count = 2;
    struct id model = one_logit(lab);
    struct id result = evaluation_of(lab, &data.set, &model, &usual);
    const char *csv = text_of(lab, &result, "cases.csv");
    assert_non_null(strstr(csv, "\nwide,\"dog, wet\",0.8,"));
    assert_non_null(strstr(csv, "\nright,cat,1,"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_TEST(pooled),
        LAB_TEST(per_case),
        LAB_TEST(tolerance),
        LAB_TEST(distances_are_in_millimetres),
        LAB_TEST(the_tolerance_follows_the_diagonal),
        LAB_TEST(volumes_are_compared_by_size),
        LAB_TEST(by_default),
        LAB_TEST(batches),
        LAB_TEST(several_classes),
        LAB_TEST(class_0_is_a_class_where_it_is_no_background),
        LAB_TEST(of_two_classes_one_is_enough),
        LAB_TEST(absent_class),
        LAB_TEST(on_the_run),
        LAB_TEST(stopped),
        LAB_TEST(refusals),
        LAB_TEST(not_a_number),
        LAB_TEST(labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
