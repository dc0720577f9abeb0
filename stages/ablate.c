/* ablate: what an experiment still has to run, as make rules; its results, as a table. */
#include "report/report.h"

#include "base/stop.h"

#include <stdio.h>
#include <string.h>

static const char usage[] = "plan | table EXPERIMENT.yaml [OPTION ...]";
static const char help[] =
    "plan    make rules on stdout for every stage whose result is unknown (--explain: "
    "in\n        words; nothing is written)\n"
    "table   the variants compared, from the registry (--format)\n";

static int plan(struct text *out, const struct options *options,
                const struct experiment *experiment, struct store *store, struct err *err)
{
    say_network(options, store);
    return plan_rules(out, options, experiment, store, err);
}

static int plan_explained(struct text *out, const struct options *options,
                          const struct experiment *experiment, struct store *store, struct err *err)
{
    struct resolution resolution;
    TRY(resolve(&resolution, experiment, store, options->data, -1, -1, err));
    plan_words(out, options, experiment, &resolution);
    resolution_free(&resolution);
    return 0;
}

static int choose_format(enum table_format *out, const struct options *options, struct err *err)
{
    const char *name = options->format ? options->format : "text";
    for (int i = 0; table_formats[i]; i++)
        if (strcmp(table_formats[i], name) == 0) {
            *out = (enum table_format)i;
            return 0;
        }
    return fail_as(err, STATUS_USAGE, "--format '%s': text, md, csv, tex, json or html expected",
                   name);
}

/* Is this cell of the latest plan at a place where the resolution has another recipe? */
struct plan_search {
    const struct experiment *experiment;
    const struct resolution *resolution;
    bool differs;
};

static int compare_cell(void *user, const struct cell *cell, struct err *err)
{
    (void)err;
    struct plan_search *search = user;
    for (size_t i = 0; i < search->resolution->count; i++) {
        const struct place *place = &search->resolution->places[i];
        if ((int64_t)place->seed == cell->seed &&
            strcmp(place->section->name, cell->section) == 0 &&
            strcmp(search->experiment->variants[place->variant].name, cell->variant) == 0 &&
            strcmp(place->key.hex, cell->recipe.hex) == 0)
            return 0;
    }
    search->differs = true;
    return 1;
}

static int nothing_known(const struct experiment *experiment, const struct resolution *resolution,
                         struct store *store, struct err *err)
{
    struct plan_search search = {experiment, resolution, false};
    if (registry_cells(store, experiment->name, compare_cell, &search, err) < 0)
        return -1;
    if (search.differs)
        return fail_as(err, STATUS_MISSING,
                       "nothing of '%s' as this file says it is in lab '%s': its latest plan there "
                       "was another one (--set?)",
                       experiment->name, store_lab(store));
    return fail_as(err, STATUS_MISSING, "nothing of '%s' is in lab '%s' yet", experiment->name,
                   store_lab(store));
}

static int table(struct text *out, const struct options *options,
                 const struct experiment *experiment, struct store *store, struct err *err)
{
    enum table_format format = TABLE_TEXT;
    struct resolution resolution;
    struct report report;
    TRY(choose_format(&format, options, err));
    TRY(resolve(&resolution, experiment, store, options->data, -1, -1, err));
    int status = report_collect(&report, experiment, &resolution, store, err);
    if (!status) {
        if (report.measure_count)
            ablation_table(out, &report, format);
        else
            status = nothing_known(experiment, &resolution, store, err);
        report_free(&report);
    }
    resolution_free(&resolution);
    return status;
}

static int run(const struct options *options,
               int (*command)(struct text *, const struct options *, const struct experiment *,
                              struct store *, struct err *),
               struct err *err)
{
    struct experiment experiment;
    struct store *store = NULL;
    TRY(experiment_load(&experiment, options->arguments[1], options->changes, options->change_count,
                        err));
    int status = store_open(&store, options->lab, command == plan, err);
    if (status && options->explain && err->status == STATUS_MISSING)
        status = 0; /* no lab yet, so nothing is known; explaining makes none */
    if (!status) {
        struct text out = {0};
        status = command(&out, options, &experiment, store, err);
        if (!status)
            fputs(out.data, stdout);
        text_free(&out);
        store_close(store);
    }
    experiment_free(&experiment);
    return status;
}

static int ablate(int argc, char **argv, struct err *err)
{
    static const char *const takes[] = {"set", "format", "jobs", "explain", NULL};
    struct options options;
    TRY(options_parse(&options, argc, argv, usage, help, takes, err));
    if (options.argument_count == 2 && strcmp(options.arguments[0], "plan") == 0 && !options.format)
        return run(&options, options.explain ? plan_explained : plan, err);
    if (options.argument_count == 2 && strcmp(options.arguments[0], "table") == 0 &&
        options.jobs == 1 && !options.explain)
        return run(&options, table, err);
    return fail_as(err, STATUS_USAGE, "usage: ablate %s", usage);
}

int main(int argc, char **argv)
{
    struct err err = {0};
    stop_never_by_writing();
    int status = ablate(argc, argv, &err);
    return finish("ablate", status, &err);
}
