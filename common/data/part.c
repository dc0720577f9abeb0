/* A stratified share of a training split. */
#include "data/data.h"

#include <stdlib.h>
#include <string.h>

/* A train case, its stratum and its draw. */
struct ticket {
    uint32_t index;
    int32_t stratum; /* -1: unknown */
    uint64_t draw;
};

/* The most frequent class, the lower of equals; -1: none. */
static int32_t main_class(const struct dataset *dataset, uint32_t index)
{
    size_t pixels = (size_t)dataset->d * (size_t)dataset->h * (size_t)dataset->w;
    const uint8_t *mask = dataset->masks + index * pixels;
    size_t seen[MASK_IGNORE + 1] = {0};
    int32_t best = -1;
    for (size_t i = 0; i < pixels; i++)
        seen[mask[i]]++;
    for (int32_t c = dataset_first_class(dataset); c < (int32_t)dataset->mask_class_count; c++)
        if (seen[c] > (best < 0 ? 0 : seen[best]))
            best = c;
    return best;
}

static int32_t stratum_of(const struct dataset *dataset, uint32_t index)
{
    if (dataset->labels)
        return dataset->labels[index];
    return dataset->masks ? main_class(dataset, index) : -1;
}

/* By stratum, then lowest draw first. */
static int by_draw(const void *a, const void *b)
{
    const struct ticket *x = a, *y = b;
    if (x->stratum != y->stratum)
        return x->stratum < y->stratum ? -1 : 1;
    if (x->draw != y->draw)
        return x->draw < y->draw ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static int by_index(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* Into chosen[], in the dataset's order. Each stratum is rounded by itself: shares forced to add up
 * to a total would not be nested. */
static uint32_t choose(uint32_t *chosen, struct ticket *tickets, uint32_t total, double fraction)
{
    uint32_t count = 0, end;
    qsort(tickets, total, sizeof *tickets, by_draw);
    for (uint32_t begin = 0; begin < total; begin = end) {
        for (end = begin + 1; end < total && tickets[end].stratum == tickets[begin].stratum;)
            end++;
        uint32_t quota = (uint32_t)(fraction * (end - begin) + 0.5);
        for (uint32_t i = 0; i < (quota ? quota : 1); i++)
            chosen[count++] = tickets[begin + i].index;
    }
    qsort(chosen, count, sizeof *chosen, by_index);
    return count;
}

static size_t padded(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* Copies the cases with these indices. */
static void *gather(uint8_t **next, const void *from, const uint32_t *index, uint32_t count,
                    size_t bytes)
{
    uint8_t *out = *next;
    for (uint32_t i = 0; from && i < count; i++)
        memcpy(out + i * bytes, (const uint8_t *)from + index[i] * bytes, bytes);
    *next += from ? padded(count * bytes) : 0;
    return from ? out : NULL;
}

static int copy_cases(struct dataset *out, const struct dataset *from, const uint32_t *index,
                      uint32_t count, struct err *err)
{
    size_t pixels = (size_t)from->d * (size_t)from->h * (size_t)from->w;
    size_t image = pixels * (size_t)from->c * pixel_size(from->pixel);
    void *block;
    out->bytes = padded(count * image) + (from->labels ? padded(count * sizeof(int32_t)) : 0) +
                 (from->masks ? padded(count * pixels) : 0);
    TRY(block_alloc(&block, out->bytes, out->meter, err));
    uint8_t *next = block;
    out->images = gather(&next, from->images, index, count, image);
    out->labels = gather(&next, from->labels, index, count, sizeof(int32_t));
    out->masks = gather(&next, from->masks, index, count, pixels);
    out->ids = arena_alloc(&out->arena, count * sizeof *out->ids);
    for (uint32_t i = 0; i < count; i++)
        out->ids[i] = from->ids[index[i]];
    return 0;
}

int dataset_part(struct dataset *out, const struct dataset *from, double fraction, uint64_t seed,
                 struct err *err)
{
    uint32_t total = from->count[SPLIT_TRAIN], val = from->count[SPLIT_VAL];
    struct ticket *tickets = xcalloc(total, sizeof *tickets);
    uint32_t *index = xcalloc((size_t)total + val, sizeof *index);
    for (uint32_t i = 0; i < total; i++) {
        uint32_t at = from->begin[SPLIT_TRAIN] + i;
        tickets[i] =
            (struct ticket){at, stratum_of(from, at), case_draw(seed, "labels", from->ids[at])};
    }
    uint32_t train = choose(index, tickets, total, fraction);
    for (uint32_t i = 0; i < val; i++)
        index[train + i] = from->begin[SPLIT_VAL] + i;
    *out = *from;
    out->arena = (struct arena){0};
    memcpy(out->begin, (uint32_t[SPLITS]){0, train, train + val}, sizeof out->begin);
    memcpy(out->count, (uint32_t[SPLITS]){train, val, 0}, sizeof out->count);
    int status = copy_cases(out, from, index, train + val, err);
    free(tickets);
    free(index);
    return status;
}
