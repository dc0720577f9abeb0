/* Folders of splits that call their masks otherwise, as a common layout of pets does. */
#include "data_folder.h"
#include "data_pictures.h"

enum { H = 3, W = 5 };
static const char pets[] = "folder, images: resized, masks: resized_label, "
                           "val_masks: processed_labels, test_masks: masks, void: 255, "
                           "class_names: [background, cat, dog]";

/* A case of its own shade, all of class `value` but a first pixel of none. */
static void put_case(const struct fixture *f, const char *split, const char *masks,
                     const char *name, int value)
{
    char path[128];
    uint8_t image[H * W * 3], mask[H * W];
    snprintf(path, sizeof path, "%s/resized", split);
    put_folder(f, path);
    snprintf(path, sizeof path, "%s/%s", split, masks);
    put_folder(f, path);
    memset(image, 10 * value + 5, sizeof image);
    memset(mask, value, sizeof mask);
    mask[0] = 255;
    snprintf(path, sizeof path, "%s/resized/%s.jpg", split, name);
    write_png(path_of(f, path), image, H, W, 3, 6);
    snprintf(path, sizeof path, "%s/%s/%s.png", split, masks, name);
    write_png(path_of(f, path), mask, H, W, 1, 6);
}

static int setup(void **state)
{
    if (make_folder(state))
        return -1;
    put_case(*state, "Train", "resized_label", "a", 1);
    put_case(*state, "Train", "resized_label", "b", 2);
    put_case(*state, "Val", "processed_labels", "c", 2);
    put_case(*state, "Test", "masks", "d", 0);
    return 0;
}

static void expect_case(const struct raw_case *one, const char *id, enum split split, int value)
{
    const uint8_t *image = one->image;
    assert_string_equal(one->id, id);
    assert_int_equal(one->split, split);
    assert_int_equal(image[0], 10 * value + 5);
    assert_int_equal(one->mask[0], MASK_IGNORE);
    for (int i = 1; i < H * W; i++)
        assert_int_equal(one->mask[i], value);
}

static void masks_are_where_each_split_has_them(void **state)
{
    const struct fixture *f = *state;
    struct collection c;
    struct err err;
    must(raw_read(&c, f->folder, pets, &as_they_are, &err), &err);
    assert_int_equal(c.count, 4);
    expect_case(&c.cases[0], "train-a", SPLIT_TRAIN, 1);
    expect_case(&c.cases[1], "train-b", SPLIT_TRAIN, 2);
    expect_case(&c.cases[2], "val-c", SPLIT_VAL, 2);
    expect_case(&c.cases[3], "test-d", SPLIT_TEST, 0);
    collection_free(&c);
    static const char *const names[] = {
        "Train/resized/a.jpg",       "Train/resized_label/a.png", "Train/resized/b.jpg",
        "Train/resized_label/b.png", "Val/resized/c.jpg",         "Val/processed_labels/c.png",
        "Test/resized/d.jpg",        "Test/masks/d.png",          NULL};
    expect_sources(f, pets, false, names);
}

static void what_is_not_there_is_named(void **state)
{
    const struct fixture *f = *state;
    struct err err;
    expect_refusal(f, "folder, images: resized, masks: resized_label", STATUS_MISSING,
                   "cannot find 'Val/resized_label' in '@'");
    must(folder_remove(path_of(f, "Val"), &err), &err);
    expect_refusal(f, pets, STATUS_CONFIG, "val_masks: '@' has no split folder 'Val'");
    put(f, "train.txt", "a\n");
    expect_refusal(f, "folder, images: resized, masks: resized_label, test_masks: masks",
                   STATUS_CONFIG, "test_masks: '@' has no split folder 'Test'");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, drop_folder)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(masks_are_where_each_split_has_them),
        CASE(what_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
