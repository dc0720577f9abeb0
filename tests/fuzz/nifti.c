/*
 * Any bytes as a volume, or as what lists volumes. The first byte says which (n: a file, packed or
 * not; p: a pair, the first 348 bytes in its header; else dataset.json, train.txt and test.txt,
 * parted by form feeds). A volume that is read is finite, has a place in the world, and can be
 * brought to another grid; what is listed is there, in the folder and nowhere else.
 */
#include "data_raw.h"

#include "base/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const volumes[] = {"imagesTr/a.nii", "imagesTr/b.hdr", "imagesTr/b.img",
                                      "labelsTr/a.nii", "labelsTr/b.hdr", "labelsTr/b.img"};

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

/* ---- volumes -------------------------------------------------------------------------------- */

static void check_volume(const struct volume *v)
{
    if (v->d < 1 || v->h < 1 || v->w < 1)
        bug("%d x %d x %d voxels", v->d, v->h, v->w);
    for (int64_t i = 0; i < (int64_t)v->d * v->h * v->w; i++)
        if (!isfinite(v->voxels[i]))
            bug("voxel %lld is %g", (long long)i, (double)v->voxels[i]);
    for (int i = 0; i < 3; i++) {
        if (!(v->spacing[i] > 0) || !isfinite(v->spacing[i]))
            bug("spacing %g", v->spacing[i]);
        for (int k = 0; k < 4; k++)
            if (!isfinite(v->to_world[i][k]))
                bug("to_world %g", v->to_world[i][k]);
    }
}

static void read_volume(const char *folder, const char *name)
{
    const double spacing[3] = {3, 1, 2};
    struct volume_spec spec = {INTENSITY_PERCENTILE, 1, 99, {0}, {3, 4, 5}, WITHIN_AUTO};
    char path[PATH_BYTES];
    struct volume v;
    struct err err = {0};
    if (path_join(path, folder, name, &err))
        bug("%s", err.text);
    if (volume_read(&v, path, &err)) {
        if (err.status != STATUS_BAD_DATA || strchr(err.text, '\n'))
            bug("status %d: %s", err.status, err.text);
        return;
    }
    check_volume(&v);
    bool moderate =
        true; /* finer grids are allowed; only they would take the time of many inputs */
    for (int i = 0; i < 3; i++)
        moderate &= v.spacing[i] < 5;
    if (moderate && (int64_t)v.d * v.h * v.w < 10000)
        memcpy(spec.spacing, spacing, sizeof spacing);
    if (!volume_prepare(&v, &spec, &err)) {
        check_volume(&v);
        for (int i = 0; i < 3 * 4 * 5; i++)
            if (v.voxels[i] < 0 || v.voxels[i] > 1)
                bug("voxel %d is %g", i, (double)v.voxels[i]);
    } else if (err.status != STATUS_BAD_DATA) {
        bug("status %d: %s", err.status, err.text);
    }
    volume_free(&v);
}

static void pair(const char *folder, const uint8_t *data, size_t size)
{
    size_t header = size < VOLUME_HEADER ? size : VOLUME_HEADER;
    put(folder, "v.hdr", data, header);
    put(folder, "v.img", data + header, size - header);
    read_volume(folder, "v.hdr");
}

/* ---- lists ---------------------------------------------------------------------------------- */

static void check_source(const char *folder, const char *name, const char *path)
{
    size_t length = strlen(folder);
    if (strncmp(path, folder, length) || path[length] != '/' || strcmp(path + length + 1, name) ||
        strstr(name, ".."))
        bug("'%s' as '%s' is not in the folder", name, path);
    if (!file_exists(path))
        bug("'%s' is not there", path);
}

static void lists(const char *folder, const uint8_t *data, size_t size)
{
    static const char *const names[] = {"dataset.json", "train.txt", "test.txt"};
    static const char *const folders[] = {"imagesTr", "labelsTr"};
    struct arena arena = {0};
    struct sources found;
    char path[PATH_BYTES];
    struct err err = {0};
    for (int i = 0; i < 2; i++)
        if (path_join(path, folder, folders[i], &err) || folder_make(path, &err))
            bug("%s", err.text);
    for (size_t i = 0; i < sizeof volumes / sizeof *volumes; i++)
        put(folder, volumes[i], "", 0);
    for (int i = 0; i < 3 && (i == 0 || size); i++) {
        const uint8_t *stop = size ? memchr(data, '\f', size) : NULL;
        size_t length = stop ? (size_t)(stop - data) : size;
        put(folder, names[i], data, length);
        data += length + (stop != NULL);
        size -= length + (stop != NULL);
    }
    if (!raw_sources(&found, folder, "nifti", false, &arena, &err)) {
        if (found.count < 3)
            bug("%d files", found.count);
        for (int i = 0; i < found.count; i++)
            check_source(folder, found.items[i].name, found.items[i].path);
    } else if (err.status != STATUS_BAD_DATA && err.status != STATUS_MISSING) {
        bug("status %d: %s", err.status, err.text);
    }
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *root = getenv("TMPDIR");
    char folder[PATH_BYTES];
    struct err err;
    if (!size)
        return 0;
    snprintf(folder, sizeof folder, "%s/nifti-XXXXXX", root && *root ? root : "/tmp");
    if (!mkdtemp(folder))
        bug("cannot make '%s'", folder);
    if (*data == 'n') {
        put(folder, "v.nii", data + 1, size - 1);
        read_volume(folder, "v.nii");
    } else if (*data == 'p') {
        pair(folder, data + 1, size - 1);
    } else {
        lists(folder, data + 1, size - 1);
    }
    if (folder_remove(folder, &err))
        bug("%s", err.text);
    return 0;
}
