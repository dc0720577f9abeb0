#include "evaluate/calibration.h"

#include <math.h>

void calibration_add(struct calibration *calibration, double confidence, bool right)
{
    int bin = (int)ceil(confidence * CALIBRATION_BINS) - 1;
    struct calibration_bin *in = &calibration->bins[bin < 0 ? 0 : bin];
    in->count++;
    in->right += right;
    in->confidence += confidence;
}

double calibration_error(const struct calibration *calibration)
{
    double apart = 0;
    int64_t count = 0;
    for (int i = 0; i < CALIBRATION_BINS; i++) {
        const struct calibration_bin *bin = &calibration->bins[i];
        apart += fabs((double)bin->right - bin->confidence);
        count += bin->count;
    }
    return count ? apart / (double)count : NAN;
}
