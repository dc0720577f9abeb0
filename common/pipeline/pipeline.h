/*
 * What the programs in stages/ stand on: the command line they share, and stage_main, which turns a
 * function from artifacts to artifacts into a program that never computes anything twice.
 */
#ifndef CAIRN_PIPELINE_PIPELINE_H
#define CAIRN_PIPELINE_PIPELINE_H

#include "train/train.h"
#include "pipeline/resolve.h"

/* "COMMIT SOURCES-HASH" of this build. */
const char *build_id(void);

/* ---- command line --------------------------------------------------------------------------- */
enum { MAX_CHANGES = 64 };
struct options {
    const char *program;
    const char *lab, *data;
    const char *changes[MAX_CHANGES]; /* --set */
    int change_count;
    const char *variant, *section, *format, *output, *label, *split; /* NULL: not given */
    int64_t cell, seed;                                              /* -1: not given */
    int64_t threads; /* what auto means; 0: all that there are */
    int64_t jobs;    /* programs that make runs side by side */
    bool quiet, verbose, json, explain, again, all, probabilities, help, version;
    char **arguments; /* what is left */
    int argument_count;
};
/* usage: the text after "usage: PROGRAM "; help: more lines for --help (may be NULL); options: the
 * long options this program takes beside -q --lab --data --version --help, as a NULL-terminated
 * list of names. Exits by itself only for --help and --version; otherwise a wrong use is
 * STATUS_USAGE. */
int options_parse(struct options *out, int argc, char **argv, const char *usage, const char *help,
                  const char *const *options, struct err *err);
/* Prints "PROGRAM: text" for a failure and returns the exit status. A result that cannot be written to
 * stdout is a failure, too, about which nothing is said where its reader simply had enough. */
int finish(const char *program, int result, struct err *err);

/* The path of another of our programs, which stands beside this one ("cairn-NAME" where this one is
 * installed so); of "" what all their paths begin with. out has PATH_BYTES. */
int program_beside(char *out, const char *name, struct err *err);

/* One line if the lab is on a network file system. */
void say_network(const struct options *options, const struct store *store);

/* ---- stages --------------------------------------------------------------------------------- */
struct context {
    const struct options *options;
    const struct place *place;
    struct store *store;
    struct run *run;
    struct draft *drafts[MAX_PORTS]; /* of the stage's outputs; all NULL where it is explained */
    const void *config;              /* the section, bound */
    uint64_t seed;
    struct backend_spec spec; /* only who trains does so in the precision of the file */
    struct backend *backend;  /* NULL: the stage does not compute */
    struct text *explain;     /* see struct training; NULL: run */
    struct meter meter;
};
/* The artifact at an input port; NULL if the configuration does not use it. */
const struct id *context_input(const struct context *context, const char *port);
/* Where the files of an output go. */
const struct draft *context_output(const struct context *context, const char *output);

/* For a trainer: opens the dataset at port "dataset" and runs fit on it. */
int context_train(struct context *context,
                  int (*fit)(const struct context *context, const struct training *where,
                             struct err *err),
                  struct err *err);

/* Reads the experiment, resolves this stage's place, and runs it if it is not known. The artifact's
 * id goes to stdout. Returns the exit status. */
int stage_main(int argc, char **argv, const char *stage,
               int (*run)(struct context *context, struct err *err));

/* ---- planning ------------------------------------------------------------------------------- */
/* Make rules for every stage that the registry does not know, one target per key, running the
 * programs that stand beside this one against the frozen experiment; where options->jobs of them
 * may run side by side, each gets its share of the processors. Also publishes the cells. */
int plan_rules(struct text *out, const struct options *options, const struct experiment *experiment,
               struct store *store, struct err *err);
/* The same for a reader: what would run, a line each, and whether the report would be written. */
void plan_words(struct text *out, const struct options *options,
                const struct experiment *experiment, const struct resolution *resolution);
/* Threads for each stage that computes, if so many jobs run side by side: with all processors each
 * they would wait for one another. 0: all, as nothing computes beside it. */
int plan_threads(int processors, int64_t jobs, const struct resolution *resolution);

/* ---- reports -------------------------------------------------------------------------------- */
/* LAB/reports/NAME; out has PATH_BYTES. */
int report_folder(char *out, const char *lab, const char *name, struct err *err);
/* A report leaves the hash of all that it shows (experiment, runs, this build), that of its page, and
 * all files with their sizes in this file of its folder, a line each, so that a plan can tell that
 * nothing is left to do. */
#define REPORT_STAMP "made-from"
struct id report_stamp(const struct experiment *experiment, const struct resolution *resolution);

#endif
