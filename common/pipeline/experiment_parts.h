/* What the files of the experiment share; not for others. */
#ifndef CAIRN_PIPELINE_EXPERIMENT_PARTS_H
#define CAIRN_PIPELINE_EXPERIMENT_PARTS_H

#include "pipeline/experiment.h"

/* Applies changes (see experiment_load) to the tree of the file, a map. */
int experiment_change(struct yaml **root, struct arena *arena, const char *const *changes,
                      int count, struct err *err);
/* All that `vary` makes of the file; each of them is read by experiment_variant. */
int experiment_variants(struct experiment *out, const struct yaml *root, struct err *err);
int experiment_variant(struct variant *out, struct arena *arena, const char *name,
                       const struct yaml *root, struct err *err);
/* Reads `inputs` of a section. */
int experiment_inputs(struct section *section, const struct yaml *inputs, struct err *err);
/* Fills the ports of all sections, checks the sections with what fills them, and puts them in order. */
int experiment_ports(struct variant *variant, const struct yaml *root, struct arena *arena,
                     struct err *err);

#endif
