/* Variants that are series over one number: curves with bands, and differences at each value. */
#include "report/report_parts.h"

#include "base/file.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PANELS = 12 };

/* ---- settings ------------------------------------------------------------------------------- */
/* All that a variant is made by: "SECTION.KEY=VALUE" each. */
struct settings {
    const char **lines;
    size_t count;
};

static void section_settings(struct text *out, const struct section *section)
{
    config_settings(out, section->stage->fields, section->config, section->name);
    for (int i = 0; i < MAX_PORTS; i++) {
        const struct yaml *said = section->inputs[i];
        const char *port = section->stage->ports[i].name;
        if (!said || said == yaml_get(section->at, port)) /* a key of the section says it */
            continue;
        text_printf(out, "%s.inputs.%s=", section->name, port);
        yaml_write(out, said);
        text_puts(out, "\n");
    }
}

static struct settings settings_of(struct arena *arena, const struct variant *variant)
{
    struct settings out;
    struct text all = {0};
    text_printf(&all, "backend.device=%s\nbackend.precision=%s\nbackend.threads=%lld\n",
                backend_devices[variant->backend.device],
                precision_names[variant->backend.precision], (long long)variant->backend.threads);
    for (size_t i = 0; i < variant->count; i++)
        section_settings(&all, &variant->sections[i]);
    out.lines = split_text(&out.count, arena, all.data, '\n');
    out.count--; /* the empty one behind the last newline */
    text_free(&all);
    return out;
}

/* Is the line of this path, the part before "="? */
static bool is_of(const char *line, const char *path, size_t length)
{
    return strncmp(line, path, length) == 0 && line[length] == '=';
}

/* The value; NULL: the variant has no such key. */
static const char *setting(const struct settings *settings, const char *path, size_t length)
{
    for (size_t i = 0; i < settings->count; i++)
        if (is_of(settings->lines[i], path, length))
            return settings->lines[i] + length + 1;
    return NULL;
}

static bool number_of(double *out, const char *value)
{
    char *end;
    if (!value || !*value || isspace((unsigned char)*value))
        return false;
    *out = strtod(value, &end);
    return !*end && isfinite(*out);
}

static bool equal_but_for(const struct settings *a, const struct settings *b, const char *path,
                          size_t length)
{
    size_t i = 0, j = 0;
    for (;; i++, j++) {
        i += i < a->count && is_of(a->lines[i], path, length);
        j += j < b->count && is_of(b->lines[j], path, length);
        if (i >= a->count || j >= b->count)
            return i >= a->count && j >= b->count;
        if (strcmp(a->lines[i], b->lines[j]) != 0)
            return false;
    }
}

/* ---- series --------------------------------------------------------------------------------- */
/* Keeps the order of the values; one that is there (the same cell under another name) once. */
static void series_add(struct series *series, size_t variant, double value)
{
    size_t at = series->count;
    while (at && series->values[at - 1] > value)
        at--;
    if (at && series->values[at - 1] == value)
        return;
    memmove(series->values + at + 1, series->values + at,
            (series->count - at) * sizeof *series->values);
    memmove(series->variants + at + 1, series->variants + at,
            (series->count - at) * sizeof *series->variants);
    series->values[at] = value;
    series->variants[at] = variant;
    series->count++;
}

static void collect_series(struct sweep *out, struct arena *arena, const struct settings *settings,
                           size_t variants)
{
    size_t length = strlen(out->path);
    out->series = arena_alloc(arena, variants * sizeof *out->series);
    for (size_t v = 0; v < variants; v++) {
        double value;
        size_t s = 0;
        if (!number_of(&value, setting(&settings[v], out->path, length)))
            continue;
        while (s < out->count && !equal_but_for(&settings[out->series[s].variants[0]], &settings[v],
                                                out->path, length))
            s++;
        struct series *series = &out->series[s];
        if (s == out->count) {
            out->count++;
            series->variants = arena_alloc(arena, variants * sizeof *series->variants);
            series->values = arena_alloc(arena, variants * sizeof *series->values);
        }
        series_add(series, v, value);
    }
}

/* The settings that are not the same in all series. */
static const char *series_name(struct arena *arena, const struct sweep *sweep, size_t which,
                               const struct settings *settings)
{
    const struct settings *own = &settings[sweep->series[which].variants[0]];
    const char *name = NULL, *lacks = NULL;
    for (size_t s = 0; s < sweep->count; s++) {
        const struct settings *other = &settings[sweep->series[s].variants[0]];
        for (size_t i = 0; i < other->count; i++) {
            size_t length = strcspn(other->lines[i], "=");
            if (!lacks && !setting(own, other->lines[i], length))
                lacks = arena_strndup(arena, other->lines[i], length);
        }
    }
    for (size_t i = 0; i < own->count; i++) {
        size_t length = strcspn(own->lines[i], "=");
        bool differs = false;
        for (size_t s = 0; s < sweep->count; s++) {
            const struct settings *other = &settings[sweep->series[s].variants[0]];
            const char *value = setting(other, own->lines[i], length);
            differs |= !value || strcmp(value, own->lines[i] + length + 1) != 0;
        }
        const char *path = arena_strndup(arena, own->lines[i], length), *dot = strrchr(path, '.');
        if (differs && !is_of(own->lines[i], sweep->path, strlen(sweep->path)))
            name = arena_printf(arena, "%s%s%s%s", name ? name : "", name ? ", " : "",
                                dot ? dot + 1 : path, own->lines[i] + length);
    }
    return name ? name : arena_printf(arena, "no %s", lacks);
}

/* Series of too few values go; false: too few series are left. */
static bool keep_long(struct sweep *sweep)
{
    size_t count = 0;
    for (size_t s = 0; s < sweep->count; s++)
        if (sweep->series[s].count >= SERIES_VALUES)
            sweep->series[count++] = sweep->series[s];
    sweep->count = count;
    return count >= SERIES;
}

struct sweep *find_sweeps(struct report *report, size_t *count)
{
    const struct experiment *experiment = report->experiment;
    struct arena *arena = &report->arena;
    size_t variants = experiment->variant_count;
    struct settings *settings = arena_alloc(arena, variants * sizeof *settings);
    struct sweep *out = NULL;
    *count = 0;
    if (variants < SERIES * SERIES_VALUES)
        return NULL;
    for (size_t v = 0; v < variants; v++)
        settings[v] = settings_of(arena, &experiment->variants[v]);
    const struct settings *first = &settings[experiment->baseline];
    for (size_t i = 0; i < first->count; i++) {
        struct sweep sweep = {
            .path = arena_strndup(arena, first->lines[i], strcspn(first->lines[i], "="))};
        const char *dot = strrchr(sweep.path, '.');
        double value;
        if (!number_of(&value, first->lines[i] + strlen(sweep.path) + 1))
            continue;
        collect_series(&sweep, arena, settings, variants);
        if (!keep_long(&sweep))
            continue;
        sweep.key = dot ? dot + 1 : sweep.path;
        for (size_t s = 0; s < sweep.count; s++) {
            sweep.series[s].name = series_name(arena, &sweep, s, settings);
            for (size_t k = 0; k < sweep.series[s].count; k++)
                if (sweep.series[s].variants[k] == experiment->baseline)
                    sweep.baseline = s;
        }
        *ARENA_ADD(arena, out, *count) = sweep;
    }
    return out;
}

/* ---- the table ------------------------------------------------------------------------------ */
/* The variant of a series at a value; NULL: it has none there. */
static const size_t *variant_at(const struct series *series, double value)
{
    for (size_t i = 0; i < series->count; i++)
        if (series->values[i] == value)
            return &series->variants[i];
    return NULL;
}

struct compared {
    const struct series *series;
    double value;
    struct comparison comparison;
};

/* The rows of one measure, value by value; all of its comparisons are one family. out: room for every
 * variant. */
static size_t compare_series(struct compared *out, const struct report *report,
                             const struct sweep *sweep, const struct measure *measure)
{
    const struct series *baseline = &sweep->series[sweep->baseline];
    size_t count = 0;
    for (size_t i = 0; i < baseline->count; i++)
        for (size_t s = 0; s < sweep->count; s++) {
            const struct series *series = &sweep->series[s];
            const size_t *variant = variant_at(series, baseline->values[i]);
            if (!variant)
                continue;
            out[count].series = series;
            out[count].value = baseline->values[i];
            compare_two(&out[count++].comparison, report, measure, *variant, baseline->variants[i]);
        }
    double *p = xcalloc(2 * count, sizeof *p);
    for (size_t i = 0; i < count; i++)
        p[i] = out[i].comparison.p;
    stats_holm(p + count, p, count);
    for (size_t i = 0; i < count; i++)
        out[i].comparison.p_holm = p[count + i];
    free(p);
    return count;
}

void sweep_table(struct text *out, struct report *report, const struct sweep *sweep,
                 enum table_format format)
{
    enum { COLUMNS = 8 };
    const char *const heads[COLUMNS] = {"measure", sweep->key,          "series", "mean \u00b1 sd",
                                        "n",       "difference [95 %]", "p",      "p (Holm)"};
    static const bool right[COLUMNS] = {false, true, false, true, true, true, true, true};
    struct arena *arena = &report->arena;
    struct compared *all = xcalloc(report->experiment->variant_count, sizeof *all);
    struct rows rows = {.columns = COLUMNS};
    for (size_t m = 0; m < report->measure_count; m++) {
        const struct measure *measure = &report->measures[m];
        if (measure->cost)
            continue;
        rows.group = compare_series(all, report, sweep, measure);
        for (size_t i = 0; i < rows.group; i++) {
            const struct comparison *c = &all[i].comparison;
            struct table_cell *row = rows_add(&rows);
            char number[NUMBER_TEXT];
            row[0].text = i ? NULL : measure_title(arena, measure);
            row[1].text = arena_strdup(arena, number_text(number, all[i].value));
            row[2].text = all[i].series->name;
            row[3].text =
                show_coverage(arena, show_mean(arena, measure->unit, c->mean, c->sd), c->coverage);
            row[4].text = show_seeds(arena, c->count, report);
            row[5].text = all[i].series == &sweep->series[sweep->baseline]
                              ? "baseline"
                              : show_difference(arena, measure->unit, &c->difference);
            row[6].text = show_p(arena, c->p);
            row[7].text = show_p(arena, c->p_holm);
        }
    }
    rows_write(out, &rows, heads, right, format);
    free(all);
}

const char *sweep_rule(struct arena *arena, const struct sweep *sweep)
{
    return arena_printf(arena,
                        "Differences are to %s at the same %s, paired by seed, each with its own "
                        "95 %% t interval; p is of the exact sign-flip test over seeds, and p "
                        "(Holm) is corrected over all of a measure's differences here.",
                        sweep->series[sweep->baseline].name, sweep->path);
}

/* ---- the plot ------------------------------------------------------------------------------- */
static void series_curve(struct curve *out, struct report *report, const struct measure *measure,
                         const struct series *series, size_t index)
{
    struct arena *arena = &report->arena;
    size_t seeds = report->experiment->seed_count;
    double *mean = arena_alloc(arena, 3 * series->count * sizeof *mean);
    double *low = mean + series->count, *high = low + series->count;
    double *scratch = xcalloc(seeds, sizeof *scratch);
    for (size_t i = 0; i < series->count; i++) {
        size_t n = measure_seeds(scratch, report, measure, series->variants[i]);
        struct paired interval = stats_paired(scratch, n); /* of values as of differences */
        mean[i] = interval.mean;
        low[i] = interval.low;
        high[i] = interval.high;
    }
    free(scratch);
    *out = (struct curve){.name = series->name,
                          .count = series->count,
                          .x = series->values,
                          .y = mean,
                          .colour = (int32_t)index};
    if (seeds > 1) {
        out->low = low;
        out->high = high;
    }
}

/* Do the values lie so far apart that a linear axis would crowd the small ones? */
static bool wants_log(const struct sweep *sweep)
{
    const struct series *longest = &sweep->series[0];
    double low = longest->values[0], high = low;
    for (size_t s = 0; s < sweep->count; s++) {
        low = fmin(low, sweep->series[s].values[0]);
        high = fmax(high, sweep->series[s].values[sweep->series[s].count - 1]);
    }
    return low > 0 && high >= 10 * low;
}

static const char *sweep_file(struct arena *arena, const struct sweep *sweep)
{
    char *out = arena_printf(arena, "by-%s.svg", sweep->path);
    for (char *p = out; p < out + strlen("by-") + strlen(sweep->path); p++)
        if (!isalnum((unsigned char)*p) && *p != '_')
            *p = '-';
    return out;
}

static int draw_sweep(struct gallery *out, struct report *report, const struct sweep *sweep,
                      const char *folder, struct err *err)
{
    struct plot panels[MOST_PANELS];
    struct arena *arena = &report->arena;
    size_t count = 0, left_out = 0;
    for (size_t m = 0; m < report->measure_count; m++) {
        const struct measure *measure = &report->measures[m];
        if (measure->cost)
            continue;
        if (count == MOST_PANELS) {
            left_out++;
            continue;
        }
        struct curve *curves = arena_alloc(arena, sweep->count * sizeof *curves);
        for (size_t s = 0; s < sweep->count; s++)
            series_curve(&curves[s], report, measure, &sweep->series[s], s);
        panels[count] = (struct plot){.title = measure_title(arena, measure),
                                      .x_label = sweep->key,
                                      .y_label = "",
                                      .count = sweep->count,
                                      .curves = curves,
                                      .log_x = wants_log(sweep)};
        count++;
    }
    if (!count)
        return 0;
    const char *file = sweep_file(arena, sweep);
    const char *more = arena_printf(arena, " %zu more measures are in the table.", left_out);
    const char *caption = arena_printf(arena, "Test results over %s%s.%s", sweep->path,
                                       report->experiment->seed_count > 1
                                           ? ": the mean over the seeds, and its 95 % t interval"
                                           : "",
                                       left_out ? more : "");
    char path[PATH_BYTES];
    TRY(path_join(path, folder, file, err));
    int drawn = report->no_plots ? 1 : plot_svg(panels, count, path, err);
    return gallery_plot(out, report, drawn, file, caption, err);
}

int draw_sweeps(struct gallery *out, struct report *report, const char *folder, struct err *err)
{
    size_t count;
    const struct sweep *all = find_sweeps(report, &count);
    for (size_t i = 0; i < count; i++)
        TRY(draw_sweep(out, report, &all[i], folder, err));
    return 0;
}
