#include "model/image_task.h"

#include <math.h>

struct denoise {
    double sigma;
};
struct inpaint {
    double share, visible;
    int64_t patch;
};

#define DENOISE(member) .key = #member, .offset = offsetof(struct denoise, member)
static const struct field denoise_fields[] = {
    {DENOISE(sigma), .type = FIELD_REAL, .fallback = "0.1", .min = 0, .max = 1e6,
     .help = "deviation of the noise, in the images' values"},
    {0},
};
#undef DENOISE

#define INPAINT(member) .key = #member, .offset = offsetof(struct inpaint, member)
static const struct field inpaint_fields[] = {
    {INPAINT(share), .type = FIELD_REAL, .fallback = "0.5", .min = 0.01, .max = 0.99,
     .help = "how likely a patch is hidden"},
    {INPAINT(patch), .type = FIELD_INT, .fallback = "8", .min = 1, .max = 4096,
     .help = "side of a patch in pixels"},
    {INPAINT(visible), .type = FIELD_REAL, .fallback = "0", .min = 0, .max = 1,
     .help = "how much a pixel that was not hidden counts in the loss, against one that was"},
    {0},
};
#undef INPAINT

/* ---- the tasks ------------------------------------------------------------------------------ */
static val reconstruct(struct graph *g, const void *own, struct range range, val image, val *pixel)
{
    (void)g, (void)own, (void)range, (void)pixel;
    return image;
}

static val denoise(struct graph *g, const void *own, struct range range, val image, val *pixel)
{
    const struct denoise *config = own;
    (void)range, (void)pixel;
    val noise = g_affine(g, g_normal(g, g_shape(g, image)), (float)config->sigma, 0);
    return g_binary(g, OP_add, image, noise);
}

/* x such that N(0, 1) is below it with probability p, by bisection. */
static double normal_quantile(double p)
{
    double low = -10, high = 10;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (erfc(-middle / sqrt(2)) / 2 < p)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

static int32_t patches(int32_t side, int32_t patch)
{
    return (int32_t)(((int64_t)side + patch - 1) / patch);
}

/* [n,d,h,w,1]: 1 in what is hidden, else 0 */
static val hidden(struct graph *g, const struct inpaint *config, struct shape s)
{
    int32_t patch = (int32_t)config->patch;
    const int32_t factor[3] = {s.d > 1 ? patch : 1, patch, patch}, side[3] = {s.d, s.h, s.w};
    struct shape grid = {s.n, patches(s.d, factor[0]), patches(s.h, patch), patches(s.w, patch), 1};
    val drawn = g_affine(g, g_normal(g, grid), -1, (float)normal_quantile(config->share));
    val map = g_upsample(g, g_unary(g, OP_step, drawn), factor, MODE_NEAREST);
    for (int axis = 0; axis < 3; axis++)
        map = g_slice(g, map, AXIS_D + axis, 0, side[axis]);
    return map;
}

static val inpaint(struct graph *g, const void *own, struct range range, val image, val *pixel)
{
    const struct inpaint *config = own;
    val map = hidden(g, config, g_shape(g, image));
    val rest = g_binary(g, OP_mul, image, g_affine(g, map, -1, 1));
    float middle = isinf(range.high - range.low) ? 0 : (range.low + range.high) / 2;
    *pixel = g_affine(g, map, (float)(1 - config->visible), (float)config->visible);
    return g_binary(g, OP_add, rest, g_affine(g, map, middle, 0));
}

static val colour(struct graph *g, const void *own, struct range range, val image, val *pixel)
{
    static const float share[3] = {0.299f, 0.587f, 0.114f}; /* BT.601 */
    struct shape all = g_shape(g, image);
    val luma = 0;
    (void)own, (void)range, (void)pixel;
    for (int32_t c = 0; c < 3; c++) {
        val part = g_affine(g, g_slice(g, image, AXIS_C, c, 1), share[c], 0);
        luma = luma ? g_binary(g, OP_add, luma, part) : part;
    }
    return g_broadcast(g, luma, all);
}

static const struct task {
    struct field_variant keys;
    int64_t channels; /* that its images must have; 0: any */
    val (*append)(struct graph *g, const void *own, struct range range, val image, val *pixel);
} tasks[] = {
    {{"reconstruct", "the image itself is seen", NULL, 0}, 0, reconstruct},
    {{"denoise", "noise is added to what is seen", denoise_fields, sizeof(struct denoise)},
     0,
     denoise},
    {{"inpaint", "patches are hidden", inpaint_fields, sizeof(struct inpaint)}, 0, inpaint},
    {{"colour", "grey is seen of an image of three channels", NULL, 0}, 3, colour},
};
enum { TASKS = sizeof tasks / sizeof *tasks };
static const char *const task_names[] = {"reconstruct", "denoise", "inpaint", "colour", NULL};

static const struct field_variant *task_keys(int choice)
{
    return choice < TASKS ? &tasks[choice].keys : NULL;
}

const struct field image_task_fields[] = {
    {.key = "kind",
     .type = FIELD_VARIANT,
     .offset = offsetof(struct image_task_config, kind),
     .fallback = "reconstruct",
     .choices = task_names,
     .variant = task_keys,
     .help = "what is seen of an image that is to be made"},
    {0},
};

int image_task_check(const struct image_task_config *config, const struct image_data *data,
                     struct err *err)
{
    const struct task *task = &tasks[config->kind.choice];
    if (!task->channels || task->channels == data->c)
        return 0;
    return fail_as(err, STATUS_CONFIG,
                   "task.kind: '%s' is for images of %lld channels, not of %lld", task->keys.name,
                   (long long)task->channels, (long long)data->c);
}

val image_task(struct graph *g, const struct image_task_config *config, struct range range,
               val image, val *pixel)
{
    *pixel = 0;
    graph_push(g, "task");
    val seen = tasks[config->kind.choice].append(g, config->kind.own, range, image, pixel);
    graph_pop(g);
    return seen;
}
