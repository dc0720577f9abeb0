/*
 * The training loop, inside: budget and rates, history, programs, and the state of a training.
 * Only common/train/train*.c, checkpoint*.c, schedule.c and their tests include this.
 */
#ifndef CAIRN_TRAIN_TRAIN_PARTS_H
#define CAIRN_TRAIN_TRAIN_PARTS_H

#include "train/train.h"

#include "base/stop.h"
#include "base/text.h"

/* ---- budget and rates (schedule.c) ---------------------------------------------------------- */
/* A step is one update, of batch times accumulate cases. An epoch is the number of steps nearest
 * to one pass over the split, at least one; the data are an endless stream, so none is dropped. */
struct budget {
    int64_t epoch, total; /* steps */
};
int schedule_budget(struct budget *out, const struct train_config *config, uint32_t cases,
                    struct err *err);
/* The decay of the averaged weights at a group's update number `updates`, from 1. */
double schedule_ema(const struct train_config *config, int64_t updates);
/* For update `step` of `total`, of a group updated `updates` times before. */
void schedule_rates(float rates[RATES], const struct train_config *config, int64_t step,
                    int64_t total, int64_t updates);

/* ---- history (train_history.c) -------------------------------------------------------------- */
/* One row per epoch: epoch, step, lr, then the loss and the monitors of each program in the table's
 * order; NAN where nothing was measured. Best epoch and early stopping follow from the rows alone,
 * so they need no state of their own. */
enum { MEASURES = 1 + MAX_MONITORS, HISTORY_COLUMNS = 3 + MAX_PROGRAMS * MEASURES };
enum { COLUMN_EPOCH, COLUMN_STEP, COLUMN_LR, COLUMN_MEASURES };
struct history {
    int columns;
    const char *names[HISTORY_COLUMNS]; /* live in arena */
    int by;                             /* the column that decides which epoch is the best */
    enum better better;
    int64_t rows;
    double *cells; /* rows x columns */
    struct arena arena;
};
void history_init(struct history *history);
/* Columns PREFIX/loss and PREFIX/MONITOR...; returns the first. */
int history_add(struct history *history, const char *prefix, const struct monitors *monitors);
void history_free(struct history *history);
void history_append(struct history *history, const double *row);
const double *history_row(const struct history *history, int64_t row);
/* The row with the best value, the earlier of equals; -1 if none was measured. */
int64_t history_best(const struct history *history);
/* Have `patience` rows passed since the value last improved by more than min_delta? */
bool history_exhausted(const struct history *history, int64_t patience, double min_delta);
/* The column names, joined by commas: the first line of history.csv. */
char *history_header(const struct history *history);
void history_csv(struct text *out, const struct history *history);

/* ---- the state of a training: with the arrays, all that is needed to resume ------------------ */
enum { MAX_UPDATED = 16 };
struct position {
    int64_t step;
    /* For the current epoch: sums over batches, by the history's column, and their number, by
     * program. */
    double sums[HISTORY_COLUMNS];
    int64_t batches[MAX_PROGRAMS];
    int64_t updates[MAX_UPDATED]; /* of each group of programs.groups */
    struct history history;
    double seconds; /* spent in steps */
    char *numerics; /* of all steps so far; see checkpoint.h */
    int threads;
};

/* ---- weights.safetensors (train_weights.c) -------------------------------------------------- */
enum { WEIGHTS_META = 3 };
/* Its metadata, pairs of key and value. model: model_text. */
void weights_meta(const char *out[2 * WEIGHTS_META], const char *model);

/* ---- programs (train_program.c) ------------------------------------------------------------- */
/* A graph with its plan, inputs and outputs. Absent values are 0. */
struct program {
    struct graph *graph;
    struct plan *plan;
    struct feed feed;
    struct monitors monitors;
    val clock, loss;
    /* A program that updates: rates of each group of its row; the gradient's norm. */
    val rates[MAX_TRAINED], norm;
};
/* A row of the task's table, built. */
struct programs_row {
    const struct program_row *is;
    const struct train_config *config;
    /* The first batch of an update and the others, which add to its gradient. Without accumulation
     * the first also updates, else `apply` does. The validation has only the first. */
    struct program first, more, apply;
    int group[MAX_TRAINED], groups; /* indices of those it trains */
};
struct programs {
    struct programs_row row[MAX_PROGRAMS];
    int count, validation;           /* index of the validation */
    const char *groups[MAX_UPDATED]; /* all that are trained, in order of appearance */
    int group_count;
    struct allocator memory; /* lends the memory that results are brought into */
    float *results;          /* of program_run */
    size_t results_bytes;    /* room for the results of any of the programs; a multiple of 64 */
};
struct scalars {
    int64_t step, first; /* of the clock; first: index of the batch's first case */
    uint64_t seed;
    float value[MAX_SCALARS];
};

/* Graphs, then parameters, then plans. The plan for validation is made only if there is a val
 * split; *multiply_adds are those of one case's validation. */
int programs_open(struct programs *out, struct params *params, const struct task *task,
                  const struct training *where, double *multiply_adds, struct err *err);
void programs_close(struct programs *programs);
size_t programs_bytes(const struct programs *programs); /* of the plans */
/* A program of the same model as the validation's, on batches of training, that measures statistics
 * (graph_measure), but for the groups in `frozen`, which ends with NULL. program_close frees it. */
int program_open_measure(struct program *out, struct params *params, const struct task *task,
                         const struct training *where, const char *const *frozen, struct err *err);
void program_close(struct program *program);
/* Cases in a batch of validation: with patches 1, as whole cases may be large. */
int64_t validation_batch(const struct train_config *config);
int program_put(struct program *program, const struct batch *batch, const struct scalars *scalars,
                struct err *err);
/* Takes the loss and the monitors from what plan_fetch brought, into values[]; returns how many. */
int program_measures(float values[MEASURES], const struct program *program, const float *results);
/* Puts a batch, runs, waits and reads the loss and the monitors into values[]. */
int program_run(struct programs *programs, struct program *program, const struct batch *batch,
                const struct scalars *scalars, float values[MEASURES], struct err *err);

#endif
