/* Statistics against SciPy 1.x (stats.t.ppf, t.interval, permutation_test) and hand computation. */
#include "view/stats.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_near(double seen, double expected, double relative)
{
    if (!(fabs(seen - expected) <= relative * fabs(expected)))
        fail_msg("%.17g is not %.17g", seen, expected);
}

static void quantiles_are_those_of_scipy(void **state)
{
    (void)state;
    static const struct {
        double p, freedom, t;
    } known[] = {
        {0.975, 1, 12.706204736174694},    {0.975, 2, 4.302652729749462},
        {0.975, 4, 2.7764451051977934},    {0.975, 29, 2.045229642132703},
        {0.95, 2.5, 2.5582186141359355},   {0.6, 5, 0.2671808657041451},
        {0.01, 3, -4.5407028585681335},    {0.9995, 1, 636.6192487687897},
        {0.975, 1000, 1.9623390808264083},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_near(stats_t_quantile(known[i].p, known[i].freedom), known[i].t, 1e-11);
    assert_true(isnan(stats_t_quantile(0, 3)));
    assert_true(isnan(stats_t_quantile(0.5, 0)));
}

static const double six[] = {0.3, -0.1, 0.25, 0.4, 0.05, 0.2};

static void intervals_are_those_of_scipy(void **state)
{
    (void)state;
    struct paired paired = stats_paired(six, 6);
    assert_int_equal(paired.count, 6);
    assert_near(paired.mean, 0.18333333333333335, 1e-14);
    assert_near(stats_sd(six, 6), 0.18073922282301277, 1e-14);
    assert_near(paired.low, -0.006340848624237977, 1e-10);
    assert_near(paired.high, 0.3730075152909047, 1e-12);
}

static void one_value_has_no_spread(void **state)
{
    (void)state;
    struct paired paired = stats_paired(six, 1);
    assert_true(paired.mean == 0.3);
    assert_true(isnan(paired.low) && isnan(paired.high));
    assert_true(isnan(stats_sd(six, 1)));
    assert_true(isnan(stats_mean(six, 0)));
    const double equal[] = {0.8933333333333333, 0.8933333333333333, 0.8933333333333333};
    assert_true(stats_mean(equal, 3) == equal[0] && stats_sd(equal, 3) == 0);
}

static void sign_flips_are_exact(void **state)
{
    (void)state;
    const double mixed[] = {1, -1, 2, 0.5, -0.25}, ties[] = {0.1, 0.2, 0.3}, zeros[] = {0, 0};
    assert_true(stats_sign_flip(six, 6) == 0.09375);
    assert_true(stats_sign_flip(mixed, 5) == 0.5);
    assert_true(stats_sign_flip(ties, 3) == 0.25); /* the least that three pairs can give */
    assert_true(stats_sign_flip(zeros, 2) == 1);
    assert_true(stats_sign_flip(six, 1) == 1);
    assert_true(isnan(stats_sign_flip(six, 0)));
    const double nan_among[] = {1, NAN};
    assert_true(isnan(stats_sign_flip(nan_among, 2)));
    double many[SIGN_FLIP_MOST + 1] = {0};
    assert_true(isnan(stats_sign_flip(many, SIGN_FLIP_MOST + 1)));
}

/* 0.1 + 0.2 - 0.3 and its mirror image differ in the last bit; they must count as equal. */
static void equal_sums_are_equal(void **state)
{
    (void)state;
    const double d[] = {0.1, 0.2, -0.3, 0.7};
    /* sums at least 0.7 away: with signs s1 0.1 + s2 0.2 + s3 0.3 of -0.6..0.6, every pattern in
     * which the three add up to 0 or more in the direction of 0.7: 5 of 8, twice */
    assert_true(stats_sign_flip(d, 4) == 0.625);
}

static void holm_is_stepwise(void **state)
{
    (void)state;
    const double p[] = {0.01, 0.04, NAN, 0.03, 0.005}, high[] = {0.5, 0.5};
    double adjusted[5];
    stats_holm(adjusted, p, 5);
    const double expected[] = {0.03, 0.06, 0, 0.06, 0.02};
    for (int i = 0; i < 5; i++)
        if (i == 2)
            assert_true(isnan(adjusted[i]));
        else
            assert_near(adjusted[i], expected[i], 1e-15);
    stats_holm(adjusted, high, 2);
    assert_true(adjusted[0] == 1 && adjusted[1] == 1);
}

/* ---- generated tables ----------------------------------------------------------------------- */
static void generated_pairs_are_those_of_scipy(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        double mean, sd, low, high, p, difference[12];
    } golden[] = {
#define HOLM(...)
#define PAIRED(n, mean, sd, low, high, p, ...) {n, mean, sd, low, high, p, {__VA_ARGS__}},
#include "golden/stats.def"
    };
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        const double *difference = golden[i].difference;
        struct paired paired = stats_paired(difference, golden[i].n);
        double scale = fabs(golden[i].mean) + golden[i].sd;
        assert_true(fabs(paired.mean - golden[i].mean) <= 1e-14 * scale);
        assert_near(stats_sd(difference, golden[i].n), golden[i].sd, 1e-13);
        assert_near(paired.high - paired.low, golden[i].high - golden[i].low, 1e-11);
        assert_true(fabs(paired.low - golden[i].low) <= 1e-10 * scale);
        assert_true(stats_sign_flip(difference, golden[i].n) == golden[i].p);
    }
}

static void generated_families_are_those_of_the_formula(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        double values[16]; /* p-values, then the adjusted ones */
    } golden[] = {
#define PAIRED(...)
#define HOLM(n, ...) {n, {__VA_ARGS__}},
#include "golden/stats.def"
    };
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        double adjusted[8];
        stats_holm(adjusted, golden[i].values, golden[i].n);
        for (size_t k = 0; k < golden[i].n; k++)
            assert_near(adjusted[k], golden[i].values[golden[i].n + k], 1e-14);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_those_of_scipy),
        cmocka_unit_test(intervals_are_those_of_scipy),
        cmocka_unit_test(one_value_has_no_spread),
        cmocka_unit_test(sign_flips_are_exact),
        cmocka_unit_test(equal_sums_are_equal),
        cmocka_unit_test(holm_is_stepwise),
        cmocka_unit_test(generated_pairs_are_those_of_scipy),
        cmocka_unit_test(generated_families_are_those_of_the_formula),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
