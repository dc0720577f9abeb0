/* Statistics of the final weights, measured when the training is over. */
#include "train/trainer.h"

#include <stdlib.h>

enum { LEAST_BATCHES = 64 };

/* Sums over batches of each value of the state, one entry after the other. */
struct tally {
    double *sums;
    float *values; /* of the largest entry */
    int64_t batches;
};

static bool is_measured(const struct trainer *t, const struct entry *entry)
{
    return entry->state && !snapshot_borrows(t->task, entry);
}

static void tally_new(struct tally *out, const struct trainer *t)
{
    int64_t total = 0, most = 0;
    for (int32_t i = 0; i < params_count(t->params); i++) {
        const struct entry *entry = params_entry(t->params, i);
        int64_t count = is_measured(t, entry) ? shape_count(entry->shape) : 0;
        total += count;
        most = count > most ? count : most;
    }
    *out = (struct tally){xcalloc((size_t)total, sizeof(double)),
                          xcalloc((size_t)most, sizeof(float)), 0};
}

static void tally_free(struct tally *tally)
{
    free(tally->sums);
    free(tally->values);
}

/* end: puts the means back, else adds what the batch has left. */
static int tally_turn(struct tally *tally, const struct trainer *t, bool end, struct err *err)
{
    double *sum = tally->sums;
    for (int32_t i = 0; i < params_count(t->params); i++) {
        const struct entry *entry = params_entry(t->params, i);
        if (!is_measured(t, entry))
            continue;
        int64_t count = shape_count(entry->shape);
        if (!end)
            TRY(params_get(t->params, entry, ARRAY_STATE, tally->values, err));
        for (int64_t k = 0; k < count; k++, sum++)
            if (end)
                tally->values[k] = (float)(*sum / (double)tally->batches);
            else
                *sum += (double)tally->values[k];
        if (end)
            TRY(params_put(t->params, entry, ARRAY_STATE, tally->values, err));
    }
    return 0;
}

/* Batches of cases as they are: what evaluation will see. Shuffled, as in the split's order one may be
 * of one kind alone, and full, as a norm knows nothing of padding. */
static int measure(struct trainer *t, struct program *program, struct tally *tally, struct err *err)
{
    const struct dataset *dataset = t->where->dataset;
    struct loader_spec spec = train_spec(t);
    spec.start = 0;
    spec.augment = NULL;
    int64_t pass = (dataset->count[SPLIT_TRAIN] + t->config->batch - 1) / t->config->batch;
    struct scalars scalars = {.step = t->at.step, .seed = t->task->seed};
    struct loader *loader;
    for (int i = 0; i < MAX_SCALARS; i++)
        scalars.value[i] = (float)t->task->scalars[i].validation;
    TRY(loader_open(&loader, dataset, &spec, t->where->meter, err));
    int status = 0;
    while (!status && tally->batches < (pass > LEAST_BATCHES ? pass : LEAST_BATCHES)) {
        status = program_put(program, loader_next(loader), &scalars, err);
        if (!status)
            status = plan_run(program->plan, err);
        if (!status)
            status = tally_turn(tally, t, false, err);
        tally->batches++;
        if (!status && stop_requested())
            status = fail_as(err, STATUS_STOPPED,
                             "stopped after the last step; run the same command to continue");
    }
    loader_close(loader);
    return status;
}

/* The groups that no step up to this epoch has trained; ends with NULL. */
static void find_untrained(const char *out[MAX_UPDATED + 1], const struct trainer *t, int64_t epoch)
{
    const struct history *history = &t->at.history;
    int64_t steps = epoch < 0 ? t->at.step : (int64_t)history_row(history, epoch)[COLUMN_STEP];
    uint32_t trained = trainer_trained(t, steps);
    int count = 0;
    for (int i = 0; i < t->programs.group_count; i++)
        if (!(trained >> i & 1))
            out[count++] = t->programs.groups[i];
    out[count] = NULL;
}

int trainer_recompute(struct trainer *t, int64_t best, struct err *err)
{
    struct program program = {0};
    struct tally tally;
    const char *untrained[MAX_UPDATED + 1];
    find_untrained(untrained, t, best);
    if (best >= 0)
        TRY(snapshot_put_best(&t->snapshot, err));
    loader_close(t->loader); /* their memory is not needed any more */
    t->loader = NULL;
    programs_close(&t->programs);
    tally_new(&tally, t);
    int status = program_open_measure(&program, t->params, t->task, t->where, untrained, err);
    if (!status)
        status = measure(t, &program, &tally, err);
    if (!status)
        status = tally_turn(&tally, t, true, err);
    tally_free(&tally);
    program_close(&program);
    return status;
}
