/* The shapes: the same everywhere, of the kind that their label says, inside the picture; and which
 * cases are held out. */
#include "data/formats/formats.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { SIZE = 28, PIXELS = SIZE * SIZE, KINDS = 10 };

static void make(struct collection *out, int64_t size, int64_t train, int64_t test, uint64_t seed)
{
    struct err err;
    if (shapes_make(out, size, KINDS, train, test, seed, &err))
        fail_msg("%s", err.text);
}

static void cases_are_named_labelled_and_hashed(void **state)
{
    (void)state;
    struct collection c;
    make(&c, SIZE, 25, 12, 3);
    assert_int_equal(c.count, 37);
    assert_int_equal(c.h, SIZE);
    assert_int_equal(c.w, SIZE);
    assert_int_equal(c.c, 1);
    assert_int_equal(c.class_count, KINDS);
    assert_string_equal(c.classes[0], "disc");
    assert_string_equal(c.classes[9], "frame");
    assert_int_equal(c.mask_class_count, 2);
    assert_string_equal(c.mask_classes[1], "foreground");
    assert_string_equal(c.cases[24].id, "train-00024");
    assert_int_equal(c.cases[24].split, SPLIT_TRAIN);
    assert_int_equal(c.cases[24].label, 4);
    assert_string_equal(c.cases[36].id, "test-00011");
    assert_int_equal(c.cases[36].split, SPLIT_TEST);
    assert_int_equal(c.cases[36].label, 1);
    struct text text = {0};
    text_puts(&text, "1 28 28 1\n");
    text_add(&text, (const char *)c.cases[36].image, PIXELS);
    struct id expected = sha256_of(text.data, text.length);
    assert_string_equal(c.cases[36].pixels->hex, expected.hex);
    text_free(&text);
    collection_free(&c);
}

/* Pinned: other bytes from the same seed would silently change every result made of them. */
static void the_bytes_are_fixed(void **state)
{
    (void)state;
    struct collection c;
    make(&c, SIZE, 1000, 200, 7);
    struct sha256 *sha = sha256_new();
    for (uint32_t i = 0; i < c.count; i++) {
        sha256_add(sha, c.cases[i].image, PIXELS);
        sha256_add(sha, c.cases[i].mask, PIXELS);
    }
    struct id id = sha256_end(sha);
    assert_string_equal(id.hex, "9234f850662d2025c93637c6b7d9111a2460aee5622c94750d7397d68649fd39");
    collection_free(&c);
}

static void more_cases_change_none(void **state)
{
    (void)state;
    struct collection few, many, other;
    make(&few, SIZE, 5, 3, 7);
    make(&many, SIZE, 50, 30, 7);
    make(&other, SIZE, 5, 3, 8);
    for (int i = 0; i < 8; i++) {
        int j = i < 5 ? i : 50 + i - 5;
        assert_string_equal(few.cases[i].pixels->hex, many.cases[j].pixels->hex);
        assert_string_not_equal(few.cases[i].pixels->hex, other.cases[i].pixels->hex);
    }
    for (uint32_t i = 0; i < many.count; i++)
        for (uint32_t j = 0; j < i; j++)
            assert_string_not_equal(many.cases[i].pixels->hex, many.cases[j].pixels->hex);
    collection_free(&few);
    collection_free(&many);
    collection_free(&other);
}

/* Black outside, one bright grey inside, a mask where at least half a pixel is covered, nothing cut
 * off at the border. */
static void pictures_are_clean(void **state)
{
    (void)state;
    struct collection c;
    make(&c, SIZE, 500, 0, 1);
    for (uint32_t i = 0; i < c.count; i++) {
        const uint8_t *image = c.cases[i].image, *mask = c.cases[i].mask;
        int white = 0, area = 0;
        for (int p = 0; p < PIXELS; p++) {
            white = image[p] > white ? image[p] : white;
            area += mask[p];
        }
        assert_in_range(white, 150, 255);
        assert_in_range(area, 40, PIXELS / 2);
        for (int p = 0; p < PIXELS; p++) {
            if (abs(2 * image[p] - white) > 2) /* else rounding decides */
                assert_int_equal(mask[p], 2 * image[p] > white);
            if (p < SIZE || p >= PIXELS - SIZE || p % SIZE == 0 || p % SIZE == SIZE - 1)
                assert_int_equal(mask[p], 0);
        }
    }
    collection_free(&c);
}

/* Where the outline's box is filled, in the middle and at its corners, tells the kinds apart. */
static void each_kind_has_its_form(void **state)
{
    (void)state;
    enum { BIG = 256 };
    struct collection c;
    make(&c, BIG, 100, 0, 5);
    for (uint32_t i = 0; i < c.count; i++) {
        const uint8_t *mask = c.cases[i].mask;
        double area = 0, x = 0, y = 0;
        int top = BIG, bottom = 0, left = BIG, right = 0;
        for (int p = 0; p < BIG * BIG; p++) {
            if (!mask[p])
                continue;
            int row = p / BIG, column = p % BIG;
            area++, x += column, y += row;
            top = row < top ? row : top;
            bottom = row > bottom ? row : bottom;
            left = column < left ? column : left;
            right = column > right ? column : right;
        }
        double height = bottom - top + 1, width = right - left + 1;
        double filled = area / (height * width);
        bool centre = mask[(int)(y / area) * BIG + (int)(x / area)];
        const char *kind = c.classes[c.cases[i].label];
        if (!strcmp(kind, "disc"))
            assert_true(filled > 0.77 && filled < 0.80); /* pi / 4 */
        if (!strcmp(kind, "ring") || !strcmp(kind, "frame"))
            assert_true(!centre && filled > 0.3);
        if (!strcmp(kind, "square"))
            assert_true(centre && filled > 0.6 && height / width > 0.98 && height / width < 1.02);
        if (!strcmp(kind, "bar"))
            assert_true(height > 1.7 * width);
        if (!strcmp(kind, "triangle") || !strcmp(kind, "diamond"))
            assert_true(centre && filled > 0.38 && filled < 0.6);
        if (!strcmp(kind, "plus") || !strcmp(kind, "cross"))
            assert_true(centre && filled > 0.25 && filled < 0.6);
        if (!strcmp(kind, "crescent"))
            assert_true(height > 1.02 * width && filled < 0.5);
    }
    collection_free(&c);
}

static void bad_requests_are_refused(void **state)
{
    (void)state;
    static const int64_t bad[][4] = {
        {7, 10, 5, 5},          {2000, 10, 5, 5},  {28, 0, 5, 5},   {28, 11, 5, 5},
        {28, 10, 0, 0},         {28, 10, -1, 5},   {28, 10, 5, -1}, {28, 10, INT64_MAX, 1},
        {28, 10, 1, INT64_MAX}, {1024, 1, 5000, 5}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct collection c;
        struct err err = {0};
        assert_int_equal(shapes_make(&c, bad[i][0], bad[i][1], bad[i][2], bad[i][3], 1, &err), -1);
        assert_int_equal(err.status, STATUS_CONFIG);
        assert_non_null(strstr(err.text, "shapes"));
    }
}

/* ---- hold out ------------------------------------------------------------------------------- */

static void count_labels(const struct collection *c, enum split split, int count[KINDS])
{
    memset(count, 0, KINDS * sizeof *count);
    for (uint32_t i = 0; i < c->count; i++)
        if (c->cases[i].split == split)
            count[c->cases[i].label]++;
}

static void hold_out_takes_the_same_share_of_each_label(void **state)
{
    (void)state;
    struct collection c;
    struct err err;
    int val[KINDS], train[KINDS], test[KINDS];
    make(&c, SIZE, 205, 40, 1); /* labels 0 to 4 have 21 cases, the others 20 */
    assert_int_equal(collection_hold_out(&c, SPLIT_VAL, 53, 9, &err), 0);
    count_labels(&c, SPLIT_VAL, val);
    count_labels(&c, SPLIT_TRAIN, train);
    count_labels(&c, SPLIT_TEST, test);
    /* shares 53*21/205 = 5.429 (x5) and 53*20/205 = 5.171 (x5): 50, the other 3 to labels 0, 1, 2
     */
    static const int expected[KINDS] = {6, 6, 6, 5, 5, 5, 5, 5, 5, 5};
    for (int i = 0; i < KINDS; i++) {
        assert_int_equal(val[i], expected[i]);
        assert_int_equal(train[i] + val[i], i < 5 ? 21 : 20);
        assert_int_equal(test[i], 4);
    }
    collection_free(&c);
}

static void hold_out_is_drawn_by_seed(void **state)
{
    (void)state;
    struct collection a, b, other;
    struct err err;
    make(&a, SIZE, 200, 0, 1);
    make(&b, SIZE, 200, 0, 1);
    make(&other, SIZE, 200, 0, 1);
    assert_int_equal(collection_hold_out(&a, SPLIT_VAL, 50, 9, &err), 0);
    assert_int_equal(collection_hold_out(&b, SPLIT_VAL, 50, 9, &err), 0);
    assert_int_equal(collection_hold_out(&other, SPLIT_VAL, 50, 10, &err), 0);
    int same = 0;
    for (int i = 0; i < 200; i++) {
        assert_int_equal(a.cases[i].split, b.cases[i].split);
        same += a.cases[i].split == SPLIT_VAL && other.cases[i].split == SPLIT_VAL;
    }
    assert_in_range(same, 1, 30); /* 12.5 expected of independent draws */
    collection_free(&a);
    collection_free(&b);
    collection_free(&other);
}

static void hold_out_limits(void **state)
{
    (void)state;
    struct collection c;
    struct err err;
    int val[KINDS];
    make(&c, SIZE, 30, 10, 1);
    assert_int_equal(collection_hold_out(&c, SPLIT_VAL, 31, 1, &err), -1);
    assert_int_equal(err.status, STATUS_CONFIG);
    assert_string_equal(err.text,
                        "cannot hold out 31 cases for validation: the train split has 30");
    assert_int_equal(collection_hold_out(&c, SPLIT_VAL, -1, 1, &err), -1);
    assert_int_equal(collection_hold_out(&c, SPLIT_VAL, 0, 1, &err), 0);
    count_labels(&c, SPLIT_VAL, val);
    assert_int_equal(val[0] + val[9], 0);
    assert_int_equal(collection_hold_out(&c, SPLIT_VAL, 30, 1, &err), 0);
    count_labels(&c, SPLIT_VAL, val);
    for (int i = 0; i < KINDS; i++)
        assert_int_equal(val[i], 3);
    collection_free(&c);
}

static void a_test_split_is_drawn_where_there_is_none(void **state)
{
    (void)state;
    struct collection c, other;
    struct err err;
    make(&c, SIZE, 200, 0, 1);
    make(&other, SIZE, 200, 0, 1);
    assert_int_equal(collection_hold_out(&c, SPLIT_TEST, 50, 9, &err), 0);
    assert_int_equal(collection_hold_out(&c, SPLIT_VAL, 50, 9, &err), 0);
    assert_int_equal(collection_hold_out(&other, SPLIT_VAL, 50, 9, &err), 0);
    int test = 0, val = 0, same = 0;
    for (int i = 0; i < 200; i++) {
        test += c.cases[i].split == SPLIT_TEST;
        val += c.cases[i].split == SPLIT_VAL;
        same += c.cases[i].split == SPLIT_TEST && other.cases[i].split == SPLIT_VAL;
    }
    assert_int_equal(test, 50);
    assert_int_equal(val, 50);
    assert_in_range(same, 1, 30); /* 12.5 expected of independent draws */
    assert_int_equal(collection_hold_out(&c, SPLIT_TEST, 0, 9, &err), 0);
    assert_int_equal(collection_hold_out(&c, SPLIT_TEST, 1, 9, &err), -1);
    assert_int_equal(err.status, STATUS_CONFIG);
    assert_non_null(strstr(err.text, "the data set has a test split, beginning with 'train-"));
    assert_int_equal(collection_hold_out(&other, SPLIT_TEST, 151, 9, &err), -1);
    assert_string_equal(err.text,
                        "cannot hold out 151 cases for the test: the train split has 150");
    collection_free(&c);
    collection_free(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cases_are_named_labelled_and_hashed),
        cmocka_unit_test(the_bytes_are_fixed),
        cmocka_unit_test(more_cases_change_none),
        cmocka_unit_test(pictures_are_clean),
        cmocka_unit_test(each_kind_has_its_form),
        cmocka_unit_test(bad_requests_are_refused),
        cmocka_unit_test(hold_out_takes_the_same_share_of_each_label),
        cmocka_unit_test(hold_out_is_drawn_by_seed),
        cmocka_unit_test(hold_out_limits),
        cmocka_unit_test(a_test_split_is_drawn_where_there_is_none),
    };
    return cmocka_run_group_tests_name("data_shapes", tests, NULL, NULL);
}
