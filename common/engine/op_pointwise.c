/* One infer and one gradient rule for each family of pointwise.def and losses.def; the functions
 * that the rows demand are generated from the same rows. */
#include "engine/op.h"

/* ---- unary: y of x, dx of (dy, x, y) -------------------------------------------------------- */

static int infer_unary(struct graph *graph, struct node *node)
{
    enum dtype type;
    TRY(op_activation(graph, node, 0, &type));
    return op_output(graph, node, 0, op_shape(graph, node, 0), type);
}

static int infer_unary_grad(struct graph *graph, struct node *node)
{
    enum dtype type;
    TRY(op_activation(graph, node, 0, &type));
    TRY(op_alike(graph, node, 1, 0));
    TRY(op_alike(graph, node, 2, 0));
    return op_output(graph, node, 0, op_shape(graph, node, 0), type);
}

enum { USES_none, USES_x, USES_y, USES_xy };

static const uint8_t uses[OPS] = {
#define UNARY(name, y, uses, dx) [OP_##name] = USES_##uses,
#define BINARY(name, z)
#include "engine/pointwise.def"
#undef UNARY
#undef BINARY
};

static void unary_gradient(struct graph *graph, const struct node *node, val dy, val *din,
                           enum op op)
{
    val x = uses[node->op] & USES_x ? node->in[0] : 0,
        y = uses[node->op] & USES_y ? node->out[0] : 0;
    const val in[] = {dy, x ? x : y ? y : dy, y ? y : x ? x : dy};
    din[0] = g_append(graph, op, in, &node->attr, NULL);
}

enum op op_of_act(enum act act)
{
    static const enum op op[] = {
#define ACT(id, op, p, cost, library) [ACT_##id] = OP_##op,
#include "engine/activation.def"
    };
    return op[act];
}

bool op_act_fuses(enum act act)
{
    return !(uses[op_of_act(act)] & USES_x);
}

int op_cast_infer(struct graph *graph, struct node *node)
{
    enum dtype type, to = node->attr.dtype;
    TRY(op_activation(graph, node, 0, &type));
    if (to != F32 && to != BF16)
        return op_fail(graph, node, "a value can be cast to f32 and bf16 only");
    if (type == BF16 && to == BF16)
        return op_fail(graph, node, "the value is already bf16");
    return op_output(graph, node, 0, op_shape(graph, node, 0), to);
}

void op_cast_grad(struct graph *graph, const struct node *node, const val *dout, val *din)
{
    din[0] = g_cast(graph, dout[0], graph->value[node->in[0]]->dtype);
}

#define UNARY(name, y, uses, dx)                                                                   \
    int op_##name##_infer(struct graph *graph, struct node *node)                                  \
    {                                                                                              \
        return infer_unary(graph, node);                                                           \
    }                                                                                              \
    int op_##name##_grad_infer(struct graph *graph, struct node *node)                             \
    {                                                                                              \
        return infer_unary_grad(graph, node);                                                      \
    }                                                                                              \
    void op_##name##_grad(struct graph *graph, const struct node *node, const val *dout, val *din) \
    {                                                                                              \
        unary_gradient(graph, node, dout[0], din, OP_##name##_grad);                               \
    }

/* ---- binary: axes of size 1 repeat, so a gradient is summed over them ----------------------- */

static int infer_binary(struct graph *graph, struct node *node)
{
    enum dtype type;
    TRY(op_activation(graph, node, 0, &type));
    TRY(op_input(graph, node, 1, type));
    struct shape a = op_shape(graph, node, 0), b = op_shape(graph, node, 1), out = a;
    char left[SHAPE_TEXT], right[SHAPE_TEXT];
    for (int axis = AXIS_N; axis <= AXIS_C; axis++) {
        int32_t *size = shape_axis(&out, axis), other = *shape_axis(&b, axis);
        if (*size != other && *size != 1 && other != 1)
            return op_fail(graph, node, "%s and %s do not fit together", shape_text(left, a),
                           shape_text(right, b));
        if (*size == 1)
            *size = other;
    }
    return op_output(graph, node, 0, out, type);
}

#define BINARY(name, z)                                                                            \
    int op_##name##_infer(struct graph *graph, struct node *node)                                  \
    {                                                                                              \
        return infer_binary(graph, node);                                                          \
    }

/* ---- losses: the slope is computed in the same pass------------------------------------------- */

static int infer_loss(struct graph *graph, struct node *node)
{
    TRY(op_inputs(graph, node, 2));
    struct shape x = op_shape(graph, node, 0), t = op_shape(graph, node, 1);
    char left[SHAPE_TEXT], right[SHAPE_TEXT];
    if (!shape_equal(x, t))
        return op_fail(graph, node, "prediction and target have the shapes %s and %s",
                       shape_text(left, x), shape_text(right, t));
    TRY(op_output(graph, node, 0, (struct shape){x.n, 1, 1, 1, 1}, F32));
    return op_output(graph, node, 1, x, F32);
}

static void loss_gradient(struct graph *graph, const struct node *node, const val *dout, val *din)
{
    op_constant(graph, node, 1);
    if (dout[1])
        op_fail(graph, node, "a slope cannot be differentiated");
    else
        din[0] = g_binary(graph, OP_mul, node->out[1], dout[0]);
}

#define LOSS(name, value, slope)                                                                   \
    int op_##name##_infer(struct graph *graph, struct node *node)                                  \
    {                                                                                              \
        return infer_loss(graph, node);                                                            \
    }                                                                                              \
    void op_##name##_grad(struct graph *graph, const struct node *node, const val *dout, val *din) \
    {                                                                                              \
        loss_gradient(graph, node, dout, din);                                                     \
    }

#include "engine/losses.def"
#include "engine/pointwise.def"

/* ---- derivatives of the binary ops ---------------------------------------------------------- */

/* din[i] = v, reduced to the shape of input i; v is only built if needed. */
#define BINARY_GRADIENT(name, da, db)                                                              \
    void op_##name##_grad(struct graph *graph, const struct node *node, const val *dout, val *din) \
    {                                                                                              \
        const val a = node->in[0], b = node->in[1], z = node->out[0], dz = dout[0];                \
        (void)z;                                                                                   \
        if (g_wants_grad(graph, a))                                                                \
            din[0] = g_reduce_to(graph, da, g_shape(graph, a));                                    \
        if (g_wants_grad(graph, b))                                                                \
            din[1] = g_reduce_to(graph, db, g_shape(graph, b));                                    \
    }

static val negative(struct graph *graph, val x)
{
    return g_affine(graph, x, -1, 0);
}

static val times(struct graph *graph, val a, val b)
{
    return g_binary(graph, OP_mul, a, b);
}

static val over(struct graph *graph, val a, val b)
{
    return g_binary(graph, OP_div_, a, b);
}

/* dz where a > b, else 0: relu's derivative at the difference. */
static val where_greater(struct graph *graph, val dz, val a, val b)
{
    val difference = g_binary(graph, OP_sub, a, b);
    const val in[] = {dz, difference, difference};
    return g_append(graph, OP_relu_grad, in, NULL, NULL);
}

static val minus(struct graph *graph, val a, val b)
{
    return g_binary(graph, OP_sub, a, b);
}

BINARY_GRADIENT(add, dz, dz)
BINARY_GRADIENT(sub, dz, negative(graph, dz))
BINARY_GRADIENT(mul, times(graph, dz, b), times(graph, dz, a))
BINARY_GRADIENT(div_, over(graph, dz, b), negative(graph, times(graph, dz, over(graph, z, b))))
BINARY_GRADIENT(max_, where_greater(graph, dz, a, b),
                minus(graph, dz, where_greater(graph, dz, a, b)))
BINARY_GRADIENT(min_, where_greater(graph, dz, b, a),
                minus(graph, dz, where_greater(graph, dz, b, a)))
