/*
 * A trainer of several programs: a generator and a discriminator that take turns, a group that is
 * frozen and thawed, weights that are borrowed; what says which epoch is the best.
 */
#include "one_thread.h"
#include "train_toy.h"

#include "model/layers.h"

static void same_result(struct toy *toy)
{
    struct id want = toy_uninterrupted(toy), got = toy_result(toy);
    assert_string_equal(got.hex, want.hex);
}

static bool has_tensor(const struct toy *toy, const char *file, const char *name)
{
    struct tensors tensors;
    toy_tensors(&tensors, toy, file);
    bool has = tensors_find(&tensors, name) != NULL;
    tensors_close(&tensors);
    return has;
}

/* ---- a generator and a discriminator -------------------------------------------------------- */

static const struct layers generator_layers = {.group = "generator", .act = ACT_TANH};
static const struct layers critic_layers = {
    .group = "critic", .norm = NORM_BATCH, .act = ACT_LEAKY_RELU};

static val generated(struct graph *g, int32_t n)
{
    graph_push(g, "generator");
    val z = g_normal(g, (struct shape){n, 1, 1, 1, 3});
    val x = layer_dense(g, &generator_layers, "hidden", z, HIDDEN, ACT_TANH);
    x = layer_dense(g, &generator_layers, "out", x, PIXELS, ACT_SIGMOID);
    graph_pop(g);
    return x;
}

/* How real each case looks, as a logit. */
static val criticised(struct graph *g, val x)
{
    graph_push(g, "critic");
    x = layer_dense(g, &critic_layers, "hidden", x, HIDDEN, ACT_NONE);
    x = layer_norm(g, &critic_layers, "norm", x, ACT_LEAKY_RELU);
    x = layer_dropout(g, &critic_layers, x, 0.25f, false);
    x = layer_dense(g, &critic_layers, "out", x, 1, ACT_NONE);
    graph_pop(g);
    return x;
}

static val believed(struct graph *g, const struct feed *feed, val x, float target)
{
    val logit = criticised(g, x);
    val term = g_loss(g, OP_bce, logit, g_fill(g, g_shape(g, logit), target));
    return weighted_mean(g, term, feed->weight);
}

static val generator_loss(struct graph *g, const struct feed *feed, const void *user,
                          struct monitors *monitors)
{
    (void)user;
    val x = generated(g, g_shape(g, feed->image).n);
    val loss = believed(g, feed, x, 1);
    monitor(monitors, "believed", LESS_IS_BETTER, loss);
    return g_binary(g, OP_mul, loss, feed->scalar[0]);
}

static val critic_loss(struct graph *g, const struct feed *feed, const void *user,
                       struct monitors *monitors)
{
    (void)user, (void)monitors;
    int32_t n = g_shape(g, feed->image).n;
    val real = g_reshape(g, feed->image, (struct shape){n, 1, 1, 1, PIXELS});
    val both =
        g_binary(g, OP_add, believed(g, feed, real, 1), believed(g, feed, generated(g, n), 0));
    return both;
}

/* Other monitors than in training. */
static val distance(struct graph *g, const struct feed *feed, const void *user,
                    struct monitors *monitors)
{
    (void)user;
    int32_t n = g_shape(g, feed->image).n;
    val real = g_reshape(g, feed->image, (struct shape){n, 1, 1, 1, PIXELS});
    val x = generated(g, n);
    monitor(monitors, "likeness", MORE_IS_BETTER, believed(g, feed, x, 0));
    return weighted_mean(g, g_loss(g, OP_mse, x, real), feed->weight);
}

static const struct train_config critic_config = {
    .optimizer = OPTIMISER_SGD, .lr = 0.05, .momentum = 0.5, .schedule = {.power = 0.9}};
static const struct program_row gan[] = {
    {.name = NULL, .loss = generator_loss, .groups = {{.name = "generator"}}, .frozen = {"critic"}},
    {.name = "critic",
     .loss = critic_loss,
     .groups = {{.name = "critic"}},
     .config = &critic_config},
    {.loss = distance},
};

/* The critic learns alone for ten steps; after that the generator takes part in every second. */
static uint32_t take_turns(int64_t step, int64_t steps, const void *user)
{
    (void)steps, (void)user;
    return step < 10 || step % 2 ? 2 : 3;
}

static struct toy gan_toy(void)
{
    struct toy toy = toy_new();
    toy.programs = gan;
    toy.program_count = 3;
    toy.runs = take_turns;
    return toy;
}

static void a_gan_has_a_history_of_both(void **state)
{
    (void)state;
    struct toy toy = gan_toy();
    toy_expect(&toy, STATUS_OK);
    char *csv = toy_file(&toy, "history.csv");
    assert_true(starts_with(csv, "epoch,step,lr,train/loss,train/believed,train/critic/loss,"
                                 "val/loss,val/likeness\n"));
    assert_true(isnan(toy_cell(csv, 0, 3))); /* no turn in the first 8 steps: nothing measured */
    assert_true(isfinite(toy_cell(csv, 0, 5)) && isfinite(toy_cell(csv, 1, 3)));
    free(csv);
    toy_end(&toy);
}

static int running[2];
static void say_running(int call)
{
    if (!call && write(running[1], "", 1) != 1)
        _exit(97);
    while (call == 10)
        pause();
}

static void killed_at_random(struct toy *toy)
{
    toy->config.epochs = 40; /* more steps than all the killed ones take */
    toy->config.checkpoint.seconds = 0;
    toy->each_step = say_running;
    srand(11);
    for (int i = 0; i < 12; i++) {
        char byte;
        assert_int_equal(pipe(running), 0);
        pid_t child = toy_start(toy);
        close(running[1]);
        assert_int_equal(read(running[0], &byte, 1), 1);
        usleep((unsigned)(rand() % 20000));
        kill(child, SIGKILL);
        assert_int_equal(toy_wait(child), -SIGKILL);
        close(running[0]);
    }
    toy->each_step = NULL;
    toy_expect(toy, STATUS_OK);
    assert_true(toy_events(toy, "resumed").count >= 8);
    same_result(toy);
    toy_end(toy);
}

static void a_gan_killed_at_random_ends_the_same(void **state)
{
    (void)state;
    struct toy toy = gan_toy();
    killed_at_random(&toy);
    toy = gan_toy();
    toy.config.accumulate = 2;
    toy.config.batch = 4;
    toy.config.ema = 0.9;
    toy.config.clip_norm = 0.5;
    killed_at_random(&toy);
}

/* ---- frozen and thawed ---------------------------------------------------------------------- */

/* Pixel 0 from the other five, y = w x + b; the bias is a group of its own. */
static val line_loss(struct graph *g, const struct feed *feed, const void *user,
                     struct monitors *monitors)
{
    (void)user, (void)monitors;
    int32_t n = g_shape(g, feed->image).n;
    val x = g_reshape(g, feed->image, (struct shape){n, 1, 1, 1, PIXELS});
    val w = g_param(g, "slope", "weight", (struct shape){1, 1, 1, 1, PIXELS - 1},
                    (struct initial){INIT_ZERO, 0});
    val y = g_conv(g, g_slice(g, x, AXIS_C, 1, PIXELS - 1), w, toy_bias(g, "level", "bias", 1),
                   toy_dense, ACT_NONE);
    return weighted_mean(g, g_loss(g, OP_mse, y, g_slice(g, x, AXIS_C, 0, 1)), feed->weight);
}

/* From the thaw on, both warm up anew. */
enum { THAW = 12, THAW_STEPS = 20, WARMUP = 4 };
static const struct train_config thawed_config = {.optimizer = OPTIMISER_ADAM,
                                                  .lr = 0.02,
                                                  .beta1 = 0.9,
                                                  .beta2 = 0.999,
                                                  .eps = 1e-8,
                                                  .schedule = {.warmup_steps = WARMUP}};
static const struct program_row thaw[] = {
    {.loss = line_loss, .groups = {{.name = "slope"}}, .frozen = {"level"}},
    {.name = "all",
     .loss = line_loss,
     .groups = {{.name = "slope"}, {.name = "level", .lr = 0.25}},
     .config = &thawed_config,
     .since = THAW},
    {.loss = line_loss},
};
static uint32_t thaws(int64_t step, int64_t steps, const void *user)
{
    (void)steps, (void)user;
    return step < THAW ? 1 : 2;
}

static struct toy thaw_toy(void)
{
    struct toy toy = toy_new();
    toy.programs = thaw;
    toy.program_count = 3;
    toy.runs = thaws;
    toy.config.steps = THAW_STEPS;
    toy.config.checkpoint.keep = KEEP_LAST;
    return toy;
}

/* Kingma & Ba 2015, algorithm 1, in double, each group with its own t. */
static void by_hand(double w[PIXELS], const struct toy *toy)
{
    const struct train_config *c = &toy->config;
    double m[PIXELS] = {0}, v[PIXELS] = {0};
    struct dataset dataset;
    struct loader *loader;
    struct err err;
    toy_data(&dataset, toy);
    struct loader_spec spec = {
        .split = SPLIT_TRAIN, .batch = (uint32_t)c->batch, .shuffle = true, .seed = toy_seed};
    assert_int_equal(loader_open(&loader, &dataset, &spec, NULL, &err), 0);
    for (int step = 0; step < THAW_STEPS; step++) {
        const struct batch *batch = loader_next(loader);
        double g[PIXELS] = {0}, since = step - THAW + 1;
        double lr = since < 1 ? c->lr : thawed_config.lr * fmin(since / WARMUP, 1);
        for (int64_t i = 0; i < c->batch; i++) {
            const float *pixel = batch->image + i * PIXELS;
            double error = w[PIXELS - 1] - (double)pixel[0];
            for (int k = 0; k < PIXELS - 1; k++)
                error += w[k] * (double)pixel[k + 1];
            for (int k = 0; k < PIXELS; k++)
                g[k] += 2 * error * (k < PIXELS - 1 ? (double)pixel[k + 1] : 1) / (double)c->batch;
        }
        for (int k = 0; k < PIXELS; k++) {
            bool level = k == PIXELS - 1;
            int t = level ? step - THAW + 1 : step + 1;
            if (t < 1)
                continue;
            m[k] = c->beta1 * m[k] + (1 - c->beta1) * g[k];
            v[k] = c->beta2 * v[k] + (1 - c->beta2) * g[k] * g[k];
            w[k] -= lr * (level ? 0.25 : 1) * (m[k] / (1 - pow(c->beta1, t))) /
                    (sqrt(v[k] / (1 - pow(c->beta2, t))) + c->eps);
        }
    }
    loader_close(loader);
}

static void a_thawed_group_counts_its_own_updates(void **state)
{
    (void)state;
    struct toy toy = thaw_toy();
    double want[PIXELS] = {0};
    float got[PIXELS];
    toy_expect(&toy, STATUS_OK);
    by_hand(want, &toy);
    toy_tensor(got, PIXELS - 1, &toy, "weights.safetensors", "weight");
    toy_tensor(got + PIXELS - 1, 1, &toy, "weights.safetensors", "bias");
    for (int k = 0; k < PIXELS; k++) {
        assert_true(fabs(want[k]) > 1e-3);
        if (fabs((double)got[k] - want[k]) > 1e-5)
            fail_msg("weight %d: %.9g instead of %.9g", k, (double)got[k], want[k]);
    }
    toy_end(&toy);
}

static void killed_around_a_thaw_ends_the_same(void **state)
{
    (void)state;
    struct toy toy = thaw_toy();
    static const int steps[] = {1, THAW - 1, THAW, THAW + 1, THAW + 2, THAW_STEPS};
    toy.config.checkpoint.seconds = 0;
    toy.signal = SIGKILL;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        toy.signal_at = steps[i];
        toy_expect(&toy, -SIGKILL);
    }
    toy.signal_at = 0;
    toy_expect(&toy, STATUS_OK);
    same_result(&toy);
    toy_end(&toy);
}

/* ---- what freezing means -------------------------------------------------------------------- */

enum { WIDTH = 4, CASES = 5 };
struct net {
    struct graph *graph;
    struct plan *plan;
    val x, y;
};

static val layered(struct graph *g, val x)
{
    static const struct layers layers = {.group = "inner", .norm = NORM_BATCH};
    graph_push(g, "inner");
    x = layer_dense(g, &layers, "dense", x, WIDTH, ACT_NONE);
    x = layer_norm(g, &layers, "norm", x, ACT_TANH);
    x = layer_dropout(g, &layers, x, 0.5f, false);
    graph_pop(g);
    return x;
}

/* An outer weight, then the layers of the inner group. */
static struct net net_new(struct params *params, enum mode mode, const char *frozen)
{
    struct net net = {.graph = graph_new(params, mode, ARRAY_PARAM)};
    struct graph *g = net.graph;
    if (frozen)
        graph_freeze(g, frozen);
    net.x = g_input(g, "x", F32, (struct shape){CASES, 1, 1, 1, WIDTH});
    val outer = g_param(g, "outer", "weight", (struct shape){1, 1, 1, 1, WIDTH},
                        (struct initial){INIT_ONE, 0});
    net.y = g_output(g, "y", layered(g, g_binary(g, OP_mul, net.x, outer)));
    return net;
}

static void net_run(struct net *net, struct params *params, struct backend *backend, float *y)
{
    struct err err;
    float x[CASES * WIDTH];
    const int32_t clock[CLOCKS] = {3, 0, 1, 2};
    for (int i = 0; i < CASES * WIDTH; i++)
        x[i] = sinf((float)(3 * i * i));
    if (graph_check(net->graph, &err) || params_realise(params, backend, 5, &err) ||
        plan_make(&net->plan, net->graph, backend, &(struct plan_options){0}, &err) ||
        plan_put(net->plan, net->x, x, &err) ||
        (graph_mode(net->graph) == MODE_TRAIN &&
         plan_put(net->plan, g_clock(net->graph), clock, &err)) ||
        plan_run(net->plan, &err) || plan_get(net->plan, net->y, y, &err))
        fail_msg("%s", err.text);
}

static void net_free(struct net *net)
{
    plan_free(net->plan);
    graph_free(net->graph);
}

static void a_frozen_group_is_as_in_evaluation(void **state)
{
    (void)state;
    struct err err;
    struct backend *backend = one_thread();
    struct params *params = params_new();
    float want[CASES * WIDTH], got[CASES * WIDTH], mean[WIDTH], before[WIDTH], gradient[WIDTH];
    struct net train = net_new(params, MODE_TRAIN, NULL);
    net_run(&train, params, backend, want);
    const struct entry *state_entry = params_find(params, "inner.norm.running_mean");
    assert_int_equal(params_get(params, state_entry, ARRAY_STATE, before, &err), 0);
    assert_true(before[0] != 0); /* a group that is not frozen moves */

    struct net evaluate = net_new(params, MODE_EVALUATE, NULL);
    net_run(&evaluate, params, backend, want);
    struct net frozen = net_new(params, MODE_TRAIN, "inner");
    static const char *const outer[] = {"outer"};
    val loss = g_reduce_sum(frozen.graph, g_unary(frozen.graph, OP_square, frozen.y),
                            (struct shape){1, 1, 1, 1, 1});
    graph_backward(frozen.graph, loss, outer, 1, false);
    g_clock(frozen.graph);
    net_run(&frozen, params, backend, got);
    assert_memory_equal(got, want, sizeof got);
    assert_int_equal(params_get(params, state_entry, ARRAY_STATE, mean, &err), 0);
    assert_memory_equal(mean, before, sizeof mean);
    /* the gradient passes through to the group before it */
    assert_int_equal(params_get(params, params_find(params, "weight"), ARRAY_GRAD, gradient, &err),
                     0);
    assert_true(fabsf(gradient[0]) > 1e-3f);
    net_free(&train);
    net_free(&evaluate);
    net_free(&frozen);
    params_free(params);
}

/* Whatever writes into its entries, not the layers alone. */
static void a_frozen_group_is_not_written_to(void **state)
{
    (void)state;
    static const char *const cases[] = {NULL, "net"};
    for (int i = 0; i < 2; i++) {
        struct err err;
        struct backend *backend = one_thread();
        struct plan *plan;
        struct params *params = params_new();
        struct graph *g = graph_new(params, MODE_TRAIN, ARRAY_PARAM);
        struct shape one = {1, 1, 1, 1, 1};
        float value;
        if (cases[i])
            graph_freeze(g, cases[i]);
        val seen = g_state(g, "net", "seen", one, (struct initial){INIT_ONE, 0});
        g_blend(g, seen, g_fill(g, one, 5), 0.5f, 0.5f, 0);
        g_output(g, "x", g_fill(g, one, 1));
        if (graph_check(g, &err) || params_realise(params, backend, 0, &err) ||
            plan_make(&plan, g, backend, &(struct plan_options){0}, &err) || plan_run(plan, &err) ||
            params_get(params, params_find(params, "seen"), ARRAY_STATE, &value, &err))
            fail_msg("%s", err.text);
        assert_true(value == (cases[i] ? 1.0f : 3.0f));
        plan_free(plan);
        graph_free(g);
        params_free(params);
    }
}

static void a_frozen_group_cannot_be_trained(void **state)
{
    (void)state;
    static const char *const inner[] = {"inner"};
    struct params *params = params_new();
    struct err err;
    struct net net = net_new(params, MODE_TRAIN, "inner");
    graph_backward(net.graph, g_sum_squares(net.graph, net.y), inner, 1, false);
    assert_int_equal(graph_check(net.graph, &err), -1);
    assert_string_equal(err.text, "group 'inner' is frozen but is to be trained");
    graph_free(net.graph);
    params_free(params);
}

/* ---- borrowed ------------------------------------------------------------------------------- */

/* The scale of toy_loss is another's bias; what is fitted is a factor of it. */
static val borrower_loss(struct graph *g, const struct feed *feed, const void *user,
                         struct monitors *monitors)
{
    (void)user, (void)monitors;
    int32_t n = g_shape(g, feed->image).n;
    val x = g_reshape(g, feed->image, (struct shape){n, 1, 1, 1, PIXELS});
    if (!graph_frozen(g, "lent"))
        return graph_fail(g, "what is borrowed is not frozen");
    graph_push(g, "lent");
    val scale = toy_bias(g, "lent", "scale", PIXELS);
    graph_pop(g);
    val factor = toy_bias(g, "own", "factor", 1);
    val error = g_loss(g, OP_mse, g_binary(g, OP_mul, x, g_binary(g, OP_mul, scale, factor)), x);
    return weighted_mean(g, error, feed->weight);
}

static const struct program_row borrower[] = {
    {.loss = borrower_loss, .groups = {{.name = "own"}}},
    {.loss = borrower_loss},
};
static const struct weights_map lent_map[] = {{"toy.scale", "lent.scale"}, {NULL, NULL}};
static const struct weights_map wrong_map[] = {{"toy.hidden", "lent.scale"}, {NULL, NULL}};

static void borrowed_weights_are_in_no_result(void **state)
{
    (void)state;
    struct toy toy = toy_new();
    float scale[PIXELS], factor;
    toy_expect(&toy, STATUS_OK);
    toy_tensor(scale, PIXELS, &toy, "weights.safetensors", "toy.scale");
    toy.lender = toy_result(&toy);
    toy.recipe = "stage toy\nborrows\n";
    toy.programs = borrower;
    toy.program_count = 2;
    toy.borrows = "lent";
    toy.map = lent_map;
    toy.config.steps = 1;
    toy.config.optimizer = OPTIMISER_SGD;
    toy.config.momentum = 0;
    toy_expect(&toy, STATUS_OK);
    assert_false(has_tensor(&toy, "weights.safetensors", "lent.scale"));
    /* one step from 0: the gradient by the factor is -2 sum_k scale_k x_k^2, so its mean says that
     * the scale was the lender's */
    struct dataset dataset;
    struct loader *loader;
    struct err err;
    double want = 0;
    toy_data(&dataset, &toy);
    struct loader_spec spec = {.split = SPLIT_TRAIN,
                               .batch = (uint32_t)toy.config.batch,
                               .shuffle = true,
                               .seed = toy_seed};
    assert_int_equal(loader_open(&loader, &dataset, &spec, NULL, &err), 0);
    const struct batch *batch = loader_next(loader);
    for (int i = 0; i < toy.config.batch * PIXELS; i++)
        want += toy.config.lr * 2 * (double)scale[i % PIXELS] * (double)batch->image[i] *
                (double)batch->image[i] / (double)toy.config.batch;
    loader_close(loader);
    toy_tensor(&factor, 1, &toy, "weights.safetensors", "factor");
    assert_true(fabs(want) > 1e-3 && fabs((double)factor - want) < 1e-6);

    toy.recipe = "stage toy\nborrows what is not there\n";
    toy.map = wrong_map;
    toy_expect(&toy, STATUS_BAD_DATA);
    char *text = toy_text(&toy, "error");
    assert_non_null(strstr(text, "weights of artifact"));
    assert_non_null(strstr(text, "toy.hidden"));
    free(text);
    toy_end(&toy);
}

/* From a trained toy: what fits, what is in but one of the two, what the map leaves out. */
static void weights_are_loaded_by_a_map(void **state)
{
    (void)state;
    static const struct weights_map map[] = {{"toy.hidden", "net.first"}, {NULL, NULL}};
    struct toy toy = toy_new();
    struct err err;
    toy_expect(&toy, STATUS_OK);
    struct store *store = toy_store(&toy);
    struct id lender = toy_result(&toy);
    struct backend *backend = one_thread();
    struct params *params = params_new();
    struct graph *g = graph_new(params, MODE_TRAIN, ARRAY_PARAM);
    graph_push(g, "net");
    toy_weight(g, "net", "first.weight", HIDDEN, PIXELS);
    toy_bias(g, "net", "first.extra", 2);
    toy_bias(g, "net", "head", 2);
    graph_pop(g);
    assert_int_equal(graph_check(g, &err), 0);
    struct graph *averaged = graph_new(params, MODE_EVALUATE, ARRAY_EMA);
    graph_push(averaged, "net");
    toy_weight(averaged, "net", "first.weight", HIDDEN, PIXELS);
    graph_pop(averaged);
    assert_int_equal(params_realise(params, backend, 0, &err), 0);
    struct text table = {0};
    assert_int_equal(weights_load_part(params, store, &lender, map, &table, &err), 0);
    assert_string_equal(table.data, "loaded net.first.weight\n"
                                    "initialised net.first.extra: no tensor of its name\n"
                                    "initialised net.head: not asked for\n"
                                    "skipped toy.hidden.bias: not in the model\n"
                                    "skipped toy.hidden.mean: not in the model\n"
                                    "skipped toy.out.bias: not asked for\n"
                                    "skipped toy.out.weight: not asked for\n"
                                    "skipped toy.scale: not asked for\n");
    float want[HIDDEN * PIXELS], got[HIDDEN * PIXELS];
    toy_tensor(want, HIDDEN * PIXELS, &toy, "weights.safetensors", "toy.hidden.weight");
    assert_int_equal(
        params_get(params, params_find(params, "net.first.weight"), ARRAY_PARAM, got, &err), 0);
    assert_memory_equal(got, want, sizeof got);
    assert_int_equal(
        params_get(params, params_find(params, "net.first.weight"), ARRAY_EMA, got, &err), 0);
    assert_memory_equal(got, want, sizeof got); /* the average begins there, too */
    assert_int_equal(weights_load_part(params, store, &lender, map, NULL, &err), -1);
    static const struct weights_map other[] = {{"toy.out", "net.first"}, {NULL, NULL}};
    assert_int_equal(weights_load_part(params, store, &lender, other, &table, &err), -1);
    assert_non_null(strstr(err.text, "'toy.out.weight' is [6,8], and 'net.first.weight' of the "
                                     "model is [8,6]"));
    static const struct weights_map nothing[] = {{"decoder", "net"}, {NULL, NULL}};
    assert_int_equal(weights_load_part(params, store, &lender, nothing, &table, &err), -1);
    assert_non_null(strstr(
        err.text,
        "none of its weights is in the model; 'decoder.first.weight' and the like expected"));
    text_free(&table);
    graph_free(averaged);
    graph_free(g);
    params_free(params);
    store_close(store);
    toy_end(&toy);
}

/* ---- what is best --------------------------------------------------------------------------- */

/* The factor is 1 in every validation, so that the first epoch stays the best. */
static void a_monitor_may_say_what_is_best(void **state)
{
    (void)state;
    struct toy toy = toy_new();
    float kept[PIXELS], first[PIXELS], last[PIXELS];
    toy.config.checkpoint.by = "factor";
    toy.config.checkpoint.keep = KEEP_ALL;
    toy_expect(&toy, STATUS_OK);
    toy_tensor(kept, PIXELS, &toy, "weights.safetensors", "toy.out.bias");
    toy_tensor(first, PIXELS, &toy, "epoch-001.safetensors", "toy.out.bias");
    toy_tensor(last, PIXELS, &toy, "epoch-005.safetensors", "toy.out.bias");
    assert_memory_equal(kept, first, sizeof kept);
    assert_memory_not_equal(kept, last, sizeof kept);
    toy_end(&toy);

    toy = toy_new();
    toy.config.checkpoint.by = "dice";
    toy_expect(&toy, STATUS_CONFIG);
    char *text = toy_text(&toy, "error");
    assert_string_equal(text, "train.checkpoint.by: 'dice' is not one of loss, error, factor");
    free(text);
    toy_end(&toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gan_has_a_history_of_both),
        cmocka_unit_test(a_gan_killed_at_random_ends_the_same),
        cmocka_unit_test(a_thawed_group_counts_its_own_updates),
        cmocka_unit_test(killed_around_a_thaw_ends_the_same),
        cmocka_unit_test(a_frozen_group_is_as_in_evaluation),
        cmocka_unit_test(a_frozen_group_is_not_written_to),
        cmocka_unit_test(a_frozen_group_cannot_be_trained),
        cmocka_unit_test(borrowed_weights_are_in_no_result),
        cmocka_unit_test(weights_are_loaded_by_a_map),
        cmocka_unit_test(a_monitor_may_say_what_is_best),
    };
    return cmocka_run_group_tests_name("train/programs", tests, NULL, NULL);
}
