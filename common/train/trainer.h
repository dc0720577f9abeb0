/*
 * One training under way. Only common/train/train.c, train_step.c, train_results.c, train_epoch.c and
 * train_statistics.c include this.
 */
#ifndef CAIRN_TRAIN_TRAINER_H
#define CAIRN_TRAIN_TRAINER_H

#include "train/checkpoint.h"
#include "train/train_parts.h"

#include "base/progress.h"

/* The results of one run of a program, at or on their way to the host. */
struct reading {
    int row;
    int64_t batch; /* of the step; `accumulate` for the run that updates by all of them */
    struct program *program;
    float *results;
};
/* Of a step, in the order of the runs. */
struct unread {
    int64_t step;
    int count;
    uint64_t mark; /* of the last */
    struct reading *reading;
};

struct trainer {
    const struct training *where;
    const struct task *task;
    const struct train_config *config;
    const struct draft *draft;
    const char *model; /* model_text */
    struct arena arena;
    struct augment augment;
    struct budget budget;
    struct checkpoint resumed; /* file is open until it has been restored */
    struct params *params;
    struct text loaded; /* init.txt */
    struct programs programs;
    struct snapshot snapshot;
    struct position at;
    struct loader *loader;
    struct unread unread[2]; /* of even and of odd steps */
    float *results;          /* all of theirs */
    size_t results_bytes;
    double loss; /* of the step that was read last; NAN: none yet */
    struct stop stop;
    struct progress progress;
    int column[MAX_PROGRAMS]; /* of the history: each program's loss */
    double multiply_adds;
    double checkpointed, told; /* when, by the clock */
    double writing;            /* seconds that the last checkpoint took */
};

/* ---- train_step.c --------------------------------------------------------------------------- */
/* The first row with these columns of the history, which counts their measurements. */
int trainer_measures(const struct trainer *t, int row);
/* Bit i: one of the first steps, this many, trains group i of programs.groups. */
uint32_t trainer_trained(const struct trainer *t, int64_t steps);
/* One update, timed; reads the results of the one before. */
int trainer_step(struct trainer *t, struct err *err);
/* Runs again what led to the results of a batch of this step, of which one was not finite; nothing has
 * been updated since. batch: as in struct reading. */
int trainer_repeat(struct trainer *t, int64_t step, int row, int64_t batch, struct err *err);
/* Fails with the number of the step, from 1, and the first node of the plan's last run whose output was
 * not finite. */
int trainer_not_finite(int64_t step, struct plan *plan, const char *what, double value,
                       struct err *err);
/* Means over the val split into means[]. Returns 1 if a signal asks to stop. */
int trainer_validate(struct trainer *t, double *means, struct err *err);
bool trainer_validates(const struct trainer *t); /* is there a val split? */

/* ---- train_results.c ------------------------------------------------------------------------ */
int results_open(struct trainer *t, struct err *err);
void results_close(struct trainer *t);
/* Starts to fetch the results of this run of a program, which belong to the current step. */
int results_fetch(struct trainer *t, int row, int64_t batch, struct program *program,
                  struct err *err);
/* Waits for the results of this step, adds them up, and fails if one is not finite; does nothing if they
 * have been read. */
int results_read(struct trainer *t, int64_t step, struct err *err);
/* Reads all results that are still unread: needed before the state of the training is used or saved. */
int trainer_flush(struct trainer *t, struct err *err);

/* ---- train.c -------------------------------------------------------------------------------- */
/* The training's batches, from the current step on. */
struct loader_spec train_spec(const struct trainer *t);

/* ---- train_statistics.c --------------------------------------------------------------------- */
/* Measures the statistics of the weights that are the result (of the epoch `best`, a row of the history;
 * -1: the current ones) and leaves both in the parameters. Groups that had not been trained by then keep
 * theirs, with which the others were trained. The training must be over: it cannot go on after this. */
int trainer_recompute(struct trainer *t, int64_t best, struct err *err);

/* ---- train_epoch.c -------------------------------------------------------------------------- */
/* The number of epochs completed so far. */
int64_t trainer_epochs(const struct trainer *t);
/* Adds the epoch's row to the history, and keeps its weights if required. Returns 1 if a stop is
 * requested; the row is then not added yet. */
int trainer_end_epoch(struct trainer *t, struct err *err);
/* The weights of all epochs into the draft (checkpoint.keep: all). */
int trainer_copy_epochs(const struct trainer *t, struct err *err);

#endif
