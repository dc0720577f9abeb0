#include "train/checkpoint.h"

#include "base/file.h"
#include "base/json.h"
#include "base/sha256.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    NAME_BYTES = 64,
    COUNTERS = 2,
    EXTRA = 6 /* counters, updates, batches, sums, seconds, history */
};
/* The metadata that the hash covers. */
enum { META_COLUMNS, META_NUMERICS, META_RECIPE, METAS };
static const char *const meta_names[METAS] = {"columns", "numerics", "recipe"};

static void file_name(char name[NAME_BYTES], int64_t step)
{
    snprintf(name, NAME_BYTES, "checkpoint-%" PRId64 ".safetensors", step);
}

/* ---- the folder ----------------------------------------------------------------------------- */

/* The largest step below `limit` that has a file, -1 if none. */
static int newest_below(int64_t *out, const char *folder, int64_t limit, struct err *err)
{
    *out = -1;
    struct arena arena = {0};
    char **names;
    size_t count;
    int status = folder_names(&names, &count, folder, &arena, err);
    for (size_t i = 0; !status && i < count; i++) {
        char name[NAME_BYTES];
        int64_t step;
        if (sscanf(names[i], "checkpoint-%" SCNd64, &step) != 1)
            continue;
        file_name(name, step);
        if (!strcmp(name, names[i]) && step < limit && step > *out)
            *out = step;
    }
    arena_free(&arena);
    return status;
}

static int remove_step(const char *folder, int64_t step, struct err *err)
{
    char name[NAME_BYTES], path[PATH_BYTES];
    file_name(name, step);
    TRY(path_join(path, folder, name, err));
    if (unlink(path) && errno != ENOENT)
        return fail_errno(err, "cannot remove '%s'", path);
    return 0;
}

/* What a killed writer left behind. */
static int remove_torn(const char *folder, struct err *err)
{
    struct arena arena = {0};
    char **names, path[PATH_BYTES];
    size_t count;
    int status = folder_names(&names, &count, folder, &arena, err);
    for (size_t i = 0; !status && i < count; i++)
        if (ends_with(names[i], ".part") && !(status = path_join(path, folder, names[i], err)))
            unlink(path);
    arena_free(&arena);
    return status;
}

static int keep_two(const char *folder, struct err *err)
{
    int64_t step = INT64_MAX;
    for (int kept = 0;; kept++) {
        TRY(newest_below(&step, folder, step, err));
        if (step < 0)
            return 0;
        if (kept >= 2)
            TRY(remove_step(folder, step, err));
    }
}

/* ---- content -------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct tensor *)a)->name, ((const struct tensor *)b)->name);
}

/* Items are in name order, as in the file. */
static struct id content_hash(const struct tensor *items, size_t count,
                              const char *const metas[METAS])
{
    struct sha256 *sha = sha256_new();
    for (int i = 0; i < METAS; i++)
        sha256_add(sha, metas[i], strlen(metas[i]) + 1);
    for (size_t i = 0; i < count; i++) {
        int64_t head[2] = {items[i].type, items[i].dims};
        sha256_add(sha, items[i].name, strlen(items[i].name) + 1);
        sha256_add(sha, head, sizeof head);
        sha256_add(sha, items[i].dim, (size_t)items[i].dims * sizeof *items[i].dim);
        sha256_add(sha, items[i].data, items[i].bytes);
    }
    return sha256_end(sha);
}

static struct tensor vector(const char *name, enum tensor_type type, const void *data,
                            int64_t count)
{
    return (struct tensor){.name = name,
                           .type = type,
                           .dims = 1,
                           .dim = {count},
                           .data = data,
                           .bytes = (size_t)count * tensor_size(type)};
}

int checkpoint_write(const struct run *run, struct snapshot *snapshot,
                     const struct position *position, struct err *err)
{
    TRY(snapshot_take(snapshot, false, err));
    TRY(snapshot_check(snapshot, err));
    const struct history *history = &position->history;
    int64_t counters[COUNTERS] = {position->step, position->threads};
    struct tensor *items = xcalloc(snapshot->count + EXTRA, sizeof *items);
    size_t count = snapshot->count;
    memcpy(items, snapshot->items, count * sizeof *items);
    items[count++] = vector("counters", TENSOR_I64, counters, COUNTERS);
    items[count++] = vector("updates", TENSOR_I64, position->updates, MAX_UPDATED);
    items[count++] = vector("batches", TENSOR_I64, position->batches, MAX_PROGRAMS);
    items[count++] = vector("sums", TENSOR_F64, position->sums, history->columns);
    items[count++] = vector("seconds", TENSOR_F64, &position->seconds, 1);
    if (history->rows)
        items[count++] =
            vector("history", TENSOR_F64, history->cells, history->rows * history->columns);
    qsort(items, count, sizeof *items, by_name);

    char *columns = history_header(history);
    const char *metas[METAS] = {columns, position->numerics, run_recipe(run)->hex};
    struct id sha = content_hash(items, count, metas);
    const char *meta[2 * (METAS + 1)] = {[2 * METAS] = "sha256", sha.hex};
    for (int i = 0; i < METAS; i++) {
        meta[2 * i] = meta_names[i];
        meta[2 * i + 1] = metas[i];
    }
    char name[NAME_BYTES], path[PATH_BYTES];
    file_name(name, position->step);
    int status = path_join(path, run_folder(run), name, err);
    if (!status)
        status = tensors_write(path, items, count, meta, METAS + 1, err);
    free(columns);
    free(items);
    TRY(status);
    return keep_two(run_folder(run), err);
}

static int check(const struct tensors *file, const struct id *recipe, struct err *err)
{
    const char *metas[METAS], *sha = tensors_meta(file, "sha256");
    for (int i = 0; i < METAS; i++) {
        metas[i] = tensors_meta(file, meta_names[i]);
        if (!metas[i])
            return fail_as(err, STATUS_BAD_DATA, "it has no metadata '%s'", meta_names[i]);
    }
    if (!sha || strcmp(content_hash(file->items, file->count, metas).hex, sha))
        return fail_as(err, STATUS_BAD_DATA, "content does not match its sha256");
    if (strcmp(metas[META_RECIPE], recipe->hex))
        return fail_as(err, STATUS_BAD_DATA, "it belongs to recipe '%s'", metas[META_RECIPE]);
    return 0;
}

static int open_step(struct checkpoint *out, const char *folder, const struct id *recipe,
                     int64_t step, struct err *err)
{
    char name[NAME_BYTES], path[PATH_BYTES];
    file_name(name, step);
    TRY(path_join(path, folder, name, err));
    TRY(tensors_open(&out->file, path, err));
    out->numerics = tensors_meta(&out->file, meta_names[META_NUMERICS]);
    const struct tensor *counters;
    if (check(&out->file, recipe, err) ||
        tensors_need(&counters, &out->file, "counters", TENSOR_I64, 1, err)) {
        tensors_close(&out->file);
        return -1;
    }
    int64_t values[COUNTERS] = {0};
    if (counters->bytes == sizeof values)
        memcpy(values, counters->data, sizeof values);
    if (values[0] != step || values[1] < 1 || values[1] > 1 << 20) {
        tensors_close(&out->file);
        return fail_as(err, STATUS_BAD_DATA, "its counters are wrong");
    }
    out->step = step;
    out->threads = (int)values[1];
    return 0;
}

int checkpoint_newest(int64_t *step, const char *folder, const struct id *recipe, struct err *err)
{
    *step = file_exists(folder) ? INT64_MAX : -1;
    while (*step >= 0) {
        struct checkpoint found = {0};
        struct err why = {0};
        TRY(newest_below(step, folder, *step, err));
        if (*step >= 0 && !open_step(&found, folder, recipe, *step, &why)) {
            checkpoint_close(&found);
            break;
        }
    }
    return 0;
}

static int report_damage(struct run *run, const char *who, int64_t step, const struct err *why,
                         struct err *err)
{
    char name[NAME_BYTES];
    file_name(name, step);
    fprintf(stderr, "%s: '%s/%s' is not used: %s\n", who, run_folder(run), name, why->text);
    struct json detail = {0};
    json_begin(&detail, NULL, "{*, *}");
    json_text(&detail, "file", name);
    json_text(&detail, "why", why->text);
    json_end(&detail);
    int status = run_event(run, "damaged", detail.text.data, err);
    text_free(&detail.text);
    return status;
}

int checkpoint_open(struct checkpoint *out, struct run *run, const char *who, struct err *err)
{
    const char *folder = run_folder(run);
    int64_t step = INT64_MAX;
    TRY(remove_torn(folder, err));
    for (;;) {
        *out = (struct checkpoint){0};
        struct err why = {0};
        TRY(newest_below(&step, folder, step, err));
        if (step < 0)
            return 0;
        if (!open_step(out, folder, run_recipe(run), step, &why))
            return 1;
        if (why.status == STATUS_IO) {
            *err = why;
            return -1;
        }
        TRY(report_damage(run, who, step, &why, err));
        TRY(remove_step(folder, step, err));
    }
}

void checkpoint_close(struct checkpoint *checkpoint)
{
    if (checkpoint->numerics)
        tensors_close(&checkpoint->file);
    *checkpoint = (struct checkpoint){0};
}

static int restore_values(void *out, const struct tensors *file, const char *name,
                          enum tensor_type type, int64_t count, struct err *err)
{
    const struct tensor *tensor;
    TRY(tensors_need(&tensor, file, name, type, 1, err));
    if (tensor->dim[0] != count)
        return fail_as(err, STATUS_BAD_DATA, "'%s' has %lld values instead of %lld", name,
                       (long long)tensor->dim[0], (long long)count);
    memcpy(out, tensor->data, tensor->bytes);
    return 0;
}

static int restore_position(const struct checkpoint *checkpoint, struct position *position,
                            struct err *err)
{
    const struct tensors *file = &checkpoint->file;
    struct history *history = &position->history;
    char *columns = history_header(history);
    bool same = !strcmp(columns, tensors_meta(file, "columns"));
    free(columns);
    if (!same)
        return fail_as(err, STATUS_BAD_DATA, "its columns are '%s'", tensors_meta(file, "columns"));
    TRY(restore_values(position->updates, file, "updates", TENSOR_I64, MAX_UPDATED, err));
    TRY(restore_values(position->batches, file, "batches", TENSOR_I64, MAX_PROGRAMS, err));
    TRY(restore_values(position->sums, file, "sums", TENSOR_F64, history->columns, err));
    TRY(restore_values(&position->seconds, file, "seconds", TENSOR_F64, 1, err));
    const struct tensor *rows = tensors_find(file, "history");
    if (rows) {
        TRY(tensors_need(&rows, file, "history", TENSOR_F64, 1, err));
        if (rows->dim[0] % history->columns)
            return fail_as(err, STATUS_BAD_DATA, "its history has a broken row");
        for (int64_t at = 0; at < rows->dim[0]; at += history->columns)
            history_append(history, (const double *)rows->data + at);
    }
    position->step = checkpoint->step;
    return 0;
}

static int restore_arrays(const struct checkpoint *checkpoint, struct snapshot *snapshot,
                          struct err *err)
{
    const struct tensors *file = &checkpoint->file;
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct slot *slot = &snapshot->slots[i];
        const struct tensor *want = &snapshot->items[i], *got;
        TRY(tensors_need(&got, file, want->name, TENSOR_F32, want->dims, err));
        if (memcmp(got->dim, want->dim, (size_t)want->dims * sizeof *want->dim))
            return fail_as(err, STATUS_BAD_DATA, "'%s' has another shape", want->name);
        memcpy(slot->data, got->data, got->bytes);
        if (!slot->best)
            TRY(params_put(snapshot->params, slot->entry, slot->which, slot->data, err));
    }
    return 0;
}

int checkpoint_restore(const struct checkpoint *checkpoint, struct snapshot *snapshot,
                       struct position *position, struct err *err)
{
    if (restore_position(checkpoint, position, err) || restore_arrays(checkpoint, snapshot, err))
        return wrap(err, "the checkpoint of step %lld does not fit the model",
                    (long long)checkpoint->step);
    return 0;
}
