/*
 * Any folder of images with masks (PNG) of the same names, laid out as pairs (listing.h). With two
 * classes the second may also be 255, in all masks of the set or in none, but not as an index into
 * a palette of colours.
 */
#include "data/formats/formats.h"

static int list_folder(struct listing *out, struct collection *classes, const char *folder,
                       const void *own, struct err *err)
{
    return pairs_list(out, classes, folder, own, &picture_files, err);
}

static const struct field fields[] = {
    PAIR_FIELDS("all images: PNG or JPEG, rotated as EXIF says, 16 bits rounded to 8",
                "PNG of class numbers from 0, as grey values (or a palette of greys) or as "
                "indices into a palette of colours; with two classes all masks may use 255 for 1"),
    {0},
};
const struct format folder_format = {
    .keys = {"folder", "images and masks with matching names", fields, sizeof(struct pair_keys)},
    .list = list_folder,
    .decode = pictures_decode,
};
