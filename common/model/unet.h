/*
 * The UNet (Ronneberger, Fischer & Brox 2015) in 2D and 3D from one function: an image has d = 1.
 *
 * Level I has channels[I]; level 0 is at the image's size, each later one at half (rounded up).
 * Encoder level: block, kept as the skip; then down. Decoder level: up, concat(skip, x), block. Head:
 * 1x1 convolution to the outputs.
 *   block     plain: (conv 3x3, norm, act) twice. residual: the same with the input (through a 1x1
 *             convolution and norm where the channels differ) added before the last activation (He
 *             et al. 2016). dense_residual: each convolution sees all before it (concatenated), and
 *             the input is added likewise.
 *   down      maxpool: 2x2. strided: conv 3x3 stride 2 with as many channels (padding 1 on both
 *             sides, as PyTorch's), norm, act.
 *   up        transpose: transposed convolution 2x2 stride 2 to the level's channels, with bias.
 *             upsample: 1x1 convolution to the level's channels, then nearest or linear upsampling
 *             (equal to the other order, at a quarter of the cost).
 *   dropout   one share for each level (or none): whole channels after the level's blocks.
 *   deep supervision: a 1x1 head at each decoder level below the top, its logits upsampled linearly
 *             to the image's size.
 *
 * The image alone says whether windows are 3D: a volume's level of one slice has 3x3x3 weights, too.
 *
 * Parameters: groups "encoder" and "decoder"; names encoder.I.{conv1, norm1, conv2, norm2, shortcut,
 * shortcut_norm}, encoder.I.{down, down_norm} (strided), decoder.I.{up, conv1, ...} with I the
 * level, head, decoder.I.head. Encoder names do not depend on the decoder, so that an autoencoder's
 * encoder of the same channels carries over.
 */
#ifndef CAIRN_MODEL_UNET_H
#define CAIRN_MODEL_UNET_H

#include "model/kinds.h"
#include "model/layers.h"

enum unet_down { DOWN_MAXPOOL, DOWN_STRIDED };
enum unet_up { UP_TRANSPOSE, UP_UPSAMPLE };
enum unet_block { BLOCK_PLAIN, BLOCK_RESIDUAL, BLOCK_DENSE_RESIDUAL };
enum { UNET_LEVELS = 8 };

struct unet_model_config {
    struct int_list channels;        /* 2 to UNET_LEVELS */
    int norm, activation;            /* enum norm, enum act */
    int64_t norm_groups;             /* group norm */
    int down, up, upsampling, block; /* upsampling: MODE_NEAREST, MODE_LINEAR */
    struct real_list dropout;        /* empty, or one a level */
    bool deep_supervision;
};
extern const struct field unet_model_fields[];
/* Checks that no single field can make: STATUS_CONFIG. */
int unet_model_check(const struct unet_model_config *config, struct err *err);

/* What model.txt holds. */
struct unet_description {
    struct unet_model_config model;
    struct image_data data;
    int64_t mask_classes;         /* of the data set */
    int64_t outputs;              /* logits: 1 (sigmoid) or mask_classes (softmax) */
    struct model_patch patch;     /* absent: it saw whole images */
    struct model_spacing spacing; /* absent: the data set's is not known */
};
extern const struct model_kind unet_kind;

/* image [n,d,h,w,c] -> logits [n,d,h,w,outputs]. extra receives the logits of deep supervision, top
 * level first, *extra_count of them (0 without; in MODE_EVALUATE never any). */
val unet_logits(struct graph *g, const struct unet_model_config *config, int32_t outputs, val image,
                val extra[UNET_LEVELS], int *extra_count);

#endif
