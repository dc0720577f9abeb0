/*
 * A ring of batches: one is in the caller's hands, one is ready or being filled by the loader's
 * thread, one absorbs jitter. Which cases a batch holds is a function of its number alone, so
 * starting at any batch costs nothing.
 */
#include "data/data.h"

#include "base/random.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 3, MAX_BATCH = 65536 };

struct loader {
    const struct dataset *dataset;
    struct loader_spec spec;
    uint32_t begin, count; /* cases of the split */
    size_t pixels;         /* d*h*w */
    float unit[256];       /* x / 255 */
    struct meter *meter;
    void *block;
    size_t bytes;
    struct batch slots[SLOTS];
    uint32_t *order; /* the permutation of order_epoch; shuffling only */
    uint64_t order_epoch;
    uint64_t first, end; /* batch numbers: where this loader starts, one past its last */

    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint64_t filled, taken; /* batches below these are filled; have been handed out */
    bool stop;
};

/* ---- memory --------------------------------------------------------------------------------- */

/* Takes `bytes` at *used of base, 64-byte aligned; a NULL base only counts. */
static void *take(uint8_t *base, size_t *used, size_t bytes)
{
    void *p = base ? base + *used : NULL;
    *used += (bytes + 63) / 64 * 64;
    return p;
}

/* Lays everything out from base on; slots may be NULL. Returns the bytes needed. */
static size_t lay_out(struct batch slots[SLOTS], uint32_t **order, uint8_t *base,
                      const struct dataset *dataset, const struct loader_spec *spec)
{
    size_t used = 0, cases = spec->batch;
    size_t pixels = (size_t)dataset->d * (size_t)dataset->h * (size_t)dataset->w;
    for (int i = 0; i < SLOTS; i++) {
        slots[i].image = take(base, &used, cases * pixels * (size_t)dataset->c * sizeof(float));
        slots[i].label = take(base, &used, cases * sizeof(int32_t));
        slots[i].mask = dataset->masks ? take(base, &used, cases * pixels * sizeof(int32_t)) : NULL;
        slots[i].weight = take(base, &used, cases * sizeof(float));
        slots[i].index = take(base, &used, cases * sizeof(uint32_t));
    }
    if (spec->shuffle)
        *order = take(base, &used, dataset->count[spec->split] * sizeof(uint32_t));
    return used;
}

size_t loader_bytes(const struct dataset *dataset, const struct loader_spec *spec)
{
    struct batch slots[SLOTS];
    uint32_t *order;
    return lay_out(slots, &order, NULL, dataset, spec);
}

/* ---- filling -------------------------------------------------------------------------------- */

static void permute(struct loader *loader, uint64_t epoch)
{
    char name[48];
    snprintf(name, sizeof name, "data/order/%llu", (unsigned long long)epoch);
    struct stream stream = stream_new(loader->spec.seed, name);
    for (uint32_t i = 0; i < loader->count; i++)
        loader->order[i] = i;
    stream_shuffle(&stream, loader->order, loader->count);
    loader->order_epoch = epoch;
}

/* The case at a position of the endless stream, or of the split. */
static uint32_t case_at(struct loader *loader, uint64_t position)
{
    if (!loader->spec.shuffle)
        return loader->begin + (uint32_t)position;
    uint64_t epoch = position / loader->count;
    if (epoch != loader->order_epoch)
        permute(loader, epoch);
    return loader->begin + loader->order[position % loader->count];
}

static void fill_pixels(const struct loader *loader, float *image, int32_t *mask, uint32_t index,
                        uint64_t epoch)
{
    const struct dataset *dataset = loader->dataset;
    size_t size = loader->pixels * (size_t)dataset->c;
    const uint8_t *from = dataset->images + index * size;
    const uint8_t *class = dataset->masks ? dataset->masks + index * loader->pixels : NULL;
    if (loader->spec.augment) {
        struct augment_shape shape = {dataset->d, dataset->h, dataset->w, dataset->c};
        augment_case(image, mask, from, class, shape, loader->spec.augment, loader->spec.seed,
                     epoch, dataset->ids[index]);
        return;
    }
    for (size_t i = 0; i < size; i++)
        image[i] = loader->unit[from[i]];
    for (size_t i = 0; class && i < loader->pixels; i++)
        mask[i] = class[i];
}

static void fill_case(const struct loader *loader, const struct batch *batch, uint32_t slot,
                      uint32_t index, uint64_t epoch)
{
    const struct dataset *dataset = loader->dataset;
    float *image = (float *)batch->image + slot * loader->pixels * (size_t)dataset->c;
    int32_t *mask = dataset->masks ? (int32_t *)batch->mask + slot * loader->pixels : NULL;
    fill_pixels(loader, image, mask, index, epoch);
    ((int32_t *)batch->label)[slot] = dataset->labels ? dataset->labels[index] : 0;
    ((uint32_t *)batch->index)[slot] = index;
}

static void fill(struct loader *loader, uint64_t number)
{
    struct batch *batch = &loader->slots[number % SLOTS];
    uint64_t position = number * loader->spec.batch, left = loader->count - position;
    bool whole = loader->spec.shuffle || left >= loader->spec.batch;
    batch->real = whole ? loader->spec.batch : (uint32_t)left;
    batch->epoch = position / loader->count;
    for (uint32_t i = 0; i < loader->spec.batch; i++) {
        bool real = i < batch->real;
        uint32_t index = case_at(loader, position + (real ? i : batch->real - 1));
        fill_case(loader, batch, i, index, (position + i) / loader->count);
        ((float *)batch->weight)[i] = real;
    }
}

static void *work(void *argument)
{
    struct loader *loader = argument;
    pthread_mutex_lock(&loader->mutex);
    while (!loader->stop && loader->filled < loader->end) {
        /* the last batch handed out is still in use */
        uint64_t oldest = loader->taken > loader->first ? loader->taken - 1 : loader->first;
        if (loader->filled == oldest + SLOTS) {
            pthread_cond_wait(&loader->changed, &loader->mutex);
            continue;
        }
        uint64_t number = loader->filled;
        pthread_mutex_unlock(&loader->mutex);
        fill(loader, number);
        pthread_mutex_lock(&loader->mutex);
        loader->filled++;
        pthread_cond_signal(&loader->changed);
    }
    pthread_mutex_unlock(&loader->mutex);
    return NULL;
}

/* ---- the caller's side ---------------------------------------------------------------------- */

static int check_spec(const struct dataset *dataset, const struct loader_spec *spec,
                      struct err *err)
{
    uint64_t position;
    if (spec->augment && !spec->shuffle)
        bug("augmentation of the %s split without shuffling", split_names[spec->split]);
    if (!dataset->count[spec->split])
        return fail_as(err, STATUS_CONFIG, "the %s split is empty", split_names[spec->split]);
    if (!spec->batch || spec->batch > MAX_BATCH)
        return fail_as(err, STATUS_CONFIG, "a batch of %u cases: it must be 1 to %d", spec->batch,
                       MAX_BATCH);
    if (__builtin_mul_overflow(spec->start, spec->batch, &position))
        return fail_as(err, STATUS_BAD_DATA, "cannot start at batch %llu",
                       (unsigned long long)spec->start);
    return 0;
}

/* Signals are for the thread that started us: its handlers must find it, not this one. */
static int start_thread(struct loader *loader)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int status = pthread_create(&loader->thread, NULL, work, loader);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

int loader_open(struct loader **out, const struct dataset *dataset, const struct loader_spec *spec,
                struct meter *meter, struct err *err)
{
    TRY(check_spec(dataset, spec, err));
    struct loader *loader = xcalloc(1, sizeof *loader);
    loader->dataset = dataset;
    loader->spec = *spec;
    loader->begin = dataset->begin[spec->split];
    loader->count = dataset->count[spec->split];
    loader->pixels = (size_t)dataset->d * (size_t)dataset->h * (size_t)dataset->w;
    loader->meter = meter;
    loader->bytes = loader_bytes(dataset, spec);
    loader->order_epoch = UINT64_MAX;
    loader->first = loader->filled = loader->taken = spec->start;
    loader->end = spec->shuffle ? UINT64_MAX : (loader->count - 1) / spec->batch + 1;
    for (int i = 0; i < 256; i++)
        loader->unit[i] = (float)i / 255.0f;
    if (block_alloc(&loader->block, loader->bytes, meter, err)) {
        free(loader);
        return -1;
    }
    lay_out(loader->slots, &loader->order, loader->block, dataset, spec);
    pthread_mutex_init(&loader->mutex, NULL);
    pthread_cond_init(&loader->changed, NULL);
    int status = start_thread(loader);
    if (status) {
        block_free(loader->block, loader->bytes, meter);
        free(loader);
        return fail(err, "cannot start the loader's thread: %s", strerror(status));
    }
    *out = loader;
    return 0;
}

const struct batch *loader_next(struct loader *loader)
{
    if (loader->taken >= loader->end)
        return NULL;
    pthread_mutex_lock(&loader->mutex);
    while (loader->filled <= loader->taken)
        pthread_cond_wait(&loader->changed, &loader->mutex);
    const struct batch *batch = &loader->slots[loader->taken++ % SLOTS];
    pthread_cond_signal(&loader->changed);
    pthread_mutex_unlock(&loader->mutex);
    return batch;
}

void loader_close(struct loader *loader)
{
    if (!loader)
        return;
    pthread_mutex_lock(&loader->mutex);
    loader->stop = true;
    pthread_cond_signal(&loader->changed);
    pthread_mutex_unlock(&loader->mutex);
    pthread_join(loader->thread, NULL);
    pthread_cond_destroy(&loader->changed);
    pthread_mutex_destroy(&loader->mutex);
    block_free(loader->block, loader->bytes, loader->meter);
    free(loader);
}
