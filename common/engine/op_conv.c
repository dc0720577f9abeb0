/* Convolution and its two gradients. The window is always the direct convolution's: conv_data runs
 * it backwards, from its output to its input. */
#include "engine/op.h"

int op_window(struct graph *graph, const struct node *node, bool proper)
{
    const struct window *w = &node->attr.window;
    for (int i = 0; i < 3; i++) {
        if (w->size[i] < 1 || w->stride[i] < 1 || w->pad[i] < 0 || w->pad_end[i] < 0)
            return op_fail(graph, node, "window of size %d, stride %d, padding %d and %d",
                           w->size[i], w->stride[i], w->pad[i], w->pad_end[i]);
        if (proper && (w->pad[i] >= w->size[i] || w->pad_end[i] >= w->size[i]))
            return op_fail(graph, node, "padding %d and %d does not fit a window of size %d",
                           w->pad[i], w->pad_end[i], w->size[i]);
    }
    return 0;
}

struct shape window_output(const struct window *window, struct shape in, int32_t channels)
{
    struct shape out = {in.n, 0, 0, 0, channels};
    for (int i = 0; i < 3; i++) {
        int64_t room = (int64_t)*shape_axis(&in, AXIS_D + i) + window->pad[i] + window->pad_end[i] -
                       window->size[i];
        int64_t size = room < 0 ? 0 : room / window->stride[i] + 1;
        *shape_axis(&out, AXIS_D + i) = size > INT32_MAX ? 0 : (int32_t)size;
    }
    return out;
}

static int check_filter(struct graph *graph, const struct node *node, struct shape w)
{
    const int32_t *size = node->attr.window.size;
    if (w.d != size[0] || w.h != size[1] || w.w != size[2])
        return op_fail(graph, node, "filter is %dx%dx%d and the window %dx%dx%d", w.d, w.h, w.w,
                       size[0], size[1], size[2]);
    return op_window(graph, node, false);
}

static int check_act(struct graph *graph, const struct node *node)
{
    if (!op_act_fuses(node->attr.act))
        return op_fail(graph, node, "this activation's derivative needs more than the result");
    return 0;
}

int op_conv_infer(struct graph *graph, struct node *node)
{
    enum dtype type;
    TRY(op_activation(graph, node, 0, &type));
    TRY(op_input(graph, node, 1, F32));
    struct shape x = op_shape(graph, node, 0), w = op_shape(graph, node, 1);
    if (w.c != x.c)
        return op_fail(graph, node, "filter and input disagree on channels (%d and %d)", w.c, x.c);
    TRY(check_filter(graph, node, w));
    TRY(check_act(graph, node));
    TRY(op_optional(graph, node, 2, (struct shape){1, 1, 1, 1, w.n}));
    struct shape y = window_output(&node->attr.window, x, w.n);
    if (!y.d || !y.h || !y.w)
        return op_fail(graph, node, "a window of %dx%dx%d does not fit into %dx%dx%d", w.d, w.h,
                       w.w, x.d, x.h, x.w);
    return op_output(graph, node, 0, y, type);
}

int op_conv_data_infer(struct graph *graph, struct node *node)
{
    enum dtype type;
    TRY(op_activation(graph, node, 0, &type));
    TRY(op_input(graph, node, 1, F32));
    struct shape dy = op_shape(graph, node, 0), w = op_shape(graph, node, 1);
    struct shape dx = node->attr.shape;
    if (w.n != dy.c || w.c != dx.c)
        return op_fail(graph, node, "filter has %d to %d channels, not %d to %d", w.n, w.c, dy.c,
                       dx.c);
    TRY(check_filter(graph, node, w));
    TRY(check_act(graph, node));
    TRY(op_optional(graph, node, 2, (struct shape){1, 1, 1, 1, w.c}));
    struct shape y = window_output(&node->attr.window, dx, w.n);
    char want[SHAPE_TEXT], have[SHAPE_TEXT];
    if (!shape_equal(y, dy))
        return op_fail(graph, node, "a result of %s needs the input %s, not %s",
                       shape_text((char[SHAPE_TEXT]){0}, dx), shape_text(want, y),
                       shape_text(have, dy));
    return op_output(graph, node, 0, dx, type);
}

int op_conv_filter_infer(struct graph *graph, struct node *node)
{
    enum dtype type;
    TRY(op_activation(graph, node, 0, &type));
    TRY(op_input(graph, node, 1, type));
    struct shape x = op_shape(graph, node, 0), dy = op_shape(graph, node, 1);
    struct shape w = node->attr.shape;
    TRY(check_filter(graph, node, w));
    if (w.n != dy.c || w.c != x.c || !shape_equal(window_output(&node->attr.window, x, w.n), dy))
        return op_fail(graph, node, "filter, input and gradient disagree");
    return op_output(graph, node, 0, w, F32);
}

int op_act_bias_grad_infer(struct graph *graph, struct node *node)
{
    enum dtype type;
    TRY(op_activation(graph, node, 0, &type));
    TRY(op_alike(graph, node, 1, 0));
    TRY(check_act(graph, node));
    struct shape y = op_shape(graph, node, 0);
    TRY(op_output(graph, node, 0, y, type));
    return op_output(graph, node, 1, (struct shape){1, 1, 1, 1, y.c}, F32);
}

/* The gradient of the sum before bias and activation; *dbias is 0 without a trained bias. */
static val before_act(struct graph *graph, const struct node *node, val dout, val *dbias)
{
    bool bias = node->in[2] && g_wants_grad(graph, node->in[2]);
    *dbias = 0;
    if (node->attr.act == ACT_NONE) {
        if (bias)
            *dbias = g_reduce_sum(graph, dout, op_shape(graph, node, 2));
        return dout;
    }
    const val in[] = {dout, node->out[0]};
    val out[2];
    g_append(graph, OP_act_bias_grad, in, &(struct attr){.act = node->attr.act}, out);
    if (bias)
        *dbias = out[1];
    return out[0];
}

static val conv_gradient(struct graph *graph, enum op op, const struct node *node, val a, val b,
                         struct shape shape)
{
    const val in[] = {a, b, 0};
    return g_append(graph, op, in, &(struct attr){.window = node->attr.window, .shape = shape},
                    NULL);
}

/* The concatenation along the channels that x is, if the filter is larger than 1x1x1; else NULL. */
static const struct node *joined(const struct graph *graph, const struct node *node)
{
    const struct value *x = graph->value[node->in[0]];
    const struct node *maker = x->node >= 0 ? graph->node[x->node] : NULL;
    const int32_t *size = node->attr.window.size;
    bool window = size[0] > 1 || size[1] > 1 || size[2] > 1;
    return maker && window && maker->op == OP_concat && maker->attr.axis == AXIS_C ? maker : NULL;
}

static val filter_gradient(struct graph *graph, const struct node *node, val da)
{
    const struct node *parts = graph->prefers.filter_parts ? joined(graph, node) : NULL;
    struct shape w = op_shape(graph, node, 1);
    if (!parts)
        return conv_gradient(graph, OP_conv_filter, node, node->in[0], da, w);
    val part[2];
    for (int i = 0; i < 2; i++) {
        w.c = op_shape(graph, parts, i).c;
        part[i] = conv_gradient(graph, OP_conv_filter, node, parts->in[i], da, w);
    }
    return g_concat(graph, part[0], part[1], AXIS_C);
}

/* The filter's gradient comes first: x often dies there, and its gradient can reuse the memory. */
void op_conv_grad(struct graph *graph, const struct node *node, const val *dout, val *din)
{
    val x = node->in[0], w = node->in[1], da = before_act(graph, node, dout[0], &din[2]);
    if (g_wants_grad(graph, w))
        din[1] = filter_gradient(graph, node, da);
    if (g_wants_grad(graph, x))
        din[0] = conv_gradient(graph, OP_conv_data, node, da, w, g_shape(graph, x));
}

/* The adjoint of an adjoint is the convolution itself. */
void op_conv_data_grad(struct graph *graph, const struct node *node, const val *dout, val *din)
{
    val x = node->in[0], w = node->in[1], da = before_act(graph, node, dout[0], &din[2]);
    if (g_wants_grad(graph, w))
        din[1] = conv_gradient(graph, OP_conv_filter, node, da, x, g_shape(graph, w));
    if (g_wants_grad(graph, x))
        din[0] = conv_gradient(graph, OP_conv, node, da, w, (struct shape){0});
}
