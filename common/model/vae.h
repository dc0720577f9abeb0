/*
 * The (conditional) variational autoencoder (Kingma & Welling 2014; Sohn, Lee & Yan 2015), in two
 * forms.
 *
 *   mlp   encoder concat(pixels, label) -> hidden -> z_mean, z_logvar;
 *         decoder concat(z, label) -> hidden -> logits
 *   conv  encoder one stride-2 convolution a level (norm, activation, residual blocks), then as mlp
 *         on the flattened features; decoder the mirror image with transposed convolutions. The
 *         label is one-hot through an embedding layer of its own in encoder and decoder.
 *
 * Parameters: groups "encoder" and "decoder"; names encoder.{label, I.conv, I.norm, I.block.J,
 * hidden, z_mean, z_logvar}, decoder.{label, hidden, features, I.conv, I.norm, I.block.J, logits},
 * I counted from the input of each half.
 *
 * An image is sigmoid(logits). The reconstruction term of one case is a sum over its pixels:
 *   bce  cross entropy of grey targets in [0, 1]; a continuous Bernoulli without its constant
 *   mse  half the squared error; a Gaussian of unit variance, likewise
 *   l1   the absolute error; a Laplacian of unit scale, likewise
 *
 * The training loss is reconstruction + factor * beta * KL, factor being the warm-up; validation and
 * evaluation take reconstruction + KL, the negative ELBO, so that epochs and settings can be compared.
 */
#ifndef CAIRN_MODEL_VAE_H
#define CAIRN_MODEL_VAE_H

#include "model/kinds.h"
#include "model/layers.h"

enum vae_kind { VAE_MLP, VAE_CONV };

/* RECONSTRUCTION_id, what a configuration calls it (vae.c has a function of that name, which appends
 * it to a graph), what its help says. */
#define RECONSTRUCTIONS(ROW)                                                                       \
    ROW(BCE, bce, "bce on logits")                                                                 \
    ROW(MSE, mse, "mse (half the squared error)")                                                  \
    ROW(L1, l1, "l1")
#define RECONSTRUCTION(id, name, help) RECONSTRUCTION_##id,
enum reconstruction { RECONSTRUCTIONS(RECONSTRUCTION) };
#undef RECONSTRUCTION

struct vae_model_config {
    int kind;                                        /* enum vae_kind */
    int output;                                      /* image; masks are to come */
    int64_t latent_channels, hidden, label_channels; /* label_channels 0: unconditional */
    struct int_list channels;                        /* conv: one stride-2 level each */
    int64_t kernel, blocks;
    int norm, activation; /* enum norm, enum act */
    double logvar_min, logvar_max;
};
struct vae_loss_config {
    int reconstruction; /* enum reconstruction */
    double beta;
    int64_t warmup_epochs; /* KL weight rises linearly from 0 to beta */
};
extern const struct field vae_model_fields[];
extern const struct field vae_loss_fields[];

/* What model.txt holds. */
struct vae_description {
    struct vae_model_config model;
    struct vae_loss_config loss;
    struct image_data data;
};
extern const struct model_kind vae_kind;

/* image [n,d,h,w,c], label [n,1,1,1,1] -> z_mean (returned) and z_logvar [n,1,1,1,latent] */
val vae_encode(struct graph *g, const struct vae_model_config *config,
               const struct image_data *data, val image, val label, val *z_logvar);
/* z [n,1,1,1,latent] -> logits [n,d,h,w,c] */
val vae_decode(struct graph *g, const struct vae_model_config *config,
               const struct image_data *data, val z, val label);
/* z_mean + exp(z_logvar / 2) * noise */
val vae_sample(struct graph *g, val z_mean, val z_logvar, val noise);
/* KL(q || N(0, I)) per case, [n,1,1,1,1] */
val vae_kl(struct graph *g, val z_mean, val z_logvar);
/* The reconstruction term per case, [n,1,1,1,1] */
val vae_reconstruction(struct graph *g, const struct vae_loss_config *config, val logits,
                       val image);

#endif
