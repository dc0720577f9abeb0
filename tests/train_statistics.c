/* Batch-norm statistics measured when the training is over: those of the final weights, whichever these
 * are, on the training cases as they are. */
#include "train_toy.h"

#include "model/layers.h"

static const struct layers layers = {.group = "net", .norm = NORM_BATCH, .act = ACT_TANH};

/* Two norms, so that the second depends on how the first one normalises; dropout and augmentation are
 * not to be seen. */
static val normed_loss(struct graph *g, const struct feed *feed, const void *user,
                       struct monitors *monitors)
{
    (void)user, (void)monitors;
    int32_t n = g_shape(g, feed->image).n;
    val image = g_reshape(g, feed->image, (struct shape){n, 1, 1, 1, PIXELS});
    val x = layer_dense(g, &layers, "one", image, HIDDEN, ACT_NONE);
    x = layer_norm(g, &layers, "norm_one", x, ACT_TANH);
    x = layer_dropout(g, &layers, x, 0.2f, false);
    x = layer_dense(g, &layers, "two", x, PIXELS, ACT_NONE);
    x = layer_norm(g, &layers, "norm_two", x, ACT_NONE);
    return weighted_mean(g, g_loss(g, OP_mse, x, image), feed->weight);
}

static const struct program_row normed[] = {{.loss = normed_loss, .groups = {{.name = "net"}}},
                                            {.loss = normed_loss}};

enum { BATCH = 8, BATCHES = 64 }; /* of 60 cases: more than one pass */

/* A layer as the file has it. */
struct layer {
    int in, out;
    float weight[HIDDEN * HIDDEN], bias[HIDDEN], scale[HIDDEN], shift[HIDDEN];
    float mean[HIDDEN], variance[HIDDEN];
};

static void read_layer(struct layer *l, const struct toy *toy, const char *number)
{
    const struct {
        const char *layer, *name;
        float *to;
        int count;
    } tensors[] = {
        {"", "weight", l->weight, l->in * l->out},  {"", "bias", l->bias, l->out},
        {"norm_", "weight", l->scale, l->out},      {"norm_", "bias", l->shift, l->out},
        {"norm_", "running_mean", l->mean, l->out}, {"norm_", "running_var", l->variance, l->out}};
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s%s.%s", tensors[i].layer, number, tensors[i].name);
        toy_tensor(tensors[i].to, tensors[i].count, toy, "weights.safetensors", name);
    }
}

/* y = norm(W x + b) over the batch, in double; its statistics are added to the sums. */
static void pass(double *y, const struct layer *l, const double *x, double *means,
                 double *variances)
{
    for (int o = 0; o < l->out; o++) {
        double sum = 0, squares = 0;
        for (int n = 0; n < BATCH; n++) {
            double value = (double)l->bias[o];
            for (int i = 0; i < l->in; i++)
                value += (double)l->weight[o * l->in + i] * x[n * l->in + i];
            y[n * l->out + o] = value;
            sum += value;
        }
        double mean = sum / BATCH;
        for (int n = 0; n < BATCH; n++)
            squares += pow(y[n * l->out + o] - mean, 2);
        means[o] += mean / BATCHES;
        variances[o] += squares / (BATCH - 1) / BATCHES;
        double deviation = sqrt(squares / BATCH + 1e-5);
        for (int n = 0; n < BATCH; n++)
            y[n * l->out + o] =
                (y[n * l->out + o] - mean) / deviation * (double)l->scale[o] + (double)l->shift[o];
    }
}

static void check_layer(const struct layer *l, const double *means, const double *variances)
{
    for (int o = 0; o < l->out; o++) {
        if (fabs((double)l->mean[o] - means[o]) > 1e-5)
            fail_msg("mean %d: %g instead of %g", o, (double)l->mean[o], means[o]);
        if (fabs((double)l->variance[o] / variances[o] - 1) > 1e-4)
            fail_msg("variance %d: %g instead of %g", o, (double)l->variance[o], variances[o]);
    }
}

static void check_by_hand(const struct toy *toy)
{
    struct layer one = {.in = PIXELS, .out = HIDDEN}, two = {.in = HIDDEN, .out = PIXELS};
    double means[2][HIDDEN] = {{0}}, variances[2][HIDDEN] = {{0}};
    struct dataset dataset;
    struct loader *loader;
    struct err err;
    read_layer(&one, toy, "one");
    read_layer(&two, toy, "two");
    toy_data(&dataset, toy);
    struct loader_spec spec = {
        .split = SPLIT_TRAIN, .batch = BATCH, .shuffle = true, .seed = toy_seed};
    assert_int_equal(loader_open(&loader, &dataset, &spec, NULL, &err), 0);
    for (int i = 0; i < BATCHES; i++) {
        const float *image = loader_next(loader)->image;
        double x[BATCH * PIXELS], hidden[BATCH * HIDDEN], y[BATCH * PIXELS];
        for (int k = 0; k < BATCH * PIXELS; k++)
            x[k] = (double)image[k];
        pass(hidden, &one, x, means[0], variances[0]);
        for (int k = 0; k < BATCH * HIDDEN; k++)
            hidden[k] = tanh(hidden[k]);
        pass(y, &two, hidden, means[1], variances[1]);
    }
    loader_close(loader);
    check_layer(&one, means[0], variances[0]);
    check_layer(&two, means[1], variances[1]);
}

static struct toy normed_toy(int keep, double ema)
{
    static int64_t flip[] = {AUGMENT_FLIP, AUGMENT_BRIGHTNESS};
    struct toy toy = toy_new();
    toy.programs = normed;
    toy.program_count = 2;
    toy.train = 60;
    toy.config.epochs = 30;
    toy.config.lr = 0.05;
    toy.config.ema = ema;
    toy.config.checkpoint.keep = keep;
    toy.config.augment = (struct int_list){2, flip};
    toy.config.augment_limits.brightness = 0.3;
    return toy;
}

static void are_those_of_the_final_weights(void **state)
{
    (void)state;
    static const struct {
        int keep;
        double ema;
    } cases[] = {{KEEP_LAST, 0}, {KEEP_BEST, 0}, {KEEP_LAST, 0.9}, {KEEP_BEST, 0.9}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct toy running = normed_toy(cases[i].keep, cases[i].ema), again;
        struct layer was = {.in = PIXELS, .out = HIDDEN}, is = was;
        toy_expect(&running, STATUS_OK);
        read_layer(&was, &running, "one");
        toy_end(&running);
        again = normed_toy(cases[i].keep, cases[i].ema);
        again.config.norm_statistics = STATISTICS_RECOMPUTED;
        toy_expect(&again, STATUS_OK);
        check_by_hand(&again);
        read_layer(&is, &again, "one");
        toy_end(&again);
        assert_memory_equal(is.weight, was.weight, sizeof is.weight); /* the weights are the same */
        assert_memory_equal(is.scale, was.scale, sizeof is.scale);
        assert_memory_not_equal(is.mean, was.mean, sizeof is.mean);
    }
}

/* Stopped and killed on the way, they are the same. */
static void a_training_that_was_killed_has_the_same(void **state)
{
    (void)state;
    struct toy toy = normed_toy(KEEP_BEST, 0.9);
    toy.config.norm_statistics = STATISTICS_RECOMPUTED;
    toy.config.checkpoint.seconds = 0;
    toy.signal = SIGKILL;
    for (toy.signal_at = 20; toy.signal_at <= 240; toy.signal_at += 55)
        toy_expect(&toy, -SIGKILL);
    toy.signal_at = 0;
    toy_expect(&toy, STATUS_OK);
    struct id want = toy_uninterrupted(&toy), got = toy_result(&toy);
    assert_string_equal(got.hex, want.hex);
    toy_end(&toy);
}

/* The program that measures is built when the training is over: then somebody wants to stop. */
static val interrupted_loss(struct graph *g, const struct feed *feed, const void *user,
                            struct monitors *monitors)
{
    const struct toy *toy = user;
    if (graph_measures(g) && toy->signal)
        raise(toy->signal);
    return normed_loss(g, feed, user, monitors);
}

static void a_stop_while_measuring_repeats_no_step(void **state)
{
    (void)state;
    static const struct program_row programs[] = {
        {.loss = interrupted_loss, .groups = {{.name = "net"}}}, {.loss = interrupted_loss}};
    struct toy toy = normed_toy(KEEP_BEST, 0.9);
    toy.config.norm_statistics = STATISTICS_RECOMPUTED;
    toy.programs = programs;
    toy.signal = SIGTERM;
    toy_expect(&toy, STATUS_STOPPED);
    toy.signal = 0;
    toy_expect(&toy, STATUS_OK);
    struct toy_event resumed = toy_events(&toy, "resumed");
    assert_int_equal(resumed.count, 1);
    assert_string_equal(resumed.first, "{\"step\": 240}");
    struct id want = toy_uninterrupted(&toy), got = toy_result(&toy);
    assert_string_equal(got.hex, want.hex);
    toy_end(&toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(are_those_of_the_final_weights),
        cmocka_unit_test(a_training_that_was_killed_has_the_same),
        cmocka_unit_test(a_stop_while_measuring_repeats_no_step),
    };
    return cmocka_run_group_tests_name("train_statistics", tests, NULL, NULL);
}
