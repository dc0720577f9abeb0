/*
 * Memory: an arena for many small things freed together, and metered blocks for the few large ones.
 * Running out of memory for small things ends the program with one line (nothing sensible is left to
 * do); for large blocks it is reported as an error.
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
 * Appends to a list: *ARRAY_ADD(items, count) = item. The capacity doubles at powers of two, so count
 * implies it, provided that nothing else resizes the list. count is evaluated more than once.
 * array_grow only makes room, for items whose size is known at run time.
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
/* The same for sizes that depend on the data: out of memory is STATUS_FAILED with the size. */
int arena_block(void **out, struct arena *arena, size_t count, size_t size, struct err *err);
/* As ARRAY_ADD and array_grow, of a list in the arena: one that was outgrown stays there until the end. */
#define ARENA_ADD(arena, items, count)                                                             \
    ((items) = arena_grow((arena), (items), (size_t)(count), sizeof *(items)), &(items)[(count)++])
void *arena_grow(struct arena *arena, void *items, size_t count, size_t size);
char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *text, size_t length);
char *arena_printf(struct arena *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void arena_free(struct arena *arena);

/*
 * Counts the large blocks of a computation: plan, parameters, resident data, loader. One meter
 * belongs to one stage run and is passed to whatever allocates; `peak` is reported as
 * train/peak_bytes. Any thread may read it; only one at a time allocates and frees blocks.
 *
 * A block lies between two guard zones (not counted) filled with a known byte, so that a stray write
 * over the heap is detected before its result is trusted.
 */
struct meter {
    _Atomic size_t now, peak;
    struct metered *blocks; /* in use */
    size_t count;
};

/* Counts memory allocated elsewhere; whoever frees it subtracts it from `now`. */
void meter_note(struct meter *meter, size_t size);
/* 64-byte aligned, not zeroed; meter may be NULL. Out of memory is STATUS_FAILED with the size. */
int block_alloc(void **out, size_t size, struct meter *meter, struct err *err);
void block_free(void *block, size_t size, struct meter *meter);
/* Lends large blocks, 64-byte aligned and not zeroed, to a room that must not know where they are from;
 * the owner counts them. Out of memory is an error with the size. */
struct allocator {
    int (*alloc)(void *owner, void **out, size_t size, struct err *err);
    void (*free)(void *owner, void *block, size_t size);
    void *owner;
};
struct allocator block_allocator(struct meter *meter); /* block_alloc on this meter */
/* STATUS_FAILED if a guard zone of any block was written to. */
int blocks_check(const struct meter *meter, struct err *err);

#endif
