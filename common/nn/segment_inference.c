/* A trained UNet in use. */
#include "nn/segment.h"

static struct shape input_shape(const struct unet_description *unet, int32_t batch,
                                struct shape shape)
{
    const struct image_data *data = &unet->data;
    bool own = shape.d > 0;
    return (struct shape){batch, own ? shape.d : (int32_t)data->d, own ? shape.h : (int32_t)data->h,
                          own ? shape.w : (int32_t)data->w, (int32_t)data->c};
}

int trained_unet_open(struct trained_unet *out, const struct store *store,
                      const struct id *artifact, struct backend *backend, int32_t batch,
                      struct shape shape, struct meter *meter, struct err *err)
{
    *out = (struct trained_unet){.batch = batch};
    struct unet_description *unet = &out->description;
    TRY(model_text_read(unet, unet_description_fields, store, artifact, &out->arena, err));
    struct shape image = input_shape(unet, batch, shape);
    out->pixels = (int64_t)image.d * image.h * image.w;
    out->params = params_new();
    struct graph *g = out->graph = graph_new(out->params, MODE_EVALUATE, ARRAY_PARAM);
    out->image = g_input(g, "image", F32, image);
    val extra[UNET_LEVELS];
    int extra_count;
    val logits =
        unet_logits(g, &unet->model, (int32_t)unet->outputs, out->image, extra, &extra_count);
    out->probability =
        g_output(g, "probability",
                 unet->outputs == 1 ? g_unary(g, OP_sigmoid, logits) : g_softmax(g, logits));
    TRY(graph_check(g, err));
    TRY(params_realise(out->params, backend, 0, err));
    TRY(weights_load(out->params, store, artifact, err));
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
    return plan_get(unet->plan, unet->probability, probability, err);
}
