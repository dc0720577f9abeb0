/*
 * Segmentation: training a UNet on images and masks (stage transfer-unet), the trained model in
 * use, and its evaluation (stage evaluate).
 */
#ifndef CAIRN_NN_SEGMENT_H
#define CAIRN_NN_SEGMENT_H

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
struct unet_description {
    struct unet_model_config model;
    struct image_data data;
    int64_t mask_classes; /* of the data set */
    int64_t outputs;      /* logits: 1 (sigmoid) or mask_classes (softmax) */
};
extern const struct field unet_description_fields[];

/* The loss is segment_loss (with deep supervision: weights 1, 1/2, 1/4, ... made to sum to 1);
 * monitor "dice": soft Dice of the foreground (several classes: the mean of those but class 0). */
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
};
/* As trained_vae_open. shape: d, h, w to plan for; zeros: those of the training data. */
int trained_unet_open(struct trained_unet *out, const struct store *store,
                      const struct id *artifact, struct backend *backend, int32_t batch,
                      struct shape shape, struct meter *meter, struct err *err);
void trained_unet_close(struct trained_unet *unet);
/* image [batch,d,h,w,c] -> probability [batch,d,h,w,outputs] (sigmoid or softmax) */
int trained_unet_predict(struct trained_unet *unet, const float *image, float *probability,
                         struct err *err);

#endif
