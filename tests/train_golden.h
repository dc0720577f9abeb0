/* What the golden tests share: a file of tests/golden (made by scripts/golden.py with PyTorch), the
 * two backends it is held against, and how near they must be. */
#ifndef CAIRN_TESTS_TRAIN_GOLDEN_H
#define CAIRN_TESTS_TRAIN_GOLDEN_H

#include "engine/backend.h"
#include "oracle/cases.h"
#include "oracle/reference.h"
#include "store/tensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h> /* last: it has a macro fail() */

/* The files hold float32: 6e-8 relative is their own rounding. */
struct golden_backend {
    const char *name;
    double tolerance; /* difference over the tensor's largest magnitude */
    struct backend *backend;
};

static inline void must(int rc, const struct err *err)
{
    if (rc)
        fail_msg("%s", err->text);
}

static inline int golden_setup(void **state)
{
    static struct golden_backend backends[2] = {{"reference", 1e-6, NULL}, {"cpu", 2e-5, NULL}};
    struct err err;
    must(reference_open(&backends[0].backend, &err), &err);
    must(cpu_open(&backends[1].backend, 2, NULL, &err), &err);
    *state = backends;
    return 0;
}

static inline int golden_teardown(void **state)
{
    struct golden_backend *backends = *state;
    for (int i = 0; i < 2; i++)
        backend_close(backends[i].backend);
    return 0;
}

static inline void golden_open(struct tensors *out, const char *name)
{
    char path[256];
    struct err err;
    snprintf(path, sizeof path, "tests/golden/%s.safetensors", name);
    must(tensors_open(out, path, &err), &err);
}

static inline const struct tensor *golden_find(const struct tensors *file, const char *kind,
                                               const char *name)
{
    char full[256];
    snprintf(full, sizeof full, "%s:%s", kind, name);
    return tensors_find(file, full);
}

static inline const struct tensor *golden_need(const struct tensors *file, const char *kind,
                                               const char *name)
{
    const struct tensor *t = golden_find(file, kind, name);
    if (!t)
        fail_msg("the golden file has no '%s:%s'", kind, name);
    return t;
}

static inline int64_t golden_count(const struct tensor *t)
{
    return (int64_t)(t->bytes / tensor_size(t->type));
}

static inline void golden_compare(const struct golden_backend *on, const char *what,
                                  const float *got, const struct tensor *want)
{
    double error = scaled_error(got, want->data, golden_count(want));
    if (!(error <= on->tolerance))
        fail_msg("%s: %s differs by %.3g (%s)", on->name, want->name, error, what);
}

#endif
