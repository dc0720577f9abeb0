/* A training's step: which programs run, with which numbers, and that results are finite. */
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>

/* Validation draws its random numbers (reparameterisation) at a step that no training reaches, the
 * same for every epoch, so that val/loss is comparable over epochs. */
enum { VALIDATION_STEP = -1 };

int trainer_not_finite(int64_t step, struct plan *plan, const char *what, double value,
                       struct err *err)
{
    const char *node = plan_find_nonfinite(plan, err);
    return fail(err,
                "%s is %s at step %lld; first at '%s'; a lower lr, a warm-up or clip_norm "
                "may help",
                what, isnan(value) ? "nan" : "infinite", (long long)step, node ? node : what);
}

/* The program of a row that takes batch i of a step. */
static struct program *batch_program(struct programs_row *row, int64_t i)
{
    return i ? &row->more : &row->first;
}

/* The program of a row that updates. */
static struct program *updates(const struct trainer *t, struct programs_row *row)
{
    return t->config->accumulate > 1 ? &row->apply : &row->first;
}

static int put_rates(struct trainer *t, struct programs_row *row, struct err *err)
{
    struct program *p = updates(t, row);
    for (int i = 0; i < row->groups; i++) {
        float rates[RATES];
        double factor = row->is->groups[i].lr;
        schedule_rates(rates, row->config, t->at.step - row->is->since,
                       t->budget.total - row->is->since, t->at.updates[row->group[i]]);
        rates[RATE_EMA] = (float)schedule_ema(t->config, t->at.updates[row->group[i]] + 1);
        if (factor > 0)
            rates[RATE_LR] = (float)(rates[RATE_LR] * factor);
        TRY(plan_put(p->plan, p->rates[i], rates, err));
    }
    return 0;
}

/* The rows that a step runs; returns how many. Each has the one gradient of its groups to itself. */
static int rows_of_step(const struct trainer *t, int64_t step, int rows[MAX_PROGRAMS])
{
    const struct task *task = t->task;
    uint32_t runs = task->runs ? task->runs(step, t->budget.epoch, task->user) : UINT32_MAX;
    uint32_t taken = 0;
    int count = 0;
    for (int i = 0; i < t->programs.count; i++) {
        const struct programs_row *row = &t->programs.row[i];
        if (!row->groups || !(runs >> i & 1))
            continue;
        for (int k = 0; k < row->groups; k++) {
            if (taken >> row->group[k] & 1)
                bug("a step trains group '%s' twice", t->programs.groups[row->group[k]]);
            taken |= 1u << row->group[k];
        }
        rows[count++] = i;
    }
    return count;
}

uint32_t trainer_trained(const struct trainer *t, int64_t steps)
{
    uint32_t out = 0, all = (1u << t->programs.group_count) - 1;
    for (int64_t step = 0; step < steps && out != all; step++) {
        int rows[MAX_PROGRAMS], count = rows_of_step(t, step, rows);
        for (int k = 0; k < count; k++)
            for (int i = 0; i < t->programs.row[rows[k]].groups; i++)
                out |= 1u << t->programs.row[rows[k]].group[i];
    }
    return out;
}

static int run_batch(struct trainer *t, int row, int64_t i, const struct batch *batch,
                     const struct scalars *scalars, struct err *err)
{
    struct program *p = batch_program(&t->programs.row[row], i);
    TRY(program_put(p, batch, scalars, err));
    TRY(plan_run(p->plan, err));
    return results_fetch(t, row, i, p, err);
}

/* Without accumulation the row has been updated by its last batch. */
static int end_update(struct trainer *t, int row, struct err *err)
{
    struct programs_row *trained = &t->programs.row[row];
    if (t->config->accumulate > 1) {
        TRY(plan_run(trained->apply.plan, err));
        if (trained->apply.norm)
            TRY(results_fetch(t, row, t->config->accumulate, &trained->apply, err));
    }
    for (int i = 0; i < trained->groups; i++)
        t->at.updates[trained->group[i]]++;
    return 0;
}

static struct scalars scalars_of(const struct trainer *t)
{
    double epoch = (double)t->at.step / (double)t->budget.epoch;
    struct scalars out = {.step = t->at.step, .seed = t->task->seed};
    for (int i = 0; i < MAX_SCALARS && t->task->scalars[i].at; i++)
        out.value[i] = (float)t->task->scalars[i].at(epoch, t->task->user);
    return out;
}

static int run_step(struct trainer *t, struct err *err)
{
    struct scalars scalars = scalars_of(t);
    int rows[MAX_PROGRAMS], count = rows_of_step(t, t->at.step, rows);
    for (int k = 0; k < count; k++)
        TRY(put_rates(t, &t->programs.row[rows[k]], err));
    for (int64_t i = 0; i < t->config->accumulate; i++) {
        const struct batch *batch = loader_next(t->loader);
        scalars.first = i * t->config->batch;
        for (int k = 0; k < count; k++)
            TRY(run_batch(t, rows[k], i, batch, &scalars, err));
    }
    for (int k = 0; k < count; k++)
        TRY(end_update(t, rows[k], err));
    t->at.step++;
    return results_read(t, t->at.step - 2, err);
}

int trainer_measures(const struct trainer *t, int row)
{
    int first = 0;
    while (t->column[first] != t->column[row])
        first++;
    return first;
}

int trainer_step(struct trainer *t, struct err *err)
{
    double before = clock_seconds();
    TRY(run_step(t, err));
    t->at.seconds += clock_seconds() - before;
    char note[64] = "";
    if (!isnan(t->loss))
        snprintf(note, sizeof note, "loss %.4g", t->loss);
    progress_step(&t->progress, t->at.step, (double)(t->config->batch * t->config->accumulate),
                  "samples", note);
    return 0;
}

static int repeat_batches(struct trainer *t, int row, int64_t last, struct err *err)
{
    struct scalars scalars = scalars_of(t);
    for (int64_t i = 0; i < t->config->accumulate && i <= last; i++) {
        struct program *p = batch_program(&t->programs.row[row], i);
        scalars.first = i * t->config->batch;
        TRY(program_put(p, loader_next(t->loader), &scalars, err));
        TRY(plan_run(p->plan, err));
    }
    return 0;
}

int trainer_repeat(struct trainer *t, int64_t step, int row, int64_t batch, struct err *err)
{
    t->at.step = step;
    struct loader_spec spec = train_spec(t);
    loader_close(t->loader); /* there may be no room for two */
    t->loader = NULL;
    TRY(loader_open(&t->loader, t->where->dataset, &spec, t->where->meter, err));
    return repeat_batches(t, row, batch, err);
}

/* ---- validation ----------------------------------------------------------------------------- */

bool trainer_validates(const struct trainer *t)
{
    return t->where->dataset->count[SPLIT_VAL] > 0;
}

int trainer_validate(struct trainer *t, double *means, struct err *err)
{
    const struct dataset *dataset = t->where->dataset;
    struct loader_spec spec = {.split = SPLIT_VAL,
                               .batch = (uint32_t)validation_batch(t->config),
                               .memory = backend_host_memory(t->where->backend)};
    struct loader *loader;
    TRY(loader_open(&loader, dataset, &spec, t->where->meter, err));
    struct scalars scalars = {.step = VALIDATION_STEP, .seed = t->task->seed};
    for (int i = 0; i < MAX_SCALARS; i++)
        scalars.value[i] = (float)t->task->scalars[i].validation;
    struct program *evaluate = &t->programs.row[t->programs.validation].first;
    int measures = 1 + evaluate->monitors.count;
    const char *const *names = t->at.history.names + t->column[t->programs.validation];
    double sums[MEASURES] = {0};
    int status = 0;
    for (const struct batch *batch; !status && (batch = loader_next(loader));) {
        float values[MEASURES];
        status = program_run(&t->programs, evaluate, batch, &scalars, values, err);
        for (int i = 0; !status && i < measures; i++) {
            if (!isfinite(values[i]))
                status = trainer_not_finite(t->at.step, evaluate->plan, names[i], (double)values[i],
                                            err);
            sums[i] += (double)values[i] * batch->real;
        }
        if (!status && stop_requested())
            status = 1;
        scalars.first += batch->real;
    }
    loader_close(loader);
    for (int i = 0; i < measures; i++)
        means[i] = sums[i] / dataset->count[SPLIT_VAL];
    return status;
}
