#include "view/view.h"

#include "base/memory.h"
#include "base/png.h"
#include "view/font.h"

#include <stdlib.h>
#include <string.h>

int canvas_new(struct canvas *out, int32_t width, int32_t height, struct colour ground,
               struct err *err)
{
    *out = (struct canvas){0};
    if (width < 1 || height < 1 || width > CANVAS_LARGEST || height > CANVAS_LARGEST ||
        (int64_t)width * height > CANVAS_PIXELS)
        return fail(err, "a picture of %d x %d pixels cannot be drawn", width, height);
    size_t pixels = (size_t)width * (size_t)height;
    uint8_t *rgb = xcalloc(pixels, 3);
    for (size_t i = 0; i < pixels; i++) {
        rgb[3 * i] = ground.r;
        rgb[3 * i + 1] = ground.g;
        rgb[3 * i + 2] = ground.b;
    }
    *out = (struct canvas){width, height, rgb};
    return 0;
}

void canvas_free(struct canvas *canvas)
{
    free(canvas->rgb);
    *canvas = (struct canvas){0};
}

/* Fills the square of side `side` at (x, y); 64 bits, so that no position overflows. */
static void square(struct canvas *canvas, int64_t x, int64_t y, int32_t side, struct colour ink)
{
    int64_t x0 = x < 0 ? 0 : x, x1 = x + side < canvas->width ? x + side : canvas->width;
    int64_t y0 = y < 0 ? 0 : y, y1 = y + side < canvas->height ? y + side : canvas->height;
    for (int64_t row = y0; row < y1; row++)
        for (int64_t column = x0; column < x1; column++) {
            uint8_t *pixel = canvas->rgb + 3 * (row * canvas->width + column);
            pixel[0] = ink.r;
            pixel[1] = ink.g;
            pixel[2] = ink.b;
        }
}

void canvas_image(struct canvas *canvas, int32_t x, int32_t y, const uint8_t *image, int32_t h,
                  int32_t w, int32_t c, int32_t scale)
{
    if (c != 1 && c != 3)
        bug("an image of %d channels on a canvas", c);
    for (int64_t row = 0; row < h; row++)
        for (int64_t column = 0; column < w; column++) {
            const uint8_t *from = image + (row * w + column) * c;
            struct colour ink = {from[0], from[c / 2], from[c - 1]};
            square(canvas, x + column * scale, y + row * scale, scale, ink);
        }
}

/* Only the first byte of a UTF-8 sequence takes a cell. */
static bool continues(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

int32_t canvas_text_width(const char *text, int32_t scale)
{
    int64_t width = 0;
    for (; *text; text++)
        width += continues(*text) ? 0 : (int64_t)FONT_WIDTH * scale;
    return width > INT32_MAX ? INT32_MAX : (int32_t)width;
}

void canvas_text(struct canvas *canvas, int32_t x, int32_t y, const char *text, int32_t scale,
                 struct colour ink)
{
    int64_t left = x;
    for (; *text && left < canvas->width; text++) {
        if (continues(*text))
            continue;
        for (int row = 0; row < FONT_HEIGHT; row++)
            for (int column = 0; column < FONT_WIDTH; column++)
                if (font_pixel((unsigned char)*text, column, row))
                    square(canvas, left + column * scale, y + (int64_t)row * scale, scale, ink);
        left += (int64_t)FONT_WIDTH * scale;
    }
}

int canvas_png(const struct canvas *canvas, const char *path, struct err *err)
{
    return png_publish(path, canvas->rgb, canvas->height, canvas->width, 3, err);
}
