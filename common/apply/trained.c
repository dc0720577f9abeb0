#include "apply/trained.h"

#include "train/model_text.h"
#include "train/train.h"

#include <stdlib.h>

static struct shape image_shape(const struct image_data *data, int32_t batch)
{
    return (struct shape){batch, (int32_t)data->d, (int32_t)data->h, (int32_t)data->w,
                          (int32_t)data->c};
}

static struct shape per_case(int32_t batch, int32_t c)
{
    return (struct shape){batch, 1, 1, 1, c};
}

static int plan(struct plan **out, const struct graph *graph, struct backend *backend,
                struct meter *meter, struct err *err)
{
    struct plan_options options = {.meter = meter};
    return plan_make(out, graph, backend, &options, err);
}

/* ---- VAE ------------------------------------------------------------------------------------ */
static int build_encoder(struct trained_vae *vae, struct err *err)
{
    const struct vae_description *is = &vae->description;
    struct graph *g = vae->encoder.graph = graph_new(vae->params, MODE_EVALUATE, ARRAY_PARAM);
    vae->encoder.image = g_input(g, "image", F32, image_shape(&is->data, vae->batch));
    vae->encoder.label = g_input(g, "label", I32, per_case(vae->batch, 1));
    val z_logvar, z_mean = vae_encode(g, &is->model, &is->data, vae->encoder.image,
                                      vae->encoder.label, &z_logvar);
    finite_watch(&vae->encoder.finite, g, g_concat(g, z_mean, z_logvar, AXIS_C), &vae->arena);
    vae->encoder.z_mean = g_output(g, "z_mean", z_mean);
    vae->encoder.z_logvar = g_output(g, "z_logvar", z_logvar);
    return graph_check(g, err);
}

static int build_decoder(struct trained_vae *vae, struct err *err)
{
    const struct vae_description *is = &vae->description;
    struct graph *g = vae->decoder.graph = graph_new(vae->params, MODE_EVALUATE, ARRAY_PARAM);
    vae->decoder.z = g_input(g, "z", F32, per_case(vae->batch, vae->latent));
    vae->decoder.label = g_input(g, "label", I32, per_case(vae->batch, 1));
    vae->decoder.target = g_input(g, "target", F32, image_shape(&is->data, vae->batch));
    val logits = vae_decode(g, &is->model, &is->data, vae->decoder.z, vae->decoder.label);
    finite_watch(&vae->decoder.finite, g, logits, &vae->arena);
    val term = vae_reconstruction(g, &is->loss, logits, vae->decoder.target);
    vae->decoder.image = g_output(g, "image", g_unary(g, OP_sigmoid, logits));
    vae->decoder.reconstruction = g_output(g, "reconstruction", term);
    return graph_check(g, err);
}

/* The target has a value before the first decoding that has none of its own. */
static int clear_target(struct trained_vae *vae, struct err *err)
{
    float *zeros = xcalloc((size_t)vae->batch * (size_t)vae->pixels, sizeof *zeros);
    int rc = plan_put(vae->decoder.plan, vae->decoder.target, zeros, err);
    free(zeros);
    return rc;
}

int trained_vae_open(struct trained_vae *out, const struct store *store, const struct id *artifact,
                     struct backend *backend, int32_t batch, struct meter *meter, struct err *err)
{
    *out = (struct trained_vae){.batch = batch};
    struct vae_description *is = &out->description;
    TRY(model_text_read(is, &vae_kind, store, artifact, &out->arena, err));
    out->latent = (int32_t)is->model.latent_channels;
    out->pixels = is->data.d * is->data.h * is->data.w * is->data.c;
    out->params = params_new();
    TRY(build_encoder(out, err));
    TRY(build_decoder(out, err));
    const char *model = model_text(&vae_kind, is, &out->arena);
    TRY(weights_load(out->params, backend, model, store, artifact, err));
    TRY(plan(&out->encoder.plan, out->encoder.graph, backend, meter, err));
    TRY(plan(&out->decoder.plan, out->decoder.graph, backend, meter, err));
    return clear_target(out, err);
}

void trained_vae_close(struct trained_vae *vae)
{
    plan_free(vae->encoder.plan);
    plan_free(vae->decoder.plan);
    graph_free(vae->encoder.graph);
    graph_free(vae->decoder.graph);
    params_free(vae->params);
    arena_free(&vae->arena);
}

int trained_vae_encode(struct trained_vae *vae, const float *image, const int32_t *label,
                       float *z_mean, float *z_logvar, struct err *err)
{
    struct plan *encode = vae->encoder.plan;
    TRY(plan_put(encode, vae->encoder.image, image, err));
    TRY(plan_put(encode, vae->encoder.label, label, err));
    TRY(plan_run(encode, err));
    TRY(finite_check(&vae->encoder.finite, encode, "the encoder's z_mean and z_logvar", err));
    TRY(plan_get(encode, vae->encoder.z_mean, z_mean, err));
    return plan_get(encode, vae->encoder.z_logvar, z_logvar, err);
}

int trained_vae_decode(struct trained_vae *vae, const float *z, const int32_t *label,
                       const float *target, float *image, float *reconstruction, struct err *err)
{
    struct plan *decode = vae->decoder.plan;
    TRY(plan_put(decode, vae->decoder.z, z, err));
    TRY(plan_put(decode, vae->decoder.label, label, err));
    if (target)
        TRY(plan_put(decode, vae->decoder.target, target, err));
    TRY(plan_run(decode, err));
    TRY(finite_check(&vae->decoder.finite, decode, "the decoder's logits", err));
    if (image)
        TRY(plan_get(decode, vae->decoder.image, image, err));
    return reconstruction ? plan_get(decode, vae->decoder.reconstruction, reconstruction, err) : 0;
}

int32_t trained_vae_bad_case(const struct trained_vae *vae)
{
    int32_t encoder = vae->encoder.finite.bad;
    return encoder >= 0 ? encoder : vae->decoder.finite.bad;
}

void image_to_bytes(uint8_t *out, const float *image, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float level = image[i] * 255.0f + 0.5f;
        out[i] = level > 255.0f ? 255 : level > 0 ? (uint8_t)level : 0;
    }
}

/* ---- classifier ----------------------------------------------------------------------------- */
int trained_classifier_open(struct trained_classifier *out, const struct store *store,
                            const struct id *artifact, struct backend *backend, int32_t batch,
                            struct meter *meter, struct err *err)
{
    *out = (struct trained_classifier){.batch = batch};
    struct classifier_description *is = &out->description;
    TRY(model_text_read(is, &classifier_kind, store, artifact, &out->arena, err));
    int32_t classes = (int32_t)is->data.classes;
    out->scores = arena_alloc(&out->arena, (size_t)batch * (size_t)classes * sizeof *out->scores);
    out->params = params_new();
    struct graph *g = out->graph = graph_new(out->params, MODE_EVALUATE, ARRAY_PARAM);
    out->image = g_input(g, "image", F32, image_shape(&is->data, batch));
    val features = classifier_features(g, &is->model, out->image);
    out->features = g_output(g, "features", features);
    out->logits = g_output(g, "logits", classifier_head(g, &is->model, classes, features));
    finite_watch(&out->finite, g, out->logits, &out->arena);
    TRY(graph_check(g, err));
    const char *model = model_text(&classifier_kind, is, &out->arena);
    TRY(weights_load(out->params, backend, model, store, artifact, err));
    return plan(&out->plan, g, backend, meter, err);
}

void trained_classifier_close(struct trained_classifier *classifier)
{
    plan_free(classifier->plan);
    graph_free(classifier->graph);
    params_free(classifier->params);
    arena_free(&classifier->arena);
}

int trained_classifier_predict(struct trained_classifier *classifier, const float *image,
                               int32_t *predicted, float *features, struct err *err)
{
    TRY(plan_put(classifier->plan, classifier->image, image, err));
    TRY(plan_run(classifier->plan, err));
    TRY(finite_check(&classifier->finite, classifier->plan, "the classifier's logits", err));
    TRY(plan_get(classifier->plan, classifier->logits, classifier->scores, err));
    if (features)
        TRY(plan_get(classifier->plan, classifier->features, features, err));
    int64_t classes = classifier->description.data.classes;
    for (int32_t i = 0; i < classifier->batch; i++) {
        const float *score = classifier->scores + i * classes;
        predicted[i] = 0;
        for (int32_t k = 1; k < classes; k++)
            if (score[k] > score[predicted[i]])
                predicted[i] = k;
    }
    return 0;
}
