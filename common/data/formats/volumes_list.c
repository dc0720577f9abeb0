/*
 * A folder of NIfTI-1 volumes (nifti.h), f32 [d,h,w,1]: those listed in FOLDER/dataset.json, with
 * masks, as in the Medical Segmentation Decathlon (http://medicaldecathlon.com/): "labels" {"0":
 * "background", ...}, "training" [{"image": "./imagesTr/X.nii.gz", "label": ...}, ...] (its "test"
 * has no masks and is ignored); or as in nnU-Net since version 2: "labels" {"background": 0, ...,
 * "ignore": n}, "file_ending" ".nii.gz", imagesTr/X_0000.nii.gz and labelsTr/X.nii.gz; or all
 * volumes in FOLDER, without masks. A case is named as its image, without folder and ending.
 * FOLDER/train.txt, val.txt and test.txt list such names, with or without the ending, and define
 * the splits; cases in none of them are left out, or used for training if there is no train.txt.
 *
 * A mask has the voxels of its image and is brought to spacing and size with it: nearest, and 0
 * where there was nothing. Without a spacing the files must agree to a part in a thousand, without
 * a size exactly.
 */
#include "data/formats/formats.h"

#include "base/file.h"
#include "base/text.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { JSON_BYTES = 1 << 26 };
static const char description[] = "dataset.json";

static bool there(const char *folder, const char *name)
{
    char path[PATH_BYTES];
    struct err err;
    return !path_join(path, folder, name, &err) && file_exists(path);
}

/* The header of a pair implies its voxel file. */
static const struct file_kind headers = {{".nii", ".nii.gz", ".hdr", ".hdr.gz"}, NULL, "volume"};

/* ---- dataset.json: classes ------------------------------------------------------------------ */

struct labels {
    const char *names[MASK_IGNORE + 1]; /* by number */
    size_t count;
    int ignore;
};

/* A class {"1": "liver"}, as the Decathlon writes it, or {"liver": 1}, as nnU-Net does. */
static int add_label(struct labels *out, const char *key, const json_t *value, struct err *err)
{
    bool by_number = json_is_string(value);
    const char *name = by_number ? json_string_value(value) : key;
    char *end = NULL;
    long long number = by_number ? strtoll(key, &end, 10) : json_integer_value(value);
    bool good = by_number ? *key >= '0' && *key <= '9' && !*end : json_is_integer(value);
    if (json_is_array(value))
        return fail_as(err, STATUS_BAD_DATA,
                       "'labels': '%.100s' is a region of several classes, which is not supported",
                       key);
    if (!good || number < 0 || number > MASK_IGNORE)
        return fail_as(err, STATUS_BAD_DATA,
                       "'labels': '%.100s' is not a class name with a number from 0 to %d", key,
                       MASK_IGNORE);
    if (strcmp(name, "ignore") == 0) {
        out->ignore = (int)number;
        return 0;
    }
    if (out->names[number])
        return fail_as(err, STATUS_BAD_DATA, "'labels': '%.100s' and '%.100s' are both class %lld",
                       out->names[number], name, number);
    out->names[number] = name;
    out->count++;
    return 0;
}

static int read_classes(struct collection *out, int *ignore, json_t *root, struct err *err)
{
    json_t *map = json_object_get(root, "labels"), *value;
    const char *key;
    struct labels labels = {.ignore = -1};
    if (!json_is_object(map) || json_object_size(map) > MASK_IGNORE)
        return fail_as(err, STATUS_BAD_DATA,
                       "'labels' is not a map of class numbers to the names of 2 to %d classes, or "
                       "of names to numbers",
                       MASK_IGNORE);
    json_object_foreach(map, key, value) TRY(add_label(&labels, key, value, err));
    out->mask_class_count = (uint32_t)labels.count;
    out->mask_classes = arena_alloc(&out->arena, labels.count * sizeof *out->mask_classes);
    for (size_t i = 0; i < labels.count; i++) {
        if (!labels.names[i])
            return fail_as(err, STATUS_BAD_DATA, "'labels' has no name for class %zu of %zu", i,
                           labels.count);
        out->mask_classes[i] = arena_strdup(&out->arena, labels.names[i]);
    }
    *ignore = labels.ignore;
    return class_names_check(out->mask_classes, labels.count, STATUS_BAD_DATA, err);
}

/* ---- dataset.json: cases -------------------------------------------------------------------- */

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

/* nnU-Net lists x.nii.gz for x_0000.nii.gz, the first of its channels. */
static const char *first_channel(const struct listing *listing, const char *image,
                                 struct arena *arena)
{
    const char *ending = image + strlen(image) - volume_ending(image);
    const char *channel = arena_printf(arena, "%.*s_0000%s", (int)(ending - image), image, ending);
    return !there(listing->folder, image) && there(listing->folder, channel) ? channel : image;
}

static int read_training(struct listing *out, const json_t *list, struct arena *arena,
                         struct err *err)
{
    if (!json_is_array(list) || !json_array_size(list))
        return fail_as(err, STATUS_BAD_DATA, "'training' is not a list of images and labels");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        struct listed listed = {.split = SPLIT_TRAIN, .label = -1};
        TRY(read_path(&listed.image, one, "image", i, arena, err));
        TRY(read_path(&listed.mask, one, "label", i, arena, err));
        listed.id = volume_stem(listed.image, arena);
        listed.image = first_channel(out, listed.image, arena);
        listing_add(out, &listed, arena);
    }
    return 0;
}

/* nnU-Net since version 2: labelsTr/CASE and imagesTr/CASE_0000, with the same ending. */
static int read_nnunet(struct listing *out, const char *ending, struct arena *arena,
                       struct err *err)
{
    struct names labels;
    size_t most = strlen(ending);
    if (file_ending(&headers, arena_printf(arena, "x%s", ending)) != most)
        return fail_as(err, STATUS_BAD_DATA,
                       "'file_ending' is '%.40s'; .nii.gz, .nii or .hdr expected", ending);
    TRY(names_read_files(&labels, out->folder, "labelsTr", arena, err));
    for (size_t i = 0; i < labels.count; i++) {
        const char *name = labels.items[i];
        if (!ends_with(name, ending))
            continue;
        if (!name_is_plain(name))
            return fail_as(err, STATUS_BAD_DATA,
                           "'labelsTr/%s': the name is not plain text in "
                           "UTF-8",
                           name_shown(name, arena));
        struct listed one = {.split = SPLIT_TRAIN, .label = -1, .list = "labelsTr"};
        one.id = arena_strndup(arena, name, strlen(name) - most);
        one.image = arena_printf(arena, "imagesTr/%s_0000%s", one.id, ending);
        one.mask = arena_printf(arena, "labelsTr/%s", name);
        listing_add(out, &one, arena);
    }
    return out->count ? 0 : fail_as(err, STATUS_BAD_DATA, "no mask '*%s' in 'labelsTr'", ending);
}

static int read_cases(struct listing *out, const json_t *root, struct arena *arena, struct err *err)
{
    static const char *const keys[] = {"channel_names", "modality"};
    const json_t *training = json_object_get(root, "training");
    const char *ending = json_string_value(json_object_get(root, "file_ending"));
    for (int i = 0; i < 2; i++) {
        const json_t *channels = json_object_get(root, keys[i]);
        if (json_is_object(channels) && json_object_size(channels) > 1)
            return fail_as(err, STATUS_BAD_DATA,
                           "'%s' has %zu channels; only volumes with one are read", keys[i],
                           json_object_size(channels));
    }
    return !training && ending ? read_nnunet(out, ending, arena, err)
                               : read_training(out, training, arena, err);
}

static int read_description(struct listing *out, struct collection *classes, struct err *err)
{
    static const char mark[] = "\xEF\xBB\xBF";
    char path[PATH_BYTES], *bytes;
    size_t length;
    json_error_t why;
    TRY(path_join(path, out->folder, description, err));
    TRY(file_read(&bytes, &length, path, JSON_BYTES, err));
    size_t skipped = starts_with(bytes, mark) ? strlen(mark) : 0;
    json_t *root = json_loadb(bytes + skipped, length - skipped, JSON_REJECT_DUPLICATES, &why);
    free(bytes);
    if (!root)
        return fail_as(err, STATUS_BAD_DATA, "line %d of '%s': %s", why.line, path, why.text);
    int status = read_classes(classes, &out->ignore, root, err) ||
                 read_cases(out, root, &classes->arena, err);
    json_decref(root);
    return status ? wrap(err, "'%s'", path) : 0;
}

/* The folder's name in scripts/fetch-data; NULL: unknown there. */
static const char *fetched_as(const char *folder)
{
    const char *slash = strrchr(folder, '/'), *name = slash ? slash + 1 : folder;
    return strcmp(name, "Task04_Hippocampus") == 0 ? name : NULL;
}

/* ---- all volumes in a folder ---------------------------------------------------------------- */

static int read_folder(struct listing *out, struct arena *arena, struct err *err)
{
    struct names names = {0};
    if (!there(out->folder, "") && out->fetch)
        return missing_file(description, out->folder, out->fetch, err);
    if (there(out->folder, ""))
        TRY(names_read_files(&names, out->folder, "", arena, err));
    for (size_t i = 0; i < names.count; i++) {
        const char *name = names.items[i];
        struct listed one = {.split = SPLIT_TRAIN, .label = -1, .image = name};
        if (!file_ending(&headers, name))
            continue;
        if (!name_is_plain(name))
            return fail_as(err, STATUS_BAD_DATA, "'%s/%s': the name is not plain text in UTF-8",
                           out->folder, name_shown(name, arena));
        one.id = volume_stem(name, arena);
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

/* The case with this id, else the only one that differs from it only in the case of letters. */
static const struct listed *find_case(const struct listing *all, const char *id)
{
    const struct listed key = {.id = id}, *like = NULL;
    const struct listed *found = bsearch(&key, all->cases, all->count, sizeof *found, by_id);
    for (uint32_t i = 0; !found && i < all->count; i++)
        if (strcasecmp(all->cases[i].id, id) == 0) {
            if (like)
                return NULL;
            like = &all->cases[i];
        }
    return found ? found : like;
}

/* A line is a case's name, with or without the file's ending. user: all cases, sorted by id. */
static int add_line(struct listing *listing, struct listed *one, char *line, const void *user,
                    struct arena *arena, struct err *err)
{
    const struct listing *all = user;
    line = line_name(line);
    const struct listed *found = find_case(all, volume_stem(line, arena));
    if (!found)
        return line_fail(err, listing, one->list, one->line,
                         "'%.200s' is not a case of the data set, which has '%s' to '%s'%s", line,
                         all->cases[0].id, all->cases[all->count - 1].id,
                         name_spelling(line, arena));
    one->id = found->id;
    one->image = found->image;
    one->mask = found->mask;
    listing_add(listing, one, arena);
    return 0;
}

/* Cases that no list names are for training. */
static void add_rest(struct listing *listing, const struct listing *all, struct arena *arena)
{
    uint32_t count = listing->count;
    struct listed *listed = arena_alloc(arena, count * sizeof *listed);
    memcpy(listed, listing->cases, count * sizeof *listed);
    qsort(listed, count, sizeof *listed, by_id);
    for (uint32_t i = 0; i < all->count; i++)
        if (!bsearch(&all->cases[i], listed, count, sizeof *listed, by_id)) {
            struct listed one = all->cases[i];
            one.list = description;
            listing_add(listing, &one, arena);
        }
}

static int split_by_lists(struct listing *listing, struct arena *arena, struct err *err)
{
    const struct listing all = *listing;
    struct parting parting;
    TRY(parting_find(&parting, all.folder, NULL, arena, err));
    if (!parting.list[SPLIT_TRAIN])
        TRY(parting_check_rest(&parting, all.folder, err));
    if (!parting.lists)
        return 0;
    listing->cases = NULL;
    listing->count = 0;
    for (int split = 0; split < SPLITS; split++)
        if (parting.list[split])
            TRY(listing_split(listing, split, parting.list[split], add_line, &all, arena, err));
    TRY(listing_check(listing, err));
    if (!parting.list[SPLIT_TRAIN])
        add_rest(listing, &all, arena);
    return 0;
}

/* ---- the format ----------------------------------------------------------------------------- */

/* The .img of a .hdr; NULL: not a pair. */
static const char *voxels_of(const char *name, struct arena *arena)
{
    char path[PATH_BYTES];
    return volume_other(path, name, ".hdr", ".img") ? arena_strdup(arena, path) : NULL;
}

static int read_volume(struct channels *out, enum nifti_file *at, bool mask,
                       const struct listing *listing, const char *path, struct err *err)
{
    (void)mask, (void)listing;
    *out = (struct channels){xcalloc(1, sizeof *out->items), 1};
    return nifti_read(out->items, at, path, err);
}

static struct content content(const void *own)
{
    (void)own;
    return (struct content){.numbers = true, .axes = 3, .spaced = true};
}

static int list_volumes(struct listing *out, struct collection *classes, const char *folder,
                        const void *own, struct err *err)
{
    struct arena *arena = &classes->arena;
    (void)own;
    *out = (struct listing){.folder = folder,
                            .fetch = fetched_as(folder),
                            .volume = read_volume,
                            .ignore = -1,
                            .spaced = true,
                            .order = "w, h, d in RAS+",
                            .kind = &headers,
                            .second = voxels_of};
    if (there(folder, description)) {
        out->description = description;
        TRY(read_description(out, classes, err));
    } else {
        TRY(read_folder(out, arena, err));
    }
    qsort(out->cases, out->count, sizeof *out->cases, by_id);
    TRY(listing_check(out, err));
    return split_by_lists(out, arena, err);
}

const struct format nifti_format = {
    .keys = {"nifti", "volumes, laid out as in the Medical Segmentation Decathlon or nnU-Net"},
    .content = content,
    .list = list_volumes,
    .decode = volumes_decode,
};
