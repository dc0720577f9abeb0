#include "evaluate/evaluate_parts.h"

#include "base/progress.h"
#include "evaluate/metrics.h"
#include "train/model_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The Frechet distance's time grows with the third power of the features, its memory with the second:
 * 4096 take minutes and 0.7 GB. */
enum { AUTO_BATCH = 200, MAX_FEATURES = 4096 };

/* ---- shared --------------------------------------------------------------------------------- */
void metric(struct evaluator *e, const char *name, double value)
{
    if (e->metrics.count == MOST_METRICS)
        bug("no room for metric '%s'", name);
    size_t i = e->metrics.count++;
    e->metrics.items[i].name =
        arena_printf(&e->arena, "%s/%s", split_names[e->config->split], name);
    e->metrics.items[i].value = value;
}

struct stream noise(const struct evaluator *e, const char *purpose, const char *id)
{
    char name[512];
    snprintf(name, sizeof name, "%s/%s", purpose, id);
    return stream_new((uint64_t)e->config->noise_seed, name);
}

int32_t label_of(const struct evaluator *e, uint32_t i)
{
    const int32_t *labels = e->what->dataset->labels;
    return labels ? labels[e->begin + i] : 0;
}

void prior_codes(const struct evaluator *e, const char *purpose, uint32_t count, float *z,
                 int32_t *label)
{
    struct stream stream = noise(e, purpose, "");
    for (uint32_t i = 0; i < count; i++) {
        label[i] = e->classes ? (int32_t)(i % (uint32_t)e->classes) : 0;
        for (int32_t j = 0; j < e->vae.latent; j++)
            *z++ = (float)stream_normal(&stream);
    }
}

int decode_all(struct evaluator *e, const float *z, const int32_t *label, uint32_t count,
               int (*use)(void *user, const float *image, uint32_t first, uint32_t n,
                          struct err *err),
               void *user, struct err *err)
{
    uint32_t batch = (uint32_t)e->vae.batch;
    size_t latent = (size_t)e->vae.latent;
    float *codes = xcalloc(batch * latent, sizeof *codes);
    int32_t *labels = xcalloc(batch, sizeof *labels);
    float *image = xcalloc(batch * (size_t)e->vae.pixels, sizeof *image);
    int rc = 0;
    for (uint32_t first = 0; !rc && first < count; first += batch) {
        uint32_t n = count - first < batch ? count - first : batch;
        memcpy(codes, z + first * latent, n * latent * sizeof *codes);
        memcpy(labels, label + first, n * sizeof *labels);
        rc = stop_obey(err);
        if (!rc && (rc = trained_decode(&e->vae, codes, labels, NULL, image, NULL, err)))
            wrap(err, "codes from %u on", (unsigned)first);
        if (!rc)
            rc = use(user, image, first, n, err);
    }
    free(codes);
    free(labels);
    free(image);
    return rc;
}

/* ---- case by case --------------------------------------------------------------------------- */
/* One batch on the host: what the encoder said, and room for codes and images. */
struct work {
    float *z_mean, *z_logvar, *z, *image, *reconstruction;
    double *ratio, *greatest, *sum; /* importance weights: log p(z)/q(z|x), log-sum-exp */
    struct stream *stream;
};

static struct work work_new(struct evaluator *e)
{
    size_t batch = (size_t)e->vae.batch, codes = batch * (size_t)e->vae.latent;
    struct work w = {
        .z_mean = arena_alloc(&e->arena, codes * sizeof(float)),
        .z_logvar = arena_alloc(&e->arena, codes * sizeof(float)),
        .z = arena_alloc(&e->arena, codes * sizeof(float)),
        .image = arena_alloc(&e->arena, batch * (size_t)e->vae.pixels * sizeof(float)),
        .reconstruction = arena_alloc(&e->arena, batch * sizeof(float)),
        .ratio = arena_alloc(&e->arena, batch * sizeof(double)),
        .greatest = arena_alloc(&e->arena, batch * sizeof(double)),
        .sum = arena_alloc(&e->arena, batch * sizeof(double)),
        .stream = arena_alloc(&e->arena, batch * sizeof(struct stream)),
    };
    return w;
}

static double kl_of(const float *z_mean, const float *z_logvar, int32_t latent)
{
    double sum = 0;
    for (int32_t j = 0; j < latent; j++)
        sum += exp(z_logvar[j]) + (double)z_mean[j] * z_mean[j] - 1 - z_logvar[j];
    return sum / 2;
}

/* Draws z ~ q(z|x) for case i of the batch; returns log p(z) - log q(z|x). */
static double draw(const struct evaluator *e, struct work *w, uint32_t i)
{
    double log_ratio = 0;
    for (int32_t j = 0; j < e->vae.latent; j++) {
        size_t at = (size_t)i * (size_t)e->vae.latent + (size_t)j;
        double noise_j = stream_normal(&w->stream[i]), logvar = w->z_logvar[at];
        double z = w->z_mean[at] + exp(logvar / 2) * noise_j;
        w->z[at] = (float)z;
        log_ratio += (noise_j * noise_j + logvar - z * z) / 2;
    }
    return log_ratio;
}

static int bound(struct evaluator *e, struct work *w, const struct batch *b,
                 struct case_result *out, struct err *err)
{
    for (uint32_t i = 0; i < b->real; i++) {
        w->stream[i] = noise(e, "posterior", e->what->dataset->ids[b->index[i]]);
        draw(e, w, i);
        size_t at = (size_t)i * (size_t)e->vae.latent;
        out[i].kl = kl_of(w->z_mean + at, w->z_logvar + at, e->vae.latent);
    }
    TRY(trained_decode(&e->vae, w->z, b->label, b->image, NULL, w->reconstruction, err));
    for (uint32_t i = 0; i < b->real; i++) {
        out[i].reconstruction = w->reconstruction[i];
        out[i].negative_elbo = out[i].reconstruction + out[i].kl;
    }
    return 0;
}

/* -log mean_k w_k, log w_k = log p(x|z_k) + log p(z_k) - log q(z_k|x): a running log-sum-exp. */
static int importance_bound(struct evaluator *e, struct work *w, const struct batch *b,
                            struct case_result *out, struct err *err)
{
    int64_t samples = e->config->importance_samples;
    for (uint32_t i = 0; i < b->real; i++) {
        w->stream[i] = noise(e, "importance", e->what->dataset->ids[b->index[i]]);
        w->greatest[i] = -INFINITY;
        w->sum[i] = 0;
    }
    for (int64_t k = 0; k < samples; k++) {
        TRY(stop_obey(err));
        for (uint32_t i = 0; i < b->real; i++)
            w->ratio[i] = draw(e, w, i);
        TRY(trained_decode(&e->vae, w->z, b->label, b->image, NULL, w->reconstruction, err));
        for (uint32_t i = 0; i < b->real; i++) {
            double log_weight = w->ratio[i] - w->reconstruction[i];
            double greatest = fmax(w->greatest[i], log_weight);
            w->sum[i] = w->sum[i] * exp(w->greatest[i] - greatest) + exp(log_weight - greatest);
            w->greatest[i] = greatest;
        }
    }
    for (uint32_t i = 0; i < b->real; i++)
        out[i].negative_iw_bound = -(w->greatest[i] + log(w->sum[i] / (double)samples));
    return 0;
}

static int similarity(struct evaluator *e, struct work *w, const struct batch *b,
                      struct case_result *out, struct err *err)
{
    const struct image_data *is = &e->vae.model.facts.data;
    bool ssim = evaluate_wants(e->config, METRIC_SSIM);
    TRY(trained_decode(&e->vae, w->z_mean, b->label, NULL, w->image, NULL, err));
#pragma omp parallel for num_threads(backend_threads(e->what->backend)) schedule(static)
    for (uint32_t i = 0; i < b->real; i++) {
        const float *real = b->image + (int64_t)i * e->vae.pixels;
        const float *decoded = w->image + (int64_t)i * e->vae.pixels;
        out[i].mse = image_mse(real, decoded, e->vae.pixels);
        out[i].psnr = image_psnr(out[i].mse);
        if (ssim)
            out[i].ssim = image_ssim(real, decoded, (int)is->d, (int)is->h, (int)is->w, (int)is->c);
    }
    return 0;
}

/* The label drawn uniformly from the others. */
static int32_t draw_wrong(const struct evaluator *e, const char *id, int32_t label)
{
    struct stream stream = noise(e, "wrong-label", id);
    int32_t other = (int32_t)stream_below(&stream, (uint32_t)e->classes - 1);
    return other + (other >= label);
}

static int measure_batch(struct evaluator *e, struct work *w, const struct batch *b, uint32_t first,
                         struct err *err)
{
    struct case_result *out = e->cases + first;
    size_t latent = (size_t)e->vae.latent;
    TRY(trained_encode(&e->vae, b->image, b->label, w->z_mean, w->z_logvar, err));
    memcpy(e->z_mean + first * latent, w->z_mean, b->real * latent * sizeof *w->z_mean);
    if (e->wrong_label)
        for (uint32_t i = 0; i < b->real; i++)
            e->wrong_label[first + i] =
                draw_wrong(e, e->what->dataset->ids[b->index[i]], b->label[i]);
    if (evaluate_wants(e->config, METRIC_NEGATIVE_ELBO))
        TRY(bound(e, w, b, out, err));
    if (e->config->importance_samples)
        TRY(importance_bound(e, w, b, out, err));
    if (evaluate_wants(e->config, METRIC_MSE) || evaluate_wants(e->config, METRIC_PSNR) ||
        evaluate_wants(e->config, METRIC_SSIM))
        TRY(similarity(e, w, b, out, err));
    return 0;
}

/* That at which the model failed, if it did. */
static void name_case(const struct evaluator *e, const struct batch *b, struct err *err)
{
    int32_t bad = e->vae.bad_case;
    if (bad >= 0)
        wrap(err, "case '%s'", e->what->dataset->ids[b->index[bad]]);
}

static int measure_cases(struct evaluator *e, struct err *err)
{
    struct loader_spec spec = {.split = (enum split)e->config->split,
                               .batch = (uint32_t)e->vae.batch};
    struct loader *loader;
    TRY(loader_open(&loader, e->what->dataset, &spec, e->what->meter, err));
    struct work w = work_new(e);
    struct progress progress;
    progress_start(&progress, "evaluate", 0, e->count, e->what->quiet);
    int rc = 0;
    uint32_t first = 0;
    for (const struct batch *b; !rc && (b = loader_next(loader)); first += b->real) {
        rc = stop_obey(err);
        if (!rc && (rc = measure_batch(e, &w, b, first, err)))
            name_case(e, b, err);
        progress_step(&progress, first + b->real, 1, "cases", "");
    }
    progress_end(&progress);
    loader_close(loader);
    return rc;
}

/* ---- the whole ------------------------------------------------------------------------------ */
static int open_one(struct trained *out, const struct evaluator *e, const struct id *artifact,
                    unsigned abilities, const struct image_data *data, const char *name,
                    struct err *err)
{
    const struct trained_spec spec = {.store = e->what->store,
                                      .artifact = artifact,
                                      .backend = e->what->backend,
                                      .batch = e->config->batch < 0 ? AUTO_BATCH
                                                                    : (int32_t)e->config->batch,
                                      .abilities = abilities,
                                      .meter = e->what->meter};
    TRY(trained_open(out, &spec, err));
    return image_data_match(&out->model.facts.data, data, name, err);
}

static int open_judge(struct evaluator *e, const struct image_data *data, struct err *err)
{
    TRY(open_one(&e->judge, e, e->what->judge, CAN(CLASSIFY), data, "the judge", err));
    int32_t features = e->judge.model.facts.features;
    if (features > MAX_FEATURES && evaluate_wants(e->config, METRIC_FD_JUDGE))
        return fail_as(err, STATUS_CONFIG,
                       "metrics: 'fd_judge' takes a judge of at most %d hidden units, this one has "
                       "%d; name the metrics without it",
                       MAX_FEATURES, (int)features);
    return 0;
}

static int open_models(struct evaluator *e, struct err *err)
{
    const struct evaluation *what = e->what;
    struct image_data data = image_data_of(what->dataset);
    TRY(open_one(&e->vae, e, what->model, CAN(ENCODE) | CAN(DECODE), &data, "the model", err));
    if (e->vae.model.facts.conditional)
        e->classes = data.classes;
    bool obedience = e->classes && evaluate_wants(e->config, METRIC_LABEL_OBEDIENCE);
    e->judged = what->judge && (obedience || evaluate_wants(e->config, METRIC_FD_JUDGE));
    return e->judged ? open_judge(e, &data, err) : 0;
}

static int evaluate(struct evaluator *e, const struct draft *draft, struct err *err)
{
    TRY(open_models(e, err));
    e->cases = arena_alloc(&e->arena, e->count * sizeof *e->cases);
    e->z_mean = arena_alloc(&e->arena, e->count * (size_t)e->vae.latent * sizeof *e->z_mean);
    if (e->classes > 1)
        e->wrong_label = arena_alloc(&e->arena, e->count * sizeof *e->wrong_label);
    TRY(measure_cases(e, err));
    TRY(take_means(e, err));
    if (e->judged)
        TRY(judge_images(e, err));
    TRY(write_metrics(e->metrics.items, e->metrics.count, draft, err));
    TRY(write_cases(e, draft, err));
    TRY(write_pictures(e, draft, err));
    if (e->what->run)
        keep_metrics(e);
    return 0;
}

int evaluate_vae(const struct evaluation *what, const struct evaluate_config *config,
                 const struct draft *draft, struct err *err)
{
    struct evaluator e = {.what = what, .config = config};
    TRY(evaluate_check(config, FAMILY_VAE, err));
    e.begin = what->dataset->begin[config->split];
    e.count = what->dataset->count[config->split];
    if (!e.count)
        return fail_as(err, STATUS_CONFIG, "the %s split is empty", split_names[config->split]);
    int rc = evaluate(&e, draft, err);
    trained_close(&e.vae);
    trained_close(&e.judge);
    arena_free(&e.arena);
    return rc;
}
