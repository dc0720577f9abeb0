#include "train/classifier_train.h"

#include "train/model_text.h"

#define CONFIG(member) .key = #member, .offset = offsetof(struct classifier_config, member)
const struct field classifier_fields[] = {
    {CONFIG(model), .type = FIELD_SECTION, .sub = classifier_model_fields, .help = "the network"},
    {CONFIG(label_smoothing), .type = FIELD_REAL, .fallback = "0.0", .min = 0, .max = 0.5,
     .help = "share of each target spread over all classes"},
    {CONFIG(train), .type = FIELD_SECTION, .sub = train_fields, .help = "training"},
    {0},
};

struct user {
    const struct classifier_description *classifier;
    double label_smoothing;
};

/*
 * Per case 1 if the label has the greatest probability, else 0. There is no argmax op, and a
 * monitor does not justify one: the greatest probability is found by pooling over the classes, the
 * label's as exp(-cross entropy). They are equal up to rounding, some 1e-6, or differ by more than
 * the margin: up to half of it counts as 1, from one and a half on as 0, and between (a tie, which
 * hardly ever occurs) in part.
 */
static const float tie_margin = 1e-4f;

static val correct(struct graph *g, val logits, val label)
{
    int32_t classes = g_shape(g, logits).c;
    struct shape row = {g_shape(g, logits).n, 1, 1, classes, 1};
    struct window all = {{1, 1, classes}, {1, 1, 1}, {0}, {0}};
    val greatest = g_max_pool(g, g_reshape(g, g_softmax(g, logits), row), all);
    val entropy = g_cross_entropy(g, logits, label, 0, -1, 0);
    val given = g_unary(g, OP_exp_, g_affine(g, entropy, -1, 0));
    val behind = g_binary(g, OP_sub, greatest, given);
    return g_clamp(g, g_affine(g, behind, -1 / tie_margin, 1 + 0.5f), 0, 1);
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
        {.loss = loss, .groups = {{.name = "classifier"}}},
        {.loss = loss},
    };
    struct classifier_description classifier = {config->model, image_data_of(where->dataset)};
    TRY(classifier_kind.check(&classifier, err));
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
