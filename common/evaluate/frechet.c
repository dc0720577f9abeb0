#include "evaluate/frechet.h"

#include "base/stop.h"

#include <math.h>
#include <string.h>

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

/* ---- LAPACK: column-major matrices; Fortran names end in an underscore ----------------------- */
/* A = P L L^T P^T with the greatest pivots first, which reveals the rank. */
void dpstrf_(const char *uplo, const int *n, double *a, const int *lda, int *pivot, int *rank,
             const double *tolerance, double *work, int *info, size_t);
/* B = B op(A), A a triangle. */
void dtrmm_(const char *side, const char *uplo, const char *op, const char *diagonal, const int *m,
            const int *n, const double *alpha, const double *a, const int *lda, double *b,
            const int *ldb, size_t, size_t, size_t, size_t);
/* Reduces to two diagonals with the same singular values. */
void dgebrd_(const int *m, const int *n, double *a, const int *lda, double *diagonal,
             double *beside, double *left, double *right, double *work, const int *room, int *info);
/* The singular values of two diagonals, in place of the first one. */
void dbdsqr_(const char *uplo, const int *n, const int *right, const int *left, const int *more,
             double *diagonal, double *beside, double *vt, const int *ldvt, double *u,
             const int *ldu, double *c, const int *ldc, double *work, int *info, size_t);
/* ---- distance ------------------------------------------------------------------------------- */
struct factor {
    double *l; /* [n,n] by columns, the lower triangle */
    int *row;  /* [n]: which feature each row of l is */
    int rank;  /* columns from here on are 0 */
};

/* The covariance as a product l l^T, its rows reordered. A pivot within rounding error of the
 * greatest counts as 0: its root would not be small. */
static struct factor factor(const struct moments *moments, struct arena *arena)
{
    int n = moments->features, info;
    size_t side = (size_t)n;
    struct factor out = {.l = arena_alloc(arena, side * side * sizeof(double)),
                         .row = arena_alloc(arena, side * sizeof(int))};
    for (int32_t j = 0; j < n; j++)
        for (int32_t i = j; i < n; i++)
            out.l[(size_t)j * side + (size_t)i] = covariance_of(moments, i, j);
    dpstrf_("L", &n, out.l, &n, out.row, &out.rank, &(double){-1},
            arena_alloc(arena, 2 * side * sizeof(double)), &info, 1);
    for (size_t j = (size_t)out.rank; j < side; j++)
        memset(out.l + j * side, 0, side * sizeof(double));
    for (size_t i = 0; i < side; i++)
        out.row[i]--; /* Fortran counts from 1 */
    return out;
}

/* tr((C1 C2)^(1/2)), which is tr((S1^T C2 S1)^(1/2)) for any S1 with C1 = S1 S1^T: with C2 = S2
 * S2^T the sum of the singular values of S2^T S1. No product of covariances is formed, so that
 * small values keep their digits. */
static int trace_of_root(double *out, const struct moments *a, const struct moments *b,
                         struct arena *arena, struct err *err)
{
    int n = a->features, info;
    size_t side = (size_t)n;
    struct factor of_a = factor(a, arena);
    TRY(stop_obey(err));
    struct factor of_b = factor(b, arena);
    TRY(stop_obey(err));

    /* S2^T [rank of b,n], its columns in the order that a's rows have */
    double *product = arena_alloc(arena, side * side * sizeof(double));
    int *where = arena_alloc(arena, side * sizeof(int));
    for (size_t i = 0; i < side; i++)
        where[of_b.row[i]] = (int)i;
    for (size_t k = 0; k < side; k++)
        for (int row = where[of_a.row[k]], j = 0; j <= row; j++)
            product[k * side + (size_t)j] = of_b.l[(size_t)j * side + (size_t)row];
    dtrmm_("R", "L", "N", "N", &of_b.rank, &n, &(double){1}, of_a.l, &n, product, &n, 1, 1, 1, 1);
    TRY(stop_obey(err));

    enum { BLOCK = 64 };
    int least = of_a.rank < of_b.rank ? of_a.rank : of_b.rank, room = 2 * n * BLOCK;
    double *diagonal = arena_alloc(arena, (4 + 2 * BLOCK) * side * sizeof(double));
    double *beside = diagonal + side, *work = diagonal + 4 * side;
    dgebrd_(&of_b.rank, &of_a.rank, product, &n, diagonal, beside, diagonal + 2 * side,
            diagonal + 3 * side, work, &room, &info);
    dbdsqr_(of_b.rank < of_a.rank ? "L" : "U", &least, &(int){0}, &(int){0}, &(int){0}, diagonal,
            beside, NULL, &(int){1}, NULL, &(int){1}, NULL, &(int){1}, work, &info, 1);
    if (info)
        return fail(err, "the singular values of %d features were not found", n);
    *out = 0;
    for (int i = 0; i < least; i++)
        *out += diagonal[i];
    return 0;
}

int frechet_distance(double *out, const struct moments *a, const struct moments *b, struct err *err)
{
    double distance = 0, trace = 0;
    for (int32_t i = 0; i < a->features; i++) {
        double between = mean_of(a, i) - mean_of(b, i);
        distance += between * between + covariance_of(a, i, i) + covariance_of(b, i, i);
    }
    *out = NAN;
    if (a->count < 2 || b->count < 2 || !isfinite(distance))
        return 0;
    struct arena arena = {0};
    int status = trace_of_root(&trace, a, b, &arena, err);
    arena_free(&arena);
    if (status)
        return -1;
    *out = fmax(distance - 2 * trace, 0); /* negative only by rounding, for equal clouds */
    return 0;
}
