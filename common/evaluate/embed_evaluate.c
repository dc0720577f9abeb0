/*
 * Latents: where a model's encoder puts the images of the split, and whether their classes lie apart.
 *
 * embedding.safetensors: latents f32 [count,features], a map's channels in the mean over its positions;
 * pca f32 [count,2], pca_share f32 [2]; tsne f32 [points,2] of the cases tsne_cases i32 [points], all or,
 * beyond TSNE_POINTS, so many drawn by noise_seed; labels i32 [count]. Metadata: classes (joined by
 * commas), names (of the cases, one a line), pooling: mean or none.
 */
#include "evaluate/evaluate_parts.h"

#include "evaluate/embedding.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { AXES = 2, PERPLEXITY = 30 };

struct embedding {
    int32_t features, positions; /* of a latent: its channels; of its map: 1 where it is none */
    float *z;                    /* [batch, the latent's d,h,w,c] */
    float *latents;              /* [count,features] */
};

/* ---- latents -------------------------------------------------------------------------------- */
static void pool(float *out, const float *z, const struct embedding *s)
{
    for (int32_t k = 0; k < s->features; k++) {
        double sum = 0;
        for (int32_t i = 0; i < s->positions; i++)
            sum += (double)z[i * s->features + k];
        out[k] = (float)(sum / s->positions);
    }
}

static int embed(struct evaluator *e, const struct batch *b, float *out, struct err *err)
{
    const struct embedding *s = e->embedding;
    TRY(trained_encode(&e->model, b->image, b->label, s->z, NULL, err));
    for (uint32_t i = 0; i < b->real; i++)
        pool(out + i * (size_t)s->features, s->z + i * e->model.latent, s);
    return 0;
}

static int begin(struct evaluator *e, struct err *err)
{
    const struct dataset *data = e->what->dataset;
    const struct shape latent = e->facts.latent;
    struct embedding *s = e->embedding = arena_alloc(&e->arena, sizeof *s);
    if (!data->labels || data->class_count < 2)
        return fail_as(err, STATUS_CONFIG,
                       "metrics: 'silhouette' and 'probe' are of classes of images, and the data "
                       "set has none");
    if (!data->count[SPLIT_TRAIN] || e->count < TSNE_LEAST)
        return fail_as(err, STATUS_CONFIG,
                       "metrics: 'silhouette' and 'probe' take a train split, and at least %d "
                       "cases to measure",
                       TSNE_LEAST);
    s->features = latent.c;
    s->positions = latent.d * latent.h * latent.w;
    s->z = arena_alloc(&e->arena, (size_t)e->batch * (size_t)e->model.latent * sizeof *s->z);
    s->latents = arena_alloc(&e->arena, e->count * (size_t)s->features * sizeof *s->latents);
    return 0;
}

static int embed_batch(struct evaluator *e, const struct batch *b, uint32_t first, struct err *err)
{
    return embed(e, b, e->embedding->latents + first * (size_t)e->embedding->features, err);
}

/* Of all training images, [count of the train split,features]. */
static int embed_training(struct evaluator *e, float *out, struct err *err)
{
    const struct loader_spec spec = {.split = SPLIT_TRAIN,
                                     .batch = (uint32_t)e->batch,
                                     .memory = backend_host_memory(e->what->backend)};
    struct loader *loader;
    TRY(loader_open(&loader, e->what->dataset, &spec, e->what->meter, err));
    int status = 0;
    for (const struct batch *b; !status && (b = loader_next(loader));
         out += b->real * (size_t)e->embedding->features) {
        status = stop_obey(err);
        if (!status)
            status = embed(e, b, out, err);
    }
    loader_close(loader);
    return status;
}

/* ---- numbers -------------------------------------------------------------------------------- */
static int probe(double *accuracy, struct evaluator *e, const struct cloud *test, struct err *err)
{
    const struct dataset *data = e->what->dataset;
    const uint32_t begin = data->begin[SPLIT_TRAIN], count = data->count[SPLIT_TRAIN];
    float *x = arena_alloc(&e->arena, count * (size_t)test->features * sizeof *x);
    int32_t *predicted = arena_alloc(&e->arena, e->count * sizeof *predicted);
    const struct cloud train = {x, (int32_t)count, test->features};
    uint32_t right = 0;
    TRY(embed_training(e, x, err));
    TRY(linear_probe(predicted, &train, data->labels + begin, (int32_t)data->class_count, test,
                     err));
    for (uint32_t i = 0; i < e->count; i++)
        right += predicted[i] == case_label(e, i);
    *accuracy = (double)right / e->count;
    return 0;
}

/* ---- what it looks like --------------------------------------------------------------------- */
static const float *as_floats(struct evaluator *e, const double *values, size_t count)
{
    float *out = arena_alloc(&e->arena, count * sizeof *out);
    for (size_t i = 0; i < count; i++)
        out[i] = (float)values[i];
    return out;
}

static int ascending(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* The cases that t-SNE shows, and their latents. */
static struct cloud choose(int32_t **cases, struct evaluator *e)
{
    const struct embedding *s = e->embedding;
    const size_t row = (size_t)s->features;
    const uint32_t points = e->count < TSNE_POINTS ? e->count : TSNE_POINTS;
    uint32_t *all = arena_alloc(&e->arena, e->count * sizeof *all);
    float *x = arena_alloc(&e->arena, points * row * sizeof *x);
    struct stream stream = stream_new((uint64_t)e->config->noise_seed, "embedding");
    *cases = arena_alloc(&e->arena, points * sizeof **cases);
    for (uint32_t i = 0; i < e->count; i++)
        all[i] = i;
    if (points < e->count)
        stream_shuffle(&stream, all, e->count);
    for (uint32_t i = 0; i < points; i++)
        (*cases)[i] = (int32_t)all[i];
    qsort(*cases, points, sizeof **cases, ascending);
    for (uint32_t i = 0; i < points; i++)
        memcpy(x + i * row, s->latents + (size_t)(*cases)[i] * row, row * sizeof *x);
    return (struct cloud){x, (int32_t)points, s->features};
}

static int write_embedding(struct evaluator *e, const struct cloud *cloud,
                           const struct draft *draft, struct err *err)
{
    const struct dataset *data = e->what->dataset;
    const int threads = backend_threads(e->what->backend);
    const int32_t axes = cloud->features < AXES ? cloud->features : AXES;
    int32_t *cases;
    char path[PATH_BYTES];
    struct cloud chosen = choose(&cases, e);
    double *scores = arena_alloc(&e->arena, e->count * AXES * sizeof *scores), share[AXES] = {0};
    double *y = arena_alloc(&e->arena, (size_t)chosen.points * AXES * sizeof *y);
    TRY(pca(scores, share, cloud, axes, err));
    for (int k = 0; k < axes; k++)
        share[k] = isfinite(share[k]) ? share[k] : 0;
    tsne(y, &chosen, PERPLEXITY, (uint64_t)e->config->noise_seed, threads);
    TRY(stop_obey(err));
    const struct tensor items[] = {
        tensor_of("latents", TENSOR_F32, (int64_t[]){e->count, cloud->features}, 2, cloud->x),
        tensor_of("pca", TENSOR_F32, (int64_t[]){e->count, axes}, 2,
                  as_floats(e, scores, e->count * (size_t)axes)),
        tensor_of("pca_share", TENSOR_F32, (int64_t[]){axes}, 1, as_floats(e, share, AXES)),
        tensor_of("tsne", TENSOR_F32, (int64_t[]){chosen.points, AXES}, 2,
                  as_floats(e, y, (size_t)chosen.points * AXES)),
        tensor_of("tsne_cases", TENSOR_I32, (int64_t[]){chosen.points}, 1, cases),
        tensor_of("labels", TENSOR_I32, (int64_t[]){e->count}, 1, data->labels + e->begin)};
    const char *const meta[] = {"classes", joined(e, data->classes, data->class_count, ','),
                                "names",   joined(e, data->ids + e->begin, e->count, '\n'),
                                "pooling", e->embedding->positions > 1 ? "mean" : "none"};
    TRY(draft_path(draft, "embedding.safetensors", path, err));
    return tensors_write(path, items, sizeof items / sizeof *items, meta, 3, err);
}

static int end(struct evaluator *e, const struct draft *draft, struct err *err)
{
    const struct embedding *s = e->embedding;
    const struct cloud cloud = {s->latents, (int32_t)e->count, s->features};
    struct apart apart = {.silhouette = silhouette(&cloud, e->what->dataset->labels + e->begin,
                                                   (int32_t)e->what->dataset->class_count,
                                                   backend_threads(e->what->backend))};
    TRY(probe(&apart.probe, e, &cloud, err));
    measure(e, HAS_LATENTS, -1, POOLED_ALL, &(struct subject){.apart = &apart});
    return write_embedding(e, &cloud, draft, err);
}

static void finish(struct evaluator *e)
{
    (void)e; /* all is the arena's */
}

const struct side latent_side = {HAS_LATENTS, begin, embed_batch, end, finish};
