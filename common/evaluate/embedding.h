/*
 * What clouds of points look like and how well classes lie apart in them. Points are rows, F32
 * [points,features]; sums are in double precision and always in the same order, so that nothing depends on
 * the number of threads.
 */
#ifndef CAIRN_EVALUATE_EMBEDDING_H
#define CAIRN_EVALUATE_EMBEDDING_H

#include "base/err.h"

#include <stdint.h>

struct cloud {
    const float *x; /* [points,features] */
    int32_t points, features;
};

/* ---- principal components ------------------------------------------------------------------- */
/*
 * The first `components`, at most features and points, by LAPACK: scores [points,components], centred; share
 * [components] of the whole variance (NAN without any). Of a component and its negative that one whose loading
 * of the largest size is positive. The work is that of the eigenvectors of a matrix whose side is the
 * lesser of points and features.
 */
int pca(double *scores, double *share, const struct cloud *cloud, int32_t components,
        struct err *err);

/* ---- classes -------------------------------------------------------------------------------- */
/*
 * Mean silhouette (Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of
 * cluster analysis", J. Comput. Appl. Math. 20, 1987): (b - a) / max(a, b) with a the mean Euclidean
 * distance to the others of the point's class and b the least mean distance to those of another one; 0
 * where a point is alone in its class. NAN unless two classes have points. label: [points], 0 to
 * classes - 1.
 */
double silhouette(const struct cloud *cloud, const int32_t *label, int32_t classes, int threads);

/*
 * A linear probe: multinomial logistic regression on `train`, each feature brought to mean 0 and
 * variance 1 there, with the penalty |weights|^2 / 2 beside the sum of the cross entropies (biases are free), by
 * L-BFGS (Liu & Nocedal 1989) until no slope is above a millionth a point. predicted: [points] of
 * `test`, the first of equals. STATUS_FAILED if it does not get there.
 */
int linear_probe(int32_t *predicted, const struct cloud *train, const int32_t *label,
                 int32_t classes, const struct cloud *test, struct err *err);

/* ---- t-SNE ---------------------------------------------------------------------------------- */
/*
 * van der Maaten & Hinton, "Visualizing Data using t-SNE", JMLR 9, 2008, exact: 1000 steps, the
 * first 250 of them with early exaggeration (12) and momentum 0.5, then 0.8, with gains, which begin anew
 * with it (as scikit-learn has it: it ends lower); a rate of
 * points / 48, at least 50 (Belkina et al. 2019). It starts from N(0, 1e-4) by `seed`. Time and memory grow
 * with the square of the points.
 */
enum { TSNE_POINTS = 2000, TSNE_LEAST = 4 };
/* y: [points,2], centred. perplexity: above 1; the most that there are points for is a third of
 * them. Returns the divergence KL(P || Q) in nats. points: TSNE_LEAST or more. */
double tsne(double *y, const struct cloud *cloud, double perplexity, uint64_t seed, int threads);
/* Its parts. p: [points,points], joint probabilities, which are symmetric and sum to 1 (eq. 1, 3.1). */
void tsne_affinities(double *p, const struct cloud *cloud, double perplexity, int threads);
/* Of KL(P || Q) at y, each p times `exaggeration` (eq. 5): [points,2]. */
void tsne_gradient(double *gradient, const double *p, const double *y, int32_t points,
                   double exaggeration, int threads);
double tsne_divergence(const double *p, const double *y, int32_t points);

#endif
