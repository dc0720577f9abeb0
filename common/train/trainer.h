/*
 * One training under way. Only common/train/train.c, train_step.c and train_epoch.c include this.
 */
#ifndef CAIRN_TRAIN_TRAINER_H
#define CAIRN_TRAIN_TRAINER_H

#include "train/checkpoint.h"
#include "train/train_parts.h"

#include "base/progress.h"

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
    struct stop stop;
    struct progress progress;
    int column[MAX_PROGRAMS]; /* of the history: each program's loss */
    double multiply_adds;
    double checkpointed, told; /* when, by the clock */
    double writing;            /* seconds that the last checkpoint took */
};

/* ---- train_step.c --------------------------------------------------------------------------- */
/* The first row whose columns of the history these are: what it has measured is counted there. */
int trainer_measures(const struct trainer *t, int row);
/* One update, timed. */
int trainer_step(struct trainer *t, struct err *err);
/* Means over the val split into means[]. Returns 1 if a signal asks to stop. */
int trainer_validate(struct trainer *t, double *means, struct err *err);
bool trainer_validates(const struct trainer *t); /* is there a val split? */

/* ---- train_epoch.c -------------------------------------------------------------------------- */
/* How many epochs the steps so far make. */
int64_t trainer_epochs(const struct trainer *t);
/* The epoch's row of the history, and its weights as far as they are kept. Returns 1 if a signal asks to
 * stop; the row is then still to be made. */
int trainer_end_epoch(struct trainer *t, struct err *err);
/* The weights of all epochs into the draft (checkpoint.keep: all). */
int trainer_copy_epochs(const struct trainer *t, struct err *err);

#endif
