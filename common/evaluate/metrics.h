/*
 * The metrics as a table, from metrics.def: their names, what they need, and their values for what
 * was measured.
 */
#ifndef CAIRN_EVALUATE_METRICS_H
#define CAIRN_EVALUATE_METRICS_H

#include "evaluate/calibration.h"
#include "evaluate/overlap.h"

#include <stdbool.h>

/* What a user can request. */
enum metric {
#define METRIC(key, ...) METRIC_##key,
#include "evaluate/metrics.def"
    METRICS
};
extern const char *const metric_keys[METRICS + 1],
    *const metric_help[METRICS]; /* NULL at the end */
extern const bool metric_usual[METRICS];

/* What is available ... */
enum has {
    HAS_IMAGES = 1, /* a model that reconstructs images, with or without codes */
    HAS_MASKS = 2,  /* a model that segments, and masks in the data set */
    HAS_JUDGE = 4,
    HAS_LABELS = 8,    /* a decoder that is told one of several labels */
    HAS_CODES = 16,    /* a model that encodes images and decodes what is near N(0, I) */
    HAS_LATENTS = 32,  /* a model that encodes images, whatever else it can do */
    HAS_LPIPS = 65536, /* a network that compares images */
    HAS_ALL = 63 | HAS_LPIPS,
    HAS_BESIDE = HAS_JUDGE | HAS_LABELS | HAS_LPIPS, /* what no model has by itself */
};
/* ... and the work that a metric needs. */
enum need {
    NEED_BOUND = 64 | HAS_IMAGES | HAS_CODES,    /* one noise sample a case */
    NEED_WEIGHTS = 128 | HAS_IMAGES | HAS_CODES, /* importance_samples of them */
    NEED_DECODED = 256 | HAS_IMAGES,             /* what is given back; of a code: of z_mean */
    NEED_JUDGE = 512 | HAS_IMAGES | HAS_CODES | HAS_JUDGE,
    NEED_OBEDIENCE = 1024 | NEED_JUDGE | HAS_LABELS,
    NEED_FEATURES = 2048 | NEED_JUDGE,
    NEED_COMPARED = 131072 | NEED_DECODED | HAS_LPIPS,
    NEED_SCALES = 4096 | NEED_DECODED,
    NEED_EMBEDDING = 32768 | HAS_LATENTS,
    NEED_MASKS = HAS_MASKS,
    NEED_CONFIDENCE = 8192 | HAS_MASKS,
    NEED_SURFACES = 16384 | HAS_MASKS, /* distances, which take time */
};
enum scope {
    BY_CASE = 1,
    BY_CLASS = 2,
    COUNTING = 4, /* per class: without the background; else with it, unless there are only two */
    QUIET = 8,    /* single cases are not in the registry */
    POOLED = 0,   /* over the split */
    POOLED_CLASSES = BY_CLASS,
    COUNT_CLASSES = BY_CLASS | COUNTING,
    PER_CASE =
        BY_CASE, /* a column of cases.csv; the metric is the mean of those that have a value */
    PER_CASE_CLASSES = BY_CASE | BY_CLASS | COUNTING,
    TERM = BY_CASE | QUIET,
};
enum { LESS = -1, NEITHER, MORE }; /* which is better */

/* The judge's results for the split. */
struct judged {
    double accuracy, wrong_label, prior, distance_reconstruction, distance_prior;
};
/* How the classes lie in the latents of the split. */
struct apart {
    double silhouette, probe;
};
/* What a value is of: a case, one of its classes, the split, or one of its classes. */
struct subject {
    double reconstruction, kl, weighted; /* of a case: nats */
    const float *image, *decoded;        /* of a case, [d,h,w,c] */
    int32_t size[4];                     /* d, h, w, c */
    int64_t values;                      /* d*h*w*c */
    double range;                        /* that the images have */
    int scales;                          /* at which they are compared */
    double lpips;                        /* of a case, what the network says of the two */
    const struct judged *judged;         /* of the split */
    const struct apart *apart;           /* likewise */
    const int64_t *counts;               /* of a case or the split, [classes,classes] */
    int32_t classes;
    const struct calibration *calibration; /* of the split */
    struct overlap overlap;                /* of a class */
    struct surface surface;                /* of a class in a case */
    uint32_t alone; /* cases of the split where only truth or only prediction has the class */
};
struct metric_info {
    enum metric key; /* METRICS: none; always computed if what it needs is available */
    const char *name, *unit;
    enum need need;
    enum scope scope;
    int better; /* LESS, NEITHER or MORE */
    double (*value)(const struct subject *s);
};
extern const struct metric_info metric_table[];
extern const size_t metric_count;

/* By SPLIT/NAME or SPLIT/NAME/CLASS; NULL: unknown. */
const struct metric_info *metric_find(const char *full_name);
/* The class, "" if the name has none; NULL: full_name is not a name of this metric. */
const char *metric_class(const struct metric_info *metric, const char *full_name);

#endif
