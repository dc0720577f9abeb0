/* What the loop computes: against a training written by hand in double precision, and against
 * itself where two ways must lead to the same place. */
#include "one_thread.h"
#include "train_toy.h"

enum { WEIGHTS = PIXELS }; /* of toy_linear: five factors and the bias */

static void close_to(double got, double want, double tolerance, const char *what)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%s: %.9g instead of %.9g", what, got, want);
}

/* ---- toy_linear by hand --------------------------------------------------------------------- */

struct reference {
    double w[WEIGHTS], m[WEIGHTS], v[WEIGHTS], ema[WEIGHTS];
    double loss; /* summed over the batches */
};

/* The squared error of one case; adds its gradient. */
static double reference_case(const double *w, const float *pixel, double *gradient)
{
    double y = w[WEIGHTS - 1];
    for (int k = 0; k < WEIGHTS - 1; k++)
        y += w[k] * (double)pixel[k + 1];
    double error = y - (double)pixel[0];
    for (int k = 0; gradient && k < WEIGHTS; k++)
        gradient[k] += 2 * error * (k < WEIGHTS - 1 ? (double)pixel[k + 1] : 1);
    return error * error;
}

/* Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019, algorithm 2; Sutskever et al. 2013 in
 * the form that PyTorch documents. */
static void reference_update(struct reference *r, double *g, const struct train_config *c,
                             double lr, int step)
{
    double norm = 0;
    for (int k = 0; k < WEIGHTS; k++)
        norm += g[k] * g[k];
    norm = sqrt(norm);
    for (int k = 0; k < WEIGHTS; k++) {
        if (c->clip_norm > 0 && norm > c->clip_norm)
            g[k] *= c->clip_norm / norm;
        if (c->optimizer == OPTIMISER_ADAMW)
            r->w[k] -= lr * c->weight_decay * r->w[k];
        else
            g[k] += c->weight_decay * r->w[k];
        if (c->optimizer == OPTIMISER_SGD) {
            r->m[k] = c->momentum * r->m[k] + g[k];
            r->w[k] -= lr * (c->nesterov ? g[k] + c->momentum * r->m[k] : r->m[k]);
        } else {
            r->m[k] = c->beta1 * r->m[k] + (1 - c->beta1) * g[k];
            r->v[k] = c->beta2 * r->v[k] + (1 - c->beta2) * g[k] * g[k];
            double m = r->m[k] / (1 - pow(c->beta1, step)), v = r->v[k] / (1 - pow(c->beta2, step));
            r->w[k] -= lr * m / (sqrt(v) + c->eps);
        }
        double kept = fmin(c->ema, (1.0 + step) / (10.0 + step)); /* TensorFlow's num_updates */
        r->ema[k] = kept * r->ema[k] + (1 - kept) * r->w[k];
    }
}

static struct reference reference_train(const struct toy *toy, const double *lr, int steps)
{
    struct reference r = {0};
    struct dataset dataset;
    struct loader *loader;
    struct err err;
    toy_data(&dataset, toy);
    const struct train_config *c = &toy->config;
    struct loader_spec spec = {
        .split = SPLIT_TRAIN, .batch = (uint32_t)c->batch, .shuffle = true, .seed = toy_seed};
    assert_int_equal(loader_open(&loader, &dataset, &spec, NULL, &err), 0);
    for (int step = 0; step < steps; step++) {
        double g[WEIGHTS] = {0};
        for (int64_t b = 0; b < c->accumulate; b++) {
            const struct batch *batch = loader_next(loader);
            for (int64_t i = 0; i < c->batch; i++)
                r.loss += reference_case(r.w, batch->image + i * PIXELS, g) / (double)c->batch;
        }
        for (int k = 0; k < WEIGHTS; k++)
            g[k] /= (double)(c->batch * c->accumulate);
        reference_update(&r, g, c, lr[step], step + 1);
    }
    loader_close(loader);
    return r;
}

static double reference_val_loss(const struct toy *toy, const double *w)
{
    struct dataset dataset;
    toy_data(&dataset, toy);
    double sum = 0;
    for (uint32_t i = 0; i < toy->val; i++) {
        float pixels[PIXELS];
        for (int k = 0; k < PIXELS; k++)
            pixels[k] =
                (float)((const uint8_t *)dataset.images)[(toy->train + i) * PIXELS + (uint32_t)k] /
                255.0f;
        sum += reference_case(w, pixels, NULL);
    }
    return sum / toy->val;
}

/* Ten steps in one epoch of ten, validation with a padded last batch. */
static void compare_with_reference(struct toy *toy, const double lr[10])
{
    toy->linear = true;
    toy->train = (uint32_t)(10 * toy->config.batch * toy->config.accumulate);
    toy->val = 21;
    toy->config.steps = 10;
    toy->config.checkpoint.keep = KEEP_LAST;
    toy_expect(toy, STATUS_OK);
    struct reference want = reference_train(toy, lr, 10);
    const double *result = toy->config.ema > 0 ? want.ema : want.w;
    float got[WEIGHTS];
    toy_tensor(got, WEIGHTS - 1, toy, "weights.safetensors", "weight");
    toy_tensor(got + WEIGHTS - 1, 1, toy, "weights.safetensors", "bias");
    for (int k = 0; k < WEIGHTS; k++) {
        assert_true(fabs(result[k]) > 1e-3); /* it has moved */
        close_to((double)got[k], result[k], 1e-6, "weight");
    }
    char *csv = toy_file(toy, "history.csv");
    assert_int_equal(toy_rows(csv), 1);
    close_to(toy_cell(csv, 0, 1), 10, 0, "step");
    close_to(toy_cell(csv, 0, 2), lr[9], 1e-15, "lr");
    close_to(toy_cell(csv, 0, 3), want.loss / (double)(10 * toy->config.accumulate), 1e-6,
             "train/loss");
    close_to(toy_cell(csv, 0, 4), reference_val_loss(toy, result), 1e-6, "val/loss");
    free(csv);
    toy_end(toy);
}

static void ten_steps_of_each_optimiser(void **state)
{
    (void)state;
    static const struct {
        int kind;
        double weight_decay, clip_norm, ema;
        bool nesterov;
        int64_t accumulate;
    } rows[] = {
        {OPTIMISER_ADAM, 0, 0, 0, false, 1},    {OPTIMISER_ADAM, 0.1, 0, 0.8, false, 1},
        {OPTIMISER_ADAMW, 0.1, 0, 0, false, 1}, {OPTIMISER_SGD, 0, 0, 0, false, 1},
        {OPTIMISER_SGD, 0.1, 0, 0.5, true, 1},  {OPTIMISER_SGD, 0, 0.2, 0, false, 1},
        {OPTIMISER_SGD, 0, 0.2, 0.5, false, 3}, {OPTIMISER_ADAM, 0, 0, 0, false, 3},
    };
    double lr[10];
    for (int i = 0; i < 10; i++)
        lr[i] = 0.01;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct toy toy = toy_new();
        toy.config.optimizer = rows[i].kind;
        toy.config.weight_decay = rows[i].weight_decay;
        toy.config.clip_norm = rows[i].clip_norm;
        toy.config.ema = rows[i].ema;
        toy.config.nesterov = rows[i].nesterov;
        toy.config.accumulate = rows[i].accumulate;
        compare_with_reference(&toy, lr);
    }
}

static void ten_steps_of_a_warm_up_and_polynomial(void **state)
{
    (void)state;
    struct toy toy = toy_new();
    toy.config.schedule.kind = SCHEDULE_POLYNOMIAL;
    toy.config.schedule.power = 1;
    toy.config.schedule.warmup_steps = 2;
    const double lr[10] = {0.005,   0.01,  0.01,    0.00875, 0.0075,
                           0.00625, 0.005, 0.00375, 0.0025,  0.00125};
    compare_with_reference(&toy, lr);
}

/* ---- two ways to one place ------------------------------------------------------------------ */

static void two_batches_of_8_are_one_of_16(void **state)
{
    (void)state;
    float weights[2][PIXELS * HIDDEN];
    for (int i = 0; i < 2; i++) {
        struct toy toy = toy_new();
        toy.config.optimizer = OPTIMISER_SGD;
        toy.config.batch = i ? 16 : 8;
        toy.config.accumulate = i ? 1 : 2;
        toy.config.checkpoint.keep = KEEP_LAST;
        toy_expect(&toy, STATUS_OK);
        toy_tensor(weights[i], PIXELS * HIDDEN, &toy, "weights.safetensors", "toy.hidden.weight");
        toy_end(&toy);
    }
    for (int k = 0; k < PIXELS * HIDDEN; k++)
        close_to((double)weights[0][k], (double)weights[1][k], 1e-6, "weight");
}

static void the_same_twice_and_another_seed_of_data(void **state)
{
    (void)state;
    struct toy toy = toy_new();
    struct id first = toy_uninterrupted(&toy), second = toy_uninterrupted(&toy);
    assert_string_equal(first.hex, second.hex);
    toy.train = 65;
    assert_string_not_equal(toy_uninterrupted(&toy).hex, first.hex);
    toy_end(&toy);
}

/* ---- history, best, early stopping ---------------------------------------------------------- */

/* Fitting the train split overshoots what is best for the val split. */
static struct toy overfitting(void)
{
    struct toy toy = toy_new();
    toy.linear = true;
    toy.config.lr = 0.002;
    toy.config.epochs = 20;
    return toy;
}

static int lowest_row(const char *csv)
{
    int best = 0;
    for (int row = 1; row < toy_rows(csv); row++)
        if (toy_cell(csv, row, 4) < toy_cell(csv, best, 4))
            best = row;
    return best;
}

/* Each kind with its limit at nothing is none at all, and otherwise another training. */
static void augmentation_reaches_the_training(void **state)
{
    (void)state;
    static const size_t limits[] = {[AUGMENT_CROP] = offsetof(struct augment_limits, crop),
                                    [AUGMENT_ROTATE] = offsetof(struct augment_limits, rotate),
                                    [AUGMENT_SCALE] = offsetof(struct augment_limits, scale),
                                    [AUGMENT_BRIGHTNESS] =
                                        offsetof(struct augment_limits, brightness),
                                    [AUGMENT_CONTRAST] = offsetof(struct augment_limits, contrast)};
    struct toy plain = toy_new();
    struct id without = toy_uninterrupted(&plain);
    for (int64_t kind = AUGMENT_FLIP; kind <= AUGMENT_CONTRAST; kind++) {
        plain.config.augment = (struct int_list){1, &kind};
        plain.config.augment_limits = (struct augment_limits){.crop = 1};
        bool flips = kind <= AUGMENT_FLIP_VERTICAL;
        struct id still = toy_uninterrupted(&plain);
        assert_int_equal(!strcmp(still.hex, without.hex), !flips);
        if (kind <= AUGMENT_FLIP_DEPTH)
            continue;
        *(double *)((char *)&plain.config.augment_limits + limits[kind]) = 0.5;
        plain.config.augment_limits.rotate *= 90;
        struct id moved = toy_uninterrupted(&plain);
        assert_string_not_equal(moved.hex, without.hex);
    }
    toy_end(&plain);
}

static void best_keeps_the_epoch_with_the_lowest_val_loss(void **state)
{
    (void)state;
    struct toy toy = overfitting();
    toy.config.checkpoint.keep = KEEP_ALL;
    toy_expect(&toy, STATUS_OK);
    char *csv = toy_file(&toy, "history.csv"), name[64];
    assert_int_equal(toy_rows(csv), 20);
    int best = lowest_row(csv);
    assert_in_range(best, 2, 17);
    float kept[WEIGHTS - 1], epoch[WEIGHTS - 1], last[WEIGHTS - 1];
    snprintf(name, sizeof name, "epoch-%03d.safetensors", best + 1);
    toy_tensor(kept, WEIGHTS - 1, &toy, "weights.safetensors", "weight");
    toy_tensor(epoch, WEIGHTS - 1, &toy, name, "weight");
    toy_tensor(last, WEIGHTS - 1, &toy, "epoch-020.safetensors", "weight");
    assert_memory_equal(kept, epoch, sizeof kept);
    assert_memory_not_equal(kept, last, sizeof kept);
    free(csv);
    toy_end(&toy);

    toy = overfitting();
    toy.config.checkpoint.keep = KEEP_BEST;
    toy_expect(&toy, STATUS_OK);
    toy_tensor(epoch, WEIGHTS - 1, &toy, "weights.safetensors", "weight");
    assert_memory_equal(kept, epoch, sizeof kept);
    toy_end(&toy);

    toy = overfitting();
    toy.config.checkpoint.keep = KEEP_LAST;
    toy_expect(&toy, STATUS_OK);
    toy_tensor(epoch, WEIGHTS - 1, &toy, "weights.safetensors", "weight");
    assert_memory_equal(last, epoch, sizeof last);
    toy_end(&toy);
}

static void early_stopping_ends_patience_after_the_best(void **state)
{
    (void)state;
    struct toy toy = overfitting();
    toy.config.early_stopping.present = true;
    toy.config.early_stopping.patience = 3;
    struct id straight = toy_uninterrupted(&toy);
    toy.config.checkpoint.seconds = 0;
    toy.signal = SIGKILL;
    int ended = -SIGKILL; /* before steps around the best and in the patience after it */
    for (toy.signal_at = 14; ended == -SIGKILL; toy.signal_at += 8)
        ended = toy_wait(toy_start(&toy));
    assert_int_equal(ended, STATUS_OK);
    assert_true(toy_events(&toy, "resumed").count >= 5);
    assert_string_equal(toy_result(&toy).hex, straight.hex);
    char *csv = toy_file(&toy, "history.csv");
    assert_int_equal(toy_rows(csv), lowest_row(csv) + 1 + 3);
    assert_in_range(toy_rows(csv), 5, 19);
    free(csv);
    toy_end(&toy);
}

static void rows_of_a_budget_of_steps(void **state)
{
    (void)state;
    struct toy toy = toy_new(); /* 8 steps an epoch */
    toy.config.steps = 19;
    toy_expect(&toy, STATUS_OK);
    char *csv = toy_file(&toy, "history.csv");
    assert_true(starts_with(csv, "epoch,step,lr,train/loss,train/error,train/factor,val/loss,"
                                 "val/error,val/factor\n"));
    static const int steps[] = {8, 16, 19};
    /* the mean of the factor 1 + step/8 over each epoch's steps; in validation it is 1 */
    static const double factor[] = {1 + 3.5 / 8, 2 + 3.5 / 8, 3 + 1.0 / 8};
    assert_int_equal(toy_rows(csv), 3);
    for (int i = 0; i < 3; i++) {
        close_to(toy_cell(csv, i, 0), i + 1, 0, "epoch");
        close_to(toy_cell(csv, i, 1), steps[i], 0, "step");
        close_to(toy_cell(csv, i, 5), factor[i], 1e-12, "train/factor");
        close_to(toy_cell(csv, i, 8), 1, 0, "val/factor");
    }
    free(csv);
    toy_end(&toy);
}

/* With a rate of 0 nothing changes but the random numbers of training. The val split has its own,
 * the same every time, and each case the same whatever batch it comes in. */
static void validation_is_the_same_every_epoch(void **state)
{
    (void)state;
    double loss[2];
    for (int i = 0; i < 2; i++) {
        struct toy toy = toy_new();
        toy.config.lr = 0;
        toy.config.batch = i ? 7 : 8;
        toy_expect(&toy, STATUS_OK);
        char *csv = toy_file(&toy, "history.csv");
        assert_int_equal(toy_rows(csv), 5);
        loss[i] = toy_cell(csv, 0, 6);
        for (int row = 1; row < 5; row++) {
            assert_true(toy_cell(csv, row, 6) == loss[i]);
            assert_true(toy_cell(csv, row, 4) != toy_cell(csv, 0, 4));
        }
        free(csv);
        toy_end(&toy);
    }
    close_to(loss[0], loss[1], 1e-6, "val/loss");
}

static void without_a_val_split_the_last_is_the_result(void **state)
{
    (void)state;
    struct toy toy = toy_new();
    toy.val = 0;
    struct id best = toy_uninterrupted(&toy);
    toy.config.checkpoint.keep = KEEP_LAST;
    toy_expect(&toy, STATUS_OK);
    assert_string_equal(toy_result(&toy).hex, best.hex);
    char *csv = toy_file(&toy, "history.csv");
    assert_int_equal(toy_rows(csv), 5);
    for (int row = 0; row < 5; row++) {
        assert_true(toy_cell(csv, row, 3) > 0);
        for (int column = 6; column < 9; column++)
            assert_true(isnan(toy_cell(csv, row, column)));
    }
    free(csv);
    toy_end(&toy);
}

static void thirteen_images_in_batches_of_16(void **state)
{
    (void)state;
    struct toy toy = toy_new();
    toy.train = 13;
    toy.val = 3;
    toy.config.batch = 16;
    toy_expect(&toy, STATUS_OK);
    char *csv = toy_file(&toy, "history.csv");
    assert_int_equal(toy_rows(csv), 5);
    close_to(toy_cell(csv, 4, 1), 5, 0, "step");
    free(csv);
    toy_end(&toy);
}

static void a_frozen_group_stays(void **state)
{
    (void)state;
    float scale[2][PIXELS], mean[HIDDEN];
    for (int i = 0; i < 2; i++) {
        struct toy toy = toy_new();
        toy.config.ema = 0.5;
        toy.config.epochs = i ? 5 : 1;
        toy_expect(&toy, STATUS_OK);
        toy_tensor(scale[i], PIXELS, &toy, "weights.safetensors", "toy.scale");
        toy_tensor(mean, HIDDEN, &toy, "weights.safetensors", "toy.hidden.mean");
        for (int k = 0; k < HIDDEN; k++)
            assert_true(mean[k] != 0);
        toy_end(&toy);
    }
    assert_memory_equal(scale[0], scale[1], sizeof scale[0]);
}

/* ---- what goes wrong ------------------------------------------------------------------------ */

static void expect_error(struct toy *toy, int status, const char *text)
{
    toy_expect(toy, status);
    char *got = toy_text(toy, "error");
    if (!strstr(got, text))
        fail_msg("'%s' lacks '%s'", got, text);
    free(got);
    toy_end(toy);
}

static void nan_stops_with_step_and_node(void **state)
{
    (void)state;
    struct toy toy = toy_new();
    toy.nan_at = 6;
    expect_error(&toy, STATUS_FAILED, "loss is nan at step 6; first at 'toy.head");
    toy = toy_new();
    toy.nan_at = 6;
    toy.config.accumulate = 2;
    expect_error(&toy, STATUS_FAILED, "loss is nan at step 6; first at 'toy.head");
    toy = toy_new();
    toy.linear = toy.sharp = true;
    toy.config.clip_norm = 1;
    expect_error(&toy, STATUS_FAILED, "the gradient's norm is nan at step 1; first at '");
    toy = toy_new();
    toy.linear = toy.unsound = true;
    expect_error(&toy, STATUS_FAILED, "val/loss is nan at step 8; first at '");
    toy = toy_new();
    toy.linear = toy.odd = true;
    expect_error(&toy, STATUS_FAILED, "odd is nan at step 1; first at 'log_");
}

static void impossible_configurations_are_refused(void **state)
{
    (void)state;
    struct toy toy = toy_new();
    toy.val = 0;
    toy.config.early_stopping.present = true;
    toy.config.early_stopping.patience = 3;
    expect_error(&toy, STATUS_CONFIG, "early_stopping needs a val split");
    toy = toy_new();
    toy.val = 0;
    toy.config.early_stopping.present = true; /* a patience of 0 */
    toy_expect(&toy, STATUS_OK);
    toy = toy_new();
    toy.config.patch.size = (struct int_list){3, (int64_t[]){1, 1, 1}};
    expect_error(&toy, STATUS_CONFIG, "train.patch: the model has a fixed size");
    toy = toy_new();
    toy.dark = true;
    expect_error(&toy, STATUS_CONFIG, "pictures are 0 to 1, but the model's images are 0 to 0.5");
    toy = toy_new();
    toy.train = 0;
    expect_error(&toy, STATUS_BAD_DATA, "the train split is empty");
}

static void another_kind_of_machine_is_an_event(void **state)
{
    (void)state;
    struct toy toy = toy_new();
    toy.signal = SIGTERM;
    toy.signal_at = 12;
    toy_expect(&toy, STATUS_STOPPED);
    toy.signal_at = 0;
    const char *given = getenv("CAIRN_ISA"); /* the test's own level, where it has one */
    char *cap = given ? xstrdup(given) : NULL;
    bool least = cap && !strcmp(cap, "v2");
    if (least)
        unsetenv("CAIRN_ISA");
    else
        setenv("CAIRN_ISA", "v2", 1);
    toy_expect(&toy, STATUS_OK);
    if (cap)
        setenv("CAIRN_ISA", cap, 1);
    else
        unsetenv("CAIRN_ISA");
    free(cap);
    struct toy_event numerics = toy_events(&toy, "numerics");
    toy_end(&toy);
    if (!__builtin_cpu_supports("avx"))
        skip(); /* there is no other kind here */
    assert_int_equal(numerics.count, 1);
    assert_true(starts_with(numerics.first, "{\"was\": \"cpu "));
    const char *now = strstr(numerics.first, "\"now\": \"cpu ");
    assert_non_null(now);
    assert_int_equal(strstr(now, " sse41 ") != NULL, !least);
}

/* ---- weights_load --------------------------------------------------------------------------- */

/* The toy's parameters with the given width of its hidden layer. */
static int make_params(struct params *params, int32_t hidden, bool scale, struct err *err)
{
    struct graph *g = graph_new(params, MODE_EVALUATE, ARRAY_PARAM);
    graph_push(g, "toy");
    if (scale)
        g_param(g, "frozen", "scale", (struct shape){1, 1, 1, 1, PIXELS},
                (struct initial){INIT_ZERO, 0});
    toy_weight(g, "net", "hidden.weight", hidden, PIXELS);
    toy_bias(g, "net", "hidden.bias", hidden);
    g_state(g, "net", "hidden.mean", (struct shape){1, 1, 1, 1, hidden},
            (struct initial){INIT_ZERO, 0});
    toy_weight(g, "net", "out.weight", PIXELS, hidden);
    toy_bias(g, "net", "out.bias", PIXELS);
    int status = graph_check(g, err);
    graph_free(g);
    return status;
}

static int load_in_child(const struct toy *toy, const char *model, int32_t hidden, bool scale,
                         float *sum, struct err *err)
{
    struct store *store;
    struct backend *backend = one_thread();
    struct id artifact = toy_result(toy);
    TRY(store_open(&store, toy->lab, false, err));
    struct params *params = params_new();
    TRY(make_params(params, hidden, scale, err));
    int status = weights_load(params, backend, model, store, &artifact, err);
    float out[HIDDEN] = {0};
    if (!status)
        status = params_get(params, params_find(params, "toy.hidden.mean"), ARRAY_STATE, out, err);
    for (int k = 0; k < HIDDEN; k++)
        *sum += out[k];
    params_free(params);
    store_close(store);
    return status;
}

/* Loads in a child; the text is its error, or the sum of the state's values. */
static char *load_text(struct toy *toy, const char *model, int32_t hidden, bool scale)
{
    pid_t child = fork();
    if (!child) {
        struct err err = {0}, ignored;
        char path[PATH_BYTES], text[1100];
        float sum = 0;
        if (load_in_child(toy, model, hidden, scale, &sum, &err))
            snprintf(text, sizeof text, "%d %s", (int)err.status, err.text);
        else
            snprintf(text, sizeof text, "%.9g", (double)sum);
        toy_path(path, toy, "loaded");
        _exit(file_publish(path, text, strlen(text), &ignored) ? 1 : 0);
    }
    assert_int_equal(toy_wait(child), 0);
    return toy_text(toy, "loaded");
}

static void weights_are_loaded_whole_or_not_at_all(void **state)
{
    (void)state;
    struct toy toy = toy_new();
    toy_expect(&toy, STATUS_OK);
    float mean[HIDDEN], sum = 0;
    toy_tensor(mean, HIDDEN, &toy, "weights.safetensors", "toy.hidden.mean");
    for (int k = 0; k < HIDDEN; k++)
        sum += mean[k];
    static const char model[] = "toy\nname=\"toy\"\n";
    char *text = load_text(&toy, model, HIDDEN, true);
    close_to(strtod(text, NULL), (double)sum, 1e-6, "loaded state");
    free(text);
    text = load_text(&toy, model, HIDDEN - 1, true);
    assert_true(starts_with(text, "65 weights of artifact '"));
    assert_non_null(strstr(text, "toy.hidden."));
    free(text);
    text = load_text(&toy, model, HIDDEN, false);
    assert_non_null(strstr(text, "'toy.scale' is not in the model"));
    free(text);
    text = load_text(&toy, "toy\nname=\"doll\"\n", HIDDEN, true);
    assert_non_null(strstr(text, "metadata 'model' is 'name=\"toy\"'; 'name=\"doll\"' expected"));
    free(text);
    toy_end(&toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_steps_of_each_optimiser),
        cmocka_unit_test(ten_steps_of_a_warm_up_and_polynomial),
        cmocka_unit_test(two_batches_of_8_are_one_of_16),
        cmocka_unit_test(the_same_twice_and_another_seed_of_data),
        cmocka_unit_test(augmentation_reaches_the_training),
        cmocka_unit_test(best_keeps_the_epoch_with_the_lowest_val_loss),
        cmocka_unit_test(early_stopping_ends_patience_after_the_best),
        cmocka_unit_test(rows_of_a_budget_of_steps),
        cmocka_unit_test(validation_is_the_same_every_epoch),
        cmocka_unit_test(without_a_val_split_the_last_is_the_result),
        cmocka_unit_test(thirteen_images_in_batches_of_16),
        cmocka_unit_test(a_frozen_group_stays),
        cmocka_unit_test(nan_stops_with_step_and_node),
        cmocka_unit_test(impossible_configurations_are_refused),
        cmocka_unit_test(another_kind_of_machine_is_an_event),
        cmocka_unit_test(weights_are_loaded_whole_or_not_at_all),
    };
    return cmocka_run_group_tests_name("train/loop", tests, NULL, NULL);
}
