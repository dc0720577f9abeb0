/*
 * Counts what glibc's allocator hands out, in all threads of the program that includes this. What C++'s
 * operator new takes is left out: oneDNN builds a map of its arguments in every dnnl_primitive_execute
 * and frees it before returning, and the tests have no other C++.
 */
#ifndef CAIRN_TESTS_ALLOCATIONS_H
#define CAIRN_TESTS_ALLOCATIONS_H

#include "base/memory.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <setjmp.h>
#include <cmocka.h>

static atomic_long allocations;

#if defined __SANITIZE_ADDRESS__
/* The sanitizer has an allocator of its own. */
static inline void allocations_begin(void)
{
    skip();
}
#else
static const char *operator_new; /* its code */

static void count_call(const void *caller)
{
    enum { OPERATOR_NEW_CODE = 256 };
    ptrdiff_t into = (const char *)caller - operator_new;
    if (!operator_new || into < 0 || into >= OPERATOR_NEW_CODE)
        allocations++;
}

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size)
{
    count_call(__builtin_return_address(0));
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    count_call(__builtin_return_address(0));
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    count_call(__builtin_return_address(0));
    return __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    count_call(__builtin_return_address(0));
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    count_call(__builtin_return_address(0));
    *out = __libc_memalign(alignment, size);
    return *out ? 0 : ENOMEM;
}

/* Before anything is counted: ends the test, skipped, where nothing can be. */
static inline void allocations_begin(void)
{
    operator_new = dlsym(RTLD_DEFAULT, "_Znwm");
    assert_non_null(operator_new);
    long before = allocations;
    free(xmalloc(1));
    assert_int_equal(allocations, before + 1); /* the counter counts */
}
#endif

#endif
