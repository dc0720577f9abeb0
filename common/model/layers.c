#include "model/layers.h"

#include "base/text.h"

#include <math.h>

const char *const norm_names[] = {"none", "batch", "instance", "group", NULL};
const char *const act_names[] = {
#define ACT(id, op, p, cost, library) #op,
#include "engine/activation.def"
    NULL};

static const float norm_eps = 1e-5f;
static const float running_momentum = 0.1f;
static const char variance_name[] = "running_var";

struct window window_same(struct shape x, int32_t size, int32_t stride)
{
    int32_t in[3] = {x.d, x.h, x.w};
    struct window window;
    for (int axis = 0; axis < 3; axis++) {
        bool flat = axis == 0 && x.d == 1;
        int32_t s = flat ? 1 : size, step = flat ? 1 : stride;
        int32_t out = (in[axis] + step - 1) / step;
        int32_t pad = (out - 1) * step + s - in[axis];
        if (pad < 0)
            pad = 0; /* a window smaller than its stride passes over the rest */
        window.size[axis] = s;
        window.stride[axis] = step;
        window.pad[axis] = pad / 2;
        window.pad_end[axis] = pad - pad / 2;
    }
    return window;
}

val layer_flatten(struct graph *g, val x)
{
    struct shape s = g_shape(g, x);
    struct shape one_case = s;
    one_case.n = 1;
    int64_t features = shape_count(one_case);
    if (features > INT32_MAX)
        return graph_fail(g, "%lld features per case are too many", (long long)features);
    return g_reshape(g, x, (struct shape){s.n, 1, 1, 1, (int32_t)features});
}

static struct initial uniform(struct shape weight)
{
    weight.n = 1;
    return (struct initial){INIT_UNIFORM, 1.0f / sqrtf((float)shape_count(weight))};
}

static val weight_param(struct graph *g, const struct layers *layers, struct shape shape)
{
    return g_param(g, layers->group, "weight", shape, uniform(shape));
}

static val bias_param(struct graph *g, const struct layers *layers, struct shape weight,
                      int32_t out)
{
    struct shape shape = {1, 1, 1, 1, out};
    return g_param(g, layers->group, "bias", shape, uniform(weight));
}

val layer_dense(struct graph *g, const struct layers *layers, const char *name, val x, int32_t out,
                enum act act)
{
    return layer_conv(g, layers, name, x, out, window_make(true, 1, 1, 0), true, act);
}

val layer_conv(struct graph *g, const struct layers *layers, const char *name, val x, int32_t out,
               struct window window, bool bias, enum act act)
{
    const int32_t *k = window.size;
    struct shape shape = {out, k[0], k[1], k[2], g_shape(g, x).c};
    graph_push(g, "%s", name);
    val w = weight_param(g, layers, shape);
    val b = bias ? bias_param(g, layers, shape, out) : 0;
    val y = g_conv(g, x, w, b, window, act);
    graph_pop(g);
    return y;
}

val layer_conv_transposed(struct graph *g, const struct layers *layers, const char *name, val x,
                          int32_t out, struct window window, struct shape to, bool bias,
                          enum act act)
{
    const int32_t *k = window.size;
    struct shape from = g_shape(g, x);
    struct shape shape = {from.c, k[0], k[1], k[2], out};
    struct shape target = {from.n, to.d, to.h, to.w, out};
    graph_push(g, "%s", name);
    val w = weight_param(g, layers, shape);
    val b = bias ? bias_param(g, layers, shape, out) : 0;
    val y = g_conv_transposed(g, x, w, b, window, target, act);
    graph_pop(g);
    return y;
}

static val batch_norm(struct graph *g, const struct layers *layers, val x, val gamma, val beta,
                      enum act act)
{
    struct shape s = g_shape(g, x), per_channel = {1, 1, 1, 1, s.c};
    val running_mean =
        g_state(g, layers->group, "running_mean", per_channel, (struct initial){INIT_ZERO, 0});
    val running_var =
        g_state(g, layers->group, variance_name, per_channel, (struct initial){INIT_ONE, 0});
    bool fixed = graph_mode(g) == MODE_EVALUATE && !graph_measures(g);
    if (fixed || graph_frozen(g, layers->group)) {
        val deviation = g_unary(g, OP_sqrt_, g_affine(g, running_var, 1, norm_eps));
        val rstd = g_unary(g, OP_reciprocal, deviation);
        return g_norm_fixed(g, x, gamma, beta, running_mean, rstd, act);
    }
    val mean, rstd;
    val y = g_norm(g, x, gamma, beta, 0, norm_eps, act, &mean, &rstd);
    double count = (double)s.n * s.d * s.h * s.w;
    float unbiased = count > 1 ? (float)(count / (count - 1)) : 1.0f;
    val biased = g_unary(g, OP_square, g_unary(g, OP_reciprocal, rstd)); /* variance + eps */
    val variance = g_affine(g, biased, unbiased, -unbiased * norm_eps);
    variance = g_act(g, variance, ACT_RELU); /* of equal values, rounding may leave less than 0 */
    float part = graph_measures(g) ? 1 : running_momentum;
    g_blend(g, running_mean, mean, 1 - part, part, 0);
    g_blend(g, running_var, variance, 1 - part, part, 0);
    return y;
}

bool layer_is_variance(const struct entry *entry)
{
    return entry->state && ends_with(entry->name, variance_name);
}

val layer_norm(struct graph *g, const struct layers *layers, const char *name, val x, enum act act)
{
    if (layers->norm == NORM_NONE)
        return g_act(g, x, act);
    int32_t channels = g_shape(g, x).c;
    struct shape per_channel = {1, 1, 1, 1, channels};
    graph_push(g, "%s", name);
    val gamma = g_param(g, layers->group, "weight", per_channel, (struct initial){INIT_ONE, 0});
    val beta = g_param(g, layers->group, "bias", per_channel, (struct initial){INIT_ZERO, 0});
    val y;
    if (layers->norm == NORM_BATCH) {
        y = batch_norm(g, layers, x, gamma, beta, act);
    } else {
        int32_t groups = layers->norm == NORM_INSTANCE ? channels : layers->norm_groups;
        y = g_norm(g, x, gamma, beta, groups, norm_eps, act, NULL, NULL);
    }
    graph_pop(g);
    return y;
}

val layer_dropout(struct graph *g, const struct layers *layers, val x, float p, bool per_channel)
{
    return graph_frozen(g, layers->group) ? x : g_dropout(g, x, p, per_channel);
}

val layer_embedding(struct graph *g, const struct layers *layers, const char *name, val label,
                    int32_t classes, int32_t size)
{
    struct shape shape = {classes, 1, 1, 1, size};
    graph_push(g, "%s", name);
    val table = g_param(g, layers->group, "weight", shape, (struct initial){INIT_NORMAL, 1});
    val y = g_embedding(g, table, label);
    graph_pop(g);
    return y;
}

val layer_conv_then_norm(struct graph *g, const struct layers *layers, const char *conv,
                         const char *norm, val x, int32_t out, struct window window, enum act act)
{
    if (layers->norm == NORM_NONE)
        return layer_conv(g, layers, conv, x, out, window, true, act);
    x = layer_conv(g, layers, conv, x, out, window, false, ACT_NONE);
    return layer_norm(g, layers, norm, x, act);
}

val layer_conv_norm(struct graph *g, const struct layers *layers, val x, int32_t out,
                    struct window window)
{
    return layer_conv_then_norm(g, layers, "conv", "norm", x, out, window, layers->act);
}

val layer_conv_transposed_norm(struct graph *g, const struct layers *layers, val x, int32_t out,
                               struct window window, struct shape to)
{
    if (layers->norm == NORM_NONE)
        return layer_conv_transposed(g, layers, "conv", x, out, window, to, true, layers->act);
    x = layer_conv_transposed(g, layers, "conv", x, out, window, to, false, ACT_NONE);
    return layer_norm(g, layers, "norm", x, layers->act);
}

val layer_residual(struct graph *g, const struct layers *layers, val x)
{
    bool bias = layers->norm == NORM_NONE;
    struct shape s = g_shape(g, x);
    struct window window = window_same(s, 3, 1);
    val y = layer_norm(g, layers, "norm1", x, layers->act);
    y = layer_conv(g, layers, "conv1", y, s.c, window, bias, ACT_NONE);
    y = layer_norm(g, layers, "norm2", y, layers->act);
    y = layer_conv(g, layers, "conv2", y, s.c, window, true, ACT_NONE);
    return g_binary(g, OP_add, x, y);
}
