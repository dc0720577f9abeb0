#include "view/view.h"

#include <math.h>
#include <string.h>

/* ---- colours -------------------------------------------------------------------------------- */
struct colour class_colour(int32_t class)
{
    static const struct colour palette[CLASS_COLOURS] = {
        {160, 160, 160}, /* class 0 */
        {230, 159, 0},   {86, 180, 233},  {0, 158, 115},  {240, 228, 66}, {0, 114, 178},
        {213, 94, 0},    {204, 121, 167}, /* Okabe and Ito */
        {51, 34, 136},   {136, 204, 238}, {68, 170, 153}, {17, 119, 51},  {153, 153, 51},
        {221, 204, 119}, {204, 102, 119}, {136, 34, 85},  {170, 68, 153}, /* Tol's muted palette */
    };
    return palette[class <= 0 ? 0 : 1 + (class - 1) % (CLASS_COLOURS - 1)];
}

struct colour error_colour(enum error_kind kind)
{
    static const struct colour colours[] = {[ERROR_NONE] = {205, 205, 205},
                                            [ERROR_FALSE_POSITIVE] = {213, 94, 0},
                                            [ERROR_FALSE_NEGATIVE] = {0, 114, 178},
                                            [ERROR_WRONG_CLASS] = {204, 121, 167}};
    return colours[kind];
}

struct colour scale_colour(double share)
{
    enum { LAST = 8 };
    static const double anchors[LAST + 1][3] = {
        {68, 1, 84},    {71, 44, 122}, {59, 81, 139},  {44, 113, 142}, {33, 144, 141},
        {39, 173, 129}, {92, 200, 99}, {170, 220, 50}, {253, 231, 37},
    };
    double at = LAST * fmin(fmax(share, 0), 1), mix[3];
    int below = at >= LAST ? LAST - 1 : (int)at;
    for (int i = 0; i < 3; i++)
        mix[i] = anchors[below][i] + (at - below) * (anchors[below + 1][i] - anchors[below][i]);
    return (struct colour){(uint8_t)lround(mix[0]), (uint8_t)lround(mix[1]),
                           (uint8_t)lround(mix[2])};
}

/* ---- painting ------------------------------------------------------------------------------- */
static void put(uint8_t *rgb, struct colour colour)
{
    rgb[0] = colour.r;
    rgb[1] = colour.g;
    rgb[2] = colour.b;
}

/* Diagonal stripes at the same places in every panel, so that ignored areas look identical. */
static struct colour hatch(int64_t x, int64_t y)
{
    return (x + y) % 6 < 3 ? (struct colour){255, 255, 255} : (struct colour){185, 185, 185};
}

void paint_image(uint8_t *out, const uint8_t *image, int32_t h, int32_t w, int32_t c)
{
    for (int64_t i = 0; i < (int64_t)h * w; i++) {
        const uint8_t *from = image + i * c;
        bool colours = c == 3;
        put(out + 3 * i, (struct colour){from[0], from[colours ? 1 : 0], from[colours ? 2 : 0]});
    }
}

/* Luma (ITU-R BT.601), so that the image's own colours are not taken for classes. */
static double grey_of(const uint8_t *from, int32_t c)
{
    return c == 3 ? 0.299 * from[0] + 0.587 * from[1] + 0.114 * from[2] : from[0];
}

void paint_classes(uint8_t *out, const uint8_t *image, const uint8_t *mask, int32_t h, int32_t w,
                   int32_t c)
{
    const double tint = 0.6;
    for (int64_t i = 0; i < (int64_t)h * w; i++) {
        double grey = grey_of(image + i * c, c), part = mask[i] ? tint : 0;
        struct colour colour = class_colour(mask[i]);
        if (mask[i] == MASK_HATCHED)
            put(out + 3 * i, hatch(i % w, i / w));
        else
            put(out + 3 * i, (struct colour){(uint8_t)lround(grey + part * (colour.r - grey)),
                                             (uint8_t)lround(grey + part * (colour.g - grey)),
                                             (uint8_t)lround(grey + part * (colour.b - grey))});
    }
}

void paint_errors(uint8_t *out, const uint8_t *truth, const uint8_t *prediction, bool background,
                  int32_t h, int32_t w)
{
    const struct colour ground = {240, 240, 240};
    for (int64_t i = 0; i < (int64_t)h * w; i++) {
        enum error_kind kind = ERROR_WRONG_CLASS;
        if (truth[i] == prediction[i])
            kind = ERROR_NONE;
        else if (background && (!truth[i] || !prediction[i]))
            kind = truth[i] ? ERROR_FALSE_NEGATIVE : ERROR_FALSE_POSITIVE;
        if (truth[i] == MASK_HATCHED)
            put(out + 3 * i, hatch(i % w, i / w));
        else
            put(out + 3 * i, kind || truth[i] ? error_colour(kind) : ground);
    }
}

/* Is another class at most `reach` pixels away? The image's border does not count. */
static bool is_outline(const uint8_t *mask, int32_t h, int32_t w, int32_t y, int32_t x,
                       int32_t reach)
{
    const uint8_t *at = mask + (int64_t)y * w + x;
    for (int32_t k = 1; k <= reach; k++)
        if ((x >= k && at[-k] != *at) || (x + k < w && at[k] != *at) ||
            (y >= k && at[-(int64_t)k * w] != *at) || (y + k < h && at[(int64_t)k * w] != *at))
            return true;
    return false;
}

void paint_contours(uint8_t *rgb, const uint8_t *mask, int32_t h, int32_t w, int32_t reach,
                    const struct colour *ink)
{
    for (int32_t y = 0; y < h; y++)
        for (int32_t x = 0; x < w; x++) {
            int64_t at = (int64_t)y * w + x;
            if (mask[at] && mask[at] != MASK_HATCHED && is_outline(mask, h, w, y, x, reach))
                put(rgb + 3 * at, ink ? *ink : class_colour(mask[at]));
        }
}

void paint_scale(uint8_t *out, const uint8_t *value, int32_t low, int32_t h, int32_t w)
{
    for (int64_t i = 0; i < (int64_t)h * w; i++)
        put(out + 3 * i, scale_colour((value[i] - low) / (255.0 - low)));
}

void paint_heat(uint8_t *out, const uint8_t *image, const uint8_t *value, int32_t h, int32_t w,
                int32_t c)
{
    for (int64_t i = 0; i < (int64_t)h * w; i++) {
        double grey = grey_of(image + i * c, c);
        struct colour colour = scale_colour(value[i] / 255.0);
        put(out + 3 * i, (struct colour){(uint8_t)lround((grey + colour.r) / 2),
                                         (uint8_t)lround((grey + colour.g) / 2),
                                         (uint8_t)lround((grey + colour.b) / 2)});
    }
}
