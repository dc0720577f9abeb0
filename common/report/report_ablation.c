/* Comparing variants over seeds, and the tables of the comparison. */
#include "report/report_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- comparing ------------------------------------------------------------------------------ */
static const double *row_of(const struct report *report, const struct measure *measure, size_t v)
{
    return measure->values + v * report->experiment->seed_count;
}

/* The values of x without the gaps. */
static size_t gather(double *out, const double *x, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (!isnan(x[i]))
            out[n++] = x[i];
    return n;
}

static size_t differences(double *out, const double *a, const double *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = a[i] - b[i]; /* a gap in either is a gap here */
    return gather(out, out, count);
}

/* A mean that leaves out the worst cases must not be compared with one over all. */
static bool same_cases(const struct measure *measure, size_t v, size_t w, size_t seeds)
{
    for (size_t s = 0; s < seeds; s++) {
        const struct coverage *a = &measure->coverage[v * seeds + s];
        const struct coverage *b = &measure->coverage[w * seeds + s];
        bool both =
            !isnan(measure->values[v * seeds + s]) && !isnan(measure->values[w * seeds + s]);
        if (both && (a->cases != b->cases || a->of != b->of))
            return false;
    }
    return true;
}

/*
 * Is v clearly better than w: do the paired 95 % interval and the exact test at 5 % both exclude 0?
 * (The test cannot with fewer than six pairs, and is not computed for very many.)
 */
static bool beats(const struct report *report, const struct measure *measure, size_t v, size_t w,
                  double *scratch)
{
    size_t n = differences(scratch, row_of(report, measure, v), row_of(report, measure, w),
                           report->experiment->seed_count);
    struct paired lead = stats_paired(scratch, n);
    bool apart = (measure->better > 0 ? lead.low > 0 : lead.high < 0) &&
                 same_cases(measure, v, w, report->experiment->seed_count);
    return apart && (n > SIGN_FLIP_MOST || stats_sign_flip(scratch, n) < 0.05);
}

/*
 * Without evidence there is no winner: the best mean is marked only if it beats every other
 * variant, not just the runner-up, since a third may differ from it less consistently. Selecting
 * the best needs no correction: of equal variants at most one can beat all others, which is the
 * more likely the fewer they are, and for two it is a single test at 5 %.
 */
static void mark_best(struct comparison *all, const struct report *report,
                      const struct measure *measure, double *scratch)
{
    size_t variants = report->experiment->variant_count, best = variants, rivals = 0;
    for (size_t v = 0; v < variants && measure->better; v++)
        if (all[v].count &&
            (best == variants || measure->better * all[v].mean > measure->better * all[best].mean))
            best = v;
    bool leads = best < variants;
    for (size_t v = 0; v < variants && leads; v++)
        if (v != best && all[v].count) {
            leads = beats(report, measure, best, v, scratch);
            rivals++;
        }
    if (leads && rivals)
        all[best].best = true;
}

size_t measure_seeds(double *out, const struct report *report, const struct measure *measure,
                     size_t variant)
{
    return gather(out, row_of(report, measure, variant), report->experiment->seed_count);
}

void compare_two(struct comparison *out, const struct report *report, const struct measure *measure,
                 size_t variant, size_t baseline)
{
    size_t seeds = report->experiment->seed_count;
    double *scratch = xcalloc(seeds, sizeof *scratch);
    size_t n = measure_seeds(scratch, report, measure, variant);
    *out = (struct comparison){.count = n,
                               .mean = stats_mean(scratch, n),
                               .sd = stats_sd(scratch, n),
                               .difference = {0, NAN, NAN, NAN},
                               .p = NAN,
                               .p_holm = NAN};
    for (size_t s = 0; s < seeds; s++)
        if (!isnan(row_of(report, measure, variant)[s])) {
            out->coverage.cases += measure->coverage[variant * seeds + s].cases;
            out->coverage.of += measure->coverage[variant * seeds + s].of;
        }
    if (variant != baseline) {
        n = differences(scratch, row_of(report, measure, variant),
                        row_of(report, measure, baseline), seeds);
        out->difference = stats_paired(scratch, n);
        if (!measure->cost) /* nobody tests whether a larger model is larger */
            out->p = stats_sign_flip(scratch, n);
    }
    free(scratch);
}

void compare_variants(struct comparison *out, const struct report *report,
                      const struct measure *measure)
{
    const struct experiment *experiment = report->experiment;
    size_t variants = experiment->variant_count, seeds = experiment->seed_count;
    double *scratch = xcalloc(seeds, sizeof *scratch), *p = xcalloc(2 * variants, sizeof *p);
    for (size_t v = 0; v < variants; v++) {
        compare_two(&out[v], report, measure, v, experiment->baseline);
        p[v] = out[v].p;
    }
    stats_holm(p + variants, p, variants);
    for (size_t v = 0; v < variants; v++)
        out[v].p_holm = p[variants + v];
    mark_best(out, report, measure, scratch);
    free(scratch);
    free(p);
}

/* ---- rows ----------------------------------------------------------------------------------- */
struct table_cell *rows_add(struct rows *rows)
{
    rows->cells = array_grow(rows->cells, rows->count, rows->columns * sizeof *rows->cells);
    struct table_cell *row = rows->cells + rows->count++ * rows->columns;
    memset(row, 0, rows->columns * sizeof *row);
    return row;
}

void rows_write(struct text *out, struct rows *rows, const char *const *heads, const bool *right,
                enum table_format format)
{
    struct table table = {rows->columns, rows->count, heads, right, rows->cells, rows->group};
    table_write(out, &table, format);
    free(rows->cells);
    *rows = (struct rows){0};
}

struct table_cell id_cell(struct arena *arena, const struct id *id)
{
    if (!*id->hex)
        return (struct table_cell){0};
    return (struct table_cell){.text = arena_printf(arena, "%.12s", id->hex),
                               .title = arena_strdup(arena, id->hex)};
}

/* ---- numbers for reading -------------------------------------------------------------------- */
/* The number of decimals that shows two digits of a spread, at most six. */
static int decimals_of(double spread)
{
    if (!(spread > 0) || !isfinite(spread))
        return -1;
    int decimals = 1 - (int)floor(log10(spread));
    return decimals < 0 ? 0 : decimals > 6 ? 6 : decimals;
}

/* 1234567 -> 1,234,567 */
static const char *grouped(struct arena *arena, double value)
{
    char digits[64], out[96];
    size_t n = (size_t)snprintf(digits, sizeof digits, "%.0f", value), at = 0;
    if (n > 40)
        return arena_printf(arena, "%.4g", value);
    for (size_t i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0 && digits[i - 1] != '-')
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return arena_strdup(arena, out);
}

const char *show_value(struct arena *arena, enum unit unit, double value)
{
    char buf[NUMBER_TEXT];
    if (isnan(value))
        return "";
    switch (unit) {
    case UNIT_COUNT:
    case UNIT_RATE:
        return grouped(arena, value);
    case UNIT_BYTES:
        return arena_strdup(arena, bytes_text(buf, value));
    case UNIT_SECONDS:
        return arena_strdup(arena, duration_text(buf, value));
    case UNIT_PLAIN:
        break;
    }
    return arena_printf(arena, "%.5g", value);
}

const char *show_mean(struct arena *arena, enum unit unit, double mean, double sd)
{
    int decimals = decimals_of(sd);
    if (isnan(mean) || decimals < 0)
        return show_value(arena, unit, mean);
    if (unit != UNIT_PLAIN)
        return arena_printf(arena, "%s \u00b1 %s", show_value(arena, unit, mean),
                            show_value(arena, unit, sd));
    return arena_printf(arena, "%.*f \u00b1 %.*f", decimals, mean, decimals, sd);
}

const char *show_coverage(struct arena *arena, const char *number, struct coverage coverage)
{
    if (coverage.cases == coverage.of || !*number)
        return number;
    return arena_printf(arena, "%s (%zu of %zu cases)", number, coverage.cases, coverage.of);
}

const char *show_difference(struct arena *arena, enum unit unit, const struct paired *difference)
{
    if (!difference->count)
        return "";
    double half = (difference->high - difference->low) / 2;
    /* a spread due to rounding is none */
    int decimals = half > 1e-9 * fabs(difference->mean) ? decimals_of(half) : -1;
    if (unit != UNIT_PLAIN) {
        const char *sign = difference->mean < 0 ? "-" : "+";
        return arena_printf(arena, "%s%s", sign, show_value(arena, unit, fabs(difference->mean)));
    }
    if (decimals < 0)
        return arena_printf(arena, "%+.4g", difference->mean);
    return arena_printf(arena, "%+.*f [%+.*f, %+.*f]", decimals, difference->mean, decimals,
                        difference->low, decimals, difference->high);
}

const char *show_seeds(struct arena *arena, size_t count, const struct report *report)
{
    size_t seeds = report->experiment->seed_count;
    return count == seeds ? arena_printf(arena, "%zu", seeds)
                          : arena_printf(arena, "%zu of %zu", count, seeds);
}

const char *show_p(struct arena *arena, double p)
{
    return isnan(p) ? "" : arena_printf(arena, "%.3g", p);
}

/* ---- the ablation table --------------------------------------------------------------------- */
static const char *exact(struct arena *arena, double value)
{
    char buf[NUMBER_TEXT];
    return isnan(value) ? NULL : arena_strdup(arena, number_text(buf, value));
}

/* The seeds without a value, "1 2". */
static const char *missing_seeds(const struct report *report, struct arena *arena,
                                 const struct measure *measure, size_t variant)
{
    const double *row = row_of(report, measure, variant);
    const char *out = NULL;
    for (size_t s = 0; s < report->experiment->seed_count; s++)
        if (isnan(row[s]))
            out = arena_printf(arena, "%s%s%llu", out ? out : "", out ? " " : "",
                               (unsigned long long)report->experiment->seeds[s]);
    return out;
}

static void exact_table(struct text *out, const struct report *report, struct arena *arena,
                        struct comparison *all, enum table_format format)
{
    enum { COLUMNS = 15 };
    static const char *const heads[COLUMNS] = {
        "section", "measure", "variant", "n",    "mean",          "sd",    "difference", "low",
        "high",    "p",       "p_holm",  "best", "missing_seeds", "cases", "of_cases"};
    static const bool right[COLUMNS] = {false, false, false, true, true,  true, true, true,
                                        true,  true,  true,  true, false, true, true};
    struct rows rows = {.columns = COLUMNS};
    for (size_t m = 0; m < report->measure_count; m++) {
        const struct measure *measure = &report->measures[m];
        compare_variants(all, report, measure);
        for (size_t v = 0; v < report->experiment->variant_count; v++) {
            struct table_cell *row = rows_add(&rows);
            const struct paired *difference = &all[v].difference;
            const double numbers[] = {all[v].mean,     all[v].sd,        difference->mean,
                                      difference->low, difference->high, all[v].p,
                                      all[v].p_holm};
            row[0].text = measure->section;
            row[1].text = measure->name;
            row[2].text = report->experiment->variants[v].name;
            row[3].text = arena_printf(arena, "%zu", all[v].count);
            for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
                row[4 + i].text = exact(arena, numbers[i]);
            row[11].text = all[v].best ? "1" : "0";
            row[12].text = missing_seeds(report, arena, measure, v);
            if (all[v].coverage.of) {
                row[13].text = arena_printf(arena, "%zu", all[v].coverage.cases);
                row[14].text = arena_printf(arena, "%zu", all[v].coverage.of);
            }
        }
    }
    rows_write(out, &rows, heads, right, format);
}

static void reading_table(struct text *out, const struct report *report, struct arena *arena,
                          struct comparison *all, bool costs, enum table_format format)
{
    enum { COLUMNS = 7 };
    static const char *const heads[COLUMNS] = {
        "measure", "variant", "mean \u00b1 sd", "n", "difference [95 %]", "p", "p (Holm)"};
    static const bool right[COLUMNS] = {false, false, true, true, true, true, true};
    size_t variants = report->experiment->variant_count;
    struct rows rows = {.columns = COLUMNS, .group = variants > 1 ? variants : 0};
    for (size_t m = 0; m < report->measure_count; m++) {
        const struct measure *measure = &report->measures[m];
        if (measure->cost && !costs)
            continue;
        compare_variants(all, report, measure);
        for (size_t v = 0; v < variants; v++) {
            struct table_cell *row = rows_add(&rows);
            row[0].text = v ? NULL : measure_title(arena, measure);
            row[1].text = report->experiment->variants[v].name;
            row[2].text = show_coverage(
                arena, show_mean(arena, measure->unit, all[v].mean, all[v].sd), all[v].coverage);
            row[2].bold = all[v].best;
            row[3].text = show_seeds(arena, all[v].count, report);
            row[4].text = v == report->experiment->baseline
                              ? "baseline"
                              : show_difference(arena, measure->unit, &all[v].difference);
            row[5].text = show_p(arena, all[v].p);
            row[6].text = show_p(arena, all[v].p_holm);
        }
    }
    rows_write(out, &rows, heads, right, format);
}

const char *measure_title(struct arena *arena, const struct measure *measure)
{
    static const char *const arrows[] = {" \u2193", "", " \u2191"};
    const char *unit = measure->metric ? measure->metric->unit : "";
    bool shown = *unit && strcmp(unit, "share") != 0;
    return arena_printf(arena, "%s%s%s%s%s", measure->title, shown ? " (" : "", shown ? unit : "",
                        shown ? ")" : "", arrows[measure->better + 1]);
}

static bool leaves_out(const struct report *report)
{
    size_t cells = report->experiment->variant_count * report->experiment->seed_count;
    for (size_t m = 0; m < report->measure_count; m++)
        for (size_t i = 0; i < cells; i++)
            if (report->measures[m].coverage[i].cases < report->measures[m].coverage[i].of)
                return true;
    return false;
}

const char *winner_rule(struct arena *arena, const struct report *report)
{
    enum { FEWEST = 6 }; /* 2/2^n < 0.05 */
    size_t seeds = report->experiment->seed_count;
    return arena_printf(
        arena,
        "Mean \u00b1 standard deviation over %zu seeds; \u2193: less is better, \u2191: more is "
        "better. Bold: the best mean, if for every other variant the 95 %% t interval of the "
        "difference paired by seed excludes zero and the exact sign-flip p is below 0.05%s.%s",
        seeds, seeds < FEWEST ? ", which takes six seeds: nothing can be bold here" : "",
        leaves_out(report) ? " A mean that leaves cases out states how many it is over, and is not "
                             "bold compared with one over another number."
                           : "");
}

const char *difference_rule(struct arena *arena, const struct report *report)
{
    return arena_printf(
        arena,
        "Differences are to %s, paired by seed, each with its own 95 %% t interval; p is that of "
        "the exact sign-flip test over seeds (never below 2/2^n), and p (Holm) is corrected over "
        "the variants, each measure being one family.",
        report->experiment->variants[report->experiment->baseline].name);
}

static void write_table(struct text *out, const struct report *report, bool exactly, bool costs,
                        enum table_format format)
{
    struct arena arena = {0};
    struct comparison *all = xcalloc(report->experiment->variant_count, sizeof *all);
    if (exactly)
        exact_table(out, report, &arena, all, format);
    else
        reading_table(out, report, &arena, all, costs, format);
    free(all);
    arena_free(&arena);
}

/* Explains the columns, below a table for reading. */
static void explain(struct text *out, const struct report *report, enum table_format format)
{
    const struct experiment *experiment = report->experiment;
    struct arena arena = {0};
    const char *rules[] = {NULL, NULL};
    if (experiment->seed_count > 1)
        rules[0] = winner_rule(&arena, report);
    if (experiment->variant_count > 1)
        rules[1] = difference_rule(&arena, report);
    for (int i = 0; i < 2; i++)
        if (rules[i]) {
            text_puts(out, format == TABLE_TEX ? "" : "\n");
            table_words(out, rules[i], format);
        }
    arena_free(&arena);
}

void ablation_table(struct text *out, const struct report *report, enum table_format format)
{
    bool exactly = format == TABLE_CSV || format == TABLE_JSON;
    write_table(out, report, exactly, true, format);
    if (!exactly && format != TABLE_HTML)
        explain(out, report, format);
}

void result_comparison(struct text *out, const struct report *report, enum table_format format)
{
    write_table(out, report, false, false, format);
}
