/* Pictures of a listing: decoded, masks translated, brought to a size. */
#include "data/listing.h"

#include "base/file.h"

#include <string.h>

enum { CHANNELS = 3 };

struct pictures {
    const struct listing *listing;
    struct fit fit;               /* with a size */
    const struct listed *pattern; /* the size is this one's, and all have to have it; NULL: no */
    uint8_t *images, *masks;
};

/* ---- one case ------------------------------------------------------------------------------- */

static int read_picture(struct image *out, struct outcome *outcome, enum image_form form,
                        const struct listing *listing, const char *file, struct err *err)
{
    char path[PATH_BYTES];
    struct mapping map;
    outcome->hard = true;
    outcome->file = NULL;
    TRY(path_join(path, listing->folder, file, err));
    TRY(map_open(&map, path, err));
    outcome->hard = false;
    outcome->file = file;
    int status = image_decode(out, form, map.data, map.length, err);
    map_close(&map);
    return status;
}

/* Mask values become classes. */
static int translate(struct image *mask, const struct image *image, const struct listed *one,
                     struct err *err)
{
    if (mask->h != image->h || mask->w != image->w)
        return fail_as(err, STATUS_BAD_DATA, "%dx%d (height x width), but its image '%s' is %dx%d",
                       mask->h, mask->w, one->image, image->h, image->w);
    size_t count = (size_t)mask->h * (size_t)mask->w;
    if (one->values->binary && memchr(mask->pixels, 1, count) && memchr(mask->pixels, 255, count))
        return fail_as(err, STATUS_BAD_DATA,
                       "has pixels of 1 and of 255, expected one of them for the foreground");
    for (size_t i = 0; i < count; i++) {
        int class = one->values->becomes[mask->pixels[i]];
        if (class < 0)
            return fail_as(
                err, STATUS_BAD_DATA, "the pixel in row %zu, column %zu is %d, expected %s",
                i / (size_t)mask->w, i % (size_t)mask->w, mask->pixels[i], one->values->expected);
        mask->pixels[i] = (uint8_t) class;
    }
    return 0;
}

static int check_size(struct outcome *outcome, const struct pictures *pictures,
                      const struct image *image, struct err *err)
{
    if (!pictures->pattern || (image->h == pictures->fit.h && image->w == pictures->fit.w))
        return 0;
    outcome->hard = true;
    return fail_as(err, STATUS_BAD_DATA,
                   "%dx%d, but '%s' is %dx%d (height x width); a size brings images to one",
                   image->h, image->w, pictures->pattern->image, pictures->fit.h, pictures->fit.w);
}

static int decode_case(struct outcome *outcome, uint32_t index, const void *user, struct err *err)
{
    const struct pictures *pictures = user;
    const struct listed *one = &pictures->listing->cases[index];
    size_t pixels = (size_t)pictures->fit.h * (size_t)pictures->fit.w;
    struct image image = {0}, mask = {0};
    int status = read_picture(&image, outcome, IMAGE_RGB, pictures->listing, one->image, err) ||
                 check_size(outcome, pictures, &image, err) ||
                 read_picture(&mask, outcome, IMAGE_INDEX, pictures->listing, one->mask, err) ||
                 translate(&mask, &image, one, err);
    if (!status) {
        outcome->size[0] = 1;
        outcome->size[1] = image.h;
        outcome->size[2] = image.w;
        outcome->pixels = image_hash(1, image.h, image.w, image.c, image.pixels);
        fit_case(pictures->images + index * pixels * CHANNELS, pictures->masks + index * pixels,
                 &pictures->fit, image.pixels, mask.pixels, image.h, image.w, image.c);
    }
    image_free(&image);
    image_free(&mask);
    return status ? -1 : 0;
}

/* Without a size all have that of the first image that can be read. If none can, any will do: what
 * is wrong with the first comes out on the way. */
static void find_size(struct pictures *pictures)
{
    pictures->fit.h = pictures->fit.w = 1;
    for (uint32_t i = 0; !pictures->pattern && i < pictures->listing->count; i++) {
        struct image image = {0};
        struct outcome outcome = {0};
        struct err err;
        const struct listed *one = &pictures->listing->cases[i];
        if (read_picture(&image, &outcome, IMAGE_RGB, pictures->listing, one->image, &err)) {
            if (outcome.hard || !pictures->fit.skip_bad)
                return;
            continue;
        }
        pictures->pattern = one;
        pictures->fit.h = image.h;
        pictures->fit.w = image.w;
        image_free(&image);
    }
}

int listing_read(struct collection *out, const struct listing *listing, const struct fit *fit,
                 struct err *err)
{
    struct pictures pictures = {.listing = listing, .fit = *fit};
    if (!fit->h)
        find_size(&pictures);
    size_t pixels = (size_t)pictures.fit.h * (size_t)pictures.fit.w;
    out->d = 1;
    out->h = pictures.fit.h;
    out->w = pictures.fit.w;
    out->c = CHANNELS;
    pictures.images = arena_alloc(&out->arena, listing->count * pixels * CHANNELS);
    pictures.masks = arena_alloc(&out->arena, listing->count * pixels);
    const struct decoding how = {.skip_bad = fit->skip_bad,
                                 .decode = decode_case,
                                 .user = &pictures,
                                 .images = pictures.images,
                                 .masks = pictures.masks};
    return listing_decode(out, listing, &how, err);
}
