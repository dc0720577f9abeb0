/* A model that reconstructs by way of a map and segments, too: one pass measures it by both, and every
 * number follows from the images. */
#include "evaluate_world.h"

#include "base/random.h"
#include "evaluate/embedding.h"
#include "evaluate/similarity.h"

/* Of the table, beside the toy: a judge that takes values from 0 to 1 alone, a toy with labels, and one
 * that does no more than to give an image back. */
static struct model_kind narrow_kind, told_kind, straight_kind;
#define MORE_KINDS &narrow_kind, &told_kind, &straight_kind,
#include "toy_kind.h"

enum { TRAIN = 1, CASES = 5, H = 22, W = 24, PIXELS = H * W, BLOCKS = H / 2 * (W / 2), SEED = 7 };
static float images[(TRAIN + CASES) * PIXELS];
static uint8_t masks[(TRAIN + CASES) * PIXELS];
static struct dataset set;

static int draw(void **state)
{
    static const char *ids[] = {"train", "a", "b", "c", "d", "e"};
    for (int i = 0; i < (TRAIN + CASES) * PIXELS; i++) {
        images[i] = (float)(2 * fmod(0.618034 * i + 0.1, 1) - 1); /* no two alike */
        masks[i] = images[i] > 0.2f;
    }
    set = masked_volumes((const int32_t[]){1, H, W}, TRAIN, CASES, images, masks, ids);
    return lab_setup(state);
}

static const float *image_of(int k)
{
    return images + (TRAIN + k) * PIXELS;
}

/* Of a block: the mean, and half of how much brighter its right column is. */
static void code_of(double z[2 * BLOCKS], const float *image)
{
    for (int k = 0; k < BLOCKS; k++) {
        int at = k / (W / 2) * 2 * W + k % (W / 2) * 2;
        double left = toy_column(image, W, at), right = toy_column(image, W, at + 1);
        z[2 * k] = (left + right) / 2;
        z[2 * k + 1] = (right - left) / 2;
    }
}

/* Of pixel i. */
static double decoded(const double z[2 * BLOCKS], int i)
{
    int k = i / W / 2 * (W / 2) + i % W / 2;
    return tanh(z[2 * k] + (i % 2 ? z[2 * k + 1] : -z[2 * k + 1]));
}

static int level(double value)
{
    return (int)((value + 1) / 2 * 255 + 0.5);
}

static int64_t all_metrics[] = {METRIC_negative_elbo,
                                METRIC_mse,
                                METRIC_mae,
                                METRIC_psnr,
                                METRIC_ssim,
                                METRIC_ms_ssim,
                                METRIC_pixel_accuracy,
                                METRIC_iou,
                                METRIC_dice,
                                METRIC_precision,
                                METRIC_recall,
                                METRIC_boundary_f,
                                METRIC_hd95,
                                METRIC_surface_distance,
                                METRIC_surface_dice,
                                METRIC_volume_similarity};
static const struct evaluate_config all = {
    .split = SPLIT_TEST, .metrics = {16, all_metrics}, .batch = 2, .noise_seed = SEED, .scales = 2};

static struct id evaluated(struct lab *lab, const struct evaluate_config *config)
{
    struct err err;
    struct id model = toy_artifact(lab, H, W), out;
    OK(measured(&out, lab, (struct evaluation){.dataset = &set, .model = &model}, config, &err));
    return out;
}

static void images_are_measured(void **state)
{
    struct lab *lab = *state;
    double kl = 0, term = 0, mse = 0, mae = 0, psnr = 0, ssim = 0, ms_ssim = 0;
    for (int k = 0; k < CASES; k++) {
        const float *image = image_of(k);
        char name[64];
        float shown[PIXELS];
        double z[2 * BLOCKS], sampled[2 * BLOCKS], squares = 0;
        snprintf(name, sizeof name, "posterior/%s", set.ids[TRAIN + k]);
        struct stream noise = stream_new(SEED, name);
        code_of(z, image);
        for (int j = 0; j < 2 * BLOCKS; j++) { /* a variance of exp(-1) */
            kl += (exp(-1) + z[j] * z[j]) / 2 / CASES;
            sampled[j] = z[j] + exp(-0.5) * stream_normal(&noise);
        }
        for (int i = 0; i < PIXELS; i++) {
            double apart = decoded(z, i) - (double)image[i];
            shown[i] = (float)decoded(z, i);
            term += fabs(decoded(sampled, i) - (double)image[i]) / CASES;
            mae += fabs(apart) / PIXELS / CASES;
            squares += apart * apart / PIXELS;
        }
        mse += squares / CASES;
        psnr -= 10 * log10(squares / 4) / CASES; /* values are up to 2 apart */
        ms_ssim += image_ms_ssim(image, shown, (const int32_t[]){1, H, W, 1}, 2, 2) / CASES;
        ssim += image_ssim(image, shown, (const int32_t[]){1, H, W, 1}, 2) / CASES;
    }
    struct id result = evaluated(lab, &all);
    const char *json = text_of(lab, &result, "metrics.json");
    near(metric_of(json, "kl"), kl, 1e-6 * kl); /* sums in F32 */
    near(metric_of(json, "reconstruction"), term, 1e-6 * term);
    near(metric_of(json, "negative_elbo"), kl + term, 1e-6 * (kl + term));
    near(metric_of(json, "mse"), mse, 1e-6);
    near(metric_of(json, "mae"), mae, 1e-6);
    near(metric_of(json, "psnr"), psnr, 1e-4);
    near(metric_of(json, "ssim"), ssim, 1e-5);
    near(metric_of(json, "ms_ssim"), ms_ssim, 1e-5);
}

static void masks_are_measured(void **state)
{
    struct lab *lab = *state;
    double both = 0, predicted = 0, truth = 0, right = 0, dice_per_case = 0;
    for (int k = 0; k < CASES; k++) {
        double of_case[3] = {0}; /* both, predicted, truth */
        for (int i = 0; i < PIXELS; i++) {
            bool seen = toy_column(image_of(k), W, i) > 0, is = masks[(TRAIN + k) * PIXELS + i];
            of_case[0] += seen && is;
            of_case[1] += seen;
            of_case[2] += is;
            right += seen == is;
        }
        both += of_case[0], predicted += of_case[1], truth += of_case[2];
        dice_per_case += 2 * of_case[0] / (of_case[1] + of_case[2]) / CASES;
    }
    struct id result = evaluated(lab, &all);
    const char *json = text_of(lab, &result, "metrics.json");
    near(metric_of(json, "pixel_accuracy"), right / (CASES * PIXELS), 1e-12);
    near(metric_of(json, "dice/foreground"), 2 * both / (predicted + truth), 1e-12);
    near(metric_of(json, "precision/foreground"), both / predicted, 1e-12);
    near(metric_of(json, "recall/foreground"), both / truth, 1e-12);
    near(metric_of(json, "dice_per_case/foreground"), dice_per_case, 1e-12);
}

/* One file of each, with more metrics than sixteen; whatever the batch. */
static void in_one_pass(void **state)
{
    struct lab *lab = *state;
    struct id result = evaluated(lab, &all);
    int metrics = 0;
    for (const char *p = text_of(lab, &result, "metrics.json"); (p = strstr(p, "\"test/")); p++)
        metrics++;
    assert_int_equal(metrics, 8 + 2 + 4 + 7 + 2); /* images, pooled, of a class, per case, counts */
    assert_true(
        starts_with(text_of(lab, &result, "cases.csv"),
                    "case_id,label,test/negative_elbo,test/reconstruction,test/kl,test/mse,"
                    "test/mae,test/psnr,test/ssim,test/ms_ssim,test/dice_per_case/foreground,"));
    for (int batch = 1; batch <= 4; batch += 3) {
        struct evaluate_config config = all;
        config.batch = batch;
        assert_string_equal(evaluated(lab, &config).hex, result.hex);
    }
    struct evaluate_config config = {.split = SPLIT_TEST, .batch = -1}; /* what is usual of both */
    result = evaluated(lab, &config);
    const char *json = text_of(lab, &result, "metrics.json");
    metric_of(json, "ssim");
    metric_of(json, "boundary_f_per_case/foreground");
    config.metrics = (struct int_list){1, (int64_t[]){METRIC_dice}}; /* one side alone */
    result = evaluated(lab, &config);
    assert_true(starts_with(text_of(lab, &result, "cases.csv"),
                            "case_id,label,test/dice_per_case/foreground\n"));
    set.masks = NULL; /* there is still what needs none */
    config.metrics.count = 0;
    result = evaluated(lab, &config);
    json = text_of(lab, &result, "metrics.json");
    metric_of(json, "ssim");
    assert_null(strstr(json, "iou"));
}

static const uint8_t *picture(const struct tensors *file, const char *name, int count)
{
    const struct tensor *t;
    struct err err;
    OK(tensors_need(&t, file, name, TENSOR_U8, 4, &err));
    assert_memory_equal(t->dim, ((const int64_t[]){count, H, W, 1}), 4 * sizeof *t->dim);
    return t->data;
}

/* Shades from -1 to 1; between two cases straight through the map. */
static void pictures_are_of_the_models_range(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct tensors file;
    char path[PATH_BYTES];
    struct id result = evaluated(lab, &all);
    OK(artifact_path(path, lab->store, &result, "pictures.safetensors", &err));
    OK(tensors_open(&file, path, &err));
    const uint8_t *original = picture(&file, "originals", CASES),
                  *shown = picture(&file, "reconstructions", CASES),
                  *between = picture(&file, "interpolation", 10),
                  *sample = picture(&file, "samples", 64);
    assert_non_null(tensors_find(&file, "segmentation_truth"));
    double from[2 * BLOCKS], to[2 * BLOCKS], z[2 * BLOCKS];
    struct stream noise = stream_new(SEED, "prior/");
    for (int k = 0; k < CASES; k++) {
        code_of(z, image_of(k));
        for (int i = 0; i < PIXELS; i++) {
            near(original[k * PIXELS + i], level((double)image_of(k)[i]), 1);
            near(shown[k * PIXELS + i], level(decoded(z, i)), 1);
        }
    }
    code_of(from, image_of(0));
    code_of(to, image_of(1));
    for (int k = 0; k < 10; k++) {
        for (int j = 0; j < 2 * BLOCKS; j++)
            z[j] = ((9 - k) * from[j] + k * to[j]) / 9;
        for (int i = 0; i < PIXELS; i++)
            near(between[k * PIXELS + i], level(decoded(z, i)), 1);
    }
    for (int k = 0; k < 64; k++) {
        for (int j = 0; j < 2 * BLOCKS; j++)
            z[j] = stream_normal(&noise);
        for (int i = 0; i < PIXELS; i++)
            near(sample[k * PIXELS + i], level(decoded(z, i)), 1);
    }
    tensors_close(&file);
}

static val straight(struct graph *g, const void *description, val image)
{
    val z_logvar, z_mean = toy_encode(g, description, image, 0, &z_logvar);
    return toy_decode(g, description, z_mean, 0);
}

/* What has no code for its images is measured by them alone: as the toy, less what is of codes. */
static void images_without_codes(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct tensors ours, theirs;
    char path[PATH_BYTES];
    straight_kind = (struct model_kind){.name = "straight",
                                        .fields = toy_fields,
                                        .size = sizeof(struct toy_description),
                                        .check = toy_check,
                                        .facts = toy_facts,
                                        .reconstruct = straight,
                                        .image = toy_image};
    struct id model = toy_artifact_of(lab, &straight_kind, (struct image_data){1, H, W, 1, 0});
    struct id with = evaluated(lab, &all), result;
    int64_t keys[] = {METRIC_mse, METRIC_mae, METRIC_psnr, METRIC_ssim, METRIC_ms_ssim};
    struct evaluate_config config = all;
    const struct evaluation what = {.dataset = &set, .model = &model};
    config.metrics = (struct int_list){5, keys};
    config.batch = 3; /* of five cases */
    OK(measured(&result, lab, what, &config, &err));
    const char *json = text_of(lab, &result, "metrics.json");
    for (int i = 0; i < 5; i++)
        near(metric_of(json, metric_keys[keys[i]]),
             metric_of(text_of(lab, &with, "metrics.json"), metric_keys[keys[i]]), 1e-5);
    OK(artifact_path(path, lab->store, &with, "pictures.safetensors", &err));
    OK(tensors_open(&theirs, path, &err));
    OK(artifact_path(path, lab->store, &result, "pictures.safetensors", &err));
    OK(tensors_open(&ours, path, &err));
    assert_memory_equal(picture(&ours, "originals", CASES), picture(&theirs, "originals", CASES),
                        CASES * PIXELS);
    assert_memory_equal(picture(&ours, "reconstructions", CASES),
                        picture(&theirs, "reconstructions", CASES), CASES * PIXELS);
    assert_null(tensors_find(&ours, "samples"));
    tensors_close(&ours);
    tensors_close(&theirs);
    config.metrics = (struct int_list){0}; /* what is usual */
    OK(measured(&result, lab, what, &config, &err));
    assert_null(strstr(text_of(lab, &result, "metrics.json"), "kl"));
    config.metrics = (struct int_list){1, (int64_t[]){METRIC_negative_elbo}};
    FAILS(measured(&result, lab, what, &config, &err), STATUS_CONFIG,
          "'negative_elbo' needs a model that encodes and decodes images");
}

/* Latents are a map's channels in the mean over it; what is said of them is what embedding.h says. */
static void latents_are_pooled(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct tensors file;
    char path[PATH_BYTES];
    static const int32_t labels[TRAIN + CASES] = {1, 0, 1, 0, 1, 1};
    static const char *classes[] = {"a", "b"};
    struct evaluate_config config = all;
    int64_t keys[] = {METRIC_silhouette, METRIC_probe};
    float pooled[2 * CASES];
    struct id result, model = toy_artifact(lab, H, W);
    const struct evaluation what = {.dataset = &set, .model = &model};
    config.metrics = (struct int_list){2, keys};
    FAILS(measured(&result, lab, what, &config, &err), STATUS_CONFIG,
          "of classes of images, and the data set has none");
    set.labels = labels;
    set.classes = classes;
    set.class_count = 2;
    OK(measured(&result, lab, what, &config, &err));
    OK(artifact_path(path, lab->store, &result, "embedding.safetensors", &err));
    OK(tensors_open(&file, path, &err));
    const float *latents = tensors_find(&file, "latents")->data;
    for (int i = 0; i < CASES; i++)
        for (int c = 0; c < 2; c++) {
            double z[2 * BLOCKS], sum = 0;
            code_of(z, image_of(i));
            for (int k = 0; k < BLOCKS; k++)
                sum += z[2 * k + c] / BLOCKS;
            pooled[2 * i + c] = latents[2 * i + c];
            near((double)latents[2 * i + c], sum, 1e-6);
        }
    const char *json = text_of(lab, &result, "metrics.json");
    near(metric_of(json, "silhouette"),
         silhouette(&(struct cloud){pooled, CASES, 2}, labels + TRAIN, 2, 1), 1e-12);
    near(metric_of(json, "probe_accuracy"), 3.0 / 5, 1e-12); /* what it has seen is all b */
    assert_string_equal(tensors_meta(&file, "pooling"), "mean");
    assert_int_equal(tensors_find(&file, "tsne")->dim[0], CASES);
    assert_memory_equal(tensors_find(&file, "labels")->data, labels + TRAIN, CASES * 4);
    tensors_close(&file);
    config.batch = 4;
    struct id again;
    OK(measured(&again, lab, what, &config, &err));
    assert_string_equal(again.hex, result.hex);
}

static struct model_facts told_facts(const void *description)
{
    struct model_facts facts = toy_facts(description);
    facts.conditional = true;
    return facts;
}

/* All that both sides can show: more than sixteen, and each is there. */
static void many_pictures(void **state)
{
    struct lab *lab = *state;
    static const char *classes[] = {"even", "odd"};
    int32_t labels[TRAIN + CASES] = {0, 0, 1, 0, 1, 0};
    struct err err;
    struct tensors file;
    char path[PATH_BYTES];
    told_kind = toy_kind;
    told_kind.name = "told";
    told_kind.facts = told_facts;
    set.labels = labels;
    set.classes = classes;
    set.class_count = 2;
    struct id model = toy_artifact_of(lab, &told_kind, (struct image_data){1, H, W, 1, 2}), out;
    OK(measured(&out, lab, (struct evaluation){.dataset = &set, .model = &model}, &all, &err));
    OK(artifact_path(path, lab->store, &out, "pictures.safetensors", &err));
    OK(tensors_open(&file, path, &err));
    static const char *const shown[] = {"class_grid",
                                        "class_grid_labels",
                                        "interpolation",
                                        "interpolation_columns",
                                        "original_labels",
                                        "originals",
                                        "reconstructions",
                                        "sample_labels",
                                        "samples",
                                        "segmentation_confidence",
                                        "segmentation_images",
                                        "segmentation_prediction",
                                        "segmentation_score",
                                        "segmentation_truth",
                                        "wrong_label_given",
                                        "wrong_label_images",
                                        "wrong_label_sources",
                                        "wrong_label_true"};
    assert_int_equal(file.count, 18);
    for (int i = 0; i < 18; i++)
        assert_non_null(tensors_find(&file, shown[i]));
    assert_string_equal(tensors_meta(&file, "classes"), "even,odd");
    assert_string_equal(tensors_meta(&file, "mask_classes"), "background,foreground");
    tensors_close(&file);
}

static struct model_facts narrow_facts(const void *description)
{
    struct model_facts facts = classifier_kind.facts(description);
    facts.range = (struct range){0, 1};
    return facts;
}

/* What the decoder gives is not what this judge knows. */
static void a_judge_of_another_range(void **state)
{
    struct lab *lab = *state;
    struct err err;
    const float zeros[PIXELS] = {0};
    struct classifier_description is = {.data = {1, H, W, 1, 2}};
    is.model = (struct classifier_model_config){
        .channels = {1, (int64_t[]){1}}, .hidden = 1, .activation = ACT_RELU};
    const struct tensor weights[] = {{"0.conv.weight", TENSOR_F32, 4, {1, 3, 3, 1}, zeros, 36},
                                     {"0.conv.bias", TENSOR_F32, 1, {1}, zeros, 4},
                                     {"hidden.weight", TENSOR_F32, 1, {PIXELS / 4}, zeros, PIXELS},
                                     {"hidden.bias", TENSOR_F32, 1, {1}, zeros, 4},
                                     {"logits.weight", TENSOR_F32, 2, {2, 1}, zeros, 8},
                                     {"logits.bias", TENSOR_F32, 1, {2}, zeros, 8}};
    narrow_kind = classifier_kind;
    narrow_kind.name = "narrow";
    narrow_kind.facts = narrow_facts;
    struct id model = toy_artifact(lab, H, W), out,
              judge = model_artifact(lab, &(struct made){.kind = &narrow_kind,
                                                         .description = &is,
                                                         .weights = weights,
                                                         .count = 6});
    const struct evaluation what = {.dataset = &set, .model = &model, .judge = &judge};
    const struct evaluate_config usual = {.split = SPLIT_TEST, .batch = 2};
    FAILS(measured(&out, lab, what, &usual, &err), STATUS_BAD_DATA,
          "the judge takes values from 0 to 1, but the model's are from -1 to 1");
}

#define TOY_TEST(name) cmocka_unit_test_setup_teardown(name, draw, lab_teardown)
int main(void)
{
    narrow_kind.name = "narrow"; /* the table is searched by name */
    told_kind.name = "told";
    straight_kind.name = "straight";
    const struct CMUnitTest tests[] = {
        TOY_TEST(images_are_measured),  TOY_TEST(masks_are_measured),
        TOY_TEST(in_one_pass),          TOY_TEST(pictures_are_of_the_models_range),
        TOY_TEST(images_without_codes), TOY_TEST(latents_are_pooled),
        TOY_TEST(many_pictures),        TOY_TEST(a_judge_of_another_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
