#include "engine/backend.h"

typedef int opener(struct backend **out, int threads, struct meter *meter, struct err *err);
static opener open_best;

/* Best last. */
#define DEVICES(ROW)                                                                               \
    ROW("auto", open_best)                                                                         \
    ROW("cpu", cpu_open)
#define NAME(name, open) name,
#define OPEN(name, open) open,
const char *const backend_devices[] = {DEVICES(NAME) NULL};
static opener *const openers[] = {DEVICES(OPEN)};

static int open_best(struct backend **out, int threads, struct meter *meter, struct err *err)
{
    int status = -1;
    for (size_t i = sizeof openers / sizeof *openers; status && --i > 0;)
        status = openers[i](out, threads, meter, err);
    return status;
}

int backend_open(struct backend **out, const struct backend_spec *spec, struct meter *meter,
                 struct err *err)
{
    TRY(openers[spec->device](out, spec->threads, meter, err));
    if (!backend_does(*out, spec->precision, err))
        return 0;
    backend_close(*out);
    *out = NULL;
    return -1;
}

int backend_does(const struct backend *backend, enum dtype precision, struct err *err)
{
    if (precision != BF16 || backend->make_half)
        return 0;
    return fail_as(err, STATUS_CONFIG, "%s: this processor does not support precision bf16",
                   backend->name);
}

void backend_close(struct backend *backend)
{
    if (backend)
        backend->calls->close(backend);
}

static int alloc_host(void *owner, void **out, size_t size, struct err *err)
{
    struct backend *backend = owner;
    return backend->calls->alloc_host(backend, out, size, err);
}

static void free_host(void *owner, void *block, size_t size)
{
    struct backend *backend = owner;
    backend->calls->free_host(backend, block, size);
}

struct allocator backend_host_memory(struct backend *backend)
{
    return (struct allocator){alloc_host, free_host, backend};
}

int backend_use_threads(struct backend *backend, int threads, struct err *err)
{
    return threads == backend->threads ? 0 : backend->calls->use_threads(backend, threads, err);
}

const char *backend_numerics(const struct backend *backend)
{
    return backend->numerics;
}

int backend_threads(const struct backend *backend)
{
    return backend->threads;
}
