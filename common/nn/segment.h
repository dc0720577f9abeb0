/*
 * Segmentation: training a UNet on images and masks (stage transfer-unet), the trained model in
 * use, and its evaluation (stage evaluate).
 */
#ifndef CAIRN_NN_SEGMENT_H
#define CAIRN_NN_SEGMENT_H

#include "nn/finite.h"
#include "nn/model_text.h"
#include "nn/segment_loss.h"
#include "nn/train.h"
#include "nn/unet.h"

enum unet_init { INIT_NONE };
struct unet_config {
    int init; /* enum unet_init: where the encoder's weights come from */
    struct unet_model_config model;
    struct segment_loss_config loss;
    struct train_config train;
};
extern const struct field unet_fields[]; /* init, model, loss, train */
/* What no single field can say: STATUS_CONFIG. */
int unet_config_check(const struct unet_config *config, struct err *err);

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

/* segment_loss of logits[0], the model's, and the others, of deep supervision, each at half the
 * weight of the one before; the weights add up to 1. */
val unet_loss(struct graph *g, const struct segment_loss_config *config,
              const struct class_counts *counts, const val *logits, int count, val label,
              val weight);
/* Soft Dice of a batch, 2 sum p t / (sum p + sum t): the mean over those classes from `first` on that
 * the truth has (0 if it has none). */
val unet_soft_dice(struct graph *g, val logits, val label, val weight, int32_t classes,
                   int32_t first);

/* Fits a UNet: unet_loss, and unet_soft_dice as the monitor "dice". STATUS_CONFIG also if the data
 * set has no masks. */
int unet_train(const struct training *where, const struct unet_config *config, uint64_t seed,
               const struct draft *draft, struct err *err);

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
