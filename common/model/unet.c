#include "model/unet.h"

#include "base/mask.h"

#include <math.h>

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
     .help = "group norm: groups; must divide the channels of every level"},
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

#define SIZE(member)                                                                               \
    {                                                                                              \
        .key = #member, .type = FIELD_INT, .offset = offsetof(struct model_patch, member),         \
        .min = 1, .max = 1 << 20, .help = "voxels along " #member                                  \
    }
static const struct field patch_fields[] = {SIZE(d), SIZE(h), SIZE(w), {0}};
#undef SIZE
#define STEP(member)                                                                               \
    {                                                                                              \
        .key = #member, .type = FIELD_REAL, .offset = offsetof(struct model_spacing, member),      \
        .min = 1e-6, .max = 1e6, .help = "mm along " #member                                       \
    }
static const struct field spacing_fields[] = {STEP(d), STEP(h), STEP(w), {0}};
#undef STEP

#define DESCRIPTION(member) .key = #member, .offset = offsetof(struct unet_description, member)
static const struct field description_fields[] = {
    {DESCRIPTION(model), .type = FIELD_SECTION, .sub = unet_model_fields, .help = "the network"},
    {DESCRIPTION(data), .type = FIELD_SECTION, .sub = image_data_fields,
     .help = "what it was trained on"},
    {DESCRIPTION(mask_classes), .type = FIELD_INT, .min = 2, .max = MASK_CLASSES,
     .help = "classes of a pixel"},
    {DESCRIPTION(outputs), .type = FIELD_INT, .min = 1, .max = MASK_CLASSES,
     .help = "logits of a pixel: 1 (sigmoid) or one a class (softmax)"},
    {DESCRIPTION(patch), .type = FIELD_OPTION, .sub = patch_fields,
     .help = "what it saw of its images at a time"},
    {DESCRIPTION(spacing), .type = FIELD_OPTION, .sub = spacing_fields,
     .help = "of its images' voxels"},
    {0},
};
#undef DESCRIPTION

int unet_model_check(const struct unet_model_config *config, struct err *err)
{
    const struct int_list *channels = &config->channels;
    if (config->dropout.count && config->dropout.count != channels->count)
        return fail_as(err, STATUS_CONFIG,
                       "model.dropout has %zu shares for %zu levels; one a level, or none at all",
                       config->dropout.count, channels->count);
    for (size_t i = 0; config->norm == NORM_GROUP && i < channels->count; i++)
        if (channels->items[i] % config->norm_groups)
            return fail_as(err, STATUS_CONFIG,
                           "model.norm_groups: %lld groups do not divide the %lld channels of "
                           "level %zu",
                           (long long)config->norm_groups, (long long)channels->items[i], i);
    return 0;
}

/* ---- parts ---------------------------------------------------------------------------------- */
/* The image alone says whether this is 3D: a volume's deep levels may be one voxel thick, and their
 * weights must not depend on that. */
struct half {
    const struct unet_model_config *config;
    struct layers layers;
    bool three_d;
};

static struct half half_of(const struct unet_model_config *config, const char *group,
                           struct shape image)
{
    struct layers layers = {group, (enum norm)config->norm, (int32_t)config->norm_groups,
                            (enum act)config->activation};
    return (struct half){config, layers, image.d > 1};
}

/* 2x2 in steps of 2 over `large`, whose odd sides get one more row at the end. The same window leads
 * a transposed convolution back. */
static struct window halving(const struct half *half, struct shape large)
{
    struct window window = window_make(half->three_d, 2, 2, 0);
    const int32_t side[3] = {large.d, large.h, large.w};
    for (int axis = 0; axis < 3; axis++)
        window.pad_end[axis] = side[axis] % window.stride[axis];
    return window;
}

static val pointwise(struct graph *g, const struct half *half, const char *name, val x, int32_t out)
{
    return layer_conv(g, &half->layers, name, x, out, window_make(true, 1, 1, 0), true, ACT_NONE);
}

/* ---- levels --------------------------------------------------------------------------------- */
static val shortcut(struct graph *g, const struct half *half, val x, int32_t out)
{
    if (g_shape(g, x).c == out)
        return x;
    return layer_conv_then_norm(g, &half->layers, "shortcut", "shortcut_norm", x, out,
                                window_make(true, 1, 1, 0), ACT_NONE);
}

static val block(struct graph *g, const struct half *half, val x, int32_t out)
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

static val level_block(struct graph *g, const struct half *half, size_t level, val x)
{
    const struct real_list *dropout = &half->config->dropout;
    x = block(g, half, x, (int32_t)half->config->channels.items[level]);
    return dropout->count ? layer_dropout(g, &half->layers, x, (float)dropout->items[level], true)
                          : x;
}

static val down(struct graph *g, const struct half *half, val x)
{
    struct shape s = g_shape(g, x);
    if (half->config->down == DOWN_MAXPOOL)
        return g_max_pool(g, x, halving(half, s));
    return layer_conv_then_norm(g, &half->layers, "down", "down_norm", x, s.c,
                                window_make(half->three_d, 3, 2, 1), half->layers.act);
}

/* x with its sides times `factor`, cut to those of `to`: what halving rounded up is at the end. */
static val enlarge(struct graph *g, const struct half *half, val x, int32_t factor, struct shape to,
                   int32_t mode)
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

static val up(struct graph *g, const struct half *half, val x, struct shape to)
{
    if (half->config->up == UP_TRANSPOSE)
        return layer_conv_transposed(g, &half->layers, "up", x, to.c, halving(half, to), to, true,
                                     ACT_NONE);
    x = pointwise(g, half, "up", x, to.c);
    return enlarge(g, half, x, 2, to, half->config->upsampling);
}

/* ---- the whole ------------------------------------------------------------------------------ */
static val encode(struct graph *g, const struct unet_model_config *config, val x,
                  val skip[UNET_LEVELS])
{
    struct half half = half_of(config, "encoder", g_shape(g, x));
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

val unet_logits(struct graph *g, const struct unet_model_config *config, int32_t outputs, val image,
                val extra[UNET_LEVELS], int *extra_count)
{
    struct half half = half_of(config, "decoder", g_shape(g, image));
    val skip[UNET_LEVELS], x = encode(g, config, g_cast(g, image, graph_precision(g)), skip);
    int top = (int)config->channels.count - 2;
    *extra_count = 0;
    graph_push(g, "decoder");
    for (int i = top; i >= 0; i--) {
        graph_push(g, "%d", i);
        x = g_concat(g, skip[i], up(g, &half, x, g_shape(g, skip[i])), AXIS_C);
        x = level_block(g, &half, (size_t)i, x);
        if (config->deep_supervision && i > 0) { /* in evaluation, too: for its weights' sake */
            val logits = g_cast(g, pointwise(g, &half, "head", x, outputs), F32);
            extra[i - 1] = enlarge(g, &half, logits, 1 << i, g_shape(g, image), MODE_LINEAR);
        }
        graph_pop(g);
    }
    graph_pop(g);
    if (config->deep_supervision && graph_mode(g) == MODE_TRAIN)
        *extra_count = top;
    return g_cast(g, pointwise(g, &half, "head", x, outputs), F32);
}

/* ---- kind ----------------------------------------------------------------------------------- */
static int check(const void *description, struct err *err)
{
    const struct unet_description *unet = description;
    const struct model_patch *patch = &unet->patch;
    TRY(unet_model_check(&unet->model, err));
    TRY(image_data_check(&unet->data, err));
    if (unet->outputs != unet->mask_classes && (unet->outputs != 1 || unet->mask_classes != 2))
        return fail_as(err, STATUS_CONFIG, "outputs: %lld for %lld mask_classes",
                       (long long)unet->outputs, (long long)unet->mask_classes);
    if (patch->present &&
        (patch->d > unet->data.d || patch->h > unet->data.h || patch->w > unet->data.w))
        return fail_as(err, STATUS_CONFIG, "patch: %lldx%lldx%lld of images of %lldx%lldx%lld",
                       (long long)patch->d, (long long)patch->h, (long long)patch->w,
                       (long long)unet->data.d, (long long)unet->data.h, (long long)unet->data.w);
    return 0;
}

static struct model_facts facts(const void *description)
{
    const struct unet_description *unet = description;
    return (struct model_facts){.data = unet->data,
                                .any_size = true,
                                .range = {-INFINITY, INFINITY},
                                .mask_classes = (int32_t)unet->mask_classes,
                                .outputs = (int32_t)unet->outputs,
                                .patch = unet->patch,
                                .spacing = unet->spacing};
}

static val segment(struct graph *g, const void *description, val image)
{
    const struct unet_description *unet = description;
    val extra[UNET_LEVELS];
    int extra_count;
    return unet_logits(g, &unet->model, (int32_t)unet->outputs, image, extra, &extra_count);
}

const struct model_kind unet_kind = {.name = "unet",
                                     .fields = description_fields,
                                     .size = sizeof(struct unet_description),
                                     .check = check,
                                     .facts = facts,
                                     .segment = segment};
