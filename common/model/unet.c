#include "model/unet.h"

#include "model/unet_levels.h"

#include "base/mask.h"

#include <math.h>

enum { MAX_CHANNELS = 4096 };

const char *const unet_down_names[] = {"maxpool", "strided", NULL};
const char *const unet_up_names[] = {"transpose", "upsample", NULL};
const char *const unet_upsampling_names[] = {"nearest", "linear", NULL};
const char *const unet_block_names[] = {"plain", "residual", "dense_residual", NULL};

/* ---- configuration -------------------------------------------------------------------------- */
#define MODEL(member) .key = #member, .offset = offsetof(struct unet_model_config, member)
const struct field unet_model_fields[] = {
    {MODEL(channels), .type = FIELD_INTS, .fallback = "[16, 32, 64, 128, 256]", .min = 1,
     .max = MAX_CHANNELS, .min_count = 2, .max_count = UNET_LEVELS,
     .help = "channels of each level, the image's first"},
    {MODEL(norm), .type = FIELD_CHOICE, .fallback = "batch", .choices = norm_names,
     .help = "normalisation after each 3x3 convolution"},
    {MODEL(norm_groups), .type = FIELD_INT, .fallback = TEXT_OF(NORM_GROUPS), .min = 1,
     .max = MAX_CHANNELS, .help = "group norm: groups; must divide the channels of every level"},
    {MODEL(activation), .type = FIELD_CHOICE, .fallback = "relu", .choices = act_names,
     .help = "activation of all hidden layers"},
    {MODEL(down), .type = FIELD_CHOICE, .fallback = "maxpool", .choices = unet_down_names,
     .help = "maxpool 2x2, or a strided 3x3 convolution"},
    {MODEL(up), .type = FIELD_CHOICE, .fallback = "transpose", .choices = unet_up_names,
     .help = "transposed 2x2 convolution, or upsampling after a 1x1 convolution"},
    {MODEL(upsampling), .type = FIELD_CHOICE, .fallback = "linear",
     .choices = unet_upsampling_names, .help = "interpolation for up: upsample"},
    {MODEL(block), .type = FIELD_CHOICE, .fallback = "plain", .choices = unet_block_names,
     .help = "two convolutions; with the input added; or each seeing all before it, likewise"},
    {MODEL(dropout), .type = FIELD_REALS, .fallback = "[]", .min = 0, .max = 0.95,
     .max_count = UNET_LEVELS, .help = "share of whole channels dropped, one per level; []: none"},
    {MODEL(deep_supervision), .type = FIELD_BOOL, .fallback = "false",
     .help = "deep supervision: also apply the loss at each lower decoder level"},
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
     .help = "number of mask classes"},
    {DESCRIPTION(outputs), .type = FIELD_INT, .min = 1, .max = MASK_CLASSES,
     .help = "logits per pixel: 1 (sigmoid) or one per class (softmax)"},
    {DESCRIPTION(patch), .type = FIELD_OPTION, .sub = patch_fields,
     .help = "size of its training patches"},
    {DESCRIPTION(spacing), .type = FIELD_OPTION, .sub = spacing_fields,
     .help = "voxel spacing of its images"},
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

/* ---- the whole ------------------------------------------------------------------------------ */
val unet_logits(struct graph *g, const struct unet_model_config *config, int32_t outputs, val image,
                val extra[UNET_LEVELS], int *extra_count)
{
    struct unet_half half = unet_half(config, "decoder", g_shape(g, image));
    val skip[UNET_LEVELS], x = unet_encode(g, config, image, skip);
    int top = (int)config->channels.count - 2;
    *extra_count = 0;
    graph_push(g, "decoder");
    for (int i = top; i >= 0; i--) {
        graph_push(g, "%d", i);
        x = unet_decode_level(g, &half, (size_t)i, x, g_shape(g, skip[i]), skip[i]);
        if (config->deep_supervision && i > 0) { /* in evaluation, too: for its weights' sake */
            val logits = g_cast(g, unet_pointwise(g, &half, "head", x, outputs), F32);
            extra[i - 1] = unet_enlarge(g, &half, logits, 1 << i, g_shape(g, image), MODE_LINEAR);
        }
        graph_pop(g);
    }
    graph_pop(g);
    if (config->deep_supervision && graph_mode(g) == MODE_TRAIN)
        *extra_count = top;
    return g_cast(g, unet_pointwise(g, &half, "head", x, outputs), F32);
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
    const struct image_data *data = &unet->data;
    struct shape image = {1, (int32_t)data->d, (int32_t)data->h, (int32_t)data->w,
                          (int32_t)data->c};
    return (struct model_facts){.data = *data,
                                .any_size = true,
                                .range = {-INFINITY, INFINITY},
                                .mask_classes = (int32_t)unet->mask_classes,
                                .outputs = (int32_t)unet->outputs,
                                .latent = unet_bottom(&unet->model, image),
                                .patch = unet->patch,
                                .spacing = unet->spacing};
}

static val encode(struct graph *g, const void *description, val image, val label, val *z_logvar)
{
    const struct unet_description *unet = description;
    val skip[UNET_LEVELS];
    (void)label;
    *z_logvar = 0;
    return g_cast(g, unet_encode(g, &unet->model, image, skip), F32);
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
                                     .encode = encode,
                                     .segment = segment};
