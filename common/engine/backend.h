/*
 * What a backend is: one table of functions for memory and control, and one kernel maker per op.
 * Only the engine and its tests include this.
 *
 * A kernel has three moments: the maker sees the shapes and prepares (slow: choose an algorithm,
 * compile, report scratch bytes); run executes (fast, pointers only, allocates nothing); free.
 * Nothing here is particular to a processor or a library; step-dependent scalars are values in
 * device memory, never kernel arguments, so that a whole run can be recorded and replayed.
 */
#ifndef CAIRN_ENGINE_BACKEND_H
#define CAIRN_ENGINE_BACKEND_H

#include "engine/engine.h"

enum { MAX_IN = 7, MAX_OUT = 3 };

/* See ops.def. */
enum { INPLACE = 1, ALIAS = 2, EFFECT = 4, RANDOM = 8, HALF = 16, CHEAP = 32 };
#define PRODUCTS(filter, output) ((filter) << 8 | (output) << 12)

struct node {
    enum op op;
    val in[MAX_IN];
    val out[MAX_OUT];
    struct attr attr;
    const char *path;
};

/* TEMP lives from its producer to its last reader; INPUT and OUTPUT for the whole run; the others
 * live in the parameter store. */
enum role { TEMP, INPUT, OUTPUT, PARAM, STATE };

struct value {
    struct shape shape;
    enum dtype dtype;
    enum role role;
    int32_t node; /* producer, -1 if none */
    const char *name;
    /* PARAM and STATE: where it lives. A gradient that its producer writes directly into the store
     * is a PARAM with a producer. entry is -1 for a group's whole array. */
    int32_t entry, group;
    enum array array;
    int64_t offset; /* elements */
};

struct op_info {
    const char *name;
    uint8_t nin, nout;
    uint16_t flags;
    const char *help;
    int (*infer)(struct graph *graph, struct node *node);
    /* dout[i] is 0 if nobody needs output i; sets din[i] (0 = none). Asks g_wants_grad before
     * appending nodes for an input. NULL: cannot be differentiated. */
    void (*grad)(struct graph *graph, const struct node *node, const val *dout, val *din);
};
const struct op_info *op_info(enum op op);

/* The input of a kernel maker. in/out_used: false for an absent value (0, or an output that nobody
 * reads): its arg is NULL at run time. */
struct kernel_desc {
    enum op op;
    const struct attr *attr;
    struct shape in[MAX_IN], out[MAX_OUT];
    enum dtype in_type[MAX_IN], out_type[MAX_OUT];
    bool in_used[MAX_IN], out_used[MAX_OUT];
    struct backend *backend;
};

/* arg: the op's inputs, then its outputs. scratch: as many bytes as the maker asked for,
 * 64-aligned, shared by all kernels of a plan. */
struct kernel {
    int (*run)(const struct kernel *kernel, void *const *arg, void *scratch, struct err *err);
    void (*free)(struct kernel *kernel); /* NULL if free(state) is enough */
    void *state;                         /* from malloc, or NULL */
    size_t scratch;
};
typedef int kernel_maker(struct kernel *out, const struct kernel_desc *desc, struct err *err);

struct backend_calls {
    void (*close)(struct backend *backend);
    int (*use_threads)(struct backend *backend, int threads, struct err *err);
    int (*alloc)(struct backend *backend, void **out, size_t bytes, struct err *err);
    void (*free)(struct backend *backend, void *block, size_t bytes);
    /* Host memory that the device copies from fastest, for filling batches. 64-byte aligned and
     * counted; out of memory is an error. */
    int (*alloc_host)(struct backend *backend, void **out, size_t bytes, struct err *err);
    void (*free_host)(struct backend *backend, void *block, size_t bytes);
    /* host <-> device, count elements of dtype; the host side is float, int32_t or uint8_t. The
     * host may change its side as soon as put returns; get returns with the data complete. */
    int (*put)(struct backend *backend, void *device, const void *host, int64_t count,
               enum dtype dtype, struct err *err);
    int (*get)(struct backend *backend, void *host, const void *device, int64_t count,
               enum dtype dtype, struct err *err);
    /* A get that does not wait: it begins when everything started before it has ended, and what is
     * started later neither delays nor changes it. F32, into memory of alloc_host; complete once
     * await() of its mark, or of a later one, has returned. Neither side may be freed before that. */
    int (*fetch)(struct backend *backend, uint64_t *mark, float *host, const void *device,
                 int64_t count, struct err *err);
    int (*await)(struct backend *backend, uint64_t mark, struct err *err);
    /* count elements of the host as the device has them, to be put as bytes (U8) */
    void (*encode)(void *out, const void *host, int64_t count, enum dtype dtype);
    int (*fill)(struct backend *backend, void *device, int byte, size_t bytes, struct err *err);
    int (*sync)(struct backend *backend, struct err *err);
    size_t (*size_of)(enum dtype dtype); /* the oracle keeps F32 as double */
    /* Both NULL if unsupported: capture what run() launches once, then replay it. */
    int (*record)(struct backend *backend, void **recording,
                  int (*body)(void *user, struct err *err), void *user, struct err *err);
    int (*replay)(struct backend *backend, void *recording, struct err *err);
    void (*forget)(struct backend *backend, void *recording); /* frees it; NULL is fine */
};

/* Which of several ways to the same gradient is faster with this backend's kernels. */
struct prefers {
    /* Compute a filter's gradient separately for each part of concatenated channels: fewer channels
     * at a time, and the concatenated array need not be kept (or recomputed). */
    bool filter_parts;
    /* Add the other gradients of a pooled value in the pass of the pool's gradient. */
    bool pool_sums;
    /* Up to this many multiply-adds per element of the result a convolution is bound by memory, and
     * cheap to recompute. */
    double few_products;
};

struct backend {
    const struct backend_calls *calls;
    struct prefers prefers;
    kernel_maker *const *make; /* OPS entries, indexed by enum op */
    /* The same for HALF ops with a BF16 activation; NULL: unsupported by the device. */
    kernel_maker *const *make_half;
    const char *name;     /* "cpu", "cuda", "reference" */
    const char *numerics; /* backend, device class, ISA, library versions, threads */
    int threads;
    struct meter *meter;
};

/* Fails if the precision, F32 or BF16, is unsupported. */
int backend_does(const struct backend *backend, enum dtype precision, struct err *err);
/* CAIRN_ISA=v2|v3|v4 in the environment limits the instruction set, ours and the library's, to that
 * level of x86-64; v4 is AVX-512 without later extensions (VNNI, BF16, AMX). */
int cpu_open(struct backend **out, int threads, struct meter *meter, struct err *err);

/* Introspection for derivatives, plans and tests. */
int32_t graph_nodes(const struct graph *graph);
const struct node *graph_node(const struct graph *graph, int32_t index);
int32_t graph_values(const struct graph *graph); /* handles are 1 .. graph_values */
const struct value *graph_value(const struct graph *graph, val x);
bool g_wants_grad(const struct graph *graph, val x);
/* The generic builder behind all g_* functions: infers, appends, returns output 0; out (may be
 * NULL) receives all outputs. A random op without a key gets its path's key. */
val g_append(struct graph *graph, enum op op, const val *in, const struct attr *attr, val *out);
/* Device address of a planned or stored value, for tests. */
void *plan_address(struct plan *plan, val x);

#endif
