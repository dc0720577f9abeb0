/* The models against PyTorch: weights in, then one step's results, loss and gradients, ten Adam
 * steps' losses, running statistics and the evaluation after them. */
#include "model/autoencoder.h"
#include "model/classifier.h"
#include "model/convnet.h"
#include "model/image_loss.h"
#include "model/perceptual.h"
#include "train/unet_train.h"
#include "model/vae.h"

#include "train_golden.h"

static int64_t conv_channels[] = {4, 6}, conv_3d_channels[] = {3, 4};
static int64_t classifier_channels[] = {5, 7};
static int64_t plain_channels[] = {4, 6, 8}, residual_channels[] = {4, 6, 6};
static int64_t autoencoder_channels[] = {3, 4, 6}, autoencoder_3d_channels[] = {2, 3};
static int64_t dense_channels[] = {2, 4, 4, 6}, bare_channels[] = {3, 5};

struct net {
    const char *file;
    struct image_data data;
    struct vae_model_config vae;
    struct vae_loss_config loss;
    struct classifier_model_config classifier; /* if it has channels, the model is this one */
    struct unet_model_config unet;             /* or this one */
    struct segment_loss_config unet_loss;
    struct autoencoder_model_config autoencoder; /* or this one */
    struct image_loss_config image_loss;
    bool hidden;  /* pixels of its images count differently */
    double slack; /* of gradients, where a bias' is a sum that nearly cancels; 0: 1 */
};
#define TERM(w)                                                                                    \
    {                                                                                              \
        .present = true, .weight = w                                                               \
    }
#define AUTOENCODER(joined)                                                                        \
    .autoencoder = {.unet = {.channels = {3, autoencoder_channels},                                \
                             .norm = NORM_INSTANCE,                                                \
                             .activation = ACT_LEAKY_RELU,                                         \
                             .down = DOWN_STRIDED,                                                 \
                             .up = UP_TRANSPOSE},                                                  \
                    .skips = joined}
#define BCE                                                                                        \
    {                                                                                              \
        .bce = {.present = true, .weight = 1, .positive_weight = 1 }                               \
    }
#define ENTROPY                                                                                    \
    {                                                                                              \
        .cross_entropy = {.present = true, .weight = 1 }                                           \
    }
static const struct net models[] = {
    {.file = "vae-mlp",
     .data = {1, 6, 5, 1, 3},
     .vae = {.kind = VAE_MLP,
             .latent_channels = 4,
             .hidden = 9,
             .label_channels = 5,
             .activation = ACT_RELU,
             .logvar_min = -12,
             .logvar_max = 8}},
    {.file = "vae-conv",
     .data = {1, 10, 7, 2, 3},
     .vae = {.kind = VAE_CONV,
             .latent_channels = 4,
             .hidden = 11,
             .label_channels = 3,
             .channels = {2, conv_channels},
             .kernel = 4,
             .blocks = 1,
             .norm = NORM_BATCH,
             .activation = ACT_SILU,
             .logvar_min = -12,
             .logvar_max = 8}},
    {.file = "vae-conv-3d",
     .data = {4, 5, 6, 1, 2},
     .vae = {.kind = VAE_CONV,
             .latent_channels = 3,
             .label_channels = 2,
             .channels = {2, conv_3d_channels},
             .kernel = 3,
             .norm = NORM_INSTANCE,
             .activation = ACT_LEAKY_RELU,
             .logvar_min = -12,
             .logvar_max = 8},
     .loss = {.reconstruction = RECONSTRUCTION_MSE}},
    {.file = "classifier",
     .data = {1, 9, 6, 2, 4},
     .classifier = {.channels = {2, classifier_channels},
                    .hidden = 11,
                    .norm = NORM_BATCH,
                    .activation = ACT_RELU}},
    {.file = "unet-plain",
     .data = {1, 8, 12, 2, 2},
     .unet = {.channels = {3, plain_channels},
              .norm = NORM_BATCH,
              .activation = ACT_RELU,
              .down = DOWN_MAXPOOL,
              .up = UP_TRANSPOSE},
     .unet_loss = BCE},
    {.file = "unet-residual",
     .data = {1, 7, 9, 3, 3},
     .unet = {.channels = {3, residual_channels},
              .norm = NORM_INSTANCE,
              .activation = ACT_LEAKY_RELU,
              .block = BLOCK_RESIDUAL,
              .down = DOWN_STRIDED,
              .up = UP_UPSAMPLE,
              .upsampling = MODE_LINEAR},
     .unet_loss = ENTROPY},
    {.file = "unet-dense-3d", /* the deepest level is one voxel */
     .data = {5, 6, 7, 2, 3},
     .unet = {.channels = {4, dense_channels},
              .norm = NORM_GROUP,
              .norm_groups = 2,
              .activation = ACT_SILU,
              .block = BLOCK_DENSE_RESIDUAL,
              .down = DOWN_MAXPOOL,
              .up = UP_TRANSPOSE,
              .deep_supervision = true},
     .unet_loss = ENTROPY},
    {.file = "unet-bare",
     .data = {1, 5, 6, 1, 2},
     .unet = {.channels = {2, bare_channels},
              .activation = ACT_GELU,
              .down = DOWN_STRIDED,
              .up = UP_UPSAMPLE,
              .upsampling = MODE_NEAREST},
     .unet_loss = BCE},
    {.file = "autoencoder-mse",
     .data = {1, 10, 13, 3, 0},
     AUTOENCODER(SKIPS_NONE),
     .image_loss = {.mse = TERM(1)}},
    {.file = "autoencoder-l1",
     .data = {1, 9, 12, 3, 0},
     AUTOENCODER(SKIPS_DEEP),
     .image_loss = {.l1 = TERM(1)}},
    {.file = "autoencoder-ssim",
     .data = {1, 13, 16, 3, 0},
     AUTOENCODER(SKIPS_ALL),
     .image_loss = {.ssim = TERM(1)},
     .slack = 5},
    {.file = "autoencoder-hidden",
     .data = {1, 14, 12, 3, 0},
     AUTOENCODER(SKIPS_NONE),
     .image_loss = {.mse = TERM(1), .l1 = TERM(0.5), .ssim = TERM(0.25)},
     .hidden = true},
    {.file = "autoencoder-perceptual",
     .data = {1, 12, 9, 3, 0},
     AUTOENCODER(SKIPS_NONE),
     .image_loss = {.mse = TERM(1), .perceptual = TERM(0.5)},
     .hidden = true,
     .slack = 5},
    {.file = "autoencoder-3d",
     .data = {5, 12, 8, 1, 0},
     .autoencoder = {.unet = {.channels = {2, autoencoder_3d_channels},
                              .activation = ACT_SILU,
                              .down = DOWN_MAXPOOL,
                              .up = UP_UPSAMPLE,
                              .upsampling = MODE_LINEAR},
                     .output = OUTPUT_LINEAR},
     .image_loss = {.mse = TERM(0.5), .ssim = TERM(2)}},
};

enum { RESULTS = 8, STEPS = 10 };
struct program {
    struct graph *graph;
    struct plan *plan;
    val image, label, noise, mask, weight, pixel, loss, rates[2];
    int results;
    struct {
        const char *name;
        val value;
    } result[RESULTS];
};

static void result(struct program *p, const char *name, val x)
{
    p->result[p->results].name = name;
    p->result[p->results++].value = g_output(p->graph, name, x);
}

static val mean(struct graph *g, val per_case)
{
    float cases = (float)g_shape(g, per_case).n;
    return g_affine(g, g_reduce_sum(g, per_case, (struct shape){1, 1, 1, 1, 1}), 1 / cases, 0);
}

static val vae_loss(struct program *p, const struct net *m)
{
    struct graph *g = p->graph;
    val z_logvar, z_mean = vae_encode(g, &m->vae, &m->data, p->image, p->label, &z_logvar);
    val z = vae_sample(g, z_mean, z_logvar, p->noise);
    val logits = vae_decode(g, &m->vae, &m->data, z, p->label);
    val terms = vae_reconstruction(g, &m->loss, logits, p->image);
    val kl = vae_kl(g, z_mean, z_logvar);
    result(p, "z_mean", z_mean);
    result(p, "z_logvar", z_logvar);
    result(p, "logits", logits);
    result(p, "reconstruction", terms);
    result(p, "kl", kl);
    return g_binary(g, OP_add, mean(g, terms), mean(g, kl));
}

static val classifier_loss(struct program *p, const struct net *m)
{
    struct graph *g = p->graph;
    val logits = classifier_logits(g, &m->classifier, (int32_t)m->data.classes, p->image);
    result(p, "logits", logits);
    return mean(g, g_cross_entropy(g, logits, p->label, 0, -1, 0));
}

static val segmentation_loss(struct program *p, const struct net *m)
{
    static const char *const names[] = {"logits", "logits1", "logits2"};
    struct class_counts counts = {.count = m->data.classes};
    struct graph *g = p->graph;
    struct err err;
    val logits[1 + UNET_LEVELS];
    int extra;
    int32_t outputs;
    must(segment_loss_outputs(&outputs, &m->unet_loss, counts.count, &err), &err);
    logits[0] = unet_logits(g, &m->unet, outputs, p->image, logits + 1, &extra);
    assert_int_equal(extra, m->unet.deep_supervision && graph_mode(g) == MODE_TRAIN ? 2 : 0);
    for (int i = 0; i <= extra; i++)
        result(p, names[i], logits[i]);
    return unet_loss(g, &m->unet_loss, &counts, logits, 1 + extra, p->mask, p->weight);
}

/* A frozen network: its weights are inputs of the file. */
static const char *layers[] = {"conv 4 3 1 1", "relu", "max_pool 2 2", "conv 5 3 1 0", "relu"};
static int64_t taps[] = {1, 4};
static double middle[] = {0.5, 0.5, 0.5}, quarter[] = {0.25, 0.25, 0.25};
static const struct convnet_description judge = {.layers = {5, layers},
                                                 .taps = {2, taps},
                                                 .mean = {3, middle},
                                                 .std = {3, quarter},
                                                 .data = {1, 12, 9, 3, 0}};

static bool of_judge(const struct entry *entry)
{
    return strcmp(entry->group, PERCEPTUAL_GROUP) == 0;
}

static val autoencoder_loss(struct program *p, const struct net *m)
{
    struct graph *g = p->graph;
    const struct model network = {.kind = &convnet_kind, .description = &judge};
    graph_freeze(g, PERCEPTUAL_GROUP);
    val raw = autoencoder_reconstruct(g, &m->autoencoder, p->image);
    const struct image_pair pair = {.image = autoencoder_image(g, &m->autoencoder, raw),
                                    .target = p->image,
                                    .pixel = p->pixel,
                                    .range = 1,
                                    .network = &network};
    result(p, "raw", raw);
    return mean(g, image_loss(g, &m->image_loss, &pair));
}

static void declare_inputs(struct program *p, const struct net *m, int32_t cases)
{
    struct graph *g = p->graph;
    struct shape one = {cases, 1, 1, 1, 1}, noise = {cases, 1, 1, 1, 0};
    struct shape image = {cases, (int32_t)m->data.d, (int32_t)m->data.h, (int32_t)m->data.w,
                          (int32_t)m->data.c};
    noise.c = (int32_t)m->vae.latent_channels;
    p->image = g_input(g, "image", F32, image);
    image.c = 1;
    if (m->unet.channels.count) {
        p->mask = g_input(g, "mask", I32, image);
        p->weight = g_input(g, "weight", F32, one);
        return;
    }
    if (m->autoencoder.unet.channels.count) {
        p->pixel = m->hidden ? g_input(g, "pixel", F32, image) : 0;
        return;
    }
    p->label = g_input(g, "label", I32, one);
    if (!m->classifier.channels.count)
        p->noise = g_input(g, "noise", F32, noise);
}

static void build(struct program *p, const struct net *m, struct params *params,
                  const struct golden_backend *on, enum mode mode, int32_t cases)
{
    static const char *const two_halves[] = {"encoder", "decoder"};
    static const char *const classifier_groups[] = {"classifier"};
    bool classifies = m->classifier.channels.count > 0;
    const char *const *groups = classifies ? classifier_groups : two_halves;
    struct graph *g = p->graph = graph_new(params, mode, ARRAY_PARAM);
    graph_suit(g, on->backend);
    declare_inputs(p, m, cases);
    val loss = classifies                           ? classifier_loss(p, m)
               : m->autoencoder.unet.channels.count ? autoencoder_loss(p, m)
               : m->unet.channels.count             ? segmentation_loss(p, m)
                                                    : vae_loss(p, m);
    p->loss = g_output(g, "loss", loss);
    if (mode == MODE_TRAIN) {
        struct update update = {.kind = OPTIMISER_ADAM, .grad_scale = 1};
        graph_backward(g, p->loss, groups, classifies ? 1 : 2, false);
        graph_update(g, groups, classifies ? 1 : 2, update, p->loss);
        for (int i = 0; i < (classifies ? 1 : 2); i++)
            p->rates[i] = g_rates(g, groups[i]);
    }
}

static void put(struct program *p, val input, const struct tensors *file, const char *name)
{
    struct err err;
    if (input)
        must(plan_put(p->plan, input, golden_need(file, "in", name)->data, &err), &err);
}

static void open(struct program *p, struct params *params, const struct golden_backend *on,
                 const struct tensors *file)
{
    struct plan_options options = {.guard = 64};
    struct err err;
    must(graph_check(p->graph, &err), &err);
    must(params_realise(params, on->backend, 0, &err), &err);
    must(plan_make(&p->plan, p->graph, on->backend, &options, &err), &err);
    put(p, p->image, file, "image");
    put(p, p->label, file, "label");
    put(p, p->noise, file, "noise");
    put(p, p->mask, file, "mask");
    put(p, p->weight, file, "weight");
    put(p, p->pixel, file, "pixel");
}

static void close(struct program *p)
{
    struct err err;
    must(plan_guards(p->plan, &err), &err);
    plan_free(p->plan);
    graph_free(p->graph);
}

static void run(struct program *p, int step)
{
    struct err err;
    double power1 = 1, power2 = 1;
    for (int i = 0; i <= step; i++) {
        power1 *= 0.875;
        power2 *= 0.96875;
    }
    float rates[RATES] = {[RATE_LR] = 1.0f / 128,
                          [RATE_BIAS1] = (float)(1 - power1),
                          [RATE_BIAS2] = (float)(1 - power2),
                          [RATE_BETA1] = 0.875f,
                          [RATE_BETA2] = 0.96875f,
                          [RATE_EPS] = 1.0f / (1 << 20)};
    for (int i = 0; i < 2 && p->rates[i]; i++)
        must(plan_put(p->plan, p->rates[i], rates, &err), &err);
    must(plan_run(p->plan, &err), &err);
}

/* Every parameter of ours gets its weight, and every weight is one of ours. */
static void put_weights(struct params *params, const struct tensors *file)
{
    struct err err;
    int weights = 0, parameters = 0;
    for (size_t i = 0; i < file->count; i++)
        weights += strncmp(file->items[i].name, "weight:", 7) == 0;
    for (int32_t i = 0; i < params_count(params); i++) {
        const struct entry *entry = params_entry(params, i);
        if (entry->state)
            continue;
        const struct tensor *weight =
            golden_need(file, of_judge(entry) ? "in" : "weight", entry->name);
        assert_int_equal(golden_count(weight), shape_count(entry->shape));
        must(params_put(params, entry, ARRAY_PARAM, weight->data, &err), &err);
        parameters += !of_judge(entry);
    }
    assert_int_equal(parameters, weights);
}

static void compare_entries(struct params *params, const struct tensors *file, const char *kind,
                            const struct golden_backend *on, double slack)
{
    struct err err;
    bool state = strcmp(kind, "state") == 0;
    struct golden_backend looser = *on;
    looser.tolerance *= slack;
    for (int32_t i = 0; i < params_count(params); i++) {
        const struct entry *entry = params_entry(params, i);
        if (entry->state != state || of_judge(entry))
            continue;
        const struct tensor *want = golden_need(file, kind, entry->name);
        float *got = malloc(want->bytes);
        must(params_get(params, entry, state ? ARRAY_STATE : ARRAY_GRAD, got, &err), &err);
        golden_compare(&looser, kind, got, want);
        free(got);
    }
}

static void compare_results(struct program *p, const struct tensors *file,
                            const struct golden_backend *on)
{
    struct err err;
    for (int i = 0; i < p->results; i++) {
        const struct tensor *want = golden_need(file, "out", p->result[i].name);
        float *got = malloc(want->bytes);
        must(plan_get(p->plan, p->result[i].value, got, &err), &err);
        golden_compare(on, "results", got, want);
        free(got);
    }
}

/* Losses are kept as float32; ten steps let rounding grow a little. */
static void compare_loss(struct program *p, float want, const struct golden_backend *on,
                         double slack)
{
    struct err err;
    float got;
    must(plan_get(p->plan, p->loss, &got, &err), &err);
    double error = fabs((double)got - want) / fabs((double)want);
    if (!(error <= on->tolerance * slack))
        fail_msg("%s: the loss is %.9g, not %.9g", on->name, got, want);
}

static void check(const struct net *m, const struct golden_backend *on)
{
    enum { SLACK = 50 }; /* a value near 0 may be one of large parts: gradients through norms */
    struct tensors file;
    golden_open(&file, m->file);
    int32_t cases = (int32_t)golden_need(&file, "in", "image")->dim[0];
    const float *losses = tensors_find(&file, "losses")->data;
    struct params *params = params_new();
    struct program train = {0}, evaluate = {0};
    build(&train, m, params, on, MODE_TRAIN, cases);
    build(&evaluate, m, params, on, MODE_EVALUATE, cases);
    open(&train, params, on, &file);
    open(&evaluate, params, on, &file);
    put_weights(params, &file);
    for (int step = 0; step < STEPS; step++) {
        run(&train, step);
        compare_loss(&train, losses[step], on, step ? SLACK : 1);
        if (step > 0)
            continue;
        compare_results(&train, &file, on);
        compare_entries(params, &file, "grad", on, m->slack ? m->slack : 1);
    }
    compare_entries(params, &file, "state", on, SLACK);
    run(&evaluate, 0);
    compare_loss(&evaluate, *(const float *)tensors_find(&file, "evaluated")->data, on, SLACK);
    close(&train);
    close(&evaluate);
    params_free(params);
    tensors_close(&file);
}

static void check_both(void **state, const char *name)
{
    const struct golden_backend *backends = *state;
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++)
        if (strcmp(models[i].file, name) == 0)
            for (int b = 0; b < 2; b++)
                check(&models[i], &backends[b]);
}

static void mlp(void **state)
{
    check_both(state, "vae-mlp");
}
static void conv(void **state)
{
    check_both(state, "vae-conv");
}
static void conv_3d(void **state)
{
    check_both(state, "vae-conv-3d");
}
static void classifier(void **state)
{
    check_both(state, "classifier");
}
static void unet_plain(void **state)
{
    check_both(state, "unet-plain");
}
static void unet_residual(void **state)
{
    check_both(state, "unet-residual");
}
static void unet_dense_3d(void **state)
{
    check_both(state, "unet-dense-3d");
}
static void unet_bare(void **state)
{
    check_both(state, "unet-bare");
}
static void autoencoders(void **state)
{
    static const char *const files[] = {"autoencoder-mse",  "autoencoder-l1",
                                        "autoencoder-ssim", "autoencoder-hidden",
                                        "autoencoder-3d",   "autoencoder-perceptual"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        check_both(state, files[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mlp),           cmocka_unit_test(conv),
        cmocka_unit_test(conv_3d),       cmocka_unit_test(classifier),
        cmocka_unit_test(unet_plain),    cmocka_unit_test(unet_residual),
        cmocka_unit_test(unet_dense_3d), cmocka_unit_test(unet_bare),
        cmocka_unit_test(autoencoders),
    };
    return cmocka_run_group_tests(tests, golden_setup, golden_teardown);
}
