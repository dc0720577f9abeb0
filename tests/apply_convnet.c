/*
 * Networks whose weights were imported, held against PyTorch (scripts/golden-convnet.py): what they see,
 * how different two images are to them, and a loss of what one sees. And files that are none of theirs.
 */
#include "apply/trained.h"
#include "base/text.h"
#include "model/perceptual.h"
#include "near.h"
#include "one_thread.h"
#include "store/tensors.h"
#include "store_lab.h"
#include "train/train.h"
#include "train/weights_import.h"

#include <math.h>

/* ---- files as torchvision has them ------------------------------------------------------------ */
/* Like hashed() of the script. */
static void hashed(float *out, size_t count, uint32_t key)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t h = (uint32_t)i * 2654435761u + (key * 40503u + 1);
        h ^= h >> 15;
        h *= 2246822519u;
        h ^= h >> 13;
        out[i] = (float)(h >> 8) / (1 << 24);
    }
}

enum { MOST = 48 };
struct file {
    struct lab *lab;
    struct tensor items[MOST];
    size_t count;
};

static float *add(struct file *file, const char *name, int dims, const int64_t *dim)
{
    struct tensor *t = &file->items[file->count++];
    size_t count = 1;
    *t = (struct tensor){.name = name, .type = TENSOR_F32, .dims = dims};
    for (int i = 0; i < dims; i++)
        count *= (size_t)(t->dim[i] = dim[i]);
    t->bytes = count * sizeof(float);
    float *values = arena_alloc(&file->lab->arena, t->bytes);
    t->data = values;
    return values;
}

static void add_conv(struct file *file, int index, int in, int out, int size)
{
    struct arena *arena = &file->lab->arena;
    const int64_t filter[] = {out, in, size, size};
    size_t fan = (size_t)in * (size_t)size * (size_t)size, all = fan * (size_t)out;
    float *w = add(file, arena_printf(arena, "features.%d.weight", index), 4, filter);
    float *b = add(file, arena_printf(arena, "features.%d.bias", index), 1, filter);
    float scale = (float)sqrt(24.0 / (double)fan);
    hashed(w, all, 2 * (uint32_t)index);
    hashed(b, (size_t)out, 2 * (uint32_t)index + 1);
    for (size_t i = 0; i < all; i++)
        w[i] = (w[i] - 0.5f) * scale;
    for (int i = 0; i < out; i++)
        b[i] = (b[i] - 0.5f) * 0.25f;
}

static void add_linear(struct file *file, int tap, int channels)
{
    const int64_t dim[] = {1, channels, 1, 1};
    char *name = arena_printf(&file->lab->arena, "lin%d.model.1.weight", tap);
    hashed(add(file, name, 4, dim), (size_t)channels, 100 + (uint32_t)tap);
}

/* {index, in, out, size} of its convolutions, and the channels of its taps. */
struct network {
    const char *name;
    int side, convs, conv[13][4], tap[5];
};
static const struct network networks[] = {
    {"vgg16",
     32,
     13,
     {{0, 3, 64, 3},
      {2, 64, 64, 3},
      {5, 64, 128, 3},
      {7, 128, 128, 3},
      {10, 128, 256, 3},
      {12, 256, 256, 3},
      {14, 256, 256, 3},
      {17, 256, 512, 3},
      {19, 512, 512, 3},
      {21, 512, 512, 3},
      {24, 512, 512, 3},
      {26, 512, 512, 3},
      {28, 512, 512, 3}},
     {64, 128, 256, 512, 512}},
    {"alexnet",
     64,
     5,
     {{0, 3, 64, 11}, {3, 64, 192, 5}, {6, 192, 384, 3}, {8, 384, 256, 3}, {10, 256, 256, 3}},
     {64, 192, 384, 256, 256}},
};

static struct file file_of(struct lab *lab, const struct network *net)
{
    struct file file = {.lab = lab};
    for (int i = 0; i < net->convs; i++)
        add_conv(&file, net->conv[i][0], net->conv[i][1], net->conv[i][2], net->conv[i][3]);
    return file;
}

static const char *written(const struct file *file, const char *name, const char *const *meta)
{
    char *path = arena_printf(&file->lab->arena, "%s/%s", file->lab->path, name);
    struct err err;
    OK(tensors_write(path, file->items, file->count, meta, meta ? 1 : 0, &err));
    return path;
}

static int import(struct id *out, struct lab *lab, const char *as, const char *const *paths,
                  int count, struct err *err)
{
    struct draft *draft;
    TRY(draft_open(&draft, lab->store, err));
    if (weights_import(paths, count, as, draft, err)) {
        draft_drop(draft);
        return -1;
    }
    return draft_seal(draft, out, err);
}

/* ---- what they see ---------------------------------------------------------------------------- */
static void golden(const struct tensor **out, const struct tensors *file, const char *net,
                   const char *what, int i)
{
    char name[64];
    snprintf(name, sizeof name, i < 0 ? "%s:%s" : "%s:%s%d", net, what, i);
    *out = tensors_find(file, name);
    if (!*out)
        fail_msg("no golden '%s'", name);
}

static void expect_tap(const struct tensors *file, const char *net, int i, const float *seen,
                       struct shape shape)
{
    const struct tensor *values, *mean, *size;
    golden(&values, file, net, "tap", i);
    golden(&mean, file, net, "mean", i);
    golden(&size, file, net, "size", i);
    const int32_t *side = size->data;
    assert_int_equal(shape.h, side[0]);
    assert_int_equal(shape.w, side[1]);
    assert_int_equal(shape.c, side[2]);
    double sum = 0, level = *(const float *)mean->data;
    for (int64_t k = 0; k < shape_count(shape); k++)
        sum += (double)seen[k];
    near(sum / (double)shape_count(shape), level, 1e-4 * level);
    for (int64_t k = 0; k < values->dim[0]; k++)
        near((double)seen[k], (double)((const float *)values->data)[k], 1e-4 * level);
}

/* As a loss has it: below another name, in a group that is left as it is. */
static void expect_features(struct lab *lab, const struct tensors *file, const struct network *net,
                            const struct id *artifact)
{
    static const struct weights_map map[] = {{"", PERCEPTUAL_GROUP "."}, {0}};
    struct shape shape = {1, 1, net->side, net->side, 3};
    float *image = arena_alloc(&lab->arena, (size_t)shape_count(shape) * sizeof *image);
    struct model model;
    struct params *params = params_new();
    struct graph *g = graph_new(params, MODE_TRAIN, ARRAY_PARAM);
    struct plan *plan;
    struct err err;
    val tap[MAX_TAPS], x = g_input(g, "image", F32, shape);
    hashed(image, (size_t)shape_count(shape), 7);
    OK(model_read(&model, lab->store, artifact, &lab->arena, &err));
    graph_freeze(g, PERCEPTUAL_GROUP);
    graph_borrow(g, PERCEPTUAL_GROUP);
    int taps = model.kind->features(g, model.description, x, tap);
    graph_return(g);
    assert_int_equal(taps, 5);
    for (int i = 0; i < taps; i++)
        g_output(g, "tap", tap[i]);
    OK(graph_check(g, &err));
    for (int32_t i = 0; i < params_count(params); i++)
        assert_string_equal(params_entry(params, i)->group, PERCEPTUAL_GROUP);
    OK(params_realise(params, one_thread(), 0, &err));
    OK(weights_load_part(params, lab->store, artifact, map, NULL, &err));
    OK(plan_make(&plan, g, one_thread(), &(struct plan_options){0}, &err));
    OK(plan_put(plan, x, image, &err));
    OK(plan_run(plan, &err));
    for (int i = 0; i < taps; i++) {
        struct shape s = g_shape(g, tap[i]);
        float *seen = arena_alloc(&lab->arena, (size_t)shape_count(s) * sizeof *seen);
        OK(plan_get(plan, tap[i], seen, &err));
        expect_tap(file, net->name, i, seen, s);
    }
    plan_free(plan);
    graph_free(g);
    params_free(params);
}

/* One of two images is the same as the other: no distance. */
static void expect_distance(struct lab *lab, const struct tensors *file, const struct network *net,
                            const struct id *artifact)
{
    size_t size = (size_t)net->side * (size_t)net->side * 3;
    float *images = arena_alloc(&lab->arena, 4 * size * sizeof *images), distance[2];
    const struct tensor *want;
    struct trained trained;
    struct err err;
    for (int i = 0; i < 4; i++)
        hashed(images + (size_t)i * size, size, i == 2 ? 8 : 7);
    const struct trained_spec spec = {.store = lab->store,
                                      .artifact = artifact,
                                      .backend = one_thread(),
                                      .batch = 2,
                                      .size = {1, 1, net->side, net->side, 3},
                                      .abilities = CAN(COMPARE)};
    OK(trained_open(&trained, &spec, &err));
    OK(trained_compare(&trained, images, images + 2 * size, distance, &err));
    golden(&want, file, net->name, "lpips", -1);
    near((double)distance[0], (double)*(const float *)want->data, 1e-5);
    near((double)distance[1], 0, 1e-12);
    trained_close(&trained);
}

static void networks_of_torchvision(void **state)
{
    struct lab *lab = *state;
    struct tensors golden_file;
    struct err err;
    OK(tensors_open(&golden_file, "tests/golden/convnet.safetensors", &err));
    for (size_t n = 0; n < sizeof networks / sizeof *networks; n++) {
        const struct network *net = &networks[n];
        struct file file = file_of(lab, net), linear = {.lab = lab};
        struct id alone, both, artifact;
        struct trained refused;
        *add(&file, "classifier.0.bias", 1, (const int64_t[]){1}) = 1; /* is no part of it */
        for (int i = 0; i < 5; i++)
            add_linear(&linear, i, net->tap[i]);
        const char *const paths[] = {written(&file, "net", NULL), written(&linear, "lin", NULL)};
        OK(import(&alone, lab, net->name, paths, 1, &err));
        OK(import(&artifact, lab, net->name, paths, 2, &err));
        memcpy(file.items + file.count, linear.items, 5 * sizeof *linear.items);
        file.count += 5;
        const char *const whole[] = {written(&file, "whole", NULL)};
        OK(import(&both, lab, net->name, whole, 1, &err));
        assert_string_equal(both.hex, artifact.hex);
        expect_features(lab, &golden_file, net, &alone);
        expect_distance(lab, &golden_file, net, &artifact);
        FAILS(trained_open(&refused,
                           &(struct trained_spec){.store = lab->store,
                                                  .artifact = &alone,
                                                  .backend = one_thread(),
                                                  .batch = 1,
                                                  .abilities = CAN(COMPARE)},
                           &err),
              STATUS_BAD_DATA, "a model of kind 'convnet' can give features, not compare");
        trained_close(&refused);
    }
    tensors_close(&golden_file);
}

/* ---- a loss ----------------------------------------------------------------------------------- */
static const char *const sequence[] = {
    "convnet", "layers=[conv 5 3 1 1, relu, conv 6 4 2 1, max_pool 3 2, relu, conv 4 1 1 0, "
               "avg_pool 2 1]\ntaps=[1, 2, 6]\nmean=[0.25, 0.5]\nstd=[0.5, 2]\n"
               "data.d=1\ndata.h=13\ndata.w=13\ndata.c=2\ndata.classes=0\n"};

static struct file sequence_of(struct lab *lab)
{
    struct file file = {.lab = lab};
    add_conv(&file, 0, 2, 5, 3);
    add_conv(&file, 2, 5, 6, 4);
    add_conv(&file, 5, 6, 4, 1);
    return file;
}

static void the_loss_and_its_gradient(void **state)
{
    static const struct weights_map map[] = {{"", PERCEPTUAL_GROUP "."}, {0}};
    enum { SIDE = 13, VALUES = SIDE * SIDE * 2 };
    static const char *const groups[] = {"image"};
    struct lab *lab = *state;
    struct file file = sequence_of(lab);
    const char *const paths[] = {written(&file, "net", sequence)};
    struct shape shape = {1, 1, SIDE, SIDE, 2};
    float image[VALUES], target[VALUES], gradient[VALUES], value;
    const struct tensor *want;
    struct tensors golden_file;
    struct model network;
    struct plan *plan;
    struct id id;
    struct err err;
    OK(import(&id, lab, "sequence", paths, 1, &err));
    OK(model_read(&network, lab->store, &id, &lab->arena, &err));
    OK(perceptual_check(&network, (struct range){0, 1}, 2, &err));
    struct params *params = params_new();
    struct graph *g = graph_new(params, MODE_TRAIN, ARRAY_PARAM);
    graph_freeze(g, PERCEPTUAL_GROUP);
    val t = g_input(g, "target", F32, shape);
    val x = g_param(g, "image", "image", shape, (struct initial){INIT_ZERO, 0});
    val loss = g_output(g, "loss", perceptual_error(g, &network, x, t));
    graph_backward(g, loss, groups, 1, false);
    OK(graph_check(g, &err));
    OK(params_realise(params, one_thread(), 0, &err));
    OK(weights_load_part(params, lab->store, &id, map, NULL, &err));
    hashed(image, VALUES, 7);
    hashed(target, VALUES, 8);
    const struct entry *entry = params_find(params, "image");
    OK(params_put(params, entry, ARRAY_PARAM, image, &err));
    OK(plan_make(&plan, g, one_thread(), &(struct plan_options){0}, &err));
    OK(plan_put(plan, t, target, &err));
    OK(plan_run(plan, &err));
    OK(plan_get(plan, loss, &value, &err));
    OK(params_get(params, entry, ARRAY_GRAD, gradient, &err));
    OK(tensors_open(&golden_file, "tests/golden/convnet.safetensors", &err));
    golden(&want, &golden_file, "loss", "value", -1);
    near((double)value, (double)*(const float *)want->data, 1e-6);
    golden(&want, &golden_file, "loss", "gradient", -1);
    for (int i = 0; i < VALUES; i++)
        near((double)gradient[i], (double)((const float *)want->data)[i], 1e-6);
    tensors_close(&golden_file);
    plan_free(plan);
    graph_free(g);
    params_free(params);
}

static void networks_that_do_not_suit_a_loss(void **state)
{
    struct lab *lab = *state;
    struct file file = sequence_of(lab);
    const char *const paths[] = {written(&file, "net", sequence)};
    struct model network;
    struct id id;
    struct err err;
    OK(import(&id, lab, "sequence", paths, 1, &err));
    OK(model_read(&network, lab->store, &id, &lab->arena, &err));
    OK(perceptual_check(&network, (struct range){0, 1}, 1, &err)); /* greys are repeated */
    FAILS(perceptual_check(&network, (struct range){0, 1}, 3, &err), STATUS_BAD_DATA,
          "the perceptual network sees images of 2 channels, these have 3");
    FAILS(perceptual_check(&network, (struct range){-1, 1}, 2, &err), STATUS_BAD_DATA,
          "the perceptual network sees values from 0 to 1, these are from -1 to 1");
}

/* ---- files that are none ---------------------------------------------------------------------- */
static void expect_refusal(const struct file *file, const char *as, const char *const *meta,
                           const char *words)
{
    const char *const paths[] = {written(file, "bad", meta)};
    struct id id;
    struct err err;
    FAILS(import(&id, file->lab, as, paths, 1, &err), STATUS_BAD_DATA, words);
}

static void tensors_that_are_not_its_own(void **state)
{
    struct lab *lab = *state;
    struct file file = sequence_of(lab), bad;
    bad = file;
    bad.count--; /* features.5.bias */
    expect_refusal(&bad, "sequence", sequence, "no tensor 'features.5.bias'");
    bad = file;
    *add(&bad, "features.6.bias", 1, (const int64_t[]){1}) = 1;
    expect_refusal(&bad, "sequence", sequence, "'features.6.bias' is no part of sequence");
    bad = file;
    bad.items[0].dim[2] = 9;
    bad.items[0].dim[3] = 1;
    expect_refusal(&bad, "sequence", sequence, "'features.0.weight' is not of the shape [5,2,3,3]");
    bad = file;
    bad.items[1].type = TENSOR_I32;
    expect_refusal(&bad, "sequence", sequence, "features.0.bias");
    bad = file;
    add_linear(&bad, 0, 5);
    add_linear(&bad, 1, 6);
    expect_refusal(&bad, "sequence", sequence, "no tensor 'lin2.model.1.weight'");
    add_linear(&bad, 2, 5);
    expect_refusal(&bad, "sequence", sequence,
                   "'lin2.model.1.weight' is not of the shape [1,4,1,1]");
    expect_refusal(&file, "vgg16", sequence, "'features.0.weight' is not of the shape [64,3,3,3]");
}

static void sequences_that_are_none(void **state)
{
    static const char *const bad[][2] = {
        {"layers=[conv 5 3 1, relu]\ntaps=[1]\n", "layers: 'conv 5 3 1' is none"},
        {"layers=[conv 5 3 1 1 1, relu]\ntaps=[1]\n", "layers: 'conv 5 3 1 1 1' is none"},
        {"layers=[conv 5 3 0 1, relu]\ntaps=[1]\n", "layers: 'conv 5 3 0 1' is none"},
        {"layers=[tanh]\ntaps=[0]\n", "layers: 'tanh' is none"},
        {"layers=[conv 5 3 1 1, relu]\ntaps=[0]\n",
         "taps: the last is 0; the last layer, 1, expected"},
        {"layers=[conv 5 3 1 1, relu]\ntaps=[1, 1]\n", "taps: 1 comes after 1"},
        {"layers=[conv 5 3 1 1, relu]\ntaps=[1]\nmean=[0]\n",
         "mean and std: 1 and 2 numbers for 2 channels"},
        {"layers=[conv 5 15 1 0, relu]\ntaps=[1]\n",
         "a window of 1x15x15 does not fit into 1x13x13"},
    };
    struct lab *lab = *state;
    struct file file = sequence_of(lab);
    struct id id;
    struct err err;
    expect_refusal(&file, "sequence", NULL, "has no metadata 'convnet', which describe a sequence");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *mean = strstr(bad[i][0], "mean") ? "" : "mean=[0, 0]\n";
        const char *meta[] = {"convnet", arena_printf(&lab->arena,
                                                      "%s%sstd=[1, 1]\ndata.d=1\ndata.h=13\n"
                                                      "data.w=13\ndata.c=2\ndata.classes=0\n",
                                                      bad[i][0], mean)};
        expect_refusal(&file, "sequence", meta, bad[i][1]);
    }
    FAILS(import(&id, lab, "resnet", (const char *const[]){"x"}, 1, &err), STATUS_USAGE,
          "'resnet' is not known; vgg16, alexnet or sequence expected");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_TEST(networks_of_torchvision),          LAB_TEST(the_loss_and_its_gradient),
        LAB_TEST(networks_that_do_not_suit_a_loss), LAB_TEST(tensors_that_are_not_its_own),
        LAB_TEST(sequences_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
