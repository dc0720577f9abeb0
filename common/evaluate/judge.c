/* What the judge says: does it see the label that the decoder was given, and how far are decoded
 * images from real ones in its features? */
#include "evaluate/evaluate_parts.h"

#include "evaluate/frechet.h"

/* Some images as the judge sees them. */
struct view {
    struct evaluator *e;
    int32_t *predicted;      /* [batch] */
    float *features;         /* [batch,hidden] */
    const int32_t *label;    /* what it should see */
    struct moments *moments; /* of its features */
    uint32_t labels, points; /* how many of the images, from the first, have to do with these */
    uint32_t right;
};

static int look(void *user, const float *image, uint32_t first, uint32_t n, struct err *err)
{
    struct view *view = user;
    struct trained *judge = &view->e->judge;
    float *features = view->points ? view->features : NULL;
    if (trained_classify(judge, image, view->predicted, features, err))
        return wrap(err, "the judge, images from %u on", (unsigned)first);
    for (uint32_t i = 0; i < n && first + i < view->labels; i++)
        view->right += view->predicted[i] == view->label[first + i];
    for (uint32_t i = 0; i < n && first + i < view->points; i++)
        moments_add(view->moments, features + i * (size_t)judge->model.facts.features);
    return 0;
}

/* Of `count` images, of which the first `labels` should be seen as `label` and the first `points` are
 * a cloud of their own. */
static struct view view_new(struct evaluator *e, const int32_t *label, uint32_t labels,
                            uint32_t points)
{
    int32_t hidden = e->judge.model.facts.features;
    size_t batch = (size_t)e->judge.batch;
    struct view view = {.e = e, .label = label, .labels = labels, .points = points};
    view.predicted = arena_alloc(&e->arena, batch * sizeof *view.predicted);
    if (points) {
        view.features = arena_alloc(&e->arena, batch * (size_t)hidden * sizeof *view.features);
        view.moments = arena_alloc(&e->arena, sizeof *view.moments);
        *view.moments = moments_new(hidden, &e->arena);
    }
    return view;
}

static int look_at_real(struct view *view, struct err *err)
{
    struct evaluator *e = view->e;
    struct loader_spec spec = {.split = (enum split)e->config->split,
                               .batch = (uint32_t)e->judge.batch};
    struct loader *loader;
    TRY(loader_open(&loader, e->what->dataset, &spec, e->what->meter, err));
    int rc = 0;
    uint32_t first = 0;
    for (const struct batch *b; !rc && (b = loader_next(loader)); first += b->real) {
        rc = stop_obey(err);
        if (!rc)
            rc = look(view, b->image, first, b->real, err);
    }
    loader_close(loader);
    if (!rc)
        metric(e, "judge_accuracy", (double)view->right / e->count);
    return rc;
}

static int distance(struct evaluator *e, const char *name, const struct view *real,
                    const struct view *decoded, struct err *err)
{
    double value;
    TRY(frechet_distance(&value, real->moments, decoded->moments, err));
    metric(e, name, value);
    return 0;
}

static int judge_reconstructions(struct evaluator *e, const struct view *real, struct err *err)
{
    struct view view = view_new(e, NULL, 0, e->count);
    TRY(decode_all(e, e->z_mean, real->label, e->count, look, &view, err));
    return distance(e, "fd_judge/reconstruction", real, &view, err);
}

static int judge_wrong_labels(struct evaluator *e, struct err *err)
{
    struct view view = view_new(e, e->wrong_label, e->count, 0);
    TRY(decode_all(e, e->z_mean, e->wrong_label, e->count, look, &view, err));
    metric(e, "label_obedience/wrong_label", (double)view.right / e->count);
    return 0;
}

/* The first samples serve both label obedience and the distance. */
static int judge_prior(struct evaluator *e, const struct view *real, uint32_t labels,
                       uint32_t points, struct err *err)
{
    uint32_t count = labels > points ? labels : points;
    float *z = arena_alloc(&e->arena, (size_t)count * (size_t)e->vae.latent * sizeof *z);
    int32_t *label = arena_alloc(&e->arena, count * sizeof *label);
    prior_codes(e, "prior", count, z, label);
    struct view view = view_new(e, label, labels, points);
    TRY(decode_all(e, z, label, count, look, &view, err));
    if (labels)
        metric(e, "label_obedience/prior", (double)view.right / labels);
    return points ? distance(e, "fd_judge/prior", real, &view, err) : 0;
}

int judge_images(struct evaluator *e, struct err *err)
{
    bool obedience = e->wrong_label && evaluate_wants(e->config, METRIC_LABEL_OBEDIENCE);
    uint32_t points = evaluate_wants(e->config, METRIC_FD_JUDGE) ? e->count : 0;
    struct view real = view_new(e, e->what->dataset->labels + e->begin, e->count, points);
    TRY(look_at_real(&real, err));
    if (points)
        TRY(judge_reconstructions(e, &real, err));
    if (obedience)
        TRY(judge_wrong_labels(e, err));
    return judge_prior(e, &real, obedience ? (uint32_t)e->config->samples : 0, points, err);
}
