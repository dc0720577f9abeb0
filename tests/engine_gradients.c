/*
 * Derivatives, on the oracle backend in double precision: every case of every differentiable op
 * against central differences of a random projection of its output, and where an op is linear in an
 * operand the adjoint identity <A x, r> = <x, A' r>, exact to rounding.
 */
#include "base/random.h"
#include "engine/plan_parts.h"
#include "oracle/cases.h"
#include "oracle/reference.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char *const groups[] = {"x"};
static const struct case_form form = {.trained = true};
static const double STEP = 1e-5, TOLERANCE = 1e-7;
enum { LARGE = 400 }; /* parameters: differences take two runs for each */

struct check {
    struct case_program program;
    struct backend *backend;
    val loss;
};

static int64_t trained_elements(const struct check *check)
{
    return params_elements(check->program.params);
}

static void run(struct check *check)
{
    struct err err = {0};
    if (plan_run(check->program.plan, &err))
        fail_msg("%s", err.text);
}

/* The case with loss = <output 0, random weights> and its gradient; false if there is none. */
static bool begin(struct check *check, enum op op, const struct op_case *test)
{
    struct err err = {0};
    *check = (struct check){0};
    assert_int_equal(reference_open(&check->backend, &err), 0);
    case_build(&check->program, op, test, form);
    struct graph *g = check->program.graph;
    val y = check->program.out[0];
    if (!y || !trained_elements(check))
        return false;
    val weight = g_input(g, "weight", F32, g_shape(g, y));
    check->loss = g_output(
        g, "loss", g_reduce_sum(g, g_binary(g, OP_mul, y, weight), (struct shape){1, 1, 1, 1, 1}));
    graph_backward(g, check->loss, groups, 1, false);
    if (case_plan(&check->program, check->backend, form, &err))
        fail_msg("%s", err.text);
    int64_t count = shape_count(g_shape(g, y));
    double *r = plan_address(check->program.plan, weight);
    struct stream stream = stream_new(11, test->name);
    for (int64_t i = 0; i < count; i++)
        r[i] = 2 * stream_uniform(&stream) - 1;
    run(check);
    return true;
}

static void end(struct check *check)
{
    case_free(&check->program);
    backend_close(check->backend);
}

static double *entry_values(const struct check *check, int32_t index, enum array which)
{
    const struct params *params = check->program.params;
    const struct entry *entry = params_entry(params, index);
    return params_address(params, check->backend, entry->group_index, which, entry->offset,
                          shape_count(entry->shape));
}

static double loss_at(struct check *check, double *parameter, double value)
{
    double was = *parameter;
    *parameter = value;
    run(check);
    *parameter = was;
    return *(double *)plan_address(check->program.plan, check->loss);
}

/* The largest error of one operand's gradient over the gradient's largest element. */
static double operand_error(struct check *check, int32_t index)
{
    int64_t count = shape_count(params_entry(check->program.params, index)->shape);
    size_t bytes = (size_t)count * sizeof(double);
    double *x = entry_values(check, index, ARRAY_PARAM), *gradient = xmalloc(bytes);
    double worst = 0, scale = 0;
    run(check); /* what ran last may have had another operand changed */
    memcpy(gradient, entry_values(check, index, ARRAY_GRAD), bytes);
    for (int64_t i = 0; i < count; i++) {
        double above = loss_at(check, &x[i], x[i] + STEP),
               below = loss_at(check, &x[i], x[i] - STEP);
        double numeric = (above - below) / (2 * STEP);
        double error = fabs(numeric - gradient[i]);
        worst = isnan(error) ? INFINITY : fmax(worst, error);
        scale = fmax(scale, fabs(numeric));
    }
    free(gradient);
    return worst / fmax(scale, 1e-3);
}

static void differences(void **state)
{
    enum op op = (enum op)(*(const struct op_info *const *)state - op_info(OP_none));
    int cases, checked = 0;
    const struct op_case *test = op_cases(op, &cases);
    for (int i = 0; i < cases; i++) {
        struct check check;
        bool expects_nan = false;
        for (int k = 0; k < MAX_IN; k++)
            expects_nan |= test[i].in[k].content == BAD_LABEL;
        if (!expects_nan && begin(&check, op, &test[i]) && trained_elements(&check) <= LARGE) {
            for (int32_t k = 0; k < params_count(check.program.params); k++) {
                double error = operand_error(&check, k);
                if (!(error < TOLERANCE))
                    fail_msg("%s, %s: gradient of %s is off by %g", op_name(op), test[i].name,
                             params_entry(check.program.params, k)->name, error);
            }
            checked++;
        }
        if (!expects_nan)
            end(&check);
    }
    assert_true(checked > 0);
}

/* ---- linear ops ----------------------------------------------------------------------------- */

/* joint: linear in all operands together; else in each with the others held. */
static const struct {
    enum op op;
    bool joint;
} linear[] = {
    {OP_conv, false},     {OP_conv_data, false},       {OP_avg_pool, true},   {OP_upsample, true},
    {OP_gaussian, true},  {OP_gaussian_adjoint, true}, {OP_concat, true},     {OP_slice, true},
    {OP_unslice, true},   {OP_reshape, true},          {OP_reduce_sum, true}, {OP_broadcast, true},
    {OP_embedding, true}, {OP_dropout, true},          {OP_add, true},        {OP_sub, true},
    {OP_mul, false},
};

static double dot(const double *a, const double *b, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

static void check_adjoint(struct check *check, const char *name, bool joint)
{
    double loss = *(double *)plan_address(check->program.plan, check->loss), total = 0;
    int32_t operands = params_count(check->program.params);
    for (int32_t k = 0; k < operands; k++) {
        double product =
            dot(entry_values(check, k, ARRAY_PARAM), entry_values(check, k, ARRAY_GRAD),
                shape_count(params_entry(check->program.params, k)->shape));
        total += product;
        if ((!joint && fabs(product - loss) > 1e-10 * fmax(1, fabs(loss))) ||
            (joint && k == operands - 1 && fabs(total - loss) > 1e-10 * fmax(1, fabs(loss))))
            fail_msg("%s: %.17g and %.17g", name, joint ? total : product, loss);
    }
}

static void adjoints(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof linear / sizeof *linear; i++) {
        int cases, checked = 0;
        const struct op_case *test = op_cases(linear[i].op, &cases);
        for (int k = 0; k < cases; k++) {
            struct check check;
            bool convolution = linear[i].op == OP_conv || linear[i].op == OP_conv_data;
            bool affine = convolution && (test[k].in[2].content != ABSENT || test[k].attr.act);
            if (affine || test[k].in[1].content == BAD_LABEL)
                continue;
            if (begin(&check, linear[i].op, &test[k])) {
                check_adjoint(&check, test[k].name, linear[i].joint);
                checked++;
            }
            end(&check);
        }
        assert_true(checked > 0);
    }
}

/* ---- ways that a backend may prefer --------------------------------------------------------- */

static int steps_of(const struct check *check, enum op op)
{
    int count = 0;
    for (int32_t i = 0; i < check->program.plan->steps; i++)
        count += check->program.plan->step[i].op == op;
    return count;
}

static struct graph *begin_way(struct check *check, enum op op, const struct op_case *test,
                               struct prefers prefers)
{
    struct err err = {0};
    *check = (struct check){0};
    assert_int_equal(reference_open(&check->backend, &err), 0);
    case_build(&check->program, op, test, form);
    check->backend->prefers = prefers;
    graph_suit(check->program.graph, check->backend);
    return check->program.graph;
}

/* For sum(y^2), and sum(z^2) if there is a z. */
static void check_way(struct check *check, val y, val z, const char *name)
{
    struct err err = {0};
    struct shape one = {1, 1, 1, 1, 1};
    struct graph *g = check->program.graph;
    val sum = g_reduce_sum(g, g_unary(g, OP_square, y), one);
    if (z)
        sum = g_binary(g, OP_add, sum, g_reduce_sum(g, g_unary(g, OP_square, z), one));
    check->loss = g_output(g, "loss", sum);
    graph_backward(g, check->loss, groups, 1, false);
    if (case_plan(&check->program, check->backend, form, &err))
        fail_msg("%s", err.text);
    for (int32_t k = 0; k < params_count(check->program.params); k++) {
        double error = operand_error(check, k);
        if (!(error < TOLERANCE))
            fail_msg("%s: gradient %d is off by %g", name, k, error);
    }
}

/* What is pooled is read again: z is x squared (axis -1), or x joined behind (or before) a constant. */
static void skips(void **state)
{
    (void)state;
    int cases, checked = 0;
    const struct op_case *test = op_cases(OP_max_pool, &cases);
    for (int i = 0; i < 2 * cases; i++)
        for (int32_t axis = -1; axis <= AXIS_C; axis++) {
            struct check check;
            bool merged = i < cases, behind = i % 2;
            const struct op_case *pool = &test[i % cases];
            struct graph *g =
                begin_way(&check, OP_max_pool, pool, (struct prefers){.pool_sums = merged});
            val x = check.program.operand[0], z = g_unary(g, OP_square, x);
            if (axis >= 0) {
                val other = g_fill(g, g_shape(g, x), 3);
                z = g_concat(g, behind ? other : x, behind ? x : other, axis);
            }
            if (trained_elements(&check) <= LARGE) {
                check_way(&check, check.program.out[0], z, pool->name);
                /* one addition is the loss's own; channels are not cut out */
                assert_int_equal(steps_of(&check, OP_add), merged ? 1 : 2);
                assert_int_equal(steps_of(&check, OP_slice),
                                 axis >= 0 && (axis != AXIS_C || !merged));
                checked++;
            }
            end(&check);
        }
    assert_true(checked >= 48);
}

/* A convolution of what has been cut along the channels, and joined again. */
static void joints(void **state)
{
    (void)state;
    int cases, checked = 0;
    const struct op_case *test = op_cases(OP_conv, &cases);
    for (int i = 0; i < 2 * cases; i++) {
        struct check check;
        bool parts = i < cases;
        const struct op_case *conv = &test[i % cases];
        const val *in = check.program.operand;
        struct graph *g = begin_way(&check, OP_conv, conv, (struct prefers){.filter_parts = parts});
        struct shape x = g_shape(g, in[0]), w = g_shape(g, in[1]);
        if (x.c > 1 && trained_elements(&check) <= LARGE) {
            val z = g_concat(g, g_slice(g, in[0], AXIS_C, 0, 1),
                             g_slice(g, in[0], AXIS_C, 1, x.c - 1), AXIS_C);
            val y = g_conv(g, z, in[1], in[2], conv->attr.window, conv->attr.act);
            check_way(&check, y, 0, conv->name);
            bool window = w.d > 1 || w.h > 1 || w.w > 1;
            assert_int_equal(steps_of(&check, OP_conv_filter), parts && window ? 2 : 1);
            checked++;
        }
        end(&check);
    }
    assert_true(checked >= 8);
}

int main(void)
{
    struct CMUnitTest tests[OPS + 3];
    size_t count = 0;
    for (enum op op = OP_none + 1; op < OPS; op++)
        if (op_info(op)->grad)
            tests[count++] = (struct CMUnitTest){.name = op_name(op),
                                                 .test_func = differences,
                                                 .initial_state = (void *)(uintptr_t)op_info(op)};
    tests[count++] = (struct CMUnitTest){.name = "adjoint identity", .test_func = adjoints};
    tests[count++] = (struct CMUnitTest){.name = "a pooled skip", .test_func = skips};
    tests[count++] = (struct CMUnitTest){.name = "a joined convolution", .test_func = joints};
    return _cmocka_run_group_tests("engine_gradients", tests, count, NULL, NULL);
}
