#include "base/memory.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn static void out_of_memory(size_t size)
{
    fprintf(stderr, "cairn: out of memory (%zu bytes)\n", size);
    exit(STATUS_FAILED);
}

void *xmalloc(size_t size)
{
    void *p = malloc(size ? size : 1);
    if (!p)
        out_of_memory(size);
    return p;
}

void *xcalloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    if (!p)
        out_of_memory(count * size);
    return p;
}

void *xrealloc(void *old, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        out_of_memory(SIZE_MAX);
    void *p = realloc(old, total ? total : 1);
    if (!p)
        out_of_memory(total);
    return p;
}

/* The capacity of a list that is full at this count; 0: it is not. */
static size_t capacity_after(size_t count)
{
    enum { FIRST = 8 };
    if (count && (count < FIRST || (count & (count - 1))))
        return 0;
    return count ? 2 * count : FIRST;
}

void *array_grow(void *items, size_t count, size_t size)
{
    size_t capacity = capacity_after(count);
    return capacity ? xrealloc(items, capacity, size) : items;
}

char *xstrdup(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(xmalloc(size), text, size);
}

static int printed_length(const char *fmt, va_list ap)
{
    int length = vsnprintf(NULL, 0, fmt, ap);
    if (length < 0)
        bug("format '%s'", fmt);
    return length;
}

char *xprintf(const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    size_t size = (size_t)printed_length(fmt, ap) + 1;
    char *text = xmalloc(size);
    vsnprintf(text, size, fmt, again);
    va_end(again);
    va_end(ap);
    return text;
}

enum { CHUNK = 64 * 1024, ALIGN = 16 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t used, size;
    _Alignas(ALIGN) unsigned char data[];
};

/* NULL: out of memory. */
static void *arena_take(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX - ALIGN - sizeof(struct arena_chunk))
        return NULL;
    size = (size + ALIGN - 1) / ALIGN * ALIGN;
    struct arena_chunk *chunk = arena->chunk;
    if (!chunk || chunk->size - chunk->used < size) {
        size_t room = size > CHUNK ? size : CHUNK;
        chunk = calloc(1, sizeof *chunk + room);
        if (!chunk)
            return NULL;
        chunk->size = room;
        chunk->next = arena->chunk;
        arena->chunk = chunk;
    }
    void *p = chunk->data + chunk->used;
    chunk->used += size;
    arena->bytes += size;
    return p;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    void *p = arena_take(arena, size);
    if (!p)
        out_of_memory(size);
    return p;
}

int arena_block(void **out, struct arena *arena, size_t count, size_t size, struct err *err)
{
    size_t total = 0;
    bool fits = !__builtin_mul_overflow(count, size, &total);
    *out = fits ? arena_take(arena, total) : NULL;
    return *out ? 0 : fail(err, "out of memory: %zu x %zu bytes", count, size);
}

void *arena_grow(struct arena *arena, void *items, size_t count, size_t size)
{
    size_t capacity = capacity_after(count), total;
    if (!capacity)
        return items;
    if (__builtin_mul_overflow(capacity, size, &total))
        out_of_memory(SIZE_MAX);
    void *more = arena_alloc(arena, total);
    return count ? memcpy(more, items, count * size) : more;
}

char *arena_strndup(struct arena *arena, const char *text, size_t length)
{
    return memcpy(arena_alloc(arena, length + 1), text, length);
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return arena_strndup(arena, text, strlen(text));
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    size_t size = (size_t)printed_length(fmt, ap) + 1;
    char *text = arena_alloc(arena, size);
    vsnprintf(text, size, fmt, again);
    va_end(again);
    va_end(ap);
    return text;
}

void arena_free(struct arena *arena)
{
    while (arena->chunk) {
        struct arena_chunk *next = arena->chunk->next;
        free(arena->chunk);
        arena->chunk = next;
    }
    arena->bytes = 0;
}

/* ---- blocks --------------------------------------------------------------------------------- */

/* One page wide: blocks then keep their cache alignment, and a stray write as long as a signal frame
 * cannot skip it. The sanitizer has zones of its own, and would not see a write to these. */
#if defined __SANITIZE_ADDRESS__
enum { ZONE = 0 };
#else
enum { ZONE = 4096 };
#endif
enum { BLOCK_ALIGN = 64, ZONE_BYTE = 0xA5 };

struct metered {
    unsigned char *block;
    size_t size;
};

void meter_note(struct meter *meter, size_t size)
{
    size_t now = atomic_fetch_add(&meter->now, size) + size;
    if (now > atomic_load(&meter->peak))
        atomic_store(&meter->peak, now);
}

static void note_block(struct meter *meter, void *block, size_t size)
{
    *ARRAY_ADD(meter->blocks, meter->count) = (struct metered){block, size};
    meter_note(meter, size);
}

static void forget_block(struct meter *meter, const void *block, size_t size)
{
    size_t i = 0;
    while (i < meter->count && meter->blocks[i].block != block)
        i++;
    if (i == meter->count || meter->blocks[i].size != size)
        bug("a block of %zu bytes unknown to this meter", size);
    meter->blocks[i] = meter->blocks[--meter->count];
    atomic_fetch_sub(&meter->now, size);
    if (meter->count)
        return;
    free(meter->blocks);
    meter->blocks = NULL;
}

int block_alloc(void **out, size_t size, struct meter *meter, struct err *err)
{
    if (size > SIZE_MAX - BLOCK_ALIGN - 2 * ZONE)
        return fail(err, "out of memory: a block of %zu bytes is impossible", size);
    size_t rounded = (size + BLOCK_ALIGN - 1) / BLOCK_ALIGN * BLOCK_ALIGN;
    size_t whole = rounded + 2 * ZONE;
    unsigned char *begin = aligned_alloc(BLOCK_ALIGN, whole ? whole : BLOCK_ALIGN);
    if (!begin)
        return fail(err, "out of memory: %zu bytes asked for", size);
    memset(begin, ZONE_BYTE, ZONE);
    memset(begin + ZONE + rounded, ZONE_BYTE, ZONE);
    *out = begin + ZONE;
    if (meter)
        note_block(meter, *out, size);
    return 0;
}

void block_free(void *block, size_t size, struct meter *meter)
{
    if (!block)
        return;
    free((unsigned char *)block - ZONE);
    if (meter)
        forget_block(meter, block, size);
}

static int alloc_of_meter(void *meter, void **out, size_t size, struct err *err)
{
    return block_alloc(out, size, meter, err);
}

static void free_of_meter(void *meter, void *block, size_t size)
{
    block_free(block, size, meter);
}

struct allocator block_allocator(struct meter *meter)
{
    return (struct allocator){alloc_of_meter, free_of_meter, meter};
}

static bool untouched(const unsigned char *zone)
{
    for (int i = 0; i < ZONE; i++)
        if (zone[i] != ZONE_BYTE)
            return false;
    return true;
}

int blocks_check(const struct meter *meter, struct err *err)
{
    for (size_t i = 0; i < meter->count; i++) {
        const struct metered *is = &meter->blocks[i];
        size_t rounded = (is->size + BLOCK_ALIGN - 1) / BLOCK_ALIGN * BLOCK_ALIGN;
        if (!untouched(is->block - ZONE) || !untouched(is->block + rounded))
            return fail(err, "memory next to a block of %zu bytes was overwritten", is->size);
    }
    return 0;
}
