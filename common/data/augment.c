#include "data/augment.h"

#include "base/random.h"
#include "data/data.h"

#include <math.h>
#include <stdio.h>

const char *const augmentation_names[AUGMENTATIONS + 1] = {
    "flip",  "flip_vertical", "flip_depth", "crop",       "rotate",
    "scale", "brightness",    "contrast",   "saturation", NULL};

/* ---- random draws --------------------------------------------------------------------------- */
/* For one case in one epoch; an unused augmentation has its neutral value. */
struct drawn {
    bool flip, flip_vertical, flip_depth;
    double window, down, right; /* share of each side; offset of its centre, in sides */
    double angle, zoom;
    float brightness, contrast, saturation;
};

/* In [-limit, limit]. Drawn whether used or not, so that adding an augmentation leaves the draws of
 * the others unchanged. */
static double either_way(struct stream *stream, bool used, double limit)
{
    double draw = (2 * stream_uniform(stream) - 1) * limit;
    return used ? draw : 0;
}

static bool half(struct stream *stream, bool used)
{
    return (stream_u32(stream) >> 31) && used;
}

static struct drawn draw(const struct augment *augment, uint64_t seed, uint64_t epoch,
                         const char *id)
{
    const bool *use = augment->use;
    const struct augment_limits *limits = &augment->limits;
    char name[4096]; /* any path; a longer id is truncated */
    snprintf(name, sizeof name, "data/augment/%llu/%s", (unsigned long long)epoch, id);
    struct stream s = stream_new(seed, name);
    struct drawn out = {.flip = half(&s, use[AUGMENT_FLIP])};
    out.flip_vertical = half(&s, use[AUGMENT_FLIP_VERTICAL]);
    out.flip_depth = half(&s, use[AUGMENT_FLIP_DEPTH]);
    double smaller = stream_uniform(&s) * (1 - limits->crop);
    out.window = use[AUGMENT_CROP] ? 1 - smaller : 1;
    out.down = either_way(&s, use[AUGMENT_CROP], (1 - out.window) / 2);
    out.right = either_way(&s, use[AUGMENT_CROP], (1 - out.window) / 2);
    out.angle = either_way(&s, use[AUGMENT_ROTATE], limits->rotate * M_PI / 180);
    out.zoom = exp(either_way(&s, use[AUGMENT_SCALE], log1p(limits->scale)));
    out.brightness = (float)(1 + either_way(&s, use[AUGMENT_BRIGHTNESS], limits->brightness));
    out.contrast = (float)(1 + either_way(&s, use[AUGMENT_CONTRAST], limits->contrast));
    out.saturation = (float)(1 + either_way(&s, use[AUGMENT_SATURATION], limits->saturation));
    return out;
}

/* ---- geometry ------------------------------------------------------------------------------- */
/* Positions are in pixels of the source with 24 fractional bits: whole numbers are exact, the
 * fraction fits a float, and any int32_t side fits. */
enum { FRACTION = 24, ONE = 1 << FRACTION };

/* The source of output pixel (y, x) in the h-w plane:
 * row = at_y + y * y_y + x * y_x, column = at_x + y * x_y + x * x_x. */
struct map {
    int64_t at_y, y_y, y_x, at_x, x_y, x_x;
};

static int64_t fixed(double pixels)
{
    return llrint(pixels * ONE);
}

/* About the centre: flip, then rotate and zoom, then crop to the window. */
static struct map map_of(const struct drawn *drawn, int32_t h, int32_t w)
{
    double size = drawn->window / drawn->zoom;
    double c = size * cos(drawn->angle), s = size * sin(drawn->angle);
    double flip_y = drawn->flip_vertical ? -1 : 1, flip_x = drawn->flip ? -1 : 1;
    double y_y = c * flip_y, y_x = s * flip_x, x_y = -s * flip_y, x_x = c * flip_x;
    double y = (h - 1) / 2.0, x = (w - 1) / 2.0;
    return (struct map){.at_y = fixed(y + drawn->down * h - y_y * y - y_x * x),
                        .y_y = fixed(y_y),
                        .y_x = fixed(y_x),
                        .at_x = fixed(x + drawn->right * w - x_y * y - x_x * x),
                        .x_y = fixed(x_y),
                        .x_x = fixed(x_x)};
}

/* i, reflected at the edges as often as needed; the edge pixel is repeated. */
static inline int64_t reflect(int64_t i, int32_t size)
{
    if (i >= 0 && i < size)
        return i;
    int64_t period = 2 * (int64_t)size;
    i %= period;
    i += i < 0 ? period : 0;
    return i < size ? i : period - 1 - i;
}

/* u8 or f32: `floats` is a constant at each call of the loops below, so that both versions are
 * compiled. */
struct plane {
    const void *image;
    const uint8_t *mask;
    int32_t h, w, c;
};
#define FOR_BOTH static inline __attribute__((always_inline))

FOR_BOTH float value_at(const struct plane *from, bool floats, int64_t i)
{
    return floats ? ((const float *)from->image)[i] : (float)((const uint8_t *)from->image)[i];
}

FOR_BOTH void sample_image(float *out, const struct plane *from, bool floats, int64_t y, int64_t x)
{
    float v = (float)(y & (ONE - 1)) / ONE, u = (float)(x & (ONE - 1)) / ONE;
    int64_t row = y >> FRACTION, column = x >> FRACTION;
    int64_t y0 = reflect(row, from->h) * from->w, y1 = reflect(row + 1, from->h) * from->w;
    int64_t x0 = reflect(column, from->w), x1 = reflect(column + 1, from->w);
    for (int32_t k = 0; k < from->c; k++) {
        float a = value_at(from, floats, (y0 + x0) * from->c + k);
        float b = value_at(from, floats, (y0 + x1) * from->c + k);
        float c = value_at(from, floats, (y1 + x0) * from->c + k);
        float d = value_at(from, floats, (y1 + x1) * from->c + k);
        float upper = a + u * (b - a), lower = c + u * (d - c), value = upper + v * (lower - upper);
        out[k] = floats ? value : pixel_value(value);
    }
}

FOR_BOTH void warp(float *image, int32_t *mask, const struct plane *from, bool floats,
                   const struct map *map)
{
    for (int32_t i = 0; i < from->h; i++) {
        int64_t y = map->at_y + i * map->y_y, x = map->at_x + i * map->x_y;
        for (int32_t j = 0; j < from->w; j++, y += map->y_x, x += map->x_x) {
            sample_image(image, from, floats, y, x);
            image += from->c;
            if (!mask)
                continue;
            int64_t row = reflect((y + ONE / 2) >> FRACTION, from->h);
            *mask++ = from->mask[row * from->w + reflect((x + ONE / 2) >> FRACTION, from->w)];
        }
    }
}

/* Without rotation and scaling every output pixel is one pixel of the image. */
FOR_BOTH void copy(float *image, int32_t *mask, const struct plane *from, bool floats,
                   const struct drawn *drawn)
{
    for (int32_t i = 0; i < from->h; i++)
        for (int32_t j = 0; j < from->w; j++) {
            int32_t row = drawn->flip_vertical ? from->h - 1 - i : i;
            int64_t at = (int64_t)row * from->w + (drawn->flip ? from->w - 1 - j : j);
            for (int32_t k = 0; k < from->c; k++) {
                float value = value_at(from, floats, at * from->c + k);
                *image++ = floats ? value : pixel_value(value);
            }
            if (mask)
                *mask++ = from->mask[at];
        }
}

/* ---- colour --------------------------------------------------------------------------------- */
/* Several independent sums: a single one would wait for each addition. */
static float mean_of(const float *image, int64_t count)
{
    enum { SUMS = 8 };
    double sum[SUMS] = {0}, all = 0;
    int64_t i = 0;
    for (; i + SUMS <= count; i += SUMS)
        for (int k = 0; k < SUMS; k++)
            sum[k] += (double)image[i + k];
    for (; i < count; i++)
        all += (double)image[i];
    for (int k = 0; k < SUMS; k++)
        all += sum[k];
    return (float)(all / (double)count);
}

/* Brightness b, then contrast c about the mean m of the result: c (b x - b m) + b m. */
static void brighten_and_contrast(float *image, int64_t count, const struct drawn *drawn)
{
    float b = drawn->brightness, c = drawn->contrast;
    float offset = c == 1 ? 0 : b * mean_of(image, count) * (1 - c);
    for (int64_t i = 0; i < count; i++)
        image[i] = b * c * image[i] + offset;
}

/* The luma of ITU-R BT.601. */
static void saturate(float *image, int64_t pixels, float saturation)
{
    for (int64_t i = 0; i < pixels; i++, image += 3) {
        float luma = 0.299f * image[0] + 0.587f * image[1] + 0.114f * image[2];
        for (int k = 0; k < 3; k++)
            image[k] = saturation * image[k] + (1 - saturation) * luma;
    }
}

static void colour(float *image, const struct augment_shape *shape, bool floats,
                   const struct drawn *drawn)
{
    int64_t pixels = (int64_t)shape->d * shape->h * shape->w, count = pixels * shape->c;
    bool tone = drawn->brightness != 1 || drawn->contrast != 1;
    bool chroma = drawn->saturation != 1 && shape->c == 3 && !floats;
    if (tone)
        brighten_and_contrast(image, count, drawn);
    if (chroma)
        saturate(image, pixels, drawn->saturation);
    for (int64_t i = 0; (tone || chroma) && !floats && i < count; i++)
        image[i] = image[i] < 0 ? 0 : image[i] > 1 ? 1 : image[i];
}

FOR_BOTH void augment_any(float *image, int32_t *mask_out, const void *from, bool floats,
                          const uint8_t *mask, struct augment_shape shape,
                          const struct augment *augment, const struct drawn *drawn)
{
    struct map map = map_of(drawn, shape.h, shape.w);
    const bool *use = augment->use;
    bool warps = use[AUGMENT_CROP] || use[AUGMENT_ROTATE] || use[AUGMENT_SCALE];
    int64_t pixels = (int64_t)shape.h * shape.w;
    for (int32_t i = 0; i < shape.d; i++) {
        int64_t slice = drawn->flip_depth ? shape.d - 1 - i : i;
        int64_t first = slice * pixels * shape.c;
        const void *at = floats ? (const void *)((const float *)from + first)
                                : (const void *)((const uint8_t *)from + first);
        struct plane plane = {at, mask ? mask + slice * pixels : NULL, shape.h, shape.w, shape.c};
        float *to = image + i * pixels * shape.c;
        int32_t *mask_to = mask ? mask_out + i * pixels : NULL;
        if (warps)
            warp(to, mask_to, &plane, floats, &map);
        else
            copy(to, mask_to, &plane, floats, drawn);
    }
    colour(image, &shape, floats, drawn);
}

void augment_case(float *image, int32_t *mask_out, const uint8_t *from, const uint8_t *mask,
                  struct augment_shape shape, const struct augment *augment, uint64_t seed,
                  uint64_t epoch, const char *id)
{
    struct drawn drawn = draw(augment, seed, epoch, id);
    augment_any(image, mask_out, from, false, mask, shape, augment, &drawn);
}

void augment_volume(float *image, int32_t *mask_out, const float *from, const uint8_t *mask,
                    struct augment_shape shape, const struct augment *augment, uint64_t seed,
                    uint64_t epoch, const char *id)
{
    struct drawn drawn = draw(augment, seed, epoch, id);
    augment_any(image, mask_out, from, true, mask, shape, augment, &drawn);
}
