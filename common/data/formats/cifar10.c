#include "data/listing.h"

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

int cifar10_sources(const char ***names, const char ***paths, int *count, const char *folder,
                    int batches, struct arena *arena, struct err *err)
{
    int most = batches + 2;
    *names = arena_alloc(arena, (size_t)most * sizeof **names);
    *paths = arena_alloc(arena, (size_t)most * sizeof **paths);
    for (*count = 0; *count < most; ++*count) {
        char path[PATH_BYTES];
        const char *name = *count == 0 ? meta_name
                           : *count == batches + 1
                               ? test_name
                               : arena_printf(arena, "data_batch_%d.bin", *count);
        TRY(path_join(path, folder, name, err));
        if (!file_exists(path))
            return missing_file(name, folder, "cifar-10-batches-bin", err);
        (*names)[*count] = name;
        (*paths)[*count] = arena_strdup(arena, path);
    }
    return 0;
}

/* Ten names, one a line; empty lines count for nothing. */
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
        return fail_as(err, STATUS_BAD_DATA, "'%s' has %u names of classes, expected %d", path,
                       count, CLASSES);
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
    out->cases[out->count++] =
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

/* Appends a file's records; *number counts on within the split. */
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
        struct raw_case *cases = arena_alloc(&out->arena, (out->count + count) * sizeof *cases);
        if (out->count)
            memcpy(cases, out->cases, out->count * sizeof *cases);
        out->cases = cases;
        struct id *source = arena_alloc(&out->arena, sizeof *source);
        *source = sha256_of(map.data, map.length);
        for (size_t i = 0; i < count; i++)
            add_record(out, split, (*number)++, (uint8_t *)images + i * CHANNELS * PIXELS,
                       map.data + i * RECORD, source);
    }
    map_close(&map);
    return status ? -1 : 0;
}

static int read_all(struct collection *out, const char *folder, int batches, struct err *err)
{
    const char **names, **paths;
    int count;
    uint32_t train = 0, test = 0;
    TRY(cifar10_sources(&names, &paths, &count, folder, batches, &out->arena, err));
    TRY(read_classes(out, paths[0], err));
    for (int i = 1; i <= batches; i++)
        TRY(read_batch(out, SPLIT_TRAIN, &train, paths[i], err));
    return read_batch(out, SPLIT_TEST, &test, paths[batches + 1], err);
}

int cifar10_read(struct collection *out, const char *folder, int batches, struct err *err)
{
    *out = (struct collection){.d = 1, .h = SIDE, .w = SIDE, .c = CHANNELS};
    if (read_all(out, folder, batches, err)) {
        collection_free(out);
        return -1;
    }
    return 0;
}
