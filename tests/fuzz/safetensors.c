/* Whatever the bytes: tensors_parse refuses them with a message, or every tensor lies in them. */
#include "store/tensors.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct tensors tensors;
    struct err err = {0};
    if (tensors_parse(&tensors, data, size, "input", &err)) {
        if (err.status != STATUS_BAD_DATA || !err.text[0])
            abort();
        return 0;
    }
    unsigned sum = 0;
    size_t total = 0;
    for (size_t i = 0; i < tensors.count; i++) {
        const struct tensor *tensor = tensors.items + i;
        const unsigned char *bytes = tensor->data;
        for (size_t k = 0; k < tensor->bytes; k++)
            sum += bytes[k];
        total += tensor->bytes;
        if (tensors_find(&tensors, tensor->name) != tensor)
            abort();
    }
    if (total > size || (sum && !total))
        abort();
    tensors_close(&tensors);
    return 0;
}
