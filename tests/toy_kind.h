/*
 * A kind of model beside the real ones, which can do what none of them can: it reconstructs by way of
 * a map, its images are from -1 to 1, and it segments, too. The program that includes this has it
 * in its table.
 *
 * Of each 2x2 pixels of a grey image z_mean holds the mean, and half of how much more the right column's
 * mean is than the left one's. So what is decoded from it is tanh of the mean of the two pixels of a
 * column; a pixel is foreground where that mean is above 0, with ten times it as its logit. z_logvar
 * is -1.
 */
#ifndef CAIRN_TESTS_TOY_KIND_H
#define CAIRN_TESTS_TOY_KIND_H

#include "model/autoencoder.h"
#include "model/classifier.h"
#include "model/layers.h"
#include "model/unet.h"
#include "model/vae.h"
#include "model_artifact.h"

struct toy_description {
    struct image_data data;
};

static const struct layers toy_layers = {.group = "toy"};
static const struct window toy_halves = {{1, 2, 2}, {1, 2, 2}, {0}, {0}};

static inline int toy_check(const void *description, struct err *err)
{
    const struct toy_description *toy = description;
    if (toy->data.d > 1 || toy->data.h % 2 || toy->data.w % 2 || toy->data.c != 1)
        return fail_as(err, STATUS_CONFIG, "data: a toy is of grey images with even sides");
    return 0;
}

static inline struct model_facts toy_facts(const void *description)
{
    const struct toy_description *toy = description;
    return (struct model_facts){
        .data = toy->data,
        .range = {-1, 1},
        .latent = {1, 1, (int32_t)toy->data.h / 2, (int32_t)toy->data.w / 2, 2},
        .sampled = true,
        .mask_classes = 2,
        .outputs = 1};
}

static inline val toy_encode(struct graph *g, const void *description, val image, val label,
                             val *z_logvar)
{
    (void)description, (void)label;
    val z = layer_conv(g, &toy_layers, "encoder", image, 2, toy_halves, false, ACT_NONE);
    *z_logvar = g_affine(g, z, 0, -1);
    return z;
}

static inline val toy_decode(struct graph *g, const void *description, val z, val label)
{
    const struct toy_description *toy = description;
    struct shape image = {g_shape(g, z).n, 1, (int32_t)toy->data.h, (int32_t)toy->data.w, 1};
    (void)label;
    return layer_conv_transposed(g, &toy_layers, "decoder", z, 1, toy_halves, image, false,
                                 ACT_NONE);
}

static inline val toy_image(struct graph *g, const void *description, val raw)
{
    (void)description;
    return g_act(g, raw, ACT_TANH);
}

static inline val toy_reconstruction(struct graph *g, const void *description, val raw, val target)
{
    return g_loss(g, OP_l1, toy_image(g, description, raw), target);
}

static inline val toy_segment(struct graph *g, const void *description, val image)
{
    val z_logvar, z_mean = toy_encode(g, description, image, 0, &z_logvar);
    return g_affine(g, toy_decode(g, description, z_mean, 0), 10, 0);
}

static const struct field toy_fields[] = {{.key = "data",
                                           .type = FIELD_SECTION,
                                           .offset = offsetof(struct toy_description, data),
                                           .sub = image_data_fields,
                                           .help = "what it was made for"},
                                          {0}};
static const struct model_kind toy_kind = {.name = "toy",
                                           .fields = toy_fields,
                                           .size = sizeof(struct toy_description),
                                           .check = toy_check,
                                           .facts = toy_facts,
                                           .encode = toy_encode,
                                           .decode = toy_decode,
                                           .image = toy_image,
                                           .reconstruction = toy_reconstruction,
                                           .segment = toy_segment};
#ifndef MORE_KINDS
#define MORE_KINDS
#endif
const struct model_kind *const model_kinds[] = {
    &vae_kind, &classifier_kind, &unet_kind, &autoencoder_kind, &toy_kind, MORE_KINDS NULL};

/* kind: the toy, or one that is described as it is */
static inline struct id toy_artifact_of(struct lab *lab, const struct model_kind *kind,
                                        struct image_data data)
{
    /* [out,h,w,in], and of the transposed convolution [in,h,w,out] */
    static const float encoder[] = {0.25f, 0.25f, 0.25f, 0.25f, -0.25f, 0.25f, -0.25f, 0.25f};
    static const float decoder[] = {1, 1, 1, 1, -1, 1, -1, 1};
    const struct toy_description toy = {data};
    const struct tensor weights[] = {
        {"encoder.weight", TENSOR_F32, 4, {2, 2, 2, 1}, encoder, sizeof encoder},
        {"decoder.weight", TENSOR_F32, 4, {2, 2, 2, 1}, decoder, sizeof decoder}};
    return model_artifact(
        lab, &(struct made){.kind = kind, .description = &toy, .weights = weights, .count = 2});
}

static inline struct id toy_artifact(struct lab *lab, int64_t h, int64_t w)
{
    return toy_artifact_of(lab, &toy_kind, (struct image_data){1, h, w, 1, 0});
}

/* The mean of the two pixels of a column of the 2x2 that pixel i is of. */
static inline double toy_column(const float *image, int32_t w, int32_t i)
{
    int32_t top = i / w / 2 * 2 * w + i % w;
    return ((double)image[top] + image[top + w]) / 2;
}

#endif
