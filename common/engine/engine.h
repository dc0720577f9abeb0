/*
 * The engine: a model is a C function that appends nodes to a graph; graph_backward appends the
 * gradient as more nodes; a plan binds the graph to a backend once (order, memory, kernels); then
 * training is: put the batch, run the plan, read the loss.
 *
 * A value is a dense channels-last array [n,d,h,w,c]; an image has d = 1. It is named by a handle
 * (`val`), never by a pointer; 0 is "none". Errors stick to the graph: after the first one every
 * builder returns 0 and does nothing, and graph_check reports the first with its path, so model
 * code has no error handling.
 *
 * Nodes run in the order in which they were appended: one that writes into a parameter is seen by those
 * after it.
 *
 * The engine touches no file and knows no model.
 */
#ifndef CAIRN_ENGINE_ENGINE_H
#define CAIRN_ENGINE_ENGINE_H

#include "base/err.h"
#include "base/memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shape {
    int32_t n, d, h, w, c;
};
enum { AXIS_N, AXIS_D, AXIS_H, AXIS_W, AXIS_C };
int64_t shape_count(struct shape shape);
bool shape_equal(struct shape a, struct shape b);
/* "[2,1,28,28,1]" */
enum { SHAPE_TEXT = 64 };
char *shape_text(char buf[SHAPE_TEXT], struct shape shape);
/* The dims of a parameter in a file: [c], [n,c], [n,h,w,c] or all five, depending on which axes are
 * 1. Returns how many. */
int shape_dims(int64_t dims[5], struct shape shape);

/* BF16 is for storing activations and their gradients: every sum, statistic, parameter and
 * loss is F32. U8 is for pool winners; I32 for labels and the clock. */
enum dtype { F32, BF16, I32, U8 };

typedef int32_t val;

enum act {
#define ACT(id, op, p, cost, library) ACT_##id,
#include "engine/activation.def"
};

/* Convolution and pooling: sizes along d, h, w. Output = (in + pad + pad_end - size)/stride + 1. */
struct window {
    int32_t size[3], stride[3], pad[3], pad_end[3];
};
/* size s (d only if three_d), stride, equal padding on both sides */
struct window window_make(bool three_d, int32_t size, int32_t stride, int32_t pad);

enum { MODE_NEAREST, MODE_LINEAR };

/* A node's attributes; each op's row says which ones it reads. */
struct attr {
    struct window window;
    struct shape shape;
    int32_t axis, begin;
    int32_t
        groups; /* norm: 0 = batch statistics per channel, else groups per case (c = instance) */
    int32_t mode;
    int32_t ignore; /* cross_entropy, one_hot: this label contributes nothing; -1 = none */
    enum act act;
    enum dtype dtype; /* cast: the result's type */
    bool fixed;       /* norm_grad: mean and rstd are given, not computed from x */
    bool per_channel; /* dropout: whole channels of a case */
    bool decoupled;   /* adam: AdamW */
    float p, q, eps;
    uint64_t key; /* random ops: hash of the node's path; a gradient has its forward node's key */
};

/* ---- parameters ---------------------------------------------------------------------------------
 * A named store that several graphs and programs share. Entries belong to groups (frozen or trained
 * together); a group's parameters, gradients, two moments and EMA view are parallel flat arrays
 * on the backend, and state entries (running statistics) are a flat array of their own. Arrays
 * other than PARAM and STATE exist only once a graph has asked for them.
 */
struct params;
enum array { ARRAY_PARAM, ARRAY_GRAD, ARRAY_M, ARRAY_V, ARRAY_EMA, ARRAY_STATE, ARRAYS };

enum init { INIT_ZERO, INIT_ONE, INIT_NORMAL, INIT_UNIFORM };
/* NORMAL: standard deviation `scale`; UNIFORM: in [-scale, scale]. */
struct initial {
    enum init kind;
    float scale;
};

struct entry {
    const char *name;
    const char *group;
    struct shape shape;
    bool state;
    struct initial init;
    int32_t group_index;
    int64_t offset; /* elements into the group's PARAM (GRAD, M, V, EMA) or STATE array */
};

struct params *params_new(void);
void params_free(struct params *params); /* also its memory on the backend */
int32_t params_count(const struct params *params);
const struct entry *params_entry(const struct params *params, int32_t index);
const struct entry *params_find(const struct params *params, const char *name); /* NULL: none */
int64_t params_elements(const struct params *params); /* trainable scalars, all groups */

struct backend;
/* Allocates (once; later calls only what is new) and initialises new entries, each from the stream
 * (seed, name), so that the result does not depend on the order of declaration. Must come after the
 * graph is built and before plan_make. */
int params_realise(struct params *params, struct backend *backend, uint64_t seed, struct err *err);
/* One entry's values, between steps. `which` PARAM, EMA, M, V, GRAD (STATE for state entries). */
int params_get(struct params *params, const struct entry *entry, enum array which, float *out,
               struct err *err);
int params_put(struct params *params, const struct entry *entry, enum array which, const float *in,
               struct err *err);
bool params_has(const struct params *params, int32_t group, enum array which);

/* ---- graph ---------------------------------------------------------------------------------- */
struct graph;
enum mode { MODE_TRAIN, MODE_EVALUATE };

/* weights_from: ARRAY_PARAM, or ARRAY_EMA to read the averaged weights (evaluation). */
struct graph *graph_new(struct params *params, enum mode mode, enum array weights_from);
void graph_free(struct graph *graph);
enum mode graph_mode(const struct graph *graph);
/* The type that models cast their activations to (g_cast); F32 unless set. */
void graph_set_precision(struct graph *graph, enum dtype precision);
enum dtype graph_precision(const struct graph *graph);
/* Chooses, among several ways to the same gradient, those that suit this backend; call before
 * graph_backward. */
void graph_suit(struct graph *graph, const struct backend *backend);
/* Nested names: "vae", then "encoder" gives "vae.encoder". Parameters are named by them. */
void graph_push(struct graph *graph, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void graph_pop(struct graph *graph);
int graph_check(const struct graph *graph, struct err *err);
/* The last value that a node at this path or below it makes; 0: there is none. "encoder.0.norm1" is what
 * that layer gives, "encoder.0" what the last one of the level does. */
val graph_find(const struct graph *graph, const char *path);
/* Paths directly above the nodes that make maps, for messages: each once, joined by ", ". */
const char *graph_layers(struct graph *graph);
/* The group is read but not changed: no gradient, no update (requesting one is an error), its state
 * entries stay, and its layers behave as in evaluation. Call before its first parameter. */
void graph_freeze(struct graph *graph, const char *group);
bool graph_frozen(const struct graph *graph, const char *group);
/* Until graph_return, every parameter belongs to this one group, whichever it names, and its name begins
 * with the group's: for a model inside another's graph, such as a network that judges images for a loss.
 * Freezing the group then freezes the whole model. */
void graph_borrow(struct graph *graph, const char *group);
void graph_return(struct graph *graph);
/* Evaluation in which layers with running statistics normalise by the batch's own, and store those as the
 * running ones. */
void graph_measure(struct graph *graph);
bool graph_measures(const struct graph *graph);
/* For builders above the engine: a wrong use of a model, with the current path. Returns 0. */
val graph_fail(struct graph *graph, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct shape g_shape(const struct graph *graph, val x); /* zeros after an error */

val g_input(struct graph *graph, const char *name, enum dtype dtype, struct shape shape);
/* Keeps x for the host to read; returns x. */
val g_output(struct graph *graph, const char *name, val x);
/* Makes x, one F32 number, a result, which plan_fetch brings with the others; returns the handle for
 * plan_result. */
val g_result(struct graph *graph, const char *name, val x);
/* "PATH.name"; the same name again returns the same entry (its shape must agree). Group: which
 * program trains it. */
val g_param(struct graph *graph, const char *group, const char *name, struct shape shape,
            struct initial init);
val g_state(struct graph *graph, const char *group, const char *name, struct shape shape,
            struct initial init);
/* The whole flat array of a group, shape [1,1,1,1,count]: all entries declared so far, each padded
 * with zeros to 16 elements; 0 if the group has no elements. */
val g_flat(struct graph *graph, const char *group, enum array which);
/* Device-side scalars: one clock per graph, and rates for each group it updates. */
val g_clock(struct graph *graph);
val g_rates(struct graph *graph, const char *group);

/* The store's guard: one number, 0 at first, that all its graphs share and that no file keeps. Once a
 * watched number is not finite the guard is NaN for good, and what it guards no longer changes: whatever
 * is updated by an update that is given it, and the state entries that g_blend writes in training. */
val g_guard(struct graph *graph);
/* Watches x, one number: the guard acts on what follows in the graph, and on all that runs later. */
void graph_watch(struct graph *graph, val x);

/* enum index into the I32 clock [1,1,1,1,CLOCKS]: what random ops are counted by. Element e of case
 * i of this batch draws element (first + i) * elements per case + e. */
enum clock { CLOCK_STEP, CLOCK_FIRST, CLOCK_SEED_LOW, CLOCK_SEED_HIGH, CLOCKS };
/* bias corrections are 1 - beta^t of the update count t, computed by the host in double */
enum rate {
    RATE_LR,
    RATE_WEIGHT_DECAY,
    RATE_BIAS1,
    RATE_BIAS2,
    RATE_BETA1,
    RATE_BETA2,
    RATE_EPS,
    RATE_MOMENTUM,
    RATE_EMA, /* decay of the averaged weights */
    RATES
};

/* ---- ops: one builder each ------------------------------------------------------------------ */
/* x [n,..,ci], w [co,kd,kh,kw,ci], bias 0 or [1,1,1,1,co] */
val g_conv(struct graph *g, val x, val w, val bias, struct window window, enum act act);
/* Transposed convolution: x [n,..,co], w [co,kd,kh,kw,ci] -> out [n,..,ci], whose d, h, w are given
 * because a stride leaves them ambiguous. bias 0 or [1,1,1,1,ci]. */
val g_conv_transposed(struct graph *g, val x, val w, val bias, struct window window,
                      struct shape out, enum act act);
/* Statistics of x (attr groups), then gamma, beta, act. mean and rstd (may be NULL) receive handles
 * of the statistics, for running averages; the biased variance is 1 / rstd^2 - eps. */
val g_norm(struct graph *g, val x, val gamma, val beta, int32_t groups, float eps, enum act act,
           val *mean, val *rstd);
/* The same with given statistics, [1,1,1,1,c] (batch norm in evaluation, or frozen). */
val g_norm_fixed(struct graph *g, val x, val gamma, val beta, val mean, val rstd, enum act act);
val g_max_pool(struct graph *g, val x, struct window window);
val g_avg_pool(struct graph *g, val x, struct window window);
val g_upsample(struct graph *g, val x, const int32_t factor[3], int32_t mode);
/* Gaussian-weighted means over windows of `length` (odd, up to GAUSSIAN_MOST) along d, h and w, wherever
 * a window lies inside; along a shorter axis the largest odd length that fits is taken. F32; sigma in
 * elements. */
enum { GAUSSIAN_MOST = 63 };
val g_gaussian(struct graph *g, val x, int32_t length, float sigma);
val g_concat(struct graph *g, val a, val b, int32_t axis);
val g_slice(struct graph *g, val x, int32_t axis, int32_t begin, int32_t count);
val g_reshape(struct graph *g, val x, struct shape shape);
val g_reduce_sum(struct graph *g, val x, struct shape shape);
val g_broadcast(struct graph *g, val x, struct shape shape);
val g_sum_squares(struct graph *g, val x);
val g_softmax(struct graph *g, val x);
val g_cross_entropy(struct graph *g, val logits, val label, val class_weight, int32_t ignore,
                    float smoothing);
val g_embedding(struct graph *g, val table, val label);
/* label [n,d,h,w,1] -> [n,d,h,w,count]: 1 in channel label - first, else 0; labels before first and
 * ignore give all zeros, any other is NaN as in cross_entropy */
val g_one_hot(struct graph *g, val label, int32_t first, int32_t count, int32_t ignore);
val g_normal(struct graph *g, struct shape shape);
val g_dropout(struct graph *g, val x, float p, bool per_channel); /* x itself in MODE_EVALUATE */
val g_cast(struct graph *g, val x, enum dtype dtype); /* F32 or BF16; x itself if it is */
val g_fill(struct graph *g, struct shape shape, float value);
val g_act(struct graph *g, val x, enum act act);
val g_affine(struct graph *g, val x, float scale, float shift);
val g_clamp(struct graph *g, val x, float low, float high);
/* dst = keep * dst + add * src, unless there is a guard and it is not finite. guard 0: the store's for a
 * state entry in training, else none. Does nothing if dst belongs to a frozen group. */
val g_blend(struct graph *g, val dst, val src, float keep, float add, val guard);
/* pointwise by name: g_unary(g, OP_exp_, x); g_binary(g, OP_mul, a, b), axes of size 1 repeat;
 * g_loss(g, OP_bce, x, target) -> [n,1,1,1,1] */
enum op {
    OP_none,
#define OP(name, nin, nout, flags, help) OP_##name,
#include "engine/ops.def"
    OPS
};
val g_unary(struct graph *g, enum op op, val x);
val g_binary(struct graph *g, enum op op, val a, val b);
val g_loss(struct graph *g, enum op op, val x, val target);

/* ---- gradient and update -------------------------------------------------------------------- */
/* Appends d loss / d p for every parameter of the named groups that loss depends on, each written
 * to its place in ARRAY_GRAD; the other parameters get zeros. loss has one element. accumulate:
 * adds to ARRAY_GRAD instead of overwriting it. Groups not named are constants. */
void graph_backward(struct graph *graph, val loss, const char *const *groups, int count,
                    bool accumulate);
/* d loss / d x after graph_backward, for a value between the groups' parameters and the loss
 * (inclusive); 0 for any other. */
val graph_gradient(const struct graph *graph, val x);

/* Gradient checkpointing, after graph_backward: normalised, concatenated and pointwise values are
 * not kept for the gradient but recomputed when needed. Less memory, a little more time, the same
 * bits. */
void graph_recompute(struct graph *graph);

enum optimiser { OPTIMISER_ADAM, OPTIMISER_ADAMW, OPTIMISER_SGD };
struct update {
    enum optimiser kind;
    bool nesterov;
    float clip_norm;  /* 0: no clipping; the norm is over all named groups together */
    bool ema;         /* also update averaged weights */
    float grad_scale; /* 1 / number of accumulated batches */
};
/* Appends the update of the groups, which reads ARRAY_GRAD and each group's rates (g_rates). guard:
 * one number without which, if it is not finite, nothing is updated (usually g_guard); 0: none. Returns
 * the gradient's norm before clipping (one number), or 0 if it is not computed. */
val graph_update(struct graph *graph, const char *const *groups, int count, struct update update,
                 val guard);

/* ---- plan ----------------------------------------------------------------------------------- */
struct plan;
struct plan_options {
    struct meter *meter; /* also counts the plan's bytes, besides the backend's; may be NULL */
    size_t guard;      /* tests: bytes of sentinel around every value, which then shares its memory
                          with no other; checked by plan_guards */
    bool measure_only; /* compute the size without scratch, make no kernel, allocate nothing */
};
/* The plan keeps no reference to the graph, which may be freed; the parameter store and the backend
 * must outlive it. If the store grows, the plan follows by itself. */
int plan_make(struct plan **out, const struct graph *graph, struct backend *backend,
              const struct plan_options *options, struct err *err);
void plan_free(struct plan *plan);
/* Whole values, host side F32, I32 or U8 as declared. Small ones (a step's scalars, its labels) are
 * collected and go to the device together, with the run. After the first run none of these functions
 * allocates. */
int plan_put(struct plan *plan, val input, const void *host, struct err *err);
int plan_run(struct plan *plan, struct err *err);
int plan_get(struct plan *plan, val output, void *host, struct err *err);
/* Starts to copy all results (g_result) of the last run into host: plan_results numbers, in memory that
 * the backend lends. They are complete once plan_await of the mark has returned; what runs meanwhile does
 * not change them, but host and plan must not be freed before. The marks of a backend's plans are
 * awaited in order; a later one implies the earlier ones. */
int64_t plan_results(const struct plan *plan);
int plan_fetch(struct plan *plan, float *host, uint64_t *mark, struct err *err);
int plan_await(const struct plan *plan, uint64_t mark, struct err *err);
float plan_result(const struct plan *plan, const float *host, val result);

size_t plan_bytes(const struct plan *plan);         /* the one allocation: values and scratch */
double plan_multiply_adds(const struct plan *plan); /* of the convolutions, one run */
/* Reruns the nodes one by one and names the first whose output is not finite: "path (op)";
 * text stays valid as long as the plan. NULL: all finite. */
const char *plan_find_nonfinite(struct plan *plan, struct err *err);
int plan_guards(struct plan *plan, struct err *err);
const char *op_name(enum op op);

/* ---- backends ------------------------------------------------------------------------------- */
extern const char
    *const backend_devices[]; /* ends with NULL; the first, auto, is the best one available */
struct backend_spec {
    int device;           /* index of the above */
    int threads;          /* 0: all available */
    enum dtype precision; /* BF16: refused if the device does not support it */
};
/* Called once, only by a program that is going to compute. */
int backend_open(struct backend **out, const struct backend_spec *spec, struct meter *meter,
                 struct err *err);
void backend_close(struct backend *backend);
/* Lends host memory that the device copies from fastest, on the backend's meter. */
struct allocator backend_host_memory(struct backend *backend);
/* As if opened with this many threads; call before using the backend. */
int backend_use_threads(struct backend *backend, int threads, struct err *err);
/* Device class, ISA, library versions, threads: everything results may depend on. */
const char *backend_numerics(const struct backend *backend);
int backend_threads(const struct backend *backend);

#endif
