#include "model/unet_levels.h"

/* ---- parts ---------------------------------------------------------------------------------- */
struct unet_half unet_half(const struct unet_model_config *config, const char *group,
                           struct shape image)
{
    struct layers layers = {group, (enum norm)config->norm, (int32_t)config->norm_groups,
                            (enum act)config->activation};
    return (struct unet_half){config, layers, image.d > 1};
}

/* 2x2 in steps of 2 over `large`, whose odd sides get one more row at the end. The same window leads
 * a transposed convolution back. */
static struct window halving(const struct unet_half *half, struct shape large)
{
    struct window window = window_make(half->three_d, 2, 2, 0);
    const int32_t side[3] = {large.d, large.h, large.w};
    for (int axis = 0; axis < 3; axis++)
        window.pad_end[axis] = side[axis] % window.stride[axis];
    return window;
}

val unet_pointwise(struct graph *g, const struct unet_half *half, const char *name, val x,
                   int32_t out)
{
    return layer_conv(g, &half->layers, name, x, out, window_make(true, 1, 1, 0), true, ACT_NONE);
}

/* ---- levels --------------------------------------------------------------------------------- */
static val shortcut(struct graph *g, const struct unet_half *half, val x, int32_t out)
{
    if (g_shape(g, x).c == out)
        return x;
    return layer_conv_then_norm(g, &half->layers, "shortcut", "shortcut_norm", x, out,
                                window_make(true, 1, 1, 0), ACT_NONE);
}

static val block(struct graph *g, const struct unet_half *half, val x, int32_t out)
{
    const struct layers *layers = &half->layers;
    struct window window = window_make(half->three_d, 3, 1, 1);
    val first = layer_conv_then_norm(g, layers, "conv1", "norm1", x, out, window, layers->act);
    if (half->config->block == BLOCK_PLAIN)
        return layer_conv_then_norm(g, layers, "conv2", "norm2", first, out, window, layers->act);
    if (half->config->block == BLOCK_DENSE_RESIDUAL)
        first = g_concat(g, x, first, AXIS_C);
    val second = layer_conv_then_norm(g, layers, "conv2", "norm2", first, out, window, ACT_NONE);
    return g_act(g, g_binary(g, OP_add, second, shortcut(g, half, x, out)), layers->act);
}

static val level_block(struct graph *g, const struct unet_half *half, size_t level, val x)
{
    const struct real_list *dropout = &half->config->dropout;
    x = block(g, half, x, (int32_t)half->config->channels.items[level]);
    return dropout->count ? layer_dropout(g, &half->layers, x, (float)dropout->items[level], true)
                          : x;
}

static val down(struct graph *g, const struct unet_half *half, val x)
{
    struct shape s = g_shape(g, x);
    if (half->config->down == DOWN_MAXPOOL)
        return g_max_pool(g, x, halving(half, s));
    return layer_conv_then_norm(g, &half->layers, "down", "down_norm", x, s.c,
                                window_make(half->three_d, 3, 2, 1), half->layers.act);
}

val unet_enlarge(struct graph *g, const struct unet_half *half, val x, int32_t factor,
                 struct shape to, int32_t mode)
{
    const int32_t factors[3] = {half->three_d ? factor : 1, factor, factor};
    const int32_t side[3] = {to.d, to.h, to.w};
    x = g_upsample(g, x, factors, mode);
    struct shape s = g_shape(g, x);
    const int32_t have[3] = {s.d, s.h, s.w};
    for (int axis = 0; axis < 3; axis++)
        if (have[axis] != side[axis])
            x = g_slice(g, x, AXIS_D + axis, 0, side[axis]);
    return x;
}

static val up(struct graph *g, const struct unet_half *half, val x, struct shape to)
{
    if (half->config->up == UP_TRANSPOSE)
        return layer_conv_transposed(g, &half->layers, "up", x, to.c, halving(half, to), to, true,
                                     ACT_NONE);
    x = unet_pointwise(g, half, "up", x, to.c);
    return unet_enlarge(g, half, x, 2, to, half->config->upsampling);
}

/* ---- halves --------------------------------------------------------------------------------- */
val unet_encode(struct graph *g, const struct unet_model_config *config, val image,
                val skip[UNET_LEVELS])
{
    struct unet_half half = unet_half(config, "encoder", g_shape(g, image));
    val x = g_cast(g, image, graph_precision(g));
    graph_push(g, "encoder");
    for (size_t i = 0; i < config->channels.count; i++) {
        graph_push(g, "%zu", i);
        skip[i] = x = level_block(g, &half, i, x);
        if (i + 1 < config->channels.count)
            x = down(g, &half, x);
        graph_pop(g);
    }
    graph_pop(g);
    return x;
}

val unet_decode_level(struct graph *g, const struct unet_half *half, size_t level, val x,
                      struct shape to, val skip)
{
    x = up(g, half, x, to);
    if (skip)
        x = g_concat(g, skip, x, AXIS_C);
    return level_block(g, half, level, x);
}

/* ---- what it can normalise ------------------------------------------------------------------ */
static int64_t halved(int64_t side, size_t times)
{
    return (side + ((int64_t)1 << times) - 1) >> times;
}

struct shape unet_bottom(const struct unet_model_config *config, struct shape image)
{
    size_t times = config->channels.count - 1;
    return (struct shape){image.n, (int32_t)halved(image.d, times), (int32_t)halved(image.h, times),
                          (int32_t)halved(image.w, times), (int32_t)config->channels.items[times]};
}

int unet_norm_check(const struct unet_model_config *config, struct shape image, struct err *err)
{
    for (size_t i = 0; config->norm != NORM_NONE && i < config->channels.count; i++) {
        int64_t values = halved(image.d, i) * halved(image.h, i) * halved(image.w, i);
        if (config->norm == NORM_BATCH)
            values *= image.n;
        if (config->norm == NORM_GROUP)
            values *= config->channels.items[i] / config->norm_groups;
        if (values == 1)
            return fail_as(err, STATUS_CONFIG,
                           "model.norm: '%s' has one value to normalise at level %zu, where images "
                           "of %dx%dx%d are one pixel; fewer levels or another norm",
                           norm_names[config->norm], i, (int)image.d, (int)image.h, (int)image.w);
    }
    return 0;
}
