/*
 * Labelled shapes with masks, drawn from a seed: `classes` kinds (disc, ring, square, cross,
 * triangle, ...; at most 10) with random position, size, tilt and grey level, antialiased, on
 * black. size x size x 1. A case depends only on the seed and its id: asking for more cases changes
 * none, and every machine draws the same bytes.
 *
 * Shapes are signed distances to their outline (negative inside), in pixels, y downwards; a pixel's
 * coverage is its distance clamped to one pixel's width. Only + - * / and square roots, whose
 * rounding IEEE 754 defines, and tilts by a rational rotation, so that the bytes are the same
 * everywhere.
 */
#include "data/formats/formats.h"

#include "base/random.h"
#include "base/stop.h"
#include "base/text.h"

#include <math.h>
#include <string.h>

static double box(double x, double y, double half_width, double half_height)
{
    return fmax(fabs(x) - half_width, fabs(y) - half_height);
}

static double disc(double x, double y, double r)
{
    return sqrt(x * x + y * y) - r;
}

static double ring(double x, double y, double r)
{
    return fabs(disc(x, y, 0.76 * r)) - 0.2 * r;
}

static double square(double x, double y, double r)
{
    return box(x, y, 0.8 * r, 0.8 * r);
}

static double plus(double x, double y, double r)
{
    return fmin(box(x, y, r, 0.26 * r), box(x, y, 0.26 * r, r));
}

static double cross(double x, double y, double r)
{
    double s = sqrt(0.5);
    return plus(s * (x + y), s * (x - y), r);
}

static double triangle(double x, double y, double r)
{
    return fmax(y, sqrt(0.75) * fabs(x) - 0.5 * y) - 0.5 * r;
}

static double diamond(double x, double y, double r)
{
    double width = 0.7; /* relative to its height */
    return (fabs(x) + width * (fabs(y) - r)) / sqrt(1 + width * width);
}

static double bar(double x, double y, double r)
{
    return box(x, y, 0.28 * r, r);
}

static double crescent(double x, double y, double r)
{
    return fmax(disc(x, y, r), -disc(x - 0.5 * r, y, 0.8 * r));
}

static double frame(double x, double y, double r)
{
    return fabs(box(x, y, 0.66 * r, 0.66 * r)) - 0.15 * r;
}

static const struct {
    const char *name;
    double (*distance)(double x, double y, double r);
} kinds[] = {{"disc", disc},         {"ring", ring},       {"square", square}, {"cross", cross},
             {"triangle", triangle}, {"diamond", diamond}, {"plus", plus},     {"bar", bar},
             {"crescent", crescent}, {"frame", frame}};
enum { KINDS = sizeof kinds / sizeof *kinds, MIN_SIZE = 8, MAX_SIZE = 1024 };

static double between(struct stream *stream, double low, double high)
{
    return low + (high - low) * stream_uniform(stream);
}

static void draw(uint8_t *image, uint8_t *mask, int32_t size, int32_t kind, struct stream *stream)
{
    double r = size * between(stream, 0.25, 0.33);
    double cx = size * between(stream, 0.4, 0.6), cy = size * between(stream, 0.4, 0.6);
    double t = between(stream, -0.13, 0.13); /* tangent of half the tilt: 15 degrees at most */
    double cosine = (1 - t * t) / (1 + t * t), sine = 2 * t / (1 + t * t);
    double white = 255 * between(stream, 0.7, 1);
    for (int32_t i = 0; i < size; i++)
        for (int32_t j = 0; j < size; j++) {
            double x = j + 0.5 - cx, y = i + 0.5 - cy;
            double distance = kinds[kind].distance(cosine * x + sine * y, cosine * y - sine * x, r);
            double cover = fmin(fmax(0.5 - distance, 0), 1);
            image[i * size + j] = (uint8_t)(white * cover + 0.5);
            mask[i * size + j] = cover >= 0.5;
        }
}

static int check(int64_t size, int64_t classes, int64_t train, int64_t test, struct err *err)
{
    if (size < MIN_SIZE || size > MAX_SIZE)
        return fail_as(err, STATUS_CONFIG, "shapes of %lld pixels: the size must be %d to %d",
                       (long long)size, MIN_SIZE, MAX_SIZE);
    if (classes < 1 || classes > KINDS)
        return fail_as(err, STATUS_CONFIG, "1 to %d classes of shapes expected, not %lld", KINDS,
                       (long long)classes);
    int64_t limit = ((int64_t)1 << 32) / (size * size); /* 4 GiB of images */
    if (train < 0 || test < 0 || train > limit || test > limit - train || train + test < 1)
        return fail_as(err, STATUS_CONFIG,
                       "%lld train and %lld test shapes: together they must be 1 to %lld",
                       (long long)train, (long long)test, (long long)limit);
    return 0;
}

static const char **names(struct arena *arena, uint32_t count)
{
    const char **out = arena_alloc(arena, count * sizeof *out);
    for (uint32_t i = 0; i < count; i++)
        out[i] = kinds[i].name;
    return out;
}

int shapes_make(struct collection *out, int64_t size, int64_t classes, int64_t train, int64_t test,
                uint64_t seed, struct err *err)
{
    *out = (struct collection){0};
    TRY(check(size, classes, train, test, err));
    struct arena *arena = &out->arena;
    uint32_t count = (uint32_t)(train + test);
    size_t pixels = (size_t)(size * size);
    void *images, *masks;
    if (arena_block(&images, arena, count, pixels, err) ||
        arena_block(&masks, arena, count, pixels, err)) {
        collection_free(out);
        return -1;
    }
    struct id *hashes = arena_alloc(arena, count * sizeof *hashes);
    out->d = out->c = 1;
    out->h = out->w = (int32_t)size;
    out->class_count = (uint32_t)classes;
    out->classes = names(arena, out->class_count);
    out->mask_class_count = 2;
    out->mask_classes = arena_alloc(arena, 2 * sizeof *out->mask_classes);
    out->mask_classes[0] = "background";
    out->mask_classes[1] = "foreground";
    out->cases = arena_alloc(arena, count * sizeof *out->cases);
    for (uint32_t i = 0; i < count; i++) {
        if (stop_obey(err)) {
            collection_free(out);
            return -1;
        }
        enum split split = i < train ? SPLIT_TRAIN : SPLIT_TEST;
        uint32_t number = split == SPLIT_TRAIN ? i : i - (uint32_t)train;
        struct raw_case *one = &out->cases[out->count++];
        uint8_t *image = (uint8_t *)images + i * pixels, *mask = (uint8_t *)masks + i * pixels;
        *one = (struct raw_case){.id = arena_printf(arena, "%s-%05u", split_names[split], number),
                                 .split = split,
                                 .label = (int32_t)(number % out->class_count),
                                 .pixels = &hashes[i],
                                 .image = image,
                                 .mask = mask};
        struct stream stream = stream_new(seed, one->id);
        draw(image, mask, out->h, one->label, &stream);
        hashes[i] = image_hash(1, out->h, out->w, 1, image);
    }
    return 0;
}

/* ---- the format ----------------------------------------------------------------------------- */

struct keys {
    int64_t size, classes, train, test, seed;
};

static int read_shapes(struct collection *out, const char *folder, const void *own, struct err *err)
{
    const struct keys *keys = own;
    (void)folder;
    return shapes_make(out, keys->size, keys->classes, keys->train, keys->test,
                       (uint64_t)keys->seed, err);
}

#define AT(member) FIELD_INT, offsetof(struct keys, member)
static const struct field fields[] = {
    {"size", AT(size), "28", "side of an image in pixels", .min = 8, .max = 256},
    {"classes", AT(classes), "10", "number of kinds of shapes", .min = 2, .max = KINDS},
    {"train", AT(train), "6000", "training cases", .min = 1, .max = 1000000},
    {"test", AT(test), "1000", "test cases", .min = 1, .max = 1000000},
    {"seed", AT(seed), "0", "seed of the drawing", .min = 0, .max = INT32_MAX},
    {0},
};
const struct format shapes_format = {
    .keys = {"shapes", "labelled shapes, drawn from a seed", fields, sizeof(struct keys)},
    .read = read_shapes,
};
