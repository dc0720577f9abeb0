/*
 * How different two images look to a network (Johnson et al. 2016, "Perceptual losses for
 * real-time style transfer", equation 2, of several layers): the mean squared difference of the
 * features, the mean of all taps.
 *
 * The network lies below "perceptual" in the graph, in a group of that name. A trainer borrows its weights
 * by the map {"" -> "perceptual."} (struct borrowed of train/train.h), which also freezes the group: the
 * network passes the gradient on and stays as it is.
 */
#ifndef CAIRN_MODEL_PERCEPTUAL_H
#define CAIRN_MODEL_PERCEPTUAL_H

#include "model/kinds.h"

#define PERCEPTUAL_GROUP "perceptual"

/* image, target [n,d,h,w,c] -> [n,1,1,1,1]. The model is one that gives features. */
val perceptual_error(struct graph *g, const struct model *network, val image, val target);

/* STATUS_BAD_DATA unless it gives features of images with values from `range` and this many channels. */
int perceptual_check(const struct model *network, struct range range, int64_t channels,
                     struct err *err);

#endif
