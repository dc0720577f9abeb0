/* integrity.json, and images that are in more than one split. */
#include "data/integrity.h"

#include "data_lab.h"
#include "data_pictures.h"
#include "data_raw.h"

static void expect_json(const struct lab *lab, const struct collection *c, const char *expected)
{
    struct id id = collection_seal(lab, c);
    struct err err;
    char path[PATH_BYTES], *text;
    size_t length;
    OK(artifact_path(path, lab->store, &id, "integrity.json", &err));
    OK(file_read(&text, &length, path, 100000, &err));
    assert_string_equal(text, expected);
    free(text);
}

#define HASH(digit)                                                                                \
    {                                                                                              \
        digit digit digit digit digit digit digit digit digit digit digit digit digit digit digit  \
            digit                                                                                  \
    }
static const struct id a = HASH("1111"), b = HASH("2222"), d = HASH("3333");
static const uint8_t image[2] = {1, 2};

static void what_is_in_a_data_set(void **state)
{
    const uint8_t first[2] = {0, 1}, second[2] = {1, 255}, third[2] = {1, 1};
    const char *classes[] = {"cat", "a \"dog\""}, *masks[] = {"background", "foreground"};
    struct raw_case cases[] = {
        {"u", SPLIT_TEST, 1, NULL, &a, {1, 5, 7}, image, first, 0, 0},
        {"v", SPLIT_TRAIN, 0, NULL, &b, {1, 5, 7}, image, second, 9, 2},
        {"w", SPLIT_TRAIN, 0, NULL, &a, {1, 9, 2}, image, third, 0, 0},
        {"x", SPLIT_VAL, -1, NULL, &b, {0}, image, first, 0, 0},
        {"y", SPLIT_TRAIN, 1, NULL, &d, {1, 4, 8}, image, second, 12, 3},
        {"z", SPLIT_TRAIN, 1, NULL, &a, {1, 5, 7}, image, third, 0, 0},
    };
    struct skipped_case skipped[] = {{"s", "'s.jpg': a GIF"}, {"t", "'t.png': 1x1"}};
    struct collection c = {.d = 1,
                           .h = 1,
                           .w = 2,
                           .c = 1,
                           .count = 6,
                           .cases = cases,
                           .skipped_count = 2,
                           .skipped = skipped,
                           .class_count = 2,
                           .classes = classes,
                           .mask_class_count = 2,
                           .mask_classes = masks};
    expect_json(*state, &c,
                "{\"cases\":{\"train\":4,\"val\":1,\"test\":1},\n"
                "\"sizes\":[\n{\"d\":1,\"h\":5,\"w\":7,\"c\":1,\"cases\":3},\n"
                "{\"d\":1,\"h\":1,\"w\":2,\"c\":1,\"cases\":1},\n"
                "{\"d\":1,\"h\":4,\"w\":8,\"c\":1,\"cases\":1},\n"
                "{\"d\":1,\"h\":9,\"w\":2,\"c\":1,\"cases\":1}],\n"
                "\"labels\":{\n\"train\":{\"cat\":2,\"a \\\"dog\\\"\":2},\n"
                "\"val\":{\"cat\":0,\"a \\\"dog\\\"\":0},\n"
                "\"test\":{\"cat\":0,\"a \\\"dog\\\"\":1}},\n"
                "\"mask_pixels\":{\n\"train\":{\"background\":0,\"foreground\":6,\"ignore\":2},\n"
                "\"val\":{\"background\":1,\"foreground\":1,\"ignore\":0},\n"
                "\"test\":{\"background\":1,\"foreground\":1,\"ignore\":0}},\n"
                "\"absent\":[\"background\"],\n"
                "\"cut\":[\n{\"id\":\"v\",\"voxels\":2,\"of\":9},\n"
                "{\"id\":\"y\",\"voxels\":3,\"of\":12}],\n"
                "\"equal\":[\n[\"train/v\",\"val/x\"],\n[\"train/w\",\"train/z\",\"test/u\"]],\n"
                "\"skipped\":[\n{\"id\":\"s\",\"reason\":\"'s.jpg': a GIF\"},\n"
                "{\"id\":\"t\",\"reason\":\"'t.png': 1x1\"}]}\n");
    struct err err;
    assert_int_equal(integrity_check_leaks(&c, &err), -1);
    assert_int_equal(err.status, STATUS_BAD_DATA);
    assert_string_equal(err.text, "'train/v' and 'val/x' are the same image; 2 images are in more "
                                  "than one split");
    integrity_note(&c);
    assert_int_equal(c.note_count, 2);
    assert_string_equal(c.notes[0],
                        "the size cuts off labelled voxels of 2 cases, most of 'y': 3 of 12");
    assert_string_equal(c.notes[1], "the train split has no case or pixel of class 'background'");
    arena_free(&c.arena);
}

static void without_labels_and_masks(void **state)
{
    struct raw_case one = {"u", SPLIT_TEST, -1, NULL, &a, {0}, image, NULL, 0, 0};
    const struct collection c = {.d = 1, .h = 1, .w = 2, .c = 1, .count = 1, .cases = &one};
    expect_json(*state, &c,
                "{\"cases\":{\"train\":0,\"val\":0,\"test\":1},\n"
                "\"sizes\":[\n{\"d\":1,\"h\":1,\"w\":2,\"c\":1,\"cases\":1}],\n"
                "\"equal\":[],\n\"skipped\":[]}\n");
}

/* Of labels, and of masks in which all of a class has no voxel left. */
static void classes_that_are_not_trained_on(void **state)
{
    (void)state;
    const uint8_t mask[2] = {2, MASK_IGNORE};
    const char *classes[] = {"cat", "dog"}, *masks[] = {"c\xc3\xa9lula", "b", "c"};
    struct raw_case cases[] = {{"u", SPLIT_TEST, 0, NULL, &a, {0}, image, mask, 0, 0},
                               {"v", SPLIT_TRAIN, 1, NULL, &b, {0}, image, mask, 0, 0}};
    struct collection c = {.d = 1,
                           .h = 1,
                           .w = 2,
                           .c = 1,
                           .count = 2,
                           .cases = cases,
                           .class_count = 2,
                           .classes = classes,
                           .mask_class_count = 3,
                           .mask_classes = masks};
    integrity_note(&c);
    assert_int_equal(c.note_count, 1);
    assert_string_equal(
        c.notes[0], "the train split has no case or pixel of class 'cat', 'c\xc3\xa9lula', 'b'");
    cases[1].split = SPLIT_TEST; /* nothing is trained */
    c.note_count = 0;
    integrity_note(&c);
    assert_int_equal(c.note_count, 0);
    arena_free(&c.arena);
}

static void copies_inside_a_split_leak_nothing(void **state)
{
    (void)state;
    struct raw_case cases[] = {{"u", SPLIT_TEST, -1, NULL, &a, {0}, image, NULL, 0, 0},
                               {"v", SPLIT_TRAIN, -1, NULL, &b, {0}, image, NULL, 0, 0},
                               {"w", SPLIT_TEST, -1, NULL, &a, {0}, image, NULL, 0, 0},
                               {"x", SPLIT_TRAIN, -1, NULL, &b, {0}, image, NULL, 0, 0}};
    struct collection c = {.d = 1, .h = 1, .w = 2, .c = 1, .count = 4, .cases = cases};
    struct err err;
    OK(integrity_check_leaks(&c, &err));
    cases[0].split = SPLIT_VAL;
    assert_int_equal(integrity_check_leaks(&c, &err), -1);
    assert_string_equal(
        err.text, "'val/u' and 'test/w' are the same image; 1 image is in more than one split");
}

/* ---- planted in files ----------------------------------------------------------------------- */

static const char *in_folder(const struct lab *lab, const char *name)
{
    static char path[PATH_BYTES];
    snprintf(path, sizeof path, "%.200s/pets/%s", lab->path, name);
    return path;
}

enum { SIDE = 12 };
static void put_pet(const struct lab *lab, const char *name, const uint8_t *pixels, int c,
                    int level)
{
    char file[64];
    uint8_t trimap[SIDE * SIDE];
    memset(trimap, 2, sizeof trimap);
    snprintf(file, sizeof file, "images/%s.jpg", name);
    write_png(in_folder(lab, file), pixels, SIDE, SIDE, c, level);
    snprintf(file, sizeof file, "annotations/trimaps/%s.png", name);
    write_png(in_folder(lab, file), trimap, SIDE, SIDE, 1, 6);
}

static void put_list(const struct lab *lab, const char *name, const char *text)
{
    FILE *file = fopen(in_folder(lab, name), "wb");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static long long size_of(const struct lab *lab, const char *name)
{
    char *bytes;
    size_t length;
    struct err err;
    OK(file_read(&bytes, &length, in_folder(lab, name), 1 << 20, &err));
    free(bytes);
    return (long long)length;
}

static void planted_copies_are_found(void **state)
{
    const struct lab *lab = *state;
    struct err err;
    OK(folder_make(in_folder(lab, "images"), &err));
    OK(folder_make(in_folder(lab, "annotations/trimaps"), &err));
    uint8_t grey[SIDE * SIDE], pixels[4][SIDE * SIDE * 3];
    for (int i = 0; i < SIDE * SIDE * 3; i++) {
        grey[i / 3] = (uint8_t)(i / 3);
        pixels[0][i] = (uint8_t)(i / 7);
        pixels[1][i] = (uint8_t)(200 - i / 9);
        pixels[2][i] = (uint8_t)(i / 3 + (i == 300)); /* nearly grey */
        pixels[3][i] = (uint8_t)(i / 7 + (i == 77));  /* nearly the first */
    }
    put_pet(lab, "one", pixels[0], 3, 6);
    put_pet(lab, "two", pixels[1], 3, 9);
    put_pet(lab, "grey", grey, 1, 6);
    put_list(lab, "annotations/trainval.txt", "one 1 1 1\ntwo 1 1 1\ngrey 1 1 1\n");
    put_pet(lab, "near_one", pixels[3], 3, 6);
    put_pet(lab, "same_two", pixels[1], 3, 0); /* the same pixels in other bytes */
    put_pet(lab, "near_grey", pixels[2], 3, 6);
    put_pet(lab, "same_one", pixels[0], 3, 6); /* the same bytes */
    assert_int_not_equal(size_of(lab, "images/two.jpg"), size_of(lab, "images/same_two.jpg"));
    put_list(lab, "annotations/test.txt",
             "near_one 1 1 1\nsame_two 1 1 1\nnear_grey 1 1 1\nsame_one 1 1 1\n");
    const struct fit fit = {.h = 2, .w = 2}; /* copies are told before the resize */
    struct collection c;
    OK(raw_read(&c, in_folder(lab, ""), "oxford-pets", &fit, &err));
    assert_int_equal(integrity_check_leaks(&c, &err), -1);
    assert_string_equal(err.text, "'train/one' and 'test/same_one' are the same image; 2 images "
                                  "are in more than one split");
    c.cases[0].split = SPLIT_TEST;
    assert_int_equal(integrity_check_leaks(&c, &err), -1);
    assert_string_equal(err.text, "'train/two' and 'test/same_two' are the same image; 1 image is "
                                  "in more than one split");
    collection_free(&c);
}

/* Equal numbers in another shape are another image: one channel is not three. */
static void the_shape_is_part_of_the_image(void **state)
{
    (void)state;
    const uint8_t flat[12] = {0};
    struct id grey = image_hash(1, 2, 2, 1, flat), colour = image_hash(1, 2, 2, 3, flat),
              wide = image_hash(1, 1, 4, 3, flat), volume = image_hash(2, 2, 1, 3, flat);
    assert_string_not_equal(grey.hex, colour.hex);
    assert_string_not_equal(colour.hex, wide.hex);
    assert_string_not_equal(colour.hex, volume.hex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_TEST(what_is_in_a_data_set),
        LAB_TEST(without_labels_and_masks),
        cmocka_unit_test(classes_that_are_not_trained_on),
        cmocka_unit_test(copies_inside_a_split_leak_nothing),
        LAB_TEST(planted_copies_are_found),
        cmocka_unit_test(the_shape_is_part_of_the_image),
    };
    return cmocka_run_group_tests_name("data_integrity", tests, NULL, NULL);
}
