/* Pictures of a listing: decoded, mask values translated to classes, resized. */
#include "data/listing.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

struct pictures {
    const struct listing *listing;
    struct fit fit; /* with a size */
    int32_t c;      /* of all images */
    bool sized;     /* a size is configured */
    /* the case that size (if not configured) and channels are taken from; NULL: none */
    const struct listed *pattern;
    uint8_t *images, *masks;
    struct findings *findings; /* one per case, in the listing's order */
};
enum { TURNED, TRANSPARENT, ONLY_VOID, KINDS };
/* What is found in a case's files and decided for the set as a whole. */
struct findings {
    /* the image is TURNED by EXIF, has TRANSPARENT pixels; the mask has ONLY_VOID besides 0 */
    bool has[KINDS];
    bool one, white;         /* in a mask of binary values: 1, 255 */
    struct palette *palette; /* of its mask */
};

/* ---- one case ------------------------------------------------------------------------------- */

static int read_picture(struct image *out, struct outcome *outcome, enum image_form form,
                        const struct pictures *pictures, const char *file, struct err *err)
{
    char path[PATH_BYTES];
    struct mapping map;
    outcome->hard = true;
    outcome->file = NULL;
    TRY(path_join(path, pictures->listing->folder, file, err));
    if (map_open(&map, path, err))
        return outcome_missing(outcome, file, err);
    outcome->hard = false;
    outcome->file = file;
    const struct listing *listing = pictures->listing;
    int status =
        listing->picture
            ? listing->picture(out, form == IMAGE_INDEX, listing, map.data, map.length, err)
            : image_decode(out, form, pictures->fit.ground, map.data, map.length, err);
    map_close(&map);
    return status;
}

/* 255 is the foreground as a grey value, not as an index into a palette. */
static int class_of(const struct image *mask, size_t at, const struct mask_values *values)
{
    int value = mask->pixels[at];
    bool is_index = mask->palette && !mask->palette->grey;
    return values->binary && is_index && value == 255 ? -1 : values->becomes[value];
}

/* Translates mask values to classes. */
static int translate(struct findings *found, struct image *mask, const struct image *image,
                     const struct listed *one, struct err *err)
{
    if (mask->h != image->h || mask->w != image->w)
        return fail_as(err, STATUS_BAD_DATA,
                       "%dx%d (height x width), but its image '%s' is %dx%d%s", mask->h, mask->w,
                       one->image, image->h, image->w,
                       image->orientation > 1 ? ", rotated as its EXIF says" : "");
    size_t count = (size_t)mask->h * (size_t)mask->w;
    bool has_one = one->values->binary && memchr(mask->pixels, 1, count),
         has_white = one->values->binary && memchr(mask->pixels, 255, count);
    if (has_one && has_white)
        return fail_as(err, STATUS_BAD_DATA,
                       "has pixels of 1 and of 255, expected one of them for the foreground; "
                       "source.void: 255 if that means no class");
    bool has_void = false, has_class = false;
    for (size_t i = 0; i < count; i++) {
        int class = class_of(mask, i, one->values);
        if (class < 0)
            return fail_as(err, STATUS_BAD_DATA,
                           "the pixel in row %zu, column %zu is %d%s, expected %s",
                           i / (size_t)mask->w, i % (size_t)mask->w, mask->pixels[i],
                           mask->palette && mask->palette->grey ? " (the grey in its palette)" : "",
                           one->values->expected);
        mask->pixels[i] = (uint8_t) class;
        has_void |= class == MASK_IGNORE;
        has_class |= class && class != MASK_IGNORE;
    }
    *found = (struct findings){
        .has = {image->orientation > 1, image->transparent, has_void && !has_class},
        .one = has_one,
        .white = has_white,
        .palette = mask->palette};
    mask->palette = NULL;
    return 0;
}

static int check_size(struct outcome *outcome, const struct pictures *pictures,
                      const struct image *image, struct err *err)
{
    const struct listed *pattern = pictures->pattern;
    outcome->hard = true;
    if (pattern && !pictures->sized && (image->h != pictures->fit.h || image->w != pictures->fit.w))
        return fail_as(
            err, STATUS_BAD_DATA,
            "%dx%d, but '%s' is %dx%d (height x width); preprocess.size resizes images to one",
            image->h, image->w, pattern->image, pictures->fit.h, pictures->fit.w);
    if (image->c != pictures->c)
        return fail_as(err, STATUS_BAD_DATA, "%d channels, but the first image has %d", image->c,
                       pictures->c);
    outcome->hard = false;
    return 0;
}

static int decode_case(struct outcome *outcome, uint32_t index, const void *user, struct err *err)
{
    const struct pictures *pictures = user;
    const struct listed *one = &pictures->listing->cases[index];
    size_t pixels = (size_t)pictures->fit.h * (size_t)pictures->fit.w;
    struct image image = {0}, mask = {0};
    int status = read_picture(&image, outcome, IMAGE_RGB, pictures, one->image, err) ||
                 check_size(outcome, pictures, &image, err) ||
                 read_picture(&mask, outcome, IMAGE_INDEX, pictures, one->mask, err) ||
                 translate(&pictures->findings[index], &mask, &image, one, err);
    if (!status) {
        outcome->size[0] = 1;
        outcome->size[1] = image.h;
        outcome->size[2] = image.w;
        outcome->pixels = image_hash(1, image.h, image.w, image.c, image.pixels);
        fit_case(pictures->images + index * pixels * (size_t)pictures->c,
                 pictures->masks + index * pixels, &pictures->fit, image.pixels, mask.pixels,
                 image.h, image.w, image.c);
    }
    image_free(&image);
    image_free(&mask);
    return status ? -1 : 0;
}

/* All must have the channels and, without a configured size, the size of the first image that can
 * be read. If none can, anything will do: the first one's error is reported later. */
static void find_pattern(struct pictures *pictures)
{
    if (!pictures->sized)
        pictures->fit.h = pictures->fit.w = 1;
    for (uint32_t i = 0; !pictures->pattern && i < pictures->listing->count; i++) {
        struct image image = {0};
        struct outcome outcome = {0};
        struct err err;
        const struct listed *one = &pictures->listing->cases[i];
        if (read_picture(&image, &outcome, IMAGE_RGB, pictures, one->image, &err)) {
            if (outcome.hard || !pictures->fit.skip_bad)
                return;
            continue;
        }
        pictures->pattern = one;
        pictures->c = image.c;
        if (!pictures->sized)
            pictures->fit.h = image.h, pictures->fit.w = image.w;
        image_free(&image);
    }
}

/* ---- all cases ------------------------------------------------------------------------------ */

/* Either 1 or 255, also across a set: one whose void is 255 has masks with only that value. */
static int check_foreground(const struct pictures *pictures, struct err *err)
{
    const struct listing *listing = pictures->listing;
    const char *one = NULL, *white = NULL;
    for (uint32_t i = listing->count; i--;) {
        if (pictures->findings[i].one)
            one = listing->cases[i].mask;
        if (pictures->findings[i].white)
            white = listing->cases[i].mask;
    }
    if (one && white)
        return fail_as(err, STATUS_BAD_DATA,
                       "'%s/%s' has pixels of 1, '%s' of 255, expected the same value for the "
                       "foreground in all masks",
                       listing->folder, one, white);
    return 0;
}

static const char *colour_text(const uint8_t colour[3], struct arena *arena)
{
    return arena_printf(arena, "#%02x%02x%02x", colour[0], colour[1], colour[2]);
}

/* "2 images WHAT, the first 'a.png'", or masks. */
static void note_files(struct collection *out, const struct pictures *pictures, int finding,
                       const char *what)
{
    bool masks = finding == ONLY_VOID;
    uint32_t count = 0;
    const char *first = NULL;
    for (uint32_t i = 0; i < pictures->listing->count; i++)
        if (pictures->findings[i].has[finding] && !count++)
            first = masks ? pictures->listing->cases[i].mask : pictures->listing->cases[i].image;
    if (count)
        collection_note(out,
                        arena_printf(&out->arena, "%u %s%s %s, the first '%s'", count,
                                     masks ? "mask" : "image", count == 1 ? "" : "s", what, first));
}

/* Notes the colours of palette indices, and whether the palettes agree. */
static void note_palettes(struct collection *out, const struct pictures *pictures)
{
    struct listed const *first[256] = {0};
    uint8_t colours[256][3];
    const char *differ = NULL, *all = "";
    uint32_t masks = 0;
    for (uint32_t i = 0; i < pictures->listing->count; i++) {
        const struct listed *one = &pictures->listing->cases[i];
        const struct palette *palette = pictures->findings[i].palette;
        if (!palette || palette->grey)
            continue;
        masks++;
        for (int k = 0; k < palette->count; k++) {
            if (palette->used[k] && !first[k]) {
                first[k] = one;
                memcpy(colours[k], palette->colour[k], sizeof colours[k]);
            } else if (palette->used[k] && !differ && memcmp(colours[k], palette->colour[k], 3)) {
                differ = arena_printf(&out->arena,
                                      "the palettes of the masks differ: %d is %s in '%s' and %s "
                                      "in '%s'",
                                      k, colour_text(colours[k], &out->arena), first[k]->mask,
                                      colour_text(palette->colour[k], &out->arena), one->mask);
            }
        }
    }
    for (int k = 0; k < 256; k++)
        if (first[k])
            all = arena_printf(&out->arena, "%s%s%d %s", all, *all ? ", " : "", k,
                               colour_text(colours[k], &out->arena));
    if (masks)
        collection_note(out, arena_printf(&out->arena,
                                          "%u mask%s of colours from a palette read by index: %s",
                                          masks, masks == 1 ? " is" : "s are", all));
    if (differ)
        collection_note(out, differ);
}

static int read_all(struct collection *out, struct pictures *pictures, struct err *err)
{
    const struct listing *listing = pictures->listing;
    size_t pixels = (size_t)pictures->fit.h * (size_t)pictures->fit.w;
    void *images, *masks;
    TRY(arena_block(&images, &out->arena, listing->count, pixels * (size_t)pictures->c, err));
    TRY(arena_block(&masks, &out->arena, listing->count, pixels, err));
    pictures->images = images;
    pictures->masks = masks;
    const struct decoding how = {.skip_bad = pictures->fit.skip_bad,
                                 .decode = decode_case,
                                 .user = pictures,
                                 .images = images,
                                 .masks = masks};
    TRY(listing_decode(out, listing, &how, err));
    TRY(check_foreground(pictures, err));
    note_files(out, pictures, TURNED, "rotated as EXIF says and viewers show it");
    note_files(out, pictures, TRANSPARENT,
               arena_printf(&out->arena, "with transparent pixels, %s (preprocess.transparent)",
                            ground_text(pictures->fit.ground)));
    note_files(
        out, pictures, ONLY_VOID,
        arena_printf(&out->arena, "with void but no class other than '%s'", out->mask_classes[0]));
    note_palettes(out, pictures);
    return 0;
}

int pictures_decode(struct collection *out, const struct listing *listing,
                    const struct treatment *how, struct err *err)
{
    struct pictures pictures = {
        .listing = listing, .fit = how->fit, .c = 3, .sized = how->fit.h > 0};
    pictures.findings = xcalloc(listing->count, sizeof *pictures.findings);
    if (!pictures.sized || listing->picture) /* image_decode's are of 3 channels */
        find_pattern(&pictures);
    out->d = 1;
    out->h = pictures.fit.h;
    out->w = pictures.fit.w;
    out->c = pictures.c;
    int status = read_all(out, &pictures, err);
    for (uint32_t i = 0; i < listing->count; i++)
        free(pictures.findings[i].palette);
    free(pictures.findings);
    return status;
}
