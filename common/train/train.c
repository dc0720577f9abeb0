#include "train/trainer.h"

#include "base/file.h"
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the loop ------------------------------------------------------------------------------- */

static int write_checkpoint(struct trainer *t, struct err *err)
{
    TRY(trainer_flush(t, err));
    double before = clock_seconds();
    TRY(checkpoint_write(t->where->run, &t->snapshot, &t->at, err));
    t->checkpointed = clock_seconds();
    t->writing = t->checkpointed - before;
    return 0;
}

static int stop_here(struct trainer *t, struct err *err)
{
    TRY(write_checkpoint(t, err));
    return fail_as(err, STATUS_STOPPED,
                   "stopped at step %lld of %lld; run the same command to continue",
                   (long long)t->at.step, (long long)t->budget.total);
}

static bool stops_early(const struct train_config *config)
{
    return config->early_stopping.present && config->early_stopping.patience > 0;
}

static bool finished(const struct trainer *t)
{
    const struct train_config *config = t->config;
    return t->at.step >= t->budget.total ||
           (stops_early(config) &&
            history_exhausted(&t->at.history, config->early_stopping.patience,
                              config->early_stopping.min_delta));
}

static bool checkpoint_due(const struct trainer *t)
{
    double since = clock_seconds() - t->checkpointed;
    return since >= t->config->checkpoint.seconds &&
           since * t->config->checkpoint.share >= t->writing;
}

/* Every turn begins at a step boundary, where a training may stop and resume. */
static int run_steps(struct trainer *t, struct err *err)
{
    t->checkpointed = clock_seconds();
    for (;;) {
        if (stop_requested())
            return stop_here(t, err);
        if (checkpoint_due(t))
            TRY(write_checkpoint(t, err));
        if (trainer_epochs(t) > t->at.history.rows) {
            int status = trainer_end_epoch(t, err);
            if (status < 0)
                return -1;
            if (status > 0)
                continue;
        }
        if (finished(t))
            return 0;
        TRY(trainer_step(t, err));
    }
}

/* ---- the model's range ---------------------------------------------------------------------- */
static int check_values(const struct range *range, const struct dataset *dataset, struct err *err)
{
    const float *values = dataset->images;
    int64_t voxels = (int64_t)dataset->d * dataset->h * dataset->w * dataset->c, cases = 0;
    for (int i = 0; i < SPLITS; i++)
        cases += dataset->count[i];
    for (int64_t i = 0; i < cases * voxels; i++)
        if (!(values[i] >= range->low && values[i] <= range->high))
            return fail_as(err, STATUS_CONFIG,
                           "case '%s' has the value %g, but the model's images are %g to %g "
                           "(preprocess.intensity: percentile or range)",
                           dataset->ids[i / voxels], (double)values[i], (double)range->low,
                           (double)range->high);
    return 0;
}

/* For f32 these two are unbounded; the others never exceed the existing values. */
static int check_augment(const struct range *range, const struct int_list *augment, struct err *err)
{
    for (size_t i = 0; i < augment->count; i++)
        if (augment->items[i] == AUGMENT_BRIGHTNESS || augment->items[i] == AUGMENT_CONTRAST)
            return fail_as(
                err, STATUS_CONFIG,
                "train.augment: '%s' of volumes exceeds %g to %g, the range of the model's "
                "images",
                augmentation_names[augment->items[i]], (double)range->low, (double)range->high);
    return 0;
}

/* A decoder cannot exceed its range, and its loss may be unbounded for targets beyond. */
static int check_range(const struct range *range, const struct dataset *dataset,
                       const struct int_list *augment, struct err *err)
{
    if (isinf(range->low) && isinf(range->high))
        return 0;
    if (dataset->pixel == PIXEL_F32)
        return check_augment(range, augment, err) || check_values(range, dataset, err) ? -1 : 0;
    if (range->low <= 0 && range->high >= 1)
        return 0;
    return fail_as(err, STATUS_CONFIG, "pictures are 0 to 1, but the model's images are %g to %g",
                   (double)range->low, (double)range->high);
}

/* ---- before and after ----------------------------------------------------------------------- */

struct loader_spec train_spec(const struct trainer *t)
{
    return (struct loader_spec){.split = SPLIT_TRAIN,
                                .batch = (uint32_t)t->config->batch,
                                .shuffle = true,
                                .seed = t->task->seed,
                                .start = (uint64_t)(t->at.step * t->config->accumulate),
                                .augment = t->config->augment.count ? &t->augment : NULL,
                                .patch = train_patch(t->config),
                                .memory = backend_host_memory(t->where->backend)};
}

static int check_config(const struct trainer *t, struct err *err)
{
    if (!t->where->dataset->count[SPLIT_TRAIN])
        return fail_as(err, STATUS_BAD_DATA, "the train split is empty");
    if (stops_early(t->config) && !trainer_validates(t))
        return fail_as(
            err, STATUS_CONFIG,
            "early_stopping needs a val split, but it is empty; patience 0 turns it off");
    const struct model_facts facts = t->task->kind->facts(t->task->model);
    if (t->config->patch.size.count && !facts.any_size)
        return fail_as(err, STATUS_CONFIG,
                       "train.patch: the model has a fixed size, that of the whole images");
    TRY(check_range(&facts.range, t->where->dataset, &t->config->augment, err));
    TRY(train_config_check(t->config, err));
    struct loader_spec spec = train_spec(t);
    return loader_check(t->where->dataset, &spec, err);
}

/* Numerics are fixed at the first step: a resumed run keeps its threads; another backend or machine
 * is an event. */
static int settle_numerics(struct trainer *t, struct err *err)
{
    const char *now = backend_numerics(t->where->backend), *was = t->resumed.numerics;
    t->at.threads = backend_threads(t->where->backend);
    char *other = xprintf("; then %s", now);
    bool same = !was || !strcmp(was, now) || ends_with(was, other);
    t->at.numerics = was ? xprintf("%s%s", was, same ? "" : other) : xstrdup(now);
    free(other);
    run_numerics(t->where->run, t->at.numerics);
    if (same)
        return 0;
    struct json detail = {0};
    json_begin(&detail, NULL, "{*, *}");
    json_text(&detail, "was", was);
    json_text(&detail, "now", now);
    json_end(&detail);
    int status = run_event(t->where->run, "numerics", detail.text.data, err);
    text_free(&detail.text);
    return status;
}

static int resume(struct trainer *t, struct err *err)
{
    TRY(checkpoint_restore(&t->resumed, &t->snapshot, &t->at, err));
    checkpoint_close(&t->resumed);
    if (t->at.step > t->budget.total)
        return fail_as(err, STATUS_BAD_DATA,
                       "the checkpoint of step %lld is past the last step, %lld",
                       (long long)t->at.step, (long long)t->budget.total);
    struct json detail = {0};
    json_begin(&detail, NULL, "{*}");
    json_raw(&detail, "step", "%lld", (long long)t->at.step);
    json_end(&detail);
    int status = run_event(t->where->run, "resumed", detail.text.data, err);
    text_free(&detail.text);
    return status;
}

static struct augment augment_of(const struct train_config *config)
{
    struct augment out = {.limits = config->augment_limits};
    for (size_t i = 0; i < config->augment.count; i++)
        out.use[config->augment.items[i]] = true;
    return out;
}

static size_t loaders_bytes(const struct trainer *t)
{
    struct loader_spec training = train_spec(t),
                       validation = {.split = SPLIT_VAL,
                                     .batch = (uint32_t)validation_batch(t->config)};
    return loader_bytes(t->where->dataset, &training) +
           (trainer_validates(t) ? loader_bytes(t->where->dataset, &validation) : 0);
}

/* What is allocated so far stays; only the loaders are still to come. */
static size_t predicted_bytes(const struct trainer *t)
{
    return t->where->meter->now + loaders_bytes(t);
}

static const char *count_text(char buf[NUMBER_TEXT], double count)
{
    snprintf(buf, NUMBER_TEXT, count < 1e6 ? "%.0f" : "%.1f million",
             count < 1e6 ? count : 1e-6 * count);
    return buf;
}

static void summarise(const struct trainer *t)
{
    if (t->where->quiet)
        return;
    char parameters[NUMBER_TEXT], products[NUMBER_TEXT], memory[NUMBER_TEXT];
    const char *name = t->task->name;
    fprintf(stderr, "%s: %s parameters, %s multiply-adds per sample, memory %s\n", name,
            count_text(parameters, (double)params_elements(t->params)),
            count_text(products, t->multiply_adds), bytes_text(memory, (double)predicted_bytes(t)));
    fprintf(stderr, "%s: %lld steps of %lld samples, %lld per epoch, on %s\n", name,
            (long long)t->budget.total, (long long)(t->config->batch * t->config->accumulate),
            (long long)t->budget.epoch, t->at.numerics);
    if (t->at.step)
        fprintf(stderr, "%s: continues at step %lld\n", name, (long long)t->at.step);
}

static int check(struct trainer *t, struct err *err)
{
    TRY(check_config(t, err));
    return schedule_budget(&t->budget, t->config, t->where->dataset->count[SPLIT_TRAIN], err);
}

static int open_programs(struct trainer *t, struct err *err)
{
    t->params = params_new();
    TRY(programs_open(&t->programs, t->params, t->task, t->where, &t->multiply_adds, err));
    return results_open(t, err);
}

/* How many lines of a table begin with this word. */
static int lines_of(const char *table, const char *word)
{
    int count = 0;
    for (const char *line = table; *line; line += strcspn(line, "\n") + 1)
        count += starts_with(line, word);
    return count;
}

static int load_init(struct trainer *t, struct err *err)
{
    const struct task *task = t->task;
    if (!task->init.map)
        return 0;
    if (weights_load_part(t->params, t->where->store, task->init.artifact, task->init.map,
                          &t->loaded, err))
        return wrap(err, "init");
    if (!t->where->quiet)
        fprintf(stderr,
                "%s: init %.12s: %d tensors loaded, %d initialised, %d skipped (init.txt)\n",
                task->name, task->init.artifact->hex, lines_of(t->loaded.data, "loaded "),
                lines_of(t->loaded.data, "initialised "), lines_of(t->loaded.data, "skipped "));
    return 0;
}

static int open_snapshot(struct trainer *t, struct err *err)
{
    return snapshot_open(&t->snapshot, t->params, t->config->ema > 0 ? ARRAY_EMA : ARRAY_PARAM,
                         trainer_validates(t) && t->config->checkpoint.keep != KEEP_LAST, t->task,
                         t->where->meter, err);
}

/* Finds checkpoint.by among the validation's measures. */
static int choose_best(struct trainer *t, struct err *err)
{
    const struct monitors *monitors = &t->programs.row[t->programs.validation].first.monitors;
    struct history *history = &t->at.history;
    const char *by = t->config->checkpoint.by;
    int first = t->column[t->programs.validation];
    history->by = !strcmp(by, "loss") ? first : -1;
    for (int i = 0; i < monitors->count; i++)
        if (!strcmp(by, monitors->items[i].name)) {
            history->by = first + 1 + i;
            history->better = monitors->items[i].better;
        }
    if (history->by >= 0)
        return 0;
    struct text known = {0};
    for (int i = first; i < history->columns; i++)
        text_printf(&known, "%s%s", i > first ? ", " : "", strchr(history->names[i], '/') + 1);
    fail_as(err, STATUS_CONFIG, "train.checkpoint.by: '%s' is not one of %s", by, known.data);
    text_free(&known);
    return -1;
}

/* The previous row that trains under the same name; -1: none. */
static int namesake(const struct programs *programs, int row)
{
    const struct programs_row *rows = programs->row;
    const char *name = rows[row].is->name;
    for (int i = 0; rows[row].groups && i < row; i++) {
        const char *other = rows[i].is->name;
        if (rows[i].groups && (name && other ? !strcmp(name, other) : name == other))
            return i;
    }
    return -1;
}

static int open_history(struct trainer *t, struct err *err)
{
    struct history *history = &t->at.history;
    history_init(history);
    for (int i = 0; i < t->programs.count; i++) {
        const struct programs_row *row = &t->programs.row[i];
        int same = namesake(&t->programs, i);
        if (same >= 0) {
            t->column[i] = t->column[same];
            continue;
        }
        const char *prefix = !row->groups ? split_names[SPLIT_VAL] : split_names[SPLIT_TRAIN];
        if (row->is->name)
            prefix = arena_printf(&history->arena, "%s/%s", prefix, row->is->name);
        t->column[i] = history_add(history, prefix, &row->first.monitors);
    }
    return choose_best(t, err);
}

/* Allocates everything a training needs, and reports it. */
static int explain(struct trainer *t, struct err *err)
{
    const struct meter *meter = t->where->meter;
    size_t dataset = meter->now;
    TRY(check(t, err));
    TRY(open_programs(t, err));
    TRY(open_history(t, err));
    size_t plans = programs_bytes(&t->programs), arrays = meter->now - dataset - plans;
    TRY(open_snapshot(t, err));
    struct text *out = t->where->explain;
    text_printf(out, "parameters %lld\nmultiply-adds per sample %.0f\nsteps %lld\n",
                (long long)params_elements(t->params), t->multiply_adds,
                (long long)t->budget.total);
    text_printf(out,
                "memory %zu bytes: dataset %zu, parameters with gradients and moments %zu, "
                "plans %zu, checkpoint %zu, loaders %zu\n",
                predicted_bytes(t), dataset, arrays, plans, meter->now - dataset - plans - arrays,
                loaders_bytes(t));
    return 0;
}

static int prepare(struct trainer *t, struct err *err)
{
    const struct training *where = t->where;
    TRY(check(t, err));
    int found = checkpoint_open(&t->resumed, where->run, t->task->name, err);
    if (found < 0)
        return -1;
    if (found)
        TRY(backend_use_threads(where->backend, t->resumed.threads, err));
    TRY(open_programs(t, err));
    TRY(load_init(t, err));
    TRY(settle_numerics(t, err));
    TRY(open_history(t, err));
    TRY(open_snapshot(t, err));
    if (found)
        TRY(resume(t, err));
    summarise(t);
    struct loader_spec spec = train_spec(t);
    return loader_open(&t->loader, where->dataset, &spec, where->meter, err);
}

static void record_metrics(const struct trainer *t, int64_t kept)
{
    struct run *run = t->where->run;
    const struct history *history = &t->at.history;
    for (int64_t i = 0; i < history->rows; i++) {
        const double *row = history_row(history, i);
        run_metric(run, "train/lr", (int64_t)row[COLUMN_STEP], row[COLUMN_LR]);
        for (int c = COLUMN_MEASURES; c < history->columns; c++) {
            if (isnan(row[c]))
                continue;
            run_metric(run, history->names[c], (int64_t)row[COLUMN_STEP], row[c]);
            if (i == kept)
                run_metric(run, history->names[c], -1, row[c]);
        }
    }
    double samples = (double)(t->at.step * t->config->batch * t->config->accumulate);
    run_metric(run, "train/samples_per_second", -1, samples / t->at.seconds);
    run_metric(run, "train/seconds", -1, t->at.seconds);
    run_metric(run, "train/peak_bytes", -1, (double)t->where->meter->peak);
    run_metric(run, "train/parameters", -1, (double)params_elements(t->params));
    run_metric(run, "train/multiply_adds", -1, t->multiply_adds);
}

/* The final value of a metric is that of the epoch whose weights are the result. */
static int deliver(struct trainer *t, struct err *err)
{
    char path[PATH_BYTES];
    int64_t best = t->config->checkpoint.keep == KEEP_LAST ? -1 : history_best(&t->at.history);
    TRY(model_text_write(t->task->kind, t->task->model, t->draft, err));
    if (t->task->init.map)
        TRY(draft_text(t->draft, "init.txt", &t->loaded, err));
    TRY(draft_path(t->draft, "weights.safetensors", path, err));
    bool again = t->config->norm_statistics == STATISTICS_RECOMPUTED;
    if (again) {
        TRY(write_checkpoint(t, err)); /* a stop on the way must not lose steps */
        TRY(trainer_recompute(t, best, err));
    }
    TRY(snapshot_write_weights(&t->snapshot, path, best >= 0 && !again, t->model, err));
    TRY(draft_path(t->draft, "history.csv", path, err));
    struct text csv = {0};
    history_csv(&csv, &t->at.history);
    TRY(text_publish(&csv, path, err));
    if (t->config->checkpoint.keep == KEEP_ALL)
        TRY(trainer_copy_epochs(t, err));
    record_metrics(t, best >= 0 ? best : t->at.history.rows - 1);
    return 0;
}

static void close_trainer(struct trainer *t)
{
    progress_end(&t->progress);
    if (t->loader)
        loader_close(t->loader);
    snapshot_close(&t->snapshot);
    results_close(t);
    programs_close(&t->programs);
    if (t->params)
        params_free(t->params);
    checkpoint_close(&t->resumed);
    history_free(&t->at.history);
    free(t->at.numerics);
    text_free(&t->loaded);
    arena_free(&t->arena);
    stop_unwatch(&t->stop);
}

int train(const struct training *where, const struct task *task, const struct draft *draft,
          struct err *err)
{
    struct trainer t = {.where = where,
                        .task = task,
                        .config = task->config,
                        .draft = draft,
                        .augment = augment_of(task->config),
                        .loss = NAN,
                        .stop = stop_watch()};
    t.model = model_text(task->kind, task->model, &t.arena);
    if (where->explain) {
        int explained = explain(&t, err);
        close_trainer(&t);
        return explained;
    }
    int status = prepare(&t, err);
    if (!status) {
        t.told = clock_seconds();
        progress_start(&t.progress, task->name, t.at.step, t.budget.total, where->quiet);
        status = run_steps(&t, err);
    }
    if (!status)
        status = deliver(&t, err);
    close_trainer(&t);
    return status;
}
