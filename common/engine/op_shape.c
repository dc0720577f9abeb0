/* Concatenating, slicing, reshaping, broadcasting and summing. */
#include "engine/op.h"

static int check_axis(struct graph *graph, const struct node *node)
{
    int32_t axis = node->attr.axis;
    return axis < AXIS_N || axis > AXIS_C ? op_fail(graph, node, "no axis %d", axis) : 0;
}

int op_concat_infer(struct graph *graph, struct node *node)
{
    enum dtype type;
    TRY(op_activation(graph, node, 0, &type));
    TRY(op_input(graph, node, 1, type));
    TRY(check_axis(graph, node));
    struct shape a = op_shape(graph, node, 0), b = op_shape(graph, node, 1);
    struct shape joined = a, other = b;
    int32_t *size = shape_axis(&joined, node->attr.axis);
    int32_t *more = shape_axis(&other, node->attr.axis);
    char left[SHAPE_TEXT], right[SHAPE_TEXT];
    int32_t total;
    bool overflow = __builtin_add_overflow(*size, *more, &total);
    *more = *size;
    if (overflow || !shape_equal(a, other))
        return op_fail(graph, node, "%s and %s cannot be joined along axis %d", shape_text(left, a),
                       shape_text(right, b), node->attr.axis);
    *size = total;
    return op_output(graph, node, 0, joined, type);
}

/* part must lie in whole, from attr.begin along attr.axis */
static int check_part(struct graph *graph, const struct node *node, struct shape whole,
                      struct shape part)
{
    TRY(check_axis(graph, node));
    struct shape rest = whole;
    int32_t axis = node->attr.axis, begin = node->attr.begin;
    int32_t size = *shape_axis(&whole, axis), count = *shape_axis(&part, axis);
    *shape_axis(&rest, axis) = count;
    char left[SHAPE_TEXT], right[SHAPE_TEXT];
    if (begin < 0 || count < 1 || count > size || begin > size - count || !shape_equal(rest, part))
        return op_fail(graph, node, "%s is not part of %s from %d along axis %d",
                       shape_text(left, part), shape_text(right, whole), begin, axis);
    return 0;
}

int op_slice_infer(struct graph *graph, struct node *node)
{
    enum dtype type;
    TRY(op_activation(graph, node, 0, &type));
    TRY(check_part(graph, node, op_shape(graph, node, 0), node->attr.shape));
    return op_output(graph, node, 0, node->attr.shape, type);
}

int op_unslice_infer(struct graph *graph, struct node *node)
{
    enum dtype type;
    TRY(op_activation(graph, node, 0, &type));
    TRY(check_part(graph, node, node->attr.shape, op_shape(graph, node, 0)));
    return op_output(graph, node, 0, node->attr.shape, type);
}

void op_concat_grad(struct graph *graph, const struct node *node, const val *dout, val *din)
{
    int32_t begin = 0;
    for (int i = 0; i < 2; i++) {
        struct shape part = op_shape(graph, node, i);
        int32_t count = *shape_axis(&part, node->attr.axis);
        if (g_wants_grad(graph, node->in[i]))
            din[i] = g_slice(graph, dout[0], node->attr.axis, begin, count);
        begin += count;
    }
}

void op_slice_grad(struct graph *graph, const struct node *node, const val *dout, val *din)
{
    struct attr attr = node->attr;
    attr.shape = op_shape(graph, node, 0);
    din[0] = g_append(graph, OP_unslice, dout, &attr, NULL);
}

void op_unslice_grad(struct graph *graph, const struct node *node, const val *dout, val *din)
{
    struct shape part = op_shape(graph, node, 0);
    din[0] = g_slice(graph, dout[0], node->attr.axis, node->attr.begin,
                     *shape_axis(&part, node->attr.axis));
}

int op_reshape_infer(struct graph *graph, struct node *node)
{
    enum dtype type;
    TRY(op_activation(graph, node, 0, &type));
    struct shape x = op_shape(graph, node, 0);
    char left[SHAPE_TEXT], right[SHAPE_TEXT];
    TRY(op_output(graph, node, 0, node->attr.shape, type));
    if (shape_count(x) != shape_count(node->attr.shape))
        return op_fail(graph, node, "%s and %s differ in number of elements", shape_text(left, x),
                       shape_text(right, node->attr.shape));
    return 0;
}

void op_reshape_grad(struct graph *graph, const struct node *node, const val *dout, val *din)
{
    din[0] = g_reshape(graph, dout[0], op_shape(graph, node, 0));
}

/* Each axis of small must be 1 or that of large. */
static int check_repeat(struct graph *graph, const struct node *node, struct shape small,
                        struct shape large)
{
    char left[SHAPE_TEXT], right[SHAPE_TEXT];
    for (int axis = AXIS_N; axis <= AXIS_C; axis++) {
        int32_t size = *shape_axis(&small, axis);
        if (size != 1 && size != *shape_axis(&large, axis))
            return op_fail(graph, node, "%s cannot be repeated to %s", shape_text(left, small),
                           shape_text(right, large));
    }
    return 0;
}

int op_reduce_sum_infer(struct graph *graph, struct node *node)
{
    enum dtype type;
    TRY(op_activation(graph, node, 0, &type));
    TRY(check_repeat(graph, node, node->attr.shape, op_shape(graph, node, 0)));
    return op_output(graph, node, 0, node->attr.shape, F32);
}

int op_broadcast_infer(struct graph *graph, struct node *node)
{
    enum dtype type;
    TRY(op_activation(graph, node, 0, &type));
    TRY(check_repeat(graph, node, op_shape(graph, node, 0), node->attr.shape));
    return op_output(graph, node, 0, node->attr.shape, type);
}

void op_reduce_sum_grad(struct graph *graph, const struct node *node, const val *dout, val *din)
{
    val dx = g_cast(graph, dout[0], graph->value[node->in[0]]->dtype);
    din[0] = g_broadcast(graph, dx, op_shape(graph, node, 0));
}

void op_broadcast_grad(struct graph *graph, const struct node *node, const val *dout, val *din)
{
    din[0] = g_reduce_sum(graph, dout[0], op_shape(graph, node, 0));
}

val g_reduce_to(struct graph *graph, val v, struct shape shape)
{
    if (graph->failed || shape_equal(g_shape(graph, v), shape))
        return v;
    return g_cast(graph, g_reduce_sum(graph, v, shape), graph->value[v]->dtype);
}

int op_sum_squares_infer(struct graph *graph, struct node *node)
{
    TRY(op_inputs(graph, node, 1));
    return op_output(graph, node, 0, (struct shape){1, 1, 1, 1, 1}, F32);
}
