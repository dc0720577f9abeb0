/*
 * The draws of a random op, the same on every backend: element e of case i of a batch is element
 * (first + i) * elements_per_case + e of the global batch; elements 4b .. 4b+3 come from the Philox
 * block {b low, b high, step, 0} under the key seed ^ attr.key. So two half batches with
 * CLOCK_FIRST 0 and half draw the same as the whole batch.
 *
 *   normal    Box-Muller on the lanes (0, 1) and (2, 3): r = sqrt(-2 log u0), lane 0 is
 *             r cos(2 pi u1), lane 1 is r sin(2 pi u1); u = uniform_open(lane)
 *   dropout   an element is kept if uniform_open(lane) >= attr.p; per_channel counts one element
 *             per (case, channel)
 */
#ifndef CAIRN_ENGINE_DRAW_H
#define CAIRN_ENGINE_DRAW_H

#include "base/random.h"
#include "engine/engine.h"

/* The block of elements 4 * block .. 4 * block + 3, under the clock's seed and step. */
RANDOM_FUNCTION struct philox draw_block(const int32_t *clock, uint64_t key, uint64_t block)
{
    struct philox ctr = {
        {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)clock[CLOCK_STEP], 0}};
    return philox4x32(ctr, (uint32_t)clock[CLOCK_SEED_LOW] ^ (uint32_t)key,
                      (uint32_t)clock[CLOCK_SEED_HIGH] ^ (uint32_t)(key >> 32));
}

#endif
