/* Trained models chosen by the user, and how their training data sets were made. */
#ifndef CAIRN_COMMANDS_MODEL_RUN_H
#define CAIRN_COMMANDS_MODEL_RUN_H

#include "data/preprocess.h"
#include "model/kinds.h"
#include "pipeline/stage.h"

/* The model made by a run; STATUS_USAGE if it lacks the ability. text: the run's number, or the
 * first digits of its recipe's or its model's id. */
int model_run_find(struct id *model, int64_t *run, struct store *store, enum ability ability,
                   const char *text, struct arena *arena, struct err *err);
/* The data set that the run was trained on. */
int model_run_dataset(struct id *out, struct store *store, int64_t run, struct arena *arena,
                      struct err *err);
/* The section `preprocess` that made the run's data set. STATUS_MISSING if no run of the lab made
 * it. */
int model_run_preprocess(struct preprocess_config *out, struct store *store, int64_t run,
                         struct arena *arena, struct err *err);

#endif
