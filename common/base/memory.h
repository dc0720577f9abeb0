/*
 * Memory: an arena for many small things that die together, and metered blocks for the few large
 * ones. Running out of memory for small things ends the program with one line (there is nothing
 * sensible left to do); large blocks report it as an error.
 */
#ifndef CAIRN_BASE_MEMORY_H
#define CAIRN_BASE_MEMORY_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

void *xmalloc(size_t size);               /* never NULL */
void *xcalloc(size_t count, size_t size); /* zeroed, never NULL, checks the product */
void *xrealloc(void *old, size_t count, size_t size);
/*
 * A list that grows by one: *ARRAY_ADD(items, count) = item. The room doubles at powers of two, so
 * count tells it, as long as only this makes room; it is evaluated more than once. array_grow makes
 * the room alone, for items of a size that is known at run time.
 */
#define ARRAY_ADD(items, count)                                                                    \
    ((items) = array_grow((items), (size_t)(count), sizeof *(items)), &(items)[(count)++])
void *array_grow(void *items, size_t count, size_t size);
char *xstrdup(const char *text);
char *xprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Zero-initialise to use; everything is freed at once. Returned memory is zeroed, 16-aligned. */
struct arena {
    struct arena_chunk *chunk;
    size_t bytes; /* handed out so far */
};
void *arena_alloc(struct arena *arena, size_t size);
/* The same for what grows with the data: out of memory is STATUS_FAILED with the size. */
int arena_block(void **out, struct arena *arena, size_t count, size_t size, struct err *err);
char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *text, size_t length);
char *arena_printf(struct arena *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void arena_free(struct arena *arena);

/*
 * What a computation holds in large blocks: plan, parameters, resident data, loader. One meter
 * belongs to one stage run and is handed to whoever allocates; `peak` is what the stage reports as
 * train/peak_bytes, read by any thread; blocks are allocated and freed by one at a time.
 *
 * A block lies between two zones (not counted) whose bytes are known, so that what came to it from
 * outside, as a stray write over the heap would, can be told before it is believed.
 */
struct meter {
    _Atomic size_t now, peak;
    struct metered *blocks; /* those in use */
    size_t count;
};

/* Counts what lies in other memory; whoever gives it back takes it off `now`. */
void meter_note(struct meter *meter, size_t size);
/* 64-byte aligned, not zeroed; meter may be NULL. Out of memory is STATUS_FAILED with the size. */
int block_alloc(void **out, size_t size, struct meter *meter, struct err *err);
void block_free(void *block, size_t size, struct meter *meter);
/* STATUS_FAILED if a zone of any block has been written to. */
int blocks_check(const struct meter *meter, struct err *err);

#endif
