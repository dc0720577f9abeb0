/* The backend of a test program that needs no more than one. */
#ifndef CAIRN_TESTS_ONE_THREAD_H
#define CAIRN_TESTS_ONE_THREAD_H

#include "engine/engine.h"

#include <stddef.h>

/* Lives as long as the program. */
static inline struct backend *one_thread(void)
{
    static struct backend *backend;
    struct err err;
    if (!backend && backend_open(&backend, &(struct backend_spec){.threads = 1}, NULL, &err))
        bug("%s", err.text);
    return backend;
}

#endif
