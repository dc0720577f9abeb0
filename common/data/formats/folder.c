/*
 * Any folder of pictures with masks (PNG) of equal names, laid out as listing.h says of pairs. Of two
 * classes the second may also be 255, in all masks of the set or in none, and not as an entry of a
 * palette of colours.
 */
#include "data/formats/formats.h"

static int list_folder(struct listing *out, struct collection *classes, const char *folder,
                       const void *own, struct err *err)
{
    return pairs_list(out, classes, folder, own, &picture_files, err);
}

static const struct field fields[] = {
    PAIR_FIELDS("all pictures: PNG or JPEG, turned as EXIF says, 16 bits rounded to 8",
                "PNG of class numbers from 0, in greys (also of a palette of nothing else) or as "
                "indices of a palette with colours; of two classes all masks may have 255 for 1"),
    {0},
};
const struct format folder_format = {
    .keys = {"folder", "pictures and masks of equal names", fields, sizeof(struct pair_keys)},
    .list = list_folder,
    .decode = pictures_decode,
};
