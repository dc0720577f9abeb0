/* Evaluation, held against arithmetic: models whose weights are written by hand, so that every
 * number follows from a formula. The decoder paints each label as one level of grey; the judge
 * tells levels apart. */
#include "evaluate_world.h"
#include "model_artifact.h"

#include "apply/trained.h"
#include "model/classifier.h"
#include "model/vae.h"
#include "train/train.h"

#include "store/tensors.h"

enum { CASES = 12, SIDE = 4, PIXELS = SIDE * SIDE, CLASSES = 3, LATENT = 2 };
static const uint8_t levels[CLASSES] = {51, 128, 204};
static const double z_mean = 0.75,
                    z_logvar = 0.5; /* wider than the prior: weights of finite variance */
enum { SPECK = 51 }; /* one pixel of each real image is that much brighter than its level */
static const double speck_feature = SPECK / 255.0 / 4; /* in the judge's mean of four maxima */

static double level_of(int label)
{
    return levels[label] / 255.0;
}

/* ---- data ----------------------------------------------------------------------------------- */
struct data {
    uint8_t images[CASES * PIXELS];
    int32_t labels[CASES];
    char names[CASES][24];
    const char *ids[CASES];
    struct dataset set;
};

/* Two train cases first, which no evaluation of the test split may touch. */
enum { TEST_BEGIN = 2, TEST = CASES - TEST_BEGIN };

static void make_data(struct data *data)
{
    static const char *classes[] = {"dark", "grey", "light"};
    for (int i = 0; i < CASES; i++) {
        int label = i < TEST_BEGIN ? 0 : (i - TEST_BEGIN) * 2 % CLASSES; /* 0 2 1 0 2 1 0 2 1 0 */
        data->labels[i] = label;
        memset(data->images + i * PIXELS, i < TEST_BEGIN ? 255 : levels[label], PIXELS);
        data->images[i * PIXELS + i % PIXELS] = (uint8_t)(levels[label] + SPECK);
        snprintf(data->names[i], sizeof data->names[i], i == 3 ? "\"test\",%02d" : "test-%02d", i);
        data->ids[i] = data->names[i];
    }
    data->set = (struct dataset){.d = 1,
                                 .h = SIDE,
                                 .w = SIDE,
                                 .c = 1,
                                 .begin = {0, TEST_BEGIN, TEST_BEGIN},
                                 .count = {TEST_BEGIN, 0, TEST},
                                 .images = data->images,
                                 .labels = data->labels,
                                 .ids = data->ids,
                                 .class_count = CLASSES,
                                 .classes = classes};
}

/* ---- models --------------------------------------------------------------------------------- */
struct weights {
    size_t count;
    struct tensor items[16];
    float data[16][PIXELS * 8];
    const char *meta[2]; /* of the file; NULL: none */
    float spoilt;        /* if not finite, it stands where the weights have to_spoil */
};

static float *weight(struct weights *w, const char *name, int dims, int64_t a, int64_t b)
{
    int64_t count = dims == 1 ? a : a * b;
    w->items[w->count] = (struct tensor){.name = name,
                                         .type = TENSOR_F32,
                                         .dims = dims,
                                         .dim = {a, b},
                                         .data = w->data[w->count],
                                         .bytes = (size_t)count * sizeof(float)};
    return memset(w->data[w->count++], 0, (size_t)count * sizeof(float));
}

static struct id artifact(struct lab *lab, const void *from, const struct model_kind *kind,
                          const struct weights *w)
{
    return model_artifact(
        lab, &(struct made){kind, from, w->items, w->count, w->meta[0], w->meta[1], w->spoilt});
}

static int64_t one[] = {1};

static void fill(float *out, int count, double value)
{
    for (int i = 0; i < count; i++)
        out[i] = (float)value;
}

/* z ~ N(z_mean, exp(z_logvar)) whatever the image is; the label alone decides the image. */
static void grey_weights(struct vae_description *is, struct weights *w, bool conditional)
{
    *w = (struct weights){0};
    *is = (struct vae_description){.data = {1, SIDE, SIDE, 1, CLASSES}};
    is->model = (struct vae_model_config){.kind = VAE_MLP,
                                          .latent_channels = LATENT,
                                          .label_channels = conditional,
                                          .channels = {1, one},
                                          .kernel = 4,
                                          .activation = ACT_RELU,
                                          .logvar_min = -12,
                                          .logvar_max = 8};
    int label = conditional;
    weight(w, "encoder.z_mean.weight", 2, LATENT, PIXELS + label);
    fill(weight(w, "encoder.z_mean.bias", 1, LATENT, 0), LATENT, z_mean);
    weight(w, "encoder.z_logvar.weight", 2, LATENT, PIXELS + label);
    fill(weight(w, "encoder.z_logvar.bias", 1, LATENT, 0), LATENT, z_logvar);
    float *logits = weight(w, "decoder.logits.weight", 2, PIXELS, LATENT + label);
    weight(w, "decoder.logits.bias", 1, PIXELS, 0);
    if (conditional) {
        weight(w, "encoder.label.weight", 2, CLASSES, 1);
        float *paint = weight(w, "decoder.label.weight", 2, CLASSES, 1);
        for (int k = 0; k < CLASSES; k++)
            paint[k] = (float)log(level_of(k) / (1 - level_of(k)));
        for (int i = 0; i < PIXELS; i++)
            logits[i * (LATENT + 1) + LATENT] = 1;
    }
}

static struct id grey_vae(struct lab *lab, bool conditional)
{
    struct vae_description is;
    struct weights w;
    grey_weights(&is, &w, conditional);
    return artifact(lab, &is, &vae_kind, &w);
}

/* The nearest level to the mean of the four pools' maxima: |x - l|^2 is least where 2 x l - l^2 is
 * greatest. */
static struct id level_judge(struct lab *lab, int64_t side)
{
    struct classifier_description is = {.data = {1, side, side, 1, CLASSES}};
    is.model = (struct classifier_model_config){
        .channels = {1, one}, .hidden = 1, .norm = NORM_NONE, .activation = ACT_RELU};
    struct weights w = {0};
    float *conv = weight(&w, "0.conv.weight", 1, 1, 0);
    w.items[0].dims = 4;
    memcpy(w.items[0].dim, (int64_t[]){1, 3, 3, 1}, 4 * sizeof(int64_t));
    w.items[0].bytes = 9 * sizeof(float);
    conv[4] = 1;
    weight(&w, "0.conv.bias", 1, 1, 0);
    int pools = (int)(side * side / 4);
    fill(weight(&w, "hidden.weight", 1, pools, 0), pools, 1.0 / pools);
    weight(&w, "hidden.bias", 1, 1, 0);
    float *logits = weight(&w, "logits.weight", 2, CLASSES, 1);
    float *bias = weight(&w, "logits.bias", 1, CLASSES, 0);
    for (int k = 0; k < CLASSES; k++) {
        logits[k] = (float)(2 * level_of(k));
        bias[k] = (float)-(level_of(k) * level_of(k));
    }
    return artifact(lab, &is, &classifier_kind, &w);
}

/* ---- evaluating ----------------------------------------------------------------------------- */
static int64_t all_metrics[] = {METRIC_negative_elbo,   METRIC_mse,     METRIC_psnr, METRIC_ssim,
                                METRIC_label_obedience, METRIC_fd_judge};
static const struct evaluate_config usual = {.split = SPLIT_TEST,
                                             .metrics = {6, all_metrics},
                                             .batch = 4,
                                             .noise_seed = 7,
                                             .importance_samples = 3,
                                             .samples = 10};

static int evaluated(struct id *out, struct lab *lab, struct run *run, const struct id *model,
                     const struct id *judge, const struct evaluate_config *config, struct err *err)
{
    struct data data;
    make_data(&data);
    return measured(
        out, lab,
        (struct evaluation){.run = run, .dataset = &data.set, .model = model, .judge = judge},
        config, err);
}

/* What the formulas say, in the mean over the test cases. */
static double expected_reconstruction(void)
{
    double sum = 0;
    for (int i = 0; i < TEST; i++) {
        double p = level_of(i * 2 % CLASSES), bright = p + SPECK / 255.0;
        sum -= (PIXELS - 1) * (p * log(p) + (1 - p) * log(1 - p));
        sum -= bright * log(p) + (1 - bright) * log(1 - p);
    }
    return sum / TEST;
}

static void numbers(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct id model = grey_vae(lab, true), judge = level_judge(lab, SIDE), result;
    OK(evaluated(&result, lab, NULL, &model, &judge, &usual, &err));
    const char *json = text_of(lab, &result, "metrics.json");
    double kl = LATENT * (exp(z_logvar) + z_mean * z_mean - 1 - z_logvar) / 2;
    double mse = SPECK / 255.0 * (SPECK / 255.0) / PIXELS;
    near(metric_of(json, "reconstruction"), expected_reconstruction(), 1e-5);
    near(metric_of(json, "kl"), kl, 1e-6);
    near(metric_of(json, "negative_elbo"), expected_reconstruction() + kl, 1e-5);
    near(metric_of(json, "mse"), mse, 1e-7);
    near(metric_of(json, "psnr"), -10 * log10(mse), 1e-3);
    near(metric_of(json, "judge_accuracy"), 1, 0);
    near(metric_of(json, "label_obedience/wrong_label"), 1, 0);
    near(metric_of(json, "label_obedience/prior"), 1, 0);
    /* the speck makes each real feature that much greater; as many samples as images, labels alike */
    near(metric_of(json, "fd_judge/reconstruction"), speck_feature * speck_feature, 1e-7);
    near(metric_of(json, "fd_judge/prior"), speck_feature * speck_feature, 1e-7);
}

/* Asked for alone: one pixel of each image is off by a speck. */
static void absolute_error(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct id model = grey_vae(lab, true), result;
    struct evaluate_config config = usual;
    config.metrics = (struct int_list){1, (int64_t[]){METRIC_mae}};
    config.importance_samples = 0;
    OK(evaluated(&result, lab, NULL, &model, NULL, &config, &err));
    const char *json = text_of(lab, &result, "metrics.json"),
               *csv = text_of(lab, &result, "cases.csv");
    near(metric_of(json, "mae"), SPECK / 255.0 / PIXELS, 1e-8);
    assert_null(strstr(json, "mse"));
    assert_true(starts_with(csv, "case_id,label,test/mae\n"));
}

/* Each of the two that are judged can be asked for alone; the number of samples is label obedience's. */
static void judged_apart(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct id model = grey_vae(lab, true), judge = level_judge(lab, SIDE), result;
    struct evaluate_config config = usual;
    config.metrics = (struct int_list){1, (int64_t[]){METRIC_fd_judge}};
    config.samples = 4;
    config.importance_samples = 0;
    OK(evaluated(&result, lab, NULL, &model, &judge, &config, &err));
    const char *json = text_of(lab, &result, "metrics.json");
    near(metric_of(json, "fd_judge/prior"), speck_feature * speck_feature, 1e-7);
    near(metric_of(json, "judge_accuracy"), 1, 0);
    assert_null(strstr(json, "label_obedience"));
    config.metrics.items = (int64_t[]){METRIC_label_obedience};
    config.samples = 13; /* more than there are cases */
    OK(evaluated(&result, lab, NULL, &model, &judge, &config, &err));
    json = text_of(lab, &result, "metrics.json");
    near(metric_of(json, "label_obedience/prior"), 1, 0);
    assert_null(strstr(json, "fd_judge"));
}

/* With many samples the importance-weighted bound is the true -log p(x): here the reconstruction
 * alone, for the image does not depend on z. With one sample it is the negative ELBO in the mean.
 */
static void importance_weights(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct id model = grey_vae(lab, true), result;
    struct evaluate_config config = usual;
    config.importance_samples = 20000;
    OK(evaluated(&result, lab, NULL, &model, NULL, &config, &err));
    const char *json = text_of(lab, &result, "metrics.json");
    near(metric_of(json, "negative_iw_bound"), expected_reconstruction(), 0.02);
    assert_true(metric_of(json, "negative_iw_bound") < metric_of(json, "negative_elbo") - 0.5);
    assert_null(strstr(json, "label_obedience")); /* no judge */
}

/* An unconditional model paints grey 0.5, which the judge takes for class 1; nobody can obey. */
static void unconditional(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct id model = grey_vae(lab, false), judge = level_judge(lab, SIDE), result;
    OK(evaluated(&result, lab, NULL, &model, &judge, &usual, &err));
    const char *json = text_of(lab, &result, "metrics.json");
    near(metric_of(json, "reconstruction"), PIXELS * log(2), 1e-5);
    assert_null(strstr(json, "label_obedience"));
    near(metric_of(json, "judge_accuracy"), 1, 0);
    double mean = 0, square = 0; /* of real features; all that is decoded has 0.5 */
    for (int i = 0; i < TEST; i++) {
        double feature = level_of(i * 2 % CLASSES) + speck_feature;
        mean += feature / TEST;
        square += feature * feature / TEST;
    }
    double variance = (square - mean * mean) * TEST / (TEST - 1);
    double expected = (mean - 0.5) * (mean - 0.5) + variance;
    near(metric_of(json, "fd_judge/reconstruction"), expected, 1e-7);
    near(metric_of(json, "fd_judge/prior"), expected, 1e-7);
}

/* A judge that calls everything "grey"; returns its biases. */
static float *grey_judge(struct classifier_description *is, struct weights *w)
{
    *is = (struct classifier_description){.data = {1, SIDE, SIDE, 1, CLASSES}};
    is->model =
        (struct classifier_model_config){.channels = {1, one}, .hidden = 1, .activation = ACT_RELU};
    *w = (struct weights){0};
    weight(w, "0.conv.weight", 1, 9, 0);
    w->items[0].dims = 4;
    memcpy(w->items[0].dim, (int64_t[]){1, 3, 3, 1}, 4 * sizeof(int64_t));
    weight(w, "0.conv.bias", 1, 1, 0);
    weight(w, "hidden.weight", 1, PIXELS / 4, 0);
    weight(w, "hidden.bias", 1, 1, 0);
    weight(w, "logits.weight", 2, CLASSES, 1);
    float *bias = weight(w, "logits.bias", 1, CLASSES, 0);
    bias[1] = 1;
    return bias;
}

/* No class is the greatest of NaNs, and no number follows from an infinity. */
static void only_numbers_are_judged(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct classifier_description is;
    struct weights w;
    struct id model = grey_vae(lab, true), judge, result;
    const float bad[] = {NAN, INFINITY};
    for (int i = 0; i < 2; i++) {
        grey_judge(&is, &w)[2] = to_spoil;
        w.spoilt = bad[i];
        judge = artifact(lab, &is, &classifier_kind, &w);
        FAILS(evaluated(&result, lab, NULL, &model, &judge, &usual, &err), STATUS_BAD_DATA,
              i ? "value 2 of tensor 'logits.bias' is inf"
                : "value 2 of tensor 'logits.bias' is nan");
        assert_non_null(strstr(err.text, "weights of artifact '"));
    }
    grey_judge(&is, &w)[2] = -3e38f; /* the greatest is another's, and yet */
    judge = artifact(lab, &is, &classifier_kind, &w);
    FAILS(evaluated(&result, lab, NULL, &model, &judge, &usual, &err), STATUS_FAILED,
          "the judge, images from 0: the classifier's logits are beyond 1e19");
}

static void a_variance_is_not_negative(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct classifier_description is;
    struct weights w;
    struct id model = grey_vae(lab, true), judge, result;
    grey_judge(&is, &w);
    is.model.norm = NORM_BATCH;
    w.items[1].name = "0.norm.bias"; /* the convolution has none then */
    weight(&w, "0.norm.weight", 1, 1, 0);
    weight(&w, "0.norm.running_mean", 1, 1, 0)[0] = -1;
    float *variance = weight(&w, "0.norm.running_var", 1, 1, 0);
    judge = artifact(lab, &is, &classifier_kind, &w);
    OK(evaluated(&result, lab, NULL, &model, &judge, &usual, &err));
    variance[0] = -1e-6f;
    judge = artifact(lab, &is, &classifier_kind, &w);
    FAILS(evaluated(&result, lab, NULL, &model, &judge, &usual, &err), STATUS_BAD_DATA,
          "value 0 of '0.norm.running_var' is -1e-06; a variance cannot be below 0");
}

/* What others wrote may say nothing of itself, but nothing wrong. */
static void weights_of_another_layout(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct classifier_description is;
    struct weights w;
    struct id model = grey_vae(lab, true), judge, result;
    const struct {
        const char *meta[2], *text;
    } bad[] = {{{"layout", "OIHW"},
                "metadata 'layout' is 'OIHW'; 'channels-last; convolutions [out,depth,"},
               {{"version", "2"}, "metadata 'version' is '2'; '1' expected"},
               {{"model", "vae\n"}, "model.txt:1:1: model: unknown key 'dropout'"},
               {{"model", "classifier\nmodel.channels=[1]\nmodel.hidden=2\n"},
                "metadata 'model' is 'model.hidden=2'; 'model.hidden=1' expected"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        grey_judge(&is, &w);
        memcpy(w.meta, bad[i].meta, sizeof w.meta);
        judge = artifact(lab, &is, &classifier_kind, &w);
        FAILS(evaluated(&result, lab, NULL, &model, &judge, &usual, &err), STATUS_BAD_DATA,
              bad[i].text);
    }
}

/* What overflows is seen before the sigmoid makes it 1, and the case is named. */
static void codes_and_images_are_numbers(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct id model, result;
    struct evaluate_config config = usual;
    config.metrics = (struct int_list){1, (int64_t[]){METRIC_mse}};
    config.importance_samples = 0;
    static const char *const want[] = {
        "case 'test-02': the encoder's z_mean and z_logvar are beyond 1e19",
        "case 'test-02': the decoder's logits are beyond 1e19",
        "case 'test-02': the decoder's logits are not finite; first at 'decoder.logits"};
    for (int i = 0; i < 3; i++) {
        struct vae_description is;
        struct weights w;
        grey_weights(&is, &w, false);
        fill(w.data[i ? 5 : 1], 1, 3e38); /* a bias */
        if (i == 2)
            fill(w.data[4], LATENT, 3e38);
        model = artifact(lab, &is, &vae_kind, &w);
        FAILS(evaluated(&result, lab, NULL, &model, NULL, &config, &err), STATUS_FAILED, want[i]);
    }
}

/* A judge that calls everything "grey" is obeyed where grey was asked for. */
static void judge_is_asked(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct id model = grey_vae(lab, true), result;
    struct classifier_description is;
    struct weights w;
    grey_judge(&is, &w);
    struct id judge = artifact(lab, &is, &classifier_kind, &w);
    OK(evaluated(&result, lab, NULL, &model, &judge, &usual, &err));
    const char *json = text_of(lab, &result, "metrics.json");
    near(metric_of(json, "judge_accuracy"), 3.0 / TEST, 1e-12);      /* 0 2 1 0 2 1 0 2 1 0 */
    near(metric_of(json, "label_obedience/prior"), 3.0 / 10, 1e-12); /* 0 1 2 0 1 2 0 1 2 0 */
    assert_true(metric_of(json, "label_obedience/wrong_label") <= 7.0 / TEST + 1e-12);
}

/* The means are the means of cases.csv, and a case's numbers do not depend on the batch. */
static void cases(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct id model = grey_vae(lab, true), results[2];
    struct evaluate_config config = usual;
    OK(evaluated(&results[0], lab, NULL, &model, NULL, &config, &err));
    config.batch = 7;
    OK(evaluated(&results[1], lab, NULL, &model, NULL, &config, &err));
    assert_string_equal(results[0].hex, results[1].hex);
    config.batch = -1;                     /* auto */
    config.metrics = (struct int_list){0}; /* all that suit */
    OK(evaluated(&results[1], lab, NULL, &model, NULL, &config, &err));
    assert_string_equal(results[0].hex, results[1].hex);
    const char *csv = text_of(lab, &results[0], "cases.csv");
    const char *json = text_of(lab, &results[0], "metrics.json");
    assert_true(starts_with(csv, "case_id,label,test/negative_elbo,test/reconstruction,test/kl,"
                                 "test/negative_iw_bound,test/mse,test/psnr,test/ssim\n"
                                 "test-02,dark,"));
    assert_non_null(strstr(csv, "\n\"\"\"test\"\",03\",light,"));
    double sum = 0;
    int rows = 0;
    for (const char *line = strchr(csv, '\n') + 1; *line; line = strchr(line, '\n') + 1, rows++) {
        const char *label = *line == '"' ? strstr(line, "03\",") + 4 : strchr(line, ',') + 1;
        sum += strtod(strchr(label, ',') + 1, NULL);
    }
    assert_int_equal(rows, TEST);
    near(sum / TEST, metric_of(json, "negative_elbo"), 1e-9);
}

/* Found before anything is measured. */
static void too_many_features(void **state)
{
    enum { HIDDEN = 4097 };
    static const float zeros[HIDDEN * PIXELS];
    struct lab *lab = *state;
    struct err err;
    struct id model = grey_vae(lab, true), result;
    struct classifier_description is = {.data = {1, SIDE, SIDE, 1, CLASSES}};
    is.model = (struct classifier_model_config){
        .channels = {1, one}, .hidden = HIDDEN, .activation = ACT_RELU};
    const struct {
        const char *name;
        int dims;
        int64_t dim[4];
    } shapes[] = {{"0.conv.weight", 4, {1, 3, 3, 1}},         {"0.conv.bias", 1, {1}},
                  {"hidden.weight", 2, {HIDDEN, PIXELS / 4}}, {"hidden.bias", 1, {HIDDEN}},
                  {"logits.weight", 2, {CLASSES, HIDDEN}},    {"logits.bias", 1, {CLASSES}}};
    struct weights w = {.count = sizeof shapes / sizeof *shapes};
    for (size_t i = 0; i < w.count; i++) {
        struct tensor *t = &w.items[i];
        *t = (struct tensor){shapes[i].name, TENSOR_F32, shapes[i].dims, .data = zeros};
        t->bytes = sizeof(float);
        for (int k = 0; k < t->dims; k++)
            t->bytes *= (size_t)(t->dim[k] = shapes[i].dim[k]);
    }
    struct id judge = artifact(lab, &is, &classifier_kind, &w);
    FAILS(evaluated(&result, lab, NULL, &model, &judge, &usual, &err), STATUS_CONFIG,
          "'fd_judge' needs a judge of at most 4096 hidden units, but this one has 4097");
    struct evaluate_config config = usual;
    config.metrics = (struct int_list){1, (int64_t[]){METRIC_label_obedience}};
    OK(evaluated(&result, lab, NULL, &model, &judge, &config, &err));
}

/* ---- pictures ------------------------------------------------------------------------------- */
static const void *picture(const struct tensors *file, const char *name, enum tensor_type type,
                           int64_t count)
{
    const struct tensor *t;
    struct err err;
    OK(tensors_need(&t, file, name, type, type == TENSOR_U8 ? 4 : 1, &err));
    assert_int_equal(t->dim[0], count);
    return t->data;
}

static void painted(const uint8_t *images, const int32_t *labels, int count)
{
    for (int i = 0; i < count * PIXELS; i++)
        assert_int_equal(images[i], levels[labels[i / PIXELS]]);
}

static void pictures(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct id model = grey_vae(lab, true), result;
    OK(evaluated(&result, lab, NULL, &model, NULL, &usual, &err));
    char path[PATH_BYTES];
    struct tensors file;
    OK(artifact_path(path, lab->store, &result, "pictures.safetensors", &err));
    OK(tensors_open(&file, path, &err));
    assert_string_equal(tensors_meta(&file, "classes"), "dark,grey,light");

    /* ten cases, in turn over the classes: 0 1 2, 0 1 2, 0 1 2, 0 */
    const int32_t *label = picture(&file, "original_labels", TENSOR_I32, TEST);
    const uint8_t *original = picture(&file, "originals", TENSOR_U8, TEST);
    for (int i = 0; i < TEST; i++)
        assert_int_equal(label[i], i % CLASSES);
    assert_int_equal(original[TEST_BEGIN], levels[0] + SPECK); /* the first dark case is number 2 */
    assert_int_equal(original[PIXELS + 4], levels[1] + SPECK); /* the first grey one is 4 */
    painted(picture(&file, "reconstructions", TENSOR_U8, TEST), label, TEST);

    const int32_t *truth = picture(&file, "wrong_label_true", TENSOR_I32, TEST);
    const int32_t *given = picture(&file, "wrong_label_given", TENSOR_I32, TEST);
    assert_memory_equal(truth, label, TEST * sizeof *truth);
    assert_memory_equal(picture(&file, "wrong_label_sources", TENSOR_U8, TEST), original,
                        TEST * PIXELS);
    for (int i = 0; i < TEST; i++)
        assert_int_not_equal(given[i], truth[i]);
    painted(picture(&file, "wrong_label_images", TENSOR_U8, TEST), given, TEST);

    const int32_t *rows = picture(&file, "class_grid_labels", TENSOR_I32, CLASSES);
    const uint8_t *grid = picture(&file, "class_grid", TENSOR_U8, CLASSES * 8);
    for (int i = 0; i < CLASSES; i++) {
        assert_int_equal(rows[i], i);
        assert_int_equal(grid[(i * 8 + 7) * PIXELS], levels[i]);
    }
    assert_int_equal(*(const int32_t *)picture(&file, "interpolation_columns", TENSOR_I32, 1), 10);
    picture(&file, "interpolation", TENSOR_U8, CLASSES * 10);
    const int32_t *sample = picture(&file, "sample_labels", TENSOR_I32, 64);
    painted(picture(&file, "samples", TENSOR_U8, 64), sample, 64);
    tensors_close(&file);
}

/* ---- the registry and errors ---------------------------------------------------------------- */
static int count_row(void *user, const struct metric_row *row, struct err *err)
{
    double *kl = user;
    (void)err;
    if (strcmp(row->name, "test/kl") == 0)
        *kl = row->value;
    return 0;
}

/* Images of f32 are the same images. */
static void floats(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct id model = grey_vae(lab, true), judge = level_judge(lab, SIDE), results[2];
    struct data data;
    float images[CASES * PIXELS];
    make_data(&data);
    for (int i = 0; i < CASES * PIXELS; i++)
        images[i] = (float)data.images[i] / 255.0f;
    OK(measured(&results[0], lab,
                (struct evaluation){.dataset = &data.set, .model = &model, .judge = &judge}, &usual,
                &err));
    data.set.pixel = PIXEL_F32;
    data.set.images = images;
    OK(measured(&results[1], lab,
                (struct evaluation){.dataset = &data.set, .model = &model, .judge = &judge}, &usual,
                &err));
    assert_string_equal(results[0].hex, results[1].hex);

    images[(TEST_BEGIN + 0) * PIXELS] = 1.5f; /* shown as white and black */
    images[(TEST_BEGIN + 0) * PIXELS + 1] = -2;
    OK(measured(&results[1], lab, (struct evaluation){.dataset = &data.set, .model = &model},
                &usual, &err));
    char path[PATH_BYTES];
    struct tensors file;
    OK(artifact_path(path, lab->store, &results[1], "pictures.safetensors", &err));
    OK(tensors_open(&file, path, &err));
    const uint8_t *shown = picture(&file, "originals", TENSOR_U8, TEST);
    assert_int_equal(shown[0], 255);
    assert_int_equal(shown[1], 0);
    tensors_close(&file);
}

static void on_the_run(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct id model = grey_vae(lab, true);
    struct port port = {.name = "evaluation"};
    struct run *run;
    OK(claim(&run, lab, "stage evaluate\n", false, &err));
    int64_t number = run_id(run);
    OK(evaluated(&port.artifact, lab, run, &model, NULL, &usual, &err));
    OK(run_commit(run, &port, 1, &err));
    double kl = 0;
    OK(registry_metrics(lab->store, number, true, count_row, &kl, &err));
    near(kl, LATENT * (exp(z_logvar) + z_mean * z_mean - 1 - z_logvar) / 2, 1e-6);
}

static void refusals(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct id model = grey_vae(lab, true), result, other;
    struct evaluate_config config = usual;
    config.split = SPLIT_VAL;
    FAILS(evaluated(&result, lab, NULL, &model, NULL, &config, &err), STATUS_CONFIG,
          "the val split is empty");
    config = usual;
    config.metrics = (struct int_list){1, (int64_t[]){METRIC_dice}};
    FAILS(evaluated(&result, lab, NULL, &model, NULL, &config, &err), STATUS_CONFIG,
          "'dice' needs a model that segments");
    config.metrics = (struct int_list){1, (int64_t[]){METRIC_ms_ssim}};
    config.scales = 2;
    FAILS(evaluated(&result, lab, NULL, &model, NULL, &config, &err), STATUS_CONFIG,
          "'ms_ssim' at 2 scales needs images of at least 22 pixels a side, these are 1x4x4; leave "
          "it out");
    other = level_judge(lab, SIDE * 2);
    FAILS(
        evaluated(&result, lab, NULL, &model, &other, &usual, &err), STATUS_BAD_DATA,
        "the judge was trained on images [1,8,8,1] of 3 classes, the data set has [1,4,4,1] of 3");
    FAILS(evaluated(&result, lab, NULL, &other, NULL, &usual, &err), STATUS_BAD_DATA,
          "a model of kind 'classifier' can classify and give features, not encode");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_TEST(numbers),
        LAB_TEST(importance_weights),
        LAB_TEST(absolute_error),
        LAB_TEST(judged_apart),
        LAB_TEST(too_many_features),
        LAB_TEST(unconditional),
        LAB_TEST(judge_is_asked),
        LAB_TEST(only_numbers_are_judged),
        LAB_TEST(a_variance_is_not_negative),
        LAB_TEST(weights_of_another_layout),
        LAB_TEST(codes_and_images_are_numbers),
        LAB_TEST(cases),
        LAB_TEST(pictures),
        LAB_TEST(floats),
        LAB_TEST(on_the_run),
        LAB_TEST(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
