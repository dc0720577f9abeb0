/*
 * What the pixels of each kind of file mean, as an image and as a mask: a row a kind, beside what
 * Pillow reads or, where it keeps less than the file has, the stated rule
 * (scripts/golden-images.py).
 */
#include "data_golden.h"

#include <math.h>

/* Kinds of PNG by their number in IHDR (0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and
 * alpha), then the bits of a sample. */
static const char alpha[] =
    " and not opaque; a mask of opaque greys or of palette indices expected",
                  colour[] = "; a mask of opaque greys or of palette indices expected",
                  deep[] = "a PNG with 16 bits per sample; at most 8 expected for a mask",
                  lossy[] = "a JPEG, which does not preserve class indices; PNG expected";
static const struct {
    const char *name;
    const char *no_mask; /* why not; NULL: it can be one */
} rows[] = {
    {"png-0-1", NULL},
    {"png-0-2", NULL},
    {"png-0-4", NULL},
    {"png-0-8", NULL},
    {"png-0-16", deep},
    {"png-0-1-transparent", alpha},
    {"png-0-2-transparent", alpha},
    {"png-0-4-transparent", alpha},
    {"png-0-8-transparent", alpha},
    {"png-0-16-transparent", deep},
    {"png-3-1", NULL},
    {"png-3-2", NULL},
    {"png-3-4", NULL},
    {"png-3-8", NULL},
    {"png-3-4-transparent", NULL},
    {"png-0-2-transparent-ground", alpha},
    {"png-0-8-transparent-ground", alpha},
    {"png-0-16-transparent-ground", deep},
    {"png-3-4-transparent-ground", NULL},
    {"png-2-8-transparent-ground", colour},
    {"png-2-16-transparent-ground", deep},
    {"png-4-8-ground", alpha},
    {"png-4-16-ground", deep},
    {"png-6-8-ground", alpha},
    {"png-6-16-ground", deep},
    {"png-opaque", NULL},
    {"png-2-8", colour},
    {"png-2-16", deep},
    {"png-2-8-transparent", colour},
    {"png-2-16-transparent", deep},
    {"png-4-8", alpha},
    {"png-4-16", deep},
    {"png-6-8", alpha},
    {"png-6-16", deep},
    {"png-luma", colour},
    /* a palette of greys is read by them, whatever their order */
    {"mask-greys-1", NULL},
    {"mask-greys-2", NULL},
    {"mask-greys-4", NULL},
    {"mask-greys-8", NULL},
    {"mask-greys-1-transparent", NULL},
    {"mask-greys-2-transparent", NULL},
    {"mask-greys-4-transparent", NULL},
    {"mask-greys-8-transparent", NULL},
    {"mask-one-grey", NULL},
    {"mask-one-grey-bad",
     "palette entries 0 and 2 are both grey 0; a different grey for each class expected"},
    /* channels and alpha that say nothing */
    {"mask-rgb", NULL},
    {"mask-rgb-bad", colour},
    {"mask-grey-alpha", NULL},
    {"mask-grey-alpha-bad", alpha},
    {"mask-rgb-alpha", NULL},
    {"mask-rgb-alpha-bad", alpha},
    {"mask-key", NULL},
    {"mask-key-bad", alpha},
    {"mask-16-bad", deep},
    /* EXIF: turned, before and behind the pixels, in both orders of bytes */
    {"png-exif-1", NULL},
    {"png-exif-2", NULL},
    {"png-exif-3", NULL},
    {"png-exif-4", NULL},
    {"png-exif-5", NULL},
    {"png-exif-6", NULL},
    {"png-exif-7", NULL},
    {"png-exif-8", NULL},
    {"jpeg-exif-1", lossy},
    {"jpeg-exif-2", lossy},
    {"jpeg-exif-3", lossy},
    {"jpeg-exif-4", lossy},
    {"jpeg-exif-5", lossy},
    {"jpeg-exif-6", lossy},
    {"jpeg-exif-7", lossy},
    {"jpeg-exif-8", lossy},
    {"jpeg-grey", lossy},
    {"jpeg-420", lossy},
    {"jpeg-444", lossy},
    {"jpeg-progressive", lossy},
    {"jpeg-restart", lossy},
    {"jpeg-rgb", lossy},
    {"jpeg-cmyk", lossy},
    {"jpeg-ycck", lossy},
    {"jpeg-cmyk-plain", lossy},
};
enum { ROWS = sizeof rows / sizeof *rows };

static const char *no_mask(const struct tensor *file)
{
    size_t length = strcspn(file->name, ":");
    for (int i = 0; i < ROWS; i++)
        if (strlen(rows[i].name) == length && strncmp(rows[i].name, file->name, length) == 0)
            return rows[i].no_mask;
    fail_msg("%s has no row", file->name);
    return NULL;
}

static void every_row_has_its_file(void **state)
{
    const struct tensors *golden = *state;
    for (int i = 0; i < ROWS; i++) {
        int files = 0;
        for (size_t k = 0; k < golden->count; k++) {
            const char *name = golden->items[k].name;
            files += is_file(&golden->items[k]) && strlen(rows[i].name) == strcspn(name, ":") &&
                     strncmp(rows[i].name, name, strlen(rows[i].name)) == 0;
        }
        /* plain and interlaced; JPEG and what stands for a rule are there once */
        const char *name = rows[i].name;
        bool once = strncmp(name, "png", 3) || strstr(name, "exif") || strstr(name, "luma") ||
                    strstr(name, "opaque");
        if (files != (once ? 1 : 2))
            fail_msg("%d files of %s", files, name);
    }
}

static void an_image_has_the_pixels_of_pillow(void **state)
{
    const struct tensors *golden = *state;
    for (size_t i = 0; i < golden->count; i++) {
        const struct tensor *file = &golden->items[i], *rgb = beside(golden, file->name, "rgb");
        struct image image;
        if (!is_file(file) || !rgb)
            continue;
        expect_good(&image, IMAGE_RGB, file->data, file->bytes, file->name);
        expect_shape(&image, rgb);
        expect_near(image.pixels, rgb, is_jpeg(file) ? 2 : 0, file->name);
        image_free(&image);
        assert_null(image.pixels);
    }
}

/* Transparent pixels: each file that has any with what it is laid over. */
static void what_is_not_opaque_is_laid_over_the_ground(void **state)
{
    static const struct {
        const char *part;
        enum image_ground ground;
    } parts[] = {{"black", GROUND_BLACK}, {"white", GROUND_WHITE}, {"bare", GROUND_NONE}};
    const struct tensors *golden = *state;
    for (size_t i = 0; i < golden->count; i++) {
        const struct tensor *file = &golden->items[i], *rgb = beside(golden, file->name, "rgb");
        bool transparent = beside(golden, file->name, "white");
        struct image image;
        struct err err;
        if (!is_file(file) || !rgb)
            continue;
        int status = image_decode(&image, IMAGE_RGB, GROUND_ERROR, file->data, file->bytes, &err);
        if ((status != 0) != transparent)
            fail_msg("%s: %s", file->name, transparent ? "it is said to be opaque" : err.text);
        image_free(&image);
        for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
            const struct tensor *part = beside(golden, file->name, parts[k].part);
            if (image_decode(&image, IMAGE_RGB, parts[k].ground, file->data, file->bytes, &err))
                fail_msg("%s: %s", file->name, err.text);
            expect_near(image.pixels, part ? part : rgb, is_jpeg(file) ? 2 : 0, file->name);
            assert_int_equal(image.transparent > 0, transparent);
            image_free(&image);
        }
    }
}

static void pixels_that_are_not_opaque_are_counted(void **state)
{
    const struct tensor *file = need(*state, "png-0-8-transparent", "plain"); /* of one grey */
    struct image image;
    expect_good(&image, IMAGE_GREY, file->data, file->bytes, file->name);
    const uint8_t *bare = need(*state, file->name, "bare")->data;
    int64_t count = 0;
    for (int64_t i = 0; i < (int64_t)image.h * image.w; i++)
        count += bare[3 * i] == bare[3 * (2 * image.w + 3)]; /* where the script takes it from */
    assert_true(count >= 3);
    assert_int_equal(image.transparent, count);
    image_free(&image);
}

static void grey_is_the_luma_of_the_colours(void **state)
{
    const struct tensors *golden = *state;
    struct image image;
    for (size_t i = 0; i < golden->count; i++) {
        const struct tensor *file = &golden->items[i], *rgb = beside(golden, file->name, "rgb");
        if (!is_file(file) || !rgb)
            continue;
        expect_good(&image, IMAGE_GREY, file->data, file->bytes, file->name);
        double most = is_jpeg(file) ? 2.5 : 0.5001;
        const uint8_t *p = rgb->data;
        for (int64_t at = 0; at < (int64_t)image.h * image.w; at++, p += 3) {
            double luma = 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
            if (fabs(image.pixels[at] - luma) > most)
                fail_msg("%s: pixel %d is %d, not %g", file->name, (int)at, image.pixels[at], luma);
        }
        image_free(&image);
    }
    const struct tensor *file = need(golden, "png-luma", "plain");
    expect_good(&image, IMAGE_GREY, file->data, file->bytes, file->name);
    expect_near(image.pixels, need(golden, "png-luma", "grey"), 1, file->name);
    image_free(&image);
}

static void a_mask_has_the_values_of_the_file_or_is_refused(void **state)
{
    const struct tensors *golden = *state;
    for (size_t i = 0; i < golden->count; i++) {
        const struct tensor *file = &golden->items[i];
        if (!is_file(file))
            continue;
        const char *why = no_mask(file);
        if (why) {
            expect_bad(IMAGE_INDEX, file->data, file->bytes, why);
            continue;
        }
        const struct tensor *index = need(golden, file->name, "index");
        struct image image;
        expect_good(&image, IMAGE_INDEX, file->data, file->bytes, file->name);
        expect_shape(&image, index);
        expect_near(image.pixels, index, 0, file->name);
        image_free(&image);
    }
}

/* ---- EXIF that is odd or damaged ------------------------------------------------------------ */
enum { BLOCK = 8 + 2 + 3 * 12 + 4 };

/* A JPEG with `segment` behind its first marker, into bytes. */
static size_t with_segment(uint8_t *bytes, const struct tensor *file, const uint8_t *segment,
                           size_t length)
{
    const uint8_t *from = file->data;
    memcpy(bytes, from, 2);
    memcpy(bytes + 2, "\xff\xe1", 2);
    put_u16(bytes + 4, (unsigned)length + 2);
    memcpy(bytes + 6, segment, length);
    memcpy(bytes + 6 + length, from + 2, file->bytes - 2);
    return file->bytes + 4 + length;
}

/* How the pixels of jpeg-420 stand if such a segment comes first. */
static int orientation_by(const struct tensors *golden, const uint8_t *segment, size_t length)
{
    const struct tensor *file = need(golden, "jpeg-420", "file");
    uint8_t *bytes = malloc(file->bytes + 4 + length);
    assert_non_null(bytes);
    struct image image;
    size_t all = with_segment(bytes, file, segment, length);
    expect_good(&image, IMAGE_RGB, bytes, all, "with EXIF");
    int how = image.orientation;
    const struct tensor *rgb = need(golden, "jpeg-420", "rgb");
    if (how == 1)
        expect_near(image.pixels, rgb, 2, "not turned");
    assert_int_equal(image.h, rgb->dim[how < 5 ? 0 : 1]);
    image_free(&image);
    free(bytes);
    return how;
}

/* What a camera writes that was held upright, as scripts/golden-images.py does. */
static void exif_of(uint8_t out[6 + BLOCK], const struct tensors *golden)
{
    const struct tensor *file = need(golden, "jpeg-exif-6", "file");
    const uint8_t *segment = (const uint8_t *)file->data + 2;
    assert_int_equal(segment[3], 2 + 6 + BLOCK);
    memcpy(out, segment + 4, 6 + BLOCK);
}

static void exif_that_is_not_understood_turns_nothing(void **state)
{
    enum { MAGIC = 6, IFD = MAGIC + 4, COUNT = MAGIC + 8, ENTRY = COUNT + 2 + 12 };
    static const struct {
        int at, size;
        uint8_t bytes[9];
        int how;
    } changes[] = {
        {ENTRY + 9, 1, {6}, 6}, /* nothing */
        {ENTRY + 9, 1, {0}, 1},
        {ENTRY + 9, 1, {9}, 1},
        {ENTRY + 8, 1, {255}, 1},
        {ENTRY + 3, 9, {4, 0, 0, 0, 1, 0, 0, 0, 8}, 8}, /* a long */
        {ENTRY + 3, 9, {4, 0, 0, 0, 1, 0, 1, 0, 8}, 1},
        {ENTRY + 3, 1, {1}, 1},            /* a byte */
        {ENTRY + 7, 1, {2}, 1},            /* two of them */
        {ENTRY + 1, 1, {0x13}, 1},         /* another tag */
        {COUNT, 2, {0, 1}, 1},             /* the directory ends before */
        {COUNT, 2, {255, 255}, 6},         /* it says that it is longer than it is */
        {IFD, 4, {255, 255, 255, 255}, 1}, /* and lies beyond the end */
        {IFD, 4, {0, 0, 0, BLOCK - 1}, 1}, /* or has no room for its count */
        {IFD, 4, {0, 0, 0, BLOCK - 2}, 1}, /* or for an entry */
        {IFD, 4, {0x80, 0, 0, 8}, 1},
        {MAGIC, 4, {'I', 'I', 0, 42}, 1}, /* of neither order */
        {MAGIC, 2, {'X', 'X'}, 1},
        {0, 4, {'e', 'x', 'i', 'f'}, 1}, /* not EXIF */
    };
    uint8_t segment[6 + BLOCK];
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        exif_of(segment, *state);
        if (segment[MAGIC] != 'M')
            fail_msg("the golden file's EXIF is not big-endian");
        memcpy(segment + changes[i].at, changes[i].bytes, (size_t)changes[i].size);
        int how = orientation_by(*state, segment, sizeof segment);
        if (how != changes[i].how)
            fail_msg("change %zu: orientation %d, not %d", i, how, changes[i].how);
    }
    exif_of(segment, *state);
    for (size_t length = 0; length <= sizeof segment; length++) /* the entry ends at ENTRY + 12 */
        assert_int_equal(orientation_by(*state, segment, length), length < ENTRY + 12 ? 1 : 6);
}

/* Also a PNG's: a chunk that libpng itself finds wrong, or that is there twice. */
static void exif_of_a_png_that_is_not_understood_turns_nothing(void **state)
{
    const struct tensor *file = need(*state, "png-exif-6", "plain");
    struct image image;
    for (int i = 0; i < 3; i++) {
        uint8_t *png = copy_of(file, 0), *chunk = chunk_of(png, file->bytes, "eXIf");
        chunk[8 + (i == 0 ? 0 : i == 1 ? 7 : 10 + 12 + 1)] ^= 0x40;
        seal(chunk);
        expect_good(&image, IMAGE_GREY, png, file->bytes, "odd EXIF");
        assert_int_equal(image.orientation, 1);
        assert_int_equal(image.h, 2);
        image_free(&image);
        free(png);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_has_its_file),
        cmocka_unit_test(an_image_has_the_pixels_of_pillow),
        cmocka_unit_test(what_is_not_opaque_is_laid_over_the_ground),
        cmocka_unit_test(pixels_that_are_not_opaque_are_counted),
        cmocka_unit_test(grey_is_the_luma_of_the_colours),
        cmocka_unit_test(a_mask_has_the_values_of_the_file_or_is_refused),
        cmocka_unit_test(exif_that_is_not_understood_turns_nothing),
        cmocka_unit_test(exif_of_a_png_that_is_not_understood_turns_nothing),
    };
    return cmocka_run_group_tests_name("data_pixels", tests, setup, teardown);
}
