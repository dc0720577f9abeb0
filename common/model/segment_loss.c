#include "model/segment_loss.h"

#include <math.h>

static const char *const reduce_names[] = {"case", "batch", NULL};
static const char *const background_names[] = {"unsaid", "include", "exclude", NULL};
static const char *const balance_names[] = {"none", "frequency", NULL};

/* ---- configuration -------------------------------------------------------------------------- */
#define AT(member)           offsetof(struct segment_loss_config, member)
#define WITHIN(term, member) .key = #member, .offset = AT(term.member) - AT(term)
#define WEIGHT(term)                                                                               \
    {                                                                                              \
        WITHIN(term, weight), .type = FIELD_REAL, .fallback = "1.0", .min = 1e-9, .max = 1e9,      \
                              .help = "factor of this term in the loss"                            \
    }
/* What a sum over pixels leaves open: none of it has a usual value. */
#define OVERLAP(term)                                                                              \
    {WITHIN(term, reduce), .type = FIELD_CHOICE, .choices = reduce_names,                          \
     .help = "sums over each case, then the mean; or over the whole batch"},                       \
        {WITHIN(term, smooth), .type = FIELD_REAL, .min = 1e-12, .max = 1e12,                      \
         .help = "added to numerator and denominator"},                                            \
    {                                                                                              \
        WITHIN(term, background), .type = FIELD_CHOICE, .fallback = "unsaid",                      \
                                  .choices = background_names,                                     \
                                  .help = "whether class 0 counts; required with several "         \
                                          "classes"                                                \
    }

static const struct field bce_fields[] = {
    WEIGHT(bce),
    {WITHIN(bce, positive_weight), .type = FIELD_REAL, .fallback = "1.0", .min = 1e-9, .max = 1e9,
     .help = "weight of the foreground's pixels"},
    {0},
};
static const struct field cross_entropy_fields[] = {
    WEIGHT(cross_entropy),
    {WITHIN(cross_entropy, label_smoothing), .type = FIELD_REAL, .fallback = "0", .min = 0,
     .max = 0.5, .help = "share of each target spread over all classes"},
    {WITHIN(cross_entropy, class_weights), .type = FIELD_REALS, .fallback = "[]", .min = 0,
     .max = 1e9, .help = "one per class; []: all equal"},
    {WITHIN(cross_entropy, balance), .type = FIELD_CHOICE, .fallback = "none",
     .choices = balance_names, .help = "frequency: weights by the training pixels of each class"},
    {0},
};
static const struct field dice_fields[] = {WEIGHT(dice), OVERLAP(dice), {0}};
static const struct field focal_fields[] = {
    WEIGHT(focal),
    {WITHIN(focal, gamma), .type = FIELD_REAL, .fallback = "2.0", .min = 0, .max = 10,
     .help = "how strongly well-classified pixels are down-weighted"},
    {WITHIN(focal, alpha), .type = FIELD_REAL, .fallback = "-1", .min = -1, .max = 1,
     .help = "two classes: weight of the foreground, 1 - alpha of the background; -1: both 1"},
    {WITHIN(focal, class_balanced), .type = FIELD_BOOL, .fallback = "false",
     .help = "weights by the effective number of training pixels"},
    {WITHIN(focal, beta), .type = FIELD_REAL, .fallback = "0.999", .min = 0, .max = 0.999999999999,
     .help = "class_balanced: 0 is no balance, towards 1 inverse frequency"},
    {0},
};
static const struct field tversky_fields[] = {
    WEIGHT(tversky),
    {WITHIN(tversky, alpha), .type = FIELD_REAL, .min = 0, .max = 100,
     .help = "weight of false positives"},
    {WITHIN(tversky, beta), .type = FIELD_REAL, .min = 0, .max = 100,
     .help = "weight of false negatives"},
    OVERLAP(tversky),
    {0},
};
#undef OVERLAP
#undef WEIGHT
#undef WITHIN

/* ---- what the terms share ------------------------------------------------------------------- */
static const struct shape one_number = {1, 1, 1, 1, 1};

/* Values of one batch, [n,d,h,w,.] unless said otherwise. */
struct pixels {
    struct graph *g;
    const struct class_counts *counts;
    int32_t outputs;
    val logits, label;
    val weight;      /* [n,1,1,1,1] */
    val target;      /* [..,outputs]: one hot (one logit: the foreground) */
    val valid;       /* [..,1]: 1 where there is a class, in a case that counts */
    val probability; /* [..,outputs]; 0 until asked for */
    val entropy;     /* [..,1]: the plain cross entropy; 0 until asked for */
};

static val sum(struct graph *g, val x)
{
    return g_reduce_sum(g, x, one_number);
}

/* a / b for sums of which b is 0 only where a is, too. */
static val ratio(struct graph *g, val a, val b)
{
    return g_binary(g, OP_div_, a, g_binary(g, OP_max_, b, g_fill(g, one_number, 1e-20f)));
}

/* The mean of a map [n,d,h,w,1] over the pixels that count. */
static val pixel_mean(const struct pixels *px, val map)
{
    return ratio(px->g, sum(px->g, g_binary(px->g, OP_mul, map, px->valid)), sum(px->g, px->valid));
}

static val probability(struct pixels *px)
{
    if (!px->probability)
        px->probability = px->outputs == 1 ? g_unary(px->g, OP_sigmoid, px->logits)
                                           : g_softmax(px->g, px->logits);
    return px->probability;
}

/* With one logit x: softplus(x) for the background, softplus(-x) times a weight for the foreground.
 * No difference of large numbers, so that small losses and slopes are exact, too. */
static val one_logit_entropy(const struct pixels *px, float positive)
{
    struct graph *g = px->g;
    val sign = g_affine(g, px->target, -2, 1);
    val map = g_unary(g, OP_softplus, g_binary(g, OP_mul, px->logits, sign));
    if (positive == 1)
        return map;
    return g_binary(g, OP_mul, map, g_affine(g, px->target, positive - 1, 1));
}

static val plain_entropy(struct pixels *px)
{
    if (!px->entropy)
        px->entropy = px->outputs == 1
                          ? one_logit_entropy(px, 1)
                          : g_cross_entropy(px->g, px->logits, px->label, 0, MASK_IGNORE, 0);
    return px->entropy;
}

/* [1,1,1,1,count] */
static val constants(struct graph *g, const double *values, int32_t count)
{
    val out = g_fill(g, one_number, (float)values[0]);
    for (int32_t i = 1; i < count; i++)
        out = g_concat(g, out, g_fill(g, one_number, (float)values[i]), AXIS_C);
    return out;
}

/* The weight of each pixel's class, [n,d,h,w,1]. */
static val weight_map(const struct pixels *px, const double *weights)
{
    struct graph *g = px->g;
    if (px->outputs == 1)
        return g_affine(g, px->target, (float)(weights[1] - weights[0]), (float)weights[0]);
    struct shape map = g_shape(g, px->target);
    map.c = 1;
    val weighted = g_binary(g, OP_mul, px->target, constants(g, weights, px->outputs));
    return g_reduce_sum(g, weighted, map);
}

/* ---- terms over pixels ---------------------------------------------------------------------- */
static val bce(struct pixels *px, const struct segment_loss_config *config)
{
    return pixel_mean(px, one_logit_entropy(px, (float)config->bce.positive_weight));
}

static int check_cross_entropy(const struct segment_loss_config *config, int32_t outputs,
                               struct err *err)
{
    const struct real_list *weights = &config->cross_entropy.class_weights;
    bool some = !weights->count; /* is above 0 */
    for (size_t i = 0; i < weights->count; i++)
        some |= weights->items[i] != 0;
    if (weights->count && config->cross_entropy.balance != BALANCE_NONE)
        return fail_as(err, STATUS_CONFIG,
                       "loss.cross_entropy: class_weights and balance both set the weights");
    if (!some)
        return fail_as(err, STATUS_CONFIG,
                       "loss.cross_entropy.class_weights: all are 0, so that no pixel counts");
    if (weights->count && outputs && weights->count != (size_t)outputs)
        return fail_as(err, STATUS_CONFIG,
                       "loss.cross_entropy.class_weights: %zu weights for %d classes",
                       weights->count, (int)outputs);
    return 0;
}

static val cross_entropy(struct pixels *px, const struct segment_loss_config *config)
{
    struct graph *g = px->g;
    double weights[MASK_CLASSES], total = 0;
    for (int32_t c = 0; c < px->outputs; c++)
        total += px->counts->pixels[c];
    bool given = config->cross_entropy.class_weights.count > 0;
    for (int32_t c = 0; c < px->outputs; c++) {
        double pixels = px->counts->pixels[c];
        weights[c] = given        ? config->cross_entropy.class_weights.items[c]
                     : pixels > 0 ? total / (px->outputs * pixels)
                                  : 0;
    }
    float smoothing =
        graph_mode(g) == MODE_TRAIN ? (float)config->cross_entropy.label_smoothing : 0;
    bool weighted = given || config->cross_entropy.balance == BALANCE_FREQUENCY;
    val of_class = weighted ? constants(g, weights, px->outputs) : 0;
    val map = g_cross_entropy(g, px->logits, px->label, of_class, MASK_IGNORE, smoothing);
    if (!weighted)
        return pixel_mean(px, map);
    val part = g_binary(g, OP_mul, weight_map(px, weights), px->valid);
    return ratio(g, sum(g, g_binary(g, OP_mul, map, px->valid)), sum(g, part));
}

/* Cui et al. 2019, equation 3, made to have the mean 1; a class without pixels has no weight. */
static void effective_weights(double *weights, const struct class_counts *counts, double beta)
{
    double total = 0;
    for (int64_t c = 0; c < counts->count; c++) {
        double pixels = counts->pixels[c]; /* 1 - beta^pixels, without cancellation */
        weights[c] = pixels > 0 ? (1 - beta) / -expm1(pixels * log(beta)) : 0;
        total += weights[c];
    }
    for (int64_t c = 0; c < counts->count && total > 0; c++)
        weights[c] *= (double)counts->count / total;
}

/* x^gamma for x in [0, 1]; near 0 the logarithm is kept finite, and so is the slope. */
static val power(struct graph *g, val x, float gamma)
{
    if (gamma == 2)
        return g_unary(g, OP_square, x);
    val exponent = g_affine(g, g_unary(g, OP_log_, g_clamp(g, x, 1e-12f, 1)), gamma, 0);
    return g_unary(g, OP_exp_, exponent);
}

static int check_focal(const struct segment_loss_config *config, int32_t outputs, struct err *err)
{
    double alpha = config->focal.alpha;
    if (alpha < 0 && alpha != -1)
        return fail_as(err, STATUS_CONFIG, "loss.focal.alpha is between 0 and 1, or -1 for none");
    if (alpha >= 0 && config->focal.class_balanced)
        return fail_as(err, STATUS_CONFIG,
                       "loss.focal: alpha and class_balanced both set the weights");
    if (alpha >= 0 && outputs > 1)
        return fail_as(err, STATUS_CONFIG,
                       "loss.focal.alpha is for one logit, and here each of %d classes has one; "
                       "class_balanced is for several",
                       (int)outputs);
    return 0;
}

static val focal(struct pixels *px, const struct segment_loss_config *config)
{
    struct graph *g = px->g;
    double alpha = config->focal.alpha, weights[MASK_CLASSES] = {1 - alpha, alpha};
    val map = plain_entropy(px);
    val wrong = g_affine(g, g_unary(g, OP_exp_, g_affine(g, map, -1, 0)), -1, 1); /* 1 - p_y */
    if (config->focal.gamma > 0)
        map = g_binary(g, OP_mul, map, power(g, wrong, (float)config->focal.gamma));
    if (config->focal.class_balanced)
        effective_weights(weights, px->counts, config->focal.beta);
    if (config->focal.class_balanced || alpha >= 0)
        map = g_binary(g, OP_mul, map, weight_map(px, weights));
    return pixel_mean(px, map);
}

/* ---- terms over regions --------------------------------------------------------------------- */
/* Sums of p t, p and t over the pixels that count, [n or 1,1,1,1,classes that count]. */
struct region {
    val both, predicted, truth;
};

static struct region region(struct pixels *px, int reduce, int background)
{
    struct graph *g = px->g;
    int32_t cases = reduce == REDUCE_CASE ? g_shape(g, px->target).n : 1;
    bool foreground = px->outputs > 1 && background != BACKGROUND_INCLUDE;
    val predicted = g_binary(g, OP_mul, probability(px), px->valid);
    val truth = g_binary(g, OP_mul, px->target, px->valid);
    val sums[] = {g_binary(g, OP_mul, predicted, px->target), predicted, truth};
    for (int i = 0; i < 3; i++) {
        sums[i] = g_reduce_sum(g, sums[i], (struct shape){cases, 1, 1, 1, px->outputs});
        if (foreground)
            sums[i] = g_slice(g, sums[i], AXIS_C, 1, px->outputs - 1);
    }
    return (struct region){sums[0], sums[1], sums[2]};
}

/* 1 - the mean of (a + smooth) / (b + smooth) over classes, and over the cases that count. */
static val region_loss(const struct pixels *px, val a, val b, double smooth)
{
    struct graph *g = px->g;
    val score =
        g_binary(g, OP_div_, g_affine(g, a, 1, (float)smooth), g_affine(g, b, 1, (float)smooth));
    struct shape shape = g_shape(g, score), per_case = {shape.n, 1, 1, 1, 1};
    val lost = g_reduce_sum(g, g_affine(g, score, -1, 1), per_case);
    lost = g_affine(g, lost, 1.0f / (float)shape.c, 0);
    if (shape.n == 1)
        return lost;
    return ratio(g, sum(g, lost), sum(g, px->weight)); /* a case without pixels has lost nothing */
}

static val dice(struct pixels *px, const struct segment_loss_config *config)
{
    struct graph *g = px->g;
    struct region r = region(px, config->dice.reduce, config->dice.background);
    return region_loss(px, g_affine(g, r.both, 2, 0), g_binary(g, OP_add, r.predicted, r.truth),
                       config->dice.smooth);
}

static int check_tversky(const struct segment_loss_config *config, int32_t outputs, struct err *err)
{
    (void)outputs;
    if (config->tversky.alpha + config->tversky.beta == 0)
        return fail_as(err, STATUS_CONFIG,
                       "loss.tversky: alpha and beta are both 0, so that no error counts");
    return 0;
}

/* TP + alpha FP + beta FN = (1 - alpha - beta) TP + alpha (TP + FP) + beta (TP + FN) */
static val tversky(struct pixels *px, const struct segment_loss_config *config)
{
    struct graph *g = px->g;
    float alpha = (float)config->tversky.alpha, beta = (float)config->tversky.beta;
    struct region r = region(px, config->tversky.reduce, config->tversky.background);
    val errors =
        g_binary(g, OP_add, g_affine(g, r.predicted, alpha, 0), g_affine(g, r.truth, beta, 0));
    val below = g_binary(g, OP_add, g_affine(g, r.both, 1 - alpha - beta, 0), errors);
    return region_loss(px, r.both, below, config->tversky.smooth);
}

/* ---- the terms ------------------------------------------------------------------------------ */
enum logits { ANY_LOGITS, ONE_LOGIT, LOGIT_A_CLASS };

/*
 * TERM(name, help, what else its row says), in the order of recipes and of the sum. By that name go
 * its key, its part of segment_loss_config (which begins with present and weight), the table of its
 * keys NAME_fields, and the function that appends it to a graph.
 */
#define TERMS                                                                                      \
    TERM(bce, "cross entropy of one logit, foreground against background", .logits = ONE_LOGIT)    \
    TERM(cross_entropy, "cross entropy of a logit a class", .logits = LOGIT_A_CLASS,               \
         .check = check_cross_entropy)                                                             \
    TERM(dice, "soft Dice of the probabilities", .background = AT(dice.background))                \
    TERM(focal, "cross entropy that plays down what is easy", .check = check_focal)                \
    TERM(tversky, "Dice with two weights for the two kinds of error",                              \
         .background = AT(tversky.background), .check = check_tversky)

#define TERM(name, what, ...)                                                                      \
    {.key = #name, .type = FIELD_OPTION, .offset = AT(name), .sub = name##_fields, .help = what},
const struct field segment_loss_fields[] = {TERMS{0}};
#undef TERM

static const struct term {
    const char *key;
    size_t present, weight, background; /* where they are; background 0: it has no such key */
    enum logits logits;                 /* what it is defined for */
    /* What else may be wrong (NULL: nothing); outputs is the number of logits, 0: not known yet. */
    int (*check)(const struct segment_loss_config *config, int32_t outputs, struct err *err);
    val (*append)(struct pixels *px, const struct segment_loss_config *config); /* one number */
} terms[] = {
#define TERM(name, what, ...)                                                                      \
    {.key = #name, .present = AT(name), .weight = AT(name.weight), .append = name, __VA_ARGS__},
    TERMS
#undef TERM
    {0}};

/* ---- the whole ------------------------------------------------------------------------------ */
static const void *at(const struct segment_loss_config *config, size_t offset)
{
    return (const char *)config + offset;
}

static bool given(const struct segment_loss_config *config, const struct term *term)
{
    return *(const bool *)at(config, term->present);
}

/* A term that is given and is for these logits; NULL: none. */
static const struct term *given_for(const struct segment_loss_config *config, enum logits logits)
{
    for (const struct term *term = terms; term->key; term++)
        if (term->logits == logits && given(config, term))
            return term;
    return NULL;
}

/* One logit is the foreground's, and has no background to speak of. */
static int check_terms(const struct segment_loss_config *config, int32_t outputs, struct err *err)
{
    for (const struct term *term = terms; term->key; term++) {
        if (!given(config, term))
            continue;
        if (term->logits == ONE_LOGIT && outputs > 1)
            return fail_as(err, STATUS_CONFIG,
                           "loss.%s is for two classes, and the masks have %d; cross_entropy is "
                           "for several",
                           term->key, (int)outputs);
        int background =
            term->background ? *(const int *)at(config, term->background) : BACKGROUND_EXCLUDE;
        if (background == BACKGROUND_INCLUDE && outputs == 1)
            return fail_as(err, STATUS_CONFIG,
                           "loss.%s.background: one logit has no background to include; "
                           "cross_entropy beside it gives each class a logit",
                           term->key);
        if (background == BACKGROUND_UNSAID && outputs > 1)
            return fail_as(err, STATUS_CONFIG,
                           "loss.%s.background: include or exclude has to be said for %d classes",
                           term->key, (int)outputs);
        if (term->check)
            TRY(term->check(config, outputs, err));
    }
    return 0;
}

int segment_loss_check(const struct segment_loss_config *config, struct err *err)
{
    const struct term *one = given_for(config, ONE_LOGIT), *each = given_for(config, LOGIT_A_CLASS);
#define TERM(name, ...) #name ", "
    if (!one && !each && !given_for(config, ANY_LOGITS))
        return fail_as(err, STATUS_CONFIG,
                       "loss: nothing to minimise; " TERMS "or several of them expected");
#undef TERM
    if (one && each)
        return fail_as(err, STATUS_CONFIG,
                       "loss: %s has one logit and %s one a class; choose one of them", one->key,
                       each->key);
    return check_terms(config, 0, err);
}

int segment_loss_outputs(int32_t *out, const struct segment_loss_config *config, int64_t classes,
                         struct err *err)
{
    TRY(segment_loss_check(config, err));
    if (classes < 2 || classes > MASK_CLASSES)
        return fail_as(err, STATUS_CONFIG, "masks of %lld classes cannot be learnt",
                       (long long)classes);
    *out = classes == 2 && !given_for(config, LOGIT_A_CLASS) ? 1 : (int32_t)classes;
    return check_terms(config, *out, err);
}

val segment_loss(struct graph *g, const struct segment_loss_config *config,
                 const struct class_counts *counts, val logits, val label, val weight)
{
    struct pixels px = {g, counts, g_shape(g, logits).c, logits, label, weight, 0, 0, 0, 0};
    val all = g_one_hot(g, label, 0, (int32_t)counts->count, MASK_IGNORE), total = 0;
    px.target = px.outputs == 1 ? g_one_hot(g, label, 1, 1, MASK_IGNORE) : all;
    px.valid = g_binary(g, OP_mul, g_reduce_sum(g, all, g_shape(g, label)), weight);
    for (const struct term *term = terms; term->key; term++) {
        if (!given(config, term))
            continue;
        float factor = (float)*(const double *)at(config, term->weight);
        val weighted = g_affine(g, term->append(&px, config), factor, 0);
        total = total ? g_binary(g, OP_add, total, weighted) : weighted;
    }
    return total;
}

/* ---- of a UNet ------------------------------------------------------------------------------ */
val unet_soft_dice(struct graph *g, val logits, val label, val weight, int32_t classes,
                   int32_t first)
{
    int32_t others = classes - first;
    struct shape each = {1, 1, 1, 1, others}, one = {1, 1, 1, 1, 1}, pixel = g_shape(g, label);
    val p = g_shape(g, logits).c == 1 ? g_unary(g, OP_sigmoid, logits)
                                      : g_slice(g, g_softmax(g, logits), AXIS_C, first, others);
    val target = g_binary(g, OP_mul, g_one_hot(g, label, 0, classes, MASK_IGNORE), weight);
    val counts = g_reduce_sum(g, target, pixel), t = g_slice(g, target, AXIS_C, first, others);
    val both = g_reduce_sum(g, g_binary(g, OP_mul, p, t), each);
    val predicted = g_reduce_sum(g, g_binary(g, OP_mul, p, counts), each);
    val there = g_reduce_sum(g, t, each);
    val present = g_reduce_sum(g, g_clamp(g, there, 0, 1), one); /* of 0 or at least 1 pixels */
    val sizes = g_clamp(g, g_binary(g, OP_add, predicted, there), 1e-6f, 1e30f);
    val dice = g_reduce_sum(g, g_binary(g, OP_div_, g_affine(g, both, 2, 0), sizes), one);
    return g_binary(g, OP_div_, dice, g_clamp(g, present, 1, MASK_CLASSES));
}

val unet_loss(struct graph *g, const struct segment_loss_config *config,
              const struct class_counts *counts, const val *logits, int count, val label,
              val weight)
{
    float total = 2 - 1.0f / (float)(1 << (count - 1)); /* 1 + 1/2 + 1/4 + ... */
    val sum = 0;
    for (int i = 0; i < count; i++) {
        val term = segment_loss(g, config, counts, logits[i], label, weight);
        if (count > 1)
            term = g_affine(g, term, 1.0f / (float)(1 << i) / total, 0);
        sum = i ? g_binary(g, OP_add, sum, term) : term;
    }
    return sum;
}
