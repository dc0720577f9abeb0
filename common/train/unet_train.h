/* Fitting a UNet to images and masks (stage transfer-unet). */
#ifndef CAIRN_TRAIN_UNET_TRAIN_H
#define CAIRN_TRAIN_UNET_TRAIN_H

#include "model/segment_loss.h"
#include "model/unet.h"
#include "train/train.h"

struct unet_config {
    const char *init;      /* FIELD_INPUT: a model whose encoder this one begins with */
    double label_fraction; /* of the train split: dataset_part */
    struct {
        int64_t encoder_epochs; /* the encoder is frozen for this many; then all is trained */
    } freeze;
    struct {
        double encoder, decoder; /* factors of the learning rate */
    } lr_scale;
    struct unet_model_config model;
    struct segment_loss_config loss;
    struct train_config train;
};
extern const struct field unet_fields[];
/* Checks that no single field can make: STATUS_CONFIG. */
int unet_config_check(const struct unet_config *config, struct err *err);

/* Fits a UNet: unet_loss, and unet_soft_dice as the monitor "dice". init: the artifact that config->init
 * stands for, from which the encoder's parameters and statistics are loaded by name; NULL: none.
 * STATUS_CONFIG also if the data set has no masks. */
int unet_train(const struct training *where, const struct unet_config *config,
               const struct id *init, uint64_t seed, const struct draft *draft, struct err *err);

#endif
