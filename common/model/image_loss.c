#include "model/image_loss.h"

#include "model/perceptual.h"

/* ---- means over pixels ---------------------------------------------------------------------- */
static struct shape per_case(struct graph *g, val x)
{
    return (struct shape){g_shape(g, x).n, 1, 1, 1, 1};
}

/* Over d, h, w, c of each case. */
static val mean(struct graph *g, val map)
{
    struct shape s = g_shape(g, map);
    s.n = 1;
    return g_affine(g, g_reduce_sum(g, map, per_case(g, map)), 1.0f / (float)shape_count(s), 0);
}

/* Of what counts: a sum of 0 is one of zeros. */
static val weighted(struct graph *g, const struct image_pair *pair, val map)
{
    float channels = (float)g_shape(g, map).c;
    val sum = g_reduce_sum(g, g_binary(g, OP_mul, map, pair->pixel), per_case(g, map));
    val all = g_reduce_sum(g, pair->pixel, per_case(g, map));
    all = g_binary(g, OP_max_, all, g_fill(g, (struct shape){1, 1, 1, 1, 1}, 1e-20f));
    return g_affine(g, g_binary(g, OP_div_, sum, all), 1 / channels, 0);
}

static val term_mean(struct graph *g, const struct image_pair *pair, enum op loss, enum op map)
{
    struct shape s = g_shape(g, pair->image);
    s.n = 1;
    if (pair->pixel)
        return weighted(g, pair, g_unary(g, map, g_binary(g, OP_sub, pair->image, pair->target)));
    return g_affine(g, g_loss(g, loss, pair->image, pair->target), 1.0f / (float)shape_count(s), 0);
}

static val mse(struct graph *g, const struct image_pair *pair)
{
    return term_mean(g, pair, OP_mse, OP_square);
}

static val l1(struct graph *g, const struct image_pair *pair)
{
    return term_mean(g, pair, OP_l1, OP_abs_);
}

val image_squared_error(struct graph *g, const struct image_pair *pair)
{
    return mse(g, &(struct image_pair){.image = pair->image, .target = pair->target});
}

/* ---- structural similarity ------------------------------------------------------------------ */
enum { WINDOW = 11 };
static const float sigma = 1.5f;
static const double k1 = 0.01, k2 = 0.03;

static val windows(struct graph *g, val x)
{
    return g_gaussian(g, x, WINDOW, sigma);
}

static val product(struct graph *g, val a, val b)
{
    return a == b ? g_unary(g, OP_square, a) : g_binary(g, OP_mul, a, b);
}

/* In each window, of a and b with the means given: E[ab] - E[a] E[b]. */
static val covariance(struct graph *g, val a, val b, val means)
{
    return g_binary(g, OP_sub, windows(g, product(g, a, b)), means);
}

static val structure(struct graph *g, val x, val t, double range)
{
    float c1 = (float)(k1 * range * k1 * range), c2 = (float)(k2 * range * k2 * range);
    val mean_x = windows(g, x), mean_t = windows(g, t);
    val xx = product(g, mean_x, mean_x), tt = product(g, mean_t, mean_t),
        xt = product(g, mean_x, mean_t);
    val variances = g_binary(g, OP_add, covariance(g, x, x, xx), covariance(g, t, t, tt));
    val above = product(g, g_affine(g, xt, 2, c1), g_affine(g, covariance(g, x, t, xt), 2, c2));
    val below =
        product(g, g_affine(g, g_binary(g, OP_add, xx, tt), 1, c1), g_affine(g, variances, 1, c2));
    return g_binary(g, OP_div_, above, below);
}

/* The image where its pixels count, the target elsewhere. */
static val counted(struct graph *g, const struct image_pair *pair)
{
    val x = pair->image, t = pair->target;
    if (!pair->pixel)
        return x;
    val differs = g_binary(g, OP_mul, g_binary(g, OP_sub, x, t), pair->pixel);
    return g_binary(g, OP_add, differs, t);
}

static val ssim(struct graph *g, const struct image_pair *pair)
{
    val x = counted(g, pair);
    return g_affine(g, mean(g, structure(g, x, pair->target, pair->range)), -1, 1);
}

static val perceptual(struct graph *g, const struct image_pair *pair)
{
    return perceptual_error(g, pair->network, counted(g, pair), pair->target);
}

/* ---- the terms ------------------------------------------------------------------------------ */
static const struct field term_fields[] = {
    {.key = "weight",
     .type = FIELD_REAL,
     .offset = offsetof(struct image_term_config, weight),
     .fallback = "1.0",
     .min = 1e-9,
     .max = 1e9,
     .help = "factor of this term in the loss"},
    {0},
};

#define TERM(member) .key = #member, .offset = offsetof(struct image_loss_config, member)
const struct field image_loss_fields[] = {
    {TERM(mse), .type = FIELD_OPTION, .sub = term_fields, .help = "mean squared difference"},
    {TERM(l1), .type = FIELD_OPTION, .sub = term_fields, .help = "mean absolute difference"},
    {TERM(ssim), .type = FIELD_OPTION, .sub = term_fields,
     .help = "1 - structural similarity, as evaluation measures it"},
    {TERM(perceptual), .type = FIELD_OPTION, .sub = term_fields,
     .help = "mean squared difference of what the network of the input 'perceptual' sees"},
    {0},
};
#undef TERM

#define TERM(member) offsetof(struct image_loss_config, member)
static const struct {
    size_t config;
    val (*append)(struct graph *g, const struct image_pair *pair);
} terms[] = {
    {TERM(mse), mse},
    {TERM(l1), l1},
    {TERM(ssim), ssim},
    {TERM(perceptual), perceptual},
};
#undef TERM
enum { TERMS = sizeof terms / sizeof *terms };

val image_loss(struct graph *g, const struct image_loss_config *config,
               const struct image_pair *pair)
{
    val total = 0;
    for (int i = 0; i < TERMS; i++) {
        const void *at = (const char *)config + terms[i].config;
        const struct image_term_config *term = at;
        if (!term->present)
            continue;
        val part = g_affine(g, terms[i].append(g, pair), (float)term->weight, 0);
        total = total ? g_binary(g, OP_add, total, part) : part;
    }
    return total ? total : mse(g, pair);
}
