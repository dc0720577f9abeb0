/* Principal components and silhouettes. */
#include "evaluate/embedding.h"

#include "base/memory.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* ---- principal components ------------------------------------------------------------------- */
/* LAPACK: eigenvalues, ascending, and eigenvectors (columns, in place of a) of a symmetric matrix. */
void dsyev_(const char *job, const char *uplo, const int *n, double *a, const int *lda,
            double *values, double *work, const int *room, int *info, size_t, size_t);

/* [points,features] */
static double *centred(const struct cloud *cloud)
{
    const size_t points = (size_t)cloud->points, features = (size_t)cloud->features;
    double *out = xcalloc(points * features, sizeof *out);
    for (size_t j = 0; j < features; j++) {
        double sum = 0;
        for (size_t i = 0; i < points; i++)
            sum += (double)cloud->x[i * features + j];
        for (size_t i = 0; i < points; i++)
            out[i * features + j] = (double)cloud->x[i * features + j] - sum / (double)points;
    }
    return out;
}

/* [side,side]: x^T x of the features or, where there are fewer points, x x^T of those. */
static double *products(const double *x, size_t points, size_t features)
{
    const bool of_points = points < features;
    const size_t side = of_points ? points : features, sum = of_points ? features : points;
    double *out = xcalloc(side * side, sizeof *out);
    for (size_t i = 0; i < side; i++)
        for (size_t j = 0; j <= i; j++) {
            const double *a = of_points ? x + i * features : x + i;
            const double *b = of_points ? x + j * features : x + j;
            const size_t step = of_points ? 1 : features;
            double product = 0;
            for (size_t k = 0; k < sum; k++)
                product += a[k * step] * b[k * step];
            out[i * side + j] = out[j * side + i] = product;
        }
    return out;
}

/* The loadings [features] of one eigenvector, of length 1, the largest positive. */
static void loadings(double *out, const double *x, size_t points, size_t features,
                     const double *vector)
{
    double squares = 0, largest = 0;
    for (size_t j = 0; j < features; j++) {
        out[j] = points < features ? 0 : vector[j];
        for (size_t i = 0; points < features && i < points; i++)
            out[j] += vector[i] * x[i * features + j];
        squares += out[j] * out[j];
        largest = fabs(out[j]) > fabs(largest) ? out[j] : largest;
    }
    double scale = squares > 0 ? copysign(1 / sqrt(squares), largest) : 0;
    for (size_t j = 0; j < features; j++)
        out[j] *= scale;
}

int pca(double *scores, double *share, const struct cloud *cloud, int32_t components,
        struct err *err)
{
    enum { BLOCK = 64 };
    const size_t points = (size_t)cloud->points, features = (size_t)cloud->features;
    const size_t side = points < features ? points : features, k = (size_t)components;
    int n = (int)side, room = (BLOCK + 2) * n, info;
    double *x = centred(cloud), *matrix = products(x, points, features), all = 0;
    double *values = xcalloc(side, sizeof *values), *work = xcalloc((size_t)room, sizeof *work);
    double *loading = xcalloc(features, sizeof *loading);
    for (size_t i = 0; i < side; i++)
        all += matrix[i * side + i];
    dsyev_("V", "U", &n, matrix, &n, values, work, &room, &info, 1, 1);
    for (size_t c = 0; !info && c < k; c++) {
        loadings(loading, x, points, features, matrix + (side - 1 - c) * side);
        share[c] = all > 0 ? fmax(values[side - 1 - c], 0) / all : NAN;
        for (size_t i = 0; i < points; i++) {
            scores[i * k + c] = 0;
            for (size_t j = 0; j < features; j++)
                scores[i * k + c] += loading[j] * x[i * features + j];
        }
    }
    free(x);
    free(matrix);
    free(values);
    free(work);
    free(loading);
    return info ? fail(err, "the principal components of %zu features were not found", features)
                : 0;
}

/* ---- classes -------------------------------------------------------------------------------- */
static double distance(const float *a, const float *b, int32_t features)
{
    double sum = 0;
    for (int32_t j = 0; j < features; j++) {
        double apart = (double)a[j] - (double)b[j];
        sum += apart * apart;
    }
    return sqrt(sum);
}

/* sums: [classes], room. */
static double silhouette_of(const struct cloud *cloud, const int32_t *label, int32_t classes,
                            const int32_t *counts, int32_t i, double *sums)
{
    double other = INFINITY;
    memset(sums, 0, (size_t)classes * sizeof *sums);
    for (int32_t k = 0; k < cloud->points; k++)
        sums[label[k]] += distance(cloud->x + (int64_t)i * cloud->features,
                                   cloud->x + (int64_t)k * cloud->features, cloud->features);
    for (int32_t c = 0; c < classes; c++)
        if (c != label[i] && counts[c])
            other = fmin(other, sums[c] / counts[c]);
    if (counts[label[i]] == 1)
        return 0;
    double own = sums[label[i]] / (counts[label[i]] - 1), greater = fmax(own, other);
    return greater > 0 ? (other - own) / greater : 0;
}

double silhouette(const struct cloud *cloud, const int32_t *label, int32_t classes, int threads)
{
    int32_t *counts = xcalloc((size_t)classes, sizeof *counts), present = 0;
    double *each = xcalloc((size_t)cloud->points, sizeof *each), sum = 0;
    for (int32_t i = 0; i < cloud->points; i++)
        present += counts[label[i]]++ == 0;
#pragma omp parallel num_threads(threads)
    {
        double *sums = xcalloc((size_t)classes, sizeof *sums);
#pragma omp for schedule(static)
        for (int32_t i = 0; i < cloud->points; i++)
            each[i] = silhouette_of(cloud, label, classes, counts, i, sums);
        free(sums);
    }
    for (int32_t i = 0; i < cloud->points; i++)
        sum += each[i];
    free(counts);
    free(each);
    return present > 1 ? sum / cloud->points : NAN;
}
