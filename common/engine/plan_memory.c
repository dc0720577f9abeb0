/*
 * The schedule and the memory of a plan. Steps keep the graph's order; nodes whose results nobody
 * needs are left out. A value's memory is in use from the step that makes it to the last step that
 * reads it, and blocks in use at the same time never overlap.
 */
#include "engine/plan_parts.h"

#include <stdlib.h>
#include <string.h>

static bool stored(const struct value *value)
{
    return value->role == PARAM || value->role == STATE;
}

/* Needed: it changes the store, or is read by something needed or by the host. Marks the values
 * that are read in plan->value[].used. */
static bool needed(const struct plan *plan, const struct node *node)
{
    if (op_info(node->op)->flags & EFFECT)
        return true;
    for (int i = 0; i < MAX_OUT; i++) {
        const struct planned *out = &plan->value[node->out[i]];
        if (node->out[i] && (out->used || out->value.role != TEMP))
            return true;
    }
    return false;
}

static void add_step(struct plan *plan, const struct node *node)
{
    const struct op_info *info = op_info(node->op);
    struct step *step = &plan->step[plan->steps++];
    *step = (struct step){.op = node->op,
                          .args = info->nin + info->nout,
                          .attr = node->attr,
                          .path = arena_strdup(&plan->arena, node->path)};
    memcpy(step->value, node->in, info->nin * sizeof *node->in);
    memcpy(step->value + info->nin, node->out, info->nout * sizeof *node->out);
}

static void choose_steps(struct plan *plan, const struct graph *graph)
{
    int32_t nodes = graph_nodes(graph);
    bool *keep = xcalloc((size_t)nodes, sizeof *keep);
    for (int32_t i = nodes; i-- > 0;) {
        const struct node *node = graph_node(graph, i);
        keep[i] = needed(plan, node);
        for (int k = 0; keep[i] && k < op_info(node->op)->nin; k++)
            plan->value[node->in[k]].used = true;
    }
    plan->value[0].used = false;
    plan->step = xcalloc((size_t)nodes, sizeof *plan->step);
    for (int32_t i = 0; i < nodes; i++)
        if (keep[i])
            add_step(plan, graph_node(graph, i));
    free(keep);
}

/* Can output 0 reuse the memory of input 0? */
static bool in_place(const struct plan *plan, const struct step *step, int32_t index,
                     const struct planned *out)
{
    const struct op_info *info = op_info(step->op);
    const struct planned *in = &plan->value[step->value[0]], *root = &plan->value[in->root];
    return (info->flags & INPLACE) && out->used && !stored(&out->value) && !stored(&root->value) &&
           !root->reserved && root->death <= index &&
           shape_equal(in->value.shape, out->value.shape);
}

/* Merges `member` into the memory of `root`. */
static void join(struct plan *plan, struct planned *member, int32_t root)
{
    struct planned *memory = &plan->value[root];
    member->root = root;
    if (member->death > memory->death)
        memory->death = member->death;
}

static void share_memory(struct plan *plan)
{
    for (int32_t i = 0; i < plan->steps; i++) {
        const struct step *step = &plan->step[i];
        const struct op_info *info = op_info(step->op);
        for (int k = 0; k < info->nout; k++)
            plan->value[step->value[info->nin + k]].birth = i;
        if (!info->nout)
            continue;
        struct planned *out = &plan->value[step->value[info->nin]];
        if ((info->flags & ALIAS) || in_place(plan, step, i, out))
            join(plan, out, plan->value[step->value[0]].root);
    }
}

/* Inputs of up to so many elements are put together: a copy on the host that costs less than a put. */
enum { SMALL_INPUT = 1024 };

static bool is_small_input(const struct value *value)
{
    return value->role == INPUT && shape_count(value->shape) <= SMALL_INPUT;
}

static bool is_result(const struct value *value)
{
    return value->role == OUTPUT && value->dtype == F32 && shape_count(value->shape) == 1;
}

/* They have their places for the whole run. */
static void choose_packed(struct plan *plan)
{
    for (val x = 1; x < plan->values; x++) {
        const struct planned *planned = &plan->value[x];
        struct planned *root = &plan->value[planned->root];
        if (is_small_input(&planned->value))
            root->packed = PACKED_INPUT;
        else if (is_result(&planned->value) && !stored(&root->value) && root->value.role != INPUT)
            root->packed = PACKED_RESULT;
        root->reserved |= root->packed != NOT_PACKED;
    }
}

void plan_schedule(struct plan *plan, const struct graph *graph)
{
    plan->values = graph_values(graph) + 1;
    plan->value = xcalloc((size_t)plan->values, sizeof *plan->value);
    for (val x = 1; x < plan->values; x++) {
        struct planned *planned = &plan->value[x];
        planned->value = *graph_value(graph, x);
        if (planned->value.name)
            planned->value.name = arena_strdup(&plan->arena, planned->value.name);
        planned->root = x;
        planned->birth = planned->death = -1;
    }
    choose_steps(plan, graph);
    for (int32_t i = 0; i < plan->steps; i++)
        for (int k = 0; k < op_info(plan->step[i].op)->nin; k++)
            plan->value[plan->step[i].value[k]].death = i;
    for (val x = 1; x < plan->values; x++) {
        struct planned *planned = &plan->value[x];
        planned->reserved = planned->value.role == INPUT;
        if (planned->value.role == OUTPUT)
            planned->death = INT32_MAX;
        planned->used |= planned->value.role != TEMP;
        planned->bytes = (size_t)shape_count(planned->value.shape) *
                         plan->backend->calls->size_of(planned->value.dtype);
    }
    share_memory(plan);
    choose_packed(plan);
}

/* ---- packing -------------------------------------------------------------------------------- */

static bool together(const struct planned *a, const struct planned *b)
{
    return a->reserved || b->reserved || (a->birth <= b->death && b->birth <= a->death);
}

static size_t block_size(const struct plan *plan, const struct planned *planned)
{
    size_t aligned = (planned->bytes + PLAN_ALIGN - 1) / PLAN_ALIGN * PLAN_ALIGN;
    return aligned + 2 * plan->guard;
}

/* The smallest gap that fits between blocks in use at the same time; `placed` is sorted by offset.
 * Returns the position at which to insert. */
static int32_t best_fit(const struct plan *plan, struct planned *block,
                        struct planned *const *placed, int32_t count)
{
    size_t need = block_size(plan, block), end = 0, best = SIZE_MAX;
    for (int32_t i = 0; i < count; i++) {
        if (!plan->guard && !together(block, placed[i]))
            continue;
        size_t begin = placed[i]->offset;
        if (begin >= end && begin - end >= need && begin - end < best) {
            best = begin - end;
            block->offset = end;
        }
        size_t after = begin + block_size(plan, placed[i]);
        if (after > end)
            end = after;
    }
    if (best == SIZE_MAX)
        block->offset = end;
    int32_t at = 0;
    while (at < count && placed[at]->offset <= block->offset)
        at++;
    return at;
}

/* The orders for placing blocks; none is best for every graph. */
static int larger_first(const void *a, const void *b)
{
    const struct planned *left = *(struct planned *const *)a, *right = *(struct planned *const *)b;
    if (left->bytes != right->bytes)
        return left->bytes < right->bytes ? 1 : -1;
    return left < right ? -1 : left > right;
}

static int longer_first(const void *a, const void *b)
{
    const struct planned *left = *(struct planned *const *)a, *right = *(struct planned *const *)b;
    int32_t of_left = left->reserved ? INT32_MAX : left->death - left->birth;
    int32_t of_right = right->reserved ? INT32_MAX : right->death - right->birth;
    return of_left == of_right ? larger_first(a, b) : of_left < of_right ? 1 : -1;
}

static int earlier_first(const void *a, const void *b)
{
    const struct planned *left = *(struct planned *const *)a, *right = *(struct planned *const *)b;
    return left->birth == right->birth ? larger_first(a, b) : left->birth < right->birth ? -1 : 1;
}

/* Places the blocks in the given order; returns the total bytes. */
static size_t place_blocks(const struct plan *plan, struct planned *const *block, int32_t blocks,
                           struct planned **placed)
{
    size_t bytes = 0;
    for (int32_t i = 0; i < blocks; i++) {
        int32_t at = best_fit(plan, block[i], placed, i);
        memmove(placed + at + 1, placed + at, (size_t)(i - at) * sizeof(struct planned *));
        placed[at] = block[i];
        block[i]->placed = true;
        size_t end = block[i]->offset + block_size(plan, block[i]);
        if (end > bytes)
            bytes = end;
    }
    return bytes;
}

/* What is to be placed, of one kind. Returns how many; counts the bytes of what is packed, which is
 * placed first and so lies at the beginning without gaps. */
static int32_t add_blocks(struct planned **block, struct plan *plan, enum packed kind)
{
    int32_t count = 0;
    for (val x = 1; x < plan->values; x++) {
        struct planned *planned = &plan->value[x];
        if (planned->packed != kind || !planned->used || planned->root != x ||
            stored(&planned->value) || (planned->birth < 0 && planned->value.role != INPUT))
            continue;
        block[count++] = planned;
        plan->packed[kind] += block_size(plan, planned);
    }
    return count;
}

void plan_pack(struct plan *plan)
{
    static int (*const orders[])(const void *, const void *) = {larger_first, longer_first,
                                                                earlier_first};
    enum { ORDERS = sizeof orders / sizeof *orders };
    struct planned **block = xcalloc((size_t)plan->values, sizeof(struct planned *));
    struct planned **placed = xcalloc((size_t)plan->values, sizeof(struct planned *));
    int32_t packed = add_blocks(block, plan, PACKED_INPUT);
    packed += add_blocks(block + packed, plan, PACKED_RESULT);
    int32_t blocks = packed + add_blocks(block + packed, plan, NOT_PACKED);
    struct planned **rest = block + packed;
    size_t bytes[ORDERS];
    int best = 0;
    for (int i = 0; i < ORDERS; i++) {
        qsort(rest, (size_t)(blocks - packed), sizeof(struct planned *), orders[i]);
        bytes[i] = place_blocks(plan, block, blocks, placed);
        best = bytes[i] < bytes[best] ? i : best;
    }
    qsort(rest, (size_t)(blocks - packed), sizeof(struct planned *), orders[best]);
    plan->values_bytes = place_blocks(plan, block, blocks, placed);
    free(block);
    free(placed);
}
