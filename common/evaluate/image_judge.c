/* The judge: does it recognise the label given to the decoder, and how far are decoded images from
 * real ones in its feature space? */
#include "evaluate/image_parts.h"

#include "train/model_text.h"

#include <math.h>

/* The Frechet distance's time grows with the cube of the features, its memory with the square: 4096
 * take minutes and 0.7 GB. */
enum { MAX_FEATURES = 4096 };

int look(void *user, const float *image, uint32_t first, uint32_t n, struct err *err)
{
    struct view *view = user;
    struct images *s = view->e->images;
    size_t hidden = (size_t)s->judge.model.facts.features;
    if (trained_classify(&s->judge, image, s->recognised, view->points ? s->features : NULL, err))
        return wrap(err, "the judge, images from %u", (unsigned)first);
    for (uint32_t i = 0; i < n && first + i < view->labels; i++)
        view->right += s->recognised[i] == view->label[first + i];
    for (uint32_t i = 0; i < n && first + i < view->points; i++)
        moments_add(view->moments, s->features + i * hidden);
    return 0;
}

/* For images of which the first `labels` should be recognised as `label` and the first `points`
 * form a cloud. */
static struct view view_new(struct evaluator *e, const int32_t *label, uint32_t labels,
                            uint32_t points)
{
    struct view view = {.e = e, .label = label, .labels = labels, .points = points};
    if (points) {
        view.moments = arena_alloc(&e->arena, sizeof *view.moments);
        *view.moments = moments_new(e->images->judge.model.facts.features, &e->arena);
    }
    return view;
}

/* A judge for values of one range cannot judge those of another. */
static int check_judge(const struct evaluator *e, struct err *err)
{
    const struct model_facts *judge = &e->images->judge.model.facts;
    struct image_data data = image_data_of(e->what->dataset);
    const struct range *its = &judge->range, *range = &e->facts.range;
    if (isfinite(its->high - its->low) && (its->low != range->low || its->high != range->high))
        return fail_as(err, STATUS_BAD_DATA,
                       "the judge takes values from %g to %g, but the model's are from %g to %g",
                       (double)its->low, (double)its->high, (double)range->low,
                       (double)range->high);
    TRY(image_data_match(&judge->data, &data, "the judge", err));
    if (judge->features > MAX_FEATURES && needs(e, NEED_FEATURES))
        return fail_as(
            err, STATUS_CONFIG,
            "metrics: 'fd_judge' needs a judge of at most %d hidden units, but this one has "
            "%d; list the metrics without it",
            MAX_FEATURES, (int)judge->features);
    return 0;
}

int open_judge(struct evaluator *e, struct err *err)
{
    struct images *s = e->images;
    size_t batch = (size_t)e->batch;
    TRY(evaluate_open(&s->judge, e, e->what->judge, CAN(CLASSIFY),
                      &(struct windows){.batch = e->batch}, err));
    TRY(check_judge(e, err));
    s->recognised = arena_alloc(&e->arena, batch * sizeof *s->recognised);
    s->features =
        arena_alloc(&e->arena, batch * (size_t)s->judge.model.facts.features * sizeof *s->features);
    s->real = view_new(e, e->what->dataset->labels + e->begin, e->count,
                       needs(e, NEED_FEATURES) ? e->count : 0);
    return 0;
}

/* Images decoded from z_mean, with their labels and with wrong ones. */
static int judge_codes(struct evaluator *e, struct judged *out, struct err *err)
{
    const struct images *s = e->images;
    if (needs(e, NEED_FEATURES)) {
        struct view right = view_new(e, NULL, 0, e->count);
        TRY(decode_all(e, s->z_mean, s->real.label, e->count, look, &right, err));
        TRY(frechet_distance(&out->distance_reconstruction, s->real.moments, right.moments, err));
    }
    if (needs(e, NEED_OBEDIENCE)) {
        struct view wrong = view_new(e, s->wrong_label, e->count, 0);
        TRY(decode_all(e, s->z_mean, s->wrong_label, e->count, look, &wrong, err));
        out->wrong_label = (double)wrong.right / e->count;
    }
    return 0;
}

/* The first samples are used both for label obedience and the distance. */
static int judge_prior(struct evaluator *e, struct judged *out, struct err *err)
{
    uint32_t labels = needs(e, NEED_OBEDIENCE) ? (uint32_t)e->config->samples : 0;
    uint32_t points = e->images->real.points, count = labels > points ? labels : points;
    float *z = arena_alloc(&e->arena, (size_t)count * (size_t)e->model.latent * sizeof *z);
    int32_t *label = arena_alloc(&e->arena, count * sizeof *label);
    prior_codes(e, "prior", count, z, label);
    struct view view = view_new(e, label, labels, points);
    TRY(decode_all(e, z, label, count, look, &view, err));
    out->prior = (double)view.right / labels;
    return points
               ? frechet_distance(&out->distance_prior, e->images->real.moments, view.moments, err)
               : 0;
}

int judge_images(struct evaluator *e, struct err *err)
{
    struct judged judged = {.accuracy = (double)e->images->real.right / e->count};
    TRY(judge_codes(e, &judged, err));
    TRY(judge_prior(e, &judged, err));
    measure(e, HAS_IMAGES, -1, POOLED_ALL, &(struct subject){.judged = &judged});
    return 0;
}
