/*
 * Image files: decoding by content, never by name, and resizing.
 *
 * Pixels are u8 [h,w,c], row by row. Damaged, too large or unsupported files are STATUS_BAD_DATA
 * with what the file is and what was expected ("a GIF; PNG or JPEG expected"). Pixels are oriented
 * as viewers show them, by the file's EXIF orientation (JPEG: APP1, PNG: eXIf); masks too.
 */
#ifndef CAIRN_DATA_IMAGE_H
#define CAIRN_DATA_IMAGE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The colours of a mask's indices in a viewer. */
struct palette {
    bool grey; /* all entries are grey: values are the greys, else the indices */
    int count;
    uint8_t colour[256][3];
    bool used[256]; /* by a pixel */
};
struct image {
    int32_t h, w, c;
    uint8_t *pixels;         /* freed by image_free */
    struct palette *palette; /* INDEX: the file's, or NULL; freed by image_free */
    int orientation;         /* from EXIF, 1 to 8: how the file stores the pixels */
    int64_t transparent;     /* RGB, GREY: number of pixels that were not opaque */
};
/* Sides are 1 to IMAGE_LARGEST, IMAGE_PIXELS in all: checked from the header, before memory is
 * allocated. */
enum { IMAGE_LARGEST = 32768, IMAGE_PIXELS = 1 << 27 };

/*
 * RGB: c = 3; grey is repeated, CMYK (inverted inks, 255 for none) converted, 16 bits rounded to 8.
 * GREY: c = 1; colour by the luma of ITU-R BT.601. INDEX: c = 1; a mask's values as stored in the
 * file: grey values of 1, 2, 4 or 8 bits, not
 *      stretched; RGB with equal red, green and blue; for a palette of only greys the greys, so
 *      that the order of its entries does not matter; for a palette with a colour the indices.
 *      Refused are colours, pixels that are not opaque (except in palettes), two indices of one
 *      grey, 16 bits and JPEG (lossy).
 */
enum image_form { IMAGE_RGB, IMAGE_GREY, IMAGE_INDEX };
/*
 * What pixels of RGB and GREY that are not opaque are blended over. FILE: the file's background
 * colour (PNG: bKGD), black if it has none. NONE: nothing, alpha is dropped. ERROR: they are
 * refused.
 */
enum image_ground { GROUND_FILE, GROUND_BLACK, GROUND_WHITE, GROUND_NONE, GROUND_ERROR };
/* "laid over black": how they were treated. */
const char *ground_text(enum image_ground ground);
int image_decode(struct image *out, enum image_form form, enum image_ground ground,
                 const uint8_t *bytes, size_t length, struct err *err);
int image_read(struct image *out, enum image_form form, enum image_ground ground, const char *path,
               struct err *err);
void image_free(struct image *image);

/*
 * AREA: the mean of the covered area. BILINEAR: a triangle filter, widened by the factor when
 * shrinking (Pillow's BILINEAR), so that nothing aliases. NEAREST: the pixel at the centre. Pixel
 * centres are at half-integers; results are rounded to the nearest level.
 */
enum resize_filter { RESIZE_AREA, RESIZE_BILINEAR, RESIZE_NEAREST };
void image_resize(uint8_t *out, int32_t out_h, int32_t out_w, const uint8_t *in, int32_t h,
                  int32_t w, int32_t c, enum resize_filter filter);
/* BILINEAR for values that are not rounded: probabilities. */
void image_resize_floats(float *out, int32_t out_h, int32_t out_w, const float *in, int32_t h,
                         int32_t w, int32_t c);

#endif
