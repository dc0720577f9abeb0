/* Writes PNG files: 8 bits per sample, no alpha, no timestamp, so that equal pixels give equal
 * files. */
#ifndef CAIRN_BASE_PNG_H
#define CAIRN_BASE_PNG_H

#include "base/err.h"

#include <stdint.h>

/* Publishes pixels [h,w,c], c 1 (grey) or 3 (RGB), at path. */
int png_publish(const char *path, const uint8_t *pixels, int32_t h, int32_t w, int32_t c,
                struct err *err);

#endif
