/*
 * Gradient checkpointing as a graph transform: values that take little more than a pass over memory
 * to compute from kept ones (the results of large convolutions) are not kept for the gradient, but
 * recomputed where it first reads them (Chen et al. 2016, "Training Deep Nets with Sublinear Memory
 * Cost"; cheap nodes are known here, so no cuts have to be chosen). The same ops on the same
 * numbers give the same bits.
 */
#include "engine/graph_parts.h"

#include <stdlib.h>
#include <string.h>

struct recomputing {
    struct graph *graph;
    int32_t forward; /* nodes of the old order before the gradient's */
    struct node **node;
    int32_t nodes;
    val *again; /* by value of the old graph: its copy, or 0 */
};

/* Is it bound by memory, and read by gradients? */
static bool is_cheap(const struct graph *graph, const struct node *node)
{
    const struct op_info *info = op_info(node->op);
    struct shape shape[MAX_IN + MAX_OUT];
    for (int i = 0; i < info->nin + info->nout; i++)
        shape[i] = graph->value[i < info->nin ? node->in[i] : node->out[i - info->nin]]->shape;
    return info->flags & CHEAP &&
           op_multiply_adds(node->op, shape) <=
               graph->prefers.few_products * (double)shape_count(shape[info->nin]);
}

/* The forward node that makes v if it is to be recomputed; NULL if v is kept. Values read by the
 * host are kept anyway, and a running statistic has changed by then (parameters have not: they are
 * updated after the gradient). */
static const struct node *maker_of(const struct recomputing *r, val v)
{
    const struct graph *graph = r->graph;
    const struct value *value = graph->value[v];
    if (value->role != TEMP || value->node < 0 || value->node >= r->forward)
        return NULL;
    const struct node *node = graph->node[value->node];
    for (int i = 0; i < MAX_IN; i++)
        if (graph->value[node->in[i]]->role == STATE)
            return NULL;
    return is_cheap(graph, node) && node->out[0] == v ? node : NULL;
}

static void add_node(struct recomputing *r, struct node *node)
{
    for (int i = 0; i < MAX_OUT; i++)
        if (node->out[i])
            r->graph->value[node->out[i]]->node = r->nodes;
    *ARRAY_ADD(r->node, r->nodes) = node;
}

/* v, or its recomputed copy. */
static val made_again(struct recomputing *r, val v)
{
    const struct node *maker = maker_of(r, v);
    if (!maker)
        return v;
    if (r->again[v])
        return r->again[v];
    struct node *copy = arena_alloc(&r->graph->arena, sizeof *copy);
    *copy = *maker;
    for (int i = 0; i < MAX_IN; i++)
        copy->in[i] = made_again(r, maker->in[i]);
    if (maker->op == OP_norm && !maker->in[3] && !maker->attr.groups) {
        copy->in[3] = maker->out[1]; /* the statistics are kept: one pass less */
        copy->in[4] = maker->out[2];
    }
    for (int i = 0; i < MAX_OUT; i++)
        if (maker->out[i])
            copy->out[i] = graph_add_value(r->graph, *r->graph->value[maker->out[i]]);
    add_node(r, copy);
    return r->again[v] = copy->out[0];
}

void graph_recompute(struct graph *graph)
{
    if (graph->failed)
        return;
    struct recomputing r = {.graph = graph, .forward = graph->forward_nodes};
    int32_t values = graph->values;
    r.again = xcalloc((size_t)values, sizeof *r.again);
    for (int32_t i = 0; i < r.forward; i++)
        add_node(&r, graph->node[i]);
    for (int32_t i = r.forward; i < graph->nodes; i++) {
        struct node *node = graph->node[i];
        for (int k = 0; k < MAX_IN; k++)
            node->in[k] = made_again(&r, node->in[k]);
        add_node(&r, node);
    }
    free(r.again);
    free(graph->node);
    graph->node = r.node;
    graph->nodes = r.nodes;
}
