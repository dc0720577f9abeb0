/*
 * Programs over one parameter store: two losses with disjoint groups, freezing, accumulation,
 * clipping, averaged weights, a store that grows, the guard against NaN, what goes to the device and
 * comes from it at once, and no allocation after the first step. In double precision on the oracle; the optimisers' numbers are torch 2's, in
 * float64.
 */
#include "engine_world.h"
#include "late_backend.h"

/* ---- two losses ----------------------------------------------------------------------------- */

/* A generator g z and a discriminator d x of one number each: D learns d -> real 1, fake 0; G makes
 * the fake look real. */
static struct program adversary(struct world *w, bool generator)
{
    struct program p = {graph_new(w->params, MODE_TRAIN, ARRAY_PARAM), NULL, 0};
    struct graph *g = p.graph;
    val d = g_param(g, "discriminator", "d", ONE, NORMAL);
    val fake = g_affine(g, g_param(g, "generator", "g", ONE, NORMAL), 2, 0); /* z = 2 */
    val judged = g_binary(g, OP_mul, d, fake);
    if (generator)
        p.loss = g_unary(g, OP_square, g_affine(g, judged, 1, -1));
    else
        p.loss = g_binary(g, OP_add, g_unary(g, OP_square, g_affine(g, d, 3, -1)), /* real = 3 */
                          g_unary(g, OP_square, judged));
    const char *group = generator ? "generator" : "discriminator";
    graph_backward(g, p.loss, &group, 1, false);
    graph_update(g, &group, 1, (struct update){.kind = OPTIMISER_SGD, .grad_scale = 1}, p.loss);
    return p;
}

static void two_programs_alternate_as_in_a_gan(void **state)
{
    (void)state;
    struct world world = world_new(), *w = &world;
    struct program dis = adversary(w, false), gen = adversary(w, true);
    ready(w, &dis);
    ready(w, &gen); /* declares nothing new, but asks for the generator's gradient: memory moves */
    float rates[RATES] = {[RATE_LR] = 0.015625f};
    put_rates(w, &dis, rates);
    put_rates(w, &gen, rates);
    double d = *values(w, "d", ARRAY_PARAM), g = *values(w, "g", ARRAY_PARAM), lr = 0.015625;
    for (int step = 0; step < 10; step++) {
        OK(plan_run(dis.plan, &w->err));
        d -= lr * (2 * 3 * (3 * d - 1) + 2 * (2 * d * g) * 2 * g);
        close_to(*values(w, "d", ARRAY_PARAM), d);
        close_to(*values(w, "g", ARRAY_PARAM), g);
        OK(plan_run(gen.plan, &w->err));
        g -= lr * (2 * (2 * d * g - 1) * 2 * d);
        close_to(*values(w, "d", ARRAY_PARAM), d);
        close_to(*values(w, "g", ARRAY_PARAM), g);
    }
    program_free(&dis);
    program_free(&gen);
    world_free(w);
}

/* Everything in the store, as bytes. */
struct snapshot {
    unsigned char bytes[16384];
    size_t length;
};
static struct snapshot snapshot(struct world *w, const char *group)
{
    struct snapshot s = {.length = 0};
    int32_t index = params_group(w->params, group);
    for (int which = 0; which < ARRAYS; which++) {
        if (which == ARRAY_GRAD || !params_has(w->params, index, (enum array)which))
            continue;
        int64_t count = params_group_count(w->params, index, (enum array)which);
        size_t size = (size_t)count * sizeof(double);
        assert_true(s.length + size <= sizeof s.bytes);
        memcpy(s.bytes + s.length,
               params_address(w->params, w->backend, index, (enum array)which, 0, count), size);
        s.length += size;
    }
    return s;
}

static bool same(const struct snapshot *a, const struct snapshot *b)
{
    return a->length == b->length && !memcmp(a->bytes, b->bytes, a->length);
}

static void a_group_is_frozen_and_unfrozen(void **state)
{
    (void)state;
    struct world world = world_new(), *w = &world;
    struct net both = {.cases = BATCH, .groups = {"encoder", "decoder"}, .count = 2, .apply = true};
    struct net frozen = {.cases = BATCH, .groups = {"decoder"}, .count = 1, .apply = true};
    struct trainer all = trainer_new(w, both), head = trainer_new(w, frozen);
    step(w, &all, 0, 0);
    struct snapshot encoder[4], decoder[4];
    for (int i = 0; i < 4; i++) {
        encoder[i] = snapshot(w, "encoder");
        decoder[i] = snapshot(w, "decoder");
        step(w, i < 2 ? &head : &all, i + 1, 0);
    }
    /* the frozen program still sees the encoder's running state change; its parameters do not */
    size_t trained =
        3 * (size_t)params_group_count(w->params, params_group(w->params, "encoder"), ARRAY_PARAM) *
        sizeof(double);
    assert_memory_equal(encoder[0].bytes, encoder[2].bytes, trained);
    assert_memory_not_equal(encoder[2].bytes, encoder[3].bytes, trained);
    for (int i = 0; i < 3; i++)
        assert_false(same(&decoder[i], &decoder[i + 1]));
    /* no gradient passes through the frozen part */
    for (int32_t i = 0; i < graph_nodes(head.program.graph); i++)
        assert_int_not_equal(graph_node(head.program.graph, i)->op, OP_silu_grad);
    program_free(&all.program);
    program_free(&head.program);
    world_free(w);
}

static void two_half_batches_equal_the_batch(void **state)
{
    (void)state;
    const char *const names[] = {"encoder.weight", "encoder.bias", "decoder.weight",
                                 "decoder.bias"};
    struct world world[2] = {world_new(), world_new()}, *w = world;
    struct net whole = {.cases = BATCH, .groups = {"encoder", "decoder"}, .count = 2};
    struct trainer batch = trainer_new(w, whole);
    step(w, &batch, 7, 0);
    w = &world[1];
    struct net half = whole;
    half.cases = BATCH / 2;
    struct trainer begin = trainer_new(w, half);
    half.accumulate = true;
    struct trainer more = trainer_new(w, half);
    for (int round = 0; round < 2; round++) { /* the second time over what the first left */
        step(w, &begin, 7, 0);
        step(w, &more, 7, BATCH / 2);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int64_t count = shape_count(params_find(w->params, names[i])->shape);
        for (int64_t k = 0; k < count; k++)
            close_to(values(&world[1], names[i], ARRAY_GRAD)[k] / 2,
                     values(&world[0], names[i], ARRAY_GRAD)[k]);
    }
    program_free(&batch.program);
    program_free(&begin.program);
    program_free(&more.program);
    world_free(&world[0]);
    world_free(&world[1]);
}

static void a_loss_that_is_not_finite_changes_nothing(void **state)
{
    (void)state;
    for (int clipped = 0; clipped < 2; clipped++) {
        struct world world = world_new(), *w = &world;
        struct net net = {.cases = BATCH,
                          .groups = {"encoder", "decoder"},
                          .count = 2,
                          .apply = true,
                          .ema = true,
                          .clip = clipped ? 1 : 0};
        struct trainer t = trainer_new(w, net);
        step(w, &t, 0, 0);
        struct snapshot before[2] = {snapshot(w, "encoder"), snapshot(w, "decoder")};
        put_batch(w, &t, 1, 0);
        float x[BATCH * 3] = {[5] = NAN};
        OK(plan_put(t.program.plan, t.x, x, &w->err));
        OK(plan_run(t.program.plan, &w->err));
        float loss;
        OK(plan_get(t.program.plan, t.program.loss, &loss, &w->err));
        assert_true(isnan(loss));
        struct snapshot after[2] = {snapshot(w, "encoder"), snapshot(w, "decoder")};
        assert_true(same(&before[0], &after[0]) && same(&before[1], &after[1]));
        assert_string_equal(plan_find_nonfinite(t.program.plan, &w->err), "encoder.conv (conv)");
        step(w, &t, 2, 0); /* and the next batch is learnt from as if nothing had happened */
        after[0] = snapshot(w, "encoder");
        assert_false(same(&before[0], &after[0]));
        for (int i = 0; i < WIDTH * 3; i++)
            assert_true(isfinite(values(w, "encoder.weight", ARRAY_PARAM)[i]));
        program_free(&t.program);
        world_free(w);
    }
}

/* ---- the store ------------------------------------------------------------------------------ */

static struct program reader(struct world *w, enum array from, const char *name)
{
    struct program p = {graph_new(w->params, MODE_EVALUATE, from), NULL, 0};
    struct shape shape = {3, 1, 1, 1, 7};
    val x = g_param(p.graph, "all", name, shape, NORMAL);
    p.loss = g_output(p.graph, "sum", g_reduce_sum(p.graph, x, ONE));
    ready(w, &p);
    return p;
}

static double read_sum(struct world *w, struct program *p)
{
    OK(plan_run(p->plan, &w->err));
    return *(double *)plan_address(p->plan, p->loss);
}

static void a_store_grows_under_a_plan(void **state)
{
    (void)state;
    struct world world = world_new(), *w = &world;
    struct program first = reader(w, ARRAY_PARAM, "a");
    double a = read_sum(w, &first);
    *values(w, "a", ARRAY_PARAM) += 1; /* trained a little */
    struct program second = reader(w, ARRAY_PARAM, "b");
    close_to(read_sum(w, &first), a + 1);
    double b = read_sum(w, &second);
    assert_true(b != 0 && b != a);
    struct program averaged = reader(w, ARRAY_EMA, "a");
    close_to(read_sum(w, &averaged), a + 1); /* begins as a copy */
    *values(w, "a", ARRAY_PARAM) += 1;
    close_to(read_sum(w, &averaged), a + 1);
    close_to(read_sum(w, &first), a + 2);
    program_free(&first);
    program_free(&second);
    program_free(&averaged);
    world_free(w);
    /* the other order of declaration draws the same values */
    world = world_new();
    struct program late = reader(w, ARRAY_PARAM, "b"), early = reader(w, ARRAY_PARAM, "a");
    close_to(read_sum(w, &late), b);
    close_to(read_sum(w, &early), a);
    program_free(&late);
    program_free(&early);
    world_free(w);
}

static void initial_values_have_their_distribution(void **state)
{
    (void)state;
    struct world world = world_new(), *w = &world;
    struct program p = {graph_new(w->params, MODE_TRAIN, ARRAY_PARAM), NULL, 0};
    struct shape shape = {1, 1, 1, 1, 4096};
    g_param(p.graph, "all", "normal", shape, (struct initial){INIT_NORMAL, 0.5f});
    g_param(p.graph, "all", "uniform", shape, (struct initial){INIT_UNIFORM, 0.25f});
    g_param(p.graph, "all", "one", shape, (struct initial){INIT_ONE, 0});
    g_state(p.graph, "all", "zero", shape, ZERO);
    ready(w, &p);
    double square = 0, most = 0, mean = 0;
    for (int i = 0; i < 4096; i++) {
        double n = values(w, "normal", ARRAY_PARAM)[i], u = values(w, "uniform", ARRAY_PARAM)[i];
        square += n * n / 4096;
        most = fmax(most, fabs(u));
        mean += u / 4096;
        assert_true(values(w, "one", ARRAY_PARAM)[i] == 1);
        assert_true(values(w, "zero", ARRAY_STATE)[i] == 0);
    }
    assert_true(fabs(square - 0.25) < 0.02);
    assert_true(most > 0.249 && most <= 0.25 && fabs(mean) < 0.01);
    program_free(&p);
    world_free(w);
}

static void a_plan_needs_realised_parameters(void **state)
{
    (void)state;
    struct world world = world_new(), *w = &world;
    struct graph *g = graph_new(w->params, MODE_TRAIN, ARRAY_PARAM);
    g_output(g, "y", g_unary(g, OP_exp_, g_param(g, "all", "p", ONE, NORMAL)));
    struct plan *plan;
    assert_int_equal(plan_make(&plan, g, w->backend, &(struct plan_options){0}, &w->err), -1);
    assert_string_equal(w->err.text, "exp_: parameter 'p' has no memory yet");
    float number;
    const struct entry *entry = params_find(w->params, "p");
    assert_int_equal(params_get(w->params, entry, ARRAY_PARAM, &number, &w->err), -1);
    OK(params_realise(w->params, w->backend, 1, &w->err));
    OK(params_get(w->params, entry, ARRAY_PARAM, &number, &w->err));
    assert_int_equal(params_get(w->params, entry, ARRAY_STATE, &number, &w->err), -1);
    assert_int_equal(params_get(w->params, entry, ARRAY_M, &number, &w->err), -1);
    graph_free(g);
    world_free(w);
}

/* ---- what goes together --------------------------------------------------------------------- */

static struct world world_of(bool oracle)
{
    struct world w = {.params = params_new()};
    int status =
        oracle ? reference_open(&w.backend, &w.err) : cpu_open(&w.backend, 1, NULL, &w.err);
    assert_int_equal(status, 0);
    return w;
}

enum { LARGE = 3000, RESULTS = 4 };
struct packet {
    struct program program;
    val x, a, b, label;
    val result[RESULTS];
    void *block;
    float *host;
};

/* a sum(x), b itself, b under another shape, a parameter; and the label's class, which is no result */
static struct packet packet_new(struct world *w, size_t guard)
{
    struct packet p = {.program.graph = graph_new(w->params, MODE_TRAIN, ARRAY_PARAM)};
    struct graph *g = p.program.graph;
    p.x = g_input(g, "x", F32, (struct shape){1, 1, 1, 1, LARGE});
    p.a = g_input(g, "a", F32, ONE);
    p.label = g_input(g, "label", I32, ONE);
    p.b = g_input(g, "b", F32, ONE);
    val sum = g_reduce_sum(g, g_binary(g, OP_mul, p.x, p.a), ONE);
    p.program.loss = g_output(g, "class", g_one_hot(g, p.label, 0, 3, -1));
    const val all[RESULTS] = {sum, p.b, g_reshape(g, p.b, ONE),
                              g_param(g, "net", "p", ONE, (struct initial){INIT_ONE, 0})};
    for (int i = 0; i < RESULTS; i++)
        p.result[i] = g_result(g, "result", all[i]);
    OK(graph_check(g, &w->err));
    OK(params_realise(w->params, w->backend, 3, &w->err));
    OK(plan_make(&p.program.plan, g, w->backend, &(struct plan_options){.guard = guard}, &w->err));
    struct allocator memory = backend_host_memory(w->backend);
    OK(memory.alloc(memory.owner, &p.block, (size_t)plan_results(p.program.plan) * sizeof(float),
                    &w->err));
    p.host = p.block;
    return p;
}

static void packet_free(struct world *w, struct packet *p)
{
    struct allocator memory = backend_host_memory(w->backend);
    memory.free(memory.owner, p->block, (size_t)plan_results(p->program.plan) * sizeof(float));
    program_free(&p->program);
}

static void packet_run(struct world *w, struct packet *p, float a, float b, int32_t label)
{
    struct plan *plan = p->program.plan;
    OK(plan_put(plan, p->b, &b, &w->err));
    OK(plan_put(plan, p->label, &label, &w->err));
    OK(plan_put(plan, p->a, &a, &w->err));
    OK(plan_run(plan, &w->err));
}

static void packet_expect(struct world *w, const struct packet *p, float sum, float b)
{
    const float want[RESULTS] = {sum, b, b, 1};
    for (int i = 0; i < RESULTS; i++)
        assert_true(plan_result(p->program.plan, p->host, p->result[i]) == want[i]);
    OK(plan_guards(p->program.plan, &w->err));
}

static void numbers_go_at_once_and_come_at_once(void **state)
{
    (void)state;
    static float ones[LARGE];
    for (int i = 0; i < LARGE; i++)
        ones[i] = 1;
    for (int i = 0; i < 4; i++) {
        struct world world = world_of(i & 1), *w = &world;
        make_late(w->backend);
        struct packet p = packet_new(w, i & 2 ? 64 : 0);
        uint64_t mark;
        float class[3];
        OK(plan_put(p.program.plan, p.x, ones, &w->err));
        int before = wire.puts;
        packet_run(w, &p, 2, 7, 1);
        assert_int_equal(wire.puts, before + 1); /* a, b and the label */
        OK(plan_fetch(p.program.plan, p.host, &mark, &w->err));
        assert_true(isnan(p.host[0])); /* it is late */
        packet_run(w, &p, 3, 8, 2);
        OK(plan_await(p.program.plan, mark, &w->err));
        packet_expect(w, &p, 2 * LARGE, 7);
        OK(plan_fetch(p.program.plan, p.host, &mark, &w->err));
        OK(plan_await(p.program.plan, mark, &w->err));
        packet_expect(w, &p, 3 * LARGE, 8);
        assert_int_equal(wire.fetches, 2);
        OK(plan_get(p.program.plan, p.program.loss, class, &w->err));
        assert_true(class[0] == 0 && class[1] == 0 && class[2] == 1);
        OK(plan_put(p.program.plan, p.b, &(float){9}, &w->err)); /* seen without a run */
        OK(plan_get(p.program.plan, p.b, class, &w->err));
        assert_true(class[0] == 9);
        packet_free(w, &p);
        world_free(w);
    }
}

/* ---- the store's guard ---------------------------------------------------------------------- */

static void watched(struct world *w, struct program *p, float x)
{
    OK(plan_put(p->plan, p->loss, &x, &w->err));
    OK(plan_run(p->plan, &w->err));
}

static float stored(struct world *w, const char *name, enum array which)
{
    float value;
    OK(params_get(w->params, params_find(w->params, name), which, &value, &w->err));
    return value;
}

/* One program watches log x; another, over the same store, adds 1 to a parameter and to a state. */
static void once_not_finite_nothing_changes_any_more(void **state)
{
    (void)state;
    static const float bad[] = {-1, 0}; /* NaN, -infinity */
    for (int i = 0; i < 4; i++) {
        struct world world = world_of(i & 1), *w = &world;
        struct program watch = {.graph = graph_new(w->params, MODE_TRAIN, ARRAY_PARAM)};
        struct program add = {.graph = graph_new(w->params, MODE_TRAIN, ARRAY_PARAM)};
        watch.loss = g_input(watch.graph, "x", F32, ONE);
        graph_watch(watch.graph, g_unary(watch.graph, OP_log_, watch.loss));
        struct graph *g = add.graph;
        val one = g_fill(g, ONE, 1);
        g_blend(g, g_param(g, "net", "p", ONE, ZERO), one, 1, 1, g_guard(g));
        g_blend(g, g_state(g, "net", "s", ONE, ZERO), one, 1, 1, 0);
        ready(w, &watch);
        ready(w, &add);
        static const float x[] = {3, 0, 5}; /* then finite again */
        for (int k = 0; k < 3; k++) {
            watched(w, &watch, k == 1 ? bad[i / 2] : x[k]);
            OK(plan_run(add.plan, &w->err));
            assert_true(stored(w, "p", ARRAY_PARAM) == 1);
            assert_true(stored(w, "s", ARRAY_STATE) == 1);
        }
        program_free(&watch);
        program_free(&add);
        world_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_programs_alternate_as_in_a_gan),
        cmocka_unit_test(a_group_is_frozen_and_unfrozen),
        cmocka_unit_test(two_half_batches_equal_the_batch),
        cmocka_unit_test(a_loss_that_is_not_finite_changes_nothing),
        cmocka_unit_test(a_store_grows_under_a_plan),
        cmocka_unit_test(initial_values_have_their_distribution),
        cmocka_unit_test(a_plan_needs_realised_parameters),
        cmocka_unit_test(numbers_go_at_once_and_come_at_once),
        cmocka_unit_test(once_not_finite_nothing_changes_any_more),
    };
    return cmocka_run_group_tests_name("engine_programs", tests, NULL, NULL);
}
