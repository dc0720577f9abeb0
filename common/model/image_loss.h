/*
 * Losses of an image x against a target t, [n,d,h,w,c] each, per case, [n,1,1,1,1]; the loss is their
 * weighted sum, mse alone where none is given.
 *   mse   mean squared difference
 *   l1    mean absolute difference
 *   ssim  1 - structural similarity (Wang et al. 2004, equation 13), as evaluation measures it: Gaussian
 *         windows of 11 (along a shorter axis the largest odd length that fits), sigma 1.5, K1 0.01,
 *         K2 0.03, the mean over all windows that lie inside, and channels
 *   perceptual  mean squared difference of what a network sees of them (perceptual.h)
 * With a weight for each pixel, mse and l1 are weighted means (0 where all weights are 0), and ssim and
 * perceptual see, in place of x, t + weight (x - t), which is x only as far as its pixels count.
 */
#ifndef CAIRN_MODEL_IMAGE_LOSS_H
#define CAIRN_MODEL_IMAGE_LOSS_H

#include "config/config.h"
#include "model/kinds.h"

struct image_term_config {
    bool present;
    double weight;
};
struct image_loss_config {
    struct image_term_config mse, l1, ssim, perceptual;
};
extern const struct field image_loss_fields[];

/* What a loss compares. */
struct image_pair {
    val image, target;
    val pixel;                   /* [n,d,h,w,1], in [0, 1]; 0: all count */
    double range;                /* of values, for ssim */
    const struct model *network; /* for perceptual */
};
val image_loss(struct graph *g, const struct image_loss_config *config,
               const struct image_pair *pair);
/* [n,1,1,1,1]: the mean squared difference over all pixels, whatever their weights. */
val image_squared_error(struct graph *g, const struct image_pair *pair);

#endif
