/* The UNet as a trained thing: what training reports is what the artifact does afterwards, at any
 * size; and what cannot be trained is refused. */
#include "engine/backend.h"
#include "apply/trained.h"
#include "store/tensors.h"
#include "train/autoencoder_train.h"
#include "train/unet_train.h"

#include "one_thread.h"
#include "store_lab.h"

#include <math.h>

enum { TRAIN = 40, VAL = 12, ALL = TRAIN + VAL, H = 9, W = 7, AREA = H * W, BATCH = 8 };
struct data {
    uint8_t images[ALL * AREA], masks[ALL * AREA];
    const char *ids[ALL];
    struct dataset set;
};

/* A bright blob whose place is the class of its pixels (with two classes: foreground), on noise. */
static void make_data(struct data *data, uint32_t classes)
{
    static const char *names[] = {"background", "left", "right"};
    uint32_t random = 7;
    for (int i = 0; i < ALL; i++)
        data->ids[i] = i % 2 ? "odd" : "even"; /* equal ids are cut alike */
    for (int i = 0; i < ALL * AREA; i++) {
        int x = i % W, y = i / W % H, centre = i / AREA % 2 ? 1 : 5;
        bool inside = abs(x - centre) <= 1 && abs(y - 4) <= 2;
        random = random * 1664525u + 1013904223u;
        data->images[i] = (uint8_t)((random >> 25) + (inside ? 100 : 0));
        data->masks[i] = !inside ? 0 : classes == 2 || centre == 1 ? 1 : 2;
        if (y == 0 && x == 3)
            data->masks[i] = MASK_IGNORE;
    }
    data->set = (struct dataset){.d = 1,
                                 .h = H,
                                 .w = W,
                                 .c = 1,
                                 .begin = {0, TRAIN, ALL},
                                 .count = {TRAIN, VAL, 0},
                                 .images = data->images,
                                 .masks = data->masks,
                                 .ids = data->ids,
                                 .mask_class_count = classes,
                                 .mask_classes = names};
}

static void bind(struct unet_config *out, struct lab *lab, const char *yaml)
{
    struct err err;
    struct yaml *tree;
    OK(yaml_parse(&tree, &lab->arena, "test", yaml, strlen(yaml), &err));
    OK(config_bind(out, unet_fields, tree, "test", &lab->arena, &err));
}

/* init: NULL: none. peak: the bytes it took. */
static struct id fit_from(struct lab *lab, const struct dataset *dataset, const char *yaml,
                          const struct id *init, enum dtype precision, size_t *peak)
{
    struct unet_config config;
    struct run *run;
    struct draft *draft;
    struct port port = {.name = "model"};
    struct meter meter = {0};
    struct err err;
    bind(&config, lab, yaml);
    OK(claim(&run, lab, yaml, false, &err));
    struct training where = {.run = run,
                             .store = lab->store,
                             .dataset = dataset,
                             .backend = one_thread(),
                             .meter = &meter,
                             .precision = precision,
                             .quiet = true};
    OK(draft_open(&draft, lab->store, &err));
    OK(unet_train(&where, &config, init, 3, draft, &err));
    OK(draft_seal(draft, &port.artifact, &err));
    OK(run_commit(run, &port, 1, &err));
    *peak = meter.peak;
    return port.artifact;
}

static struct id fit_in(struct lab *lab, const struct dataset *dataset, const char *yaml,
                        enum dtype precision, size_t *peak)
{
    return fit_from(lab, dataset, yaml, NULL, precision, peak);
}

static struct id fit(struct lab *lab, const struct dataset *dataset, const char *yaml)
{
    size_t peak;
    return fit_in(lab, dataset, yaml, F32, &peak);
}

/* The last row's val/loss and val/dice of history.csv. */
static void reported(double out[2], struct lab *lab, const struct id *model)
{
    char path[PATH_BYTES], *csv;
    size_t length;
    struct err err;
    OK(artifact_path(path, lab->store, model, "history.csv", &err));
    OK(file_read(&csv, &length, path, 1 << 20, &err));
    const char *header = "epoch,step,lr,train/loss,train/dice,val/loss,val/dice\n";
    assert_memory_equal(csv, header, strlen(header));
    csv[length - 1] = 0;
    const char *row = strrchr(csv, '\n');
    assert_int_equal(sscanf(row, "%*d,%*d,%*f,%*f,%*f,%lf,%lf", &out[0], &out[1]), 2);
    free(csv);
}

/* Cross entropy and soft Dice of one batch of probabilities [cases,AREA,outputs], by hand. */
static void measure(double out[2], const float *probability, int outputs, int classes,
                    const uint8_t *mask, int cases)
{
    double entropy = 0, pixels = 0, both[3] = {0}, sizes[3] = {0}, dice = 0;
    for (int i = 0; i < cases * AREA; i++) {
        if (mask[i] == MASK_IGNORE)
            continue;
        double p[3] = {1 - probability[i * outputs], probability[i * outputs]};
        for (int c = 0; c < classes && outputs > 1; c++)
            p[c] = probability[i * outputs + c];
        entropy -= log(p[mask[i]]);
        pixels++;
        for (int c = 1; c < classes; c++) {
            both[c] += mask[i] == c ? p[c] : 0;
            sizes[c] += p[c] + (mask[i] == c);
        }
    }
    for (int c = 1; c < classes; c++)
        dice += 2 * both[c] / sizes[c] / (classes - 1);
    out[0] = entropy / pixels;
    out[1] = dice;
}

/* What the artifact does on the val split, in the trainer's batches (the last has padding). */
static void check_reported(struct lab *lab, const struct data *data, const struct id *model,
                           int outputs, int batch)
{
    static float image[BATCH * AREA], probability[BATCH * AREA * 3];
    double want[2] = {0}, got[2];
    int classes = (int)data->set.mask_class_count;
    struct trained unet;
    struct backend *backend = one_thread();
    struct err err;
    struct trained_spec spec = {.store = lab->store,
                                .artifact = model,
                                .backend = backend,
                                .batch = batch,
                                .abilities = CAN(SEGMENT)};
    OK(trained_open(&unet, &spec, &err));
    assert_int_equal(unet.model.facts.outputs, outputs);
    assert_int_equal(unet.model.facts.mask_classes, classes);
    assert_int_equal(unet.pixels, AREA);
    for (int first = TRAIN; first < ALL; first += batch) {
        int cases = ALL - first < batch ? ALL - first : batch;
        double part[2];
        for (int i = 0; i < cases * AREA; i++)
            image[i] = (float)data->images[first * AREA + i] / 255.0f;
        OK(trained_segment(&unet, image, probability, &err));
        measure(part, probability, outputs, classes, data->masks + first * AREA, cases);
        for (int k = 0; k < 2; k++)
            want[k] += part[k] * cases / VAL;
    }
    reported(got, lab, model);
    for (int k = 0; k < 2; k++)
        assert_float_equal(got[k], want[k], 1e-5);
    assert_true(got[1] > 0.7 && got[1] < 0.9999); /* learnt something, and 1 would prove little */
    trained_close(&unet);
}

static void one_logit(void **state)
{
    static struct data data;
    make_data(&data, 2);
    struct id model = fit(*state, &data.set,
                          "{model: {channels: [4, 8, 8, 8, 8], dropout: [0, 0, 0, 0, 0.25], "
                          "deep_supervision: true}, "
                          "loss: {bce: {}}, train: {epochs: 12, batch: 8, lr: 1.0e-2, "
                          "checkpoint: {keep: last}}}");
    check_reported(*state, &data, &model, 1, BATCH);
}

static void several_logits(void **state)
{
    static struct data data;
    make_data(&data, 3);
    struct id model = fit(*state, &data.set,
                          "{model: {channels: [4, 8, 8, 8, 8], norm: group, norm_groups: 2, down: "
                          "strided, up: upsample, block: residual}, loss: {cross_entropy: {}}, "
                          "train: {epochs: 12, batch: 8, lr: 1.0e-2, checkpoint: {keep: last}}}");
    check_reported(*state, &data, &model, 3, BATCH);
}

/* Learnt from patches, the model is of whole cases, and validated on them one by one. */
static void patches(void **state)
{
    static struct data data;
    struct lab *lab = *state;
    make_data(&data, 2);
    for (int i = 0; i < AREA / 2; i++) /* half of it is gone: found worse */
        data.masks[TRAIN * AREA + i] = 0;
    struct id model = fit(lab, &data.set,
                          "{model: {channels: [4, 8, 8]}, loss: {bce: {}}, train: {epochs: 16, "
                          "batch: 8, lr: 1.0e-2, patch: {size: [1, 6, 5], foreground: 0.5}, "
                          "augment: [flip], checkpoint: {keep: last}}}");
    check_reported(lab, &data, &model, 1, 1);
    struct model read;
    struct unet_config config;
    struct arena arena = {0};
    struct err err;
    OK(model_read(&read, lab->store, &model, &arena, &err));
    const struct model_facts *is = &read.facts;
    assert_ptr_equal(read.kind, &unet_kind);
    assert_true(is->patch.present);
    assert_int_equal(is->patch.d, 1);
    assert_int_equal(is->patch.h, 6);
    assert_int_equal(is->patch.w, 5);
    assert_int_equal(is->data.h, H);
    arena_free(&arena);
    bind(&config, lab, "{loss: {bce: {}}, train: {patch: {size: [2, 3, 4], foreground: 0.6}}}");
    struct patch patch = train_patch(&config.train);
    assert_memory_equal(patch.size, ((const int32_t[]){2, 3, 4}), sizeof patch.size);
    assert_float_equal(patch.foreground, 0.6, 0);
    bind(&config, lab, "{loss: {bce: {}}}");
    assert_int_equal(train_patch(&config.train).size[0], 0);
}

#define NET                                                                                        \
    "{model: {channels: [4, 8, 8]}, loss: {bce: {}}, train: {epochs: 12, batch: 8, lr: 1.0e-2, "   \
    "checkpoint: {keep: last}"

/* Half the precision is another training, validated in F32 as ever; less memory is the same one. */
static void thrifty(void **state)
{
    static struct data data;
    struct lab *lab = *state;
    size_t kept, again, half;
    make_data(&data, 2);
    struct id model = fit_in(lab, &data.set, NET "}}", F32, &kept);
    struct id same = fit_in(lab, &data.set, NET ", checkpoint_activations: true}}", F32, &again);
    assert_memory_equal(&model, &same, sizeof model);
    assert_true(again < kept);
    if (!one_thread()->make_half)
        skip();
    struct id other = fit_in(lab, &data.set, NET ", ema: 0}}", BF16, &half);
    assert_memory_not_equal(&model, &other, sizeof model);
    assert_true(half < kept);
    check_reported(lab, &data, &other, 1, BATCH);
}

/* A model of images takes images of any size, and no volumes. */
static void other_sizes(void **state)
{
    static struct data data;
    struct lab *lab = *state;
    struct trained unet;
    struct backend *backend = one_thread();
    struct err err;
    float image[12 * 16] = {0}, probability[12 * 16 * 3];
    make_data(&data, 3);
    struct id model = fit(lab, &data.set,
                          "{model: {channels: [2, 4]}, loss: {cross_entropy: {}}, "
                          "train: {steps: 2, batch: 8}}");
    struct trained_spec spec = {.store = lab->store,
                                .artifact = &model,
                                .backend = backend,
                                .batch = 1,
                                .size = {.d = 1, .h = 12, .w = 16},
                                .abilities = CAN(SEGMENT)};
    OK(trained_open(&unet, &spec, &err));
    assert_int_equal(unet.pixels, 12 * 16);
    assert_true(shape_equal(unet.image, (struct shape){1, 1, 12, 16, 1}));
    OK(trained_segment(&unet, image, probability, &err));
    for (int i = 0; i < 12 * 16; i++) {
        const float *p = probability + 3 * i;
        assert_true(p[0] > 0 && p[1] > 0 && p[2] > 0);
        assert_float_equal(p[0] + p[1] + p[2], 1, 1e-6);
    }
    trained_close(&unet);
    spec.size = (struct shape){.d = 5, .h = 9, .w = 7};
    FAILS(trained_open(&unet, &spec, &err), STATUS_BAD_DATA,
          "the model is for images, not for volumes");
    trained_close(&unet);
}

#define WEIGHED                                                                                    \
    "model: {channels: [2, 4]}, loss: {cross_entropy: {balance: frequency}}, train: {epochs: 2, "  \
    "batch: 5, augment: [flip]}}"

/* A training of a share is that of a data set which has no more: batches, epochs, and the weights of
 * classes by their pixels. */
static void a_share_of_the_labels(void **state)
{
    static struct data data;
    struct lab *lab = *state;
    struct dataset part;
    struct err err;
    make_data(&data, 3);
    for (int i = 0; i < ALL; i++)
        data.ids[i] = arena_printf(&lab->arena, "%d", i);
    for (int i = 0; i < ALL; i += 5) /* 12 cases have another share of these, and so of pixels */
        memset(data.masks + i * AREA + AREA / 2, 0, AREA / 2);
    OK(dataset_part(&part, &data.set, 0.3, 3, &err));
    assert_int_equal(part.count[SPLIT_TRAIN], 12);
    struct id of_share = fit(lab, &data.set, "{label_fraction: 0.3, " WEIGHED);
    struct id of_part = fit(lab, &part, "{" WEIGHED);
    assert_memory_equal(&of_share, &of_part, sizeof of_part);
    struct id of_all = fit(lab, &data.set, "{label_fraction: 1, " WEIGHED);
    assert_memory_not_equal(&of_share, &of_all, sizeof of_all);
    dataset_close(&part);
}

/* ---- an encoder that was trained before ----------------------------------------------------- */

static struct id pretrain(struct lab *lab, const struct dataset *dataset, const char *yaml)
{
    struct autoencoder_config config;
    struct yaml *tree;
    struct run *run;
    struct draft *draft;
    struct port port = {.name = "model"};
    struct meter meter = {0};
    struct err err;
    OK(yaml_parse(&tree, &lab->arena, "test", yaml, strlen(yaml), &err));
    OK(config_bind(&config, autoencoder_fields, tree, "test", &lab->arena, &err));
    OK(claim(&run, lab, yaml, false, &err));
    struct training where = {
        .run = run, .dataset = dataset, .backend = one_thread(), .meter = &meter, .quiet = true};
    OK(draft_open(&draft, lab->store, &err));
    OK(autoencoder_train(&where, &config, NULL, 5, draft, &err));
    OK(draft_seal(draft, &port.artifact, &err));
    OK(run_commit(run, &port, 1, &err));
    return port.artifact;
}

static void open_weights(struct tensors *out, struct lab *lab, const struct id *model)
{
    char path[PATH_BYTES];
    struct err err;
    OK(artifact_path(path, lab->store, model, "weights.safetensors", &err));
    OK(tensors_open(out, path, &err));
}

/* Every tensor of the encoder is the same in both; returns how many. */
static int same_encoders(struct lab *lab, const struct id *a, const struct id *b)
{
    struct tensors one, other;
    int count = 0;
    open_weights(&one, lab, a);
    open_weights(&other, lab, b);
    for (size_t i = 0; i < one.count; i++) {
        if (!starts_with(one.items[i].name, "encoder."))
            continue;
        const struct tensor *tensor = tensors_find(&other, one.items[i].name);
        assert_non_null(tensor);
        assert_int_equal(tensor->bytes, one.items[i].bytes);
        assert_memory_equal(tensor->data, one.items[i].data, tensor->bytes);
        count++;
    }
    tensors_close(&one);
    tensors_close(&other);
    return count;
}

#define ENCODER "channels: [2, 4, 4], norm: batch, activation: relu, down: strided"

/* Statistics come along; what has no counterpart keeps its first values, and all of it is written
 * down. */
static void begins_with_an_encoder(void **state)
{
    static struct data data;
    struct lab *lab = *state;
    size_t peak;
    char path[PATH_BYTES], *table;
    size_t length;
    struct err err;
    make_data(&data, 3);
    struct id trained =
        pretrain(lab, &data.set, "{model: {" ENCODER "}, train: {epochs: 2, batch: 8, ema: 0.5}}");
    struct id unet =
        fit_from(lab, &data.set,
                 "{model: {" ENCODER "}, loss: {cross_entropy: {}}, train: {epochs: 1, "
                 "batch: 8, ema: 0.5}, freeze: {encoder_epochs: 1}}",
                 &trained, F32, &peak);
    int loaded = same_encoders(lab, &trained, &unet);
    assert_int_equal(loaded, 3 * 2 * 5 + 2 * 5); /* levels, and ways down: weight and its norm's */
    OK(artifact_path(path, lab->store, &unet, "init.txt", &err));
    OK(file_read(&table, &length, path, 1 << 16, &err));
    int lines = 0;
    for (const char *line = table; (line = strstr(line, "loaded encoder.")); line++)
        lines++;
    assert_int_equal(lines, loaded);
    assert_non_null(strstr(table, "loaded encoder.1.down_norm.running_var\n"));
    assert_non_null(strstr(table, "initialised head.weight: not asked for\n"));
    assert_non_null(strstr(table, "skipped head.weight: not asked for\n"));
    free(table);
    struct id deeper =
        fit_from(lab, &data.set,
                 "{model: {channels: [2, 4, 4, 6], down: strided, activation: relu}, "
                 "loss: {cross_entropy: {}}, freeze: {encoder_epochs: 1}, "
                 "train: {epochs: 1, batch: 8}}",
                 &trained, F32, &peak);
    assert_int_equal(same_encoders(lab, &trained, &deeper), loaded);
    OK(artifact_path(path, lab->store, &deeper, "init.txt", &err));
    OK(file_read(&table, &length, path, 1 << 16, &err));
    assert_non_null(strstr(table, "initialised encoder.3.conv1.weight: no tensor of its name\n"));
    free(table);
}

/* What it begins with has no say in which cases are learnt from. */
static void a_share_whatever_it_begins_with(void **state)
{
    static const char keys[] = "model: {" ENCODER "}, loss: {cross_entropy: {}}, "
                               "train: {epochs: 2, batch: 4}}";
    static struct data data;
    struct lab *lab = *state;
    struct dataset part;
    struct err err;
    size_t peak;
    make_data(&data, 3);
    for (int i = 0; i < ALL; i++)
        data.ids[i] = arena_printf(&lab->arena, "%d", i);
    struct id trained =
        pretrain(lab, &data.set, "{model: {" ENCODER "}, train: {steps: 1, batch: 8}}");
    OK(dataset_part(&part, &data.set, 0.2, 3, &err));
    struct id model[2][2];
    const struct id *const inits[] = {NULL, &trained};
    for (int i = 0; i < 2; i++) { /* a blank more is a recipe of its own */
        const char *of_share =
            arena_printf(&lab->arena, "{label_fraction: 0.2,%*s %s", i, "", keys);
        const char *of_all = arena_printf(&lab->arena, "{%*s%s", i, "", keys);
        model[i][0] = fit_from(lab, &data.set, of_share, inits[i], F32, &peak);
        model[i][1] = fit_from(lab, &part, of_all, inits[i], F32, &peak);
        assert_memory_equal(&model[i][0], &model[i][1], sizeof model[i][0]);
    }
    assert_memory_not_equal(&model[0][0], &model[1][0], sizeof model[0][0]);
    dataset_close(&part);
}

static void an_encoder_of_other_shapes(void **state)
{
    static struct data data;
    struct lab *lab = *state;
    struct unet_config config;
    struct draft *draft;
    struct run *run;
    struct meter meter = {0};
    struct err err;
    make_data(&data, 3);
    struct id trained =
        pretrain(lab, &data.set, "{model: {" ENCODER "}, train: {steps: 1, batch: 8}}");
    bind(&config, lab,
         "{model: {channels: [2, 6, 4], down: strided}, loss: {cross_entropy: {}}, "
         "train: {batch: 8}}");
    OK(claim(&run, lab, "other", false, &err));
    OK(draft_open(&draft, lab->store, &err));
    struct training where = {.run = run,
                             .store = lab->store,
                             .dataset = &data.set,
                             .backend = one_thread(),
                             .meter = &meter,
                             .quiet = true};
    FAILS(unet_train(&where, &config, &trained, 3, draft, &err), STATUS_BAD_DATA,
          "'encoder.1.conv1.weight' is [4,3,3,2], and 'encoder.1.conv1.weight' of the model is "
          "[6,3,3,2]");
    draft_drop(draft);
    run_end(run, &err);
}

static void refused(void **state)
{
    static struct data data;
    struct unet_config config;
    struct training where = {.dataset = &data.set};
    struct err err;
    make_data(&data, 2);
    bind(&config, *state, "{loss: {bce: {}}, train: {batch: 1}}"); /* 9x7 5x4 3x2 2x1 1x1 */
    FAILS(unet_train(&where, &config, NULL, 0, NULL, &err), STATUS_CONFIG,
          "model.norm: 'batch' has one value to normalise at level 4");
    bind(&config, *state, "{model: {norm: instance}, loss: {bce: {}}, train: {batch: 8}}");
    FAILS(unet_train(&where, &config, NULL, 0, NULL, &err), STATUS_CONFIG,
          "model.norm: 'instance' has one value to normalise at level 4");
    struct dataset volumes = data.set;
    volumes.d = H, volumes.h = W, volumes.w = 1;
    where.dataset = &volumes;
    FAILS(unet_train(&where, &config, NULL, 0, NULL, &err), STATUS_CONFIG,
          "at level 4, where images of 9x7x1 are one pixel");
    where.dataset = &data.set;
    bind(&config, *state,
         "{model: {norm: instance, channels: [2, 2, 2]}, loss: {bce: {}}, "
         "train: {patch: {size: [1, 4, 3]}}}");
    FAILS(unet_train(&where, &config, NULL, 0, NULL, &err), STATUS_CONFIG,
          "at level 2, where images of 1x4x3 are one pixel");
    bind(&config, *state,
         "{model: {channels: [2, 2]}, loss: {bce: {}}, train: {patch: {size: [5, 5]}}}");
    FAILS(unet_train(&where, &config, NULL, 0, NULL, &err), STATUS_CONFIG,
          "train.patch.size: 2 items given; 3 (depth, height and width) or none expected");
    bind(&config, *state,
         "{model: {channels: [8, 4], norm: group, norm_groups: 3}, loss: {bce: {}}}");
    FAILS(unet_train(&where, &config, NULL, 0, NULL, &err), STATUS_CONFIG, "model.norm_groups: 3");
    bind(&config, *state, "{model: {channels: [2, 2]}}");
    FAILS(unet_train(&where, &config, NULL, 0, NULL, &err), STATUS_CONFIG, "loss: ");
    bind(&config, *state, "{model: {channels: [2, 2]}, loss: {bce: {}}}");
    memset(data.masks, MASK_IGNORE, TRAIN * AREA);
    FAILS(unet_train(&where, &config, NULL, 0, NULL, &err), STATUS_BAD_DATA,
          "no pixel of the train split has a class");
    data.set.masks = NULL;
    FAILS(unet_train(&where, &config, NULL, 0, NULL, &err), STATUS_CONFIG,
          "transfer-unet needs masks, but the data set has none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_TEST(one_logit),
        LAB_TEST(several_logits),
        LAB_TEST(patches),
        LAB_TEST(thrifty),
        LAB_TEST(other_sizes),
        LAB_TEST(a_share_of_the_labels),
        LAB_TEST(begins_with_an_encoder),
        LAB_TEST(a_share_whatever_it_begins_with),
        LAB_TEST(an_encoder_of_other_shapes),
        LAB_TEST(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
