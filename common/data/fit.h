/* Resizing pictures and their masks to the data set's size. */
#ifndef CAIRN_DATA_FIT_H
#define CAIRN_DATA_FIT_H

#include "data/image.h"

/* How pictures, possibly of several sizes, become a collection of one size. */
struct fit {
    enum image_ground ground;  /* of images */
    int32_t h, w;              /* 0: all must have the same size already */
    enum resize_filter filter; /* of images; masks are always nearest */
    bool keep_aspect;          /* else stretched; the padding, on both sides, is 0 in images
                                    and MASK_IGNORE in masks */
    bool skip_bad;             /* unreadable cases are left out and listed */
};
/* The part of the frame that an h x w picture fills, at least a pixel each way, and where it
 * begins. */
struct fit_window {
    int32_t h, w, top, left;
};
struct fit_window fit_window(const struct fit *fit, int32_t h, int32_t w);
/* One case: image [h,w,c] (and mask [h,w], or NULL) to the size of fit, which is not 0. */
void fit_case(uint8_t *image_out, uint8_t *mask_out, const struct fit *fit, const uint8_t *image,
              const uint8_t *mask, int32_t h, int32_t w, int32_t c);
struct collection;
/* Resizes decoded pictures and their masks to the size of fit (nothing to do if that is 0). Volumes
 * are STATUS_CONFIG. */
int collection_fit(struct collection *collection, const struct fit *fit, struct err *err);

#endif
