/*
 * Any bytes as a model.txt: the first says of which kind (c: classifier, u: UNet, else a VAE). What is
 * accepted says so again in its canonical text, and its graph is built or refused with a message, at
 * once and without memory for its parameters.
 */
#include "model/classifier.h"
#include "train/unet_train.h"
#include "model/vae.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

union description {
    struct classifier_description classifier;
    struct unet_description unet;
    struct vae_description vae;
};

static struct shape shape_of(const struct image_data *data)
{
    return (struct shape){2, (int32_t)data->d, (int32_t)data->h, (int32_t)data->w,
                          (int32_t)data->c};
}

static void build_vae(struct graph *g, const struct vae_description *is)
{
    val image = g_input(g, "image", F32, shape_of(&is->data)), z_logvar;
    val label = g_input(g, "label", I32, (struct shape){2, 1, 1, 1, 1});
    val z = vae_encode(g, &is->model, &is->data, image, label, &z_logvar);
    vae_reconstruction(g, &is->loss, vae_decode(g, &is->model, &is->data, z, label), image);
}

static void build_classifier(struct graph *g, const struct classifier_description *is)
{
    val image = g_input(g, "image", F32, shape_of(&is->data));
    classifier_logits(g, &is->model, (int32_t)is->data.classes, image);
}

static void build_unet(struct graph *g, const struct unet_description *is)
{
    val extra[UNET_LEVELS], image = g_input(g, "image", F32, shape_of(&is->data));
    int count;
    unet_logits(g, &is->model, (int32_t)is->outputs, image, extra, &count);
}

static void build(char kind, const union description *is)
{
    struct params *params = params_new();
    struct graph *g = graph_new(params, MODE_EVALUATE, ARRAY_PARAM);
    struct err err = {0};
    if (kind == 'c')
        build_classifier(g, &is->classifier);
    else if (kind == 'u')
        build_unet(g, &is->unet);
    else
        build_vae(g, &is->vae);
    if (graph_check(g, &err) && !err.text[0])
        abort();
    graph_free(g);
    params_free(params);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    char which = size ? (char)*data : 'v';
    const struct model_kind *kind = which == 'c'   ? &classifier_kind
                                    : which == 'u' ? &unet_kind
                                                   : &vae_kind;
    struct arena arena = {0};
    struct err err = {0};
    union description is = {0}, again = {0};
    const char *text = arena_strndup(&arena, (const char *)data + (size > 0), size - (size > 0));
    if (model_text_parse(&is, kind, text, &arena, &err)) {
        if (err.status != STATUS_BAD_DATA || !err.text[0])
            abort();
    } else {
        const char *canonical = model_text(kind, &is, &arena);
        const char *lines = strchr(canonical, '\n') + 1;
        if (model_text_parse(&again, kind, lines, &arena, &err) ||
            strcmp(canonical, model_text(kind, &again, &arena)) != 0)
            abort();
        build(which, &is);
    }
    arena_free(&arena);
    return 0;
}
