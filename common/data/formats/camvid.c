#include "data/listing.h"

#include "base/text.h"

#include <string.h>

static const char *const classes[] = {"sky",  "building", "pole", "road",       "pavement", "tree",
                                      "sign", "fence",    "car",  "pedestrian", "bicyclist"};
enum { CLASSES = sizeof classes / sizeof *classes, VOID = CLASSES };

/* "/SegNet/CamVid/train/X.png": what comes after CamVid/; NULL: nothing of use. */
static const char *inside(const char *path)
{
    static const char mark[] = "CamVid/";
    const char *found = strstr(path, mark);
    if (!found)
        return NULL;
    found += strlen(mark);
    return *found && text_is_plain(found) && !strstr(found, "..") ? found : NULL;
}

static int add_line(struct listing *listing, struct listed *one, char *line, const void *user,
                    struct arena *arena, struct err *err)
{
    char *field[2];
    size_t count = line_fields(line, field, 2);
    if (count != 2)
        return line_fail(err, listing, one->list, one->line,
                         "%zu field%s, expected 2: the paths of an image and its mask", count,
                         count == 1 ? "" : "s");
    one->image = inside(field[0]);
    one->mask = inside(field[1]);
    if (!one->image || !one->mask)
        return line_fail(err, listing, one->list, one->line,
                         "'%.200s' is no path of a file in CamVid/", field[one->image ? 1 : 0]);
    one->id = picture_stem(one->image, arena);
    one->values = user;
    listing_add(listing, one, arena);
    return 0;
}

static int list_camvid(struct listing *out, const char *folder, struct arena *arena,
                       struct err *err)
{
    *out = (struct listing){.folder = folder, .fetch = "CamVid"};
    struct mask_values *values = mask_values_new(arena, "0 to 11");
    for (int16_t i = 0; i < CLASSES; i++)
        values->becomes[i] = i;
    values->becomes[VOID] = MASK_IGNORE;
    TRY(listing_split(out, SPLIT_TRAIN, "train.txt", add_line, values, arena, err));
    TRY(listing_split(out, SPLIT_VAL, "val.txt", add_line, values, arena, err));
    TRY(listing_split(out, SPLIT_TEST, "test.txt", add_line, values, arena, err));
    return listing_check(out, err);
}

int camvid_sources(const char ***names, const char ***paths, int *count, const char *folder,
                   bool skip_bad, struct arena *arena, struct err *err)
{
    struct listing listing;
    TRY(list_camvid(&listing, folder, arena, err));
    return listing_sources(names, paths, count, &listing, skip_bad, arena, err);
}

int camvid_read(struct collection *out, const char *folder, const struct fit *fit, struct err *err)
{
    *out = (struct collection){.mask_class_count = CLASSES};
    out->mask_classes = arena_alloc(&out->arena, sizeof classes);
    memcpy(out->mask_classes, classes, sizeof classes);
    struct listing listing;
    int status = list_camvid(&listing, folder, &out->arena, err);
    if (!status)
        status = listing_read(out, &listing, fit, err);
    if (!status)
        listing_unused(out, &listing, is_picture, NULL, 0);
    if (status)
        collection_free(out);
    return status;
}
