#include "nn/train_parts.h"

void monitor(struct monitors *monitors, const char *name, val value)
{
    if (monitors->count == MAX_MONITORS)
        bug("more than %d monitors", MAX_MONITORS);
    monitors->items[monitors->count].name = name;
    monitors->items[monitors->count++].value = value;
}

val weighted_mean(struct graph *g, val per_case, val weight)
{
    struct shape one = {1, 1, 1, 1, 1};
    val sum = g_reduce_sum(g, g_binary(g, OP_mul, per_case, weight), one);
    return g_binary(g, OP_div_, sum, g_reduce_sum(g, weight, one));
}

/* What the making of all programs needs. */
struct maker {
    struct params *params;
    const struct task *task;
    const struct dataset *dataset;
    enum dtype precision;
};

int64_t validation_batch(const struct train_config *config)
{
    return config->patch.size.count ? 1 : config->batch;
}

/* Of training or of evaluation: n cases, or parts of them. */
static struct shape feed_shape(const struct maker *maker, bool trains)
{
    const struct dataset *data = maker->dataset;
    const struct train_config *config = maker->task->config;
    struct patch patch = train_patch(config);
    if (trains && patch.size[0])
        return (struct shape){(int32_t)config->batch, patch.size[0], patch.size[1], patch.size[2],
                              data->c};
    int64_t n = trains ? config->batch : validation_batch(config);
    return (struct shape){(int32_t)n, data->d, data->h, data->w, data->c};
}

static void declare_feed(struct program *p, const struct maker *maker, bool trains)
{
    struct graph *g = p->graph;
    struct shape image = feed_shape(maker, trains), mask = image;
    int32_t n = image.n;
    mask.c = 1;
    p->feed.image = g_input(g, "image", F32, image);
    p->feed.label = g_input(g, "label", I32, (struct shape){n, 1, 1, 1, 1});
    if (maker->dataset->masks)
        p->feed.mask = g_input(g, "mask", I32, mask);
    p->feed.weight = g_input(g, "weight", F32, (struct shape){n, 1, 1, 1, 1});
    p->feed.factor = g_input(g, "factor", F32, (struct shape){1, 1, 1, 1, 1});
    p->clock = g_clock(g);
}

/* Inputs, model, loss and monitors. */
static void declare_model(struct program *p, const struct maker *maker, bool trains)
{
    struct graph *g = p->graph;
    declare_feed(p, maker, trains);
    p->loss = maker->task->loss(g, &p->feed, maker->task->user, &p->monitors);
    for (int i = 0; i <= p->monitors.count; i++) {
        val value = i ? p->monitors.items[i - 1].value : p->loss;
        const char *name = i ? p->monitors.items[i - 1].name : "loss";
        if (shape_count(g_shape(g, value)) != 1)
            graph_fail(g, "'%s' is not one number", name);
        g_output(g, name, value);
    }
}

static void declare_update(struct program *p, const struct maker *maker, val guard)
{
    const struct task *task = maker->task;
    const struct train_config *config = task->config;
    struct update update = {.kind = (enum optimiser)config->optimizer,
                            .nesterov = config->nesterov,
                            .clip_norm = (float)config->clip_norm,
                            .ema = config->ema > 0,
                            .grad_scale = 1.0f / (float)config->accumulate};
    p->rates = g_rates(p->graph);
    p->norm = graph_update(p->graph, task->groups, task->group_count, update, guard);
    if (p->norm)
        g_output(p->graph, "gradient_norm", p->norm);
}

static int make_batch_program(struct program *p, const struct maker *maker, bool add, bool update,
                              struct err *err)
{
    p->graph = graph_new(maker->params, MODE_TRAIN, ARRAY_PARAM);
    graph_set_precision(p->graph, maker->precision);
    declare_model(p, maker, true);
    graph_backward(p->graph, p->loss, maker->task->groups, maker->task->group_count, add);
    if (maker->task->config->checkpoint_activations)
        graph_recompute(p->graph);
    if (update)
        declare_update(p, maker, p->loss);
    return graph_check(p->graph, err);
}

static int make_apply_program(struct program *p, const struct maker *maker, struct err *err)
{
    p->graph = graph_new(maker->params, MODE_TRAIN, ARRAY_PARAM);
    p->guard = g_input(p->graph, "guard", F32, (struct shape){1, 1, 1, 1, 1});
    declare_update(p, maker, p->guard);
    return graph_check(p->graph, err);
}

static int make_evaluate_program(struct program *p, const struct maker *maker, struct err *err)
{
    enum array weights = maker->task->config->ema > 0 ? ARRAY_EMA : ARRAY_PARAM;
    p->graph = graph_new(maker->params, MODE_EVALUATE, weights);
    declare_model(p, maker, false);
    return graph_check(p->graph, err);
}

static int make_graphs(struct programs *out, const struct maker *maker, struct err *err)
{
    bool accumulates = maker->task->config->accumulate > 1;
    TRY(make_batch_program(&out->first, maker, false, !accumulates, err));
    if (accumulates) {
        TRY(make_batch_program(&out->more, maker, true, false, err));
        TRY(make_apply_program(&out->apply, maker, err));
    }
    TRY(make_evaluate_program(&out->evaluate, maker, err));
    if (out->evaluate.monitors.count != out->first.monitors.count)
        bug("'%s' has other monitors in training than in evaluation", maker->task->name);
    return 0;
}

/* Of one case, forward: the evaluation's, measured without making it. */
static int count_multiply_adds(double *out, const struct programs *programs,
                               struct backend *backend, int64_t batch, struct err *err)
{
    struct plan *plan;
    struct plan_options options = {.measure_only = true};
    TRY(plan_make(&plan, programs->evaluate.graph, backend, &options, err));
    *out = plan_multiply_adds(plan) / (double)batch;
    plan_free(plan);
    return 0;
}

int programs_open(struct programs *out, struct params *params, struct backend *backend,
                  const struct task *task, const struct training *where, double *multiply_adds,
                  struct err *err)
{
    struct maker maker = {params, task, where->dataset, where->precision};
    *out = (struct programs){0};
    TRY(make_graphs(out, &maker, err));
    TRY(params_realise(params, backend, task->seed, err));
    TRY(count_multiply_adds(multiply_adds, out, backend, validation_batch(task->config), err));
    struct plan_options options = {.meter = where->meter};
    struct program *all[] = {&out->first, &out->more, &out->apply, &out->evaluate};
    size_t count = where->dataset->count[SPLIT_VAL] ? 4 : 3;
    for (size_t i = 0; i < count; i++)
        if (all[i]->graph)
            TRY(plan_make(&all[i]->plan, all[i]->graph, backend, &options, err));
    return 0;
}

void programs_close(struct programs *programs)
{
    struct program *all[] = {&programs->first, &programs->more, &programs->apply,
                             &programs->evaluate};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i]->plan)
            plan_free(all[i]->plan);
        if (all[i]->graph)
            graph_free(all[i]->graph);
        *all[i] = (struct program){0};
    }
}

static int put_batch(struct program *p, const struct batch *batch, const struct scalars *scalars,
                     struct err *err)
{
    int32_t clock[CLOCKS];
    clock[CLOCK_STEP] = (int32_t)scalars->step;
    clock[CLOCK_FIRST] = (int32_t)scalars->first;
    clock[CLOCK_SEED_LOW] = (int32_t)(uint32_t)scalars->seed;
    clock[CLOCK_SEED_HIGH] = (int32_t)(uint32_t)(scalars->seed >> 32);
    TRY(plan_put(p->plan, p->feed.image, batch->image, err));
    TRY(plan_put(p->plan, p->feed.label, batch->label, err));
    if (p->feed.mask)
        TRY(plan_put(p->plan, p->feed.mask, batch->mask, err));
    TRY(plan_put(p->plan, p->feed.weight, batch->weight, err));
    TRY(plan_put(p->plan, p->feed.factor, &scalars->factor, err));
    return plan_put(p->plan, p->clock, clock, err);
}

int program_run(struct program *p, const struct batch *batch, const struct scalars *scalars,
                float values[MEASURES], struct err *err)
{
    TRY(put_batch(p, batch, scalars, err));
    TRY(plan_run(p->plan, err));
    TRY(plan_get(p->plan, p->loss, &values[0], err));
    for (int i = 0; i < p->monitors.count; i++)
        TRY(plan_get(p->plan, p->monitors.items[i].value, &values[i + 1], err));
    return 0;
}
