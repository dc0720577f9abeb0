#include "model/autoencoder.h"

#include "model/unet_levels.h"

#include <math.h>

enum { MAX_CHANNELS = 4096 };

/* ---- configuration -------------------------------------------------------------------------- */
static const char *const skip_names[] = {"none", "deep", "all", NULL};
static const char *const output_names[] = {"sigmoid", "linear", NULL};

#define MODEL(member) .key = #member, .offset = offsetof(struct autoencoder_model_config, member)
#define UNET(member)                                                                               \
    .key = #member, .offset = offsetof(struct autoencoder_model_config, unet.member)
const struct field autoencoder_model_fields[] = {
    {UNET(channels), .type = FIELD_INTS, .fallback = "[32, 64, 128, 256, 512, 512]", .min = 1,
     .max = MAX_CHANNELS, .min_count = 2, .max_count = UNET_LEVELS,
     .help = "channels of each level, the image's first"},
    {UNET(norm), .type = FIELD_CHOICE, .fallback = "instance", .choices = norm_names,
     .help = "normalisation after each 3x3 convolution"},
    {UNET(norm_groups), .type = FIELD_INT, .fallback = "8", .min = 1, .max = MAX_CHANNELS,
     .help = "group norm: groups; must divide the channels of every level"},
    {UNET(activation), .type = FIELD_CHOICE, .fallback = "leaky_relu", .choices = act_names,
     .help = "activation of all hidden layers"},
    {UNET(down), .type = FIELD_CHOICE, .fallback = "strided", .choices = unet_down_names,
     .help = "maxpool 2x2, or a strided 3x3 convolution"},
    {UNET(up), .type = FIELD_CHOICE, .fallback = "transpose", .choices = unet_up_names,
     .help = "transposed 2x2 convolution, or upsampling after a 1x1 convolution"},
    {UNET(upsampling), .type = FIELD_CHOICE, .fallback = "linear", .choices = unet_upsampling_names,
     .help = "interpolation for up: upsample"},
    {UNET(block), .type = FIELD_CHOICE, .fallback = "plain", .choices = unet_block_names,
     .help = "two convolutions; with the input added; or each seeing all before it, likewise"},
    {MODEL(skips), .type = FIELD_CHOICE, .fallback = "none", .choices = skip_names,
     .help =
         "levels that hand the decoder what they saw: none, the lower half (deep), or all, which "
         "makes reconstructing trivial: the first level can copy the image, and the others "
         "learn nothing"},
    {MODEL(dropout), .type = FIELD_REAL, .fallback = "0.1", .min = 0, .max = 0.95,
     .help = "share of whole channels dropped at the lowest level, less above in proportion"},
    {MODEL(output), .type = FIELD_CHOICE, .fallback = "sigmoid", .choices = output_names,
     .help = "values of the image: sigmoid: 0 to 1, linear: any"},
    {0},
};
#undef MODEL
#undef UNET

#define DESCRIPTION(member)                                                                        \
    .key = #member, .offset = offsetof(struct autoencoder_description, member)
static const struct field description_fields[] = {
    {DESCRIPTION(model), .type = FIELD_SECTION, .sub = autoencoder_model_fields,
     .help = "the network"},
    {DESCRIPTION(data), .type = FIELD_SECTION, .sub = image_data_fields,
     .help = "what it was trained on"},
    {0},
};
#undef DESCRIPTION

/* The UNet whose halves these are. share: room for its dropout. */
static struct unet_model_config unet_of(const struct autoencoder_model_config *config,
                                        double share[UNET_LEVELS])
{
    struct unet_model_config unet = config->unet;
    size_t levels = unet.channels.count;
    for (size_t i = 0; i < levels; i++)
        share[i] = config->dropout * (double)i / (double)(levels - 1);
    unet.dropout = (struct real_list){levels, share};
    unet.deep_supervision = false;
    return unet;
}

int autoencoder_model_check(const struct autoencoder_model_config *config, struct err *err)
{
    double share[UNET_LEVELS];
    struct unet_model_config unet = unet_of(config, share);
    return unet_model_check(&unet, err);
}

/* ---- the network ---------------------------------------------------------------------------- */
static bool joins(const struct autoencoder_model_config *config, size_t level)
{
    return config->skips == SKIPS_ALL ||
           (config->skips == SKIPS_DEEP && level >= config->unet.channels.count / 2);
}

val autoencoder_reconstruct(struct graph *g, const struct autoencoder_model_config *config,
                            val image)
{
    double share[UNET_LEVELS];
    struct unet_model_config unet = unet_of(config, share);
    struct unet_half half = unet_half(&unet, "decoder", g_shape(g, image));
    val skip[UNET_LEVELS], x = unet_encode(g, &unet, image, skip);
    graph_push(g, "decoder");
    for (size_t i = unet.channels.count - 1; i-- > 0;) {
        graph_push(g, "%zu", i);
        x = unet_decode_level(g, &half, i, x, g_shape(g, skip[i]), joins(config, i) ? skip[i] : 0);
        graph_pop(g);
    }
    graph_pop(g);
    return g_cast(g, unet_pointwise(g, &half, "head", x, g_shape(g, image).c), F32);
}

val autoencoder_image(struct graph *g, const struct autoencoder_model_config *config, val raw)
{
    return config->output == OUTPUT_SIGMOID ? g_unary(g, OP_sigmoid, raw) : raw;
}

/* ---- kind ----------------------------------------------------------------------------------- */
static int check(const void *description, struct err *err)
{
    const struct autoencoder_description *is = description;
    TRY(autoencoder_model_check(&is->model, err));
    return image_data_check(&is->data, err);
}

static struct model_facts facts(const void *description)
{
    const struct autoencoder_description *is = description;
    const struct image_data *data = &is->data;
    struct shape image = {1, (int32_t)data->d, (int32_t)data->h, (int32_t)data->w,
                          (int32_t)data->c};
    bool bounded = is->model.output == OUTPUT_SIGMOID;
    return (struct model_facts){.data = *data,
                                .any_size = true,
                                .range = {bounded ? 0 : -INFINITY, bounded ? 1 : INFINITY},
                                .latent = unet_bottom(&is->model.unet, image)};
}

static val encode(struct graph *g, const void *description, val image, val label, val *z_logvar)
{
    const struct autoencoder_description *is = description;
    double share[UNET_LEVELS];
    struct unet_model_config unet = unet_of(&is->model, share);
    val skip[UNET_LEVELS];
    (void)label;
    *z_logvar = 0;
    return g_cast(g, unet_encode(g, &unet, image, skip), F32);
}

static val reconstruct(struct graph *g, const void *description, val image)
{
    const struct autoencoder_description *is = description;
    return autoencoder_reconstruct(g, &is->model, image);
}

static val image_of(struct graph *g, const void *description, val raw)
{
    const struct autoencoder_description *is = description;
    return autoencoder_image(g, &is->model, raw);
}

/* Of each level of the encoder. */
static int features(struct graph *g, const void *description, val image, val tap[MAX_TAPS])
{
    const struct autoencoder_description *is = description;
    double share[UNET_LEVELS];
    struct unet_model_config unet = unet_of(&is->model, share);
    val skip[UNET_LEVELS];
    unet_encode(g, &unet, image, skip);
    for (size_t i = 0; i < unet.channels.count; i++)
        tap[i] = g_cast(g, skip[i], F32);
    return (int)unet.channels.count;
}

const struct model_kind autoencoder_kind = {.name = "autoencoder",
                                            .fields = description_fields,
                                            .size = sizeof(struct autoencoder_description),
                                            .check = check,
                                            .facts = facts,
                                            .encode = encode,
                                            .reconstruct = reconstruct,
                                            .image = image_of,
                                            .features = features};
