/* Safetensors. The format: 8 bytes of header length (little endian), a JSON header, then the data,
 * whole and in one piece (https://github.com/huggingface/safetensors). */
#include "base/memory.h"
#include "store/tensors.h"

#include "store_spoil.h"

#include <math.h>

#include <sys/wait.h>

/* What the reference library (0.8.0, safetensors.numpy.save) writes for
 * x = [[0, 1, 2], [3, 4, 5]] f32, y = [1, 2, 3] u8, z = [-2] i64, none = f64 of shape (0, 4), k =
 * "v". */
static const char reference[] =
    "\370\000\000\000\000\000\000\000"
    "{\"__metadata__\":{\"k\":\"v\"},\"z\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}"
    ","
    "\"none\":{\"dtype\":\"F64\",\"shape\":[0,4],\"data_offsets\":[8,8]},"
    "\"x\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[8,32]},"
    "\"y\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[32,35]}} "
    "\376\377\377\377\377\377\377\377"
    "\000\000\000\000\000\000\200?\000\000\000@\000\000@@\000\000\200@\000\000\240@"
    "\001\002\003";

/* A file with this header and so many bytes of data: 0, 1, 2, ... */
static unsigned char *compose(const char *header, size_t data, size_t *length)
{
    size_t n = strlen(header);
    *length = 8 + n + data;
    unsigned char *bytes = xmalloc(*length);
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)((uint64_t)n >> (8 * i));
    memcpy(bytes + 8, header, n);
    for (size_t i = 0; i < data; i++)
        bytes[8 + n + i] = (unsigned char)i;
    return bytes;
}

static void refused(const char *header, size_t data, const char *words)
{
    struct tensors tensors;
    struct err err;
    size_t length;
    unsigned char *bytes = compose(header, data, &length);
    FAILS(tensors_parse(&tensors, bytes, length, "f.safetensors", &err), STATUS_BAD_DATA, words);
    assert_non_null(strstr(err.text, "'f.safetensors'"));
    free(bytes);
}

static void accepted(const char *header, size_t data)
{
    struct tensors tensors;
    struct err err;
    size_t length;
    unsigned char *bytes = compose(header, data, &length);
    OK(tensors_parse(&tensors, bytes, length, "f.safetensors", &err));
    tensors_close(&tensors);
    free(bytes);
}

static void files_of_the_reference_library_are_read(void **state)
{
    (void)state;
    struct tensors tensors;
    struct err err;
    const struct tensor *tensor;
    _Alignas(64) char bytes[sizeof reference - 1];
    memcpy(bytes, reference, sizeof bytes);
    OK(tensors_parse(&tensors, bytes, sizeof bytes, "reference", &err));
    assert_int_equal(tensors.count, 4);
    assert_string_equal(tensors.items[0].name, "none");
    assert_string_equal(tensors.items[3].name, "z");
    assert_string_equal(tensors_meta(&tensors, "k"), "v");
    assert_null(tensors_meta(&tensors, "x"));
    OK(tensors_need(&tensor, &tensors, "x", TENSOR_F32, 2, &err));
    assert_int_equal(tensor->dim[0], 2);
    assert_int_equal(tensor->dim[1], 3);
    for (int i = 0; i < 6; i++)
        assert_true(((const float *)tensor->data)[i] == (float)i);
    assert_ptr_equal(tensor->data, bytes + 256 + 8); /* not copied */
    OK(tensors_need(&tensor, &tensors, "z", TENSOR_I64, -1, &err));
    assert_int_equal(*(const int64_t *)tensor->data, -2);
    OK(tensors_need(&tensor, &tensors, "y", TENSOR_U8, 1, &err));
    assert_memory_equal(tensor->data, "\1\2\3", 3);
    assert_null(tensors_find(&tensors, "w"));
    FAILS(tensors_need(&tensor, &tensors, "w", TENSOR_U8, 1, &err), STATUS_BAD_DATA,
          "no tensor 'w'");
    FAILS(tensors_need(&tensor, &tensors, "y", TENSOR_I32, 1, &err), STATUS_BAD_DATA,
          "tensor 'y' has type U8, not I32");
    FAILS(tensors_need(&tensor, &tensors, "y", TENSOR_U8, 2, &err), STATUS_BAD_DATA,
          "tensor 'y' has 1 dimensions, not 2");
    tensors_close(&tensors);
}

static void misaligned_tensors_are_copied(void **state)
{
    (void)state;
    struct err err;
    for (size_t shift = 0; shift < 9; shift++) {
        struct tensors tensors;
        const struct tensor *tensor;
        char *bytes = xmalloc(shift + sizeof reference - 1);
        memcpy(bytes + shift, reference, sizeof reference - 1);
        OK(tensors_parse(&tensors, bytes + shift, sizeof reference - 1, "reference", &err));
        OK(tensors_need(&tensor, &tensors, "x", TENSOR_F32, 2, &err));
        assert_int_equal((uintptr_t)tensor->data % 4, 0);
        assert_true(((const float *)tensor->data)[5] == 5);
        OK(tensors_need(&tensor, &tensors, "z", TENSOR_I64, 1, &err));
        assert_int_equal((uintptr_t)tensor->data % 8, 0);
        assert_int_equal(*(const int64_t *)tensor->data, -2);
        tensors_close(&tensors);
        free(bytes);
    }
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    for (size_t length = 0; length < sizeof reference - 1; length++) {
        struct tensors tensors;
        struct err err;
        char *exact = xmalloc(length);
        memcpy(exact, reference, length);
        FAILS(tensors_parse(&tensors, exact, length, "cut", &err), STATUS_BAD_DATA, "'cut'");
        free(exact);
    }
}

#define T(name, type, shape, offsets)                                                              \
    "\"" name "\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void headers_are_checked(void **state)
{
    (void)state;
    accepted("{}", 0);
    accepted("{}          ", 0);
    accepted("{" T("a", "F32", "[]", "[0,4]") "}", 4);
    accepted("{" T("b", "U8", "[2]", "[4,6]") "," T("a", "I32", "[1]", "[0,4]") "}", 6);
    accepted("{" T("a", "U8", "[0]", "[0,0]") "," T("b", "U8", "[1]",
                                                    "[0,1]") "," T("c", "BF16", "[0]", "[1,1]") "}",
             1);
    refused("", 0, "not JSON");
    refused(" {}", 0, "not JSON");
    refused("[]", 0, "not JSON");
    refused("{", 0, "not JSON");
    refused("{}x", 0, "not JSON");
    refused("{\"a\":1}", 0, "no dtype");
    refused("{\"a\":{\"dtype\":\"U8\"}}", 0, "no shape");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, "data_offsets are not two");
    refused("{" T("a", "F16", "[1]", "[0,2]") "}", 2, "type 'F16' is not supported");
    refused("{" T("a\\u001b[31m", "U8", "[1]", "[0,2]") "}", 2, "'a?[31m'");
    refused("{" T("a", "U8", "[1]", "[0,1]") "," T("a", "U8", "[1]", "[1,2]") "}", 2, "not JSON");
    refused("{" T("a\\u0000b", "U8", "[1]", "[0,1]") "}", 1, "not JSON");
    refused("{" T("a\xff", "U8", "[1]", "[0,1]") "}", 1, "not JSON");
    refused("{" T("a", "U8", "[1.0]", "[0,1]") "}", 1, "not a whole number");
    refused("{" T("a", "U8", "[-1]", "[0,1]") "}", 1, "not a whole number");
    refused("{" T("a", "U8", "[\"1\"]", "[0,1]") "}", 1, "not a whole number");
    refused("{" T("a", "U8", "1", "[0,1]") "}", 1, "no shape");
    refused("{" T("a", "U8", "[1,1,1,1,1,1,1,1,1]", "[0,1]") "}", 1, "too many dimensions");
    refused("{" T("a", "F32", "[4611686018427387904]", "[0,0]") "}", 0, "impossible shape");
    refused("{" T("a", "U8", "[4294967296,4294967296]", "[0,0]") "}", 0, "impossible shape");
    refused("{" T("a", "U8", "[9223372036854775808]", "[0,0]") "}", 0, "not JSON");
    refused("{\"__metadata__\":[]}", 0, "is not an object");
    refused("{\"__metadata__\":{\"a\":1}}", 0, "metadata 'a' is not a string");
}

static void offsets_are_checked(void **state)
{
    (void)state;
    refused("{" T("a", "U8", "[2]", "[0,3]") "}", 3, "disagree with type and shape");
    refused("{" T("a", "F32", "[2]", "[0,2]") "}", 2, "disagree with type and shape");
    refused("{" T("a", "U8", "[2]", "[0,2]") "}", 1, "outside the file");
    refused("{" T("a", "U8", "[2]", "[2,0]") "}", 2, "outside the file");
    refused("{" T("a", "U8", "[2]", "[-2,0]") "}", 2, "outside the file");
    refused("{" T("a", "U8", "[1]", "[9223372036854775806,9223372036854775807]") "}", 1, "outside");
    refused("{" T("a", "U8", "[2]", "[0,2,4]") "}", 4, "data_offsets are not two");
    refused("{" T("a", "U8", "[1]", "[1,2]") "}", 2, "leaves a gap");
    refused("{" T("a", "U8", "[1]", "[0,1]") "," T("b", "U8", "[1]", "[2,3]") "}", 3,
            "leaves a gap");
    refused("{" T("a", "U8", "[2]", "[0,2]") "," T("b", "U8", "[2]", "[1,3]") "}", 3, "overlaps");
    refused("{" T("a", "U8", "[1]", "[0,1]") "," T("b", "U8", "[1]", "[0,1]") "}", 1, "overlaps");
    refused("{" T("a", "U8", "[2]", "[0,2]") "," T("b", "U8", "[0]", "[1,1]") "}", 2, "overlaps");
    refused("{" T("a", "U8", "[1]", "[0,1]") "}", 3, "2 bytes after the last tensor");
    refused("{}", 1, "1 bytes after the last tensor");
}

static void a_huge_header_is_refused_at_once(void **state)
{
    struct lab *lab = *state;
    struct tensors tensors;
    struct err err;
    FAILS(tensors_parse(&tensors, "\377\377\377\377\377\377\377\377{}", 10, "f", &err),
          STATUS_BAD_DATA, "header of 18446744073709551615 bytes in a file of 10");
    FAILS(tensors_parse(&tensors, "\3\0\0\0\0\0\0\0{}", 10, "f", &err), STATUS_BAD_DATA,
          "header of 3 bytes in a file of 10");
    FAILS(tensors_parse(&tensors, "", 0, "f", &err), STATUS_BAD_DATA, "only 0 bytes");
    /* a file that is long enough, with one byte more than the 100 MB that the format allows */
    char path[PATH_BYTES];
    OK(path_join(path, lab->path, "long", &err));
    OK(file_publish(path, "\001\341\365\005\0\0\0\0{", 9, &err));
    assert_int_equal(truncate(path, 100000200), 0);
    FAILS(tensors_open(&tensors, path, &err), STATUS_BAD_DATA, "header of 100000001 bytes");
}

/* Four tensors in no order; the expected file is put together by hand. */
static void write_sample(const char *path, bool backwards)
{
    static const uint8_t images[3] = {1, 2, 3};
    static const float weight[4] = {0.5f, 1, 2, -2};
    static const int64_t labels[2] = {7, -1};
    struct tensor items[] = {
        {"images", TENSOR_U8, 1, {3}, images, 3},
        {"encoder.weight", TENSOR_F32, 2, {2, 2}, weight, 16},
        {"none", TENSOR_BF16, 2, {0, 5}, NULL, 0},
        {"labels", TENSOR_I64, 1, {2}, labels, 16},
    };
    const char *meta[] = {"b", "two", "a", "\"1\""};
    const char *meta_backwards[] = {"a", "\"1\"", "b", "two"};
    if (backwards) {
        struct tensor last = items[3];
        items[3] = items[0];
        items[0] = last;
    }
    struct err err;
    OK(tensors_write(path, items, 4, backwards ? meta_backwards : meta, 2, &err));
}

static void written_bytes_are_canonical(void **state)
{
    struct lab *lab = *state;
    struct err err;
    char path[PATH_BYTES], *bytes, *expected;
    size_t length;
    static const char header[] =
        "{\"__metadata__\":{\"a\":\"\\\"1\\\"\",\"b\":\"two\"},"
        "\"encoder.weight\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[16,32]},"
        "\"images\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[32,35]},"
        "\"labels\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[0,16]},"
        "\"none\":{\"dtype\":\"BF16\",\"shape\":[0,5],\"data_offsets\":[32,32]}}";
    static const char data[] = "\7\0\0\0\0\0\0\0\377\377\377\377\377\377\377\377"
                               "\0\0\0\77\0\0\200\77\0\0\0\100\0\0\0\300"
                               "\1\2\3";
    size_t start = (8 + sizeof header - 1 + 63) / 64 * 64;
    expected = xmalloc(start + sizeof data);
    memset(expected, ' ', start);
    memset(expected, 0, 8);
    expected[0] = (char)((start - 8) & 255);
    expected[1] = (char)((start - 8) >> 8);
    memcpy(expected + 8, header, sizeof header - 1);
    memcpy(expected + start, data, sizeof data);
    for (int backwards = 0; backwards < 2; backwards++) {
        OK(path_join(path, lab->path, "t.safetensors", &err));
        write_sample(path, backwards);
        OK(file_read(&bytes, &length, path, 10000, &err));
        assert_int_equal(length, start + sizeof data - 1);
        assert_memory_equal(bytes, expected, length);
        free(bytes);
    }
    free(expected);
}

static void what_is_written_is_read_again(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct tensors tensors;
    const struct tensor *tensor;
    char path[PATH_BYTES];
    OK(path_join(path, lab->path, "t.safetensors", &err));
    write_sample(path, false);
    OK(tensors_open(&tensors, path, &err));
    assert_int_equal(tensors.count, 4);
    assert_int_equal(tensors.meta_count, 2);
    assert_string_equal(tensors.meta_keys[0], "a");
    assert_string_equal(tensors.meta_values[0], "\"1\"");
    OK(tensors_need(&tensor, &tensors, "encoder.weight", TENSOR_F32, 2, &err));
    assert_true(((const float *)tensor->data)[3] == -2);
    assert_true((const unsigned char *)tensor->data >= tensors.map.data &&
                (const unsigned char *)tensor->data < tensors.map.data + tensors.map.length);
    OK(tensors_need(&tensor, &tensors, "none", TENSOR_BF16, 2, &err));
    assert_int_equal(tensor->bytes, 0);
    tensors_close(&tensors);
    FAILS(tensors_open(&tensors, lab->path, &err), STATUS_BAD_DATA, "not a regular file");
    OK(path_join(path, lab->path, "none", &err));
    FAILS(tensors_open(&tensors, path, &err), STATUS_MISSING, "cannot open");
}

static void one_name_is_one_tensor(void **state)
{
    struct lab *lab = *state;
    struct err err;
    char path[PATH_BYTES];
    OK(path_join(path, lab->path, "t.safetensors", &err));
    struct tensor twice[] = {{"a", TENSOR_U8, 1, {1}, "x", 1}, {"a", TENSOR_F32, 1, {0}, NULL, 0}};
    FAILS(tensors_write(path, twice, 2, NULL, 0, &err), STATUS_FAILED, "'a'");
    struct tensor meta = {"__metadata__", TENSOR_U8, 1, {1}, "x", 1};
    FAILS(tensors_write(path, &meta, 1, NULL, 0, &err), STATUS_FAILED, "'__metadata__'");
    assert_false(file_exists(path));
}

/* F32 alone: a history of doubles has cells without a value. */
static void numbers_are_finite(void **state)
{
    struct lab *lab = *state;
    struct err err;
    char path[PATH_BYTES];
    const struct {
        float number;
        const char *text;
    } bad[] = {{NAN, "nan"}, {INFINITY, "inf"}, {-INFINITY, "-inf"}};
    float values[21] = {0, -0.0f, 3.4e38f, -3.4e38f, 1e-45f};
    double cells[2] = {NAN, INFINITY};
    const struct tensor items[] = {{"cells", TENSOR_F64, 1, {2}, cells, sizeof cells},
                                   {"w", TENSOR_F32, 2, {3, 7}, values, sizeof values}};
    OK(path_join(path, lab->path, "t.safetensors", &err));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tensors file;
        const struct tensor *tensor;
        char want[128];
        values[17] = bad[i].number;
        snprintf(want, sizeof want, "value 17 of tensor 'w' is %s; a finite number expected",
                 bad[i].text);
        FAILS(tensors_write(path, items, 2, NULL, 0, &err), STATUS_FAILED, want);
        assert_non_null(strstr(err.text, path));
        assert_false(file_exists(path));
        values[17] = to_spoil;
        OK(tensors_write(path, items, 2, NULL, 0, &err));
        spoil(path, bad[i].number);
        OK(tensors_open(&file, path, &err));
        OK(tensors_need(&tensor, &file, "cells", TENSOR_F64, 1, &err));
        FAILS(tensors_need(&tensor, &file, "w", TENSOR_F32, 2, &err), STATUS_BAD_DATA, want);
        tensors_close(&file);
        assert_int_equal(unlink(path), 0);
    }
}

/* With the reference library, where there is one: PYTHON names the interpreter. */
static void the_reference_library_reads_what_is_written(void **state)
{
    struct lab *lab = *state;
    struct err err;
    char path[PATH_BYTES];
    OK(path_join(path, lab->path, "t.safetensors", &err));
    write_sample(path, false);
    const char *python = getenv("PYTHON");
    char *command =
        xprintf("'%s' -c '\n"
                "import sys\n"
                "try:\n"
                "    from safetensors import safe_open\n"
                "    import numpy\n"
                "except ImportError:\n"
                "    sys.exit(77)\n"
                "with safe_open(\"%s\", \"np\") as f:\n"
                "    assert f.metadata() == {\"a\": chr(34) + \"1\" + chr(34), \"b\": \"two\"}\n"
                "    assert f.get_tensor(\"encoder.weight\").tolist() == [[0.5, 1], [2, -2]]\n"
                "    assert f.get_tensor(\"images\").tolist() == [1, 2, 3]\n"
                "    assert f.get_tensor(\"labels\").tolist() == [7, -1]\n"
                "    assert f.get_slice(\"none\").get_shape() == [0, 5]\n"
                "'",
                python ? python : "python3", path);
    int status = system(command);
    free(command);
    if (WIFEXITED(status) && (WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 127))
        skip();
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_the_reference_library_are_read),
        cmocka_unit_test(misaligned_tensors_are_copied),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(headers_are_checked),
        cmocka_unit_test(offsets_are_checked),
        LAB_TEST(a_huge_header_is_refused_at_once),
        LAB_TEST(written_bytes_are_canonical),
        LAB_TEST(what_is_written_is_read_again),
        LAB_TEST(one_name_is_one_tensor),
        LAB_TEST(numbers_are_finite),
        LAB_TEST(the_reference_library_reads_what_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
