/* Building graphs: errors that stick, names, what is kept and what is dropped, where gradients
 * land. */
#include "engine/draw.h"
#include "engine/graph_parts.h"
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

static const struct shape ONE = {1, 1, 1, 1, 1};
static const struct initial NORMAL = {INIT_NORMAL, 1};
static const char *const all[] = {"all"};

struct fixture {
    struct backend *backend;
    struct params *params;
    struct graph *graph;
    struct plan *plan;
    struct err err;
};

static struct fixture fixture_new(void)
{
    struct fixture f = {.params = params_new()};
    assert_int_equal(reference_open(&f.backend, &f.err), 0);
    f.graph = graph_new(f.params, MODE_TRAIN, ARRAY_PARAM);
    return f;
}

static void fixture_free(struct fixture *f)
{
    plan_free(f->plan);
    graph_free(f->graph);
    params_free(f->params);
    backend_close(f->backend);
}

static void plan_with(struct fixture *f, struct plan_options options)
{
    if (graph_check(f->graph, &f->err) || params_realise(f->params, f->backend, 1, &f->err) ||
        plan_make(&f->plan, f->graph, f->backend, &options, &f->err))
        fail_msg("%s", f->err.text);
}

static void expect_error(struct fixture *f, const char *text)
{
    assert_int_equal(graph_check(f->graph, &f->err), -1);
    assert_string_equal(f->err.text, text);
    assert_int_equal(f->err.status, STATUS_CONFIG);
    fixture_free(f);
}

/* ---- errors --------------------------------------------------------------------------------- */

static void first_error_sticks_with_its_path(void **state)
{
    (void)state;
    struct fixture f = fixture_new();
    struct graph *g = f.graph;
    val x = g_input(g, "x", F32, (struct shape){2, 1, 8, 8, 32});
    graph_push(g, "vae");
    graph_push(g, "decoder");
    graph_push(g, "up%d", 1);
    val w = g_param(g, "all", "weight", (struct shape){16, 1, 3, 3, 64}, NORMAL);
    val y = g_conv(g, x, w, 0, window_make(false, 3, 1, 1), ACT_RELU);
    assert_int_equal(y, 0);
    graph_pop(g);
    assert_int_equal(g_concat(g, x, y, 7), 0); /* says nothing more */
    assert_int_equal(graph_fail(g, "a later mistake"), 0);
    graph_backward(g, y, all, 1, false);
    expect_error(&f, "vae.decoder.up1.conv: filter and input disagree on channels (64 and 32)");
}

static void errors_name_what_is_wrong(void **state)
{
    (void)state;
    struct shape image = {2, 1, 4, 4, 3};
    struct fixture f = fixture_new();
    g_binary(f.graph, OP_add, g_input(f.graph, "a", F32, image),
             g_input(f.graph, "b", F32, (struct shape){2, 1, 4, 4, 2}));
    expect_error(&f, "add: [2,1,4,4,3] and [2,1,4,4,2] do not fit together");

    f = fixture_new();
    g_unary(f.graph, OP_relu, g_input(f.graph, "label", I32, image));
    expect_error(&f, "relu: input 1 is i32, not f32");

    f = fixture_new();
    val half = g_cast(f.graph, g_input(f.graph, "x", F32, image), BF16);
    g_append(f.graph, OP_cast, &half, &(struct attr){.dtype = BF16}, NULL);
    expect_error(&f, "cast.2: the value is already bf16");

    f = fixture_new();
    g_unary(f.graph, OP_relu, 0);
    expect_error(&f, "relu: input 1 is missing");

    f = fixture_new();
    g_input(f.graph, "x", F32, (struct shape){0, 1, 4, 4, 3});
    expect_error(&f, "input 'x' has the shape [0,1,4,4,3]");

    f = fixture_new();
    g_input(f.graph, "x", F32, (struct shape){1 << 20, 1 << 20, 1 << 20, 1 << 20, 16});
    expect_error(&f, "input 'x' has the shape [1048576,1048576,1048576,1048576,16]");

    f = fixture_new();
    g_conv(f.graph, g_input(f.graph, "x", F32, image),
           g_param(f.graph, "all", "w", (struct shape){1, 1, 7, 7, 3}, NORMAL), 0,
           window_make(false, 7, 1, 1), ACT_NONE);
    expect_error(&f, "conv: a window of 1x7x7 does not fit into 1x4x4");

    f = fixture_new();
    g_slice(f.graph, g_input(f.graph, "x", F32, image), AXIS_C, INT32_MAX, 2);
    expect_error(&f, "slice: [2,1,4,4,2] is not part of [2,1,4,4,3] from 2147483647 along axis 4");

    f = fixture_new();
    const int32_t factor[3] = {1, 1 << 30, 1};
    g_upsample(f.graph, g_input(f.graph, "x", F32, image), factor, MODE_NEAREST);
    expect_error(&f, "upsample: an axis of 4 cannot be scaled by 1073741824");

    f = fixture_new();
    g_norm(f.graph, g_input(f.graph, "x", F32, image),
           g_fill(f.graph, (struct shape){1, 1, 1, 1, 3}, 1),
           g_fill(f.graph, (struct shape){1, 1, 1, 1, 3}, 0), 2, 1e-5f, ACT_NONE, NULL, NULL);
    expect_error(&f, "norm: 3 channels do not divide into 2 groups");

    f = fixture_new();
    g_blend(f.graph, g_fill(f.graph, ONE, 1), g_fill(f.graph, ONE, 1), 1, 1, 0);
    expect_error(&f, "blend: input 1 is not in the parameter store");
}

static void errors_of_the_gradient(void **state)
{
    (void)state;
    struct fixture f = fixture_new();
    val p = g_param(f.graph, "all", "p", (struct shape){1, 1, 1, 1, 3}, NORMAL);
    graph_backward(f.graph, p, all, 1, false);
    expect_error(&f, "the loss has more than one element");

    f = fixture_new();
    p = g_param(f.graph, "all", "p", ONE, NORMAL);
    graph_backward(f.graph, p, (const char *const[]){"encoder"}, 1, false);
    expect_error(&f, "no parameter group 'encoder'");

    f = fixture_new();
    p = g_param(f.graph, "all", "p", ONE, NORMAL);
    graph_backward(f.graph, g_sum_squares(f.graph, p), all, 1, false);
    expect_error(&f, "sum_squares: 'sum_squares' cannot be differentiated");

    f = fixture_new();
    p = g_param(f.graph, "all", "p", ONE, NORMAL);
    graph_backward(f.graph, g_loss(f.graph, OP_bce, g_fill(f.graph, ONE, 1), p), all, 1, false);
    expect_error(&f, "bce: has no derivative with respect to its input 2");

    for (int32_t begin = -1; begin <= 2; begin += 3) {
        struct shape y = {1, 1, 1, 1, 3}, x = {1, 1, 1, 1, 4};
        f = fixture_new();
        const val in[] = {g_fill(f.graph, y, 1), g_input(f.graph, "winner", U8, y),
                          g_fill(f.graph, x, 1)};
        struct attr attr = {.window = window_make(false, 1, 1, 0), .shape = y, .begin = begin};
        g_append(f.graph, OP_max_pool_grad, in, &attr, NULL);
        expect_error(&f, begin < 0
                             ? "max_pool_grad: [1,1,1,1,4] has no [1,1,1,1,3] from channel -1 on"
                             : "max_pool_grad: [1,1,1,1,4] has no [1,1,1,1,3] from channel 2 on");
    }
}

/* ---- names ---------------------------------------------------------------------------------- */

static void parameters_are_shared_by_name(void **state)
{
    (void)state;
    struct fixture f = fixture_new();
    struct shape shape = {4, 1, 3, 3, 2};
    graph_push(f.graph, "encoder");
    val a = g_param(f.graph, "all", "weight", shape, NORMAL);
    assert_int_equal(g_param(f.graph, "all", "weight", shape, NORMAL), a);
    graph_pop(f.graph);
    assert_int_not_equal(g_param(f.graph, "all", "weight", shape, NORMAL), a);
    struct graph *other = graph_new(f.params, MODE_EVALUATE, ARRAY_PARAM);
    graph_push(other, "encoder");
    g_param(other, "all", "weight", shape, NORMAL);
    assert_int_equal(params_count(f.params), 2);
    assert_int_equal(params_elements(f.params), 144);
    assert_non_null(params_find(f.params, "encoder.weight"));
    assert_null(params_find(f.params, "decoder.weight"));
    g_param(other, "all", "weight", ONE, NORMAL);
    assert_int_equal(graph_check(other, &f.err), -1);
    assert_string_equal(f.err.text, "encoder: parameter 'encoder.weight' has the shape [1,1,1,1,1] "
                                    "here but [4,1,3,3,2] where it was declared");
    graph_free(other);
    other = graph_new(f.params, MODE_EVALUATE, ARRAY_PARAM);
    g_param(other, "frozen", "weight", shape, NORMAL);
    assert_int_equal(graph_check(other, &f.err), -1);
    assert_string_equal(
        f.err.text, "parameter 'weight' is in group 'frozen' here but 'all' where it was declared");
    graph_free(other);
    fixture_free(&f);
}

static void shown_dims_follow_the_axes(void **state)
{
    (void)state;
    int64_t dims[5];
    assert_int_equal(shape_dims(dims, (struct shape){1, 1, 1, 1, 7}), 1);
    assert_int_equal(dims[0], 7);
    assert_int_equal(shape_dims(dims, (struct shape){3, 1, 1, 1, 7}), 2);
    assert_int_equal(dims[0], 3);
    assert_int_equal(shape_dims(dims, (struct shape){4, 1, 3, 5, 2}), 4);
    assert_int_equal(dims[2], 5);
    assert_int_equal(shape_dims(dims, (struct shape){4, 2, 3, 5, 2}), 5);
    assert_int_equal(dims[1], 2);
}

static void every_node_has_a_path_and_key_of_its_own(void **state)
{
    (void)state;
    struct fixture f = fixture_new();
    graph_push(f.graph, "vae");
    struct shape shape = {1, 1, 1, 1, 1000};
    val a = g_output(f.graph, "a", g_normal(f.graph, shape));
    val b = g_output(f.graph, "b", g_normal(f.graph, shape));
    assert_string_equal(graph_node(f.graph, 0)->path, "vae.normal");
    assert_string_equal(graph_node(f.graph, 1)->path, "vae.normal.2");
    plan_with(&f, (struct plan_options){0});
    assert_int_equal(plan_put(f.plan, g_clock(f.graph), (int32_t[CLOCKS]){0}, &f.err), 0);
    assert_int_equal(plan_run(f.plan, &f.err), 0);
    const double *x = plan_address(f.plan, a), *y = plan_address(f.plan, b);
    double product = 0, square = 0, mean = 0;
    for (int i = 0; i < 1000; i++) {
        product += x[i] * y[i] / 1000;
        square += x[i] * x[i] / 1000;
        mean += x[i] / 1000;
    }
    assert_true(fabs(product) < 0.12 && fabs(mean) < 0.12 && fabs(square - 1) < 0.15);
    fixture_free(&f);
}

/* ---- gradients ------------------------------------------------------------------------------ */

static int count_ops(const struct graph *graph, enum op op)
{
    int count = 0;
    for (int32_t i = 0; i < graph_nodes(graph); i++)
        count += graph_node(graph, i)->op == op;
    return count;
}

static double stored(const struct fixture *f, const char *name, enum array which, int index)
{
    const struct entry *entry = params_find(f->params, name);
    const double *at = params_address(f->params, f->backend, entry->group_index, which,
                                      entry->offset, shape_count(entry->shape));
    return at[index];
}

/* d/dw of w x w at x = 3: two uses add up, and land in the store without a copy. */
static void gradient_of_a_shared_parameter(void **state)
{
    (void)state;
    struct fixture f = fixture_new();
    struct graph *g = f.graph;
    val w = g_param(g, "all", "w", ONE, NORMAL), other = g_param(g, "all", "other", ONE, NORMAL);
    val loss = g_binary(g, OP_mul, w, g_binary(g, OP_mul, g_fill(g, ONE, 3), w));
    graph_backward(g, loss, all, 1, false);
    assert_int_equal(count_ops(g, OP_blend), 0);
    assert_int_not_equal(graph_gradient(g, w), 0);
    assert_int_equal(graph_gradient(g, other), 0);
    plan_with(&f, (struct plan_options){0});
    *(double *)params_address(f.params, f.backend, 0, ARRAY_GRAD,
                              params_find(f.params, "other")->offset, 1) = 5; /* of another batch */
    assert_int_equal(plan_run(f.plan, &f.err), 0);
    double at = stored(&f, "w", ARRAY_PARAM, 0);
    assert_true(fabs(stored(&f, "w", ARRAY_GRAD, 0) - 6 * at) < 1e-12);
    assert_true(stored(&f, "other", ARRAY_GRAD, 0) == 0); /* not reached: zero */
    fixture_free(&f);
}

/* loss = a + b: both gradients are the same value, of which only one can live in its place. */
static void one_value_as_gradient_of_two(void **state)
{
    (void)state;
    struct fixture f = fixture_new();
    struct graph *g = f.graph;
    val a = g_param(g, "all", "a", ONE, NORMAL), b = g_param(g, "all", "b", ONE, NORMAL);
    graph_backward(g, g_binary(g, OP_add, a, b), all, 1, false);
    assert_int_equal(count_ops(g, OP_blend), 1);
    plan_with(&f, (struct plan_options){0});
    assert_int_equal(plan_run(f.plan, &f.err), 0);
    assert_true(stored(&f, "a", ARRAY_GRAD, 0) == 1 && stored(&f, "b", ARRAY_GRAD, 0) == 1);
    fixture_free(&f);
}

static void no_gradient_of_an_input(void **state)
{
    (void)state;
    struct fixture f = fixture_new();
    struct graph *g = f.graph;
    val x = g_input(g, "x", F32, (struct shape){2, 1, 8, 8, 3});
    val w = g_param(g, "all", "w", (struct shape){4, 1, 3, 3, 3}, NORMAL);
    val v = g_param(g, "all", "v", (struct shape){2, 1, 3, 3, 4}, NORMAL);
    val y = g_conv(g, x, w, 0, window_make(false, 3, 1, 1), ACT_SILU);
    y = g_conv(g, y, v, 0, window_make(false, 3, 2, 1), ACT_RELU);
    graph_backward(g, g_reduce_sum(g, y, ONE), all, 1, false);
    assert_int_equal(count_ops(g, OP_conv_data), 1);
    assert_int_equal(count_ops(g, OP_conv_filter), 2);
    assert_int_equal(graph_gradient(g, x), 0);
    assert_int_equal(graph_check(g, &f.err), 0);
    plan_with(&f, (struct plan_options){.measure_only = true});
    /* 2 x 8 x 8 positions forward and by filter; 2 x 4 x 4 forward, by filter and by data */
    assert_true(plan_multiply_adds(f.plan) == 2 * 128 * 108 + 3 * 32 * 72);
    fixture_free(&f);
}

/* ---- what runs, and in which memory --------------------------------------------------------- */

static void what_nobody_reads_does_not_run(void **state)
{
    (void)state;
    struct fixture f = fixture_new();
    struct graph *g = f.graph;
    val x = g_input(g, "x", F32, (struct shape){2, 1, 4, 4, 2});
    val unused = g_input(g, "unused", F32, (struct shape){2, 1, 4, 4, 2});
    g_unary(g, OP_exp_, g_unary(g, OP_square, x)); /* dead */
    g_unary(g, OP_exp_, unused);
    val y = g_output(g, "y", g_max_pool(g, x, window_make(false, 2, 2, 0)));
    plan_with(&f, (struct plan_options){0});
    assert_int_equal(f.plan->steps, 1);
    const struct node *pool = graph_node(g, graph_nodes(g) - 1);
    assert_null(plan_address(f.plan, pool->out[1])); /* the winner has no memory */
    float host[64] = {0};
    host[3] = 5;
    assert_int_equal(plan_put(f.plan, unused, host, &f.err), 0); /* allowed all the same */
    assert_int_equal(plan_put(f.plan, x, host, &f.err), 0);
    assert_int_equal(plan_run(f.plan, &f.err), 0);
    assert_int_equal(plan_get(f.plan, y, host, &f.err), 0);
    assert_true(host[0] == 0 && host[1] == 5);
    fixture_free(&f);
}

static void dying_inputs_are_overwritten(void **state)
{
    (void)state;
    struct fixture f = fixture_new();
    struct graph *g = f.graph;
    val x = g_input(g, "x", F32, (struct shape){1, 1, 1, 1, 100});
    val a = g_affine(g, x, 2, 0);      /* not over an input */
    val b = g_unary(g, OP_square, a);  /* not over a: read below */
    val c = g_binary(g, OP_add, b, a); /* over b */
    val flat = g_reshape(g, c, (struct shape){10, 1, 1, 1, 10});
    val d = g_unary(g, OP_sqrt_, flat);                      /* over c, through its other shape */
    val kept = g_output(g, "kept", g_affine(g, d, 1, 1));    /* over d */
    val last = g_output(g, "last", g_affine(g, kept, 1, 1)); /* not over an output */
    plan_with(&f, (struct plan_options){0});
    void *at[] = {plan_address(f.plan, x), plan_address(f.plan, a), plan_address(f.plan, b)};
    assert_ptr_not_equal(at[0], at[1]);
    assert_ptr_not_equal(at[1], at[2]);
    assert_ptr_equal(plan_address(f.plan, c), at[2]);
    assert_ptr_equal(plan_address(f.plan, flat), at[2]);
    assert_ptr_equal(plan_address(f.plan, d), at[2]);
    assert_ptr_equal(plan_address(f.plan, kept), at[2]);
    assert_ptr_not_equal(plan_address(f.plan, last), at[2]);
    fixture_free(&f);
}

/* A net with branches, so that lifetimes nest, overlap and end in another order than they began. */
static val tangle(struct graph *g, val x)
{
    val kept[4] = {x, x, x, x};
    for (int i = 0; i < 40; i++) {
        val *a = &kept[i % 4], b = kept[(i * 7 + 1) % 4];
        graph_push(g, "layer%d", i);
        struct shape shape = g_shape(g, *a);
        val w = g_param(g, "all", "w", (struct shape){shape.c, 1, 3, 3, shape.c},
                        (struct initial){INIT_NORMAL, 0.4f});
        val y = g_conv(g, *a, w, 0, window_make(false, 3, 1, 1), i % 3 ? ACT_RELU : ACT_SILU);
        if (i % 5 == 0)
            y = g_slice(g, g_concat(g, y, b, AXIS_C), AXIS_C, 1, shape.c);
        *a = i % 2 ? g_binary(g, OP_add, y, b) : g_act(g, y, ACT_TANH);
        graph_pop(g);
    }
    val sum = g_binary(g, OP_add, kept[0], kept[3]);
    return g_reduce_sum(g, g_unary(g, OP_square, sum), ONE);
}

/* No plan can be smaller than the step at which most is in use. */
static size_t most_in_use(const struct plan *plan)
{
    size_t most = 0;
    for (int32_t step = 0; step < plan->steps; step++) {
        size_t now = 0;
        for (val x = 1; x < plan->values; x++) {
            const struct planned *block = &plan->value[x];
            if (block->placed &&
                (block->reserved || (block->birth <= step && step <= block->death)))
                now += block->bytes;
        }
        most = now > most ? now : most;
    }
    return most;
}

static void blocks_in_use_together_never_overlap(void **state)
{
    (void)state;
    struct fixture f = fixture_new();
    val x = g_input(f.graph, "x", F32, (struct shape){2, 1, 5, 4, 3});
    graph_backward(f.graph, g_output(f.graph, "loss", tangle(f.graph, x)), all, 1, false);
    plan_with(&f, (struct plan_options){0});
    size_t sum = 0;
    int pairs = 0;
    for (val i = 1; i < f.plan->values; i++) {
        const struct planned *a = &f.plan->value[i];
        if (!a->placed)
            continue;
        sum += a->bytes;
        assert_int_equal(a->offset % PLAN_ALIGN, 0);
        assert_true(a->offset + a->bytes <= plan_bytes(f.plan));
        for (val k = 1; k < i; k++) {
            const struct planned *b = &f.plan->value[k];
            bool together =
                a->reserved || b->reserved || (a->birth <= b->death && b->birth <= a->death);
            if (!b->placed || !together)
                continue;
            assert_true(a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset);
            pairs++;
        }
    }
    assert_true(pairs > 500);
    assert_true(plan_bytes(f.plan) < sum * 0.6);
    assert_true(plan_bytes(f.plan) < most_in_use(f.plan) * 1.1);
    fixture_free(&f);
}

/* Sharing memory changes no bit: the same program with memory of its own for every value. */
static void packing_changes_no_result(void **state)
{
    (void)state;
    struct fixture f[2];
    float host[120];
    for (int i = 0; i < 120; i++)
        host[i] = sinf((float)i);
    for (int i = 0; i < 2; i++) {
        f[i] = fixture_new();
        val x = g_input(f[i].graph, "x", F32, (struct shape){2, 1, 5, 4, 3});
        graph_backward(f[i].graph, tangle(f[i].graph, x), all, 1, false);
        plan_with(&f[i], (struct plan_options){.guard = i ? 64 : 0});
        assert_int_equal(plan_put(f[i].plan, x, host, &f[i].err), 0);
        for (int k = 0; k < 3; k++)
            assert_int_equal(plan_run(f[i].plan, &f[i].err), 0);
    }
    assert_int_equal(plan_guards(f[1].plan, &f[1].err), 0);
    double total = 0;
    for (int32_t i = 0; i < params_count(f[0].params); i++) {
        const struct entry *entry = params_entry(f[0].params, i);
        for (int k = 0; k < shape_count(entry->shape); k++) {
            double a = stored(&f[0], entry->name, ARRAY_GRAD, k);
            assert_true(a == stored(&f[1], entry->name, ARRAY_GRAD, k));
            total += fabs(a);
        }
    }
    assert_true(total > 1e-3 && isfinite(total));
    fixture_free(&f[0]);
    fixture_free(&f[1]);
}

static void guards_catch_a_stray_write(void **state)
{
    (void)state;
    struct fixture f = fixture_new();
    val x = g_input(f.graph, "x", F32, (struct shape){1, 1, 1, 1, 5});
    graph_push(f.graph, "net");
    val y = g_output(f.graph, "y", g_unary(f.graph, OP_exp_, x));
    plan_with(&f, (struct plan_options){.guard = 64});
    graph_free(f.graph); /* the plan has no need of it */
    f.graph = NULL;
    assert_int_equal(plan_put(f.plan, x, (float[5]){0}, &f.err), 0);
    assert_int_equal(plan_run(f.plan, &f.err), 0);
    assert_int_equal(plan_guards(f.plan, &f.err), 0);
    ((double *)plan_address(f.plan, x))[-1] = 1;
    assert_int_equal(plan_guards(f.plan, &f.err), -1);
    assert_string_equal(f.err.text, "x: written out of bounds");
    f.err.text[0] = 0;
    memset((double *)plan_address(f.plan, x) - 1, PLAN_SENTINEL, sizeof(double));
    ((double *)plan_address(f.plan, y))[5] = 1;
    assert_int_equal(plan_guards(f.plan, &f.err), -1);
    assert_string_equal(f.err.text, "net.exp_: written out of bounds");
    fixture_free(&f);
}

/* Every case of every op, on the oracle: nothing writes out of bounds, and overwriting an input
 * that dies gives the same numbers. */
static void in_place_equals_apart(void **state)
{
    (void)state;
    struct backend *backend;
    struct err err = {0};
    assert_int_equal(reference_open(&backend, &err), 0);
    for (enum op op = OP_none + 1; op < OPS; op++) {
        int cases;
        const struct op_case *test = op_cases(op, &cases);
        for (int i = 0; i < cases; i++) {
            struct case_result apart, over;
            if (case_run(&apart, op, &test[i], backend, (struct case_form){.guard = 64}, &err))
                fail_msg("%s", err.text);
            if (op_info(op)->flags & INPLACE) {
                struct case_form form = {.guard = 64, .in_place = true};
                if (case_run(&over, op, &test[i], backend, form, &err))
                    fail_msg("%s", err.text);
                for (int k = 0; k < apart.count; k++)
                    assert_true(scaled_error(over.data[k], apart.data[k], apart.length[k]) == 0);
                case_result_free(&over);
            }
            case_result_free(&apart);
        }
    }
    backend_close(backend);
}

/* ---- finding trouble ------------------------------------------------------------------------ */

static void the_first_node_that_is_not_finite(void **state)
{
    (void)state;
    struct fixture f = fixture_new();
    struct graph *g = f.graph;
    val x = g_input(g, "x", F32, (struct shape){1, 1, 1, 1, 3});
    val average =
        g_state(g, "all", "average", (struct shape){1, 1, 1, 1, 3}, (struct initial){INIT_ZERO, 0});
    graph_push(g, "vae");
    graph_push(g, "encoder");
    val y = g_unary(g, OP_log_, g_affine(g, x, 1, 0));
    g_blend(g, average, y, 0.5f, 0.5f, 0);
    graph_pop(g);
    g_output(g, "y", g_unary(g, OP_square, y));
    plan_with(&f, (struct plan_options){0});
    assert_int_equal(plan_put(f.plan, x, (float[]){1, 2, 3}, &f.err), 0);
    assert_null(plan_find_nonfinite(f.plan, &f.err));
    assert_int_equal(plan_put(f.plan, x, (float[]){1, 0, 3}, &f.err), 0);
    assert_string_equal(plan_find_nonfinite(f.plan, &f.err), "vae.encoder.log_ (log_)");
    assert_true(stored(&f, "average", ARRAY_STATE, 1) == 0); /* looking changes nothing */
    fixture_free(&f);
}

static void half_batches_draw_what_the_batch_draws(void **state)
{
    (void)state;
    float draws[2][12 * 7];
    for (int halves = 0; halves < 2; halves++) {
        struct fixture f = fixture_new();
        struct shape shape = {halves ? 6 : 12, 1, 1, 1, 7};
        val y = g_output(f.graph, "y", g_dropout(f.graph, g_normal(f.graph, shape), 0.5f, false));
        plan_with(&f, (struct plan_options){0});
        for (int32_t half = 0; half <= halves; half++) {
            int32_t clock[CLOCKS] = {[CLOCK_STEP] = 9, [CLOCK_FIRST] = 6 * half};
            assert_int_equal(plan_put(f.plan, g_clock(f.graph), clock, &f.err), 0);
            assert_int_equal(plan_run(f.plan, &f.err), 0);
            assert_int_equal(plan_get(f.plan, y, draws[halves] + half * 42, &f.err), 0);
        }
        fixture_free(&f);
    }
    int zeros = 0;
    for (int i = 0; i < 84; i++) {
        assert_true(draws[0][i] == draws[1][i]);
        zeros += draws[0][i] == 0;
    }
    assert_true(zeros > 20 && zeros < 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_error_sticks_with_its_path),
        cmocka_unit_test(errors_name_what_is_wrong),
        cmocka_unit_test(errors_of_the_gradient),
        cmocka_unit_test(parameters_are_shared_by_name),
        cmocka_unit_test(shown_dims_follow_the_axes),
        cmocka_unit_test(every_node_has_a_path_and_key_of_its_own),
        cmocka_unit_test(gradient_of_a_shared_parameter),
        cmocka_unit_test(one_value_as_gradient_of_two),
        cmocka_unit_test(no_gradient_of_an_input),
        cmocka_unit_test(what_nobody_reads_does_not_run),
        cmocka_unit_test(dying_inputs_are_overwritten),
        cmocka_unit_test(blocks_in_use_together_never_overlap),
        cmocka_unit_test(packing_changes_no_result),
        cmocka_unit_test(guards_catch_a_stray_write),
        cmocka_unit_test(in_place_equals_apart),
        cmocka_unit_test(the_first_node_that_is_not_finite),
        cmocka_unit_test(half_batches_draw_what_the_batch_draws),
    };
    return cmocka_run_group_tests_name("engine_graph", tests, NULL, NULL);
}
