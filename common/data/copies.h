/*
 * Images that two data sets have in common: equal pixel by pixel before any resize, however their
 * files were encoded. One that was resized, turned or compressed with loss is another image.
 */
#ifndef CAIRN_DATA_COPIES_H
#define CAIRN_DATA_COPIES_H

#include "data/data.h"

struct copy {
    const char *id, *as; /* the case, and what the other data set calls it */
    enum split split;    /* there */
};
/* The cases of the split that the other data set has in a split before that one, which are those that
 * something may have been fitted to or chosen by: of test in train or val, of val in train, of train
 * none. In the order of the cases; memory is the arena's. An artifact that is no data set has none. */
int copies_find(struct copy **out, uint32_t *count, struct arena *arena, const struct store *store,
                const struct id *dataset, enum split split, const struct id *other,
                struct err *err);

#endif
