/* Any bytes as an .npy file: the elements of what is accepted are the rest of it. */
#include "data/formats/formats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct npy npy;
    struct err err;
    if (npy_parse(&npy, data, size, &err)) {
        if (err.status != STATUS_BAD_DATA)
            bug("status %d: %s", err.status, err.text);
        return 0;
    }
    size_t length = (size_t)npy.bytes;
    for (int i = 0; i < npy.rank; i++)
        length *= (size_t)npy.dim[i];
    if (npy.data < data || npy.data + length != data + size)
        bug("%zu bytes of elements in %zu", length, size);
    volatile uint8_t last = length ? npy.data[length - 1] : 0;
    (void)last;
    return 0;
}
