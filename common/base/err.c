#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set(struct err *err, enum status status, const char *fmt, va_list ap)
{
    err->status = status;
    vsnprintf(err->text, sizeof err->text, fmt, ap);
}

int fail(struct err *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set(err, STATUS_FAILED, fmt, ap);
    va_end(ap);
    return -1;
}

int fail_as(struct err *err, enum status status, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set(err, status, fmt, ap);
    va_end(ap);
    return -1;
}

int fail_errno(struct err *err, const char *fmt, ...)
{
    int saved = errno;
    va_list ap;
    va_start(ap, fmt);
    set(err, STATUS_IO, fmt, ap);
    va_end(ap);
    size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof err->text - used, ": %s", strerror(saved));
    return -1;
}

int wrap(struct err *err, const char *fmt, ...)
{
    char inner[sizeof err->text];
    memcpy(inner, err->text, sizeof inner);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof err->text - used, ": %s", inner);
    return -1;
}

void bug_at(const char *file, int line, const char *fmt, ...)
{
    va_list ap;
    fprintf(stderr, "%s:%d: bug: ", file, line);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    abort();
}
