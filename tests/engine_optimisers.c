/* Optimisers, clipping and averaged weights against torch 2 in float64, on the oracle. */
#include "engine_world.h"

struct optimiser_case {
    struct update update;
    float rates[RATES]; /* bias corrections are filled in */
    double p[3], ema[3], norm[3];
};

static const struct optimiser_case optimisers[] = {
    {{.kind = OPTIMISER_ADAM, .grad_scale = 1},
     {[RATE_LR] = 0.125f,
      [RATE_WEIGHT_DECAY] = 0.0625f,
      [RATE_BETA1] = 0.75f,
      [RATE_BETA2] = 0.875f,
      [RATE_EPS] = 1.0f / 1048576},
     {0.8748378567314867, -0.8761590267187244, 2.3719812995288816},
     {0},
     {0}},
    {{.kind = OPTIMISER_ADAMW, .grad_scale = 1, .ema = true},
     {[RATE_LR] = 0.125f,
      [RATE_WEIGHT_DECAY] = 0.0625f,
      [RATE_BETA1] = 0.75f,
      [RATE_BETA2] = 0.875f,
      [RATE_EPS] = 1.0f / 1048576,
      [RATE_EMA] = 0.75f},
     {0.8603020771760717, -0.8500502874353908, 2.3225795084617515},
     {0.652228062551995, -1.0809447224551993, 2.1365162217396927},
     {0}},
    {{.kind = OPTIMISER_SGD, .grad_scale = 1},
     {[RATE_LR] = 0.0625f, [RATE_WEIGHT_DECAY] = 0.125f, [RATE_MOMENTUM] = 0.5f},
     {0.8708951473236084, -0.6467050313949585, 2.7183141708374023},
     {0},
     {0}},
    {{.kind = OPTIMISER_SGD, .nesterov = true, .grad_scale = 1, .clip_norm = 2},
     {[RATE_LR] = 0.0625f, [RATE_MOMENTUM] = 0.5f},
     {0.737922089838305, -0.8931168652425427, 2.47584417967661},
     {0},
     {2.692582403567252, 4.635165085677407, 5.640247940861586}},
};

/* Three steps on gain * |p - t|^2 with gain 1, 2, 3. */
static void run_optimiser(const struct optimiser_case *test)
{
    static const char *const groups[] = {"all"};
    struct world world = world_new(), *w = &world;
    struct program p = {graph_new(w->params, MODE_TRAIN, ARRAY_PARAM), NULL, 0};
    struct graph *g = p.graph;
    struct shape three = {1, 1, 1, 1, 3};
    val x = g_param(g, "all", "p", three, ZERO), t = g_input(g, "t", F32, three);
    val gain = g_input(g, "gain", F32, ONE);
    p.loss = g_binary(g, OP_mul, gain, g_loss(g, OP_mse, x, t));
    graph_backward(g, p.loss, groups, 1, false);
    val norm = graph_update(g, groups, 1, test->update, p.loss);
    g_output(g, "norm", norm);
    ready(w, &p);
    put(w, "p", (float[]){0.5f, -1.25f, 2});
    if (test->update.ema) /* averaging begins at the first weights */
        memcpy(values(w, "p", ARRAY_EMA), values(w, "p", ARRAY_PARAM), 3 * sizeof(double));
    OK(plan_put(p.plan, t, (float[]){1, -0.5f, 3}, &w->err));
    for (int i = 1; i <= 3; i++) {
        float rates[RATES], number = (float)i;
        memcpy(rates, test->rates, sizeof rates);
        rates[RATE_BIAS1] = 1 - powf(rates[RATE_BETA1], number);
        rates[RATE_BIAS2] = 1 - powf(rates[RATE_BETA2], number);
        put_rates(w, &p, rates);
        OK(plan_put(p.plan, gain, &number, &w->err));
        OK(plan_run(p.plan, &w->err));
        if (test->update.clip_norm > 0)
            close_to(*(double *)plan_address(p.plan, norm), test->norm[i - 1]);
    }
    for (int i = 0; i < 3; i++) {
        close_to(values(w, "p", ARRAY_PARAM)[i], test->p[i]);
        if (test->update.ema)
            close_to(values(w, "p", ARRAY_EMA)[i], test->ema[i]);
    }
    program_free(&p);
    world_free(w);
}

static void optimisers_agree_with_torch(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof optimisers / sizeof *optimisers; i++)
        run_optimiser(&optimisers[i]);
}

/* A gradient of three times the size, scaled by a third, is the same step. */
static void the_gradient_is_scaled(void **state)
{
    (void)state;
    double after[2];
    for (int scaled = 0; scaled < 2; scaled++) {
        static const char *const groups[] = {"all"};
        struct world world = world_new(), *w = &world;
        struct program p = {graph_new(w->params, MODE_TRAIN, ARRAY_PARAM), NULL, 0};
        val x = g_param(p.graph, "all", "p", ONE, NORMAL);
        p.loss = g_affine(p.graph, g_unary(p.graph, OP_square, x), scaled ? 4 : 1, 0);
        graph_backward(p.graph, p.loss, groups, 1, false);
        graph_update(p.graph, groups, 1,
                     (struct update){.kind = OPTIMISER_SGD, .grad_scale = scaled ? 0.25f : 1},
                     p.loss);
        ready(w, &p);
        put_rates(w, &p, (float[RATES]){[RATE_LR] = 0.125f});
        OK(plan_run(p.plan, &w->err));
        after[scaled] = *values(w, "p", ARRAY_PARAM);
        program_free(&p);
        world_free(w);
    }
    close_to(after[1], after[0]);
}

/* One step of plain descent at rate 1 on gain/2 |p|^2 from (3, 4): a gradient of norm 5 gain. */
static void expect_clipped(float gain, float clip, float grad_scale, double norm, double factor)
{
    static const char *const groups[] = {"all"};
    struct world world = world_new(), *w = &world;
    struct program p = {graph_new(w->params, MODE_TRAIN, ARRAY_PARAM), NULL, 0};
    struct graph *g = p.graph;
    val x = g_param(g, "all", "p", (struct shape){1, 1, 1, 1, 2}, ZERO);
    p.loss = g_affine(g, g_reduce_sum(g, g_unary(g, OP_square, x), ONE), gain / 2, 0);
    graph_backward(g, p.loss, groups, 1, false);
    struct update update = {.kind = OPTIMISER_SGD, .clip_norm = clip, .grad_scale = grad_scale};
    val found = g_output(g, "norm", graph_update(g, groups, 1, update, p.loss));
    ready(w, &p);
    put(w, "p", (float[]){3, 4});
    put_rates(w, &p, (float[RATES]){[RATE_LR] = 1});
    OK(plan_run(p.plan, &w->err));
    close_to(*(double *)plan_address(p.plan, found), norm);
    close_to(values(w, "p", ARRAY_PARAM)[0], 3 - 3 * factor);
    close_to(values(w, "p", ARRAY_PARAM)[1], 4 - 4 * factor);
    program_free(&p);
    world_free(w);
}

static void clipping_is_of_the_scaled_gradient(void **state)
{
    (void)state;
    expect_clipped(1, 10, 1, 5, 1); /* short enough already */
    expect_clipped(1, 2, 1, 5, 2 / (5 + 1e-6));
    expect_clipped(4, 2, 0.25f, 5, 2 / (5 + 1e-6));
    expect_clipped(4, 10, 0.25f, 5, 1);
}

/* The loss sqrt(p) is 0 at p = 0 and its slope infinite. */
static void a_gradient_that_is_not_finite_changes_nothing(void **state)
{
    (void)state;
    static const char *const groups[] = {"all"};
    struct world world = world_new(), *w = &world;
    struct program p = {graph_new(w->params, MODE_TRAIN, ARRAY_PARAM), NULL, 0};
    struct shape two = {1, 1, 1, 1, 2};
    val x = g_param(p.graph, "all", "p", two, ZERO);
    p.loss = g_reduce_sum(p.graph, g_unary(p.graph, OP_sqrt_, x), ONE);
    graph_backward(p.graph, p.loss, groups, 1, false);
    struct update update = {.kind = OPTIMISER_ADAM, .clip_norm = 1, .grad_scale = 1, .ema = true};
    graph_update(p.graph, groups, 1, update, p.loss);
    ready(w, &p);
    put(w, "p", (float[]){0, 4});
    put_rates(w, &p,
              (float[RATES]){[RATE_LR] = 1, [RATE_BIAS1] = 1, [RATE_BIAS2] = 1, [RATE_EMA] = 0.5f});
    values(w, "p", ARRAY_EMA)[1] = 8;
    OK(plan_run(p.plan, &w->err));
    assert_true(isinf(values(w, "p", ARRAY_GRAD)[0]));
    assert_true(values(w, "p", ARRAY_PARAM)[0] == 0 && values(w, "p", ARRAY_PARAM)[1] == 4);
    assert_true(values(w, "p", ARRAY_M)[1] == 0 && values(w, "p", ARRAY_EMA)[1] == 8);
    program_free(&p);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(optimisers_agree_with_torch),
        cmocka_unit_test(the_gradient_is_scaled),
        cmocka_unit_test(clipping_is_of_the_scaled_gradient),
        cmocka_unit_test(a_gradient_that_is_not_finite_changes_nothing),
    };
    return cmocka_run_group_tests_name("engine_optimisers", tests, NULL, NULL);
}
