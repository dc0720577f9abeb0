/* Pooling, upsampling and smoothing, each with its adjoint. */
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

/* The addend has the gradient's type and shape, except for channels left out. */
static int check_more(struct graph *graph, const struct node *node)
{
    struct shape dx = node->attr.shape, more = op_shape(graph, node, 2), rest = more;
    int32_t begin = node->attr.begin;
    char left[SHAPE_TEXT], right[SHAPE_TEXT];
    TRY(op_input(graph, node, 2, graph->value[node->in[0]]->dtype));
    rest.c = dx.c;
    if (begin < 0 || begin > more.c - dx.c || !shape_equal(rest, dx))
        return op_fail(graph, node, "%s has no %s from channel %d on", shape_text(left, more),
                       shape_text(right, dx), begin);
    return 0;
}

int op_max_pool_grad_infer(struct graph *graph, struct node *node)
{
    TRY(op_input(graph, node, 1, U8));
    TRY(infer_unpooled(graph, node));
    if (!shape_equal(op_shape(graph, node, 0), op_shape(graph, node, 1)))
        return op_fail(graph, node, "gradient and winner have different shapes");
    return node->in[2] ? check_more(graph, node) : 0;
}

int op_avg_pool_grad_infer(struct graph *graph, struct node *node)
{
    return infer_unpooled(graph, node);
}

/* For a slice along the channels, its source and where it begins; for any other value itself. */
static val before_slice(const struct graph *graph, val x, int32_t *begin)
{
    int32_t maker = graph->value[x]->node;
    const struct node *slice = maker >= 0 ? graph->node[maker] : NULL;
    if (!slice || slice->op != OP_slice || slice->attr.axis != AXIS_C)
        return x;
    *begin = slice->attr.begin;
    return slice->in[0];
}

/* Other gradients of x may be added in the same pass: usually x is a skip connection, and that
 * gradient is a slice of a concatenation's gradient, which then need not be copied out. */
void op_max_pool_grad(struct graph *graph, const struct node *node, const val *dout, val *din)
{
    struct attr attr = {.window = node->attr.window, .shape = op_shape(graph, node, 0)};
    val more = graph->prefers.pool_sums ? op_take_gradient(graph, node, 0) : 0;
    const val in[] = {dout[0], node->out[1], more ? before_slice(graph, more, &attr.begin) : 0};
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

/* ---- smoothing ------------------------------------------------------------------------------ */
static int smooth(struct graph *graph, struct node *node, int sign)
{
    const struct attr *attr = &node->attr;
    TRY(op_inputs(graph, node, 1));
    if (attr->axis < AXIS_D || attr->axis > AXIS_W)
        return op_fail(graph, node, "no such axis (%d)", attr->axis);
    struct shape shape = op_shape(graph, node, 0);
    int32_t *size = shape_axis(&shape, attr->axis), length = attr->begin;
    if (length < 1 || length % 2 == 0 || length > GAUSSIAN_MOST || !(attr->p > 0))
        return op_fail(graph, node, "a window of %d, sigma %g", length, (double)attr->p);
    if (sign < 0 ? *size < length : *size > INT32_MAX - length)
        return op_fail(graph, node, "a window of %d does not fit an axis of %d", length, *size);
    *size += sign * (length - 1);
    return op_output(graph, node, 0, shape, F32);
}

int op_gaussian_infer(struct graph *graph, struct node *node)
{
    return smooth(graph, node, -1);
}

void op_gaussian_grad(struct graph *graph, const struct node *node, const val *dout, val *din)
{
    din[0] = g_append(graph, OP_gaussian_adjoint, dout, &node->attr, NULL);
}

int op_gaussian_adjoint_infer(struct graph *graph, struct node *node)
{
    return smooth(graph, node, 1);
}

void op_gaussian_adjoint_grad(struct graph *graph, const struct node *node, const val *dout,
                              val *din)
{
    din[0] = g_append(graph, OP_gaussian, dout, &node->attr, NULL);
}
