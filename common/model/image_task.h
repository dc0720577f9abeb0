/*
 * What an autoencoder is given of an image, and how much each pixel of its output counts:
 *   reconstruct  the image itself
 *   denoise      image + sigma N(0, 1)
 *   inpaint      the image with patches of a fixed grid hidden, each with probability `share`: set to the
 *                middle of the range, or to 0 if it has none. A hidden pixel counts 1, any other `visible`
 *   colour       its luma (ITU-R BT.601) in each of its three channels
 * The target is the image. Random draws are keyed by the node's path (engine/draw.h), so validation, whose
 * clock stands still, has the same draws in every epoch.
 */
#ifndef CAIRN_MODEL_IMAGE_TASK_H
#define CAIRN_MODEL_IMAGE_TASK_H

#include "model/kinds.h"

struct image_task_config {
    struct variant_value kind;
};
extern const struct field image_task_fields[];
/* STATUS_CONFIG: colour of images without three channels. */
int image_task_check(const struct image_task_config *config, const struct image_data *data,
                     struct err *err);

/* image [n,d,h,w,c] -> what the autoencoder sees, likewise. pixel: [n,d,h,w,1], in [0, 1], or 0: all
 * count alike. */
val image_task(struct graph *g, const struct image_task_config *config, struct range range,
               val image, val *pixel);

#endif
