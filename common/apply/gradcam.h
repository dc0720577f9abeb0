/*
 * Grad-CAM (Selvaraju et al. 2017, eq. 1 and 2), of a segmentation as in Seg-Grad-CAM (Vinogradova et al.
 * 2020, eq. 2): where in an image a layer of the model sees what speaks for a class.
 *
 * A^k [h,w] are the layer's maps, y is the sum of the class's logits over the pixels that are predicted as
 * the class: alpha_k = mean over positions of dy/dA^k, map = relu(sum over k of alpha_k A^k).
 */
#ifndef CAIRN_APPLY_GRADCAM_H
#define CAIRN_APPLY_GRADCAM_H

#include "apply/trained.h"

struct gradcam;
/* Of images as the model is open for, one at a time; trained has to be open for SEGMENT
 * and outlives this. layer: a path below which the model's graph has nodes
 * ("encoder.2.norm2", "decoder.0"), of which the last value counts. One that is not there, or is no
 * map, or from which nothing is learnt, is STATUS_CONFIG with those that are. */
int gradcam_open(struct gradcam **out, struct trained *trained, struct backend *backend,
                 struct meter *meter, const char *layer, int32_t class, struct err *err);
void gradcam_close(struct gradcam *gradcam);
/* image [h,w,c], predicted [h,w] classes -> map [h,w]: 0 to 1, enlarged to the image's size (bilinear,
 * pixel centres at half-integers) after it was divided by its largest value, peak, which is 0 where
 * nothing speaks for the class. */
int gradcam_map(struct gradcam *gradcam, const float *image, const uint8_t *predicted, float *map,
                float *peak, struct err *err);

#endif
