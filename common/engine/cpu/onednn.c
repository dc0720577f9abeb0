/*
 * Products and convolutions by oneDNN (2.x C interface), as far as it has code that may be used.
 *
 * A kernel is one to three primitives: reorder the weights to what the convolution wants, convolve,
 * reorder the weights' gradient back. Their memory objects are made once; at run time only
 * addresses are set, and only when they changed. A 1x1x1 convolution with stride 1 and no padding
 * is a matrix product of [rows, channels], on plain matrices: oneDNN then runs within 10 % of the
 * processor's peak and needs no reorder.
 */
#include "engine/cpu/cpu_parts.h"

#include <oneapi/dnnl/dnnl.h>

#include <errno.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct library {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    int threads;
};

/* Where a memory object lies: argument `arg` of the kernel, or the scratch from `offset` on. */
enum { IN_SCRATCH = -1, MAX_MEMORY = 8, MAX_PRIMITIVE = 3, MAX_USE = 6 };

struct place {
    dnnl_memory_t memory;
    void *at;
    int arg;
    size_t offset;
};

struct work {
    struct library *library;
    struct place place[MAX_MEMORY];
    struct {
        dnnl_primitive_t primitive;
        dnnl_exec_arg_t use[MAX_USE];
        int uses;
    } step[MAX_PRIMITIVE];
    int places, steps;
    dnnl_primitive_desc_t pd; /* described, not yet a step */
    bool unfit;               /* no implementation may be used */
    size_t scratch;
};

static int check(dnnl_status_t status, const char *what, struct err *err)
{
    if (status == dnnl_success)
        return 0;
    static const char *const text[] = {"success",       "out of memory", "invalid arguments",
                                       "unimplemented", "iterator ends", "runtime error",
                                       "not required"};
    size_t count = sizeof text / sizeof *text;
    return fail(err, "onednn: %s: %s", what, (size_t)status < count ? text[status] : "error");
}

/* Of a call that fails only where we are wrong. */
static void sure(dnnl_status_t status, const char *what)
{
    if (status != dnnl_success)
        bug("onednn: %s: %d", what, (int)status);
}

/* Every entry into the library: it asks OpenMP how many threads there are. */
static void enter(const struct library *library)
{
    omp_set_dynamic(0);
    omp_set_num_threads(library->threads);
}

/* ---- the library ---------------------------------------------------------------------------- */

/* The library takes this once, before it first looks at the processor; a second backend of the
 * process finds it done. */
static int cap_library(const char *level, struct err *err)
{
    static const struct {
        const char *level;
        dnnl_cpu_isa_t isa;
    } caps[] = {
        {"v2", dnnl_cpu_isa_sse41}, {"v3", dnnl_cpu_isa_avx2}, {"v4", dnnl_cpu_isa_avx512_core}};
    for (size_t i = 0; level && i < sizeof caps / sizeof *caps; i++)
        if (!strcmp(level, caps[i].level)) {
            dnnl_status_t status = dnnl_set_max_cpu_isa(caps[i].isa);
            if (dnnl_get_effective_cpu_isa() & ~(unsigned)caps[i].isa)
                return check(status, "instruction set", err);
        }
    return 0;
}

int library_open(struct library **out, const char *cap, struct err *err)
{
    TRY(cap_library(cap, err));
    struct library *library = xcalloc(1, sizeof *library);
    if (check(dnnl_engine_create(&library->engine, dnnl_cpu, 0), "engine", err) ||
        check(dnnl_stream_create(&library->stream, library->engine, dnnl_stream_default_flags),
              "stream", err)) {
        library_close(library);
        return -1;
    }
    *out = library;
    return 0;
}

void library_use_threads(struct library *library, int threads)
{
    library->threads = threads;
}

void library_close(struct library *library)
{
    if (library->stream)
        dnnl_stream_destroy(library->stream);
    if (library->engine)
        dnnl_engine_destroy(library->engine);
    free(library);
}

bool library_halves(void)
{
    return (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core;
}

void library_text(char *text, size_t size)
{
    static const struct {
        dnnl_cpu_isa_t isa;
        const char *name;
    } names[] = {
        {dnnl_cpu_isa_sse41, "sse41"},
        {dnnl_cpu_isa_avx, "avx"},
        {dnnl_cpu_isa_avx2, "avx2"},
        {dnnl_cpu_isa_avx512_mic, "avx512_mic"},
        {dnnl_cpu_isa_avx512_mic_4ops, "avx512_mic_4ops"},
        {dnnl_cpu_isa_avx512_core, "avx512_core"},
        {dnnl_cpu_isa_avx512_core_vnni, "avx512_core_vnni"},
        {dnnl_cpu_isa_avx512_core_bf16, "avx512_core_bf16"},
        {dnnl_cpu_isa_avx512_core_amx, "avx512_core_amx"},
        {dnnl_cpu_isa_avx2_vnni, "avx2_vnni"},
    };
    const char *name = "any";
    dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].isa == isa)
            name = names[i].name;
    const dnnl_version_t *version = dnnl_version();
    snprintf(text, size, "%s oneDNN %d.%d.%d", name, version->major, version->minor,
             version->patch);
}

/* ---- work: primitives over places ----------------------------------------------------------- */

static void work_free(struct kernel *kernel)
{
    struct work *work = kernel->state;
    for (int i = 0; i < work->steps; i++)
        dnnl_primitive_destroy(work->step[i].primitive);
    for (int i = 0; i < work->places; i++)
        dnnl_memory_destroy(work->place[i].memory);
    if (work->pd)
        dnnl_primitive_desc_destroy(work->pd);
    free(work);
}

static int work_run(const struct kernel *kernel, void *const *arg, void *scratch, struct err *err)
{
    struct work *work = kernel->state;
    enter(work->library);
    for (int i = 0; i < work->places; i++) {
        struct place *place = &work->place[i];
        void *at = place->arg == IN_SCRATCH ? (char *)scratch + place->offset : arg[place->arg];
        if (at != place->at)
            TRY(check(dnnl_memory_set_data_handle(place->memory, at), "address", err));
        place->at = at;
    }
    for (int i = 0; i < work->steps; i++)
        TRY(check(dnnl_primitive_execute(work->step[i].primitive, work->library->stream,
                                         work->step[i].uses, work->step[i].use),
                  "execute", err));
    return check(dnnl_stream_wait(work->library->stream), "wait", err);
}

static struct work *work_new(struct kernel *out, struct backend *backend)
{
    struct work *work = xcalloc(1, sizeof *work);
    work->library = ((struct cpu *)backend)->library;
    enter(work->library);
    *out = (struct kernel){.run = work_run, .free = work_free, .state = work};
    return work;
}

/* A memory object at an argument, or (IN_SCRATCH) at the end of the scratch. */
static int add_place(dnnl_memory_t *out, struct work *work, const dnnl_memory_desc_t *md, int arg,
                     struct err *err)
{
    if (work->places == MAX_MEMORY)
        bug("too many memory objects");
    struct place *place = &work->place[work->places];
    TRY(check(dnnl_memory_create(&place->memory, md, work->library->engine, DNNL_MEMORY_NONE),
              "memory", err));
    place->arg = arg;
    if (arg == IN_SCRATCH) {
        place->offset = work->scratch;
        work->scratch += (dnnl_memory_desc_get_size(md) + 63) / 64 * 64;
    }
    work->places++;
    *out = place->memory;
    return 0;
}

static void add_use(struct work *work, int step, int name, dnnl_memory_t memory)
{
    if (work->step[step].uses == MAX_USE)
        bug("too many uses");
    work->step[step].use[work->step[step].uses++] = (dnnl_exec_arg_t){name, memory};
}

/* What the library says about work->pd. */
static const dnnl_memory_desc_t *asked(const struct work *work, dnnl_query_t what)
{
    const dnnl_memory_desc_t *md = dnnl_primitive_desc_query_md(work->pd, what, 0);
    if (!md)
        bug("onednn: no answer to query %d", (int)what);
    return md;
}

/* Makes a step of work->pd. */
static int add_step(struct work *work, struct err *err)
{
    dnnl_memory_t scratch;
    int step = work->steps;
    TRY(check(dnnl_primitive_create(&work->step[step].primitive, work->pd), "create", err));
    work->steps++;
    const dnnl_memory_desc_t *md = asked(work, dnnl_query_scratchpad_md);
    if (dnnl_memory_desc_get_size(md) > 0) {
        TRY(add_place(&scratch, work, md, IN_SCRATCH, err));
        add_use(work, step, DNNL_ARG_SCRATCHPAD, scratch);
    }
    dnnl_primitive_desc_destroy(work->pd);
    work->pd = NULL;
    return 0;
}

/* User scratchpad, and the activation as a post-op. */
static int make_attr(dnnl_primitive_attr_t *out, enum act act, struct err *err)
{
    static const struct {
        dnnl_alg_kind_t kind;
        float alpha;
    } post[] = {
#define dnnl_eltwise_none             dnnl_alg_kind_undef
#define ACT(id, op, p, cost, library) [ACT_##id] = {dnnl_eltwise_##library, (float)(p)},
#include "engine/activation.def"
    };
    TRY(check(dnnl_primitive_attr_create(out), "attributes", err));
    sure(dnnl_primitive_attr_set_scratchpad_mode(*out, dnnl_scratchpad_mode_user), "scratchpad");
    if (act == ACT_NONE)
        return 0;
    dnnl_post_ops_t ops;
    int failed = check(dnnl_post_ops_create(&ops), "post-op", err);
    if (!failed) {
        failed = check(dnnl_post_ops_append_eltwise(ops, 1, post[act].kind, post[act].alpha, 0),
                       "post-op", err) ||
                 check(dnnl_primitive_attr_set_post_ops(*out, ops), "post-op", err);
        dnnl_post_ops_destroy(ops);
    }
    if (failed)
        dnnl_primitive_attr_destroy(*out);
    return failed ? -1 : 0;
}

static int add_reorder(struct work *work, dnnl_memory_t from, dnnl_memory_t to, struct err *err)
{
    const dnnl_memory_desc_t *from_md, *to_md;
    dnnl_primitive_attr_t attr;
    dnnl_engine_t engine = work->library->engine;
    TRY(check(dnnl_memory_get_memory_desc(from, &from_md), "reorder", err));
    TRY(check(dnnl_memory_get_memory_desc(to, &to_md), "reorder", err));
    TRY(make_attr(&attr, ACT_NONE, err));
    int failed =
        check(dnnl_reorder_primitive_desc_create(&work->pd, from_md, engine, to_md, engine, attr),
              "reorder", err);
    dnnl_primitive_attr_destroy(attr);
    int step = work->steps;
    if (failed || add_step(work, err))
        return -1;
    add_use(work, step, DNNL_ARG_FROM, from);
    add_use(work, step, DNNL_ARG_TO, to);
    return 0;
}

/* The library's own product ("gemm:jit", and the convolutions made of it, "x64:gemm:jit") allocates
 * a workspace in every call and puts its stack pointer there; references are slow. */
static bool may_be_used(const_dnnl_primitive_desc_t pd)
{
    const char *name = NULL;
    sure(dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name), "name");
    return !strstr(name, "gemm:") && !strstr(name, "ref:");
}

/* work->pd = the first implementation that may be used; fails with work->unfit if there is none.
 * desc: an operation descriptor of the library. */
static int make_pd(struct work *work, const void *desc, enum act act, dnnl_primitive_desc_t hint,
                   struct err *err)
{
    dnnl_primitive_attr_t attr;
    dnnl_primitive_desc_iterator_t each;
    TRY(make_attr(&attr, act, err));
    dnnl_status_t status =
        dnnl_primitive_desc_iterator_create(&each, desc, attr, work->library->engine, hint);
    dnnl_primitive_attr_destroy(attr);
    work->unfit = status == dnnl_unimplemented;
    TRY(check(status, "implementations", err));
    while (status == dnnl_success && !work->pd) {
        dnnl_primitive_desc_t pd = dnnl_primitive_desc_iterator_fetch(each);
        if (!pd)
            status = dnnl_out_of_memory;
        else if (may_be_used(pd))
            work->pd = pd;
        else {
            dnnl_primitive_desc_destroy(pd);
            status = dnnl_primitive_desc_iterator_next(each);
        }
    }
    dnnl_primitive_desc_iterator_destroy(each);
    work->unfit = status == dnnl_iterator_ends;
    return check(status, "implementation", err);
}

/* The last step uses what lies at argument `arg` under this name. */
static int add_use_at(struct work *work, int name, const dnnl_memory_desc_t *md, int arg,
                      struct err *err)
{
    dnnl_memory_t memory;
    TRY(add_place(&memory, work, md, arg, err));
    add_use(work, work->steps - 1, name, memory);
    return 0;
}

/* ---- matrix products ------------------------------------------------------------------------ */

static dnnl_data_type_t type_of(enum dtype type)
{
    return type == BF16 ? dnnl_bf16 : dnnl_f32;
}

static dnnl_memory_desc_t matrix_md(struct matrix matrix)
{
    dnnl_memory_desc_t md;
    dnnl_dims_t dims = {matrix.rows, matrix.columns};
    dnnl_dims_t strides = {matrix.transposed ? 1 : matrix.columns,
                           matrix.transposed ? matrix.rows : 1};
    sure(dnnl_memory_desc_init_by_strides(&md, 2, dims, type_of(matrix.type), strides), "matrix");
    return md;
}

/* A factor at argument `arg`, as the product wants it: as it is, or rounded first. */
static int add_factor(dnnl_memory_t *out, struct work *work, struct matrix matrix, bool half,
                      int arg, struct err *err)
{
    dnnl_memory_desc_t given = matrix_md(matrix), wanted;
    dnnl_memory_t from;
    TRY(add_place(&from, work, &given, arg, err));
    *out = from;
    if (!half || matrix.type == BF16)
        return 0;
    matrix.type = BF16;
    wanted = matrix_md(matrix);
    TRY(add_place(out, work, &wanted, IN_SCRATCH, err));
    return add_reorder(work, from, *out, err);
}

/* c = act(a b + bias); at: the arguments of a, b, c and the bias (-1: none). */
static int make_product(struct work *work, const struct matrix abc[3], const int at[4],
                        enum act act, struct err *err)
{
    bool half = abc[0].type == BF16 || abc[1].type == BF16;
    struct matrix left = abc[0], right = abc[1];
    dnnl_memory_t factor[2];
    TRY(add_factor(&factor[0], work, left, half, at[0], err));
    TRY(add_factor(&factor[1], work, right, half, at[1], err));
    left.type = right.type = half ? BF16 : F32;
    dnnl_memory_desc_t a = matrix_md(left), b = matrix_md(right), c = matrix_md(abc[2]);
    dnnl_memory_desc_t bias = matrix_md((struct matrix){.rows = 1, .columns = abc[2].columns});
    bool biased = at[3] >= 0;
    dnnl_matmul_desc_t product;
    TRY(check(dnnl_matmul_desc_init(&product, &a, &b, biased ? &bias : NULL, &c), "product", err));
    TRY(make_pd(work, &product, act, NULL, err));
    TRY(add_step(work, err));
    add_use(work, work->steps - 1, DNNL_ARG_SRC, factor[0]);
    add_use(work, work->steps - 1, DNNL_ARG_WEIGHTS, factor[1]);
    TRY(add_use_at(work, DNNL_ARG_DST, &c, at[2], err));
    return biased ? add_use_at(work, DNNL_ARG_BIAS, &bias, at[3], err) : 0;
}

/* ---- convolutions --------------------------------------------------------------------------- */

/* A convolution from x [n,..,ci] to y [n,..,co], whichever of the three is asked for. Two spatial
 * axes where depth plays no part: the library has more and better code for that. */
struct geometry {
    int axes;
    dnnl_memory_desc_t x, y, w, w_any, bias;
    dnnl_dims_t strides, pad, pad_end;
};

static dnnl_memory_desc_t image_md(struct shape shape, int axes, dnnl_data_type_t type)
{
    dnnl_memory_desc_t md;
    dnnl_dims_t volume = {shape.n, shape.c, shape.d, shape.h, shape.w};
    dnnl_dims_t image = {shape.n, shape.c, shape.h, shape.w};
    if (axes == 3)
        sure(dnnl_memory_desc_init_by_tag(&md, 5, volume, type, dnnl_ndhwc), "image");
    else
        sure(dnnl_memory_desc_init_by_tag(&md, 4, image, type, dnnl_nhwc), "image");
    return md;
}

/* type: of x and y; the weights that the library wants are of that, and those that are given, like
 * a gradient of them, F32. */
static struct geometry geometry_of(struct shape x, struct shape w, struct shape y,
                                   const struct window *window, enum dtype type)
{
    bool flat = x.d == 1 && y.d == 1 && w.d == 1 && !window->pad[0] && !window->pad_end[0];
    struct geometry out = {.axes = flat ? 2 : 3};
    int skip = 3 - out.axes;
    out.x = image_md(x, out.axes, type_of(type));
    out.y = image_md(y, out.axes, type_of(type));
    dnnl_dims_t volume = {w.n, w.c, w.d, w.h, w.w}, image = {w.n, w.c, w.h, w.w};
    dnnl_dim_t *dims = flat ? image : volume;
    sure(dnnl_memory_desc_init_by_tag(&out.w, out.axes + 2, dims, dnnl_f32,
                                      flat ? dnnl_acdb : dnnl_acdeb),
         "weights");
    sure(dnnl_memory_desc_init_by_tag(&out.w_any, out.axes + 2, dims, type_of(type),
                                      dnnl_format_tag_any),
         "weights");
    dnnl_dims_t channels = {w.n};
    sure(dnnl_memory_desc_init_by_tag(&out.bias, 1, channels, dnnl_f32, dnnl_a), "bias");
    for (int i = skip; i < 3; i++) {
        out.strides[i - skip] = window->stride[i];
        out.pad[i - skip] = window->pad[i];
        out.pad_end[i - skip] = window->pad_end[i];
    }
    return out;
}

static int forward_desc(dnnl_convolution_desc_t *out, const struct geometry *geometry, bool bias,
                        struct err *err)
{
    return check(dnnl_convolution_forward_desc_init(
                     out, dnnl_forward_training, dnnl_convolution_direct, &geometry->x,
                     &geometry->w_any, bias ? &geometry->bias : NULL, &geometry->y,
                     geometry->strides, geometry->pad, geometry->pad_end),
                 "convolution", err);
}

/* Describes one of the gradients, for which the library wants to see the convolution. */
static int gradient_pd(struct work *work, const struct geometry *geometry,
                       const dnnl_convolution_desc_t *conv, struct err *err)
{
    dnnl_convolution_desc_t forward;
    dnnl_primitive_desc_t hint;
    TRY(forward_desc(&forward, geometry, false, err));
    dnnl_status_t status =
        dnnl_primitive_desc_create(&hint, &forward, NULL, work->library->engine, NULL);
    work->unfit = status == dnnl_unimplemented;
    TRY(check(status, "convolution", err));
    int failed = make_pd(work, conv, ACT_NONE, hint, err);
    dnnl_primitive_desc_destroy(hint);
    return failed;
}

/* Weights at argument `arg`, in the format that the primitive wants: as they are, or reordered
 * first. */
static int add_weights(dnnl_memory_t *out, struct work *work, const struct geometry *geometry,
                       int arg, struct err *err)
{
    dnnl_memory_desc_t wanted = *asked(work, dnnl_query_weights_md);
    dnnl_primitive_desc_t pd = work->pd;
    dnnl_memory_t plain;
    TRY(add_place(&plain, work, &geometry->w, arg, err));
    *out = plain;
    if (dnnl_memory_desc_equal(&wanted, &geometry->w))
        return 0;
    TRY(add_place(out, work, &wanted, IN_SCRATCH, err));
    work->pd = NULL;
    int failed = add_reorder(work, plain, *out, err);
    if (work->pd)
        dnnl_primitive_desc_destroy(work->pd);
    work->pd = pd;
    return failed;
}

static int make_conv(struct work *work, const struct kernel_desc *desc, struct err *err)
{
    struct geometry geometry =
        geometry_of(desc->in[0], desc->in[1], desc->out[0], &desc->attr->window, desc->in_type[0]);
    dnnl_convolution_desc_t conv;
    dnnl_memory_t weights;
    TRY(forward_desc(&conv, &geometry, desc->in_used[2], err));
    TRY(make_pd(work, &conv, desc->attr->act, NULL, err));
    TRY(add_weights(&weights, work, &geometry, 1, err));
    TRY(add_step(work, err));
    add_use(work, work->steps - 1, DNNL_ARG_WEIGHTS, weights);
    TRY(add_use_at(work, DNNL_ARG_SRC, &geometry.x, 0, err));
    TRY(add_use_at(work, DNNL_ARG_DST, &geometry.y, 3, err));
    if (desc->in_used[2])
        TRY(add_use_at(work, DNNL_ARG_BIAS, &geometry.bias, 2, err));
    return 0;
}

static int make_conv_data(struct work *work, const struct kernel_desc *desc, struct err *err)
{
    struct geometry geometry =
        geometry_of(desc->out[0], desc->in[1], desc->in[0], &desc->attr->window, desc->in_type[0]);
    dnnl_convolution_desc_t conv;
    dnnl_memory_t weights;
    TRY(check(dnnl_convolution_backward_data_desc_init(
                  &conv, dnnl_convolution_direct, &geometry.x, &geometry.w_any, &geometry.y,
                  geometry.strides, geometry.pad, geometry.pad_end),
              "data gradient", err));
    TRY(gradient_pd(work, &geometry, &conv, err));
    TRY(add_weights(&weights, work, &geometry, 1, err));
    TRY(add_step(work, err));
    add_use(work, work->steps - 1, DNNL_ARG_WEIGHTS, weights);
    TRY(add_use_at(work, DNNL_ARG_DIFF_DST, &geometry.y, 0, err));
    return add_use_at(work, DNNL_ARG_DIFF_SRC, &geometry.x, 3, err);
}

static int make_conv_filter(struct work *work, const struct kernel_desc *desc, struct err *err)
{
    struct geometry geometry =
        geometry_of(desc->in[0], desc->out[0], desc->in[1], &desc->attr->window, desc->in_type[0]);
    dnnl_convolution_desc_t conv;
    dnnl_memory_t given, plain;
    dnnl_memory_desc_t any = geometry.w_any;
    any.data_type = dnnl_f32;
    TRY(check(dnnl_convolution_backward_weights_desc_init(
                  &conv, dnnl_convolution_direct, &geometry.x, &any, NULL, &geometry.y,
                  geometry.strides, geometry.pad, geometry.pad_end),
              "filter gradient", err));
    TRY(gradient_pd(work, &geometry, &conv, err));
    dnnl_memory_desc_t md = *asked(work, dnnl_query_diff_weights_md);
    bool same = dnnl_memory_desc_equal(&md, &geometry.w);
    TRY(add_step(work, err));
    TRY(add_use_at(work, DNNL_ARG_SRC, &geometry.x, 0, err));
    TRY(add_use_at(work, DNNL_ARG_DIFF_DST, &geometry.y, 1, err));
    TRY(add_place(&given, work, &md, same ? 2 : IN_SCRATCH, err));
    add_use(work, work->steps - 1, DNNL_ARG_DIFF_WEIGHTS, given);
    if (same)
        return 0;
    TRY(add_place(&plain, work, &geometry.w, 2, err));
    return add_reorder(work, given, plain, err);
}

/* ---- the makers ----------------------------------------------------------------------------- */

bool library_is_product(const struct window *window)
{
    for (int i = 0; i < 3; i++)
        if (window->size[i] != 1 || window->stride[i] != 1 || window->pad[i] || window->pad_end[i])
            return false;
    return true;
}

static int made(struct kernel *kernel, int failed)
{
    struct work *work = kernel->state;
    bool unfit = work->unfit;
    kernel->scratch = work->scratch;
    if (failed) {
        work_free(kernel);
        *kernel = (struct kernel){0};
    }
    return failed && !unfit ? -1 : 0;
}

/* Where the library gets no memory for the code that it generates, it writes that to address 0. So
 * room for it, which is some hundred kilobytes, is looked for first. */
static int find_room(struct err *err)
{
    enum { ROOM = 16 << 20 };
    void *room = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        return fail(err, "onednn: no memory for code: %s", strerror(errno));
    munmap(room, ROOM);
    return 0;
}

int library_product(struct kernel *out, struct backend *backend, struct matrix a, struct matrix b,
                    struct matrix c, struct err *err)
{
    TRY(find_room(err));
    struct work *work = work_new(out, backend);
    const struct matrix abc[3] = {a, b, c};
    return made(out, make_product(work, abc, (const int[]){0, 1, 2, -1}, ACT_NONE, err));
}

int library_conv(struct kernel *out, const struct kernel_desc *desc, struct err *err)
{
    TRY(find_room(err));
    struct work *work = work_new(out, desc->backend);
    struct shape x = desc->in[0], w = desc->in[1], y = desc->out[0];
    if (!library_is_product(&desc->attr->window))
        return made(out, make_conv(work, desc, err));
    enum dtype type = desc->in_type[0];
    const struct matrix abc[3] = {
        {rows_of(x), x.c, false, type}, {w.c, w.n, true, F32}, {rows_of(y), y.c, false, type}};
    const int at[4] = {0, 1, 3, desc->in_used[2] ? 2 : -1};
    return made(out, make_product(work, abc, at, desc->attr->act, err));
}

int library_conv_data(struct kernel *out, const struct kernel_desc *desc, struct err *err)
{
    TRY(find_room(err));
    struct work *work = work_new(out, desc->backend);
    struct shape dy = desc->in[0], w = desc->in[1], dx = desc->out[0];
    if (!library_is_product(&desc->attr->window))
        return made(out, make_conv_data(work, desc, err));
    enum dtype type = desc->in_type[0];
    const struct matrix abc[3] = {
        {rows_of(dy), dy.c, false, type}, {w.n, w.c, false, F32}, {rows_of(dx), dx.c, false, type}};
    const int at[4] = {0, 1, 3, desc->in_used[2] ? 2 : -1};
    return made(out, make_product(work, abc, at, desc->attr->act, err));
}

int library_conv_filter(struct kernel *out, const struct kernel_desc *desc, struct err *err)
{
    TRY(find_room(err));
    struct work *work = work_new(out, desc->backend);
    struct shape x = desc->in[0], dy = desc->in[1], dw = desc->out[0];
    if (!library_is_product(&desc->attr->window))
        return made(out, make_conv_filter(work, desc, err));
    enum dtype type = desc->in_type[0];
    const struct matrix abc[3] = {
        {dy.c, rows_of(dy), true, type}, {rows_of(x), x.c, false, type}, {dw.n, dw.c, false, F32}};
    return made(out, make_product(work, abc, (const int[]){1, 0, 2, -1}, ACT_NONE, err));
}
