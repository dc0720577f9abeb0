#include "base/memory.h"

#include <stdarg.h>
#include <stdatomic.h>
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

void *arena_alloc(struct arena *arena, size_t size)
{
    size = (size + ALIGN - 1) / ALIGN * ALIGN;
    struct arena_chunk *chunk = arena->chunk;
    if (!chunk || chunk->size - chunk->used < size) {
        size_t room = size > CHUNK ? size : CHUNK;
        chunk = xcalloc(1, sizeof *chunk + room);
        chunk->size = room;
        chunk->next = arena->chunk;
        arena->chunk = chunk;
    }
    void *p = chunk->data + chunk->used;
    chunk->used += size;
    arena->bytes += size;
    return p;
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

enum { BLOCK_ALIGN = 64 };

int block_alloc(void **out, size_t size, struct meter *meter, struct err *err)
{
    if (size > SIZE_MAX - BLOCK_ALIGN)
        return fail(err, "out of memory: a block of %zu bytes is impossible", size);
    size_t rounded = (size + BLOCK_ALIGN - 1) / BLOCK_ALIGN * BLOCK_ALIGN;
    *out = aligned_alloc(BLOCK_ALIGN, rounded ? rounded : BLOCK_ALIGN);
    if (!*out)
        return fail(err, "out of memory: %zu bytes asked for", size);
    if (meter) {
        size_t now = atomic_fetch_add(&meter->now, size) + size;
        size_t peak = atomic_load(&meter->peak);
        while (now > peak && !atomic_compare_exchange_weak(&meter->peak, &peak, now))
            ;
    }
    return 0;
}

void block_free(void *block, size_t size, struct meter *meter)
{
    if (!block)
        return;
    free(block);
    if (meter)
        atomic_fetch_sub(&meter->now, size);
}
