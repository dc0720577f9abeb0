/* A share of the training cases: of each kind its share, a smaller one within a larger one, drawn by
 * seed and id. */
#include "data/data.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { TRAIN = 300, VAL = 7, TEST = 5, ALL = TRAIN + VAL + TEST, H = 2, W = 3 };
enum { AREA = H * W, C = 2 };

/* A third of the training cases, spread over the split, are of class 1. */
struct world {
    uint8_t images[ALL * AREA * C], masks[ALL * AREA];
    int32_t labels[ALL];
    const char *ids[ALL];
    struct dataset set;
    struct arena arena;
};

static int kind_of(int index)
{
    return index % 3 == 1;
}

static int setup(void **state)
{
    static const char *names[] = {"background", "cat", "dog"};
    struct world *w = calloc(1, sizeof *w);
    for (int i = 0; i < ALL; i++) {
        w->ids[i] = arena_printf(&w->arena, "case-%03d", i);
        w->labels[i] = kind_of(i);
        memset(w->images + i * AREA * C, i % 251, AREA * C);
        memset(w->masks + i * AREA, 1 + kind_of(i), 3); /* the rest is background */
        w->masks[i * AREA] = (uint8_t)(i % 2 ? 2 - kind_of(i) : MASK_IGNORE);
    }
    w->set = (struct dataset){.d = 1,
                              .h = H,
                              .w = W,
                              .c = C,
                              .begin = {0, TRAIN, TRAIN + VAL},
                              .count = {TRAIN, VAL, TEST},
                              .images = w->images,
                              .labels = w->labels,
                              .masks = w->masks,
                              .ids = w->ids,
                              .mask_class_count = 3,
                              .mask_classes = names};
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    arena_free(&w->arena);
    free(w);
    return 0;
}

static void take(struct dataset *out, const struct dataset *from, double fraction, uint64_t seed)
{
    struct err err;
    if (dataset_part(out, from, fraction, seed, &err))
        fail_msg("%s", err.text);
}

static int number_of(const char *id)
{
    return atoi(id + strlen("case-"));
}

/* Which training cases there are, by number; their kinds are counted. */
static void members(bool in[ALL], int kinds[2], const struct dataset *part)
{
    memset(in, 0, ALL * sizeof *in);
    kinds[0] = kinds[1] = 0;
    for (uint32_t i = 0; i < part->count[SPLIT_TRAIN]; i++) {
        int number = number_of(part->ids[i]);
        assert_in_range(number, 0, TRAIN - 1);
        assert_false(in[number]);
        in[number] = true;
        kinds[kind_of(number)]++;
    }
}

static const double fractions[] = {1e-6, 0.05, 0.1, 0.25, 0.999};
static const int shares[][2] = {{1, 1}, {10, 5}, {20, 10}, {50, 25}, {200, 100}};
enum { FRACTIONS = sizeof fractions / sizeof *fractions };

static void check_nested(const struct dataset *from, uint64_t seed)
{
    bool in[ALL], before[ALL] = {false};
    int kinds[2];
    for (int f = 0; f < FRACTIONS; f++) {
        struct dataset part;
        take(&part, from, fractions[f], seed);
        members(in, kinds, &part);
        assert_memory_equal(kinds, shares[f], sizeof kinds);
        for (int i = 0; i < TRAIN; i++)
            assert_true(in[i] || !before[i]);
        memcpy(before, in, sizeof in);
        dataset_close(&part);
    }
}

static void of_each_label_its_share_within_the_next(void **state)
{
    const struct world *w = *state;
    for (uint64_t seed = 1; seed <= 6; seed++)
        check_nested(&w->set, seed);
}

static void without_labels_by_the_main_class_of_the_mask(void **state)
{
    struct world *w = *state;
    w->set.labels = NULL;
    for (uint64_t seed = 1; seed <= 6; seed++)
        check_nested(&w->set, seed);
}

/* Images, masks and labels go with their ids, in the data set's order; validation is whole. */
static void the_cases_are_whole(void **state)
{
    const struct world *w = *state;
    struct dataset part;
    struct meter meter = {0};
    struct dataset from = w->set;
    from.meter = &meter;
    take(&part, &from, 0.1, 4);
    static const uint32_t begin[] = {0, 30, 37}, count[] = {30, VAL, 0};
    assert_memory_equal(part.begin, begin, sizeof begin);
    assert_memory_equal(part.count, count, sizeof count);
    assert_int_equal(meter.now, part.bytes);
    for (int i = 0; i < 37; i++) {
        int from_case = number_of(part.ids[i]);
        assert_true(i < 30 ? from_case < TRAIN : from_case == TRAIN + i - 30);
        assert_true(i == 0 || number_of(part.ids[i - 1]) < from_case);
        assert_int_equal(part.labels[i], w->labels[from_case]);
        assert_memory_equal((const uint8_t *)part.images + i * AREA * C,
                            w->images + from_case * AREA * C, AREA * C);
        assert_memory_equal(part.masks + i * AREA, w->masks + from_case * AREA, AREA);
    }
    dataset_close(&part);
    assert_int_equal(meter.now, 0);
}

/* Another seed draws others; the same draws the same from cases in another order, less one that was not
 * drawn. */
static void drawn_by_seed_and_id(void **state)
{
    struct world *w = *state;
    bool in[ALL], other[ALL], again[ALL];
    int kinds[2], same = 0;
    struct dataset part;
    take(&part, &w->set, 0.1, 1);
    members(in, kinds, &part);
    dataset_close(&part);
    take(&part, &w->set, 0.1, 2);
    members(other, kinds, &part);
    dataset_close(&part);
    for (int i = 0; i < TRAIN; i++)
        same += in[i] && other[i];
    assert_in_range(same, 0, 15); /* by chance 3 of 30 */

    int left_out = 0;
    while (in[left_out] || kind_of(left_out))
        left_out++;
    for (int i = left_out; i + 1 < TRAIN; i++) {
        w->ids[i] = w->ids[i + 1];
        w->labels[i] = w->labels[i + 1];
    }
    w->set.count[SPLIT_TRAIN]--;
    for (int i = 0, k = TRAIN - 2; i < k; i++, k--) {
        const char *id = w->ids[i];
        int32_t label = w->labels[i];
        w->ids[i] = w->ids[k];
        w->labels[i] = w->labels[k];
        w->ids[k] = id;
        w->labels[k] = label;
    }
    take(&part, &w->set, 0.1, 1);
    members(again, kinds, &part);
    assert_memory_equal(in, again, sizeof in);
    dataset_close(&part);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(of_each_label_its_share_within_the_next),
        CASE(without_labels_by_the_main_class_of_the_mask),
        CASE(the_cases_are_whole),
        CASE(drawn_by_seed_and_id),
    };
    return cmocka_run_group_tests_name("data_part", tests, NULL, NULL);
}
