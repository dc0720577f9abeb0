/*
 * How near a picture is to another: in double precision, over values whose greatest less their
 * least can be `range`, channels-last [d,h,w,c] (an image has d = 1). One pair of images a call; a
 * mean over cases is the caller's.
 */
#ifndef CAIRN_EVALUATE_SIMILARITY_H
#define CAIRN_EVALUATE_SIMILARITY_H

#include <stdint.h>

/* Mean squared error of `count` values, count > 0. */
double image_mse(const float *a, const float *b, int64_t count);
/* Mean absolute error. */
double image_mae(const float *a, const float *b, int64_t count);

/* Peak signal-to-noise ratio in dB: -10 log10(mse / range^2). Identical images would make it, and
 * every mean, infinite, so it is limited to 100 dB (1e-10). */
double image_psnr(double mse, double range);

/*
 * Structural similarity (Wang, Bovik, Sheikh, Simoncelli, "Image Quality Assessment: From Error
 * Visibility to Structural Similarity", IEEE Trans. Image Processing 13(4), 2004, equation 13):
 * Gaussian windows of 11 with sigma 1.5, K1 = 0.01, K2 = 0.03, the mean over all windows
 * that lie inside the image, then over channels. Volumes have windows of 11 x 11 x 11. Along an
 * axis shorter than 11 the window has the largest odd length that fits, its weights made to sum
 * to 1. size: d, h, w, c.
 */
double image_ssim(const float *a, const float *b, const int32_t size[4], double range);

/*
 * Structural similarity at several scales (Wang, Simoncelli, Bovik, "Multi-scale Structural
 * Similarity for Image Quality Assessment", Asilomar 2003, equation 7): windows as above; from
 * scale to scale means of 2 pixels along each axis; at each but the last the mean of contrast times
 * structure, at the last the mean of all three, each to the power of its weight; a negative mean
 * counts as 0. With fewer than five scales it is another measure: the weights of the first ones,
 * made to sum to what all five do. A channel at a time, then the mean over channels.
 */
enum { MS_SSIM_SCALES = 5 };
/* scales: 1 to ms_ssim_scales. */
double image_ms_ssim(const float *a, const float *b, const int32_t size[4], double range,
                     int scales);
/* The smallest side for which the last of so many scales has a whole window: 176 for five. */
int ms_ssim_side(int scales);
/* As many scales, up to five, as the shortest side allows; an image's d of 1 does not count. */
int ms_ssim_scales(const int32_t size[4]);

#endif
