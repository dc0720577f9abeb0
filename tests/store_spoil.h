/* Tensor files with numbers that our own writer refuses. */
#ifndef TESTS_STORE_SPOIL_H
#define TESTS_STORE_SPOIL_H

#include "base/file.h"
#include "base/memory.h"

#include "store_lab.h"

static const float to_spoil = 12345.678f; /* stands for the number that is to be `number` */

static inline void spoil(const char *path, float number)
{
    struct err err;
    char *bytes;
    size_t length;
    int found = 0;
    OK(file_read(&bytes, &length, path, 1 << 24, &err));
    for (size_t at = 0; at + sizeof number <= length; at += sizeof number)
        if (!memcmp(bytes + at, &to_spoil, sizeof number)) {
            memcpy(bytes + at, &number, sizeof number);
            found++;
        }
    assert_int_equal(found, 1);
    OK(file_publish(path, bytes, length, &err));
    free(bytes);
}

#endif
