/* Shared by the files of the experiment; private to them. */
#ifndef CAIRN_PIPELINE_EXPERIMENT_PARTS_H
#define CAIRN_PIPELINE_EXPERIMENT_PARTS_H

#include "pipeline/experiment.h"

/* Applies changes (see experiment_load) to the file's tree, a map. */
int experiment_change(struct yaml **root, struct arena *arena, const char *const *changes,
                      int count, struct err *err);
/* Makes all variants of the file; each is read by experiment_variant. */
int experiment_variants(struct experiment *out, const struct yaml *root, struct err *err);
int experiment_variant(struct variant *out, struct arena *arena, const char *name,
                       const struct yaml *root, struct err *err);
/* Reads a section's `inputs`. */
int experiment_inputs(struct section *section, const struct yaml *inputs, struct err *err);
/* Fills the ports of all sections, checks the sections against what fills them, and orders them. */
int experiment_ports(struct variant *variant, const struct yaml *root, struct arena *arena,
                     struct err *err);

#endif
