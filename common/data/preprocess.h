/* The section `preprocess` of an experiment file, and the raw files that it stands for. */
#ifndef CAIRN_DATA_PREPROCESS_H
#define CAIRN_DATA_PREPROCESS_H

#include "config/config.h"
#include "data/data.h"

enum source_format {
    SOURCE_IDX,
    SOURCE_SHAPES,
    SOURCE_PETS,
    SOURCE_CAMVID,
    SOURCE_FOLDER,
    SOURCE_CIFAR10,
    SOURCE_NIFTI
};
enum on_bad { ON_BAD_ERROR, ON_BAD_SKIP };
enum on_equal { ON_EQUAL_ERROR, ON_EQUAL_ALLOW };

struct preprocess_config {
    struct {
        int format; /* enum source_format */
        const char *root;
        int64_t size, classes, train, test, seed; /* shapes */
        int target, boundary;                     /* oxford-pets: enum pets_target, pets_boundary */
        int64_t batches;                          /* cifar10 */
        const char *images, *masks, *mask_suffix; /* folder */
        struct text_list class_names;
        int64_t void_value;
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
/* One file that is read from outside the store. The name is its role, never a path: it enters the recipe
 * beside the content's hash. */
struct source {
    const char *name, *path;
};
/* Of the section's format; config: struct preprocess_config. */
int preprocess_sources(const void *config, const char *data, struct arena *arena,
                       const struct source **out, int *count, struct err *err);
/* How pictures come to the size that the section asks for. */
struct fit preprocess_fit(const struct preprocess_config *config);
/* What is done to volumes. */
struct volume_spec preprocess_volumes(const struct preprocess_config *config);
/* Reads the raw files below `data`, at the size that the section asks for. */
int preprocess_read(struct collection *out, const struct preprocess_config *config,
                    const char *data, struct err *err);

#endif
