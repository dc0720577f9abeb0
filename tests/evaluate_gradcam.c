/* Grad-CAM of a UNet held against PyTorch (scripts/golden-gradcam.py), and what it refuses. */
#include "evaluate_world.h"
#include "model_artifact.h"

#include "model/unet.h"

#include <string.h>

enum { MOST = 80, CASES = 3, HEIGHT = 12, WIDTH = 16, PIXELS = HEIGHT * WIDTH };

static int64_t batch_channels[] = {4, 6, 8}, bare_channels[] = {3, 5};
static const char *class_names[] = {"background", "cat", "dog"};
static const struct net {
    const char *file;
    int channels, classes, outputs;
    const char *class;
    struct unet_model_config model;
    const char *layers[8];
} batch = {"gradcam-batch",
           3,
           3,
           3,
           "dog",
           {.channels = {3, batch_channels},
            .norm = NORM_BATCH,
            .norm_groups = 1,
            .activation = ACT_RELU,
            .down = DOWN_MAXPOOL,
            .up = UP_TRANSPOSE},
           {"encoder.1.conv2", "encoder.2", "decoder.1.norm2", "decoder.0.up", "decoder.0", NULL}},
  bare = {"gradcam-bare",
          1,
          2,
          1,
          "cat",
          {.channels = {2, bare_channels},
           .norm = NORM_NONE,
           .norm_groups = 1,
           .activation = ACT_GELU,
           .down = DOWN_STRIDED,
           .up = UP_UPSAMPLE,
           .upsampling = MODE_NEAREST},
          {"encoder.0.conv1", "decoder.0.conv1", "decoder.0", NULL}};

struct golden {
    struct tensors file;
    struct id model;
    struct dataset set;
};

static uint8_t masks[CASES * PIXELS];
static const char *ids[CASES] = {"a", "b", "c"};

static const void *array_of(const struct tensors *file, const char *name, enum tensor_type type,
                            int dims)
{
    const struct tensor *t;
    struct err err;
    OK(tensors_need(&t, file, name, type, dims, &err));
    assert_int_equal(t->dim[0], CASES);
    return t->data;
}

static void open_golden(struct golden *out, struct lab *lab, const struct net *net)
{
    struct tensor weights[MOST];
    struct err err;
    size_t count = 0;
    OK(tensors_open(&out->file, arena_printf(&lab->arena, "tests/golden/%s.safetensors", net->file),
                    &err));
    for (size_t i = 0; i < out->file.count; i++)
        if (starts_with(out->file.items[i].name, "weight:")) {
            assert_true(count < MOST);
            weights[count] = out->file.items[i];
            weights[count++].name += strlen("weight:");
        }
    struct unet_description is = {.model = net->model,
                                  .data = {1, HEIGHT, WIDTH, net->channels, 7},
                                  .mask_classes = net->classes,
                                  .outputs = net->outputs};
    out->model = model_artifact(
        lab,
        &(struct made){.kind = &unet_kind, .description = &is, .weights = weights, .count = count});
    out->set = (struct dataset){.d = 1,
                                .h = HEIGHT,
                                .w = WIDTH,
                                .c = net->channels,
                                .count = {0, 0, CASES},
                                .images = array_of(&out->file, "images", TENSOR_U8, 4),
                                .masks = masks,
                                .ids = ids,
                                .mask_class_count = (uint32_t)net->classes,
                                .mask_classes = class_names};
}

static int seen_by(struct id *out, struct lab *lab, const struct golden *golden, const char *layer,
                   const char *class, struct err *err)
{
    const struct evaluate_config config = {
        .split = SPLIT_TEST, .batch = 2, .gradcam = {true, layer, class}};
    return measured(out, lab, (struct evaluation){.dataset = &golden->set, .model = &golden->model},
                    &config, err);
}

static void layer_agrees(struct lab *lab, const struct golden *golden, const char *layer,
                         const char *class)
{
    struct id result;
    struct tensors file;
    struct err err;
    char path[PATH_BYTES];
    OK(seen_by(&result, lab, golden, layer, class, &err));
    OK(artifact_path(path, lab->store, &result, "pictures.safetensors", &err));
    OK(tensors_open(&file, path, &err));
    assert_string_equal(tensors_meta(&file, "gradcam_layer"), layer);
    assert_string_equal(tensors_meta(&file, "gradcam_ids"), "a\nb\nc");
    assert_memory_equal(array_of(&file, "gradcam_images", TENSOR_U8, 4), golden->set.images,
                        (size_t)(CASES * PIXELS * golden->set.c));
    const float *map = array_of(&file, "gradcam_maps", TENSOR_F32, 3);
    const float *peak = array_of(&file, "gradcam_peaks", TENSOR_F32, 1);
    const float *want =
        array_of(&golden->file, arena_printf(&lab->arena, "map:%s", layer), TENSOR_F32, 3);
    const float *largest =
        array_of(&golden->file, arena_printf(&lab->arena, "peak:%s", layer), TENSOR_F32, 1);
    for (int i = 0; i < CASES * PIXELS; i++)
        if (!(fabs((double)(map[i] - want[i])) < 1e-4))
            fail_msg("%s: pixel %d is %g, not %g", layer, i, (double)map[i], (double)want[i]);
    for (int i = 0; i < CASES; i++)
        near(peak[i], largest[i], 1e-4 * fabs((double)largest[i]));
    tensors_close(&file);
}

static void agrees(struct lab *lab, const struct net *net)
{
    struct golden golden;
    open_golden(&golden, lab, net);
    for (int i = 0; net->layers[i]; i++)
        layer_agrees(lab, &golden, net->layers[i], net->class);
    tensors_close(&golden.file);
}

static void a_logit_a_class(void **state)
{
    agrees(*state, &batch);
}

static void one_logit(void **state)
{
    agrees(*state, &bare);
}

static void what_is_not_there_is_refused(void **state)
{
    struct lab *lab = *state;
    struct golden golden;
    struct id result;
    struct err err;
    open_golden(&golden, lab, &bare);
    FAILS(seen_by(&result, lab, &golden, "encoder.7", "cat", &err), STATUS_CONFIG,
          "gradcam.layer: 'encoder.7' is not a layer; the model has encoder.0.conv1, "
          "encoder.0.conv2, encoder.0.down, encoder.1.conv1, encoder.1.conv2, decoder.0.up");
    FAILS(seen_by(&result, lab, &golden, "decoder", "dog", &err), STATUS_CONFIG,
          "gradcam.class: 'dog' is not a class; the masks have 'background', 'cat'");
    tensors_close(&golden.file);
}

static const char *recipe_of(struct lab *lab, const char *yaml)
{
    struct evaluate_config config;
    struct yaml *map;
    struct text out = {0};
    struct err err;
    OK(yaml_parse(&map, &lab->arena, "t.yaml", yaml, strlen(yaml), &err));
    OK(config_bind(&config, evaluate_fields, map, "evaluate", &lab->arena, &err));
    config_dump(&out, evaluate_fields, &config, "");
    const char *kept = arena_strdup(&lab->arena, out.data);
    text_free(&out);
    return kept;
}

static void recipes_name_it_where_it_is_asked_for(void **state)
{
    assert_null(strstr(recipe_of(*state, "{}"), "gradcam"));
    const char *recipe = recipe_of(*state, "{gradcam: {layer: decoder.0, class: dog}}");
    assert_non_null(
        strstr(recipe, "gradcam=given\ngradcam.layer=\"decoder.0\"\ngradcam.class=\"dog\"\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_TEST(a_logit_a_class),
        LAB_TEST(one_logit),
        LAB_TEST(recipes_name_it_where_it_is_asked_for),
        LAB_TEST(what_is_not_there_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
