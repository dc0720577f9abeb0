#include "data/listing.h"

#include "base/file.h"

#include <string.h>

enum { PET = 1, BACKGROUND, BOUNDARY, FIELDS = 4 };

static const char *const species_names[] = {"cat", "dog"};
static const char *const target_names[][3] = {
    [PETS_FOREGROUND] = {"background", "foreground", NULL},
    [PETS_TRIMAP] = {"background", "foreground", "boundary"},
    [PETS_SPECIES] = {"background", "cat", "dog"},
};

static const struct mask_values *values_of(const struct pets_spec *spec, int species,
                                           struct arena *arena)
{
    static const int16_t boundary[] = {
        [BOUNDARY_FOREGROUND] = 1, [BOUNDARY_BACKGROUND] = 0, [BOUNDARY_IGNORE] = MASK_IGNORE};
    struct mask_values *values = mask_values_new(arena, "1 to 3");
    values->becomes[BACKGROUND] = 0;
    values->becomes[PET] = 1;
    switch (spec->target) {
    case PETS_FOREGROUND:
        values->becomes[BOUNDARY] = boundary[spec->boundary];
        break;
    case PETS_TRIMAP:
        values->becomes[BOUNDARY] = 2;
        break;
    case PETS_SPECIES:
        values->becomes[PET] = (int16_t)(1 + species);
        values->becomes[BOUNDARY] = MASK_IGNORE;
        break;
    }
    return values;
}

static bool is_number(const char *text)
{
    return *text && text[strspn(text, "0123456789")] == '\0';
}

/* "NAME CLASS-ID SPECIES BREED-ID" */
static int add_line(struct listing *listing, struct listed *one, char *line, const void *user,
                    struct arena *arena, struct err *err)
{
    const struct mask_values *const *values = user; /* of cats, of dogs */
    char *field[FIELDS];
    size_t count = line_fields(line, field, FIELDS);
    if (count != FIELDS)
        return line_fail(err, listing, one->list, one->line,
                         "%zu field%s, expected 4: NAME CLASS-ID SPECIES BREED-ID", count,
                         count == 1 ? "" : "s");
    if (!name_is_plain(field[0]))
        return line_fail(err, listing, one->list, one->line, "the name '%.100s' cannot be a file's",
                         field[0]);
    if (!is_number(field[1]) || !is_number(field[3]))
        return line_fail(err, listing, one->list, one->line,
                         "class '%.100s' and breed '%.100s' must be numbers", field[1], field[3]);
    if (strcmp(field[2], "1") && strcmp(field[2], "2"))
        return line_fail(err, listing, one->list, one->line,
                         "species '%.100s', expected 1 (cat) or 2 (dog)", field[2]);
    one->id = field[0];
    one->label = field[2][0] - '1';
    one->values = values[one->label];
    one->image = arena_printf(arena, "images/%s.jpg", one->id);
    one->mask = arena_printf(arena, "annotations/trimaps/%s.png", one->id);
    listing_add(listing, one, arena);
    return 0;
}

static int list_pets(struct listing *out, const char *folder, const struct pets_spec *spec,
                     struct arena *arena, struct err *err)
{
    *out = (struct listing){.folder = folder, .fetch = "oxford-iiit-pet"};
    const struct mask_values *values[] = {values_of(spec, 0, arena), values_of(spec, 1, arena)};
    TRY(listing_split(out, SPLIT_TRAIN, "annotations/trainval.txt", add_line, values, arena, err));
    TRY(listing_split(out, SPLIT_TEST, "annotations/test.txt", add_line, values, arena, err));
    return listing_check(out, err);
}

int pets_sources(const char ***names, const char ***paths, int *count, const char *folder,
                 bool skip_bad, struct arena *arena, struct err *err)
{
    const struct pets_spec any = {0}; /* what the masks become does not change the files */
    struct listing listing;
    TRY(list_pets(&listing, folder, &any, arena, err));
    return listing_sources(names, paths, count, &listing, skip_bad, arena, err);
}

static void name_classes(struct collection *out, enum pets_target target)
{
    out->class_count = 2;
    out->classes = arena_alloc(&out->arena, sizeof species_names);
    memcpy(out->classes, species_names, sizeof species_names);
    out->mask_class_count = target == PETS_FOREGROUND ? 2 : 3;
    out->mask_classes = arena_alloc(&out->arena, sizeof target_names[target]);
    memcpy(out->mask_classes, target_names[target], sizeof target_names[target]);
}

int pets_read(struct collection *out, const char *folder, const struct pets_spec *spec,
              const struct fit *fit, struct err *err)
{
    *out = (struct collection){0};
    struct listing listing;
    name_classes(out, spec->target);
    int status = list_pets(&listing, folder, spec, &out->arena, err);
    if (!status)
        status = listing_read(out, &listing, fit, err);
    if (!status)
        listing_unused(out, &listing, is_picture, NULL, 0);
    if (status)
        collection_free(out);
    return status;
}
