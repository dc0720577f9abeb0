/* The section `preprocess` of an experiment file, and the raw files that it stands for. */
#ifndef CAIRN_PIPELINE_PREPROCESS_H
#define CAIRN_PIPELINE_PREPROCESS_H

#include "pipeline/stage.h"

enum source_format { SOURCE_IDX, SOURCE_SHAPES };
struct preprocess_config {
    struct {
        int format; /* enum source_format */
        const char *root;
        int64_t size, classes, train, test, seed; /* shapes */
    } source;
    struct {
        int64_t val, seed;
    } split;
};

extern const struct field preprocess_fields[];

/* As stage_info.sources. */
int preprocess_sources(const void *config, const char *data, struct arena *arena,
                       const struct source **out, int *count, struct err *err);

#endif
