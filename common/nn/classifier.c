#include "nn/classifier.h"

enum { NORM_GROUPS = 8, MAX_CHANNELS = 4096, MAX_LEVELS = 8 };

static const char group[] = "classifier";

/* ---- configuration -------------------------------------------------------------------------- */
#define MODEL(member) .key = #member, .offset = offsetof(struct classifier_model_config, member)
static const struct field model_fields[] = {
    {MODEL(channels), .type = FIELD_INTS, .fallback = "[32, 64]", .min = 1, .max = MAX_CHANNELS,
     .min_count = 1, .max_count = MAX_LEVELS, .help = "channels of each level"},
    {MODEL(hidden), .type = FIELD_INT, .fallback = "128", .min = 1, .max = 65536,
     .help = "units of the dense layer before the logits"},
    {MODEL(dropout), .type = FIELD_REAL, .fallback = "0.25", .min = 0, .max = 0.95,
     .help = "share of the hidden units dropped in training"},
    {MODEL(norm), .type = FIELD_CHOICE, .fallback = "batch", .choices = norm_names,
     .help = "normalisation after each convolution (group: 8 groups)"},
    {MODEL(activation), .type = FIELD_CHOICE, .fallback = "relu", .choices = act_names,
     .help = "activation of all hidden layers"},
    {0},
};
#undef MODEL

const struct field classifier_fields[] = {
    {.key = "model",
     .type = FIELD_SECTION,
     .offset = offsetof(struct classifier_config, model),
     .sub = model_fields,
     .help = "the network"},
    {.key = "label_smoothing",
     .type = FIELD_REAL,
     .offset = offsetof(struct classifier_config, label_smoothing),
     .fallback = "0.0",
     .min = 0,
     .max = 0.5,
     .help = "share of each target spread over all classes"},
    {.key = "train",
     .type = FIELD_SECTION,
     .offset = offsetof(struct classifier_config, train),
     .sub = train_fields,
     .help = "how it is trained"},
    {0},
};

static const struct field description_fields[] = {
    {.key = "model",
     .type = FIELD_SECTION,
     .offset = offsetof(struct classifier_description, model),
     .sub = model_fields,
     .help = "the network"},
    {.key = "data",
     .type = FIELD_SECTION,
     .offset = offsetof(struct classifier_description, data),
     .sub = image_data_fields,
     .help = "what it was trained on"},
    {0},
};

static int check(const void *description, struct err *err)
{
    const struct classifier_description *is = description;
    if (!is->data.classes)
        return fail_as(err, STATUS_CONFIG, "a classifier needs labels, and the data set has none");
    return image_data_check(&is->data, err);
}

const struct model_kind classifier_kind = {"classifier", description_fields, check};

/* ---- model ---------------------------------------------------------------------------------- */
static struct layers layers_of(const struct classifier_model_config *config)
{
    return (struct layers){group, (enum norm)config->norm, NORM_GROUPS,
                           (enum act)config->activation};
}

val classifier_features(struct graph *g, const struct classifier_model_config *config, val image)
{
    struct layers layers = layers_of(config);
    val x = g_cast(g, image, graph_precision(g));
    for (size_t i = 0; i < config->channels.count; i++) {
        graph_push(g, "%zu", i);
        x = layer_conv_norm(g, &layers, x, (int32_t)config->channels.items[i],
                            window_same(g_shape(g, x), 3, 1));
        graph_pop(g);
        x = g_max_pool(g, x, window_same(g_shape(g, x), 2, 2));
    }
    x = layer_dense(g, &layers, "hidden", layer_flatten(g, x), (int32_t)config->hidden, layers.act);
    return g_cast(g, x, F32);
}

val classifier_head(struct graph *g, const struct classifier_model_config *config, int32_t classes,
                    val features)
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

/* ---- training ------------------------------------------------------------------------------- */
struct user {
    const struct classifier_description *classifier;
    double label_smoothing;
};

/*
 * Per case 1 if the label has the greatest probability, else 0. There is no argmax op and a monitor
 * does not deserve one: the greatest probability by pooling over the classes, the label's as
 * exp(-cross entropy); they are equal up to rounding or differ by far more than the margin.
 */
static val correct(struct graph *g, val logits, val label)
{
    int32_t classes = g_shape(g, logits).c;
    struct shape row = {g_shape(g, logits).n, 1, 1, classes, 1};
    struct window all = {{1, 1, classes}, {1, 1, 1}, {0}, {0}};
    val greatest = g_max_pool(g, g_reshape(g, g_softmax(g, logits), row), all);
    val entropy = g_cross_entropy(g, logits, label, 0, -1, 0);
    val given = g_unary(g, OP_exp_, g_affine(g, entropy, -1, 0));
    val behind = g_binary(g, OP_sub, greatest, given);
    return g_clamp(g, g_affine(g, behind, -1e4f, 1.5f), 0, 1);
}

static val loss(struct graph *g, const struct feed *feed, const void *user,
                struct monitors *monitors)
{
    const struct user *u = user;
    int32_t classes = (int32_t)u->classifier->data.classes;
    val logits = classifier_logits(g, &u->classifier->model, classes, feed->image);
    monitor(monitors, "accuracy", MORE_IS_BETTER,
            weighted_mean(g, correct(g, logits, feed->label), feed->weight));
    float smoothing = graph_mode(g) == MODE_TRAIN ? (float)u->label_smoothing : 0;
    val entropy = g_cross_entropy(g, logits, feed->label, 0, -1, smoothing);
    return weighted_mean(g, entropy, feed->weight);
}

int classifier_train(const struct training *where, const struct classifier_config *config,
                     uint64_t seed, const struct draft *draft, struct err *err)
{
    static const struct program_row programs[] = {
        {.loss = loss, .groups = {{.name = group}}},
        {.loss = loss},
    };
    struct classifier_description classifier = {config->model, image_data_of(where->dataset)};
    TRY(check(&classifier, err));
    struct user user = {&classifier, config->label_smoothing};
    struct task task = {.name = "train-classifier",
                        .kind = &classifier_kind,
                        .model = &classifier,
                        .config = &config->train,
                        .seed = seed,
                        .programs = programs,
                        .program_count = 2,
                        .user = &user};
    return train(where, &task, draft, err);
}
