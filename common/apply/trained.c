#include "apply/trained.h"

#include "train/model_text.h"
#include "train/train.h"

#include <math.h>
#include <stdlib.h>

/* ---- programs ------------------------------------------------------------------------------- */
static struct shape per_case(const struct trained *t)
{
    return (struct shape){t->batch, 1, 1, 1, 1};
}

/* A batch of the given shape for one case. */
static struct shape batch_of(const struct trained *t, struct shape one)
{
    one.n = t->batch;
    return one;
}

/* Checks the shape: callers allocate according to the model's facts. */
static val output(struct graph *g, const struct trained *t, const char *name, val x,
                  struct shape shape)
{
    if (x && !shape_equal(g_shape(g, x), shape))
        bug("a model of kind '%s' has another %s than it declares", t->model.kind->name, name);
    return g_output(g, name, x);
}

static void build_encoder(struct trained *t, struct trained_program *p, struct shape image)
{
    struct graph *g = p->graph;
    struct shape shape = batch_of(t, t->model.facts.latent);
    p->in[0] = g_input(g, "image", F32, image);
    p->in[1] = g_input(g, "label", I32, per_case(t));
    val z_logvar,
        z_mean = t->model.kind->encode(g, t->model.description, p->in[0], p->in[1], &z_logvar);
    val all = t->model.facts.sampled ? g_concat(g, z_mean, z_logvar, AXIS_C) : z_mean;
    finite_watch(&p->finite, g, all, &t->arena);
    p->out[0] = output(g, t, "z_mean", z_mean, shape);
    if (t->model.facts.sampled)
        p->out[1] = output(g, t, "z_logvar", z_logvar, shape);
}

static void build_decoder(struct trained *t, struct trained_program *p, struct shape image)
{
    const struct model_kind *kind = t->model.kind;
    const void *description = t->model.description;
    struct graph *g = p->graph;
    p->in[0] = g_input(g, "z", F32, batch_of(t, t->model.facts.latent));
    p->in[1] = g_input(g, "label", I32, per_case(t));
    p->in[2] = g_input(g, "target", F32, image);
    val raw = kind->decode(g, description, p->in[0], p->in[1]);
    finite_watch(&p->finite, g, raw, &t->arena);
    val term = kind->reconstruction(g, description, raw, p->in[2]);
    p->out[0] = output(g, t, "image", kind->image(g, description, raw), image);
    p->out[1] = output(g, t, "reconstruction", term, per_case(t));
}

static void build_reconstruction(struct trained *t, struct trained_program *p, struct shape image)
{
    const struct model_kind *kind = t->model.kind;
    const void *description = t->model.description;
    struct graph *g = p->graph;
    p->in[0] = g_input(g, "image", F32, image);
    val raw = kind->reconstruct(g, description, p->in[0]);
    finite_watch(&p->finite, g, raw, &t->arena);
    p->out[0] = output(g, t, "reconstruction", kind->image(g, description, raw), image);
}

static void build_classifier(struct trained *t, struct trained_program *p, struct shape image)
{
    const struct model_facts *facts = &t->model.facts;
    struct graph *g = p->graph;
    p->in[0] = g_input(g, "image", F32, image);
    val features, logits = t->model.kind->classify(g, t->model.description, p->in[0], &features);
    p->out[1] =
        output(g, t, "features", features, (struct shape){t->batch, 1, 1, 1, facts->features});
    p->out[0] = output(g, t, "logits", logits,
                       (struct shape){t->batch, 1, 1, 1, (int32_t)facts->data.classes});
    finite_watch(&p->finite, g, logits, &t->arena);
}

static void build_segmenter(struct trained *t, struct trained_program *p, struct shape image)
{
    struct graph *g = p->graph;
    struct shape shape = image;
    shape.c = t->model.facts.outputs;
    p->in[0] = g_input(g, "image", F32, image);
    val logits = t->model.kind->segment(g, t->model.description, p->in[0]);
    finite_watch(&p->finite, g, logits, &t->arena);
    val probability = shape.c == 1 ? g_unary(g, OP_sigmoid, logits) : g_softmax(g, logits);
    p->out[0] = output(g, t, "probability", probability, shape);
}

static void build_comparison(struct trained *t, struct trained_program *p, struct shape image)
{
    struct graph *g = p->graph;
    p->in[0] = g_input(g, "image", F32, image);
    p->in[1] = g_input(g, "other", F32, image);
    val distance = t->model.kind->compare(g, t->model.description, p->in[0], p->in[1]);
    finite_watch(&p->finite, g, distance, &t->arena);
    p->out[0] = output(g, t, "distance", distance, per_case(t));
}

/* FEATURES are for the graphs of others alone. */
static const struct {
    const char *says; /* what must be finite */
    void (*build)(struct trained *t, struct trained_program *p, struct shape image);
} rows[ABILITIES] = {
    [ENCODE] = {"the encoder's z_mean and z_logvar", build_encoder},
    [DECODE] = {"the decoder's logits", build_decoder},
    [CLASSIFY] = {"the classifier's logits", build_classifier},
    [SEGMENT] = {"the segmentation's logits", build_segmenter},
    [RECONSTRUCT] = {"the reconstruction's values", build_reconstruction},
    [COMPARE] = {"distances", build_comparison},
};

/* ---- opening -------------------------------------------------------------------------------- */
static struct shape image_shape(const struct image_data *data)
{
    return (struct shape){1, (int32_t)data->d, (int32_t)data->h, (int32_t)data->w,
                          (int32_t)data->c};
}

static int choose_size(struct trained *t, struct shape size, unsigned abilities, struct err *err)
{
    struct shape own = t->image = batch_of(t, image_shape(&t->model.facts.data));
    if (!size.d && !size.h && !size.w)
        return 0;
    bool repeats = t->model.facts.repeats && size.c == 1;
    t->image = (struct shape){t->batch, size.d, size.h, size.w, repeats ? 1 : own.c};
    if ((size.d > 1) != (own.d > 1))
        return fail_as(err, STATUS_BAD_DATA, "the model is for %s, not for %s",
                       own.d > 1 ? "volumes" : "images", size.d > 1 ? "volumes" : "images");
    /* its facts describe the latent of images of its own size */
    bool codes = abilities & (CAN(ENCODE) | CAN(DECODE));
    if ((codes || !t->model.facts.any_size) && !shape_equal(t->image, own))
        return fail_as(err, STATUS_BAD_DATA,
                       "the model %s images of %dx%dx%d only, not of %dx%dx%d",
                       t->model.facts.any_size ? "encodes and decodes" : "is for", (int)own.d,
                       (int)own.h, (int)own.w, (int)size.d, (int)size.h, (int)size.w);
    return 0;
}

/* Inputs need a value even if they are never set: a target may not be. */
static int clear_inputs(const struct trained_program *p, struct err *err)
{
    int status = 0;
    for (int i = 0; i < TRAINED_INPUTS && p->in[i] && !status; i++) {
        void *zeros = xcalloc((size_t)shape_count(g_shape(p->graph, p->in[i])), sizeof(float));
        status = plan_put(p->plan, p->in[i], zeros, err);
        free(zeros);
    }
    return status;
}

/* Builds everything that the model can do, so that all of the file's weights are checked; what was
 * not asked for is built for the training size, and dropped. */
static int build(struct trained *t, unsigned abilities, struct err *err)
{
    unsigned can = model_abilities(t->model.kind);
    for (int i = 0; i < ABILITIES; i++) {
        struct trained_program *p = &t->programs[i];
        bool asked = abilities & CAN(i);
        if (!(can & CAN(i)) || !rows[i].build)
            continue;
        p->graph = graph_new(t->params, MODE_EVALUATE, ARRAY_PARAM);
        rows[i].build(t, p, asked ? t->image : batch_of(t, image_shape(&t->model.facts.data)));
        TRY(graph_check(p->graph, err));
        if (asked)
            continue;
        graph_free(p->graph);
        *p = (struct trained_program){0};
    }
    return 0;
}

int trained_open(struct trained *out, const struct trained_spec *spec, struct err *err)
{
    const struct plan_options options = {.meter = spec->meter};
    struct model *model = &out->model;
    *out = (struct trained){.batch = spec->batch, .bad_case = -1};
    TRY(model_read(model, spec->store, spec->artifact, &out->arena, err));
    TRY(model_need(model->kind, spec->abilities, err));
    TRY(choose_size(out, spec->size, spec->abilities, err));
    out->pixels = shape_count(out->image) / out->batch;
    out->latent = shape_count(model->facts.latent);
    if (spec->abilities & CAN(CLASSIFY))
        out->scores =
            arena_alloc(&out->arena, (size_t)out->batch * (size_t)model->facts.data.classes *
                                         sizeof *out->scores);
    out->params = params_new();
    TRY(build(out, spec->abilities, err));
    const char *text = model_text(model->kind, model->description, &out->arena);
    TRY(weights_load(out->params, spec->backend, text, spec->store, spec->artifact, err));
    for (int i = 0; i < ABILITIES; i++) {
        struct trained_program *p = &out->programs[i];
        if (!p->graph)
            continue;
        TRY(plan_make(&p->plan, p->graph, spec->backend, &options, err));
        TRY(clear_inputs(p, err));
    }
    return 0;
}

void trained_close(struct trained *trained)
{
    for (int i = 0; i < ABILITIES; i++) {
        plan_free(trained->programs[i].plan);
        graph_free(trained->programs[i].graph);
    }
    params_free(trained->params);
    arena_free(&trained->arena);
}

/* ---- use ------------------------------------------------------------------------------------ */
static int apply(struct trained *t, enum ability ability, const void *const in[TRAINED_INPUTS],
                 float *const out[TRAINED_OUTPUTS], struct err *err)
{
    struct trained_program *p = &t->programs[ability];
    if (!p->plan)
        bug("%s requested from a model that is not open for them", rows[ability].says);
    for (int i = 0; i < TRAINED_INPUTS; i++)
        if (in[i])
            TRY(plan_put(p->plan, p->in[i], in[i], err));
    TRY(plan_run(p->plan, err));
    int status = finite_check(&p->finite, p->plan, rows[ability].says, err);
    t->bad_case = p->finite.bad;
    for (int i = 0; i < TRAINED_OUTPUTS && !status; i++)
        if (out[i] && p->out[i])
            status = plan_get(p->plan, p->out[i], out[i], err);
    return status;
}

int trained_encode(struct trained *trained, const float *image, const int32_t *label, float *z_mean,
                   float *z_logvar, struct err *err)
{
    return apply(trained, ENCODE, (const void *[]){image, label, NULL},
                 (float *[]){z_mean, z_logvar}, err);
}

int trained_decode(struct trained *trained, const float *z, const int32_t *label,
                   const float *target, float *image, float *reconstruction, struct err *err)
{
    return apply(trained, DECODE, (const void *[]){z, label, target},
                 (float *[]){image, reconstruction}, err);
}

int trained_reconstruct(struct trained *trained, const float *image, float *reconstruction,
                        struct err *err)
{
    return apply(trained, RECONSTRUCT, (const void *[]){image, NULL, NULL},
                 (float *[]){reconstruction, NULL}, err);
}

int trained_classify(struct trained *trained, const float *image, int32_t *predicted,
                     float *features, struct err *err)
{
    int64_t classes = trained->model.facts.data.classes;
    TRY(apply(trained, CLASSIFY, (const void *[]){image, NULL, NULL},
              (float *[]){trained->scores, features}, err));
    for (int32_t i = 0; i < trained->batch; i++) {
        const float *score = trained->scores + i * classes;
        predicted[i] = 0;
        for (int32_t k = 1; k < classes; k++)
            if (score[k] > score[predicted[i]])
                predicted[i] = k;
    }
    return 0;
}

int trained_segment(struct trained *trained, const float *image, float *probability,
                    struct err *err)
{
    return apply(trained, SEGMENT, (const void *[]){image, NULL, NULL},
                 (float *[]){probability, NULL}, err);
}

int trained_compare(struct trained *trained, const float *image, const float *other,
                    float *distance, struct err *err)
{
    return apply(trained, COMPARE, (const void *[]){image, other, NULL},
                 (float *[]){distance, NULL}, err);
}

uint8_t pixel_class(const float *p, int32_t outputs, float *sure)
{
    if (outputs == 1) {
        *sure = p[0] >= 0.5f ? p[0] : 1 - p[0];
        return p[0] >= 0.5f;
    }
    int32_t best = 0;
    for (int32_t k = 1; k < outputs; k++)
        if (p[k] > p[best] || isnan(p[k])) /* a NaN stays the most probable */
            best = k;
    *sure = p[best];
    return (uint8_t)best;
}

void image_to_bytes(uint8_t *out, const float *image, size_t count, struct range range)
{
    if (isinf(range.high - range.low)) {
        range = (struct range){INFINITY, -INFINITY};
        for (size_t i = 0; i < count; i++) {
            range.low = fminf(range.low, image[i]);
            range.high = fmaxf(range.high, image[i]);
        }
    }
    float span = range.high > range.low ? range.high - range.low : 1;
    for (size_t i = 0; i < count; i++) {
        float level = (image[i] - range.low) / span * 255.0f + 0.5f;
        out[i] = level > 255.0f ? 255 : level > 0 ? (uint8_t)level : 0;
    }
}
