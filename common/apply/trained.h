/*
 * Trained models in use: rebuilt from their artifact (model.txt, weights.safetensors), planned for
 * one batch size. Arrays on the host are full batches; what lies beyond the caller's cases is
 * ignored, but has to be numbers: a model that says what is none fails, and its `finite.bad` is the
 * case. Close what was opened, also after a failed open.
 */
#ifndef CAIRN_APPLY_TRAINED_H
#define CAIRN_APPLY_TRAINED_H

#include "data/data.h"
#include "model/classifier.h"
#include "model/finite.h"
#include "model/unet_description.h"
#include "model/vae.h"
#include "store/store.h"

struct trained_vae {
    struct vae_description description;
    int32_t batch, latent;
    int64_t pixels; /* d*h*w*c */
    struct arena arena;
    struct params *params;
    struct {
        struct graph *graph;
        struct plan *plan;
        val image, label, z_mean, z_logvar;
        struct finite finite;
    } encoder;
    struct {
        struct graph *graph;
        struct plan *plan;
        val z, label, target, image, reconstruction;
        struct finite finite;
    } decoder;
};
int trained_vae_open(struct trained_vae *out, const struct store *store, const struct id *artifact,
                     struct backend *backend, int32_t batch, struct meter *meter, struct err *err);
void trained_vae_close(struct trained_vae *vae);
/* image [batch,d,h,w,c], label [batch] -> z_mean, z_logvar [batch,latent] */
int trained_vae_encode(struct trained_vae *vae, const float *image, const int32_t *label,
                       float *z_mean, float *z_logvar, struct err *err);
/* z [batch,latent], label [batch] -> image [batch,d,h,w,c] in [0, 1], and the reconstruction term
 * per case against target. image may be NULL; target and reconstruction may be NULL together. */
int trained_vae_decode(struct trained_vae *vae, const float *z, const int32_t *label,
                       const float *target, float *image, float *reconstruction, struct err *err);

/* The case of the batch at which encoding or decoding failed; -1: at none. */
int32_t trained_vae_bad_case(const struct trained_vae *vae);

/* Values in [0, 1] to the nearest of 0 to 255; what is beyond, as volumes may have it, to the end. */
void image_to_bytes(uint8_t *out, const float *image, size_t count);

struct trained_classifier {
    struct classifier_description description;
    int32_t batch;
    struct arena arena;
    struct params *params;
    struct graph *graph;
    struct plan *plan;
    val image, features, logits;
    struct finite finite;
    float *scores; /* [batch, classes] */
};
int trained_classifier_open(struct trained_classifier *out, const struct store *store,
                            const struct id *artifact, struct backend *backend, int32_t batch,
                            struct meter *meter, struct err *err);
void trained_classifier_close(struct trained_classifier *classifier);
/* image [batch,d,h,w,c] -> the most probable class of each, the first of equals, and features
 * [batch,hidden], unless they are NULL */
int trained_classifier_predict(struct trained_classifier *classifier, const float *image,
                               int32_t *predicted, float *features, struct err *err);

struct trained_unet {
    struct unet_description description;
    int32_t batch;
    int64_t pixels; /* d*h*w */
    struct arena arena;
    struct params *params;
    struct graph *graph;
    struct plan *plan;
    val image, probability;
    struct finite finite;
};
/* As trained_vae_open. shape: d, h, w to plan for; zeros: those of the training data. */
int trained_unet_open(struct trained_unet *out, const struct store *store,
                      const struct id *artifact, struct backend *backend, int32_t batch,
                      struct shape shape, struct meter *meter, struct err *err);
void trained_unet_close(struct trained_unet *unet);
/* image [batch,d,h,w,c] -> probability [batch,d,h,w,outputs] (sigmoid or softmax) */
int trained_unet_predict(struct trained_unet *unet, const float *image, float *probability,
                         struct err *err);
/* The most probable class of a pixel, the first of equals, and its probability. */
uint8_t unet_decide(const float *p, int32_t outputs, float *sure);

#endif
