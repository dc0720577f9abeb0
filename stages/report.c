/* report: the registry's content for an experiment, as a page that opens offline. */
#include "report/report.h"

#include "base/file.h"
#include "base/stop.h"

#include <stdio.h>

static const char usage[] = "EXPERIMENT.yaml [OPTION ...]";
static const char help[] = "Writes LAB/reports/NAME and prints the path of its index.html. Cells "
                           "without a result are listed.\n";

/* What was waiting when the plan was made has a recipe now. A report only reads: it also works if
 * the registry cannot be written. */
static int publish(const struct options *options, const struct resolution *resolution,
                   const struct experiment *experiment, struct store *store, struct err *err)
{
    enum { PATIENCE = 2 };
    store_patience(store, PATIENCE);
    if (!resolution_publish(resolution, experiment, store, err))
        return 0;
    if (err->status != STATUS_IO)
        return -1;
    if (!options->quiet)
        fprintf(stderr, "cannot record what the cells resolve to: %s\n", err->text);
    return 0;
}

static int write_report(const struct options *options, const struct experiment *experiment,
                        struct store *store, struct err *err)
{
    struct resolution resolution;
    struct report report;
    char index[PATH_BYTES];
    TRY(resolve(&resolution, experiment, store, options->data, -1, -1, err));
    int status = -1;
    if (publish(options, &resolution, experiment, store, err) ||
        report_collect(&report, experiment, &resolution, store, err))
        goto done;
    status = report_write(index, &report, options, err);
    if (!status && report.no_plots)
        fprintf(stderr, "report: the page has no plots: %s\n", report.no_plots);
    if (!status)
        puts(index);
    report_free(&report);
done:
    resolution_free(&resolution);
    return status;
}

static int report(int argc, char **argv, struct err *err)
{
    static const char *const takes[] = {"set", NULL};
    struct options options;
    struct experiment experiment;
    struct store *store;
    TRY(options_parse(&options, argc, argv, usage, help, takes, err));
    if (options.argument_count != 1)
        return fail_as(err, STATUS_USAGE, "one experiment file expected (--help)");
    TRY(experiment_load(&experiment, options.arguments[0], options.changes, options.change_count,
                        err));
    int status = store_open(&store, options.lab, false, err);
    if (!status) {
        status = write_report(&options, &experiment, store, err);
        store_close(store);
    }
    experiment_free(&experiment);
    return status;
}

int main(int argc, char **argv)
{
    struct err err = {0};
    stop_never_by_writing();
    int status = report(argc, argv, &err);
    return finish("report", status, &err);
}
