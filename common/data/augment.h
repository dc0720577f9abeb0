/*
 * Augmentation on the fly: how a case looks in an epoch depends only on (seed, epoch, case id), so
 * resuming, batch size, order and threads change nothing.
 *
 * The geometry is one affine map about the centre, sampled once: linearly for the image, nearest
 * for the mask; beyond the edge both are reflected. Then colour: u8 clamped to [0, 1]; f32 not
 * clamped, and without saturation. Volumes are cropped, rotated and scaled in the h-w plane. With
 * neutral draws the result is pixel_value, or x, bit for bit.
 */
#ifndef CAIRN_DATA_AUGMENT_H
#define CAIRN_DATA_AUGMENT_H

#include <stdbool.h>
#include <stdint.h>

enum augmentation {
    AUGMENT_FLIP,          /* left-right (w), half of the cases */
    AUGMENT_FLIP_VERTICAL, /* h */
    AUGMENT_FLIP_DEPTH,    /* d */
    AUGMENT_CROP,          /* a window of `crop` to 1 of each side, anywhere, resized back */
    AUGMENT_ROTATE,        /* by up to `rotate` degrees either way */
    AUGMENT_SCALE,         /* by 1/(1+scale) to 1+scale, log-uniform */
    AUGMENT_BRIGHTNESS,    /* times 1-brightness to 1+brightness */
    AUGMENT_CONTRAST,      /* about the image's mean, likewise */
    AUGMENT_SATURATION,    /* about each pixel's luma (three channels), likewise */
    AUGMENTATIONS
};
extern const char *const augmentation_names[AUGMENTATIONS + 1]; /* NULL-terminated */

struct augment_limits {
    double crop, rotate, scale, brightness, contrast, saturation;
};
struct augment {
    bool use[AUGMENTATIONS];
    struct augment_limits limits;
};

struct augment_shape {
    int32_t d, h, w, c;
};
/* from [d,h,w,c] u8 (and mask [d,h,w] u8 or NULL) to image [d,h,w,c] in [0, 1] and mask_out. */
void augment_case(float *image, int32_t *mask_out, const uint8_t *from, const uint8_t *mask,
                  struct augment_shape shape, const struct augment *augment, uint64_t seed,
                  uint64_t epoch, const char *id);
/* The same for f32. */
void augment_volume(float *image, int32_t *mask_out, const float *from, const uint8_t *mask,
                    struct augment_shape shape, const struct augment *augment, uint64_t seed,
                    uint64_t epoch, const char *id);

#endif
