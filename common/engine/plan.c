#include "engine/plan_parts.h"

#include <stdlib.h>
#include <string.h>

/* ---- addresses ------------------------------------------------------------------------------ */

void *plan_address(struct plan *plan, val x)
{
    const struct planned *planned = &plan->value[x];
    if (!planned->used)
        return NULL;
    const struct planned *root = &plan->value[planned->root];
    const struct value *value = &root->value;
    if (value->role == PARAM || value->role == STATE)
        return params_address(plan->params, plan->backend, value->group, value->array,
                              value->offset, shape_count(value->shape));
    return plan->memory + root->offset + plan->guard;
}

static int resolve(struct plan *plan, struct err *err)
{
    for (int32_t i = 0; i < plan->steps; i++) {
        struct step *step = &plan->step[i];
        for (int k = 0; k < step->args; k++) {
            step->arg[k] = plan_address(plan, step->value[k]);
            if (!step->arg[k] && plan->value[step->value[k]].used)
                return fail(err, "%s: parameter '%s' has no memory yet", step->path,
                            plan->value[step->value[k]].value.name);
        }
    }
    plan->generation = params_generation(plan->params);
    return 0;
}

/* ---- making --------------------------------------------------------------------------------- */

static void describe(struct kernel_desc *desc, const struct plan *plan, const struct step *step)
{
    const struct op_info *info = op_info(step->op);
    *desc = (struct kernel_desc){.op = step->op, .attr = &step->attr, .backend = plan->backend};
    for (int i = 0; i < info->nin; i++) {
        const struct planned *in = &plan->value[step->value[i]];
        desc->in[i] = in->value.shape;
        desc->in_type[i] = in->value.dtype;
        desc->in_used[i] = step->value[i] != 0;
    }
    for (int i = 0; i < info->nout; i++) {
        const struct planned *out = &plan->value[step->value[info->nin + i]];
        desc->out[i] = out->value.shape;
        desc->out_type[i] = out->value.dtype;
        desc->out_used[i] = out->used;
    }
}

static bool runs(const struct step *step)
{
    return !(op_info(step->op)->flags & ALIAS);
}

static int make_kernel(struct kernel *out, const struct plan *plan, const struct kernel_desc *desc,
                       struct err *err)
{
    bool half = false;
    for (int i = 0; i < MAX_IN; i++)
        half |= desc->in_used[i] && desc->in_type[i] == BF16;
    for (int i = 0; i < MAX_OUT; i++)
        half |= desc->out_used[i] && desc->out_type[i] == BF16;
    TRY(backend_does(plan->backend, half ? BF16 : F32, err));
    return (half ? plan->backend->make_half : plan->backend->make)[desc->op](out, desc, err);
}

static int make_kernels(struct plan *plan, struct err *err)
{
    size_t scratch = 0;
    for (int32_t i = 0; i < plan->steps; i++) {
        struct step *step = &plan->step[i];
        struct kernel_desc desc;
        if (!runs(step))
            continue;
        describe(&desc, plan, step);
        if (make_kernel(&step->kernel, plan, &desc, err))
            return wrap(err, "%s", step->path);
        if (step->kernel.scratch > scratch)
            scratch = step->kernel.scratch;
    }
    plan->bytes = plan->values_bytes + scratch;
    return 0;
}

static int write_sentinels(struct plan *plan, struct err *err)
{
    TRY(plan->backend->calls->fill(plan->backend, plan->memory, PLAN_SENTINEL, plan->bytes, err));
    return plan->backend->calls->sync(plan->backend, err);
}

/* The gaps between values hold sentinels in the stage, too: it is put as a whole. */
static int make_stage(struct plan *plan, struct err *err)
{
    size_t bytes = plan->packed[PACKED_INPUT];
    void *stage;
    if (!bytes)
        return 0;
    TRY(plan->backend->calls->alloc_host(plan->backend, &stage, bytes, err));
    plan->stage = memset(stage, PLAN_SENTINEL, bytes);
    return 0;
}

static int prepare(struct plan *plan, struct err *err)
{
    TRY(make_kernels(plan, err));
    TRY(make_stage(plan, err));
    if (plan->bytes) {
        void *memory;
        TRY(plan->backend->calls->alloc(plan->backend, &memory, plan->bytes, err));
        plan->memory = memory;
        if (plan->meter && plan->meter != plan->backend->meter)
            meter_note(plan->meter, plan->bytes);
        if (plan->guard)
            TRY(write_sentinels(plan, err));
    }
    return resolve(plan, err);
}

int plan_make(struct plan **out, const struct graph *graph, struct backend *backend,
              const struct plan_options *options, struct err *err)
{
    TRY(graph_check(graph, err));
    struct plan *plan = xcalloc(1, sizeof *plan);
    plan->backend = backend;
    plan->params = graph->params;
    plan->guard = (options->guard + PLAN_ALIGN - 1) / PLAN_ALIGN * PLAN_ALIGN;
    plan->meter = options->meter;
    plan_schedule(plan, graph);
    plan_pack(plan);
    plan->bytes = plan->values_bytes;
    if (!options->measure_only && prepare(plan, err)) {
        plan_free(plan);
        return -1;
    }
    *out = plan;
    return 0;
}

void plan_free(struct plan *plan)
{
    if (!plan)
        return;
    struct backend *backend = plan->backend;
    if (plan->recording)
        backend->calls->forget(backend, plan->recording);
    for (int32_t i = 0; i < plan->steps; i++) {
        struct kernel *kernel = &plan->step[i].kernel;
        if (kernel->free)
            kernel->free(kernel);
        else
            free(kernel->state);
    }
    if (plan->memory) {
        backend->calls->free(backend, plan->memory, plan->bytes);
        if (plan->meter && plan->meter != backend->meter)
            plan->meter->now -= plan->bytes;
    }
    if (plan->stage)
        backend->calls->free_host(backend, plan->stage, plan->packed[PACKED_INPUT]);
    arena_free(&plan->arena);
    free(plan->value);
    free(plan->step);
    free(plan);
}

/* ---- running -------------------------------------------------------------------------------- */

int plan_step(struct plan *plan, int32_t index, struct err *err)
{
    const struct step *step = &plan->step[index];
    if (!runs(step))
        return 0;
    if (step->kernel.run(&step->kernel, step->arg, plan->memory + plan->values_bytes, err))
        return wrap(err, "%s", step->path);
    return 0;
}

static int run_steps(void *user, struct err *err)
{
    struct plan *plan = user;
    for (int32_t i = 0; i < plan->steps; i++)
        TRY(plan_step(plan, i, err));
    return 0;
}

/* Addresses move when the store grows: whatever was recorded with the old ones is void. */
static int rebind(struct plan *plan, struct err *err)
{
    if (plan->generation == params_generation(plan->params))
        return 0;
    if (plan->recording)
        plan->backend->calls->forget(plan->backend, plan->recording);
    plan->recording = NULL;
    return resolve(plan, err);
}

int plan_settle(struct plan *plan, struct err *err)
{
    TRY(rebind(plan, err));
    if (!plan->staged)
        return 0;
    plan->staged = false;
    return plan->backend->calls->put(plan->backend, plan->memory, plan->stage,
                                     (int64_t)plan->packed[PACKED_INPUT], U8, err);
}

int plan_run(struct plan *plan, struct err *err)
{
    struct backend *backend = plan->backend;
    TRY(plan_settle(plan, err));
    if (!backend->calls->record)
        return run_steps(plan, err);
    if (!plan->recording)
        TRY(backend->calls->record(backend, &plan->recording, run_steps, plan, err));
    return backend->calls->replay(backend, plan->recording, err);
}

int plan_put(struct plan *plan, val input, const void *host, struct err *err)
{
    const struct value *value = &plan->value[input].value;
    if (value->role != INPUT)
        bug("plan_put of a value that is no input");
    if (plan->value[input].packed) {
        plan->backend->calls->encode(plan->stage + plan->value[input].offset + plan->guard, host,
                                     shape_count(value->shape), value->dtype);
        plan->staged = true;
        return 0;
    }
    return plan->backend->calls->put(plan->backend, plan_address(plan, input), host,
                                     shape_count(value->shape), value->dtype, err);
}

int plan_get(struct plan *plan, val output, void *host, struct err *err)
{
    const struct value *value = &plan->value[output].value;
    const void *at = value->role == TEMP ? NULL : plan_address(plan, output);
    if (!at)
        bug("plan_get of a value that is not kept");
    TRY(plan_settle(plan, err));
    return plan->backend->calls->get(plan->backend, host, at, shape_count(value->shape),
                                     value->dtype, err);
}

int64_t plan_results(const struct plan *plan)
{
    return (int64_t)(plan->packed[PACKED_RESULT] / plan->backend->calls->size_of(F32));
}

int plan_fetch(struct plan *plan, float *host, uint64_t *mark, struct err *err)
{
    return plan->backend->calls->fetch(plan->backend, mark, host,
                                       plan->memory + plan->packed[PACKED_INPUT],
                                       plan_results(plan), err);
}

int plan_await(const struct plan *plan, uint64_t mark, struct err *err)
{
    return plan->backend->calls->await(plan->backend, mark, err);
}

float plan_result(const struct plan *plan, const float *host, val result)
{
    const struct planned *root = &plan->value[plan->value[result].root];
    if (root->packed != PACKED_RESULT)
        bug("plan_result of a value that is no result");
    return host[(root->offset + plan->guard - plan->packed[PACKED_INPUT]) /
                plan->backend->calls->size_of(F32)];
}

/* ---- what it costs -------------------------------------------------------------------------- */

size_t plan_bytes(const struct plan *plan)
{
    return plan->bytes;
}

double plan_multiply_adds(const struct plan *plan)
{
    double sum = 0;
    for (int32_t i = 0; i < plan->steps; i++) {
        const struct step *step = &plan->step[i];
        struct shape shape[MAX_IN + MAX_OUT];
        for (int k = 0; k < step->args; k++)
            shape[k] = plan->value[step->value[k]].value.shape;
        sum += op_multiply_adds(step->op, shape);
    }
    return sum;
}
