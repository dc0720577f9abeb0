#include "apply/gradcam.h"

#include "data/image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_GROUPS = 16 };

struct gradcam {
    struct trained *trained;
    struct graph *graph;
    struct plan *plan;
    val image, mask, maps, slope;
    struct shape image_shape, shape; /* of the image and of the layer; n is 1 */
    int32_t class;
    float *counted, *values, *slopes, *map; /* [h,w] of the image; two of the layer's; its [h,w] */
};

/* ---- the program ---------------------------------------------------------------------------- */
/* All that is learnt; each group once. */
static int groups_of(const char *out[MOST_GROUPS], const struct params *params)
{
    int count = 0;
    for (int32_t i = 0; i < params_count(params); i++) {
        const struct entry *entry = params_entry(params, i);
        bool known = entry->state;
        for (int k = 0; k < count; k++)
            known |= strcmp(out[k], entry->group) == 0;
        if (!known && count == MOST_GROUPS)
            bug("a model of more than %d groups", MOST_GROUPS);
        if (!known)
            out[count++] = entry->group;
    }
    return count;
}

/* What speaks for the class: of one logit that of the second of two classes, its opposite for the first. */
static val class_logit(struct graph *g, val logits, int32_t class)
{
    if (g_shape(g, logits).c > 1)
        return g_slice(g, logits, AXIS_C, class, 1);
    return class ? logits : g_affine(g, logits, -1, 0);
}

static int no_layer(const struct gradcam *c, const char *layer, struct err *err)
{
    return fail_as(err, STATUS_CONFIG, "gradcam.layer: '%s' is not a layer; the model has %s",
                   layer, graph_layers(c->graph));
}

static int build(struct gradcam *c, const char *layer, struct err *err)
{
    const struct model *model = &c->trained->model;
    const char *groups[MOST_GROUPS];
    struct graph *g = c->graph = graph_new(c->trained->params, MODE_EVALUATE, ARRAY_PARAM);
    struct shape one = {1, 1, 1, 1, 1}, pixels = c->image_shape;
    pixels.c = 1;
    c->image = g_input(g, "image", F32, c->image_shape);
    val logits = model->kind->segment(g, model->description, c->image);
    c->maps = graph_find(g, layer);
    if (!c->maps)
        return no_layer(c, layer, err);
    c->mask = g_input(g, "mask", F32, pixels);
    val counted = g_binary(g, OP_mul, class_logit(g, logits, c->class), c->mask);
    int count = groups_of(groups, c->trained->params);
    graph_backward(g, g_reduce_sum(g, counted, one), groups, count, false);
    TRY(graph_check(g, err));
    c->slope = graph_gradient(g, c->maps);
    c->shape = g_shape(g, c->maps);
    if (!c->slope || c->shape.n != 1 || c->shape.h * c->shape.w == 1)
        return no_layer(c, layer, err);
    g_output(g, "maps", c->maps);
    g_output(g, "slope", c->slope);
    return graph_check(g, err);
}

static int prepare(struct gradcam *c, struct backend *backend, struct meter *meter,
                   const char *layer, struct err *err)
{
    const struct plan_options options = {.meter = meter};
    TRY(build(c, layer, err));
    TRY(params_realise(c->trained->params, backend, 0, err)); /* gradients; weights are there */
    TRY(plan_make(&c->plan, c->graph, backend, &options, err));
    size_t pixels = (size_t)shape_count(c->image_shape) / (size_t)c->image_shape.c;
    size_t values = (size_t)shape_count(c->shape);
    c->counted = xcalloc(pixels, sizeof(float));
    c->values = xcalloc(values, sizeof(float));
    c->slopes = xcalloc(values, sizeof(float));
    c->map = xcalloc(values / (size_t)c->shape.c, sizeof(float));
    return 0;
}

int gradcam_open(struct gradcam **out, struct trained *trained, struct backend *backend,
                 struct meter *meter, const char *layer, int32_t class, struct err *err)
{
    struct gradcam *c = *out = xcalloc(1, sizeof *c);
    *c = (struct gradcam){.trained = trained, .image_shape = trained->image, .class = class};
    c->image_shape.n = 1;
    if (!prepare(c, backend, meter, layer, err))
        return 0;
    gradcam_close(c);
    *out = NULL;
    return -1;
}

void gradcam_close(struct gradcam *c)
{
    if (!c)
        return;
    plan_free(c->plan);
    graph_free(c->graph);
    free(c->counted);
    free(c->values);
    free(c->slopes);
    free(c->map);
    free(c);
}

/* ---- use ------------------------------------------------------------------------------------ */
/* The layer's map, not normalised; returns its largest value. */
static double weigh(struct gradcam *c)
{
    const int64_t channels = c->shape.c, positions = shape_count(c->shape) / channels;
    double *weight = xcalloc((size_t)channels, sizeof *weight), peak = 0;
    for (int64_t i = 0; i < positions * channels; i++)
        weight[i % channels] += (double)c->slopes[i] / (double)positions;
    for (int64_t at = 0; at < positions; at++) {
        double sum = 0;
        for (int64_t k = 0; k < channels; k++)
            sum += weight[k] * (double)c->values[at * channels + k];
        c->map[at] = (float)fmax(sum, 0);
        peak = fmax(peak, sum);
    }
    free(weight);
    return peak;
}

int gradcam_map(struct gradcam *c, const float *image, const uint8_t *predicted, float *map,
                float *peak, struct err *err)
{
    const struct shape *large = &c->image_shape, *small = &c->shape;
    for (int64_t i = 0; i < (int64_t)large->h * large->w; i++)
        c->counted[i] = predicted[i] == c->class;
    TRY(plan_put(c->plan, c->image, image, err));
    TRY(plan_put(c->plan, c->mask, c->counted, err));
    TRY(plan_run(c->plan, err));
    TRY(plan_get(c->plan, c->maps, c->values, err));
    TRY(plan_get(c->plan, c->slope, c->slopes, err));
    double largest = weigh(c);
    *peak = (float)largest;
    for (int64_t i = 0; i < (int64_t)small->h * small->w && largest > 0; i++)
        c->map[i] = (float)((double)c->map[i] / largest);
    image_resize_floats(map, large->h, large->w, c->map, small->h, small->w, 1);
    return 0;
}
