/* Any bytes as an IDX file, packed or not: what is accepted must lie inside what was given. */
#include "data/formats/formats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct err err;
    const uint8_t *bytes = data, *elements;
    size_t length = size;
    int rank, status = 0;
    int64_t dims[4];
    if (size >= 2 && data[0] == 0x1f && data[1] == 0x8b)
        status = idx_unpack(&bytes, &length, &arena, data, size, 0, "fuzz", &err);
    if (!status && !idx_parse(&elements, &rank, dims, bytes, length, "fuzz", &err)) {
        size_t count = 1;
        for (int i = 0; i < rank; i++)
            count *= (size_t)dims[i];
        if (elements + count != bytes + length)
            bug("%zu elements in %zu bytes", count, length);
        volatile uint8_t last = count ? elements[count - 1] : 0;
        (void)last;
    } else if (!status && bytes != data) {
        bug("unpacked but not parsed: %s", err.text);
    }
    arena_free(&arena);
    return 0;
}
