/* Inspecting a plan: where a value is not finite, who wrote out of bounds. */
#include "engine/plan_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* *bad: does value x contain a NaN or an infinity? */
static int check_finite(bool *bad, struct plan *plan, val x, struct err *err)
{
    const struct value *value = &plan->value[x].value;
    *bad = false;
    if (!plan->value[x].used || (value->dtype != F32 && value->dtype != BF16))
        return 0;
    int64_t count = shape_count(value->shape);
    float *host = xmalloc((size_t)count * sizeof *host);
    int rc = plan->backend->calls->get(plan->backend, host, plan_address(plan, x), count,
                                       value->dtype, err);
    for (int64_t i = 0; !rc && i < count; i++)
        *bad |= !isfinite(host[i]);
    free(host);
    return rc;
}

const char *plan_find_nonfinite(struct plan *plan, struct err *err)
{
    if (plan_settle(plan, err))
        return NULL;
    for (int32_t i = 0; i < plan->steps; i++) {
        const struct step *step = &plan->step[i];
        const struct op_info *info = op_info(step->op);
        if (info->flags & EFFECT)
            continue;
        bool bad = false;
        if (plan_step(plan, i, err))
            return NULL;
        for (int k = 0; k < info->nout && !bad; k++)
            if (check_finite(&bad, plan, step->value[info->nin + k], err))
                return NULL;
        if (bad)
            return arena_printf(&plan->arena, "%s (%s)", step->path, info->name);
    }
    return NULL;
}

/* ---- sentinels ------------------------------------------------------------------------------ */

static bool intact(const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != PLAN_SENTINEL)
            return false;
    return true;
}

int plan_guards(struct plan *plan, struct err *err)
{
    unsigned char *host = xmalloc(plan->bytes);
    int rc =
        plan->backend->calls->get(plan->backend, host, plan->memory, (int64_t)plan->bytes, U8, err);
    for (val x = 1; !rc && plan->guard && x < plan->values; x++) {
        const struct planned *planned = &plan->value[x];
        if (!planned->placed)
            continue;
        const unsigned char *data = host + planned->offset + plan->guard;
        const char *path =
            planned->birth >= 0 ? plan->step[planned->birth].path : planned->value.name;
        if (!intact(data - plan->guard, plan->guard) || !intact(data + planned->bytes, plan->guard))
            rc = fail(err, "%s: written out of bounds", path);
    }
    free(host);
    return rc;
}
