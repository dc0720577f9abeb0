/* Cases of volumes: read, checked against each other and brought to one grid. Formats decide what a
 * case is. */
#include "data/formats/volumes.h"

#include "base/file.h"
#include "base/memory.h"
#include "data/listing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAME_PLACE        0.05  /* of a voxel: tolerated offset of a mask from its image */
#define FLOAT_COORDINATES 1e-6  /* relative to the distance from the origin */
#define SAME_CLASS        1e-3f /* tolerated distance of a class from a whole number */

/* ---- one case ------------------------------------------------------------------------------- */

struct volumes {
    const struct listing *listing;
    struct volume_spec spec;
    struct voxel_grid grid;       /* of all cases, once they are prepared */
    const struct listed *pattern; /* the case that the grid is taken from; NULL: none */
    int32_t channels;             /* likewise */
    uint32_t classes;
    float *images;
    uint8_t *masks;
};

static int read_one(struct channels *out, struct outcome *outcome, bool mask,
                    const struct listing *listing, const char *file, struct err *err)
{
    char path[PATH_BYTES];
    enum nifti_file at;
    outcome->hard = true;
    outcome->file = NULL;
    TRY(path_join(path, listing->folder, file, err));
    int status = listing->volume(out, &at, mask, listing, path, err);
    if (status && at == NIFTI_UNOPENED)
        return outcome_missing(outcome, file, err);
    outcome->hard = false;
    outcome->file = file;
    return status && at == NIFTI_SECOND ? wrap(err, "its voxels (.img)") : status;
}

static void channels_free(struct channels *channels)
{
    for (int32_t k = 0; k < channels->count; k++)
        volume_free(&channels->items[k]);
    free(channels->items);
}

static void corner_of(double out[3], const struct volume *volume, int corner)
{
    const int32_t last[3] = {volume->w - 1, volume->h - 1, volume->d - 1};
    for (int row = 0; row < 3; row++) {
        const double *m = volume->to_world[row];
        out[row] = m[3];
        for (int i = 0; i < 3; i++)
            out[row] += corner >> i & 1 ? m[i] * last[i] : 0;
    }
}

/* A mask must have exactly the voxels of its image. */
static int check_place(const struct volume *mask, const struct volume *image,
                       const struct listed *one, const char *order, struct err *err)
{
    if (mask->d != image->d || mask->h != image->h || mask->w != image->w)
        return fail_as(err, STATUS_BAD_DATA,
                       "%dx%dx%d voxels (%s), but its image '%s' has %dx%dx%d", mask->w, mask->h,
                       mask->d, order, one->image, image->w, image->h, image->d);
    const double *s = image->spacing;
    double least = fmin(s[0], fmin(s[1], s[2]));
    for (int corner = 0; corner < 8; corner++) {
        double a[3], b[3];
        corner_of(a, mask, corner);
        corner_of(b, image, corner);
        double distance = hypot(hypot(a[0] - b[0], a[1] - b[1]), a[2] - b[2]);
        /* coordinates in a file are float: imprecise for fine voxels far from the origin */
        double exact = FLOAT_COORDINATES * hypot(hypot(b[0], b[1]), b[2]);
        if (!(distance <= fmax(SAME_PLACE * least, exact)))
            return fail_as(err, STATUS_BAD_DATA,
                           "a corner is %.3g mm from that of its image '%s': different sform, "
                           "qform or pixdim",
                           distance, one->image);
    }
    return 0;
}

static int classes_of(uint8_t *out, const struct volume *mask, const struct volumes *v,
                      struct err *err)
{
    size_t count = (size_t)mask->d * (size_t)mask->h * (size_t)mask->w;
    for (size_t i = 0; i < count; i++) {
        float value = mask->voxels[i], whole = roundf(value);
        bool ignored = v->listing->ignore >= 0 && whole == (float)v->listing->ignore;
        /* a slope of 1/255 turns 255 into 0.9999999 */
        if (!(fabsf(value - whole) <= SAME_CLASS) ||
            !(ignored || (whole >= 0 && whole < (float)v->classes))) {
            size_t w = (size_t)mask->w, h = (size_t)mask->h;
            return fail_as(err, STATUS_BAD_DATA,
                           "voxel (%zu, %zu, %zu) (%s) is %g; a class from 0 to %u expected", i % w,
                           i / w % h, i / w / h, v->listing->order, (double)value, v->classes - 1);
        }
        out[i] = ignored ? MASK_IGNORE : (uint8_t)whole;
    }
    return 0;
}

static int64_t labelled(const uint8_t *mask, const int32_t size[3])
{
    int64_t count = 0;
    for (int64_t i = 0; i < (int64_t)size[0] * size[1] * size[2]; i++)
        count += mask[i] != 0 && mask[i] != MASK_IGNORE;
    return count;
}

static size_t voxels_of(const int32_t size[3])
{
    return (size_t)size[0] * (size_t)size[1] * (size_t)size[2];
}

/* From the original grid of its image to the common grid. */
static int place_mask(struct outcome *outcome, uint8_t *out, const struct volumes *v,
                      const struct voxel_grid *to, const struct voxel_grid *from,
                      const uint8_t *classes, struct err *err)
{
    const uint8_t background = 0;
    size_t count = voxels_of(to->size);
    void *respaced;
    TRY(block_alloc(&respaced, count, NULL, err));
    grid_nearest(respaced, to, classes, from);
    grid_place(out, v->grid.size, respaced, to->size, &background, 1);
    outcome->labelled = labelled(respaced, to->size);
    outcome->cut = outcome->labelled - labelled(out, v->grid.size);
    block_free(respaced, count, NULL);
    return 0;
}

static int put_mask(struct outcome *outcome, uint8_t *out, const struct volumes *v,
                    const struct volume *mask, const struct voxel_grid *from, struct err *err)
{
    struct voxel_grid to = *from;
    void *classes;
    TRY(block_alloc(&classes, voxels_of(from->size), NULL, err));
    int status = classes_of(classes, mask, v, err);
    if (!status && v->spec.spacing[0] > 0)
        status = grid_respace(&to, from, v->spec.spacing, err);
    if (!status)
        status = place_mask(outcome, out, v, &to, from, classes, err);
    block_free(classes, voxels_of(from->size), NULL);
    return status;
}

/* Without a size or a spacing all must match the first. */
static int check_grid(struct outcome *outcome, const struct volumes *v, const struct volume *volume,
                      struct err *err)
{
    const struct voxel_grid *all = &v->grid, own = volume_grid(volume);
    for (int i = 0; v->pattern && i < 3; i++) {
        outcome->hard = true;
        if (!spacing_agrees(own.spacing[i], all->spacing[i]))
            return fail_as(err, STATUS_BAD_DATA,
                           "a spacing of %.4gx%.4gx%.4g mm (d, h, w), but '%s' has "
                           "%.4gx%.4gx%.4g; preprocess.spacing resamples volumes to one",
                           own.spacing[0], own.spacing[1], own.spacing[2], v->pattern->image,
                           all->spacing[0], all->spacing[1], all->spacing[2]);
        if (own.size[i] != all->size[i])
            return fail_as(err, STATUS_BAD_DATA,
                           "%dx%dx%d voxels (d, h, w), but '%s' has %dx%dx%d; preprocess.size "
                           "makes volumes equal",
                           own.size[0], own.size[1], own.size[2], v->pattern->image, all->size[0],
                           all->size[1], all->size[2]);
    }
    outcome->hard = false;
    return 0;
}

static int put_channel(struct outcome *outcome, float *out, const struct volumes *v,
                       struct volume *channel, struct err *err)
{
    TRY(volume_prepare(channel, &v->spec, err));
    TRY(check_grid(outcome, v, channel, err));
    size_t count = voxels_of(v->grid.size);
    for (size_t i = 0; i < count; i++)
        out[i * (size_t)v->channels] = channel->voxels[i];
    return 0;
}

static int put_image(struct outcome *outcome, float *out, const struct volumes *v,
                     const struct channels *image, const struct listed *one, struct err *err)
{
    outcome->file = one->image;
    outcome->pixels = volume_hash(image->items, image->count);
    memcpy(outcome->size, volume_grid(image->items).size, sizeof outcome->size);
    outcome->hard = image->count != v->channels;
    if (outcome->hard)
        return fail_as(err, STATUS_BAD_DATA, "%d channels, but the first image has %d",
                       image->count, v->channels);
    for (int32_t k = 0; k < image->count; k++)
        TRY(put_channel(outcome, out + k, v, &image->items[k], err));
    return 0;
}

static int decode_case(struct outcome *outcome, uint32_t index, const void *user, struct err *err)
{
    const struct volumes *v = user;
    const struct listed *one = &v->listing->cases[index];
    size_t voxels = voxels_of(v->grid.size);
    struct channels image = {0}, mask = {0};
    int status = read_one(&image, outcome, false, v->listing, one->image, err);
    if (!status && one->mask) {
        const struct voxel_grid grid = volume_grid(image.items);
        status = read_one(&mask, outcome, true, v->listing, one->mask, err) ||
                 check_place(mask.items, image.items, one, v->listing->order, err) ||
                 put_mask(outcome, v->masks + index * voxels, v, mask.items, &grid, err);
    }
    if (!status)
        status = put_image(outcome, v->images + index * voxels * (size_t)v->channels, v, &image,
                           one, err);
    channels_free(&image);
    channels_free(&mask);
    return status ? -1 : 0;
}

/* ---- all ------------------------------------------------------------------------------------ */

/* Spacings in a file are float: 0.99999994 means 1. Rounds to six decimals or, below a tenth of a
 * mm, to six digits. */
static double rounded(double spacing)
{
    double scale = 1e6;
    while (spacing * scale < 1e5)
        scale *= 10;
    return round(scale * spacing) / scale;
}

/* What the configuration leaves open is taken from the first image that can be read; if none can,
 * anything will do: the first one's error is reported later. */
static void find_grid(struct volumes *v, bool skip_bad)
{
    const struct volume_spec *spec = &v->spec;
    bool sized = spec->size[0] > 0, spaced = spec->spacing[0] > 0;
    v->channels = 1;
    for (int i = 0; i < 3; i++) {
        v->grid.size[i] = sized ? spec->size[i] : 1;
        v->grid.spacing[i] = spaced ? spec->spacing[i] : 1;
    }
    for (uint32_t i = 0; !(sized && spaced) && !v->pattern && i < v->listing->count; i++) {
        struct channels image = {0};
        struct outcome outcome = {0};
        struct err err;
        const struct listed *one = &v->listing->cases[i];
        bool bad = read_one(&image, &outcome, false, v->listing, one->image, &err) ||
                   volume_prepare(image.items, spec, &err);
        if (!bad) {
            v->pattern = one;
            v->channels = image.count;
            v->grid = volume_grid(image.items);
            for (int k = 0; k < 3; k++)
                v->grid.spacing[k] = rounded(v->grid.spacing[k]);
        }
        channels_free(&image);
        if (bad && (outcome.hard || !skip_bad))
            return;
    }
}

int volumes_decode(struct collection *out, const struct listing *listing,
                   const struct treatment *how, struct err *err)
{
    struct volumes v = {.listing = listing, .spec = how->volume, .classes = out->mask_class_count};
    const bool skip_bad = how->fit.skip_bad;
    find_grid(&v, skip_bad);
    const int32_t *size = v.grid.size;
    void *images, *masks = NULL;
    TRY(arena_block(&images, &out->arena, listing->count,
                    voxels_of(size) * (size_t)v.channels * sizeof *v.images, err));
    if (v.classes)
        TRY(arena_block(&masks, &out->arena, listing->count, voxels_of(size), err));
    v.images = images;
    v.masks = masks;
    out->d = size[0];
    out->h = size[1];
    out->w = size[2];
    out->c = v.channels;
    out->pixel = PIXEL_F32;
    if (listing->spaced)
        memcpy(out->spacing, v.grid.spacing, sizeof out->spacing);
    const struct decoding decoding = {
        .skip_bad = skip_bad, .decode = decode_case, .user = &v, .images = images, .masks = masks};
    return listing_decode(out, listing, &decoding, err);
}
