/*
 * The Frechet distance between two clouds of points, each modelled as a Gaussian:
 *   |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))
 * (Dowson & Landau 1982; Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule Converge
 * to a Local Nash Equilibrium", eq. 6). In double precision; covariances are those of a sample
 * (over count - 1), which may have any rank. By the reference LAPACK, on one thread: the same bits
 * on every x86-64 machine.
 */
#ifndef CAIRN_EVALUATE_FRECHET_H
#define CAIRN_EVALUATE_FRECHET_H

#include "base/err.h"
#include "base/memory.h"

#include <stdbool.h>
#include <stdint.h>

/* Mean and covariance of points that are added one by one. */
struct moments {
    int32_t features;
    int64_t count;
    double *first;    /* [features]: the first point; sums are of distances from it */
    double *sum;      /* [features] */
    double *products; /* [features,features], the lower triangle */
    double *away;     /* [features]: the current point */
};
struct moments moments_new(int32_t features, struct arena *arena);
void moments_add(struct moments *moments, const float *point);

/* NAN if either has fewer than two points or a point that is not finite. The work is that of the
 * singular values of a matrix of features x features. */
int frechet_distance(double *out, const struct moments *a, const struct moments *b,
                     struct err *err);

#endif
