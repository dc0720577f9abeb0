/*
 * CIFAR-10, binary (https://www.cs.toronto.edu/~kriz/cifar.html): FOLDER/batches.meta.txt (names of
 * the classes), data_batch_1.bin to data_batch_BATCHES.bin, test_batch.bin: records of a label and
 * 32x32 pixels, plane by plane.
 */
#include "data/formats/formats.h"

#include "base/file.h"
#include "base/text.h"

#include <string.h>

enum {
    CLASSES = 10,
    SIDE = 32,
    PIXELS = SIDE * SIDE,
    CHANNELS = 3,
    RECORD = 1 + CHANNELS * PIXELS
};
enum { MOST_RECORDS = 1000000 };
static const char meta_name[] = "batches.meta.txt", test_name[] = "test_batch.bin";

struct keys {
    int64_t batches;
};

static int add_sources(struct sources *out, const void *own, struct err *err)
{
    const struct keys *keys = own;
    out->fetch = "cifar-10-batches-bin";
    TRY(sources_add(out, meta_name, err));
    for (int64_t i = 1; i <= keys->batches; i++)
        TRY(sources_add(out, arena_printf(out->arena, "data_batch_%lld.bin", (long long)i), err));
    return sources_add(out, test_name, err);
}

/* Ten names, one per line; empty lines are ignored. */
static int read_classes(struct collection *out, const char *path, struct err *err)
{
    char **lines;
    size_t length;
    uint32_t count = 0;
    TRY(lines_read(&lines, &length, path, &out->arena, err));
    out->classes = arena_alloc(&out->arena, CLASSES * sizeof *out->classes);
    for (size_t i = 0; i < length; i++) {
        if (!*lines[i])
            continue;
        if (!text_is_plain(lines[i]))
            return fail_as(err, STATUS_BAD_DATA,
                           "'%s': the name of class %u, '%.100s', is not "
                           "plain text",
                           path, count, name_shown(lines[i], &out->arena));
        if (count < CLASSES)
            out->classes[count] = lines[i];
        count++;
    }
    out->class_count = CLASSES;
    if (count != CLASSES)
        return fail_as(err, STATUS_BAD_DATA, "'%s' has %u class names, expected %d", path, count,
                       CLASSES);
    return 0;
}

static void add_record(struct collection *out, enum split split, uint32_t number, uint8_t *image,
                       const uint8_t *record, const struct id *source)
{
    struct id *pixels = arena_alloc(&out->arena, sizeof *pixels);
    for (int k = 0; k < CHANNELS; k++)
        for (int i = 0; i < PIXELS; i++)
            image[i * CHANNELS + k] = record[1 + k * PIXELS + i];
    *pixels = image_hash(1, SIDE, SIDE, CHANNELS, image);
    *ARENA_ADD(&out->arena, out->cases, out->count) =
        (struct raw_case){.id = arena_printf(&out->arena, "%s-%05u", split_names[split], number),
                          .split = split,
                          .label = record[0],
                          .source = source,
                          .pixels = pixels,
                          .image = image};
}

static int check_batch(const struct mapping *map, const char *path, struct err *err)
{
    size_t count = map->length / RECORD;
    if (!count || map->length % RECORD || count > MOST_RECORDS)
        return fail_as(err, STATUS_BAD_DATA,
                       "'%s' has %zu bytes, expected 1 to %d records of %d bytes", path,
                       map->length, MOST_RECORDS, RECORD);
    for (size_t i = 0; i < count; i++)
        if (map->data[i * RECORD] >= CLASSES)
            return fail_as(err, STATUS_BAD_DATA, "label %zu in '%s' is %d, expected 0 to %d", i,
                           path, map->data[i * RECORD], CLASSES - 1);
    return 0;
}

/* Appends a file's records; *number continues within the split. */
static int read_batch(struct collection *out, enum split split, uint32_t *number, const char *path,
                      struct err *err)
{
    struct mapping map;
    TRY(map_open(&map, path, err));
    size_t count = map.length / RECORD;
    void *images;
    int status = check_batch(&map, path, err) ||
                 arena_block(&images, &out->arena, count, CHANNELS * PIXELS, err);
    if (!status) {
        struct id *source = arena_alloc(&out->arena, sizeof *source);
        *source = sha256_of(map.data, map.length);
        for (size_t i = 0; i < count; i++)
            add_record(out, split, (*number)++, (uint8_t *)images + i * CHANNELS * PIXELS,
                       map.data + i * RECORD, source);
    }
    map_close(&map);
    return status ? -1 : 0;
}

static int read_cifar10(struct collection *out, const char *folder, const void *own,
                        struct err *err)
{
    struct sources sources = {.folder = folder, .arena = &out->arena};
    uint32_t train = 0, test = 0;
    TRY(add_sources(&sources, own, err));
    const struct source *file = sources.items, *last = file + sources.count - 1;
    out->d = 1, out->h = out->w = SIDE, out->c = CHANNELS;
    TRY(read_classes(out, file->path, err));
    while (++file < last)
        TRY(read_batch(out, SPLIT_TRAIN, &train, file->path, err));
    return read_batch(out, SPLIT_TEST, &test, last->path, err);
}

static const struct field fields[] = {
    {"batches", FIELD_INT, offsetof(struct keys, batches), "5", "number of training batches",
     .min = 1, .max = 5},
    {0},
};
const struct format cifar10_format = {
    .keys = {"cifar10", "CIFAR-10's binary files", fields, sizeof(struct keys)},
    .sources = add_sources,
    .read = read_cifar10,
};
