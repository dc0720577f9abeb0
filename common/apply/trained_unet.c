/* A trained UNet in use. */
#include "apply/trained.h"

#include "train/model_text.h"
#include "train/train.h"

#include <math.h>

static int input_shape(struct shape *out, const struct image_data *data, int32_t batch,
                       struct shape shape, struct err *err)
{
    *out = (struct shape){batch, (int32_t)data->d, (int32_t)data->h, (int32_t)data->w,
                          (int32_t)data->c};
    if (!shape.d && !shape.h && !shape.w)
        return 0;
    if ((shape.d > 1) != (out->d > 1))
        return fail_as(err, STATUS_BAD_DATA, "the model is of %s, not of %s",
                       out->d > 1 ? "volumes" : "images", shape.d > 1 ? "volumes" : "images");
    *out = (struct shape){batch, shape.d, shape.h, shape.w, out->c};
    return 0;
}

int trained_unet_open(struct trained_unet *out, const struct store *store,
                      const struct id *artifact, struct backend *backend, int32_t batch,
                      struct shape shape, struct meter *meter, struct err *err)
{
    *out = (struct trained_unet){.batch = batch};
    struct unet_description *unet = &out->description;
    TRY(model_text_read(unet, &unet_kind, store, artifact, &out->arena, err));
    struct shape image;
    TRY(input_shape(&image, &unet->data, batch, shape, err));
    out->pixels = (int64_t)image.d * image.h * image.w;
    out->params = params_new();
    struct graph *g = out->graph = graph_new(out->params, MODE_EVALUATE, ARRAY_PARAM);
    out->image = g_input(g, "image", F32, image);
    val extra[UNET_LEVELS];
    int extra_count;
    val logits =
        unet_logits(g, &unet->model, (int32_t)unet->outputs, out->image, extra, &extra_count);
    finite_watch(&out->finite, g, logits, &out->arena);
    out->probability =
        g_output(g, "probability",
                 unet->outputs == 1 ? g_unary(g, OP_sigmoid, logits) : g_softmax(g, logits));
    TRY(graph_check(g, err));
    const char *model = model_text(&unet_kind, unet, &out->arena);
    TRY(weights_load(out->params, backend, model, store, artifact, err));
    struct plan_options options = {.meter = meter};
    return plan_make(&out->plan, g, backend, &options, err);
}

void trained_unet_close(struct trained_unet *unet)
{
    plan_free(unet->plan);
    graph_free(unet->graph);
    params_free(unet->params);
    arena_free(&unet->arena);
}

int trained_unet_predict(struct trained_unet *unet, const float *image, float *probability,
                         struct err *err)
{
    TRY(plan_put(unet->plan, unet->image, image, err));
    TRY(plan_run(unet->plan, err));
    TRY(finite_check(&unet->finite, unet->plan, "the UNet's logits", err));
    return plan_get(unet->plan, unet->probability, probability, err);
}

uint8_t unet_decide(const float *p, int32_t outputs, float *sure)
{
    if (outputs == 1) {
        *sure = p[0] >= 0.5f ? p[0] : 1 - p[0];
        return p[0] >= 0.5f;
    }
    int32_t best = 0;
    for (int32_t k = 1; k < outputs; k++)
        if (p[k] > p[best] || isnan(p[k])) /* then that is the most probable for good */
            best = k;
    *sure = p[best];
    return (uint8_t)best;
}
