/*
 * Losses of segmentation: against PyTorch and MONAI (scripts/golden-losses.py), against central
 * differences on the oracle, and what has to hold for any of them.
 */
#include "base/random.h"
#include "data/data.h"
#include "engine/graph_parts.h"
#include "model/segment_loss.h"

#include "train_golden.h"

/* ---- the losses ----------------------------------------------------------------------------- */
struct loss_case {
    const char *name;
    int32_t classes;
    struct segment_loss_config config;
};

#define WEIGHTS(...)                                                                               \
    .class_weights = {sizeof((double[]){__VA_ARGS__}) / sizeof(double), (double[]){__VA_ARGS__}}
/* clang-format off */
#define ON            .present = true
#define BCE(w, p)     .bce = {ON, .weight = w, .positive_weight = p}
#define ENTROPY(...)  .cross_entropy = {ON, __VA_ARGS__}
#define DICE(...)     .dice = {ON, __VA_ARGS__}
#define TVERSKY(...)  .tversky = {ON, __VA_ARGS__}
#define FOCAL(...)    .focal = {ON, __VA_ARGS__}
#define CASE          .reduce = REDUCE_CASE
#define BATCH         .reduce = REDUCE_BATCH
#define INCLUDE       .background = BACKGROUND_INCLUDE
#define EXCLUDE       .background = BACKGROUND_EXCLUDE

static const struct loss_case cases[] = {
    {"bce", 2, {BCE(1, 1)}},
    {"bce/positive 3d", 2, {BCE(1, 3.5)}},
    {"bce/extreme", 2, {BCE(1, 0.25)}},
    {"cross_entropy", 4, {ENTROPY(.weight = 1)}},
    {"cross_entropy/weights", 4, {ENTROPY(.weight = 1, WEIGHTS(0.5, 2, 0, 1.25))}},
    {"cross_entropy/smoothed", 3,
     {ENTROPY(.weight = 1, .label_smoothing = 0.1, WEIGHTS(0.5, 2, 1.25))}},
    {"cross_entropy/frequency 3d", 3, {ENTROPY(.weight = 1, .balance = BALANCE_FREQUENCY)}},
    {"cross_entropy/two classes", 2, {ENTROPY(.weight = 1)}},
    {"cross_entropy/extreme", 4, {ENTROPY(.weight = 1)}},
    {"dice/case", 2, {DICE(.weight = 1, .smooth = 1e-5, CASE)}},
    {"dice/batch 3d", 2, {DICE(.weight = 1, .smooth = 1, BATCH)}},
    {"dice/whole", 2, {DICE(.weight = 1, .smooth = 0.5, CASE, EXCLUDE)}},
    {"dice/whole batch 3d", 3, {DICE(.weight = 1, .smooth = 0.5, BATCH, EXCLUDE)}},
    {"dice/several case", 4, {DICE(.weight = 1, .smooth = 1, CASE, INCLUDE)}},
    {"dice/several batch 3d", 3, {DICE(.weight = 1, .smooth = 1e-5, BATCH, EXCLUDE)}},
    {"dice/empty class", 4, {DICE(.weight = 1, .smooth = 1e-5, BATCH, INCLUDE)}},
    {"dice/extreme", 4, {DICE(.weight = 1, .smooth = 1e-5, CASE, EXCLUDE)}},
    {"tversky/case", 2, {TVERSKY(.weight = 1, .alpha = 0.3, .beta = 0.7, .smooth = 1, CASE)}},
    {"tversky/batch 3d", 2,
     {TVERSKY(.weight = 1, .alpha = 0.8, .beta = 0.1, .smooth = 1e-5, BATCH)}},
    {"tversky/whole", 3,
     {TVERSKY(.weight = 1, .alpha = 0.3, .beta = 0.7, .smooth = 0.5, CASE, INCLUDE)}},
    {"tversky/several 3d", 3,
     {TVERSKY(.weight = 1, .alpha = 0.3, .beta = 0.9, .smooth = 1, CASE, EXCLUDE)}},
    {"tversky/empty class", 4,
     {TVERSKY(.weight = 1, .alpha = 0.5, .beta = 0.5, .smooth = 1, BATCH, INCLUDE)}},
    {"focal", 2, {FOCAL(.weight = 1, .gamma = 2, .alpha = -1)}},
    {"focal/alpha 3d", 2, {FOCAL(.weight = 1, .gamma = 1.5, .alpha = 0.25)}},
    {"focal/balanced one logit", 2,
     {FOCAL(.weight = 1, .gamma = 1, .alpha = -1, .class_balanced = true, .beta = 0.99)}},
    {"focal/several 3d", 3, {FOCAL(.weight = 1, .gamma = 2, .alpha = -1)}},
    {"focal/gamma 0", 4, {FOCAL(.weight = 1, .gamma = 0, .alpha = -1)}},
    {"focal/balanced", 4,
     {FOCAL(.weight = 1, .gamma = 0.5, .alpha = -1, .class_balanced = true, .beta = 0.999)}},
    {"focal/balanced, empty class", 4,
     {FOCAL(.weight = 1, .gamma = 3, .alpha = -1, .class_balanced = true, .beta = 0.9)}},
    {"focal/extreme", 2, {FOCAL(.weight = 1, .gamma = 2, .alpha = -1)}},
    {"sum/one logit", 2,
     {BCE(0.5, 2), DICE(.weight = 2, .smooth = 1e-5, BATCH),
      TVERSKY(.weight = 0.25, .alpha = 0.4, .beta = 0.6, .smooth = 1, CASE),
      FOCAL(.weight = 3, .gamma = 2, .alpha = -1)}},
    {"sum/several 3d", 3,
     {ENTROPY(.weight = 0.5, WEIGHTS(1, 2, 0.5)),
      DICE(.weight = 2, .smooth = 1, CASE, INCLUDE),
      TVERSKY(.weight = 0.25, .alpha = 0.4, .beta = 0.6, .smooth = 1, BATCH, EXCLUDE),
      FOCAL(.weight = 3, .gamma = 2, .alpha = -1, .class_balanced = true, .beta = 0.99)}},
};
/* clang-format on */
enum { CASES = sizeof cases / sizeof cases[0] };

/* ---- one loss as a program ------------------------------------------------------------------ */
struct program {
    struct backend *backend;
    struct params *params;
    struct graph *graph;
    struct plan *plan;
    val label, weight, loss;
    int64_t logits, pixels, per_case; /* elements in all, pixels in all, elements of a case */
};

/* The logits are the parameter "logits" of the group "x"; shape's c is not read. */
static void open_program(struct program *p, struct backend *backend, enum mode mode,
                         const struct segment_loss_config *config,
                         const struct class_counts *counts, struct shape shape)
{
    static const char *const groups[] = {"x"};
    static const struct initial zero = {INIT_ZERO, 0};
    struct err err;
    int32_t outputs;
    must(segment_loss_outputs(&outputs, config, counts->count, &err), &err);
    *p = (struct program){.backend = backend, .params = params_new()};
    struct graph *g = p->graph = graph_new(p->params, mode, ARRAY_PARAM);
    shape.c = outputs;
    val logits = g_param(g, "x", "logits", shape, zero);
    p->logits = shape_count(shape);
    p->per_case = p->logits / shape.n;
    shape.c = 1;
    p->pixels = shape_count(shape);
    p->label = g_input(g, "label", I32, shape);
    p->weight = g_input(g, "weight", F32, (struct shape){shape.n, 1, 1, 1, 1});
    p->loss = g_output(g, "loss", segment_loss(g, config, counts, logits, p->label, p->weight));
    graph_backward(g, p->loss, groups, 1, false);
    must(graph_check(g, &err), &err);
    must(params_realise(p->params, backend, 0, &err), &err);
    must(plan_make(&p->plan, g, backend, &(struct plan_options){.guard = 64}, &err), &err);
}

static void close_program(struct program *p)
{
    plan_free(p->plan);
    graph_free(p->graph);
    params_free(p->params);
}

static const struct entry *entry(const struct program *p)
{
    return params_find(p->params, "logits");
}

/* Puts, runs, and returns the loss; gradient may be NULL. */
static float evaluate(struct program *p, const float *logits, const int32_t *label,
                      const float *weight, float *gradient)
{
    struct err err;
    float loss;
    must(params_put(p->params, entry(p), ARRAY_PARAM, logits, &err), &err);
    must(plan_put(p->plan, p->label, label, &err), &err);
    must(plan_put(p->plan, p->weight, weight, &err), &err);
    must(plan_run(p->plan, &err), &err);
    must(plan_guards(p->plan, &err), &err);
    must(plan_get(p->plan, p->loss, &loss, &err), &err);
    if (gradient)
        must(params_get(p->params, entry(p), ARRAY_GRAD, gradient, &err), &err);
    return loss;
}

/* ---- a batch to try ------------------------------------------------------------------------- */
static const struct shape sizes = {4, 2, 3, 5, 0};
enum { N = 4, PIXELS = 30, MOST = N * PIXELS * 4 };

struct example {
    struct class_counts counts;
    float logits[MOST], weight[N], gradient[MOST];
    int32_t label[N * PIXELS];
};

/* Cases of different make-up, holes, one case of weight 0. */
static struct example example_of(int32_t classes)
{
    struct example b = {.counts = {.count = classes}, .weight = {1, 1, 0, 1}};
    struct stream stream = stream_new(5, "segment_loss");
    for (int32_t c = 0; c < classes; c++)
        b.counts.pixels[c] = 100 * (c + 1);
    for (int i = 0; i < MOST; i++)
        b.logits[i] = (float)(4 * stream_uniform(&stream) - 2);
    for (int i = 0; i < N * PIXELS; i++) {
        bool rare = i / PIXELS == 1 && stream_below(&stream, 4);
        b.label[i] = rare ? 0 : (int32_t)stream_below(&stream, (uint32_t)classes);
        if (stream_below(&stream, 6) == 0)
            b.label[i] = MASK_IGNORE;
    }
    return b;
}

static float run(struct program *p, struct example *b)
{
    return evaluate(p, b->logits, b->label, b->weight, b->gradient);
}

static void open_for(struct program *p, struct backend *backend, const struct loss_case *test,
                     const struct example *b)
{
    open_program(p, backend, MODE_TRAIN, &test->config, &b->counts, sizes);
}

static void near(const char *what, double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%s: %.9g is not %.9g", what, got, want);
}

/* ---- golden --------------------------------------------------------------------------------- */
static struct class_counts golden_counts(const struct tensors *file, const char *name)
{
    const struct tensor *t = golden_need(file, name, "counts");
    struct class_counts counts = {.count = golden_count(t)};
    for (int64_t c = 0; c < counts.count; c++)
        counts.pixels[c] = (double)((const float *)t->data)[c];
    return counts;
}

static void against_golden(const struct golden_backend *on, const struct tensors *file,
                           const struct loss_case *test)
{
    const struct tensor *logits = golden_need(file, test->name, "logits");
    const struct tensor *want = golden_need(file, test->name, "grad");
    struct shape shape = {(int32_t)logits->dim[0], (int32_t)logits->dim[1], (int32_t)logits->dim[2],
                          (int32_t)logits->dim[3], 0};
    struct class_counts counts = golden_counts(file, test->name);
    struct program p;
    assert_int_equal(counts.count, test->classes);
    open_program(&p, on->backend, MODE_TRAIN, &test->config, &counts, shape);
    assert_int_equal(p.logits, golden_count(logits));
    float *gradient = malloc(logits->bytes);
    float loss = evaluate(&p, logits->data, golden_need(file, test->name, "label")->data,
                          golden_need(file, test->name, "weight")->data, gradient);
    golden_compare(on, test->name, &loss, golden_need(file, test->name, "loss"));
    golden_compare(on, test->name, gradient, want);
    free(gradient);
    close_program(&p);
}

static void golden(void **state)
{
    const struct golden_backend *backends = *state;
    struct tensors file;
    golden_open(&file, "losses");
    int held = 0;
    for (size_t i = 0; i < file.count; i++)
        held += strstr(file.items[i].name, ":loss") != NULL;
    assert_int_equal(held, CASES);
    for (int i = 0; i < 2 * CASES; i++)
        against_golden(&backends[i % 2], &file, &cases[i / 2]);
    tensors_close(&file);
}

/* ---- what holds for all --------------------------------------------------------------------- */
/* Central differences in double precision, at every logit. */
static void differences(void **state)
{
    const struct golden_backend *backends = *state;
    for (int k = 0; k < CASES; k++) {
        struct example b = example_of(cases[k].classes);
        struct program p;
        struct err err;
        double worst = 0, scale = 0;
        open_for(&p, backends[0].backend, &cases[k], &b);
        run(&p, &b);
        const struct entry *e = entry(&p);
        double *x = params_address(p.params, backends[0].backend, e->group_index, ARRAY_PARAM,
                                   e->offset, p.logits);
        const double *loss = plan_address(p.plan, p.loss);
        for (int64_t i = 0; i < p.logits; i++) {
            double was = x[i], at[2];
            for (int side = 0; side < 2; side++) {
                x[i] = was + (side ? 1e-5 : -1e-5);
                must(plan_run(p.plan, &err), &err);
                at[side] = *loss;
            }
            x[i] = was;
            double slope = (at[1] - at[0]) / 2e-5;
            worst = fmax(worst, fabs(slope - (double)b.gradient[i]));
            scale = fmax(scale, fabs(slope));
        }
        assert_true(scale > 1e-4);
        near(cases[k].name, worst / scale, 0, 3e-7); /* the gradient was read as float */
        close_program(&p);
    }
}

/* Cases in another order: the same loss, and each case keeps its gradient. */
static void order(void **state)
{
    static const int moved[N] = {2, 0, 3, 1};
    const struct golden_backend *backends = *state;
    for (int k = 0; k < CASES; k++) {
        struct example b = example_of(cases[k].classes), other = b;
        struct program p;
        open_for(&p, backends[0].backend, &cases[k], &b);
        size_t bytes = (size_t)p.per_case * sizeof(float);
        for (int i = 0; i < N; i++) {
            memcpy(other.logits + moved[i] * p.per_case, b.logits + i * p.per_case, bytes);
            memcpy(other.label + moved[i] * PIXELS, b.label + i * PIXELS, PIXELS * sizeof(int32_t));
            other.weight[moved[i]] = b.weight[i];
        }
        near(cases[k].name, run(&p, &other), run(&p, &b), 1e-6);
        for (int64_t i = 0; i < p.logits; i++)
            near(cases[k].name, other.gradient[moved[i / p.per_case] * p.per_case + i % p.per_case],
                 b.gradient[i], 1e-7);
        close_program(&p);
    }
}

/* A case of weight 0 may be absent, and a hole may have any logits: neither has a gradient. */
static void padding(void **state)
{
    const struct golden_backend *backends = *state;
    for (int k = 0; k < CASES; k++) {
        struct example b = example_of(cases[k].classes), fewer = b;
        struct program p, less;
        struct shape two = sizes;
        two.n = 2;
        b.weight[3] = 0;
        open_for(&p, backends[0].backend, &cases[k], &b);
        open_program(&less, backends[0].backend, MODE_TRAIN, &cases[k].config, &b.counts, two);
        int64_t outputs = p.logits / p.pixels;
        for (int64_t i = 0; i < p.logits; i++)
            if (b.label[i / outputs] == MASK_IGNORE)
                b.logits[i] = (float)(i % 190 - 95);
        near(cases[k].name, run(&p, &b), run(&less, &fewer), 1e-6);
        for (int64_t i = 0; i < p.logits; i++) {
            bool counts = i < less.logits && b.label[i / outputs] != MASK_IGNORE;
            near(cases[k].name, b.gradient[i], counts ? fewer.gradient[i] : 0, counts ? 1e-7 : 0);
        }
        close_program(&p);
        close_program(&less);
    }
}

/* No pixel that counts, by weight or by label: 0, and no slope. */
static void nothing_counts(void **state)
{
    const struct golden_backend *backends = *state;
    for (int k = 0; k < 4 * CASES; k++) {
        const struct loss_case *test = &cases[k / 4];
        struct example b = example_of(test->classes);
        struct program p;
        open_for(&p, backends[k % 2].backend, test, &b);
        for (int i = 0; i < N * PIXELS; i++)
            b.label[i] = k & 2 ? MASK_IGNORE : b.label[i];
        for (int i = 0; i < N; i++)
            b.weight[i] = k & 2 ? 1 : 0;
        near(test->name, run(&p, &b), 0, 0);
        for (int64_t i = 0; i < p.logits; i++)
            near(test->name, b.gradient[i], 0, 0);
        close_program(&p);
    }
}

/* A label that is no class is never taken for one, nor for a hole. */
static void no_class(void **state)
{
    const struct golden_backend *backends = *state;
    for (int k = 0; k < 4 * CASES; k++) {
        const struct loss_case *test = &cases[k / 4];
        struct example b = example_of(test->classes);
        struct program p;
        open_for(&p, backends[k % 2].backend, test, &b);
        b.label[7] = k & 2 ? -1 : test->classes;
        if (!isnan(run(&p, &b)))
            fail_msg("%s: a loss with the label %d", test->name, (int)b.label[7]);
        close_program(&p);
    }
}

/* Single precision bears logits of +-100, right ones and wrong ones. */
static void large_logits(void **state)
{
    const struct golden_backend *backends = *state;
    for (int k = 0; k < 2 * CASES; k++) {
        const struct loss_case *test = &cases[k / 2];
        struct example b = example_of(test->classes);
        struct program p;
        open_for(&p, backends[1].backend, test, &b);
        for (int64_t i = 0; i < p.logits; i++)
            b.logits[i] = (i + k) % 3 ? 100 : -100;
        assert_true(isfinite(run(&p, &b)));
        for (int64_t i = 0; i < p.logits; i++)
            assert_true(isfinite(b.gradient[i]));
        close_program(&p);
    }
}

/* Everything right with certainty costs nothing; everything wrong costs all there is. */
static void right_and_wrong(void **state)
{
    const struct golden_backend *backends = *state;
    for (int k = 0; k < 2 * CASES; k++) {
        const struct loss_case *test = &cases[k / 2];
        struct example b = example_of(test->classes);
        struct program p;
        open_for(&p, backends[1].backend, test, &b);
        int64_t outputs = p.logits / p.pixels;
        for (int64_t i = 0; i < p.logits; i++) {
            int32_t label = b.label[i / outputs], class = outputs == 1 ? 1 : (int32_t)(i % outputs);
            int32_t said = k % 2 ? (label + 1) % test->classes : label;
            b.logits[i] = said == class ? 100 : -100;
        }
        float loss = run(&p, &b);
        if (k % 2 == 0 && test->config.cross_entropy.label_smoothing == 0)
            near(test->name, (double)loss, 0, 1e-6);
        if (k % 2 && test->config.dice.present && test->config.dice.smooth < 1e-3)
            assert_true(loss > 0.99f);
        if (k % 2 && (test->config.bce.present || test->config.cross_entropy.present))
            assert_true(loss > 20);
        close_program(&p);
    }
}

/* ---- reductions ----------------------------------------------------------------------------- */
/* Two cases of one logit, halves p of probability on f pixels of foreground each. */
static double overlap_loss(struct backend *backend, struct segment_loss_config config, int32_t n,
                           int reduce)
{
    static const float logits[2 * PIXELS] = {0}, weight[2] = {1, 1};
    struct class_counts counts = {.count = 2, .pixels = {1, 1}};
    int32_t label[2 * PIXELS] = {0};
    struct program p;
    label[0] = 1; /* 1 pixel of case 0 and 10 of case 1 */
    for (int i = 0; i < 10; i++)
        label[PIXELS + i] = 1;
    config.dice.reduce = config.tversky.reduce = reduce;
    open_program(&p, backend, MODE_TRAIN, &config, &counts, (struct shape){n, 1, 5, 6, 0});
    double loss = evaluate(&p, logits, label, weight, NULL);
    close_program(&p);
    return loss;
}

/* Each p is 1/2, so that TP = f/2, FP = (30 - f)/2, FN = f/2. */
static void reductions(void **state)
{
    struct backend *backend = ((const struct golden_backend *)*state)[0].backend;
    struct segment_loss_config dice = {DICE(.weight = 1, .smooth = 1)};
    struct segment_loss_config tversky = {
        TVERSKY(.weight = 1, .alpha = 0.25, .beta = 1, .smooth = 1)};
    double one = 1 - 2.0 / 17, ten = 1 - 11.0 / 26;
    near("one case", overlap_loss(backend, dice, 1, REDUCE_CASE), one, 1e-6);
    near("batch of one", overlap_loss(backend, dice, 1, REDUCE_BATCH), one, 1e-6);
    near("two cases", overlap_loss(backend, dice, 2, REDUCE_CASE), (one + ten) / 2, 1e-6);
    near("batch of two", overlap_loss(backend, dice, 2, REDUCE_BATCH), 1 - 12.0 / 42, 1e-6);
    one = 1 - 1.5 / (0.5 + 0.25 * 14.5 + 0.5 + 1), ten = 1 - 6.0 / (5 + 0.25 * 10 + 5 + 1);
    near("tversky", overlap_loss(backend, tversky, 2, REDUCE_CASE), (one + ten) / 2, 1e-6);
    near("tversky of the batch", overlap_loss(backend, tversky, 2, REDUCE_BATCH),
         1 - 6.5 / (5.5 + 0.25 * 24.5 + 5.5 + 1), 1e-6);
}

/* Smoothing is a way to train, and no part of what is measured. */
static void smoothing_in_training_only(void **state)
{
    const struct golden_backend *backends = *state;
    struct segment_loss_config smooth = {ENTROPY(.weight = 1, .label_smoothing = 0.2)};
    struct segment_loss_config plain = {ENTROPY(.weight = 1)};
    struct example b = example_of(3);
    struct program p[3];
    double loss[3];
    open_program(&p[0], backends[0].backend, MODE_EVALUATE, &smooth, &b.counts, sizes);
    open_program(&p[1], backends[0].backend, MODE_EVALUATE, &plain, &b.counts, sizes);
    open_program(&p[2], backends[0].backend, MODE_TRAIN, &smooth, &b.counts, sizes);
    for (int i = 0; i < 3; i++) {
        loss[i] = run(&p[i], &b);
        close_program(&p[i]);
    }
    near("evaluation", loss[0], loss[1], 0);
    assert_true(fabs(loss[2] - loss[1]) > 1e-3);
}

/* Effective numbers of many pixels with beta near 1 are the pixels: then weights are inverse
 * frequencies. */
static void balance_at_the_ends(void **state)
{
    struct backend *backend = ((const struct golden_backend *)*state)[0].backend;
    static const float logits[2 * PIXELS] = {0}, weight[2] = {1, 1};
    struct class_counts counts = {.count = 2, .pixels = {30, 10}};
    int32_t label[PIXELS] = {0};
    struct segment_loss_config focal = {
        FOCAL(.weight = 1, .gamma = 0, .alpha = -1, .class_balanced = true)};
    label[0] = label[1] = label[2] = 1;
    for (int i = 0; i < 2; i++) {
        struct program p;
        focal.focal.beta = i ? 0.999999999999 : 0; /* weights 1 and 1; 0.5 and 1.5 */
        open_program(&p, backend, MODE_TRAIN, &focal, &counts, (struct shape){1, 1, 5, 6, 0});
        near("class_balanced", evaluate(&p, logits, label, weight, NULL),
             log(2) * (i ? (27 * 0.5 + 3 * 1.5) / 30 : 1), 1e-6);
        close_program(&p);
    }
}

/* Weights of classes are relative to each other, however small. */
static void weights_are_relative(void **state)
{
    struct backend *backend = ((const struct golden_backend *)*state)[0].backend;
    struct segment_loss_config config[2] = {{ENTROPY(.weight = 1, WEIGHTS(1, 2, 3))},
                                            {ENTROPY(.weight = 1, WEIGHTS(1e-9, 2e-9, 3e-9))}};
    struct example b = example_of(3);
    double loss[2];
    for (int i = 0; i < 2; i++) {
        struct program p;
        open_program(&p, backend, MODE_TRAIN, &config[i], &b.counts, sizes);
        loss[i] = run(&p, &b);
        close_program(&p);
    }
    assert_true(loss[0] > 0.1);
    near("tiny weights", loss[1], loss[0], 1e-6);
}

/* q^gamma (-log(1 - q)) where all is background and the foreground's probability is q. */
static void focal_of_easy_pixels(void **state)
{
    struct backend *backend = ((const struct golden_backend *)*state)[0].backend;
    struct example b = example_of(2);
    for (int k = 0; k < 8; k++) {
        double q = k % 2 ? 1e-4 : 0.3, gamma = 0.5 + k / 2;
        struct segment_loss_config config = {FOCAL(.weight = 1, .gamma = gamma, .alpha = -1)};
        struct program p;
        memset(b.label, 0, sizeof b.label);
        for (int i = 0; i < MOST; i++)
            b.logits[i] = (float)log(q / (1 - q));
        open_program(&p, backend, MODE_TRAIN, &config, &b.counts, sizes);
        near("of its formula", run(&p, &b) / (-pow(q, gamma) * log1p(-q)), 1, 1e-5);
        close_program(&p);
    }
}

/* ---- configuration -------------------------------------------------------------------------- */
static int bind(struct segment_loss_config *out, const char *text, struct arena *arena,
                struct err *err)
{
    struct yaml *map;
    TRY(yaml_parse(&map, arena, "f", text, strlen(text), err));
    return config_bind(out, segment_loss_fields, map, "loss", arena, err);
}

struct words {
    const char *yaml;
    int64_t classes;
    int32_t outputs;     /* 0: refused */
    const char *message; /* a part of it */
};
static const struct words words[] = {
    {"{bce: {}}", 2, 1, NULL},
    {"{bce: {}}", 3, 0, "loss.bce is for two classes, and the masks have 3"},
    {"{cross_entropy: {}}", 2, 2, NULL},
    {"{cross_entropy: {}}", 21, 21, NULL},
    {"{cross_entropy: {}}", 1, 0, "masks of 1 classes"},
    {"{cross_entropy: {}}", 256, 0, "masks of 256 classes"},
    {"{}", 2, 0, "nothing to minimise"},
    {"{bce: {}, cross_entropy: {}}", 2, 0, "choose one"},
    {"{cross_entropy: {class_weights: [1, 2]}}", 3, 0, "2 weights for 3 classes"},
    {"{cross_entropy: {class_weights: [1, 2, 0]}}", 3, 3, NULL},
    {"{cross_entropy: {class_weights: [0, 0, 0]}}", 3, 0, "class_weights: all are 0"},
    {"{cross_entropy: {class_weights: [1, 2, 3], balance: frequency}}", 3, 0, "both set"},
    {"{cross_entropy: {balance: frequency}}", 3, 3, NULL},
    {"{dice: {reduce: batch, smooth: 1}}", 2, 1, NULL},
    {"{dice: {reduce: batch, smooth: 1, background: exclude}}", 2, 1, NULL},
    {"{dice: {reduce: batch, smooth: 1, background: include}}", 2, 0, "no background to include"},
    {"{dice: {reduce: batch, smooth: 1}}", 3, 0, "loss.dice.background: include or exclude"},
    {"{dice: {reduce: batch, smooth: 1}, cross_entropy: {}}", 2, 0, "has to be said for 2"},
    {"{dice: {reduce: case, smooth: 1, background: include}}", 3, 3, NULL},
    {"{tversky: {reduce: case, smooth: 1, alpha: 1, beta: 1}}", 3, 0, "loss.tversky.background"},
    {"{tversky: {reduce: case, smooth: 1, alpha: 1, beta: 0, background: exclude}}", 3, 3, NULL},
    {"{tversky: {reduce: case, smooth: 1, alpha: 0, beta: 0}}", 2, 0, "are both 0"},
    {"{tversky: {reduce: case, smooth: 1, alpha: 1, beta: 1, background: include}}", 2, 0,
     "loss.tversky.background: one logit"},
    {"{focal: {}}", 2, 1, NULL},
    {"{focal: {}}", 5, 5, NULL},
    {"{focal: {alpha: 0.25}}", 2, 1, NULL},
    {"{focal: {alpha: 0}}", 5, 0, "loss.focal.alpha is for one logit"},
    {"{focal: {alpha: -0.5}}", 2, 0, "between 0 and 1, or -1"},
    {"{focal: {alpha: 0.5, class_balanced: true}}", 2, 0, "both set"},
    {"{bce: {}, focal: {alpha: 0.5}}", 2, 1, NULL},
    {"{cross_entropy: {}, focal: {alpha: 0.5}}", 2, 0, "loss.focal.alpha"},
    /* refused where the file is read */
    {"{dice: {smooth: 1}}", 2, 0, "loss.dice.reduce"},
    {"{dice: {reduce: batch}}", 2, 0, "loss.dice.smooth"},
    {"{dice: {reduce: batch, smooth: 0}}", 2, 0, "loss.dice.smooth"},
    {"{tversky: {reduce: case, smooth: 1, beta: 1}}", 2, 0, "loss.tversky.alpha"},
    {"{tversky: {reduce: case, smooth: 1, alpha: 1}}", 2, 0, "loss.tversky.beta"},
    {"{bce: {weight: 0}}", 2, 0, "loss.bce.weight"},
    {"{bce: {weight: -1}}", 2, 0, "loss.bce.weight"},
    {"{bce: {positive_weight: 0}}", 2, 0, "loss.bce.positive_weight"},
    {"{cross_entropy: {class_weights: [1, -1]}}", 2, 0, "class_weights"},
    {"{cross_entropy: {label_smoothing: 1}}", 2, 0, "label_smoothing"},
    {"{focal: {beta: 1}}", 2, 0, "loss.focal.beta"},
    {"{focal: {gamma: -1}}", 2, 0, "loss.focal.gamma"},
    {"{huber: {}}", 2, 0, "huber"},
};

static void configurations(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const struct words *w = &words[i];
        struct segment_loss_config config = {0};
        struct arena arena = {0};
        struct err err = {0};
        int32_t outputs = 0;
        int rc = bind(&config, w->yaml, &arena, &err);
        rc = rc ? rc : segment_loss_outputs(&outputs, &config, w->classes, &err);
        if (w->outputs && (rc || outputs != w->outputs))
            fail_msg("%s: %d logits, %s", w->yaml, (int)outputs, rc ? err.text : "no error");
        if (!w->outputs && (!rc || err.status != STATUS_CONFIG || !strstr(err.text, w->message)))
            fail_msg("%s: %s, not '%s'", w->yaml, rc ? err.text : "accepted", w->message);
        arena_free(&arena);
    }
}

static void defaults(void **state)
{
    (void)state;
    struct segment_loss_config c = {0};
    struct arena arena = {0};
    struct err err;
    must(bind(&c, "{bce: {}, cross_entropy: {}, focal: {}, dice: {reduce: case, smooth: 2}}",
              &arena, &err),
         &err);
    assert_true(c.bce.present && c.cross_entropy.present && c.focal.present && c.dice.present);
    assert_false(c.tversky.present);
    assert_true(c.bce.weight == 1 && c.bce.positive_weight == 1);
    assert_true(c.cross_entropy.weight == 1 && c.cross_entropy.label_smoothing == 0);
    assert_int_equal(c.cross_entropy.class_weights.count, 0);
    assert_int_equal(c.cross_entropy.balance, BALANCE_NONE);
    assert_true(c.dice.weight == 1 && c.dice.smooth == 2);
    assert_int_equal(c.dice.reduce, REDUCE_CASE);
    assert_int_equal(c.dice.background, BACKGROUND_UNSAID);
    assert_true(c.focal.weight == 1 && c.focal.gamma == 2 && c.focal.alpha == -1);
    assert_true(!c.focal.class_balanced && c.focal.beta == 0.999);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden),
        cmocka_unit_test(differences),
        cmocka_unit_test(order),
        cmocka_unit_test(padding),
        cmocka_unit_test(nothing_counts),
        cmocka_unit_test(no_class),
        cmocka_unit_test(large_logits),
        cmocka_unit_test(right_and_wrong),
        cmocka_unit_test(reductions),
        cmocka_unit_test(smoothing_in_training_only),
        cmocka_unit_test(configurations),
        cmocka_unit_test(defaults),
        cmocka_unit_test(balance_at_the_ends),
        cmocka_unit_test(weights_are_relative),
        cmocka_unit_test(focal_of_easy_pixels),
    };
    return cmocka_run_group_tests(tests, golden_setup, golden_teardown);
}
