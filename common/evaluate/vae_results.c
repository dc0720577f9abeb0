/* What an evaluation found, case by case and in the mean: metrics.json, cases.csv, the run. */
#include "evaluate/evaluate_parts.h"

#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = sizeof(struct case_result) / sizeof(double) };
struct column {
    const char *name;
    size_t offset;
    bool per_case; /* also kept for each case by the registry */
};

/* The columns that were measured, in a fixed order; returns how many. */
static size_t columns(const struct evaluator *e, struct column out[COLUMNS])
{
    size_t n = 0;
#define COLUMN(when, member, kept)                                                                 \
    if (when)                                                                                      \
    out[n++] = (struct column){#member, offsetof(struct case_result, member), kept}
    COLUMN(evaluate_wants(e->config, METRIC_NEGATIVE_ELBO), negative_elbo, true);
    COLUMN(evaluate_wants(e->config, METRIC_NEGATIVE_ELBO), reconstruction, false);
    COLUMN(evaluate_wants(e->config, METRIC_NEGATIVE_ELBO), kl, false);
    COLUMN(e->config->importance_samples > 0, negative_iw_bound, false);
    COLUMN(evaluate_wants(e->config, METRIC_MSE), mse, true);
    COLUMN(evaluate_wants(e->config, METRIC_PSNR), psnr, true);
    COLUMN(evaluate_wants(e->config, METRIC_SSIM), ssim, true);
#undef COLUMN
    return n;
}

static double value_of(const struct case_result *result, const struct column *column)
{
    return *(const double *)((const char *)result + column->offset);
}

int take_means(struct evaluator *e, struct err *err)
{
    struct column column[COLUMNS];
    size_t n = columns(e, column);
    for (size_t k = 0; k < n; k++) {
        double sum = 0;
        for (uint32_t i = 0; i < e->count; i++) {
            double value = value_of(&e->cases[i], &column[k]);
            if (!isfinite(value))
                return fail(err, "case '%s': %s is %g; a finite number expected",
                            e->what->dataset->ids[e->begin + i], column[k].name, value);
            sum += value;
        }
        metric(e, column[k].name, sum / e->count);
    }
    return 0;
}

int write_cases(const struct evaluator *e, const struct draft *draft, struct err *err)
{
    struct column column[COLUMNS];
    size_t n = columns(e, column);
    const char *split = split_names[e->config->split];
    struct text text = {0};
    text_puts(&text, "case_id,label");
    for (size_t k = 0; k < n; k++)
        text_printf(&text, ",%s/%s", split, column[k].name);
    text_puts(&text, "\n");
    for (uint32_t i = 0; i < e->count; i++) {
        text_csv(&text, e->what->dataset->ids[e->begin + i]);
        text_puts(&text, ",");
        if (e->what->dataset->labels)
            text_csv(&text, e->what->dataset->classes[label_of(e, i)]);
        for (size_t k = 0; k < n; k++) {
            char number[NUMBER_TEXT];
            text_printf(&text, ",%s", number_text(number, value_of(&e->cases[i], &column[k])));
        }
        text_puts(&text, "\n");
    }
    return draft_text(draft, "cases.csv", &text, err);
}

static int by_name(const void *a, const void *b)
{
    const struct named_value *x = a, *y = b;
    return strcmp(x->name, y->name);
}

int write_metrics(struct named_value *items, size_t count, const struct draft *draft,
                  struct err *err)
{
    for (size_t i = 0; i < count; i++)
        if (isinf(items[i].value))
            return fail(err, "metric '%s' is infinite", items[i].name);
    qsort(items, count, sizeof *items, by_name);
    struct json json = {0};
    json_begin(&json, NULL, "{\n  *,\n  *\n}\n");
    for (size_t i = 0; i < count; i++)
        json_number(&json, items[i].name, items[i].value);
    json_end(&json);
    return draft_text(draft, "metrics.json", &json.text, err);
}

void keep_metrics(struct evaluator *e)
{
    struct run *run = e->what->run;
    struct column column[COLUMNS];
    size_t n = columns(e, column);
    for (size_t i = 0; i < e->metrics.count; i++)
        run_metric(run, e->metrics.items[i].name, -1, e->metrics.items[i].value);
    for (size_t k = 0; k < n; k++) {
        if (!column[k].per_case)
            continue;
        char name[128];
        snprintf(name, sizeof name, "%s/%s", split_names[e->config->split], column[k].name);
        for (uint32_t i = 0; i < e->count; i++)
            run_case_metric(run, e->what->dataset->ids[e->begin + i], name,
                            value_of(&e->cases[i], &column[k]));
    }
}
