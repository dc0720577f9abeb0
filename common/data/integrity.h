/*
 * A summary of a data set before anything is learnt from it: counts and sizes, class frequencies,
 * images that are equal pixel by pixel (before any resize), and what was left out.
 */
#ifndef CAIRN_DATA_INTEGRITY_H
#define CAIRN_DATA_INTEGRITY_H

#include "data/data.h"

/* The artifact's file integrity.json:
 *   {"cases": {"train": n, ...},
 *    "sizes": [{"d", "h", "w", "c", "cases"}]      of the images as read, the most frequent first
 *    "labels": {"train": {CLASS: cases}, ...},     if there are labels
 *    "mask_pixels": {"train": {CLASS: pixels, "ignore": pixels}, ...},  after any resize
 *    "absent": [CLASS, ...],                      without a case or a pixel in train, if there are any
 *    "cut": [{"id", "voxels", "of"}],             of a class above 0, cut off by the size, if any are
 *    "equal": [["train/ID", "test/ID", ...], ...], groups of equal images, within and across splits
 *    "skipped": [{"id", "reason"}]}
 * Written by collection_write. */
int integrity_write(const struct collection *collection, const struct draft *draft,
                    struct err *err);
/* Adds notes for absent and cut: worth knowing before training. */
void integrity_note(struct collection *collection);
/* Equal images in different splits are STATUS_BAD_DATA, naming the first pair and how many there
 * are. */
int integrity_check_leaks(const struct collection *collection, struct err *err);

#endif
