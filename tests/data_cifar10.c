/* CIFAR-10's binary files: what is read, and how each damage is named. Real files where DATA has
 * them. */
#include "data_folder.h"
enum { RECORD = 3073, PLANE = 1024 };
#define META "a0\na1\na2\na3\na4\na5\na6\na7\na8\na9\n\n"

/* Records of these labels; red counts up from `first`, green from first + 1, blue from first + 2.
 */
static void put_batch(const struct fixture *f, const char *name, const char *labels, int first)
{
    size_t count = strlen(labels);
    uint8_t *bytes = malloc(count * RECORD);
    for (size_t r = 0; r < count; r++) {
        bytes[r * RECORD] = (uint8_t)(labels[r] - '0');
        for (int i = 0; i < 3 * PLANE; i++)
            bytes[r * RECORD + 1 + (size_t)i] = (uint8_t)(first + (int)r + i / PLANE + i % PLANE);
    }
    put_bytes(f, name, bytes, count * RECORD);
    free(bytes);
}

static int setup(void **state)
{
    if (make_folder(state))
        return -1;
    const struct fixture *f = *state;
    put(f, "batches.meta.txt", META);
    put_batch(f, "data_batch_1.bin", "39", 10);
    put_batch(f, "data_batch_2.bin", "0", 20);
    put_batch(f, "test_batch.bin", "71", 30);
    return 0;
}

static void records(void **state)
{
    const struct fixture *f = *state;
    static const struct {
        const char *id;
        enum split split;
        int label, first;
    } cases[] = {{"train-00000", SPLIT_TRAIN, 3, 10},
                 {"train-00001", SPLIT_TRAIN, 9, 11},
                 {"train-00002", SPLIT_TRAIN, 0, 20},
                 {"test-00000", SPLIT_TEST, 7, 30},
                 {"test-00001", SPLIT_TEST, 1, 31}};
    struct collection c;
    struct err err;
    must(raw_read(&c, f->folder, "cifar10, batches: 2", &as_they_are, &err), &err);
    assert_int_equal(c.count, 5);
    assert_int_equal(c.h, 32);
    assert_int_equal(c.w, 32);
    assert_int_equal(c.c, 3);
    assert_int_equal(c.class_count, 10);
    assert_string_equal(c.classes[9], "a9");
    for (int i = 0; i < 5; i++) {
        assert_string_equal(c.cases[i].id, cases[i].id);
        assert_int_equal(c.cases[i].split, cases[i].split);
        assert_int_equal(c.cases[i].label, cases[i].label);
        for (int p = 0; p < PLANE; p++)
            for (int k = 0; k < 3; k++)
                assert_int_equal(((const uint8_t *)c.cases[i].image)[3 * p + k],
                                 (cases[i].first + k + p) % 256);
        assert_string_equal(c.cases[i].pixels->hex, image_hash(1, 32, 32, 3, c.cases[i].image).hex);
        assert_null(c.cases[i].mask);
    }
    struct id source;
    must(sha256_file(&source, NULL, path_of(f, "data_batch_2.bin"), &err), &err);
    assert_string_equal(c.cases[2].source->hex, source.hex);
    collection_free(&c);
    must(raw_read(&c, f->folder, "cifar10, batches: 1", &as_they_are, &err), &err);
    assert_int_equal(c.count, 4);
    collection_free(&c);
}

static void files_for_the_recipe(void **state)
{
    const struct fixture *f = *state;
    static const char *const names[] = {"batches.meta.txt", "data_batch_1.bin", "data_batch_2.bin",
                                        "test_batch.bin", NULL};
    struct arena arena = {0};
    struct sources found;
    struct err err;
    expect_sources(f, "cifar10, batches: 2", false, names);
    assert_int_equal(raw_sources(&found, f->folder, "cifar10, batches: 3", false, &arena, &err),
                     -1);
    assert_int_equal(err.status, STATUS_MISSING);
    assert_non_null(strstr(err.text, "cannot find 'data_batch_3.bin' in '/tmp/raw-test-"));
    assert_non_null(
        strstr(err.text, "(scripts/fetch-data cifar-10-batches-bin -d /tmp fetches it)"));
    arena_free(&arena);
}

static void expect_damaged(const struct fixture *f, const char *file, const char *what)
{
    struct collection c;
    struct err err = {0};
    char text[512];
    snprintf(text, sizeof text, "'%s/%s'%s", f->folder, file, what);
    assert_int_equal(raw_read(&c, f->folder, "cifar10, batches: 2", &as_they_are, &err), -1);
    if (!strstr(err.text, text))
        fail_msg("'%s' expected in: %s", text, err.text);
    assert_int_equal(err.status, STATUS_BAD_DATA);
    assert_null(c.cases);
}

static void damage(void **state)
{
    const struct fixture *f = *state;
    put_bytes(f, "data_batch_2.bin", META, 30);
    expect_damaged(f, "data_batch_2.bin",
                   " has 30 bytes, expected 1 to 1000000 records of 3073 bytes");
    put_bytes(f, "data_batch_2.bin", "", 0);
    expect_damaged(f, "data_batch_2.bin", " has 0 bytes");
    uint8_t more[RECORD + 1] = {0};
    put_bytes(f, "data_batch_2.bin", more, sizeof more);
    expect_damaged(f, "data_batch_2.bin", " has 3074 bytes");
    put_batch(f, "data_batch_2.bin", "1:", 1);
    expect_damaged(f, "data_batch_2.bin", " is 10, expected 0 to 9");
    put_bytes(f, "batches.meta.txt", META, 27);
    expect_damaged(f, "batches.meta.txt", " has 9 class names, expected 10");
    put(f, "batches.meta.txt", META "b\n");
    expect_damaged(f, "batches.meta.txt", " has 11 class names, expected 10");
    char meta[] = META;
    meta[4] = '\x80';
    put(f, "batches.meta.txt", meta);
    expect_damaged(f, "batches.meta.txt", ": 'a\\x80' is not UTF-8");
    meta[4] = '\x1b';
    put(f, "batches.meta.txt", meta);
    expect_damaged(f, "batches.meta.txt", ": the name of class 1, 'a\\x1B', is not plain text");
}

/* Labels a class, from the data set's description; the sum from numpy. */
static void real_cifar10(void **state)
{
    (void)state;
    const char *folder = real("cifar-10-batches-bin");
    struct err err;
    static const int labels[] = {1005, 974, 1032, 1016, 999, 937, 1030, 1001, 1025, 981};
    struct collection c;
    must(raw_read(&c, folder, "cifar10, batches: 1", &as_they_are, &err), &err);
    assert_int_equal(c.count, 20000);
    int count[SPLITS][10] = {{0}};
    uint64_t green = 0;
    for (uint32_t i = 0; i < c.count; i++) {
        count[c.cases[i].split][c.cases[i].label]++;
        for (int p = 0; p < PLANE; p++)
            green += ((const uint8_t *)c.cases[i].image)[3 * p + 1];
    }
    assert_memory_equal(count[SPLIT_TRAIN], labels, sizeof labels);
    for (int i = 0; i < 10; i++)
        assert_int_equal(count[SPLIT_TEST][i], 1000);
    assert_int_equal(green, 2528964305);
    assert_string_equal(c.classes[6], "frog");
    collection_free(&c);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, drop_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(records),
        CASE(files_for_the_recipe),
        CASE(damage),
        cmocka_unit_test(real_cifar10),
    };
    return cmocka_run_group_tests_name("data_cifar10", tests, NULL, NULL);
}
