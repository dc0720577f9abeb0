/* The page: what is shown, in which order, and the text around it. */
#include "report/report_parts.h"

#include "base/file.h"

#include <math.h>
#include <string.h>
#include <stdlib.h>

static void heading(struct text *out, const char *title)
{
    text_puts(out, "<h2>");
    text_html(out, title);
    text_puts(out, "</h2>\n");
}

static void paragraph(struct text *out, const char *class, const char *words)
{
    text_printf(out, "<p class=\"%s\">", class);
    text_html(out, words);
    text_puts(out, "</p>\n");
}

static bool several_cells(const struct report *report)
{
    return report->experiment->variant_count * report->experiment->seed_count > 1;
}

/* ---- what is missing ------------------------------------------------------------------------ */
static const char *state_of(const struct facts *facts)
{
    if (facts->place->state == PLACE_WAITING)
        return "waiting for an input";
    return facts->run.id ? facts->run.status : "not run yet";
}

/* Cells that failed or did not run, with the reason. Nothing if all is there. */
static size_t missing_table(struct text *out, struct report *report, enum table_format format)
{
    enum { COLUMNS = 6 };
    static const char *const heads[COLUMNS] = {"variant", "seed", "section",
                                               "status",  "run",  "reason"};
    static const bool right[COLUMNS] = {false, true, false, false, true, false};
    struct rows rows = {.columns = COLUMNS};
    for (size_t i = 0; i < report->resolution->count; i++) {
        const struct facts *facts = &report->facts[i];
        if (facts->place->state == PLACE_KNOWN)
            continue;
        struct table_cell *row = rows_add(&rows);
        row[0].text = report->experiment->variants[facts->place->variant].name;
        row[1].text = arena_printf(&report->arena, "%llu", (unsigned long long)facts->place->seed);
        row[2].text = facts->place->section->name;
        row[3].text = state_of(facts);
        if (facts->run.id)
            row[4].text = arena_printf(&report->arena, "%lld", (long long)facts->run.id);
        row[5].text = facts->run.error;
    }
    size_t count = rows.count;
    if (count)
        rows_write(out, &rows, heads, right, format);
    return count;
}

static void missing(struct text *out, struct report *report)
{
    struct text table = {0};
    size_t count = missing_table(&table, report, TABLE_HTML);
    if (count) {
        text_printf(out,
                    "<p class=\"note\">%zu of %zu stages have no result. They are listed here, "
                    "and the figures below cover the seeds that exist.</p>\n",
                    count, report->resolution->count);
        text_puts(out, table.data);
    }
    text_free(&table);
}

/* ---- leaks ---------------------------------------------------------------------------------- */
/* The sentences on evaluations with leaks, each once; NULL: none. */
static const char *leaks(struct report *report)
{
    const char *all = NULL;
    for (size_t i = 0; i < report->resolution->count; i++) {
        const struct facts *facts = &report->facts[i];
        const struct place *place = facts->place;
        if (!facts->leaks || place->first != place)
            continue;
        all = arena_printf(
            &report->arena,
            "%s%s%s (%s) is not a fair test: its model or judge may have learnt from %zu case%s "
            "(allow_leak; artifact %.12s, " LEAKS_FILE ").",
            all ? all : "", all ? " " : "", place->section->name,
            cell_name(&report->arena, report->experiment, place->variant, place->seed),
            facts->leaks, facts->leaks == 1 ? "" : "s", place->outputs[0].artifact.hex);
    }
    return all;
}

/* ---- results -------------------------------------------------------------------------------- */
static void results_table(struct text *out, struct report *report)
{
    const struct experiment *experiment = report->experiment;
    size_t variants = experiment->variant_count;
    struct comparison *all = xcalloc(variants, sizeof *all);
    const char **heads = xcalloc(variants + 1, sizeof *heads);
    bool *right = xcalloc(variants + 1, sizeof *right);
    struct rows rows = {.columns = variants + 1};
    heads[0] = "measure";
    for (size_t v = 0; v < variants; v++) {
        heads[v + 1] = experiment->variants[v].name;
        right[v + 1] = true;
    }
    for (size_t m = 0; m < report->measure_count; m++) {
        const struct measure *measure = &report->measures[m];
        compare_variants(all, report, measure);
        struct table_cell *row = rows_add(&rows);
        row[0].text = measure_title(&report->arena, measure);
        for (size_t v = 0; v < variants; v++) {
            const char *mean = show_mean(&report->arena, measure->unit, all[v].mean, all[v].sd);
            row[v + 1].text =
                all[v].count ? show_coverage(&report->arena, mean, all[v].coverage) : "missing";
            row[v + 1].bold = all[v].best;
        }
    }
    rows_write(out, &rows, heads, right, TABLE_HTML);
    free(right);
    free(heads);
    free(all);
}

static void results(struct text *out, struct report *report)
{
    const struct experiment *experiment = report->experiment;
    heading(out, "Results");
    if (!report->measure_count) {
        paragraph(out, "soft", "Nothing has been evaluated yet.");
        return;
    }
    results_table(out, report);
    if (experiment->seed_count > 1)
        paragraph(out, "soft", winner_rule(&report->arena, report));
    else
        paragraph(out, "soft",
                  "One seed: no spread is known, so nothing is marked as best. \u2193: less is "
                  "better, \u2191: more is better.");
    if (experiment->variant_count == 1)
        return;
    heading(out, "Comparison");
    result_comparison(out, report, TABLE_HTML);
    paragraph(out, "soft", difference_rule(&report->arena, report));
    paragraph(out, "soft", "The exact numbers are in ablation.csv.");
}

/* ---- figures -------------------------------------------------------------------------------- */
static void figures(struct text *out, struct report *report, const struct gallery *gallery)
{
    for (size_t i = 0; i < gallery->count; i++) {
        const struct shown *shown = &gallery->items[i];
        text_puts(out, "<figure>");
        if (shown->file) {
            text_puts(out, "<img src=\"");
            text_html(out, shown->file); /* slugs and plain names: nothing to escape in a URL */
            text_puts(out, "\" alt=\"");
            text_html(out, shown->caption);
            text_puts(out, "\">");
        } else {
            paragraph(out, "note", arena_printf(&report->arena, "No plot: %s.", report->no_plots));
        }
        text_puts(out, "<figcaption>");
        text_html(out, shown->caption);
        text_puts(out, "</figcaption></figure>\n");
    }
}

static void classes(struct text *out, struct report *report)
{
    struct text tables = {0};
    if (class_tables(&tables, report)) {
        heading(out, "Classes");
        text_puts(out, tables.data);
        paragraph(out, "soft",
                  report->experiment->seed_count > 1
                      ? "Mean \u00b1 standard deviation over the seeds, class by class."
                      : "Class by class.");
    }
    text_free(&tables);
}

/* Behind the comparison of all variants, those that are series over a number. */
static void sweeps(struct text *out, const struct page *page)
{
    struct report *report = page->report;
    size_t count;
    struct sweep *all = find_sweeps(report, &count);
    for (size_t i = 0; i < count && page->sweeps->count; i++) {
        heading(out, arena_printf(&report->arena, "By %s", all[i].key));
        figures(out, report, &(struct gallery){&page->sweeps->items[i], 1});
        sweep_table(out, report, &all[i], TABLE_HTML);
        paragraph(out, "soft", sweep_rule(&report->arena, &all[i]));
    }
}

static void side_by_side(struct text *out, struct report *report, const struct gallery *gallery)
{
    text_puts(out, "<div class=\"figures\">\n");
    figures(out, report, gallery);
    text_puts(out, "</div>\n");
}

/* The first cell is shown, the others can be opened. */
static void galleries(struct text *out, const struct page *page)
{
    struct report *report = page->report;
    const struct cell_gallery *first = &page->cells[0];
    if (page->overview->count || first->curves.count) {
        heading(out, "Training");
        figures(out, report, page->overview);
        figures(out, report, &first->curves);
    }
    for (size_t i = 0; i < page->cell_count; i++) {
        const struct cell_gallery *cell = &page->cells[i];
        const char *name = several_cells(report) ? cell_name(&report->arena, report->experiment,
                                                             cell->variant, cell->seed)
                                                 : NULL;
        if (i == 0) {
            heading(out, name ? arena_printf(&report->arena, "Pictures: %s", name) : "Pictures");
            side_by_side(out, report, &cell->pictures);
            if (!cell->pictures.count)
                paragraph(out, "soft", "Nothing to show yet.");
        } else if (cell->curves.count || cell->pictures.count) {
            text_puts(out, "<details><summary>Curves and pictures: ");
            text_html(out, name);
            text_puts(out, "</summary>\n");
            figures(out, report, &cell->curves);
            side_by_side(out, report, &cell->pictures);
            text_puts(out, "</details>\n");
        }
    }
}

/* ---- every number --------------------------------------------------------------------------- */
/* A place's artifact, or each of several with its name. */
static struct table_cell outputs_cell(struct arena *arena, const struct place *place)
{
    struct table_cell all = {0};
    for (int i = 0; i < place->output_count; i++) {
        struct table_cell one = id_cell(arena, &place->outputs[i].artifact);
        if (place->output_count == 1)
            return one;
        const char *name = place->outputs[i].name, *between = i ? ", " : "";
        all.text = arena_printf(arena, "%s%s%s %s", i ? all.text : "", between, name, one.text);
        all.title = arena_printf(arena, "%s%s%s", i ? all.title : "", between, one.title);
    }
    return all;
}

/* The values behind the means: one row per cell, with the artifact that holds them. */
static void section_values(struct text *out, struct report *report, const char *section)
{
    enum { FIRST = 4 };
    size_t columns = FIRST;
    for (size_t m = 0; m < report->measure_count; m++)
        columns += strcmp(report->measures[m].section, section) == 0;
    if (columns == FIRST)
        return;
    const char **heads = xcalloc(columns, sizeof *heads);
    bool *right = xcalloc(columns, sizeof *right);
    struct rows rows = {.columns = columns};
    heads[0] = "variant";
    heads[1] = "seed";
    heads[2] = "run";
    heads[3] = "artifact";
    for (size_t i = 1; i < columns; i++)
        right[i] = i != 3;
    for (size_t i = 0; i < report->resolution->count; i++) {
        const struct facts *facts = &report->facts[i];
        const struct place *place = facts->place;
        if (strcmp(place->section->name, section) != 0 || place->state != PLACE_KNOWN)
            continue;
        struct table_cell *row = rows_add(&rows);
        size_t at = FIRST, seed = 0;
        while (report->experiment->seeds[seed] != place->seed)
            seed++;
        row[0].text = report->experiment->variants[place->variant].name;
        row[1].text = arena_printf(&report->arena, "%llu", (unsigned long long)place->seed);
        row[2].text = arena_printf(&report->arena, "%lld", (long long)facts->run.id);
        row[3] = outputs_cell(&report->arena, place);
        for (size_t m = 0; m < report->measure_count; m++) {
            const struct measure *measure = &report->measures[m];
            if (strcmp(measure->section, section) != 0)
                continue;
            size_t cell = place->variant * report->experiment->seed_count + seed;
            heads[at] = measure->name;
            row[at++].text = show_coverage(
                &report->arena, show_value(&report->arena, measure->unit, measure->values[cell]),
                measure->coverage[cell]);
        }
    }
    text_puts(out, "<h3>");
    text_html(out, section);
    text_puts(out, "</h3>\n");
    rows_write(out, &rows, heads, right, TABLE_HTML);
    free(right);
    free(heads);
}

static void values(struct text *out, struct report *report)
{
    const struct experiment *experiment = report->experiment;
    if (!report->measure_count)
        return;
    heading(out, "Every number and its artifact");
    paragraph(out, "soft",
              "Each row names the artifact that holds its numbers; hover over it for the full id. "
              "Time and memory belong to the run: they would change an artifact's id.");
    for (size_t v = 0; v < experiment->variant_count; v++)
        for (size_t i = 0; i < experiment->variants[v].count; i++) {
            const struct section *section = &experiment->variants[v].sections[i];
            bool seen = false; /* in an earlier variant */
            for (size_t w = 0; w < v; w++)
                seen |= variant_section(&experiment->variants[w], section->name) != NULL;
            if (!seen)
                section_values(out, report, section->name);
        }
}

/* ---- stages --------------------------------------------------------------------------------- */
/* The cells that this run serves, its own first. */
static const char *served(struct report *report, size_t at)
{
    const struct facts *facts = &report->facts[at];
    size_t count = 0, cells = report->experiment->variant_count * report->experiment->seed_count;
    for (size_t i = 0; i < report->resolution->count; i++)
        count += report->facts[i].run.id == facts->run.id;
    if (count >= cells)
        return several_cells(report) ? "all cells" : "";
    const char *name =
        cell_name(&report->arena, report->experiment, facts->place->variant, facts->place->seed);
    return count == 1 ? name : arena_printf(&report->arena, "%s and %zu more", name, count - 1);
}

static bool first_of_run(const struct report *report, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (report->facts[i].run.id == report->facts[at].run.id)
            return false;
    return report->facts[at].run.id != 0;
}

static void stages(struct text *out, struct report *report)
{
    enum { COLUMNS = 10 };
    static const char *const heads[COLUMNS] = {
        "run",           "section", "cell",   "status",  "time", "allocated peak",
        "resident peak", "runs",    "recipe", "artifact"};
    static const bool right[COLUMNS] = {true, false, false, false, true, true, true, true};
    struct rows rows = {.columns = COLUMNS};
    for (size_t i = 0; i < report->resolution->count; i++) {
        const struct facts *facts = &report->facts[i];
        if (!first_of_run(report, i))
            continue;
        struct table_cell *row = rows_add(&rows);
        row[0].text = arena_printf(&report->arena, "%lld", (long long)facts->run.id);
        row[1].text = facts->place->section->name;
        row[2].text = served(report, i);
        row[3].text = facts->run.status;
        row[4].text = show_value(&report->arena, UNIT_SECONDS, facts->run.seconds);
        row[5].text = show_value(&report->arena, UNIT_BYTES, figure_of(facts, "train/peak_bytes"));
        row[6].text = show_value(&report->arena, UNIT_BYTES, facts->resident_bytes);
        row[7].text = arena_printf(&report->arena, "%d", facts->attempts);
        row[8] = id_cell(&report->arena, &facts->run.recipe);
        row[9] = outputs_cell(&report->arena, facts->place);
    }
    heading(out, "Stages");
    rows_write(out, &rows, heads, right, TABLE_HTML);
    paragraph(
        out, "soft",
        "Time is that of the run that finished; if there was more than 1 run of the recipe, "
        "earlier ones were stopped or lost, and it resumed from their checkpoint. Allocated is the "
        "most that a trainer held at once, resident the most that the whole process did.");
}

static void happenings(struct text *out, struct report *report)
{
    enum { COLUMNS = 4 };
    static const char *const heads[COLUMNS] = {"run", "stage", "event", "detail"};
    static const bool right[COLUMNS] = {true, false, false, false};
    struct rows rows = {.columns = COLUMNS};
    if (!report->happening_count)
        return;
    for (size_t i = 0; i < report->happening_count; i++) {
        const struct happening *happening = &report->happenings[i];
        struct table_cell *row = rows_add(&rows);
        row[0].text = arena_printf(&report->arena, "%lld", (long long)happening->run);
        row[1].text = happening->stage;
        row[2].text = happening->kind;
        row[3].text = happening->detail;
    }
    heading(out, "Events");
    rows_write(out, &rows, heads, right, TABLE_HTML);
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

/* The numerics of runs of one section, and the cells that have them. */
struct setting {
    const struct facts *facts; /* the first */
    size_t cells;
    struct text names; /* of the first few */
};

static struct setting *find_setting(struct setting *settings, size_t count,
                                    const struct facts *facts)
{
    for (size_t i = 0; i < count; i++) {
        const struct facts *other = settings[i].facts;
        if (same_text(other->run.build, facts->run.build) &&
            same_text(other->run.numerics, facts->run.numerics) &&
            strcmp(other->place->section->name, facts->place->section->name) == 0)
            return &settings[i];
    }
    return NULL;
}

static struct setting *list_settings(struct report *report, size_t *count)
{
    enum { FEW = 6 };
    struct setting *settings = NULL;
    *count = 0;
    for (size_t i = 0; i < report->resolution->count; i++) {
        const struct facts *facts = &report->facts[i];
        const struct place *place = facts->place;
        if (place->state != PLACE_KNOWN)
            continue;
        struct setting *setting = find_setting(settings, *count, facts);
        if (!setting) {
            setting = ARRAY_ADD(settings, *count);
            *setting = (struct setting){.facts = facts};
        }
        if (setting->cells++ < FEW)
            text_printf(&setting->names, "%s%s", setting->cells > 1 ? "; " : "",
                        cell_name(&report->arena, report->experiment, place->variant, place->seed));
        else if (setting->cells == FEW + 1)
            text_puts(&setting->names, "; ...");
    }
    return settings;
}

/* Threads and instruction sets are in no recipe unless the file gives them, but affect the bits. */
static void environment(struct text *out, struct report *report)
{
    enum { COLUMNS = 4 };
    static const char *const heads[COLUMNS] = {"section", "build", "numerics", "cells"};
    static const bool right[COLUMNS] = {false};
    struct rows rows = {.columns = COLUMNS};
    size_t count;
    bool several = false;
    struct setting *settings = list_settings(report, &count);
    for (size_t i = 0; i < count; i++) {
        const struct facts *facts = settings[i].facts;
        struct table_cell *row = rows_add(&rows);
        bool alone = true;
        for (size_t j = 0; j < count; j++)
            if (strcmp(settings[j].facts->place->section->name, facts->place->section->name) == 0 &&
                !same_text(settings[j].facts->run.numerics, facts->run.numerics))
                alone = false;
        several |= !alone;
        row[0].text = facts->place->section->name;
        row[1].text = facts->run.build;
        row[2].text = facts->run.numerics ? facts->run.numerics : "no computation";
        row[3].text = alone ? "" : arena_strdup(&report->arena, settings[i].names.data);
        text_free(&settings[i].names);
    }
    free(settings);
    heading(out, "Environment");
    rows_write(out, &rows, heads, right, TABLE_HTML);
    if (several)
        text_puts(out, "<p>Cells of one section were computed with different numerics: there the "
                       "same recipe gives other bits. <code>backend: {threads: N}</code> in the "
                       "experiment file fixes the number of threads.</p>\n");
}

/* ---- reproducing ---------------------------------------------------------------------------- */
/* A word for the shell, quoted only if needed. */
static void shell_word(struct text *out, const char *word)
{
    if (*word && strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                              "._-/=+:,@") == strlen(word)) {
        text_puts(out, word);
        return;
    }
    text_puts(out, "'");
    for (; *word; word++) {
        if (*word == '\'')
            text_puts(out, "'\\''");
        else
            text_add(out, word, 1);
    }
    text_puts(out, "'");
}

static void reproduce(struct text *out, const struct page *page)
{
    const struct report *report = page->report;
    struct text command = {0};
    const char *build = build_id();
    int commit = (int)strcspn(build, " ");
    if (strncmp(build, "release", (size_t)commit) != 0)
        text_printf(&command, "git checkout %.*s\n", commit, build);
    text_puts(&command, "make experiment=");
    char folder[PATH_BYTES];
    struct err err;
    if (report_folder(folder, page->options->lab, report->experiment->name, &err))
        bug("a report without a folder: %s", err.text);
    shell_word(&command, folder);
    text_puts(&command, "/experiment.yaml LAB=");
    shell_word(&command, page->options->lab);
    text_puts(&command, " DATA=");
    shell_word(&command, page->options->data);
    heading(out, "Reproduce");
    paragraph(
        out, "soft",
        "With this lab nothing runs again, as everything is known; with an empty one (another "
        "LAB) everything does. The same recipe on the same numerics gives the same artifact ids.");
    text_puts(out, "<pre>");
    text_html(out, command.data);
    text_puts(out, "</pre>\n<details><summary>The experiment file</summary><pre>");
    text_html(out, report->experiment->frozen);
    text_puts(out, "</pre></details>\n");
    text_free(&command);
}

void page_body(struct text *out, const struct page *page)
{
    struct report *report = page->report;
    const struct experiment *experiment = report->experiment;
    if (*experiment->question)
        paragraph(out, "lead", experiment->question);
    paragraph(out, "soft",
              arena_printf(&report->arena, "%zu variant%s, %zu seed%s, built by %s.",
                           experiment->variant_count, experiment->variant_count == 1 ? "" : "s",
                           experiment->seed_count, experiment->seed_count == 1 ? "" : "s",
                           build_id()));
    if (leaks(report))
        paragraph(out, "note bad", leaks(report));
    missing(out, report);
    results(out, report);
    sweeps(out, page);
    classes(out, report);
    if (page->cases->count)
        heading(out, "Test cases");
    figures(out, report, page->cases);
    galleries(out, page);
    values(out, report);
    stages(out, report);
    happenings(out, report);
    environment(out, report);
    reproduce(out, page);
}

void markdown_body(struct text *out, struct report *report)
{
    struct text table = {0};
    size_t count;
    const struct sweep *all = find_sweeps(report, &count);
    text_puts(out, "# ");
    table_words(out, report->experiment->name, TABLE_MD);
    text_puts(out, "\n");
    table_words(out, report->experiment->question, TABLE_MD);
    text_puts(out, *report->experiment->question ? "\n" : "");
    if (leaks(report)) {
        table_words(out, leaks(report), TABLE_MD);
        text_puts(out, "\n");
    }
    ablation_table(out, report, TABLE_MD);
    for (size_t i = 0; i < count; i++) {
        text_puts(out, "\n");
        sweep_table(out, report, &all[i], TABLE_MD);
        text_puts(out, "\n");
        table_words(out, sweep_rule(&report->arena, &all[i]), TABLE_MD);
    }
    if (missing_table(&table, report, TABLE_MD))
        text_printf(out, "\nWithout a result:\n\n%s", table.data);
    text_free(&table);
}
