/* Fitting a classifier to images and labels (stage train-classifier). */
#ifndef CAIRN_TRAIN_CLASSIFIER_TRAIN_H
#define CAIRN_TRAIN_CLASSIFIER_TRAIN_H

#include "model/classifier.h"
#include "train/train.h"

struct classifier_config {
    struct classifier_model_config model;
    double label_smoothing;
    struct train_config train;
};
extern const struct field classifier_fields[];

/* The loss is the cross entropy; monitor "accuracy". */
int classifier_train(const struct training *where, const struct classifier_config *config,
                     uint64_t seed, const struct draft *draft, struct err *err);

#endif
