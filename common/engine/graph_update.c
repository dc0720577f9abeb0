/* The optimiser's part of a step: norm, clipping, moments, averaged weights. All over flat arrays.
 */
#include "engine/graph_parts.h"

static const struct shape ONE = {1, 1, 1, 1, 1};

/* The norm of the gradient over all groups; 0 if there is nothing to update. */
static val gradient_norm(struct graph *graph, const char *const *groups, int count,
                         float grad_scale)
{
    val sum = 0;
    for (int i = 0; i < count; i++) {
        val gradient = g_flat(graph, groups[i], ARRAY_GRAD);
        if (!gradient)
            continue;
        val squares = g_sum_squares(graph, gradient);
        sum = sum ? g_binary(graph, OP_add, sum, squares) : squares;
    }
    return sum ? g_affine(graph, g_unary(graph, OP_sqrt_, sum), grad_scale, 0) : 0;
}

/* grad_scale * min(1, clip / (norm + 1e-6)), as in torch's clip_grad_norm_; not finite if the norm
 * is not, which skips the update. */
static val clip_scale(struct graph *graph, val norm, const struct update *update)
{
    val most = g_fill(graph, ONE, update->clip_norm), one = g_fill(graph, ONE, 1);
    val ratio = g_binary(graph, OP_div_, most, g_affine(graph, norm, 1, 1e-6f));
    val clipped = g_binary(graph, OP_min_, one, ratio);
    val poison = g_affine(graph, norm, 0, 0);
    return g_affine(graph, g_binary(graph, OP_add, clipped, poison), update->grad_scale, 0);
}

static void update_group(struct graph *graph, const char *group, const struct update *update,
                         val scale, val guard)
{
    val p = g_flat(graph, group, ARRAY_PARAM);
    if (!p)
        return;
    val g = g_flat(graph, group, ARRAY_GRAD), m = g_flat(graph, group, ARRAY_M);
    val rates = g_rates(graph, group);
    if (update->kind == OPTIMISER_SGD) {
        const val in[] = {p, g, m, rates, scale, guard};
        g_append(graph, OP_sgd, in, &(struct attr){.mode = update->nesterov}, NULL);
    } else {
        const val in[] = {p, g, m, g_flat(graph, group, ARRAY_V), rates, scale, guard};
        g_append(graph, OP_adam, in, &(struct attr){.decoupled = update->kind == OPTIMISER_ADAMW},
                 NULL);
    }
    if (update->ema) {
        val keep = g_slice(graph, rates, AXIS_C, RATE_EMA, 1);
        const val in[] = {g_flat(graph, group, ARRAY_EMA), p, guard, keep};
        g_append(graph, OP_blend, in, NULL, NULL);
    }
}

val graph_update(struct graph *graph, const char *const *groups, int count, struct update update,
                 val guard)
{
    if (graph->failed)
        return 0;
    for (int i = 0; i < count; i++)
        if (graph_frozen(graph, groups[i])) {
            graph_fail(graph, "group '%s' is frozen but is to be updated", groups[i]);
            return 0;
        }
    val norm = 0, scale = 0;
    if (update.clip_norm > 0)
        norm = gradient_norm(graph, groups, count, update.grad_scale);
    if (norm) {
        scale = clip_scale(graph, norm, &update);
        guard = guard ? g_binary(graph, OP_add, guard, scale) : scale;
    } else if (update.grad_scale != 1) {
        scale = g_fill(graph, ONE, update.grad_scale);
    }
    for (int i = 0; i < count; i++)
        update_group(graph, groups[i], &update, scale, guard);
    return norm;
}
