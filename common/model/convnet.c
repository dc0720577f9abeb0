#include "model/convnet.h"

#include "model/layers.h"

#include <stdio.h>
#include <string.h>

enum { MAX_LAYERS = 64, MAX_CHANNELS = 4096, MAX_SIDE = 15, NUMBERS = 4 };
static const struct layers plain = {.group = "features"};

/* ---- layers --------------------------------------------------------------------------------- */
struct layer {
    int row; /* of the table */
    int32_t number[NUMBERS];
};

static struct window window_of(int32_t size, int32_t stride, int32_t pad)
{
    return window_make(false, size, stride, pad);
}

static val conv(struct graph *g, val x, size_t index, const int32_t number[NUMBERS], enum act act)
{
    char name[16];
    snprintf(name, sizeof name, "%zu", index);
    return layer_conv(g, &plain, name, x, number[0], window_of(number[1], number[2], number[3]),
                      true, act);
}

static val relu(struct graph *g, val x, size_t index, const int32_t number[NUMBERS], enum act act)
{
    (void)index, (void)number, (void)act;
    return g_act(g, x, ACT_RELU);
}

static val max_pool(struct graph *g, val x, size_t index, const int32_t number[NUMBERS],
                    enum act act)
{
    (void)index, (void)act;
    return g_max_pool(g, x, window_of(number[0], number[1], 0));
}

static val avg_pool(struct graph *g, val x, size_t index, const int32_t number[NUMBERS],
                    enum act act)
{
    (void)index, (void)act;
    return g_avg_pool(g, x, window_of(number[0], number[1], 0));
}

enum { CONV, RELU };
static const struct {
    const char *name;
    int32_t least[NUMBERS], most[NUMBERS]; /* of its numbers; most 0: it has no such number */
    val (*append)(struct graph *g, val x, size_t index, const int32_t number[NUMBERS],
                  enum act act);
} rows[] = {
    [CONV] = {"conv", {1, 1, 1, 0}, {MAX_CHANNELS, MAX_SIDE, MAX_SIDE, MAX_SIDE}, conv},
    [RELU] = {"relu", {0}, {0}, relu},
    {"max_pool", {1, 1}, {MAX_SIDE, MAX_SIDE}, max_pool},
    {"avg_pool", {1, 1}, {MAX_SIDE, MAX_SIDE}, avg_pool},
};
enum { ROWS = sizeof rows / sizeof *rows };

/* Whether the text is a layer, and nothing more. */
static bool parse_layer(struct layer *out, const char *text)
{
    size_t length = strcspn(text, " ");
    *out = (struct layer){.row = 0};
    while (out->row < ROWS && (strlen(rows[out->row].name) != length ||
                               memcmp(rows[out->row].name, text, length) != 0))
        out->row++;
    if (out->row == ROWS)
        return false;
    text += length;
    for (int i = 0; i < NUMBERS && rows[out->row].most[i]; i++) {
        int used = 0;
        if (sscanf(text, " %5d%n", &out->number[i], &used) != 1 ||
            out->number[i] < rows[out->row].least[i] || out->number[i] > rows[out->row].most[i])
            return false;
        text += used;
    }
    return !*text;
}

/* ---- description ---------------------------------------------------------------------------- */
#define DESCRIPTION(member) .key = #member, .offset = offsetof(struct convnet_description, member)
static const struct field description_fields[] = {
    {DESCRIPTION(layers), .type = FIELD_TEXTS, .min_count = 1, .max_count = MAX_LAYERS,
     .help = "conv OUT SIZE STRIDE PAD, relu, max_pool SIZE STRIDE, avg_pool SIZE STRIDE"},
    {DESCRIPTION(taps), .type = FIELD_INTS, .min = 0, .max = MAX_LAYERS - 1, .min_count = 1,
     .max_count = MAX_TAPS, .help = "layers, from 0, behind which its features are"},
    {DESCRIPTION(mean), .type = FIELD_REALS, .min = -1e6, .max = 1e6, .min_count = 1,
     .help = "of each channel, taken off"},
    {DESCRIPTION(std), .type = FIELD_REALS, .min = 1e-6, .max = 1e6, .min_count = 1,
     .help = "of each channel, divided by"},
    {DESCRIPTION(data), .type = FIELD_SECTION, .sub = image_data_fields,
     .help = "what it was trained on"},
    {0},
};

static int check_layers(const struct convnet_description *net, struct err *err)
{
    for (size_t i = 0; i < net->layers.count; i++) {
        struct layer layer;
        if (!parse_layer(&layer, net->layers.items[i]))
            return fail_as(err, STATUS_CONFIG,
                           "layers: '%s' is none; conv OUT SIZE STRIDE PAD, relu, max_pool SIZE "
                           "STRIDE or avg_pool SIZE STRIDE expected",
                           net->layers.items[i]);
    }
    for (size_t i = 1; i < net->taps.count; i++)
        if (net->taps.items[i] <= net->taps.items[i - 1])
            return fail_as(err, STATUS_CONFIG, "taps: %d comes after %d", (int)net->taps.items[i],
                           (int)net->taps.items[i - 1]);
    int64_t last = net->taps.items[net->taps.count - 1];
    if (last != (int64_t)net->layers.count - 1)
        return fail_as(err, STATUS_CONFIG, "taps: the last is %d; the last layer, %zu, expected",
                       (int)last, net->layers.count - 1);
    return 0;
}

static int check(const void *description, struct err *err)
{
    const struct convnet_description *net = description;
    int64_t channels = net->data.c;
    TRY(check_layers(net, err));
    if ((int64_t)net->mean.count != channels || (int64_t)net->std.count != channels)
        return fail_as(err, STATUS_CONFIG, "mean and std: %zu and %zu numbers for %lld channels",
                       net->mean.count, net->std.count, (long long)channels);
    if (net->data.d != 1)
        return fail_as(err, STATUS_CONFIG, "data: of images alone, d is %lld",
                       (long long)net->data.d);
    return image_data_check(&net->data, err);
}

static struct model_facts facts(const void *description)
{
    const struct convnet_description *net = description;
    return (struct model_facts){
        .data = net->data, .any_size = true, .repeats = true, .range = {0, 1}};
}

/* ---- the network ---------------------------------------------------------------------------- */
/* (x - mean) / std, channel by channel. */
static val normalise(struct graph *g, const struct convnet_description *net, val x)
{
    struct shape s = g_shape(g, x);
    val out = 0;
    if (s.c == 1 && net->data.c > 1) {
        s.c = (int32_t)net->data.c;
        x = g_broadcast(g, x, s);
    }
    if (s.c != net->data.c)
        return graph_fail(g, "images of %d channels; %d expected", (int)s.c, (int)net->data.c);
    for (int32_t k = 0; k < s.c; k++) {
        double scale = 1 / net->std.items[k];
        val one = g_affine(g, g_slice(g, x, AXIS_C, k, 1), (float)scale,
                           (float)(-net->mean.items[k] * scale));
        out = out ? g_concat(g, out, one, AXIS_C) : one;
    }
    return out;
}

static int features(struct graph *g, const void *description, val image, val tap[MAX_TAPS])
{
    const struct convnet_description *net = description;
    int taps = 0;
    graph_push(g, "features");
    val x = g_cast(g, normalise(g, net, image), graph_precision(g));
    for (size_t i = 0; i < net->layers.count; i++) {
        struct layer layer, next;
        bool tapped = net->taps.items[taps] == (int64_t)i;
        if (!parse_layer(&layer, net->layers.items[i]))
            bug("a layer '%s' that was not checked", net->layers.items[i]);
        bool with = layer.row == CONV && !tapped && parse_layer(&next, net->layers.items[i + 1]) &&
                    next.row == RELU; /* in one pass over memory */
        x = rows[layer.row].append(g, x, i, layer.number, with ? ACT_RELU : ACT_NONE);
        i += with;
        if (net->taps.items[taps] == (int64_t)i)
            tap[taps++] = g_cast(g, x, F32);
    }
    graph_pop(g);
    return taps;
}

/* At each place x / |x| over the channels, 0 where x is. */
static val unit_length(struct graph *g, val x)
{
    struct shape s = g_shape(g, x), places = s;
    places.c = 1;
    val squares = g_reduce_sum(g, g_unary(g, OP_square, x), places);
    val length = g_unary(g, OP_sqrt_, g_affine(g, squares, 1, 1e-20f));
    return g_binary(g, OP_div_, x, length);
}

static val compare(struct graph *g, const void *description, val image, val other)
{
    val tap[MAX_TAPS], than[MAX_TAPS], total = 0;
    int count = features(g, description, image, tap);
    features(g, description, other, than);
    graph_push(g, "lin");
    for (int i = 0; i < count; i++) {
        struct shape s = g_shape(g, tap[i]), weight = {1, 1, 1, 1, s.c}, one = {s.n, 1, 1, 1, 1};
        graph_push(g, "%d", i);
        val w = g_param(g, "lin", "weight", weight, (struct initial){INIT_ONE, 0});
        graph_pop(g);
        val off = g_binary(g, OP_sub, unit_length(g, tap[i]), unit_length(g, than[i]));
        val sum = g_reduce_sum(g, g_binary(g, OP_mul, g_unary(g, OP_square, off), w), one);
        val mean = g_affine(g, sum, 1 / ((float)s.h * (float)s.w), 0);
        total = total ? g_binary(g, OP_add, total, mean) : mean;
    }
    graph_pop(g);
    return total;
}

const struct model_kind convnet_kind = {.name = "convnet",
                                        .fields = description_fields,
                                        .size = sizeof(struct convnet_description),
                                        .check = check,
                                        .facts = facts,
                                        .features = features};
const struct model_kind lpips_kind = {.name = "lpips",
                                      .fields = description_fields,
                                      .size = sizeof(struct convnet_description),
                                      .check = check,
                                      .facts = facts,
                                      .features = features,
                                      .compare = compare};
