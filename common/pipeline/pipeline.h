/*
 * The base of the programs in stages/: their common command line, and stage_main, which turns a
 * function from artifacts to artifacts into a program that never computes anything twice.
 */
#ifndef CAIRN_PIPELINE_PIPELINE_H
#define CAIRN_PIPELINE_PIPELINE_H

#include "train/train.h"
#include "pipeline/resolve.h"

/* "COMMIT SOURCES-HASH". */
const char *build_id(void);

/* ---- command line --------------------------------------------------------------------------- */
enum { MAX_CHANGES = 64 };
struct options {
    const char *program;
    const char *lab, *data;
    const char *changes[MAX_CHANGES]; /* --set */
    int change_count;
    const char *variant, *section, *format, *output, *label, *split, *as; /* NULL: not given */
    int64_t cell, seed;                                                   /* -1: not given */
    int64_t threads; /* the value of auto; 0: all processors */
    int64_t jobs;    /* programs that make runs in parallel */
    bool quiet, verbose, json, explain, again, all, probabilities, help, version;
    char **arguments; /* the remaining arguments */
    int argument_count;
};
/* usage: the text after "usage: PROGRAM "; help: more lines for --help (may be NULL); options: the
 * long options this program accepts besides -q --lab --data --version --help, a NULL-terminated
 * list of names. Exits only for --help and --version; wrong usage is STATUS_USAGE. */
int options_parse(struct options *out, int argc, char **argv, const char *usage, const char *help,
                  const char *const *options, struct err *err);
/* Prints "PROGRAM: text" for a failure and returns the exit status. Failing to write the result to
 * stdout is a failure too, but a silent one if the reader just closed the pipe. */
int finish(const char *program, int result, struct err *err);

/* The path of another of our programs, next to this one ("cairn-NAME" if this one is installed
 * under such a name); for "" the common prefix of all their paths. out has PATH_BYTES. */
int program_beside(char *out, const char *name, struct err *err);

/* Prints one line if the lab is on a network file system. */
void say_network(const struct options *options, const struct store *store);

/* ---- stages --------------------------------------------------------------------------------- */
struct context {
    const struct options *options;
    const struct place *place;
    struct store *store;
    struct run *run;
    struct draft *drafts[MAX_PORTS]; /* of the stage's outputs; all NULL for --explain */
    const void *config;              /* the section, bound */
    uint64_t seed;
    struct backend_spec spec; /* only trainers use the file's precision */
    struct backend *backend;  /* NULL: the stage does not compute */
    struct text *explain;     /* see struct training; NULL: a real run */
    struct meter meter;
};
/* The artifact at an input port; NULL if the configuration does not use it. */
const struct id *context_input(const struct context *context, const char *port);
/* The draft that takes the files of an output. */
const struct draft *context_output(const struct context *context, const char *output);

/* For a trainer: opens the dataset at port "dataset" and runs fit on it. */
int context_train(struct context *context,
                  int (*fit)(const struct context *context, const struct training *where,
                             struct err *err),
                  struct err *err);

/* Reads the experiment, resolves this stage's place, and runs it unless its result is known. Prints
 * the artifact's id on stdout. Returns the exit status. */
int stage_main(int argc, char **argv, const char *stage,
               int (*run)(struct context *context, struct err *err));

/* ---- planning ------------------------------------------------------------------------------- */
/* Make rules for every stage that the registry does not know, one target per key, which run the
 * programs next to this one on the frozen experiment. If options->jobs of them may run in parallel,
 * each gets its share of the processors. Also publishes the cells. */
int plan_rules(struct text *out, const struct options *options, const struct experiment *experiment,
               struct store *store, struct err *err);
/* The same for people: one line for each stage to run, and whether the report is current. */
void plan_words(struct text *out, const struct options *options,
                const struct experiment *experiment, const struct resolution *resolution);
/* Threads for each stage that computes if `jobs` of them run in parallel: if each used all
 * processors they would wait for each other. 0: all, since only one computes at a time. */
int plan_threads(int processors, int64_t jobs, const struct resolution *resolution);

/* ---- reports -------------------------------------------------------------------------------- */
/* LAB/reports/NAME; out has PATH_BYTES. */
int report_folder(char *out, const char *lab, const char *name, struct err *err);
/* In this file of its folder, a report lists the hash of everything it shows (experiment, runs,
 * this build), that of its page, and all files with their sizes, one per line, so that a plan can
 * tell whether it is current. */
#define REPORT_STAMP "made-from"
struct id report_stamp(const struct experiment *experiment, const struct resolution *resolution);

#endif
