#include "store/tensors.h"

#include "base/json.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* The reference implementation's own limit. */
enum { HEADER_LIMIT = 100 * 1000 * 1000, LENGTH_BYTES = 8, DATA_ALIGN = 64 };

static const struct {
    const char *name;
    size_t size;
} types[TENSOR_TYPES] = {
    [TENSOR_U8] = {"U8", 1},   [TENSOR_I32] = {"I32", 4}, [TENSOR_I64] = {"I64", 8},
    [TENSOR_F32] = {"F32", 4}, [TENSOR_F64] = {"F64", 8}, [TENSOR_BF16] = {"BF16", 2},
    [TENSOR_U32] = {"U32", 4}, [TENSOR_U64] = {"U64", 8},
};

#define A_NUMBER "a finite number expected"

size_t tensor_size(enum tensor_type type)
{
    return types[type].size;
}

/* False if the product does not fit. */
static bool tensor_bytes(const struct tensor *tensor, size_t *out)
{
    *out = types[tensor->type].size;
    for (int i = 0; i < tensor->dims; i++)
        if (tensor->dim[i] < 0 || __builtin_mul_overflow(*out, (uint64_t)tensor->dim[i], out))
            return false;
    return true;
}

/* Are all values of an F32 tensor finite? If not, *at is the first that is not. */
static bool is_finite(const struct tensor *tensor, size_t *at)
{
    const uint32_t exponent = 0x7f800000u;
    size_t count = tensor->type == TENSOR_F32 ? tensor->bytes / sizeof(float) : 0;
    const uint32_t *bits = tensor->data;
    uint32_t bad = 0;
    for (size_t i = 0; i < count; i++)
        bad |= (bits[i] & exponent) == exponent;
    for (*at = 0; bad && (bits[*at] & exponent) != exponent;)
        ++*at;
    return !bad;
}

/* ---- reading -------------------------------------------------------------------------------- */

struct parser {
    struct tensors *out;
    const unsigned char *data; /* after the header */
    size_t length;             /* of the data */
    const char *file;
};

/* A name from the file, safe to show in a message: short and without control characters. */
static const char *shown(const struct parser *parser, const char *name)
{
    char *copy = arena_strndup(&parser->out->arena, name, strnlen(name, 80));
    for (unsigned char *p = (unsigned char *)copy; *p; p++)
        if (*p < 0x20 || *p == 0x7f)
            *p = '?';
    return copy;
}

static int fail_tensor(const struct parser *parser, const char *name, const char *what,
                       struct err *err)
{
    return fail_as(err, STATUS_BAD_DATA, "'%s': tensor '%s': %s", parser->file, shown(parser, name),
                   what);
}

static int parse_type(struct tensor *tensor, const json_t *entry, const struct parser *parser,
                      struct err *err)
{
    const char *name = json_string_value(json_object_get(entry, "dtype"));
    if (!name)
        return fail_tensor(parser, tensor->name, "no dtype", err);
    for (int i = 0; i < TENSOR_TYPES; i++) {
        if (!strcmp(types[i].name, name)) {
            tensor->type = (enum tensor_type)i;
            return 0;
        }
    }
    return fail_as(err, STATUS_BAD_DATA, "'%s': tensor '%s': type '%s' is not supported",
                   parser->file, shown(parser, tensor->name), shown(parser, name));
}

static int parse_shape(struct tensor *tensor, const json_t *entry, const struct parser *parser,
                       struct err *err)
{
    const json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape))
        return fail_tensor(parser, tensor->name, "no shape", err);
    if (json_array_size(shape) > MAX_DIMS)
        return fail_tensor(parser, tensor->name, "too many dimensions", err);
    tensor->dims = (int)json_array_size(shape);
    for (int i = 0; i < tensor->dims; i++) {
        const json_t *dim = json_array_get(shape, (size_t)i);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0)
            return fail_tensor(parser, tensor->name, "a dimension is not a whole number", err);
        tensor->dim[i] = json_integer_value(dim);
    }
    if (!tensor_bytes(tensor, &tensor->bytes))
        return fail_tensor(parser, tensor->name, "impossible shape", err);
    return 0;
}

static int parse_offsets(struct tensor *tensor, const json_t *entry, const struct parser *parser,
                         struct err *err)
{
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const json_t *first = json_array_get(offsets, 0), *second = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(second))
        return fail_tensor(parser, tensor->name, "data_offsets are not two whole numbers", err);
    json_int_t begin = json_integer_value(first), end = json_integer_value(second);
    if (begin < 0 || end < begin || (uint64_t)end > parser->length)
        return fail_tensor(parser, tensor->name, "data_offsets lie outside the file", err);
    if ((uint64_t)(end - begin) != tensor->bytes)
        return fail_tensor(parser, tensor->name, "data_offsets disagree with type and shape", err);
    tensor->data = parser->data + begin;
    return 0;
}

static int by_place(const void *a, const void *b)
{
    const struct tensor *x = a, *y = b;
    if (x->data != y->data)
        return (const char *)x->data < (const char *)y->data ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes); /* an empty one before its neighbour */
}

static int by_name(const void *a, const void *b)
{
    const struct tensor *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* Every byte belongs to exactly one tensor, as the format requires. */
static int check_places(const struct parser *parser, struct err *err)
{
    const struct tensors *out = parser->out;
    const unsigned char *at = parser->data;
    qsort(out->items, out->count, sizeof *out->items, by_place);
    for (size_t i = 0; i < out->count; i++) {
        if (out->items[i].data != at)
            return fail_tensor(parser, out->items[i].name, "overlaps another or leaves a gap", err);
        at += out->items[i].bytes;
    }
    size_t used = (size_t)(at - parser->data);
    if (used != parser->length)
        return fail_as(err, STATUS_BAD_DATA, "'%s': %zu bytes after the last tensor", parser->file,
                       parser->length - used);
    return 0;
}

/* The format does not guarantee alignment: unaligned tensors are copied. */
static void align(const struct parser *parser)
{
    for (size_t i = 0; i < parser->out->count; i++) {
        struct tensor *tensor = parser->out->items + i;
        if (!tensor->bytes || (uintptr_t)tensor->data % types[tensor->type].size == 0)
            continue;
        void *copy = arena_alloc(&parser->out->arena, tensor->bytes);
        tensor->data = memcpy(copy, tensor->data, tensor->bytes);
    }
}

struct pair {
    const char *key, *value;
};

static int by_key(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    return strcmp(x->key, y->key);
}

static int parse_meta(const struct parser *parser, json_t *meta, struct err *err)
{
    struct tensors *out = parser->out;
    if (!json_is_object(meta))
        return fail_as(err, STATUS_BAD_DATA, "'%s': '__metadata__' is not an object", parser->file);
    size_t count = json_object_size(meta), i = 0;
    struct pair *pairs = arena_alloc(&out->arena, count * sizeof *pairs);
    const char *key;
    json_t *value;
    json_object_foreach(meta, key, value)
    {
        if (!json_is_string(value))
            return fail_as(err, STATUS_BAD_DATA, "'%s': metadata '%s' is not a string",
                           parser->file, shown(parser, key));
        pairs[i++] = (struct pair){arena_strdup(&out->arena, key),
                                   arena_strdup(&out->arena, json_string_value(value))};
    }
    if (count)
        qsort(pairs, count, sizeof *pairs, by_key);
    out->meta_keys = arena_alloc(&out->arena, count * sizeof *out->meta_keys);
    out->meta_values = arena_alloc(&out->arena, count * sizeof *out->meta_values);
    for (i = 0; i < count; i++) {
        out->meta_keys[i] = pairs[i].key;
        out->meta_values[i] = pairs[i].value;
    }
    out->meta_count = count;
    return 0;
}

static int parse_header(const struct parser *parser, json_t *header, struct err *err)
{
    struct tensors *out = parser->out;
    if (!json_is_object(header))
        return fail_as(err, STATUS_BAD_DATA, "'%s': header is not an object", parser->file);
    out->items = arena_alloc(&out->arena, json_object_size(header) * sizeof *out->items);
    const char *key;
    json_t *entry;
    json_object_foreach(header, key, entry)
    {
        if (!strcmp(key, "__metadata__")) {
            TRY(parse_meta(parser, entry, err));
            continue;
        }
        struct tensor *tensor = out->items + out->count;
        tensor->name = arena_strdup(&out->arena, key);
        TRY(parse_type(tensor, entry, parser, err));
        TRY(parse_shape(tensor, entry, parser, err));
        TRY(parse_offsets(tensor, entry, parser, err));
        out->count++;
    }
    TRY(check_places(parser, err));
    align(parser);
    qsort(out->items, out->count, sizeof *out->items, by_name);
    return 0;
}

static int parse(struct tensors *out, const unsigned char *bytes, size_t length, const char *name,
                 struct err *err)
{
    if (length < LENGTH_BYTES)
        return fail_as(err, STATUS_BAD_DATA, "'%s' is not a safetensors file: only %zu bytes", name,
                       length);
    uint64_t header = 0;
    for (int i = LENGTH_BYTES - 1; i >= 0; i--)
        header = header << 8 | bytes[i];
    if (header > HEADER_LIMIT || header > length - LENGTH_BYTES)
        return fail_as(err, STATUS_BAD_DATA,
                       "'%s' is truncated or not a safetensors file: header of %" PRIu64
                       " bytes in a file of %zu",
                       name, header, length);
    const char *text = (const char *)bytes + LENGTH_BYTES;
    json_error_t error;
    json_t *json = !header || text[0] != '{'
                       ? NULL
                       : json_loadb(text, (size_t)header, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        return fail_as(err, STATUS_BAD_DATA,
                       "'%s' is not a safetensors file: its header is not JSON", name);
    struct parser parser = {out, bytes + LENGTH_BYTES + header,
                            length - LENGTH_BYTES - (size_t)header, name};
    int status = parse_header(&parser, json, err);
    json_decref(json);
    return status;
}

int tensors_parse(struct tensors *out, const void *bytes, size_t length, const char *name,
                  struct err *err)
{
    *out = (struct tensors){0};
    int status = parse(out, bytes, length, name, err);
    if (status)
        tensors_close(out);
    return status;
}

int tensors_open(struct tensors *out, const char *path, struct err *err)
{
    struct mapping map;
    *out = (struct tensors){0};
    TRY(map_open(&map, path, err));
    if (tensors_parse(out, map.data, map.length, path, err)) {
        map_close(&map);
        return -1;
    }
    out->map = map;
    return 0;
}

void tensors_close(struct tensors *tensors)
{
    map_close(&tensors->map);
    arena_free(&tensors->arena);
    *tensors = (struct tensors){0};
}

const struct tensor *tensors_find(const struct tensors *tensors, const char *name)
{
    if (!tensors->count)
        return NULL;
    return bsearch(&(struct tensor){.name = name}, tensors->items, tensors->count,
                   sizeof *tensors->items, by_name);
}

int tensors_need(const struct tensor **out, const struct tensors *tensors, const char *name,
                 enum tensor_type type, int dims, struct err *err)
{
    *out = tensors_find(tensors, name);
    if (!*out)
        return fail_as(err, STATUS_BAD_DATA, "no tensor '%s'", name);
    if ((*out)->type != type)
        return fail_as(err, STATUS_BAD_DATA, "tensor '%s' has type %s, not %s", name,
                       types[(*out)->type].name, types[type].name);
    if (dims >= 0 && (*out)->dims != dims)
        return fail_as(err, STATUS_BAD_DATA, "tensor '%s' has %d dimensions, not %d", name,
                       (*out)->dims, dims);
    size_t at;
    if (!is_finite(*out, &at))
        return fail_as(err, STATUS_BAD_DATA, "value %zu of tensor '%s' is %g; " A_NUMBER, at, name,
                       (double)((const float *)(*out)->data)[at]);
    return 0;
}

const char *tensors_meta(const struct tensors *tensors, const char *key)
{
    for (size_t i = 0; i < tensors->meta_count; i++)
        if (!strcmp(tensors->meta_keys[i], key))
            return tensors->meta_values[i];
    return NULL;
}

/* ---- writing -------------------------------------------------------------------------------- */

struct place {
    const struct tensor *tensor;
    uint64_t begin;
};

/* Wide elements first: this aligns everything without padding, which the format forbids. */
static int by_width(const void *a, const void *b)
{
    const struct tensor *x = ((const struct place *)a)->tensor;
    const struct tensor *y = ((const struct place *)b)->tensor;
    size_t p = types[x->type].size, q = types[y->type].size;
    return p != q ? (p < q) - (p > q) : strcmp(x->name, y->name);
}

static int by_place_name(const void *a, const void *b)
{
    return by_name(((const struct place *)a)->tensor, ((const struct place *)b)->tensor);
}

static int check_items(const char *path, const struct tensor *items, size_t count, struct err *err)
{
    for (size_t i = 0, at; i < count; i++)
        if (!is_finite(&items[i], &at))
            return fail(err, "'%s' is not written: value %zu of tensor '%s' is %g; " A_NUMBER, path,
                        at, items[i].name, (double)((const float *)items[i].data)[at]);
    return 0;
}

/* Both orders of the tensors, with their offsets. */
static int lay_out(struct place *by_data, struct place *by_title, const struct tensor *items,
                   size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        size_t bytes;
        if (!tensor_bytes(items + i, &bytes) || bytes != items[i].bytes)
            bug("tensor '%s' has %zu bytes", items[i].name, items[i].bytes);
        by_data[i] = (struct place){.tensor = items + i};
    }
    qsort(by_data, count, sizeof *by_data, by_width);
    uint64_t begin = 0;
    for (size_t i = 0; i < count; i++) {
        by_data[i].begin = begin;
        begin += by_data[i].tensor->bytes;
        by_title[i] = by_data[i];
    }
    qsort(by_title, count, sizeof *by_title, by_place_name);
    for (size_t i = 0; i < count; i++) {
        const char *name = by_title[i].tensor->name;
        if (!strcmp(name, "__metadata__") || (i && !strcmp(name, by_title[i - 1].tensor->name)))
            return fail(err, "two tensors are called '%s'", name);
    }
    return 0;
}

static void header_meta(struct json *json, const char *const *meta, size_t pairs)
{
    struct pair *sorted = xcalloc(pairs, sizeof *sorted);
    for (size_t i = 0; i < pairs; i++)
        sorted[i] = (struct pair){meta[2 * i], meta[2 * i + 1]};
    qsort(sorted, pairs, sizeof *sorted, by_key);
    json_begin(json, "__metadata__", "{*,*}");
    for (size_t i = 0; i < pairs; i++)
        json_text(json, sorted[i].key, sorted[i].value);
    json_end(json);
    free(sorted);
}

static void header_tensor(struct json *json, const struct place *place)
{
    const struct tensor *tensor = place->tensor;
    json_begin(json, tensor->name, "{*,*}");
    json_text(json, "dtype", types[tensor->type].name);
    json_begin(json, "shape", "[*,*]");
    for (int i = 0; i < tensor->dims; i++)
        json_raw(json, NULL, "%" PRId64, tensor->dim[i]);
    json_end(json);
    json_raw(json, "data_offsets", "[%" PRIu64 ",%" PRIu64 "]", place->begin,
             place->begin + tensor->bytes);
    json_end(json);
}

static int write_all(const char *path, const struct text *header, const struct place *by_data,
                     size_t count, struct err *err)
{
    struct out_file *file;
    unsigned char length[LENGTH_BYTES];
    for (int i = 0; i < LENGTH_BYTES; i++)
        length[i] = (unsigned char)((uint64_t)header->length >> (8 * i));
    TRY(out_open(&file, path, err));
    int status = out_write(file, length, sizeof length, err);
    if (!status)
        status = out_write(file, header->data, header->length, err);
    for (size_t i = 0; !status && i < count; i++)
        status = out_write(file, by_data[i].tensor->data, by_data[i].tensor->bytes, err);
    if (!status)
        return out_close(file, err);
    out_drop(file);
    return -1;
}

int tensors_write(const char *path, const struct tensor *items, size_t count,
                  const char *const *meta, size_t meta_pairs, struct err *err)
{
    TRY(check_items(path, items, count, err));
    struct place *by_data = xcalloc(count, sizeof *by_data);
    struct place *by_title = xcalloc(count, sizeof *by_title);
    struct json header = {.tight = true};
    int status = lay_out(by_data, by_title, items, count, err);
    json_begin(&header, NULL, "{*,*}");
    if (meta_pairs)
        header_meta(&header, meta, meta_pairs);
    for (size_t i = 0; i < count; i++)
        header_tensor(&header, by_title + i);
    json_end(&header);
    while ((LENGTH_BYTES + header.text.length) % DATA_ALIGN)
        text_puts(&header.text, " ");
    if (!status && header.text.length > HEADER_LIMIT)
        status = fail(err, "too many tensors for '%s'", path);
    if (!status)
        status = write_all(path, &header.text, by_data, count, err);
    text_free(&header.text);
    free(by_data);
    free(by_title);
    return status;
}
