/* transfer-unet against PyTorch (scripts/golden-thaw.py): an encoder that is given stands still for five
 * of ten steps, its statistics too, and then learns with a momentum and a count of steps of its own. */
#include "train_golden.h"

#include "model_artifact.h"
#include "train/unet_train.h"

enum { STEPS = 10, FROZEN = 5, CLASSES = 3, TRAIN = 4, VAL = 2, MOST = 64 };
static const uint64_t seed = 11; /* of the decoder's first weights */

#define LOSS(reduce)                                                                               \
    "loss: {dice: {reduce: " reduce ", smooth: 1.0e-5, background: exclude}, "                     \
    "cross_entropy: {balance: frequency}}, freeze: {encoder_epochs: 5}, "
#define TRAINING                                                                                   \
    "batch: 4, epochs: 10, schedule: {kind: polynomial, power: 0.9}, checkpoint: {keep: all}"
#define SGD "optimizer: sgd, momentum: 0.99, nesterov: true, lr: 0.05, weight_decay: 0.0009765625"
static const struct thaw_case {
    const char *file, *keys;
} cases[] = {
    {"thaw-sgd", "{model: {channels: [3, 4]}, " LOSS("batch") "train: {" SGD ", " TRAINING "}}"},
    {"thaw-adam", "{model: {channels: [3, 4], down: strided, up: upsample}, " LOSS(
                      "case") "lr_scale: {encoder: 0.25}, train: {optimizer: adam, lr: 0.01, "
                              "eps: 0.0000152587890625, " TRAINING "}}"},
    {"thaw-sgd-3d",
     "{model: {channels: [2, 3], down: strided}, " LOSS("case") "train: {" SGD ", " TRAINING "}}"},
};

/* One step takes the whole train split: an epoch is a step, and any order is the same. */
static struct dataset dataset_in(const struct tensors *file)
{
    static const char *ids[] = {"a", "b", "c", "d", "e", "f"};
    static const char *names[] = {"background", "often", "seldom"};
    const struct tensor *image = tensors_find(file, "image"), *mask = tensors_find(file, "mask");
    const int64_t *side = mask->dim + mask->dims - 2;
    assert_int_equal(image->dim[0], TRAIN + VAL);
    return (struct dataset){.d = mask->dims == 4 ? (int32_t)mask->dim[1] : 1,
                            .h = (int32_t)side[0],
                            .w = (int32_t)side[1],
                            .c = (int32_t)image->dim[image->dims - 1],
                            .begin = {0, TRAIN, TRAIN + VAL},
                            .count = {TRAIN, VAL, 0},
                            .images = image->data,
                            .masks = mask->data,
                            .ids = ids,
                            .mask_class_count = CLASSES,
                            .mask_classes = names};
}

/* The artifact that training begins with. */
static struct id encoder_in(struct lab *lab, const struct tensors *file,
                            const struct unet_config *config)
{
    const struct unet_description unet = {
        .model = config->model, .outputs = CLASSES, .mask_classes = CLASSES};
    struct tensor weights[MOST];
    struct made made = {.kind = &unet_kind, .description = &unet, .weights = weights};
    for (size_t i = 0; i < file->count; i++)
        if (starts_with(file->items[i].name, "init:")) {
            weights[made.count] = file->items[i];
            weights[made.count++].name += strlen("init:");
        }
    assert_true(made.count > 0);
    return model_artifact(lab, &made);
}

static struct id fit(struct lab *lab, const struct thaw_case *c, const struct tensors *file,
                     const struct golden_backend *on)
{
    struct dataset dataset = dataset_in(file);
    struct meter meter = {0};
    struct unet_config config;
    struct yaml *tree;
    struct run *run;
    struct draft *draft;
    struct port port = {.name = "model"};
    struct err err;
    must(yaml_parse(&tree, &lab->arena, c->file, c->keys, strlen(c->keys), &err), &err);
    must(config_bind(&config, unet_fields, tree, c->file, &lab->arena, &err), &err);
    struct id init = encoder_in(lab, file, &config);
    const char *recipe = arena_printf(&lab->arena, "%s on %s", c->file, on->name);
    must(claim(&run, lab, recipe, false, &err), &err);
    struct training where = {.run = run,
                             .store = lab->store,
                             .dataset = &dataset,
                             .backend = on->backend,
                             .meter = &meter,
                             .quiet = true};
    must(draft_open(&draft, lab->store, &err), &err);
    must(unet_train(&where, &config, &init, seed, draft, &err), &err);
    must(draft_seal(draft, &port.artifact, &err), &err);
    must(run_commit(run, &port, 1, &err), &err);
    return port.artifact;
}

/* All weights and running statistics after so many steps. */
static void compare_weights(struct lab *lab, const struct id *model, int steps,
                            const struct tensors *file, const struct golden_backend *on)
{
    char path[PATH_BYTES], name[64], kind[64];
    struct tensors got;
    struct err err;
    size_t wanted = 0;
    snprintf(name, sizeof name, "epoch-%03d.safetensors", steps);
    snprintf(kind, sizeof kind, "after %d", steps);
    must(artifact_path(path, lab->store, model, name, &err), &err);
    must(tensors_open(&got, path, &err), &err);
    for (size_t i = 0; i < got.count; i++) {
        const struct tensor *want = golden_need(file, kind, got.items[i].name);
        assert_int_equal(got.items[i].bytes, want->bytes);
        golden_compare(on, "weights", got.items[i].data, want);
    }
    for (size_t i = 0; i < file->count; i++)
        wanted += starts_with(file->items[i].name, steps == STEPS ? "after 10:" : "after 5:");
    assert_int_equal(got.count, wanted);
    tensors_close(&got);
}

static void compare_losses(struct lab *lab, const struct id *model, const struct tensors *file,
                           const struct golden_backend *on)
{
    const double *trained = tensors_find(file, "losses")->data;
    const double *validated = tensors_find(file, "validated")->data;
    char path[PATH_BYTES], *csv;
    size_t length;
    struct err err;
    must(artifact_path(path, lab->store, model, "history.csv", &err), &err);
    must(file_read(&csv, &length, path, 1 << 20, &err), &err);
    const char *row = csv;
    for (int step = 0; step < STEPS; step++) {
        double now, later;
        row = strchr(row, '\n') + 1;
        assert_int_equal(sscanf(row, "%*d,%*d,%*f,%lf,%*f,%lf", &now, &later), 2);
        if (!(fabs(now - trained[step]) <= on->tolerance * trained[step]) ||
            !(fabs(later - validated[step]) <= on->tolerance * validated[step]))
            fail_msg("%s: step %d has the losses %.9g and %.9g, not %.9g and %.9g", on->name, step,
                     now, later, trained[step], validated[step]);
    }
    free(csv);
}

static void check(struct lab *lab, const struct thaw_case *c, struct golden_backend on)
{
    struct tensors file;
    golden_open(&file, c->file);
    struct id model = fit(lab, c, &file, &on);
    on.tolerance *= 10; /* ten steps let rounding grow a little */
    compare_losses(lab, &model, &file, &on);
    compare_weights(lab, &model, FROZEN, &file, &on);
    compare_weights(lab, &model, STEPS, &file, &on);
    tensors_close(&file);
}

static void as_in_torch(void **state)
{
    void *backends;
    golden_setup(&backends);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int b = 0; b < 2; b++)
            check(*state, &cases[i], ((struct golden_backend *)backends)[b]);
    golden_teardown(&backends);
}

int main(void)
{
    const struct CMUnitTest tests[] = {LAB_TEST(as_in_torch)};
    return cmocka_run_group_tests_name("train_golden_thaw", tests, NULL, NULL);
}
