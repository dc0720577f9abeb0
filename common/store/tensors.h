/*
 * Tensor files: safetensors (https://github.com/huggingface/safetensors). The reader trusts
 * nothing; the writer is canonical: the same tensors give the same bytes. Names and metadata are
 * sorted, and the header is padded with spaces so that the data begin at a multiple of 64 bytes.
 * The format allows no gaps between tensors, so wide elements come first (then by name), which
 * aligns every tensor to its element size. Unaligned tensors from other writers are copied on
 * reading.
 *
 * F32 values are finite, both in what is written and in what tensors_need returns: no result
 * contains or is computed from a NaN or an infinity. (F64 may be NaN: a history has cells without a
 * value.)
 */
#ifndef CAIRN_STORE_TENSORS_H
#define CAIRN_STORE_TENSORS_H

#include "base/err.h"
#include "base/file.h"
#include "base/memory.h"

#include <stddef.h>
#include <stdint.h>

enum tensor_type {
    TENSOR_U8,
    TENSOR_I32,
    TENSOR_I64,
    TENSOR_F32,
    TENSOR_F64,
    TENSOR_BF16,
    TENSOR_U32,
    TENSOR_U64,
    TENSOR_TYPES
};
size_t tensor_size(enum tensor_type type);

enum { MAX_DIMS = 8 };
struct tensor {
    const char *name;
    enum tensor_type type;
    int dims;
    int64_t dim[MAX_DIMS];
    const void *data; /* reading: into the mapping */
    size_t bytes;
};

/* A file open for reading; tensors in name order. */
struct tensors {
    struct mapping map;
    size_t count;
    struct tensor *items;
    size_t meta_count;
    const char **meta_keys, **meta_values;
    struct arena arena;
};
int tensors_open(struct tensors *out, const char *path, struct err *err);
/* From memory (fuzzing, tests); bytes must outlive `out`. name is for messages. */
int tensors_parse(struct tensors *out, const void *bytes, size_t length, const char *name,
                  struct err *err);
void tensors_close(struct tensors *tensors);
/* NULL if there is none. */
const struct tensor *tensors_find(const struct tensors *tensors, const char *name);
/* The tensor, or STATUS_BAD_DATA if there is none with this type and number of dims (-1: any), or
 * if an F32 value is not finite. */
int tensors_need(const struct tensor **out, const struct tensors *tensors, const char *name,
                 enum tensor_type type, int dims, struct err *err);
const char *tensors_meta(const struct tensors *tensors, const char *key); /* NULL: none */

/* Publishes all of them (any order) with metadata pairs key, value, key, value, ... */
int tensors_write(const char *path, const struct tensor *items, size_t count,
                  const char *const *meta, size_t meta_pairs, struct err *err);

#endif
