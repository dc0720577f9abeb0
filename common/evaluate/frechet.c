#include "evaluate/frechet.h"

#include "base/stop.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

struct moments moments_new(int32_t features, struct arena *arena)
{
    size_t n = (size_t)features;
    return (struct moments){.features = features,
                            .first = arena_alloc(arena, n * sizeof(double)),
                            .sum = arena_alloc(arena, n * sizeof(double)),
                            .products = arena_alloc(arena, n * n * sizeof(double)),
                            .away = arena_alloc(arena, n * sizeof(double))};
}

void moments_add(struct moments *moments, const float *point)
{
    int32_t n = moments->features;
    for (int32_t i = 0; i < n && !moments->count; i++)
        moments->first[i] = point[i];
    moments->count++;
    for (int32_t i = 0; i < n; i++) {
        moments->away[i] = point[i] - moments->first[i];
        moments->sum[i] += moments->away[i];
        double *row = moments->products + (size_t)i * (size_t)n;
        for (int32_t j = 0; j <= i; j++)
            row[j] += moments->away[i] * moments->away[j];
    }
}

static double mean_of(const struct moments *moments, int32_t i)
{
    return moments->first[i] + moments->sum[i] / (double)moments->count;
}

static double covariance_of(const struct moments *moments, int32_t i, int32_t j)
{
    double products = moments->products[(size_t)(i > j ? i : j) * (size_t)moments->features +
                                        (size_t)(i > j ? j : i)];
    double expected = moments->sum[i] * moments->sum[j] / (double)moments->count;
    return (products - expected) / (double)(moments->count - 1);
}

/* ---- one-sided Jacobi ----------------------------------------------------------------------- */
static double dot(const double *a, const double *b, int32_t n)
{
    double sum = 0;
    for (int32_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static double length(const double *a, int32_t n)
{
    return sqrt(dot(a, a, n));
}

/* Turns two rows in their plane until they are at right angles; false if they are. What is below
 * `floor` (squared) is rounding, which has no direction. */
static bool turn(double *p, double *q, int32_t n, double floor)
{
    double pp = dot(p, p, n), qq = dot(q, q, n), pq = dot(p, q, n);
    if (!(fmin(pp, qq) > floor) || !(fabs(pq) > 1e-14 * sqrt(pp) * sqrt(qq)))
        return false;
    double cot = (qq - pp) / (2 * pq);
    double tan = (cot < 0 ? -1 : 1) / (fabs(cot) + sqrt(1 + cot * cot));
    double c = 1 / sqrt(1 + tan * tan), s = c * tan;
    for (int32_t i = 0; i < n; i++) {
        double x = p[i], y = q[i];
        p[i] = c * x - s * y;
        q[i] = s * x + c * y;
    }
    return true;
}

/* Multiplies the matrix [n,n] from the left by the rotation that makes its rows orthogonal
 * (Hestenes 1958). Their lengths are then its singular values. Of a symmetric matrix without negative
 * eigenvalues the rows are its eigenvectors, as long as their eigenvalues. */
static int make_rows_orthogonal(double *matrix, int32_t n, struct err *err)
{
    enum { SWEEPS = 60 }; /* ten are many */
    size_t side = (size_t)n;
    double floor = 0;
    for (size_t i = 0; i < side; i++)
        floor = fmax(floor, dot(matrix + i * side, matrix + i * side, n) * 1e-30);
    bool turned = true;
    for (int sweep = 0; turned && sweep < SWEEPS; sweep++) {
        turned = false;
        for (size_t p = 0; p < side; p++) {
            TRY(stop_obey(err));
            for (size_t q = p + 1; q < side; q++)
                turned |= turn(matrix + p * side, matrix + q * side, n, floor);
        }
    }
    return turned ? fail(err, "the singular values of %d features were not found", (int)n) : 0;
}

/* ---- distance ------------------------------------------------------------------------------- */
/* Rows r with sum r r^T = the covariance. Eigenvalues that are rounding errors of the greatest are
 * none: their roots would not be small. */
static int factor(double *out, const struct moments *moments, struct err *err)
{
    int32_t n = moments->features;
    double greatest = 0;
    for (int32_t i = 0; i < n; i++)
        for (int32_t j = 0; j < n; j++)
            out[(size_t)i * (size_t)n + (size_t)j] = covariance_of(moments, i, j);
    TRY(make_rows_orthogonal(out, n, err));
    for (size_t i = 0; i < (size_t)n; i++)
        greatest = fmax(greatest, length(out + i * (size_t)n, n));
    for (size_t i = 0; i < (size_t)n; i++) {
        double *row = out + i * (size_t)n, value = length(row, n);
        double scale = value <= n * DBL_EPSILON * greatest ? 0 : 1 / sqrt(value);
        for (int32_t j = 0; j < n; j++)
            row[j] *= scale;
    }
    return 0;
}

/* tr((C1 C2)^(1/2)), which is tr((S1^T C2 S1)^(1/2)) for any S1 with C1 = S1 S1^T: with C2 = S2 S2^T
 * the sum of the singular values of S2^T S1. No product of covariances is formed, so that small
 * values keep their digits. */
static int trace_of_root(double *out, const struct moments *a, const struct moments *b,
                         double *work, struct err *err)
{
    int32_t n = a->features;
    size_t side = (size_t)n;
    double *of_a = work, *of_b = work + side * side, *product = work + 2 * side * side;
    TRY(factor(of_a, a, err) || factor(of_b, b, err));
    for (size_t i = 0; i < side; i++)
        for (size_t j = 0; j < side; j++)
            product[i * side + j] = dot(of_b + i * side, of_a + j * side, n);
    TRY(make_rows_orthogonal(product, n, err));
    *out = 0;
    for (size_t i = 0; i < side; i++)
        *out += length(product + i * side, n);
    return 0;
}

int frechet_distance(double *out, const struct moments *a, const struct moments *b, struct err *err)
{
    *out = NAN;
    if (a->count < 2 || b->count < 2)
        return 0;
    double distance = 0, trace = 0;
    size_t side = (size_t)a->features;
    double *work = xcalloc(3 * side * side, sizeof *work);
    int status = trace_of_root(&trace, a, b, work, err);
    free(work);
    if (status)
        return -1;
    for (int32_t i = 0; i < a->features; i++) {
        double between = mean_of(a, i) - mean_of(b, i);
        distance += between * between + covariance_of(a, i, i) + covariance_of(b, i, i);
    }
    distance -= 2 * trace;
    *out = distance < 0 ? 0 : distance; /* equal clouds, but for rounding */
    return 0;
}
