/* The volumes that nibabel wrote (scripts/golden-nifti.py), and a folder to write in. */
#ifndef CAIRN_TESTS_DATA_NIFTI_GOLDEN_H
#define CAIRN_TESTS_DATA_NIFTI_GOLDEN_H

#include "base/file.h"
#include "data/formats/nifti.h"
#include "store/tensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

struct fixture {
    struct tensors golden;
    char folder[64];
};

static inline int setup(void **state)
{
    static struct fixture f;
    struct err err;
    strcpy(f.folder, "/tmp/nifti-test-XXXXXX");
    if (tensors_open(&f.golden, "tests/golden/volumes.safetensors", &err)) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    *state = &f;
    return mkdtemp(f.folder) ? 0 : -1;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    struct err err;
    tensors_close(&f->golden);
    return folder_remove(f->folder, &err);
}

#endif
