/* The builders: one for each op available to models. */
#include "engine/graph_parts.h"

val g_conv(struct graph *g, val x, val w, val bias, struct window window, enum act act)
{
    bool fused = op_act_fuses(act);
    const val in[] = {x, w, bias};
    struct attr attr = {.window = window, .act = fused ? act : ACT_NONE};
    val y = g_append(g, OP_conv, in, &attr, NULL);
    return fused ? y : g_act(g, y, act);
}

val g_conv_transposed(struct graph *g, val x, val w, val bias, struct window window,
                      struct shape out, enum act act)
{
    bool fused = op_act_fuses(act);
    const val in[] = {x, w, bias};
    struct attr attr = {.window = window, .shape = out, .act = fused ? act : ACT_NONE};
    val y = g_append(g, OP_conv_data, in, &attr, NULL);
    return fused ? y : g_act(g, y, act);
}

val g_norm(struct graph *g, val x, val gamma, val beta, int32_t groups, float eps, enum act act,
           val *mean, val *rstd)
{
    const val in[] = {x, gamma, beta, 0, 0};
    struct attr attr = {.groups = groups, .eps = eps, .act = act};
    val out[3];
    g_append(g, OP_norm, in, &attr, out);
    if (mean)
        *mean = out[1];
    if (rstd)
        *rstd = out[2];
    return out[0];
}

val g_norm_fixed(struct graph *g, val x, val gamma, val beta, val mean, val rstd, enum act act)
{
    if (!mean || !rstd)
        return graph_fail(g, "normalisation by given statistics needs mean and rstd");
    const val in[] = {x, gamma, beta, mean, rstd};
    return g_append(g, OP_norm, in, &(struct attr){.act = act}, NULL);
}

val g_max_pool(struct graph *g, val x, struct window window)
{
    return g_append(g, OP_max_pool, &x, &(struct attr){.window = window}, NULL);
}

val g_avg_pool(struct graph *g, val x, struct window window)
{
    return g_append(g, OP_avg_pool, &x, &(struct attr){.window = window}, NULL);
}

val g_upsample(struct graph *g, val x, const int32_t factor[3], int32_t mode)
{
    struct attr attr = {.mode = mode, .window.size = {factor[0], factor[1], factor[2]}};
    return g_append(g, OP_upsample, &x, &attr, NULL);
}

val g_gaussian(struct graph *g, val x, int32_t length, float sigma)
{
    for (int32_t axis = AXIS_D; axis <= AXIS_W; axis++) {
        struct shape s = g_shape(g, x);
        int32_t side = *shape_axis(&s, axis), fits = side - (side + 1) % 2;
        struct attr attr = {.axis = axis, .begin = fits < length ? fits : length, .p = sigma};
        if (attr.begin > 1)
            x = g_append(g, OP_gaussian, &x, &attr, NULL);
    }
    return x;
}

val g_concat(struct graph *g, val a, val b, int32_t axis)
{
    const val in[] = {a, b};
    return g_append(g, OP_concat, in, &(struct attr){.axis = axis}, NULL);
}

val g_slice(struct graph *g, val x, int32_t axis, int32_t begin, int32_t count)
{
    struct attr attr = {.axis = axis, .begin = begin, .shape = g_shape(g, x)};
    if (axis >= AXIS_N && axis <= AXIS_C)
        *shape_axis(&attr.shape, axis) = count;
    return g_append(g, OP_slice, &x, &attr, NULL);
}

val g_reshape(struct graph *g, val x, struct shape shape)
{
    return g_append(g, OP_reshape, &x, &(struct attr){.shape = shape}, NULL);
}

val g_reduce_sum(struct graph *g, val x, struct shape shape)
{
    return g_append(g, OP_reduce_sum, &x, &(struct attr){.shape = shape}, NULL);
}

val g_broadcast(struct graph *g, val x, struct shape shape)
{
    return g_append(g, OP_broadcast, &x, &(struct attr){.shape = shape}, NULL);
}

val g_sum_squares(struct graph *g, val x)
{
    return g_append(g, OP_sum_squares, &x, NULL, NULL);
}

val g_softmax(struct graph *g, val x)
{
    return g_append(g, OP_softmax, &x, NULL, NULL);
}

val g_cross_entropy(struct graph *g, val logits, val label, val class_weight, int32_t ignore,
                    float smoothing)
{
    const val in[] = {logits, label, class_weight};
    struct attr attr = {.ignore = ignore, .p = smoothing};
    return g_append(g, OP_cross_entropy, in, &attr, NULL);
}

val g_embedding(struct graph *g, val table, val label)
{
    const val in[] = {table, label};
    return g_append(g, OP_embedding, in, NULL, NULL);
}

val g_one_hot(struct graph *g, val label, int32_t first, int32_t count, int32_t ignore)
{
    struct attr attr = {.begin = first, .shape = g_shape(g, label), .ignore = ignore};
    attr.shape.c = count;
    return g_append(g, OP_one_hot, &label, &attr, NULL);
}

val g_normal(struct graph *g, struct shape shape)
{
    val clock = g_clock(g);
    return g_append(g, OP_normal, &clock, &(struct attr){.shape = shape}, NULL);
}

val g_dropout(struct graph *g, val x, float p, bool per_channel)
{
    if (graph_mode(g) == MODE_EVALUATE || p == 0)
        return x;
    const val in[] = {x, g_clock(g)};
    struct attr attr = {.p = p, .per_channel = per_channel};
    return g_append(g, OP_dropout, in, &attr, NULL);
}

val g_cast(struct graph *g, val x, enum dtype dtype)
{
    if (!x || graph_value(g, x)->dtype == dtype)
        return x;
    return g_append(g, OP_cast, &x, &(struct attr){.dtype = dtype}, NULL);
}

val g_fill(struct graph *g, struct shape shape, float value)
{
    return g_append(g, OP_fill, NULL, &(struct attr){.shape = shape, .p = value}, NULL);
}

val g_act(struct graph *g, val x, enum act act)
{
    return act == ACT_NONE ? x : g_unary(g, op_of_act(act), x);
}

val g_affine(struct graph *g, val x, float scale, float shift)
{
    return g_append(g, OP_affine, &x, &(struct attr){.p = scale, .q = shift}, NULL);
}

val g_clamp(struct graph *g, val x, float low, float high)
{
    return g_append(g, OP_clamp, &x, &(struct attr){.p = low, .q = high}, NULL);
}

/* A group's whole array has the group's name, an entry's group is in the store. */
static bool is_frozen(const struct graph *g, val x)
{
    const struct value *value = graph_value(g, x);
    if (value->role != PARAM && value->role != STATE)
        return false;
    return graph_frozen(g, value->entry < 0 ? value->name
                                            : params_entry(g->params, value->entry)->group);
}

val g_blend(struct graph *g, val dst, val src, float keep, float add, val guard)
{
    if (dst && is_frozen(g, dst))
        return dst;
    if (dst && !guard && graph_value(g, dst)->role == STATE && graph_mode(g) == MODE_TRAIN)
        guard = g_guard(g);
    const val in[] = {dst, src, guard, 0};
    return g_append(g, OP_blend, in, &(struct attr){.p = keep, .q = add}, NULL);
}

/* 0 x is 0, or NaN. */
void graph_watch(struct graph *g, val x)
{
    const val in[] = {g_guard(g), x, 0, 0};
    g_append(g, OP_blend, in, &(struct attr){.p = 1, .q = 0}, NULL);
}

/* What is kept elsewhere than among the plan's own values is copied there. */
val g_result(struct graph *g, const char *name, val x)
{
    if (!x)
        return 0;
    const struct value *value = graph_value(g, x);
    bool own = (value->role == TEMP || value->role == OUTPUT) && value->node >= 0 &&
               !(op_info(graph_node(g, value->node)->op)->flags & ALIAS);
    return g_output(g, name, own ? x : g_affine(g, x, 1, 0));
}

val g_unary(struct graph *g, enum op op, val x)
{
    static const float p[OPS] = {
#define ACT(id, op, p, cost, library) [OP_##op] = (float)(p),
#include "engine/activation.def"
    };
    return g_append(g, op, &x, &(struct attr){.p = p[op]}, NULL);
}

val g_binary(struct graph *g, enum op op, val a, val b)
{
    const val in[] = {a, b};
    return g_append(g, op, in, NULL, NULL);
}

val g_loss(struct graph *g, enum op op, val x, val target)
{
    const val in[] = {x, target};
    return g_append(g, op, in, NULL, NULL);
}
