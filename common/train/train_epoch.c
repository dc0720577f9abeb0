/* The end of an epoch: a row of the history, and which weights to keep. */
#include "train/trainer.h"

#include "base/file.h"
#include "base/sha256.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void epoch_path_name(char name[64], int64_t epoch)
{
    snprintf(name, 64, "epoch-%03lld.safetensors", (long long)epoch);
}

static void hash_path(char out[PATH_BYTES], const char *path)
{
    snprintf(out, PATH_BYTES, "%.*s.sha256", PATH_BYTES - 8, path);
}

/* In a file next to it, which is kept until the training ends. */
static int write_hash(const char *path, struct err *err)
{
    char beside[PATH_BYTES];
    struct id hash;
    hash_path(beside, path);
    TRY(sha256_file(&hash, NULL, path, err));
    return file_publish(beside, hash.hex, strlen(hash.hex), err);
}

static int check_hash(const char *path, struct err *err)
{
    char beside[PATH_BYTES], *text;
    size_t length;
    struct id hash;
    hash_path(beside, path);
    TRY(sha256_file(&hash, NULL, path, err));
    TRY(file_read(&text, &length, beside, sizeof hash.hex, err));
    bool same = !strcmp(text, hash.hex);
    free(text);
    if (same)
        return 0;
    return fail_as(err, STATUS_BAD_DATA,
                   "'%s' is damaged; remove its folder (rm -r) and train again", path);
}

/* Keeps the weights of the epoch just appended to the history, if required. */
static int keep_weights(struct trainer *t, struct err *err)
{
    int64_t row = t->at.history.rows - 1;
    if (t->config->checkpoint.keep != KEEP_LAST && history_best(&t->at.history) == row)
        TRY(snapshot_take(&t->snapshot, true, err));
    if (t->config->checkpoint.keep != KEEP_ALL)
        return 0;
    char name[64], path[PATH_BYTES];
    epoch_path_name(name, row + 1);
    TRY(path_join(path, run_folder(t->where->run), name, err));
    TRY(snapshot_write_weights(&t->snapshot, path, false, t->model, err));
    return write_hash(path, err);
}

static void tell_epoch(struct trainer *t, const double *row)
{
    double now = clock_seconds();
    if (t->where->quiet || (now - t->told < 1 && t->at.step < t->budget.total))
        return;
    t->told = now;
    progress_end(&t->progress);
    fprintf(stderr, "%s: epoch %.0f  step %.0f", t->task->name, row[COLUMN_EPOCH],
            row[COLUMN_STEP]);
    if (!isnan(row[t->column[0]])) /* its program has run */
        fprintf(stderr, "  train/loss %.5g", row[t->column[0]]);
    if (trainer_validates(t))
        fprintf(stderr, "  val/loss %.5g", row[t->column[t->programs.validation]]);
    fputc('\n', stderr);
}

int64_t trainer_epochs(const struct trainer *t)
{
    bool over = t->at.step == t->budget.total;
    return (t->at.step + (over ? t->budget.epoch - 1 : 0)) / t->budget.epoch;
}

/* A program that ran no batch has no means: 0/0 is NaN. */
static void take_means(const struct trainer *t, double *row)
{
    for (int k = 0; k < t->programs.count; k++) {
        double batches = (double)t->at.batches[trainer_measures(t, k)];
        for (int i = 0; i <= t->programs.row[k].first.monitors.count; i++)
            row[t->column[k] + i] = t->at.sums[t->column[k] + i] / batches;
    }
}

int trainer_end_epoch(struct trainer *t, struct err *err)
{
    struct history *history = &t->at.history;
    double row[HISTORY_COLUMNS];
    TRY(trainer_flush(t, err));
    row[COLUMN_EPOCH] = (double)history->rows + 1;
    row[COLUMN_STEP] = (double)t->at.step;
    row[COLUMN_LR] = schedule_lr(t->config, t->at.step - 1, t->budget.total);
    take_means(t, row);
    if (trainer_validates(t)) {
        int status = trainer_validate(t, row + t->column[t->programs.validation], err);
        if (status)
            return status;
    }
    history_append(history, row);
    memset(t->at.sums, 0, sizeof t->at.sums);
    memset(t->at.batches, 0, sizeof t->at.batches);
    tell_epoch(t, row);
    return keep_weights(t, err);
}

int trainer_copy_epochs(const struct trainer *t, struct err *err)
{
    for (int64_t epoch = 1; epoch <= t->at.history.rows; epoch++) {
        char name[64], from[PATH_BYTES], to[PATH_BYTES];
        epoch_path_name(name, epoch);
        TRY(path_join(from, run_folder(t->where->run), name, err));
        TRY(draft_path(t->draft, name, to, err));
        TRY(check_hash(from, err));
        struct mapping map;
        TRY(map_open(&map, from, err));
        int status = file_publish(to, map.data, map.length, err);
        map_close(&map);
        TRY(status);
    }
    return 0;
}
