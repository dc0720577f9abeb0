/* Oxford-IIIT Pet: what lists, images and trimaps become, how each damage is named, and that
 * threads change nothing. Real pets where DATA has them. */
#include "data_folder.h"
#include "data_pictures.h"

#include <sched.h>
enum { H = 4, W = 6, PETS = 5 };
/* Three to learn from, two to test on; cats, dogs. */
static const char *const names[PETS] = {"Tom_1", "rex_2", "Tom_10", "rex_3", "Tom_4"};
static const int species[PETS] = {0, 1, 0, 1, 0};
#define TRAINVAL "Tom_1 1 1 1\nrex_2 2 2 1\nTom_10 1 1 1\n"
#define TEST     "rex_3 2 2 1\nTom_4 1 1 1\n"

static uint8_t *pixels_of(int pet, int h, int w)
{
    uint8_t *pixels = malloc((size_t)(h * w * 3));
    for (int i = 0; i < h * w * 3; i++)
        pixels[i] = (uint8_t)(37 * pet + 11 * i);
    return pixels;
}

/* 1 2 3 1 2 3 ... from the pet's number on */
static uint8_t trimap_at(int pet, int i)
{
    return (uint8_t)(1 + (pet + i) % 3);
}

static void put_image(const struct fixture *f, int pet, int h, int w)
{
    char name[64];
    uint8_t *pixels = pixels_of(pet, h, w);
    snprintf(name, sizeof name, "images/%s.jpg", names[pet]);
    write_png(path_of(f, name), pixels, h, w, 3, 6);
    free(pixels);
}

static void put_trimap(const struct fixture *f, int pet, int h, int w)
{
    char name[64];
    uint8_t *trimap = malloc((size_t)(h * w));
    for (int i = 0; i < h * w; i++)
        trimap[i] = trimap_at(pet, i);
    snprintf(name, sizeof name, "annotations/trimaps/%s.png", names[pet]);
    write_png(path_of(f, name), trimap, h, w, 1, 6);
    free(trimap);
}

static int setup(void **state)
{
    if (make_folder(state))
        return -1;
    const struct fixture *f = *state;
    put_folder(f, "images");
    put_folder(f, "annotations/trimaps");
    put(f, "annotations/trainval.txt", TRAINVAL);
    put(f, "annotations/test.txt", TEST);
    for (int pet = 0; pet < PETS; pet++) {
        put_image(f, pet, H, W);
        put_trimap(f, pet, H, W);
    }
    return 0;
}

static const char plain[] = "oxford-pets";

/* ---- what is read --------------------------------------------------------------------------- */

static void check_case(const struct collection *c, int at, int pet)
{
    const struct raw_case *one = &c->cases[at];
    uint8_t *pixels = pixels_of(pet, H, W);
    assert_string_equal(one->id, names[pet]);
    assert_int_equal(one->split, pet < 3 ? SPLIT_TRAIN : SPLIT_TEST);
    assert_int_equal(one->label, species[pet]);
    assert_null(one->source);
    assert_memory_equal(one->image, pixels, H * W * 3);
    assert_string_equal(one->pixels->hex, image_hash(1, H, W, 3, pixels).hex);
    for (int i = 0; i < H * W; i++)
        assert_int_equal(one->mask[i], trimap_at(pet, i) != 2);
    static const int32_t size[] = {1, H, W};
    assert_memory_equal(one->size, size, sizeof size);
    free(pixels);
}

static void check_all(const struct collection *c)
{
    assert_int_equal(c->count, PETS);
    assert_int_equal(c->d, 1);
    assert_int_equal(c->h, H);
    assert_int_equal(c->w, W);
    assert_int_equal(c->c, 3);
    assert_int_equal(c->skipped_count, 0);
    assert_int_equal(c->class_count, 2);
    assert_string_equal(c->classes[0], "cat");
    assert_string_equal(c->classes[1], "dog");
    assert_int_equal(c->mask_class_count, 2);
    assert_string_equal(c->mask_classes[0], "background");
    assert_string_equal(c->mask_classes[1], "foreground");
    for (int pet = 0; pet < PETS; pet++)
        check_case(c, pet, pet);
}

static void lists_images_and_trimaps(void **state)
{
    const struct fixture *f = *state;
    struct collection c;
    struct err err;
    must(raw_read(&c, f->folder, plain, &as_they_are, &err), &err);
    check_all(&c);
    collection_free(&c);
}

static void lists_from_elsewhere(void **state)
{
    const struct fixture *f = *state;
    struct collection c;
    struct err err;
    put(f, "annotations/trainval.txt",
        "#NAME ...\r\nTom_1 1 1 1\r\n\r\nrex_2  2\t2 1 \r\n"
        "Tom_10 1 1 1");
    must(raw_read(&c, f->folder, plain, &as_they_are, &err), &err);
    check_all(&c);
    collection_free(&c);
}

static void what_the_masks_say(void **state)
{
    const struct fixture *f = *state;
    static const struct {
        const char *source;
        int becomes[2][4]; /* of a cat, of a dog: [1] pet, [2] background, [3] boundary */
        const char *classes[4];
    } targets[] = {
        {"oxford-pets, target: foreground",
         {{-1, 1, 0, 1}, {-1, 1, 0, 1}},
         {"background", "foreground"}},
        {"oxford-pets, boundary: background",
         {{-1, 1, 0, 0}, {-1, 1, 0, 0}},
         {"background", "foreground"}},
        {"oxford-pets, boundary: ignore",
         {{-1, 1, 0, 255}, {-1, 1, 0, 255}},
         {"background", "foreground"}},
        {"oxford-pets, target: trimap",
         {{-1, 1, 0, 2}, {-1, 1, 0, 2}},
         {"background", "foreground", "boundary"}},
        {"oxford-pets, target: species",
         {{-1, 1, 0, 255}, {-1, 2, 0, 255}},
         {"background", "cat", "dog"}},
    };
    for (size_t t = 0; t < sizeof targets / sizeof *targets; t++) {
        struct collection c;
        struct err err;
        must(raw_read(&c, f->folder, targets[t].source, &as_they_are, &err), &err);
        for (int pet = 0; pet < PETS; pet++)
            for (int i = 0; i < H * W; i++)
                assert_int_equal(c.cases[pet].mask[i],
                                 targets[t].becomes[species[pet]][trimap_at(pet, i)]);
        uint32_t count = 0;
        for (; targets[t].classes[count]; count++)
            assert_string_equal(c.mask_classes[count], targets[t].classes[count]);
        assert_int_equal(c.mask_class_count, count);
        collection_free(&c);
    }
}

/* A list that the official set does not have is read where it is asked for, and adds to train. */
static void an_extra_list(void **state)
{
    const struct fixture *f = *state;
    struct collection c;
    struct err err;
    put(f, "annotations/trainval.txt", "Tom_1 1 1 1\nTom_10 1 1 1\n");
    put(f, "annotations/extra.txt", "rex_2 2 2 1\n");
    must(raw_read(&c, f->folder, plain, &as_they_are, &err), &err);
    assert_int_equal(c.count, PETS - 1);
    collection_free(&c);
    must(raw_read(&c, f->folder, "oxford-pets, extra: true", &as_they_are, &err), &err);
    assert_int_equal(c.count, PETS);
    int seen = 0;
    for (size_t i = 0; i < c.count; i++)
        if (!strcmp(c.cases[i].id, names[1])) {
            seen++;
            assert_int_equal(c.cases[i].split, SPLIT_TRAIN);
            assert_int_equal(c.cases[i].label, 1);
        }
    assert_int_equal(seen, 1);
    collection_free(&c);
}

static void files_for_the_recipe(void **state)
{
    const struct fixture *f = *state;
    const char *names_of_files[3 + 2 * PETS] = {"annotations/trainval.txt", "annotations/test.txt"};
    struct arena arena = {0};
    for (int i = 0; i < PETS; i++) {
        names_of_files[2 + 2 * i] = arena_printf(&arena, "images/%s.jpg", names[i]);
        names_of_files[3 + 2 * i] = arena_printf(&arena, "annotations/trimaps/%s.png", names[i]);
    }
    expect_sources(f, plain, false, names_of_files);
    arena_free(&arena);
}

/* ---- sizes ---------------------------------------------------------------------------------- */

static void stretched(void **state)
{
    const struct fixture *f = *state;
    put_image(f, 1, 9, 5);
    put_trimap(f, 1, 9, 5);
    for (enum resize_filter filter = RESIZE_AREA; filter <= RESIZE_BILINEAR; filter++) {
        const struct fit fit = {.h = 3, .w = 2, .filter = filter};
        struct collection c;
        struct err err;
        uint8_t *pixels = pixels_of(1, 9, 5), small[3 * 2 * 3];
        must(raw_read(&c, f->folder, plain, &fit, &err), &err);
        assert_int_equal(c.h, 3);
        assert_int_equal(c.w, 2);
        image_resize(small, 3, 2, pixels, 9, 5, 3, filter);
        assert_memory_equal(c.cases[1].image, small, sizeof small);
        assert_string_equal(c.cases[1].pixels->hex, image_hash(1, 9, 5, 3, pixels).hex);
        assert_int_equal(c.cases[1].size[1], 9);
        assert_int_equal(c.cases[1].size[2], 5);
        assert_int_equal(c.cases[0].size[1], H);
        /* the pixels at the centres: rows 1, 4, 7 and columns 1, 3 */
        for (int y = 0; y < 3; y++)
            for (int x = 0; x < 2; x++)
                assert_int_equal(c.cases[1].mask[2 * y + x],
                                 trimap_at(1, (1 + 3 * y) * 5 + 1 + 2 * x) != 2);
        free(pixels);
        collection_free(&c);
    }
}

/* Where the picture lies: rows [top, bottom), columns [left, right); around it is nothing. */
static void check_window(const struct raw_case *one, int top, int bottom, int left, int right,
                         const uint8_t *inner)
{
    enum { SIDE = 9 };
    const uint8_t *image = one->image;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            bool inside = y >= top && y < bottom && x >= left && x < right;
            assert_int_equal(one->mask[y * SIDE + x] == MASK_IGNORE, !inside);
            for (int k = 0; k < 3; k++)
                assert_int_equal(image[(y * SIDE + x) * 3 + k], inside ? *inner++ : 0);
        }
}

static void kept_in_proportion(void **state)
{
    const struct fixture *f = *state;
    put_image(f, 1, 8, 3);
    put_trimap(f, 1, 8, 3);
    put_image(f, 2, 7, 7);
    put_trimap(f, 2, 7, 7);
    put_image(f, 3, 1, 100);
    put_trimap(f, 3, 1, 100);
    const struct fit fit = {.h = 9, .w = 9, .filter = RESIZE_AREA, .keep_aspect = true};
    static const struct {
        int pet, h, w, top, bottom, left, right;
    } pets[] = {
        {0, H, W, 1, 7, 0, 9},  /* 4x6 is 6x9: one row over it, two under it */
        {1, 8, 3, 0, 9, 3, 6},  /* 8x3 is 9x3.375 */
        {2, 7, 7, 0, 9, 0, 9},  /* all */
        {3, 1, 100, 4, 5, 0, 9} /* at least one row */
    };
    struct collection c;
    struct err err;
    must(raw_read(&c, f->folder, plain, &fit, &err), &err);
    for (size_t i = 0; i < sizeof pets / sizeof *pets; i++) {
        uint8_t *pixels = pixels_of(pets[i].pet, pets[i].h, pets[i].w), inner[9 * 9 * 3];
        image_resize(inner, pets[i].bottom - pets[i].top, pets[i].right - pets[i].left, pixels,
                     pets[i].h, pets[i].w, 3, RESIZE_AREA);
        check_window(&c.cases[pets[i].pet], pets[i].top, pets[i].bottom, pets[i].left,
                     pets[i].right, inner);
        free(pixels);
    }
    collection_free(&c);
}

static void several_sizes_need_one(void **state)
{
    const struct fixture *f = *state;
    put_image(f, 2, W, H);
    put_trimap(f, 2, W, H);
    const char *text = "'@/images/Tom_10.jpg': 6x4, but 'images/Tom_1.jpg' is 4x6 (height x "
                       "width); preprocess.size resizes images to one";
    expect_refusal_of(f, plain, &as_they_are, STATUS_BAD_DATA, text);
    expect_refusal_of(f, plain, &skipping, STATUS_BAD_DATA,
                      text); /* nothing is wrong with the case */
}

static void decoded_collections_are_fitted_too(void **state)
{
    (void)state;
    struct collection c, whole;
    struct err err;
    const struct fit fit = {.h = 10, .w = 14, .filter = RESIZE_AREA, .keep_aspect = true};
    must(shapes_make(&c, 28, 3, 2, 1, 1, &err), &err);
    must(shapes_make(&whole, 28, 3, 2, 1, 1, &err), &err);
    must(collection_fit(&c, &as_they_are, &err), &err);
    assert_int_equal(c.h, 28);
    must(collection_fit(&c, &fit, &err), &err);
    assert_int_equal(c.h, 10);
    assert_int_equal(c.w, 14);
    for (uint32_t i = 0; i < c.count; i++) {
        uint8_t small[100];
        const uint8_t *image = c.cases[i].image;
        image_resize(small, 10, 10, whole.cases[i].image, 28, 28, 1, RESIZE_AREA);
        for (int y = 0; y < 10; y++) {
            assert_memory_equal(image + 14 * y + 2, small + 10 * y, 10);
            assert_int_equal(image[14 * y + 1], 0);
            assert_int_equal(c.cases[i].mask[14 * y + 1], MASK_IGNORE);
            assert_int_equal(c.cases[i].mask[14 * y + 12], MASK_IGNORE);
            assert_true(c.cases[i].mask[14 * y + 11] < 2);
        }
        assert_string_equal(c.cases[i].pixels->hex, whole.cases[i].pixels->hex);
        assert_int_equal(c.cases[i].size[2], 28);
    }
    c.d = 2;
    const struct fit other = {.h = 5, .w = 5};
    assert_int_equal(collection_fit(&c, &other, &err), -1);
    assert_int_equal(err.status, STATUS_CONFIG);
    collection_free(&c);
    collection_free(&whole);
}

/* ---- damage --------------------------------------------------------------------------------- */

static void lists_that_are_wrong(void **state)
{
    const struct fixture *f = *state;
    static const struct {
        const char *list, *text;
    } bad[] = {
        {"Tom_1 1 1 1\nrex_2 2 2\n",
         "line 2 of '@/annotations/trainval.txt': 3 fields, expected 4: NAME CLASS-ID SPECIES "
         "BREED-ID"},
        {"Tom_1\n", "line 1 of '@/annotations/trainval.txt': 1 field, expected 4: NAME CLASS-ID "
                    "SPECIES BREED-ID"},
        {"Tom_1 1 1 1 1\n", "line 1 of '@/annotations/trainval.txt': 5 fields, expected 4: NAME "
                            "CLASS-ID SPECIES BREED-ID"},
        {"Tom_1 1 3 1\n",
         "line 1 of '@/annotations/trainval.txt': species '3', expected 1 (cat) or 2 (dog)"},
        {"Tom_1 1 0x1 1\n",
         "line 1 of '@/annotations/trainval.txt': species '0x1', expected 1 (cat) or 2 (dog)"},
        {"Tom_1 a 1 1\n",
         "line 1 of '@/annotations/trainval.txt': class 'a' and breed '1' must be numbers"},
        {"Tom_1 1 1 -1\n",
         "line 1 of '@/annotations/trainval.txt': class '1' and breed '-1' must be numbers"},
        {"../Tom_1 1 1 1\n",
         "line 1 of '@/annotations/trainval.txt': '../Tom_1' is not a valid file name"},
        {".tom 1 1 1\n", "line 1 of '@/annotations/trainval.txt': '.tom' is not a valid file name"},
        {"Tom_1 1 12 1\n",
         "line 1 of '@/annotations/trainval.txt': species '12', expected 1 (cat) or 2 (dog)"},
        {"a/b 1 1 1\n", "line 1 of '@/annotations/trainval.txt': 'a/b' is not a valid file name"},
        {"Tom_1 1 1 1\nT\xf6m 1 1 1\n",
         "line 2 of '@/annotations/trainval.txt': 'T\\xF6m 1 1 1' is not UTF-8"},
        {"Tom_1 1 1 1\n\nTom_1 1 1 1\n",
         "line 3 of '@/annotations/trainval.txt': 'Tom_1' is already on line 1 of "
         "'annotations/trainval.txt'"},
        {"Tom_1 1 1 1\nTom_4 1 1 1\n", "line 2 of '@/annotations/test.txt': 'Tom_4' is already on "
                                       "line 2 of 'annotations/trainval.txt'"},
        {"# nothing\n\n", "'@/annotations/trainval.txt' lists no case"},
        {"", "'@/annotations/trainval.txt' lists no case"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put(f, "annotations/trainval.txt", bad[i].list);
        expect_refusal_of(f, plain, &skipping, STATUS_BAD_DATA, bad[i].text);
    }
    FILE *file = fopen(path_of(f, "annotations/trainval.txt"), "wb");
    fwrite("Tom_1 1 1 1\n\0\n", 1, 14, file);
    fclose(file);
    expect_refusal_of(f, plain, &as_they_are, STATUS_BAD_DATA,
                      "'@/annotations/trainval.txt' is not a UTF-8 text file: it has a NUL byte");
}

static void missing_files(void **state)
{
    const struct fixture *f = *state;
    static const char *const files[] = {"annotations/trimaps/rex_3.png", "images/Tom_1.jpg",
                                        "annotations/test.txt", "annotations/trainval.txt"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct arena arena = {0};
        struct sources found;
        char text[512];
        struct err err = {0};
        assert_int_equal(unlink(path_of(f, files[i])), 0);
        assert_int_equal(raw_sources(&found, f->folder, plain, false, &arena, &err), -1);
        snprintf(text, sizeof text,
                 "cannot find '%s' in '%s' (scripts/fetch-data oxford-iiit-pet -d /tmp fetches it)",
                 files[i], f->folder);
        assert_string_equal(err.text, text);
        assert_int_equal(err.status, STATUS_MISSING);
        arena_free(&arena);
    }
}

/* As listed, but with nothing to read: left out on request like any other case that is bad. */
static void a_missing_image_is_skipped(void **state)
{
    const struct fixture *f = *state;
    static const char *const files[] = {"annotations/trimaps/rex_2.png", "images/rex_2.jpg"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char text[64];
        struct collection c;
        struct arena arena = {0};
        struct sources found;
        int all = 2 + 2 * PETS;
        struct err err = {0};
        unlink(path_of(f, files[i]));
        must(raw_read(&c, f->folder, plain, &skipping, &err), &err);
        assert_int_equal(c.count, PETS - 1);
        assert_int_equal(c.skipped_count, 1);
        assert_string_equal(c.skipped[0].id, "rex_2");
        snprintf(text, sizeof text, "'%s': does not exist", files[i]);
        assert_string_equal(c.skipped[0].reason, text);
        collection_free(&c);
        must(raw_sources(&found, f->folder, plain, true, &arena, &err), &err);
        assert_int_equal(found.count, all - 1 - (int)i); /* so another recipe than with them */
        arena_free(&arena);
    }
}

static void trimaps_that_do_not_fit(void **state)
{
    const struct fixture *f = *state;
    put_trimap(f, 3, H, W + 1);
    expect_refusal_of(f, plain, &as_they_are, STATUS_BAD_DATA,
                      "'@/annotations/trimaps/rex_3.png': 4x7 (height x width), but its image "
                      "'images/rex_3.jpg' is 4x6");
    uint8_t trimap[H * W];
    memset(trimap, 1, sizeof trimap);
    trimap[2 * W + 5] = 4;
    trimap[3 * W] = 0;
    write_png(path_of(f, "annotations/trimaps/rex_2.png"), trimap, H, W, 1, 6);
    expect_refusal_of(
        f, plain, &as_they_are, STATUS_BAD_DATA,
        "'@/annotations/trimaps/rex_2.png': the pixel in row 2, column 5 is 4, expected "
        "1 to 3");
}

static void bad_cases_are_left_out_on_request(void **state)
{
    const struct fixture *f = *state;
    put_trimap(f, 1, H + 1, W);
    put(f, "images/rex_3.jpg", "<!DOCTYPE html>");
    struct collection c;
    struct err err;
    must(raw_read(&c, f->folder, plain, &skipping, &err), &err);
    assert_int_equal(c.count, 3);
    check_case(&c, 0, 0);
    check_case(&c, 1, 2);
    check_case(&c, 2, 4);
    assert_int_equal(c.skipped_count, 2);
    assert_string_equal(c.skipped[0].id, "rex_2");
    assert_string_equal(c.skipped[0].reason,
                        "'annotations/trimaps/rex_2.png': 5x6 (height x width), but its image "
                        "'images/rex_2.jpg' is 4x6");
    assert_string_equal(c.skipped[1].id, "rex_3");
    assert_int_equal(strncmp(c.skipped[1].reason, "'images/rex_3.jpg': ", 20), 0);
    assert_null(strstr(c.skipped[1].reason, f->folder));
    collection_free(&c);
    /* the first in the lists' order is the one that is told */
    expect_refusal_of(f, plain, &as_they_are, STATUS_BAD_DATA,
                      "'@/annotations/trimaps/rex_2.png': 5x6 (height x width), but its image "
                      "'images/rex_2.jpg' is 4x6");
    put_trimap(f, 4, 1, 1);
    put_trimap(f, 3, 1, 1);
    put_image(f, 3, H, W);
    expect_refusal_of(f, plain, &skipping, STATUS_BAD_DATA,
                      "no case of split 'test' can be read, the first because of "
                      "'@/annotations/trimaps/rex_3.png': 1x1 (height x width), but its image "
                      "'images/rex_3.jpg' is 4x6");
}

static void a_size_from_the_first_that_can_be_read(void **state)
{
    const struct fixture *f = *state;
    put(f, "images/Tom_1.jpg", "");
    struct collection c;
    struct err err;
    must(raw_read(&c, f->folder, plain, &skipping, &err), &err);
    assert_int_equal(c.count, 4);
    check_case(&c, 0, 1);
    collection_free(&c);
    for (int pet = 0; pet < PETS; pet++) {
        char name[64];
        snprintf(name, sizeof name, "images/%s.jpg", names[pet]);
        put(f, name, "GIF89a");
    }
    assert_int_equal(raw_read(&c, f->folder, plain, &skipping, &err), -1);
    assert_int_equal(err.status, STATUS_BAD_DATA);
    assert_non_null(strstr(err.text, "no case of split 'train' can be read"));
    assert_int_equal(raw_read(&c, f->folder, plain, &as_they_are, &err), -1);
    assert_int_equal(err.status, STATUS_BAD_DATA);
    assert_non_null(strstr(err.text, "images/Tom_1.jpg': "));
}

/* ---- many ----------------------------------------------------------------------------------- */

enum { MANY = 300 };

static void put_many(const struct fixture *f)
{
    FILE *list = fopen(path_of(f, "annotations/trainval.txt"), "wb");
    assert_non_null(list);
    for (int i = 0; i < MANY; i++) {
        char name[64];
        int h = 5 + i % 7, w = 40 + i % 11;
        uint8_t *pixels = pixels_of(i, h, w), *trimap = malloc((size_t)(h * w));
        memset(trimap, 1 + i % 3, (size_t)(h * w));
        snprintf(name, sizeof name, "images/many_%d.jpg", i);
        write_png(path_of(f, name), pixels, h, w, 3, 1);
        snprintf(name, sizeof name, "annotations/trimaps/many_%d.png", i);
        write_png(path_of(f, name), trimap, h, w, 1, 1);
        fprintf(list, "many_%d 1 %d 1\n", i, 1 + i % 2);
        free(pixels);
        free(trimap);
    }
    fclose(list);
}

static void expect_equal(const struct collection *a, const struct collection *b)
{
    size_t pixels = (size_t)a->h * (size_t)a->w;
    assert_int_equal(a->count, b->count);
    for (uint32_t i = 0; i < a->count; i++) {
        assert_string_equal(a->cases[i].id, b->cases[i].id);
        assert_string_equal(a->cases[i].pixels->hex, b->cases[i].pixels->hex);
        assert_memory_equal(a->cases[i].image, b->cases[i].image, 3 * pixels);
        assert_memory_equal(a->cases[i].mask, b->cases[i].mask, pixels);
    }
    assert_int_equal(a->skipped_count, b->skipped_count);
    for (uint32_t i = 0; i < a->skipped_count; i++)
        assert_string_equal(a->skipped[i].reason, b->skipped[i].reason);
}

static void threads_change_nothing(void **state)
{
    const struct fixture *f = *state;
    const struct fit fit = {.h = 16, .w = 16, .keep_aspect = true, .skip_bad = true};
    struct collection one, all;
    struct err err;
    cpu_set_t before, first;
    put_many(f);
    put(f, "images/many_150.jpg", "");
    put(f, "images/many_50.jpg", "");
    must(raw_read(&all, f->folder, plain, &fit, &err), &err);
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&first);
    for (int cpu = 0; !CPU_COUNT(&first); cpu++)
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &first);
    assert_int_equal(sched_setaffinity(0, sizeof first, &first), 0);
    must(raw_read(&one, f->folder, plain, &fit, &err), &err);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_int_equal(all.count, MANY - 2 + 2);
    assert_string_equal(all.cases[MANY - 3].id, "many_299");
    assert_string_equal(all.skipped[0].id, "many_50");
    expect_equal(&one, &all);
    collection_free(&one);
    collection_free(&all);
    for (int i = 0; i < 20; i++) { /* of two failures always the first */
        const struct fit strict = {.h = 16, .w = 16};
        assert_int_equal(raw_read(&all, f->folder, plain, &strict, &err), -1);
        assert_non_null(strstr(err.text, "images/many_50.jpg': "));
    }
}

/* Counts and the hash from Pillow and numpy over the same files. */
static void real_pets(void **state)
{
    (void)state;
    const char *folder = real("oxford-iiit-pet");
    struct err err;
    const struct fit fit = {.h = 128, .w = 128, .filter = RESIZE_AREA};
    struct collection c;
    must(raw_read(&c, folder, "oxford-pets, target: trimap", &fit, &err), &err);
    assert_int_equal(c.count, 598);
    uint64_t pixels[SPLITS][3] = {{0}}, cats[SPLITS] = {0};
    for (uint32_t i = 0; i < c.count; i++) {
        cats[c.cases[i].split] += c.cases[i].label == 0;
        for (int p = 0; p < 128 * 128; p++)
            pixels[c.cases[i].split][c.cases[i].mask[p]]++;
    }
    assert_int_equal(cats[SPLIT_TRAIN], 200);
    assert_int_equal(cats[SPLIT_TEST], 198);
    static const uint64_t train[] = {2916899, 1397791, 600510}, test[] = {2904074, 1348065, 630293};
    assert_memory_equal(pixels[SPLIT_TRAIN], train, sizeof train);
    assert_memory_equal(pixels[SPLIT_TEST], test, sizeof test);
    assert_string_equal(c.cases[0].id, "Abyssinian_100");
    assert_int_equal(c.cases[0].size[1], 203);
    assert_int_equal(c.cases[0].size[2], 160);
    assert_string_equal(c.cases[0].pixels->hex,
                        "3f14b5a366eca359dedb666a3da5857084c3f160e15edc0ff6f1d46f445395cb");
    collection_free(&c);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, drop_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(lists_images_and_trimaps),
        CASE(lists_from_elsewhere),
        CASE(what_the_masks_say),
        CASE(an_extra_list),
        CASE(files_for_the_recipe),
        CASE(stretched),
        CASE(kept_in_proportion),
        CASE(several_sizes_need_one),
        cmocka_unit_test(decoded_collections_are_fitted_too),
        CASE(lists_that_are_wrong),
        CASE(missing_files),
        CASE(a_missing_image_is_skipped),
        CASE(trimaps_that_do_not_fit),
        CASE(bad_cases_are_left_out_on_request),
        CASE(a_size_from_the_first_that_can_be_read),
        CASE(threads_change_nothing),
        cmocka_unit_test(real_pets),
    };
    return cmocka_run_group_tests_name("data_pets", tests, NULL, NULL);
}
