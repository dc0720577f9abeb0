/*
 * A UNet whose encoder is frozen at first: nothing of it moves until it is thawed, and a training that
 * is killed on either side of that ends as if it had not been.
 */
#include "one_thread.h"
#include "train_toy.h"

#include "train/checkpoint.h"
#include "train/unet_train.h"

enum { TRAIN = 24, VAL = 8, ALL = TRAIN + VAL, SIDE = 8, AREA = SIDE * SIDE, BATCH = 4 };
static const uint64_t seed = 11;

/* ---- the data, and a training of them ------------------------------------------------------- */

/* A bright square whose place is its class, on noise. */
static void make_data(struct dataset *out)
{
    static uint8_t images[ALL * AREA], masks[ALL * AREA];
    static const char *ids[ALL], *names[] = {"background", "left", "right"};
    static char text[ALL][8];
    uint32_t random = 5;
    for (int i = 0; i < ALL * AREA; i++) {
        int x = i % SIDE, y = i / SIDE % SIDE, left = i / AREA % 2 ? 1 : 4;
        bool inside = x >= left && x < left + 3 && y > 1 && y < 6;
        random = random * 1664525u + 1013904223u;
        images[i] = (uint8_t)((random >> 25) + (inside ? 100 : 0));
        masks[i] = inside ? (uint8_t)(left == 1 ? 1 : 2) : 0;
    }
    for (int i = 0; i < ALL; i++) {
        snprintf(text[i], sizeof text[i], "%d", i);
        ids[i] = text[i];
    }
    *out = (struct dataset){.d = 1,
                            .h = SIDE,
                            .w = SIDE,
                            .c = 1,
                            .begin = {0, TRAIN, ALL},
                            .count = {TRAIN, VAL, 0},
                            .images = images,
                            .masks = masks,
                            .ids = ids,
                            .mask_class_count = 3,
                            .mask_classes = names};
}

/* What toy_start's child fits. */
static struct unet_config config;
static struct arena arena;

static void bind(const char *keys)
{
    struct err err;
    struct yaml *tree;
    char *yaml = arena_printf(&arena,
                              "{model: {channels: [2, 4], dropout: [0.1, 0.2]}, "
                              "loss: {cross_entropy: {}}, %s}",
                              keys);
    if (yaml_parse(&tree, &arena, "test", yaml, strlen(yaml), &err) ||
        config_bind(&config, unet_fields, tree, "test", &arena, &err))
        fail_msg("%s", err.text);
}

static int fit(const struct training *where, const struct draft *draft, struct err *err)
{
    struct dataset dataset;
    struct training here = *where;
    make_data(&dataset);
    here.dataset = &dataset;
    here.quiet = true;
    return unet_train(&here, &config, NULL, seed, draft, err);
}

static struct toy trained(const char *keys)
{
    struct toy toy = toy_new();
    toy.fit = fit;
    bind(keys);
    toy_expect(&toy, STATUS_OK);
    return toy;
}

/* ---- its weights ---------------------------------------------------------------------------- */

enum { MOST = 4096 };
struct weights {
    float of_encoder[MOST], of_decoder[MOST];
    int encoder, decoder;
};

static void add(struct weights *out, const char *name, const float *values, int64_t count)
{
    bool encoder = starts_with(name, "encoder.");
    int *used = encoder ? &out->encoder : &out->decoder;
    assert_true(*used + count <= MOST);
    memcpy((encoder ? out->of_encoder : out->of_decoder) + *used, values,
           (size_t)count * sizeof *values);
    *used += (int)count;
}

/* Parameters and running statistics, by name. */
static struct weights read_weights(const struct toy *toy, const char *file)
{
    struct weights out = {0};
    struct tensors tensors;
    toy_tensors(&tensors, toy, file);
    for (size_t i = 0; i < tensors.count; i++)
        add(&out, tensors.items[i].name, tensors.items[i].data,
            (int64_t)(tensors.items[i].bytes / sizeof(float)));
    tensors_close(&tensors);
    return out;
}

static int by_name(const void *a, const void *b)
{
    const struct entry *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

/* What the seed draws, before any step. */
static struct weights first_weights(void)
{
    struct weights out = {0};
    struct unet_description unet = {.model = config.model, .outputs = 3, .mask_classes = 3};
    struct params *params = params_new();
    struct graph *g = graph_new(params, MODE_EVALUATE, ARRAY_PARAM);
    const struct entry *entries[256];
    float values[MOST];
    struct err err;
    val image = g_input(g, "image", F32, (struct shape){1, 1, SIDE, SIDE, 1});
    g_output(g, "y", unet_kind.segment(g, &unet, image));
    if (graph_check(g, &err) || params_realise(params, one_thread(), seed, &err))
        fail_msg("%s", err.text);
    for (int32_t i = 0; i < params_count(params); i++)
        entries[i] = params_entry(params, i);
    qsort(entries, (size_t)params_count(params), sizeof *entries, by_name);
    for (int32_t i = 0; i < params_count(params); i++) {
        enum array which = entries[i]->state ? ARRAY_STATE : ARRAY_PARAM;
        assert_int_equal(params_get(params, entries[i], which, values, &err), 0);
        add(&out, entries[i]->name, values, shape_count(entries[i]->shape));
    }
    graph_free(g);
    params_free(params);
    return out;
}

static bool same_encoder(const struct weights *a, const struct weights *b)
{
    assert_int_equal(a->encoder, b->encoder);
    assert_true(a->encoder > 0);
    return !memcmp(a->of_encoder, b->of_encoder, (size_t)a->encoder * sizeof(float));
}

static bool same_decoder(const struct weights *a, const struct weights *b)
{
    assert_int_equal(a->decoder, b->decoder);
    return !memcmp(a->of_decoder, b->of_decoder, (size_t)a->decoder * sizeof(float));
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void not_a_bit_moves_until_the_thaw(void **state)
{
    (void)state;
    struct toy toy = trained("freeze: {encoder_epochs: 2}, "
                             "train: {epochs: 4, batch: 4, lr: 0.01, augment: [flip], "
                             "checkpoint: {keep: all}}");
    struct weights before = first_weights(), last = before;
    for (int epoch = 1; epoch <= 4; epoch++) {
        char name[64];
        snprintf(name, sizeof name, "epoch-%03d.safetensors", epoch);
        struct weights now = read_weights(&toy, name);
        assert_int_equal(same_encoder(&now, &before), epoch <= 2);
        assert_true(epoch <= 2 || !same_encoder(&now, &last));
        assert_false(same_decoder(&now, &last));
        last = now;
    }
    char *csv = toy_file(&toy, "history.csv");
    assert_true(starts_with(csv, "epoch,step,lr,train/loss,train/dice,val/loss,val/dice\n"));
    for (int row = 0; row < 4; row++) /* both programs are one training */
        for (int column = 3; column < 7; column++)
            assert_true(isfinite(toy_cell(csv, row, column)));
    free(csv);
    toy_end(&toy);
}

#define TRAINING "train: {epochs: 2, batch: 4, lr: 0.01}"
static void frozen_for_longer_than_it_trains(void **state)
{
    (void)state;
    static const char *const keys[] = {"freeze: {encoder_epochs: 2}, " TRAINING,
                                       "freeze: {encoder_epochs: 1000000}, " TRAINING};
    struct id result[2];
    for (int i = 0; i < 2; i++) {
        struct toy toy = trained(keys[i]);
        struct weights now = read_weights(&toy, "weights.safetensors"), before = first_weights();
        assert_true(same_encoder(&now, &before));
        assert_false(same_decoder(&now, &before));
        result[i] = toy_result(&toy);
        toy_end(&toy);
    }
    assert_string_equal(result[0].hex, result[1].hex);
}

/* What the decoder was fitted to are the features as the encoder's own statistics make them. In the
 * second, such a rate after the thaw spoils it all, so that the best epoch is one of the first two. */
static void what_never_moved_is_not_measured(void **state)
{
    (void)state;
    static const char *const frozen[] = {
        "freeze: {encoder_epochs: 2}, train: {epochs: 2, batch: 4, lr: 0.01%s%s}",
        "freeze: {encoder_epochs: 2}, lr_scale: {encoder: 1000}, train: {epochs: 4, batch: 4, "
        "lr: 0.01%s%s}"};
    static const char *const averages[] = {"", ", ema: 0.5"};
    for (int k = 0; k < 2; k++) {
        struct weights now[2][2], before = {0};
        for (int i = 0; i < 4; i++) {
            const char *statistics = i % 2 ? ", norm_statistics: recomputed" : "";
            struct toy toy = trained(arena_printf(&arena, frozen[i / 2], averages[k], statistics));
            now[i / 2][i % 2] = read_weights(&toy, "weights.safetensors");
            before = first_weights();
            toy_end(&toy);
        }
        for (int i = 0; i < 2; i++) {
            assert_true(same_encoder(&now[i][0], &before));
            assert_true(same_encoder(&now[i][1], &before));
            assert_true(same_decoder(&now[i][0], &now[0][0]));
            assert_true(same_decoder(&now[i][1], &now[0][1]));
        }
        assert_false(same_decoder(&now[0][1], &now[0][0]));
    }
}

#define ONE_STEP                                                                                   \
    "train: {steps: 1, batch: 4, optimizer: sgd, momentum: 0, lr: 0.1, checkpoint: {keep: last}}"
/* Running statistics do not follow the rate. */
static void check_scaled(const float *before, const float *one, const float *other, int count,
                         double factor)
{
    int moved = 0;
    for (int i = 0; i < count; i++) {
        double by = (double)one[i] - (double)before[i];
        double otherwise = (double)other[i] - (double)before[i];
        bool scaled = fabs(otherwise - factor * by) < 1e-6;
        if (!scaled && one[i] != other[i])
            fail_msg("value %d moved by %g and %g", i, by, otherwise);
        moved += scaled && fabs(by) > 1e-4;
    }
    assert_true(moved > count / 4);
}

/* One step of plain gradient descent is as long as the rate. */
static void each_group_at_its_own_rate(void **state)
{
    (void)state;
    static const char *const keys[] = {ONE_STEP,
                                       "lr_scale: {encoder: 0.125, decoder: 4}, " ONE_STEP};
    struct weights after[2], before = {0};
    for (int i = 0; i < 2; i++) {
        struct toy toy = trained(keys[i]);
        after[i] = read_weights(&toy, "weights.safetensors");
        before = first_weights();
        toy_end(&toy);
    }
    check_scaled(before.of_encoder, after[0].of_encoder, after[1].of_encoder, before.encoder,
                 0.125);
    check_scaled(before.of_decoder, after[0].of_decoder, after[1].of_decoder, before.decoder, 4);
}

/* ---- kills ---------------------------------------------------------------------------------- */

/* The newest step that lies in a checkpoint; -1: none yet. One may be replaced while it is read. */
static int64_t step_reached(const struct toy *toy)
{
    char work[PATH_BYTES], folder[PATH_BYTES];
    struct id recipe = sha256_of(toy_recipe(toy), strlen(toy_recipe(toy)));
    int64_t step = -1;
    struct err err;
    toy_path(work, toy, "work");
    if (path_join(folder, work, recipe.hex, &err) ||
        checkpoint_newest(&step, folder, &recipe, &err))
        return -1;
    return step;
}

enum { KILLS = 20, THAW = 15 * TRAIN / BATCH }; /* of 360 steps */

static void killed_at_random_across_the_thaw(void **state)
{
    (void)state;
    struct toy toy = toy_new();
    int before = 0, after = 0;
    int64_t step = 0;
    toy.fit = fit;
    bind("freeze: {encoder_epochs: 15}, train: {epochs: 60, batch: 4, optimizer: sgd, momentum: "
         "0.99, nesterov: true, lr: 1.0e-3, schedule: {kind: polynomial}, ema: 0.9, "
         "checkpoint: {seconds: 0}}");
    config.train.checkpoint.share = 1e9; /* after every step */
    srand(3);
    for (int i = 0; i < KILLS; i++) {
        step += 1 + rand() % 20;
        pid_t child = toy_start(&toy);
        siginfo_t ended = {0};
        while (step_reached(&toy) < step && !ended.si_pid) {
            usleep(200);
            waitid(P_PID, (id_t)child, &ended, WEXITED | WNOHANG | WNOWAIT);
        }
        kill(child, SIGKILL);
        assert_int_equal(toy_wait(child), -SIGKILL);
        step = step_reached(&toy);
        before += step < THAW;
        after += step >= THAW;
    }
    assert_true(before >= 3 && after >= 3);
    toy_expect(&toy, STATUS_OK);
    assert_int_equal(toy_events(&toy, "resumed").count, KILLS);
    struct id want = toy_uninterrupted(&toy), got = toy_result(&toy);
    assert_string_equal(got.hex, want.hex);
    toy_end(&toy);
}

static int free_all(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(not_a_bit_moves_until_the_thaw),
        cmocka_unit_test(frozen_for_longer_than_it_trains),
        cmocka_unit_test(what_never_moved_is_not_measured),
        cmocka_unit_test(each_group_at_its_own_rate),
        cmocka_unit_test(killed_at_random_across_the_thaw),
    };
    return cmocka_run_group_tests_name("train_unet_freeze", tests, NULL, free_all);
}
