/*
 * Reverse-mode differentiation as a graph transform: the gradient is appended as ordinary nodes.
 * Only nodes between the groups' parameters and the loss are visited. A parameter's gradient is not
 * copied into the store: its last node's output is given its place there.
 */
#include "engine/graph_parts.h"

#include <stdlib.h>
#include <string.h>

bool g_wants_grad(const struct graph *graph, val x)
{
    return x && x < graph->backward_values && graph->wanted[x];
}

void op_constant(struct graph *graph, const struct node *node, int index)
{
    if (g_wants_grad(graph, node->in[index]))
        op_fail(graph, node, "has no derivative with respect to its input %d", index + 1);
}

val graph_gradient(const struct graph *graph, val x)
{
    return x < graph->backward_values ? graph->gradient[x] : 0;
}

val op_take_gradient(struct graph *graph, const struct node *node, int index)
{
    val x = node->in[index];
    if (!g_wants_grad(graph, x))
        return 0;
    val sum = graph->gradient[x];
    graph->gradient[x] = 0;
    return sum;
}

static bool trained(const struct graph *graph, const struct value *value, const bool *group)
{
    return value->role == PARAM && value->entry >= 0 && value->node < 0 &&
           value->array == graph->weights_from && group[value->group];
}

/* Which values depend on a parameter of these groups. */
static void mark_wanted(struct graph *graph, const bool *group)
{
    free(graph->wanted);
    free(graph->gradient);
    graph->wanted = xcalloc((size_t)graph->values, sizeof *graph->wanted);
    graph->gradient = xcalloc((size_t)graph->values, sizeof *graph->gradient);
    graph->backward_values = graph->values;
    for (val x = 1; x < graph->values; x++)
        graph->wanted[x] = trained(graph, graph->value[x], group);
    for (int32_t i = 0; i < graph->nodes; i++) {
        const struct node *node = graph->node[i];
        bool wanted = false;
        for (int k = 0; k < MAX_IN; k++)
            wanted |= g_wants_grad(graph, node->in[k]);
        for (int k = 0; k < MAX_OUT; k++)
            if (node->out[k])
                graph->wanted[node->out[k]] = wanted;
    }
}

static void add_gradient(struct graph *graph, val x, val more)
{
    val *sum = &graph->gradient[x];
    *sum = *sum ? g_binary(graph, OP_add, *sum, more) : more;
}

static void differentiate(struct graph *graph, const struct node *node)
{
    const struct op_info *info = op_info(node->op);
    val dout[MAX_OUT] = {0}, din[MAX_IN] = {0};
    bool reached = false;
    for (int i = 0; i < info->nout; i++) {
        dout[i] = g_wants_grad(graph, node->out[i]) ? graph->gradient[node->out[i]] : 0;
        reached |= dout[i] != 0;
    }
    if (!reached)
        return;
    if (!info->grad) {
        op_fail(graph, node, "'%s' cannot be differentiated", info->name);
        return;
    }
    graph->gradient_of = node;
    info->grad(graph, node, dout, din);
    for (int i = 0; i < info->nin; i++)
        if (din[i] && g_wants_grad(graph, node->in[i]))
            add_gradient(graph, node->in[i], din[i]);
    graph->gradient_of = NULL;
}

/* The value that owns v's memory: a reshaped value has none of its own. */
static struct value *owner(const struct graph *graph, val v)
{
    struct value *value = graph->value[v];
    while (value->node >= 0) {
        const struct node *node = graph->node[value->node];
        if (!(op_info(node->op)->flags & ALIAS))
            break;
        value = graph->value[node->in[0]];
    }
    return value;
}

/* Lets `v` be written directly to the entry's place in ARRAY_GRAD, if it has memory of its own. */
static bool place(struct graph *graph, val v, int32_t index)
{
    struct value *value = owner(graph, v);
    if (value->role != TEMP)
        return false;
    const struct entry *entry = params_entry(graph->params, index);
    value->role = PARAM;
    value->name = entry->name;
    value->entry = index;
    value->group = entry->group_index;
    value->array = ARRAY_GRAD;
    value->offset = entry->offset;
    return true;
}

static void deliver(struct graph *graph, int32_t index, val v, bool accumulate)
{
    const struct entry *entry = params_entry(graph->params, index);
    if (!v && accumulate)
        return;
    if (!v)
        v = g_fill(graph, entry->shape, 0);
    if (graph->failed || (!accumulate && place(graph, v, index)))
        return;
    g_blend(graph, graph_store_value(graph, index, ARRAY_GRAD), v, accumulate ? 1 : 0, 1, 0);
}

/* The value through which this graph reads an entry; 0 if it does not. */
static val entry_value(const struct graph *graph, int32_t index)
{
    for (val x = 1; x < graph->backward_values; x++)
        if (graph->value[x]->entry == index && graph->value[x]->node < 0 &&
            graph->value[x]->array == graph->weights_from)
            return x;
    return 0;
}

/* group[i]: is group i named? NULL after an error. */
static bool *named_groups(struct graph *graph, const char *const *groups, int count)
{
    bool *group = arena_alloc(&graph->arena, (size_t)params_count(graph->params) + 1);
    for (int i = 0; i < count; i++) {
        int32_t index = params_group(graph->params, groups[i]);
        if (index < 0) {
            graph_fail(graph, "no parameter group '%s'", groups[i]);
            return NULL;
        }
        if (graph_frozen(graph, groups[i])) {
            graph_fail(graph, "group '%s' is frozen but is to be trained", groups[i]);
            return NULL;
        }
        group[index] = true;
        params_ask(graph->params, index, ARRAY_GRAD);
    }
    return group;
}

void graph_backward(struct graph *graph, val loss, const char *const *groups, int count,
                    bool accumulate)
{
    if (graph->failed)
        return;
    bool *group = named_groups(graph, groups, count);
    if (!group)
        return;
    if (shape_count(g_shape(graph, loss)) != 1) {
        graph_fail(graph, "the loss has more than one element");
        return;
    }
    mark_wanted(graph, group);
    int32_t nodes = graph->nodes;
    if (!graph->forward_nodes)
        graph->forward_nodes = nodes;
    if (g_wants_grad(graph, loss))
        graph->gradient[loss] = g_fill(graph, g_shape(graph, loss), 1);
    for (int32_t i = nodes; i-- > 0 && !graph->failed;)
        differentiate(graph, graph->node[i]);
    for (int32_t i = 0; i < params_count(graph->params) && !graph->failed; i++) {
        const struct entry *entry = params_entry(graph->params, i);
        if (entry->state || !group[entry->group_index])
            continue;
        val x = entry_value(graph, i);
        deliver(graph, i, x ? graph->gradient[x] : 0, accumulate);
    }
}
