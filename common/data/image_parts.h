/* Shared by the decoders of image.c. */
#ifndef CAIRN_DATA_IMAGE_PARTS_H
#define CAIRN_DATA_IMAGE_PARTS_H

#include "data/image.h"

#include <stdbool.h>

/* Checks the sides, sets h, w and c and allocates the pixels. */
int image_new(struct image *out, int64_t h, int64_t w, enum image_form form, struct err *err);
/* One pixel of the form, from red, green and blue. */
void image_put(const struct image *image, enum image_form form, int64_t at, const uint8_t rgb[3]);

/* The orientation in a block of EXIF (from its "II" or "MM"), 1 to 8; 1 if there is none or the
 * block is damaged, which does not harm the picture. */
int exif_orientation(const uint8_t *exif, size_t length);
/* Turns the pixels by image->orientation. */
void image_turn(struct image *image);

/* Both return the pixels as stored in the file and its orientation, or on failure *out without
 * pixels. */
int image_decode_png(struct image *out, enum image_form form, enum image_ground ground,
                     const uint8_t *bytes, size_t length, struct err *err);
int image_decode_jpeg(struct image *out, enum image_form form, const uint8_t *bytes, size_t length,
                      struct err *err);

#endif
