/*
 * Losses of images: their slopes against central differences on the oracle, and what has to hold for any of
 * them; what the tasks show of an image. Ten steps with each term are in train_golden_models.c.
 */
#include "base/random.h"
#include "engine/graph_parts.h"
#include "model/image_loss.h"
#include "model/image_task.h"

#include "train_golden.h"

static const struct range unit = {0, 1};

/* ---- losses --------------------------------------------------------------------------------- */
static const struct {
    const char *name;
    struct image_loss_config config;
    bool weighted;
    struct shape shape;
} cases[] = {
    {"none given", {.mse = {false, 0}}, false, {2, 1, 3, 4, 2}},
    {"mse", {.mse = {true, 2}}, false, {2, 1, 3, 4, 2}},
    {"l1", {.l1 = {true, 1}}, false, {2, 1, 3, 4, 2}},
    {"ssim", {.ssim = {true, 1}}, false, {2, 1, 12, 13, 2}},
    {"ssim of little", {.ssim = {true, 1}}, false, {2, 1, 4, 7, 3}},
    {"ssim, 3d", {.ssim = {true, 1}}, false, {1, 6, 12, 5, 1}},
    {"mse, weighted", {.mse = {true, 1}}, true, {3, 1, 3, 4, 2}},
    {"l1, weighted", {.l1 = {true, 0.5}}, true, {3, 2, 3, 4, 2}},
    {"ssim, weighted", {.ssim = {true, 1}}, true, {2, 1, 12, 6, 2}},
    {"all", {.mse = {true, 1}, .l1 = {true, 2}, .ssim = {true, 3}}, true, {2, 1, 11, 12, 1}},
};
enum { CASES = sizeof cases / sizeof *cases, MOST = 1024 };

struct program {
    struct params *params;
    struct graph *graph;
    struct plan *plan;
    val target, pixel, loss;
    int64_t count, pixels;
    float image[MOST], of_target[MOST], weight[MOST], gradient[MOST];
};

/* The image is the parameter "image" of the group "x". */
static void open_program(struct program *p, struct backend *backend, int k)
{
    static const char *const groups[] = {"x"};
    static const struct initial zero = {INIT_ZERO, 0};
    struct err err;
    struct shape shape = cases[k].shape, map = shape, one = {1, 1, 1, 1, 1};
    struct stream stream = stream_new(3, cases[k].name);
    map.c = 1;
    *p = (struct program){
        .params = params_new(), .count = shape_count(shape), .pixels = shape_count(map)};
    struct graph *g = p->graph = graph_new(p->params, MODE_TRAIN, ARRAY_PARAM);
    p->target = g_input(g, "target", F32, shape);
    p->pixel = cases[k].weighted ? g_input(g, "pixel", F32, map) : 0;
    const struct image_pair pair = {.image = g_param(g, "x", "image", shape, zero),
                                    .target = p->target,
                                    .pixel = p->pixel,
                                    .range = 1};
    p->loss = g_output(g, "loss", g_reduce_sum(g, image_loss(g, &cases[k].config, &pair), one));
    graph_backward(g, p->loss, groups, 1, false);
    must(graph_check(g, &err), &err);
    must(params_realise(p->params, backend, 0, &err), &err);
    must(plan_make(&p->plan, g, backend, &(struct plan_options){.guard = 64}, &err), &err);
    for (int64_t i = 0; i < p->count; i++) {
        p->image[i] = (float)stream_uniform(&stream);
        p->of_target[i] = (float)stream_uniform(&stream);
    }
    for (int64_t i = 0; i < p->pixels; i++)
        p->weight[i] = stream_below(&stream, 2) ? 1 : 0.25f;
}

static void close_program(struct program *p)
{
    plan_free(p->plan);
    graph_free(p->graph);
    params_free(p->params);
}

static float run(struct program *p)
{
    struct err err;
    float loss;
    const struct entry *entry = params_find(p->params, "image");
    must(params_put(p->params, entry, ARRAY_PARAM, p->image, &err), &err);
    must(plan_put(p->plan, p->target, p->of_target, &err), &err);
    if (p->pixel)
        must(plan_put(p->plan, p->pixel, p->weight, &err), &err);
    must(plan_run(p->plan, &err), &err);
    must(plan_guards(p->plan, &err), &err);
    must(plan_get(p->plan, p->loss, &loss, &err), &err);
    must(params_get(p->params, entry, ARRAY_GRAD, p->gradient, &err), &err);
    return loss;
}

static void differences(void **state)
{
    struct golden_backend *on = *state;
    for (int k = 0; k < CASES; k++) {
        struct program p;
        struct err err;
        double worst = 0, scale = 0;
        open_program(&p, on->backend, k);
        run(&p);
        const struct entry *e = params_find(p.params, "image");
        double *x =
            params_address(p.params, on->backend, e->group_index, ARRAY_PARAM, e->offset, p.count);
        const double *loss = plan_address(p.plan, p.loss);
        for (int64_t i = 0; i < p.count; i++) {
            double was = x[i], at[2];
            for (int side = 0; side < 2; side++) {
                x[i] = was + (side ? 1e-6 : -1e-6);
                must(plan_run(p.plan, &err), &err);
                at[side] = *loss;
            }
            x[i] = was;
            double slope = (at[1] - at[0]) / 2e-6;
            worst = fmax(worst, fabs(slope - (double)p.gradient[i]));
            scale = fmax(scale, fabs(slope));
        }
        assert_true(scale > 1e-4);
        if (!(worst <= 1e-6 * scale))
            fail_msg("%s: slopes are off by %g of %g", cases[k].name, worst, scale);
        close_program(&p);
    }
}

/* The image itself costs nothing; a pixel without weight has no slope but through the windows of others,
 * and no weight at all costs nothing whatever the image is. */
static void what_costs_nothing(void **state)
{
    const struct golden_backend *backends = *state;
    for (int k = 0; k < 2 * CASES; k++) {
        struct program p;
        open_program(&p, backends[k % 2].backend, k / 2);
        float before = run(&p);
        assert_true(before > 0.01f);
        memset(p.weight, 0, sizeof p.weight);
        float loss = run(&p);
        assert_float_equal(loss, p.pixel ? 0 : before, 1e-6);
        for (int64_t i = 0; i < p.count && p.pixel; i++)
            assert_true(p.gradient[i] == 0);
        memcpy(p.image, p.of_target, sizeof p.image);
        assert_float_equal(run(&p), 0, 1e-6);
        close_program(&p);
    }
}

/* ---- tasks ---------------------------------------------------------------------------------- */
enum { N = 3, SIDE = 20, CHANNELS = 3, PIXELS = SIDE * SIDE, VALUES = N * PIXELS * CHANNELS };
struct seen {
    float image[VALUES], of[VALUES], pixel[N * PIXELS];
    bool weighted;
};

/* As the experiment file says it. step: the clock's. */
static struct seen look(struct backend *backend, const char *yaml, enum mode mode, int32_t step)
{
    struct seen seen = {0};
    struct arena arena = {0};
    struct err err = {0};
    struct yaml *map;
    struct image_task_config config;
    const struct image_data data = {1, SIDE, SIDE, CHANNELS, 0};
    struct shape shape = {N, 1, SIDE, SIDE, CHANNELS};
    struct params *params = params_new();
    struct graph *g = graph_new(params, mode, ARRAY_PARAM);
    struct plan *plan;
    val pixel, image = g_input(g, "image", F32, shape);
    const int32_t clock[CLOCKS] = {[CLOCK_STEP] = step, [CLOCK_SEED_LOW] = 7};
    must(yaml_parse(&map, &arena, "t", yaml, strlen(yaml), &err), &err);
    must(config_bind(&config, image_task_fields, map, "task", &arena, &err), &err);
    must(image_task_check(&config, &data, &err), &err);
    val of = g_output(g, "seen", image_task(g, &config, unit, image, &pixel));
    val weights = pixel ? g_output(g, "pixel", pixel) : 0;
    val time = g_clock(g);
    for (int i = 0; i < VALUES; i++)
        seen.image[i] = (float)fmod(0.618034 * i + 0.1, 1);
    must(graph_check(g, &err), &err);
    must(params_realise(params, backend, 0, &err), &err);
    must(plan_make(&plan, g, backend, &(struct plan_options){.guard = 64}, &err), &err);
    must(plan_put(plan, image, seen.image, &err), &err);
    must(plan_put(plan, time, clock, &err), &err);
    must(plan_run(plan, &err), &err);
    must(plan_get(plan, of, seen.of, &err), &err);
    if ((seen.weighted = weights != 0))
        must(plan_get(plan, weights, seen.pixel, &err), &err);
    plan_free(plan);
    graph_free(g);
    params_free(params);
    arena_free(&arena);
    return seen;
}

static void the_image_itself(void **state)
{
    const struct golden_backend *on = (const struct golden_backend *)*state + 1;
    struct seen seen = look(on->backend, "{}", MODE_TRAIN, 0);
    assert_memory_equal(seen.of, seen.image, sizeof seen.of);
    assert_false(seen.weighted);
}

static void noise_has_its_deviation(void **state)
{
    const struct golden_backend *on = (const struct golden_backend *)*state + 1;
    struct seen seen = look(on->backend, "{kind: denoise, sigma: 0.25}", MODE_TRAIN, 0);
    double sum = 0, squares = 0;
    for (int i = 0; i < VALUES; i++) {
        double noise = (double)seen.of[i] - (double)seen.image[i];
        sum += noise;
        squares += noise * noise;
    }
    assert_false(seen.weighted);
    assert_float_equal(sum / VALUES, 0, 5 * 0.25 / sqrt(VALUES));
    assert_float_equal(sqrt(squares / VALUES), 0.25, 5 * 0.25 / sqrt(2 * VALUES));
}

/* Patches of 3 on sides of 20: the last are cut. */
static int hidden_patches(const struct seen *seen, float visible)
{
    int count = 0;
    for (int i = 0; i < N * PIXELS; i++) {
        int n = i / PIXELS, y = i % PIXELS / SIDE, x = i % SIDE;
        bool hidden = seen->pixel[n * PIXELS + y / 3 * 3 * SIDE + x / 3 * 3] == 1;
        assert_true(seen->pixel[i] == (hidden ? 1 : visible));
        for (int c = 0; c < CHANNELS; c++)
            assert_true(seen->of[i * CHANNELS + c] ==
                        (hidden ? 0.5f : seen->image[i * CHANNELS + c]));
        count += hidden && y % 3 == 0 && x % 3 == 0;
    }
    return count;
}

static void whole_patches_are_hidden(void **state)
{
    enum { PATCHES = N * 7 * 7 };
    const struct golden_backend *on = (const struct golden_backend *)*state + 1;
    struct seen half = look(on->backend, "{kind: inpaint, patch: 3}", MODE_TRAIN, 0);
    struct seen few =
        look(on->backend, "{kind: inpaint, patch: 3, share: 0.1, visible: 0.125}", MODE_TRAIN, 0);
    assert_float_equal(hidden_patches(&half, 0), 0.5 * PATCHES, 4 * sqrt(0.25 * PATCHES));
    assert_float_equal(hidden_patches(&few, 0.125f), 0.1 * PATCHES, 4 * sqrt(0.09 * PATCHES));
}

/* Another step draws otherwise, the same one alike: on either backend, also in a validation. */
static void draws_follow_the_clock(void **state)
{
    const struct golden_backend *on = *state;
    static const char inpaint[] = "{kind: inpaint, patch: 2}";
    for (enum mode mode = MODE_TRAIN; mode <= MODE_EVALUATE; mode++) {
        struct seen first = look(on[1].backend, inpaint, mode, 0);
        struct seen again = look(on[1].backend, inpaint, mode, 0);
        struct seen other = look(on[1].backend, inpaint, mode, 1);
        struct seen oracle = look(on[0].backend, inpaint, mode, 0);
        assert_memory_equal(first.pixel, again.pixel, sizeof first.pixel);
        assert_memory_equal(first.pixel, oracle.pixel, sizeof first.pixel);
        assert_memory_not_equal(first.pixel, other.pixel, sizeof first.pixel);
    }
}

static void grey_is_the_luma(void **state)
{
    const struct golden_backend *on = (const struct golden_backend *)*state + 1;
    struct seen seen = look(on->backend, "{kind: colour}", MODE_TRAIN, 0);
    for (int i = 0; i < VALUES; i++) {
        const float *p = seen.image + i / 3 * 3;
        double luma = 0.299 * (double)p[0] + 0.587 * (double)p[1] + 0.114 * (double)p[2];
        assert_float_equal(seen.of[i], luma, 1e-6);
    }
    struct err err = {0};
    const struct image_task_config colour = {{.choice = 3}};
    assert_int_equal(image_task_check(&colour, &(struct image_data){1, 8, 8, 1, 0}, &err), -1);
    assert_int_equal(err.status, STATUS_CONFIG);
    assert_string_equal(err.text, "task.kind: 'colour' is for images of 3 channels, not of 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences),
        cmocka_unit_test(what_costs_nothing),
        cmocka_unit_test(the_image_itself),
        cmocka_unit_test(noise_has_its_deviation),
        cmocka_unit_test(whole_patches_are_hidden),
        cmocka_unit_test(draws_follow_the_clock),
        cmocka_unit_test(grey_is_the_luma),
    };
    return cmocka_run_group_tests(tests, golden_setup, golden_teardown);
}
