/*
 * Inside the engine: the parts of a graph, and helper functions for the infer and grad functions of
 * the ops. Nodes and values live in the graph's arena and never move.
 */
#ifndef CAIRN_ENGINE_GRAPH_PARTS_H
#define CAIRN_ENGINE_GRAPH_PARTS_H

#include "engine/backend.h"

/* How often a base path was used, so that every node has a path (and a random key) of its own. */
struct path_use {
    uint64_t key;
    int32_t count;
};

enum { MAX_DEPTH = 32, MAX_GROUPS = 16 };

struct graph {
    struct arena arena;
    struct params *params;
    enum mode mode;
    enum array weights_from;
    enum dtype precision;
    struct prefers prefers;
    struct node **node;
    struct value **value; /* value[0] is "none" */
    int32_t nodes, values;
    int32_t forward_nodes;       /* before the first gradient */
    const char *path[MAX_DEPTH]; /* path[depth - 1] is the current one */
    int32_t depth;
    struct path_use *used;
    int32_t uses;
    const struct node *gradient_of; /* while its gradient is appended */
    val clock, guard;
    struct {
        const char *group;
        val value;
    } rates[MAX_GROUPS];
    int rates_count;
    const char *frozen[MAX_GROUPS];
    int frozen_count;
    const char *borrowed; /* the group that all parameters belong to; NULL: the one each names */
    bool measures;
    bool *wanted;  /* by value: depends on a parameter to be trained; set by graph_backward */
    val *gradient; /* by value */
    int32_t backward_values; /* length of both */
    bool failed;
    struct err err;
};

val graph_add_value(struct graph *graph, struct value value);
/* The value of a store entry in one of its arrays; a new handle each time. */
val graph_store_value(struct graph *graph, int32_t entry, enum array which);

/* ---- for op_*.c ----------------------------------------------------------------------------- */
/* Sets the sticky error "path: ..."; returns -1. */
int op_fail(struct graph *graph, const struct node *node, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The first `count` inputs must be present and F32. */
int op_inputs(struct graph *graph, const struct node *node, int count);
/* Input `index` must be present and an activation: F32 or BF16, stored in *type. */
int op_activation(struct graph *graph, const struct node *node, int index, enum dtype *type);
int op_input(struct graph *graph, const struct node *node, int index, enum dtype dtype);
/* Input `index` must be absent, or F32 of this shape. */
int op_optional(struct graph *graph, const struct node *node, int index, struct shape shape);
int op_same(struct graph *graph, const struct node *node, int index, struct shape shape);
/* Input `index`, whose type has been checked, must have this shape. */
int op_shaped(struct graph *graph, const struct node *node, int index, struct shape shape);
/* Input `index` must have the type and shape of input `other`, which has been checked. */
int op_alike(struct graph *graph, const struct node *node, int index, int other);
/* Declares output `index`; a shape with an axis below 1 or with too many elements is an error. */
int op_output(struct graph *graph, struct node *node, int index, struct shape shape,
              enum dtype dtype);
struct shape op_shape(const struct graph *graph, const struct node *node, int index);
/* For grad: an error if input `index`, for which there is no rule, depends on a trained
 * parameter. */
void op_constant(struct graph *graph, const struct node *node, int index);
/* For grad: the gradient that has reached input `index` so far, 0 if none; din[index] must include
 * it. */
val op_take_gradient(struct graph *graph, const struct node *node, int index);
/* Sizes, strides and padding must make sense; if `proper` the padding must be less than the
 * window. */
int op_window(struct graph *graph, const struct node *node, bool proper);
/* The output of a window over `in`, with `channels`; d, h or w is 0 if the window does not fit. */
struct shape window_output(const struct window *window, struct shape in, int32_t channels);

enum op op_of_act(enum act act);
/* Does its derivative depend only on the result? Then it can be fused into the op before it. */
bool op_act_fuses(enum act act);
/* Of an op on values of these shapes, inputs first; 0 for ops without PRODUCTS. */
double op_multiply_adds(enum op op, const struct shape *shape);

/* Sums v over the axes where shape has 1; v itself if the shapes agree. */
val g_reduce_to(struct graph *graph, val v, struct shape shape);

static inline int32_t *shape_axis(struct shape *shape, int32_t axis)
{
    int32_t *const at[] = {&shape->n, &shape->d, &shape->h, &shape->w, &shape->c};
    return at[axis];
}

/* ---- params --------------------------------------------------------------------------------- */
/* Declares or finds an entry; -1 with err set if it disagrees with an earlier declaration. */
int32_t params_declare(struct params *params, const char *group, const char *name,
                       struct shape shape, bool state, struct initial init, struct err *err);
int32_t params_group(const struct params *params, const char *name); /* -1: none */
/* Elements of a group's flat array as declared so far, padding included. */
int64_t params_group_count(const struct params *params, int32_t group, enum array which);
/* In place of a group's index: the store's guard. */
enum { GROUP_OF_GUARD = -1 };
/* Makes params_realise allocate this array of the group, or the guard. */
void params_ask(struct params *params, int32_t group, enum array which);
/* Device address, NULL if not realised that far; `count` elements from offset must exist. */
void *params_address(const struct params *params, const struct backend *backend, int32_t group,
                     enum array which, int64_t offset, int64_t count);
/* Changes whenever an address may have changed. */
uint64_t params_generation(const struct params *params);

#endif
