/* Masks hold the class of each pixel in one byte. */
#ifndef CAIRN_BASE_MASK_H
#define CAIRN_BASE_MASK_H

enum { MASK_CLASSES = 255, MASK_IGNORE = 255 /* no class */ };

#endif
