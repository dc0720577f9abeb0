/* Results per test case: the per-case values and the confusion matrix of an evaluation. */
#include "report/report_parts.h"

#include "base/csv.h"
#include "base/file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PANELS = 12 };

/* 1: read, 0: the artifact has no such file. */
static int read_csv(struct csv *out, struct arena *arena, const struct report *report,
                    const struct place *place, const char *name, struct err *err)
{
    char path[PATH_BYTES];
    if (place_file(path, report, place, name, err))
        return err->status == STATUS_MISSING ? 0 : -1;
    return csv_read(out, arena, path, err) ? wrap(err, "%s of '%s'", name, place->section->name)
                                           : 1;
}

static int count_column(struct coverage *out, struct arena *arena, const struct csv *csv,
                        size_t column, struct err *err)
{
    double *values = arena_alloc(arena, csv->rows * sizeof *values);
    *out = (struct coverage){.of = csv->rows};
    TRY(csv_numbers(values, csv, column, err));
    for (size_t row = 0; row < csv->rows; row++)
        out->cases += isfinite(values[row]);
    return 0;
}

int count_cases(struct facts *facts, const struct report *report, struct err *err)
{
    struct arena arena = {0};
    struct csv csv;
    int status = read_csv(&csv, &arena, report, facts->place, "cases.csv", err);
    for (size_t i = 0; status > 0 && i < facts->figure_count; i++) {
        size_t column = csv_column(&csv, facts->figures[i].name);
        if (column < csv.columns &&
            count_column(&facts->figures[i].coverage, &arena, &csv, column, err))
            status = wrap(err, "cases.csv of '%s'", facts->place->section->name);
    }
    arena_free(&arena);
    return status < 0 ? -1 : 0;
}

int count_leaks(struct facts *facts, const struct report *report, struct err *err)
{
    struct arena arena = {0};
    struct csv csv;
    int status = read_csv(&csv, &arena, report, facts->place, LEAKS_FILE, err);
    facts->leaks = status > 0 ? csv.rows : 0;
    arena_free(&arena);
    return status < 0 ? -1 : 0;
}

/* ---- the confusion matrix ------------------------------------------------------------------- */
static int parse_matrix(struct matrix *out, struct arena *arena, const struct csv *csv,
                        struct err *err)
{
    size_t classes = csv->columns - 1;
    double *counts = arena_alloc(arena, classes * classes * sizeof *counts);
    double *column = arena_alloc(arena, classes * sizeof *column);
    if (csv->rows != classes || !classes)
        return fail_as(err, STATUS_BAD_DATA, "%zu rows for %zu classes", csv->rows, classes);
    *out = (struct matrix){classes, csv->heads + 1, counts};
    for (size_t row = 0; row < classes; row++)
        if (strcmp(csv->cells[row * csv->columns], out->names[row]) != 0)
            return fail_as(err, STATUS_BAD_DATA, "row '%s' is where '%s' should be",
                           csv->cells[row * csv->columns], out->names[row]);
    for (size_t i = 0; i < classes; i++) {
        TRY(csv_numbers(column, csv, i + 1, err));
        for (size_t row = 0; row < classes; row++) {
            if (!(column[row] >= 0) || isinf(column[row]))
                return fail_as(err, STATUS_BAD_DATA, "'%s' in row '%s' is not a count",
                               csv->cells[row * csv->columns + i + 1], out->names[row]);
            counts[row * classes + i] = column[row];
        }
    }
    return 0;
}

int draw_confusion(struct panels *panels, const struct place *place, struct err *err)
{
    struct csv csv;
    struct matrix matrix;
    char path[PATH_BYTES];
    int found = read_csv(&csv, panels->arena, panels->report, place, "confusion.csv", err);
    if (found <= 0)
        return found;
    if (parse_matrix(&matrix, panels->arena, &csv, err))
        return wrap(err, "confusion.csv of '%s'", place->section->name);
    if (matrix.classes > MATRIX_MOST)
        return 0; /* too many to be readable; the artifact has the numbers */
    const char *file =
        arena_printf(panels->arena, "%s%sconfusion.svg", panels->folder, panels->prefix);
    TRY(path_join(path, panels->root, file, err));
    int drawn = panels->report->no_plots ? 1 : matrix_svg(&matrix, path, err);
    return gallery_plot(panels->out, panels->report, drawn, file,
                        "Confusion of the classes over all pixels of the split: each row shows the "
                        "predictions for the pixels of one true class, in per cent.",
                        err);
}

/* ---- calibration ---------------------------------------------------------------------------- */
static int calibration_column(double **out, struct arena *arena, const struct csv *csv,
                              const char *name, struct err *err)
{
    size_t column = csv_column(csv, name);
    if (column == csv->columns)
        return fail_as(err, STATUS_BAD_DATA, "there is no column '%s'", name);
    *out = arena_alloc(arena, csv->rows * sizeof **out);
    return csv_numbers(*out, csv, column, err);
}

static int reliability(struct plot panels[2], struct arena *arena, const struct csv *csv,
                       struct err *err)
{
    static const double ends[] = {0, 1};
    double *pixels, *confidence, *accuracy, *low, *middle, all = 0;
    TRY(calibration_column(&low, arena, csv, "low", err));
    TRY(calibration_column(&middle, arena, csv, "high", err));
    TRY(calibration_column(&pixels, arena, csv, "pixels", err));
    TRY(calibration_column(&confidence, arena, csv, "confidence", err));
    TRY(calibration_column(&accuracy, arena, csv, "accuracy", err));
    for (size_t i = 0; i < csv->rows; i++)
        all += pixels[i];
    for (size_t i = 0; i < csv->rows; i++) {
        middle[i] = (low[i] + middle[i]) / 2;
        pixels[i] /= all;
    }
    struct curve *curves = arena_alloc(arena, 3 * sizeof *curves);
    curves[0] = (struct curve){.name = "right", .count = csv->rows, .x = confidence, .y = accuracy};
    curves[1] = (struct curve){.name = "perfectly calibrated", .count = 2, .x = ends, .y = ends};
    curves[1].dashed = true;
    curves[1].colour = 6;
    curves[2] = (struct curve){.name = "pixels", .count = csv->rows, .x = middle, .y = pixels};
    curves[2].colour = 1;
    panels[0] = (struct plot){.title = "reliability",
                              .x_label = "confidence",
                              .y_label = "share that is right",
                              .count = 2,
                              .curves = curves};
    panels[1] = (struct plot){.title = "how often it is that sure",
                              .x_label = "confidence",
                              .y_label = "share of the pixels",
                              .count = 1,
                              .curves = curves + 2};
    return 0;
}

int draw_calibration(struct panels *panels, const struct place *place, struct err *err)
{
    struct csv csv;
    struct plot plots[2];
    char path[PATH_BYTES];
    int found = read_csv(&csv, panels->arena, panels->report, place, "calibration.csv", err);
    if (found <= 0)
        return found;
    if (reliability(plots, panels->arena, &csv, err))
        return wrap(err, "calibration.csv of '%s'", place->section->name);
    const char *file =
        arena_printf(panels->arena, "%s%scalibration.svg", panels->folder, panels->prefix);
    TRY(path_join(path, panels->root, file, err));
    int drawn = panels->report->no_plots ? 1 : plot_svg(plots, 2, path, err);
    return gallery_plot(
        panels->out, panels->report, drawn, file,
        "Calibration: how many of the pixels whose predicted class is given a certain "
        "probability really have that class. Below the dashed line the model is "
        "overconfident. On the right, how many pixels each point stands for.",
        err);
}

/* ---- per-case values ------------------------------------------------------------------------ */
/* One variant's evaluation: of its first seed that has one. */
struct case_table {
    const char *name;
    struct csv csv;
};

static int read_tables(struct case_table *out, size_t *count, struct arena *arena,
                       const struct report *report, const char *section, struct err *err)
{
    const struct experiment *experiment = report->experiment;
    *count = 0;
    for (size_t v = 0; v < experiment->variant_count; v++)
        for (size_t s = 0; s < experiment->seed_count; s++) {
            const struct place *place =
                resolution_find(report->resolution, v, experiment->seeds[s], section);
            struct case_table *table = &out[*count];
            if (!place || place->state != PLACE_KNOWN)
                continue;
            int found = read_csv(&table->csv, arena, report, place, "cases.csv", err);
            if (found < 0)
                return -1;
            table->name =
                s ? cell_name(arena, experiment, v, place->seed) : experiment->variants[v].name;
            *count += (size_t)found;
            break;
        }
    return 0;
}

static int fill_strip(struct strip *out, struct arena *arena, const struct case_table *table,
                      const char *head, struct err *err)
{
    size_t column = csv_column(&table->csv, head);
    double *values = arena_alloc(arena, table->csv.rows * sizeof *values);
    *out = (struct strip){.name = table->name, .values = values};
    if (column == table->csv.columns)
        return 0;
    out->count = table->csv.rows;
    if (csv_numbers(values, &table->csv, column, err))
        return wrap(err, "cases.csv of '%s'", table->name);
    return 0;
}

/* One panel per class, in the order of the first variant's columns. */
static int fill_panels(struct strips *out, size_t *count, size_t *classes, struct arena *arena,
                       const struct case_table *tables, size_t table_count,
                       const struct metric_info *metric, struct err *err)
{
    const char *title = metric_keys[metric->key];
    bool share = strcmp(metric->unit, "share") == 0;
    *count = *classes = 0;
    for (size_t c = 0; table_count && c < tables->csv.columns; c++) {
        const char *head = tables->csv.heads[c], *class = metric_class(metric, head);
        if (!class || ++*classes > MOST_PANELS)
            continue;
        struct strip *strips = arena_alloc(arena, table_count * sizeof *strips);
        for (size_t t = 0; t < table_count; t++)
            TRY(fill_strip(&strips[t], arena, &tables[t], head, err));
        out[(*count)++] = (struct strips){class, title, table_count, strips, share};
    }
    return 0;
}

static const char *strips_caption(struct report *report, const char *metric, size_t classes)
{
    return arena_printf(
        &report->arena, "%s of each test case%s, one dot per case; the bar is the median.%s",
        metric, report->experiment->seed_count > 1 ? ", for the first seed of each variant" : "",
        classes > MOST_PANELS
            ? arena_printf(&report->arena, " The first %d of %zu classes.", MOST_PANELS, classes)
            : "");
}

static int draw_strips(struct gallery *out, struct report *report, struct arena *arena,
                       const char *folder, const char *section, struct err *err)
{
    struct strips panels[MOST_PANELS];
    struct case_table *tables =
        arena_alloc(arena, report->experiment->variant_count * sizeof *tables);
    size_t tables_read, count = 0, classes;
    TRY(read_tables(tables, &tables_read, arena, report, section, err));
    /* the first metric that the cases have */
    for (size_t m = 0; m < metric_count && !count; m++) {
        if (metric_table[m].scope != PER_CASE_CLASSES)
            continue;
        TRY(fill_panels(panels, &count, &classes, arena, tables, tables_read, &metric_table[m],
                        err));
        if (!count)
            continue;
        const char *at = strchr(section, '@');
        char path[PATH_BYTES];
        const char *file =
            arena_printf(&report->arena, "%s%scases.svg", at ? at + 1 : "", at ? "-" : "");
        TRY(path_join(path, folder, file, err));
        int drawn = report->no_plots ? 1 : strips_svg(panels, count, path, err);
        TRY(gallery_plot(out, report, drawn, file, strips_caption(report, panels->y_label, classes),
                         err));
    }
    return 0;
}

int draw_cases(struct gallery *out, struct report *report, const char *folder, struct err *err)
{
    const struct experiment *experiment = report->experiment;
    const struct variant *baseline = &experiment->variants[experiment->baseline];
    for (size_t i = 0; i < baseline->count; i++) {
        struct arena arena = {0};
        int status = 0;
        if (baseline->sections[i].stage->measures)
            status = draw_strips(out, report, &arena, folder, baseline->sections[i].name, err);
        arena_free(&arena);
        TRY(status);
    }
    return 0;
}
