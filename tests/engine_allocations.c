/* After the first step, putting a batch, running and reading the loss allocate nothing. */
#include "allocations.h"
#include "engine_convolutions.h"
#include "engine_world.h"

static void a_step_allocates_nothing(void **state)
{
    (void)state;
    allocations_begin();
    struct world world[2] = {world_new(), {.params = params_new()}};
    assert_int_equal(cpu_open(&world[1].backend, 2, NULL, &world[1].err), 0);
    for (int i = 0; i < 2; i++) {
        struct world *w = &world[i];
        struct net net = {.cases = BATCH,
                          .groups = {"encoder", "decoder"},
                          .count = 2,
                          .apply = true,
                          .ema = true,
                          .clip = 1};
        struct trainer t = trainer_new(w, net);
        long before = allocations;
        step(w, &t, 0, 0);
        assert_true(i == 1 || allocations > before); /* the oracle records */
        before = allocations;
        float loss, sum = 0;
        for (int k = 1; k < 20; k++) {
            step(w, &t, k, 0);
            OK(plan_get(t.program.plan, t.program.loss, &loss, &w->err));
            sum += loss;
        }
        assert_int_equal(allocations - before, 0);
        assert_true(isfinite(sum));
        program_free(&t.program);
        world_free(w);
    }
}

/* Run a second time. */
static void expect_none(struct world *w, enum op op, const struct op_case *test, bool half)
{
    struct case_program program;
    struct case_form form = {.half = half};
    case_build(&program, op, test, form);
    OK(case_plan(&program, w->backend, form, &w->err));
    OK(plan_run(program.plan, &w->err));
    long before = allocations;
    OK(plan_run(program.plan, &w->err));
    if (allocations != before)
        fail_msg("%s%s, %s allocates", op_name(op), half ? " in bf16" : "", test->name);
    case_free(&program);
}

static void expect_none_either(struct world *w, enum op op, const struct op_case *test)
{
    bool to_half = op == OP_cast && test->attr.dtype == BF16, halves = w->backend->make_half;
    if (halves || !to_half)
        expect_none(w, op, test, false);
    if (halves && !to_half && op_info(op)->flags & HALF)
        expect_none(w, op, test, true);
}

/* Every case of every op on the CPU. */
static void no_kernel_allocates(void **state)
{
    (void)state;
    allocations_begin();
    struct world world = {.params = params_new()}, *w = &world;
    OK(cpu_open(&w->backend, 2, NULL, &w->err));
    for (enum op op = OP_none + 1; op < OPS; op++) {
        int cases;
        const struct op_case *test = op_cases(op, &cases);
        for (int i = 0; i < cases; i++)
            expect_none_either(w, op, &test[i]);
    }
    for (int i = 0; i < CONVOLUTIONS; i++)
        expect_none_either(w, convolution_cases[i].op, &convolution_cases[i].test);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_allocates_nothing),
        cmocka_unit_test(no_kernel_allocates),
    };
    return cmocka_run_group_tests_name("engine_allocations", tests, NULL, NULL);
}
