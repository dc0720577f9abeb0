/*
 * A ring of batches: one is in use by the caller, one is ready or being filled by the loader's
 * thread, one absorbs jitter. The cases of a batch depend only on its number, so starting at any
 * batch costs nothing.
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
    int32_t size[3];       /* d, h, w of a case in a batch */
    size_t pixels;         /* d*h*w of it */
    float unit[256];       /* pixel_value */
    struct allocator memory;
    void *block;
    size_t bytes;
    struct batch slots[SLOTS];
    void *patch; /* cut out of a case, unconverted; only for patches */
    uint8_t *patch_mask;
    uint32_t *order; /* the permutation of order_epoch; only for shuffling */
    uint64_t order_epoch;
    uint64_t first, end; /* batch numbers: where this loader starts, one past its last */

    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint64_t filled, taken; /* batches below these are filled; have been handed out */
    bool stop;
};

/* ---- memory --------------------------------------------------------------------------------- */

/* Allocates `bytes` at *used of base, 64-byte aligned; with a NULL base it only counts. */
static void *take(uint8_t *base, size_t *used, size_t bytes)
{
    void *p = base ? base + *used : NULL;
    *used += (bytes + 63) / 64 * 64;
    return p;
}

static void measure(struct loader *loader, const struct dataset *dataset,
                    const struct loader_spec *spec)
{
    const int32_t whole[3] = {dataset->d, dataset->h, dataset->w};
    loader->dataset = dataset;
    loader->spec = *spec;
    memcpy(loader->size, spec->patch.size[0] ? spec->patch.size : whole, sizeof loader->size);
    loader->pixels = (size_t)loader->size[0] * (size_t)loader->size[1] * (size_t)loader->size[2];
}

/* Lays everything out from base on, which may be NULL. Returns the bytes needed. */
static size_t lay_out(struct loader *loader, uint8_t *base)
{
    const struct dataset *dataset = loader->dataset;
    const struct loader_spec *spec = &loader->spec;
    struct batch *slots = loader->slots;
    size_t used = 0, cases = spec->batch, pixels = loader->pixels;
    size_t values = pixels * (size_t)dataset->c;
    for (int i = 0; i < SLOTS; i++) {
        slots[i].image = take(base, &used, cases * values * sizeof(float));
        slots[i].label = take(base, &used, cases * sizeof(int32_t));
        slots[i].mask = dataset->masks ? take(base, &used, cases * pixels * sizeof(int32_t)) : NULL;
        slots[i].weight = take(base, &used, cases * sizeof(float));
        slots[i].index = take(base, &used, cases * sizeof(uint32_t));
    }
    if (spec->shuffle)
        loader->order = take(base, &used, dataset->count[spec->split] * sizeof(uint32_t));
    if (spec->patch.size[0]) {
        loader->patch = take(base, &used, values * pixel_size(dataset->pixel));
        loader->patch_mask = take(base, &used, dataset->masks ? pixels : 0);
    }
    return used;
}

static void give_back(struct loader *loader)
{
    loader->memory.free(loader->memory.owner, loader->block, loader->bytes);
}

size_t loader_bytes(const struct dataset *dataset, const struct loader_spec *spec)
{
    struct loader loader = {0};
    measure(&loader, dataset, spec);
    return lay_out(&loader, NULL);
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

/* A case or a patch of it, as stored in the dataset. */
struct pixels {
    const void *image;
    const uint8_t *mask; /* or NULL */
};

static bool is_foreground(uint8_t class)
{
    return class != 0 && class != MASK_IGNORE;
}

static uint32_t count_foreground(const uint8_t *mask, size_t pixels)
{
    uint32_t count = 0;
#pragma omp simd reduction(+ : count)
    for (size_t i = 0; i < pixels; i++)
        count += is_foreground(mask[i]);
    return count;
}

/* One of the foreground's voxels, drawn evenly; -1: there is none. They are counted in parts, so
 * that only the part that the drawn one lies in is looked through again. */
static int64_t draw_foreground(struct stream *stream, const uint8_t *mask, size_t pixels)
{
    enum { PARTS = 256 };
    uint32_t counts[PARTS] = {0}, all = 0;
    size_t length = pixels / PARTS + 1;
    for (size_t from = 0; from < pixels; from += length) {
        size_t rest = pixels - from;
        counts[from / length] = count_foreground(mask + from, rest < length ? rest : length);
        all += counts[from / length];
    }
    if (!all)
        return -1;
    uint32_t left = stream_below(stream, all);
    const uint32_t *part = counts;
    for (; left >= *part; part++)
        left -= *part;
    for (size_t i = (size_t)(part - counts) * length;; i++)
        if (is_foreground(mask[i]) && !left--)
            return (int64_t)i;
}

/* Where the patch of a case begins, in d, h, w. */
static void draw_place(int32_t place[3], const struct loader *loader, const uint8_t *mask,
                       uint64_t epoch, const char *id)
{
    const struct dataset *dataset = loader->dataset;
    const int32_t whole[3] = {dataset->d, dataset->h, dataset->w}, *size = loader->size;
    char name[4096]; /* any path; a longer id is truncated */
    snprintf(name, sizeof name, "data/patch/%llu/%s", (unsigned long long)epoch, id);
    struct stream stream = stream_new(loader->spec.seed, name);
    bool about = stream_uniform(&stream) < loader->spec.patch.foreground;
    for (int i = 0; i < 3; i++)
        place[i] = (int32_t)stream_below(&stream, (uint32_t)(whole[i] - size[i] + 1));
    size_t pixels = (size_t)whole[0] * (size_t)whole[1] * (size_t)whole[2];
    int64_t at = about && mask ? draw_foreground(&stream, mask, pixels) : -1;
    for (int i = 2; at >= 0 && i >= 0; i--) {
        int32_t first = (int32_t)(at % whole[i]) - size[i] / 2, last = whole[i] - size[i];
        place[i] = first < 0 ? 0 : first > last ? last : first;
        at = i ? at / whole[i] : -1;
    }
}

/* Copies rows of `bytes` per voxel from a whole case to a patch. */
static void cut(void *to, const struct loader *loader, const void *from, const int32_t place[3],
                size_t bytes)
{
    const struct dataset *dataset = loader->dataset;
    size_t h = (size_t)dataset->h, w = (size_t)dataset->w, row = (size_t)loader->size[2] * bytes;
    uint8_t *out = to;
    for (int32_t z = 0; z < loader->size[0]; z++)
        for (int32_t y = 0; y < loader->size[1]; y++, out += row) {
            size_t line = (size_t)(place[0] + z) * h + (size_t)(place[1] + y);
            memcpy(out, (const uint8_t *)from + (line * w + (size_t)place[2]) * bytes, row);
        }
}

static struct pixels pixels_of(const struct loader *loader, uint32_t index, uint64_t epoch)
{
    const struct dataset *dataset = loader->dataset;
    size_t pixels = (size_t)dataset->d * (size_t)dataset->h * (size_t)dataset->w;
    size_t pixel = (size_t)dataset->c * pixel_size(dataset->pixel);
    const uint8_t *image = (const uint8_t *)dataset->images + index * pixels * pixel;
    const uint8_t *mask = dataset->masks ? dataset->masks + index * pixels : NULL;
    if (!loader->spec.patch.size[0])
        return (struct pixels){image, mask};
    int32_t place[3];
    draw_place(place, loader, mask, epoch, dataset->ids[index]);
    cut(loader->patch, loader, image, place, pixel);
    if (mask)
        cut(loader->patch_mask, loader, mask, place, 1);
    return (struct pixels){loader->patch, mask ? loader->patch_mask : NULL};
}

static void augment_pixels(const struct loader *loader, float *image, int32_t *mask,
                           struct pixels from, uint64_t epoch, const char *id)
{
    const struct loader_spec *spec = &loader->spec;
    const int32_t *size = loader->size;
    struct augment_shape shape = {size[0], size[1], size[2], loader->dataset->c};
    if (loader->dataset->pixel == PIXEL_F32)
        augment_volume(image, mask, from.image, from.mask, shape, spec->augment, spec->seed, epoch,
                       id);
    else
        augment_case(image, mask, from.image, from.mask, shape, spec->augment, spec->seed, epoch,
                     id);
}

static void fill_pixels(const struct loader *loader, float *image, int32_t *mask, uint32_t index,
                        uint64_t epoch)
{
    const struct dataset *dataset = loader->dataset;
    struct pixels from = pixels_of(loader, index, epoch);
    size_t size = loader->pixels * (size_t)dataset->c;
    if (loader->spec.augment) {
        augment_pixels(loader, image, mask, from, epoch, dataset->ids[index]);
        return;
    }
    const uint8_t *level = from.image;
    if (dataset->pixel == PIXEL_F32)
        memcpy(image, from.image, size * sizeof *image);
    else
        for (size_t i = 0; i < size; i++)
            image[i] = loader->unit[level[i]];
    for (size_t i = 0; from.mask && i < loader->pixels; i++)
        mask[i] = from.mask[i];
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

static int check_batch(const struct dataset *dataset, const struct loader_spec *spec,
                       struct err *err)
{
    uint64_t position;
    if ((spec->augment || spec->patch.size[0]) && !spec->shuffle)
        bug("augmentation or patches of the %s split without shuffling", split_names[spec->split]);
    if (!dataset->count[spec->split])
        return fail_as(err, STATUS_CONFIG, "the %s split is empty", split_names[spec->split]);
    if (!spec->batch || spec->batch > MAX_BATCH)
        return fail_as(err, STATUS_CONFIG, "a batch of %u cases; 1 to %d expected", spec->batch,
                       MAX_BATCH);
    if (__builtin_mul_overflow(spec->start, spec->batch, &position))
        return fail_as(err, STATUS_BAD_DATA, "cannot start at batch %llu",
                       (unsigned long long)spec->start);
    return 0;
}

/* Data for which patches or augmentation are impossible. */
static int check_pixels(const struct dataset *dataset, const struct loader_spec *spec,
                        struct err *err)
{
    const int32_t *size = spec->patch.size, whole[3] = {dataset->d, dataset->h, dataset->w};
    if (spec->augment && spec->augment->use[AUGMENT_SATURATION] && dataset->pixel == PIXEL_F32)
        return fail_as(err, STATUS_CONFIG,
                       "augment: 'saturation' is not for volumes, which have no colour");
    for (int i = 0; size[0] && i < 3; i++)
        if (size[i] < 1 || size[i] > whole[i])
            return fail_as(err, STATUS_CONFIG,
                           "patch: %dx%dx%d (d, h, w) does not fit into the cases of %dx%dx%d",
                           size[0], size[1], size[2], whole[0], whole[1], whole[2]);
    return 0;
}

int loader_check(const struct dataset *dataset, const struct loader_spec *spec, struct err *err)
{
    TRY(check_batch(dataset, spec, err));
    return check_pixels(dataset, spec, err);
}

/* Signals must reach the thread that started this one, which handles them. */
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
    TRY(loader_check(dataset, spec, err));
    struct loader *loader = xcalloc(1, sizeof *loader);
    measure(loader, dataset, spec);
    loader->begin = dataset->begin[spec->split];
    loader->count = dataset->count[spec->split];
    loader->memory = spec->memory.alloc ? spec->memory : block_allocator(meter);
    loader->bytes = lay_out(loader, NULL);
    loader->order_epoch = UINT64_MAX;
    loader->first = loader->filled = loader->taken = spec->start;
    loader->end = spec->shuffle ? UINT64_MAX : (loader->count - 1) / spec->batch + 1;
    for (int i = 0; i < 256; i++)
        loader->unit[i] = pixel_value((float)i);
    if (loader->memory.alloc(loader->memory.owner, &loader->block, loader->bytes, err)) {
        free(loader);
        return -1;
    }
    lay_out(loader, loader->block);
    pthread_mutex_init(&loader->mutex, NULL);
    pthread_cond_init(&loader->changed, NULL);
    int status = start_thread(loader);
    if (status) {
        give_back(loader);
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
    give_back(loader);
    free(loader);
}
