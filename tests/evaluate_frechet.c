/* Frechet distances against eigenvalues in 40 digits (scripts/golden-frechet.py) and against what must
 * hold. */
#include "evaluate/frechet.h"

#include "near.h"

#include <stdlib.h>

static const struct {
    int features, n, m, first, second;
    double distance;
} golden[] = {
#include "golden/frechet.def"
};

static float full(int kind, int features, int i, int j)
{
    uint64_t at = (uint64_t)(i * features + j);
    return (float)((at * at * 31 + at * (kind == 1 ? 17 : 91)) / 7 % 256) / 256;
}

/* Coordinate j of point i, as the script has it. */
static float coordinate(int kind, int features, int i, int j)
{
    switch (kind) {
    case 1:
    case 2:
        return full(kind, features, i, j);
    case 3:
        return j == features - 1 ? 0.5f : full(1, features, i, j % 3);
    case 4:
        return 0.25f;
    case 5:
    case 6:
        return ldexpf(full(kind - 4, features, i, j), -2 * j);
    default:
        return full(kind - 6, features, i, j) + 4096;
    }
}

static struct moments cloud(int kind, int features, int count, struct arena *arena)
{
    float *point = arena_alloc(arena, (size_t)features * sizeof *point);
    struct moments moments = moments_new(features, arena);
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < features; j++)
            point[j] = coordinate(kind, features, i, j);
        moments_add(&moments, point);
    }
    return moments;
}

static double distance(const struct moments *a, const struct moments *b)
{
    struct err err = {0};
    double out;
    if (frechet_distance(&out, a, b, &err))
        fail_msg("%s", err.text);
    return out;
}

static void as_the_eigenvalues_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        struct arena arena = {0};
        int features = golden[i].features;
        struct moments a = cloud(golden[i].first, features, golden[i].n, &arena);
        struct moments b = cloud(golden[i].second, features, golden[i].m, &arena);
        near(distance(&a, &b), golden[i].distance, 1e-12 * (1 + golden[i].distance));
        near(distance(&b, &a), golden[i].distance, 1e-12 * (1 + golden[i].distance));
        arena_free(&arena);
    }
}

/* A cloud that is moved is as far away as it was moved, squared; itself is nowhere else. */
static void moved(void **state)
{
    (void)state;
    enum { N = 9 };
    struct arena arena = {0};
    struct moments here = cloud(1, N, 31, &arena), there = moments_new(N, &arena);
    for (int i = 30; i >= 0; i--) { /* in another order, which is nothing to a cloud */
        float point[N];
        for (int j = 0; j < N; j++)
            point[j] = coordinate(1, N, i, j) + (float)j;
        moments_add(&there, point);
    }
    near(distance(&here, &there), 8 * 9 * 17 / 6, 1e-10);
    assert_true(distance(&here, &here) >= 0);
    near(distance(&here, &here), 0, 1e-13);
    arena_free(&arena);
}

/* Of independent coordinates each gives (s1 - s2)^2: two points at +-s / sqrt(2) deviate by s. */
static void spread(void **state)
{
    (void)state;
    enum { N = 3 };
    static const float wide[N] = {3, 1, 0}, narrow[N] = {1, 5, 2};
    struct arena arena = {0};
    struct moments a = moments_new(N, &arena), b = moments_new(N, &arena);
    for (int corner = 0; corner < 1 << N; corner++) {
        float p[N], q[N];
        for (int j = 0; j < N; j++) {
            float side = corner >> j & 1 ? 1 : -1;
            p[j] = side * wide[j];
            q[j] = side * narrow[j];
        }
        moments_add(&a, p);
        moments_add(&b, q);
    }
    near(distance(&a, &b), (4 + 16 + 4) * 8.0 / 7, 1e-13);
    arena_free(&arena);
}

/* A cloud and itself doubled: tr (C 4C)^(1/2) = 2 tr C, so that |m|^2 + tr C is left. With more features
 * than LAPACK takes in one block, of full rank and of less. */
static void doubled(void **state)
{
    (void)state;
    enum { N = 200 };
    static const int counts[] = {500, 90};
    for (int k = 0; k < 2; k++) {
        struct arena arena = {0};
        struct moments once = cloud(1, N, counts[k], &arena), twice = moments_new(N, &arena);
        double expected = 0, mean[N] = {0};
        for (int i = 0; i < counts[k]; i++) {
            float point[N];
            for (int j = 0; j < N; j++) {
                mean[j] += (double)coordinate(1, N, i, j) / counts[k];
                point[j] = 2 * coordinate(1, N, i, j);
            }
            moments_add(&twice, point);
        }
        for (int j = 0; j < N; j++) {
            expected += mean[j] * mean[j];
            for (int i = 0; i < counts[k]; i++) {
                double away = coordinate(1, N, i, j) - mean[j];
                expected += away * away / (counts[k] - 1);
            }
        }
        near(distance(&once, &twice), expected, 1e-11 * expected);
        near(distance(&twice, &once), expected, 1e-11 * expected);
        near(distance(&once, &once), 0, 1e-11 * expected);
        arena_free(&arena);
    }
}

static void no_distance(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct moments two = cloud(1, 2, 2, &arena), one = cloud(1, 2, 1, &arena);
    struct moments none = cloud(1, 2, 0, &arena), bad = cloud(1, 2, 5, &arena);
    assert_true(isnan(distance(&two, &one)));
    assert_true(isnan(distance(&one, &two)));
    assert_true(isnan(distance(&none, &two)));
    moments_add(&bad, (float[]){0, NAN});
    assert_true(isnan(distance(&two, &bad)));
    bad = cloud(1, 2, 5, &arena);
    moments_add(&bad, (float[]){INFINITY, 0});
    assert_true(isnan(distance(&bad, &two)));
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_eigenvalues_say),
        cmocka_unit_test(moved),
        cmocka_unit_test(spread),
        cmocka_unit_test(doubled),
        cmocka_unit_test(no_distance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
