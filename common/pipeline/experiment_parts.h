/* What the files of the experiment share; not for others. */
#ifndef CAIRN_PIPELINE_EXPERIMENT_PARTS_H
#define CAIRN_PIPELINE_EXPERIMENT_PARTS_H

#include "pipeline/experiment.h"

/* Applies changes (see experiment_load) to the tree of the file, a map. */
int experiment_change(struct yaml **root, struct arena *arena, const char *const *changes,
                      int count, struct err *err);

#endif
