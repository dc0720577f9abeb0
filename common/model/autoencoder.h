/*
 * The autoencoder: the UNet's encoder (model/unet.h), and its decoder with some of its skips, all or
 * none, whose head gives the image.
 *
 *   skips    none: all that the decoder knows of an image is the lowest level's map. deep: the lower
 *            half of the levels are joined as a UNet joins them. all: a UNet; its first level alone
 *            can pass on the image, so that reconstructing it teaches the others nothing.
 *   dropout  share of whole channels dropped at the lowest level, and in proportion to its depth at
 *            each above it; none at the first
 *   output   sigmoid: values in [0, 1]. linear: any.
 *
 * The latent is the lowest level's map, without a distribution. Parameters have the UNet's names; those of
 * the encoder also have its shapes if channels, norm, block and down are the same, and so carry over.
 */
#ifndef CAIRN_MODEL_AUTOENCODER_H
#define CAIRN_MODEL_AUTOENCODER_H

#include "model/unet.h"

enum autoencoder_skips { SKIPS_NONE, SKIPS_DEEP, SKIPS_ALL };
enum autoencoder_output { OUTPUT_SIGMOID, OUTPUT_LINEAR };

struct autoencoder_model_config {
    struct unet_model_config unet; /* except for dropout, which is ... */
    double dropout;
    int skips, output;
};
extern const struct field autoencoder_model_fields[];
/* Checks that no single field can make: STATUS_CONFIG. */
int autoencoder_model_check(const struct autoencoder_model_config *config, struct err *err);

/* What model.txt holds. */
struct autoencoder_description {
    struct autoencoder_model_config model;
    struct image_data data;
};
extern const struct model_kind autoencoder_kind;

/* image [n,d,h,w,c] -> raw, of the same shape, F32: what `output` makes the image from */
val autoencoder_reconstruct(struct graph *g, const struct autoencoder_model_config *config,
                            val image);
val autoencoder_image(struct graph *g, const struct autoencoder_model_config *config, val raw);

#endif
