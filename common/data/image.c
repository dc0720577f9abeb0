#include "data/image_parts.h"

#include "base/file.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

int image_new(struct image *out, int64_t h, int64_t w, enum image_form form, struct err *err)
{
    if (h < 1 || w < 1 || h > IMAGE_LARGEST || w > IMAGE_LARGEST || h * w > IMAGE_PIXELS)
        return fail_as(err, STATUS_BAD_DATA,
                       "%lld x %lld pixels; sides must be 1 to %d, with at most %d pixels in all",
                       (long long)w, (long long)h, IMAGE_LARGEST, IMAGE_PIXELS);
    *out = (struct image){
        .h = (int32_t)h, .w = (int32_t)w, .c = form == IMAGE_RGB ? 3 : 1, .orientation = 1};
    out->pixels = xcalloc((size_t)h * (size_t)w, (size_t)out->c);
    return 0;
}

void image_free(struct image *image)
{
    free(image->pixels);
    free(image->palette);
    *image = (struct image){0};
}

void image_put(const struct image *image, enum image_form form, int64_t at, const uint8_t rgb[3])
{
    if (form == IMAGE_RGB)
        memcpy(image->pixels + 3 * at, rgb, 3);
    else
        image->pixels[at] = (uint8_t)((299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2] + 500) / 1000);
}

const char *ground_text(enum image_ground ground)
{
    switch (ground) {
    case GROUND_FILE:
        return "laid over the file's background colour, else black";
    case GROUND_BLACK:
        return "laid over black";
    case GROUND_WHITE:
        return "laid over white";
    case GROUND_NONE:
        return "treated as opaque";
    case GROUND_ERROR:
        break;
    }
    return "refused";
}

static const struct {
    size_t at, length;
    const char *magic, *name;
} others[] = {
    {0, 4, "GIF8", "a GIF"},   {0, 2, "BM", "a BMP"},      {0, 4, "II*\0", "a TIFF"},
    {0, 4, "MM\0*", "a TIFF"}, {8, 4, "WEBP", "a WebP"},   {4, 4, "ftyp", "a HEIF or AVIF"},
    {0, 4, "%PDF", "a PDF"},   {0, 1, "<", "XML or HTML"}, {0, 2, "\x1f\x8b", "a gzip file"},
    {0, 2, "P5", "a PGM"},     {0, 2, "P6", "a PPM"},
};

static int refuse(const uint8_t *bytes, size_t length, struct err *err)
{
    if (!length)
        return fail_as(err, STATUS_BAD_DATA, "an empty file; PNG or JPEG expected");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (length >= others[i].at + others[i].length &&
            memcmp(bytes + others[i].at, others[i].magic, others[i].length) == 0)
            return fail_as(err, STATUS_BAD_DATA, "%s; PNG or JPEG expected", others[i].name);
    return fail_as(err, STATUS_BAD_DATA, "not an image; PNG or JPEG expected");
}

/* The pixels as stored in the file. */
static int decode(struct image *out, enum image_form form, enum image_ground ground,
                  const uint8_t *bytes, size_t length, struct err *err)
{
    static const uint8_t png[] = {137, 'P', 'N', 'G', 13, 10, 26, 10}, jpeg[] = {255, 216, 255};
    *out = (struct image){0};
    if (length >= sizeof png && memcmp(bytes, png, sizeof png) == 0)
        return image_decode_png(out, form, ground, bytes, length, err);
    if (length < sizeof jpeg || memcmp(bytes, jpeg, sizeof jpeg) != 0)
        return refuse(bytes, length, err);
    if (form == IMAGE_INDEX)
        return fail_as(err, STATUS_BAD_DATA,
                       "a JPEG, which does not preserve class indices; PNG expected");
    return image_decode_jpeg(out, form, bytes, length, err);
}

int image_decode(struct image *out, enum image_form form, enum image_ground ground,
                 const uint8_t *bytes, size_t length, struct err *err)
{
    TRY(decode(out, form, ground, bytes, length, err));
    image_turn(out);
    return 0;
}

int image_read(struct image *out, enum image_form form, enum image_ground ground, const char *path,
               struct err *err)
{
    struct mapping map;
    *out = (struct image){0};
    TRY(map_open(&map, path, err));
    int status = image_decode(out, form, ground, map.data, map.length, err);
    map_close(&map);
    return status ? wrap(err, "'%s'", path) : 0;
}
