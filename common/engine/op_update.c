/* Ops that change the parameter store in place. */
#include "engine/op.h"

static int check_target(struct graph *graph, const struct node *node, int index)
{
    enum role role = graph->value[node->in[index]]->role;
    if (role != PARAM && role != STATE)
        return op_fail(graph, node, "input %d is not in the parameter store", index + 1);
    return 0;
}

static int check_number(struct graph *graph, const struct node *node, int index)
{
    return op_optional(graph, node, index, (struct shape){1, 1, 1, 1, 1});
}

static int check_rates(struct graph *graph, const struct node *node, int index)
{
    return op_same(graph, node, index, (struct shape){1, 1, 1, 1, RATES});
}

int op_adam_infer(struct graph *graph, struct node *node)
{
    TRY(op_inputs(graph, node, 4));
    for (int i = 0; i < 4; i++) {
        TRY(op_same(graph, node, i, op_shape(graph, node, 0)));
        TRY(i == 1 ? 0 : check_target(graph, node, i));
    }
    TRY(check_rates(graph, node, 4));
    TRY(check_number(graph, node, 5));
    return check_number(graph, node, 6);
}

int op_sgd_infer(struct graph *graph, struct node *node)
{
    TRY(op_inputs(graph, node, 2));
    struct shape shape = op_shape(graph, node, 0);
    TRY(check_target(graph, node, 0));
    TRY(op_same(graph, node, 1, shape));
    TRY(op_optional(graph, node, 2, shape));
    TRY(node->in[2] ? check_target(graph, node, 2) : 0);
    TRY(check_rates(graph, node, 3));
    TRY(check_number(graph, node, 4));
    return check_number(graph, node, 5);
}

int op_blend_infer(struct graph *graph, struct node *node)
{
    TRY(op_inputs(graph, node, 2));
    TRY(check_target(graph, node, 0));
    TRY(op_same(graph, node, 1, op_shape(graph, node, 0)));
    TRY(check_number(graph, node, 2));
    return check_number(graph, node, 3);
}
