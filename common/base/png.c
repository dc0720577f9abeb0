#include "base/png.h"

#include "base/file.h"
#include "base/text.h"

#include <png.h>
#include <setjmp.h>

struct picture {
    const uint8_t *pixels;
    int32_t h, w, c;
};

static void on_error(png_structp png, png_const_charp message)
{
    fail(png_get_error_ptr(png), "%s", message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void append(png_structp png, png_bytep bytes, size_t length)
{
    text_add(png_get_io_ptr(png), (const char *)bytes, length);
}

static void flush_nothing(png_structp png)
{
    (void)png;
}

/* Everything between setjmp and a jump lives in the caller, so nothing here can be clobbered. */
static int encode(png_structp png, png_infop info, const struct picture *picture, struct text *out)
{
    if (setjmp(png_jmpbuf(png)))
        return -1;
    png_set_write_fn(png, out, append, flush_nothing);
    png_set_IHDR(png, info, (png_uint_32)picture->w, (png_uint_32)picture->h, 8,
                 picture->c == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (int32_t row = 0; row < picture->h; row++)
        png_write_row(png, picture->pixels + (size_t)row * (size_t)picture->w * (size_t)picture->c);
    png_write_end(png, info);
    return 0;
}

int png_publish(const char *path, const uint8_t *pixels, int32_t h, int32_t w, int32_t c,
                struct err *err)
{
    const struct picture picture = {pixels, h, w, c};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, err, on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    struct text bytes = {0};
    int status = info ? encode(png, info, &picture, &bytes) : fail(err, "libpng cannot start");
    png_destroy_write_struct(&png, &info);
    if (!status)
        return text_publish(&bytes, path, err);
    text_free(&bytes);
    return wrap(err, "cannot write '%s'", path);
}
