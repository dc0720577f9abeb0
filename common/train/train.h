/*
 * Training: one loop for all trainers, so that each has everything: optimisers, schedules,
 * clipping, accumulation, averaged weights, early stopping, checkpoints, validation, the NaN guard,
 * progress, exact resume and orderly stop on a signal.
 *
 * Everything that changes from step to step is a pure function of the step (rates, data order,
 * random draws), so a checkpoint holds only arrays, counters and the early-stopping state. A run
 * killed at any moment and started again ends with the same bytes as one never interrupted.
 */
#ifndef CAIRN_TRAIN_TRAIN_H
#define CAIRN_TRAIN_TRAIN_H

#include "base/text.h"
#include "config/config.h"
#include "data/data.h"
#include "engine/engine.h"
#include "train/model_text.h"
#include "store/store.h"

enum schedule_kind { SCHEDULE_CONSTANT, SCHEDULE_COSINE, SCHEDULE_POLYNOMIAL };
enum keep { KEEP_BEST, KEEP_LAST, KEEP_ALL };
enum norm_statistics { STATISTICS_RUNNING, STATISTICS_RECOMPUTED };

struct train_config {
    int optimizer; /* enum optimiser */
    double lr, beta1, beta2, eps, weight_decay, momentum;
    bool nesterov;
    int64_t epochs, steps; /* a step is one update; steps > 0 overrides epochs */
    int64_t batch, accumulate;
    struct {
        int kind;             /* enum schedule_kind */
        int64_t warmup_steps; /* linear, from 0 */
        double final, power;  /* lr ends at final * lr; polynomial exponent */
    } schedule;
    double clip_norm, ema;       /* 0: off */
    int norm_statistics;         /* enum norm_statistics: of the result */
    bool checkpoint_activations; /* silent: changes no result */
    struct int_list augment;     /* enum augmentation */
    struct augment_limits augment_limits;
    struct {
        struct int_list size; /* d, h, w; empty: whole cases */
        double foreground;
    } patch;
    struct {
        bool present;
        int64_t patience; /* epochs without an improvement by more than min_delta; 0: never */
        double min_delta;
    } early_stopping;
    struct {
        int keep;       /* enum keep; best: by `by`; without a val split the last is kept */
        const char *by; /* "loss", or a monitor of the validation: which epoch is the best */
        /* Least time between checkpoints, and the largest share of time for writing them; silent:
         * they change no result. */
        double seconds, share;
    } checkpoint;
};
extern const struct field train_fields[];
/* Checks that no single field can make: STATUS_CONFIG. */
int train_config_check(const struct train_config *config, struct err *err);
/* The part of each case that a training sees: all of it (zeros), or patches. */
struct patch train_patch(const struct train_config *config);
/* The shape of its batches of images, or of patches of them. */
struct shape train_shape(const struct train_config *config, const struct dataset *dataset);

/* The learning rate at update `step` (0-based) of `total`: a pure function (tests call it). */
double schedule_lr(const struct train_config *config, int64_t step, int64_t total);

/* The input of a loss function: the batch on the device. mask is 0 if the data set has none. With
 * patches d, h, w in training are theirs; validation uses whole cases, one at a time. */
enum { MAX_SCALARS = 4 };
struct feed {
    val image;               /* F32 [batch,d,h,w,c], in the model's range */
    val label;               /* I32 [batch,1,1,1,1] */
    val mask;                /* I32 [batch,d,h,w,1] or 0 */
    val weight;              /* F32 [batch,1,1,1,1]: 1, or 0 for padding */
    val scalar[MAX_SCALARS]; /* F32 [1,1,1,1,1]: the task's scalars at this step */
};
/* Means over cases, logged as train/NAME and val/NAME; "loss" is always there. */
enum { MAX_MONITORS = 8 };
enum better { LESS_IS_BETTER, MORE_IS_BETTER };
struct monitors {
    int count;
    struct {
        const char *name;
        enum better better;
        val value; /* one number: the batch's weighted mean */
    } items[MAX_MONITORS];
};
void monitor(struct monitors *monitors, const char *name, enum better better, val value);
/* sum(weight * x) / sum(weight) for per-case values x [batch,1,1,1,1] */
val weighted_mean(struct graph *g, val per_case, val weight);

/*
 * A trainer is a table of programs over one parameter store, and a pure function from a step to the
 * programs it runs, in the table's order. A row with groups trains them; the only row without
 * groups, after those that train, is the validation, run after each epoch in MODE_EVALUATE. The
 * programs of one step train different groups.
 */
enum { MAX_PROGRAMS = 4, MAX_TRAINED = 8 };
struct program_row {
    /* Its metrics are train/NAME/loss, ...; NULL: train/loss, ... A row with the name and loss of
     * an earlier one that trains shares that row's metrics: they take turns. */
    const char *name;
    /* Appends model and loss (one number), for the graph's mode. */
    val (*loss)(struct graph *g, const struct feed *feed, const void *user,
                struct monitors *monitors);
    struct {
        const char *name;
        double lr; /* factor of the learning rate; 0: 1 */
    } groups[MAX_TRAINED];
    /* Groups that are read but not changed (graph_freeze); other untrained groups pass the gradient
     * on and update their running statistics. */
    const char *frozen[MAX_TRAINED];
    /* Optimiser, rates, schedule and clipping come from here; NULL: from the task's, as batch,
     * accumulate and ema always do. */
    const struct train_config *config;
    int64_t since; /* step at which its schedule begins */
};
/* A number that depends on the step, such as the weight of a loss term. */
struct scalar {
    double (*at)(double epoch,
                 const void *user); /* epoch: number of epochs so far, with fraction */
    double validation;              /* its value for validation */
};
/* A group with weights from another artifact: not trained, not in checkpoints, not in the
 * result. */
struct borrowed {
    const char *group;
    const struct id *artifact;
    const struct weights_map *map; /* see weights_load */
};
struct task {
    const char *name; /* for progress and messages: the stage */
    const struct model_kind *kind;
    const void *model; /* the kind's description */
    const struct train_config *config;
    uint64_t seed;
    const struct program_row *programs;
    int program_count;
    /* Bit i: this step runs program i. steps: per epoch. NULL: every step runs all that train. */
    uint32_t (*runs)(int64_t step, int64_t steps, const void *user);
    struct scalar scalars[MAX_SCALARS]; /* ends with a NULL function */
    const struct borrowed *borrowed;
    int borrowed_count;
    /* Weights to begin with instead of those drawn from the seed: those that the map names; map NULL:
     * none. */
    struct {
        const struct id *artifact;
        const struct weights_map *map;
    } init;
    const void *user;
};

/* The surroundings of a training. */
struct training {
    struct run *run;           /* events, metrics, and the working folder for checkpoints */
    const struct store *store; /* of borrowed weights and of an init; NULL: there are none */
    const struct dataset *dataset;
    struct backend *backend; /* a resumed training makes it use its former number of threads */
    struct meter *meter;
    enum dtype precision; /* of activations while training; validation is in F32 */
    bool quiet;
    /* Not NULL: appends what the training would need, and ends before the first step. Then there is
     * no run and no draft. */
    struct text *explain;
};

/*
 * Trains to the end and writes into the draft
 *   model.txt            the model's description
 *   weights.safetensors  PARAM and STATE entries by name; EMA instead of PARAM if averaging is on;
 *                        those of the best epoch (checkpoint.by), or the last (checkpoint.keep);
 *                        with norm_statistics: recomputed, the state is the mean of the statistics
 *                        that batches of the train split, without augmentation or dropout, have with
 *                        these weights (as update_bn of Izmailov et al. 2018): at least one pass, and
 *                        at least 64 batches; a group that has been frozen so far keeps its own
 *                        metadata: layout (what the axes are), model (model_text), version
 *   init.txt             where the task has an init: weights_load_part's table of it
 *   history.csv          a row an epoch: epoch,step,lr,train/loss,train/MONITOR...,val/loss,...;
 *                        train: means over the batches that the program saw in the epoch; empty
 *                        where nothing was measured
 *   epoch-NNN.safetensors  with keep: all
 *
 * A step takes batch * accumulate cases from an endless stream of shuffled epochs; an epoch is the
 * number of steps nearest to one pass over the train split, at least one. All programs of a step
 * see the same batches; each batch passes through them in order, and without accumulation a program
 * sees the updates of those before it. A group's bias correction counts its own updates. Validation
 * after each epoch uses the same random numbers every time.
 *
 * Prints a summary (parameters, multiply-adds, memory) on stderr before the first step. Records on
 * the run: the history (metric steps are update counts; the final value is that of the resulting
 * weights), train/lr, train/samples_per_second, train/seconds (spent in steps, also before a stop),
 * train/peak_bytes, train/parameters, train/multiply_adds (one case, forward); events `resumed`,
 * `damaged` (a checkpoint not used), `numerics` (continued on another backend, library or ISA).
 *
 * When a stop is requested (base/stop.h): a checkpoint, then -1 with STATUS_STOPPED. If a loss, monitor or
 * gradient norm is not finite: -1 with the step and the first node whose output was not; the update of
 * that step is left out, and so is that of the step already under way when it was read.
 */
int train(const struct training *where, const struct task *task, const struct draft *draft,
          struct err *err);

/* Reads weights.safetensors of an artifact into a store whose graph has been built, and realises
 * it: nothing is allocated for a model that the file does not fill. Every entry must be there with
 * its shape and finite, no variance below 0; extra tensors are an error, and so are metadata of
 * another model or layout (a file without metadata is accepted). model: model_text. */
int weights_load(struct params *params, struct backend *backend, const char *model,
                 const struct store *store, const struct id *artifact, struct err *err);
/* The same for a part of either, in a realised store: only the tensors and entries that a row maps
 * count, and the file may be of any model. The map ends with a row without `from`. */
struct weights_map {
    const char *from, *to; /* "FROM..." of the file becomes "TO..." of the store */
};
/* What became of each: a line "loaded NAME", "skipped NAME: why" (a tensor without a place),
 * "initialised NAME: why" (an entry that keeps its first value). A tensor of another shape than its
 * entry, or nothing loaded at all, is STATUS_BAD_DATA. table: NULL: all must be loaded. */
int weights_load_part(struct params *params, const struct store *store, const struct id *artifact,
                      const struct weights_map *map, struct text *table, struct err *err);

#endif
