/*
 * Data sets that are folders of NIfTI files: those that a dataset.json lists (Medical Segmentation
 * Decathlon), or all that lie there; split as train.txt, val.txt and test.txt say, if there are any.
 */
#include "data/volumes.h"

#include "base/file.h"
#include "base/text.h"
#include "data/listing.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const endings[] = {".nii.gz", ".nii", ".hdr.gz", ".hdr"};

enum { JSON_BYTES = 1 << 26 };

/* The name without its folder and its ending; as it is if that is none of a volume. */
static const char *volume_stem(const char *path, struct arena *arena)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (ends_with(name, endings[i]))
            return arena_strndup(arena, name, strlen(name) - strlen(endings[i]));
    return arena_strdup(arena, name);
}

static bool there(const char *folder, const char *name)
{
    char path[PATH_BYTES];
    struct err err;
    return !path_join(path, folder, name, &err) && file_exists(path);
}

/* ---- dataset.json --------------------------------------------------------------------------- */

static int read_classes(struct collection *out, const json_t *root, struct err *err)
{
    const json_t *labels = json_object_get(root, "labels");
    size_t count = json_object_size(labels);
    if (!json_is_object(labels) || count > MASK_IGNORE)
        return fail_as(err, STATUS_BAD_DATA,
                       "'labels' is not a map of class numbers to the names of 2 to %d classes",
                       MASK_IGNORE);
    out->mask_class_count = (uint32_t)count;
    out->mask_classes = arena_alloc(&out->arena, count * sizeof *out->mask_classes);
    for (uint32_t i = 0; i < count; i++) {
        char key[16];
        snprintf(key, sizeof key, "%u", i);
        const char *name = json_string_value(json_object_get(labels, key));
        if (!name)
            return fail_as(err, STATUS_BAD_DATA, "'labels' has no name for class %u of %zu", i,
                           count);
        out->mask_classes[i] = arena_strdup(&out->arena, name);
    }
    return class_names_check(out->mask_classes, count, STATUS_BAD_DATA, err);
}

/* A path inside the data set's folder, without "./" in front. */
static int read_path(const char **out, const json_t *one, const char *key, size_t index,
                     struct arena *arena, struct err *err)
{
    const char *path = json_string_value(json_object_get(one, key));
    if (!path)
        return fail_as(err, STATUS_BAD_DATA, "training case %zu has no '%s'", index, key);
    while (starts_with(path, "./"))
        path += 2;
    bool good = true;
    for (const char *part = path; good; part++) {
        size_t length = strcspn(part, "/");
        const char *copy = arena_strndup(arena, part, length);
        good = name_is_plain(copy);
        part += length;
        if (!*part)
            break;
    }
    if (!good)
        return fail_as(err, STATUS_BAD_DATA,
                       "training case %zu: '%.200s' is not the path of a file in the folder", index,
                       path);
    *out = arena_strdup(arena, path);
    return 0;
}

static int read_training(struct listing *out, const json_t *root, struct arena *arena,
                         struct err *err)
{
    const json_t *list = json_object_get(root, "training");
    if (!json_is_array(list) || !json_array_size(list))
        return fail_as(err, STATUS_BAD_DATA, "'training' is not a list of images and labels");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        struct listed listed = {.split = SPLIT_TRAIN, .label = -1};
        TRY(read_path(&listed.image, one, "image", i, arena, err));
        TRY(read_path(&listed.mask, one, "label", i, arena, err));
        listed.id = volume_stem(listed.image, arena);
        listing_add(out, &listed, arena);
    }
    return 0;
}

static int read_description(struct listing *out, struct collection *classes, struct arena *arena,
                            struct err *err)
{
    char path[PATH_BYTES], *bytes;
    size_t length;
    json_error_t why;
    TRY(path_join(path, out->folder, "dataset.json", err));
    TRY(file_read(&bytes, &length, path, JSON_BYTES, err));
    json_t *root = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, &why);
    free(bytes);
    if (!root)
        return fail_as(err, STATUS_BAD_DATA, "line %d of '%s': %s", why.line, path, why.text);
    int status = read_classes(classes, root, err) || read_training(out, root, arena, err);
    json_decref(root);
    return status ? wrap(err, "'%s'", path) : 0;
}

/* What scripts/fetch-data calls the folder; NULL: it does not know it. */
static const char *fetched_as(const char *folder)
{
    const char *slash = strrchr(folder, '/'), *name = slash ? slash + 1 : folder;
    return strcmp(name, "Task04_Hippocampus") == 0 ? name : NULL;
}

/* ---- all that lie in a folder --------------------------------------------------------------- */

static int read_folder(struct listing *out, struct arena *arena, struct err *err)
{
    char **names;
    size_t count = 0;
    if (folder_names(&names, &count, out->folder, arena, err)) {
        if (err->status != STATUS_MISSING)
            return -1;
        if (out->fetch)
            return missing_file("dataset.json", out->folder, out->fetch, err);
    }
    for (size_t i = 0; i < count; i++) {
        const char *name = names[i], *stem = volume_stem(name, arena);
        struct listed one = {.split = SPLIT_TRAIN, .label = -1, .image = name, .id = stem};
        if (strcmp(stem, name) == 0 || *name == '.')
            continue;
        if (!name_is_plain(name))
            return fail_as(err, STATUS_BAD_DATA, "'%s/%s': the name is not printable ASCII",
                           out->folder, name);
        listing_add(out, &one, arena);
    }
    if (!out->count)
        return fail_as(err, STATUS_MISSING,
                       "cannot find 'dataset.json' or a volume (.nii, .nii.gz, .hdr) in '%s'",
                       out->folder);
    return 0;
}

/* ---- lists ---------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
    const struct listed *x = a, *y = b;
    return strcmp(x->id, y->id);
}

/* A line is a case's name, with or without the file's ending. user: all cases, by id. */
static int add_line(struct listing *listing, struct listed *one, char *line, const void *user,
                    struct arena *arena, struct err *err)
{
    const struct listing *all = user;
    size_t length = strlen(line);
    while (length && (line[length - 1] == ' ' || line[length - 1] == '\t'))
        line[--length] = '\0';
    struct listed key = {.id = volume_stem(line, arena)};
    const struct listed *found = bsearch(&key, all->cases, all->count, sizeof *found, by_id);
    if (!found)
        return line_fail(err, listing, one->list, one->line,
                         "'%.200s' is no case of the data set, which has '%s' to '%s'", line,
                         all->cases[0].id, all->cases[all->count - 1].id);
    one->id = found->id;
    one->image = found->image;
    one->mask = found->mask;
    listing_add(listing, one, arena);
    return 0;
}

static int split_by_lists(struct listing *listing, struct arena *arena, struct err *err)
{
    static const char *const lists[] = {"train.txt", "val.txt", "test.txt"};
    const struct listing all = *listing;
    if (!there(all.folder, lists[SPLIT_TRAIN]))
        return 0;
    *listing = (struct listing){.folder = all.folder, .fetch = all.fetch};
    for (int split = 0; split < SPLITS; split++)
        if (there(all.folder, lists[split]))
            TRY(listing_split(listing, split, lists[split], add_line, &all, arena, err));
    return 0;
}

/* *classes gets the classes of the masks; both live in its arena. */
static int list_volumes(struct listing *out, struct collection *classes, const char *folder,
                        struct err *err)
{
    struct arena *arena = &classes->arena;
    *out = (struct listing){.folder = folder, .fetch = fetched_as(folder)};
    if (there(folder, "dataset.json"))
        TRY(read_description(out, classes, arena, err));
    else
        TRY(read_folder(out, arena, err));
    qsort(out->cases, out->count, sizeof *out->cases, by_id);
    TRY(listing_check(out, err));
    TRY(split_by_lists(out, arena, err));
    return listing_check(out, err);
}

/* ---- files for the recipe ------------------------------------------------------------------- */

struct files {
    const char **names, **paths;
    int count;
    const char *folder;
    struct arena *arena;
};

static int add_file(struct files *files, const char *name, struct err *err)
{
    char path[PATH_BYTES];
    TRY(path_join(path, files->folder, name, err));
    if (!file_exists(path))
        return missing_file(name, files->folder, fetched_as(files->folder), err);
    files->names[files->count] = arena_strdup(files->arena, name);
    files->paths[files->count++] = arena_strdup(files->arena, path);
    return 0;
}

/* The header of a pair brings its voxels along. */
static int add_volume(struct files *files, const char *name, struct err *err)
{
    TRY(add_file(files, name, err));
    size_t length = strlen(name), packed = ends_with(name, ".gz") ? 3 : 0;
    if (!ends_with(name, ".hdr") && !ends_with(name, ".hdr.gz"))
        return 0;
    char *voxels = arena_strdup(files->arena, name);
    memcpy(voxels + length - packed - 4, ".img", 4);
    return add_file(files, voxels, err);
}

int volumes_sources(const char ***names, const char ***paths, int *count, const char *folder,
                    struct arena *arena, struct err *err)
{
    struct collection classes = {0};
    struct listing listing;
    int status = list_volumes(&listing, &classes, folder, err);
    size_t most = 1 + (size_t)SPLITS + 4 * (size_t)listing.count;
    struct files files = {arena_alloc(arena, most * sizeof *files.names),
                          arena_alloc(arena, most * sizeof *files.paths), 0, folder, arena};
    if (!status && there(folder, "dataset.json"))
        status = add_file(&files, "dataset.json", err);
    for (int i = 0; !status && i < listing.list_count; i++)
        status = add_file(&files, listing.lists[i], err);
    for (uint32_t i = 0; !status && i < listing.count; i++) {
        status = add_volume(&files, listing.cases[i].image, err);
        if (!status && listing.cases[i].mask)
            status = add_volume(&files, listing.cases[i].mask, err);
    }
    *names = files.names;
    *paths = files.paths;
    *count = files.count;
    arena_free(&classes.arena);
    return status ? -1 : 0;
}

/* ---- one case ------------------------------------------------------------------------------- */

struct volumes {
    const struct listing *listing;
    struct volume_spec spec;
    struct voxel_grid grid;       /* of all cases, once they are prepared */
    const struct listed *pattern; /* the grid is this one's; NULL: nobody's */
    uint32_t classes;
    float *images;
    uint8_t *masks;
};

static int read_one(struct volume *out, struct outcome *outcome, const struct listing *listing,
                    const char *file, struct err *err)
{
    char path[PATH_BYTES];
    enum nifti_file at;
    outcome->hard = true;
    outcome->file = NULL;
    TRY(path_join(path, listing->folder, file, err));
    int status = nifti_read(out, &at, path, err);
    if (status && at == NIFTI_UNOPENED)
        return -1;
    outcome->hard = false;
    outcome->file = file;
    return status && at == NIFTI_SECOND ? wrap(err, "its voxels (.img)") : status;
}

static void corner_of(double out[3], const struct volume *volume, int corner)
{
    const int32_t last[3] = {volume->w - 1, volume->h - 1, volume->d - 1};
    for (int row = 0; row < 3; row++) {
        const double *m = volume->to_world[row];
        out[row] = m[3];
        for (int i = 0; i < 3; i++)
            out[row] += corner >> i & 1 ? m[i] * last[i] : 0;
    }
}

/* A mask covers the voxels of its image, and no others. */
static int check_place(const struct volume *mask, const struct volume *image,
                       const struct listed *one, struct err *err)
{
    if (mask->d != image->d || mask->h != image->h || mask->w != image->w)
        return fail_as(err, STATUS_BAD_DATA,
                       "%dx%dx%d voxels (w, h, d in RAS+), but its image '%s' has %dx%dx%d",
                       mask->w, mask->h, mask->d, one->image, image->w, image->h, image->d);
    const double *s = image->spacing;
    double most = 0.05 * fmin(s[0], fmin(s[1], s[2]));
    for (int corner = 0; corner < 8; corner++) {
        double a[3], b[3];
        corner_of(a, mask, corner);
        corner_of(b, image, corner);
        double distance = hypot(hypot(a[0] - b[0], a[1] - b[1]), a[2] - b[2]);
        if (!(distance <= most))
            return fail_as(err, STATUS_BAD_DATA,
                           "a corner lies %.3g mm from that of its image '%s': another sform, "
                           "qform or pixdim",
                           distance, one->image);
    }
    return 0;
}

static int classes_of(uint8_t *out, const struct volume *mask, uint32_t classes, struct err *err)
{
    size_t count = (size_t)mask->d * (size_t)mask->h * (size_t)mask->w;
    for (size_t i = 0; i < count; i++) {
        float value = mask->voxels[i];
        if (!(value >= 0 && value < (float)classes) || value != floorf(value)) {
            size_t w = (size_t)mask->w, h = (size_t)mask->h;
            return fail_as(err, STATUS_BAD_DATA,
                           "voxel (%zu, %zu, %zu) (w, h, d in RAS+) is %g; a class from 0 to %u "
                           "expected",
                           i % w, i / w % h, i / w / h, (double)value, classes - 1);
        }
        out[i] = (uint8_t)value;
    }
    return 0;
}

/* From the grid of its image, which was not prepared yet, to that of all. */
static int put_mask(uint8_t *out, const struct volumes *v, const struct volume *mask,
                    const struct voxel_grid *from, struct err *err)
{
    struct voxel_grid to = *from;
    const uint8_t background = 0;
    size_t count = (size_t)mask->d * (size_t)mask->h * (size_t)mask->w;
    uint8_t *classes = xmalloc(count), *respaced = NULL;
    int status = classes_of(classes, mask, v->classes, err);
    if (!status && v->spec.spacing[0] > 0)
        status = grid_respace(&to, from, v->spec.spacing, err);
    if (!status) {
        respaced = xmalloc((size_t)to.size[0] * (size_t)to.size[1] * (size_t)to.size[2]);
        grid_nearest(respaced, &to, classes, from);
        grid_place(out, v->grid.size, respaced, to.size, &background, 1);
    }
    free(classes);
    free(respaced);
    return status;
}

/* Without a size or a spacing all have those of the first. */
static int check_grid(struct outcome *outcome, const struct volumes *v, const struct volume *volume,
                      struct err *err)
{
    const struct voxel_grid *all = &v->grid, own = volume_grid(volume);
    for (int i = 0; v->pattern && i < 3; i++) {
        outcome->hard = true;
        if (fabs(own.spacing[i] - all->spacing[i]) > 1e-3)
            return fail_as(err, STATUS_BAD_DATA,
                           "a spacing of %.4gx%.4gx%.4g mm (d, h, w), but '%s' has "
                           "%.4gx%.4gx%.4g; preprocess.spacing brings volumes to one",
                           own.spacing[0], own.spacing[1], own.spacing[2], v->pattern->image,
                           all->spacing[0], all->spacing[1], all->spacing[2]);
        if (own.size[i] != all->size[i])
            return fail_as(err, STATUS_BAD_DATA,
                           "%dx%dx%d voxels (d, h, w), but '%s' has %dx%dx%d; preprocess.size "
                           "brings volumes to one",
                           own.size[0], own.size[1], own.size[2], v->pattern->image, all->size[0],
                           all->size[1], all->size[2]);
    }
    outcome->hard = false;
    return 0;
}

static int put_image(struct outcome *outcome, float *out, const struct volumes *v,
                     struct volume *image, const struct listed *one, struct err *err)
{
    outcome->file = one->image;
    outcome->pixels = volume_hash(image->d, image->h, image->w, image->voxels);
    memcpy(outcome->size, volume_grid(image).size, sizeof outcome->size);
    TRY(volume_prepare(image, &v->spec, err));
    TRY(check_grid(outcome, v, image, err));
    size_t count = (size_t)image->d * (size_t)image->h * (size_t)image->w;
    memcpy(out, image->voxels, count * sizeof *out);
    return 0;
}

static int decode_case(struct outcome *outcome, uint32_t index, const void *user, struct err *err)
{
    const struct volumes *v = user;
    const struct listed *one = &v->listing->cases[index];
    const int32_t *size = v->grid.size;
    size_t voxels = (size_t)size[0] * (size_t)size[1] * (size_t)size[2];
    struct volume image = {0}, mask = {0};
    int status = read_one(&image, outcome, v->listing, one->image, err);
    struct voxel_grid grid = volume_grid(&image);
    if (!status && one->mask)
        status = read_one(&mask, outcome, v->listing, one->mask, err) ||
                 check_place(&mask, &image, one, err) ||
                 put_mask(v->masks + index * voxels, v, &mask, &grid, err);
    if (!status)
        status = put_image(outcome, v->images + index * voxels, v, &image, one, err);
    volume_free(&image);
    volume_free(&mask);
    return status ? -1 : 0;
}

/* ---- all ------------------------------------------------------------------------------------ */

/* Spacings in a file are float: 0.99999994 is meant to be 1. */
static double rounded(double spacing)
{
    return round(1e6 * spacing) / 1e6;
}

/* What the files leave open is as in the first image that can be read; if none can, anything: what
 * is wrong with the first comes out on the way. */
static void find_grid(struct volumes *v, bool skip_bad)
{
    const struct volume_spec *spec = &v->spec;
    bool sized = spec->size[0] > 0, spaced = spec->spacing[0] > 0;
    v->grid = (struct voxel_grid){{1, 1, 1}, {1, 1, 1}};
    for (int i = 0; i < 3; i++) {
        v->grid.size[i] = sized ? spec->size[i] : 1;
        v->grid.spacing[i] = spaced ? spec->spacing[i] : 1;
    }
    for (uint32_t i = 0; !(sized && spaced) && !v->pattern && i < v->listing->count; i++) {
        struct volume image = {0};
        struct outcome outcome = {0};
        struct err err;
        const struct listed *one = &v->listing->cases[i];
        bool bad = read_one(&image, &outcome, v->listing, one->image, &err) ||
                   volume_prepare(&image, spec, &err);
        if (!bad) {
            v->pattern = one;
            v->grid = volume_grid(&image);
            for (int k = 0; k < 3; k++)
                v->grid.spacing[k] = rounded(v->grid.spacing[k]);
        }
        volume_free(&image);
        if (bad && (outcome.hard || !skip_bad))
            return;
    }
}

static int read_listing(struct collection *out, const struct listing *listing,
                        const struct volume_spec *spec, bool skip_bad, struct err *err)
{
    struct volumes v = {.listing = listing, .spec = *spec, .classes = out->mask_class_count};
    find_grid(&v, skip_bad);
    const int32_t *size = v.grid.size;
    size_t voxels = (size_t)size[0] * (size_t)size[1] * (size_t)size[2];
    v.images = arena_alloc(&out->arena, listing->count * voxels * sizeof *v.images);
    v.masks = v.classes ? arena_alloc(&out->arena, listing->count * voxels) : NULL;
    out->d = size[0];
    out->h = size[1];
    out->w = size[2];
    out->c = 1;
    out->pixel = PIXEL_F32;
    memcpy(out->spacing, v.grid.spacing, sizeof out->spacing);
    const struct decoding how = {.skip_bad = skip_bad,
                                 .decode = decode_case,
                                 .user = &v,
                                 .images = v.images,
                                 .masks = v.masks};
    return listing_decode(out, listing, &how, err);
}

int volumes_read(struct collection *out, const char *folder, const struct volume_spec *spec,
                 bool skip_bad, struct err *err)
{
    *out = (struct collection){0};
    struct listing listing;
    if (!list_volumes(&listing, out, folder, err) &&
        !read_listing(out, &listing, spec, skip_bad, err))
        return 0;
    collection_free(out);
    return -1;
}
