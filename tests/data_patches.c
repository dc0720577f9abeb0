/* The loader with volumes: f32 as they are, and patches: where they lie, and of what they depend. */
#include "data_loader_open.h"

#include "base/random.h"

#include <math.h>
#include <stdio.h>

enum { CASES = 3, D = 4, H = 5, W = 7, VOXELS = D * H * W };
enum { PD = 2, PH = 3, PW = 4, PATCH = PD * PH * PW };
enum { PLACES = (D - PD + 1) * (H - PH + 1) * (W - PW + 1) };

/* Voxel i of case k is 1000 k + i, as u8 i (and k is not told); masks are the tests' own. */
struct fixture {
    struct dataset dataset;
    float volumes[CASES * VOXELS];
    uint8_t levels[CASES * VOXELS], masks[CASES * VOXELS];
    const char *ids[CASES];
};

static int setup(void **state)
{
    static const char *const ids[CASES] = {"a", "b", "c"};
    struct fixture *f = calloc(1, sizeof *f);
    memcpy(f->ids, ids, sizeof ids);
    for (int i = 0; i < CASES * VOXELS; i++) {
        f->volumes[i] = (float)(1000 * (i / VOXELS) + i % VOXELS);
        f->levels[i] = (uint8_t)(i % VOXELS);
    }
    f->dataset = (struct dataset){.d = D,
                                  .h = H,
                                  .w = W,
                                  .c = 1,
                                  .begin = {0, CASES, CASES},
                                  .count = {CASES, 0, 0},
                                  .pixel = PIXEL_F32,
                                  .images = f->volumes,
                                  .masks = f->masks,
                                  .ids = f->ids,
                                  .mask_class_count = 3};
    *state = f;
    return 0;
}

static struct loader_spec patches(uint64_t seed, double foreground)
{
    return (struct loader_spec){.split = SPLIT_TRAIN,
                                .batch = CASES,
                                .shuffle = true,
                                .seed = seed,
                                .patch = {{PD, PH, PW}, foreground}};
}

/* The patch's first voxel in its case; the whole patch and its mask must follow from it. */
static int place_of(const struct fixture *f, const struct batch *batch, uint32_t slot)
{
    uint32_t index = batch->index[slot];
    const float *image = batch->image + slot * PATCH;
    const int32_t *mask = batch->mask ? batch->mask + slot * PATCH : NULL;
    int first = (int)image[0] % 1000;
    for (int i = 0; i < PATCH; i++) {
        int at = first + i % PW + i / PW % PH * W + i / PW / PH * H * W;
        assert_int_equal((int)image[i], 1000 * index + (uint32_t)at);
        if (mask)
            assert_int_equal(mask[i], f->masks[index * VOXELS + (uint32_t)at]);
    }
    assert_true(first % W <= W - PW && first / W % H <= H - PH && first / W / H <= D - PD);
    return first;
}

/* places[epoch][case] */
static void read_places(int places[][CASES], int epochs, const struct fixture *f,
                        struct loader_spec spec)
{
    struct loader *loader = open_loader(&f->dataset, spec);
    for (int n = 0; n < epochs * CASES;) {
        const struct batch *batch = loader_next(loader);
        for (uint32_t i = 0; i < spec.batch && n < epochs * CASES; i++, n++)
            places[n / CASES][batch->index[i]] = place_of(f, batch, i);
    }
    loader_close(loader);
}

static void floats_come_as_they_are(void **state)
{
    struct fixture *f = *state;
    f->volumes[5] = -1e30f;
    f->masks[7] = MASK_IGNORE;
    struct loader *loader =
        open_loader(&f->dataset, (struct loader_spec){.split = SPLIT_TRAIN, .batch = 2});
    const struct batch *batch = loader_next(loader);
    assert_memory_equal(batch->image, f->volumes, 2 * VOXELS * sizeof(float));
    assert_int_equal(batch->mask[7], MASK_IGNORE);
    assert_int_equal(loader_next(loader)->real, 1);
    loader_close(loader);
}

static void patches_lie_anywhere(void **state)
{
    enum { EPOCHS = 800 };
    struct fixture *f = *state;
    static int places[EPOCHS][CASES];
    int count[VOXELS] = {0}, there = 0, alike = 0;
    for (int i = 0; i < CASES * VOXELS; i++)
        f->masks[i] = (uint8_t)(i % 3);
    read_places(places, EPOCHS, f, patches(5, 0));
    for (int e = 0; e < EPOCHS; e++) {
        alike += places[e][0] == places[e][1];
        for (int k = 0; k < CASES; k++)
            count[places[e][k]]++;
    }
    for (int i = 0; i < VOXELS; i++) {
        there += count[i] > 0;
        if (count[i]) /* 66 expected, 8 is the deviation */
            assert_in_range(count[i], 26, 106);
    }
    assert_int_equal(there, PLACES);
    assert_in_range(alike, 5, 50); /* 22 expected: cases have places of their own */
}

static void a_place_is_a_function_of_seed_epoch_and_case(void **state)
{
    enum { EPOCHS = 12 };
    const struct fixture *f = *state;
    int places[EPOCHS][CASES], again[EPOCHS][CASES], other[EPOCHS][CASES];
    struct loader_spec spec = patches(5, 0.5);
    read_places(places, EPOCHS, f, spec);
    spec.batch = 2;
    read_places(again, EPOCHS, f, spec);
    assert_memory_equal(places, again, sizeof places);
    spec.batch = CASES;
    spec.start = 7;
    read_places(again + 7, EPOCHS - 7, f, spec);
    assert_memory_equal(places, again, sizeof places);
    read_places(other, EPOCHS, f, patches(6, 0.5));
    assert_memory_not_equal(places, other, sizeof places);
}

/* ---- foreground ----------------------------------------------------------------------------- */

/* Where a patch about a voxel begins. */
static int about(int voxel)
{
    const int size[3] = {PD, PH, PW}, whole[3] = {D, H, W};
    const int at[3] = {voxel / W / H, voxel / W % H, voxel % W};
    int first[3];
    for (int i = 0; i < 3; i++) {
        first[i] = at[i] - size[i] / 2;
        first[i] = first[i] < 0 ? 0 : first[i];
        first[i] = first[i] > whole[i] - size[i] ? whole[i] - size[i] : first[i];
    }
    return (first[0] * H + first[1]) * W + first[2];
}

static void about_the_foreground(void **state)
{
    enum { EPOCHS = 300, MIDDLE = (2 * H + 3) * W + 4 };
    struct fixture *f = *state;
    static int places[EPOCHS][CASES];
    f->masks[MIDDLE] = 2;                            /* a: one voxel */
    f->masks[VOXELS] = f->masks[2 * VOXELS - 1] = 1; /* b: two corners */
    f->masks[2 * VOXELS] = MASK_IGNORE;              /* c: none */
    read_places(places, EPOCHS, f, patches(1, 1));
    int first = 0, anywhere = 0;
    for (int e = 0; e < EPOCHS; e++) {
        assert_int_equal(places[e][0], about(MIDDLE));
        assert_true(places[e][1] == about(0) || places[e][1] == about(VOXELS - 1));
        first += places[e][1] == about(0);
        anywhere += places[e][2] != places[0][2];
    }
    assert_in_range(first, 110, 190);
    assert_true(anywhere > EPOCHS * 9 / 10);
}

static void a_share_of_the_patches(void **state)
{
    enum { EPOCHS = 1000, CORNER = VOXELS - 1 };
    struct fixture *f = *state;
    static int places[EPOCHS][CASES];
    for (int k = 0; k < CASES; k++)
        f->masks[k * VOXELS + CORNER] = 1;
    read_places(places, EPOCHS, f, patches(1, 0.25));
    int corner = 0;
    for (int e = 0; e < EPOCHS; e++)
        for (int k = 0; k < CASES; k++)
            corner += places[e][k] == about(CORNER);
    double share = 0.25 + 0.75 / PLACES;
    assert_true(fabs(corner / (double)(CASES * EPOCHS) - share) < 0.04);
    f->dataset.masks = NULL; /* no foreground is known */
    read_places(places, EPOCHS, f, patches(1, 1));
    corner = 0;
    for (int e = 0; e < EPOCHS; e++)
        corner += places[e][0] == about(CORNER);
    assert_in_range(corner, 5, 80);
}

/* Of more voxels than a mask is looked through at once: the nth of all in the foreground, n as drawn
 * from the stream of (seed, epoch, case) after the share and a place anywhere. */
static void the_drawn_one_of_many(void **state)
{
    enum { SIDE = 19, MANY = SIDE * SIDE * SIDE, EPOCHS = 300, SEED = 3 };
    (void)state;
    static float volume[MANY];
    static uint8_t mask[MANY];
    static int foreground[MANY];
    uint32_t count = 0;
    for (int i = 0; i < MANY; i++) {
        volume[i] = (float)i;
        mask[i] = i % 5 == 0 ? MASK_IGNORE : i % 7 == 0 || i > MANY - 90 ? 1 : 0;
        if (mask[i] == 1)
            foreground[count++] = i;
    }
    const struct dataset dataset = {.d = SIDE,
                                    .h = SIDE,
                                    .w = SIDE,
                                    .c = 1,
                                    .count = {1},
                                    .pixel = PIXEL_F32,
                                    .images = volume,
                                    .masks = mask,
                                    .ids = (const char *[]){"x"}};
    struct loader *loader = open_loader(&dataset, (struct loader_spec){.split = SPLIT_TRAIN,
                                                                       .batch = 1,
                                                                       .shuffle = true,
                                                                       .seed = SEED,
                                                                       .patch = {{1, 1, 1}, 1}});
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        char name[64];
        snprintf(name, sizeof name, "data/patch/%d/x", epoch);
        struct stream stream = stream_new(SEED, name);
        stream_uniform(&stream);
        for (int i = 0; i < 3; i++)
            stream_below(&stream, SIDE);
        uint32_t drawn = stream_below(&stream, count);
        assert_int_equal((int)loader_next(loader)->image[0], foreground[drawn]);
    }
    loader_close(loader);
}

/* ---- other pixels, augmentation, memory ----------------------------------------------------- */

static void patches_of_u8(void **state)
{
    struct fixture *f = *state;
    f->dataset.pixel = PIXEL_U8;
    f->dataset.images = f->levels;
    struct loader *loader = open_loader(&f->dataset, patches(3, 0));
    for (int n = 0; n < 20; n++) {
        const struct batch *batch = loader_next(loader);
        for (int i = 0; i < CASES * PATCH; i++) {
            int first = (int)lroundf(batch->image[i / PATCH * PATCH] * 255), k = i % PATCH;
            int at = first + k % PW + k / PW % PH * W + k / PW / PH * H * W;
            float want = (float)at / 255.0f;
            assert_memory_equal(&batch->image[i], &want, sizeof want);
        }
    }
    loader_close(loader);
}

static void a_patch_is_augmented_as_if_it_were_all(void **state)
{
    static const struct augment augment = {
        .use = {[AUGMENT_FLIP] = true, [AUGMENT_FLIP_DEPTH] = true, [AUGMENT_ROTATE] = true},
        .limits = {.crop = 1, .rotate = 90}};
    struct fixture *f = *state;
    for (int i = 0; i < CASES * VOXELS; i++)
        f->masks[i] = (uint8_t)(i % 3);
    struct loader_spec spec = patches(3, 0.5);
    struct loader *plain = open_loader(&f->dataset, spec);
    spec.augment = &augment;
    struct loader *augmented = open_loader(&f->dataset, spec);
    for (uint64_t epoch = 0; epoch < 10; epoch++) {
        const struct batch *from = loader_next(plain), *to = loader_next(augmented);
        for (uint32_t k = 0; k < CASES; k++) {
            float image[PATCH];
            int32_t want[PATCH];
            uint8_t mask[PATCH];
            for (int i = 0; i < PATCH; i++)
                mask[i] = (uint8_t)from->mask[k * PATCH + (uint32_t)i];
            augment_volume(image, want, from->image + k * PATCH, mask,
                           (struct augment_shape){PD, PH, PW, 1}, &augment, 3, epoch,
                           f->ids[from->index[k]]);
            assert_memory_equal(to->image + k * PATCH, image, sizeof image);
            assert_memory_equal(to->mask + k * PATCH, want, sizeof want);
        }
    }
    loader_close(plain);
    loader_close(augmented);
}

static void memory_is_counted(void **state)
{
    const struct fixture *f = *state;
    struct meter meter = {0};
    struct loader_spec spec = patches(1, 0.5), whole = spec;
    struct loader *loader;
    struct err err;
    whole.patch = (struct patch){0};
    assert_int_equal(loader_open(&loader, &f->dataset, &spec, &meter, &err), 0);
    assert_int_equal(meter.now, loader_bytes(&f->dataset, &spec));
    assert_true(meter.now < loader_bytes(&f->dataset, &whole));
    loader_close(loader);
    assert_int_equal(meter.now, 0);
}

static void what_does_not_fit(void **state)
{
    const struct fixture *f = *state;
    static const int32_t sizes[][3] = {{D + 1, 1, 1}, {1, H + 1, 1}, {1, 1, W + 1}, {1, 0, 1}};
    struct loader_spec spec = patches(1, 0.5);
    struct loader *loader;
    struct err err;
    for (int i = 0; i < 4; i++) {
        memcpy(spec.patch.size, sizes[i], sizeof sizes[i]);
        assert_int_equal(loader_open(&loader, &f->dataset, &spec, NULL, &err), -1);
        assert_int_equal(err.status, STATUS_CONFIG);
        assert_non_null(strstr(err.text, "does not fit into the cases of 4x5x7"));
    }
    const struct augment colour = {.use = {[AUGMENT_SATURATION] = true}};
    spec.patch = (struct patch){0};
    spec.augment = &colour;
    assert_int_equal(loader_check(&f->dataset, &spec, &err), -1);
    assert_int_equal(err.status, STATUS_CONFIG);
    assert_non_null(strstr(err.text, "'saturation' is not for volumes"));
    /* the largest patch is the case */
    spec = patches(1, 0.5);
    memcpy(spec.patch.size, (const int32_t[]){D, H, W}, sizeof spec.patch.size);
    loader = open_loader(&f->dataset, spec);
    const struct batch *batch = loader_next(loader);
    assert_memory_equal(batch->image, f->volumes + batch->index[0] * VOXELS,
                        VOXELS * sizeof(float));
    loader_close(loader);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(floats_come_as_they_are),
        CASE(patches_lie_anywhere),
        CASE(a_place_is_a_function_of_seed_epoch_and_case),
        CASE(about_the_foreground),
        CASE(a_share_of_the_patches),
        cmocka_unit_test(the_drawn_one_of_many),
        CASE(patches_of_u8),
        CASE(a_patch_is_augmented_as_if_it_were_all),
        CASE(memory_is_counted),
        CASE(what_does_not_fit),
    };
    return cmocka_run_group_tests_name("data_patches", tests, NULL, NULL);
}
