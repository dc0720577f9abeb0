/* EXIF orientation (CIPA DC-008, 4.6.4): rotates and flips a picture to how viewers show it. */
#include "data/image_parts.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { TAG_ORIENTATION = 0x112, TYPE_SHORT = 3, TYPE_LONG = 4, ENTRY_BYTES = 12 };

static uint32_t number_at(const uint8_t *bytes, int size, bool little)
{
    uint32_t value = 0;
    for (int i = 0; i < size; i++)
        value = value << 8 | bytes[little ? size - 1 - i : i];
    return value;
}

int exif_orientation(const uint8_t *exif, size_t length)
{
    if (length < 8 || (memcmp(exif, "II*\0", 4) && memcmp(exif, "MM\0*", 4)))
        return 1;
    bool little = *exif == 'I';
    size_t at = number_at(exif + 4, 4, little);
    if (at > length - 2)
        return 1;
    size_t count = number_at(exif + at, 2, little);
    const uint8_t *entry = exif + at + 2;
    for (size_t left = (length - at - 2) / ENTRY_BYTES; count && left; count--, left--) {
        if (number_at(entry, 2, little) == TAG_ORIENTATION) {
            uint32_t type = number_at(entry + 2, 2, little);
            uint32_t value = number_at(entry + 8, type == TYPE_LONG ? 4 : 2, little);
            bool one =
                (type == TYPE_SHORT || type == TYPE_LONG) && number_at(entry + 4, 4, little) == 1;
            return one && value >= 1 && value <= 8 ? (int)value : 1;
        }
        entry += ENTRY_BYTES;
    }
    return 1;
}

void image_turn(struct image *image)
{
    /* of the row and column in the file: flipped after the axes are swapped */
    int how = image->orientation;
    bool exchanged = how >= 5, up = how == 3 || how == 4 || how == 6 || how == 7,
         left = how == 2 || how == 3 || how == 7 || how == 8;
    if (how == 1)
        return;
    int32_t h = image->h, w = image->w;
    size_t c = (size_t)image->c;
    image->h = exchanged ? w : h;
    image->w = exchanged ? h : w;
    uint8_t *out = xcalloc((size_t)h * (size_t)w, c), *next = out;
    for (int32_t y = 0; y < image->h; y++)
        for (int32_t x = 0; x < image->w; x++, next += c) {
            int64_t row = exchanged ? x : y, column = exchanged ? y : x;
            row = up ? h - 1 - row : row;
            column = left ? w - 1 - column : column;
            memcpy(next, image->pixels + (size_t)(row * w + column) * c, c);
        }
    free(image->pixels);
    image->pixels = out;
}
