#include "data/listing.h"

#include "base/file.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static const char *const endings[] = {".png", ".jpg", ".jpeg"};

/* What add_* need beside a name. */
struct layout {
    const struct folder_spec *spec;
    const struct mask_values *values;
    const char *split_folder; /* "Train"; "": lists say the splits */
};

/* ---- the description ------------------------------------------------------------------------ */

static bool is_path(const char *text)
{
    for (const char *p = text; *p; p++)
        if (*p < ' ' || *p > '~')
            return false;
    return *text;
}

int class_names_check(const char *const *names, size_t count, enum status status, struct err *err)
{
    if (count < 2 || count > MASK_IGNORE)
        return fail_as(err, status, "%zu classes in the masks, expected 2 to %d", count,
                       MASK_IGNORE);
    for (size_t i = 0; i < count; i++) {
        if (!is_path(names[i]) || strpbrk(names[i], "/,\"") || strcmp(names[i], "ignore") == 0)
            return fail_as(err, status, "class '%s' cannot be called so", names[i]);
        for (size_t j = 0; j < i; j++)
            if (strcmp(names[i], names[j]) == 0)
                return fail_as(err, status, "two classes are called '%s'", names[i]);
    }
    return 0;
}

static int check_spec(const struct folder_spec *spec, struct err *err)
{
    if (!is_path(spec->images) || !is_path(spec->masks))
        return fail_as(err, STATUS_CONFIG, "'%s' is no folder's name",
                       is_path(spec->images) ? spec->masks : spec->images);
    if (*spec->mask_suffix && !is_path(spec->mask_suffix))
        return fail_as(err, STATUS_CONFIG, "'%s' is no end of a file's name", spec->mask_suffix);
    TRY(class_names_check(spec->classes, spec->class_count, STATUS_CONFIG, err));
    if (spec->void_value && (size_t)spec->void_value < spec->class_count)
        return fail_as(err, STATUS_CONFIG, "void: %d is the number of class '%s'", spec->void_value,
                       spec->classes[spec->void_value]);
    return 0;
}

static const struct mask_values *values_of(const struct folder_spec *spec, struct arena *arena)
{
    bool binary = spec->class_count == 2 && spec->void_value != 255;
    const char *classes =
        binary ? "0 and 1, or 0 and 255" : arena_printf(arena, "0 to %zu", spec->class_count - 1);
    const char *also = spec->void_value ? arena_printf(arena, "%d for void", spec->void_value)
                                        : "a value that source.void names";
    struct mask_values *values =
        mask_values_new(arena, arena_printf(arena, "%s, or %s", classes, also));
    for (size_t i = 0; i < spec->class_count; i++)
        values->becomes[i] = (int16_t)i;
    if (binary)
        values->becomes[255] = 1;
    if (spec->void_value)
        values->becomes[spec->void_value] = MASK_IGNORE;
    values->binary = binary;
    return values;
}

/* ---- files ---------------------------------------------------------------------------------- */

static bool there(const struct listing *listing, const char *name)
{
    char path[PATH_BYTES];
    struct err err;
    return !path_join(path, listing->folder, name, &err) && file_exists(path);
}

/* "Train/images/NAME", without the parts that say nothing. */
static const char *path_in(const struct layout *layout, const char *folder, const char *name,
                           struct arena *arena)
{
    bool split = *layout->split_folder, own = strcmp(folder, ".") != 0;
    return arena_printf(arena, "%s%s%s%s%s", layout->split_folder, split ? "/" : "",
                        own ? folder : "", own ? "/" : "", name);
}

/* base as it is if `whole`, else the first of base.png, ... that is there; NULL: none is. */
static const char *find_picture(const struct listing *listing, const char *base, bool whole,
                                struct arena *arena)
{
    if (whole)
        return there(listing, base) ? base : NULL;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        const char *name = arena_printf(arena, "%s%s", base, endings[i]);
        if (there(listing, name))
            return name;
    }
    return NULL;
}

static int add_picture(struct listing *listing, struct listed *one, const char *name,
                       const struct layout *layout, struct arena *arena, struct err *err)
{
    const struct folder_spec *spec = layout->spec;
    const char *stem = picture_stem(name, arena);
    const char *base = path_in(layout, spec->images, name, arena);
    bool whole = strcmp(stem, name) != 0;
    one->image = find_picture(listing, base, whole, arena);
    if (!one->image)
        return missing_file(arena_printf(arena, "%s%s", base, whole ? "" : "[.png|.jpg|.jpeg]"),
                            listing->folder, NULL, err);
    one->mask = path_in(layout, spec->masks,
                        arena_printf(arena, "%s%s.png", stem, spec->mask_suffix), arena);
    one->values = layout->values;
    listing_add(listing, one, arena);
    return 0;
}

static int add_line(struct listing *listing, struct listed *one, char *line, const void *user,
                    struct arena *arena, struct err *err)
{
    size_t length = strlen(line);
    while (length && (line[length - 1] == ' ' || line[length - 1] == '\t'))
        line[--length] = '\0';
    if (!name_is_plain(line))
        return line_fail(err, listing, one->list, one->line, "'%.200s' cannot be a file's name",
                         line);
    one->id = picture_stem(line, arena);
    return add_picture(listing, one, line, user, arena, err);
}

/* ---- a folder a split ----------------------------------------------------------------------- */

/* The pictures in a folder, sorted; masks that lie among them are passed over. */
static int read_folder(const char ***out, size_t *count, const struct listing *listing,
                       const char *folder, const struct folder_spec *spec, struct arena *arena,
                       struct err *err)
{
    char path[PATH_BYTES];
    TRY(path_join(path, listing->folder, folder, err));
    char **names;
    size_t all;
    bool mixed = *spec->mask_suffix && strcmp(spec->images, spec->masks) == 0;
    if (folder_names(&names, &all, path, arena, err))
        return err->status == STATUS_MISSING ? missing_file(folder, listing->folder, NULL, err)
                                             : -1;
    *out = arena_alloc(arena, all * sizeof **out);
    *count = 0;
    for (size_t i = 0; i < all; i++) {
        const char *stem = picture_stem(names[i], arena);
        if (strcmp(stem, names[i]) != 0 && !(mixed && ends_with(stem, spec->mask_suffix)))
            (*out)[(*count)++] = names[i];
    }
    return 0;
}

static int add_folder(struct listing *listing, enum split split, const struct layout *layout,
                      struct arena *arena, struct err *err)
{
    const char **names;
    size_t count;
    const char *folder = path_in(layout, layout->spec->images, "", arena);
    TRY(read_folder(&names, &count, listing, folder, layout->spec, arena, err));
    for (size_t i = 0; i < count; i++) {
        struct listed one = {.split = split, .label = -1, .list = folder};
        if (!name_is_plain(names[i]))
            return fail_as(err, STATUS_BAD_DATA, "'%s/%s%s': the name is not printable ASCII",
                           listing->folder, folder, names[i]);
        one.id = arena_printf(arena, "%s-%s", split_names[split], picture_stem(names[i], arena));
        TRY(add_picture(listing, &one, names[i], layout, arena, err));
    }
    if (!count)
        return fail_as(err, STATUS_BAD_DATA, "'%s/%s' holds no PNG or JPEG", listing->folder,
                       folder);
    return 0;
}

/* ---- both ----------------------------------------------------------------------------------- */

static int list_folder(struct listing *out, const char *folder, const struct folder_spec *spec,
                       struct arena *arena, struct err *err)
{
    static const char *const lists[] = {"train.txt", "val.txt", "test.txt"};
    static const char *const folders[] = {"Train", "Val", "Test"};
    TRY(check_spec(spec, err));
    *out = (struct listing){.folder = folder};
    struct layout layout = {.spec = spec, .values = values_of(spec, arena), .split_folder = ""};
    bool listed = there(out, lists[SPLIT_TRAIN]);
    if (!listed && !there(out, folders[SPLIT_TRAIN]))
        return fail_as(err, STATUS_MISSING, "cannot find '%s' or a folder '%s' in '%s'",
                       lists[SPLIT_TRAIN], folders[SPLIT_TRAIN], folder);
    for (int split = 0; split < SPLITS; split++) {
        if (!there(out, listed ? lists[split] : folders[split]))
            continue;
        layout.split_folder = listed ? "" : folders[split];
        if (listed)
            TRY(listing_split(out, split, lists[split], add_line, &layout, arena, err));
        else
            TRY(add_folder(out, split, &layout, arena, err));
    }
    return listing_check(out, err);
}

int folder_sources(const char ***names, const char ***paths, int *count, const char *folder,
                   const struct folder_spec *spec, struct arena *arena, struct err *err)
{
    struct listing listing;
    TRY(list_folder(&listing, folder, spec, arena, err));
    return listing_sources(names, paths, count, &listing, arena, err);
}

int folder_read(struct collection *out, const char *folder, const struct folder_spec *spec,
                const struct fit *fit, struct err *err)
{
    *out = (struct collection){.mask_class_count = (uint32_t)spec->class_count};
    struct listing listing;
    int status = list_folder(&listing, folder, spec, &out->arena, err);
    if (!status) {
        out->mask_classes = arena_alloc(&out->arena, spec->class_count * sizeof *out->mask_classes);
        for (size_t i = 0; i < spec->class_count; i++)
            out->mask_classes[i] = arena_strdup(&out->arena, spec->classes[i]);
        status = listing_read(out, &listing, fit, err);
    }
    if (status)
        collection_free(out);
    return status;
}
