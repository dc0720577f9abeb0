#include "train/checkpoint.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The contents of a checkpoint; gradients are recomputed in every step. */
static const struct {
    enum array which;
    const char *prefix;
} kept[] = {{ARRAY_PARAM, "param"},
            {ARRAY_STATE, "state"},
            {ARRAY_M, "m"},
            {ARRAY_V, "v"},
            {ARRAY_EMA, "ema"}};
enum { KEPT = sizeof kept / sizeof *kept };

static bool has(const struct params *params, const struct entry *entry, enum array which)
{
    if (entry->state || which == ARRAY_STATE)
        return entry->state && which == ARRAY_STATE;
    return which == ARRAY_PARAM || params_has(params, entry->group_index, which);
}

/* The array with the result's value of this entry: a frozen group has no average. */
static enum array result_array(const struct snapshot *snapshot, const struct entry *entry)
{
    if (entry->state)
        return ARRAY_STATE;
    return has(snapshot->params, entry, snapshot->weights) ? snapshot->weights : ARRAY_PARAM;
}

static void add(struct snapshot *s, const struct entry *entry, enum array which, const char *prefix,
                bool best)
{
    struct tensor item = {.name = arena_printf(&s->arena, "%s/%s", prefix, entry->name),
                          .type = TENSOR_F32,
                          .bytes = (size_t)shape_count(entry->shape) * sizeof(float)};
    item.dims = shape_dims(item.dim, entry->shape);
    s->slots[s->count] = (struct slot){.entry = entry, .which = which, .best = best};
    s->items[s->count++] = item;
    s->bytes += item.bytes;
}

bool snapshot_borrows(const struct task *task, const struct entry *entry)
{
    for (int i = 0; i < task->borrowed_count; i++)
        if (!strcmp(task->borrowed[i].group, entry->group))
            return true;
    return false;
}

int snapshot_open(struct snapshot *out, struct params *params, enum array weights, bool best,
                  const struct task *task, struct meter *meter, struct err *err)
{
    struct snapshot *s = out;
    *s = (struct snapshot){.params = params, .weights = weights, .meter = meter};
    size_t most = (size_t)params_count(params) * (KEPT + 1);
    s->slots = arena_alloc(&s->arena, most * sizeof *s->slots);
    s->items = arena_alloc(&s->arena, most * sizeof *s->items);
    for (int32_t i = 0; i < params_count(params); i++) {
        const struct entry *entry = params_entry(params, i);
        if (snapshot_borrows(task, entry))
            continue;
        for (int k = 0; k < KEPT; k++)
            if (has(params, entry, kept[k].which))
                add(s, entry, kept[k].which, kept[k].prefix, false);
        if (best)
            add(s, entry, result_array(s, entry), "best", true);
    }
    if (block_alloc(&s->block, s->bytes, meter, err)) {
        s->bytes = 0;
        return wrap(err, "checkpoint");
    }
    memset(s->block, 0, s->bytes);
    float *data = s->block;
    for (size_t i = 0; i < s->count; i++) {
        s->slots[i].data = data;
        s->items[i].data = data;
        data += s->items[i].bytes / sizeof *data;
    }
    return 0;
}

void snapshot_close(struct snapshot *snapshot)
{
    block_free(snapshot->block, snapshot->bytes, snapshot->meter);
    arena_free(&snapshot->arena);
    *snapshot = (struct snapshot){0};
}

int snapshot_take(struct snapshot *snapshot, bool best, struct err *err)
{
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct slot *slot = &snapshot->slots[i];
        if (slot->best == best)
            TRY(params_get(snapshot->params, slot->entry, slot->which, slot->data, err));
    }
    return 0;
}

int snapshot_put_best(const struct snapshot *snapshot, struct err *err)
{
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct slot *slot = &snapshot->slots[i];
        if (slot->best)
            TRY(params_put(snapshot->params, slot->entry, slot->which, slot->data, err));
        if (slot->best && slot->which == ARRAY_EMA) /* frozen, it is read without its average */
            TRY(params_put(snapshot->params, slot->entry, ARRAY_PARAM, slot->data, err));
    }
    return 0;
}

static int check_finite(const struct tensor *item, struct err *err)
{
    const float *values = item->data;
    for (size_t i = 0; i < item->bytes / sizeof *values; i++)
        if (!isfinite(values[i]))
            return fail(err, "value %zu of '%s' is not finite", i, item->name);
    return 0;
}

int snapshot_check(const struct snapshot *snapshot, struct err *err)
{
    int status = blocks_check(snapshot->meter, err);
    for (size_t i = 0; !status && i < snapshot->count; i++)
        status = check_finite(&snapshot->items[i], err);
    return status ? wrap(err, "the training cannot be saved") : 0;
}

int snapshot_write_weights(struct snapshot *snapshot, const char *path, bool best,
                           const char *model, struct err *err)
{
    const char *meta[2 * WEIGHTS_META];
    weights_meta(meta, model);
    if (!best)
        TRY(snapshot_take(snapshot, false, err));
    TRY(snapshot_check(snapshot, err));
    struct tensor *items = xcalloc(snapshot->count, sizeof *items);
    size_t count = 0;
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct slot *slot = &snapshot->slots[i];
        if (slot->best != best || slot->which != result_array(snapshot, slot->entry))
            continue;
        items[count] = snapshot->items[i];
        items[count++].name = slot->entry->name;
    }
    int status = tensors_write(path, items, count, meta, WEIGHTS_META, err);
    free(items);
    return status;
}
