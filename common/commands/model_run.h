/* Trained models that the user names, and how the data sets that they learned from were made. */
#ifndef CAIRN_COMMANDS_MODEL_RUN_H
#define CAIRN_COMMANDS_MODEL_RUN_H

#include "data/preprocess.h"
#include "model/kinds.h"
#include "pipeline/stage.h"

/* The model that a run has left, if it has the ability; if not, STATUS_USAGE. text: the run's number, or
 * the beginning of its recipe's or its model's id. */
int model_run_find(struct id *model, int64_t *run, struct store *store, enum ability ability,
                   const char *text, struct arena *arena, struct err *err);
/* The data set that the run learned from. */
int model_run_dataset(struct id *out, struct store *store, int64_t run, struct arena *arena,
                      struct err *err);
/* The section `preprocess` that the run's data set was made by. STATUS_MISSING where no run of the
 * lab made it. */
int model_run_preprocess(struct preprocess_config *out, struct store *store, int64_t run,
                         struct arena *arena, struct err *err);

#endif
