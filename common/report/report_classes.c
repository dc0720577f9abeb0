/* What an evaluation found of each class: classes down, metrics across. */
#include "report/report_parts.h"

#include <stdlib.h>
#include <string.h>

/* The class of SPLIT/NAME/CLASS; NULL: the measure is of none. */
static const char *class_of(const struct measure *measure)
{
    if (!measure->metric || !(measure->metric->scope & BY_CLASS))
        return NULL;
    return strchr(measure->name, '/') + 1 + strlen(measure->metric->name) + 1;
}

/* Names in order of appearance. */
struct names {
    const char **items;
    size_t count;
};

static size_t name_index(struct names *names, struct arena *arena, const char *name)
{
    size_t i = 0;
    while (i < names->count && strcmp(names->items[i], name) != 0)
        i++;
    if (i == names->count)
        *ARENA_ADD(arena, names->items, names->count) = name;
    return i;
}

struct class_table {
    const char *section;
    struct names classes, metrics;  /* metrics: with split, unit and arrow */
    const struct measure **measure; /* [classes,metrics]; NULL: not measured */
};

static const char *metric_title(struct arena *arena, const struct measure *measure)
{
    struct measure whole = *measure;
    whole.title =
        arena_strndup(arena, measure->name, (size_t)(class_of(measure) - measure->name) - 1);
    return measure_title(arena, &whole);
}

static void lay_out(struct class_table *out, struct report *report, const char *section)
{
    struct arena *arena = &report->arena;
    *out = (struct class_table){.section = section};
    for (int filling = 0; filling < 2; filling++) {
        for (size_t m = 0; m < report->measure_count; m++) {
            const struct measure *measure = &report->measures[m];
            if (strcmp(measure->section, section) != 0 || !class_of(measure))
                continue;
            size_t class = name_index(&out->classes, arena, class_of(measure));
            size_t metric = name_index(&out->metrics, arena, metric_title(arena, measure));
            if (filling)
                out->measure[class * out->metrics.count + metric] = measure;
        }
        if (!filling)
            out->measure = arena_alloc(arena, out->classes.count * out->metrics.count *
                                                  sizeof(const struct measure *));
    }
}

static void fill_rows(struct rows *rows, struct report *report, const struct class_table *table)
{
    const struct experiment *experiment = report->experiment;
    struct comparison *all = xcalloc(experiment->variant_count, sizeof *all);
    size_t classes = table->classes.count, metrics = table->metrics.count;
    for (size_t v = 0; v < experiment->variant_count; v++)
        for (size_t c = 0; c < classes; c++) {
            struct table_cell *row = rows_add(rows);
            row[0].text = c ? NULL : experiment->variants[v].name;
            row[1].text = table->classes.items[c];
            for (size_t m = 0; m < metrics; m++) {
                const struct measure *measure = table->measure[c * metrics + m];
                if (!measure)
                    continue;
                compare_variants(all, report, measure);
                const char *mean = show_mean(&report->arena, measure->unit, all[v].mean, all[v].sd);
                row[2 + m].text = show_coverage(&report->arena, mean, all[v].coverage);
                row[2 + m].bold = all[v].best;
            }
        }
    free(all);
}

static void write_table(struct text *out, struct report *report, const struct class_table *table)
{
    size_t columns = 2 + table->metrics.count;
    const char **heads = xcalloc(columns, sizeof *heads);
    bool *right = xcalloc(columns, sizeof *right);
    struct rows rows = {.columns = columns, .group = table->classes.count};
    heads[0] = "variant";
    heads[1] = "class";
    for (size_t m = 0; m < table->metrics.count; m++) {
        heads[2 + m] = table->metrics.items[m];
        right[2 + m] = true;
    }
    fill_rows(&rows, report, table);
    rows_write(out, &rows, heads, right, TABLE_HTML);
    free(right);
    free(heads);
}

bool class_tables(struct text *out, struct report *report)
{
    bool any = false;
    for (size_t m = 0; m < report->measure_count; m++) {
        const char *section = report->measures[m].section;
        struct class_table table;
        if (m && strcmp(report->measures[m - 1].section, section) == 0)
            continue; /* measures are sorted by section */
        lay_out(&table, report, section);
        if (table.classes.count < 2)
            continue;
        text_puts(out, "<h3>");
        text_html(out, section);
        text_puts(out, "</h3>\n");
        write_table(out, report, &table);
        any = true;
    }
    return any;
}
