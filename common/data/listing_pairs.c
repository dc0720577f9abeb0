/* Images and masks with matching names: how folder.c and npy.c find them (listing.h). */
#include "data/listing.h"

#include "base/file.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

/* What the add_* functions need besides a name. */
struct layout {
    const struct pair_keys *keys;
    const struct file_kind *kind;
    const struct mask_values *values;
    const char *image_folder, *mask_folder; /* their names there: "Train/images"; "" */
    struct names images, masks;             /* their contents */
};

/* ---- configuration -------------------------------------------------------------------------- */

static int check_keys(const struct pair_keys *keys, struct err *err)
{
    const char *const folders[] = {keys->images, keys->masks, keys->val_masks, keys->test_masks};
    for (int i = 0; i < 4; i++)
        if ((!*folders[i] && i < 2) || !text_is_plain(folders[i]))
            return fail_as(err, STATUS_CONFIG, "'%s' is not a valid folder name", folders[i]);
    if (!text_is_plain(keys->mask_suffix))
        return fail_as(err, STATUS_CONFIG, "'%s' is not a valid file name suffix",
                       keys->mask_suffix);
    TRY(class_names_check(keys->class_names.items, keys->class_names.count, STATUS_CONFIG, err));
    if (keys->void_value && (uint64_t)keys->void_value < keys->class_names.count)
        return fail_as(err, STATUS_CONFIG, "void: %d is already the number of class '%s'",
                       (int)keys->void_value, keys->class_names.items[keys->void_value]);
    return 0;
}

static const struct mask_values *values_of(const struct pair_keys *keys, struct arena *arena)
{
    bool binary = keys->class_names.count == 2 && keys->void_value != 255;
    const char *classes = binary ? "0 and 1, or 0 and 255"
                                 : arena_printf(arena, "0 to %zu", keys->class_names.count - 1);
    const char *also = keys->void_value ? arena_printf(arena, "%d for void", (int)keys->void_value)
                                        : "the value of source.void";
    struct mask_values *values =
        mask_values_new(arena, arena_printf(arena, "%s, or %s", classes, also));
    for (size_t i = 0; i < keys->class_names.count; i++)
        values->becomes[i] = (int16_t)i;
    if (binary)
        values->becomes[255] = 1;
    if (keys->void_value)
        values->becomes[keys->void_value] = MASK_IGNORE;
    values->binary = binary;
    return values;
}

/* ---- files ---------------------------------------------------------------------------------- */

/* "Train/images", without empty parts. */
static const char *join(const char *folder, const char *name, struct arena *arena)
{
    if (!*folder || strcmp(name, ".") == 0)
        return *folder ? folder : strcmp(name, ".") == 0 ? "" : name;
    return arena_printf(arena, "%s/%s", folder, name);
}

static int open_one(const char **out, struct names *names, const struct listing *listing,
                    const char *wanted, struct arena *arena, struct err *err)
{
    TRY(path_find(out, listing->folder, wanted, arena, err));
    if (!*out)
        return missing_file(wanted, listing->folder, NULL, err);
    return names_read_files(names, listing->folder, *out, arena, err);
}

/* The mask folder of its own that a split has, if it may; "": none. */
static const char *own_masks(const struct pair_keys *keys, int split)
{
    return split == SPLIT_VAL ? keys->val_masks : split == SPLIT_TEST ? keys->test_masks : "";
}

/* A mask folder for one split must be inside that split's folder. */
static int check_own_masks(const struct pair_keys *keys, const struct parting *parting,
                           const char *folder, struct err *err)
{
    for (int split = 0; split < SPLITS; split++)
        if (*own_masks(keys, split) && (parting->lists || !parting->folder[split]))
            return fail_as(err, STATUS_CONFIG, "%s_masks: '%s' has no split folder '%s'",
                           split_names[split], folder, split == SPLIT_VAL ? "Val" : "Test");
    return 0;
}

/* split_folder "": no split folders. */
static int open_folders(struct layout *layout, const struct listing *listing, enum split split,
                        const char *split_folder, struct arena *arena, struct err *err)
{
    const struct pair_keys *keys = layout->keys;
    const char *own = *split_folder ? own_masks(keys, split) : "";
    TRY(open_one(&layout->image_folder, &layout->images, listing,
                 join(split_folder, keys->images, arena), arena, err));
    return open_one(&layout->mask_folder, &layout->masks, listing,
                    join(split_folder, *own ? own : keys->masks, arena), arena, err);
}

/* The name itself if it has an ending, else the first existing NAME.png, ... */
static const char *find_image(const struct layout *layout, const char *name, struct arena *arena)
{
    const char *found = NULL;
    if (file_ending(layout->kind, name))
        return names_find(&layout->images, name);
    for (const char *const *ending = layout->kind->endings; *ending && !found; ending++)
        found = names_find(&layout->images, arena_printf(arena, "%s%s", name, *ending));
    return found;
}

static const char *mask_name(const struct layout *layout, const char *stem, struct arena *arena)
{
    return arena_printf(arena, "%s%s%s", stem, layout->keys->mask_suffix,
                        layout->kind->mask_ending);
}

/* "x[.png|.jpg|.jpeg]" */
static const char *any_ending(const struct file_kind *kind, const char *name, struct arena *arena)
{
    const char *all = arena_printf(arena, "%s[%s", name, kind->endings[0]);
    for (const char *const *ending = kind->endings + 1; *ending; ending++)
        all = arena_printf(arena, "%s|%s", all, *ending);
    return arena_printf(arena, "%s]", all);
}

/* Missing files keep the names they should have: opening them reports the error. */
static void add_pair(struct listing *listing, struct listed *one, const char *name,
                     const struct layout *layout, struct arena *arena)
{
    const char *image = find_image(layout, name, arena);
    if (image && one->line) /* by the file's name: two spellings in lists are one case */
        one->id = file_stem(layout->kind, image, arena);
    const char *wanted = mask_name(layout, file_stem(layout->kind, name, arena), arena);
    const char *mask = names_find(&layout->masks, wanted);
    if (!image)
        image = file_ending(layout->kind, name) ? name : any_ending(layout->kind, name, arena);
    one->image = join(layout->image_folder, image, arena);
    one->mask = join(layout->mask_folder, mask ? mask : wanted, arena);
    one->values = layout->values;
    listing_add(listing, one, arena);
}

static int add_line(struct listing *listing, struct listed *one, char *line, const void *user,
                    struct arena *arena, struct err *err)
{
    const struct layout *layout = user;
    line = line_name(line);
    if (!name_is_plain(line))
        return line_fail(err, listing, one->list, one->line, "'%.200s' is not a valid file name",
                         name_shown(line, arena));
    one->id = file_stem(layout->kind, line, arena);
    add_pair(listing, one, line, layout, arena);
    return 0;
}

/* ---- all images in a folder ----------------------------------------------------------------- */

static int by_image(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A mask among the images, not an image itself, for which a mask would be missing. */
static bool is_mask(const struct layout *layout, const char *name, struct arena *arena)
{
    const char *suffix = layout->keys->mask_suffix, *stem = file_stem(layout->kind, name, arena);
    return *suffix && strcmp(layout->image_folder, layout->mask_folder) == 0 &&
           ends_like(stem, suffix) && !names_find(&layout->masks, mask_name(layout, stem, arena));
}

/* All except those already listed; prefix: of ids. */
static int add_all(struct listing *listing, enum split split, const char *prefix,
                   const struct layout *layout, struct arena *arena, struct err *err)
{
    const struct names *names = &layout->images;
    uint32_t listed = listing->count;
    const char **taken = arena_alloc(arena, listed * sizeof *taken);
    for (uint32_t i = 0; i < listed; i++)
        taken[i] = listing->cases[i].image;
    if (listed)
        qsort(taken, listed, sizeof *taken, by_image);
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->items[i], *path = join(layout->image_folder, name, arena);
        struct listed one = {.split = split, .label = -1, .list = layout->image_folder};
        if (!file_ending(layout->kind, name) || is_mask(layout, name, arena) ||
            (listed && bsearch(&path, taken, listed, sizeof *taken, by_image)))
            continue;
        if (!name_is_plain(name))
            return fail_as(err, STATUS_BAD_DATA, "'%s/%s': the name is not plain text in UTF-8",
                           listing->folder, name_shown(path, arena));
        one.id = arena_printf(arena, "%s%s", prefix, file_stem(layout->kind, name, arena));
        add_pair(listing, &one, name, layout, arena);
    }
    return 0;
}

static int add_folder(struct listing *listing, enum split split, const char *split_folder,
                      struct layout *layout, struct arena *arena, struct err *err)
{
    uint32_t before = listing->count;
    TRY(open_folders(layout, listing, split, split_folder, arena, err));
    TRY(add_all(listing, split, arena_printf(arena, "%s-", split_names[split]), layout, arena,
                err));
    if (listing->count == before)
        return fail_as(err, STATUS_BAD_DATA, "'%s/%s' contains no %s", listing->folder,
                       layout->image_folder, layout->kind->called);
    return 0;
}

/* ---- both ----------------------------------------------------------------------------------- */

/* If no list names them, the rest, or all, are for training. */
static int add_rest(struct listing *listing, const struct parting *parting,
                    const struct layout *layout, struct arena *arena, struct err *err)
{
    uint32_t before = listing->count;
    TRY(parting_check_rest(parting, listing->folder, err));
    TRY(add_all(listing, SPLIT_TRAIN, "", layout, arena, err));
    if (listing->count == before)
        return fail_as(err, STATUS_MISSING,
                       "cannot find 'train.txt', a folder 'Train', or a %s to train on in '%s/%s'",
                       layout->kind->called, listing->folder, layout->image_folder);
    return 0;
}

static int add_lists(struct listing *out, const struct parting *parting, struct layout *layout,
                     struct arena *arena, struct err *err)
{
    if (parting->folders && !parting->list[SPLIT_TRAIN])
        return fail_as(err, STATUS_BAD_DATA,
                       "'%s' has both lists and folders of splits, but no list for training",
                       out->folder);
    TRY(open_folders(layout, out, SPLIT_TRAIN, "", arena, err));
    for (int split = 0; split < SPLITS; split++)
        if (parting->list[split])
            TRY(listing_split(out, split, parting->list[split], add_line, layout, arena, err));
    return parting->list[SPLIT_TRAIN] ? 0 : add_rest(out, parting, layout, arena, err);
}

static int add_folders(struct listing *out, const struct parting *parting, struct layout *layout,
                       struct arena *arena, struct err *err)
{
    if (!parting->folder[SPLIT_TRAIN])
        return fail_as(err, STATUS_MISSING,
                       "cannot find 'train.txt' or a folder 'Train' in '%s', which has '%s'",
                       out->folder,
                       parting->folder[parting->folder[SPLIT_VAL] ? SPLIT_VAL : SPLIT_TEST]);
    TRY(parting_check_rest(parting, out->folder, err));
    for (int split = 0; split < SPLITS; split++)
        if (parting->folder[split])
            TRY(add_folder(out, split, parting->folder[split], layout, arena, err));
    return 0;
}

int pairs_list(struct listing *out, struct collection *classes, const char *folder,
               const struct pair_keys *keys, const struct file_kind *kind, struct err *err)
{
    struct arena *arena = &classes->arena;
    TRY(check_keys(keys, err));
    classes->mask_class_count = (uint32_t)keys->class_names.count;
    classes->mask_classes =
        arena_alloc(arena, keys->class_names.count * sizeof *classes->mask_classes);
    for (size_t i = 0; i < keys->class_names.count; i++)
        classes->mask_classes[i] = arena_strdup(arena, keys->class_names.items[i]);
    *out = (struct listing){.folder = folder, .kind = kind};
    struct layout layout = {.keys = keys, .kind = kind, .values = values_of(keys, arena)};
    struct parting parting;
    if (*keys->mask_suffix && strcmp(keys->images, keys->masks) == 0)
        out->mask_suffix = keys->mask_suffix;
    TRY(parting_find(&parting, folder, keys->images, arena, err));
    TRY(check_own_masks(keys, &parting, folder, err));
    if (!parting.lists && parting.folders)
        TRY(add_folders(out, &parting, &layout, arena, err));
    else
        TRY(add_lists(out, &parting, &layout, arena, err));
    return listing_check(out, err);
}
