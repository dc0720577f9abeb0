/* What a trained UNet is: its network, and what it was trained on and for. */
#ifndef CAIRN_MODEL_UNET_DESCRIPTION_H
#define CAIRN_MODEL_UNET_DESCRIPTION_H

#include "model/description.h"
#include "model/unet.h"

/* What model.txt holds. */
struct unet_patch {
    bool present;
    int64_t d, h, w;
};
struct unet_spacing {
    bool present;
    double d, h, w; /* in mm */
};
struct unet_description {
    struct unet_model_config model;
    struct image_data data;
    int64_t mask_classes;        /* of the data set */
    int64_t outputs;             /* logits: 1 (sigmoid) or mask_classes (softmax) */
    struct unet_patch patch;     /* absent: it saw whole images */
    struct unet_spacing spacing; /* absent: the data set's is not known */
};
extern const struct model_kind unet_kind;

#endif
