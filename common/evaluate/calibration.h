/*
 * Calibration: of the predictions made with a confidence of 0.8, a share of 0.8 should be right.
 *
 * Predictions fall into equal bins of the confidence of the predicted class, (low, high]. The
 * expected calibration error (Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural
 * Networks", ICML 2017, eq. 3) is the mean over all predictions of |share right - mean confidence|
 * of their bin.
 */
#ifndef CAIRN_EVALUATE_CALIBRATION_H
#define CAIRN_EVALUATE_CALIBRATION_H

#include <stdbool.h>
#include <stdint.h>

enum { CALIBRATION_BINS = 15 };
struct calibration {
    struct calibration_bin {
        int64_t count, right;
        double confidence; /* sum */
    } bins[CALIBRATION_BINS];
};
/* confidence: 0 to 1. */
void calibration_add(struct calibration *calibration, double confidence, bool right);
double calibration_error(const struct calibration *calibration); /* NaN: of nothing */

#endif
