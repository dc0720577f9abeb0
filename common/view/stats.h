/*
 * The statistics of a comparison over seeds. Pure functions. A number that the data do not
 * determine (a deviation of one value, an interval of one pair) is NaN.
 */
#ifndef CAIRN_VIEW_STATS_H
#define CAIRN_VIEW_STATS_H

#include <stddef.h>

double stats_mean(const double *x, size_t count); /* NaN if empty */
double stats_sd(const double *x, size_t count);   /* of a sample (n - 1); NaN below two */

/* The t with P(T <= t) = p for Student's distribution; 0 < p < 1, freedom > 0. */
double stats_t_quantile(double p, double freedom);

/* Paired differences: their mean with its 95 % t interval, which needs at least two. */
struct paired {
    size_t count;
    double mean, low, high;
};
struct paired stats_paired(const double *difference, size_t count);

/*
 * The exact two-sided sign-flip (randomisation) test that differences are symmetric about 0: the
 * share of the 2^n sign patterns whose sum is at least as far from 0 as the observed one. It cannot
 * be below 2/2^n. NaN for count 0 and above SIGN_FLIP_MOST.
 */
enum { SIGN_FLIP_MOST = 24 };
double stats_sign_flip(const double *difference, size_t count);

/* Holm (1979): p-values adjusted as one family. NaNs stay NaN and are not counted. */
void stats_holm(double *adjusted, const double *p, size_t count);

#endif
