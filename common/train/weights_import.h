/*
 * Weights that others trained, from safetensors files: networks of torchvision by its own names, of which
 * the features alone are taken, or any sequence of convolutions, ReLU and pooling (model/convnet.h).
 *
 *   vgg16     torchvision.models.vgg16: features.N.weight, features.N.bias; classifier.* is passed over.
 *             Taps behind relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3
 *   alexnet   torchvision.models.alexnet, likewise; taps behind its five activations
 *   sequence  the same names; the file's metadata have, as `convnet`, the lines of the model.txt that
 *             describes it
 * Convolutions are [out,in,h,w] there. Tensors linK.model.1.weight [1,c,1,1], as LPIPS calls the weights of
 * tap K, in the same file or a second one, make an lpips of it.
 */
#ifndef CAIRN_TRAIN_WEIGHTS_IMPORT_H
#define CAIRN_TRAIN_WEIGHTS_IMPORT_H

#include "model/convnet.h"
#include "store/store.h"

/* Writes model.txt and weights.safetensors. as: one of the names, else STATUS_USAGE. A tensor that is
 * missing, of another shape, not F32 or not finite, or that has no place is STATUS_BAD_DATA. */
enum { MAX_IMPORTED = 2 };
int weights_import(const char *const *paths, int count, const char *as, const struct draft *draft,
                   struct err *err);

#endif
