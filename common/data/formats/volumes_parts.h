/* What volumes_list.c finds out for volumes.c. */
#ifndef CAIRN_DATA_FORMATS_VOLUMES_PARTS_H
#define CAIRN_DATA_FORMATS_VOLUMES_PARTS_H

#include "data/listing.h"

/* *out and *classes live in the arena of classes, whose mask classes are filled in. *ignore: the value
 * of voxels without a class, -1 if there is none. */
int volumes_list(struct listing *out, int *ignore, struct collection *classes, const char *folder,
                 struct err *err);
void volumes_unused(struct collection *out, const struct listing *listing);

#endif
