/* Arrays of NumPy: two files as it wrote them, and those that the test writes itself; what each
 * type, order and naming of axes becomes, and how each damage is named. */
#include "data_folder.h"
#include "data_pictures.h"

#include <math.h>

/* numpy 2.4.6: np.save(..., np.array([[1, 2, 3], [4, 5, 6]], '<i2')) */
static const char rows[] =
    "\x93NUMPY\x01\x00v\x00{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }"
    "                                                          \n"
    "\x01\x00\x02\x00\x03\x00\x04\x00\x05\x00\x06";
/* numpy.lib.format.write_array(..., np.asfortranarray(np.arange(6, dtype='f4').reshape(2, 3) / 4),
 * version=(2, 0)) */
static const char columns[] =
    "\x93NUMPY\x02\x00t\x00\x00\x00{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }"
    "                                                         \n"
    "\x00\x00\x00\x00\x00\x00@?\x00\x00\x80>\x00\x00\x80?\x00\x00\x00?\x00\x00\xa0?";

/* An array of these elements, as they lie in the file. */
static void put_array(const struct fixture *f, const char *name, const char *type, bool fortran,
                      const char *shape, const void *elements, size_t length)
{
    uint8_t bytes[4096] = "\x93NUMPY\x01";
    char *text = (char *)bytes + 10;
    int header = snprintf(text, 1000, "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }\n", type,
                          fortran ? "True" : "False", shape);
    bytes[8] = (uint8_t)header;
    memcpy(text + header, elements, length);
    put_bytes(f, name, bytes, 10 + (size_t)header + length);
}

static int setup(void **state)
{
    if (make_folder(state))
        return -1;
    put_folder(*state, "images");
    put_folder(*state, "masks");
    return 0;
}

static void put_mask(const struct fixture *f, const char *name, const char *shape, size_t count)
{
    uint8_t mask[256];
    for (size_t i = 0; i < count; i++)
        mask[i] = i % 2;
    put_array(f, name, "|u1", false, shape, mask, count);
}

/* ---- what NumPy writes ---------------------------------------------------------------------- */

static void numbers_of(const struct fixture *f, const char *source, const float *want, int count)
{
    struct collection c;
    struct err err;
    must(raw_read(&c, f->folder, source, &as_they_are, &err), &err);
    assert_int_equal(c.pixel, PIXEL_F32);
    assert_int_equal(c.d * c.h * c.w * c.c, count);
    const float *image = c.cases[0].image;
    for (int i = 0; i < count; i++)
        if (image[i] < want[i] || image[i] > want[i])
            fail_msg("element %d is %g, not %g", i, (double)image[i], (double)want[i]);
    collection_free(&c);
}

static void files_of_numpy(void **state)
{
    const struct fixture *f = *state;
    const float integers[] = {1, 2, 3, 4, 5, 6}, quarters[] = {0, .25f, .5f, .75f, 1, 1.25f};
    put_mask(f, "masks/a.npy", "(2, 3)", 6);
    put_bytes(f, "images/a.npy", rows, sizeof rows); /* its last byte is the literal's own zero */
    numbers_of(f, "npy, axes: hw, values: numbers", integers, 6);
    put_bytes(f, "images/a.npy", columns, sizeof columns - 1);
    numbers_of(f, "npy, axes: hw, values: numbers", quarters, 6);
}

/* -2 and 1 in each type, or 254 and 1; the highest byte first or last. */
static void elements_of_each_type(void **state)
{
    const struct fixture *f = *state;
    static const struct {
        const char *type;
        uint8_t bytes[16];
        size_t length;
        float first;
    } cases[] = {
        {"|b1", {0, 1}, 2, 0},
        {"|u1", {254, 1}, 2, 254},
        {"|i1", {254, 1}, 2, -2},
        {"<u2", {254, 0, 1, 0}, 4, 254},
        {">u2", {0, 254, 0, 1}, 4, 254},
        {"<i2", {254, 255, 1, 0}, 4, -2},
        {">i2", {255, 254, 0, 1}, 4, -2},
        {"<u4", {254, 0, 0, 0, 1}, 8, 254},
        {">i4", {255, 255, 255, 254, 0, 0, 0, 1}, 8, -2},
        {"<i8", {254, 255, 255, 255, 255, 255, 255, 255, 1}, 16, -2},
        {">u8", {0, 0, 0, 0, 0, 0, 0, 254, 0, 0, 0, 0, 0, 0, 0, 1}, 16, 254},
        {"<f4", {0, 0, 0, 0xc0, 0, 0, 0x80, 0x3f}, 8, -2},
        {">f4", {0xc0, 0, 0, 0, 0x3f, 0x80}, 8, -2},
        {"<f8", {0, 0, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f}, 16, -2},
        {">f8", {0xc0, 0, 0, 0, 0, 0, 0, 0, 0x3f, 0xf0}, 16, -2},
    };
    put_mask(f, "masks/a.npy", "(1, 2)", 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_array(f, "images/a.npy", cases[i].type, false, "(1,2)", cases[i].bytes,
                  cases[i].length);
        numbers_of(f, "npy, axes: hw, values: numbers", (const float[]){cases[i].first, 1}, 2);
    }
}

/* One image [d,h,w,c] = [2,2,3,2] whose value says where it is, in every order of a file. */
static void axes_in_any_order(void **state)
{
    enum { D = 2, H = 2, W = 3, C = 2, COUNT = D * H * W * C };
    const struct fixture *f = *state;
    static const struct {
        const char *axes, *shape, *mask;
        int step[4]; /* of d, h, w, c in the file; 0: there is none */
        bool fortran;
    } cases[] = {
        {"dhwc", "(2, 2, 3, 2)", "(2, 2, 3)", {12, 6, 2, 1}, false},
        {"dhwc", "(2, 2, 3, 2)", "(2, 2, 3)", {1, 2, 4, 12}, true},
        {"dhw", "(2, 2, 3)", "(2, 2, 3)", {6, 3, 1, 0}, false},
        {"dhw", "(2, 2, 3)", "(2, 2, 3)", {1, 2, 4, 0}, true},
        {"hwc", "(2, 3, 2)", "(2, 3)", {0, 6, 2, 1}, false},
        {"chw", "(2, 2, 3)", "(2, 3)", {0, 3, 1, 6}, false},
        {"chw", "(2, 2, 3)", "(2, 3)", {0, 2, 4, 1}, true},
        {"hw", "(2, 3)", "(2, 3)", {0, 3, 1, 0}, false},
    };
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        const int *step = cases[n].step;
        float file[COUNT], want[COUNT];
        int count = 0;
        for (int z = 0; z < (step[0] ? D : 1); z++)
            for (int y = 0; y < H; y++)
                for (int x = 0; x < W; x++)
                    for (int k = 0; k < (step[3] ? C : 1); k++) {
                        want[count] = (float)(1000 * z + 100 * y + 10 * x + k);
                        file[z * step[0] + y * step[1] + x * step[2] + k * step[3]] = want[count++];
                    }
        put_array(f, "images/a.npy", "<f4", cases[n].fortran, cases[n].shape, file,
                  (size_t)count * sizeof *file);
        put_mask(f, "masks/a.npy", cases[n].mask, step[0] ? 12 : 6);
        char source[64];
        snprintf(source, sizeof source, "npy, axes: %s, values: numbers", cases[n].axes);
        numbers_of(f, source, want, count);
    }
}

/* ---- pictures ------------------------------------------------------------------------------- */

/* The same pixels as PNG and as .npy become the same cases, whatever is done to them. */
static void bytes_are_as_pictures(void **state)
{
    enum { H = 3, W = 5 };
    const struct fixture *f = *state;
    uint8_t image[H * W * 3], mask[H * W];
    for (int i = 0; i < H * W * 3; i++)
        image[i] = (uint8_t)(11 * i);
    for (int i = 0; i < H * W; i++)
        mask[i] = (uint8_t)(i % 4 == 3 ? 9 : i % 4);
    write_png(path_of(f, "images/a.png"), image, H, W, 3, 6);
    write_png(path_of(f, "masks/a_m.png"), mask, H, W, 1, 6);
    put_array(f, "images/a.npy", "|u1", false, "(3, 5, 3)", image, sizeof image);
    put_array(f, "masks/a_m.npy", "|u1", false, "(3, 5)", mask, sizeof mask);
    put(f, "train.txt", "a\n");
#define KEYS ", mask_suffix: _m, class_names: [a, b, c], void: 9"
    const struct fit fits[] = {{0},
                               {.h = 2, .w = 2, .filter = RESIZE_AREA},
                               {.h = 8, .w = 8, .filter = RESIZE_BILINEAR, .keep_aspect = true}};
    for (size_t i = 0; i < sizeof fits / sizeof *fits; i++) {
        struct collection png, npy;
        struct err err;
        must(raw_read(&png, f->folder, "folder" KEYS, &fits[i], &err), &err);
        must(raw_read(&npy, f->folder, "npy" KEYS, &fits[i], &err), &err);
        size_t pixels = (size_t)png.h * (size_t)png.w;
        assert_int_equal(npy.pixel, PIXEL_U8);
        assert_int_equal(npy.count, 1);
        assert_memory_equal(((const int32_t[]){npy.h, npy.w, npy.c}),
                            ((const int32_t[]){png.h, png.w, png.c}), 3 * sizeof(int32_t));
        assert_memory_equal(npy.cases[0].image, png.cases[0].image, 3 * pixels);
        assert_memory_equal(npy.cases[0].mask, png.cases[0].mask, pixels);
        assert_string_equal(npy.cases[0].pixels->hex, png.cases[0].pixels->hex);
        assert_string_equal(npy.cases[0].id, "a");
        assert_int_equal(npy.cases[0].split, SPLIT_TRAIN);
        collection_free(&png);
        collection_free(&npy);
    }
    static const char *const names[] = {"train.txt", "images/a.npy", "masks/a_m.npy", NULL};
    expect_sources(f, "npy" KEYS, false, names);
}

/* ---- numbers, as volumes -------------------------------------------------------------------- */

/* Each channel by its own range; cut off and filled up about the centre, with the mask. */
static void channels_have_their_own_intensities(void **state)
{
    const struct fixture *f = *state;
    const float image[] = {0, 500, 10, 600, 20, 700, 30, 900}; /* [1,1,4,2] */
    const uint8_t mask[] = {0, 1, 2, 7};
    put_array(f, "images/a.npy", "<f4", false, "(1, 1, 4, 2)", image, sizeof image);
    put_array(f, "masks/a.npy", "|u1", false, "(1, 1, 4)", mask, sizeof mask);
    const struct treatment how = {
        .volume = {.intensity = INTENSITY_PERCENTILE, .high = 100, .size = {1, 3, 2}}};
    struct collection c;
    struct err err;
    must(raw_treat(&c, f->folder,
                   "npy, axes: dhwc, values: numbers, class_names: [a, b, c], void: 7", &how, &err),
         &err);
    assert_memory_equal(((const int32_t[]){c.d, c.h, c.w, c.c}), ((const int32_t[]){1, 3, 2, 2}),
                        4 * sizeof(int32_t));
    const float *got = c.cases[0].image;
    const double want[] = {1 / 3., .25, 2 / 3., .5};
    for (int i = 0; i < 12; i++)
        assert_true(fabs((double)got[i] - (i / 4 == 1 ? want[i % 4] : 0)) < 1e-6);
    assert_memory_equal(c.cases[0].mask, ((const uint8_t[]){0, 0, 1, 2, 0, 0}), 6);
    for (int i = 0; i < 3; i++)
        assert_true(c.spacing[i] == 0); /* not known */
    collection_free(&c);
}

/* ---- what is wrong -------------------------------------------------------------------------- */

static void headers_that_are_wrong(void **state)
{
    (void)state;
#define HEAD(version, length) "\x93NUMPY" version "\x00" length "\x00"
    static const struct {
        const char *bytes;
        size_t length;
        const char *text;
    } cases[] = {
#define CASE(bytes, text) {bytes, sizeof bytes - 1, text}
        CASE("\x93NUMPX\x01\x00\x00\x00  ", "not an .npy file of NumPy"),
        CASE("\x93NUMPY\x01", "not an .npy file of NumPy"),
        CASE(HEAD("\x04", "\x02") "{}", "format 4.0; 1.0 to 3.0 expected"),
        CASE(HEAD("\x01", "\x03") "{}", "ends early after 12 bytes, in its header"),
        CASE(HEAD("\x01", "\x02") "{}", "the header is not {'descr': ..., 'fortran_order': ..., "
                                        "'shape': ...} of at most 4 axes"),
        CASE(HEAD("\x01", "\x2f") "{'descr':'<c8','fortran_order':True,'shape':()}",
             "elements of type '<c8'; bool, integers, or floats of 4 or 8 bytes expected"),
        CASE(HEAD("\x01", "\x31") "{'descr':[('a','u1')],'fortran_order':True}      ",
             "elements of type '?'; bool, integers, or floats of 4 or 8 bytes expected"),
        CASE(HEAD("\x01", "\x39") "{'descr':'|u1','fortran_order':True,'shape':(1,1,1,1,1)} ",
             "the header is not {'descr': ..., 'fortran_order': ..., 'shape': ...} of at most 4 "
             "axes"),
        CASE(HEAD("\x01", "\x31") "{'descr':'<u2','fortran_order':True,'shape':(3,)}xxx",
             "3 bytes of elements; the header says 6"),
        CASE(HEAD("\x01",
                  "\x45") "{'descr':'<u2','fortran_order':True,'shape':(4294967296,4294967296)} ",
             "0 bytes of elements; the header says more than 18446744073709551615"),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct npy npy;
        struct err err = {0};
        assert_int_equal(npy_parse(&npy, (const uint8_t *)cases[i].bytes, cases[i].length, &err),
                         -1);
        assert_string_equal(err.text, cases[i].text);
    }
    struct npy npy; /* the same in another order is right */
    struct err err;
    static const char other[] =
        HEAD("\x01", "\x31") "{\"shape\":(3,),'fortran_order':True,'descr':'|u1'}xyz";
    must(npy_parse(&npy, (const uint8_t *)other, sizeof other - 1, &err), &err);
    assert_int_equal(npy.rank, 1);
    assert_int_equal(npy.dim[0], 3);
    assert_memory_equal(npy.data, "xyz", 3);
}

static void arrays_that_do_not_fit(void **state)
{
    const struct fixture *f = *state;
    const float values[6] = {0, 1, 2, 3, 4, NAN};
    const uint8_t bytes[12] = {0};
    const char *const pictures = "npy, axes: hw", *const numbers = "npy, axes: hw, values: numbers";
    put_mask(f, "masks/a.npy", "(2, 3)", 6);
    put_array(f, "images/a.npy", "<f4", false, "(2, 3)", values, sizeof values);
    expect_refusal(
        f, pictures, STATUS_BAD_DATA,
        "'@/images/a.npy': elements of type f4; bytes (u1) expected, or source.values: numbers");
    expect_refusal(
        f, numbers, STATUS_BAD_DATA,
        "'@/images/a.npy': voxel (0, 1, 2, 0) (d, h, w, c) is not a finite number of single "
        "precision");
    expect_refusal(f, "npy", STATUS_BAD_DATA,
                   "'@/images/a.npy': 2 axes (2x3); hwc expected (source.axes is hwc)");
    expect_refusal(f, "npy, axes: dhw", STATUS_CONFIG, "axes: dhw needs values: numbers");
    put_array(f, "images/a.npy", "|u1", false, "(2, 3)", bytes, 6);
    put_array(f, "masks/a.npy", "<i2", false, "(2, 3)", "\0\0\1\0\xff\xff\0\0\0\0\0", 12);
    expect_refusal(f, pictures, STATUS_BAD_DATA,
                   "'@/masks/a.npy': the pixel in row 0, column 2 is -1; a class expected");
    expect_refusal(
        f, numbers, STATUS_BAD_DATA,
        "'@/masks/a.npy': voxel (2, 0, 0) (w, h, d) is -1; a class from 0 to 1 expected");
    put_mask(f, "masks/a.npy", "(3, 2)", 6);
    expect_refusal(f, pictures, STATUS_BAD_DATA,
                   "'@/masks/a.npy': 3x2 (height x width), but its image 'images/a.npy' is 2x3");
    expect_refusal(
        f, numbers, STATUS_BAD_DATA,
        "'@/masks/a.npy': 2x3x1 voxels (w, h, d), but its image 'images/a.npy' has 3x2x1");
    put_array(f, "images/a.npy", "|u1", false, "(0, 3)", bytes, 0);
    expect_refusal(f, pictures, STATUS_BAD_DATA,
                   "'@/images/a.npy': 0x3 elements; 1 to 536870912 expected");
    put_array(f, "images/a.npy", "|u1", false, "(2, 3, 1)", bytes, 6);
    put_array(f, "images/b.npy", "|u1", false, "(2, 3, 2)", bytes, 12);
    put_mask(f, "masks/a.npy", "(2, 3)", 6);
    put_mask(f, "masks/b.npy", "(2, 3)", 6);
    expect_refusal(f, "npy", STATUS_BAD_DATA,
                   "'@/images/b.npy': 2 channels, but the first image has 1");
    expect_refusal(f, "npy, values: numbers", STATUS_BAD_DATA,
                   "'@/images/b.npy': 2 channels, but the first image has 1");
    unlink(path_of(f, "images/a.npy"));
    unlink(path_of(f, "images/b.npy"));
    expect_refusal(
        f, "npy", STATUS_MISSING,
        "cannot find 'train.txt', a folder 'Train', or a .npy file to train on in '@/images'");
}

/* What the section may say follows from the keys alone, before a file is read. */
static void sizes_and_intensities_by_what_the_arrays_are(void **state)
{
    (void)state;
    static const struct {
        const char *keys, *rest, *error; /* NULL: none */
    } cases[] = {
        {"npy", "size: [8, 8]", NULL},
        {"npy", "size: [8, 8, 8]", "size: 3 items given; 2 (height and width) or none expected"},
        {"npy", "intensity: {kind: zscore}",
         "intensity: for volumes (source.format: nifti) and numbers (npy) only"},
        {"npy, values: numbers", "size: [8, 8], intensity: {kind: zscore}", NULL},
        {"npy, values: numbers, axes: dhwc", "size: [8, 8, 8]", NULL},
        {"npy, values: numbers, axes: dhwc", "size: [8, 8]",
         "size: 2 items given; 3 (depth, height and width) or none expected"},
        {"npy, values: numbers", "spacing: [1, 1, 1]",
         "spacing: for volumes (source.format: nifti) only"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct preprocess_config config;
        struct arena arena = {0};
        struct yaml *map;
        struct err err = {0};
        const char *text =
            arena_printf(&arena, "{source: {format: %s}, %s}", cases[i].keys, cases[i].rest);
        must(yaml_parse(&map, &arena, "t", text, strlen(text), &err), &err);
        must(config_bind(&config, preprocess_fields, map, "", &arena, &err), &err);
        assert_int_equal(preprocess_check(&config, &err), cases[i].error ? -1 : 0);
        if (cases[i].error)
            assert_string_equal(err.text, cases[i].error);
        arena_free(&arena);
    }
}

int main(void)
{
#define IN_FOLDER(name) cmocka_unit_test_setup_teardown(name, setup, drop_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(files_of_numpy),
        IN_FOLDER(elements_of_each_type),
        IN_FOLDER(axes_in_any_order),
        IN_FOLDER(bytes_are_as_pictures),
        IN_FOLDER(channels_have_their_own_intensities),
        cmocka_unit_test(headers_that_are_wrong),
        IN_FOLDER(arrays_that_do_not_fit),
        cmocka_unit_test(sizes_and_intensities_by_what_the_arrays_are),
    };
    return cmocka_run_group_tests_name("data_npy", tests, NULL, NULL);
}
