/*
 * Sliding windows (Isensee et al. 2021, nnU-Net) over images and volumes: evenly spaced, each
 * overlapping the next by half or more along every axis, weighted by a Gaussian about the window's
 * centre (sigma: 1/8 of its side). An image smaller than a window is centred in one and reflected
 * at its edges (without repeating the edge).
 */
#ifndef CAIRN_APPLY_SLIDING_H
#define CAIRN_APPLY_SLIDING_H

#include "data/data.h"

/* An image (d is 1) or a volume in memory. */
struct raster {
    int32_t d, h, w, c;
    enum pixel pixel;
    const void *values; /* [d,h,w,c] */
};
struct sliding {
    int32_t d, h, w, c, outputs, batch; /* of a window; batch: windows predicted together */
    /* image [batch,d,h,w,c], of u8 in [0, 1] -> probability [batch,d,h,w,outputs] */
    int (*predict)(void *user, const float *image, float *probability, struct err *err);
    void *user;
};
/* raster -> probability [d,h,w,outputs] */
int sliding_predict(float *probability, const struct sliding *sliding, const struct raster *raster,
                    struct err *err);

#endif
