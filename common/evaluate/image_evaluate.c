/* Images, case by case: the bounds of their codes, and how close their reconstructions are. */
#include "evaluate/image_parts.h"
#include "evaluate/similarity.h"
#include "model/perceptual.h"
#include "train/model_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- noise and codes ------------------------------------------------------------------------ */
/* The stream of one purpose for one case. */
static struct stream noise(const struct evaluator *e, const char *purpose, const char *id)
{
    char name[512];
    snprintf(name, sizeof name, "%s/%s", purpose, id);
    return stream_new((uint64_t)e->config->noise_seed, name);
}

void prior_codes(const struct evaluator *e, const char *purpose, uint32_t count, float *z,
                 int32_t *label)
{
    struct stream stream = noise(e, purpose, "");
    for (uint32_t i = 0; i < count; i++) {
        label[i] = e->images->classes ? (int32_t)(i % (uint32_t)e->images->classes) : 0;
        for (int64_t j = 0; j < e->model.latent; j++)
            *z++ = (float)stream_normal(&stream);
    }
}

int decode_all(struct evaluator *e, const float *z, const int32_t *label, uint32_t count,
               int (*use)(void *user, const float *image, uint32_t first, uint32_t n,
                          struct err *err),
               void *user, struct err *err)
{
    uint32_t batch = (uint32_t)e->batch;
    size_t latent = (size_t)e->model.latent;
    float *codes = xcalloc(batch * latent, sizeof *codes);
    int32_t *labels = xcalloc(batch, sizeof *labels);
    float *image = xcalloc(batch * (size_t)e->model.pixels, sizeof *image);
    int status = 0;
    for (uint32_t first = 0; !status && first < count; first += batch) {
        uint32_t n = count - first < batch ? count - first : batch;
        memcpy(codes, z + first * latent, n * latent * sizeof *codes);
        memcpy(labels, label + first, n * sizeof *labels);
        status = stop_obey(err);
        if (!status && (status = trained_decode(&e->model, codes, labels, NULL, image, NULL, err)))
            wrap(err, "codes from %u", (unsigned)first);
        if (!status)
            status = use(user, image, first, n, err);
    }
    free(codes);
    free(labels);
    free(image);
    return status;
}

/* ---- bounds --------------------------------------------------------------------------------- */
static double kl_of(const float *z_mean, const float *z_logvar, int64_t latent)
{
    double sum = 0;
    for (int64_t j = 0; j < latent; j++)
        sum += exp(z_logvar[j]) + (double)z_mean[j] * z_mean[j] - 1 - z_logvar[j];
    return sum / 2;
}

/* Draws z ~ q(z|x) for case i of the batch, whose means are z_mean; returns log p(z) - log
 * q(z|x). */
static double draw(const struct evaluator *e, const float *z_mean, uint32_t i)
{
    struct images *s = e->images;
    double log_ratio = 0;
    for (int64_t j = 0; j < e->model.latent; j++) {
        int64_t at = i * e->model.latent + j;
        double noise_j = stream_normal(&s->stream[i]), logvar = s->z_logvar[at];
        double z = z_mean[at] + exp(logvar / 2) * noise_j;
        s->z[at] = (float)z;
        log_ratio += (noise_j * noise_j + logvar - z * z) / 2;
    }
    return log_ratio;
}

static int bound(struct evaluator *e, const float *z_mean, const struct batch *b, struct err *err)
{
    struct images *s = e->images;
    for (uint32_t i = 0; i < b->real; i++) {
        int64_t at = i * e->model.latent;
        s->stream[i] = noise(e, "posterior", e->what->dataset->ids[b->index[i]]);
        draw(e, z_mean, i);
        s->kl[i] = kl_of(z_mean + at, s->z_logvar + at, e->model.latent);
    }
    TRY(trained_decode(&e->model, s->z, b->label, b->image, NULL, s->term, err));
    for (uint32_t i = 0; i < b->real; i++)
        s->reconstruction[i] = s->term[i];
    return 0;
}

/* -log mean_k w_k, log w_k = log p(x|z_k) + log p(z_k) - log q(z_k|x): a running log-sum-exp. */
static int importance_bound(struct evaluator *e, const float *z_mean, const struct batch *b,
                            struct err *err)
{
    struct images *s = e->images;
    int64_t samples = e->config->importance_samples;
    for (uint32_t i = 0; i < b->real; i++) {
        s->stream[i] = noise(e, "importance", e->what->dataset->ids[b->index[i]]);
        s->greatest[i] = -INFINITY;
        s->sum[i] = 0;
    }
    for (int64_t k = 0; k < samples; k++) {
        TRY(stop_obey(err));
        for (uint32_t i = 0; i < b->real; i++)
            s->ratio[i] = draw(e, z_mean, i);
        TRY(trained_decode(&e->model, s->z, b->label, b->image, NULL, s->term, err));
        for (uint32_t i = 0; i < b->real; i++) {
            double log_weight = s->ratio[i] - s->term[i];
            double greatest = fmax(s->greatest[i], log_weight);
            s->sum[i] = s->sum[i] * exp(s->greatest[i] - greatest) + exp(log_weight - greatest);
            s->greatest[i] = greatest;
        }
    }
    for (uint32_t i = 0; i < b->real; i++)
        s->weighted[i] = -(s->greatest[i] + log(s->sum[i] / (double)samples));
    return 0;
}

/* ---- the side ------------------------------------------------------------------------------- */
/* With fewer scales than requested it would be another metric under the same name. */
static int check_scales(struct evaluator *e, struct err *err)
{
    const struct image_data *is = &e->facts.data;
    const int32_t size[] = {(int32_t)is->d, (int32_t)is->h, (int32_t)is->w, (int32_t)is->c};
    int most = ms_ssim_scales(size);
    if (e->config->scales <= most)
        return 0;
    const char *hint =
        most ? arena_printf(&e->arena, "scales: %d would fit", most) : "leave it out";
    return fail_as(err, STATUS_CONFIG,
                   "metrics: 'ms_ssim' at %d scales needs images of at least %d pixels a side, "
                   "these are %dx%dx%d; %s",
                   (int)e->config->scales, ms_ssim_side((int)e->config->scales), size[0], size[1],
                   size[2], hint);
}

/* Values of bytes are 0 to 1, whatever else a model may give. */
static int open_lpips(struct evaluator *e, struct err *err)
{
    const struct dataset *data = e->what->dataset;
    const struct windows whole = {.size = {data->d, data->h, data->w}, .batch = e->batch};
    struct range range = data->pixel == PIXEL_U8 ? (struct range){0, 1} : e->facts.range;
    struct model network;
    TRY(model_read(&network, e->what->store, e->what->lpips, &e->arena, err));
    TRY(perceptual_check(&network, range, data->c, err));
    e->images->distance = arena_alloc(&e->arena, (size_t)e->batch * sizeof(float));
    return evaluate_open(&e->images->lpips, e, e->what->lpips, CAN(COMPARE), &whole, err);
}

static int begin(struct evaluator *e, struct err *err)
{
    if (needs(e, NEED_SCALES))
        TRY(check_scales(e, err));
    struct images *s = e->images = arena_alloc(&e->arena, sizeof *s);
    size_t batch = (size_t)e->batch, latent = (size_t)e->model.latent;
    s->image = arena_alloc(&e->arena, batch * (size_t)e->model.pixels * sizeof *s->image);
    double **const numbers[] = {&s->kl,       &s->reconstruction, &s->weighted,
                                &s->greatest, &s->ratio,          &s->sum};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        *numbers[i] = arena_alloc(&e->arena, batch * sizeof(double));
    if (needs(e, NEED_COMPARED))
        TRY(open_lpips(e, err));
    if (!(e->has & HAS_CODES))
        return 0;
    s->classes = e->facts.conditional ? (int32_t)e->facts.data.classes : 0;
    s->z_mean = arena_alloc(&e->arena, (e->count + batch) * latent * sizeof *s->z_mean);
    if (s->classes > 1)
        s->wrong_label = arena_alloc(&e->arena, e->count * sizeof *s->wrong_label);
    s->z_logvar = arena_alloc(&e->arena, batch * latent * sizeof *s->z_logvar);
    s->z = arena_alloc(&e->arena, batch * latent * sizeof *s->z);
    s->term = arena_alloc(&e->arena, batch * sizeof *s->term);
    s->stream = arena_alloc(&e->arena, batch * sizeof *s->stream);
    return needs(e, NEED_JUDGE) ? open_judge(e, err) : 0;
}

/* A label drawn uniformly from the others. */
static int32_t draw_wrong(const struct evaluator *e, const char *id, int32_t label)
{
    struct stream stream = noise(e, "wrong-label", id);
    int32_t other = (int32_t)stream_below(&stream, (uint32_t)e->images->classes - 1);
    return other + (other >= label);
}

static void measure_case(struct evaluator *e, const struct batch *b, uint32_t first, uint32_t i)
{
    const struct images *s = e->images;
    const struct image_data *is = &e->facts.data;
    const struct subject subject = {
        .reconstruction = s->reconstruction[i],
        .kl = s->kl[i],
        .weighted = s->weighted[i],
        .image = b->image + i * e->model.pixels,
        .decoded = s->image + i * e->model.pixels,
        .size = {(int32_t)is->d, (int32_t)is->h, (int32_t)is->w, (int32_t)is->c},
        .values = e->model.pixels,
        .range = range_width(e->facts.range),
        .scales = (int)e->config->scales,
        .lpips = s->distance ? (double)s->distance[i] : NAN};
    measure(e, HAS_IMAGES, -1, first + i, &subject);
}

/* With codes: their bounds, and the images decoded from their means. */
static int decode_batch(struct evaluator *e, const struct batch *b, uint32_t first, struct err *err)
{
    struct images *s = e->images;
    float *z_mean = s->z_mean + first * (size_t)e->model.latent;
    TRY(trained_encode(&e->model, b->image, b->label, z_mean, s->z_logvar, err));
    for (uint32_t i = 0; i < b->real && s->wrong_label; i++)
        s->wrong_label[first + i] = draw_wrong(e, e->what->dataset->ids[b->index[i]], b->label[i]);
    if (needs(e, NEED_BOUND))
        TRY(bound(e, z_mean, b, err));
    if (needs(e, NEED_WEIGHTS))
        TRY(importance_bound(e, z_mean, b, err));
    return needs(e, NEED_DECODED)
               ? trained_decode(&e->model, z_mean, b->label, NULL, s->image, NULL, err)
               : 0;
}

static int measure_batch(struct evaluator *e, const struct batch *b, uint32_t first,
                         struct err *err)
{
    struct images *s = e->images;
    TRY(e->has & HAS_CODES ? decode_batch(e, b, first, err)
                           : trained_reconstruct(&e->model, b->image, s->image, err));
    if (needs(e, NEED_COMPARED) && trained_compare(&s->lpips, b->image, s->image, s->distance, err))
        return wrap(err, "the lpips network, cases from %u on", (unsigned)first);
#pragma omp parallel for num_threads(backend_threads(e->what->backend)) schedule(static)
    for (uint32_t i = 0; i < b->real; i++)
        measure_case(e, b, first, i);
    return needs(e, NEED_JUDGE) ? look(&s->real, b->image, first, b->real, err) : 0;
}

static int end(struct evaluator *e, const struct draft *draft, struct err *err)
{
    (void)draft;
    if (needs(e, NEED_JUDGE))
        TRY(judge_images(e, err));
    return add_image_pictures(e, err);
}

static void finish(struct evaluator *e)
{
    if (!e->images)
        return;
    trained_close(&e->images->judge);
    trained_close(&e->images->lpips);
}

const struct side image_side = {HAS_IMAGES, begin, measure_batch, end, finish};
