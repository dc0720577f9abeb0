/* Fitting a variational autoencoder to images (stage train-vae). */
#ifndef CAIRN_TRAIN_VAE_TRAIN_H
#define CAIRN_TRAIN_VAE_TRAIN_H

#include "model/vae.h"
#include "train/train.h"

struct vae_config {
    struct vae_model_config model;
    struct vae_loss_config loss;
    struct train_config train;
};
extern const struct field vae_fields[]; /* model, loss, train */

int vae_train(const struct training *where, const struct vae_config *config, uint64_t seed,
              const struct draft *draft, struct err *err);

#endif
