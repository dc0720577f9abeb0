/* The loader: which case comes when, what a batch holds, and that it costs no allocation. */
#include "data_loader_open.h"

#include <malloc.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TRAIN = 13, VAL = 5, CASES = TRAIN + VAL, H = 2, W = 3, C = 2, PIXELS = H * W };

/* Byte k of case i's image is (17 i + k) mod 256; its label i mod 4; its mask (i + k) mod 3. */
struct fixture {
    struct dataset dataset;
    uint8_t images[CASES * PIXELS * C], masks[CASES * PIXELS];
    int32_t labels[CASES];
    const char *ids[CASES];
};

static int setup(void **state)
{
    static const char *const ids[CASES] = {"a", "b", "c", "d", "e", "f", "g", "h", "i",
                                           "j", "k", "l", "m", "n", "o", "p", "q", "r"};
    struct fixture *f = calloc(1, sizeof *f);
    memcpy(f->ids, ids, sizeof ids);
    for (int i = 0; i < CASES; i++) {
        f->labels[i] = i % 4;
        for (int k = 0; k < PIXELS * C; k++)
            f->images[i * PIXELS * C + k] = (uint8_t)(17 * i + k);
        for (int k = 0; k < PIXELS; k++)
            f->masks[i * PIXELS + k] = (uint8_t)((i + k) % 3);
    }
    f->dataset = (struct dataset){.d = 1,
                                  .h = H,
                                  .w = W,
                                  .c = C,
                                  .begin = {0, TRAIN, CASES},
                                  .count = {TRAIN, VAL, 0},
                                  .images = f->images,
                                  .labels = f->labels,
                                  .masks = f->masks,
                                  .ids = f->ids,
                                  .class_count = 4,
                                  .mask_class_count = 3};
    *state = f;
    return 0;
}

/* The first `count` case indices that come out. */
static void first_cases(uint32_t *out, uint32_t count, const struct fixture *f,
                        struct loader_spec spec)
{
    struct loader *loader = open_loader(&f->dataset, spec);
    for (uint32_t n = 0; n < count;) {
        const struct batch *batch = loader_next(loader);
        assert_non_null(batch);
        assert_int_equal(batch->real, spec.batch);
        assert_int_equal(batch->epoch, (n + spec.start * spec.batch) / TRAIN);
        for (uint32_t i = 0; i < spec.batch && n < count; i++)
            out[n++] = batch->index[i];
    }
    loader_close(loader);
}

static void each_epoch_is_a_permutation_of_its_own(void **state)
{
    enum { EPOCHS = 40 };
    uint32_t order[EPOCHS * TRAIN];
    struct loader_spec spec = {.split = SPLIT_TRAIN, .batch = 4, .shuffle = true, .seed = 5};
    first_cases(order, EPOCHS * TRAIN, *state, spec);
    int in_place = 0;
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        uint32_t seen = 0;
        for (int i = 0; i < TRAIN; i++) {
            uint32_t index = order[epoch * TRAIN + i];
            assert_true(index < TRAIN && !(seen >> index & 1));
            seen |= 1u << index;
            in_place += index == (uint32_t)i;
        }
        for (int before = 0; before < epoch; before++)
            assert_memory_not_equal(order + epoch * TRAIN, order + before * TRAIN, 4 * TRAIN);
    }
    assert_in_range(in_place, 15, 70); /* one an epoch is expected of random permutations */
}

static void the_order_is_a_function_of_the_seed(void **state)
{
    uint32_t order[3 * TRAIN], again[3 * TRAIN], other[3 * TRAIN];
    struct loader_spec spec = {.split = SPLIT_TRAIN, .batch = 4, .shuffle = true, .seed = 5};
    first_cases(order, 3 * TRAIN, *state, spec);
    spec.batch = 7; /* the stream of cases does not depend on how it is cut */
    first_cases(again, 3 * TRAIN, *state, spec);
    assert_memory_equal(order, again, sizeof order);
    spec.seed = 6;
    first_cases(other, 3 * TRAIN, *state, spec);
    assert_memory_not_equal(order, other, 4 * TRAIN);
}

static void starting_later_is_passing_over(void **state)
{
    enum { BATCH = 4, ALL = 20 * BATCH };
    uint32_t whole[ALL], rest[ALL];
    struct loader_spec spec = {.split = SPLIT_TRAIN, .batch = BATCH, .shuffle = true, .seed = 1};
    first_cases(whole, ALL, *state, spec);
    for (spec.start = 1; spec.start < 20; spec.start++) {
        uint32_t skipped = (uint32_t)spec.start * BATCH;
        first_cases(rest, ALL - skipped, *state, spec);
        assert_memory_equal(whole + skipped, rest, (ALL - skipped) * sizeof *rest);
    }
    spec.start = UINT64_C(1) << 60; /* at no cost */
    first_cases(rest, ALL, *state, spec);
}

static void a_batch_larger_than_the_split(void **state)
{
    uint32_t small[48], large[48];
    struct loader_spec spec = {.split = SPLIT_TRAIN, .batch = 1, .shuffle = true, .seed = 3};
    first_cases(small, 48, *state, spec);
    spec.batch = 16;
    first_cases(large, 48, *state, spec);
    assert_memory_equal(small, large, sizeof small);
}

static void check_case(const struct batch *batch, uint32_t slot)
{
    uint32_t index = batch->index[slot];
    assert_int_equal(batch->label[slot], index % 4);
    for (uint32_t k = 0; k < PIXELS * C; k++) {
        float expected = (float)(uint8_t)(17 * index + k) / 255.0f;
        assert_true(batch->image[slot * PIXELS * C + k] == expected);
    }
    for (uint32_t k = 0; k < PIXELS; k++)
        assert_int_equal(batch->mask[slot * PIXELS + k], (index + k) % 3);
}

static void the_split_once_in_order_padded(void **state)
{
    struct loader *loader = open_loader(*state, (struct loader_spec){SPLIT_VAL, .batch = 3});
    const struct batch *batch = loader_next(loader);
    assert_int_equal(batch->real, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(batch->index[i], TRAIN + i);
        assert_true(batch->weight[i] == 1);
        check_case(batch, i);
    }
    batch = loader_next(loader);
    assert_int_equal(batch->real, 2);
    assert_int_equal(batch->index[0], TRAIN + 3);
    assert_int_equal(batch->index[1], TRAIN + 4);
    assert_in_range(batch->index[2], TRAIN, CASES - 1);
    assert_true(batch->weight[0] == 1 && batch->weight[1] == 1 && batch->weight[2] == 0);
    for (uint32_t i = 0; i < 3; i++)
        check_case(batch, i);
    assert_null(loader_next(loader));
    assert_null(loader_next(loader));
    loader_close(loader);
    loader = open_loader(*state, (struct loader_spec){SPLIT_VAL, .batch = 5});
    assert_int_equal(loader_next(loader)->real, 5);
    assert_null(loader_next(loader));
    loader_close(loader);
}

/* A slow user finds its batch untouched, a fast one waits for the next. */
static void a_batch_stays_until_the_next_call(void **state)
{
    struct loader_spec spec = {.split = SPLIT_TRAIN, .batch = 6, .shuffle = true, .seed = 2};
    struct loader *loader = open_loader(*state, spec);
    for (int step = 0; step < 300; step++) {
        const struct batch *batch = loader_next(loader);
        struct batch before = *batch;
        uint32_t index[6];
        memcpy(index, batch->index, sizeof index);
        if (step < 5)
            usleep(5000);
        assert_memory_equal(index, batch->index, sizeof index);
        assert_memory_equal(&before, batch, sizeof before);
        for (uint32_t i = 0; i < 6; i++)
            check_case(batch, i);
    }
    loader_close(loader);
}

/* ---- augmentation --------------------------------------------------------------------------- */
static const struct augment augment = {
    .use = {[AUGMENT_FLIP] = true, [AUGMENT_ROTATE] = true, [AUGMENT_BRIGHTNESS] = true},
    .limits = {.crop = 1, .rotate = 90, .brightness = 0.5}};

/* The first 4 epochs; every case in the dress of its own epoch, which a batch may have two of. */
static void check_augmented(const struct fixture *f, uint32_t size, uint64_t start)
{
    struct loader_spec spec = {SPLIT_TRAIN, size, .shuffle = true, 9, start, &augment};
    struct loader *loader = open_loader(&f->dataset, spec);
    struct augment_shape shape = {1, H, W, C};
    float image[PIXELS * C];
    int32_t mask[PIXELS];
    for (uint64_t position = start * size; position < 4 * TRAIN;) {
        const struct batch *batch = loader_next(loader);
        for (uint32_t i = 0; i < size; i++, position++) {
            uint32_t index = batch->index[i];
            augment_case(image, mask, f->images + index * PIXELS * C, f->masks + index * PIXELS,
                         shape, &augment, 9, position / TRAIN, f->ids[index]);
            assert_memory_equal(batch->image + i * PIXELS * C, image, sizeof image);
            assert_memory_equal(batch->mask + i * PIXELS, mask, sizeof mask);
            assert_int_equal(batch->label[i], index % 4);
        }
    }
    loader_close(loader);
}

static void a_case_is_augmented_for_its_own_epoch(void **state)
{
    check_augmented(*state, 1, 0);
    check_augmented(*state, 4, 0);
    check_augmented(*state, 4, 5);
    check_augmented(*state, 30, 0);
}

static void augmentation_without_masks_and_allocations(void **state)
{
    struct fixture *f = *state;
    struct loader_spec spec = {SPLIT_TRAIN, 4, .shuffle = true, 9, 0, &augment};
    f->dataset.masks = NULL;
    struct loader *loader = open_loader(&f->dataset, spec);
    assert_null(loader_next(loader)->mask);
    loader_next(loader);
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 1000; i++)
        loader_next(loader);
    assert_int_equal(mallinfo2().uordblks, before);
    loader_close(loader);
}

static void only_a_training_is_augmented(void **state)
{
    struct fixture *f = *state;
    pid_t child = fork();
    if (!child) {
        struct loader *loader;
        struct err err;
        struct loader_spec spec = {SPLIT_VAL, 4, .augment = &augment};
        signal(SIGABRT, SIG_DFL);
        fclose(stderr);
        _exit(loader_open(&loader, &f->dataset, &spec, NULL, &err) ? 1 : 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* ---- the rest ------------------------------------------------------------------------------- */
static void without_labels_and_masks(void **state)
{
    struct fixture *f = *state;
    f->dataset.labels = NULL;
    f->dataset.masks = NULL;
    struct loader *loader =
        open_loader(&f->dataset, (struct loader_spec){SPLIT_TRAIN, .batch = 13});
    const struct batch *batch = loader_next(loader);
    assert_null(batch->mask);
    for (int i = 0; i < 13; i++)
        assert_int_equal(batch->label[i], 0);
    loader_close(loader);
}

static void memory_is_known_and_all_taken_at_once(void **state)
{
    struct fixture *f = *state;
    struct loader_spec spec = {.split = SPLIT_TRAIN, .batch = 4, .shuffle = true, .seed = 5};
    struct meter meter = {0};
    struct loader *loader;
    struct err err;
    assert_int_equal(loader_open(&loader, &f->dataset, &spec, &meter, &err), 0);
    assert_int_equal(meter.now, loader_bytes(&f->dataset, &spec));
    /* three batches of 4 cases: 12 floats, a label, 6 mask values, a weight, an index each */
    assert_in_range(meter.now, 3 * 4 * (12 + 1 + 6 + 1 + 1) * 4,
                    3 * 4 * 21 * 4 + 16 * 64 + TRAIN * 4);
    loader_next(loader);
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 1000; i++)
        loader_next(loader);
    assert_int_equal(mallinfo2().uordblks, before);
    loader_close(loader);
    assert_int_equal(meter.now, 0);
    loader_close(NULL);
}

/* Lends one block, of the bytes that it has. */
struct lender {
    unsigned char *block;
    size_t bytes, lent;
    bool back;
};

static int lend(void *owner, void **out, size_t size, struct err *err)
{
    struct lender *lender = owner;
    if (size > lender->bytes)
        return fail_as(err, STATUS_FAILED, "the lender has %zu bytes", lender->bytes);
    lender->lent = size;
    *out = lender->block;
    return 0;
}

static void take_back(void *owner, void *block, size_t size)
{
    struct lender *lender = owner;
    lender->back = block == lender->block && size == lender->lent;
}

static void batches_lie_in_what_is_lent(void **state)
{
    struct fixture *f = *state;
    enum { BYTES = 1 << 16 };
    struct lender lender = {.block = aligned_alloc(64, BYTES), .bytes = BYTES};
    struct loader_spec spec = {.split = SPLIT_TRAIN,
                               .batch = 4,
                               .shuffle = true,
                               .seed = 5,
                               .memory = {lend, take_back, &lender}};
    struct meter meter = {0};
    struct loader *loader;
    struct err err;
    assert_int_equal(loader_open(&loader, &f->dataset, &spec, &meter, &err), 0);
    assert_int_equal(lender.lent, loader_bytes(&f->dataset, &spec));
    assert_int_equal(meter.peak, 0); /* the lender counts */
    for (int i = 0; i < 10; i++) {
        const struct batch *batch = loader_next(loader);
        const void *const parts[] = {batch->image, batch->label, batch->mask, batch->weight,
                                     batch->index};
        for (size_t k = 0; k < sizeof parts / sizeof *parts; k++)
            assert_in_range((uintptr_t)parts[k], (uintptr_t)lender.block,
                            (uintptr_t)lender.block + lender.lent - 4);
    }
    assert_false(lender.back);
    loader_close(loader);
    assert_true(lender.back);
    lender.bytes = 100;
    assert_int_equal(loader_open(&loader, &f->dataset, &spec, &meter, &err), -1);
    assert_string_equal(err.text, "the lender has 100 bytes");
    free(lender.block);
}

static void opening_and_closing_at_any_moment(void **state)
{
    struct loader_spec spec = {.split = SPLIT_TRAIN, .batch = 4, .shuffle = true, .seed = 5};
    for (int i = 0; i < 200; i++) {
        struct loader *loader = open_loader(*state, spec);
        for (int step = 0; step < i % 5; step++)
            loader_next(loader);
        loader_close(loader);
    }
}

static void impossible_requests(void **state)
{
    struct fixture *f = *state;
    struct loader *loader;
    struct err err;
    struct loader_spec spec = {.split = SPLIT_TEST, .batch = 4};
    assert_int_equal(loader_open(&loader, &f->dataset, &spec, NULL, &err), -1);
    assert_int_equal(err.status, STATUS_CONFIG);
    assert_string_equal(err.text, "the test split is empty");
    spec = (struct loader_spec){.split = SPLIT_TRAIN, .batch = 0};
    assert_int_equal(loader_open(&loader, &f->dataset, &spec, NULL, &err), -1);
    assert_int_equal(err.status, STATUS_CONFIG);
    spec.batch = UINT32_MAX;
    assert_int_equal(loader_open(&loader, &f->dataset, &spec, NULL, &err), -1);
    assert_int_equal(err.status, STATUS_CONFIG);
    spec = (struct loader_spec){.split = SPLIT_TRAIN, .batch = 4, .start = UINT64_MAX / 2};
    assert_int_equal(loader_open(&loader, &f->dataset, &spec, NULL, &err), -1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(each_epoch_is_a_permutation_of_its_own),
        CASE(the_order_is_a_function_of_the_seed),
        CASE(starting_later_is_passing_over),
        CASE(a_batch_larger_than_the_split),
        CASE(the_split_once_in_order_padded),
        CASE(a_batch_stays_until_the_next_call),
        CASE(a_case_is_augmented_for_its_own_epoch),
        CASE(augmentation_without_masks_and_allocations),
        CASE(only_a_training_is_augmented),
        CASE(without_labels_and_masks),
        CASE(memory_is_known_and_all_taken_at_once),
        CASE(batches_lie_in_what_is_lent),
        CASE(opening_and_closing_at_any_moment),
        CASE(impossible_requests),
    };
    return cmocka_run_group_tests_name("data_loader", tests, NULL, NULL);
}
