/*
 * From a listing to a collection. Threads take the cases in the listing's order and write each to
 * its own slot. Of several failures the first in that order is reported: all cases before the one
 * that stopped the others are decoded too.
 */
#include "data/listing.h"

#include "base/stop.h"
#include "base/threads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_THREADS = 64 };

struct job {
    const struct listing *listing;
    const struct decoding *how;
    struct outcome *outcomes;
    _Atomic uint32_t next;
    _Atomic bool stop;
};

static void keep_failure(struct outcome *outcome, const struct err *err)
{
    outcome->failed = true;
    outcome->status = err->status;
    outcome->hard |= err->status != STATUS_BAD_DATA && err->status != STATUS_MISSING;
    outcome->text = xstrdup(err->text);
}

int outcome_missing(struct outcome *outcome, const char *file, struct err *err)
{
    if (err->status != STATUS_MISSING)
        return -1;
    outcome->hard = false;
    outcome->file = file;
    return fail_as(err, STATUS_MISSING, "does not exist");
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
        if (stop_obey(&err) || job->how->decode(outcome, index, job->how->user, &err)) {
            keep_failure(outcome, &err);
            if (outcome->hard || !job->how->skip_bad)
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
    /* this thread works too: if none can be started it does all */
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
    if (outcome->status == STATUS_MISSING)
        return missing_file(outcome->file, job->listing->folder, job->listing->fetch, err);
    return fail_as(err, outcome->status, "'%s/%s': %s", job->listing->folder, outcome->file,
                   outcome->text);
}

static void skip(struct collection *out, const struct listed *one, const struct outcome *outcome)
{
    /* without the folder: it becomes part of an artifact */
    out->skipped[out->skipped_count++] = (struct skipped_case){
        .id = one->id,
        .reason = arena_printf(&out->arena, "'%s': %s", outcome->file, outcome->text)};
}

static void keep(struct collection *out, const struct job *job, uint32_t index)
{
    const struct listed *one = &job->listing->cases[index];
    const struct outcome *outcome = &job->outcomes[index];
    const struct decoding *how = job->how;
    size_t voxels = (size_t)out->d * (size_t)out->h * (size_t)out->w;
    size_t bytes = voxels * (size_t)out->c * pixel_size(out->pixel);
    struct id *hash = arena_alloc(&out->arena, sizeof *hash);
    *hash = outcome->pixels;
    struct raw_case *kept = &out->cases[out->count++];
    *kept = (struct raw_case){.id = one->id,
                              .split = one->split,
                              .label = one->label,
                              .pixels = hash,
                              .image = (const uint8_t *)how->images + index * bytes,
                              .mask = how->masks ? how->masks + index * voxels : NULL};
    kept->labelled = outcome->labelled;
    kept->cut = outcome->cut;
    memcpy(kept->size, outcome->size, sizeof kept->size);
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
            return fail_as(err, outcome->status,
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
        else if (outcome->hard || !job->how->skip_bad)
            return fail_case(job, outcome, err);
        else
            skip(out, &listing->cases[i], outcome);
    }
    return check_splits(out, job, err);
}

int listing_decode(struct collection *out, const struct listing *listing,
                   const struct decoding *how, struct err *err)
{
    struct job job = {.listing = listing, .how = how};
    job.outcomes = xcalloc(listing->count, sizeof *job.outcomes);
    decode_all(&job);
    int status = gather(out, &job, err);
    for (uint32_t i = 0; i < listing->count; i++)
        free(job.outcomes[i].text);
    free(job.outcomes);
    return status;
}
