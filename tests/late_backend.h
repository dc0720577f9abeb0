/*
 * Any backend, made late: what is fetched reaches the host when it is awaited and no sooner (until then
 * it is not a number there), memory must not be freed before, and what passes between host and device is
 * counted.
 */
#ifndef CAIRN_TESTS_LATE_BACKEND_H
#define CAIRN_TESTS_LATE_BACKEND_H

#include "engine/backend.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LATE_FETCHES = 64, LATE_NUMBERS = 1024, LATE_BLOCKS = 64 };
static struct wire {
    const struct backend_calls *inner;
    struct backend_calls calls;
    int puts, gets, fetches;
    int strange_puts; /* from memory that was not lent */
    int early_gets;   /* while something that was fetched had not been awaited */
    uint64_t fetched, awaited;
    struct {
        float *host;
        const void *device;
        float data[LATE_NUMBERS];
        int64_t count;
    } pending[LATE_FETCHES];
    struct {
        const char *begin, *end;
    } lent[LATE_BLOCKS];
    void (*freed)(const void *block, size_t bytes); /* about to be */
} wire;

static int late_alloc_host(struct backend *backend, void **out, size_t bytes, struct err *err)
{
    TRY(wire.inner->alloc_host(backend, out, bytes, err));
    int i = 0;
    while (wire.lent[i].begin)
        if (++i == LATE_BLOCKS)
            bug("more than %d blocks are lent", LATE_BLOCKS);
    wire.lent[i].begin = *out;
    wire.lent[i].end = wire.lent[i].begin + bytes;
    return 0;
}

/* Neither end of what is under way may be given back. */
static void late_check_free(const void *block, size_t bytes)
{
    const char *begin = block, *end = begin + bytes;
    for (uint64_t i = wire.awaited; i < wire.fetched; i++) {
        const char *host = (const char *)wire.pending[i % LATE_FETCHES].host;
        const char *device = wire.pending[i % LATE_FETCHES].device;
        if ((host >= begin && host < end) || (device >= begin && device < end))
            bug("freed while something is fetched there");
    }
}

static void late_free_host(struct backend *backend, void *block, size_t bytes)
{
    late_check_free(block, bytes);
    for (int i = 0; i < LATE_BLOCKS; i++)
        if (wire.lent[i].begin == block)
            wire.lent[i].begin = NULL;
    wire.inner->free_host(backend, block, bytes);
}

static bool late_is_lent(const void *host, size_t bytes)
{
    const char *at = host;
    for (int i = 0; i < LATE_BLOCKS; i++)
        if (wire.lent[i].begin && at >= wire.lent[i].begin && at + bytes <= wire.lent[i].end)
            return true;
    return false;
}

static int late_put(struct backend *backend, void *device, const void *host, int64_t count,
                    enum dtype dtype, struct err *err)
{
    wire.puts++;
    wire.strange_puts += !late_is_lent(host, (size_t)count * (dtype == U8 ? 1 : 4));
    return wire.inner->put(backend, device, host, count, dtype, err);
}

static int late_get(struct backend *backend, void *host, const void *device, int64_t count,
                    enum dtype dtype, struct err *err)
{
    wire.gets++;
    wire.early_gets += wire.awaited != wire.fetched;
    return wire.inner->get(backend, host, device, count, dtype, err);
}

static int late_fetch(struct backend *backend, uint64_t *mark, float *host, const void *device,
                      int64_t count, struct err *err)
{
    if (count > LATE_NUMBERS || wire.fetched - wire.awaited == LATE_FETCHES)
        bug("more is fetched than the test has room for");
    if (!late_is_lent(host, (size_t)count * sizeof *host))
        bug("fetched into memory that was not lent");
    wire.fetches++;
    int slot = (int)(wire.fetched % LATE_FETCHES);
    wire.pending[slot].host = host;
    wire.pending[slot].device = device;
    wire.pending[slot].count = count;
    memset(host, 0xff, (size_t)count * sizeof *host);
    *mark = ++wire.fetched;
    return wire.inner->get(backend, wire.pending[slot].data, device, count, F32, err);
}

static int late_await(struct backend *backend, uint64_t mark, struct err *err)
{
    (void)backend, (void)err;
    for (; wire.awaited < mark; wire.awaited++) {
        int slot = (int)(wire.awaited % LATE_FETCHES);
        memcpy(wire.pending[slot].host, wire.pending[slot].data,
               (size_t)wire.pending[slot].count * sizeof(float));
    }
    return 0;
}

static void late_free(struct backend *backend, void *block, size_t bytes)
{
    late_check_free(block, bytes);
    if (wire.freed)
        wire.freed(block, bytes);
    wire.inner->free(backend, block, bytes);
}

/* One at a time. */
static void make_late(struct backend *backend)
{
    wire = (struct wire){.inner = backend->calls, .calls = *backend->calls};
    wire.calls.alloc_host = late_alloc_host;
    wire.calls.free_host = late_free_host;
    wire.calls.put = late_put;
    wire.calls.get = late_get;
    wire.calls.fetch = late_fetch;
    wire.calls.await = late_await;
    wire.calls.free = late_free;
    backend->calls = &wire.calls;
}

#endif
