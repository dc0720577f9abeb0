/*
 * Oxford-IIIT Pet (https://www.robots.ox.ac.uk/~vgg/data/pets/): FOLDER/images/NAME.jpg,
 * FOLDER/annotations/trimaps/NAME.png (1 pet, 2 background, 3 boundary),
 * FOLDER/annotations/{trainval,test}.txt ("NAME CLASS-ID SPECIES BREED-ID"). Splits as the lists
 * say, trainval being train; annotations/extra.txt, which is not of the official set, adds to train
 * where it is asked for. Labels: species (0 cat, 1 dog). Masks:
 *   foreground  background, foreground; the boundary becomes either, or MASK_IGNORE
 *   trimap      background, foreground, boundary
 *   species     background, cat, dog; the boundary becomes MASK_IGNORE
 */
#include "data/formats/formats.h"

#include "base/file.h"

#include <string.h>

enum { PET = 1, BACKGROUND, BOUNDARY, FIELDS = 4 };
enum { PETS_FOREGROUND, PETS_TRIMAP, PETS_SPECIES };
enum { BOUNDARY_FOREGROUND, BOUNDARY_BACKGROUND, BOUNDARY_IGNORE };
struct keys {
    int target;
    int boundary; /* foreground only */
    bool extra;
};

static const char *const species_names[] = {"cat", "dog"};
static const char *const target_names[][3] = {
    [PETS_FOREGROUND] = {"background", "foreground", NULL},
    [PETS_TRIMAP] = {"background", "foreground", "boundary"},
    [PETS_SPECIES] = {"background", "cat", "dog"},
};

static const struct mask_values *values_of(const struct keys *keys, int species,
                                           struct arena *arena)
{
    static const int16_t boundary[] = {
        [BOUNDARY_FOREGROUND] = 1, [BOUNDARY_BACKGROUND] = 0, [BOUNDARY_IGNORE] = MASK_IGNORE};
    struct mask_values *values = mask_values_new(arena, "1 to 3");
    values->becomes[BACKGROUND] = 0;
    values->becomes[PET] = 1;
    switch (keys->target) {
    case PETS_FOREGROUND:
        values->becomes[BOUNDARY] = boundary[keys->boundary];
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
    const struct mask_values *const *values = user; /* for cats, for dogs */
    char *field[FIELDS];
    size_t count = line_fields(line, field, FIELDS);
    if (count != FIELDS)
        return line_fail(err, listing, one->list, one->line,
                         "%zu field%s, expected 4: NAME CLASS-ID SPECIES BREED-ID", count,
                         count == 1 ? "" : "s");
    if (!name_is_plain(field[0]))
        return line_fail(err, listing, one->list, one->line, "'%.100s' is not a valid file name",
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

static void name_classes(struct collection *out, int target)
{
    out->class_count = 2;
    out->classes = arena_alloc(&out->arena, sizeof species_names);
    memcpy(out->classes, species_names, sizeof species_names);
    out->mask_class_count = target == PETS_FOREGROUND ? 2 : 3;
    out->mask_classes = arena_alloc(&out->arena, sizeof target_names[target]);
    memcpy(out->mask_classes, target_names[target], sizeof target_names[target]);
}

static int list_pets(struct listing *out, struct collection *classes, const char *folder,
                     const void *own, struct err *err)
{
    const struct keys *keys = own;
    struct arena *arena = &classes->arena;
    *out = (struct listing){.folder = folder, .fetch = "oxford-iiit-pet", .kind = &picture_files};
    const struct mask_values *values[] = {values_of(keys, 0, arena), values_of(keys, 1, arena)};
    name_classes(classes, keys->target);
    TRY(listing_split(out, SPLIT_TRAIN, "annotations/trainval.txt", add_line, values, arena, err));
    if (keys->extra)
        TRY(listing_split(out, SPLIT_TRAIN, "annotations/extra.txt", add_line, values, arena, err));
    TRY(listing_split(out, SPLIT_TEST, "annotations/test.txt", add_line, values, arena, err));
    return listing_check(out, err);
}

static const char *const targets[] = {
    [PETS_FOREGROUND] = "foreground", [PETS_TRIMAP] = "trimap", [PETS_SPECIES] = "species", NULL};
static const char *const boundaries[] = {[BOUNDARY_FOREGROUND] = "foreground",
                                         [BOUNDARY_BACKGROUND] = "background",
                                         [BOUNDARY_IGNORE] = "ignore",
                                         NULL};
#define AT(member) FIELD_CHOICE, offsetof(struct keys, member)
static const struct field fields[] = {
    {"target", AT(target), "foreground",
     "classes of the masks; trimap: background, foreground, boundary; species: background, cat, "
     "dog",
     .choices = targets},
    {"boundary", AT(boundary), "foreground",
     "target foreground: the class of the pixels between pet and background",
     .choices = boundaries},
    {"extra", FIELD_BOOL, offsetof(struct keys, extra), "false",
     "also train on the images that annotations/extra.txt lists", .later = true},
    {0},
};
const struct format oxford_pets_format = {
    .keys = {"oxford-pets", "Oxford-IIIT Pet", fields, sizeof(struct keys)},
    .list = list_pets,
    .decode = pictures_decode,
};
