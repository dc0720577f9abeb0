/*
 * An experiment file, read and checked as a whole: every section of every variant is bound to its
 * field table before anything runs.
 */
#ifndef CAIRN_PIPELINE_EXPERIMENT_H
#define CAIRN_PIPELINE_EXPERIMENT_H

#include "engine/engine.h"
#include "pipeline/stage.h"

struct backend_config {
    int device, precision; /* of backend_devices; enum dtype */
    int64_t threads;       /* -1: auto */
};
extern const char *const precision_names[]; /* by enum dtype, NULL-terminated */

/* What fills a port; all NULL if nothing does. */
struct filler {
    const struct section *maker; /* of the same variant */
    const char *output;          /* which of the maker's outputs */
    const char *artifact;        /* or an artifact id instead of a section */
};
struct section {
    const char *name; /* "evaluate" or "evaluate@label" */
    const struct stage_info *stage;
    const void *config;                   /* stage->config_size bytes, bound by stage->fields */
    const struct yaml *at;                /* its value in the file */
    const struct yaml *inputs[MAX_PORTS]; /* the value in `inputs` for each port, or NULL */
    struct filler fillers[MAX_PORTS];     /* of each port */
};
struct variant {
    const char *name; /* "default" if the file has no variants */
    struct backend_config backend;
    struct section *sections; /* in file order */
    size_t count;
    size_t *order; /* [count] indices: each section after those that fill its ports */
};
struct experiment {
    struct arena arena;
    const char *name;
    const char *question; /* the comment at the top of the file, without #; may be "" */
    const char *frozen;   /* question and tree as text that parses to the same experiment */
    const uint64_t *seeds;
    size_t seed_count;
    struct variant *variants;
    size_t variant_count, baseline;
};

/* changes: each is "SECTION.KEY=VALUE" (or "seeds=6", or "seed=3" for only that seed) or several of
 * these separated by spaces, as given to --set. */
int experiment_load(struct experiment *out, const char *path, const char *const *changes,
                    int change_count, struct err *err);
/* From memory (tests, fuzzing). */
int experiment_parse(struct experiment *out, const char *name, const char *bytes, size_t length,
                     const char *const *changes, int change_count, struct err *err);
void experiment_free(struct experiment *experiment);

/* NULL: the variant has no such section. */
const struct section *variant_section(const struct variant *variant, const char *name);

#endif
