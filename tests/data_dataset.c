/* Dataset artifacts: what is written is what is read, the same cases give the same bytes, and an
 * artifact that contradicts itself is refused by name. */
#include "data_lab.h"
#include "data_raw.h"
#include "store_spoil.h"

#include "store/tensors.h"

#include <math.h>

static void what_is_written_is_read(void **state)
{
    const struct lab *lab = *state;
    struct collection c;
    struct dataset d;
    struct err err;
    struct meter meter = {0};
    OK(shapes_make(&c, 28, 10, 100, 30, 1, &err));
    OK(collection_hold_out(&c, SPLIT_VAL, 20, 1, &err));
    struct id id = collection_seal(lab, &c);
    OK(dataset_open(&d, lab->store, &id, &meter, &err));
    static const uint32_t begin[] = {0, 80, 100}, count[] = {80, 20, 30};
    assert_memory_equal(d.begin, begin, sizeof begin);
    assert_memory_equal(d.count, count, sizeof count);
    assert_int_equal(d.d, 1);
    assert_int_equal(d.h, 28);
    assert_int_equal(d.w, 28);
    assert_int_equal(d.c, 1);
    assert_int_equal(d.class_count, 10);
    assert_string_equal(d.classes[3], "cross");
    assert_int_equal(d.mask_class_count, 2);
    assert_string_equal(d.mask_classes[0], "background");
    uint32_t next[SPLITS] = {0, 80, 100}; /* inside a split in source order */
    for (uint32_t i = 0; i < c.count; i++) {
        uint32_t at = next[c.cases[i].split]++;
        assert_string_equal(d.ids[at], c.cases[i].id);
        assert_int_equal(d.labels[at], c.cases[i].label);
        assert_memory_equal((const uint8_t *)d.images + at * 784, c.cases[i].image, 784);
        assert_memory_equal(d.masks + at * 784, c.cases[i].mask, 784);
    }
    assert_int_equal(meter.now, d.bytes);
    assert_in_range(d.bytes, 130 * (784 * 2 + 4), 130 * (784 * 2 + 4) + 3 * 64);
    dataset_close(&d);
    assert_int_equal(meter.now, 0);
    collection_free(&c);
}

/* Of each label as many as its share, whichever they are. */
static void check_shares(const struct collection *c, int64_t val)
{
    uint32_t held[10] = {0};
    for (uint32_t i = 0; i < c->count; i++)
        held[c->cases[i].label] += c->cases[i].split == SPLIT_VAL;
    for (int label = 0; label < 10; label++)
        assert_in_range(held[label], val / 10, (val + 9) / 10);
}

/* Which cases are held out hangs on their ids: one more moves itself, or takes the place of one. */
static void held_out_by_id(void **state)
{
    (void)state;
    for (int64_t train = 90; train < 130; train++) {
        struct collection few, more;
        struct err err;
        int moved = 0;
        OK(shapes_make(&few, 8, 10, train, 0, 1, &err));
        OK(shapes_make(&more, 8, 10, train + 1, 0, 1, &err));
        OK(collection_hold_out(&few, SPLIT_VAL, 23, 5, &err));
        OK(collection_hold_out(&more, SPLIT_VAL, 23, 5, &err));
        check_shares(&few, 23);
        for (uint32_t i = 0; i < few.count; i++) {
            assert_string_equal(few.cases[i].id, more.cases[i].id);
            moved += few.cases[i].split != more.cases[i].split;
        }
        /* itself for one of its label; or its label has one more, for which another has one less */
        if (moved > 2)
            fail_msg("%d of %d cases moved", moved, (int)train);
        collection_free(&few);
        collection_free(&more);
    }
}

static void held_out_in_any_order(void **state)
{
    (void)state;
    struct collection c, turned;
    struct err err;
    uint32_t other = 0;
    OK(shapes_make(&c, 8, 10, 60, 0, 1, &err));
    OK(shapes_make(&turned, 8, 10, 60, 0, 1, &err));
    for (uint32_t i = 0; i < 30; i++) {
        struct raw_case one = turned.cases[i];
        turned.cases[i] = turned.cases[59 - i];
        turned.cases[59 - i] = one;
    }
    OK(collection_hold_out(&c, SPLIT_VAL, 20, 5, &err));
    OK(collection_hold_out(&turned, SPLIT_VAL, 20, 5, &err));
    for (uint32_t i = 0; i < 60; i++)
        assert_int_equal(c.cases[i].split, turned.cases[59 - i].split);
    collection_free(&turned);
    OK(shapes_make(&turned, 8, 10, 60, 0, 1, &err));
    OK(collection_hold_out(&turned, SPLIT_VAL, 20, 6, &err));
    for (uint32_t i = 0; i < 60; i++)
        other += c.cases[i].split != turned.cases[i].split;
    assert_true(other >= 8); /* of 26.7 that two draws of 20 of 60 differ in */
    collection_free(&c);
    collection_free(&turned);
}

static void the_same_cases_give_the_same_artifact(void **state)
{
    const struct lab *lab = *state;
    struct id id[3];
    struct err err;
    for (int i = 0; i < 3; i++) {
        struct collection c;
        OK(shapes_make(&c, 28, 10, 50, 10, i < 2 ? 1 : 2, &err));
        id[i] = collection_seal(lab, &c);
        collection_free(&c);
    }
    assert_string_equal(id[0].hex, id[1].hex);
    assert_string_not_equal(id[0].hex, id[2].hex);
}

static void cases_are_lines_of_json(void **state)
{
    const struct lab *lab = *state;
    const struct id source = {"1111111111111111111111111111111111111111111111111111111111111111"};
    const struct id pixels = {"2222222222222222222222222222222222222222222222222222222222222222"};
    const uint8_t image[3] = {7, 8, 9};
    const char *classes[] = {"a \"b\"", "c"};
    struct raw_case cases[] = {{"x", SPLIT_TEST, 1, &source, &pixels, {0}, image, NULL, 0, 0},
                               {"y", SPLIT_TRAIN, -1, NULL, &pixels, {0}, image, NULL, 0, 0}};
    struct collection c = {.d = 3,
                           .h = 1,
                           .w = 1,
                           .c = 1,
                           .count = 2,
                           .cases = cases,
                           .class_count = 2,
                           .classes = classes};
    struct id id = collection_seal(lab, &c);
    char path[PATH_BYTES], *text;
    size_t length;
    struct err err;
    OK(artifact_path(path, lab->store, &id, "cases.json", &err));
    OK(file_read(&text, &length, path, 10000, &err));
#define ONES "1111111111111111111111111111111111111111111111111111111111111111"
#define TWOS "2222222222222222222222222222222222222222222222222222222222222222"
    assert_string_equal(text,
                        "{\"classes\":[\"a \\\"b\\\"\",\"c\"],\n\"mask_classes\":[],\n\"cases\":[\n"
                        "{\"id\":\"y\",\"split\":\"train\",\"pixels\":\"" TWOS "\"},\n"
                        "{\"id\":\"x\",\"split\":\"test\",\"label\":1,\"source\":\"" ONES
                        "\",\"pixels\":\"" TWOS "\"}\n]}\n");
    free(text);
    struct dataset d;
    OK(dataset_open(&d, lab->store, &id, NULL, &err));
    assert_int_equal(d.d, 3);
    assert_int_equal(d.labels[0], -1);
    assert_int_equal(d.labels[1], 1);
    assert_null(d.masks);
    assert_string_equal(d.classes[0], "a \"b\"");
    assert_int_equal(d.begin[SPLIT_TEST], 1);
    assert_int_equal(d.count[SPLIT_VAL], 0);
    dataset_close(&d);
}

static void volumes_keep_their_values_and_spacing(void **state)
{
    const struct lab *lab = *state;
    const struct id pixels = {"2222222222222222222222222222222222222222222222222222222222222222"};
    const float one[4] = {-1.5f, 1e-30f, 3e30f, 0}, two[4] = {1, 2, 3, 4};
    const uint8_t mask[4] = {0, 1, MASK_IGNORE, 1};
    const char *names[] = {"background", "foreground"};
    struct raw_case cases[] = {{"x", SPLIT_VAL, -1, NULL, &pixels, {5, 6, 7}, one, mask, 0, 0},
                               {"y", SPLIT_TRAIN, -1, NULL, &pixels, {0}, two, mask, 0, 0}};
    struct collection c = {.d = 2,
                           .h = 2,
                           .w = 1,
                           .c = 1,
                           .pixel = PIXEL_F32,
                           .spacing = {0.7, 1, 2.5},
                           .count = 2,
                           .cases = cases,
                           .mask_class_count = 2,
                           .mask_classes = names};
    struct id id = collection_seal(lab, &c);
    char path[PATH_BYTES], *text;
    size_t length;
    struct err err;
    OK(artifact_path(path, lab->store, &id, "cases.json", &err));
    OK(file_read(&text, &length, path, 10000, &err));
    assert_non_null(strstr(text, "\"spacing\":[0.7,1,2.5],\n\"cases\":["));
    free(text);
    struct dataset d;
    struct meter meter = {0};
    OK(dataset_open(&d, lab->store, &id, &meter, &err));
    assert_int_equal(d.pixel, PIXEL_F32);
    assert_int_equal(d.d, 2);
    assert_memory_equal(d.spacing, c.spacing, sizeof d.spacing);
    assert_memory_equal(d.images, two, sizeof two);
    assert_memory_equal((const float *)d.images + 4, one, sizeof one);
    assert_memory_equal(d.masks + 4, mask, sizeof mask);
    assert_int_equal(meter.now, d.bytes);
    dataset_close(&d);
    assert_int_equal(meter.now, 0);
}

/* ---- artifacts that contradict themselves --------------------------------------------------- */

static const uint8_t zeros[64];
static const int32_t labels[] = {0, 1};
#define IMAGES                                                                                     \
    {                                                                                              \
        "images", TENSOR_U8, 4, {2, 2, 2, 1}, zeros, 8                                             \
    }
#define LABELS                                                                                     \
    {                                                                                              \
        "labels", TENSOR_I32, 1, {2}, labels, 8                                                    \
    }
#define HEAD  "{\"classes\":[\"a\",\"b\"],\"mask_classes\":[\"n\"],\"cases\":["
#define FIRST "{\"id\":\"p\",\"split\":\"train\",\"label\":0},"
#define GOOD  HEAD FIRST "{\"id\":\"q\",\"split\":\"test\",\"label\":1}]}"

static struct id craft(const struct lab *lab, const char *json, const struct tensor *items,
                       size_t count)
{
    struct draft *draft;
    struct id id;
    struct err err;
    char path[PATH_BYTES];
    OK(draft_open(&draft, lab->store, &err));
    OK(draft_path(draft, "cases.json", path, &err));
    OK(file_publish(path, json, strlen(json), &err));
    OK(draft_path(draft, "dataset.safetensors", path, &err));
    OK(tensors_write(path, items, count, NULL, 0, &err));
    if (items->type == TENSOR_F32)
        spoil(path, INFINITY);
    OK(draft_seal(draft, &id, &err));
    return id;
}

static int open_crafted(const struct lab *lab, const char *json, const struct tensor *items,
                        size_t count, struct err *err)
{
    struct id id = craft(lab, json, items, count);
    struct dataset d;
    struct meter meter = {0};
    int status = dataset_open(&d, lab->store, &id, &meter, err);
    if (!status)
        dataset_close(&d);
    assert_int_equal(meter.now, 0);
    return status;
}

static void expect_refusal(const struct lab *lab, const char *json, const struct tensor *items,
                           size_t count, const char *piece)
{
    struct err err = {0};
    assert_int_equal(open_crafted(lab, json, items, count, &err), -1);
    assert_int_equal(err.status, STATUS_BAD_DATA);
    if (!strstr(err.text, piece) || strncmp(err.text, "dataset ", 8))
        fail_msg("'%s' expected in: %s", piece, err.text);
}

static void cases_that_do_not_fit(void **state)
{
    const struct lab *lab = *state;
    const struct tensor items[] = {IMAGES, LABELS};
    struct err err;
    OK(open_crafted(lab, GOOD, items, 2, &err));
    static const char *const bad[][2] = {
        {"{", "line 1: "},
        {"[]", "'classes' is not a list"},
        {"{\"classes\":[1],\"mask_classes\":[],\"cases\":[]}", "'classes' is not a list"},
        {"{\"classes\":[\"a\",\"b\"],\"cases\":[]}", "'mask_classes' is not a list"},
        {"{\"classes\":[\"a\"],\"mask_classes\":[],\"cases\":[]}",
         "label of case 1 is 1, there are 1"},
        {HEAD "{\"id\":\"p\",\"split\":\"train\",\"label\":0}]}", "1 cases for 2 images"},
        {HEAD FIRST "{\"split\":\"test\",\"label\":1}]}", "case 1 has no id"},
        {HEAD FIRST "3]}", "case 1 has no id"},
        {HEAD FIRST "{\"id\":\"q\",\"split\":\"tset\",\"label\":1}]}", "case 'q' is in no split"},
        {HEAD FIRST "{\"id\":\"q\",\"label\":1}]}", "case 'q' is in no split"},
        {HEAD FIRST "{\"id\":\"q\",\"split\":\"test\",\"label\":0}]}", "case 'q' has two labels"},
        {HEAD FIRST "{\"id\":\"q\",\"split\":\"test\"}]}", "case 'q' has two labels"},
        {HEAD FIRST "{\"id\":\"q\",\"split\":\"test\",\"label\":1.0}]}", "is not an integer"},
        {HEAD "{\"id\":\"p\",\"split\":\"test\",\"label\":0},"
              "{\"id\":\"q\",\"split\":\"val\",\"label\":1}]}",
         "case 'q' of split 'val' comes after split 'test'"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_refusal(lab, bad[i][0], items, 2, bad[i][1]);
}

static void spacings_that_are_none(void **state)
{
    static const char *const bad[] = {"[1,1]", "[1,1,0]", "[1,\"a\",1]", "[1,-1,1]", "1", "{}"};
    const struct lab *lab = *state;
    const struct tensor items[] = {IMAGES, LABELS};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct text json = {0};
        text_printf(&json, "{\"spacing\":%s,%s", bad[i], GOOD + 1);
        expect_refusal(lab, json.data, items, 2, "'spacing' is not three lengths in mm");
        text_free(&json);
    }
}

static void tensors_that_do_not_fit(void **state)
{
    const struct lab *lab = *state;
    static const int32_t wild[] = {0, 2};
    static const uint8_t ones[] = {0, 0, 0, 0, 0, 0, 0, 1};
    static const float endless[8] = {0, 1e30f, -1e30f, 12345.678f};
    const struct {
        struct tensor items[2];
        const char *piece;
    } bad[] = {
        {{LABELS, {"mask", TENSOR_U8, 1, {1}, zeros, 1}}, "images"},
        {{{"images", TENSOR_F64, 4, {2, 2, 2, 1}, zeros, 64}, LABELS}, "images"},
        {{{"images", TENSOR_F32, 4, {2, 2, 2, 1}, endless, 32}, LABELS},
         "value 3 of tensor 'images' is inf"},
        {{{"images", TENSOR_U8, 3, {2, 2, 2}, zeros, 8}, LABELS}, "'images' has 3 dimensions"},
        {{{"images", TENSOR_U8, 4, {2, 0, 2, 1}, zeros, 0}, LABELS},
         "dimension 1 of 'images' is 0"},
        {{IMAGES, {"labels", TENSOR_I32, 1, {3}, zeros, 12}}, "3 labels for 2 images"},
        {{IMAGES, {"labels", TENSOR_I64, 1, {2}, zeros, 16}}, "labels"},
        {{IMAGES, {"labels", TENSOR_I32, 1, {2}, wild, 8}}, "label of case 1 is 2"},
        {{IMAGES, {"masks", TENSOR_U8, 3, {2, 1, 2}, zeros, 4}}, "differ in shape"},
        {{IMAGES, {"masks", TENSOR_U8, 4, {2, 2, 2, 1}, zeros, 8}}, "differ in shape"},
        {{IMAGES, {"masks", TENSOR_U8, 3, {2, 2, 2}, ones, 8}}, "class 1 in 'masks', there are 1"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_refusal(lab, GOOD, bad[i].items, 2, bad[i].piece);
}

static void pixels_without_a_class(void **state)
{
    const struct lab *lab = *state;
    static const uint8_t mask[] = {0, 255, 0, 0, 255, 255, 0, 0},
                         wild[] = {0, 255, 254, 0, 0, 0, 0, 0};
    struct tensor items[] = {IMAGES, LABELS, {"masks", TENSOR_U8, 3, {2, 2, 2}, mask, 8}};
    struct err err;
    OK(open_crafted(lab, GOOD, items, 3, &err));
    items[2].data = wild;
    expect_refusal(lab, GOOD, items, 3, "class 254 in 'masks', there are 1");
    struct text json = {0};
    text_puts(&json, "{\"classes\":[\"a\",\"b\"],\"cases\":[" FIRST
                     "{\"id\":\"q\",\"split\":\"test\",\"label\":1}],\"mask_classes\":[\"0\"");
    for (int i = 1; i < 255; i++)
        text_printf(&json, ",\"%d\"", i);
    size_t length = json.length;
    text_puts(&json, "]}");
    OK(open_crafted(lab, json.data, items, 3, &err));
    json.length = length;
    text_puts(&json, ",\"255\"]}");
    expect_refusal(lab, json.data, items, 3, "256 mask classes, there can be 255");
    text_free(&json);
}

static void an_artifact_that_is_not_there(void **state)
{
    const struct lab *lab = *state;
    struct id none = {"00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff"};
    struct dataset d;
    struct err err = {0};
    assert_int_equal(dataset_open(&d, lab->store, &none, NULL, &err), -1);
    assert_int_equal(err.status, STATUS_MISSING);
    assert_non_null(strstr(err.text, "dataset 00ff00ff00ff: "));
}

/* 70,000 cases, from raw files to a dataset that can be trained on. */
static void real_mnist(void **state)
{
    const struct lab *lab = *state;
    char folder[PATH_BYTES];
    const char *root = getenv("DATA");
    struct err err = {0};
    if (!root || path_join(folder, root, "mnist", &err) || !file_exists(folder))
        skip();
    struct collection c;
    struct dataset d;
    OK(raw_read(&c, folder, "idx", &(const struct fit){0}, &err));
    OK(collection_hold_out(&c, SPLIT_VAL, 5000, 1, &err));
    struct id id = collection_seal(lab, &c);
    OK(dataset_open(&d, lab->store, &id, NULL, &err));
    assert_int_equal(d.count[SPLIT_TRAIN], 55000);
    assert_int_equal(d.count[SPLIT_VAL], 5000);
    assert_int_equal(d.count[SPLIT_TEST], 10000);
    assert_string_equal(d.ids[60000], "test-00000");
    assert_memory_equal((const uint8_t *)d.images + 60000 * 784, c.cases[60000].image, 784);
    int val[10] = {0};
    for (uint32_t i = 55000; i < 60000; i++)
        val[d.labels[i]]++;
    assert_in_range(val[1], 561, 562); /* 6742 / 12 */
    assert_in_range(val[5], 451, 452); /* 5421 / 12 */
    dataset_close(&d);
    collection_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_TEST(what_is_written_is_read),       LAB_TEST(the_same_cases_give_the_same_artifact),
        cmocka_unit_test(held_out_by_id),        cmocka_unit_test(held_out_in_any_order),
        LAB_TEST(cases_are_lines_of_json),       LAB_TEST(cases_that_do_not_fit),
        LAB_TEST(spacings_that_are_none),        LAB_TEST(volumes_keep_their_values_and_spacing),
        LAB_TEST(tensors_that_do_not_fit),       LAB_TEST(pixels_without_a_class),
        LAB_TEST(an_artifact_that_is_not_there), LAB_TEST(real_mnist),
    };
    return cmocka_run_group_tests_name("data_dataset", tests, NULL, NULL);
}
