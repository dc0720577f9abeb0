/*
 * Any bytes as what names the cases of a data set: the first byte chooses the format (p: pets, c:
 * CamVid, f: a folder with lists, n: CIFAR-10's classes, l: the start of a record of it, else its
 * records), form feeds part what follows into files. Whatever is accepted names files that are
 * there, in the folder and nowhere else, or has the cases that its length says.
 */
#include "data_raw.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECORD = 3073, CLASSES = 10 };
struct input {
    const uint8_t *data;
    size_t size;
};

static void put(const char *folder, const char *name, const void *bytes, size_t length)
{
    char path[PATH_BYTES];
    struct err err;
    if (path_join(path, folder, name, &err))
        bug("%s", err.text);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, length, file) != length || fclose(file))
        bug("cannot write '%s'", path);
}

/* What is before the next form feed, which goes. */
static struct input part(struct input *rest)
{
    struct input part = *rest;
    const uint8_t *stop = rest->size ? memchr(rest->data, '\f', rest->size) : NULL;
    if (stop)
        part.size = (size_t)(stop - rest->data);
    rest->data += part.size + (stop != NULL);
    rest->size -= part.size + (stop != NULL);
    return part;
}

/* Writes a list; no bytes left: `usual`, and NULL: no file. */
static void put_list(const char *folder, const char *name, struct input *rest, const char *usual)
{
    if (rest->size) {
        struct input list = part(rest);
        put(folder, name, list.data, list.size);
    } else if (usual) {
        put(folder, name, usual, strlen(usual));
    }
}

static void put_pictures(const char *folder)
{
    static const char *const folders[] = {"images", "annotations/trimaps", "masks"};
    static const char *const files[] = {"images/a.jpg", "annotations/trimaps/a.png", "masks/a.png",
                                        "images/b.jpg", "annotations/trimaps/b.png", "masks/b.png",
                                        "images/c.png", "annotations/trimaps/c.png", "masks/c.png"};
    char path[PATH_BYTES];
    struct err err;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (path_join(path, folder, folders[i], &err) || folder_make(path, &err))
            bug("%s", err.text);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        put(folder, files[i], "", 0);
}

/* Lists first, then an image and a mask a case. */
static void check_sources(const struct sources *found, int lists)
{
    const char *folder = found->folder;
    const int count = found->count;
    if (count < lists + 2 || (count - lists) % 2)
        bug("%d files, %d of them lists", count, lists);
    for (int i = 0; i < count; i++) {
        size_t length = strlen(folder);
        const char *name = found->items[i].name, *path = found->items[i].path;
        if (strncmp(path, folder, length) || path[length] != '/' ||
            strcmp(path + length + 1, name) || strstr(name, ".."))
            bug("'%s' as '%s' is not in the folder", name, path);
        if (!file_exists(path))
            bug("'%s' is not there", path);
        for (int j = i % 2 == lists % 2 ? lists : i; j < i; j += 2)
            if (strcmp(name, found->items[j].name) == 0)
                bug("'%s' is there twice", name);
    }
}

static void lists(const char *folder, uint8_t format, struct input rest)
{
    const char *source = format == 'p' ? "oxford-pets" : format == 'c' ? "camvid" : "folder";
    struct arena arena = {0};
    struct sources found;
    int status, files = 2;
    struct err err = {0};
    put_pictures(folder);
    if (format == 'p') {
        put_list(folder, "annotations/trainval.txt", &rest, "");
        put_list(folder, "annotations/test.txt", &rest, "c 1 2 1\n");
    } else {
        bool camvid = format == 'c';
        put_list(folder, "train.txt", &rest, "");
        files = rest.size ? 2 : 1;
        put_list(folder, "val.txt", &rest,
                 camvid ? "CamVid/images/b.jpg CamVid/masks/b.png" : NULL);
        files += rest.size ? 1 : 0;
        put_list(folder, "test.txt", &rest,
                 camvid ? "CamVid/images/c.png CamVid/masks/c.png" : NULL);
        files = camvid ? 3 : files;
    }
    status = raw_sources(&found, folder, source, false, &arena, &err);
    if (!status)
        check_sources(&found, files);
    else if (err.status != STATUS_BAD_DATA && err.status != STATUS_MISSING)
        bug("status %d: %s", err.status, err.text);
    arena_free(&arena);
}

static void cifar10(const char *folder, uint8_t format, struct input rest)
{
    static const char names[] = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n";
    static const uint8_t record[RECORD];
    bool classes = format == 'n';
    uint8_t start[RECORD] = {0};
    struct collection c;
    struct err err = {0};
    put(folder, "batches.meta.txt", classes ? (const char *)rest.data : names,
        classes ? rest.size : sizeof names - 1);
    if (classes || format == 'l') {
        if (!classes)
            memcpy(start, rest.data, rest.size < RECORD ? rest.size : RECORD);
        rest = (struct input){start, RECORD};
    }
    put(folder, "data_batch_1.bin", rest.data, rest.size);
    put(folder, "test_batch.bin", record, RECORD);
    if (raw_read(&c, folder, "cifar10, batches: 1", &(const struct fit){0}, &err)) {
        if (err.status != STATUS_BAD_DATA)
            bug("status %d: %s", err.status, err.text);
        return;
    }
    if (c.class_count != CLASSES || c.count != 1 + rest.size / RECORD)
        bug("%u classes, %u cases", c.class_count, c.count);
    for (uint32_t i = 0; i < c.class_count; i++)
        if (!*c.classes[i])
            bug("class %u has no name", i);
    for (uint32_t i = 0; i < c.count; i++)
        if (c.cases[i].label < 0 || c.cases[i].label >= CLASSES || !c.cases[i].image)
            bug("case %u has the label %d", i, c.cases[i].label);
    collection_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *root = getenv("TMPDIR");
    char folder[PATH_BYTES];
    struct err err;
    if (!size)
        return 0;
    snprintf(folder, sizeof folder, "%s/lists-XXXXXX", root && *root ? root : "/tmp");
    if (!mkdtemp(folder))
        bug("cannot make '%s'", folder);
    if (strchr("pcf", *data) && *data)
        lists(folder, *data, (struct input){data + 1, size - 1});
    else
        cifar10(folder, *data, (struct input){data + 1, size - 1});
    if (folder_remove(folder, &err))
        bug("%s", err.text);
    return 0;
}
