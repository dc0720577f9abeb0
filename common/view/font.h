/* The bitmap font of canvas_text; private to this room. */
#ifndef CAIRN_VIEW_FONT_H
#define CAIRN_VIEW_FONT_H

#include <stdbool.h>

/* Is this pixel of the character's cell inked? x in [0, FONT_WIDTH), y in [0, FONT_HEIGHT).
 * Anything but printable ASCII is a hollow box. */
bool font_pixel(unsigned char character, int x, int y);

#endif
