/* The bitmap font of canvas_text; not for other rooms. */
#ifndef CAIRN_VIEW_FONT_H
#define CAIRN_VIEW_FONT_H

#include <stdbool.h>

/* Is the pixel of this character's cell inked? x in [0, FONT_WIDTH), y in [0, FONT_HEIGHT). What is
 * not printable ASCII shows as a hollow box. */
bool font_pixel(unsigned char character, int x, int y);

#endif
