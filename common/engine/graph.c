#include "engine/graph_parts.h"

#include "base/random.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A larger value is a mistake; below this no size computation overflows. */
static const int64_t MAX_ELEMENTS = (int64_t)1 << 40;

/* ---- shapes --------------------------------------------------------------------------------- */

int64_t shape_count(struct shape s)
{
    return (int64_t)s.n * s.d * s.h * s.w * s.c;
}

bool shape_equal(struct shape a, struct shape b)
{
    return a.n == b.n && a.d == b.d && a.h == b.h && a.w == b.w && a.c == b.c;
}

char *shape_text(char buf[SHAPE_TEXT], struct shape s)
{
    snprintf(buf, SHAPE_TEXT, "[%d,%d,%d,%d,%d]", s.n, s.d, s.h, s.w, s.c);
    return buf;
}

int shape_dims(int64_t dims[5], struct shape s)
{
    int rank = 0;
    bool space = s.d != 1 || s.h != 1 || s.w != 1;
    if (s.n != 1 || space)
        dims[rank++] = s.n;
    if (s.d != 1)
        dims[rank++] = s.d;
    if (space) {
        dims[rank++] = s.h;
        dims[rank++] = s.w;
    }
    dims[rank++] = s.c;
    return rank;
}

static bool shape_valid(struct shape s)
{
    int64_t count = 1;
    for (int axis = AXIS_N; axis <= AXIS_C; axis++) {
        int32_t size = *shape_axis(&s, axis);
        if (size < 1 || count > MAX_ELEMENTS / size)
            return false;
        count *= size;
    }
    return true;
}

struct window window_make(bool three_d, int32_t size, int32_t stride, int32_t pad)
{
    struct window window;
    for (int i = 0; i < 3; i++) {
        bool flat = i == 0 && !three_d;
        window.size[i] = flat ? 1 : size;
        window.stride[i] = flat ? 1 : stride;
        window.pad[i] = window.pad_end[i] = flat ? 0 : pad;
    }
    return window;
}

/* ---- life and paths ------------------------------------------------------------------------- */

struct graph *graph_new(struct params *params, enum mode mode, enum array weights_from)
{
    struct graph *graph = xcalloc(1, sizeof *graph);
    graph->params = params;
    graph->mode = mode;
    graph->weights_from = weights_from;
    if (weights_from != ARRAY_PARAM && weights_from != ARRAY_EMA)
        bug("weights from array %d", weights_from);
    graph_add_value(graph, (struct value){.node = -1});
    return graph;
}

void graph_free(struct graph *graph)
{
    if (!graph)
        return;
    arena_free(&graph->arena);
    free(graph->node);
    free(graph->value);
    free(graph->used);
    free(graph->wanted);
    free(graph->gradient);
    free(graph);
}

void graph_set_precision(struct graph *graph, enum dtype precision)
{
    graph->precision = precision;
}

enum dtype graph_precision(const struct graph *graph)
{
    return graph->precision;
}

void graph_suit(struct graph *graph, const struct backend *backend)
{
    graph->prefers = backend->prefers;
}

enum mode graph_mode(const struct graph *graph)
{
    return graph->mode;
}

static const char *current_path(const struct graph *graph)
{
    return graph->depth ? graph->path[graph->depth - 1] : "";
}

static char *path_below(struct graph *graph, const char *name)
{
    const char *path = current_path(graph);
    return arena_printf(&graph->arena, "%s%s%s", path, *path ? "." : "", name);
}

void graph_push(struct graph *graph, const char *fmt, ...)
{
    char name[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(name, sizeof name, fmt, ap);
    va_end(ap);
    if (graph->depth == MAX_DEPTH)
        bug("names nested deeper than %d", MAX_DEPTH);
    graph->path[graph->depth] = path_below(graph, name);
    graph->depth++;
}

void graph_pop(struct graph *graph)
{
    if (!graph->depth)
        bug("graph_pop without graph_push");
    graph->depth--;
}

val graph_find(const struct graph *graph, const char *path)
{
    size_t length = strlen(path);
    val last = 0;
    for (int32_t i = 0; i < graph->nodes; i++) {
        const struct node *node = graph->node[i];
        bool below = strncmp(node->path, path, length) == 0 &&
                     (!node->path[length] || node->path[length] == '.');
        if (below && node->out[0])
            last = node->out[0];
    }
    return last;
}

const char *graph_layers(struct graph *graph)
{
    const char **seen = arena_alloc(&graph->arena, (size_t)graph->nodes * sizeof *seen);
    const char *all = "";
    size_t count = 0;
    for (int32_t i = 0; i < graph->nodes; i++) {
        const struct node *node = graph->node[i];
        const char *dot = strrchr(node->path, '.');
        struct shape shape = g_shape(graph, node->out[0]);
        if (!dot || shape.d * shape.h * shape.w == 1)
            continue;
        const char *layer = arena_strndup(&graph->arena, node->path, (size_t)(dot - node->path));
        bool known = false;
        for (size_t k = 0; k < count; k++)
            known |= strcmp(seen[k], layer) == 0;
        if (known)
            continue;
        seen[count++] = layer;
        all = arena_printf(&graph->arena, "%s%s%s", all, *all ? ", " : "", layer);
    }
    return all;
}

/* ---- the sticky error ----------------------------------------------------------------------- */

/* Every such error is due to how a model was configured. */
static void set_error(struct graph *graph, const char *path, const char *fmt, va_list ap)
{
    if (graph->failed)
        return;
    char text[sizeof graph->err.text];
    vsnprintf(text, sizeof text, fmt, ap);
    graph->failed = true;
    fail_as(&graph->err, STATUS_CONFIG, "%s%s%s", path, *path ? ": " : "", text);
}

int graph_check(const struct graph *graph, struct err *err)
{
    if (!graph->failed)
        return 0;
    *err = graph->err;
    return -1;
}

val graph_fail(struct graph *graph, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set_error(graph, current_path(graph), fmt, ap);
    va_end(ap);
    return 0;
}

int op_fail(struct graph *graph, const struct node *node, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set_error(graph, node->path, fmt, ap);
    va_end(ap);
    return -1;
}

/* ---- values --------------------------------------------------------------------------------- */

val graph_add_value(struct graph *graph, struct value value)
{
    struct value *copy = arena_alloc(&graph->arena, sizeof *copy);
    *copy = value;
    *ARRAY_ADD(graph->value, graph->values) = copy;
    return graph->values - 1;
}

struct shape g_shape(const struct graph *graph, val x)
{
    return graph->failed ? (struct shape){0} : graph->value[x]->shape;
}

val g_input(struct graph *graph, const char *name, enum dtype dtype, struct shape shape)
{
    if (graph->failed)
        return 0;
    char text[SHAPE_TEXT];
    if (!shape_valid(shape))
        return graph_fail(graph, "input '%s' has the shape %s", name, shape_text(text, shape));
    return graph_add_value(graph, (struct value){.shape = shape,
                                                 .dtype = dtype,
                                                 .role = INPUT,
                                                 .node = -1,
                                                 .entry = -1,
                                                 .name = arena_strdup(&graph->arena, name)});
}

val g_output(struct graph *graph, const char *name, val x)
{
    if (graph->failed || !x)
        return 0;
    struct value *value = graph->value[x];
    if (value->role == TEMP) {
        value->role = OUTPUT;
        value->name = arena_strdup(&graph->arena, name);
    }
    return x;
}

val graph_store_value(struct graph *graph, int32_t index, enum array which)
{
    const struct entry *entry = params_entry(graph->params, index);
    params_ask(graph->params, entry->group_index, which);
    return graph_add_value(graph, (struct value){.shape = entry->shape,
                                                 .role = entry->state ? STATE : PARAM,
                                                 .node = -1,
                                                 .name = entry->name,
                                                 .entry = index,
                                                 .group = entry->group_index,
                                                 .array = which,
                                                 .offset = entry->offset});
}

static val stored(struct graph *graph, const char *group, const char *name, struct shape shape,
                  bool state, struct initial init)
{
    if (graph->failed)
        return 0;
    char text[SHAPE_TEXT];
    group = graph->borrowed ? graph->borrowed : group;
    if (!shape_valid(shape))
        return graph_fail(graph, "parameter '%s' has the shape %s", name, shape_text(text, shape));
    struct err err = {0};
    int32_t index =
        params_declare(graph->params, group, path_below(graph, name), shape, state, init, &err);
    if (index < 0)
        return graph_fail(graph, "%s", err.text);
    enum array which = state                        ? ARRAY_STATE
                       : graph_frozen(graph, group) ? ARRAY_PARAM
                                                    : graph->weights_from;
    for (val x = 1; x < graph->values; x++)
        if (graph->value[x]->entry == index && graph->value[x]->array == which)
            return x;
    return graph_store_value(graph, index, which);
}

val g_param(struct graph *graph, const char *group, const char *name, struct shape shape,
            struct initial init)
{
    return stored(graph, group, name, shape, false, init);
}

val g_state(struct graph *graph, const char *group, const char *name, struct shape shape,
            struct initial init)
{
    return stored(graph, group, name, shape, true, init);
}

val g_flat(struct graph *graph, const char *group, enum array which)
{
    if (graph->failed)
        return 0;
    int32_t index = params_group(graph->params, group);
    if (index < 0)
        return graph_fail(graph, "no parameter group '%s'", group);
    int64_t count = params_group_count(graph->params, index, which);
    if (!count)
        return 0;
    if (count > INT32_MAX)
        return graph_fail(graph, "group '%s' has %lld elements, at most %d fit", group,
                          (long long)count, INT32_MAX);
    params_ask(graph->params, index, which);
    return graph_add_value(graph, (struct value){.shape = {1, 1, 1, 1, (int32_t)count},
                                                 .role = which == ARRAY_STATE ? STATE : PARAM,
                                                 .node = -1,
                                                 .name = arena_strdup(&graph->arena, group),
                                                 .entry = -1,
                                                 .group = index,
                                                 .array = which});
}

val g_guard(struct graph *graph)
{
    if (!graph->guard) {
        params_ask(graph->params, GROUP_OF_GUARD, ARRAY_STATE);
        graph->guard = graph_add_value(graph, (struct value){.shape = {1, 1, 1, 1, 1},
                                                             .role = STATE,
                                                             .node = -1,
                                                             .name = "guard",
                                                             .entry = -1,
                                                             .group = GROUP_OF_GUARD,
                                                             .array = ARRAY_STATE});
    }
    return graph->guard;
}

val g_clock(struct graph *graph)
{
    if (!graph->clock)
        graph->clock = g_input(graph, "clock", I32, (struct shape){1, 1, 1, 1, CLOCKS});
    return graph->clock;
}

val g_rates(struct graph *graph, const char *group)
{
    int i = 0;
    while (i < graph->rates_count && strcmp(graph->rates[i].group, group) != 0)
        i++;
    if (i == MAX_GROUPS)
        bug("more than %d groups with rates", MAX_GROUPS);
    if (i == graph->rates_count) {
        graph->rates[i].group = arena_strdup(&graph->arena, group);
        graph->rates[i].value = g_input(graph, "rates", F32, (struct shape){1, 1, 1, 1, RATES});
        graph->rates_count++;
    }
    return graph->rates[i].value;
}

void graph_freeze(struct graph *graph, const char *group)
{
    if (graph->frozen_count == MAX_GROUPS)
        bug("more than %d frozen groups", MAX_GROUPS);
    graph->frozen[graph->frozen_count++] = arena_strdup(&graph->arena, group);
}

void graph_borrow(struct graph *graph, const char *group)
{
    if (graph->borrowed)
        bug("'%s' borrows while '%s' does", group, graph->borrowed);
    graph->borrowed = arena_strdup(&graph->arena, group);
    graph_push(graph, "%s", group);
}

void graph_return(struct graph *graph)
{
    graph_pop(graph);
    graph->borrowed = NULL;
}

bool graph_frozen(const struct graph *graph, const char *group)
{
    group = graph->borrowed ? graph->borrowed : group;
    for (int i = 0; i < graph->frozen_count; i++)
        if (strcmp(graph->frozen[i], group) == 0)
            return true;
    return false;
}

void graph_measure(struct graph *graph)
{
    graph->measures = true;
}

bool graph_measures(const struct graph *graph)
{
    return graph->measures;
}

/* ---- nodes ---------------------------------------------------------------------------------- */

/* "vae.up1.conv", the next one "vae.up1.conv.2"; a gradient node is "vae.up1.conv.grad". */
static const char *node_path(struct graph *graph, enum op op)
{
    const char *base = graph->gradient_of
                           ? arena_printf(&graph->arena, "%s.grad", graph->gradient_of->path)
                           : path_below(graph, op_name(op));
    uint64_t key = random_key(base);
    for (int32_t i = 0; i < graph->uses; i++)
        if (graph->used[i].key == key)
            return arena_printf(&graph->arena, "%s.%d", base, ++graph->used[i].count);
    *ARRAY_ADD(graph->used, graph->uses) = (struct path_use){key, 1};
    return base;
}

val g_append(struct graph *graph, enum op op, const val *in, const struct attr *attr, val *out)
{
    const struct op_info *info = op_info(op);
    if (out)
        memset(out, 0, info->nout * sizeof *out);
    if (graph->failed)
        return 0;
    struct node *node = arena_alloc(&graph->arena, sizeof *node);
    *node = (struct node){.op = op, .path = node_path(graph, op)};
    if (info->nin)
        memcpy(node->in, in, info->nin * sizeof *in);
    if (attr)
        node->attr = *attr;
    if ((info->flags & RANDOM) && !node->attr.key)
        node->attr.key = random_key(node->path);
    if (info->infer(graph, node))
        return 0;
    *ARRAY_ADD(graph->node, graph->nodes) = node;
    if (out)
        memcpy(out, node->out, info->nout * sizeof *out);
    return node->out[0];
}

int32_t graph_nodes(const struct graph *graph)
{
    return graph->nodes;
}

const struct node *graph_node(const struct graph *graph, int32_t index)
{
    return graph->node[index];
}

int32_t graph_values(const struct graph *graph)
{
    return graph->values - 1;
}

const struct value *graph_value(const struct graph *graph, val x)
{
    return graph->value[x];
}

/* ---- checks and errors for infer and grad --------------------------------------------------- */

static const char *const type_name[] = {[F32] = "f32", [BF16] = "bf16", [I32] = "i32", [U8] = "u8"};

struct shape op_shape(const struct graph *graph, const struct node *node, int index)
{
    return graph->value[node->in[index]]->shape;
}

int op_input(struct graph *graph, const struct node *node, int index, enum dtype dtype)
{
    val x = node->in[index];
    if (!x)
        return op_fail(graph, node, "input %d is missing", index + 1);
    enum dtype have = graph->value[x]->dtype;
    if (have != dtype)
        return op_fail(graph, node, "input %d is %s, not %s", index + 1, type_name[have],
                       type_name[dtype]);
    return 0;
}

int op_inputs(struct graph *graph, const struct node *node, int count)
{
    for (int i = 0; i < count; i++)
        TRY(op_input(graph, node, i, F32));
    return 0;
}

int op_activation(struct graph *graph, const struct node *node, int index, enum dtype *type)
{
    val x = node->in[index];
    *type = x ? graph->value[x]->dtype : F32;
    return x && *type == BF16 ? 0 : op_input(graph, node, index, F32);
}

int op_shaped(struct graph *graph, const struct node *node, int index, struct shape shape)
{
    char have[SHAPE_TEXT], want[SHAPE_TEXT];
    struct shape given = op_shape(graph, node, index);
    if (!shape_equal(given, shape))
        return op_fail(graph, node, "input %d has the shape %s, not %s", index + 1,
                       shape_text(have, given), shape_text(want, shape));
    return 0;
}

int op_same(struct graph *graph, const struct node *node, int index, struct shape shape)
{
    TRY(op_input(graph, node, index, F32));
    return op_shaped(graph, node, index, shape);
}

int op_alike(struct graph *graph, const struct node *node, int index, int other)
{
    TRY(op_input(graph, node, index, graph->value[node->in[other]]->dtype));
    return op_shaped(graph, node, index, op_shape(graph, node, other));
}

int op_optional(struct graph *graph, const struct node *node, int index, struct shape shape)
{
    return node->in[index] ? op_same(graph, node, index, shape) : 0;
}

int op_output(struct graph *graph, struct node *node, int index, struct shape shape,
              enum dtype dtype)
{
    char text[SHAPE_TEXT];
    if (!shape_valid(shape))
        return op_fail(graph, node, "the result would have the shape %s", shape_text(text, shape));
    node->out[index] = graph_add_value(
        graph,
        (struct value){
            .shape = shape, .dtype = dtype, .role = TEMP, .node = graph->nodes, .entry = -1});
    return 0;
}
