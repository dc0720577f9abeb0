/* model.txt of others: what it says is checked before anything is built of it, or given memory. */
#include "apply/trained.h"
#include "model/classifier.h"
#include "model/vae.h"
#include "train/unet_train.h"

#include "model_artifact.h"

static const char vae[] = "model.kind=mlp\nmodel.latent_channels=2\nmodel.hidden=65536\n"
                          "model.label_channels=0\ndata.d=1\ndata.h=256\ndata.w=256\ndata.c=1\n"
                          "data.classes=0\n";
static const char unet[] = "model.channels=[4, 8]\ndata.d=1\ndata.h=16\ndata.w=16\ndata.c=1\n"
                           "data.classes=0\nmask_classes=2\noutputs=1\n";
static const char classifier[] = "data.d=1\ndata.h=16\ndata.w=16\ndata.c=1\ndata.classes=3\n";

/* Lines that are given again replace what stood there. */
static int parse(const struct model_kind *kind, const char *text, const char *more, struct err *err)
{
    struct model is;
    struct arena arena = {0};
    const char *all = arena_printf(&arena, "%s%s", text, more);
    int status = model_text_parse(&is, kind, all, &arena, err);
    arena_free(&arena);
    return status;
}

static void what_no_single_line_can_say(void **state)
{
    (void)state;
    struct err err;
    const struct {
        const struct model_kind *kind;
        const char *text, *more, *words;
    } bad[] = {
        {&vae_kind, vae, "data.h=1048576\ndata.w=4096\n",
         "data: images [1,1048576,4096,1] are too large"},
        {&vae_kind, vae, "data.d=1048576\ndata.h=1048576\ndata.w=1048576\ndata.c=1048576\n",
         "data: images [1048576,1048576,1048576,1048576] are too large"},
        {&vae_kind, vae, "model.label_channels=3\n", "the data set has no labels"},
        {&classifier_kind, classifier, "data.classes=0\n", "a classifier needs labels"},
        {&unet_kind, unet, "model.dropout=[0.5]\n", "model.dropout has 1 shares for 2 levels"},
        {&unet_kind, unet, "model.norm=group\nmodel.norm_groups=3\n", "do not divide"},
        {&unet_kind, unet, "outputs=2\nmask_classes=3\n", "outputs: 2 for 3 mask_classes"},
        {&unet_kind, unet, "outputs=1\nmask_classes=3\n", "outputs: 1 for 3 mask_classes"},
        {&unet_kind, unet, "patch=given\npatch.d=1\npatch.h=16\npatch.w=17\n",
         "patch: 1x16x17 of images of 1x16x16"},
        {&unet_kind, unet, "model.channels=[4]\n", "channels"},
        {&vae_kind, vae, "model.kind=fast\n", "fast"},
        {&vae_kind, vae, "no equals sign\n", "has no '='"},
    };
    OK(parse(&vae_kind, vae, "", &err));
    OK(parse(&unet_kind, unet, "patch=given\npatch.d=1\npatch.h=16\npatch.w=16\n", &err));
    OK(parse(&classifier_kind, classifier, "", &err));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        FAILS(parse(bad[i].kind, bad[i].text, bad[i].more, &err), STATUS_BAD_DATA, bad[i].words);
}

/* Each line makes the tree anew: a file of many would take for ever. */
static void lines_are_counted(void **state)
{
    (void)state;
    struct err err;
    struct text many = {0};
    for (int i = 0; i < 300; i++)
        text_printf(&many, "k%d=1\n", i);
    FAILS(parse(&vae_kind, vae, many.data, &err), STATUS_BAD_DATA, "more than 256 lines");
    text_free(&many);
}

/* Which kind a model is of is known by its weights' metadata alone. */
static void weights_say_what_they_are_of(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct model given, read;
    const float bias[1] = {0};
    const struct tensor item = {"head.bias", TENSOR_F32, 1, {1}, bias, sizeof bias};
    OK(model_text_parse(&given, &unet_kind, unet, &lab->arena, &err));
    struct made made = {
        .kind = &unet_kind, .description = given.description, .weights = &item, .count = 1};
    struct id id = model_artifact(lab, &made);
    OK(model_read(&read, lab->store, &id, &lab->arena, &err));
    assert_ptr_equal(read.kind, &unet_kind);
    assert_int_equal(read.facts.outputs, 1);
    assert_int_equal(model_abilities(read.kind), CAN(ENCODE) | CAN(SEGMENT));
    made.key = "model";
    id = model_artifact(lab, &made);
    FAILS(model_read(&read, lab->store, &id, &lab->arena, &err), STATUS_BAD_DATA,
          "no metadata 'model', which has its kind");
    made.value = "une\n";
    id = model_artifact(lab, &made);
    FAILS(model_read(&read, lab->store, &id, &lab->arena, &err), STATUS_BAD_DATA,
          "metadata 'model' has an unknown kind: 'une'");
}

/* 17 GB of weights, that a file of 4 bytes does not have. */
static void memory_is_for_weights_that_are_there(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct meter meter = {0};
    struct backend *backend;
    struct model described;
    struct trained model;
    const float bias[1] = {0};
    const struct tensor item = {"decoder.logits.bias", TENSOR_F32, 1, {1}, bias, sizeof bias};
    OK(model_text_parse(&described, &vae_kind, vae, &lab->arena, &err));
    struct id id = model_artifact(lab, &(struct made){.kind = &vae_kind,
                                                      .description = described.description,
                                                      .weights = &item,
                                                      .count = 1});
    OK(backend_open(&backend, &(struct backend_spec){.threads = 1}, &meter, &err));
    size_t before = meter.peak;
    const struct trained_spec spec = {.store = lab->store,
                                      .artifact = &id,
                                      .backend = backend,
                                      .batch = 1,
                                      .abilities = CAN(DECODE),
                                      .meter = &meter};
    FAILS(trained_open(&model, &spec, &err), STATUS_BAD_DATA, "no tensor 'encoder.");
    assert_int_equal(meter.peak, before);
    trained_close(&model);
    backend_close(backend);
}

/* 2^31 and 2^32 + 1 features: an int32 would say fewer. */
static void flattened_features_are_counted_whole(void **state)
{
    (void)state;
    struct err err;
    const struct shape shapes[] = {{1, 256, 256, 256, 128}, {1, 1, 641, 1, 6700417}};
    for (int i = 0; i < 2; i++) {
        struct params *params = params_new();
        struct graph *g = graph_new(params, MODE_EVALUATE, ARRAY_PARAM);
        layer_flatten(g, g_input(g, "x", F32, shapes[i]));
        FAILS(graph_check(g, &err), STATUS_CONFIG,
              i ? "4294967297 features per case are too many"
                : "2147483648 features per case are too many");
        graph_free(g);
        params_free(params);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_no_single_line_can_say),
        cmocka_unit_test(lines_are_counted),
        LAB_TEST(weights_say_what_they_are_of),
        LAB_TEST(memory_is_for_weights_that_are_there),
        cmocka_unit_test(flattened_features_are_counted_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
