/* Fitting an autoencoder to images without labels (stage pretrain-ae). */
#ifndef CAIRN_TRAIN_AUTOENCODER_TRAIN_H
#define CAIRN_TRAIN_AUTOENCODER_TRAIN_H

#include "model/autoencoder.h"
#include "model/image_loss.h"
#include "model/image_task.h"
#include "train/train.h"

struct autoencoder_config {
    struct image_task_config task;
    struct autoencoder_model_config model;
    struct image_loss_config loss;
    struct train_config train;
};
extern const struct field autoencoder_fields[]; /* task, model, loss, train */
/* Checks that no single field can make: STATUS_CONFIG. */
int autoencoder_config_check(const struct autoencoder_config *config, struct err *err);

/* The monitor "mse" is the mean squared error over all pixels, whatever is minimised. perceptual: the
 * network of that term of the loss, which a loss that has it needs; it is left as it is. NULL: none. */
int autoencoder_train(const struct training *where, const struct autoencoder_config *config,
                      const struct id *perceptual, uint64_t seed, const struct draft *draft,
                      struct err *err);

#endif
