/*
 * What the ablation table calls different. Values are made up, so that what is true of them is
 * known: nothing in experiments A against A, or a difference of a size that must be found.
 */
#include "report_world.h"

#include "base/random.h"

enum { MOST_VARIANTS = 4, MOST_SEEDS = 30 };

/* An experiment without a lab: as much of a report as a comparison reads. */
struct made {
    struct experiment experiment;
    struct variant variants[MOST_VARIANTS];
    uint64_t seeds[MOST_SEEDS];
    double values[MOST_VARIANTS * MOST_SEEDS];
    struct coverage coverage[MOST_VARIANTS * MOST_SEEDS];
    struct measure measure;
    struct report report;
    struct comparison all[MOST_VARIANTS];
};

static void made_init(struct made *t, size_t variants, size_t seeds)
{
    static const char *const names[MOST_VARIANTS] = {"a", "b", "c", "d"};
    *t = (struct made){.experiment = {.variant_count = variants, .seed_count = seeds}};
    for (size_t v = 0; v < variants; v++)
        t->variants[v].name = names[v];
    for (size_t s = 0; s < seeds; s++)
        t->seeds[s] = s;
    t->experiment.variants = t->variants;
    t->experiment.seeds = t->seeds;
    t->measure = (struct measure){.section = "evaluate",
                                  .name = "test/dice/foreground",
                                  .title = "test/dice/foreground",
                                  .better = 1,
                                  .values = t->values,
                                  .coverage = t->coverage};
    t->report =
        (struct report){.experiment = &t->experiment, .measures = &t->measure, .measure_count = 1};
}

/* v, then rows of this many values. */
static void compare(struct made *t, size_t variants, size_t seeds, const double *values)
{
    made_init(t, variants, seeds);
    memcpy(t->values, values, variants * seeds * sizeof *values);
    compare_variants(t->all, &t->report, &t->measure);
}

/* ---- A against A ---------------------------------------------------------------------------- */
static double normal(struct stream *stream)
{
    return stream_normal(stream);
}

/* Lognormal: mean and tail far to one side. */
static double skewed(struct stream *stream)
{
    return exp(1.5 * stream_normal(stream));
}

/* In how many of the experiments a reader is told that something differs. lead: of variant 0 over
 * the others. */
static int called_different(size_t variants, size_t seeds, int experiments, double lead,
                            double (*noise)(struct stream *), int *bold)
{
    struct stream stream = stream_new(7, "A/A");
    int different = 0;
    *bold = 0;
    for (int i = 0; i < experiments; i++) {
        struct made t;
        made_init(&t, variants, seeds);
        for (size_t s = 0; s < seeds; s++) {
            double seed = 2 * stream_normal(&stream); /* seeds differ more than variants do */
            for (size_t v = 0; v < variants; v++)
                t.values[v * seeds + s] = seed + noise(&stream) + (v ? 0 : lead);
        }
        compare_variants(t.all, &t.report, &t.measure);
        bool best = false, apart = false;
        for (size_t v = 0; v < variants; v++) {
            best |= t.all[v].best;
            apart |= t.all[v].p_holm < 0.05;
        }
        *bold += best;
        different += best || apart;
    }
    return different;
}

/* At most 5 in 100: of these 200 as they are, of many others as far as their number can tell (three
 * standard deviations of a count; without Holm's correction it would be 10 in 100 and more). */
static void a_against_a_is_seldom_called_different(void **state)
{
    (void)state;
    static const struct {
        size_t variants, seeds;
        int experiments, most;
    } cases[] = {{4, 6, 200, 10},   {4, 6, 2000, 100}, {2, 6, 2000, 100},
                 {3, 8, 2000, 129}, {4, 8, 2000, 129}, {4, 10, 500, 39}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int skew = 0; skew < 2; skew++) {
            int bold, different =
                          called_different(cases[i].variants, cases[i].seeds, cases[i].experiments,
                                           0, skew ? skewed : normal, &bold);
            if (different > cases[i].most)
                fail_msg("%d of %d experiments with %zu variants and %zu seeds differ (%d bold)",
                         different, cases[i].experiments, cases[i].variants, cases[i].seeds, bold);
        }
}

static void a_difference_is_found(void **state)
{
    (void)state;
    int bold;
    called_different(4, 6, 200, 5, normal, &bold);
    assert_true(bold > 190);
    called_different(2, 6, 200, 5, normal, &bold);
    assert_true(bold > 190);
}

static void few_seeds_claim_nothing(void **state)
{
    (void)state;
    for (size_t seeds = 1; seeds < 6; seeds++)
        for (size_t variants = 2; variants <= MOST_VARIANTS; variants++) {
            struct made t;
            made_init(&t, variants, seeds);
            for (size_t i = 0; i < variants * seeds; i++)
                t.values[i] = 1000.0 * (double)(i / seeds) + 0.001 * (double)(i % 3);
            compare_variants(t.all, &t.report, &t.measure);
            for (size_t v = 0; v < variants; v++) {
                assert_false(t.all[v].best);
                assert_false(t.all[v].p < 0.05 || t.all[v].p_holm < 0.05);
            }
        }
}

/* ---- who is best ---------------------------------------------------------------------------- */
static void assert_best(struct made *t, int better, int best)
{
    t->measure.better = better;
    compare_variants(t->all, &t->report, &t->measure);
    for (int v = 0; v < (int)t->experiment.variant_count; v++)
        assert_int_equal(t->all[v].best, v == best);
}

static void the_best_leads_by_its_direction(void **state)
{
    (void)state;
    struct made t;
    compare(&t, 3, 6, (const double[]){1, 2, 3, 4, 5, 6, 3, 4, 5, 6, 7, 8.1, 5, 6, 7, 8, 9, 10.2});
    assert_best(&t, 1, 2);
    assert_best(&t, -1, 0);
    assert_best(&t, 0, -1);
    /* the smallest p that six seeds have, once for each of two comparisons */
    assert_true(t.all[1].p == 0.03125 && t.all[1].p_holm == 0.0625);
    compare(&t, 1, 6, t.values);
    assert_best(&t, 1, -1); /* nobody to be better than */
}

/* Ahead of the runner-up by 1 in each seed, and of a third, which is worse in the mean, not
 * surely. */
/* The lead is as clear, but its mean is over the cases that went well. */
static void means_over_other_cases_are_not_compared(void **state)
{
    (void)state;
    struct made t;
    const double values[] = {1, 2, 3, 4, 5, 6, 2, 3.1, 4, 5.1, 6, 7.1};
    compare(&t, 2, 6, values);
    for (size_t i = 0; i < 12; i++)
        t.coverage[i] = (struct coverage){20, 20};
    assert_best(&t, 1, 1);
    t.coverage[9].cases = 19;
    assert_best(&t, 1, -1);
    assert_int_equal(t.all[1].coverage.cases, 119);
    assert_int_equal(t.all[1].coverage.of, 120);
    t.coverage[3].cases = 19; /* both leave one out */
    assert_best(&t, 1, 1);
    struct text out = {0};
    ablation_table(&out, &t.report, TABLE_TEXT);
    assert_non_null(strstr(out.data, "(119 of 120 cases)"));
    assert_non_null(strstr(out.data, "A mean that leaves cases out states how many it is over"));
    text_free(&out);
    ablation_table(&out, &t.report, TABLE_CSV);
    assert_non_null(strstr(out.data, ",1,,119,120\r\n"));
    text_free(&out);
}

static void the_best_must_beat_each_other(void **state)
{
    (void)state;
    struct made t;
    const double values[] = {9, 9, 9, 9, 9, 9, 8, 8, 8, 8, 8, 8.1, 2, 12, 3, 11, 2, 12};
    compare(&t, 3, 6, values);
    assert_best(&t, 1, -1);
    compare(&t, 2, 6, values);
    assert_best(&t, 1, 0);
}

/* Leads of 1 and once -0.05: the t interval excludes 0, and 4 of 64 sign patterns are as far
 * off. */
static void the_exact_test_has_a_say(void **state)
{
    (void)state;
    struct made t;
    compare(&t, 2, 6, (const double[]){0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, -0.05});
    assert_true(t.all[1].difference.low > 0);
    assert_true(t.all[1].p == 0.0625);
    assert_best(&t, 1, -1);
}

/* Leads of 1 but for one of 9: all signs agree, and the interval of so uneven leads includes 0. */
static void the_interval_has_a_say(void **state)
{
    (void)state;
    struct made t;
    compare(&t, 2, 6, (const double[]){0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 9});
    assert_true(t.all[1].p == 0.03125);
    assert_true(t.all[1].difference.low < 0);
    assert_best(&t, 1, -1);
}

static void what_is_missing_is_left_out(void **state)
{
    (void)state;
    struct made t;
    /* b has no value at all; c lacks one seed of seven, and leads by 2 in the others */
    compare(&t, 3, 7, (const double[]){1,   2,   3,   4,   5,   6, 7, NAN, NAN, NAN, NAN,
                                       NAN, NAN, NAN, NAN, 4.1, 5, 6, 7,   8,   9});
    assert_int_equal(t.all[1].count, 0);
    assert_true(isnan(t.all[1].mean) && isnan(t.all[1].p));
    assert_int_equal(t.all[2].count, 6);
    assert_int_equal(t.all[2].difference.count, 6);
    assert_true(fabs(t.all[2].difference.mean - 12.1 / 6) < 1e-12);
    assert_true(t.all[2].p_holm == 0.03125); /* b is no member of the family */
    assert_best(&t, 1, 2);
    t.values[20] = NAN; /* five pairs are left */
    assert_best(&t, 1, -1);
}

static void costs_are_not_tested(void **state)
{
    (void)state;
    struct made t;
    compare(&t, 2, 6, (const double[]){1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2});
    assert_true(t.all[1].p == 0.03125);
    t.measure.cost = true;
    compare_variants(t.all, &t.report, &t.measure);
    assert_true(isnan(t.all[1].p) && t.all[1].difference.mean == 1);
}

/* More seeds than the exact test is computed for: the interval alone decides, and p is unknown. */
static void many_seeds_need_no_exact_test(void **state)
{
    (void)state;
    struct made t;
    made_init(&t, 2, MOST_SEEDS);
    for (size_t s = 0; s < MOST_SEEDS; s++) {
        t.values[s] = (double)s;
        t.values[MOST_SEEDS + s] = (double)s + 1 + 0.1 * (double)(s % 2);
    }
    assert_best(&t, 1, 1);
    assert_true(isnan(t.all[1].p));
}

/* ---- the table in its formats --------------------------------------------------------------- */
static void assert_table(const struct made *t, enum table_format format, const char *const *words,
                         size_t count)
{
    struct text out = {0};
    ablation_table(&out, &t->report, format);
    for (size_t i = 0; i < count; i++)
        assert_has(out.data, words[i]);
    text_free(&out);
}
#define TABLE_HAS(t, format, ...)                                                                  \
    assert_table(t, format, (const char *const[]){__VA_ARGS__},                                    \
                 sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static void every_format_says_what_is_bold(void **state)
{
    (void)state;
    struct made t;
    compare(&t, 2, 6, (const double[]){1, 2, 3, 4, 5, 6, 3, 4, 5, 6, 7, 8.1});
    TABLE_HAS(&t, TABLE_TEXT, "test/dice/foreground \u2191  a ", " 5.5 \u00b1 1.9*  6  ", "\nMean ",
              "Bold: the best mean, if for every other variant the 95 % t interval",
              "Differences are to a,");
    TABLE_HAS(&t, TABLE_MD, "| b | **5.5 \u00b1 1.9** | 6 | +2.017 \\[+1.974, +2.060\\] |",
              "sign-flip p is below 0.05.\n");
    TABLE_HAS(&t, TABLE_TEX, "test/dice/foreground $\\uparrow$ & a", "\\textbf{5.5 $\\pm$ 1.9}",
              "\n% Mean ");
    TABLE_HAS(&t, TABLE_HTML, "<b>5.5 \u00b1 1.9</b>");
    TABLE_HAS(&t, TABLE_CSV, "\r\nevaluate,test/dice/foreground,b,6,5.5", ",1,,,\r\n");
    TABLE_HAS(&t, TABLE_JSON, "\"variant\": \"b\", \"n\": 6", "\"best\": 1");
    compare(&t, 2, 3, (const double[]){1, 2, 3, 3, 4, 5});
    TABLE_HAS(&t, TABLE_MD, "below 0.05, which takes six seeds: nothing can be bold here.\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_against_a_is_seldom_called_different),
        cmocka_unit_test(a_difference_is_found),
        cmocka_unit_test(few_seeds_claim_nothing),
        cmocka_unit_test(the_best_leads_by_its_direction),
        cmocka_unit_test(means_over_other_cases_are_not_compared),
        cmocka_unit_test(the_best_must_beat_each_other),
        cmocka_unit_test(the_exact_test_has_a_say),
        cmocka_unit_test(the_interval_has_a_say),
        cmocka_unit_test(what_is_missing_is_left_out),
        cmocka_unit_test(costs_are_not_tested),
        cmocka_unit_test(many_seeds_need_no_exact_test),
        cmocka_unit_test(every_format_says_what_is_bold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
