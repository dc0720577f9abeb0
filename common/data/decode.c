/*
 * From a listing to a collection. Threads take the cases in the listing's order and write each to
 * its own slot; of several failures the first in that order is reported, which every case before
 * the one that stopped the others has had its chance to be.
 */
#include "data/listing.h"

#include "base/file.h"
#include "base/threads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { CHANNELS = 3, MAX_THREADS = 64 };

/* What became of a case. */
struct outcome {
    bool failed, hard; /* hard: not the file's fault, nothing that could be skipped */
    enum status status;
    const char *file; /* of the listing: image or mask; NULL: the text says it all */
    char *text;       /* freed with the job */
    struct id pixels;
    int32_t h, w;
};

struct job {
    const struct listing *listing;
    struct fit fit;               /* with a size */
    const struct listed *pattern; /* the size is this one's, and all have to have it; NULL: no */
    uint8_t *images, *masks;
    struct outcome *outcomes;
    _Atomic uint32_t next;
    _Atomic bool stop;
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

static int check_size(struct outcome *outcome, const struct job *job, const struct image *image,
                      struct err *err)
{
    if (!job->pattern || (image->h == job->fit.h && image->w == job->fit.w))
        return 0;
    outcome->hard = true;
    return fail_as(err, STATUS_BAD_DATA,
                   "%dx%d, but '%s' is %dx%d (height x width); a size brings images to one",
                   image->h, image->w, job->pattern->image, job->fit.h, job->fit.w);
}

static int decode_case(struct outcome *outcome, const struct job *job, uint32_t index,
                       struct err *err)
{
    const struct listed *one = &job->listing->cases[index];
    size_t pixels = (size_t)job->fit.h * (size_t)job->fit.w;
    struct image image = {0}, mask = {0};
    int status = read_picture(&image, outcome, IMAGE_RGB, job->listing, one->image, err) ||
                 check_size(outcome, job, &image, err) ||
                 read_picture(&mask, outcome, IMAGE_INDEX, job->listing, one->mask, err) ||
                 translate(&mask, &image, one, err);
    if (!status) {
        outcome->h = image.h;
        outcome->w = image.w;
        outcome->pixels = image_hash(1, image.h, image.w, image.c, image.pixels);
        fit_case(job->images + index * pixels * CHANNELS, job->masks + index * pixels, &job->fit,
                 image.pixels, mask.pixels, image.h, image.w, image.c);
    }
    image_free(&image);
    image_free(&mask);
    return status ? -1 : 0;
}

static void keep_failure(struct outcome *outcome, const struct err *err)
{
    outcome->failed = true;
    outcome->status = err->status;
    outcome->hard |= err->status != STATUS_BAD_DATA;
    outcome->text = xstrdup(err->text);
}

/* ---- all of them ---------------------------------------------------------------------------- */

static void *work(void *argument)
{
    struct job *job = argument;
    while (!atomic_load(&job->stop)) {
        uint32_t index = atomic_fetch_add(&job->next, 1);
        if (index >= job->listing->count)
            break;
        struct outcome *outcome = &job->outcomes[index];
        struct err err;
        if (decode_case(outcome, job, index, &err)) {
            keep_failure(outcome, &err);
            if (outcome->hard || !job->fit.skip_bad)
                atomic_store(&job->stop, true);
        }
    }
    return NULL;
}

static void decode_all(struct job *job)
{
    pthread_t threads[MAX_THREADS];
    int most = threads_available(), started = 0;
    if (most > MAX_THREADS)
        most = MAX_THREADS;
    /* one of the threads is this one: with none to be had it does all */
    while (started < most - 1 && !pthread_create(&threads[started], NULL, work, job))
        started++;
    work(job);
    while (started)
        pthread_join(threads[--started], NULL);
}

static int fail_case(const struct job *job, const struct outcome *outcome, struct err *err)
{
    if (!outcome->file)
        return fail_as(err, outcome->status, "%s", outcome->text);
    return fail_as(err, outcome->status, "'%s/%s': %s", job->listing->folder, outcome->file,
                   outcome->text);
}

static void skip(struct collection *out, const struct listed *one, const struct outcome *outcome)
{
    /* no folder in it: it becomes part of an artifact */
    out->skipped[out->skipped_count++] = (struct skipped_case){
        .id = one->id,
        .reason = arena_printf(&out->arena, "'%s': %s", outcome->file, outcome->text)};
}

static void keep(struct collection *out, const struct job *job, uint32_t index)
{
    const struct listed *one = &job->listing->cases[index];
    const struct outcome *outcome = &job->outcomes[index];
    size_t pixels = (size_t)out->h * (size_t)out->w;
    struct id *hash = arena_alloc(&out->arena, sizeof *hash);
    *hash = outcome->pixels;
    out->cases[out->count++] = (struct raw_case){.id = one->id,
                                                 .split = one->split,
                                                 .label = one->label,
                                                 .pixels = hash,
                                                 .size = {1, outcome->h, outcome->w},
                                                 .image = job->images + index * pixels * CHANNELS,
                                                 .mask = job->masks + index * pixels};
}

static int check_splits(const struct collection *out, const struct job *job, struct err *err)
{
    uint32_t kept[SPLITS] = {0};
    for (uint32_t i = 0; i < out->count; i++)
        kept[out->cases[i].split]++;
    for (uint32_t i = 0; i < job->listing->count; i++) {
        enum split split = job->listing->cases[i].split;
        const struct outcome *outcome = &job->outcomes[i];
        if (!kept[split])
            return fail_as(err, STATUS_BAD_DATA,
                           "no case of split '%s' can be read, the first because of '%s/%s': %s",
                           split_names[split], job->listing->folder, outcome->file, outcome->text);
    }
    return 0;
}

static int gather(struct collection *out, const struct job *job, struct err *err)
{
    const struct listing *listing = job->listing;
    out->cases = arena_alloc(&out->arena, listing->count * sizeof *out->cases);
    out->skipped = arena_alloc(&out->arena, listing->count * sizeof *out->skipped);
    for (uint32_t i = 0; i < listing->count; i++) {
        const struct outcome *outcome = &job->outcomes[i];
        if (!outcome->failed)
            keep(out, job, i);
        else if (outcome->hard || !job->fit.skip_bad)
            return fail_case(job, outcome, err);
        else
            skip(out, &listing->cases[i], outcome);
    }
    return check_splits(out, job, err);
}

/* Without a size all have that of the first image that can be read. If none can, any will do: what
 * is wrong with the first comes out on the way. */
static void find_size(struct job *job)
{
    job->fit.h = job->fit.w = 1;
    for (uint32_t i = 0; !job->pattern && i < job->listing->count; i++) {
        struct image image = {0};
        struct outcome outcome = {0};
        struct err err;
        const struct listed *one = &job->listing->cases[i];
        if (read_picture(&image, &outcome, IMAGE_RGB, job->listing, one->image, &err)) {
            if (outcome.hard || !job->fit.skip_bad)
                return;
            continue;
        }
        job->pattern = one;
        job->fit.h = image.h;
        job->fit.w = image.w;
        image_free(&image);
    }
}

int listing_read(struct collection *out, const struct listing *listing, const struct fit *fit,
                 struct err *err)
{
    struct job job = {.listing = listing, .fit = *fit};
    if (!fit->h)
        find_size(&job);
    size_t pixels = (size_t)job.fit.h * (size_t)job.fit.w;
    out->d = 1;
    out->h = job.fit.h;
    out->w = job.fit.w;
    out->c = CHANNELS;
    job.images = arena_alloc(&out->arena, listing->count * pixels * CHANNELS);
    job.masks = arena_alloc(&out->arena, listing->count * pixels);
    job.outcomes = xcalloc(listing->count, sizeof *job.outcomes);
    decode_all(&job);
    int status = gather(out, &job, err);
    for (uint32_t i = 0; i < listing->count; i++)
        free(job.outcomes[i].text);
    free(job.outcomes);
    return status;
}
