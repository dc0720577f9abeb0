/* Classes: softmax, cross entropy over integer labels, embedding. */
#include "engine/op.h"

int op_softmax_infer(struct graph *graph, struct node *node)
{
    TRY(op_inputs(graph, node, 1));
    return op_output(graph, node, 0, op_shape(graph, node, 0), F32);
}

int op_softmax_grad_infer(struct graph *graph, struct node *node)
{
    TRY(op_inputs(graph, node, 2));
    TRY(op_same(graph, node, 1, op_shape(graph, node, 0)));
    return op_output(graph, node, 0, op_shape(graph, node, 0), F32);
}

void op_softmax_grad(struct graph *graph, const struct node *node, const val *dout, val *din)
{
    const val in[] = {dout[0], node->out[0]};
    din[0] = g_append(graph, OP_softmax_grad, in, NULL, NULL);
}

/* Inputs beginning with `first` are logits, label, class weight. */
static int check_classes(struct graph *graph, const struct node *node, int first,
                         struct shape *loss)
{
    TRY(op_input(graph, node, first, F32));
    TRY(op_input(graph, node, first + 1, I32));
    struct shape logits = op_shape(graph, node, first), label = op_shape(graph, node, first + 1);
    *loss = logits;
    loss->c = 1;
    char want[SHAPE_TEXT], have[SHAPE_TEXT];
    if (!shape_equal(label, *loss))
        return op_fail(graph, node, "labels have the shape %s, not %s", shape_text(have, label),
                       shape_text(want, *loss));
    if (!(node->attr.p >= 0 && node->attr.p < 1))
        return op_fail(graph, node, "smoothing %g is not in [0, 1)", (double)node->attr.p);
    return op_optional(graph, node, first + 2, (struct shape){1, 1, 1, 1, logits.c});
}

int op_cross_entropy_infer(struct graph *graph, struct node *node)
{
    struct shape loss;
    TRY(check_classes(graph, node, 0, &loss));
    return op_output(graph, node, 0, loss, F32);
}

int op_cross_entropy_grad_infer(struct graph *graph, struct node *node)
{
    struct shape loss;
    TRY(check_classes(graph, node, 1, &loss));
    TRY(op_same(graph, node, 0, loss));
    return op_output(graph, node, 0, op_shape(graph, node, 1), F32);
}

void op_cross_entropy_grad(struct graph *graph, const struct node *node, const val *dout, val *din)
{
    op_constant(graph, node, 2);
    const val in[] = {dout[0], node->in[0], node->in[1], node->in[2]};
    din[0] = g_append(graph, OP_cross_entropy_grad, in, &node->attr, NULL);
}

static int check_label(struct graph *graph, const struct node *node, struct shape label)
{
    char have[SHAPE_TEXT];
    if (shape_count(label) != label.n)
        return op_fail(graph, node, "labels have the shape %s, not one per case",
                       shape_text(have, label));
    return 0;
}

static int check_table(struct graph *graph, const struct node *node, struct shape table)
{
    char have[SHAPE_TEXT];
    if (shape_count(table) != (int64_t)table.n * table.c)
        return op_fail(graph, node, "a table of the shape %s", shape_text(have, table));
    return 0;
}

int op_embedding_infer(struct graph *graph, struct node *node)
{
    TRY(op_inputs(graph, node, 1));
    TRY(op_input(graph, node, 1, I32));
    struct shape table = op_shape(graph, node, 0), label = op_shape(graph, node, 1);
    TRY(check_label(graph, node, label));
    TRY(check_table(graph, node, table));
    return op_output(graph, node, 0, (struct shape){label.n, 1, 1, 1, table.c}, F32);
}

int op_embedding_grad_infer(struct graph *graph, struct node *node)
{
    TRY(op_inputs(graph, node, 1));
    TRY(op_input(graph, node, 1, I32));
    struct shape label = op_shape(graph, node, 1), table = node->attr.shape;
    TRY(check_label(graph, node, label));
    TRY(check_table(graph, node, table));
    TRY(op_same(graph, node, 0, (struct shape){label.n, 1, 1, 1, table.c}));
    return op_output(graph, node, 0, table, F32);
}

void op_embedding_grad(struct graph *graph, const struct node *node, const val *dout, val *din)
{
    const val in[] = {dout[0], node->in[1]};
    din[0] = g_append(graph, OP_embedding_grad, in,
                      &(struct attr){.shape = op_shape(graph, node, 0)}, NULL);
}

int op_one_hot_infer(struct graph *graph, struct node *node)
{
    TRY(op_input(graph, node, 0, I32));
    struct shape label = op_shape(graph, node, 0), want = node->attr.shape;
    char have[SHAPE_TEXT];
    if (label.c != 1)
        return op_fail(graph, node, "labels have the shape %s, not one per pixel",
                       shape_text(have, label));
    if (want.c < 1 || node->attr.begin < 0 || node->attr.begin > INT32_MAX - want.c)
        return op_fail(graph, node, "%d classes from %d", want.c, node->attr.begin);
    label.c = want.c;
    return op_output(graph, node, 0, label, F32);
}
