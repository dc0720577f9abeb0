#include "train/train_parts.h"

#include <string.h>

void monitor(struct monitors *monitors, const char *name, enum better better, val value)
{
    if (monitors->count == MAX_MONITORS)
        bug("more than %d monitors", MAX_MONITORS);
    monitors->items[monitors->count].name = name;
    monitors->items[monitors->count].better = better;
    monitors->items[monitors->count++].value = value;
}

val weighted_mean(struct graph *g, val per_case, val weight)
{
    struct shape one = {1, 1, 1, 1, 1};
    val sum = g_reduce_sum(g, g_binary(g, OP_mul, per_case, weight), one);
    return g_binary(g, OP_div_, sum, g_reduce_sum(g, weight, one));
}

/* What building the programs needs. */
struct maker {
    struct params *params;
    const struct task *task;
    const struct training *where;
};

int64_t validation_batch(const struct train_config *config)
{
    return config->patch.size.count ? 1 : config->batch;
}

/* For training or validation: n cases, or patches of them. */
static struct shape feed_shape(const struct maker *maker, bool trains)
{
    const struct dataset *data = maker->where->dataset;
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
    if (maker->where->dataset->masks)
        p->feed.mask = g_input(g, "mask", I32, mask);
    p->feed.weight = g_input(g, "weight", F32, (struct shape){n, 1, 1, 1, 1});
    for (int i = 0; i < MAX_SCALARS && maker->task->scalars[i].at; i++)
        p->feed.scalar[i] = g_input(g, "scalar", F32, (struct shape){1, 1, 1, 1, 1});
    p->clock = g_clock(g);
}

/* The loss and the monitors: read, and in training watched. */
static void declare_results(struct program *p)
{
    struct graph *g = p->graph;
    for (int i = 0; i <= p->monitors.count; i++) {
        val *value = i ? &p->monitors.items[i - 1].value : &p->loss;
        const char *name = i ? p->monitors.items[i - 1].name : "loss";
        if (shape_count(g_shape(g, *value)) != 1)
            graph_fail(g, "'%s' is not one number", name);
        *value = g_result(g, name, *value);
        if (graph_mode(g) == MODE_TRAIN)
            graph_watch(g, *value);
    }
}

/* Inputs, model, loss and monitors. */
static void declare_model(struct program *p, const struct maker *maker,
                          const struct program_row *row, bool trains)
{
    struct graph *g = p->graph;
    for (int i = 0; i < MAX_TRAINED && row->frozen[i]; i++)
        graph_freeze(g, row->frozen[i]);
    for (int i = 0; i < maker->task->borrowed_count; i++)
        graph_freeze(g, maker->task->borrowed[i].group);
    declare_feed(p, maker, trains);
    p->loss = row->loss(g, &p->feed, maker->task->user, &p->monitors);
    declare_results(p);
}

/* The names of the groups that a row trains. */
struct names {
    const char *name[MAX_TRAINED];
};

static struct names names_of(const struct programs_row *row)
{
    struct names out = {{NULL}};
    for (int i = 0; i < row->groups; i++)
        out.name[i] = row->is->groups[i].name;
    return out;
}

/* The update of this step sees the norm for itself, those that follow see the guard. */
static void declare_update(struct program *p, const struct maker *maker,
                           const struct programs_row *row)
{
    const struct train_config *config = row->config, *all = maker->task->config;
    struct names groups = names_of(row);
    struct update update = {.kind = (enum optimiser)config->optimizer,
                            .nesterov = config->nesterov,
                            .clip_norm = (float)config->clip_norm,
                            .ema = all->ema > 0,
                            .grad_scale = 1.0f / (float)all->accumulate};
    p->norm = graph_update(p->graph, groups.name, row->groups, update, g_guard(p->graph));
    for (int i = 0; i < row->groups; i++)
        p->rates[i] = g_rates(p->graph, groups.name[i]);
    if (p->norm) {
        p->norm = g_result(p->graph, "gradient_norm", p->norm);
        graph_watch(p->graph, p->norm);
    }
}

static int make_batch_program(struct program *p, const struct maker *maker,
                              const struct programs_row *row, bool add, bool update,
                              struct err *err)
{
    struct names groups = names_of(row);
    p->graph = graph_new(maker->params, MODE_TRAIN, ARRAY_PARAM);
    graph_set_precision(p->graph, maker->where->precision);
    graph_suit(p->graph, maker->where->backend);
    declare_model(p, maker, row->is, true);
    graph_backward(p->graph, p->loss, groups.name, row->groups, add);
    if (maker->task->config->checkpoint_activations)
        graph_recompute(p->graph);
    if (update)
        declare_update(p, maker, row);
    return graph_check(p->graph, err);
}

static int make_apply_program(struct program *p, const struct maker *maker,
                              const struct programs_row *row, struct err *err)
{
    p->graph = graph_new(maker->params, MODE_TRAIN, ARRAY_PARAM);
    declare_update(p, maker, row);
    return graph_check(p->graph, err);
}

/* What validation reads, and what the result is. */
static enum array result_weights(const struct task *task)
{
    return task->config->ema > 0 ? ARRAY_EMA : ARRAY_PARAM;
}

static int make_validation(struct program *p, const struct maker *maker,
                           const struct programs_row *row, struct err *err)
{
    p->graph = graph_new(maker->params, MODE_EVALUATE, result_weights(maker->task));
    declare_model(p, maker, row->is, false);
    return graph_check(p->graph, err);
}

static int make_row(struct programs_row *row, const struct maker *maker, struct err *err)
{
    bool accumulates = maker->task->config->accumulate > 1;
    if (!row->groups)
        return make_validation(&row->first, maker, row, err);
    TRY(make_batch_program(&row->first, maker, row, false, !accumulates, err));
    if (!accumulates)
        return 0;
    TRY(make_batch_program(&row->more, maker, row, true, false, err));
    return make_apply_program(&row->apply, maker, row, err);
}

static int group_index(struct programs *out, const char *name)
{
    for (int i = 0; i < out->group_count; i++)
        if (!strcmp(out->groups[i], name))
            return i;
    if (out->group_count == MAX_UPDATED)
        bug("more than %d groups are trained", MAX_UPDATED);
    out->groups[out->group_count] = name;
    return out->group_count++;
}

/* The rows with their groups, before graphs exist. */
static void lay_out(struct programs *out, const struct task *task)
{
    *out = (struct programs){.count = task->program_count, .validation = -1};
    for (int i = 0; i < out->count; i++) {
        struct programs_row *row = &out->row[i];
        row->is = &task->programs[i];
        row->config = row->is->config ? row->is->config : task->config;
        while (row->groups < MAX_TRAINED && row->is->groups[row->groups].name) {
            row->group[row->groups] = group_index(out, row->is->groups[row->groups].name);
            row->groups++;
        }
        if (!row->groups && out->validation >= 0)
            bug("'%s' has two programs for the validation", task->name);
        if (!row->groups)
            out->validation = i;
    }
    if (out->validation < 1)
        bug("'%s' has no program for the validation after one that trains", task->name);
}

static int make_graphs(struct programs *out, const struct maker *maker, struct err *err)
{
    for (int i = 0; i < out->count; i++)
        TRY(make_row(&out->row[i], maker, err));
    return 0;
}

/* For one case, forward: the validation's, measured without building its kernels. */
static int count_multiply_adds(double *out, const struct programs *programs,
                               struct backend *backend, int64_t batch, struct err *err)
{
    struct plan *plan;
    struct plan_options options = {.measure_only = true};
    TRY(plan_make(&plan, programs->row[programs->validation].first.graph, backend, &options, err));
    *out = plan_multiply_adds(plan) / (double)batch;
    plan_free(plan);
    return 0;
}

static int borrow(struct params *params, const struct task *task, const struct training *where,
                  struct err *err)
{
    for (int i = 0; i < task->borrowed_count; i++) {
        const struct borrowed *from = &task->borrowed[i];
        TRY(weights_load_part(params, where->store, from->artifact, from->map, NULL, err));
    }
    return 0;
}

/* Room for the results of any one of them. */
static int make_results(struct programs *out, struct backend *backend, struct err *err)
{
    int64_t most = 0;
    for (int i = 0; i < out->count; i++) {
        const struct programs_row *row = &out->row[i];
        const struct plan *all[] = {row->first.plan, row->more.plan, row->apply.plan};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            if (all[k] && plan_results(all[k]) > most)
                most = plan_results(all[k]);
    }
    void *results;
    out->memory = backend_host_memory(backend);
    out->results_bytes = ((size_t)most * sizeof(float) + 63) / 64 * 64;
    TRY(out->memory.alloc(out->memory.owner, &results, out->results_bytes, err));
    out->results = results;
    return 0;
}

int programs_open(struct programs *out, struct params *params, const struct task *task,
                  const struct training *where, double *multiply_adds, struct err *err)
{
    struct backend *backend = where->backend;
    struct maker maker = {params, task, where};
    lay_out(out, task);
    TRY(make_graphs(out, &maker, err));
    TRY(params_realise(params, backend, task->seed, err));
    TRY(borrow(params, task, where, err));
    TRY(count_multiply_adds(multiply_adds, out, backend, validation_batch(task->config), err));
    struct plan_options options = {.meter = where->meter};
    for (int i = 0; i < out->count; i++) {
        struct programs_row *row = &out->row[i];
        struct program *all[] = {&row->first, &row->more, &row->apply};
        bool used = row->groups || where->dataset->count[SPLIT_VAL];
        for (size_t k = 0; used && k < sizeof all / sizeof *all; k++)
            if (all[k]->graph)
                TRY(plan_make(&all[k]->plan, all[k]->graph, backend, &options, err));
    }
    return make_results(out, backend, err);
}

int program_open_measure(struct program *out, struct params *params, const struct task *task,
                         const struct training *where, const char *const *frozen, struct err *err)
{
    const struct maker maker = {params, task, where};
    const struct program_row *row = task->programs;
    while (row->groups[0].name)
        row++;
    *out = (struct program){.graph = graph_new(params, MODE_EVALUATE, result_weights(task))};
    graph_measure(out->graph);
    while (*frozen)
        graph_freeze(out->graph, *frozen++);
    declare_model(out, &maker, row, true);
    TRY(graph_check(out->graph, err));
    return plan_make(&out->plan, out->graph, where->backend,
                     &(struct plan_options){.meter = where->meter}, err);
}

void program_close(struct program *p)
{
    if (p->plan)
        plan_free(p->plan);
    if (p->graph)
        graph_free(p->graph);
    *p = (struct program){0};
}

void programs_close(struct programs *programs)
{
    for (int i = 0; i < programs->count; i++) {
        program_close(&programs->row[i].first);
        program_close(&programs->row[i].more);
        program_close(&programs->row[i].apply);
    }
    if (programs->results)
        programs->memory.free(programs->memory.owner, programs->results, programs->results_bytes);
    programs->results = NULL;
}

size_t programs_bytes(const struct programs *programs)
{
    size_t bytes = 0;
    for (int i = 0; i < programs->count; i++) {
        const struct programs_row *row = &programs->row[i];
        const struct plan *all[] = {row->first.plan, row->more.plan, row->apply.plan};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            bytes += all[k] ? plan_bytes(all[k]) : 0;
    }
    return bytes;
}

int program_put(struct program *p, const struct batch *batch, const struct scalars *scalars,
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
    for (int i = 0; i < MAX_SCALARS; i++)
        if (p->feed.scalar[i])
            TRY(plan_put(p->plan, p->feed.scalar[i], &scalars->value[i], err));
    return plan_put(p->plan, p->clock, clock, err);
}

int program_measures(float values[MEASURES], const struct program *p, const float *results)
{
    values[0] = plan_result(p->plan, results, p->loss);
    for (int i = 0; i < p->monitors.count; i++)
        values[i + 1] = plan_result(p->plan, results, p->monitors.items[i].value);
    return 1 + p->monitors.count;
}

int program_run(struct programs *programs, struct program *p, const struct batch *batch,
                const struct scalars *scalars, float values[MEASURES], struct err *err)
{
    uint64_t mark;
    TRY(program_put(p, batch, scalars, err));
    TRY(plan_run(p->plan, err));
    TRY(plan_fetch(p->plan, programs->results, &mark, err));
    TRY(plan_await(p->plan, mark, err));
    program_measures(values, p, programs->results);
    return 0;
}
