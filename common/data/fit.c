#include "data/fit.h"

#include "base/stop.h"
#include "data/data.h"

#include <stdlib.h>
#include <string.h>

static int32_t rounded(int64_t length, int64_t times, int64_t over, int32_t most)
{
    int64_t scaled = (2 * length * times + over) / (2 * over);
    return (int32_t)(scaled < 1 ? 1 : scaled > most ? most : scaled);
}

struct fit_window fit_window(const struct fit *fit, int32_t h, int32_t w)
{
    struct fit_window window = {.h = fit->h, .w = fit->w};
    if (fit->keep_aspect && (int64_t)h * fit->w < (int64_t)w * fit->h)
        window.h = rounded(h, fit->w, w, fit->h);
    else if (fit->keep_aspect)
        window.w = rounded(w, fit->h, h, fit->w);
    window.top = (fit->h - window.h) / 2;
    window.left = (fit->w - window.w) / 2;
    return window;
}

static void place(uint8_t *out, const struct fit *fit, const struct fit_window *window,
                  const uint8_t *in, int32_t h, int32_t w, int32_t c, enum resize_filter filter,
                  uint8_t around)
{
    if (window->h == fit->h && window->w == fit->w) {
        image_resize(out, fit->h, fit->w, in, h, w, c, filter);
        return;
    }
    size_t row = (size_t)window->w * (size_t)c, step = (size_t)fit->w * (size_t)c;
    uint8_t *inner = xmalloc((size_t)window->h * row);
    image_resize(inner, window->h, window->w, in, h, w, c, filter);
    memset(out, around, (size_t)fit->h * step);
    uint8_t *first = out + (size_t)window->top * step + (size_t)window->left * (size_t)c;
    for (size_t y = 0; y < (size_t)window->h; y++)
        memcpy(first + y * step, inner + y * row, row);
    free(inner);
}

void fit_case(uint8_t *image_out, uint8_t *mask_out, const struct fit *fit, const uint8_t *image,
              const uint8_t *mask, int32_t h, int32_t w, int32_t c)
{
    if (h == fit->h && w == fit->w) {
        memcpy(image_out, image, (size_t)h * (size_t)w * (size_t)c);
        if (mask)
            memcpy(mask_out, mask, (size_t)h * (size_t)w);
        return;
    }
    struct fit_window window = fit_window(fit, h, w);
    place(image_out, fit, &window, image, h, w, c, fit->filter, 0);
    if (mask)
        place(mask_out, fit, &window, mask, h, w, 1, RESIZE_NEAREST, MASK_IGNORE);
}

int collection_fit(struct collection *collection, const struct fit *fit, struct err *err)
{
    int32_t h = collection->h, w = collection->w, c = collection->c;
    if (!fit->h || (h == fit->h && w == fit->w))
        return 0;
    if (collection->d != 1)
        return fail_as(err, STATUS_CONFIG,
                       "a size of %dx%d for volumes of %dx%dx%d: only pictures "
                       "can be resized",
                       fit->h, fit->w, collection->d, h, w);
    size_t pixels = (size_t)fit->h * (size_t)fit->w;
    bool masked = collection->count && collection->cases[0].mask;
    void *images, *masks = NULL;
    TRY(arena_block(&images, &collection->arena, collection->count, pixels * (size_t)c, err));
    if (masked)
        TRY(arena_block(&masks, &collection->arena, collection->count, pixels, err));
    for (uint32_t i = 0; i < collection->count; i++) {
        struct raw_case *one = &collection->cases[i];
        TRY(stop_obey(err));
        uint8_t *image = (uint8_t *)images + i * pixels * (size_t)c;
        uint8_t *mask = masked ? (uint8_t *)masks + i * pixels : NULL;
        fit_case(image, mask, fit, one->image, one->mask, h, w, c);
        memcpy(one->size, (const int32_t[]){1, h, w}, sizeof one->size);
        one->image = image;
        one->mask = mask;
    }
    collection->h = fit->h;
    collection->w = fit->w;
    return 0;
}
