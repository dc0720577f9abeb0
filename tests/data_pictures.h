/* PNG files for tests, written by libpng with any compression level. */
#ifndef CAIRN_TESTS_DATA_PICTURES_H
#define CAIRN_TESTS_DATA_PICTURES_H

#include <png.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* [h,w] indices of 8 bits (palette not NULL), or [h,w,c] u8, where c is 1 (grey) or 3 (colour). A
 * failure ends the test program. */
static inline void write_png_of(const char *path, const uint8_t *pixels, int h, int w, int c,
                                int level, const png_color *palette, int colours)
{
    FILE *file = fopen(path, "wb");
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!file || !info || setjmp(png_jmpbuf(png))) {
        fprintf(stderr, "cannot write '%s'\n", path);
        abort();
    }
    png_init_io(png, file);
    png_set_compression_level(png, level);
    png_set_IHDR(png, info, (png_uint_32)w, (png_uint_32)h, 8,
                 palette  ? PNG_COLOR_TYPE_PALETTE
                 : c == 1 ? PNG_COLOR_TYPE_GRAY
                          : PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (palette)
        png_set_PLTE(png, info, palette, colours);
    png_write_info(png, info);
    for (int y = 0; y < h; y++)
        png_write_row(png, pixels + (size_t)y * (size_t)w * (size_t)c);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    fclose(file);
}

static inline void write_png(const char *path, const uint8_t *pixels, int h, int w, int c,
                             int level)
{
    write_png_of(path, pixels, h, w, c, level, NULL, 0);
}

#endif
