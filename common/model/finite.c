#include "model/finite.h"

#include "base/text.h"

#include <math.h>

static const char scope[] = "finite"; /* of the nodes here, which are no part of the model */

void finite_watch(struct finite *out, struct graph *graph, val x, struct arena *arena)
{
    int32_t cases = g_shape(graph, x).n;
    graph_push(graph, "%s", scope);
    val sums = g_reduce_sum(graph, g_unary(graph, OP_square, x), (struct shape){cases, 1, 1, 1, 1});
    *out = (struct finite){.cases = cases, .bad = -1};
    out->sums = g_output(graph, "sums_of_squares", sums);
    graph_pop(graph);
    out->of_case = arena_alloc(arena, (size_t)cases * sizeof *out->of_case);
}

int finite_check(struct finite *finite, struct plan *plan, const char *what, struct err *err)
{
    finite->bad = -1;
    TRY(plan_get(plan, finite->sums, finite->of_case, err));
    for (int32_t i = 0; i < finite->cases; i++)
        if (!isfinite(finite->of_case[i])) {
            const char *node = plan_find_nonfinite(plan, err);
            finite->bad = i;
            if (!node || starts_with(node, scope)) /* its square is what is infinite */
                return fail(err, "%s are beyond 1e19", what);
            return fail(err, "%s are not finite; first at '%s'", what, node);
        }
    return 0;
}
