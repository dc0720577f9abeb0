/*
 * Checkpoints: everything a training needs to continue, as one file in the run's folder.
 *
 *   checkpoint-STEP.safetensors
 *     param/NAME state/NAME m/NAME v/NAME ema/NAME   the arrays, as far as there are any
 *     best/NAME                                      weights of the best epoch so far
 *     counters i64 [step, threads], updates i64 [groups], batches i64 [programs],
 *     sums f64 [columns], seconds f64, history f64 [rows * columns]
 *     metadata: columns, numerics, recipe, and sha256 of all of the above
 *
 * A file that is truncated or changed fails its sha256 and the previous one is used, so two are
 * kept. A checkpoint of another recipe is treated like a damaged one.
 *
 * numerics: those of all steps so far, "A" or "A; then B" for a run continued on another kind of
 * machine.
 */
#ifndef CAIRN_TRAIN_CHECKPOINT_H
#define CAIRN_TRAIN_CHECKPOINT_H

#include "train/train_parts.h"
#include "store/tensors.h"

/* Host copies of the arrays in one metered block that lives as long as the training, so that
 * writing a checkpoint cannot run out of memory. */
struct slot {
    const struct entry *entry;
    enum array which;
    bool best;   /* the copy from the best epoch */
    float *data; /* into the block */
};
struct snapshot {
    struct params *params;
    enum array weights; /* the result's weights: ARRAY_PARAM or ARRAY_EMA */
    size_t count;
    struct slot *slots;
    struct tensor *items; /* of the slots, in the file's order */
    void *block;
    size_t bytes;
    struct meter *meter;
    struct arena arena;
};
/* best: make room for the weights of the best epoch. Borrowed groups are left out. params must be
 * realised. */
int snapshot_open(struct snapshot *out, struct params *params, enum array weights, bool best,
                  const struct task *task, struct meter *meter, struct err *err);
/* Does the entry belong to a group that the task borrows? */
bool snapshot_borrows(const struct task *task, const struct entry *entry);
void snapshot_close(struct snapshot *snapshot);
/* Copies the arrays into the slots of the best epoch, or into the others. */
int snapshot_take(struct snapshot *snapshot, bool best, struct err *err);
/* Copies those of the best epoch back into the arrays, averages also into the parameters. */
int snapshot_put_best(const struct snapshot *snapshot, struct err *err);
/* Are these numbers that steps can have left? One that is not finite, or memory that was written to
 * from outside, is an error: what is kept would be continued as if it were right. */
int snapshot_check(const struct snapshot *snapshot, struct err *err);
/* Publishes weights (the best epoch's or the current ones, and state) under their plain names.
 * model: model_text. */
int snapshot_write_weights(struct snapshot *snapshot, const char *path, bool best,
                           const char *model, struct err *err);

int checkpoint_write(const struct run *run, struct snapshot *snapshot,
                     const struct position *position, struct err *err);

/* The step of the newest valid checkpoint in a folder for this recipe; -1: none, or no folder.
 * Removes nothing. */
int checkpoint_newest(int64_t *step, const char *folder, const struct id *recipe, struct err *err);

struct checkpoint {
    struct tensors file;
    int64_t step;
    int threads;
    const char *numerics;
};
/* Opens the newest valid checkpoint. Returns 1 if there is one, 0 if not, -1 on errors. Damaged
 * ones and those of another recipe are removed, with an event 'damaged' on the run and a line on
 * stderr, which begins with `who`, giving the reason. */
int checkpoint_open(struct checkpoint *out, struct run *run, const char *who, struct err *err);
void checkpoint_close(struct checkpoint *checkpoint);
/* Into the parameters, the snapshot's best weights, and the position (whose history has its
 * columns). A checkpoint of another model is STATUS_BAD_DATA. */
int checkpoint_restore(const struct checkpoint *checkpoint, struct snapshot *snapshot,
                       struct position *position, struct err *err);

#endif
