/*
 * Any bytes as a model.txt: the first is that of its kind's name (vae if it is none's). What is
 * accepted says so again in its canonical text, and its graph is built or refused with a message, at
 * once and without memory for its parameters.
 */
#include "model/kinds.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void append(struct graph *g, const struct model *model)
{
    const struct model_kind *kind = model->kind;
    const struct image_data *data = &model->facts.data;
    struct shape image = {2, (int32_t)data->d, (int32_t)data->h, (int32_t)data->w,
                          (int32_t)data->c};
    val x = g_input(g, "image", F32, image), other;
    val label = g_input(g, "label", I32, (struct shape){2, 1, 1, 1, 1});
    if (kind->encode && kind->decode) {
        val z = kind->encode(g, model->description, x, label, &other);
        val raw = kind->decode(g, model->description, z, label);
        kind->reconstruction(g, model->description, raw, x);
    }
    if (kind->classify)
        kind->classify(g, model->description, x, &other);
    if (kind->segment)
        kind->segment(g, model->description, x);
    val tap[MAX_TAPS];
    if (kind->features && kind->features(g, model->description, x, tap) > MAX_TAPS)
        abort();
    if (kind->compare)
        kind->compare(g, model->description, x, x);
}

static void build(const struct model *model)
{
    struct params *params = params_new();
    struct graph *g = graph_new(params, MODE_EVALUATE, ARRAY_PARAM);
    struct err err = {0};
    append(g, model);
    if (graph_check(g, &err) && !err.text[0])
        abort();
    graph_free(g);
    params_free(params);
}

static const struct model_kind *kind_of(char first)
{
    for (int i = 0; model_kinds[i]; i++)
        if (*model_kinds[i]->name == first)
            return model_kinds[i];
    return model_kinds[0];
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const struct model_kind *kind = kind_of(size ? (char)*data : 'v');
    struct arena arena = {0};
    struct err err = {0};
    struct model model, again;
    const char *text = arena_strndup(&arena, (const char *)data + (size > 0), size - (size > 0));
    if (model_text_parse(&model, kind, text, &arena, &err)) {
        if (err.status != STATUS_BAD_DATA || !err.text[0])
            abort();
    } else {
        const char *canonical = model_text(kind, model.description, &arena);
        const char *lines = strchr(canonical, '\n') + 1;
        if (model_text_parse(&again, kind, lines, &arena, &err) ||
            strcmp(canonical, model_text(kind, again.description, &arena)) != 0)
            abort();
        build(&model);
    }
    arena_free(&arena);
    return 0;
}
