#include "nn/train.h"

#include "base/file.h"
#include "store/tensors.h"

#include <string.h>

static int load_entry(struct params *params, const struct entry *entry, const struct tensors *file,
                      struct err *err)
{
    int64_t dim[5];
    int dims = shape_dims(dim, entry->shape);
    const struct tensor *tensor;
    TRY(tensors_need(&tensor, file, entry->name, TENSOR_F32, dims, err));
    if (memcmp(tensor->dim, dim, (size_t)dims * sizeof *dim)) {
        char want[SHAPE_TEXT];
        return fail_as(err, STATUS_BAD_DATA, "'%s' is not of the model's shape %s", entry->name,
                       shape_text(want, entry->shape));
    }
    return params_put(params, entry, entry->state ? ARRAY_STATE : ARRAY_PARAM, tensor->data, err);
}

static int load_all(struct params *params, const struct tensors *file, struct err *err)
{
    for (int32_t i = 0; i < params_count(params); i++)
        TRY(load_entry(params, params_entry(params, i), file, err));
    for (size_t i = 0; i < file->count; i++)
        if (!params_find(params, file->items[i].name))
            return fail_as(err, STATUS_BAD_DATA, "'%s' is not in the model", file->items[i].name);
    return 0;
}

int weights_load(struct params *params, const struct store *store, const struct id *artifact,
                 struct err *err)
{
    char path[PATH_BYTES];
    struct tensors file;
    TRY(artifact_path(path, store, artifact, "weights.safetensors", err));
    TRY(tensors_open(&file, path, err));
    int status = load_all(params, &file, err);
    tensors_close(&file);
    return status ? wrap(err, "weights of artifact '%.12s'", artifact->hex) : 0;
}
