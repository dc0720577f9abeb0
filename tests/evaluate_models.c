/* Models as trained things: windows for every size, names, what a loss adds up, and that what
 * training reports is what the artifact does afterwards. */
#include "evaluate_world.h"
#include "data_lab.h"

#include "apply/trained.h"
#include "data/formats/formats.h"
#include "train/classifier_train.h"
#include "train/vae_train.h"

/* ---- windows -------------------------------------------------------------------------------- */
/* Every size halves to its ceiling and comes back, whatever the kernel. */
static void windows(void **state)
{
    (void)state;
    for (int32_t kernel = 1; kernel <= 9; kernel++)
        for (int32_t size = 1; size <= 33; size++)
            for (int32_t stride = 1; stride <= 3; stride++) {
                struct window w =
                    window_same((struct shape){1, 1, size, 2 * size, 1}, kernel, stride);
                int32_t in[3] = {1, size, 2 * size};
                assert_int_equal(w.size[0], 1);
                assert_int_equal(w.stride[0], 1);
                for (int axis = 0; axis < 3; axis++) {
                    int32_t s = w.stride[axis], out = (in[axis] + s - 1) / s;
                    int32_t padded = in[axis] + w.pad[axis] + w.pad_end[axis];
                    assert_int_equal((padded - w.size[axis]) / s + 1, out);
                    assert_true(w.pad[axis] >= 0 && w.pad_end[axis] >= w.pad[axis]);
                    assert_true(w.pad_end[axis] - w.pad[axis] <= 1);
                }
            }
}

/* ---- names ---------------------------------------------------------------------------------- */
static struct vae_model_config small = {.kind = VAE_CONV,
                                        .latent_channels = 4,
                                        .hidden = 16,
                                        .label_channels = 3,
                                        .channels = {2, (int64_t[]){4, 8}},
                                        .kernel = 4,
                                        .blocks = 1,
                                        .norm = NORM_BATCH,
                                        .activation = ACT_RELU,
                                        .logvar_min = -12,
                                        .logvar_max = 8};

static void both_halves(struct graph *g, const struct vae_model_config *config)
{
    struct image_data data = {1, 7, 7, 1, 5};
    val image = g_input(g, "image", F32, (struct shape){2, 1, 7, 7, 1});
    val label = g_input(g, "label", I32, (struct shape){2, 1, 1, 1, 1});
    val z_logvar, z = vae_encode(g, config, &data, image, label, &z_logvar);
    val logits = vae_decode(g, config, &data, z, label);
    struct err err;
    OK(graph_check(g, &err));
    assert_true(shape_equal(g_shape(g, logits), (struct shape){2, 1, 7, 7, 1}));
    assert_true(shape_equal(g_shape(g, z_logvar), (struct shape){2, 1, 1, 1, 4}));
}

static void names(void **state)
{
    (void)state;
    static const char *const expected[] = {"encoder.label.weight",
                                           "encoder.hidden.weight",
                                           "encoder.hidden.bias",
                                           "encoder.z_mean.weight",
                                           "encoder.z_logvar.bias",
                                           "encoder.0.conv.weight",
                                           "encoder.0.norm.weight",
                                           "encoder.0.norm.running_var",
                                           "encoder.1.block.0.norm1.bias",
                                           "encoder.1.block.0.conv2.bias",
                                           "decoder.label.weight",
                                           "decoder.features.weight",
                                           "decoder.0.conv.weight",
                                           "decoder.0.norm.bias",
                                           "decoder.0.block.0.conv1.weight",
                                           "decoder.1.block.0.conv2.weight",
                                           "decoder.logits.weight",
                                           "decoder.logits.bias"};
    struct params *params = params_new();
    struct graph *g = graph_new(params, MODE_TRAIN, ARRAY_PARAM);
    both_halves(g, &small);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        if (!params_find(params, expected[i]))
            fail_msg("no parameter '%s'", expected[i]);
    assert_null(params_find(params, "encoder.0.conv.bias")); /* the norm would cancel it */
    struct shape deepest = params_find(params, "encoder.1.conv.weight")->shape;
    assert_true(shape_equal(deepest, (struct shape){8, 1, 4, 4, 4}));
    /* 7 -> 4 -> 2, so 2 * 2 * 8 features and 3 numbers of the label */
    assert_int_equal(params_find(params, "encoder.hidden.weight")->shape.c, 2 * 2 * 8 + 3);
    assert_string_equal(params_find(params, "decoder.logits.weight")->group, "decoder");
    graph_free(g);
    params_free(params);
}

static void unconditional(void **state)
{
    (void)state;
    struct vae_model_config config = small;
    config.label_channels = 0;
    struct params *params = params_new();
    struct graph *g = graph_new(params, MODE_EVALUATE, ARRAY_PARAM);
    both_halves(g, &config);
    assert_null(params_find(params, "encoder.label.weight"));
    assert_null(params_find(params, "decoder.label.weight"));
    graph_free(g);
    params_free(params);
}

/* PyTorch's defaults: weights and biases uniform in +-1/sqrt(fan_in), embeddings N(0, 1). */
static void initial_values(void **state)
{
    (void)state;
    struct params *params = params_new();
    struct graph *g = graph_new(params, MODE_TRAIN, ARRAY_PARAM);
    both_halves(g, &small);
    struct initial dense = params_find(params, "encoder.hidden.bias")->init;
    struct initial conv = params_find(params, "encoder.1.conv.weight")->init;
    struct initial transposed = params_find(params, "decoder.logits.weight")->init;
    assert_int_equal(dense.kind, INIT_UNIFORM);
    assert_float_equal(dense.scale, 1 / sqrt(35), 1e-6);
    assert_float_equal(conv.scale, 1 / sqrt(4 * 16), 1e-6);
    assert_float_equal(transposed.scale, 1 / sqrt(1 * 16), 1e-6); /* by its output channels */
    assert_int_equal(params_find(params, "encoder.label.weight")->init.kind, INIT_NORMAL);
    graph_free(g);
    params_free(params);
}

/* ---- groups --------------------------------------------------------------------------------- */
/* What a fresh classifier or encoder of one level says of one image first. */
static float said(bool vae, int64_t channels, enum norm norm)
{
    struct vae_model_config encoder = small;
    struct classifier_model_config classifier = {{1, &channels}, .hidden = 5, .norm = (int)norm};
    struct image_data data = {1, 7, 7, 1, 5};
    struct params *params = params_new();
    struct graph *g = graph_new(params, MODE_EVALUATE, ARRAY_PARAM);
    val image = g_input(g, "image", F32, (struct shape){1, 1, 7, 7, 1});
    val label = vae ? g_input(g, "label", I32, (struct shape){1, 1, 1, 1, 1}) : 0, z_logvar;
    encoder.channels = classifier.channels;
    encoder.norm = (int)norm;
    val y = g_output(g, "y",
                     vae ? vae_encode(g, &encoder, &data, image, label, &z_logvar)
                         : classifier_logits(g, &classifier, 5, image));
    struct plan *plan;
    struct err err;
    float pixels[7 * 7], got[5];
    int32_t zero = 0;
    for (int i = 0; i < 7 * 7; i++)
        pixels[i] = (float)(i * i % 11) / 11;
    OK(graph_check(g, &err));
    OK(params_realise(params, one_thread(), 3, &err));
    OK(plan_make(&plan, g, one_thread(), &(struct plan_options){0}, &err));
    OK(plan_put(plan, image, pixels, &err));
    if (vae)
        OK(plan_put(plan, label, &zero, &err));
    OK(plan_run(plan, &err));
    OK(plan_get(plan, y, got, &err));
    plan_free(plan);
    graph_free(g);
    params_free(params);
    return got[0];
}

/* 8 groups of 8 channels are a channel each, as an instance norm has them; of 16, two. */
static void groups_of_a_group_norm(void **state)
{
    (void)state;
    for (int vae = 0; vae < 2; vae++) {
        assert_float_equal(said(vae, 8, NORM_GROUP), said(vae, 8, NORM_INSTANCE), 1e-6);
        assert_true(fabsf(said(vae, 16, NORM_GROUP) - said(vae, 16, NORM_INSTANCE)) > 1e-4f);
    }
}

/* ---- losses --------------------------------------------------------------------------------- */
/* Two pixels, by hand. */
static void terms(void **state)
{
    (void)state;
    const float logits[2] = {0, 2}, image[2] = {0.25f, 1};
    double p = 1 / (1 + exp(-2.0));
    const double want[] = {log(2) - log(p), ((0.5 - 0.25) * (0.5 - 0.25) + (p - 1) * (p - 1)) / 2,
                           0.25 + 1 - p};
    struct backend *backend = one_thread();
    struct err err;
    for (int kind = RECONSTRUCTION_BCE; kind <= RECONSTRUCTION_L1; kind++) {
        struct vae_loss_config config = {.reconstruction = kind};
        struct shape shape = {1, 1, 1, 2, 1};
        struct params *params = params_new();
        struct graph *g = graph_new(params, MODE_TRAIN, ARRAY_PARAM);
        val x = g_input(g, "logits", F32, shape), t = g_input(g, "image", F32, shape);
        val y = g_output(g, "term", vae_reconstruction(g, &config, x, t));
        struct plan *plan;
        float got;
        OK(graph_check(g, &err));
        OK(params_realise(params, backend, 0, &err));
        OK(plan_make(&plan, g, backend, &(struct plan_options){0}, &err));
        OK(plan_put(plan, x, logits, &err));
        OK(plan_put(plan, t, image, &err));
        OK(plan_run(plan, &err));
        OK(plan_get(plan, y, &got, &err));
        assert_float_equal(got, want[kind], 1e-6);
        plan_free(plan);
        graph_free(g);
        params_free(params);
    }
}

/* ---- trained -------------------------------------------------------------------------------- */
struct fitted {
    struct lab *lab;
    struct dataset dataset;
    struct id model;
};

static void draw_shapes(struct fitted *t)
{
    struct collection collection;
    struct err err;
    OK(shapes_make(&collection, 12, 4, 400, 40, 1, &err));
    OK(collection_hold_out(&collection, SPLIT_VAL, 80, 2, &err));
    struct id id = collection_seal(t->lab, &collection);
    OK(dataset_open(&t->dataset, t->lab->store, &id, NULL, &err));
    collection_free(&collection);
}

/* Binds "{...}" by the table, trains, and leaves the artifact in t->model. */
static void fit(struct fitted *t, const char *yaml, bool vae)
{
    struct yaml *tree;
    struct run *run;
    struct draft *draft;
    struct port port = {.name = "model"};
    struct err err;
    union {
        struct vae_config vae;
        struct classifier_config classifier;
    } config;
    OK(yaml_parse(&tree, &t->lab->arena, "test", yaml, strlen(yaml), &err));
    OK(config_bind(&config, vae ? vae_fields : classifier_fields, tree, "test", &t->lab->arena,
                   &err));
    OK(claim(&run, t->lab, yaml, false, &err));
    struct meter meter = {0};
    struct training where = {.run = run,
                             .dataset = &t->dataset,
                             .backend = one_thread(),
                             .meter = &meter,
                             .quiet = true};
    OK(draft_open(&draft, t->lab->store, &err));
    OK(vae ? vae_train(&where, &config.vae, 3, draft, &err)
           : classifier_train(&where, &config.classifier, 3, draft, &err));
    OK(draft_seal(draft, &port.artifact, &err));
    t->model = port.artifact;
    OK(run_commit(run, &port, 1, &err));
}

/* The last row's value in a column of history.csv. */
static double last_value(struct fitted *t, const char *column)
{
    const char *csv = text_of(t->lab, &t->model, "history.csv");
    size_t head = strcspn(csv, "\n"), index = 0, width = strlen(column);
    const char *cell = csv;
    for (; strncmp(cell, column, width) || !strchr(",\n", cell[width]); index++) {
        cell += strcspn(cell, ",\n") + 1;
        if (cell > csv + head)
            fail_msg("history.csv has no column '%s'", column);
    }
    const char *row = csv + strlen(csv) - 1;
    while (row[-1] != '\n')
        row--;
    for (; index; index--)
        row += strcspn(row, ",\n") + 1;
    return strtod(row, NULL);
}

/* The monitor "accuracy" counts what an argmax over the logits of the artifact counts. */
static void classifier(void **state)
{
    struct fitted t = {.lab = *state};
    struct err err;
    struct trained judge;
    struct backend *backend = one_thread();
    struct loader *loader;
    draw_shapes(&t);
    fit(&t,
        "{model: {channels: [4, 8], hidden: 16}, label_smoothing: 0.1, "
        "train: {epochs: 3, batch: 32, lr: 3.0e-3, checkpoint: {keep: last}}}",
        false);
    const struct trained_spec trained = {.store = t.lab->store,
                                         .artifact = &t.model,
                                         .backend = backend,
                                         .batch = 16,
                                         .abilities = CAN(CLASSIFY)};
    OK(trained_open(&judge, &trained, &err));
    struct loader_spec spec = {.split = SPLIT_VAL, .batch = 16};
    OK(loader_open(&loader, &t.dataset, &spec, NULL, &err));
    int right = 0;
    for (const struct batch *b; (b = loader_next(loader));) {
        int32_t predicted[16];
        OK(trained_classify(&judge, b->image, predicted, NULL, &err));
        for (uint32_t i = 0; i < b->real; i++)
            right += predicted[i] == b->label[i];
    }
    assert_float_equal(last_value(&t, "val/accuracy"), right / 80.0, 1e-6);
    assert_true(right > 40 && right < 80); /* learnt something, and 1 would prove little */
    loader_close(loader);
    trained_close(&judge);
    dataset_close(&t.dataset);
}

/* val/loss is the negative ELBO that evaluation finds, whatever weight the KL term had in training;
 * the two differ by their noise alone. */
static void vae(void **state)
{
    struct fitted t = {.lab = *state};
    struct err err;
    struct id result;
    struct arena arena = {0};
    struct evaluate_config config;
    struct yaml *tree;
    draw_shapes(&t);
    fit(&t,
        "{model: {kind: conv, channels: [4, 8], hidden: 16, latent_channels: 3, label_channels: "
        "4}, "
        "loss: {beta: 4.0, warmup_epochs: 5}, "
        "train: {epochs: 3, batch: 32, lr: 3.0e-3, checkpoint: {keep: last}}}",
        true);
    OK(yaml_parse(&tree, &arena, "test", "{split: val}", 12, &err));
    OK(config_bind(&config, evaluate_fields, tree, "test", &arena, &err));
    OK(measured(&result, t.lab, (struct evaluation){.dataset = &t.dataset, .model = &t.model},
                &config, &err));
    const char *json = text_of(t.lab, &result, "metrics.json");
    const char *elbo = strstr(json, "\"val/negative_elbo\": ");
    const char *kl = strstr(json, "\"val/kl\": ");
    assert_non_null(elbo);
    double loss = last_value(&t, "val/loss");
    assert_float_equal(strtod(elbo + 21, NULL), loss, 0.01 * loss);
    assert_float_equal(strtod(kl + 10, NULL), last_value(&t, "val/kl"), 1e-4);
    /* in training the KL term weighed 4 * 2/5 at the third epoch's start, 4 * 3/5 at its end */
    double weighed = last_value(&t, "train/loss") - last_value(&t, "train/reconstruction");
    double factor = weighed / last_value(&t, "train/kl");
    assert_true(factor > 4 * 0.4 && factor < 4 * 0.6);
    arena_free(&arena);
    dataset_close(&t.dataset);
}

static void no_labels(void **state)
{
    (void)state;
    struct dataset dataset = {.d = 1, .h = 4, .w = 4, .c = 1};
    struct training where = {.dataset = &dataset};
    struct vae_config config = {.model = small};
    struct classifier_config judge = {.model = {.hidden = 1}};
    struct err err;
    FAILS(vae_train(&where, &config, 0, NULL, &err), STATUS_CONFIG,
          "model.label_channels is 3 but the data set has no labels");
    FAILS(classifier_train(&where, &judge, 0, NULL, &err), STATUS_CONFIG, "needs labels");
}

/* A sigmoid's images: the values of volumes have to be brought there. */
static void values(void **state)
{
    struct fitted t = {.lab = *state};
    draw_shapes(&t);
    size_t count = 400 * 12 * 12, last = (400 + 40) * 12 * 12 - 1;
    float *images = xcalloc(last + 1, sizeof *images);
    const uint8_t *grey = t.dataset.images;
    for (size_t i = 0; i <= last; i++)
        images[i] = (float)grey[i] / 255.0f;
    images[0] = 0, images[last] = 1;
    t.dataset.pixel = PIXEL_F32;
    t.dataset.images = images;
    static const float bad[] = {-0.001f, 1.001f, NAN};
    for (int i = 0; i < 3; i++) {
        struct training where = {.dataset = &t.dataset};
        struct vae_config config = {.model = small, .loss = {.reconstruction = i}};
        size_t at = i == 0 ? 0 : i == 1 ? count : last;
        float good = images[at];
        struct err err;
        char want[100];
        images[at] = bad[i];
        snprintf(want, sizeof want, "case '%s' has the value %g, but the model's images are 0 to 1",
                 t.dataset.ids[at / (12 * 12)], (double)bad[i]);
        FAILS(vae_train(&where, &config, 0, NULL, &err), STATUS_CONFIG, want);
        images[at] = good;
    }
    static int64_t tone[] = {AUGMENT_FLIP, AUGMENT_CONTRAST};
    struct training where = {.dataset = &t.dataset};
    struct vae_config config = {.model = small, .train.augment = {2, tone}};
    struct err err;
    FAILS(vae_train(&where, &config, 0, NULL, &err), STATUS_CONFIG,
          "train.augment: 'contrast' of volumes exceeds 0 to 1");
    tone[1] = AUGMENT_BRIGHTNESS;
    FAILS(vae_train(&where, &config, 0, NULL, &err), STATUS_CONFIG,
          "train.augment: 'brightness' of volumes");
    fit(&t, "{model: {kind: mlp, latent_channels: 3, hidden: 8}, train: {epochs: 1, batch: 100}}",
        true);
    t.dataset.pixel = PIXEL_U8;
    t.dataset.images = grey;
    free(images);
    dataset_close(&t.dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows),
        cmocka_unit_test(names),
        cmocka_unit_test(unconditional),
        cmocka_unit_test(initial_values),
        cmocka_unit_test(groups_of_a_group_norm),
        cmocka_unit_test(terms),
        LAB_TEST(classifier),
        LAB_TEST(vae),
        cmocka_unit_test(no_labels),
        LAB_TEST(values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
