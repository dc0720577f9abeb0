#include "data/dataset_parts.h"

#include "base/file.h"
#include "base/text.h"
#include "store/tensors.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- dataset.safetensors -------------------------------------------------------------------- */

/* [n,h,w,c] or [n,d,h,w,c] */
static int check_images(struct dataset *out, const struct tensor *images, struct err *err)
{
    if (images->dims != 4 && images->dims != 5)
        return fail_as(err, STATUS_BAD_DATA, "'images' has %d dimensions, expected 4 or 5",
                       images->dims);
    for (int i = 0; i < images->dims; i++)
        if (images->dim[i] < 1 || images->dim[i] > INT32_MAX)
            return fail_as(err, STATUS_BAD_DATA, "dimension %d of 'images' is %lld", i,
                           (long long)images->dim[i]);
    const int64_t *end = images->dim + images->dims;
    out->d = images->dims == 5 ? (int32_t)end[-4] : 1;
    out->h = (int32_t)end[-3];
    out->w = (int32_t)end[-2];
    out->c = (int32_t)end[-1];
    return 0;
}

static int check_masks(const struct dataset *dataset, const struct tensor *images,
                       const struct tensor *masks, struct err *err)
{
    bool same = masks->dims == images->dims - 1;
    for (int i = 0; same && i < masks->dims; i++)
        same = masks->dim[i] == images->dim[i];
    if (!same)
        return fail_as(err, STATUS_BAD_DATA, "'masks' and 'images' differ in shape");
    const uint8_t *mask = masks->data;
    int most = -1;
    for (size_t i = 0; i < masks->bytes; i++)
        if (mask[i] != MASK_IGNORE && mask[i] > most)
            most = mask[i];
    if (most >= (int)dataset->mask_class_count)
        return fail_as(err, STATUS_BAD_DATA, "class %d in 'masks', there are %u", most,
                       dataset->mask_class_count);
    return 0;
}

static int check_labels(const struct dataset *dataset, const struct tensor *images,
                        const struct tensor *labels, struct err *err)
{
    if (labels->dim[0] != images->dim[0])
        return fail_as(err, STATUS_BAD_DATA, "%lld labels for %lld images",
                       (long long)labels->dim[0], (long long)images->dim[0]);
    const int32_t *label = labels->data;
    for (int64_t i = 0; i < labels->dim[0]; i++)
        if (label[i] < -1 || label[i] >= (int64_t)dataset->class_count)
            return fail_as(err, STATUS_BAD_DATA, "label of case %lld is %d, there are %u classes",
                           (long long)i, label[i], dataset->class_count);
    return 0;
}

static size_t padded(const struct tensor *tensor)
{
    return tensor ? (tensor->bytes + 63) / 64 * 64 : 0;
}

/* Images, labels and masks become resident in one block that begins with the images. */
static int make_resident(struct dataset *out, const struct tensor *images,
                         const struct tensor *labels, const struct tensor *masks, struct err *err)
{
    size_t bytes = padded(images) + padded(labels) + padded(masks);
    void *block;
    TRY(block_alloc(&block, bytes, out->meter, err));
    out->bytes = bytes;
    out->images = memcpy(block, images->data, images->bytes);
    uint8_t *next = (uint8_t *)block + padded(images);
    if (labels)
        out->labels = memcpy(next, labels->data, labels->bytes);
    next += padded(labels);
    if (masks)
        out->masks = memcpy(next, masks->data, masks->bytes);
    return 0;
}

/* u8 or f32 */
static int need_images(const struct tensor **images, struct dataset *out,
                       const struct tensors *tensors, struct err *err)
{
    const struct tensor *any = tensors_find(tensors, "images");
    out->pixel = any && any->type == TENSOR_F32 ? PIXEL_F32 : PIXEL_U8;
    TRY(tensors_need(images, tensors, "images", out->pixel == PIXEL_F32 ? TENSOR_F32 : TENSOR_U8,
                     -1, err));
    return check_images(out, *images, err);
}

static int read_tensors(struct dataset *out, uint32_t *cases, const struct tensors *tensors,
                        struct err *err)
{
    const struct tensor *images, *labels = NULL, *masks = NULL;
    TRY(need_images(&images, out, tensors, err));
    if (tensors_find(tensors, "labels")) {
        TRY(tensors_need(&labels, tensors, "labels", TENSOR_I32, 1, err));
        TRY(check_labels(out, images, labels, err));
    }
    if (tensors_find(tensors, "masks")) {
        TRY(tensors_need(&masks, tensors, "masks", TENSOR_U8, -1, err));
        TRY(check_masks(out, images, masks, err));
    }
    *cases = (uint32_t)images->dim[0];
    return make_resident(out, images, labels, masks, err);
}

/* ---- cases.json ----------------------------------------------------------------------------- */

static int read_names(const char ***out, uint32_t *count, struct arena *arena, const json_t *root,
                      const char *key, struct err *err)
{
    const json_t *list = json_object_get(root, key);
    if (!json_is_array(list) || json_array_size(list) > UINT16_MAX)
        return fail_as(err, STATUS_BAD_DATA, "'%s' is not a list of names", key);
    *count = (uint32_t)json_array_size(list);
    *out = arena_alloc(arena, *count * sizeof **out);
    for (uint32_t i = 0; i < *count; i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (!name)
            return fail_as(err, STATUS_BAD_DATA, "'%s' is not a list of names", key);
        (*out)[i] = arena_strdup(arena, name);
    }
    return 0;
}

enum split case_split(const json_t *one)
{
    const json_t *name = json_object_get(one, "split");
    enum split split = SPLIT_TRAIN;
    while (split < SPLITS &&
           (!json_is_string(name) || strcmp(json_string_value(name), split_names[split])))
        split++;
    return split;
}

static int read_case(struct dataset *out, uint32_t index, const json_t *one, struct err *err)
{
    const char *id = json_string_value(json_object_get(one, "id"));
    enum split split = case_split(one);
    if (!id || !*id)
        return fail_as(err, STATUS_BAD_DATA, "case %u has no id", index);
    if (split == SPLITS)
        return fail_as(err, STATUS_BAD_DATA, "case '%s' is in no split", id);
    for (int later = (int)split + 1; later < SPLITS; later++)
        if (out->count[later])
            return fail_as(err, STATUS_BAD_DATA, "case '%s' of split '%s' comes after split '%s'",
                           id, split_names[split], split_names[later]);
    out->count[split]++;
    const json_t *label = json_object_get(one, "label");
    json_int_t value = label ? json_integer_value(label) : -1;
    if (label && !json_is_integer(label))
        return fail_as(err, STATUS_BAD_DATA, "label of case '%s' is not an integer", id);
    if (value != (out->labels ? out->labels[index] : -1))
        return fail_as(err, STATUS_BAD_DATA, "case '%s' has two labels", id);
    out->ids[index] = arena_strdup(&out->arena, id);
    return 0;
}

static int read_spacing(struct dataset *out, const json_t *root, struct err *err)
{
    const json_t *list = json_object_get(root, "spacing");
    bool good = !list || json_array_size(list) == 3;
    for (size_t i = 0; list && good && i < 3; i++) {
        out->spacing[i] = json_number_value(json_array_get(list, i));
        good = isfinite(out->spacing[i]) && out->spacing[i] > 0;
    }
    return good ? 0 : fail_as(err, STATUS_BAD_DATA, "'spacing' is not three lengths in mm");
}

static int read_cases(struct dataset *out, uint32_t cases, const json_t *root, struct err *err)
{
    const json_t *list = json_object_get(root, "cases");
    if (!json_is_array(list) || json_array_size(list) != cases)
        return fail_as(err, STATUS_BAD_DATA, "%zu cases for %u images", json_array_size(list),
                       cases);
    out->ids = arena_alloc(&out->arena, cases * sizeof *out->ids);
    for (uint32_t i = 0; i < cases; i++)
        TRY(read_case(out, i, json_array_get(list, i), err));
    for (int split = 1; split < SPLITS; split++)
        out->begin[split] = out->begin[split - 1] + out->count[split - 1];
    return 0;
}

/* ---- both ----------------------------------------------------------------------------------- */

static int load_json(json_t **out, const char *path, struct err *err)
{
    struct mapping map;
    TRY(map_open(&map, path, err));
    json_error_t why;
    *out = json_loadb((const char *)map.data, map.length, 0, &why);
    map_close(&map);
    if (!*out)
        return fail_as(err, STATUS_BAD_DATA, "line %d: %s", why.line, why.text);
    return 0;
}

static int read_both(struct dataset *out, const struct tensors *tensors, const json_t *root,
                     struct err *err)
{
    uint32_t cases;
    TRY(read_names(&out->classes, &out->class_count, &out->arena, root, "classes", err));
    TRY(read_names(&out->mask_classes, &out->mask_class_count, &out->arena, root, "mask_classes",
                   err));
    TRY(read_spacing(out, root, err));
    if (out->mask_class_count > MASK_IGNORE)
        return fail_as(err, STATUS_BAD_DATA, "%u mask classes, there can be %d",
                       out->mask_class_count, MASK_IGNORE);
    TRY(read_tensors(out, &cases, tensors, err));
    return read_cases(out, cases, root, err);
}

int cases_load(json_t **out, const struct store *store, const struct id *artifact, struct err *err)
{
    char path[PATH_BYTES];
    TRY(artifact_path(path, store, artifact, "cases.json", err));
    return load_json(out, path, err);
}

static int open_files(struct dataset *out, const struct store *store, const struct id *artifact,
                      struct err *err)
{
    char path[PATH_BYTES];
    json_t *root;
    struct tensors tensors;
    TRY(cases_load(&root, store, artifact, err));
    int status = artifact_path(path, store, artifact, "dataset.safetensors", err);
    if (!status && !(status = tensors_open(&tensors, path, err))) {
        status = read_both(out, &tensors, root, err);
        tensors_close(&tensors);
    }
    json_decref(root);
    return status;
}

int dataset_open(struct dataset *out, const struct store *store, const struct id *artifact,
                 struct meter *meter, struct err *err)
{
    *out = (struct dataset){.artifact = *artifact, .meter = meter};
    if (open_files(out, store, artifact, err)) {
        dataset_close(out);
        return wrap(err, "dataset %.12s", artifact->hex);
    }
    return 0;
}

int32_t dataset_first_class(const struct dataset *dataset)
{
    return dataset->mask_class_count <= 2 || !strcasecmp(dataset->mask_classes[0], "background");
}

void dataset_close(struct dataset *dataset)
{
    block_free((void *)dataset->images, dataset->bytes, dataset->meter);
    arena_free(&dataset->arena);
    *dataset = (struct dataset){0};
}
