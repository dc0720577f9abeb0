/*
 * Losses of an image x against a target t, [n,d,h,w,c] each, per case, [n,1,1,1,1]; the loss is their
 * weighted sum, mse alone where none is given.
 *   mse   mean squared difference
 *   l1    mean absolute difference
 */
#ifndef CAIRN_MODEL_IMAGE_LOSS_H
#define CAIRN_MODEL_IMAGE_LOSS_H

#include "config/config.h"
#include "engine/engine.h"

struct image_term_config {
    bool present;
    double weight;
};
struct image_loss_config {
    struct image_term_config mse, l1;
};
extern const struct field image_loss_fields[];

/* What a loss is of. */
struct image_pair {
    val image, target;
};
val image_loss(struct graph *g, const struct image_loss_config *config,
               const struct image_pair *pair);

#endif
