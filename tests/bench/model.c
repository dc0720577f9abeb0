#include "bench/model.h"

#include "base/random.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a model is trained on, and its configuration as an experiment file gives it. */
static const struct net {
    const char *name;
    bool masks;
    struct shape data; /* of one case */
    const char *config;
} models[] = {
    {"mnist-mlp",
     false,
     {1, 1, 28, 28, 1},
     "{model: {kind: mlp, latent_channels: 20, hidden: 512, label_channels: 32},"
     " train: {batch: 128}}"},
    {"mnist-conv",
     false,
     {1, 1, 28, 28, 1},
     "{model: {kind: conv, channels: [32, 64], blocks: 1, activation: silu, latent_channels: 20,"
     " hidden: 256, label_channels: 32}, train: {batch: 128}}"},
    {"cifar-conv",
     false,
     {1, 1, 32, 32, 3},
     "{model: {kind: conv, channels: [32, 64, 128], latent_channels: 128, hidden: 0,"
     " label_channels: 32}, train: {batch: 128}}"},
    {"unet16",
     true,
     {1, 1, 128, 128, 3},
     "{model: {channels: [16, 32, 64, 128, 256]}, loss: {bce: {}}, train: {batch: 16}}"},
    {"unet32",
     true,
     {1, 1, 128, 128, 3},
     "{model: {channels: [32, 64, 128, 256, 512]}, loss: {bce: {}}, train: {batch: 16}}"},
    {"unet3d",
     true,
     {1, 64, 64, 64, 1},
     "{model: {channels: [16, 32, 64, 128]}, loss: {bce: {}}, train: {batch: 2}}"},
};
enum { MODELS = sizeof models / sizeof *models, CLASSES = 10 };

/* ---- the command line ----------------------------------------------------------------------- */
static _Noreturn void usage(const char *program)
{
    fprintf(stderr,
            "usage: %s --model NAME [--precision f32|bf16] [--threads N] [--side PIXELS]\n"
            "       [--seconds S] [--set KEY=VALUE]...\nmodels:",
            program);
    for (int i = 0; i < MODELS; i++)
        fprintf(stderr, " %s", models[i].name);
    fputc('\n', stderr);
    exit(STATUS_USAGE);
}

struct bench_options bench_parse(int argc, char **argv)
{
    static const struct option known[] = {{"model", required_argument, NULL, 'm'},
                                          {"precision", required_argument, NULL, 'p'},
                                          {"threads", required_argument, NULL, 't'},
                                          {"side", required_argument, NULL, 's'},
                                          {"seconds", required_argument, NULL, 'n'},
                                          {"set", required_argument, NULL, 'k'},
                                          {NULL, 0, NULL, 0}};
    struct bench_options out = {.precision = F32, .seconds = 2};
    int option, sets = 0;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (option == 'm')
            out.model = optarg;
        else if (option == 'p' && (!strcmp(optarg, "f32") || !strcmp(optarg, "bf16")))
            out.precision = strcmp(optarg, "f32") ? BF16 : F32;
        else if (option == 't' && atoi(optarg) > 0)
            out.threads = atoi(optarg);
        else if (option == 's' && atoi(optarg) > 0 && atoi(optarg) <= 4096)
            out.side = atoi(optarg);
        else if (option == 'n' && atof(optarg) > 0)
            out.seconds = atof(optarg);
        else if (option == 'k' && sets < BENCH_SETS && strchr(optarg, '='))
            out.set[sets++] = optarg;
        else
            usage(argv[0]);
    }
    if (!out.model || optind != argc)
        usage(argv[0]);
    return out;
}

static int read_config(void *into, struct arena *arena, const struct net *model,
                       const char *const *set, struct err *err)
{
    struct yaml *tree, *value;
    TRY(yaml_parse(&tree, arena, model->name, model->config, strlen(model->config), err));
    for (; *set; set++) {
        const char *equals = strchr(*set, '=');
        const char *path = arena_strndup(arena, *set, (size_t)(equals - *set));
        TRY(yaml_parse(&value, arena, "--set", equals + 1, strlen(equals + 1), err));
        TRY(yaml_replace(&tree, arena, tree, path, value, err));
    }
    return config_bind(into, model->masks ? unet_fields : vae_fields, tree, model->name, arena,
                       err);
}

/* ---- losses, as the trainers compose them --------------------------------------------------- */
static val vae_loss(struct graph *g, const struct feed *feed, const void *user,
                    struct monitors *monitors)
{
    const struct bench *bench = user;
    const struct vae_description *vae = &bench->vae;
    val z_logvar;
    val z_mean = vae_encode(g, &vae->model, &vae->data, feed->image, feed->label, &z_logvar);
    val z = vae_sample(g, z_mean, z_logvar, g_normal(g, g_shape(g, z_mean)));
    val logits = vae_decode(g, &vae->model, &vae->data, z, feed->label);
    val reconstruction =
        weighted_mean(g, vae_reconstruction(g, &vae->loss, logits, feed->image), feed->weight);
    val kl = weighted_mean(g, vae_kl(g, z_mean, z_logvar), feed->weight);
    monitor(monitors, "reconstruction", LESS_IS_BETTER, reconstruction);
    monitor(monitors, "kl", LESS_IS_BETTER, kl);
    val weight = g_affine(g, feed->scalar[0], (float)vae->loss.beta, 0);
    return g_binary(g, OP_add, reconstruction, g_binary(g, OP_mul, kl, weight));
}

static val segment_step(struct graph *g, const struct feed *feed, const void *user,
                        struct monitors *monitors)
{
    const struct bench *bench = user;
    const struct unet_config *unet = &bench->config.unet;
    val logits[1 + UNET_LEVELS];
    int extra;
    logits[0] = unet_logits(g, &unet->model, 1, feed->image, logits + 1, &extra);
    monitor(monitors, "dice", MORE_IS_BETTER,
            unet_soft_dice(g, logits[0], feed->mask, feed->weight, 2, 1));
    return unet_loss(g, &unet->loss, &bench->counts, logits, 1 + extra, feed->mask, feed->weight);
}

/* ---- data ----------------------------------------------------------------------------------- */
/* Every byte is drawn; a pixel of the mask is 1 where its first channel is bright. */
static void make_dataset(struct dataset *out, struct arena *arena, const struct net *model,
                         struct shape size, uint32_t cases)
{
    struct stream stream = stream_new(1, "bench");
    size_t pixels = (size_t)size.d * (size_t)size.h * (size_t)size.w;
    size_t bytes = pixels * (size_t)size.c * cases;
    uint8_t *images = arena_alloc(arena, bytes), *masks = NULL;
    int32_t *labels = arena_alloc(arena, cases * sizeof *labels);
    const char **ids = arena_alloc(arena, cases * sizeof *ids);
    for (size_t i = 0; i < bytes; i++)
        images[i] = (uint8_t)stream_below(&stream, 256);
    for (uint32_t i = 0; i < cases; i++) {
        labels[i] = (int32_t)stream_below(&stream, CLASSES);
        ids[i] = arena_printf(arena, "%u", i);
    }
    if (model->masks) {
        masks = arena_alloc(arena, pixels * cases);
        for (size_t i = 0; i < pixels * cases; i++)
            masks[i] = images[i * (size_t)size.c] > 127;
    }
    *out = (struct dataset){.d = size.d,
                            .h = size.h,
                            .w = size.w,
                            .c = size.c,
                            .begin = {0, cases, cases},
                            .count = {cases, 0, 0},
                            .images = images,
                            .labels = labels,
                            .masks = masks,
                            .ids = ids,
                            .class_count = CLASSES,
                            .mask_class_count = model->masks ? 2 : 0};
}

static double one(double epoch, const void *user)
{
    (void)epoch, (void)user;
    return 1;
}

static const struct program_row vae_programs[] = {
    {.loss = vae_loss, .groups = {{.name = "encoder"}, {.name = "decoder"}}},
    {.loss = vae_loss},
};
static const struct program_row unet_programs[] = {
    {.loss = segment_step, .groups = {{.name = "encoder"}, {.name = "decoder"}}},
    {.loss = segment_step},
};

/* ---- life ----------------------------------------------------------------------------------- */
static int open_task(struct bench *b, const struct net *model, const struct bench_options *options,
                     struct err *err)
{
    struct shape size = model->data;
    if (options->side) {
        size.h = size.w = options->side;
        size.d = size.d > 1 ? options->side : 1;
    }
    TRY(read_config(&b->config, &b->arena, model, options->set, err));
    const struct train_config *train = model->masks ? &b->config.unet.train : &b->config.vae.train;
    make_dataset(&b->dataset, &b->arena, model, size, (uint32_t)train->batch * 4);
    b->vae = (struct vae_description){b->config.vae.model, b->config.vae.loss,
                                      image_data_of(&b->dataset)};
    b->counts = (struct class_counts){.count = 2, .pixels = {1, 1}};
    b->task = (struct task){.name = model->name,
                            .config = train,
                            .seed = 1,
                            .programs = model->masks ? unet_programs : vae_programs,
                            .program_count = 2,
                            .scalars = {{one, 1}},
                            .user = b};
    return 0;
}

int bench_open(struct bench *b, const struct bench_options *options, struct err *err)
{
    const struct net *model = models;
    *b = (struct bench){0};
    while (model < models + MODELS && strcmp(model->name, options->model))
        model++;
    if (model == models + MODELS)
        return fail_as(err, STATUS_USAGE, "no model '%s'", options->model);
    TRY(open_task(b, model, options, err));
    TRY(backend_open(
        &b->backend,
        &(struct backend_spec){.threads = options->threads, .precision = options->precision},
        &b->meter, err));
    b->params = params_new();
    struct training where = {.dataset = &b->dataset,
                             .backend = b->backend,
                             .meter = &b->meter,
                             .precision = options->precision};
    TRY(programs_open(&b->programs, b->params, &b->task, &where, &b->multiply_adds, err));
    struct loader_spec spec = {.split = SPLIT_TRAIN,
                               .batch = (uint32_t)b->task.config->batch,
                               .shuffle = true,
                               .seed = b->task.seed,
                               .memory = backend_host_memory(b->backend)};
    return loader_open(&b->loader, &b->dataset, &spec, &b->meter, err);
}

void bench_close(struct bench *b)
{
    loader_close(b->loader);
    programs_close(&b->programs);
    if (b->params)
        params_free(b->params);
    if (b->backend)
        backend_close(b->backend);
    arena_free(&b->arena);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, ascending);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}
