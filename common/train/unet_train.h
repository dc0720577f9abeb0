/* Fitting a UNet to images and masks (stage transfer-unet). */
#ifndef CAIRN_TRAIN_UNET_TRAIN_H
#define CAIRN_TRAIN_UNET_TRAIN_H

#include "model/segment_loss.h"
#include "model/unet.h"
#include "train/train.h"

enum unet_init { INIT_NONE };
struct unet_config {
    int init;              /* enum unet_init: where the encoder's weights come from */
    double label_fraction; /* of the train split: dataset_part */
    struct {
        int64_t encoder_epochs; /* for so many the encoder is left as it is; then all is trained */
    } freeze;
    struct {
        double encoder, decoder; /* factors of the learning rate */
    } lr_scale;
    struct unet_model_config model;
    struct segment_loss_config loss;
    struct train_config train;
};
extern const struct field
    unet_fields[]; /* init, label_fraction, freeze, lr_scale, model, loss, train */
/* What no single field can say: STATUS_CONFIG. */
int unet_config_check(const struct unet_config *config, struct err *err);

/* Fits a UNet: unet_loss, and unet_soft_dice as the monitor "dice". STATUS_CONFIG also if the data
 * set has no masks. */
int unet_train(const struct training *where, const struct unet_config *config, uint64_t seed,
               const struct draft *draft, struct err *err);

#endif
