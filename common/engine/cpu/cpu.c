#include "engine/cpu/cpu_parts.h"
#include "engine/cpu/math.h"

#include "base/threads.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cpuid.h>

/* Below this many elements in the largest tensor, waking another thread costs more than it saves.
 */
enum { SMALL = 16384, LARGE_PAGE = 1 << 21 };

/* ---- memory and control --------------------------------------------------------------------- */

static size_t cpu_size_of(enum dtype dtype)
{
    static const size_t size[] = {[F32] = 4, [BF16] = 2, [I32] = 4, [U8] = 1};
    return size[dtype];
}

/* Asks for large pages inside a large block: a pass over it then meets few page faults and misses.
 * It is a hint, so whether it is taken does not matter. */
static void advise(void *block, size_t bytes)
{
    uintptr_t begin = ((uintptr_t)block + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
    uintptr_t end = ((uintptr_t)block + bytes) / LARGE_PAGE * LARGE_PAGE;
    if (end > begin)
        madvise((char *)block + (begin - (uintptr_t)block), end - begin, MADV_HUGEPAGE);
}

static int cpu_alloc(struct backend *backend, void **out, size_t bytes, struct err *err)
{
    TRY(block_alloc(out, bytes, backend->meter, err));
    advise(*out, bytes);
    return 0;
}

static void cpu_free(struct backend *backend, void *block, size_t bytes)
{
    block_free(block, bytes, backend->meter);
}

static int cpu_alloc_host(struct backend *backend, void **out, size_t bytes, struct err *err)
{
    return block_alloc(out, bytes, backend->meter, err);
}

static int cpu_put(struct backend *backend, void *device, const void *host, int64_t count,
                   enum dtype dtype, struct err *err)
{
    (void)backend, (void)err;
    if (dtype == BF16)
        bug("a host that puts bf16");
    memcpy(device, host, (size_t)count * cpu_size_of(dtype));
    return 0;
}

static int cpu_get(struct backend *backend, void *host, const void *device, int64_t count,
                   enum dtype dtype, struct err *err)
{
    (void)backend, (void)err;
    if (dtype != BF16) {
        memcpy(host, device, (size_t)count * cpu_size_of(dtype));
        return 0;
    }
    const uint16_t *from = device;
    for (int64_t i = 0; i < count; i++)
        ((float *)host)[i] = float_of((uint32_t)from[i] << 16);
    return 0;
}

static int cpu_fetch(struct backend *backend, uint64_t *mark, float *host, const void *device,
                     int64_t count, struct err *err)
{
    *mark = 0;
    return cpu_get(backend, host, device, count, F32, err);
}

static int cpu_await(struct backend *backend, uint64_t mark, struct err *err)
{
    (void)backend, (void)mark, (void)err;
    return 0;
}

static void cpu_encode(void *out, const void *host, int64_t count, enum dtype dtype)
{
    memcpy(out, host, (size_t)count * cpu_size_of(dtype));
}

static int cpu_fill(struct backend *backend, void *device, int byte, size_t bytes, struct err *err)
{
    (void)backend, (void)err;
    memset(device, byte, bytes);
    return 0;
}

static int cpu_sync(struct backend *backend, struct err *err)
{
    (void)backend, (void)err;
    return 0;
}

static void cpu_close(struct backend *backend)
{
    struct cpu *cpu = (struct cpu *)backend;
    library_close(cpu->library);
    free(cpu->numerics);
    free(cpu);
}

/* ---- opening -------------------------------------------------------------------------------- */

struct level {
    const char *name, *text;
    kernel_maker *const *make, *const *make_half;
    bool supported;
};
enum { LEVELS = 3 };

/* The levels, best first; those above `cap` (NULL: none) are as if the processor lacked them. */
static int know_levels(struct level levels[LEVELS], const char *cap, struct err *err)
{
    const struct level known[LEVELS] = {
        {"v4", "x86-64-v4", cpu_makers_v4, cpu_makers_v4_half, __builtin_cpu_supports("x86-64-v4")},
        {"v3", "x86-64-v3", cpu_makers_v3, NULL, __builtin_cpu_supports("x86-64-v3")},
        {"v2", "x86-64-v2", cpu_makers_v2, NULL, __builtin_cpu_supports("x86-64-v2")},
    };
    memcpy(levels, known, sizeof known);
    if (!cap)
        return 0;
    for (int i = 0; i < LEVELS; i++) {
        if (!strcmp(cap, levels[i].name))
            return levels[i].supported
                       ? 0
                       : fail_as(err, STATUS_CONFIG,
                                 "CAIRN_ISA '%s': this processor lacks x86-64-%s", cap, cap);
        levels[i].supported = false;
    }
    return fail_as(err, STATUS_CONFIG, "CAIRN_ISA '%s': should be v2, v3 or v4", cap);
}

static int choose_level(struct level *out, const char *isa, const char *cap, struct err *err)
{
    struct level levels[LEVELS];
    TRY(know_levels(levels, cap, err));
    for (int i = 0; i < LEVELS; i++)
        if (levels[i].supported && (!isa || !strcmp(isa, levels[i].name))) {
            *out = levels[i];
            return 0;
        }
    return fail(err, "cpu: this processor does not do x86-64-%s", isa ? isa : "v2");
}

/* Sums are vectorised by the compiler, so it and the way it was called are part of the numerics. */
#if defined __clang__
#define COMPILER "clang " __clang_version__
#elif defined __SANITIZE_ADDRESS__
#define COMPILER "gcc " __VERSION__ " sanitized"
#else
#define COMPILER "gcc " __VERSION__
#endif

/* Of flags that were given in CFLAGS, by the Makefile: the beginning of their hash. */
#ifdef FLAGS_GIVEN
#define FLAGS_TEXT " flags " FLAGS_GIVEN
#else
#define FLAGS_TEXT ""
#endif

/* "GenuineIntel-6-207 L2 2048K": maker, family, model, and the cache by which libraries cut their
 * work. */
static void device_text(char out[64])
{
    unsigned a = 0, b = 0, c = 0, d = 0;
    char maker[13] = "unknown";
    if (__get_cpuid(0, &a, &b, &c, &d)) {
        memcpy(maker, &b, 4);
        memcpy(maker + 4, &d, 4);
        memcpy(maker + 8, &c, 4);
    }
    __get_cpuid(1, &a, &b, &c, &d);
    unsigned family = a >> 8 & 15, model = a >> 4 & 15;
    if (family == 6 || family == 15)
        model += (a >> 16 & 15) << 4;
    if (family == 15)
        family += a >> 20 & 255;
    snprintf(out, 64, "%s-%u-%u L2 %ldK", maker, family, model,
             sysconf(_SC_LEVEL2_CACHE_SIZE) / 1024);
}

/* How many threads OpenMP really gives: a limit of its own or of the system may allow fewer.
 * Kernels made for more would wait for ever for the missing ones. */
static int team_of(int threads)
{
    int team = 1;
    omp_set_dynamic(0); /* or OMP_DYNAMIC lets the load of the machine decide */
#pragma omp parallel num_threads(threads)
    {
#pragma omp master
        team = omp_get_num_threads();
    }
    return team;
}

static int cpu_use_threads(struct backend *backend, int threads, struct err *err)
{
    struct cpu *cpu = (struct cpu *)backend;
    if (threads < 0 || threads > 1024)
        return fail_as(err, STATUS_CONFIG, "cpu: %d threads: should be 1 to 1024, or 0 for all",
                       threads);
    int team = team_of(threads ? threads : threads_available());
    if (threads && team != threads)
        return fail(err,
                    "cpu: %d threads wanted, %d given (OMP_THREAD_LIMIT, a limit on processes?)",
                    threads, team);
    char device[64], text[64];
    device_text(device);
    library_text(text, sizeof text);
    library_use_threads(cpu->library, team);
    free(cpu->numerics);
    cpu->numerics =
        xprintf("cpu %s %s " COMPILER FLAGS_TEXT " %s threads %d", device, cpu->level, text, team);
    backend->numerics = cpu->numerics;
    backend->threads = team;
    return 0;
}

static const struct backend_calls cpu_calls = {
    .close = cpu_close,
    .use_threads = cpu_use_threads,
    .alloc = cpu_alloc,
    .free = cpu_free,
    .alloc_host = cpu_alloc_host,
    .free_host = cpu_free,
    .put = cpu_put,
    .get = cpu_get,
    .fetch = cpu_fetch,
    .await = cpu_await,
    .encode = cpu_encode,
    .fill = cpu_fill,
    .sync = cpu_sync,
    .size_of = cpu_size_of,
};

int cpu_open_isa(struct backend **out, int threads, const char *isa, struct meter *meter,
                 struct err *err)
{
    const char *cap = getenv("CAIRN_ISA");
    cap = cap && *cap ? cap : NULL;
    struct level level = {0};
    TRY(choose_level(&level, isa, cap, err));
    struct library *library;
    TRY(library_open(&library, cap, err));
    struct cpu *cpu = xcalloc(1, sizeof *cpu);
    *cpu = (struct cpu){.backend = {.calls = &cpu_calls,
                                    .prefers = {true, true, 64},
                                    .make = level.make,
                                    .make_half = library_halves() ? level.make_half : NULL,
                                    .name = "cpu",
                                    .meter = meter},
                        .library = library,
                        .level = level.text};
    if (cpu_use_threads(&cpu->backend, threads, err)) {
        cpu_close(&cpu->backend);
        return -1;
    }
    *out = &cpu->backend;
    return 0;
}

int cpu_open(struct backend **out, int threads, struct meter *meter, struct err *err)
{
    return cpu_open_isa(out, threads, NULL, meter, err);
}

/* ---- loops ---------------------------------------------------------------------------------- */

static int loop_run(const struct kernel *kernel, void *const *arg, void *scratch, struct err *err)
{
    (void)err;
    const struct loop *loop = kernel->state;
    cpu_spread(loop->threads, loop, arg, scratch);
    return 0;
}

void cpu_spread(int threads, const struct loop *loop, void *const *arg, void *scratch)
{
    if (threads == 1) {
        for (int i = 0; i < loop->passes; i++)
            loop->pass[i].body(loop, arg, scratch, 0, loop->pass[i].items);
        return;
    }
#pragma omp parallel num_threads(threads)
    {
        int64_t me = omp_get_thread_num(), team = omp_get_num_threads();
        for (int i = 0; i < loop->passes; i++) {
            int64_t items = loop->pass[i].items;
            int64_t begin = items * me / team, end = items * (me + 1) / team;
            if (i > 0) {
#pragma omp barrier
            }
            if (begin < end)
                loop->pass[i].body(loop, arg, scratch, begin, end);
        }
    }
}

struct loop *cpu_loop_make(struct kernel *out, const struct kernel_desc *desc)
{
    int64_t largest = 0;
    for (int i = 0; i < MAX_IN + MAX_OUT; i++) {
        bool used = i < MAX_IN ? desc->in_used[i] : desc->out_used[i - MAX_IN];
        int64_t count = shape_count(i < MAX_IN ? desc->in[i] : desc->out[i - MAX_IN]);
        if (used && count > largest)
            largest = count;
    }
    struct loop *loop = xcalloc(1, sizeof *loop);
    loop->attr = *desc->attr;
    loop->desc = *desc;
    loop->desc.attr = &loop->attr;
    loop->threads = largest < SMALL ? 1 : desc->backend->threads;
    *out = (struct kernel){.run = loop_run, .state = loop};
    return loop;
}

void cpu_loop_pass(struct loop *loop, range_body *body, int64_t items)
{
    if (loop->passes == MAX_PASS)
        bug("more than %d passes", MAX_PASS);
    loop->pass[loop->passes].body = body;
    loop->pass[loop->passes++].items = items;
}
