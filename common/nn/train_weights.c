#include "nn/train_parts.h"

#include "base/file.h"
#include "nn/layers.h"
#include "store/tensors.h"

#include <string.h>

/* ---- what a file says of itself ------------------------------------------------------------- */
static const char layout[] =
    "channels-last; convolutions [out,depth,height,width,in], transposed convolutions "
    "[in,depth,height,width,out], dense [out,in]; without depth, or all three, where they are 1";

void weights_meta(const char *out[2 * WEIGHTS_META], const char *model)
{
    const char *const pairs[2 * WEIGHTS_META] = {"layout", layout, "model", model, "version", "1"};
    memcpy(out, pairs, sizeof pairs);
}

/* The first line in which two texts differ, of the first. */
static const char *differing_line(int *length, const char *a, const char *b)
{
    const char *line = a;
    for (; *a && *a == *b; a++, b++)
        if (*a == '\n')
            line = a + 1;
    *length = (int)strcspn(line, "\n");
    return line;
}

/* What others wrote may say nothing of itself, but nothing wrong. */
static int check_meta(const struct tensors *file, const char *model, struct err *err)
{
    const char *want[2 * WEIGHTS_META];
    weights_meta(want, model);
    for (int i = 0; i < 2 * WEIGHTS_META; i += 2) {
        const char *says = tensors_meta(file, want[i]);
        if (!says || strcmp(says, want[i + 1]) == 0)
            continue;
        int got_length, length;
        const char *got = differing_line(&got_length, says, want[i + 1]);
        const char *expected = differing_line(&length, want[i + 1], says);
        return fail_as(err, STATUS_BAD_DATA, "metadata '%s' say '%.*s'; '%.*s' expected", want[i],
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
                           "value %lld of '%s' is %g; a variance is not below 0", (long long)i,
                           entry->name, (double)value[i]);
    return 0;
}

static int check_entry(const struct tensor **out, const struct entry *entry,
                       const struct tensors *file, struct err *err)
{
    int64_t dim[5];
    int dims = shape_dims(dim, entry->shape);
    TRY(tensors_need(out, file, entry->name, TENSOR_F32, dims, err));
    if (memcmp((*out)->dim, dim, (size_t)dims * sizeof *dim)) {
        char want[SHAPE_TEXT];
        return fail_as(err, STATUS_BAD_DATA, "'%s' is not of the model's shape %s", entry->name,
                       shape_text(want, entry->shape));
    }
    return layer_is_variance(entry) ? check_variance(entry, *out, err) : 0;
}

static int load_all(struct params *params, struct backend *backend, const struct tensors *file,
                    const char *model, struct err *err)
{
    const struct tensor *tensor;
    TRY(check_meta(file, model, err));
    for (int32_t i = 0; i < params_count(params); i++)
        TRY(check_entry(&tensor, params_entry(params, i), file, err));
    for (size_t i = 0; i < file->count; i++)
        if (!params_find(params, file->items[i].name))
            return fail_as(err, STATUS_BAD_DATA, "'%s' is not in the model", file->items[i].name);
    TRY(params_realise(params, backend, 0, err));
    for (int32_t i = 0; i < params_count(params); i++) {
        const struct entry *entry = params_entry(params, i);
        tensor = tensors_find(file, entry->name);
        TRY(params_put(params, entry, entry->state ? ARRAY_STATE : ARRAY_PARAM, tensor->data, err));
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
