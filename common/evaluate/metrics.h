/*
 * How near a picture is to another: in double precision, over values in [0, 1], channels-last
 * [d,h,w,c] (an image has d = 1). One pair of images a call; a mean over cases is the caller's.
 */
#ifndef CAIRN_EVALUATE_METRICS_H
#define CAIRN_EVALUATE_METRICS_H

#include <stdint.h>

/* Mean squared error of `count` values, count > 0. */
double image_mse(const float *a, const float *b, int64_t count);

/* Peak signal-to-noise ratio in dB for a data range of 1: -10 log10(mse). Identical images would
 * have an infinite one and take every mean with them, so 100 dB (an mse of 1e-10) is the most there
 * is. */
double image_psnr(double mse);

/*
 * Structural similarity (Wang, Bovik, Sheikh, Simoncelli, "Image Quality Assessment: From Error
 * Visibility to Structural Similarity", IEEE Trans. Image Processing 13(4), 2004, equation 13):
 * Gaussian windows of 11 with sigma 1.5, K1 = 0.01, K2 = 0.03, range 1, the mean over all windows
 * that lie inside the image, then over channels. Volumes have windows of 11 x 11 x 11. Along an
 * axis shorter than 11 the window has the largest odd length that fits, its weights made to sum
 * to 1.
 */
double image_ssim(const float *a, const float *b, int d, int h, int w, int c);

#endif
