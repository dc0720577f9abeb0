#include "model/classifier.h"

#include <math.h>

enum { MAX_CHANNELS = 4096, MAX_LEVELS = 8 };

static const char group[] = "classifier";

/* ---- configuration -------------------------------------------------------------------------- */
#define MODEL(member) .key = #member, .offset = offsetof(struct classifier_model_config, member)
const struct field classifier_model_fields[] = {
    {MODEL(channels), .type = FIELD_INTS, .fallback = "[32, 64]", .min = 1, .max = MAX_CHANNELS,
     .min_count = 1, .max_count = MAX_LEVELS, .help = "channels of each level"},
    {MODEL(hidden), .type = FIELD_INT, .fallback = "128", .min = 1, .max = 65536,
     .help = "units of the dense layer before the logits"},
    {MODEL(dropout), .type = FIELD_REAL, .fallback = "0.25", .min = 0, .max = 0.95,
     .help = "share of the hidden units dropped in training"},
    {MODEL(norm), .type = FIELD_CHOICE, .fallback = "batch", .choices = norm_names,
     .help = "normalisation after each convolution (group: " TEXT_OF(NORM_GROUPS) " groups)"},
    {MODEL(activation), .type = FIELD_CHOICE, .fallback = "relu", .choices = act_names,
     .help = "activation of all hidden layers"},
    {0},
};
#undef MODEL

#define DESCRIPTION(member)                                                                        \
    .key = #member, .offset = offsetof(struct classifier_description, member)
static const struct field description_fields[] = {
    {DESCRIPTION(model), .type = FIELD_SECTION, .sub = classifier_model_fields,
     .help = "the network"},
    {DESCRIPTION(data), .type = FIELD_SECTION, .sub = image_data_fields,
     .help = "what it was trained on"},
    {0},
};

/* ---- model ---------------------------------------------------------------------------------- */
static struct layers layers_of(const struct classifier_model_config *config)
{
    return (struct layers){group, (enum norm)config->norm, NORM_GROUPS,
                           (enum act)config->activation};
}

/* level: what each says before it is pooled. Returns the last, pooled. */
static val convolve(struct graph *g, const struct classifier_model_config *config, val image,
                    val level[MAX_LEVELS])
{
    struct layers layers = layers_of(config);
    val x = g_cast(g, image, graph_precision(g));
    for (size_t i = 0; i < config->channels.count; i++) {
        graph_push(g, "%zu", i);
        x = level[i] = layer_conv_norm(g, &layers, x, (int32_t)config->channels.items[i],
                                       window_same(g_shape(g, x), 3, 1));
        graph_pop(g);
        x = g_max_pool(g, x, window_same(g_shape(g, x), 2, 2));
    }
    return x;
}

/* image [n,d,h,w,c] -> features [n,1,1,1,hidden]: what the hidden layer says, activated */
static val classifier_features(struct graph *g, const struct classifier_model_config *config,
                               val image)
{
    struct layers layers = layers_of(config);
    val level[MAX_LEVELS], x = convolve(g, config, image, level);
    x = layer_dense(g, &layers, "hidden", layer_flatten(g, x), (int32_t)config->hidden, layers.act);
    return g_cast(g, x, F32);
}

/* -> logits [n,1,1,1,classes] */
static val classifier_head(struct graph *g, const struct classifier_model_config *config,
                           int32_t classes, val features)
{
    struct layers layers = layers_of(config);
    val x = layer_dropout(g, &layers, features, (float)config->dropout, false);
    return layer_dense(g, &layers, "logits", x, classes, ACT_NONE);
}

val classifier_logits(struct graph *g, const struct classifier_model_config *config,
                      int32_t classes, val image)
{
    return classifier_head(g, config, classes, classifier_features(g, config, image));
}

/* ---- kind ----------------------------------------------------------------------------------- */
static int check(const void *description, struct err *err)
{
    const struct classifier_description *classifier = description;
    if (!classifier->data.classes)
        return fail_as(err, STATUS_CONFIG, "a classifier needs labels, but the data set has none");
    return image_data_check(&classifier->data, err);
}

static struct model_facts facts(const void *description)
{
    const struct classifier_description *classifier = description;
    return (struct model_facts){.data = classifier->data,
                                .range = {-INFINITY, INFINITY},
                                .features = (int32_t)classifier->model.hidden};
}

static val classify(struct graph *g, const void *description, val image, val *features)
{
    const struct classifier_description *classifier = description;
    *features = classifier_features(g, &classifier->model, image);
    return classifier_head(g, &classifier->model, (int32_t)classifier->data.classes, *features);
}

/* Of each level. */
static int features(struct graph *g, const void *description, val image, val tap[MAX_TAPS])
{
    const struct classifier_description *classifier = description;
    int count = (int)classifier->model.channels.count;
    convolve(g, &classifier->model, image, tap);
    for (int i = 0; i < count; i++)
        tap[i] = g_cast(g, tap[i], F32);
    return count;
}

const struct model_kind classifier_kind = {.name = "classifier",
                                           .fields = description_fields,
                                           .size = sizeof(struct classifier_description),
                                           .check = check,
                                           .facts = facts,
                                           .classify = classify,
                                           .features = features};
