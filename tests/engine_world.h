/*
 * What the engine's tests of programs share: a parameter store on a backend, programs over it, and
 * a small net to train.
 */
#ifndef CAIRN_TESTS_ENGINE_WORLD_H
#define CAIRN_TESTS_ENGINE_WORLD_H

#include "engine/graph_parts.h"
#include "oracle/reference.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct shape ONE = {1, 1, 1, 1, 1};
static const struct initial ZERO = {INIT_ZERO, 0}, NORMAL = {INIT_NORMAL, 1};

struct program {
    struct graph *graph;
    struct plan *plan;
    val loss;
};

struct world {
    struct backend *backend;
    struct params *params;
    struct err err;
};

static inline struct world world_new(void)
{
    struct world w = {.params = params_new()};
    assert_int_equal(reference_open(&w.backend, &w.err), 0);
    return w;
}

static inline void world_free(struct world *w)
{
    params_free(w->params);
    backend_close(w->backend);
}

#define OK(call)                                                                                   \
    do {                                                                                           \
        if (call)                                                                                  \
            fail_msg("%s", w->err.text);                                                           \
    } while (0)

static inline void ready(struct world *w, struct program *program)
{
    OK(graph_check(program->graph, &w->err));
    OK(params_realise(w->params, w->backend, 3, &w->err));
    OK(plan_make(&program->plan, program->graph, w->backend, &(struct plan_options){0}, &w->err));
}

static inline void program_free(struct program *program)
{
    plan_free(program->plan);
    graph_free(program->graph);
}

static inline double *values(struct world *w, const char *name, enum array which)
{
    const struct entry *entry = params_find(w->params, name);
    return params_address(w->params, w->backend, entry->group_index, which, entry->offset,
                          shape_count(entry->shape));
}

static inline void put(struct world *w, const char *name, const float *data)
{
    OK(params_put(w->params, params_find(w->params, name), ARRAY_PARAM, data, &w->err));
}

static inline void close_to(double got, double want)
{
    if (!(fabs(got - want) <= 1e-9 * fmax(1, fabs(want))))
        fail_msg("%.17g is not %.17g", got, want);
}

/* The same for all groups. */
static inline void put_rates(struct world *w, struct program *program, const float rates[RATES])
{
    for (int i = 0; i < program->graph->rates_count; i++)
        OK(plan_put(program->plan, program->graph->rates[i].value, rates, &w->err));
}

/* ---- a small net ---------------------------------------------------------------------------- */

enum { BATCH = 8, WIDTH = 5 };
struct net {
    int32_t cases;
    const char *groups[2]; /* to train */
    int count;
    bool accumulate, apply, ema;
    float clip;
};

static inline val layer(struct graph *g, const char *group, val x, int32_t width, enum act act)
{
    struct shape shape = g_shape(g, x);
    graph_push(g, "%s", group);
    val w = g_param(g, group, "weight", (struct shape){width, 1, 1, 1, shape.c}, NORMAL);
    val bias = g_param(g, group, "bias", (struct shape){1, 1, 1, 1, width}, ZERO);
    val y = g_conv(g, x, w, bias, window_make(false, 1, 1, 0), act);
    graph_pop(g);
    return y;
}

struct trainer {
    struct program program;
    val x, target;
};

/* encoder, normalised by running statistics, dropout, decoder; loss = sum of squares / cases */
static inline struct trainer trainer_new(struct world *w, struct net net)
{
    struct trainer t = {.program.graph = graph_new(w->params, MODE_TRAIN, ARRAY_PARAM)};
    struct graph *g = t.program.graph;
    t.x = g_input(g, "x", F32, (struct shape){net.cases, 1, 1, 1, 3});
    t.target = g_input(g, "target", F32, (struct shape){net.cases, 1, 1, 1, 2});
    val h = g_dropout(g, layer(g, "encoder", t.x, WIDTH, ACT_SILU), 0.25f, false);
    val running = g_state(g, "encoder", "running", (struct shape){1, 1, 1, 1, WIDTH}, ZERO);
    val y = layer(g, "decoder", h, 2, ACT_NONE);
    val loss = g_reduce_sum(g, g_loss(g, OP_mse, y, t.target), ONE);
    t.program.loss = g_output(g, "loss", g_affine(g, loss, 1.0f / (float)net.cases, 0));
    val seen = g_reduce_sum(g, h, (struct shape){1, 1, 1, 1, WIDTH});
    g_blend(g, running, seen, 0.5f, 0.5f, t.program.loss);
    graph_backward(g, t.program.loss, net.groups, net.count, net.accumulate);
    if (net.apply)
        graph_update(
            g, net.groups, net.count,
            (struct update){
                .kind = OPTIMISER_ADAM, .clip_norm = net.clip, .ema = net.ema, .grad_scale = 1},
            t.program.loss);
    ready(w, &t.program);
    return t;
}

static inline void put_batch(struct world *w, struct trainer *t, int32_t step, int32_t first)
{
    int32_t cases = g_shape(t->program.graph, t->x).n;
    float x[BATCH * 3], target[BATCH * 2];
    for (int i = 0; i < cases * 3; i++)
        x[i] = sinf((float)(i + first * 3 + step));
    for (int i = 0; i < cases * 2; i++)
        target[i] = cosf((float)(i + first * 2));
    const int32_t clock[CLOCKS] = {step, first, 42, 0};
    const float rates[RATES] = {0.01f, 0, 0.5f, 0.5f, 0.5f, 0.5f, 1e-8f, 0, 0.75f};
    struct plan *plan = t->program.plan;
    OK(plan_put(plan, t->x, x, &w->err));
    OK(plan_put(plan, t->target, target, &w->err));
    OK(plan_put(plan, g_clock(t->program.graph), clock, &w->err));
    put_rates(w, &t->program, rates);
}

static inline void step(struct world *w, struct trainer *t, int32_t number, int32_t first)
{
    put_batch(w, t, number, first);
    OK(plan_run(t->program.plan, &w->err));
}

#endif
