/* Label obedience: does the judge see the label that the decoder was given? */
#include "nn/evaluate_parts.h"

struct verdict {
    struct evaluator *e;
    const int32_t *label; /* that was given */
    int32_t *predicted;   /* [batch] */
    uint32_t right;
};

static int count_right(void *user, const float *image, uint32_t first, uint32_t n, struct err *err)
{
    struct verdict *verdict = user;
    TRY(trained_classifier_predict(&verdict->e->judge, image, verdict->predicted, err));
    for (uint32_t i = 0; i < n; i++)
        verdict->right += verdict->predicted[i] == verdict->label[first + i];
    return 0;
}

static int judge_prior(struct evaluator *e, struct verdict *verdict, struct err *err)
{
    uint32_t count = (uint32_t)e->config->samples;
    if (!count)
        return 0;
    float *z = arena_alloc(&e->arena, (size_t)count * (size_t)e->vae.latent * sizeof *z);
    int32_t *label = arena_alloc(&e->arena, count * sizeof *label);
    prior_codes(e, "prior", count, z, label);
    verdict->label = label;
    verdict->right = 0;
    TRY(decode_all(e, z, label, count, count_right, verdict, err));
    metric(e, "label_obedience/prior", (double)verdict->right / count);
    return 0;
}

static int judge_real(struct evaluator *e, struct verdict *verdict, struct err *err)
{
    struct loader_spec spec = {.split = (enum split)e->config->split,
                               .batch = (uint32_t)e->judge.batch};
    struct loader *loader;
    TRY(loader_open(&loader, e->what->dataset, &spec, e->what->meter, err));
    int rc = 0;
    verdict->right = 0;
    for (const struct batch *b; !rc && (b = loader_next(loader));) {
        verdict->label = b->label;
        rc = count_right(verdict, b->image, 0, b->real, err);
    }
    loader_close(loader);
    if (!rc)
        metric(e, "judge_accuracy", (double)verdict->right / e->count);
    return rc;
}

int judge_labels(struct evaluator *e, struct err *err)
{
    int32_t *predicted = arena_alloc(&e->arena, (size_t)e->judge.batch * sizeof *predicted);
    struct verdict verdict = {.e = e, .predicted = predicted};
    TRY(judge_real(e, &verdict, err));
    if (!e->wrong_label)
        return 0;
    verdict.label = e->wrong_label;
    verdict.right = 0;
    TRY(decode_all(e, e->z_mean, e->wrong_label, e->count, count_right, &verdict, err));
    metric(e, "label_obedience/wrong_label", (double)verdict.right / e->count);
    return judge_prior(e, &verdict, err);
}
