#include "oracle/reference.h"

#include "oracle/kernels.h"

#include <stdlib.h>
#include <string.h>

/* ---- kernels -------------------------------------------------------------------------------- */

struct bound {
    struct kernel_desc desc;
    struct attr attr;
    reference_run *run;
};

static int run_bound(const struct kernel *kernel, void *const *arg, void *scratch, struct err *err)
{
    (void)scratch, (void)err;
    const struct bound *bound = kernel->state;
    bound->run(&bound->desc, arg);
    return 0;
}

int reference_kernel(struct kernel *out, const struct kernel_desc *desc, reference_run *run)
{
    struct bound *bound = xmalloc(sizeof *bound);
    *bound = (struct bound){*desc, *desc->attr, run};
    bound->desc.attr = &bound->attr;
    *out = (struct kernel){.run = run_bound, .state = bound};
    return 0;
}

static kernel_maker *const makers[OPS] = {
#define OP_ALIAS(name, nin, nout, flags, help)
#define OP(name, nin, nout, flags, help) [OP_##name] = ref_##name,
#include "engine/ops.def"
};

/* ---- memory --------------------------------------------------------------------------------- */

static bool real(enum dtype dtype)
{
    return dtype == F32 || dtype == BF16;
}

static size_t size_of(enum dtype dtype)
{
    return real(dtype) ? sizeof(double) : dtype == I32 ? sizeof(int32_t) : 1;
}

static void reference_close(struct backend *backend)
{
    free(backend);
}

static int reference_alloc(struct backend *backend, void **out, size_t bytes, struct err *err)
{
    return block_alloc(out, bytes, backend->meter, err);
}

static void reference_free(struct backend *backend, void *block, size_t bytes)
{
    block_free(block, bytes, backend->meter);
}

static void reference_encode(void *out, const void *host, int64_t count, enum dtype dtype)
{
    if (!real(dtype))
        memcpy(out, host, (size_t)count * size_of(dtype));
    for (int64_t i = 0; real(dtype) && i < count; i++)
        ((double *)out)[i] = ((const float *)host)[i];
}

static int reference_put(struct backend *backend, void *device, const void *host, int64_t count,
                         enum dtype dtype, struct err *err)
{
    (void)backend, (void)err;
    reference_encode(device, host, count, dtype);
    return 0;
}

static int reference_get(struct backend *backend, void *host, const void *device, int64_t count,
                         enum dtype dtype, struct err *err)
{
    (void)backend, (void)err;
    if (!real(dtype))
        memcpy(host, device, (size_t)count * size_of(dtype));
    for (int64_t i = 0; real(dtype) && i < count; i++)
        ((float *)host)[i] = (float)((const double *)device)[i];
    return 0;
}

static int reference_fetch(struct backend *backend, uint64_t *mark, float *host, const void *device,
                           int64_t count, struct err *err)
{
    *mark = 0;
    return reference_get(backend, host, device, count, F32, err);
}

static int reference_await(struct backend *backend, uint64_t mark, struct err *err)
{
    (void)backend, (void)mark, (void)err;
    return 0;
}

static int reference_fill(struct backend *backend, void *device, int byte, size_t bytes,
                          struct err *err)
{
    (void)backend, (void)err;
    memset(device, byte, bytes);
    return 0;
}

static int reference_sync(struct backend *backend, struct err *err)
{
    (void)backend, (void)err;
    return 0;
}

/* ---- record and replay, so that the plan's use of them is tested where there is no device --- */

struct recording {
    int (*body)(void *user, struct err *err);
    void *user;
};

static int reference_record(struct backend *backend, void **out,
                            int (*body)(void *user, struct err *err), void *user, struct err *err)
{
    (void)backend, (void)err;
    struct recording *recording = xmalloc(sizeof *recording);
    *recording = (struct recording){body, user};
    *out = recording;
    return 0;
}

static int reference_replay(struct backend *backend, void *recording, struct err *err)
{
    (void)backend;
    const struct recording *recorded = recording;
    return recorded->body(recorded->user, err);
}

static void reference_forget(struct backend *backend, void *recording)
{
    (void)backend;
    free(recording);
}

int reference_open(struct backend **out, struct err *err)
{
    static const struct backend_calls calls = {
        .close = reference_close,
        .alloc = reference_alloc,
        .free = reference_free,
        .alloc_host = reference_alloc,
        .free_host = reference_free,
        .put = reference_put,
        .get = reference_get,
        .fetch = reference_fetch,
        .await = reference_await,
        .encode = reference_encode,
        .fill = reference_fill,
        .sync = reference_sync,
        .size_of = size_of,
        .record = reference_record,
        .replay = reference_replay,
        .forget = reference_forget,
    };
    (void)err;
    struct backend *backend = xmalloc(sizeof *backend);
    *backend = (struct backend){.calls = &calls,
                                .make = makers,
                                .make_half = makers,
                                .name = "reference",
                                .numerics = "reference f64",
                                .threads = 1};
    *out = backend;
    return 0;
}
