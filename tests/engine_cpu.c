/* The CPU backend: every op against the oracle, on every instruction set this processor has and
 * with several threads; accuracy of the elementary functions; the same bits twice. */
#include "engine/cpu/cpu_parts.h"
#include "engine/graph_parts.h"
#include "engine_convolutions.h"
#include "oracle/reference.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static const char *const levels[] = {"v2", "v3", "v4"};
enum { LEVELS = 3, GUARD = 256 };

/* NULL where this processor does not have it. */
static struct backend *open_cpu(int threads, const char *isa)
{
    struct err err;
    struct backend *backend;
    return cpu_open_isa(&backend, threads, isa, NULL, &err) ? NULL : backend;
}

/* ---- against the oracle --------------------------------------------------------------------- */

/* Over the largest magnitude of the tensor: single precision sums of some hundred terms; of BF16,
 * results rounded to 8 bits, of norm_grad with a term that is too, of the library with factors. */
static double tolerance_of(enum op op, bool half)
{
    bool library = op == OP_conv || op == OP_conv_data || op == OP_conv_filter;
    if (!half)
        return 4e-6;
    return library ? 2e-2 : op == OP_norm_grad ? 8e-3 : 4e-3;
}

static int compare_as(enum op op, const struct op_case *test, struct backend *cpu,
                      struct backend *oracle, struct case_form form)
{
    struct err err;
    struct case_result got, want;
    form.guard = GUARD;
    if (case_run(&got, op, test, cpu, form, &err)) {
        print_error("%s, %s: %s\n", op_name(op), test->name, err.text);
        return 1;
    }
    if (case_run(&want, op, test, oracle, form, &err))
        fail_msg("oracle: %s, %s: %s", op_name(op), test->name, err.text);
    int wrong = got.count != want.count;
    for (int i = 0; i < want.count && !wrong; i++) {
        double error = scaled_error(got.data[i], want.data[i], want.length[i]);
        if (got.length[i] != want.length[i] || !(error <= tolerance_of(op, form.half))) {
            print_error("%s%s, %s: result %d: error %g (%s)\n", op_name(op),
                        form.half ? " in bf16" : "", test->name, i, error, backend_numerics(cpu));
            wrong = 1;
        }
    }
    case_result_free(&got);
    case_result_free(&want);
    return wrong;
}

/* A cast to BF16, which no processor but one with AVX-512 does, and which has no form in BF16. */
static bool is_to_half(enum op op, const struct op_case *test)
{
    return op == OP_cast && test->attr.dtype == BF16;
}

/* As it is, in place, in BF16, and both, as far as the op and the processor do that. */
static int compare(enum op op, const struct op_case *test, struct backend *cpu,
                   struct backend *oracle)
{
    uint16_t flags = op_info(op)->flags;
    bool to_half = is_to_half(op, test);
    bool halves = (flags & HALF) && cpu->make_half && !to_half;
    int wrong = 0;
    if (to_half && !cpu->make_half)
        return 0;
    for (int half = 0; half <= halves; half++)
        for (int in_place = 0; in_place <= (flags & INPLACE); in_place++)
            wrong += compare_as(op, test, cpu, oracle,
                                (struct case_form){.in_place = in_place, .half = half});
    return wrong;
}

static void compare_all(struct backend *cpu)
{
    struct err err;
    struct backend *oracle;
    assert_int_equal(reference_open(&oracle, &err), 0);
    int wrong = 0, tested = 0;
    for (enum op op = OP_none + 1; op < OPS; op++) {
        int count;
        const struct op_case *test = op_cases(op, &count);
        for (int i = 0; i < count; i++, tested++)
            wrong += compare(op, &test[i], cpu, oracle);
    }
    backend_close(oracle);
    backend_close(cpu);
    assert_true(tested > OPS);
    assert_int_equal(wrong, 0);
}

/* With one thread at every second level, the greatest among them: what is cut by threads may be
 * right where the whole is not. */
static void other_convolutions_agree_with_the_oracle(void **state)
{
    (void)state;
    struct err err;
    struct backend *oracle;
    assert_int_equal(reference_open(&oracle, &err), 0);
    int wrong = 0, tested = 0;
    for (int i = 0; i < LEVELS; i++) {
        struct backend *cpu = open_cpu((LEVELS - i) % 2 ? 1 : 2, levels[i]);
        if (!cpu)
            continue;
        for (int k = 0; k < CONVOLUTIONS; k++, tested++)
            wrong += compare(convolution_cases[k].op, &convolution_cases[k].test, cpu, oracle);
        backend_close(cpu);
    }
    backend_close(oracle);
    assert_true(tested > 0);
    assert_int_equal(wrong, 0);
}

static void agrees_with_the_oracle(void **state)
{
    compare_all(open_cpu(*(const int *)*state, NULL));
}

static void agrees_on_every_instruction_set(void **state)
{
    (void)state;
    int tested = 0;
    for (int i = 0; i < LEVELS; i++) {
        struct backend *cpu = open_cpu(2, levels[i]);
        if (!cpu)
            continue;
        compare_all(cpu);
        tested++;
    }
    assert_true(tested > 0);
}

/* ---- bits ----------------------------------------------------------------------------------- */

static bool same_results(enum op op, const struct op_case *test, struct backend *a,
                         struct backend *b, bool half)
{
    struct err err;
    struct case_result one, two;
    struct case_form form = {.half = half};
    if (case_run(&one, op, test, a, form, &err) || case_run(&two, op, test, b, form, &err))
        fail_msg("%s, %s: %s", op_name(op), test->name, err.text);
    bool same = one.count == two.count;
    for (int i = 0; i < one.count && same; i++)
        same = one.length[i] == two.length[i] &&
               !memcmp(one.data[i], two.data[i], (size_t)one.length[i] * sizeof(float));
    case_result_free(&one);
    case_result_free(&two);
    if (!same)
        print_error("%s%s, %s: other bits\n", op_name(op), half ? " in bf16" : "", test->name);
    return same;
}

static bool is_library(enum op op)
{
    return op == OP_conv || op == OP_conv_data || op == OP_conv_filter;
}

/* The same thread count gives the same bits; loops give them with any. */
static void gives_the_same_bits(void **state)
{
    (void)state;
    struct backend *two = open_cpu(2, NULL), *again = open_cpu(2, NULL), *three = open_cpu(3, NULL);
    int wrong = 0;
    for (enum op op = OP_none + 1; op < OPS; op++) {
        int count;
        const struct op_case *test = op_cases(op, &count);
        bool halves = (op_info(op)->flags & HALF) && op != OP_cast && two->make_half;
        for (int i = 0; i < count * (1 + halves); i++) {
            const struct op_case *each = &test[i % count];
            if (is_to_half(op, each) && !two->make_half)
                continue;
            wrong += !same_results(op, each, two, again, i >= count);
            if (!is_library(op))
                wrong += !same_results(op, each, two, three, i >= count);
        }
    }
    backend_close(two);
    backend_close(again);
    backend_close(three);
    assert_int_equal(wrong, 0);
}

/* ---- elementary functions ------------------------------------------------------------------- */

enum { MANY = 1 << 16 };

/* y = op(x) on count elements, through the kernel itself */
static void apply(struct backend *backend, enum op op, const float *x, float *y, int32_t count)
{
    struct err err;
    struct attr attr = {.p = 1};
    struct kernel kernel;
    struct kernel_desc desc = {.op = op, .attr = &attr, .backend = backend};
    desc.in[0] = desc.out[0] = (struct shape){1, 1, 1, 1, count};
    desc.in_used[0] = desc.out_used[0] = true;
    assert_int_equal(backend->make[op](&kernel, &desc, &err), 0);
    void *scratch = NULL;
    if (kernel.scratch)
        scratch = test_malloc(kernel.scratch);
    void *arg[] = {(void *)(uintptr_t)x, y};
    assert_int_equal(kernel.run(&kernel, arg, scratch, &err), 0);
    if (scratch)
        test_free(scratch);
    free(kernel.state);
}

/* Distance from the exact value in units of its last place. */
static double ulps(float got, double want)
{
    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got) ? 0 : INFINITY;
    if ((double)got == want || (isinf(got) && fabs(want) >= ldexp(1, 128) * (1 - ldexp(1, -25))))
        return 0;
    int exponent;
    frexp(want, &exponent);
    return fabs(got - want) / ldexp(1, (exponent < -125 ? -125 : exponent) - 24);
}

struct function {
    enum op op;
    double (*exact)(double);
    double low, high, limit;
};

static double worst_ulps(struct backend *backend, const struct function *function)
{
    float *x = test_malloc(MANY * sizeof *x), *y = test_malloc(MANY * sizeof *y);
    for (int i = 0; i < MANY; i++)
        x[i] = (float)(function->low + (function->high - function->low) * i / (MANY - 1));
    apply(backend, function->op, x, y, MANY);
    double worst = 0;
    for (int i = 0; i < MANY; i++) {
        double error = ulps(y[i], function->exact(x[i]));
        worst = error > worst ? error : worst;
    }
    test_free(x);
    test_free(y);
    return worst;
}

static const struct function functions[] = {
    {OP_exp_, exp, -104, 89, 2},       {OP_exp_, exp, -1, 1, 2},
    {OP_log_, log, 1e-45, 1e-37, 2},   {OP_log_, log, 0.4, 2.5, 2},
    {OP_log_, log, 1e-3, 3e38, 2},     {OP_sqrt_, sqrt, 0, 1e-37, 1.5},
    {OP_sqrt_, sqrt, 1e-3, 9, 1.5},    {OP_sqrt_, sqrt, 1, 3.4e38, 1.5},
    {OP_tanh, tanh, -10, 10, 3},       {OP_tanh, tanh, -0.7, 0.7, 3},
    {OP_tanh, tanh, -1e-30, 1e-30, 3},
};

static void functions_are_accurate(void **state)
{
    (void)state;
    for (int i = 0; i < LEVELS; i++) {
        struct backend *backend = open_cpu(1, levels[i]);
        for (size_t k = 0; backend && k < sizeof functions / sizeof *functions; k++) {
            double worst = worst_ulps(backend, &functions[k]);
            if (!(worst <= functions[k].limit))
                fail_msg("%s on [%g, %g]: %.2f units (%s)", op_name(functions[k].op),
                         functions[k].low, functions[k].high, worst, backend_numerics(backend));
        }
        if (backend)
            backend_close(backend);
    }
}

/* gelu(x) / x = (1 + erf(x / sqrt 2)) / 2: its error is that of erf, about the value 1 */
static double exact_gelu(double x)
{
    return 0.5 * x * (1 + erf(x * 0.70710678118654752440));
}

static void gelu_is_accurate(void **state)
{
    (void)state;
    struct backend *backend = open_cpu(1, NULL);
    float x[4001], y[4001];
    for (int i = 0; i <= 4000; i++)
        x[i] = (float)(i - 2000) * 0.004f;
    apply(backend, OP_gelu, x, y, 4001);
    for (int i = 0; i <= 4000; i++)
        if (!(fabs(y[i] - exact_gelu(x[i])) <= 2e-7 * fabs((double)x[i])))
            fail_msg("gelu(%g) is %g", x[i], y[i]);
    backend_close(backend);
}

/* ---- activations ---------------------------------------------------------------------------- */

static const struct shape ended_shape = {2, 1, 5, 7, 8};
enum { ENDED = 2 * 5 * 7 * 8 };
struct ended {
    float y[ENDED], dx[ENDED];
};

/* y = act of a norm or a convolution of x, and the gradient of the sum of its squares; alone: by an
 * op of its own. */
static void end_with(struct ended *out, struct backend *backend, enum act act, bool norm,
                     bool alone)
{
    static const char *const groups[] = {"all"};
    const struct initial some = {INIT_NORMAL, 1};
    struct shape each = {1, 1, 1, 1, 8}, filter = {8, 1, 3, 3, 8};
    struct err err;
    struct plan *plan;
    struct params *params = params_new();
    struct graph *g = graph_new(params, MODE_TRAIN, ARRAY_PARAM);
    val x = g_param(g, "all", "x", ended_shape, some),
        scale = g_param(g, "all", "scale", each, some),
        shift = g_param(g, "all", "shift", each, some), w = g_param(g, "all", "w", filter, some);
    enum act part = alone ? ACT_NONE : act;
    val y = norm ? g_norm(g, x, scale, shift, 2, 1e-5f, part, NULL, NULL)
                 : g_conv(g, x, w, shift, window_make(false, 3, 1, 1), part);
    y = g_output(g, "y", alone ? g_act(g, y, act) : y);
    val sum = g_reduce_sum(g, g_unary(g, OP_square, y), (struct shape){1, 1, 1, 1, 1});
    graph_backward(g, sum, groups, 1, false);
    if (graph_check(g, &err) || params_realise(params, backend, 1, &err) ||
        plan_make(&plan, g, backend, &(struct plan_options){0}, &err) || plan_run(plan, &err) ||
        plan_get(plan, y, out->y, &err) ||
        params_get(params, params_find(params, "x"), ARRAY_GRAD, out->dx, &err))
        fail_msg("%s", err.text);
    plan_free(plan);
    graph_free(g);
    params_free(params);
}

/* What a norm or a convolution ends with is the op of that name, whether fused or not, and so is
 * its derivative, whichever way it is written. */
static void fused_activations_are_their_ops(void **state)
{
    (void)state;
    static const char *const name[] = {
#define ACT(id, op, p, cost, library) #op,
#include "engine/activation.def"
    };
    for (int i = 0; i < LEVELS; i++) {
        struct backend *cpu = open_cpu(1, levels[i]);
        for (enum act act = 0; cpu && act < sizeof name / sizeof *name; act++)
            for (int norm = 0; norm < 2; norm++) {
                struct ended fused, alone;
                end_with(&fused, cpu, act, norm, false);
                end_with(&alone, cpu, act, norm, true);
                double y = scaled_error(fused.y, alone.y, ENDED);
                double dx = scaled_error(fused.dx, alone.dx, ENDED);
                if (!(y <= 1e-6 && dx <= 1e-6))
                    fail_msg("%s of a %s: %g, gradient %g (%s)", name[act],
                             norm ? "norm" : "convolution", y, dx, backend_numerics(cpu));
            }
        if (cpu)
            backend_close(cpu);
    }
}

/* exp(x) - 1 below 0 (Clevert, Unterthiner, Hochreiter 2016), by the C library. */
static void elu_is_what_it_is_called(void **state)
{
    (void)state;
    struct backend *cpu = open_cpu(1, NULL);
    struct ended elu, none;
    end_with(&elu, cpu, ACT_ELU, true, false);
    end_with(&none, cpu, ACT_NONE, true, false);
    int below = 0;
    for (int i = 0; i < ENDED; i++) {
        double x = none.y[i], y = x > 0 ? x : expm1(x);
        below += x < 0;
        if (!(fabs(elu.y[i] - y) <= 2e-7))
            fail_msg("elu(%g) is %g", x, (double)elu.y[i]);
    }
    assert_true(below > ENDED / 4 && below < ENDED);
    backend_close(cpu);
}

/* Values at the ends, by bits where there is one right answer. */
static void functions_are_right_at_the_ends(void **state)
{
    (void)state;
    static const struct {
        enum op op;
        float x, y;
    } ends[] = {
        {OP_exp_, 0, 1},
        {OP_exp_, -INFINITY, 0},
        {OP_exp_, INFINITY, INFINITY},
        {OP_exp_, 88.8f, INFINITY},
        {OP_exp_, 3e38f, INFINITY},
        {OP_exp_, -3e38f, 0},
        {OP_exp_, -104.5f, 0},
        {OP_exp_, NAN, NAN},
        {OP_log_, 1, 0},
        {OP_log_, 0, -INFINITY},
        {OP_log_, -0.0f, -INFINITY},
        {OP_log_, INFINITY, INFINITY},
        {OP_log_, -1, NAN},
        {OP_log_, -INFINITY, NAN},
        {OP_log_, NAN, NAN},
        {OP_sqrt_, 0, 0},
        {OP_sqrt_, 4, 2},
        {OP_sqrt_, INFINITY, INFINITY},
        {OP_sqrt_, -1, NAN},
        {OP_sqrt_, NAN, NAN},
        {OP_tanh, INFINITY, 1},
        {OP_tanh, -INFINITY, -1},
        {OP_tanh, 0, 0},
        {OP_tanh, -0.0f, -0.0f},
        {OP_tanh, NAN, NAN},
        {OP_elu, INFINITY, INFINITY},
        {OP_elu, -INFINITY, -1},
        {OP_elu, 0, 0},
        {OP_elu, NAN, NAN},
        {OP_gelu, 50, 50},
        {OP_gelu, -50, -0.0f},
        {OP_gelu, 3e38f, 3e38f},
        {OP_gelu, NAN, NAN},
        {OP_sigmoid, INFINITY, 1},
        {OP_sigmoid, -INFINITY, 0},
        {OP_sigmoid, NAN, NAN},
        {OP_softplus, -200, 0},
        {OP_softplus, 200, 200},
    };
    for (int i = 0; i < LEVELS; i++) {
        struct backend *backend = open_cpu(1, levels[i]);
        for (size_t k = 0; backend && k < sizeof ends / sizeof *ends; k++) {
            float x[20], y[20]; /* in a vector and in the rest after it */
            for (int j = 0; j < 20; j++)
                x[j] = ends[k].x;
            apply(backend, ends[k].op, x, y, 20);
            for (int j = 0; j < 20; j += 19)
                if (isnan(ends[k].y) ? !isnan(y[j]) : memcmp(&y[j], &ends[k].y, sizeof *y))
                    fail_msg("%s of %g is %g (%s)", op_name(ends[k].op), ends[k].x, y[j],
                             backend_numerics(backend));
        }
        if (backend)
            backend_close(backend);
    }
}

/* In 16 channels side by side and in the rest after them, at each place of a window. */
static void pooling_passes_over_no_nan(void **state)
{
    (void)state;
    enum { CHANNELS = 19, PLACES = 4 };
    for (int i = 0; i < LEVELS; i++) {
        struct backend *backend = open_cpu(1, levels[i]);
        struct plan *plan;
        struct err err;
        if (!backend)
            continue;
        struct params *params = params_new();
        struct graph *g = graph_new(params, MODE_EVALUATE, ARRAY_PARAM);
        val x = g_input(g, "x", F32, (struct shape){1, 1, 2, 2, CHANNELS});
        val y = g_output(g, "y", g_max_pool(g, x, window_make(false, 2, 2, 0)));
        assert_int_equal(plan_make(&plan, g, backend, &(struct plan_options){0}, &err), 0);
        for (int c = 0; c < CHANNELS; c += 18)
            for (int place = 0; place < PLACES; place++) {
                float in[PLACES * CHANNELS], out[CHANNELS];
                for (int k = 0; k < PLACES * CHANNELS; k++)
                    in[k] = (float)((k / CHANNELS * 3) % 4); /* 0 3 2 1 */
                in[place * CHANNELS + c] = NAN;
                assert_int_equal(plan_put(plan, x, in, &err) || plan_run(plan, &err) ||
                                     plan_get(plan, y, out, &err),
                                 0);
                for (int k = 0; k < CHANNELS; k++)
                    assert_true(k == c ? isnan(out[k]) : out[k] == 3);
            }
        plan_free(plan);
        graph_free(g);
        params_free(params);
        backend_close(backend);
    }
}

/* ---- large convolutions --------------------------------------------------------------------- */

/* A filter's gradient in BF16, 3x3(x3) by 2 with padding 1. */
static struct kernel strided_filter(struct backend *cpu, struct shape x, int32_t outputs,
                                    struct kernel_desc *desc)
{
    static struct attr attr;
    struct err err;
    struct kernel kernel;
    int32_t depth = x.d > 1 ? 3 : 1;
    attr = (struct attr){.window = window_make(x.d > 1, 3, 2, 1),
                         .shape = {outputs, depth, 3, 3, x.c}};
    *desc = (struct kernel_desc){.op = OP_conv_filter,
                                 .attr = &attr,
                                 .in = {x, window_output(&attr.window, x, outputs)},
                                 .out = {attr.shape},
                                 .in_type = {BF16, BF16},
                                 .in_used = {true, true},
                                 .out_used = {true},
                                 .backend = cpu};
    if (cpu->make_half[OP_conv_filter](&kernel, desc, &err))
        fail_msg("%s", err.text);
    return kernel;
}

/* Small whole numbers, whose sums are exact. */
static float whole_number(int64_t i)
{
    return (float)(i * 7919 % 13 - 6);
}

static uint16_t *whole_numbers(int64_t count)
{
    uint16_t *out = xmalloc((size_t)count * sizeof *out);
    for (int64_t i = 0; i < count; i++) {
        float value = whole_number(i);
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        out[i] = (uint16_t)(bits >> 16);
    }
    return out;
}

static double filter_element(struct shape x, struct shape dy, int32_t o, int32_t h, int32_t w,
                             int32_t c)
{
    double sum = 0;
    for (int64_t i = 0; i < dy.h; i++)
        for (int64_t j = 0; j < dy.w; j++) {
            int64_t y = 2 * i - 1 + h, at = 2 * j - 1 + w;
            if (y >= 0 && y < x.h && at >= 0 && at < x.w)
                sum += (double)whole_number((y * x.w + at) * x.c + c) *
                       (double)whole_number((i * dy.w + j) * dy.c + o);
        }
    return sum;
}

/* What a filter's gradient in BF16 takes does not grow with the image: 0.9 GB would be the columns
 * of the volume. The image's are of 75 MB, so of two blocks, the second one shorter. */
static void strided_filters_take_bounded_scratch(void **state)
{
    (void)state;
    enum { MOST = 96 << 20, OUTPUTS = 8, CHANNELS = 64 };
    struct backend *cpu = open_cpu(2, NULL);
    if (!cpu->make_half) {
        backend_close(cpu);
        skip();
    }
    struct kernel_desc desc;
    struct kernel kernel = strided_filter(cpu, (struct shape){1, 128, 128, 128, 64}, 64, &desc);
    assert_true(kernel.scratch <= MOST);
    kernel.free(&kernel);
    kernel = strided_filter(cpu, (struct shape){1, 1, 500, 514, CHANNELS}, OUTPUTS, &desc);
    assert_true(kernel.scratch > 1 << 20 && kernel.scratch <= MOST);
    uint16_t *x = whole_numbers(shape_count(desc.in[0])),
             *dy = whole_numbers(shape_count(desc.in[1]));
    static float dw[OUTPUTS * 9 * CHANNELS];
    void *scratch;
    struct err err;
    assert_int_equal(block_alloc(&scratch, kernel.scratch, NULL, &err), 0);
    assert_int_equal(kernel.run(&kernel, (void *[]){x, dy, dw}, scratch, &err), 0);
    for (int32_t k = 0; k < 9; k++)
        for (int32_t c = 0; c < CHANNELS; c += 21)
            for (int32_t o = 0; o < OUTPUTS; o += 7)
                assert_true(dw[(o * 9 + k) * CHANNELS + c] ==
                            (float)filter_element(desc.in[0], desc.in[1], o, k / 3, k % 3, c));
    block_free(scratch, kernel.scratch, NULL);
    free(x);
    free(dy);
    kernel.free(&kernel);
    backend_close(cpu);
}

/* ---- opening -------------------------------------------------------------------------------- */

/* Sums of BF16: ties go to even, up and down; what is no number stays none. Sixteen channels are
 * taken side by side and the last alone. */
static void channels_side_by_side_round_as_one(void **state)
{
    (void)state;
    enum { CASES = 5, CHANNELS = 17 };
    static const float a[CASES] = {1, 1.0078125f, NAN, 3.3895314e38f, 1.0078125f};
    static const float b[CASES] = {0.00390625f, 0.00390625f, 1, 3.3895314e38f, 0.0009765625f};
    static const float want[CASES] = {1, 1.015625f, NAN, INFINITY, 1.0078125f};
    struct shape shape = {CASES, 1, 1, 1, CHANNELS};
    struct backend *cpu = open_cpu(1, NULL);
    if (!cpu->make_half) {
        backend_close(cpu);
        skip();
    }
    struct params *params = params_new();
    struct graph *g = graph_new(params, MODE_TRAIN, ARRAY_PARAM);
    val dy = g_input(g, "dy", F32, shape), winner = g_input(g, "winner", U8, shape);
    val more = g_input(g, "more", F32, shape);
    const val in[] = {g_cast(g, dy, BF16), winner, g_cast(g, more, BF16)};
    struct attr attr = {.window = window_make(false, 1, 1, 0), .shape = shape};
    val dx = g_output(g, "dx", g_append(g, OP_max_pool_grad, in, &attr, NULL));
    float as[CASES * CHANNELS], bs[CASES * CHANNELS], got[CASES * CHANNELS];
    static const uint8_t first[CASES * CHANNELS];
    for (int i = 0; i < CASES * CHANNELS; i++) {
        as[i] = a[i / CHANNELS];
        bs[i] = b[i / CHANNELS];
    }
    struct plan *plan;
    struct err err;
    assert_int_equal(plan_make(&plan, g, cpu, &(struct plan_options){0}, &err), 0);
    assert_int_equal(plan_put(plan, dy, as, &err), 0);
    assert_int_equal(plan_put(plan, winner, first, &err), 0);
    assert_int_equal(plan_put(plan, more, bs, &err), 0);
    assert_int_equal(plan_run(plan, &err), 0);
    assert_int_equal(plan_get(plan, dx, got, &err), 0);
    for (int i = 0; i < CASES * CHANNELS; i++)
        assert_true(got[i] == want[i / CHANNELS] || (isnan(got[i]) && isnan(want[i / CHANNELS])));
    plan_free(plan);
    graph_free(g);
    params_free(params);
    backend_close(cpu);
}

static void a_lesser_processor_refuses_bf16(void **state)
{
    (void)state;
    struct shape shape = {1, 1, 1, 1, 3};
    struct backend *cpu = open_cpu(1, "v2");
    struct params *params = params_new();
    struct graph *g = graph_new(params, MODE_TRAIN, ARRAY_PARAM);
    struct plan *plan;
    struct err err;
    g_output(g, "y", g_cast(g, g_input(g, "x", F32, shape), BF16));
    assert_int_equal(plan_make(&plan, g, cpu, &(struct plan_options){0}, &err), -1);
    assert_int_equal(err.status, STATUS_CONFIG);
    assert_string_equal(err.text, "cast: cpu: this processor does not support precision bf16");
    graph_free(g);
    params_free(params);
    backend_close(cpu);
}

static void says_what_it_is(void **state)
{
    (void)state;
    struct err err;
    struct backend *backend;
    for (int device = 0; backend_devices[device]; device++) {
        struct backend_spec spec = {.device = device, .threads = 3};
        assert_int_equal(backend_open(&backend, &spec, NULL, &err), 0);
        const char *text = backend_numerics(backend);
        assert_non_null(strstr(text, " x86-64-v"));
        assert_non_null(strstr(text, " oneDNN 2."));
        assert_non_null(strstr(text, " threads 3"));
        assert_int_equal(backend_threads(backend), 3);
        assert_int_equal(backend_use_threads(backend, 2, &err), 0);
        assert_non_null(strstr(backend_numerics(backend), " threads 2"));
        assert_int_equal(backend_threads(backend), 2);
        assert_int_equal(backend_use_threads(backend, 100000, &err), -1);
        assert_non_null(strstr(backend_numerics(backend), " threads 2"));
        backend_close(backend);
    }
}

static void refuses_what_it_cannot_be(void **state)
{
    (void)state;
    struct err err;
    struct backend *backend;
    assert_int_equal(cpu_open(&backend, -1, NULL, &err), -1);
    assert_int_equal(err.status, STATUS_CONFIG);
    assert_int_equal(cpu_open(&backend, 100000, NULL, &err), -1);
    assert_int_equal(cpu_open_isa(&backend, 1, "v9", NULL, &err), -1);
    assert_string_equal(err.text, "cpu: this processor does not do x86-64-v9");
}

/* In a process of its own, for the library takes a cap once. */
static void expect_capped(const char *cap, const char *ours, const char *library)
{
    pid_t child = fork();
    if (!child) {
        struct err err;
        struct backend *backend, *again;
        setenv("CAIRN_ISA", cap, 1);
        if (cpu_open(&backend, 1, NULL, &err) || cpu_open(&again, 1, NULL, &err))
            _exit(strcmp(err.text, ours) || err.status != STATUS_CONFIG);
        const char *text = backend_numerics(again);
        struct backend_spec half = {.precision = BF16};
        _exit(!strstr(text, ours) || !strstr(text, library) ||
              !backend_open(&backend, &half, NULL, &err) == !!strcmp(cap, "v4") ||
              (strcmp(cap, "v4") &&
               strcmp(err.text, "cpu: this processor does not support precision bf16") != 0));
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (status)
        fail_msg("CAIRN_ISA=%s", cap);
}

static void instruction_sets_can_be_capped(void **state)
{
    (void)state;
    expect_capped("v2", " x86-64-v2 ", " sse41 oneDNN ");
    if (__builtin_cpu_supports("x86-64-v3"))
        expect_capped("v3", " x86-64-v3 ", " avx2 oneDNN ");
    else
        expect_capped("v3", "CAIRN_ISA 'v3': this processor lacks x86-64-v3", "");
    if (__builtin_cpu_supports("x86-64-v4"))
        expect_capped("v4", " x86-64-v4 ", " avx512_core oneDNN ");
    else
        expect_capped("v4", "CAIRN_ISA 'v4': this processor lacks x86-64-v4", "");
    expect_capped("V3", "CAIRN_ISA 'V3': should be v2, v3 or v4", "");
}

#ifndef __SANITIZE_ADDRESS__
/* Describes, in a process that may take `room` bytes more, a convolution that no other has
 * described. */
static int describe_in(size_t room)
{
    static const struct op_case test = {
        "any", {SIDE(2, 1, 17, 19, 24), SIDE(40, 1, 3, 3, 24)}, .attr = {.window = STEPS_2D(1)}};
    struct err err;
    struct backend *cpu = open_cpu(1, NULL);
    struct case_program program;
    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!cpu || !file || fscanf(file, "%zu", &pages) != 1)
        return 2;
    fclose(file);
    case_build(&program, OP_conv, &test, (struct case_form){0});
    size_t limit = pages * (size_t)sysconf(_SC_PAGESIZE) + room;
    setrlimit(RLIMIT_AS, &(struct rlimit){limit, limit});
    if (!case_plan(&program, cpu, (struct case_form){0}, &err))
        return 0;
    return strstr(err.text, "onednn: no memory for code: Cannot allocate memory") ? 3 : 2;
}
#endif

static void no_memory_for_code_is_an_error(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    skip(); /* its shadow does not fit into any limit */
#else
    for (size_t room = 1 << 18; room <= 64 << 20; room *= 4) {
        int status;
        pid_t child = fork();
        if (!child)
            _exit(describe_in(room));
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != (room <= 16 << 20 ? 3 : 0))
            fail_msg("with room for %zu bytes: status %x", room, status);
    }
#endif
}

static void counts_its_memory(void **state)
{
    (void)state;
    struct err err;
    struct meter meter = {0};
    struct backend *backend;
    void *block;
    assert_int_equal(cpu_open(&backend, 1, &meter, &err), 0);
    assert_int_equal(backend->calls->alloc(backend, &block, 1000, &err), 0);
    assert_int_equal((uintptr_t)block % 64, 0);
    assert_true(meter.now >= 1000);
    backend->calls->free(backend, block, 1000);
    assert_int_equal(meter.now, 0);
    struct allocator host = backend_host_memory(backend);
    assert_int_equal(host.alloc(host.owner, &block, 1000, &err), 0);
    assert_int_equal((uintptr_t)block % 64, 0);
    assert_int_equal(meter.now, 1000);
    host.free(host.owner, block, 1000);
    assert_int_equal(meter.now, 0);
    assert_int_equal(host.alloc(host.owner, &block, SIZE_MAX / 4, &err), -1);
    assert_non_null(strstr(err.text, "out of memory: 4611686018427387903 bytes"));
    assert_int_equal(meter.now, 0);
    backend_close(backend);
}

int main(void)
{
    static int threads[] = {1, 3}; /* and 2 on every instruction set */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_memory_for_code_is_an_error), /* forks, too */
        cmocka_unit_test(instruction_sets_can_be_capped), /* forks: before there are threads */
        cmocka_unit_test(says_what_it_is),
        cmocka_unit_test(refuses_what_it_cannot_be),
        cmocka_unit_test(counts_its_memory),
        cmocka_unit_test(functions_are_accurate),
        cmocka_unit_test(functions_are_right_at_the_ends),
        cmocka_unit_test(pooling_passes_over_no_nan),
        cmocka_unit_test(gelu_is_accurate),
        cmocka_unit_test(fused_activations_are_their_ops),
        cmocka_unit_test(elu_is_what_it_is_called),
        {"agrees_with_the_oracle_1_thread", agrees_with_the_oracle, NULL, NULL, &threads[0]},
        {"agrees_with_the_oracle_3_threads", agrees_with_the_oracle, NULL, NULL, &threads[1]},
        cmocka_unit_test(agrees_on_every_instruction_set),
        cmocka_unit_test(other_convolutions_agree_with_the_oracle),
        cmocka_unit_test(gives_the_same_bits),
        cmocka_unit_test(channels_side_by_side_round_as_one),
        cmocka_unit_test(a_lesser_processor_refuses_bf16),
        cmocka_unit_test(strided_filters_take_bounded_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
