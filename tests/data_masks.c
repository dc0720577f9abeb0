/* What the values in a folder's masks mean: greys, palettes, colours, and 255. */
#include "data_folder.h"
#include "data_pictures.h"
enum { W = 4 };
static const char binary[] = "folder, class_names: [background, vessel]",
                  several[] = "folder, class_names: [a, b, c]";

/* A data set, and how many cases it has so far. */
struct set {
    struct fixture at;
    int count;
};

static int setup(void **state)
{
    struct set *f = calloc(1, sizeof *f);
    strcpy(f->at.folder, "/tmp/raw-test-XXXXXX");
    if (!mkdtemp(f->at.folder))
        return -1;
    put_folder(&f->at, "images");
    put_folder(&f->at, "masks");
    *state = f;
    return 0;
}

/* The next case, "a", "b", ...: a mask of a row of W pixels, c samples each. */
static void add(struct set *f, const uint8_t *pixels, int c, const png_color *palette, int colours)
{
    char name[32];
    uint8_t image[W * 3];
    memset(image, 10 * f->count, sizeof image);
    snprintf(name, sizeof name, "images/%c.png", 'a' + f->count);
    write_png(path_of(&f->at, name), image, 1, W, 3, 6);
    snprintf(name, sizeof name, "masks/%c.png", 'a' + f->count);
    write_png_of(path_of(&f->at, name), pixels, 1, W, c, 6, palette, colours);
    FILE *list = fopen(path_of(&f->at, "train.txt"), "a");
    assert_non_null(list);
    fprintf(list, "%c\n", 'a' + f->count++);
    fclose(list);
}

static void put_values(struct set *f, int a, int b, int c, int d)
{
    add(f, (const uint8_t[W]){(uint8_t)a, (uint8_t)b, (uint8_t)c, (uint8_t)d}, 1, NULL, 0);
}

/* The notes of all, a line each. */
static void read_all(struct collection *out, char notes[1000], const struct set *f,
                     const char *source)
{
    struct err err;
    if (raw_read(out, f->at.folder, source, &as_they_are, &err))
        fail_msg("%s", err.text);
    size_t length = 0;
    notes[0] = '\0';
    for (uint32_t i = 0; i < out->note_count; i++)
        length += (size_t)snprintf(notes + length, 1000 - length, "%s\n", out->notes[i]);
}

/* The class of each pixel of each mask, and what is said of them. */
static void expect(const struct set *f, const char *source, const uint8_t *classes,
                   const char *text)
{
    struct collection c;
    char notes[1000];
    read_all(&c, notes, f, source);
    assert_int_equal(c.count, f->count);
    for (uint32_t i = 0; i < c.count; i++)
        assert_memory_equal(c.cases[i].mask, classes + W * i, W);
    assert_string_equal(notes, text);
    collection_free(&c);
}

/* The error's text after the folder. */
static void refuse(const struct set *f, const char *source, const char *text)
{
    struct collection c;
    struct err err;
    if (!raw_read(&c, f->at.folder, source, &as_they_are, &err))
        fail_msg("read, instead of: %s", text);
    assert_int_equal(err.status, STATUS_BAD_DATA);
    assert_string_equal(err.text + 1 + strlen(f->at.folder), text);
}

/* ---- palettes ------------------------------------------------------------------------------- */
static const png_color black = {0, 0, 0}, white = {255, 255, 255}, red = {200, 0, 16},
                       blue = {0, 8, 255};

static void greys_of_a_palette_are_their_value_in_any_order(void **state)
{
    const uint8_t indices[W] = {0, 1, 1, 0};
    add(*state, indices, 1, (const png_color[]){black, white}, 2);
    add(*state, indices, 1, (const png_color[]){white, black}, 2);
    put_values(*state, 0, 255, 0, 0);
    expect(*state, binary, (const uint8_t[]){0, 1, 1, 0, 1, 0, 0, 1, 0, 1, 0, 0}, "");
}

static void a_palette_of_class_numbers_is_read_like_greys(void **state)
{
    const png_color numbers[] = {{2, 2, 2}, {0, 0, 0}, {1, 1, 1}};
    add(*state, (const uint8_t[W]){0, 1, 2, 2}, 1, numbers, 3);
    expect(*state, several, (const uint8_t[]){2, 0, 1, 1}, "");
    const png_color stretched[] = {{0, 0, 0}, {128, 128, 128}, {255, 255, 255}};
    add(*state, (const uint8_t[W]){0, 1, 2, 2}, 1, stretched, 3);
    refuse(*state, several,
           "/masks/b.png': the pixel in row 0, column 1 is 128 (the grey in its palette), expected "
           "0 to 2, or the value of source.void");
}

static void two_indices_of_one_grey_are_not_understood(void **state)
{
    add(*state, (const uint8_t[W]){0, 0, 1, 0}, 1, (const png_color[]){black, white, black}, 3);
    expect(*state, binary, (const uint8_t[]){0, 0, 1, 0}, "");
    add(*state, (const uint8_t[W]){0, 0, 1, 2}, 1, (const png_color[]){black, white, black}, 3);
    refuse(*state, binary,
           "/masks/b.png': palette entries 0 and 2 are both grey 0; a different grey for each "
           "class expected");
}

static void colours_of_a_palette_are_indices_and_are_said(void **state)
{
    const uint8_t indices[W] = {0, 1, 1, 2};
    add(*state, indices, 1, (const png_color[]){black, red, blue}, 3);
    expect(*state, several, indices,
           "1 mask is of colours from a palette read by index: 0 #000000, 1 #c80010, 2 #0008ff\n");
    /* what no pixel has is neither said nor compared */
    const uint8_t more[] = {0, 1, 1, 2, 0, 0, 1, 1};
    add(*state, more + W, 1, (const png_color[]){black, red, white, white}, 4);
    expect(
        *state, several, more,
        "2 masks are of colours from a palette read by index: 0 #000000, 1 #c80010, 2 #0008ff\n");
}

static void palettes_that_differ_are_named(void **state)
{
    const uint8_t indices[] = {0, 1, 1, 2, 1, 1, 0, 0};
    add(*state, indices, 1, (const png_color[]){black, red, blue}, 3);
    add(*state, indices + W, 1, (const png_color[]){red, black, blue}, 3);
    expect(*state, several, indices,
           "2 masks are of colours from a palette read by index: 0 #000000, 1 #c80010, 2 #0008ff\n"
           "the palettes of the masks differ: 0 is #000000 in 'masks/a.png' and #c80010 in "
           "'masks/b.png'\n");
}

/* ---- other kinds of PNG --------------------------------------------------------------------- */
static void colours_are_refused_but_equal_ones_are_greys(void **state)
{
    uint8_t pixels[W * 3] = {0, 0, 0, 2, 2, 2, 1, 1, 1, 0, 0, 0};
    add(*state, pixels, 3, NULL, 0);
    expect(*state, several, (const uint8_t[]){0, 2, 1, 0}, "");
    pixels[6] = 0;
    add(*state, pixels, 3, NULL, 0);
    refuse(*state, several,
           "/masks/b.png': pixel (2, 0) is #000101; a mask of opaque greys or of palette indices "
           "expected");
}

/* ---- 255 ------------------------------------------------------------------------------------ */
static void white_is_the_foreground_where_nothing_else_is(void **state)
{
    put_values(*state, 0, 255, 255, 0);
    put_values(*state, 0, 0, 0, 0);
    put_values(*state, 255, 255, 255, 255);
    expect(*state, binary, (const uint8_t[]){0, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1}, "");
}

/* Masks of a white foreground among such of 1 would be void without a word. */
static void a_set_is_of_1_or_of_255(void **state)
{
    put_values(*state, 0, 0, 0, 0);
    put_values(*state, 0, 255, 255, 0);
    put_values(*state, 1, 0, 1, 0);
    put_values(*state, 1, 1, 1, 0);
    refuse(*state, binary,
           "/masks/c.png' has pixels of 1, 'masks/b.png' of 255, expected the same value for the "
           "foreground in all masks");
    const char source[] = "folder, class_names: [background, vessel], void: 255";
    expect(*state, source,
           (const uint8_t[]){0, 0, 0, 0, 0, MASK_IGNORE, MASK_IGNORE, 0, 1, 0, 1, 0, 1, 1, 1, 0},
           "1 mask with void but no class other than 'background', the first 'masks/b.png'\n");
    put_values(*state, 255, 255, 255, 255);
    put_values(*state, 1, 255, 0, 0);
    struct collection c;
    char notes[1000];
    read_all(&c, notes, *state, source);
    assert_string_equal(
        notes, "2 masks with void but no class other than 'background', the first 'masks/b.png'\n");
    collection_free(&c);
}

/* ... and what could not be read decides nothing. */
static void a_mask_that_is_skipped_decides_nothing(void **state)
{
    struct collection c;
    struct err err;
    const struct set *f = *state;
    put_values(*state, 0, 1, 255, 0);
    put_values(*state, 0, 1, 1, 0);
    put_values(*state, 0, 255, 77, 0);
    must(raw_read(&c, f->at.folder, binary, &skipping, &err), &err);
    assert_int_equal(c.count, 1);
    assert_int_equal(c.skipped_count, 2);
    collection_free(&c);
}

static void void_is_any_value_that_is_no_class(void **state)
{
    const char source[] = "folder, class_names: [a, b, c], void: 255";
    put_values(*state, 0, 2, 255, 1);
    expect(*state, source, (const uint8_t[]){0, 2, MASK_IGNORE, 1}, "");
    put_values(*state, 0, 2, 254, 1);
    refuse(*state, source,
           "/masks/b.png': the pixel in row 0, column 2 is 254, expected 0 to 2, or 255 for void");
}

static void white_and_another_void(void **state)
{
    const char source[] = "folder, class_names: [background, vessel], void: 128";
    put_values(*state, 0, 128, 255, 255);
    expect(*state, source, (const uint8_t[]){0, MASK_IGNORE, 1, 1}, "");
    put_values(*state, 0, 127, 255, 255);
    refuse(*state, source,
           "/masks/b.png': the pixel in row 0, column 1 is 127, expected 0 and 1, or 0 and 255, or "
           "128 for void");
}

/* VOC's masks have index 255, of its own colour, about the objects. */
static void entry_255_of_a_palette_is_not_white(void **state)
{
    png_color palette[256] = {{0, 0, 0}, {128, 0, 0}};
    palette[255] = (png_color){224, 224, 192};
    add(*state, (const uint8_t[W]){0, 255, 0, 0}, 1, palette, 256);
    refuse(*state, binary,
           "/masks/a.png': the pixel in row 0, column 1 is 255, expected 0 and 1, or 0 and 255, or "
           "the value of source.void");
    const char source[] = "folder, class_names: [background, vessel], void: 255";
    expect(*state, source, (const uint8_t[]){0, MASK_IGNORE, 0, 0},
           "1 mask with void but no class other than 'background', the first 'masks/a.png'\n"
           "1 mask is of colours from a palette read by index: 0 #000000, 255 #e0e0c0\n");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, drop_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(greys_of_a_palette_are_their_value_in_any_order),
        CASE(a_palette_of_class_numbers_is_read_like_greys),
        CASE(two_indices_of_one_grey_are_not_understood),
        CASE(colours_of_a_palette_are_indices_and_are_said),
        CASE(palettes_that_differ_are_named),
        CASE(colours_are_refused_but_equal_ones_are_greys),
        CASE(white_is_the_foreground_where_nothing_else_is),
        CASE(a_set_is_of_1_or_of_255),
        CASE(a_mask_that_is_skipped_decides_nothing),
        CASE(void_is_any_value_that_is_no_class),
        CASE(white_and_another_void),
        CASE(entry_255_of_a_palette_is_not_white),
    };
    return cmocka_run_group_tests_name("data_masks", tests, NULL, NULL);
}
