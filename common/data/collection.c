#include "data/data.h"

#include "base/file.h"
#include "base/random.h"
#include "base/json.h"
#include "base/text.h"
#include "data/integrity.h"
#include "store/tensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const split_names[SPLITS + 1] = {"train", "val", "test", NULL};

void collection_free(struct collection *collection)
{
    arena_free(&collection->arena);
    *collection = (struct collection){0};
}

void collection_note(struct collection *collection, const char *text)
{
    *ARENA_ADD(&collection->arena, collection->notes, collection->note_count) = text;
}

int class_names_check(const char *const *names, size_t count, enum status status, struct err *err)
{
    if (count < 2 || count > MASK_IGNORE)
        return fail_as(err, status, "%zu classes in the masks, expected 2 to %d", count,
                       MASK_IGNORE);
    for (size_t i = 0; i < count; i++) {
        if (!*names[i] || !text_is_plain(names[i]) || strpbrk(names[i], "/,\"") ||
            strcmp(names[i], "ignore") == 0)
            return fail_as(err, status, "'%s' is not a valid class name", names[i]);
        for (size_t j = 0; j < i; j++)
            if (strcmp(names[i], names[j]) == 0)
                return fail_as(err, status, "two classes are called '%s'", names[i]);
    }
    return 0;
}

size_t pixel_size(enum pixel pixel)
{
    return pixel == PIXEL_F32 ? sizeof(float) : 1;
}

void pixel_values(float *out, enum pixel pixel, const void *pixels, size_t count)
{
    const uint8_t *levels = pixels;
    if (pixel == PIXEL_F32)
        memcpy(out, pixels, count * sizeof *out);
    else
        for (size_t i = 0; i < count; i++)
            out[i] = pixel_value(levels[i]);
}

struct id image_hash(int32_t d, int32_t h, int32_t w, int32_t c, const uint8_t *image)
{
    char shape[64];
    struct sha256 *sha = sha256_new();
    sha256_add(sha, shape, (size_t)snprintf(shape, sizeof shape, "%d %d %d %d\n", d, h, w, c));
    sha256_add(sha, image, (size_t)d * (size_t)h * (size_t)w * (size_t)c);
    return sha256_end(sha);
}

struct id volume_hash(const struct volume *channels, int32_t count)
{
    char shape[64];
    struct sha256 *sha = sha256_new();
    for (const struct volume *v = channels; v < channels + count; v++) {
        sha256_add(sha, shape,
                   (size_t)snprintf(shape, sizeof shape, "%d %d %d f32\n", v->d, v->h, v->w));
        sha256_add(sha, v->voxels, (size_t)v->d * (size_t)v->h * (size_t)v->w * sizeof *v->voxels);
    }
    return sha256_end(sha);
}

/* ---- hold out ------------------------------------------------------------------------------- */

/* A train case and its draw, which depends only on the seed and its id, not on other cases. */
struct ticket {
    struct raw_case *one;
    uint64_t draw;
};
/* The train cases of one label, and how many of them to move. */
struct stratum {
    uint32_t count, quota;
    uint64_t remainder;
};

/* Proportional quotas; the remainder goes to the largest fractions, of equal ones to the lower
 * label. */
static void set_quotas(struct stratum *strata, uint32_t groups, uint32_t count, uint32_t total)
{
    uint32_t left = count;
    for (uint32_t g = 0; g < groups; g++) {
        uint64_t share = (uint64_t)count * strata[g].count;
        strata[g].quota = (uint32_t)(share / total);
        strata[g].remainder = share % total;
        left -= strata[g].quota;
    }
    for (; left; left--) {
        uint32_t best = 0;
        for (uint32_t g = 1; g < groups; g++)
            if (strata[g].remainder > strata[best].remainder)
                best = g;
        strata[best].quota++;
        strata[best].remainder = 0;
    }
}

static int check_free(const struct collection *collection, enum split to, int64_t count,
                      struct err *err)
{
    for (uint32_t i = 0; to == SPLIT_TEST && count && i < collection->count; i++)
        if (collection->cases[i].split == SPLIT_TEST)
            return fail_as(
                err, STATUS_CONFIG,
                "cannot hold out %lld cases for the test: the data set has a test split, "
                "beginning with '%s'",
                (long long)count, collection->cases[i].id);
    return 0;
}

uint64_t case_draw(uint64_t seed, const char *purpose, const char *id)
{
    char *name = xprintf("data/%s/%s", purpose, id);
    struct stream stream = stream_new(seed, name);
    free(name);
    uint64_t high = stream_u32(&stream);
    return high << 32 | stream_u32(&stream);
}

static struct ticket ticket_of(struct raw_case *one, enum split to, uint64_t seed)
{
    static const char *const purposes[SPLITS] = {"", "hold-out/val", "hold-out/test"};
    return (struct ticket){one, case_draw(seed, purposes[to], one->id)};
}

/* By label, then lowest draw first. */
static int by_draw(const void *a, const void *b)
{
    const struct ticket *x = a, *y = b;
    if (x->one->label != y->one->label)
        return x->one->label < y->one->label ? -1 : 1;
    if (x->draw != y->draw)
        return x->draw < y->draw ? -1 : 1;
    return strcmp(x->one->id, y->one->id);
}

int collection_hold_out(struct collection *collection, enum split to, int64_t count, uint64_t seed,
                        struct err *err)
{
    TRY(check_free(collection, to, count, err));
    uint32_t groups = collection->class_count + 1, total = 0; /* group 0: no label */
    struct stratum *strata = xcalloc(groups, sizeof *strata);
    struct ticket *tickets = xcalloc(collection->count, sizeof *tickets);
    for (uint32_t i = 0; i < collection->count; i++)
        if (collection->cases[i].split == SPLIT_TRAIN) {
            tickets[total++] = ticket_of(&collection->cases[i], to, seed);
            strata[collection->cases[i].label + 1].count++;
        }
    int status = 0;
    if (count < 0 || count > total)
        status =
            fail_as(err, STATUS_CONFIG, "cannot hold out %lld cases for %s: the train split has %u",
                    (long long)count, to == SPLIT_TEST ? "the test" : "validation", total);
    else if (count)
        set_quotas(strata, groups, (uint32_t)count, total);
    qsort(tickets, total, sizeof *tickets, by_draw);
    for (uint32_t g = 0, begin = 0; !status && g < groups; begin += strata[g++].count)
        for (uint32_t i = 0; i < strata[g].quota; i++)
            tickets[begin + i].one->split = to;
    free(strata);
    free(tickets);
    return status;
}

/* ---- writing -------------------------------------------------------------------------------- */

/* The cases in the artifact's order: by split, then in source order. The caller frees it. */
static const struct raw_case **case_order(const struct collection *collection)
{
    const struct raw_case **order = xcalloc(collection->count, sizeof *order);
    uint32_t n = 0;
    for (int split = 0; split < SPLITS; split++)
        for (uint32_t i = 0; i < collection->count; i++)
            if ((int)collection->cases[i].split == split)
                order[n++] = &collection->cases[i];
    return order;
}

static void put_names(struct json *json, const char *key, const char **names, uint32_t count)
{
    json_begin(json, key, "[*,*]");
    for (uint32_t i = 0; i < count; i++)
        json_text(json, NULL, names[i]);
    json_end(json);
}

static void put_case(struct json *json, const struct raw_case *one)
{
    json_begin(json, NULL, "{*,*}");
    json_text(json, "id", one->id);
    json_text(json, "split", split_names[one->split]);
    if (one->label >= 0)
        json_number(json, "label", one->label);
    if (one->source)
        json_text(json, "source", one->source->hex);
    json_text(json, "pixels", one->pixels->hex);
    json_end(json);
}

/* One case per line, so that standard tools can compare two of these files. */
static int write_cases(const struct collection *collection, const struct raw_case **order,
                       const struct draft *draft, struct err *err)
{
    struct json json = {.tight = true};
    json_begin(&json, NULL, "{*,\n*}\n");
    put_names(&json, "classes", collection->classes, collection->class_count);
    put_names(&json, "mask_classes", collection->mask_classes, collection->mask_class_count);
    if (collection->spacing[0] > 0) {
        json_begin(&json, "spacing", "[*,*]");
        for (int i = 0; i < 3; i++)
            json_number(&json, NULL, collection->spacing[i]);
        json_end(&json);
    }
    json_begin(&json, "cases", "[\n*,\n*\n]");
    for (uint32_t i = 0; i < collection->count; i++)
        put_case(&json, order[i]);
    json_end(&json);
    json_end(&json);
    return draft_text(draft, "cases.json", &json.text, err);
}

/* [n,h,w] or [n,d,h,w], then c if there is one. */
static struct tensor shaped(const struct collection *collection, const char *name,
                            enum tensor_type type, int32_t c)
{
    struct tensor tensor = {.name = name, .type = type};
    tensor.dim[tensor.dims++] = collection->count;
    if (collection->d > 1)
        tensor.dim[tensor.dims++] = collection->d;
    tensor.dim[tensor.dims++] = collection->h;
    tensor.dim[tensor.dims++] = collection->w;
    if (c)
        tensor.dim[tensor.dims++] = c;
    tensor.bytes = tensor_size(type);
    for (int i = 0; i < tensor.dims; i++)
        tensor.bytes *= (size_t)tensor.dim[i];
    return tensor;
}

/* Copies their cases in order. */
static void gather(void *images, void *masks, int32_t *labels, const struct collection *collection,
                   const struct raw_case **order)
{
    size_t voxels = (size_t)collection->d * (size_t)collection->h * (size_t)collection->w;
    size_t size = voxels * (size_t)collection->c * pixel_size(collection->pixel);
    for (uint32_t i = 0; i < collection->count; i++) {
        memcpy((uint8_t *)images + i * size, order[i]->image, size);
        if (masks)
            memcpy((uint8_t *)masks + i * voxels, order[i]->mask, voxels);
        labels[i] = order[i]->label;
    }
}

static int write_tensors(const struct collection *collection, const struct raw_case **order,
                         const char *path, struct err *err)
{
    uint32_t count = collection->count;
    bool labelled = false, masked = count && order[0]->mask;
    bool floats = collection->pixel == PIXEL_F32;
    struct tensor items[] = {
        shaped(collection, "images", floats ? TENSOR_F32 : TENSOR_U8, collection->c),
        {"labels", TENSOR_I32, 1, {count}, NULL, count * sizeof(int32_t)},
        shaped(collection, "masks", TENSOR_U8, 0)};
    void *images, *masks = NULL;
    TRY(block_alloc(&images, items[0].bytes, NULL, err));
    if (masked && block_alloc(&masks, items[2].bytes, NULL, err)) {
        block_free(images, items[0].bytes, NULL);
        return -1;
    }
    int32_t *labels = xcalloc(count, sizeof *labels);
    gather(images, masks, labels, collection, order);
    for (uint32_t i = 0; i < count; i++)
        labelled |= labels[i] >= 0;
    items[0].data = images;
    items[1].data = labels;
    items[2].data = masks;
    if (!labelled)
        items[1] = items[2];
    size_t n = 1 + (size_t)labelled + (size_t)masked;
    int status = tensors_write(path, items, n, NULL, 0, err);
    block_free(images, items[0].bytes, NULL);
    block_free(masks, items[2].bytes, NULL);
    free(labels);
    return status;
}

int collection_write(const struct collection *collection, const struct draft *draft,
                     struct err *err)
{
    char tensors[PATH_BYTES];
    TRY(draft_path(draft, "dataset.safetensors", tensors, err));
    const struct raw_case **order = case_order(collection);
    int status = write_tensors(collection, order, tensors, err);
    if (!status)
        status = write_cases(collection, order, draft, err);
    free(order);
    return status ? status : integrity_write(collection, draft, err);
}
