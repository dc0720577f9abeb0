/* The table alone: a program that is linked with another one has other kinds. */
#include "model/autoencoder.h"
#include "model/classifier.h"
#include "model/convnet.h"
#include "model/unet.h"
#include "model/vae.h"

const struct model_kind *const model_kinds[] = {
    &vae_kind, &classifier_kind, &unet_kind, &autoencoder_kind, &convnet_kind, &lpips_kind, NULL};
