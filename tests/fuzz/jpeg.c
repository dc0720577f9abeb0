/* Any bytes as a JPEG: the two forms that are read must agree with each other. */
#include "data/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Large pictures are allowed; only they would take the time of many inputs. */
static int is_large(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i + 9 <= size; i++) {
        int h = data[i + 5] << 8 | data[i + 6], w = data[i + 7] << 8 | data[i + 8];
        if (data[i] == 0xff && (data[i + 1] & 0xf0) == 0xc0 && (h > 512 || w > 512) &&
            data[i + 1] != 0xc4)
            return 1;
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct image rgb, grey;
    struct err err;
    if (is_large(data, size))
        return 0;
    int in_rgb = image_decode(&rgb, IMAGE_RGB, GROUND_FILE, data, size, &err);
    int in_grey = image_decode(&grey, IMAGE_GREY, GROUND_FILE, data, size, &err);
    if (in_rgb != in_grey)
        bug("rgb %d, grey %d: %s", in_rgb, in_grey, err.text);
    for (int64_t i = 0; !in_rgb && i < (int64_t)rgb.h * rgb.w; i++) {
        const uint8_t *p = rgb.pixels + 3 * i;
        if (grey.pixels[i] != (299 * p[0] + 587 * p[1] + 114 * p[2] + 500) / 1000)
            bug("pixel %lld: %d", (long long)i, grey.pixels[i]);
    }
    image_free(&rgb);
    image_free(&grey);
    return 0;
}
