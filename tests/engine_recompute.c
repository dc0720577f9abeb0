/* Gradient checkpointing: the same bits after some steps, statistics moved once a step, and less
 * memory. */
#include "engine_world.h"

#include "base/random.h"

enum { CASES = 2, SIDE = 16, STEPS = 3, CHANNELS = 8 };

static const char *const groups[] = {"net"};

static val param(struct graph *g, const char *name, struct shape shape)
{
    return g_param(g, "net", name, shape, (struct initial){INIT_UNIFORM, 0.3f});
}

/* conv, batch norm with running statistics, relu */
static val block(struct graph *g, const char *name, val x, int32_t groups_of_norm)
{
    graph_push(g, "%s", name);
    struct shape each = {1, 1, 1, 1, CHANNELS};
    val w = param(g, "w", (struct shape){CHANNELS, 1, 3, 3, g_shape(g, x).c});
    val y = g_conv(g, x, w, 0, window_make(false, 3, 1, 1), ACT_NONE), mean, rstd;
    val gamma = g_param(g, "net", "gamma", each, (struct initial){INIT_ONE, 0});
    y = g_norm(g, y, gamma, param(g, "beta", each), groups_of_norm, 1e-5f, ACT_RELU, &mean, &rstd);
    if (!groups_of_norm)
        g_blend(g, g_state(g, "net", "mean", each, (struct initial){INIT_ZERO, 0}), mean, 0.9f,
                0.1f, 0);
    graph_pop(g);
    return y;
}

/* Shifted by what has another value when the gradient comes. */
static val moved(struct graph *g, val x)
{
    struct shape each = {1, 1, 1, 1, CHANNELS};
    val shift = g_state(g, "net", "shift", each, (struct initial){INIT_ZERO, 0});
    x = g_binary(g, OP_add, x, g_cast(g, shift, graph_precision(g)));
    g_blend(g, shift, g_fill(g, each, 1), 0.5f, 0.5f, 0);
    return x;
}

static val declare(struct graph *g)
{
    val image = g_cast(g, g_input(g, "image", F32, (struct shape){CASES, 1, SIDE, SIDE, 3}),
                       graph_precision(g));
    val skip = block(g, "a", image, 0);
    skip = g_dropout(g, g_binary(g, OP_add, skip, block(g, "b", skip, 2)), 0.3f, true);
    val low = block(g, "c", g_max_pool(g, skip, window_make(false, 2, 2, 0)), 0);
    val up = g_upsample(g, g_act(g, low, ACT_SILU), (const int32_t[]){1, 2, 2}, MODE_NEAREST);
    val x = block(g, "d", g_concat(g, skip, up, AXIS_C), 0);
    for (int i = 0; i < 6; i++) {
        graph_push(g, "more.%d", i);
        x = block(g, "e", x, 0);
        graph_pop(g);
    }
    x = g_cast(g, g_binary(g, OP_mul, moved(g, x), x), F32);
    return g_output(g, "loss", g_affine(g, g_reduce_sum(g, x, ONE), 1e-3f, 0));
}

struct trained {
    struct world world;
    float loss;
    size_t bytes;
    int32_t nodes;
};

static void put_image(struct world *w, struct program *p)
{
    float image[CASES * SIDE * SIDE * 3];
    struct stream stream = stream_new(1, "image");
    for (size_t i = 0; i < sizeof image / sizeof *image; i++)
        image[i] = (float)stream_uniform(&stream);
    for (val x = 1; x <= graph_values(p->graph); x++) {
        const struct value *value = graph_value(p->graph, x);
        if (value->role == INPUT && !strcmp(value->name, "image"))
            OK(plan_put(p->plan, x, image, &w->err));
    }
}

/* few: see struct prefers; -1: as the processor likes it. */
static struct trained train(enum dtype precision, bool recompute, double few)
{
    struct trained out = {.world = {.params = params_new()}};
    struct world *w = &out.world;
    struct program p = {.graph = graph_new(w->params, MODE_TRAIN, ARRAY_PARAM)};
    assert_int_equal(cpu_open(&w->backend, 2, NULL, &w->err), 0);
    if (few >= 0)
        w->backend->prefers.few_products = few;
    graph_suit(p.graph, w->backend);
    graph_set_precision(p.graph, precision);
    p.loss = declare(p.graph);
    graph_backward(p.graph, p.loss, groups, 1, false);
    if (recompute)
        graph_recompute(p.graph);
    val clock = g_clock(p.graph), rates = g_rates(p.graph, groups[0]);
    graph_update(p.graph, groups, 1, (struct update){.kind = OPTIMISER_SGD, .grad_scale = 1},
                 p.loss);
    ready(w, &p);
    put_image(w, &p);
    float rate[RATES] = {[RATE_LR] = 0.05f, [RATE_MOMENTUM] = 0.9f};
    OK(plan_put(p.plan, rates, rate, &w->err));
    for (int32_t step = 0; step < STEPS; step++) {
        OK(plan_put(p.plan, clock, (const int32_t[CLOCKS]){step, 0, 1, 2}, &w->err));
        OK(plan_run(p.plan, &w->err));
    }
    OK(plan_get(p.plan, p.loss, &out.loss, &w->err));
    out.bytes = plan_bytes(p.plan);
    out.nodes = graph_nodes(p.graph);
    program_free(&p);
    return out;
}

static void same_entries(struct world *a, struct world *b)
{
    assert_int_equal(params_count(a->params), params_count(b->params));
    for (int32_t i = 0; i < params_count(a->params); i++) {
        const struct entry *entry = params_entry(a->params, i);
        enum array which = entry->state ? ARRAY_STATE : ARRAY_PARAM;
        size_t bytes = (size_t)shape_count(entry->shape) * sizeof(float);
        const void *want = params_address(a->params, a->backend, entry->group_index, which,
                                          entry->offset, shape_count(entry->shape));
        const struct entry *other = params_find(b->params, entry->name);
        const void *got = params_address(b->params, b->backend, other->group_index, which,
                                         other->offset, shape_count(other->shape));
        if (memcmp(got, want, bytes))
            fail_msg("'%s' differs", entry->name);
    }
}

static void recomputing_changes_no_bit(void **state)
{
    (void)state;
    for (enum dtype precision = F32; precision <= BF16; precision++) {
        struct world probe = {.params = params_new()};
        assert_int_equal(cpu_open(&probe.backend, 1, NULL, &probe.err), 0);
        bool able = precision == F32 || probe.backend->make_half;
        world_free(&probe);
        if (!able)
            continue;
        struct trained kept = train(precision, false, -1);
        static const double few[] = {0, -1, 1e9};
        int32_t nodes = kept.nodes;
        assert_true(kept.loss > 0 && isfinite(kept.loss));
        for (int i = 0; i < 3; i++) { /* ever more convolutions are cheap to it */
            struct trained again = train(precision, true, few[i]);
            assert_memory_equal(&kept.loss, &again.loss, sizeof kept.loss);
            same_entries(&kept.world, &again.world);
            assert_true(again.nodes > nodes);
            assert_true(few[i] >= 0 || again.bytes < 0.8 * (double)kept.bytes);
            nodes = again.nodes;
            world_free(&again.world);
        }
        world_free(&kept.world);
    }
}

/* Without a gradient there is nothing to make again. */
static void a_forward_graph_stays_as_it_is(void **state)
{
    (void)state;
    struct world w = world_new();
    struct graph *g = graph_new(w.params, MODE_TRAIN, ARRAY_PARAM);
    declare(g);
    int32_t nodes = graph_nodes(g);
    graph_recompute(g);
    assert_int_equal(graph_nodes(g), nodes);
    graph_free(g);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recomputing_changes_no_bit),
        cmocka_unit_test(a_forward_graph_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
