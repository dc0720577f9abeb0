#include "train/weights_import.h"

#include "train/model_text.h"
#include "train/train_parts.h"

#include "base/text.h"
#include "store/tensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is known -------------------------------------------------------------------------- */
/* Of torchvision's networks: how the images of ImageNet are normalised. */
#define IMAGENET                                                                                   \
    "mean=[0.485, 0.456, 0.406]\nstd=[0.229, 0.224, 0.225]\n"                                      \
    "data.d=1\ndata.h=224\ndata.w=224\ndata.c=3\ndata.classes=0\n"
/* Convolutions that keep the size, each with its activation. */
#define SAME(out)      "conv " #out " 3 1 1, relu, "
#define SAME_LAST(out) "conv " #out " 3 1 1, relu"
#define HALVE          "max_pool 2 2, "

static const struct {
    const char *name;
    const char *text;   /* as of a model.txt; NULL: the file's metadata say it */
    const char *passed; /* what tensors that are no features are called; NULL: there are none */
} rows[] = {
    {"vgg16",
     "layers=[" SAME(64) SAME(64) HALVE SAME(128) SAME(128) HALVE SAME(256) SAME(256) SAME(256)
         HALVE SAME(512) SAME(512) SAME(512) HALVE SAME(512) SAME(512)
             SAME_LAST(512) "]\n"
                            "taps=[3, 8, 15, 22, 29]\n" IMAGENET,
     "classifier."},
    {"alexnet",
     "layers=[conv 64 11 4 2, relu, max_pool 3 2, conv 192 5 1 2, relu, max_pool 3 2, "
     "conv 384 3 1 1, relu, conv 256 3 1 1, relu, conv 256 3 1 1, relu]\n"
     "taps=[1, 4, 7, 9, 11]\n" IMAGENET,
     "classifier."},
    {"sequence", NULL, NULL},
};
enum { ROWS = sizeof rows / sizeof *rows };

/* ---- names ---------------------------------------------------------------------------------- */
static const char described[] = "convnet";

struct import {
    int row, count;
    struct tensors file[MAX_IMPORTED];
    const char *const *path;
    struct arena arena;
    struct model model;
};

/* What they call an entry of the model. */
static const char *their_name(struct import *in, const struct entry *entry)
{
    int tap, used = 0;
    if (sscanf(entry->name, "lin.%d.weight%n", &tap, &used) == 1 && !entry->name[used])
        return arena_printf(&in->arena, "lin%d.model.1.weight", tap);
    return entry->name;
}

static const struct tensors *holder(const struct import *in, const char *name)
{
    for (int i = 0; i < in->count; i++)
        if (tensors_find(&in->file[i], name))
            return &in->file[i];
    return NULL;
}

static bool has_linear(const struct import *in)
{
    for (int i = 0; i < in->count; i++)
        for (size_t k = 0; k < in->file[i].count; k++)
            if (starts_with(in->file[i].items[k].name, "lin"))
                return true;
    return in->count > 1;
}

/* ---- tensors -------------------------------------------------------------------------------- */
/* As [out,in,h,w], but a bias. */
static int their_shape(int64_t dim[4], const struct entry *entry)
{
    const struct shape *s = &entry->shape;
    bool linear = starts_with(entry->name, "lin."), filter = ends_with(entry->name, ".weight");
    const int64_t all[4] = {linear ? 1 : filter ? s->n : s->c, s->c, s->h, s->w};
    memcpy(dim, all, sizeof all);
    return linear || filter ? 4 : 1;
}

static int take(struct tensor *out, struct import *in, const struct entry *entry, struct err *err)
{
    const char *name = their_name(in, entry);
    const struct tensors *file = holder(in, name);
    const struct tensor *from;
    int64_t dim[4];
    int dims = their_shape(dim, entry);
    if (!file)
        return fail_as(err, STATUS_BAD_DATA, "no tensor '%s'", name);
    TRY(tensors_need(&from, file, name, TENSOR_F32, dims, err));
    if (memcmp(from->dim, dim, (size_t)dims * sizeof *dim)) {
        struct text want = {0};
        for (int i = 0; i < dims; i++)
            text_printf(&want, "%s%lld", i ? "," : "", (long long)dim[i]);
        fail_as(err, STATUS_BAD_DATA, "'%s' is not of the shape [%s]", name, want.data);
        text_free(&want);
        return -1;
    }
    *out = (struct tensor){.name = entry->name, .type = TENSOR_F32, .bytes = from->bytes};
    out->dims = shape_dims(out->dim, entry->shape);
    out->data = from->data;
    if (dims == 1 || dim[2] * dim[3] == 1)
        return 0; /* the same in either order */
    float *values;
    TRY(arena_block((void **)&values, &in->arena, from->bytes / sizeof *values, sizeof *values,
                    err));
    const float *theirs = from->data;
    int64_t places = dim[2] * dim[3];
    for (int64_t o = 0; o < dim[0]; o++)
        for (int64_t i = 0; i < dim[1]; i++)
            for (int64_t p = 0; p < places; p++)
                values[(o * places + p) * dim[1] + i] = theirs[(o * dim[1] + i) * places + p];
    out->data = values;
    return 0;
}

/* Nothing in the files but what was taken, and what is known to be no part of it. */
static int check_rest(struct import *in, const struct params *params, struct err *err)
{
    const char *passed = rows[in->row].passed;
    for (int i = 0; i < in->count; i++)
        for (size_t k = 0; k < in->file[i].count; k++) {
            const char *name = in->file[i].items[k].name;
            bool known = passed && starts_with(name, passed);
            for (int32_t e = 0; e < params_count(params) && !known; e++)
                known = strcmp(their_name(in, params_entry(params, e)), name) == 0;
            if (!known)
                return fail_as(err, STATUS_BAD_DATA, "'%s': '%s' is no part of %s", in->path[i],
                               name, rows[in->row].name);
        }
    return 0;
}

/* ---- the whole ------------------------------------------------------------------------------ */
static int describe(struct import *in, struct err *err)
{
    const char *text = rows[in->row].text;
    for (int i = 0; i < in->count && !text; i++)
        text = tensors_meta(&in->file[i], described);
    if (!text)
        return fail_as(err, STATUS_BAD_DATA, "'%s' has no metadata '%s', which describe a sequence",
                       in->path[0], described);
    const struct model_kind *kind = has_linear(in) ? &lpips_kind : &convnet_kind;
    return model_text_parse(&in->model, kind, text, &in->arena, err);
}

/* Appends all of the model, for its parameters. */
static void append(struct graph *g, const struct model *model)
{
    const struct image_data *data = &model->facts.data;
    val x = g_input(g, "image", F32,
                    (struct shape){1, 1, (int32_t)data->h, (int32_t)data->w, (int32_t)data->c});
    val tap[MAX_TAPS];
    if (model->kind->compare)
        model->kind->compare(g, model->description, x, x);
    else
        model->kind->features(g, model->description, x, tap);
}

static int write_weights(struct import *in, const struct params *params, const struct draft *draft,
                         struct err *err)
{
    size_t count = (size_t)params_count(params);
    struct tensor *items = arena_alloc(&in->arena, count * sizeof *items);
    const char *meta[2 * WEIGHTS_META];
    char path[PATH_BYTES];
    for (size_t i = 0; i < count; i++)
        TRY(take(&items[i], in, params_entry(params, (int32_t)i), err));
    TRY(check_rest(in, params, err));
    TRY(model_text_write(in->model.kind, in->model.description, draft, err));
    weights_meta(meta, model_text(in->model.kind, in->model.description, &in->arena));
    TRY(draft_path(draft, "weights.safetensors", path, err));
    return tensors_write(path, items, count, meta, WEIGHTS_META, err);
}

static int import_open(struct import *in, const struct draft *draft, struct err *err)
{
    TRY(describe(in, err));
    struct params *params = params_new();
    struct graph *g = graph_new(params, MODE_EVALUATE, ARRAY_PARAM);
    append(g, &in->model);
    struct err why;
    int status = graph_check(g, &why)
                     ? fail_as(err, STATUS_BAD_DATA, "%s: %s", rows[in->row].name, why.text)
                     : write_weights(in, params, draft, err);
    graph_free(g);
    params_free(params);
    return status;
}

int weights_import(const char *const *paths, int count, const char *as, const struct draft *draft,
                   struct err *err)
{
    struct import in = {.path = paths};
    int status = 0;
    while (in.row < ROWS && strcmp(rows[in.row].name, as) != 0)
        in.row++;
    if (in.row == ROWS)
        return fail_as(err, STATUS_USAGE, "'%s' is not known; vgg16, alexnet or sequence expected",
                       as);
    for (; in.count < count && !status; in.count += !status)
        status = tensors_open(&in.file[in.count], paths[in.count], err);
    if (!status)
        status = import_open(&in, draft, err);
    for (int i = 0; i < in.count; i++)
        tensors_close(&in.file[i]);
    arena_free(&in.arena);
    return status;
}
