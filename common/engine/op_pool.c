/* Pooling and upsampling, each with its adjoint. */
#include "engine/op.h"

static int pooled(struct graph *graph, const struct node *node, struct shape x, struct shape *y)
{
    TRY(op_window(graph, node, true));
    *y = window_output(&node->attr.window, x, x.c);
    if (!y->d || !y->h || !y->w)
        return op_fail(graph, node, "the window does not fit into %dx%dx%d", x.d, x.h, x.w);
    return 0;
}

int op_max_pool_infer(struct graph *graph, struct node *node)
{
    struct shape y;
    enum dtype type;
    TRY(op_activation(graph, node, 0, &type));
    TRY(pooled(graph, node, op_shape(graph, node, 0), &y));
    const int32_t *size = node->attr.window.size;
    if ((int64_t)size[0] * size[1] > 256 || (int64_t)size[0] * size[1] * size[2] > 256)
        return op_fail(graph, node, "a window of %dx%dx%d has more than 256 positions", size[0],
                       size[1], size[2]);
    TRY(op_output(graph, node, 0, y, type));
    return op_output(graph, node, 1, y, U8);
}

int op_avg_pool_infer(struct graph *graph, struct node *node)
{
    struct shape y;
    enum dtype type;
    TRY(op_activation(graph, node, 0, &type));
    TRY(pooled(graph, node, op_shape(graph, node, 0), &y));
    return op_output(graph, node, 0, y, type);
}

static int infer_unpooled(struct graph *graph, struct node *node)
{
    struct shape y;
    enum dtype type;
    TRY(op_activation(graph, node, 0, &type));
    TRY(pooled(graph, node, node->attr.shape, &y));
    TRY(op_shaped(graph, node, 0, y));
    return op_output(graph, node, 0, node->attr.shape, type);
}

int op_max_pool_grad_infer(struct graph *graph, struct node *node)
{
    TRY(op_input(graph, node, 1, U8));
    TRY(infer_unpooled(graph, node));
    if (!shape_equal(op_shape(graph, node, 0), op_shape(graph, node, 1)))
        return op_fail(graph, node, "gradient and winner have different shapes");
    return 0;
}

int op_avg_pool_grad_infer(struct graph *graph, struct node *node)
{
    return infer_unpooled(graph, node);
}

void op_max_pool_grad(struct graph *graph, const struct node *node, const val *dout, val *din)
{
    const val in[] = {dout[0], node->out[1]};
    struct attr attr = {.window = node->attr.window, .shape = op_shape(graph, node, 0)};
    din[0] = g_append(graph, OP_max_pool_grad, in, &attr, NULL);
}

void op_avg_pool_grad(struct graph *graph, const struct node *node, const val *dout, val *din)
{
    struct attr attr = {.window = node->attr.window, .shape = op_shape(graph, node, 0)};
    din[0] = g_append(graph, OP_avg_pool_grad, dout, &attr, NULL);
}

/* ---- upsampling ----------------------------------------------------------------------------- */

static int scale(struct graph *graph, const struct node *node, bool up, struct shape *shape)
{
    if (node->attr.mode != MODE_NEAREST && node->attr.mode != MODE_LINEAR)
        return op_fail(graph, node, "no such mode (%d)", node->attr.mode);
    for (int i = 0; i < 3; i++) {
        int32_t *size = shape_axis(shape, AXIS_D + i), factor = node->attr.window.size[i];
        if (factor < 1 || (up ? *size > INT32_MAX / factor : *size % factor))
            return op_fail(graph, node, "an axis of %d cannot be scaled by %d", *size, factor);
        *size = up ? *size * factor : *size / factor;
    }
    return 0;
}

int op_upsample_infer(struct graph *graph, struct node *node)
{
    enum dtype type;
    TRY(op_activation(graph, node, 0, &type));
    struct shape shape = op_shape(graph, node, 0);
    TRY(scale(graph, node, true, &shape));
    return op_output(graph, node, 0, shape, type);
}

int op_upsample_grad_infer(struct graph *graph, struct node *node)
{
    enum dtype type;
    TRY(op_activation(graph, node, 0, &type));
    struct shape shape = op_shape(graph, node, 0);
    TRY(scale(graph, node, false, &shape));
    return op_output(graph, node, 0, shape, type);
}

void op_upsample_grad(struct graph *graph, const struct node *node, const val *dout, val *din)
{
    din[0] = g_append(graph, OP_upsample_grad, dout, &node->attr, NULL);
}
