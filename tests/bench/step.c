/*
 * Where a training step's time goes: its seconds (the loader's included), those of each class of
 * node, what the rest is, and its memory. Steps that are timed as a whole take turns with steps
 * that are timed node by node. All are medians.
 */
#include "bench/model.h"

#include "base/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum part {
    FORWARD,
    BY_DATA,
    BY_FILTER,
    NORM,
    ACTIVATION,
    POOLING,
    RESAMPLING,
    COPIES,
    LOSS,
    OPTIMISER,
    LOADING,
    PARTS
};
static const char *const part_names[PARTS] = {"forward",    "by_data",   "by_filter",  "norm",
                                              "activation", "pooling",   "resampling", "copies",
                                              "loss",       "optimiser", "loading"};

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Ops that are of one class wherever they stand, by the start of their names. */
static const struct {
    const char *start;
    enum part part;
} by_name[] = {{"conv_filter", BY_FILTER}, {"normal", LOSS},        {"norm", NORM},
               {"max_pool", POOLING},      {"avg_pool", POOLING},   {"upsample", RESAMPLING},
               {"act_", ACTIVATION},       {"adam", OPTIMISER},     {"sgd", OPTIMISER},
               {"sum_squares", OPTIMISER}, {"cross_entropy", LOSS}, {"bce", LOSS}};

static const char *const activations[] = {
#define ACT(id, op, p, cost, library) #op,
#include "engine/activation.def"
};

/* What is not under a model's half is its loss: sampling, terms, monitors. */
static enum part part_of(const struct step *step)
{
    const char *name = op_name(step->op), *path = step->path;
    if (step->op == OP_conv || step->op == OP_conv_data)
        return strstr(path, ".grad") ? BY_DATA : FORWARD;
    for (size_t i = 0; i < sizeof by_name / sizeof *by_name; i++)
        if (starts(name, by_name[i].start))
            return by_name[i].part;
    if (!starts(path, "encoder") && !starts(path, "decoder") && !starts(path, "head"))
        return LOSS;
    if (strstr(path, "norm"))
        return NORM;
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        if (starts(name, activations[i]))
            return ACTIVATION;
    return COPIES;
}

/* ---- a step --------------------------------------------------------------------------------- */
static int put_rates(struct bench *b, int64_t step, struct err *err)
{
    const struct programs_row *row = &b->programs.row[0];
    float rates[RATES];
    schedule_rates(rates, b->task.config, step, 1000000, step);
    for (int i = 0; i < row->groups; i++)
        TRY(plan_put(row->first.plan, row->first.rates[i], rates, err));
    return 0;
}

/* As the trainer does it. */
static int whole_step(struct bench *b, int64_t step, double *seconds, struct err *err)
{
    struct scalars scalars = {.step = step, .seed = b->task.seed, .value = {1}};
    float values[MEASURES];
    double begin = clock_seconds();
    TRY(put_rates(b, step, err));
    TRY(program_run(&b->programs, &b->programs.row[0].first, loader_next(b->loader), &scalars,
                    values, err));
    *seconds = clock_seconds() - begin;
    return 0;
}

static int put_batch(struct bench *b, const struct batch *batch, struct err *err)
{
    struct plan *plan = b->programs.row[0].first.plan;
    const struct feed *feed = &b->programs.row[0].first.feed;
    TRY(plan_put(plan, feed->image, batch->image, err));
    TRY(plan_put(plan, feed->label, batch->label, err));
    if (feed->mask)
        TRY(plan_put(plan, feed->mask, batch->mask, err));
    return plan_put(plan, feed->weight, batch->weight, err);
}

/* Node by node; the batch's way into the plan counts as a copy. */
static int parted_step(struct bench *b, int64_t step, double seconds[PARTS], struct err *err)
{
    struct plan *plan = b->programs.row[0].first.plan;
    memset(seconds, 0, PARTS * sizeof *seconds);
    TRY(put_rates(b, step, err));
    double begin = clock_seconds(), now;
    const struct batch *batch = loader_next(b->loader);
    seconds[LOADING] = (now = clock_seconds()) - begin;
    begin = now;
    TRY(put_batch(b, batch, err));
    seconds[COPIES] = (now = clock_seconds()) - begin;
    TRY(plan_settle(plan, err));
    for (int32_t i = 0; i < plan->steps; i++) {
        begin = clock_seconds();
        TRY(plan_step(plan, i, err));
        TRY(b->backend->calls->sync(b->backend, err));
        seconds[part_of(&plan->step[i])] += clock_seconds() - begin;
    }
    return 0;
}

/* ---- a measurement -------------------------------------------------------------------------- */
enum { LEAST = 3, MOST = 2000, WARM_UP = 2 };
struct measured {
    int count;
    double whole[MOST], part[PARTS][MOST];
};

static int measure(struct measured *out, struct bench *b, double seconds, struct err *err)
{
    double unused, parted[PARTS], begin = 0;
    int64_t step = 0;
    for (; step < WARM_UP; step++)
        TRY(whole_step(b, step, &unused, err));
    begin = clock_seconds();
    while (out->count < LEAST || (out->count < MOST && clock_seconds() - begin < seconds)) {
        TRY(whole_step(b, step++, &out->whole[out->count], err));
        TRY(parted_step(b, step++, parted, err));
        for (int i = 0; i < PARTS; i++)
            out->part[i][out->count] = parted[i];
        out->count++;
    }
    return 0;
}

/* Kilobytes of a line of /proc/self/status, such as "VmHWM". */
static double status_bytes(const char *name)
{
    char line[256];
    double found = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (starts(line, name) && line[strlen(name)] == ':')
            found = 1024 * strtod(line + strlen(name) + 1, NULL);
    if (status)
        fclose(status);
    return found;
}

static void report(struct measured *m, const struct bench *b, double resident)
{
    double whole = bench_median(m->whole, m->count), sum = 0;
    const struct plan *plan = b->programs.row[0].first.plan;
    printf("numerics,%s\n", backend_numerics(b->backend));
    printf("steps,%d\nbatch,%lld\nseconds,%.6f\n", m->count, (long long)b->task.config->batch,
           whole);
    for (int i = 0; i < PARTS; i++) {
        double part = bench_median(m->part[i], m->count);
        sum += part;
        printf("%s,%.6f\n", part_names[i], part);
    }
    printf("idle,%.6f\n", whole - sum);
    printf("plan_bytes,%zu\npeak_bytes,%zu\nresident_bytes,%.0f\n", plan_bytes(plan),
           (size_t)b->meter.peak, status_bytes("VmHWM") - resident);
    printf("parameters,%lld\nmultiply_adds,%.0f\n", (long long)params_elements(b->params),
           plan_multiply_adds(plan));
}

int main(int argc, char **argv)
{
    struct bench_options options = bench_parse(argc, argv);
    struct measured *measured = xcalloc(1, sizeof *measured);
    struct bench bench;
    struct err err;
    double resident = status_bytes("VmRSS");
    int rc = bench_open(&bench, &options, &err) || measure(measured, &bench, options.seconds, &err);
    if (rc)
        fprintf(stderr, "%s: %s\n", argv[0], err.text);
    else
        report(measured, &bench, resident);
    bench_close(&bench);
    free(measured);
    return rc ? (int)err.status : 0;
}
