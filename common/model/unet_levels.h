/*
 * The UNet's levels (model/unet.h says what they are), for any model with such halves: equal
 * configurations give the encoder equal names and shapes, so that one model's carries over to another.
 */
#ifndef CAIRN_MODEL_UNET_LEVELS_H
#define CAIRN_MODEL_UNET_LEVELS_H

#include "model/unet.h"

/* For field tables, NULL-terminated, in the order of enum unet_down, ... */
extern const char *const unet_down_names[], *const unet_up_names[], *const unet_upsampling_names[],
                                                                        *const unet_block_names[];

/* The image alone says whether this is 3D: a volume's deep levels may be one voxel thick, and their
 * weights must not depend on that. */
struct unet_half {
    const struct unet_model_config *config;
    struct layers layers;
    bool three_d;
};
/* group: of its parameters, "encoder" or "decoder" */
struct unet_half unet_half(const struct unet_model_config *config, const char *group,
                           struct shape image);

/* image [n,d,h,w,c] -> the lowest level's map, which is the last skip, too: skip[i] is what level i
 * gives. In the graph's precision. */
val unet_encode(struct graph *g, const struct unet_model_config *config, val image,
                val skip[UNET_LEVELS]);
/* x of the level below -> a map of this level, with d, h, w of `to`; to.c: channels of x after going up.
 * skip: what is joined to it, 0: nothing. */
val unet_decode_level(struct graph *g, const struct unet_half *half, size_t level, val x,
                      struct shape to, val skip);
/* A 1x1 convolution with bias. */
val unet_pointwise(struct graph *g, const struct unet_half *half, const char *name, val x,
                   int32_t out);
/* x with its sides times `factor`, cut at the end to those of `to`, as halving had rounded up. */
val unet_enlarge(struct graph *g, const struct unet_half *half, val x, int32_t factor,
                 struct shape to, int32_t mode);

/* The shape of the lowest level's map for such images. */
struct shape unet_bottom(const struct unet_model_config *config, struct shape image);
/* STATUS_CONFIG if a level of a batch of such images has only one value to normalise, which would be 0,
 * whatever it was. */
int unet_norm_check(const struct unet_model_config *config, struct shape image, struct err *err);

#endif
