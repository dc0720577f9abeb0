/* Folders of pictures with masks: CamVid, and any other. Real data where DATA has it. */
#include "data_folder.h"
#include "data_pictures.h"
enum { H = 3, W = 5 };
static void put_image(const struct fixture *f, const char *name, int first)
{
    uint8_t pixels[H * W * 3];
    for (int i = 0; i < H * W * 3; i++)
        pixels[i] = (uint8_t)(first + i);
    write_png(path_of(f, name), pixels, H, W, 3, 6);
}

/* All `value`, but the first pixel. */
static void put_mask(const struct fixture *f, const char *name, int first, int value)
{
    uint8_t mask[H * W];
    memset(mask, value, sizeof mask);
    mask[0] = (uint8_t)first;
    write_png(path_of(f, name), mask, H, W, 1, 6);
}

static int setup(void **state)
{
    static const char *const folders[] = {"images",      "masks",      "train",      "trainannot",
                                          "Train/photo", "Train/mask", "Test/photo", "Test/mask"};
    if (make_folder(state))
        return -1;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        put_folder(*state, folders[i]);
    return 0;
}

static void expect_case(const struct raw_case *one, const char *id, enum split split, int image,
                        int first, int value)
{
    assert_string_equal(one->id, id);
    assert_int_equal(one->split, split);
    assert_int_equal(one->label, -1);
    const uint8_t *pixels = one->image;
    assert_int_equal(pixels[0], image);
    assert_int_equal(pixels[H * W * 3 - 1], image + H * W * 3 - 1);
    assert_int_equal(one->mask[0], first);
    for (int i = 1; i < H * W; i++)
        assert_int_equal(one->mask[i], value);
}

/* ---- CamVid --------------------------------------------------------------------------------- */

static void put_camvid(const struct fixture *f)
{
    put(f, "train.txt",
        "/SegNet/CamVid/train/a.png /SegNet/CamVid/trainannot/a.png\r\n"
        "CamVid/train/b.png\tCamVid/trainannot/b.png\r\n");
    put(f, "val.txt", "/home/x/CamVid/train/c.png /home/x/CamVid/trainannot/c.png");
    put(f, "test.txt", "/SegNet/CamVid/train/d.png /SegNet/CamVid/trainannot/d.png\n");
    for (int i = 0; i < 4; i++) {
        char name[32];
        snprintf(name, sizeof name, "train/%c.png", 'a' + i);
        put_image(f, name, 10 * i);
        snprintf(name, sizeof name, "trainannot/%c.png", 'a' + i);
        put_mask(f, name, 11, 7 + i);
    }
}

static void camvid_frames(void **state)
{
    const struct fixture *f = *state;
    struct collection c;
    struct err err;
    put_camvid(f);
    must(raw_read(&c, f->folder, "camvid", &as_they_are, &err), &err);
    assert_int_equal(c.count, 4);
    expect_case(&c.cases[0], "a", SPLIT_TRAIN, 0, MASK_IGNORE, 7);
    expect_case(&c.cases[1], "b", SPLIT_TRAIN, 10, MASK_IGNORE, 8);
    expect_case(&c.cases[2], "c", SPLIT_VAL, 20, MASK_IGNORE, 9);
    expect_case(&c.cases[3], "d", SPLIT_TEST, 30, MASK_IGNORE, 10);
    assert_int_equal(c.class_count, 0);
    assert_int_equal(c.mask_class_count, 11);
    assert_string_equal(c.mask_classes[0], "sky");
    assert_string_equal(c.mask_classes[7], "fence");
    assert_string_equal(c.mask_classes[10], "bicyclist");
    collection_free(&c);
    struct arena arena = {0};
    struct sources found;
    must(raw_sources(&found, f->folder, "camvid", false, &arena, &err), &err);
    assert_int_equal(found.count, 3 + 8);
    assert_string_equal(found.items[1].name, "val.txt");
    assert_string_equal(found.items[4].name, "trainannot/a.png");
    assert_string_equal(found.items[4].path, path_of(f, "trainannot/a.png"));
    arena_free(&arena);
}

static void camvid_lists_that_are_wrong(void **state)
{
    const struct fixture *f = *state;
    struct collection c;
    struct err err;
    static const char *const bad[][2] = {
        {"CamVid/train/a.png", "line 1 of '@/train.txt': 1 field, expected 2: the paths of an "
                               "image and its mask"},
        {"train/a.png CamVid/trainannot/a.png",
         "line 1 of '@/train.txt': 'train/a.png' is not the path of a file in CamVid/"},
        {"CamVid/train/a.png CamVid/../a.png",
         "line 1 of '@/train.txt': 'CamVid/../a.png' is not the path of a file in CamVid/"},
        {"CamVid/train/a.png CamVid/",
         "line 1 of '@/train.txt': 'CamVid/' is not the path of a file in CamVid/"},
        {"CamVid/train/d.png CamVid/trainannot/d.png",
         "line 1 of '@/test.txt': 'd' is already on line 1 of 'train.txt'"},
    };
    put_camvid(f);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put(f, "train.txt", bad[i][0]);
        assert_int_equal(raw_read(&c, f->folder, "camvid", &as_they_are, &err), -1);
        expect_error(f, &err, STATUS_BAD_DATA, bad[i][1]);
    }
    put_camvid(f);
    put_mask(f, "trainannot/c.png", 0, 12);
    assert_int_equal(raw_read(&c, f->folder, "camvid", &as_they_are, &err), -1);
    expect_error(f, &err, STATUS_BAD_DATA,
                 "'@/trainannot/c.png': the pixel in row 0, column 1 is 12, expected 0 to 11");
    unlink(path_of(f, "val.txt"));
    assert_int_equal(raw_read(&c, f->folder, "camvid", &as_they_are, &err), -1);
    expect_error(f, &err, STATUS_MISSING,
                 "cannot find 'val.txt' in '@' (scripts/fetch-data CamVid -d /tmp fetches it)");
}

/* ---- any folder ----------------------------------------------------------------------------- */

static const char usual[] = "folder, class_names: [background, vessel]";

static void names_in_lists(void **state)
{
    const struct fixture *f = *state;
    struct collection c;
    struct err err;
    put(f, "train.txt", "x\n\"y 1.png\" \n");
    put(f, "test.txt", "z.v2\r\n");
    put_image(f, "images/x.jpg", 1);
    put_image(f, "images/y 1.png", 2);
    put_image(f, "images/z.v2.jpeg", 3);
    put_mask(f, "masks/x.png", 0, 255);
    put_mask(f, "masks/y 1.png", 255, 0);
    put_mask(f, "masks/z.v2.png", 0, 0);
    must(raw_read(&c, f->folder, usual, &as_they_are, &err), &err);
    assert_int_equal(c.count, 3);
    expect_case(&c.cases[0], "x", SPLIT_TRAIN, 1, 0, 1);
    expect_case(&c.cases[1], "y 1", SPLIT_TRAIN, 2, 1, 0);
    expect_case(&c.cases[2], "z.v2", SPLIT_TEST, 3, 0, 0);
    assert_int_equal(c.mask_class_count, 2);
    assert_string_equal(c.mask_classes[1], "vessel");
    collection_free(&c);
    struct arena arena = {0};
    struct sources found;
    must(raw_sources(&found, f->folder, usual, false, &arena, &err), &err);
    assert_int_equal(found.count, 2 + 6);
    assert_string_equal(found.items[0].name, "train.txt");
    assert_string_equal(found.items[1].name, "test.txt");
    assert_string_equal(found.items[2].name, "images/x.jpg");
    assert_string_equal(found.items[7].name, "masks/z.v2.png");
    arena_free(&arena);
}

static void masks_beside_the_images(void **state)
{
    const struct fixture *f = *state;
    const char source[] =
        "folder, images: ., masks: ., mask_suffix: _1stHO, class_names: [background, vessel]";
    struct collection c;
    struct err err;
    put(f, "train.txt", "p\n");
    put_image(f, "p.jpg", 9);
    put_mask(f, "p_1stHO.png", 0, 1);
    must(raw_read(&c, f->folder, source, &as_they_are, &err), &err);
    expect_case(&c.cases[0], "p", SPLIT_TRAIN, 9, 0, 1);
    collection_free(&c);
}

static void a_folder_for_each_split(void **state)
{
    const struct fixture *f = *state;
    const char source[] = "folder, images: photo, masks: mask, class_names: [a, b, c]";
    struct collection c;
    struct err err;
    for (int i = 0; i < 12; i++) { /* more than a folder lists in order by chance */
        char name[32];
        snprintf(name, sizeof name, "Train/photo/%02d.png", 7 * i % 12);
        put_image(f, name, 7 * i % 12);
        snprintf(name, sizeof name, "Train/mask/%02d.png", i);
        put_mask(f, name, 2, i % 3);
    }
    put(f, "Train/photo/notes.txt", "not a picture");
    put_image(f, "Test/photo/03.jpg", 50);
    put_mask(f, "Test/mask/03.png", 0, 1);
    must(raw_read(&c, f->folder, source, &as_they_are, &err), &err);
    assert_int_equal(c.count, 13);
    for (int i = 0; i < 12; i++) {
        char id[32];
        snprintf(id, sizeof id, "train-%02d", i);
        expect_case(&c.cases[i], id, SPLIT_TRAIN, i, 2, i % 3);
    }
    expect_case(&c.cases[12], "test-03", SPLIT_TEST, 50, 0, 1);
    collection_free(&c);
    put_image(f, "Test/photo/03.png", 50);
    assert_int_equal(raw_read(&c, f->folder, source, &as_they_are, &err), -1);
    expect_error(f, &err, STATUS_BAD_DATA,
                 "'@/Test/photo/03.jpg' and 'Test/photo/03.png' are both called 'test-03'");
}

static void masks_among_the_images_of_a_split(void **state)
{
    const struct fixture *f = *state;
    const char source[] =
        "folder, images: ., masks: ., mask_suffix: _mask, class_names: [background, vessel]";
    struct collection c;
    struct err err;
    must(folder_remove(path_of(f, "Test"), &err), &err);
    must(folder_remove(path_of(f, "train"), &err), &err);
    put_image(f, "Train/a.png", 4);
    put_mask(f, "Train/a_mask.png", 0, 1);
    must(raw_read(&c, f->folder, source, &as_they_are, &err), &err);
    assert_int_equal(c.count, 1);
    expect_case(&c.cases[0], "train-a", SPLIT_TRAIN, 4, 0, 1);
    collection_free(&c);
}

static void values_that_are_no_class(void **state)
{
    const struct fixture *f = *state;
    const char more[] = "folder, class_names: [a, b, c]";
    put(f, "train.txt", "x\n");
    put_image(f, "images/x.jpg", 1);
    put_mask(f, "masks/x.png", 1, 2);
    expect_refusal(f, usual, STATUS_BAD_DATA,
                   "'@/masks/x.png': the pixel in row 0, column 1 is 2, expected 0 and 1, or 0 and "
                   "255, or the value of source.void");
    put_mask(f, "masks/x.png", 1, 255);
    expect_refusal(f, usual, STATUS_BAD_DATA,
                   "'@/masks/x.png': has pixels of 1 and of 255, expected one of them for the "
                   "foreground; source.void: 255 if that means no class");
    expect_refusal(f, more, STATUS_BAD_DATA,
                   "'@/masks/x.png': the pixel in row 0, column 1 is 255, expected 0 to 2, or the "
                   "value of source.void");
    put_mask(f, "masks/x.png", 3, 1);
    expect_refusal(f, more, STATUS_BAD_DATA,
                   "'@/masks/x.png': the pixel in row 0, column 0 is 3, expected 0 to 2, or the "
                   "value of source.void");
}

static void folders_that_are_wrong(void **state)
{
    const struct fixture *f = *state;
    const char photos[] = "folder, images: photo, masks: mask, class_names: [background, vessel]";
    expect_refusal(f, photos, STATUS_BAD_DATA, "'@/Train/photo' contains no PNG or JPEG");
    put(f, "train.txt", "x\n");
    expect_refusal(f, usual, STATUS_MISSING, "cannot find 'images/x[.png|.jpg|.jpeg]' in '@'");
    put(f, "train.txt", "x.png\n");
    expect_refusal(f, usual, STATUS_MISSING, "cannot find 'images/x.png' in '@'");
    put(f, "train.txt", "a/x\n");
    expect_refusal(f, usual, STATUS_BAD_DATA,
                   "line 1 of '@/train.txt': 'a/x' is not a valid file name");
    put(f, "train.txt", "\n");
    expect_refusal(f, usual, STATUS_BAD_DATA, "'@/train.txt' lists no case");
    put_image(f, "images/x.jpg", 1);
    put(f, "train.txt", "x\n");
    struct arena arena = {0};
    struct sources found;
    struct err err;
    assert_int_equal(raw_sources(&found, f->folder, usual, false, &arena, &err), -1);
    expect_error(f, &err, STATUS_MISSING, "cannot find 'masks/x.png' in '@'");
    arena_free(&arena);
    unlink(path_of(f, "train.txt"));
    expect_refusal(f, photos, STATUS_BAD_DATA, "'@/Train/photo' contains no PNG or JPEG");
    folder_remove(path_of(f, "Train"), &err);
    expect_refusal(f, photos, STATUS_MISSING,
                   "cannot find 'train.txt' or a folder 'Train' in '@', which has 'Test'");
    unlink(path_of(f, "images/x.jpg"));
    expect_refusal(f, usual, STATUS_MISSING,
                   "cannot find 'train.txt', a folder 'Train', or a PNG or JPEG to train on in "
                   "'@/images'");
    folder_remove(path_of(f, "masks"), &err);
    expect_refusal(f, usual, STATUS_MISSING, "cannot find 'masks' in '@'");
    folder_remove(f->folder, &err);
    expect_refusal(f, usual, STATUS_MISSING, "cannot find the folder '@'");
}

static void classes_that_are_wrong(void **state)
{
    const struct fixture *f = *state;
    const struct {
        const char *source;
        const char *text;
    } bad[] = {
        {"folder, class_names: [a, b, a]", "two classes are called 'a'"},
        {"folder, class_names: [a, ignore]", "'ignore' is not a valid class name"},
        {"folder, class_names: [a/b, c]", "'a/b' is not a valid class name"},
        {"folder, class_names: ['', c]", "'' is not a valid class name"},
        {"folder, images: \"\", class_names: [background, vessel]",
         "'' is not a valid folder name"},
        {"folder, masks: \"a\\nb\", class_names: [background, vessel]",
         "'a\nb' is not a valid folder name"},
        {"folder, mask_suffix: \"\\t\", class_names: [background, vessel]",
         "'\t' is not a valid file name suffix"},
        {"folder, class_names: [a, b, c], void: 2", "void: 2 is already the number of class 'c'"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_refusal(f, bad[i].source, STATUS_CONFIG, bad[i].text);
}

/* ---- names as people write them ------------------------------------------------------------- */

static uint32_t cases_of(const struct collection *c, enum split split)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < c->count; i++)
        count += c->cases[i].split == split;
    return count;
}

static void put_pair(const struct fixture *f, const char *name, int first)
{
    char path[64];
    snprintf(path, sizeof path, "images/%s.png", name);
    put_image(f, path, first);
    snprintf(path, sizeof path, "masks/%s.png", name);
    put_mask(f, path, 0, 1);
}

static void drop(const struct fixture *f, const char *name)
{
    struct err err;
    must(folder_remove(path_of(f, name), &err), &err);
}

static void lists_by_other_names(void **state)
{
    const struct fixture *f = *state;
    static const char *const lists[][2] = {
        {"VAL.TXT", "test.txt"}, {"valid.txt", "Testing.txt"}, {"Validation.txt", "TEST.txt"}};
    for (int i = 0; i < 3; i++)
        put_pair(f, (const char *const[]){"x", "y", "z"}[i], i);
    put(f, "Training.txt", "\xEF\xBB\xBFx\r\n"); /* as an editor on Windows saves it */
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct collection c;
        struct err err;
        put(f, lists[i][0], "y\n");
        put(f, lists[i][1], " z \n");
        must(raw_read(&c, f->folder, usual, &as_they_are, &err), &err);
        assert_int_equal(c.count, 3);
        expect_case(&c.cases[0], "x", SPLIT_TRAIN, 0, 0, 1);
        expect_case(&c.cases[1], "y", SPLIT_VAL, 1, 0, 1);
        expect_case(&c.cases[2], "z", SPLIT_TEST, 2, 0, 1);
        collection_free(&c);
        unlink(path_of(f, lists[i][0]));
        unlink(path_of(f, lists[i][1]));
    }
    put(f, "train.txt", "x\n");
    expect_refusal(f, usual, STATUS_BAD_DATA,
                   "'Training.txt' and 'train.txt' in '@' are named after the same split");
}

/* What a list keeps for validation or the test is never trained on. */
static void the_rest_is_for_training(void **state)
{
    const struct fixture *f = *state;
    struct collection c;
    struct err err;
    static const char *const odd[] = {"test_ids.csv", "my-val.txt", "Test", "dev.lst"};
    for (int i = 0; i < 4; i++)
        put_pair(f, (const char *const[]){"w", "x", "y", "z"}[i], i);
    drop(f, "Train");
    drop(f, "Test");
    must(raw_read(&c, f->folder, usual, &as_they_are, &err), &err);
    assert_int_equal(cases_of(&c, SPLIT_TRAIN), 4); /* without a list: all */
    expect_case(&c.cases[3], "z", SPLIT_TRAIN, 3, 0, 1);
    collection_free(&c);
    put(f, "val.txt", "x\n");
    put(f, "test.txt", "z.png\n");
    must(raw_read(&c, f->folder, usual, &as_they_are, &err), &err);
    assert_int_equal(c.count, 4);
    expect_case(&c.cases[0], "x", SPLIT_VAL, 1, 0, 1);
    expect_case(&c.cases[1], "z", SPLIT_TEST, 3, 0, 1);
    expect_case(&c.cases[2], "w", SPLIT_TRAIN, 0, 0, 1);
    expect_case(&c.cases[3], "y", SPLIT_TRAIN, 2, 0, 1);
    collection_free(&c);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        char text[256];
        put(f, odd[i], "w\n");
        snprintf(text, sizeof text,
                 "'@/%s' seems to list a split, but lists must be called train.txt, val.txt and "
                 "test.txt; without a train.txt its cases would be used for training",
                 odd[i]);
        expect_refusal(f, usual, STATUS_BAD_DATA, text);
        unlink(path_of(f, odd[i]));
    }
    put(f, "latest.txt", "w\n"); /* no word of it is a split's */
    must(folder_make(path_of(f, "Train/images"), &err), &err);
    expect_refusal(f, usual, STATUS_BAD_DATA,
                   "'@' has both lists and folders of splits, but no list for training");
}

static void folders_by_other_names(void **state)
{
    const struct fixture *f = *state;
    static const char *const folders[][2] = {{"training/Photo", "training/mask"},
                                             {"VALID/photo", "VALID/mask"},
                                             {"testing/photo", "testing/Mask"}};
    const char source[] = "folder, images: photo, masks: mask, class_names: [background, vessel]";
    struct collection c;
    struct err err;
    drop(f, "Train");
    drop(f, "Test");
    for (int i = 0; i < 3; i++) {
        char path[64];
        for (int k = 0; k < 2; k++) {
            must(folder_make(path_of(f, folders[i][k]), &err), &err);
            snprintf(path, sizeof path, "%s/a.png", folders[i][k]);
            if (k)
                put_mask(f, path, 0, 1);
            else
                put_image(f, path, i);
        }
    }
    must(raw_read(&c, f->folder, source, &as_they_are, &err), &err);
    assert_int_equal(c.count, 3);
    expect_case(&c.cases[0], "train-a", SPLIT_TRAIN, 0, 0, 1);
    expect_case(&c.cases[1], "val-a", SPLIT_VAL, 1, 0, 1);
    expect_case(&c.cases[2], "test-a", SPLIT_TEST, 2, 0, 1);
    collection_free(&c);
    put(f, "validation_ids.csv", "a\n"); /* of a split that has its folder */
    must(raw_read(&c, f->folder, source, &as_they_are, &err), &err);
    collection_free(&c);
    drop(f, "VALID");
    expect_refusal(
        f, source, STATUS_BAD_DATA,
        "'@/validation_ids.csv' seems to list a split, but lists must be called train.txt, "
        "val.txt and test.txt; without a train.txt its cases would be used for training");
    unlink(path_of(f, "validation_ids.csv"));
    put(f, "test-and-val.csv", "a\n"); /* one of its splits has none */
    expect_refusal(
        f, source, STATUS_BAD_DATA,
        "'@/test-and-val.csv' seems to list a split, but lists must be called train.txt, "
        "val.txt and test.txt; without a train.txt its cases would be used for training");
    unlink(path_of(f, "test-and-val.csv"));
    must(folder_make(path_of(f, "Test/photo"), &err), &err);
    expect_refusal(f, source, STATUS_BAD_DATA,
                   "'Test' and 'testing' in '@' are named after the same split");
}

static void endings_in_any_case_and_hidden_files(void **state)
{
    const struct fixture *f = *state;
    struct collection c;
    struct err err;
    drop(f, "Train");
    drop(f, "Test");
    put_image(f, "images/x.PNG", 1);
    put_mask(f, "masks/x.Png", 0, 1);
    put_image(f, "images/IMG_7.JPEG", 2);
    put_mask(f, "masks/img_7.PNG", 0, 0);
    put(f, "images/._x.PNG", "a Mac's"); /* AppleDouble: no picture */
    put(f, "images/.DS_Store", "");
    put(f, "images/Thumbs.db", "");
    must(raw_read(&c, f->folder, usual, &as_they_are, &err), &err);
    assert_int_equal(c.count, 2);
    expect_case(&c.cases[0], "IMG_7", SPLIT_TRAIN, 2, 0, 0);
    expect_case(&c.cases[1], "x", SPLIT_TRAIN, 1, 0, 1);
    assert_null(strstr(c.notes[0], "images/")); /* but 'train' and 'trainannot' */
    collection_free(&c);
    put(f, "train.txt", "X\nimg_7.jpeg\n");
    must(raw_read(&c, f->folder, usual, &as_they_are, &err), &err);
    expect_case(&c.cases[0], "x", SPLIT_TRAIN, 1, 0, 1);
    expect_case(&c.cases[1], "IMG_7", SPLIT_TRAIN, 2, 0, 0);
    collection_free(&c);
    put(f, "val.txt", "x\n");
    expect_refusal(f, usual, STATUS_BAD_DATA,
                   "line 1 of '@/val.txt': 'x' is already on line 1 of 'train.txt'");
    unlink(path_of(f, "val.txt"));
    put_mask(f, "masks/X.png", 0, 0); /* the very name comes first */
    must(raw_read(&c, f->folder, usual, &as_they_are, &err), &err);
    expect_case(&c.cases[0], "x", SPLIT_TRAIN, 1, 0, 0);
    collection_free(&c);
}

/* The only note; NULL: there is none. */
static void expect_note(const struct collection *c, const char *text)
{
    assert_int_equal(c->note_count, text != NULL);
    if (text)
        assert_string_equal(c->notes[0], text);
}

static void what_is_not_used_is_counted(void **state)
{
    const struct fixture *f = *state;
    struct collection c;
    struct err err;
    drop(f, "Train");
    drop(f, "Test");
    put_pair(f, "x", 1);
    put(f, "train.txt", "x\n");
    drop(f, "train");
    drop(f, "trainannot");
    must(raw_read(&c, f->folder, usual, &as_they_are, &err), &err);
    expect_note(&c, NULL);
    collection_free(&c);
    must(folder_make(path_of(f, "images/x.png.png"), &err), &err);
    must(folder_make(path_of(f, "masks/w.png"), &err), &err);
    unlink(path_of(f, "train.txt")); /* all there are: folders are none */
    must(raw_read(&c, f->folder, usual, &as_they_are, &err), &err);
    assert_int_equal(c.count, 1);
    expect_note(&c, "not used: 2 folders ('images/x.png.png', 'masks/w.png')");
    collection_free(&c);
    drop(f, "images/x.png.png");
    drop(f, "masks/w.png");
    put(f, "train.txt", "x\n");
    put_image(f, "images/y.JPG", 2);
    put_mask(f, "masks/z.png", 0, 1);
    put_mask(f, "masks/y.png", 0, 1);
    for (int i = 0; i < 5; i++)
        put(f,
            (const char *const[]){"images/b.tif", "images/a.bmp", "notes.txt", "images/c.gif",
                                  "images/d.webp"}[i],
            "");
    must(folder_make(path_of(f, "images/more/deep"), &err), &err);
    put_image(f, "images/more/q.png", 2);
    must(raw_read(&c, f->folder, usual, &as_they_are, &err), &err);
    assert_int_equal(c.count, 1);
    expect_note(&c, "not used: 1 image ('images/y.JPG'), 2 masks ('masks/y.png', "
                    "'masks/z.png'), 1 folder ('images/more'), 5 other files ('notes.txt', "
                    "'images/a.bmp', 'images/b.tif', ...)");
    collection_free(&c);
}

static void an_image_is_not_its_own_mask(void **state)
{
    const struct fixture *f = *state;
    const char same[] = "folder, masks: images, class_names: [background, vessel]",
               linked[] = "folder, masks: link, class_names: [background, vessel]";
    static const char text[] = "'@/images/x.png' is its own mask: masks must lie in another folder "
                               "than images, or have a suffix";
    drop(f, "Train");
    drop(f, "Test");
    put_mask(f, "images/x.png", 0, 1); /* could pass for a mask */
    expect_refusal(f, same, STATUS_BAD_DATA, text);
    put(f, "train.txt", "x\n");
    expect_refusal(f, same, STATUS_BAD_DATA, text);
    assert_int_equal(symlink("images", path_of(f, "link")), 0);
    expect_refusal(f, linked, STATUS_BAD_DATA, text);
    struct collection c;
    struct err err;
    put_camvid(f);
    put(f, "train.txt", "CamVid/train/a.png CamVid/train/a.png\n");
    assert_int_equal(raw_read(&c, f->folder, "camvid", &as_they_are, &err), -1);
    assert_non_null(strstr(err.text, "/train/a.png' is its own mask"));
}

/* gas_mask.png is an image of a gas mask, as it has a mask; lost_mask.png is one of nothing. */
static void images_that_end_in_the_suffix(void **state)
{
    const struct fixture *f = *state;
    const char source[] =
        "folder, masks: images, mask_suffix: _mask, class_names: [background, vessel]";
    struct collection c;
    struct err err;
    drop(f, "Train");
    drop(f, "Test");
    put_image(f, "images/gas_mask.png", 1);
    put_mask(f, "images/gas_mask_mask.png", 0, 1);
    put_image(f, "images/plain.jpg", 2);
    put_mask(f, "images/plain_MASK.png", 0, 0);
    put_mask(f, "images/lost_mask.png", 0, 0);
    must(raw_read(&c, f->folder, source, &as_they_are, &err), &err);
    assert_int_equal(c.count, 2);
    expect_case(&c.cases[0], "gas_mask", SPLIT_TRAIN, 1, 0, 1);
    expect_case(&c.cases[1], "plain", SPLIT_TRAIN, 2, 0, 0);
    expect_note(&c, "not used: 1 mask ('images/lost_mask.png'), 3 folders "
                    "('masks', 'train', 'trainannot')");
    collection_free(&c);
}

static void names_in_utf8(void **state)
{
    const struct fixture *f = *state;
    const char source[] = "folder, class_names: [fundo, c\xc3\xa9lula]";
    struct collection c;
    struct err err;
    drop(f, "Train");
    drop(f, "Test");
    put_pair(f, "c\xc3\xa9lula \xe7\xb4\xb0\xe8\x83\x9e", 1);
    must(raw_read(&c, f->folder, source, &as_they_are, &err), &err);
    expect_case(&c.cases[0], "c\xc3\xa9lula \xe7\xb4\xb0\xe8\x83\x9e", SPLIT_TRAIN, 1, 0, 1);
    assert_string_equal(c.mask_classes[1], "c\xc3\xa9lula");
    collection_free(&c);
    put(f, "train.txt", "ce\xcc\x81lula\n"); /* as a Mac writes it */
    expect_refusal(f, source, STATUS_MISSING,
                   "cannot find 'images/ce\xcc\x81lula[.png|.jpg|.jpeg]' in '@' (in bytes "
                   "'images/ce\\xCC\\x81lula[.png|.jpg|.jpeg]'; the same letters may be encoded "
                   "differently there, NFC or NFD)");
    unlink(path_of(f, "train.txt"));
    put_image(f, "images/c\xe9lula.png", 1); /* Latin-1 */
    expect_refusal(f, source, STATUS_BAD_DATA,
                   "'@/images/c\\xE9lula.png': the name is not plain text in UTF-8");
    put(f, "train.txt", "c\xe9lula\n");
    expect_refusal(f, source, STATUS_BAD_DATA,
                   "line 1 of '@/train.txt': 'c\\xE9lula' is not UTF-8");
}

static void listed_files_that_are_not_there(void **state)
{
    const struct fixture *f = *state;
    struct collection c;
    struct err err;
    put_pair(f, "x", 1);
    put_image(f, "images/z.png", 1);
    put(f, "train.txt", "w\nx\ny.png\nz\n");
    expect_refusal(f, usual, STATUS_MISSING, "cannot find 'images/w[.png|.jpg|.jpeg]' in '@'");
    must(raw_read(&c, f->folder, usual, &skipping, &err), &err);
    assert_int_equal(c.count, 1);
    assert_int_equal(c.skipped_count, 3);
    assert_string_equal(c.skipped[0].reason, "'images/w[.png|.jpg|.jpeg]': does not exist");
    assert_string_equal(c.skipped[2].id, "z");
    assert_string_equal(c.skipped[2].reason, "'masks/z.png': does not exist");
    collection_free(&c);
    struct arena arena = {0};
    struct sources found;
    must(raw_sources(&found, f->folder, usual, true, &arena, &err), &err);
    assert_int_equal(found.count, 1 + 3); /* the list, both of x, the image of z */
    arena_free(&arena);
}

/* ---- real data: numbers from Pillow and numpy over the same files ---------------------------- */

static void real_camvid(void **state)
{
    (void)state;
    const char *folder = real("CamVid");
    struct collection c;
    struct err err;
    must(raw_read(&c, folder, "camvid", &as_they_are, &err), &err);
    assert_int_equal(c.count, 367 + 101 + 150);
    assert_int_equal(c.h, 180);
    assert_int_equal(c.w, 240);
    uint64_t train[256] = {0};
    for (uint32_t i = 0; i < 367; i++)
        for (int p = 0; p < 180 * 240; p++)
            train[c.cases[i].mask[p]]++;
    static const uint64_t expected[] = {2655759, 3682975, 156038, 5040098, 710515, 1539084,
                                        185523,  178727,  929651, 101362,  46192};
    assert_memory_equal(train, expected, sizeof expected);
    assert_int_equal(train[MASK_IGNORE], 628476);
    collection_free(&c);
}

static void real_vessels(void **state)
{
    (void)state;
    const char *folder = real("CHASEDB1");
    const char source[] =
        "folder, images: ., masks: ., mask_suffix: _1stHO, class_names: [background, vessel]";
    struct collection c;
    struct err err;
    must(raw_read(&c, folder, source, &as_they_are, &err), &err);
    assert_int_equal(c.count, 28);
    assert_int_equal(c.h, 960);
    assert_int_equal(c.w, 999);
    uint64_t vessel[SPLITS] = {0};
    for (uint32_t i = 0; i < c.count; i++)
        for (int p = 0; p < 960 * 999; p++)
            vessel[c.cases[i].split] += c.cases[i].mask[p];
    assert_int_equal(vessel[SPLIT_TRAIN], 1378468);
    assert_int_equal(vessel[SPLIT_TEST], 483506);
    collection_free(&c);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, drop_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(camvid_frames),
        CASE(camvid_lists_that_are_wrong),
        CASE(names_in_lists),
        CASE(masks_beside_the_images),
        CASE(a_folder_for_each_split),
        CASE(masks_among_the_images_of_a_split),
        CASE(values_that_are_no_class),
        CASE(folders_that_are_wrong),
        CASE(classes_that_are_wrong),
        CASE(lists_by_other_names),
        CASE(the_rest_is_for_training),
        CASE(folders_by_other_names),
        CASE(endings_in_any_case_and_hidden_files),
        CASE(what_is_not_used_is_counted),
        CASE(an_image_is_not_its_own_mask),
        CASE(images_that_end_in_the_suffix),
        CASE(names_in_utf8),
        CASE(listed_files_that_are_not_there),
        cmocka_unit_test(real_camvid),
        cmocka_unit_test(real_vessels),
    };
    return cmocka_run_group_tests_name("data_folder", tests, NULL, NULL);
}
