/* The section `preprocess` of an experiment file, and reading its raw files. */
#ifndef CAIRN_DATA_PREPROCESS_H
#define CAIRN_DATA_PREPROCESS_H

#include "config/config.h"
#include "data/data.h"

enum on_bad { ON_BAD_ERROR, ON_BAD_SKIP };
enum on_equal { ON_EQUAL_ERROR, ON_EQUAL_ALLOW };

struct preprocess_config {
    struct {
        struct variant_value format; /* from the table of formats */
        const char *root;
    } source;
    struct int_list size;     /* empty: as in the files; else h, w, or for volumes d, h, w */
    struct real_list spacing; /* for volumes; empty: as in the files; else d, h, w in mm */
    struct {
        int kind; /* enum intensity */
        double low, high;
        int within;    /* enum within */
    } intensity;       /* for volumes */
    int transparent;   /* enum image_ground */
    int aspect;        /* 1: keep */
    int filter;        /* enum resize_filter */
    int on_bad, equal; /* enum on_bad, on_equal */
    struct {
        int64_t val, test, seed;
    } split;
};
extern const struct field preprocess_fields[];

/* Checks that no single field can make: STATUS_CONFIG. */
int preprocess_check(const struct preprocess_config *config, struct err *err);
/* The files of the section's format; config: struct preprocess_config. */
int preprocess_sources(const void *config, const char *data, struct arena *arena,
                       const struct source **out, int *count, struct err *err);
/* True for volumes and other numbers that pictures cannot hold, false for pictures. */
bool preprocess_volumes(const struct preprocess_config *config);
/* The size and intensities that the section configures. */
struct treatment preprocess_treatment(const struct preprocess_config *config);
/* Reads the raw files below `data` with the section's treatment. */
int preprocess_read(struct collection *out, const struct preprocess_config *config,
                    const char *data, struct err *err);

#endif
