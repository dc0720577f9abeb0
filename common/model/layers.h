/*
 * Layers: parameters plus ops, named by the graph's path. Weights are [out,kd,kh,kw,in] (transposed
 * convolutions: [in,kd,kh,kw,out]). Initial values are PyTorch's defaults, weights and biases
 * uniform in +-1/sqrt(fan_in), so that figures can be compared; fan_in is what PyTorch takes it to be,
 * the elements of weight[0].
 */
#ifndef CAIRN_MODEL_LAYERS_H
#define CAIRN_MODEL_LAYERS_H

#include "engine/engine.h"

enum norm { NORM_NONE, NORM_BATCH, NORM_INSTANCE, NORM_GROUP };
extern const char *const norm_names[]; /* for field tables, NULL-terminated */
extern const char *const act_names[];  /* in the order of enum act, NULL-terminated */

/* Groups of a group norm unless the configuration says otherwise: the most that divide the channels of
 * usual models, powers of 2 from 8 or 16 on. The 32 of Wu & He 2018 are for wider ones. */
#define NORM_GROUPS      8
#define TEXT_OF_(number) #number
#define TEXT_OF(number)  TEXT_OF_(number)

struct layers {
    const char *group; /* parameter group of everything made through this */
    enum norm norm;
    int32_t norm_groups; /* NORM_GROUP */
    enum act act;
};

/* Padding such that the output is ceil(input / stride) along d (if x has it), h and w; what cannot
 * be shared evenly goes to the end. The same window leads a transposed convolution back to x. */
struct window window_same(struct shape x, int32_t size, int32_t stride);

/* [n,d,h,w,c] -> [n,1,1,1,d*h*w*c] */
val layer_flatten(struct graph *g, val x);
/* NAME.weight, NAME.bias: x [n,1,1,1,in] -> [n,1,1,1,out] */
val layer_dense(struct graph *g, const struct layers *layers, const char *name, val x, int32_t out,
                enum act act);
val layer_conv(struct graph *g, const struct layers *layers, const char *name, val x, int32_t out,
               struct window window, bool bias, enum act act);
/* `to` gives d, h and w, which a stride leaves open. */
val layer_conv_transposed(struct graph *g, const struct layers *layers, const char *name, val x,
                          int32_t out, struct window window, struct shape to, bool bias,
                          enum act act);
/* NAME.weight (gamma), NAME.bias (beta), and for batch norm the state NAME.running_mean and
 * NAME.running_var (momentum 0.1, unbiased, as PyTorch); then act. NORM_NONE: act alone. */
val layer_norm(struct graph *g, const struct layers *layers, const char *name, val x, enum act act);
/* Whether it is a running_var: no value of it is below 0. */
bool layer_is_variance(const struct entry *entry);
/* g_dropout, but x itself where the layers' group is frozen. */
val layer_dropout(struct graph *g, const struct layers *layers, val x, float p, bool per_channel);
/* NAME.weight [classes, size], N(0, 1): label [n,1,1,1,1] -> [n,1,1,1,size] */
val layer_embedding(struct graph *g, const struct layers *layers, const char *name, val label,
                    int32_t classes, int32_t size);

/* Convolution (with a bias only where no norm would cancel it), norm, act: CONV.weight, NORM.weight,
 * ... */
val layer_conv_then_norm(struct graph *g, const struct layers *layers, const char *conv,
                         const char *norm, val x, int32_t out, struct window window, enum act act);

/* Blocks, named by the path alone.
 * Convolution (without the bias that a norm would cancel), norm, activation: conv, norm. */
val layer_conv_norm(struct graph *g, const struct layers *layers, val x, int32_t out,
                    struct window window);
val layer_conv_transposed_norm(struct graph *g, const struct layers *layers, val x, int32_t out,
                               struct window window, struct shape to);
/* Pre-activation residual block (He et al. 2016): x + conv2(act(norm2(conv1(act(norm1(x)))))), 3x3
 * (3x3x3), same channels: norm1, conv1, norm2, conv2. */
val layer_residual(struct graph *g, const struct layers *layers, val x);

#endif
