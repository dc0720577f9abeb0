/* The section `preprocess` of an experiment file, and the raw files that it stands for. */
#ifndef CAIRN_DATA_PREPROCESS_H
#define CAIRN_DATA_PREPROCESS_H

#include "config/config.h"
#include "data/data.h"

enum on_bad { ON_BAD_ERROR, ON_BAD_SKIP };
enum on_equal { ON_EQUAL_ERROR, ON_EQUAL_ALLOW };

struct preprocess_config {
    struct {
        struct variant_value format; /* of the table of formats */
        const char *root;
    } source;
    struct int_list size;     /* none: as in the files; else h, w, or of volumes d, h, w */
    struct real_list spacing; /* of volumes: none: as in the files; else d, h, w in mm */
    struct {
        int kind; /* enum intensity */
        double low, high;
        int within;    /* enum within */
    } intensity;       /* of volumes */
    int transparent;   /* enum image_ground */
    int aspect;        /* 1: keep */
    int filter;        /* enum resize_filter */
    int on_bad, equal; /* enum on_bad, on_equal */
    struct {
        int64_t val, test, seed;
    } split;
};
extern const struct field preprocess_fields[];

/* What no field can say of itself: STATUS_CONFIG. */
int preprocess_check(const struct preprocess_config *config, struct err *err);
/* Of the section's format; config: struct preprocess_config. */
int preprocess_sources(const void *config, const char *data, struct arena *arena,
                       const struct source **out, int *count, struct err *err);
/* Volumes, or other numbers that no picture holds; pictures if not. */
bool preprocess_volumes(const struct preprocess_config *config);
/* How they come to the size and the values that the section asks for. */
struct treatment preprocess_treatment(const struct preprocess_config *config);
/* Reads the raw files below `data`, at the size that the section asks for. */
int preprocess_read(struct collection *out, const struct preprocess_config *config,
                    const char *data, struct err *err);

#endif
