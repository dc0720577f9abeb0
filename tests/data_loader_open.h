/* A loader of a test's data set, which is the whole of what the test allocates. */
#ifndef CAIRN_TESTS_DATA_LOADER_OPEN_H
#define CAIRN_TESTS_DATA_LOADER_OPEN_H

#include "data/data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static inline int teardown(void **state)
{
    free(*state);
    return 0;
}

static inline struct loader *open_loader(const struct dataset *dataset, struct loader_spec spec)
{
    struct loader *loader;
    struct err err;
    if (loader_open(&loader, dataset, &spec, NULL, &err))
        fail_msg("%s", err.text);
    return loader;
}

#endif
