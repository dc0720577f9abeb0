/* The UNet as a graph: every size, what its parameters depend on, what does not count in training,
 * the monitor. */
#include "engine/graph_parts.h"
#include "train/unet_train.h"

#include "one_thread.h"
#include "store_lab.h"

#include <math.h>

enum { BLOCKS = 3, DOWNS = 2, UPS = 2, NORMS = 4 };

static struct unet_model_config config_of(int block, int down, int up, int norm)
{
    static int64_t channels[] = {2, 4, 6};
    return (struct unet_model_config){.channels = {3, channels},
                                      .norm = norm,
                                      .activation = ACT_RELU,
                                      .norm_groups = 2,
                                      .block = block,
                                      .down = down,
                                      .up = up,
                                      .upsampling = MODE_LINEAR};
}

struct net {
    struct params *params;
    struct graph *graph;
    val image, logits, extra[UNET_LEVELS];
    int extra_count;
};

static struct net model_of(const struct unet_model_config *config, enum mode mode,
                           struct shape image, int32_t outputs)
{
    struct net m = {.params = params_new()};
    struct err err;
    m.graph = graph_new(m.params, mode, ARRAY_PARAM);
    m.image = g_input(m.graph, "image", F32, image);
    m.logits = unet_logits(m.graph, config, outputs, m.image, m.extra, &m.extra_count);
    OK(graph_check(m.graph, &err));
    return m;
}

static void model_free(struct net *m)
{
    graph_free(m->graph);
    params_free(m->params);
}

/* ---- sizes ---------------------------------------------------------------------------------- */
static void check_size(const struct unet_model_config *config, struct shape image)
{
    struct shape want = image;
    want.c = 5;
    for (int mode = MODE_TRAIN; mode <= MODE_EVALUATE; mode++) {
        struct net m = model_of(config, (enum mode)mode, image, 5);
        assert_true(shape_equal(g_shape(m.graph, m.logits), want));
        assert_int_equal(m.extra_count, config->deep_supervision && mode == MODE_TRAIN);
        for (int i = 0; i < m.extra_count; i++)
            assert_true(shape_equal(g_shape(m.graph, m.extra[i]), want));
        model_free(&m);
    }
}

static void any_size(void **state)
{
    (void)state;
    static const int32_t depths[] = {1, 2, 5, 8};
    for (int down = 0; down < DOWNS; down++)
        for (int up = 0; up < UPS; up++)
            for (int32_t h = 1; h <= 9; h++)
                for (size_t i = 0; i < sizeof depths / sizeof *depths; i++) {
                    struct unet_model_config config = config_of(BLOCK_PLAIN, down, up, NORM_NONE);
                    config.deep_supervision = h % 2;
                    check_size(&config, (struct shape){2, depths[i], h, 13 - h, 1});
                }
}

/* Sides that halve evenly need no cutting. */
static void no_copies(void **state)
{
    (void)state;
    struct unet_model_config config = config_of(BLOCK_PLAIN, DOWN_MAXPOOL, UP_UPSAMPLE, NORM_NONE);
    config.deep_supervision = true;
    struct net m = model_of(&config, MODE_TRAIN, (struct shape){1, 1, 12, 8, 3}, 2);
    for (int32_t i = 0; i < m.graph->nodes; i++)
        assert_int_not_equal(m.graph->node[i]->op, OP_slice);
    model_free(&m);
}

/* ---- parameters ----------------------------------------------------------------------------- */
/* Whatever a has of this group (NULL: any) is there in b with the same shape, and nothing else. */
static void check_same(const struct params *a, const struct params *b, const char *group)
{
    int count[2] = {0};
    for (int32_t i = 0; i < params_count(b); i++)
        count[1] += !group || !strcmp(params_entry(b, i)->group, group);
    for (int32_t i = 0; i < params_count(a); i++) {
        const struct entry *mine = params_entry(a, i);
        if (group && strcmp(mine->group, group) != 0)
            continue;
        const struct entry *other = params_find(b, mine->name);
        if (!other || !shape_equal(mine->shape, other->shape))
            fail_msg("'%s' is not the same in both", mine->name);
        count[0]++;
    }
    assert_true(count[0] > 0);
    assert_int_equal(count[0], count[1]);
}

/* An encoder carries over to any decoder. */
static void encoder_alone(void **state)
{
    (void)state;
    const struct shape image = {1, 1, 9, 7, 3};
    for (int i = 0; i < BLOCKS * DOWNS * NORMS; i++) {
        struct unet_model_config config =
            config_of(i % BLOCKS, i / BLOCKS % DOWNS, UP_TRANSPOSE, i / BLOCKS / DOWNS);
        struct net first = model_of(&config, MODE_TRAIN, image, 1);
        config.up = UP_UPSAMPLE;
        config.deep_supervision = true;
        struct net second = model_of(&config, MODE_EVALUATE, image, 4);
        check_same(first.params, second.params, "encoder");
        for (int32_t k = 0; k < params_count(first.params); k++) {
            const struct entry *entry = params_entry(first.params, k);
            bool in_encoder = strncmp(entry->name, "encoder.", 8) == 0;
            assert_string_equal(entry->group, in_encoder ? "encoder" : "decoder");
        }
        model_free(&first);
        model_free(&second);
    }
}

/* A volume of few slices has the weights of a deep one, and evaluation has those of training. */
static void same_at_any_depth(void **state)
{
    (void)state;
    struct unet_model_config config =
        config_of(BLOCK_DENSE_RESIDUAL, DOWN_STRIDED, UP_TRANSPOSE, NORM_BATCH);
    config.deep_supervision = true;
    struct net thin = model_of(&config, MODE_TRAIN, (struct shape){1, 2, 9, 7, 3}, 2);
    struct net thick = model_of(&config, MODE_EVALUATE, (struct shape){1, 16, 6, 5, 3}, 2);
    check_same(thin.params, thick.params, NULL);
    struct shape deepest = params_find(thin.params, "encoder.2.conv1.weight")->shape;
    assert_true(shape_equal(deepest, (struct shape){6, 3, 3, 3, 4}));
    assert_non_null(params_find(thin.params, "decoder.1.head.weight"));
    assert_null(params_find(thin.params, "decoder.0.head.weight"));
    model_free(&thin);
    model_free(&thick);
}

static void biases(void **state)
{
    (void)state;
    for (int norm = 0; norm < NORMS; norm++) {
        struct unet_model_config config =
            config_of(BLOCK_RESIDUAL, DOWN_STRIDED, UP_UPSAMPLE, norm);
        struct net m = model_of(&config, MODE_TRAIN, (struct shape){1, 1, 9, 7, 3}, 2);
        static const char *const cancelled[] = {"encoder.0.conv1.bias", "encoder.1.shortcut.bias",
                                                "encoder.0.down.bias", "decoder.1.conv2.bias"};
        for (int i = 0; i < 4; i++)
            assert_true((params_find(m.params, cancelled[i]) != NULL) == (norm == NORM_NONE));
        assert_non_null(params_find(m.params, "decoder.1.up.bias"));
        assert_non_null(params_find(m.params, "head.bias"));
        model_free(&m);
    }
}

/* Each level's share drops whole channels of its blocks, and only where it is not 0. */
static void dropout(void **state)
{
    (void)state;
    struct unet_model_config config = config_of(BLOCK_PLAIN, DOWN_MAXPOOL, UP_TRANSPOSE, NORM_NONE);
    config.dropout = (struct real_list){3, (double[]){0, 0.25, 0.5}};
    for (int mode = MODE_TRAIN; mode <= MODE_EVALUATE; mode++) {
        struct net m = model_of(&config, (enum mode)mode, (struct shape){1, 1, 9, 7, 3}, 2);
        int found = 0;
        for (int32_t i = 0; i < m.graph->nodes; i++) {
            const struct node *node = m.graph->node[i];
            if (node->op != OP_dropout)
                continue;
            bool deepest = strncmp(node->path, "encoder.2", 9) == 0;
            assert_true(deepest || strncmp(node->path, "encoder.1", 9) == 0 ||
                        strncmp(node->path, "decoder.1", 9) == 0);
            assert_float_equal(node->attr.p, deepest ? 0.5 : 0.25, 0);
            assert_true(node->attr.per_channel);
            found++;
        }
        assert_int_equal(found, mode == MODE_TRAIN ? 3 : 0);
        model_free(&m);
    }
}

static void wrong_settings(void **state)
{
    (void)state;
    struct unet_model_config config =
        config_of(BLOCK_PLAIN, DOWN_MAXPOOL, UP_TRANSPOSE, NORM_GROUP);
    struct err err;
    assert_int_equal(unet_model_check(&config, &err), 0);
    config.norm_groups = 4;
    FAILS(unet_model_check(&config, &err), STATUS_CONFIG,
          "model.norm_groups: 4 groups do not divide the 2 channels of level 0");
    config.norm_groups = 2;
    config.channels.items = (int64_t[]){2, 4, 5};
    FAILS(unet_model_check(&config, &err), STATUS_CONFIG, "the 5 channels of level 2");
    config.norm = NORM_BATCH;
    assert_int_equal(unet_model_check(&config, &err), 0);
    config.dropout = (struct real_list){2, (double[]){0.1, 0.1}};
    FAILS(unet_model_check(&config, &err), STATUS_CONFIG,
          "model.dropout has 2 shares for 3 levels; one a level");
}

/* ---- memory --------------------------------------------------------------------------------- */
/* What a step on a volume has to keep for its gradient, counted in values as large as a level's features:
 * four of a block (its convolutions and normalisations), three more where something comes up (that, and
 * joined with the skip), and at the top, beside all that, two slopes. Scratch of kernels has to fit in
 * what is left of it. */
static void a_volume_takes_what_its_features_take(void **state)
{
    (void)state;
    static const char *const groups[] = {"encoder", "decoder"};
    enum { SIDE_3D = 96 };
    static int64_t channels[] = {16, 32, 64};
    for (int i = 0; i < 4; i++) {
        struct backend *backend;
        struct plan *plan;
        struct err err;
        enum dtype precision = i & 1 ? BF16 : F32;
        if (backend_open(&backend, &(struct backend_spec){.threads = 1, .precision = precision},
                         NULL, &err)) {
            assert_int_equal(precision, BF16); /* not of this processor */
            continue;
        }
        struct unet_model_config config =
            config_of(BLOCK_PLAIN, i & 2 ? DOWN_STRIDED : DOWN_MAXPOOL, UP_TRANSPOSE, NORM_BATCH);
        config.channels.items = channels;
        struct params *params = params_new();
        struct graph *g = graph_new(params, MODE_TRAIN, ARRAY_PARAM);
        graph_set_precision(g, precision);
        graph_suit(g, backend);
        struct shape shape = {1, SIDE_3D, SIDE_3D, SIDE_3D, 1};
        val image = g_input(g, "image", F32, shape), extra[UNET_LEVELS];
        int extras;
        val logits = unet_logits(g, &config, 1, image, extra, &extras);
        val loss = g_output(g, "loss", g_reduce_sum(g, logits, (struct shape){1, 1, 1, 1, 1}));
        graph_backward(g, loss, groups, 2, false);
        OK(graph_check(g, &err));
        OK(params_realise(params, backend, 1, &err));
        OK(plan_make(&plan, g, backend, &(struct plan_options){0}, &err));
        double most = 0;
        for (int level = 0; level < 3; level++)
            most += (level == 2 ? 4
                     : level    ? 11
                                : 13) *
                    (double)channels[level] * pow(SIDE_3D >> level, 3) *
                    (precision == BF16 ? 2 : 4);
        if (!((double)plan_bytes(plan) < most))
            fail_msg("%zu bytes, not less than %.0f", plan_bytes(plan), most);
        plan_free(plan);
        graph_free(g);
        params_free(params);
        backend_close(backend);
    }
}

/* Of every word that a configuration may say, the op is the one of that name; with a norm it is part
 * of that. */
static void activation_is_the_one_named(void **state)
{
    (void)state;
    for (int i = 0; act_names[i]; i++)
        for (int norm = 0; norm < 2; norm++) {
            struct unet_model_config config;
            struct arena arena = {0};
            struct yaml *map;
            struct err err;
            char text[100];
            int apart = 0, fused = 0;
            snprintf(text, sizeof text, "{block: residual, norm: %s, activation: %s}",
                     norm_names[norm], act_names[i]);
            OK(yaml_parse(&map, &arena, "f", text, strlen(text), &err));
            OK(config_bind(&config, unet_model_fields, map, "model", &arena, &err));
            struct net m = model_of(&config, MODE_TRAIN, (struct shape){1, 1, 16, 16, 1}, 1);
            for (int32_t k = 0; k < graph_nodes(m.graph); k++) {
                const struct node *node = graph_node(m.graph, k);
                apart += !strcmp(op_name(node->op), act_names[i]);
                fused += node->op == OP_norm && (int)node->attr.act == i;
            }
            bool none = !strcmp(act_names[i], "none");
            if ((apart > 0) == none || (fused > 0) != (norm > 0))
                fail_msg("%s: %d ops, %d fused", text, apart, fused);
            model_free(&m);
            arena_free(&arena);
        }
}

/* ---- what does not count -------------------------------------------------------------------- */
enum { CASES = 3, SIDE = 6, PIXELS = SIDE * SIDE };
struct step {
    struct net model;
    struct plan *plan;
    val mask, weight, slope;
};

static void step_open(struct step *s, const struct segment_loss_config *loss, int64_t classes,
                      struct backend *backend)
{
    static const char *const groups[] = {"encoder", "decoder"};
    struct unet_model_config config =
        config_of(BLOCK_RESIDUAL, DOWN_STRIDED, UP_UPSAMPLE, NORM_INSTANCE);
    struct class_counts counts = {classes, {100, 50, 25}};
    struct shape image = {CASES, 1, SIDE, SIDE, 1};
    struct err err;
    int32_t outputs;
    OK(segment_loss_outputs(&outputs, loss, classes, &err));
    s->model = model_of(&config, MODE_TRAIN, image, outputs);
    struct graph *g = s->model.graph;
    s->mask = g_input(g, "mask", I32, image);
    s->weight = g_input(g, "weight", F32, (struct shape){CASES, 1, 1, 1, 1});
    val total = unet_loss(g, loss, &counts, &s->model.logits, 1, s->mask, s->weight);
    graph_backward(g, total, groups, 2, false);
    s->slope = g_output(g, "slope", graph_gradient(g, s->model.logits));
    OK(graph_check(g, &err));
    OK(params_realise(s->model.params, backend, 1, &err));
    OK(plan_make(&s->plan, g, backend, &(struct plan_options){0}, &err));
}

static void step_run(struct step *s, const float *image, const int32_t *mask, float *slope)
{
    const float weight[CASES] = {1, 0, 1};
    struct err err;
    OK(plan_put(s->plan, s->model.image, image, &err));
    OK(plan_put(s->plan, s->mask, mask, &err));
    OK(plan_put(s->plan, s->weight, weight, &err));
    OK(plan_run(s->plan, &err));
    OK(plan_get(s->plan, s->slope, slope, &err));
}

/* The gradient of all parameters, one after the other. The caller frees it. */
static float *gradients(struct step *s)
{
    float *all = calloc((size_t)params_elements(s->model.params), sizeof *all), *next = all;
    struct err err;
    for (int32_t i = 0; i < params_count(s->model.params); i++) {
        const struct entry *entry = params_entry(s->model.params, i);
        OK(params_get(s->model.params, entry, ARRAY_GRAD, next, &err));
        next += shape_count(entry->shape);
    }
    return all;
}

static void check_uncounted(const struct segment_loss_config *loss, int64_t classes,
                            struct backend *backend)
{
    struct step step;
    float image[CASES * PIXELS], slope[CASES * PIXELS * 3];
    int32_t mask[CASES * PIXELS];
    step_open(&step, loss, classes, backend);
    int32_t outputs = g_shape(step.model.graph, step.model.logits).c;
    for (int i = 0; i < CASES * PIXELS; i++) {
        image[i] = (float)(i * 37 % 101) / 101;
        mask[i] = i % 5 == 0 ? MASK_IGNORE : (int32_t)(i * 13 % 17 % classes);
    }
    step_run(&step, image, mask, slope);
    float *before = gradients(&step);
    for (int i = 0; i < CASES * PIXELS; i++)
        for (int32_t k = 0; k < outputs; k++) {
            bool counts = mask[i] != MASK_IGNORE && i / PIXELS != 1;
            assert_true(isfinite(slope[i * outputs + k]));
            assert_true((slope[i * outputs + k] != 0) == counts);
        }
    for (int i = PIXELS; i < 2 * PIXELS; i++) { /* another case of weight 0 */
        image[i] = 1 - image[i];
        mask[i] = 1;
    }
    step_run(&step, image, mask, slope);
    float *after = gradients(&step);
    int64_t count = params_elements(step.model.params), moved = 0;
    for (int64_t i = 0; i < count; i++) {
        assert_float_equal(before[i], after[i], 0);
        moved += before[i] != 0;
    }
    assert_true(moved > count / 2);
    mask[1] = (mask[1] + 1) % (int32_t)classes; /* one that counts */
    free(after);
    step_run(&step, image, mask, slope);
    after = gradients(&step);
    assert_true(memcmp(before, after, (size_t)count * sizeof *after) != 0);
    free(before);
    free(after);
    plan_free(step.plan);
    model_free(&step.model);
}

static void uncounted(void **state)
{
    (void)state;
    static const struct segment_loss_config bce = {
        .bce = {.present = true, .weight = 1, .positive_weight = 2}};
    static const struct segment_loss_config entropy = {
        .cross_entropy = {.present = true, .weight = 1, .balance = BALANCE_FREQUENCY}};
    static const struct segment_loss_config dice = {.dice = {.present = true,
                                                             .weight = 1,
                                                             .smooth = 1,
                                                             .reduce = REDUCE_CASE,
                                                             .background = BACKGROUND_INCLUDE}};
    struct backend *backend = one_thread();
    check_uncounted(&bce, 2, backend);
    check_uncounted(&entropy, 3, backend);
    check_uncounted(&dice, 3, backend);
}

/* ---- the monitor ---------------------------------------------------------------------------- */
/* Two cases of two pixels, three classes of which the last is not there; by hand. */
static void soft_dice(void **state)
{
    (void)state;
    const float rows[4][3] = {{1, 2, 3}, {0, 1, 0}, {2, 0, 1}, {5, 5, 5}}, weight[2] = {1, 1};
    const int32_t label[3][4] = {{1, 0, 1, MASK_IGNORE}, {2, 2, 0, 1}, {0, 0, MASK_IGNORE, 0}};
    struct shape shape = {2, 1, 1, 2, 3}, map = {2, 1, 1, 2, 1}, one = {2, 1, 1, 1, 1};
    struct backend *backend = one_thread();
    struct plan *plan;
    struct err err;
    struct params *params = params_new();
    struct graph *g = graph_new(params, MODE_EVALUATE, ARRAY_PARAM);
    val x = g_input(g, "x", F32, shape), y = g_input(g, "y", I32, map);
    val w = g_input(g, "w", F32, one);
    val dice[2];
    for (int first = 0; first < 2; first++)
        dice[first] = g_output(g, "dice", unet_soft_dice(g, x, y, w, 3, first));
    OK(graph_check(g, &err));
    OK(params_realise(params, backend, 0, &err));
    OK(plan_make(&plan, g, backend, &(struct plan_options){0}, &err));
    for (int i = 0; i < 3; i++) {
        double both[3] = {0}, sizes[3] = {0}, truth[3] = {0}, want = 0, there = 0;
        for (int p = 0; p < 4; p++) {
            double total = exp(rows[p][0]) + exp(rows[p][1]) + exp(rows[p][2]);
            for (int c = 0; c < 3 && label[i][p] != MASK_IGNORE; c++) {
                double share = exp(rows[p][c]) / total;
                both[c] += label[i][p] == c ? share : 0;
                sizes[c] += share + (label[i][p] == c);
                truth[c] += label[i][p] == c;
            }
        }
        float got;
        OK(plan_put(plan, x, rows, &err));
        OK(plan_put(plan, y, label[i], &err));
        OK(plan_put(plan, w, weight, &err));
        OK(plan_run(plan, &err));
        for (int c = 2; c >= 0; c--) {
            want += truth[c] > 0 ? 2 * both[c] / sizes[c] : 0;
            there += truth[c] > 0;
            if (c == 2)
                continue;
            OK(plan_get(plan, dice[c], &got, &err));
            assert_float_equal(got, there > 0 ? want / there : 0, 1e-6);
        }
    }
    plan_free(plan);
    graph_free(g);
    params_free(params);
}

/* The running variance of a channel that says the same everywhere: 0 up to rounding, and not below it,
 * whatever the number of values. What reads the weights refuses less. */
static void no_variance_is_below_nothing(void **state)
{
    static const struct layers layers = {.group = "x", .norm = NORM_BATCH};
    (void)state;
    for (int32_t side = 2; side < 40; side++) {
        struct params *params = params_new();
        struct graph *g = graph_new(params, MODE_TRAIN, ARRAY_PARAM);
        struct shape shape = {1, 1, side, 3, 1};
        struct plan *plan;
        struct err err;
        float variance = 0;
        g_output(g, "y", layer_norm(g, &layers, "norm", g_fill(g, shape, 0), ACT_NONE));
        OK(graph_check(g, &err));
        OK(params_realise(params, one_thread(), 0, &err));
        OK(plan_make(&plan, g, one_thread(), &(struct plan_options){0}, &err));
        const struct entry *entry = params_find(params, "norm.running_var");
        OK(params_put(params, entry, ARRAY_STATE, &variance, &err));
        OK(plan_run(plan, &err));
        OK(params_get(params, entry, ARRAY_STATE, &variance, &err));
        assert_true(variance >= 0 && variance < 1e-9f);
        plan_free(plan);
        graph_free(g);
        params_free(params);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_size),
        cmocka_unit_test(no_copies),
        cmocka_unit_test(encoder_alone),
        cmocka_unit_test(same_at_any_depth),
        cmocka_unit_test(biases),
        cmocka_unit_test(dropout),
        cmocka_unit_test(wrong_settings),
        cmocka_unit_test(a_volume_takes_what_its_features_take),
        cmocka_unit_test(activation_is_the_one_named),
        cmocka_unit_test(uncounted),
        cmocka_unit_test(soft_dice),
        cmocka_unit_test(no_variance_is_below_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
