#include "train/train_parts.h"

#include "base/file.h"
#include "model/layers.h"
#include "store/tensors.h"

#include <stdio.h>
#include <string.h>

/* ---- metadata ------------------------------------------------------------------------------- */
static const char layout[] =
    "channels-last; convolutions [out,depth,height,width,in], transposed convolutions "
    "[in,depth,height,width,out], dense [out,in]; without depth, or all three, where they are 1";

void weights_meta(const char *out[2 * WEIGHTS_META], const char *model)
{
    const char *const pairs[2 * WEIGHTS_META] = {"layout", layout, "model", model, "version", "1"};
    memcpy(out, pairs, sizeof pairs);
}

/* The first line of the first text that differs from the second. */
static const char *differing_line(int *length, const char *a, const char *b)
{
    const char *line = a;
    for (; *a && *a == *b; a++, b++)
        if (*a == '\n')
            line = a + 1;
    *length = (int)strcspn(line, "\n");
    return line;
}

/* Files by others may have no metadata, but not wrong ones. model: NULL: any. */
static int check_meta(const struct tensors *file, const char *model, struct err *err)
{
    const char *want[2 * WEIGHTS_META];
    weights_meta(want, model);
    for (int i = 0; i < 2 * WEIGHTS_META; i += 2) {
        const char *says = tensors_meta(file, want[i]);
        if (!says || !want[i + 1] || strcmp(says, want[i + 1]) == 0)
            continue;
        int got_length, length;
        const char *got = differing_line(&got_length, says, want[i + 1]);
        const char *expected = differing_line(&length, want[i + 1], says);
        return fail_as(err, STATUS_BAD_DATA, "metadata '%s' is '%.*s'; '%.*s' expected", want[i],
                       got_length, got, length, expected);
    }
    return 0;
}

/* ---- loading -------------------------------------------------------------------------------- */
static int check_variance(const struct entry *entry, const struct tensor *tensor, struct err *err)
{
    const float *value = tensor->data;
    for (int64_t i = 0; i < shape_count(entry->shape); i++)
        if (value[i] < 0)
            return fail_as(err, STATUS_BAD_DATA,
                           "value %lld of '%s' is %g; a variance cannot be below 0", (long long)i,
                           entry->name, (double)value[i]);
    return 0;
}

/* "[2,3]" */
static const char *dims_text(char buf[SHAPE_TEXT], const int64_t *dim, int dims)
{
    int length = 0;
    for (int i = 0; i < dims && length < SHAPE_TEXT; i++)
        length += snprintf(buf + length, (size_t)(SHAPE_TEXT - length), "%c%lld", i ? ',' : '[',
                           (long long)dim[i]);
    if (length < SHAPE_TEXT)
        snprintf(buf + length, (size_t)(SHAPE_TEXT - length), "]");
    return buf;
}

static int check_entry(const struct tensor **out, const struct entry *entry,
                       const struct tensors *file, const char *name, struct err *err)
{
    int64_t dim[5];
    int dims = shape_dims(dim, entry->shape);
    TRY(tensors_need(out, file, name, TENSOR_F32, -1, err));
    if ((*out)->dims != dims || memcmp((*out)->dim, dim, (size_t)dims * sizeof *dim)) {
        char has[SHAPE_TEXT], want[SHAPE_TEXT];
        return fail_as(err, STATUS_BAD_DATA, "'%s' is %s, and '%s' of the model is %s", name,
                       dims_text(has, (*out)->dim, (*out)->dims), entry->name,
                       dims_text(want, dim, dims));
    }
    return layer_is_variance(entry) ? check_variance(entry, *out, err) : 0;
}

/* The averaged weights start from the weights. */
static int put_entry(struct params *params, const struct entry *entry, const struct tensor *tensor,
                     struct err *err)
{
    if (!entry->state && params_has(params, entry->group_index, ARRAY_EMA))
        TRY(params_put(params, entry, ARRAY_EMA, tensor->data, err));
    return params_put(params, entry, entry->state ? ARRAY_STATE : ARRAY_PARAM, tensor->data, err);
}

static int load_all(struct params *params, struct backend *backend, const struct tensors *file,
                    const char *model, struct err *err)
{
    const struct tensor *tensor;
    TRY(check_meta(file, model, err));
    for (int32_t i = 0; i < params_count(params); i++)
        TRY(check_entry(&tensor, params_entry(params, i), file, params_entry(params, i)->name,
                        err));
    for (size_t i = 0; i < file->count; i++)
        if (!params_find(params, file->items[i].name))
            return fail_as(err, STATUS_BAD_DATA, "'%s' is not in the model", file->items[i].name);
    TRY(params_realise(params, backend, 0, err));
    for (int32_t i = 0; i < params_count(params); i++) {
        const struct entry *entry = params_entry(params, i);
        tensor = tensors_find(file, entry->name);
        TRY(put_entry(params, entry, tensor, err));
    }
    return 0;
}

int weights_load(struct params *params, struct backend *backend, const char *model,
                 const struct store *store, const struct id *artifact, struct err *err)
{
    char path[PATH_BYTES];
    struct tensors file;
    TRY(artifact_path(path, store, artifact, "weights.safetensors", err));
    TRY(tensors_open(&file, path, err));
    int status = load_all(params, backend, &file, model, err);
    tensors_close(&file);
    return status ? wrap(err, "weights of artifact '%.12s'", artifact->hex) : 0;
}

/* ---- a part ---------------------------------------------------------------------------------- */

/* The mapped name, into buf; NULL: no row maps it. */
static const char *mapped(char buf[PATH_BYTES], const char *name, const struct weights_map *map,
                          bool to_store)
{
    for (; map->from; map++) {
        const char *ours = to_store ? map->from : map->to, *other = to_store ? map->to : map->from;
        if (!starts_with(name, ours))
            continue;
        snprintf(buf, PATH_BYTES, "%s%s", other, name + strlen(ours));
        return buf;
    }
    return NULL;
}

/* Entries that the map leaves out are no more than named in the table. */
static int load_entries(struct params *params, const struct tensors *file,
                        const struct weights_map *map, struct text *table, int *loaded,
                        struct err *err)
{
    char buf[PATH_BYTES];
    const struct tensor *tensor;
    for (int32_t i = 0; i < params_count(params); i++) {
        const struct entry *entry = params_entry(params, i);
        const char *name = mapped(buf, entry->name, map, false);
        bool there = name && tensors_find(file, name);
        if (table && !there)
            text_printf(table, "initialised %s: %s\n", entry->name,
                        name ? "no tensor of its name" : "not asked for");
        if (!name || (table && !there))
            continue;
        TRY(check_entry(&tensor, entry, file, name, err));
        TRY(put_entry(params, entry, tensor, err));
        if (table)
            text_printf(table, "loaded %s\n", entry->name);
        ++*loaded;
    }
    return 0;
}

static void list_skipped(struct text *table, const struct params *params,
                         const struct tensors *file, const struct weights_map *map)
{
    char buf[PATH_BYTES];
    for (size_t i = 0; i < file->count; i++) {
        const char *name = mapped(buf, file->items[i].name, map, true);
        if (!name || !params_find(params, name))
            text_printf(table, "skipped %s: %s\n", file->items[i].name,
                        name ? "not in the model" : "not asked for");
    }
}

static const char *first_asked_for(char buf[PATH_BYTES], const struct params *params,
                                   const struct weights_map *map)
{
    const char *name = NULL;
    for (int32_t i = 0; !name && i < params_count(params); i++)
        name = mapped(buf, params_entry(params, i)->name, map, false);
    return name ? name : map->from;
}

int weights_load_part(struct params *params, const struct store *store, const struct id *artifact,
                      const struct weights_map *map, struct text *table, struct err *err)
{
    char path[PATH_BYTES], buf[PATH_BYTES];
    struct tensors file;
    int loaded = 0;
    TRY(artifact_path(path, store, artifact, "weights.safetensors", err));
    TRY(tensors_open(&file, path, err));
    int status = check_meta(&file, NULL, err);
    if (!status)
        status = load_entries(params, &file, map, table, &loaded, err);
    if (!status && table)
        list_skipped(table, params, &file, map);
    tensors_close(&file);
    if (!status && !loaded)
        status = fail_as(err, STATUS_BAD_DATA,
                         "none of its weights is in the model; '%s' and the like expected",
                         first_asked_for(buf, params, map));
    return status ? wrap(err, "weights of artifact '%.12s'", artifact->hex) : 0;
}
