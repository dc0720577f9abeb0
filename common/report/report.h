/*
 * Reports: the registry's content for an experiment, as one folder that opens offline.
 *
 *   index.html, ablation.csv, ablation.md, experiment.yaml (the frozen file), and the pictures of
 *   each evaluated cell: those of the baseline's first seed here, the others in
 *   variants/SLUG/seed-N/
 *
 * A report is a view: it computes no result, and everything in it is read from artifacts, except
 * what must not be in one (time, memory), which is read from the run. Missing cells are listed,
 * never dropped.
 */
#ifndef CAIRN_REPORT_REPORT_H
#define CAIRN_REPORT_REPORT_H

#include "evaluate/evaluate.h"
#include "pipeline/pipeline.h"
#include "view/stats.h"
#include "view/view.h"

/* How many of the test cases a mean is over: cases without a value (a distance to an empty mask)
 * are left out. of 0: not a mean over cases. */
struct coverage {
    size_t cases, of;
};
/* One number of a run. */
struct figure {
    const char *name;
    double value; /* NaN: measured as NaN */
    struct coverage coverage;
};

/* What is known about one place of the experiment. */
struct facts {
    const struct place *place;
    struct run_row run; /* the newest of its recipe; id 0: none yet. A known place: its result's */
    int attempts;       /* runs of its recipe so far */
    struct figure *figures; /* final values: metrics.json of an evaluation, else the run's own */
    size_t figure_count;
    size_t leaks;          /* an evaluation's lines of leaks.csv */
    double resident_bytes; /* the peak of a known place's run; NaN: unknown */
};

/* A noteworthy event of a run of the experiment, including lost runs. */
struct happening {
    int64_t run;
    const char *stage, *kind, *detail;
    double at;
};

enum unit { UNIT_PLAIN, UNIT_COUNT, UNIT_RATE, UNIT_BYTES, UNIT_SECONDS };
struct measure {
    const char *section, *name;
    const char *title; /* the name, with its section if several have a metric of that name */
    const struct metric_info *metric; /* of an evaluation; NULL: unknown */
    int better;                       /* LESS, NEITHER or MORE is */
    enum unit unit;
    bool cost;                 /* of training, not a result */
    double *values;            /* [variants, seeds]; NaN: missing */
    struct coverage *coverage; /* [variants, seeds] */
};

struct report {
    const struct experiment *experiment;
    const struct resolution *resolution;
    struct store *store;
    struct arena arena;
    struct facts *facts; /* [resolution->count], in its order */
    struct measure *measures;
    size_t measure_count;
    struct happening *happenings;
    size_t happening_count;
    const char *no_plots; /* why plots are missing from the page; NULL: none are */
};

/* Reads everything a report shows. The other three must outlive it. */
int report_collect(struct report *out, const struct experiment *experiment,
                   const struct resolution *resolution, struct store *store, struct err *err);
void report_free(struct report *report);

/* ---- comparisons ---------------------------------------------------------------------------- */
struct comparison {
    size_t count; /* seeds that have a value */
    double mean, sd;
    struct paired difference; /* to the baseline, over the seeds that both have; count 0: none */
    double p, p_holm;         /* exact sign-flip; the family is the measure's variants */
    bool best; /* the best mean, and to each other variant both the 95 % interval excludes 0 and
                * the exact p is below 0.05: never with fewer than six seeds, nor if one of the two
                * leaves out cases that the other does not */
    struct coverage coverage; /* summed over the seeds */
};
/* out: [variants]. */
void compare_variants(struct comparison *out, const struct report *report,
                      const struct measure *measure);

/*
 * The ablation table: one row for each measure and variant. csv and json have the exact numbers,
 * one per column; the other formats are for reading, and explain what is bold and what is compared
 * (except html, where the page does).
 */
void ablation_table(struct text *out, const struct report *report, enum table_format format);

/* ---- files ---------------------------------------------------------------------------------- */
/* Writes the whole folder LAB/reports/NAME and atomically replaces an older one. index receives the
 * path of its index.html [PATH_BYTES]. */
int report_write(char *index, struct report *report, const struct options *options,
                 struct err *err);

#endif
