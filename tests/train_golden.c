/* Every op, forward and gradient, and the optimisers, against PyTorch. */
#include "base/text.h"

#include "train_golden.h"

struct use {
    struct graph *g;
    val in[MAX_IN], extra[2]; /* extra: outputs 1 and 2 */
    struct shape out;         /* the expected output's */
    const struct attr *attr;
};
struct golden {
    const char *name;
    val (*build)(struct use *u);
    struct attr attr;
};

/* ---- builders ------------------------------------------------------------------------------- */
static val conv(struct use *u)
{
    return g_conv(u->g, u->in[0], u->in[1], u->in[2], u->attr->window, u->attr->act);
}
static val conv_transposed(struct use *u)
{
    return g_conv_transposed(u->g, u->in[0], u->in[1], u->in[2], u->attr->window, u->out,
                             u->attr->act);
}
static val norm(struct use *u)
{
    return g_norm(u->g, u->in[0], u->in[1], u->in[2], u->attr->groups, 1e-5f, u->attr->act,
                  &u->extra[0], &u->extra[1]);
}
static val norm_fixed(struct use *u)
{
    return g_norm_fixed(u->g, u->in[0], u->in[1], u->in[2], u->in[3], u->in[4], u->attr->act);
}
static val max_pool(struct use *u)
{
    return g_max_pool(u->g, u->in[0], u->attr->window);
}
static val avg_pool(struct use *u)
{
    return g_avg_pool(u->g, u->in[0], u->attr->window);
}
static val upsample(struct use *u)
{
    return g_upsample(u->g, u->in[0], u->attr->window.size, u->attr->mode);
}
static val concat(struct use *u)
{
    return g_concat(u->g, u->in[0], u->in[1], AXIS_C);
}
static val slice(struct use *u)
{
    return g_slice(u->g, u->in[0], AXIS_C, 2, 3);
}
static val reshape(struct use *u)
{
    return g_reshape(u->g, u->in[0], u->out);
}
static val reduce_sum(struct use *u)
{
    return g_reduce_sum(u->g, u->in[0], u->out);
}
static val broadcast(struct use *u)
{
    return g_broadcast(u->g, u->in[0], u->out);
}
static val sum_squares(struct use *u)
{
    return g_sum_squares(u->g, u->in[0]);
}
static val softmax(struct use *u)
{
    return g_softmax(u->g, u->in[0]);
}
static val cross_entropy(struct use *u)
{
    return g_cross_entropy(u->g, u->in[0], u->in[1], u->in[2], u->attr->ignore, u->attr->p);
}
static val embedding(struct use *u)
{
    return g_embedding(u->g, u->in[0], u->in[1]);
}
/* attr.mode is the op here: all of these take their inputs and p, q alone. */
static val by_op(struct use *u)
{
    val out[MAX_OUT];
    return g_append(u->g, (enum op)u->attr->mode, u->in, u->attr, out);
}

/* clang-format off */
#define WINDOW(...) .window = {__VA_ARGS__}
#define HALF_4x4    WINDOW({1,4,4}, {1,2,2}, {0,1,1}, {0,1,1})
#define HALF_2x2    WINDOW({1,2,2}, {1,2,2})
#define HALF_2x2x2  WINDOW({2,2,2}, {2,2,2})
#define HALF_3x3    WINDOW({1,3,3}, {1,2,2}, {0,1,1}, {0,1,1})
#define FACTOR(...) .window = {.size = {__VA_ARGS__}}
static const struct golden table[] = {
    {"conv/dense", conv, {WINDOW({1,1,1}, {1,1,1})}},
    {"conv/3x3 relu", conv, {WINDOW({1,3,3}, {1,1,1}, {0,1,1}, {0,1,1}), .act = ACT_RELU}},
    {"conv/4x4 strided silu", conv, {HALF_4x4, .act = ACT_SILU}},
    {"conv/4x4 strided odd", conv, {WINDOW({1,4,4}, {1,2,2}, {0,1,1}, {0,2,2})}},
    {"conv/3x3x3 strided tanh", conv,
     {WINDOW({3,3,3}, {2,2,2}, {1,1,1}, {1,1,1}), .act = ACT_TANH}},
    {"conv_transposed/4x4 strided", conv_transposed, {HALF_4x4}},
    {"conv_transposed/3x3 strided odd relu", conv_transposed, {HALF_3x3, .act = ACT_RELU}},
    {"conv_transposed/2x2x2 strided gelu", conv_transposed, {HALF_2x2x2, .act = ACT_GELU}},
    {"norm/batch relu", norm, {.act = ACT_RELU}},
    {"norm/batch silu 3d", norm, {.act = ACT_SILU}},
    {"norm/two groups", norm, {.groups = 2}},
    {"norm/instance gelu 3d", norm, {.groups = 2, .act = ACT_GELU}},
    {"norm/fixed", norm_fixed, {.act = ACT_RELU}},
    {"max_pool/2x2", max_pool, {HALF_2x2}},
    {"max_pool/3x3 padded", max_pool, {HALF_3x3}},
    {"max_pool/2x2x2", max_pool, {HALF_2x2x2}},
    {"avg_pool/3x3 padded", avg_pool, {HALF_3x3}},
    {"avg_pool/2x2x2", avg_pool, {HALF_2x2x2}},
    {"upsample/nearest", upsample, {FACTOR(1,2,2), .mode = MODE_NEAREST}},
    {"upsample/linear", upsample, {FACTOR(1,2,2), .mode = MODE_LINEAR}},
    {"upsample/linear 3d", upsample, {FACTOR(2,2,3), .mode = MODE_LINEAR}},
    {"concat", concat, {.axis = 0}},
    {"slice", slice, {.axis = 0}},
    {"reshape", reshape, {.axis = 0}},
    {"reduce_sum", reduce_sum, {.axis = 0}},
    {"broadcast", broadcast, {.axis = 0}},
    {"sum_squares", sum_squares, {.axis = 0}},
    {"softmax", softmax, {.axis = 0}},
    {"cross_entropy/plain", cross_entropy, {.ignore = -1}},
    {"cross_entropy/weight ignore smoothing", cross_entropy, {.ignore = 2, .p = 0.25f}},
    {"embedding", embedding, {.axis = 0}},
    {"bce", by_op, {.mode = OP_bce}},
    {"mse", by_op, {.mode = OP_mse}},
    {"l1", by_op, {.mode = OP_l1}},
    {"affine", by_op, {.mode = OP_affine, .p = 1.5f, .q = -0.5f}},
    {"relu", by_op, {.mode = OP_relu}},
    {"leaky_relu", by_op, {.mode = OP_leaky_relu, .p = 0.125f}},
    {"elu", by_op, {.mode = OP_elu, .p = 0.75f}},
    {"silu", by_op, {.mode = OP_silu}},
    {"gelu", by_op, {.mode = OP_gelu}},
    {"sigmoid", by_op, {.mode = OP_sigmoid}},
    {"tanh_", by_op, {.mode = OP_tanh}},
    {"softplus", by_op, {.mode = OP_softplus}},
    {"exp_", by_op, {.mode = OP_exp_}},
    {"log_", by_op, {.mode = OP_log_}},
    {"square", by_op, {.mode = OP_square}},
    {"sqrt_", by_op, {.mode = OP_sqrt_}},
    {"abs_", by_op, {.mode = OP_abs_}},
    {"reciprocal", by_op, {.mode = OP_reciprocal}},
    {"clamp", by_op, {.mode = OP_clamp, .p = -0.75f, .q = 1.25f}},
    {"add", by_op, {.mode = OP_add}},
    {"add/broadcast", by_op, {.mode = OP_add}},
    {"sub", by_op, {.mode = OP_sub}},
    {"sub/broadcast", by_op, {.mode = OP_sub}},
    {"mul", by_op, {.mode = OP_mul}},
    {"mul/broadcast", by_op, {.mode = OP_mul}},
    {"div_/broadcast", by_op, {.mode = OP_div_}},
    {"max_", by_op, {.mode = OP_max_}},
    {"max_/broadcast", by_op, {.mode = OP_max_}},
    {"min_", by_op, {.mode = OP_min_}},
    {"min_/broadcast", by_op, {.mode = OP_min_}},
};
/* clang-format on */
enum { GOLDENS = sizeof table / sizeof table[0] };

/* ---- one case ------------------------------------------------------------------------------- */
static struct shape shape_of(const struct tensor *t)
{
    assert_int_equal(t->dims, 5);
    return (struct shape){(int32_t)t->dim[0], (int32_t)t->dim[1], (int32_t)t->dim[2],
                          (int32_t)t->dim[3], (int32_t)t->dim[4]};
}

static const struct tensor *part(const struct tensors *file, const char *name, const char *kind,
                                 int i)
{
    char field[16];
    snprintf(field, sizeof field, "%s%d", kind, i);
    return golden_find(file, name, field);
}

struct program {
    struct params *params;
    struct graph *graph;
    struct plan *plan;
    val in[MAX_IN], dout, out[MAX_OUT];
};

/* Inputs that have a gradient are parameters "0", "1", ... of the group "x". */
static void build(struct program *p, const struct golden *golden, const struct tensors *file)
{
    static const char *const groups[] = {"x"};
    p->params = params_new();
    struct graph *g = p->graph = graph_new(p->params, MODE_TRAIN, ARRAY_PARAM);
    struct use use = {.g = g, .attr = &golden->attr};
    bool trained = false;
    for (int i = 0; i < MAX_IN; i++) {
        const struct tensor *in = part(file, golden->name, "in", i);
        char name[2] = {(char)('0' + i), 0};
        if (!in)
            break;
        if (part(file, golden->name, "grad", i)) {
            trained = true;
            use.in[i] = g_param(g, "x", name, shape_of(in), (struct initial){INIT_ZERO, 0});
        } else {
            use.in[i] = g_input(g, name, in->type == TENSOR_I32 ? I32 : F32, shape_of(in));
        }
        p->in[i] = use.in[i];
    }
    const struct tensor *out = golden_need(file, golden->name, "out0");
    use.out = shape_of(out);
    p->out[0] = g_output(g, "out0", golden->build(&use));
    for (int i = 0; i < 2; i++)
        if (part(file, golden->name, "out", i + 1))
            p->out[i + 1] = g_output(g, "extra", use.extra[i]);
    p->dout = g_input(g, "dout", F32, use.out);
    val product = g_binary(g, OP_mul, p->out[0], p->dout);
    val loss = g_reduce_sum(g, product, (struct shape){1, 1, 1, 1, 1});
    if (trained)
        graph_backward(g, loss, groups, 1, false);
}

static void put_inputs(struct program *p, const struct golden *golden, const struct tensors *file)
{
    struct err err;
    for (int i = 0; i < MAX_IN && p->in[i]; i++) {
        const struct tensor *in = part(file, golden->name, "in", i);
        char name[2] = {(char)('0' + i), 0};
        const struct entry *entry = params_find(p->params, name);
        if (entry)
            must(params_put(p->params, entry, ARRAY_PARAM, in->data, &err), &err);
        else
            must(plan_put(p->plan, p->in[i], in->data, &err), &err);
    }
    const struct tensor *dout = golden_need(file, golden->name, "dout");
    must(plan_put(p->plan, p->dout, dout->data, &err), &err);
}

static void compare(struct program *p, const struct golden *golden, const struct tensors *file,
                    const struct golden_backend *on)
{
    struct err err;
    for (int i = 0; i < MAX_OUT && p->out[i]; i++) {
        const struct tensor *want = part(file, golden->name, "out", i);
        float *got = malloc(want->bytes);
        must(plan_get(p->plan, p->out[i], got, &err), &err);
        golden_compare(on, golden->name, got, want);
        free(got);
    }
    for (int i = 0; i < MAX_IN && p->in[i]; i++) {
        const struct tensor *want = part(file, golden->name, "grad", i);
        if (!want)
            continue;
        float *got = malloc(want->bytes);
        char name[2] = {(char)('0' + i), 0};
        const struct entry *entry = params_find(p->params, name);
        must(params_get(p->params, entry, ARRAY_GRAD, got, &err), &err);
        golden_compare(on, golden->name, got, want);
        free(got);
    }
}

static void ops(void **state)
{
    const struct golden_backend *backends = *state;
    struct tensors file;
    golden_open(&file, "ops");
    for (int b = 0; b < 2; b++)
        for (int i = 0; i < GOLDENS; i++) {
            struct program p = {0};
            struct plan_options options = {.guard = 64};
            struct err err;
            build(&p, &table[i], &file);
            must(graph_check(p.graph, &err), &err);
            must(params_realise(p.params, backends[b].backend, 0, &err), &err);
            must(plan_make(&p.plan, p.graph, backends[b].backend, &options, &err), &err);
            put_inputs(&p, &table[i], &file);
            must(plan_run(p.plan, &err), &err);
            compare(&p, &table[i], &file, &backends[b]);
            must(plan_guards(p.plan, &err), &err);
            plan_free(p.plan);
            graph_free(p.graph);
            params_free(p.params);
        }
    tensors_close(&file);
}

/* The table uses all that the file holds: a case that only one of them has would test nothing. */
static void table_is_the_file(void **state)
{
    (void)state;
    struct tensors file;
    golden_open(&file, "ops");
    int cases = 0;
    for (size_t i = 0; i < file.count; i++)
        cases += ends_with(file.items[i].name, ":out0");
    assert_int_equal(cases, GOLDENS);
    tensors_close(&file);
}

/* ---- optimisers ----------------------------------------------------------------------------- */
struct optimiser_case {
    const char *name;
    struct update update;
    double momentum, weight_decay;
};
static const struct optimiser_case optimiser_table[] = {
    {"adam", {.kind = OPTIMISER_ADAM}, 0, 0},
    {"adam/clipped", {.kind = OPTIMISER_ADAM, .clip_norm = 3}, 0, 0},
    {"adamw", {.kind = OPTIMISER_ADAMW}, 0, 0.25},
    {"sgd", {.kind = OPTIMISER_SGD}, 0, 0},
    {"sgd/momentum", {.kind = OPTIMISER_SGD}, 0.875, 0.25},
    {"sgd/nesterov", {.kind = OPTIMISER_SGD, .nesterov = true}, 0.875, 0},
};

static void rates_at(float rates[RATES], const struct optimiser_case *c, int step)
{
    double beta1 = 0.875, beta2 = 0.96875, power1 = 1, power2 = 1;
    for (int i = 0; i <= step; i++) {
        power1 *= beta1;
        power2 *= beta2;
    }
    rates[RATE_LR] = 0.0625f;
    rates[RATE_WEIGHT_DECAY] = (float)c->weight_decay;
    rates[RATE_BIAS1] = (float)(1 - power1);
    rates[RATE_BIAS2] = (float)(1 - power2);
    rates[RATE_BETA1] = (float)beta1;
    rates[RATE_BETA2] = (float)beta2;
    rates[RATE_EPS] = 1.0f / (1 << 20);
    rates[RATE_MOMENTUM] = (float)c->momentum;
}

static void optimise(const struct optimiser_case *c, const struct tensors *file,
                     const struct golden_backend *on)
{
    static const char *const groups[] = {"x"};
    const struct tensor *start = golden_need(file, c->name, "start");
    const struct tensor *slopes = golden_need(file, c->name, "slopes");
    const struct tensor *after = golden_need(file, c->name, "after");
    int32_t n = (int32_t)start->dim[0];
    struct shape shape = {1, 1, 1, 1, n};
    struct err err;
    struct params *params = params_new();
    struct graph *g = graph_new(params, MODE_TRAIN, ARRAY_PARAM);
    val p = g_param(g, "x", "p", shape, (struct initial){INIT_ZERO, 0});
    val slope = g_input(g, "slope", F32, shape);
    val loss = g_reduce_sum(g, g_binary(g, OP_mul, p, slope), (struct shape){1, 1, 1, 1, 1});
    graph_backward(g, loss, groups, 1, false);
    struct update update = c->update;
    update.grad_scale = 1;
    graph_update(g, groups, 1, update, loss);
    must(graph_check(g, &err), &err);
    must(params_realise(params, on->backend, 0, &err), &err);
    struct plan *plan;
    must(plan_make(&plan, g, on->backend, &(struct plan_options){0}, &err), &err);
    const struct entry *entry = params_find(params, "p");
    must(params_put(params, entry, ARRAY_PARAM, start->data, &err), &err);
    for (int step = 0; step < after->dim[0]; step++) {
        float rates[RATES], got[64];
        struct tensor want = *after;
        want.dims = 1;
        want.bytes = start->bytes;
        want.data = (const float *)after->data + step * n;
        rates_at(rates, c, step);
        must(plan_put(plan, g_rates(g, entry->group), rates, &err), &err);
        must(plan_put(plan, slope, (const float *)slopes->data + step * n, &err), &err);
        must(plan_run(plan, &err), &err);
        must(params_get(params, entry, ARRAY_PARAM, got, &err), &err);
        golden_compare(on, c->name, got, &want);
    }
    plan_free(plan);
    graph_free(g);
    params_free(params);
}

static void optimisers(void **state)
{
    const struct golden_backend *backends = *state;
    struct tensors file;
    golden_open(&file, "optimisers");
    for (int b = 0; b < 2; b++)
        for (size_t i = 0; i < sizeof optimiser_table / sizeof optimiser_table[0]; i++)
            optimise(&optimiser_table[i], &file, &backends[b]);
    tensors_close(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_the_file),
        cmocka_unit_test(ops),
        cmocka_unit_test(optimisers),
    };
    return cmocka_run_group_tests(tests, golden_setup, golden_teardown);
}
