/* Pictures: other kinds of file, every way of being damaged, what is odd but harmless, writing. */
#include "base/file.h"
#include "base/png.h"

#include "data_golden.h"

#include <dirent.h>
#include <unistd.h>

#include <jpeglib.h>

/* ---- other kinds ---------------------------------------------------------------------------- */
static void test_other_kinds_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
        const char *text;
    } cases[] = {
        {"", 0, "an empty file; PNG or JPEG expected"},
        {"GIF89a\1\0\1\0", 10, "a GIF; PNG or JPEG expected"},
        {"BM\x3a\0\0\0\0\0", 8, "a BMP; PNG or JPEG expected"},
        {"II*\0\x8\0\0\0", 8, "a TIFF; PNG or JPEG expected"},
        {"MM\0*\0\0\0\x8", 8, "a TIFF; PNG or JPEG expected"},
        {"RIFF\x24\0\0\0WEBPVP8 ", 16, "a WebP; PNG or JPEG expected"},
        {"RIFF\x24\0\0\0WAVEfmt ", 16, "not an image; PNG or JPEG expected"},
        {"\x89PNG\r\n\x1a", 7, "not an image; PNG or JPEG expected"},
        {"\xff\xd8", 2, "not an image; PNG or JPEG expected"},
        {"\0", 1, "not an image; PNG or JPEG expected"},
        {"MM", 2, "not an image; PNG or JPEG expected"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int form = IMAGE_RGB; form <= IMAGE_INDEX; form++)
            expect_bad(form, (const uint8_t *)cases[i].bytes, cases[i].length, cases[i].text);
    expect_bad(IMAGE_RGB, (const uint8_t *)"\xff\xd8\xff", 3, "damaged JPEG: ");
    expect_bad(IMAGE_RGB, (const uint8_t *)"\x89PNG\r\n\x1a\n", 8, "damaged PNG: ");
}

static void test_reading_a_file_names_it(void **state)
{
    const struct tensors *golden = *state;
    char folder[] = "/tmp/image-test-XXXXXX", path[PATH_BYTES];
    const struct tensor *file = need(golden, "jpeg-420", "file");
    struct image image;
    struct err err;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(path_join(path, folder, "photo.png", &err), 0); /* the name is not believed */
    assert_int_equal(image_read(&image, IMAGE_RGB, GROUND_FILE, path, &err), -1);
    assert_int_equal(err.status, STATUS_MISSING);
    assert_int_equal(file_publish(path, file->data, file->bytes, &err), 0);
    assert_int_equal(image_read(&image, IMAGE_RGB, GROUND_FILE, path, &err), 0);
    expect_shape(&image, need(golden, "jpeg-420", "rgb"));
    image_free(&image);
    assert_int_equal(file_publish(path, file->data, 0, &err), 0);
    assert_int_equal(image_read(&image, IMAGE_RGB, GROUND_FILE, path, &err), -1);
    assert_int_equal(err.status, STATUS_BAD_DATA);
    assert_non_null(strstr(err.text, "photo.png': an empty file"));
    assert_null(image.pixels);
    assert_int_equal(folder_remove(folder, &err), 0);
}

/* ---- damage --------------------------------------------------------------------------------- */
static void test_files_cut_short_are_errors(void **state)
{
    const struct tensors *golden = *state;
    for (size_t i = 0; i < golden->count; i++) {
        const struct tensor *file = &golden->items[i];
        for (size_t length = 0; is_file(file) && length < file->bytes; length++)
            expect_bad(IMAGE_RGB, file->data, length,
                       length < 3    ? "expected"
                       : length >= 8 ? "damaged "
                                     : "");
    }
    const struct tensor *file = need(golden, "jpeg-420", "file");
    expect_bad(IMAGE_RGB, file->data, file->bytes / 2 + 200, "damaged JPEG: Premature end of JPEG");
    file = need(golden, "png-2-8", "plain");
    expect_bad(IMAGE_RGB, file->data, file->bytes - 20, "damaged PNG: the file ends early");
}

/* Each byte of a PNG counts: it is of a check sum, or under one. */
static void test_a_changed_byte_never_passes_in_a_png(void **state)
{
    const struct tensors *golden = *state;
    for (size_t i = 0; i < golden->count; i++) {
        const struct tensor *file = &golden->items[i];
        if (!is_file(file) || is_jpeg(file))
            continue;
        uint8_t *bytes = copy_of(file, 0);
        for (size_t at = 0; at < file->bytes; at++) {
            bytes[at] ^= 1u << at % 8;
            expect_bad(IMAGE_RGB, bytes, file->bytes, "");
            bytes[at] ^= 1u << at % 8;
        }
        free(bytes);
    }
}

static void test_a_changed_byte_of_a_jpeg_is_an_error_or_an_image(void **state)
{
    const struct tensors *golden = *state;
    int found = 0;
    for (size_t i = 0; i < golden->count; i++) {
        const struct tensor *file = &golden->items[i];
        if (!is_jpeg(file) || !is_file(file))
            continue;
        uint8_t *bytes = copy_of(file, 0);
        for (size_t at = 3; at < file->bytes; at++) {
            struct image image;
            struct err err;
            bytes[at] ^= 0xff;
            if (decode(&image, IMAGE_RGB, bytes, file->bytes, &err)) {
                assert_int_equal(err.status, STATUS_BAD_DATA);
                found++;
            } else {
                assert_true(image.h > 0 && image.w > 0 && image.c == 3);
            }
            image_free(&image);
            bytes[at] ^= 0xff;
        }
        free(bytes);
    }
    assert_true(found > 1000);
}

static void test_sizes_are_checked_before_anything_is_taken(void **state)
{
    static const struct {
        uint32_t w, h;
        const char *png, *jpeg;
    } cases[] = {
        {0, 0, "damaged PNG: ", "damaged JPEG: "},
        {65535, 65535, "65535 x 65535 pixels; sides must be 1 to 32768", "65500"},
        {32769, 1, "32769 x 1 pixels; sides must be 1 to 32768", "32769 x 1 pixels; sides must be"},
        {1, 32769, "1 x 32769 pixels; sides must be 1 to 32768", "1 x 32769 pixels; sides must be"},
        {32768, 4097, "with at most 134217728 pixels", "with at most 134217728 pixels"},
        {2147483647, 2147483647, "2147483647 x 2147483647 pixels", NULL},
        {32768, 4096, "damaged PNG: ", NULL}, /* as large as allowed, but its data are missing */
    };
    const struct tensors *golden = *state;
    const struct tensor *file = need(golden, "png-2-8", "plain");
    const struct tensor *photo = need(golden, "jpeg-grey", "file");
    uint8_t *png = copy_of(file, 0), *jpeg = copy_of(photo, 0), *sof = jpeg + 2;
    while (sof[1] != 0xc0)
        sof += 2 + (sof[2] << 8 | sof[3]);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_u32(png + 16, cases[i].w);
        put_u32(png + 20, cases[i].h);
        seal(png + 8);
        expect_bad(IMAGE_RGB, png, file->bytes, cases[i].png);
        put_u16(sof + 5, cases[i].h);
        put_u16(sof + 7, cases[i].w);
        if (cases[i].jpeg)
            expect_bad(IMAGE_GREY, jpeg, photo->bytes, cases[i].jpeg);
    }
    free(png);
    free(jpeg);
}

static void test_palette_entries_out_of_range_are_errors(void **state)
{
    const struct tensor *file = need(*state, "bad-palette", "file");
    const char *text = "damaged PNG: pixel (2, 1) has palette entry 3 of 3";
    for (int form = IMAGE_RGB; form <= IMAGE_INDEX; form++)
        expect_bad(form, file->data, file->bytes, text);
}

/* Its check sum is right, but its length is not: to leave it out would change pixels. */
static void test_damaged_transparency_is_an_error(void **state)
{
    const struct tensor *file = need(*state, "png-0-8-transparent", "plain");
    uint8_t *png = copy_of(file, 0);
    uint8_t *chunk = chunk_of(png, file->bytes, "tRNS");
    uint8_t *after = chunk + 12 + get_u32(chunk);
    put_u32(chunk, 1);
    seal(chunk);
    memmove(chunk + 13, after, (size_t)(png + file->bytes - after));
    expect_bad(IMAGE_RGB, png, file->bytes - 1, "damaged PNG: tRNS");
    free(png);
}

/* No room is taken for what cannot be there. */
static void test_a_chunk_longer_than_the_file_is_an_error(void **state)
{
    const struct tensor *file = need(*state, "png-exif-6", "plain");
    uint8_t *png = copy_of(file, 0);
    put_u32(chunk_of(png, file->bytes, "eXIf"), 2046820402);
    expect_bad(IMAGE_RGB, png, file->bytes, "damaged PNG: eXIf: chunk data is too large");
    free(png);
}

/* ---- what is odd in a JPEG, but harms nothing ------------------------------------------------ */
/* Decodes to the same pixels as the file it was made from. */
static void expect_same(const uint8_t *bytes, size_t length, const struct tensor *file)
{
    struct image want, got;
    expect_good(&want, IMAGE_RGB, file->data, file->bytes, file->name);
    expect_good(&got, IMAGE_RGB, bytes, length, "an odd file");
    assert_int_equal(got.h, want.h);
    assert_int_equal(got.w, want.w);
    assert_memory_equal(got.pixels, want.pixels, (size_t)want.h * (size_t)want.w * 3);
    image_free(&want);
    image_free(&got);
}

static void test_harmless_oddities_of_jpeg_change_nothing(void **state)
{
    const struct tensor *file = need(*state, "jpeg-420", "file");
    uint8_t *jpeg = copy_of(file, 64);
    size_t length = file->bytes;
    segment_of(jpeg, 0xe0)[9] = 2; /* a JFIF of the future */
    expect_same(jpeg, length, file);
    memcpy(jpeg, file->data, length);
    uint8_t *scan = segment_of(jpeg, 0xda);
    scan[2 + 3 + 2 * 3 + 1] = 0; /* the last coefficient of a sequential scan: 0 for 63 */
    expect_same(jpeg, length, file);
    memcpy(jpeg, file->data, length);
    uint8_t *table = segment_of(jpeg, 0xdb);
    memmove(table + 5, table, (size_t)(jpeg + length - table));
    memset(table, 0, 5); /* between two markers */
    expect_same(jpeg, length + 5, file);
    memcpy(jpeg, file->data, length);
    memcpy(jpeg + length, "more", 4); /* behind the end */
    expect_same(jpeg, length + 4, file);
    free(jpeg);
}

/* All pixels are there; the comment after them, and the end, are not. */
static void test_a_jpeg_without_its_end_is_an_error(void **state)
{
    const struct tensor *file = need(*state, "jpeg-420", "file");
    uint8_t *jpeg = copy_of(file, 4);
    memcpy(jpeg + file->bytes - 2, "\xff\xfe\0\x40zz", 6);
    expect_bad(IMAGE_RGB, jpeg, file->bytes + 4, "damaged JPEG: Premature end");
    free(jpeg);
}

static void test_a_jpeg_whose_colours_are_a_guess_is_an_error(void **state)
{
    const struct tensor *file = need(*state, "jpeg-cmyk", "file");
    uint8_t *jpeg = copy_of(file, 0);
    segment_of(jpeg, 0xee)[15] = 7;
    expect_bad(IMAGE_RGB, jpeg, file->bytes, "damaged JPEG: Unknown Adobe color transform code 7");
    free(jpeg);
}

/* A grey progressive file whose first scan may be repeated for ever. */
static size_t two_scans(uint8_t **out)
{
    static const jpeg_scan_info scans[] = {{1, {0}, 0, 0, 0, 0}, {1, {0}, 1, 63, 0, 0}};
    struct jpeg_error_mgr manager;
    struct jpeg_compress_struct jpeg = {.err = jpeg_std_error(&manager)};
    unsigned long length = 0;
    uint8_t row[8] = {0, 50, 100, 150, 200, 250, 128, 7};
    JSAMPROW rows[1] = {row};
    *out = NULL;
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, out, &length);
    jpeg.image_width = jpeg.image_height = 8;
    jpeg.input_components = 1;
    jpeg.in_color_space = JCS_GRAYSCALE;
    jpeg_set_defaults(&jpeg);
    jpeg.scan_info = scans;
    jpeg.num_scans = 2;
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < 8)
        jpeg_write_scanlines(&jpeg, rows, 1);
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    return length;
}

static void test_scans_without_end_are_an_error(void **state)
{
    (void)state;
    enum { SOME = 250, MANY = 300 };
    uint8_t *jpeg;
    size_t length = two_scans(&jpeg), n = 0;
    uint8_t *scan = segment_of(jpeg, 0xda), *end = scan + 1;
    while (!(end[0] == 0xff && end[1] != 0))
        end++;
    size_t each = (size_t)(end - scan), head = (size_t)(scan - jpeg), tail = length - head - each;
    uint8_t *bytes = malloc(length + MANY * each);
    assert_non_null(bytes);
    memcpy(bytes, jpeg, n = head);
    for (int i = 0; i < MANY; i++, n += each) {
        memcpy(bytes + n, scan, each);
        if (i + 1 != SOME)
            continue;
        struct image image;
        memcpy(bytes + n + each, end, tail);
        expect_good(&image, IMAGE_GREY, bytes, n + each + tail, "250 scans");
        image_free(&image);
    }
    memcpy(bytes + n, end, tail);
    expect_bad(IMAGE_GREY, bytes, n + tail, "damaged JPEG: more than 256 scans");
    free(bytes);
    free(jpeg);
}

/* ---- writing -------------------------------------------------------------------------------- */
static int files_in(const char *folder)
{
    int count = 0;
    DIR *dir = opendir(folder);
    struct dirent *entry;
    assert_non_null(dir);
    while ((entry = readdir(dir)))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void test_masks_are_written_as_they_are(void **state)
{
    (void)state;
    enum { H = 37, W = 53 };
    char folder[] = "/tmp/image-test-XXXXXX", one[PATH_BYTES], two[PATH_BYTES];
    char *bytes[2];
    size_t length[2];
    uint8_t mask[H * W];
    struct image image;
    struct err err;
    for (int i = 0; i < H * W; i++)
        mask[i] = (uint8_t)(i * i / 7);
    assert_non_null(mkdtemp(folder));
    assert_int_equal(path_join(one, folder, "one.png", &err), 0);
    assert_int_equal(path_join(two, folder, "two.png", &err), 0);
    assert_int_equal(png_publish(one, mask, H, W, 1, &err), 0);
    assert_int_equal(png_publish(two, mask, H, W, 1, &err), 0);
    assert_int_equal(files_in(folder), 2);
    assert_int_equal(image_read(&image, IMAGE_INDEX, GROUND_FILE, one, &err), 0);
    assert_true(image.h == H && image.w == W && image.c == 1);
    assert_memory_equal(image.pixels, mask, sizeof mask);
    image_free(&image);
    assert_int_equal(file_read(&bytes[0], &length[0], one, 1 << 20, &err), 0);
    assert_int_equal(file_read(&bytes[1], &length[1], two, 1 << 20, &err), 0);
    assert_int_equal(length[0], length[1]);
    assert_memory_equal(bytes[0], bytes[1], length[0]);
    free(bytes[0]);
    free(bytes[1]);
    assert_int_equal(folder_remove(folder, &err), 0);
    assert_int_equal(png_publish(one, mask, H, W, 1, &err), -1); /* no such folder */
    assert_non_null(strstr(err.text, "one.png"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_kinds_are_named),
        cmocka_unit_test(test_reading_a_file_names_it),
        cmocka_unit_test(test_files_cut_short_are_errors),
        cmocka_unit_test(test_a_changed_byte_never_passes_in_a_png),
        cmocka_unit_test(test_a_changed_byte_of_a_jpeg_is_an_error_or_an_image),
        cmocka_unit_test(test_sizes_are_checked_before_anything_is_taken),
        cmocka_unit_test(test_palette_entries_out_of_range_are_errors),
        cmocka_unit_test(test_damaged_transparency_is_an_error),
        cmocka_unit_test(test_a_chunk_longer_than_the_file_is_an_error),
        cmocka_unit_test(test_harmless_oddities_of_jpeg_change_nothing),
        cmocka_unit_test(test_a_jpeg_without_its_end_is_an_error),
        cmocka_unit_test(test_a_jpeg_whose_colours_are_a_guess_is_an_error),
        cmocka_unit_test(test_scans_without_end_are_an_error),
        cmocka_unit_test(test_masks_are_written_as_they_are),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
