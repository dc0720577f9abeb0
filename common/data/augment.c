#include "data/augment.h"

#include "base/random.h"

#include <math.h>
#include <stdio.h>

const char *const augmentation_names[AUGMENTATIONS + 1] = {
    "flip",  "flip_vertical", "flip_depth", "crop",       "rotate",
    "scale", "brightness",    "contrast",   "saturation", NULL};

/* ---- what is drawn -------------------------------------------------------------------------- */
/* Of one case in one epoch; without an augmentation its value is the one that changes nothing. */
struct drawn {
    bool flip, flip_vertical, flip_depth;
    double window, down, right; /* share of each side; its centre, from the image's, in sides */
    double angle, zoom;
    float brightness, contrast, saturation;
};

/* In [-limit, limit]; drawn whether or not it is used, so that one augmentation more leaves the
 * others' draws as they were. */
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
    char name[512];
    snprintf(name, sizeof name, "data/augment/%llu/%s", (unsigned long long)epoch, id);
    struct stream s = stream_new(seed, name);
    struct drawn out = {.flip = half(&s, use[AUGMENT_FLIP])};
    out.flip_vertical = half(&s, use[AUGMENT_FLIP_VERTICAL]);
    out.flip_depth = half(&s, use[AUGMENT_FLIP_DEPTH]);
    double smaller = stream_uniform(&s) * (1 - augment->crop);
    out.window = use[AUGMENT_CROP] ? 1 - smaller : 1;
    out.down = either_way(&s, use[AUGMENT_CROP], (1 - out.window) / 2);
    out.right = either_way(&s, use[AUGMENT_CROP], (1 - out.window) / 2);
    out.angle = either_way(&s, use[AUGMENT_ROTATE], augment->rotate * M_PI / 180);
    out.zoom = exp(either_way(&s, use[AUGMENT_SCALE], log1p(augment->scale)));
    out.brightness = (float)(1 + either_way(&s, use[AUGMENT_BRIGHTNESS], augment->brightness));
    out.contrast = (float)(1 + either_way(&s, use[AUGMENT_CONTRAST], augment->contrast));
    out.saturation = (float)(1 + either_way(&s, use[AUGMENT_SATURATION], augment->saturation));
    return out;
}

/* ---- geometry ------------------------------------------------------------------------------- */
/* Where output pixel (y, x) of the h-w plane comes from, in pixel indices:
 * row = at_y + y * y_y + x * y_x, column = at_x + y * x_y + x * x_x. */
struct map {
    double at_y, y_y, y_x, at_x, x_y, x_x;
};

/* About the centre: flip, then turn and zoom, then into the window. */
static struct map map_of(const struct drawn *drawn, int32_t h, int32_t w)
{
    double size = drawn->window / drawn->zoom;
    double c = size * cos(drawn->angle), s = size * sin(drawn->angle);
    double fy = drawn->flip_vertical ? -1 : 1, fx = drawn->flip ? -1 : 1;
    struct map map = {.y_y = c * fy, .y_x = s * fx, .x_y = -s * fy, .x_x = c * fx};
    double y = (h - 1) / 2.0, x = (w - 1) / 2.0;
    map.at_y = y + drawn->down * h - map.y_y * y - map.y_x * x;
    map.at_x = x + drawn->right * w - map.x_y * y - map.x_x * x;
    return map;
}

/* i, reflected at the edges as often as it takes; the edge pixel is doubled. */
static int32_t reflect(int32_t i, int32_t size)
{
    if ((uint32_t)i < (uint32_t)size)
        return i;
    int32_t period = 2 * size;
    i %= period;
    i += i < 0 ? period : 0;
    return i < size ? i : period - 1 - i;
}

struct plane {
    const uint8_t *image, *mask;
    int32_t h, w, c;
};

static void sample_image(float *out, const struct plane *from, double y, double x)
{
    double top = floor(y), left = floor(x);
    float v = (float)(y - top), u = (float)(x - left);
    int32_t y0 = reflect((int32_t)top, from->h), y1 = reflect((int32_t)top + 1, from->h);
    int32_t x0 = reflect((int32_t)left, from->w), x1 = reflect((int32_t)left + 1, from->w);
    const uint8_t *a = from->image + ((int64_t)y0 * from->w + x0) * from->c;
    const uint8_t *b = from->image + ((int64_t)y0 * from->w + x1) * from->c;
    const uint8_t *c = from->image + ((int64_t)y1 * from->w + x0) * from->c;
    const uint8_t *d = from->image + ((int64_t)y1 * from->w + x1) * from->c;
    for (int32_t k = 0; k < from->c; k++) {
        float upper = (float)a[k] + u * ((float)b[k] - (float)a[k]);
        float lower = (float)c[k] + u * ((float)d[k] - (float)c[k]);
        out[k] = (upper + v * (lower - upper)) / 255.0f;
    }
}

static void warp(float *image, int32_t *mask, const struct plane *from, const struct map *map)
{
    for (int32_t i = 0; i < from->h; i++)
        for (int32_t j = 0; j < from->w; j++, image += from->c) {
            double y = map->at_y + i * map->y_y + j * map->y_x;
            double x = map->at_x + i * map->x_y + j * map->x_x;
            sample_image(image, from, y, x);
            if (!mask)
                continue;
            int32_t row = reflect((int32_t)floor(y + 0.5), from->h);
            int32_t column = reflect((int32_t)floor(x + 0.5), from->w);
            *mask++ = from->mask[(int64_t)row * from->w + column];
        }
}

/* Without turning or scaling every pixel is one pixel of the image. */
static void copy(float *image, int32_t *mask, const struct plane *from, const struct drawn *drawn)
{
    for (int32_t i = 0; i < from->h; i++)
        for (int32_t j = 0; j < from->w; j++, image += from->c) {
            int32_t row = drawn->flip_vertical ? from->h - 1 - i : i;
            int64_t at = (int64_t)row * from->w + (drawn->flip ? from->w - 1 - j : j);
            for (int32_t k = 0; k < from->c; k++)
                image[k] = (float)from->image[at * from->c + k] / 255.0f;
            if (mask)
                *mask++ = from->mask[at];
        }
}

/* ---- colour --------------------------------------------------------------------------------- */
static void brighten_and_contrast(float *image, int64_t count, const struct drawn *drawn)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += (double)image[i];
    float mean = (float)(sum / (double)count) * drawn->brightness;
    for (int64_t i = 0; i < count; i++)
        image[i] = mean + drawn->contrast * (drawn->brightness * image[i] - mean);
}

/* The luma of ITU-R BT.601. */
static void saturate(float *image, int64_t pixels, float saturation)
{
    for (int64_t i = 0; i < pixels; i++, image += 3) {
        float luma = 0.299f * image[0] + 0.587f * image[1] + 0.114f * image[2];
        for (int k = 0; k < 3; k++)
            image[k] = luma + saturation * (image[k] - luma);
    }
}

static void colour(float *image, const struct augment_shape *shape, const struct augment *augment,
                   const struct drawn *drawn)
{
    int64_t pixels = (int64_t)shape->d * shape->h * shape->w, count = pixels * shape->c;
    bool tone = augment->use[AUGMENT_BRIGHTNESS] || augment->use[AUGMENT_CONTRAST];
    bool chroma = augment->use[AUGMENT_SATURATION] && shape->c == 3;
    if (tone)
        brighten_and_contrast(image, count, drawn);
    if (chroma)
        saturate(image, pixels, drawn->saturation);
    for (int64_t i = 0; (tone || chroma) && i < count; i++)
        image[i] = image[i] < 0 ? 0 : image[i] > 1 ? 1 : image[i];
}

void augment_case(float *image, int32_t *mask_out, const uint8_t *from, const uint8_t *mask,
                  struct augment_shape shape, const struct augment *augment, uint64_t seed,
                  uint64_t epoch, const char *id)
{
    struct drawn drawn = draw(augment, seed, epoch, id);
    struct map map = map_of(&drawn, shape.h, shape.w);
    const bool *use = augment->use;
    bool warps = use[AUGMENT_CROP] || use[AUGMENT_ROTATE] || use[AUGMENT_SCALE];
    int64_t pixels = (int64_t)shape.h * shape.w;
    for (int32_t i = 0; i < shape.d; i++) {
        int64_t slice = drawn.flip_depth ? shape.d - 1 - i : i;
        struct plane plane = {from + slice * pixels * shape.c, mask ? mask + slice * pixels : NULL,
                              shape.h, shape.w, shape.c};
        float *to = image + i * pixels * shape.c;
        int32_t *mask_to = mask ? mask_out + i * pixels : NULL;
        if (warps)
            warp(to, mask_to, &plane, &map);
        else
            copy(to, mask_to, &plane, &drawn);
    }
    colour(image, &shape, augment, &drawn);
}
