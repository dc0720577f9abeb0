/*
 * A network trained elsewhere: a sequence of convolutions, activations and pooling, like torchvision's
 * `features`, which gives an image's features after some of its layers.
 *
 *   layers    "conv OUT SIZE STRIDE PAD", "relu", "max_pool SIZE STRIDE" and "avg_pool SIZE STRIDE", with
 *             square windows; sides are rounded down. Convolutions have a bias; their parameters are
 *             features.INDEX.weight and features.INDEX.bias
 *   taps      the layers whose outputs are its features; the last is the last layer
 *   mean, std of the channels of its images, whose values are 0 to 1: (x - mean) / std goes in. Images of
 *             one channel are repeated where it takes more.
 *
 * The kind lpips also has a weight for each channel of each tap, lin.TAP.weight, and compares two images
 * (Zhang et al. 2018, "The unreasonable effectiveness of deep features as a perceptual metric", equation
 * 1): features of length 1 at each place, the squared difference of each channel times its weight,
 * summed over channels and taps, the mean over places.
 *
 * model/perceptual.h makes a loss of its features, or of those of any other kind.
 */
#ifndef CAIRN_MODEL_CONVNET_H
#define CAIRN_MODEL_CONVNET_H

#include "model/kinds.h"

/* What model.txt holds. */
struct convnet_description {
    struct text_list layers;
    struct int_list taps;
    struct real_list mean, std;
    struct image_data data;
};
extern const struct model_kind convnet_kind, lpips_kind;

#endif
