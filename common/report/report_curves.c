/* Loss curves, from the history.csv of the trained models. */
#include "report/report_parts.h"

#include "base/csv.h"
#include "base/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_COLUMNS = 64 };

/* ---- history.csv ---------------------------------------------------------------------------- */
struct history_table {
    struct csv csv;
    double **columns; /* NaN: not measured */
};

static int read_columns(struct history_table *out, struct arena *arena, const char *path,
                        struct err *err)
{
    TRY(csv_read(&out->csv, arena, path, err));
    out->columns = arena_alloc(arena, out->csv.columns * sizeof *out->columns);
    for (size_t i = 0; i < out->csv.columns; i++) {
        out->columns[i] = arena_alloc(arena, out->csv.rows * sizeof *out->columns[i]);
        TRY(csv_numbers(out->columns[i], &out->csv, i, err));
    }
    return 0;
}

static int read_history(struct history_table *out, struct arena *arena, const struct report *report,
                        const struct place *place, struct err *err)
{
    char path[PATH_BYTES];
    TRY(place_file(path, report, place, "history.csv", err));
    return read_columns(out, arena, path, err)
               ? wrap(err, "history.csv of '%s'", place->section->name)
               : 0;
}

/* ---- curves --------------------------------------------------------------------------------- */
/* The mean of one column over several histories, with the range. A row that only some of them have
 * (early stopping) is the mean of those. */
static void average(struct curve *out, struct arena *arena, const struct history_table *tables,
                    size_t count, const char *column)
{
    size_t rows = 0;
    for (size_t t = 0; t < count; t++)
        rows = tables[t].csv.rows > rows ? tables[t].csv.rows : rows;
    double *x = arena_alloc(arena, rows * sizeof *x), *y = arena_alloc(arena, rows * sizeof *y);
    double *low = arena_alloc(arena, rows * sizeof *low);
    double *high = arena_alloc(arena, rows * sizeof *high);
    for (size_t r = 0; r < rows; r++) {
        double sum = 0, n = 0;
        x[r] = y[r] = NAN;
        low[r] = INFINITY;
        high[r] = -INFINITY;
        for (size_t t = 0; t < count; t++) {
            const struct history_table *table = &tables[t];
            size_t c = csv_column(&table->csv, column), e = csv_column(&table->csv, "epoch");
            if (r >= table->csv.rows || c == table->csv.columns || e == table->csv.columns)
                continue;
            double value = table->columns[c][r];
            if (isnan(value))
                continue;
            x[r] = table->columns[e][r];
            sum += value;
            n++;
            low[r] = fmin(low[r], value);
            high[r] = fmax(high[r], value);
        }
        y[r] = n > 0 ? sum / n : NAN;
    }
    *out = (struct curve){.count = rows, .x = x, .y = y};
    if (count > 1) {
        out->low = low;
        out->high = high;
    }
}

static bool any_finite(const struct curve *curve)
{
    for (size_t i = 0; i < curve->count; i++)
        if (isfinite(curve->y[i]))
            return true;
    return false;
}

/* Drawn together: histories of one colour under one name. */
struct group {
    const char *name; /* "" if it is the only one */
    struct history_table *tables;
    size_t count;
};

static const char *panel_title(const char *metric)
{
    static const char *const known[][2] = {{"loss", "Total loss"},
                                           {"reconstruction", "Reconstruction"},
                                           {"kl", "KL divergence"},
                                           {"accuracy", "Accuracy"},
                                           {"dice", "Soft Dice"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i][0], metric) == 0)
            return known[i][1];
    return metric;
}

/* train/X solid, val/X dashed. */
static void fill_panel(struct plot *plot, struct arena *arena, const struct group *groups,
                       size_t group_count, const char *metric)
{
    static const char *const splits[][2] = {{"train", "train"}, {"val", "validation"}};
    struct curve *curves = arena_alloc(arena, 2 * group_count * sizeof *curves);
    *plot = (struct plot){
        .title = panel_title(metric), .x_label = "epoch", .y_label = "", .curves = curves};
    for (size_t g = 0; g < group_count; g++)
        for (int split = 0; split < 2; split++) {
            struct curve *curve = &curves[plot->count];
            average(curve, arena, groups[g].tables, groups[g].count,
                    arena_printf(arena, "%s/%s", splits[split][0], metric));
            if (!any_finite(curve))
                continue;
            curve->name = arena_printf(arena, "%s%s%s", groups[g].name, *groups[g].name ? ", " : "",
                                       splits[split][1]);
            curve->dashed = split == 1;
            curve->colour = (int32_t)g;
            plot->count++;
        }
}

/* The metrics of the train/ columns of all histories, in order of appearance. */
static size_t panel_metrics(const char *out[MOST_COLUMNS], const struct group *groups,
                            size_t group_count)
{
    size_t count = 0;
    for (size_t g = 0; g < group_count; g++)
        for (size_t t = 0; t < groups[g].count; t++)
            for (size_t c = 0; c < groups[g].tables[t].csv.columns; c++) {
                const char *name = groups[g].tables[t].csv.heads[c];
                size_t i = 0;
                if (!starts_with(name, "train/"))
                    continue;
                name += strlen("train/");
                while (i < count && strcmp(out[i], name) != 0)
                    i++;
                if (i == count && count < MOST_COLUMNS)
                    out[count++] = name;
            }
    return count;
}

static int draw(struct gallery *out, struct report *report, struct arena *arena,
                const struct group *groups, size_t group_count, const char *folder,
                const char *file, const char *caption, struct err *err)
{
    const char *metrics[MOST_COLUMNS];
    char path[PATH_BYTES];
    size_t count = panel_metrics(metrics, groups, group_count);
    if (!count)
        return 0;
    struct plot *panels = arena_alloc(arena, count * sizeof *panels);
    for (size_t i = 0; i < count; i++)
        fill_panel(&panels[i], arena, groups, group_count, metrics[i]);
    TRY(path_join(path, folder, file, err));
    int drawn = report->no_plots ? 1 : plot_svg(panels, count, path, err);
    return gallery_plot(out, report, drawn, file, caption, err);
}

/* ---- which trainers ------------------------------------------------------------------------- */
/* Is it the trainer of the model that the variant's first evaluation reads? */
static bool is_evaluated(const struct report *report, const struct section *section, size_t variant)
{
    for (size_t i = 0; i < report->resolution->count; i++) {
        const struct place *place = &report->resolution->places[i];
        if (place->variant != variant || !place->section->stage->measures)
            continue;
        for (int k = 0; k < place->input_count; k++)
            if (strcmp(place->inputs[k].name, "model") == 0)
                return place->makers[k] &&
                       strcmp(place->makers[k]->section->name, section->name) == 0;
    }
    return false;
}

/* loss.svg is for the evaluated model; another trainer (a judge) has its section's name. */
static const char *curve_file(struct report *report, const struct section *section, size_t variant,
                              const char *folder, const char *suffix)
{
    bool evaluated = is_evaluated(report, section, variant);
    return arena_printf(&report->arena, "%sloss%s%s%s.svg", folder, evaluated ? "" : "-",
                        evaluated ? "" : section->name, suffix);
}

static int draw_place(struct gallery *out, struct report *report, const struct place *place,
                      const char *folder, const char *cell, struct err *err)
{
    const struct section *section = place->section;
    struct arena arena = {0};
    struct history_table table;
    struct group group = {"", &table, 1};
    const char *name = cell_name(&report->arena, report->experiment, place->variant, place->seed);
    const char *caption =
        arena_printf(&report->arena, "Training of %s by epoch%s%s.", section->name,
                     section->stage->seeded ? ": " : "", section->stage->seeded ? name : "");
    int status = read_history(&table, &arena, report, place, err) ||
                 draw(out, report, &arena, &group, 1, folder,
                      curve_file(report, section, place->variant, cell, ""), caption, err);
    arena_free(&arena);
    return status ? -1 : 0;
}

int draw_cell_curves(struct gallery *out, struct report *report, const char *folder, size_t variant,
                     uint64_t seed, struct err *err)
{
    const char *cell = cell_folder(&report->arena, report->experiment, variant, seed);
    for (int seeded = 1; seeded >= 0; seeded--) {
        if (!seeded && *cell)
            continue;
        for (size_t i = 0; i < report->resolution->count; i++) {
            const struct place *place = &report->resolution->places[i];
            const struct stage_info *stage = place->section->stage;
            if (place->variant == variant && place->seed == seed && place->state == PLACE_KNOWN &&
                stage->trains && stage->seeded == seeded)
                TRY(draw_place(out, report, place, folder, cell, err));
        }
    }
    return 0;
}

static int read_group(struct group *out, struct arena *arena, const struct report *report,
                      size_t variant, const char *section, struct err *err)
{
    *out = (struct group){.name = report->experiment->variants[variant].name};
    out->tables = arena_alloc(arena, report->experiment->seed_count * sizeof *out->tables);
    for (size_t s = 0; s < report->experiment->seed_count; s++) {
        const struct place *place =
            resolution_find(report->resolution, variant, report->experiment->seeds[s], section);
        if (place && place->state == PLACE_KNOWN)
            TRY(read_history(&out->tables[out->count++], arena, report, place, err));
    }
    return 0;
}

static int draw_section(struct gallery *out, struct report *report, struct arena *arena,
                        const char *folder, const struct section *section, struct err *err)
{
    const struct experiment *experiment = report->experiment;
    struct group *groups = arena_alloc(arena, experiment->variant_count * sizeof *groups);
    size_t count = 0;
    for (size_t v = 0; v < experiment->variant_count; v++) {
        TRY(read_group(&groups[count], arena, report, v, section->name, err));
        count += groups[count].count > 0;
    }
    return draw(out, report, arena, groups, count, folder,
                curve_file(report, section, experiment->baseline, "", "-by-variant"),
                arena_printf(&report->arena, "Training of %s by epoch%s.", section->name,
                             experiment->seed_count > 1
                                 ? ": the mean over the seeds, with their range"
                                 : ""),
                err);
}

int draw_all_curves(struct gallery *out, struct report *report, const char *folder, struct err *err)
{
    const struct experiment *experiment = report->experiment;
    const struct variant *baseline = &experiment->variants[experiment->baseline];
    bool several =
        experiment->variant_count * experiment->seed_count > 1; /* else loss.svg shows everything */
    for (size_t i = 0; i < baseline->count && several; i++) {
        struct arena arena = {0};
        int status = 0;
        if (baseline->sections[i].stage->trains && baseline->sections[i].stage->seeded)
            status = draw_section(out, report, &arena, folder, &baseline->sections[i], err);
        arena_free(&arena);
        TRY(status);
    }
    return 0;
}
