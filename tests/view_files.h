/* Where tests of pictures and plots leave their files, and how they read them. */
#ifndef CAIRN_TESTS_VIEW_FILES_H
#define CAIRN_TESTS_VIEW_FILES_H

#include "view/view.h"

#include "base/file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <png.h>

static char folder[] = "/tmp/cairn-view-XXXXXX";
static struct err err;

static inline int setup(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static inline int teardown(void **state)
{
    (void)state;
    return folder_remove(folder, &err);
}

static inline const char *in(char path[PATH_BYTES], const char *name)
{
    assert_int_equal(path_join(path, folder, name, &err), 0);
    return path;
}

static inline char *contents(const char *name, size_t *length)
{
    char path[PATH_BYTES], *bytes = NULL;
    assert_int_equal(file_read(&bytes, length, in(path, name), 1 << 24, &err), 0);
    return bytes;
}

static inline void assert_same_bytes(const char *a, const char *b)
{
    size_t n, m;
    char *left = contents(a, &n), *right = contents(b, &m);
    assert_int_equal(n, m);
    assert_memory_equal(left, right, n);
    free(left);
    free(right);
}

/* A PNG as libpng's simplified reader sees it. */
struct seen {
    int32_t width, height;
    uint8_t *rgb;
};

static inline struct seen decode(const char *name)
{
    char path[PATH_BYTES];
    png_image image = {.version = PNG_IMAGE_VERSION};
    assert_true(png_image_begin_read_from_file(&image, in(path, name)));
    assert_int_equal(image.format, PNG_FORMAT_RGB);
    struct seen seen = {(int32_t)image.width, (int32_t)image.height, malloc(PNG_IMAGE_SIZE(image))};
    assert_true(png_image_finish_read(&image, NULL, seen.rgb, 0, NULL));
    return seen;
}

static inline const uint8_t *pixel(const struct seen *seen, int32_t x, int32_t y)
{
    assert_in_range(x, 0, seen->width - 1);
    assert_in_range(y, 0, seen->height - 1);
    return seen->rgb + 3 * (y * seen->width + x);
}

static inline void assert_pixel(const struct seen *seen, int32_t x, int32_t y, int r, int g, int b)
{
    const uint8_t rgb[] = {(uint8_t)r, (uint8_t)g, (uint8_t)b};
    assert_memory_equal(pixel(seen, x, y), rgb, 3);
}

static inline int dark_pixels(const struct seen *seen, int32_t x0, int32_t y0, int32_t x1,
                              int32_t y1)
{
    int count = 0;
    for (int32_t y = y0; y < y1; y++)
        for (int32_t x = x0; x < x1; x++)
            count += pixel(seen, x, y)[0] < 128;
    return count;
}

static inline int occurrences(const char *text, const char *what)
{
    int count = 0;
    for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
        count++;
    return count;
}

/* Every opened element is closed in order: enough to catch unescaped names. */
static inline void assert_well_formed(const char *xml)
{
    char open[64][32];
    int depth = 0;
    for (const char *p = xml; (p = strchr(p, '<')); p++) {
        if (p[1] == '?' || p[1] == '!')
            continue;
        const char *end = strchr(p, '>');
        assert_non_null(end);
        char name[32] = "";
        sscanf(p + 1 + (p[1] == '/'), "%31[a-zA-Z]", name);
        assert_true(*name);
        if (p[1] == '/') {
            assert_true(depth > 0);
            assert_string_equal(open[--depth], name);
        } else if (end[-1] != '/') {
            assert_true(depth < 64);
            strcpy(open[depth++], name);
        }
        p = end;
    }
    assert_int_equal(depth, 0);
}

#endif
