#include "nn/unet.h"

enum { MAX_CHANNELS = 4096 };

static const char *const down_names[] = {"maxpool", "strided", NULL};
static const char *const up_names[] = {"transpose", "upsample", NULL};
static const char *const upsampling_names[] = {"nearest", "linear", NULL};
static const char *const block_names[] = {"plain", "residual", "dense_residual", NULL};

/* ---- configuration -------------------------------------------------------------------------- */
#define MODEL(member) .key = #member, .offset = offsetof(struct unet_model_config, member)
const struct field unet_model_fields[] = {
    {MODEL(channels), .type = FIELD_INTS, .fallback = "[16, 32, 64, 128, 256]", .min = 1,
     .max = MAX_CHANNELS, .min_count = 2, .max_count = UNET_LEVELS,
     .help = "channels of each level, the image's first"},
    {MODEL(norm), .type = FIELD_CHOICE, .fallback = "batch", .choices = norm_names,
     .help = "normalisation after each 3x3 convolution"},
    {MODEL(norm_groups), .type = FIELD_INT, .fallback = "8", .min = 1, .max = MAX_CHANNELS,
     .help = "norm group: how many groups; they divide every level's channels"},
    {MODEL(activation), .type = FIELD_CHOICE, .fallback = "relu", .choices = act_names,
     .help = "activation of all hidden layers"},
    {MODEL(down), .type = FIELD_CHOICE, .fallback = "maxpool", .choices = down_names,
     .help = "maxpool 2x2, or a strided 3x3 convolution"},
    {MODEL(up), .type = FIELD_CHOICE, .fallback = "transpose", .choices = up_names,
     .help = "transposed 2x2 convolution, or upsampling after a 1x1 convolution"},
    {MODEL(upsampling), .type = FIELD_CHOICE, .fallback = "linear", .choices = upsampling_names,
     .help = "up upsample: how"},
    {MODEL(block), .type = FIELD_CHOICE, .fallback = "plain", .choices = block_names,
     .help = "two convolutions; with the input added; or each seeing all before it, likewise"},
    {MODEL(dropout), .type = FIELD_REALS, .fallback = "[]", .min = 0, .max = 0.95,
     .max_count = UNET_LEVELS, .help = "share of whole channels dropped, one a level; []: none"},
    {MODEL(deep_supervision), .type = FIELD_BOOL, .fallback = "false",
     .help = "the loss is also taken of each lower decoder level"},
    {0},
};
#undef MODEL

int unet_model_check(const struct unet_model_config *config, struct err *err)
{
    if (config->dropout.count && config->dropout.count != config->channels.count)
        return fail_as(err, STATUS_CONFIG, "model.dropout has %zu shares for %zu levels",
                       config->dropout.count, config->channels.count);
    for (size_t i = 0; config->norm == NORM_GROUP && i < config->channels.count; i++)
        if (config->channels.items[i] % config->norm_groups)
            return fail_as(err, STATUS_CONFIG,
                           "model.norm_groups: %lld groups do not divide %lld channels",
                           (long long)config->norm_groups, (long long)config->channels.items[i]);
    return 0;
}

/* ---- parts ---------------------------------------------------------------------------------- */
struct unet {
    const struct unet_model_config *config;
    struct layers layers;
};

static struct layers layers_of(const struct unet_model_config *config, const char *group)
{
    return (struct layers){group, (enum norm)config->norm, (int32_t)config->norm_groups,
                           (enum act)config->activation};
}

/* A convolution and its norm; the bias is there only where no norm would cancel it. */
static val conv_norm(struct graph *g, const struct layers *layers, const char *conv,
                     const char *norm, val x, int32_t out, struct window window, enum act act)
{
    bool bias = layers->norm == NORM_NONE;
    x = layer_conv(g, layers, conv, x, out, window, bias, ACT_NONE);
    return layer_norm(g, layers, norm, x, act);
}

static val shortcut(struct graph *g, const struct layers *layers, val x, int32_t out)
{
    if (g_shape(g, x).c == out)
        return x;
    return conv_norm(g, layers, "shortcut", "shortcut_norm", x, out, window_make(true, 1, 1, 0),
                     ACT_NONE);
}

static val block(struct graph *g, const struct unet *unet, val x, int32_t out)
{
    const struct layers *layers = &unet->layers;
    struct window window = window_same(g_shape(g, x), 3, 1);
    val first = conv_norm(g, layers, "conv1", "norm1", x, out, window, layers->act);
    if (unet->config->block == BLOCK_PLAIN)
        return conv_norm(g, layers, "conv2", "norm2", first, out, window, layers->act);
    if (unet->config->block == BLOCK_DENSE_RESIDUAL)
        first = g_concat(g, x, first, AXIS_C);
    val second = conv_norm(g, layers, "conv2", "norm2", first, out, window, ACT_NONE);
    return g_act(g, g_binary(g, OP_add, second, shortcut(g, layers, x, out)), layers->act);
}

static val level_block(struct graph *g, const struct unet *unet, size_t level, val x)
{
    x = block(g, unet, x, (int32_t)unet->config->channels.items[level]);
    if (!unet->config->dropout.count)
        return x;
    return g_dropout(g, x, (float)unet->config->dropout.items[level], true);
}

static val lower(struct graph *g, const struct unet *unet, val x)
{
    struct shape s = g_shape(g, x);
    if (unet->config->down == DOWN_MAXPOOL)
        return g_max_pool(g, x, window_same(s, 2, 2));
    return conv_norm(g, &unet->layers, "down", "down_norm", x, s.c, window_same(s, 3, 2),
                     unet->layers.act);
}

/* x, enlarged by whole factors and cut to d, h and w of `to`. */
static val enlarge(struct graph *g, val x, struct shape to, int32_t mode)
{
    struct shape s = g_shape(g, x);
    if (!s.n || !to.n)
        return 0;
    const int32_t have[3] = {s.d, s.h, s.w}, want[3] = {to.d, to.h, to.w};
    int32_t factor[3];
    for (int i = 0; i < 3; i++)
        factor[i] = (want[i] + have[i] - 1) / have[i];
    x = g_upsample(g, x, factor, mode);
    for (int i = 0; i < 3; i++)
        if (have[i] * factor[i] != want[i])
            x = g_slice(g, x, AXIS_D + i, 0, want[i]);
    return x;
}

static val higher(struct graph *g, const struct unet *unet, val x, struct shape to)
{
    if (unet->config->up == UP_TRANSPOSE)
        return layer_conv_transposed(g, &unet->layers, "up", x, to.c, window_same(to, 2, 2), to,
                                     true, ACT_NONE);
    x = layer_conv(g, &unet->layers, "up", x, to.c, window_make(true, 1, 1, 0), true, ACT_NONE);
    return enlarge(g, x, to, unet->config->upsampling);
}

static val head(struct graph *g, const struct unet *unet, val x, int32_t outputs)
{
    return layer_conv(g, &unet->layers, "head", x, outputs, window_make(true, 1, 1, 0), true,
                      ACT_NONE);
}

/* ---- the whole ------------------------------------------------------------------------------ */
static val encode(struct graph *g, const struct unet_model_config *config, val x,
                  val skip[UNET_LEVELS])
{
    struct unet unet = {config, layers_of(config, "encoder")};
    graph_push(g, "encoder");
    for (size_t i = 0; i < config->channels.count; i++) {
        graph_push(g, "%zu", i);
        skip[i] = x = level_block(g, &unet, i, x);
        if (i + 1 < config->channels.count)
            x = lower(g, &unet, x);
        graph_pop(g);
    }
    graph_pop(g);
    return x;
}

val unet_logits(struct graph *g, const struct unet_model_config *config, int32_t outputs, val image,
                val extra[UNET_LEVELS], int *extra_count)
{
    struct unet unet = {config, layers_of(config, "decoder")};
    bool deep = config->deep_supervision && graph_mode(g) == MODE_TRAIN;
    val skip[UNET_LEVELS], lower_heads[UNET_LEVELS];
    val x = encode(g, config, image, skip);
    *extra_count = 0;
    graph_push(g, "decoder");
    for (size_t i = config->channels.count - 1; i-- > 0;) {
        graph_push(g, "%zu", i);
        x = g_concat(g, skip[i], higher(g, &unet, x, g_shape(g, skip[i])), AXIS_C);
        x = level_block(g, &unet, i, x);
        if (deep && i)
            lower_heads[(*extra_count)++] =
                enlarge(g, head(g, &unet, x, outputs), g_shape(g, image), MODE_LINEAR);
        graph_pop(g);
    }
    graph_pop(g);
    for (int i = 0; i < *extra_count; i++) /* they came lowest first */
        extra[i] = lower_heads[*extra_count - 1 - i];
    return head(g, &unet, x, outputs);
}
