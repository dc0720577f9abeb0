/*
 * How close a segmentation is to the truth. Masks are u8 class indices [d,h,w]; pixels whose truth
 * is MASK_IGNORE are not counted. All in double precision.
 *
 * Empty masks, everywhere: a class in neither truth nor prediction has no value (NaN, left out of
 * means; the mean of none is NaN); one in only one of them has Dice, IoU and boundary F 0, and
 * precision or recall 0 if its denominator is not 0, else NaN; its distances are undefined (NaN)
 * and counted separately.
 */
#ifndef CAIRN_EVALUATE_OVERLAP_H
#define CAIRN_EVALUATE_OVERLAP_H

#include <stddef.h>
#include <stdint.h>

/* counts[truth * classes + prediction] += pixels. */
void confusion_add(int64_t *counts, int32_t classes, const uint8_t *truth,
                   const uint8_t *prediction, int64_t pixels);
double confusion_accuracy(const int64_t *counts, int32_t classes);
struct overlap {
    double dice, iou, precision, recall, volume;
};
struct overlap confusion_overlap(const int64_t *counts, int32_t classes, int32_t class);
/* Mean IoU over the classes that have one, background included. */
double confusion_miou(const int64_t *counts, int32_t classes);

/*
 * Distances between the surfaces of one class. A surface voxel is a voxel of the class at the edge
 * of the volume or with a neighbour (along d, h or w) of another class. Distances are exact,
 * Euclidean between voxel centres, in units of spacing (d, h, w).
 *   hd95       the greater of the two directed 95th percentiles (linear interpolation), as MONAI
 *   average    symmetric average surface distance: mean over the voxels of both surfaces
 *   f          boundary F-score at `tolerance` (Csurka et al. 2013): harmonic mean of the shares of
 *              predicted and true surface within the tolerance of the other
 *   dice       surface Dice at `tolerance` (Nikolov et al. 2018) by voxel counts: share of both
 *              surfaces together
 */
struct surface {
    double hd95, average, f, dice;
};
struct surface surface_compare(const uint8_t *truth, const uint8_t *prediction, int32_t class,
                               const int32_t size[3], const double spacing[3], double tolerance);

#endif
