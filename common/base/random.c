#include "base/random.h"

#include <math.h>

uint64_t random_key(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (const unsigned char *p = (const unsigned char *)name; *p; p++)
        hash = (hash ^ *p) * 0x100000001b3u;
    return hash;
}

struct stream stream_new(uint64_t seed, const char *name)
{
    uint64_t key = random_key(name) ^ seed * 0x9E3779B97F4A7C15u;
    return (struct stream){.key0 = (uint32_t)key, .key1 = (uint32_t)(key >> 32)};
}

uint32_t stream_u32(struct stream *stream)
{
    uint32_t lane = stream->next & 3;
    if (lane == 0) {
        uint64_t index = stream->next >> 2;
        struct philox ctr = {{(uint32_t)index, (uint32_t)(index >> 32), 0, 0}};
        stream->block = philox4x32(ctr, stream->key0, stream->key1);
    }
    stream->next++;
    return stream->block.v[lane];
}

uint32_t stream_below(struct stream *stream, uint32_t bound)
{
    uint32_t least = (uint32_t)-bound % bound;
    for (;;) {
        uint64_t product = (uint64_t)stream_u32(stream) * bound;
        if ((uint32_t)product >= least)
            return (uint32_t)(product >> 32);
    }
}

double stream_uniform(struct stream *stream)
{
    uint64_t high = stream_u32(stream) >> 6, low = stream_u32(stream) >> 6;
    return ((double)(high << 26 | low) + 0.5) / 4503599627370496.0;
}

double stream_normal(struct stream *stream)
{
    double u = stream_uniform(stream), v = stream_uniform(stream);
    return sqrt(-2 * log(u)) * cos(2 * 3.14159265358979323846 * v);
}

void stream_shuffle(struct stream *stream, uint32_t *items, uint32_t count)
{
    for (uint32_t i = count; i > 1; i--) {
        uint32_t j = stream_below(stream, i);
        uint32_t item = items[i - 1];
        items[i - 1] = items[j];
        items[j] = item;
    }
}
