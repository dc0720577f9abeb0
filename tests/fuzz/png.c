/* Any bytes as a PNG: as they are, and with the check sums put right, so that what lies under them is
 * reached. The forms that are accepted must agree with each other. */
#include "data/image.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void decode(const uint8_t *bytes, size_t size)
{
    struct image rgb, grey, index, opaque;
    struct err err;
    int in_rgb = image_decode(&rgb, IMAGE_RGB, GROUND_FILE, bytes, size, &err);
    int in_grey = image_decode(&grey, IMAGE_GREY, GROUND_FILE, bytes, size, &err);
    int in_index = image_decode(&index, IMAGE_INDEX, GROUND_FILE, bytes, size, &err);
    int in_opaque = image_decode(&opaque, IMAGE_RGB, GROUND_ERROR, bytes, size, &err);
    if (in_rgb != in_grey || (in_rgb && !in_index))
        bug("rgb %d, grey %d, index %d: %s", in_rgb, in_grey, in_index, err.text);
    for (int64_t i = 0; !in_rgb && i < (int64_t)rgb.h * rgb.w; i++) {
        const uint8_t *p = rgb.pixels + 3 * i;
        if (grey.pixels[i] != (299 * p[0] + 587 * p[1] + 114 * p[2] + 500) / 1000)
            bug("pixel %lld: %d", (long long)i, grey.pixels[i]);
    }
    if (!in_rgb && !in_opaque != !rgb.transparent)
        bug("%lld pixels are not opaque, but %s", (long long)rgb.transparent, err.text);
    if (!in_opaque && memcmp(rgb.pixels, opaque.pixels, (size_t)rgb.h * (size_t)rgb.w * 3))
        bug("what is opaque is laid over something");
    image_free(&rgb);
    image_free(&grey);
    image_free(&index);
    image_free(&opaque);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* large pictures are allowed; only they would take the time of many inputs */
    if (size >= 24 && (get_u32(data + 16) > 512 || get_u32(data + 20) > 512) &&
        get_u32(data + 16) <= IMAGE_LARGEST && get_u32(data + 20) <= IMAGE_LARGEST)
        return 0;
    uint8_t *sealed = malloc(size ? size : 1);
    memcpy(sealed, data, size);
    for (size_t at = 8; size >= 12 && at <= size - 12;) {
        uint32_t length = get_u32(sealed + at);
        if (length > size - at - 12)
            break;
        uint32_t sum = (uint32_t)crc32(0, sealed + at + 4, 4 + length);
        for (int i = 0; i < 4; i++)
            sealed[at + 8 + length + (size_t)i] = (uint8_t)(sum >> (24 - 8 * i));
        at += 12 + length;
    }
    decode(data, size);
    decode(sealed, size);
    free(sealed);
    return 0;
}
