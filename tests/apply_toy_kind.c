/* A model of a kind that only this program knows: used by what it can do, with a map between its halves. */
#include "apply/latents.h"
#include "apply/predict.h"

#include "one_thread.h"

/* Of the table, beside the toy: one that takes images of any size. */
static struct model_kind free_kind;
#define MORE_KINDS &free_kind,
#include "toy_kind.h"

#include <math.h>

enum { H = 4, W = 6, PIXELS = H * W, BATCH = 3, CODE = H / 2 * W / 2 * 2 };

static float image[BATCH * PIXELS];

static int draw(void **state)
{
    for (int i = 0; i < BATCH * PIXELS; i++) /* no two alike, between -1 and 1 */
        image[i] = (float)(2 * fmod(0.618034 * i + 0.1, 1) - 1);
    return lab_setup(state);
}

static struct trained_spec spec_of(struct lab *lab, const struct id *artifact, unsigned abilities)
{
    return (struct trained_spec){.store = lab->store,
                                 .artifact = artifact,
                                 .backend = one_thread(),
                                 .batch = BATCH,
                                 .abilities = abilities};
}

static void image_to_map_and_back(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct trained toy;
    int32_t label[BATCH] = {0};
    float z_mean[BATCH * CODE], z_logvar[BATCH * CODE], decoded[BATCH * PIXELS], term[BATCH];
    struct id id = toy_artifact(lab, H, W);
    struct trained_spec spec = spec_of(lab, &id, CAN(ENCODE) | CAN(DECODE));
    OK(trained_open(&toy, &spec, &err));
    assert_true(shape_equal(toy.model.facts.latent, (struct shape){1, 1, H / 2, W / 2, 2}));
    assert_int_equal(toy.latent, CODE);
    OK(trained_encode(&toy, image, label, z_mean, z_logvar, &err));
    for (int at = 0; at < BATCH * CODE; at += 2) { /* each of [batch,h/2,w/2] */
        int block = at / 2 % (CODE / 2), n = at / CODE;
        const float *p = image + n * PIXELS + block / (W / 2) * 2 * W + block % (W / 2) * 2;
        assert_float_equal(z_mean[at], (p[0] + p[1] + p[W] + p[W + 1]) / 4, 1e-6);
        assert_float_equal(z_mean[at + 1], (p[1] + p[W + 1] - p[0] - p[W]) / 4, 1e-6);
        assert_true(z_logvar[at] == -1 && z_logvar[at + 1] == -1);
    }
    OK(trained_decode(&toy, z_mean, label, image, decoded, term, &err));
    for (int n = 0; n < BATCH; n++) {
        double apart = 0;
        for (int i = 0; i < PIXELS; i++) {
            double want = tanh(toy_column(image + n * PIXELS, W, i));
            assert_float_equal(decoded[n * PIXELS + i], want, 1e-6);
            apart += fabs(want - image[n * PIXELS + i]);
        }
        assert_float_equal(term[n], apart, 1e-5);
    }
    trained_close(&toy);
}

/* Only what was asked for is planned, though all the weights are read. */
static void asked_for_one_thing(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct trained toy;
    float probability[BATCH * PIXELS];
    struct id id = toy_artifact(lab, H, W);
    struct trained_spec spec = spec_of(lab, &id, CAN(SEGMENT));
    OK(trained_open(&toy, &spec, &err));
    assert_null(toy.programs[ENCODE].plan);
    assert_null(toy.programs[DECODE].plan);
    OK(trained_segment(&toy, image, probability, &err));
    for (int i = 0; i < BATCH * PIXELS; i++) {
        double mean = toy_column(image + i / PIXELS * PIXELS, W, i % PIXELS);
        assert_float_equal(probability[i], 1 / (1 + exp(-10 * mean)), 1e-5);
    }
    image[PIXELS + 3] = INFINITY;
    FAILS(trained_segment(&toy, image, probability, &err), STATUS_FAILED,
          "the segmentation's logits are not finite");
    assert_int_equal(toy.bad_case, 1);
    trained_close(&toy);

    spec.abilities = CAN(SEGMENT) | CAN(CLASSIFY);
    FAILS(trained_open(&toy, &spec, &err), STATUS_BAD_DATA,
          "a model of kind 'toy' can encode and decode and segment, not classify");
    trained_close(&toy);
    spec.abilities = CAN(SEGMENT);
    spec.size = (struct shape){.d = 1, .h = H, .w = W + 2};
    FAILS(trained_open(&toy, &spec, &err), STATUS_BAD_DATA,
          "the model is for images of 1x4x6 only, not of 1x4x8");
    trained_close(&toy);
}

static struct model_facts free_facts(const void *description)
{
    struct model_facts facts = toy_facts(description);
    facts.any_size = true;
    return facts;
}

/* Whatever size it takes, its latents have but one. */
static void codes_are_of_one_size(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct trained toy;
    free_kind = toy_kind;
    free_kind.name = "free";
    free_kind.facts = free_facts;
    struct id id = toy_artifact_of(lab, &free_kind, (struct image_data){1, H, W, 1, 0});
    for (enum ability ability = ENCODE; ability <= DECODE; ability++) {
        struct trained_spec spec = spec_of(lab, &id, CAN(ability));
        spec.size = (struct shape){.d = 1, .h = H + 2, .w = W};
        FAILS(trained_open(&toy, &spec, &err), STATUS_BAD_DATA,
              "the model encodes and decodes images of 1x4x6 only, not of 1x6x6");
        trained_close(&toy);
        spec.size.h = H;
        OK(trained_open(&toy, &spec, &err));
        trained_close(&toy);
    }
}

/* A file holds a map with its sides, and one of other sides is refused though it is of as many numbers. */
static void maps_in_files(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct coder coder;
    struct tensors file;
    const struct tensor *z;
    char path[PATH_BYTES];
    const char *names[BATCH] = {"a", "b", "c"};
    float z_mean[BATCH * CODE], z_logvar[BATCH * CODE];
    struct id id = toy_artifact(lab, H, W);
    OK(path_join(path, lab->path, "latents.safetensors", &err));
    OK(coder_open(&coder, lab->store, &id, ENCODE, one_thread(), NULL, &err));
    struct latents out, in = {.count = BATCH,
                              .shape = coder.trained.model.facts.latent,
                              .names = names,
                              .z_mean = z_mean,
                              .z_logvar = z_logvar};
    memcpy(coder.image, image, sizeof image);
    OK(coder_encode(&coder, coder.image, NULL, BATCH, z_mean, z_logvar, &err));
    coder_close(&coder);
    OK(latents_write(path, &in, &id, &err));
    OK(tensors_open(&file, path, &err));
    OK(tensors_need(&z, &file, "z_mean", TENSOR_F32, 4, &err));
    assert_memory_equal(z->dim, ((const int64_t[]){BATCH, H / 2, W / 2, 2}), 4 * sizeof *z->dim);
    tensors_close(&file);

    OK(coder_open(&coder, lab->store, &id, DECODE, one_thread(), NULL, &err));
    OK(latents_read(&out, path, &id, &coder.trained.model.facts, &lab->arena, &err));
    assert_true(shape_equal(out.shape, in.shape));
    OK(coder_decode(&coder, &out, 0, BATCH, &err));
    for (int i = 0; i < BATCH * PIXELS; i++) {
        double mean = toy_column(image + i / PIXELS * PIXELS, W, i % PIXELS);
        assert_float_equal(coder.image[i], tanh(mean), 1e-6);
    }
    struct model_facts turned = coder.trained.model.facts, flat = turned;
    turned.latent = (struct shape){1, 1, W / 2, H / 2, 2};
    flat.latent = (struct shape){1, 1, 1, 1, CODE};
    FAILS(latents_read(&out, path, &id, &turned, &lab->arena, &err), STATUS_BAD_DATA,
          "z_mean is [3,2,3,2], [N,3,2,2] expected");
    FAILS(latents_read(&out, path, &id, &flat, &lab->arena, &err), STATUS_BAD_DATA, "z_mean");
    coder_close(&coder);
}

/* It is of one size, so what is larger is seen through windows of that size. */
static void larger_pictures_in_windows(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct predictor predictor;
    enum { TALL = 2 * H };
    uint8_t levels[TALL * W];
    float probability[TALL * W], values[TALL * W];
    struct id id = toy_artifact(lab, H, W);
    for (int i = 0; i < TALL * W; i++)
        values[i] = (float)(levels[i] = (uint8_t)(i * 53 % 256)) / 255.0f;
    const struct image picture = {.h = TALL, .w = W, .c = 1, .pixels = levels};
    OK(predictor_open(&predictor, lab->store, &id, &(struct treatment){0}, one_thread(), NULL,
                      &err));
    OK(predictor_picture(&predictor, probability, &picture, &err));
    assert_int_equal(predictor.windows.size[1], H);
    for (int i = 0; i < TALL * W; i++) /* windows begin at even rows: each sees whole blocks */
        assert_float_equal(probability[i], 1 / (1 + exp(-10 * toy_column(values, W, i))), 1e-5);
    predictor_close(&predictor);
}

#define TOY_TEST(name) cmocka_unit_test_setup_teardown(name, draw, lab_teardown)
int main(void)
{
    free_kind.name = "free"; /* the table is searched by name */
    const struct CMUnitTest tests[] = {
        TOY_TEST(image_to_map_and_back),      TOY_TEST(asked_for_one_thing),
        TOY_TEST(codes_are_of_one_size),      TOY_TEST(maps_in_files),
        TOY_TEST(larger_pictures_in_windows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
