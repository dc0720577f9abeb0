/*
 * Sixteen elements in registers, for loops whose rows are that short. Left to itself, the compiler
 * takes as many as there are bytes in a register, 64 where pool winners are read: pixels of 16 channels
 * would go one by one.
 *
 * Lanes are passed by pointer: by value, how they are passed would depend on the instruction set.
 */
#ifndef CAIRN_ENGINE_CPU_LANES_H
#define CAIRN_ENGINE_CPU_LANES_H

#include "engine/cpu/loops.h"

#include <string.h>

enum { SIXTEEN = 16 };

typedef float float_lanes __attribute__((vector_size(SIXTEEN * sizeof(float))));
typedef uint32_t word_lanes __attribute__((vector_size(SIXTEEN * sizeof(uint32_t))));
typedef uint16_t half_lanes __attribute__((vector_size(SIXTEEN * sizeof(uint16_t))));
typedef uint8_t byte_lanes __attribute__((vector_size(SIXTEEN * sizeof(uint8_t))));

MATH_INLINE void lanes_load(float_lanes *x, const element *from)
{
#ifdef LOOPS_HALF
    half_lanes half;
    memcpy(&half, from, sizeof half);
    *x = (float_lanes)(__builtin_convertvector(half, word_lanes) << 16);
#else
    memcpy(x, from, sizeof *x);
#endif
}

/* As store does. */
MATH_INLINE void lanes_store(element *to, const float_lanes *x)
{
#ifdef LOOPS_HALF
    word_lanes u = (word_lanes)*x, number = (word_lanes)(*x == *x);
    word_lanes rounded = u + 0x7fffu + (u >> 16 & 1u);
    u = ((rounded & number) | ((u | 0x400000u) & ~number)) >> 16;
    half_lanes half = __builtin_convertvector(u, half_lanes);
    memcpy(to, &half, sizeof half);
#else
    memcpy(to, x, sizeof *x);
#endif
}

/* In two steps: for a single step from bytes GCC 12 makes longer code. */
MATH_INLINE void lanes_load_bytes(word_lanes *x, const uint8_t *from)
{
    byte_lanes bytes;
    memcpy(&bytes, from, sizeof bytes);
    *x = __builtin_convertvector(__builtin_convertvector(bytes, half_lanes), word_lanes);
}

MATH_INLINE void lanes_store_bytes(uint8_t *to, const word_lanes *x)
{
    byte_lanes bytes = __builtin_convertvector(__builtin_convertvector(*x, half_lanes), byte_lanes);
    memcpy(to, &bytes, sizeof bytes);
}

/* to = from where the mask is all ones; it is all zeros elsewhere. */
MATH_INLINE void lanes_choose(word_lanes *to, const word_lanes *from, const word_lanes *mask)
{
    *to = (*from & *mask) | (*to & ~*mask);
}

#endif
