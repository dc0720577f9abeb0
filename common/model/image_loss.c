#include "model/image_loss.h"

/* ---- terms ---------------------------------------------------------------------------------- */
static val mean_of(struct graph *g, enum op op, const struct image_pair *pair)
{
    struct shape s = g_shape(g, pair->image);
    s.n = 1;
    return g_affine(g, g_loss(g, op, pair->image, pair->target), 1.0f / (float)shape_count(s), 0);
}

static val mse(struct graph *g, const struct image_pair *pair)
{
    return mean_of(g, OP_mse, pair);
}

static val l1(struct graph *g, const struct image_pair *pair)
{
    return mean_of(g, OP_l1, pair);
}

/* ---- configuration -------------------------------------------------------------------------- */
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
    {0},
};
#undef TERM

#define TERM(member) .offset = offsetof(struct image_loss_config, member)
static const struct term {
    size_t offset;
    val (*append)(struct graph *g, const struct image_pair *pair);
} terms[] = {
    {TERM(mse), mse},
    {TERM(l1), l1},
};
#undef TERM
enum { TERMS = sizeof terms / sizeof *terms };

/* NULL: not asked for. */
static const struct image_term_config *asked(const struct image_loss_config *config, int i)
{
    const void *at = (const char *)config + terms[i].offset;
    const struct image_term_config *term = at;
    return term->present ? term : NULL;
}

/* ---- the whole ------------------------------------------------------------------------------ */
val image_loss(struct graph *g, const struct image_loss_config *config,
               const struct image_pair *pair)
{
    val total = 0;
    for (int i = 0; i < TERMS; i++) {
        if (!asked(config, i))
            continue;
        val term = g_affine(g, terms[i].append(g, pair), (float)asked(config, i)->weight, 0);
        total = total ? g_binary(g, OP_add, total, term) : term;
    }
    return total ? total : mse(g, pair);
}
