/*
 * A small convolutional classifier: the judge of generated images. Trained on the train split
 * alone.
 *
 * Each level: 3x3 (3x3x3) convolution, norm, activation, max pooling by 2; then flattened, hidden
 * dense layer, dropout, logits. Parameter group "classifier"; names I.conv, I.norm, hidden, logits.
 */
#ifndef CAIRN_MODEL_CLASSIFIER_H
#define CAIRN_MODEL_CLASSIFIER_H

#include "model/kinds.h"
#include "model/layers.h"

struct classifier_model_config {
    struct int_list channels; /* one level each */
    int64_t hidden;
    double dropout;
    int norm, activation;
};
extern const struct field classifier_model_fields[];

/* What model.txt holds. */
struct classifier_description {
    struct classifier_model_config model;
    struct image_data data;
};
extern const struct model_kind classifier_kind;

/* image [n,d,h,w,c] -> logits [n,1,1,1,classes] */
val classifier_logits(struct graph *g, const struct classifier_model_config *config,
                      int32_t classes, val image);
#endif
