/* IDX files: what is read, and how each damage is named. Real MNIST where DATA has it. */
#include "data_folder.h"

#include <zlib.h>
enum { ROOM = 4096, TRAIN_IMAGES = 0, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS };
static const char *const names[IDX_FILES] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                             "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

/* Four small files: three train images of 2x3 and two for the test, each byte another. */
struct files {
    struct fixture at;
    struct {
        uint8_t bytes[ROOM];
        size_t length;
        const char *suffix; /* "" or ".gz"; NULL: not there */
    } file[IDX_FILES];
};

static void put_u32(uint8_t *p, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void put_images(struct files *f, int which, uint32_t count, uint8_t first)
{
    uint8_t *p = f->file[which].bytes;
    put_u32(p, 0x803);
    put_u32(p + 4, count);
    put_u32(p + 8, 2);
    put_u32(p + 12, 3);
    f->file[which].length = 16 + 6 * count;
    for (uint32_t i = 0; i < 6 * count; i++)
        p[16 + i] = (uint8_t)(first + i);
}

static void put_labels(struct files *f, int which, uint32_t count, const char *labels)
{
    uint8_t *p = f->file[which].bytes;
    put_u32(p, 0x801);
    put_u32(p + 4, count);
    f->file[which].length = 8 + count;
    for (uint32_t i = 0; i < count; i++)
        p[8 + i] = (uint8_t)(labels[i] - '0');
}

static int setup(void **state)
{
    struct files *f = calloc(1, sizeof *f);
    strcpy(f->at.folder, "/tmp/raw-test-XXXXXX");
    if (!mkdtemp(f->at.folder))
        return -1;
    put_images(f, TRAIN_IMAGES, 3, 0);
    put_labels(f, TRAIN_LABELS, 3, "509");
    put_images(f, TEST_IMAGES, 2, 100);
    put_labels(f, TEST_LABELS, 2, "72");
    for (int i = 0; i < IDX_FILES; i++)
        f->file[i].suffix = "";
    *state = f;
    return 0;
}

static void pack(struct files *f, int which)
{
    uint8_t plain[ROOM];
    size_t length = f->file[which].length;
    memcpy(plain, f->file[which].bytes, length);
    z_stream z = {.next_in = plain,
                  .avail_in = (uInt)length,
                  .next_out = f->file[which].bytes,
                  .avail_out = ROOM};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    f->file[which].length = z.total_out;
    f->file[which].suffix = ".gz";
    deflateEnd(&z);
}

static int read_fixture(struct collection *out, const struct files *f, struct err *err)
{
    assert_int_equal(folder_remove(f->at.folder, err), 0);
    assert_int_equal(folder_make(f->at.folder, err), 0);
    for (int i = 0; i < IDX_FILES; i++) {
        char path[PATH_BYTES];
        if (!f->file[i].suffix)
            continue;
        snprintf(path, sizeof path, "%s/%s%s", f->at.folder, names[i], f->file[i].suffix);
        assert_int_equal(file_publish(path, f->file[i].bytes, f->file[i].length, err), 0);
    }
    return raw_read(out, f->at.folder, "idx", &as_they_are, err);
}

/* Reading fails with this status and an error that holds all of these pieces. */
static void expect_failure(const struct files *f, enum status status, const char *piece,
                           const char *piece2)
{
    struct collection collection;
    struct err err;
    assert_int_equal(read_fixture(&collection, f, &err), -1);
    assert_int_equal(err.status, status);
    if (!strstr(err.text, piece) || !strstr(err.text, piece2))
        fail_msg("'%s' and '%s' expected in: %s", piece, piece2, err.text);
}

static void check_fixture(const struct collection *c)
{
    assert_int_equal(c->count, 5);
    assert_int_equal(c->d, 1);
    assert_int_equal(c->h, 2);
    assert_int_equal(c->w, 3);
    assert_int_equal(c->c, 1);
    assert_int_equal(c->class_count, 10);
    assert_string_equal(c->classes[9], "9");
    static const int32_t labels[] = {5, 0, 9, 7, 2};
    static const char *const ids[] = {"train-00000", "train-00001", "train-00002", "test-00000",
                                      "test-00001"};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(c->cases[i].label, labels[i]);
        assert_string_equal(c->cases[i].id, ids[i]);
        assert_int_equal(c->cases[i].split, i < 3 ? SPLIT_TRAIN : SPLIT_TEST);
        assert_null(c->cases[i].mask);
    }
    assert_int_equal(((const uint8_t *)c->cases[2].image)[5], 17);
    assert_int_equal(((const uint8_t *)c->cases[4].image)[0], 106);
    /* python: hashlib.sha256(b'1 2 3 1\n' + bytes(range(6))) */
    assert_string_equal(c->cases[0].pixels->hex,
                        "25b13625614347b0cb2e6f49c2b531383e3a59b6cb7d73598c5a83ab93a9f0c9");
}

static void reads_plain_and_packed_files(void **state)
{
    struct files *f = *state;
    struct collection c;
    struct err err;
    struct id whole = sha256_of(f->file[TEST_IMAGES].bytes, f->file[TEST_IMAGES].length);
    assert_int_equal(read_fixture(&c, f, &err), 0);
    check_fixture(&c);
    assert_string_equal(c.cases[3].source->hex, whole.hex);
    collection_free(&c);
    for (int i = 0; i < IDX_FILES; i++)
        pack(f, i);
    assert_int_equal(read_fixture(&c, f, &err), 0);
    check_fixture(&c);
    assert_string_equal(c.cases[3].source->hex, whole.hex);
    collection_free(&c);
}

/* As `cat a.gz b.gz` makes it: the parts meet in the header, in the data, and at nothing. */
static void gzip_of_several_members(void **state)
{
    struct files *f = *state;
    const size_t cuts[] = {2, 20, 0, 0};
    uint8_t whole[ROOM], packed[ROOM];
    size_t length = f->file[TRAIN_IMAGES].length, from = 0, out = 0;
    memcpy(whole, f->file[TRAIN_IMAGES].bytes, length);
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        struct files part = {0};
        part.file[0].length = i == 3 ? length - from : cuts[i];
        memcpy(part.file[0].bytes, whole + from, part.file[0].length);
        from += part.file[0].length;
        pack(&part, 0);
        memcpy(packed + out, part.file[0].bytes, part.file[0].length);
        out += part.file[0].length;
    }
    memcpy(f->file[TRAIN_IMAGES].bytes, packed, out);
    f->file[TRAIN_IMAGES].length = out;
    struct collection c;
    struct err err;
    if (read_fixture(&c, f, &err))
        fail_msg("%s", err.text);
    check_fixture(&c);
    collection_free(&c);
    f->file[TRAIN_IMAGES].length = out - 3;
    expect_failure(f, STATUS_BAD_DATA, "ends early", "");
}

static void an_unpacked_file_named_gz_is_read(void **state)
{
    struct files *f = *state;
    struct collection c;
    struct err err;
    f->file[TRAIN_LABELS].suffix = ".gz";
    assert_int_equal(read_fixture(&c, f, &err), 0);
    check_fixture(&c);
    collection_free(&c);
}

static void missing_files_say_how_to_fetch(void **state)
{
    struct files *f = *state;
    f->file[TEST_LABELS].suffix = NULL;
    expect_failure(f, STATUS_MISSING,
                   "cannot find 't10k-labels-idx1-ubyte[.gz]' in '/tmp/raw-test-",
                   "(scripts/fetch-data mnist -d /tmp fetches it)");
    struct collection c;
    struct err err;
    assert_int_equal(raw_read(&c, "no-such-folder/", "idx", &as_they_are, &err), -1);
    assert_int_equal(err.status, STATUS_MISSING);
    assert_string_equal(err.text, "cannot find 'train-images-idx3-ubyte[.gz]' in 'no-such-folder/' "
                                  "(scripts/fetch-data mnist -d . fetches it)");
}

static void truncated_files(void **state)
{
    struct files *f = *state;
    f->file[TRAIN_IMAGES].length = 20;
    expect_failure(f, STATUS_BAD_DATA, "ends early after 20 bytes", "promises 34");
    f->file[TRAIN_IMAGES].length = 7;
    expect_failure(f, STATUS_BAD_DATA, "ends early after 7 bytes", "in its header");
    f->file[TRAIN_IMAGES].length = 0;
    expect_failure(f, STATUS_BAD_DATA, "train-images-idx3-ubyte' is empty", "");
}

/* Cutting a gzip file anywhere is noticed, and never as anything but an early end. */
static void truncated_gzip_anywhere(void **state)
{
    struct files *f = *state;
    pack(f, TEST_IMAGES);
    size_t whole = f->file[TEST_IMAGES].length;
    for (size_t length = 2; length < whole; length++) {
        f->file[TEST_IMAGES].length = length;
        expect_failure(f, STATUS_BAD_DATA, "t10k-images-idx3-ubyte.gz' ends early", "");
    }
}

static void trailing_bytes(void **state)
{
    struct files *f = *state;
    f->file[TRAIN_IMAGES].length += 2;
    expect_failure(f, STATUS_BAD_DATA, "train-images-idx3-ubyte' continues", "2 bytes too many");
    f->file[TRAIN_IMAGES].length -= 2;
    pack(f, TEST_LABELS);
    f->file[TEST_LABELS].length += 3;
    expect_failure(f, STATUS_BAD_DATA, "t10k-labels-idx1-ubyte.gz' continues", "3 bytes too many");
    put_labels(f, TEST_LABELS, 2, "72");
    f->file[TEST_LABELS].length += 1;
    pack(f, TEST_LABELS);
    expect_failure(f, STATUS_BAD_DATA, "t10k-labels-idx1-ubyte.gz' continues", "10 bytes");
}

static void wrong_magic(void **state)
{
    struct files *f = *state;
    put_u32(f->file[TRAIN_IMAGES].bytes, 0x801);
    expect_failure(f, STATUS_BAD_DATA, "wrong magic in '", "found 0x00000801, expected 0x00000803");
    memcpy(f->file[TRAIN_IMAGES].bytes, "<!DO", 4);
    expect_failure(f, STATUS_BAD_DATA, "wrong magic in '", "found 0x3c21444f, expected 0x00000803");
    pack(f, TRAIN_IMAGES);
    expect_failure(f, STATUS_BAD_DATA, ".gz'", "found 0x3c21444f, expected 0x00000803");
}

static void impossible_counts(void **state)
{
    struct files *f = *state;
    put_u32(f->file[TRAIN_IMAGES].bytes + 4, 0xffffffff);
    expect_failure(f, STATUS_BAD_DATA, "ends early after 34 bytes", "promises 25769803786");
    put_u32(f->file[TRAIN_IMAGES].bytes + 8, 0xffffffff);
    put_u32(f->file[TRAIN_IMAGES].bytes + 12, 0xffffffff);
    expect_failure(f, STATUS_BAD_DATA, "impossible size in '", "4294967295 items");
    put_u32(f->file[TRAIN_IMAGES].bytes + 4, 0);
    f->file[TRAIN_IMAGES].length = 16;
    expect_failure(f, STATUS_BAD_DATA, "has 0 images", "");
}

/* The header inside a gzip stream decides on memory: it is not believed beyond what deflate can do.
 */
static void four_billion_images_in_gzip(void **state)
{
    struct files *f = *state;
    put_u32(f->file[TRAIN_IMAGES].bytes + 4, 4000000000u);
    pack(f, TRAIN_IMAGES);
    expect_failure(f, STATUS_BAD_DATA, "cannot hold the 24000000016 bytes", "promises");
}

static void damaged_gzip(void **state)
{
    struct files *f = *state;
    pack(f, TRAIN_IMAGES);
    size_t length = f->file[TRAIN_IMAGES].length;
    f->file[TRAIN_IMAGES].bytes[length - 6] ^= 1; /* in the check sum */
    expect_failure(f, STATUS_BAD_DATA, ".gz' is damaged after 34 unpacked bytes",
                   "incorrect data check");
}

static void labels_and_images_disagree(void **state)
{
    struct files *f = *state;
    put_labels(f, TRAIN_LABELS, 2, "50");
    expect_failure(f, STATUS_BAD_DATA, "has 2 labels for the 3 images", names[TRAIN_LABELS]);
    put_labels(f, TRAIN_LABELS, 3, "5:0");
    expect_failure(f, STATUS_BAD_DATA, "label 1 in '", "is 10, expected 0 to 9");
}

static void image_sizes(void **state)
{
    struct files *f = *state;
    put_u32(f->file[TEST_IMAGES].bytes + 8, 3);
    put_u32(f->file[TEST_IMAGES].bytes + 12, 2);
    expect_failure(f, STATUS_BAD_DATA, "images are 2x3 in '", "and 3x2 in '");
    put_u32(f->file[TEST_IMAGES].bytes + 8, 0);
    f->file[TEST_IMAGES].length = 16;
    expect_failure(f, STATUS_BAD_DATA, "have 0 rows and 2 columns", "expected 1 to 4096");
    put_images(f, TEST_IMAGES, 1, 0);
    put_u32(f->file[TEST_IMAGES].bytes + 4, 1);
    put_u32(f->file[TEST_IMAGES].bytes + 8, 4097);
    put_u32(f->file[TEST_IMAGES].bytes + 12, 0);
    f->file[TEST_IMAGES].length = 16;
    expect_failure(f, STATUS_BAD_DATA, "have 4097 rows and 0 columns", "expected 1 to 4096");
}

static void parse_fills_shape(void **state)
{
    struct files *f = *state;
    const uint8_t *data;
    int rank;
    int64_t dims[4];
    struct err err;
    const uint8_t *bytes = f->file[TRAIN_IMAGES].bytes;
    assert_int_equal(idx_parse(&data, &rank, dims, bytes, 34, "memory", &err), 0);
    assert_int_equal(rank, 3);
    assert_int_equal(dims[0], 3);
    assert_int_equal(dims[1], 2);
    assert_int_equal(dims[2], 3);
    assert_ptr_equal(data, bytes + 16);
    assert_int_equal(idx_parse(&data, &rank, dims, bytes, 33, "memory", &err), -1);
    assert_string_equal(err.text, "'memory' ends early after 33 bytes, its header promises 34");
}

/* Sums, counts and hashes from numpy and hashlib over the official files. */
static void real_mnist(void **state)
{
    (void)state;
    const char *folder = real("mnist");
    struct collection c;
    struct err err;
    must(raw_read(&c, folder, "idx", &as_they_are, &err), &err);
    assert_int_equal(c.count, 70000);
    assert_int_equal(c.h, 28);
    assert_int_equal(c.w, 28);
    static const int first[] = {5, 0, 4, 1, 9}, first_test[] = {7, 2, 1, 0, 4};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(c.cases[i].label, first[i]);
        assert_int_equal(c.cases[60000 + i].label, first_test[i]);
    }
    uint64_t sum[SPLITS] = {0};
    int ones = 0;
    for (uint32_t i = 0; i < c.count; i++) {
        for (int p = 0; p < 784; p++)
            sum[c.cases[i].split] += ((const uint8_t *)c.cases[i].image)[p];
        ones += c.cases[i].label == 1;
    }
    assert_int_equal(sum[SPLIT_TRAIN], 1567298545);
    assert_int_equal(sum[SPLIT_TEST], 264923200);
    assert_int_equal(ones, 6742 + 1135);
    assert_string_equal(c.cases[60000].pixels->hex,
                        "378e6d2baff015c45e95ca0583a8f287f7647ba3aeb913195f32a5a3188ad6a1");
    assert_string_equal(c.cases[0].source->hex,
                        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db");
    collection_free(&c);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, drop_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(reads_plain_and_packed_files),
        CASE(gzip_of_several_members),
        CASE(an_unpacked_file_named_gz_is_read),
        CASE(missing_files_say_how_to_fetch),
        CASE(truncated_files),
        CASE(truncated_gzip_anywhere),
        CASE(trailing_bytes),
        CASE(wrong_magic),
        CASE(impossible_counts),
        CASE(four_billion_images_in_gzip),
        CASE(damaged_gzip),
        CASE(labels_and_images_disagree),
        CASE(image_sizes),
        CASE(parse_fills_shape),
        cmocka_unit_test(real_mnist),
    };
    return cmocka_run_group_tests_name("data_idx", tests, NULL, NULL);
}
