/*
 * Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel Random
 * Numbers: As Easy as 1, 2, 3", SC 2011). A draw is a pure function of (key, counter), so resuming
 * needs no saved state, and any backend, thread count and order gives the same numbers.
 * Plain C that a CUDA compiler also accepts.
 */
#ifndef CAIRN_BASE_RANDOM_H
#define CAIRN_BASE_RANDOM_H

#include <stdint.h>

#ifdef __CUDACC__
#define RANDOM_FUNCTION static __host__ __device__ inline
#else
#define RANDOM_FUNCTION static inline
#endif

struct philox {
    uint32_t v[4];
};

RANDOM_FUNCTION struct philox philox4x32(struct philox ctr, uint32_t key0, uint32_t key1)
{
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xD2511F53u * ctr.v[0], b = (uint64_t)0xCD9E8D57u * ctr.v[2];
        struct philox next = {{(uint32_t)(b >> 32) ^ ctr.v[1] ^ key0, (uint32_t)b,
                               (uint32_t)(a >> 32) ^ ctr.v[3] ^ key1, (uint32_t)a}};
        ctr = next;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return ctr;
}

/* Uniform in (0, 1): never 0 or 1. 23 bits, because 24 bits plus the half do not fit a float. */
RANDOM_FUNCTION float uniform_open(uint32_t bits)
{
    return ((float)(bits >> 9) + 0.5f) * (1.0f / 8388608.0f);
}

/* 64-bit FNV-1a of a name: the key of a node, a parameter or a purpose. */
uint64_t random_key(const char *name);

/* A host-side stream for data order, initial weights and the like: (seed, name) is the key,
 * successive calls count. */
struct stream {
    uint32_t key0, key1;
    uint64_t next;
    struct philox block;
};
struct stream stream_new(uint64_t seed, const char *name);
uint32_t stream_u32(struct stream *stream);
/* Uniform in [0, bound), without bias (Lemire's rejection); bound > 0. */
uint32_t stream_below(struct stream *stream, uint32_t bound);
double stream_uniform(struct stream *stream); /* in (0, 1), 52 bits */
double stream_normal(struct stream *stream);  /* N(0, 1), Box-Muller */
/* Fisher-Yates, in place. */
void stream_shuffle(struct stream *stream, uint32_t *items, uint32_t count);

#endif
