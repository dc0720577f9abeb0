#include "model/vae.h"

enum { MAX_CHANNELS = 65536, MAX_LEVELS = 8, MAX_BLOCKS = 8 };

/* ---- configuration -------------------------------------------------------------------------- */
static const char *const kinds[] = {"mlp", "conv", NULL};
static const char *const outputs[] = {"image", NULL};
#define NAME(id, name, help) #name,
#define HELP(id, name, help) help ", "
static const char *const reconstruction_names[] = {RECONSTRUCTIONS(NAME) NULL};

#define MODEL(member) .key = #member, .offset = offsetof(struct vae_model_config, member)
const struct field vae_model_fields[] = {
    {MODEL(kind), .type = FIELD_CHOICE, .fallback = "mlp", .choices = kinds,
     .help = "form of encoder and decoder"},
    {MODEL(output), .type = FIELD_CHOICE, .fallback = "image", .choices = outputs,
     .help = "what is encoded and reconstructed"},
    {MODEL(latent_channels), .type = FIELD_INT, .fallback = "20", .min = 1, .max = MAX_CHANNELS,
     .help = "size of z"},
    {MODEL(hidden), .type = FIELD_INT, .fallback = "512", .min = 0, .max = MAX_CHANNELS,
     .help = "units of the dense layer before and after z; 0: no such layer"},
    {MODEL(label_channels), .type = FIELD_INT, .fallback = "32", .min = 0, .max = MAX_CHANNELS,
     .help = "size of the label embeddings; 0: unconditional"},
    {MODEL(channels), .type = FIELD_INTS, .fallback = "[32, 64]", .min = 1, .max = MAX_CHANNELS,
     .min_count = 1, .max_count = MAX_LEVELS, .help = "conv: channels of each stride-2 level"},
    {MODEL(kernel), .type = FIELD_INT, .fallback = "4", .min = 2, .max = 9,
     .help = "conv: window of the stride-2 convolutions in pixels"},
    {MODEL(blocks), .type = FIELD_INT, .fallback = "0", .min = 0, .max = MAX_BLOCKS,
     .help = "conv: residual blocks of two 3x3 convolutions after each level"},
    {MODEL(norm), .type = FIELD_CHOICE, .fallback = "batch", .choices = norm_names,
     .help = "conv: normalisation after each convolution (group: " TEXT_OF(NORM_GROUPS) " groups)"},
    {MODEL(activation), .type = FIELD_CHOICE, .fallback = "relu", .choices = act_names,
     .help = "activation of all hidden layers"},
    {MODEL(logvar_min), .type = FIELD_REAL, .fallback = "-12", .min = -50, .max = 0,
     .help = "z_logvar is clamped to at least this"},
    {MODEL(logvar_max), .type = FIELD_REAL, .fallback = "8", .min = 0, .max = 50,
     .help = "z_logvar is clamped to at most this"},
    {0},
};
#undef MODEL

#define LOSS(member) .key = #member, .offset = offsetof(struct vae_loss_config, member)
const struct field vae_loss_fields[] = {
    {LOSS(reconstruction), .type = FIELD_CHOICE, .fallback = "bce", .choices = reconstruction_names,
     .help = "reconstruction term: " RECONSTRUCTIONS(HELP) "summed over pixels"},
    {LOSS(beta), .type = FIELD_REAL, .fallback = "1.0", .min = 0, .max = 1e6,
     .help = "weight of the KL term in training"},
    {LOSS(warmup_epochs), .type = FIELD_INT, .fallback = "0", .min = 0, .max = 1e6,
     .help = "epochs over which the KL weight rises linearly from 0 to beta"},
    {0},
};
#undef LOSS
#undef HELP
#undef NAME

#define DESCRIPTION(member) .key = #member, .offset = offsetof(struct vae_description, member)
static const struct field description_fields[] = {
    {DESCRIPTION(model), .type = FIELD_SECTION, .sub = vae_model_fields, .help = "the network"},
    {DESCRIPTION(loss), .type = FIELD_SECTION, .sub = vae_loss_fields, .help = "the training loss"},
    {DESCRIPTION(data), .type = FIELD_SECTION, .sub = image_data_fields,
     .help = "what it was trained on"},
    {0},
};

/* ---- model ---------------------------------------------------------------------------------- */
static struct layers layers_of(const struct vae_model_config *config, const char *group)
{
    return (struct layers){group, (enum norm)config->norm, NORM_GROUPS,
                           (enum act)config->activation};
}

static val with_label(struct graph *g, const struct layers *layers,
                      const struct vae_model_config *config, const struct image_data *data, val x,
                      val label)
{
    if (!config->label_channels)
        return x;
    val code = layer_embedding(g, layers, "label", label, (int32_t)data->classes,
                               (int32_t)config->label_channels);
    return g_concat(g, x, g_cast(g, code, graph_precision(g)), AXIS_C);
}

static val residual_blocks(struct graph *g, const struct layers *layers,
                           const struct vae_model_config *config, val x)
{
    for (int i = 0; i < (int)config->blocks; i++) {
        graph_push(g, "block.%d", i);
        x = layer_residual(g, layers, x);
        graph_pop(g);
    }
    return x;
}

static val encoder_levels(struct graph *g, const struct layers *layers,
                          const struct vae_model_config *config, val x)
{
    for (size_t i = 0; i < config->channels.count; i++) {
        graph_push(g, "%zu", i);
        struct window window = window_same(g_shape(g, x), (int32_t)config->kernel, 2);
        x = layer_conv_norm(g, layers, x, (int32_t)config->channels.items[i], window);
        x = residual_blocks(g, layers, config, x);
        graph_pop(g);
    }
    return x;
}

val vae_encode(struct graph *g, const struct vae_model_config *config,
               const struct image_data *data, val image, val label, val *z_logvar)
{
    struct layers layers = layers_of(config, "encoder");
    int32_t latent = (int32_t)config->latent_channels;
    graph_push(g, "encoder");
    val x = g_cast(g, image, graph_precision(g));
    if (config->kind == VAE_CONV)
        x = encoder_levels(g, &layers, config, x);
    x = with_label(g, &layers, config, data, layer_flatten(g, x), label);
    if (config->hidden)
        x = layer_dense(g, &layers, "hidden", x, (int32_t)config->hidden, layers.act);
    x = g_cast(g, x, F32);
    val z_mean = layer_dense(g, &layers, "z_mean", x, latent, ACT_NONE);
    *z_logvar = g_clamp(g, layer_dense(g, &layers, "z_logvar", x, latent, ACT_NONE),
                        (float)config->logvar_min, (float)config->logvar_max);
    graph_pop(g);
    return z_mean;
}

/* Dense to the deepest level's features, then up level by level to the image. */
static val decoder_levels(struct graph *g, const struct layers *layers,
                          const struct vae_model_config *config, struct shape image, val x)
{
    const struct int_list *channels = &config->channels;
    size_t levels = channels->count;
    struct shape at[MAX_LEVELS + 1] = {image};
    struct window down[MAX_LEVELS];
    for (size_t i = 0; i < levels; i++) {
        down[i] = window_same(at[i], (int32_t)config->kernel, 2);
        at[i + 1] = (struct shape){image.n, at[i].d == 1 ? 1 : (at[i].d + 1) / 2, (at[i].h + 1) / 2,
                                   (at[i].w + 1) / 2, (int32_t)channels->items[i]};
    }
    struct shape deepest = at[levels], one_case = deepest;
    one_case.n = 1;
    int64_t features = shape_count(one_case);
    if (features > INT32_MAX)
        return graph_fail(g, "%lld features per case are too many", (long long)features);
    x = layer_dense(g, layers, "features", x, (int32_t)features, layers->act);
    x = g_reshape(g, x, deepest);
    for (size_t i = 0, to = levels - 1; i < levels; i++, to--) {
        graph_push(g, "%zu", i);
        x = residual_blocks(g, layers, config, x);
        if (to > 0)
            x = layer_conv_transposed_norm(g, layers, x, at[to].c, down[to], at[to]);
        graph_pop(g);
    }
    return layer_conv_transposed(g, layers, "logits", x, image.c, down[0], image, true, ACT_NONE);
}

val vae_decode(struct graph *g, const struct vae_model_config *config,
               const struct image_data *data, val z, val label)
{
    struct layers layers = layers_of(config, "decoder");
    struct shape image = {g_shape(g, z).n, (int32_t)data->d, (int32_t)data->h, (int32_t)data->w,
                          (int32_t)data->c};
    graph_push(g, "decoder");
    val x = with_label(g, &layers, config, data, g_cast(g, z, graph_precision(g)), label);
    if (config->hidden)
        x = layer_dense(g, &layers, "hidden", x, (int32_t)config->hidden, layers.act);
    if (config->kind == VAE_CONV) {
        x = decoder_levels(g, &layers, config, image, x);
    } else {
        int64_t pixels = data->d * data->h * data->w * data->c;
        x = g_reshape(g, layer_dense(g, &layers, "logits", x, (int32_t)pixels, ACT_NONE), image);
    }
    graph_pop(g);
    return g_cast(g, x, F32);
}

val vae_sample(struct graph *g, val z_mean, val z_logvar, val noise)
{
    val deviation = g_unary(g, OP_exp_, g_affine(g, z_logvar, 0.5f, 0));
    return g_binary(g, OP_add, z_mean, g_binary(g, OP_mul, deviation, noise));
}

/* (sum exp(z_logvar) + z_mean^2 - 1 - z_logvar) / 2: Kingma & Welling 2014, appendix B. */
val vae_kl(struct graph *g, val z_mean, val z_logvar)
{
    struct shape per_case = {g_shape(g, z_mean).n, 1, 1, 1, 1};
    val second = g_binary(g, OP_add, g_unary(g, OP_exp_, z_logvar), g_unary(g, OP_square, z_mean));
    val terms = g_affine(g, g_binary(g, OP_sub, second, z_logvar), 0.5f, -0.5f);
    return g_reduce_sum(g, terms, per_case);
}

static val bce(struct graph *g, val logits, val image)
{
    return g_loss(g, OP_bce, logits, image);
}

static val mse(struct graph *g, val logits, val image)
{
    return g_affine(g, g_loss(g, OP_mse, g_unary(g, OP_sigmoid, logits), image), 0.5f, 0);
}

static val l1(struct graph *g, val logits, val image)
{
    return g_loss(g, OP_l1, g_unary(g, OP_sigmoid, logits), image);
}

val vae_reconstruction(struct graph *g, const struct vae_loss_config *config, val logits, val image)
{
#define FUNCTION(id, name, help) name,
    static val (*const append[])(struct graph *, val, val) = {RECONSTRUCTIONS(FUNCTION)};
#undef FUNCTION
    return append[config->reconstruction](g, logits, image);
}

/* ---- kind ----------------------------------------------------------------------------------- */
static int check(const void *description, struct err *err)
{
    const struct vae_description *vae = description;
    if (vae->model.label_channels && !vae->data.classes)
        return fail_as(err, STATUS_CONFIG,
                       "model.label_channels is %lld but the data set has no labels; 0 makes the "
                       "model unconditional",
                       (long long)vae->model.label_channels);
    return image_data_check(&vae->data, err);
}

static struct model_facts facts(const void *description)
{
    const struct vae_description *vae = description;
    return (struct model_facts){.data = vae->data,
                                .range = {0, 1},
                                .latent = {1, 1, 1, 1, (int32_t)vae->model.latent_channels},
                                .sampled = true,
                                .conditional = vae->model.label_channels > 0};
}

static val encode(struct graph *g, const void *description, val image, val label, val *z_logvar)
{
    const struct vae_description *vae = description;
    return vae_encode(g, &vae->model, &vae->data, image, label, z_logvar);
}

static val decode(struct graph *g, const void *description, val z, val label)
{
    const struct vae_description *vae = description;
    return vae_decode(g, &vae->model, &vae->data, z, label);
}

static val image_of(struct graph *g, const void *description, val logits)
{
    (void)description;
    return g_unary(g, OP_sigmoid, logits);
}

static val reconstruction_term(struct graph *g, const void *description, val logits, val target)
{
    const struct vae_description *vae = description;
    return vae_reconstruction(g, &vae->loss, logits, target);
}

const struct model_kind vae_kind = {.name = "vae",
                                    .fields = description_fields,
                                    .size = sizeof(struct vae_description),
                                    .check = check,
                                    .facts = facts,
                                    .encode = encode,
                                    .decode = decode,
                                    .image = image_of,
                                    .reconstruction = reconstruction_term};
