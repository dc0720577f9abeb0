/*
 * A step's own convolutions alone, which no step can be faster than: each forward, by data and by
 * filter, timed by itself, warm, on made numbers, with the library at its best. Ways:
 *   any      the library chooses the layout of everything; nothing is reordered
 *   plain    activations channels-last, weights as the library likes them
 *   product  windows of one position and stride 1: a matrix product, channels-last
 * A call's best is the fastest of them, in the precision asked for (filter gradients are always F32).
 */
#include "bench/model.h"

#include "base/progress.h"

#include <oneapi/dnnl/dnnl.h>

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { FORWARD, BY_DATA, BY_FILTER, KINDS };
enum way { ANY, PLAIN, PRODUCT, WAYS };
static const char *const part_names[KINDS] = {"forward", "by_data", "by_filter"};

/* The direct convolution's x [n,..,ci] by w [co,k,k,k,ci] to y. `kind` is what the library computes,
 * `part` what it is in the step: a transposed convolution's forward pass is computed by data. */
struct call {
    enum kind kind, part;
    struct shape x, w, y;
    struct window window;
    int count; /* in a step */
    double seconds[WAYS];
};
enum { MAX_CALLS = 512 };
struct calls {
    int count;
    struct call items[MAX_CALLS];
};

/* ---- which ---------------------------------------------------------------------------------- */
static bool same_call(const struct call *a, const struct call *b)
{
    return a->kind == b->kind && a->part == b->part && shape_equal(a->x, b->x) &&
           shape_equal(a->w, b->w) && shape_equal(a->y, b->y) &&
           !memcmp(&a->window, &b->window, sizeof a->window);
}

static void add_call(struct calls *calls, struct call call)
{
    int i = 0;
    while (i < calls->count && !same_call(&calls->items[i], &call))
        i++;
    if (i == MAX_CALLS)
        bug("more than %d convolutions", MAX_CALLS);
    if (i == calls->count)
        calls->items[calls->count++] = call;
    calls->items[i].count++;
}

static void collect(struct calls *out, const struct plan *plan)
{
    for (int32_t i = 0; i < plan->steps; i++) {
        const struct step *step = &plan->step[i];
        struct shape s[4];
        for (int k = 0; k < 4; k++)
            s[k] = k < step->args ? plan->value[step->value[k]].value.shape : (struct shape){0};
        struct call call = {.window = step->attr.window};
        if (step->op == OP_conv)
            call.kind = FORWARD, call.x = s[0], call.w = s[1], call.y = s[3];
        else if (step->op == OP_conv_data)
            call.kind = BY_DATA, call.x = s[3], call.w = s[1], call.y = s[0];
        else if (step->op == OP_conv_filter)
            call.kind = BY_FILTER, call.x = s[0], call.w = s[2], call.y = s[1];
        else
            continue;
        call.part = call.kind == BY_FILTER        ? BY_FILTER
                    : strstr(step->path, ".grad") ? BY_DATA
                                                  : FORWARD;
        add_call(out, call);
    }
}

/* ---- the library ---------------------------------------------------------------------------- */
struct lab {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_data_type_t type;
    double seconds; /* how long each is measured */
};

enum { MAX_ARGS = 5 };
struct job {
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t primitive;
    int args;
    dnnl_exec_arg_t arg[MAX_ARGS];
};

/* The library is given nothing that it could refuse but a way it does not know, which is skipped. */
static void must(dnnl_status_t status, const char *what)
{
    if (status != dnnl_success)
        bug("onednn: %s: %d", what, (int)status);
}

static dnnl_memory_desc_t image_md(struct shape s, bool three, dnnl_data_type_t type, bool any)
{
    dnnl_memory_desc_t md;
    dnnl_dims_t dims5 = {s.n, s.c, s.d, s.h, s.w}, dims4 = {s.n, s.c, s.h, s.w};
    dnnl_format_tag_t tag = any ? dnnl_format_tag_any : three ? dnnl_ndhwc : dnnl_nhwc;
    must(dnnl_memory_desc_init_by_tag(&md, three ? 5 : 4, three ? dims5 : dims4, type, tag),
         "image");
    return md;
}

static dnnl_memory_desc_t weights_md(struct shape s, bool three, dnnl_data_type_t type)
{
    dnnl_memory_desc_t md;
    dnnl_dims_t dims5 = {s.n, s.c, s.d, s.h, s.w}, dims4 = {s.n, s.c, s.h, s.w};
    must(dnnl_memory_desc_init_by_tag(&md, three ? 5 : 4, three ? dims5 : dims4, type,
                                      dnnl_format_tag_any),
         "weights");
    return md;
}

/* NULL: the library does not know this. */
static dnnl_primitive_desc_t describe(const struct lab *lab, const void *desc,
                                      dnnl_primitive_desc_t hint)
{
    dnnl_primitive_attr_t attr;
    dnnl_primitive_desc_t pd = NULL;
    must(dnnl_primitive_attr_create(&attr), "attributes");
    must(dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user), "scratchpad");
    if (dnnl_primitive_desc_create(&pd, desc, attr, lab->engine, hint) != dnnl_success)
        pd = NULL;
    must(dnnl_primitive_attr_destroy(attr), "attributes");
    return pd;
}

static dnnl_primitive_desc_t describe_convolution(const struct lab *lab, const struct call *call,
                                                  bool any)
{
    const struct window *k = &call->window;
    bool three = call->x.d > 1 || call->y.d > 1 || call->w.d > 1;
    int skip = three ? 0 : 1;
    dnnl_dims_t stride, pad, pad_end;
    for (int i = skip; i < 3; i++)
        stride[i - skip] = k->stride[i], pad[i - skip] = k->pad[i],
                   pad_end[i - skip] = k->pad_end[i];
    dnnl_memory_desc_t x = image_md(call->x, three, lab->type, any);
    dnnl_memory_desc_t y = image_md(call->y, three, lab->type, any);
    dnnl_memory_desc_t w = weights_md(call->w, three, lab->type);
    dnnl_memory_desc_t dw = weights_md(call->w, three, dnnl_f32);
    dnnl_convolution_desc_t forward, gradient;
    must(dnnl_convolution_forward_desc_init(&forward, dnnl_forward_training,
                                            dnnl_convolution_direct, &x, &w, NULL, &y, stride, pad,
                                            pad_end),
         "forward");
    dnnl_primitive_desc_t hint = describe(lab, &forward, NULL), pd;
    if (call->kind == FORWARD || !hint)
        return hint;
    if (call->kind == BY_DATA)
        must(dnnl_convolution_backward_data_desc_init(&gradient, dnnl_convolution_direct, &x, &w,
                                                      &y, stride, pad, pad_end),
             "by data");
    else
        must(dnnl_convolution_backward_weights_desc_init(&gradient, dnnl_convolution_direct, &x,
                                                         &dw, NULL, &y, stride, pad, pad_end),
             "by filter");
    pd = describe(lab, &gradient, hint);
    dnnl_primitive_desc_destroy(hint);
    return pd;
}

static dnnl_memory_desc_t matrix_md(int64_t rows, int64_t columns, bool transposed,
                                    dnnl_data_type_t type)
{
    dnnl_memory_desc_t md;
    dnnl_dims_t dims = {rows, columns};
    dnnl_dims_t strides = {transposed ? 1 : columns, transposed ? rows : 1};
    must(dnnl_memory_desc_init_by_strides(&md, 2, dims, type, strides), "matrix");
    return md;
}

static dnnl_primitive_desc_t describe_product(const struct lab *lab, const struct call *call)
{
    int64_t rows = (int64_t)call->x.n * call->x.d * call->x.h * call->x.w;
    int64_t ci = call->x.c, co = call->y.c;
    dnnl_data_type_t t = lab->type;
    dnnl_memory_desc_t a, b, c;
    if (call->kind == FORWARD)
        a = matrix_md(rows, ci, false, t), b = matrix_md(ci, co, true, t),
        c = matrix_md(rows, co, false, t);
    else if (call->kind == BY_DATA)
        a = matrix_md(rows, co, false, t), b = matrix_md(co, ci, false, t),
        c = matrix_md(rows, ci, false, t);
    else
        a = matrix_md(co, rows, true, t), b = matrix_md(rows, ci, false, t),
        c = matrix_md(co, ci, false, dnnl_f32);
    dnnl_matmul_desc_t product;
    must(dnnl_matmul_desc_init(&product, &a, &b, NULL, &c), "product");
    return describe(lab, &product, NULL);
}

static bool is_product(const struct window *k)
{
    for (int i = 0; i < 3; i++)
        if (k->size[i] != 1 || k->stride[i] != 1 || k->pad[i] || k->pad_end[i])
            return false;
    return true;
}

/* ---- how long ------------------------------------------------------------------------------- */
static void add_argument(struct job *job, const struct lab *lab, int name, dnnl_query_t what,
                         int index)
{
    const dnnl_memory_desc_t *md = dnnl_primitive_desc_query_md(job->pd, what, index);
    dnnl_exec_arg_t *arg = &job->arg[job->args];
    void *data;
    if (!md || !dnnl_memory_desc_get_size(md))
        return;
    arg->arg = name;
    must(dnnl_memory_create(&arg->memory, md, lab->engine, DNNL_MEMORY_ALLOCATE), "memory");
    must(dnnl_memory_get_data_handle(arg->memory, &data), "memory");
    memset(data, 0x3c, dnnl_memory_desc_get_size(md)); /* 0.0115 in either type */
    job->args++;
}

static void add_arguments(struct job *job, const struct lab *lab, enum kind kind, enum way way)
{
    bool forward = kind == FORWARD || way == PRODUCT;
    if (forward || kind == BY_FILTER)
        add_argument(job, lab, DNNL_ARG_SRC, dnnl_query_src_md, 0);
    if (forward || kind == BY_DATA)
        add_argument(job, lab, DNNL_ARG_WEIGHTS, dnnl_query_weights_md, 0);
    if (forward)
        add_argument(job, lab, DNNL_ARG_DST, dnnl_query_dst_md, 0);
    else
        add_argument(job, lab, DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, 0);
    if (!forward && kind == BY_DATA)
        add_argument(job, lab, DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md, 0);
    if (!forward && kind == BY_FILTER)
        add_argument(job, lab, DNNL_ARG_DIFF_WEIGHTS, dnnl_query_diff_weights_md, 0);
    add_argument(job, lab, DNNL_ARG_SCRATCHPAD, dnnl_query_scratchpad_md, 0);
}

static double execute(const struct job *job, const struct lab *lab)
{
    double begin = clock_seconds();
    must(dnnl_primitive_execute(job->primitive, lab->stream, job->args, job->arg), "execute");
    must(dnnl_stream_wait(lab->stream), "wait");
    return clock_seconds() - begin;
}

/* The median; 0 for a way that is not to be had. */
static double time_way(const struct lab *lab, const struct call *call, enum way way)
{
    enum { LEAST = 3, MOST = 1000 };
    double seconds[MOST], begin;
    int count = 0;
    struct job job = {.pd = way == PRODUCT ? describe_product(lab, call)
                                           : describe_convolution(lab, call, way == ANY)};
    if (!job.pd)
        return 0;
    must(dnnl_primitive_create(&job.primitive, job.pd), "create");
    add_arguments(&job, lab, call->kind, way);
    execute(&job, lab);
    begin = clock_seconds();
    while (count < LEAST || (count < MOST && clock_seconds() - begin < lab->seconds))
        seconds[count++] = execute(&job, lab);
    for (int i = 0; i < job.args; i++)
        dnnl_memory_destroy(job.arg[i].memory);
    dnnl_primitive_destroy(job.primitive);
    dnnl_primitive_desc_destroy(job.pd);
    return bench_median(seconds, count);
}

static void time_calls(struct calls *calls, enum dtype precision, double seconds)
{
    struct lab lab = {.type = precision == BF16 ? dnnl_bf16 : dnnl_f32, .seconds = seconds};
    must(dnnl_engine_create(&lab.engine, dnnl_cpu, 0), "engine");
    must(dnnl_stream_create(&lab.stream, lab.engine, dnnl_stream_default_flags), "stream");
    for (int i = 0; i < calls->count; i++) {
        struct call *call = &calls->items[i];
        for (enum way way = 0; way < WAYS; way++)
            if (way != PRODUCT || is_product(&call->window))
                call->seconds[way] = time_way(&lab, call, way);
    }
    dnnl_stream_destroy(lab.stream);
    dnnl_engine_destroy(lab.engine);
}

/* ---- what comes out ------------------------------------------------------------------------- */
static double best_of(const struct call *call, bool any)
{
    double best = 0;
    for (enum way way = any ? ANY : PLAIN; way < WAYS; way++)
        if (call->seconds[way] > 0 && (!(best > 0) || call->seconds[way] < best))
            best = call->seconds[way];
    return best;
}

static void report(const struct calls *calls)
{
    double best[KINDS] = {0}, plain = 0, any = 0;
    int count = 0;
    for (int i = 0; i < calls->count; i++) {
        const struct call *call = &calls->items[i];
        best[call->part] += call->count * best_of(call, true);
        plain += call->count * best_of(call, false);
        any += call->count * call->seconds[ANY];
        count += call->count;
    }
    printf("calls,%d\n", count);
    for (int part = 0; part < KINDS; part++)
        printf("own_%s,%.6f\n", part_names[part], best[part]);
    printf("own,%.6f\nown_any,%.6f\nown_plain,%.6f\n",
           best[FORWARD] + best[BY_DATA] + best[BY_FILTER], any, plain);
}

int main(int argc, char **argv)
{
    struct bench_options options = bench_parse(argc, argv);
    struct calls *calls = xcalloc(1, sizeof *calls);
    struct bench bench;
    struct err err;
    int threads = 0, rc = bench_open(&bench, &options, &err);
    if (!rc) {
        collect(calls, bench.programs.row[0].first.plan);
        threads = backend_threads(bench.backend);
    }
    bench_close(&bench);
    if (rc) {
        fprintf(stderr, "%s: %s\n", argv[0], err.text);
        free(calls);
        return (int)err.status;
    }
    omp_set_dynamic(0);
    omp_set_num_threads(threads);
    time_calls(calls, options.precision, options.seconds / calls->count / 2);
    report(calls);
    free(calls);
    return 0;
}
