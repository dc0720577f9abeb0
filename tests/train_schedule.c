/* Learning rates, budgets and the rates' device form, against closed forms worked out by hand. */
#include "train/train_parts.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void near(double got, double want)
{
    if (fabs(got - want) > 1e-12 * (1 + fabs(want)))
        fail_msg("%.17g instead of %.17g", got, want);
}

static void constant_with_warm_up(void **state)
{
    (void)state;
    struct train_config c = {.lr = 0.8, .schedule = {.warmup_steps = 4}};
    const double want[] = {0.2, 0.4, 0.6, 0.8, 0.8, 0.8};
    for (int i = 0; i < 6; i++)
        near(schedule_lr(&c, i, 6), want[i]);
    c.schedule.warmup_steps = 0;
    near(schedule_lr(&c, 0, 6), 0.8);
    c.schedule.warmup_steps = 100; /* longer than the run */
    near(schedule_lr(&c, 5, 6), 0.8 * 6 / 100);
}

static void cosine_falls_from_lr_to_final(void **state)
{
    (void)state;
    struct train_config c = {.lr = 2, .schedule = {.kind = SCHEDULE_COSINE, .final = 0.1}};
    near(schedule_lr(&c, 0, 8), 2);
    near(schedule_lr(&c, 2, 8), 2 * (0.1 + 0.9 * (2 + sqrt(2)) / 4)); /* cos(pi/4) = sqrt(2)/2 */
    near(schedule_lr(&c, 4, 8), 2 * 0.55);
    near(schedule_lr(&c, 6, 8), 2 * (0.1 + 0.9 * (2 - sqrt(2)) / 4));
    near(schedule_lr(&c, 8, 8), 0.2);
    for (int i = 1; i <= 8; i++)
        assert_true(schedule_lr(&c, i, 8) < schedule_lr(&c, i - 1, 8));
    c.schedule.warmup_steps = 2; /* the curve starts after the warm-up */
    near(schedule_lr(&c, 1, 10), 2);
    near(schedule_lr(&c, 2, 10), 2);
    near(schedule_lr(&c, 6, 10), 2 * 0.55);
}

static void polynomial_is_a_power_of_what_is_left(void **state)
{
    (void)state;
    struct train_config c = {.lr = 0.01, .schedule = {.kind = SCHEDULE_POLYNOMIAL, .power = 2}};
    near(schedule_lr(&c, 0, 10), 0.01);
    near(schedule_lr(&c, 5, 10), 0.0025);
    near(schedule_lr(&c, 9, 10), 0.0001);
    near(schedule_lr(&c, 10, 10), 0);
    c.schedule.power = 0.9; /* 0.5^0.9, to 12 digits by bc */
    near(schedule_lr(&c, 500, 1000), 0.01 * 0.535886731268146);
}

static void rates_carry_bias_corrections_of_the_update_count(void **state)
{
    (void)state;
    struct train_config c = {.lr = 0.5,
                             .beta1 = 0.5,
                             .beta2 = 0.75,
                             .eps = 0.25,
                             .weight_decay = 0.125,
                             .momentum = 0.625};
    float rates[RATES];
    schedule_rates(rates, &c, 7, 10, 0); /* its first update, at whatever step */
    assert_true(rates[RATE_BIAS1] == 0.5f && rates[RATE_BIAS2] == 0.25f);
    schedule_rates(rates, &c, 2, 10, 2);
    assert_true(rates[RATE_BIAS1] == 0.875f && rates[RATE_BIAS2] == 0.578125f);
    assert_true(rates[RATE_LR] == 0.5f && rates[RATE_BETA1] == 0.5f && rates[RATE_BETA2] == 0.75f);
    assert_true(rates[RATE_EPS] == 0.25f && rates[RATE_WEIGHT_DECAY] == 0.125f);
    assert_true(rates[RATE_MOMENTUM] == 0.625f);
}

/* min(decay, (1 + n) / (10 + n)) with the update's number n, from 1. */
static void averaging_begins_quickly(void **state)
{
    (void)state;
    const struct train_config c = {.lr = 1, .beta1 = 0.5, .beta2 = 0.5, .ema = 0.998};
    static const struct {
        int64_t step;
        float keep;
    } want[] = {{0, 2.0f / 11},
                {1, 3.0f / 12},
                {9, 11.0f / 20},
                {89, 91.0f / 100},
                {4488, 0.99799955f /* 4490 of 4499 */},
                {4489, 0.998f},
                {1000000, 0.998f}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        float rates[RATES];
        schedule_rates(rates, &c, want[i].step, 2000000, want[i].step);
        assert_true(fabsf(rates[RATE_EMA] - want[i].keep) < 1e-7f);
        assert_true(rates[RATE_EMA] <= 0.998f);
    }
}

static void budget_of_epochs_is_in_whole_steps(void **state)
{
    (void)state;
    static const struct {
        uint32_t cases;
        int64_t batch, accumulate, epochs, epoch, total;
    } rows[] = {
        {60000, 128, 1, 10, 469, 4690},
        {55000, 128, 1, 10, 430, 4300},
        {300, 16, 1, 20, 19, 380},
        {13, 16, 1, 7, 1, 7},
        {1, 16, 1, 7, 1, 7},
        {64, 8, 2, 3, 4, 12},
        {64, 16, 1, 3, 4, 12},
        {20, 16, 1, 2, 1, 2},
    };
    struct err err;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct train_config c = {
            .batch = rows[i].batch, .accumulate = rows[i].accumulate, .epochs = rows[i].epochs};
        struct budget budget;
        assert_int_equal(schedule_budget(&budget, &c, rows[i].cases, &err), 0);
        assert_int_equal(budget.epoch, rows[i].epoch);
        assert_int_equal(budget.total, rows[i].total);
    }
}

static void budget_of_steps_overrides_epochs(void **state)
{
    (void)state;
    struct err err;
    struct budget budget;
    struct train_config c = {.batch = 16, .accumulate = 1, .epochs = 10, .steps = 33};
    assert_int_equal(schedule_budget(&budget, &c, 160, &err), 0);
    assert_int_equal(budget.epoch, 10);
    assert_int_equal(budget.total, 33);
    c.steps = 0;
    c.batch = 1;
    c.epochs = 1000000;
    assert_int_equal(schedule_budget(&budget, &c, UINT32_MAX, &err), -1);
    assert_int_equal(err.status, STATUS_CONFIG);
}

/* ---- history -------------------------------------------------------------------------------- */

static struct history make_history(const double *val_loss, int rows)
{
    struct history history;
    const struct monitors monitors = {.count = 1, .items = {{.name = "kl"}}};
    history_init(&history);
    history_add(&history, "train", &monitors);
    history.by = history_add(&history, "val", &monitors);
    for (int i = 0; i < rows; i++) {
        double row[] = {i + 1, 10 * (i + 1), 0.1, 3, 0.5, val_loss[i], NAN};
        history_append(&history, row);
    }
    return history;
}

static void history_reads_as_csv(void **state)
{
    (void)state;
    struct history history = make_history((double[]){1e-7, NAN}, 2);
    struct text csv = {0};
    history_csv(&csv, &history);
    assert_string_equal(csv.data, "epoch,step,lr,train/loss,train/kl,val/loss,val/kl\n"
                                  "1,10,0.1,3,0.5,1e-07,\n"
                                  "2,20,0.1,3,0.5,,\n");
    text_free(&csv);
    history_free(&history);
}

static void best_is_the_lowest_and_the_earlier_of_equals(void **state)
{
    (void)state;
    static const struct {
        double loss[4];
        int64_t best;
    } rows[] = {{{4, 2, 2, 3}, 1},     {{4, 3, 2, 1}, 3},          {{1, 1, 1, 1}, 0},
                {{NAN, 5, NAN, 6}, 1}, {{NAN, NAN, NAN, NAN}, -1}, {{-1, -3, 0, INFINITY}, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct history history = make_history(rows[i].loss, 4);
        assert_int_equal(history_best(&history), rows[i].best);
        history_free(&history);
    }
}

/* The same losses with their signs turned: the greatest is the best. */
static void more_may_be_better(void **state)
{
    (void)state;
    struct history history = make_history((double[]){-4, NAN, -2, -2}, 4);
    assert_int_equal(history_best(&history), 0);
    history.better = MORE_IS_BETTER;
    assert_int_equal(history_best(&history), 2);
    assert_false(history_exhausted(&history, 2, 0));
    assert_true(history_exhausted(&history, 2, 2.5)); /* -4 improves on nothing, -2 not by enough */
    history.by = -1;
    assert_int_equal(history_best(&history), -1);
    history_free(&history);
}

static void patience_counts_epochs_without_enough_improvement(void **state)
{
    (void)state;
    static const double loss[] = {5, 4, 4.5, 3.9, 3.8, 3.7, 4};
    /* by more than 0.5: 5, 4 improve, then none does: 3.9 is only 0.1 below 4 */
    static const struct {
        int64_t patience;
        double min_delta;
        int stops_after; /* rows; 0: never */
    } cases[] = {{1, 0, 3}, {2, 0, 0}, {2, 0.5, 4}, {3, 0.5, 5}, {4, 0.25, 0}, {1, 10, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int stopped = 0;
        for (int rows = 1; rows <= 7 && !stopped; rows++) {
            struct history history = make_history(loss, rows);
            if (history_exhausted(&history, cases[i].patience, cases[i].min_delta))
                stopped = rows;
            history_free(&history);
        }
        assert_int_equal(stopped, cases[i].stops_after);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constant_with_warm_up),
        cmocka_unit_test(cosine_falls_from_lr_to_final),
        cmocka_unit_test(polynomial_is_a_power_of_what_is_left),
        cmocka_unit_test(rates_carry_bias_corrections_of_the_update_count),
        cmocka_unit_test(averaging_begins_quickly),
        cmocka_unit_test(budget_of_epochs_is_in_whole_steps),
        cmocka_unit_test(budget_of_steps_overrides_epochs),
        cmocka_unit_test(history_reads_as_csv),
        cmocka_unit_test(best_is_the_lowest_and_the_earlier_of_equals),
        cmocka_unit_test(more_may_be_better),
        cmocka_unit_test(patience_counts_epochs_without_enough_improvement),
    };
    return cmocka_run_group_tests_name("train/schedule", tests, NULL, NULL);
}
