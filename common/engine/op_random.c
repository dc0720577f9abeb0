/* Values without inputs: random (see draw.h) or constant. */
#include "engine/op.h"

static int check_clock(struct graph *graph, const struct node *node, int index)
{
    TRY(op_input(graph, node, index, I32));
    if (shape_count(op_shape(graph, node, index)) != CLOCKS)
        return op_fail(graph, node, "input %d is not the clock", index + 1);
    return 0;
}

int op_normal_infer(struct graph *graph, struct node *node)
{
    TRY(check_clock(graph, node, 0));
    return op_output(graph, node, 0, node->attr.shape, F32);
}

int op_dropout_infer(struct graph *graph, struct node *node)
{
    enum dtype type;
    TRY(op_activation(graph, node, 0, &type));
    TRY(check_clock(graph, node, 1));
    if (!(node->attr.p >= 0 && node->attr.p < 1))
        return op_fail(graph, node, "dropout %g is not in [0, 1)", (double)node->attr.p);
    return op_output(graph, node, 0, op_shape(graph, node, 0), type);
}

/* The same draw again: the key is the forward node's. */
void op_dropout_grad(struct graph *graph, const struct node *node, const val *dout, val *din)
{
    const val in[] = {dout[0], node->in[1]};
    din[0] = g_append(graph, OP_dropout, in, &node->attr, NULL);
}

int op_fill_infer(struct graph *graph, struct node *node)
{
    return op_output(graph, node, 0, node->attr.shape, F32);
}
