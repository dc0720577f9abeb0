/* What the parts of a UNet's evaluation share: segment_evaluate.c, segment_results.c,
 * segment_pictures.c. */
#ifndef CAIRN_EVALUATE_UNET_PARTS_H
#define CAIRN_EVALUATE_UNET_PARTS_H

#include "evaluate/evaluate_parts.h"
#include "evaluate/overlap.h"
#include "apply/predict.h"
#include "store/tensors.h"

/* Of one class in one case; NaN: it has no value there. */
enum case_measure {
    CASE_DICE,
    CASE_IOU,
    CASE_BOUNDARY_F,
    CASE_HD95,
    CASE_SURFACE_DISTANCE,
    CASE_SURFACE_DICE,
    CASE_MEASURES
};

struct segmentation {
    const struct evaluation *what;
    const struct evaluate_config *config;
    uint32_t begin, count; /* the split's cases in the dataset */
    int32_t classes, outputs;
    int32_t first;     /* class that counts as one: 1, or 0 where that is no background */
    int64_t pixels;    /* d*h*w */
    double spacing[3]; /* d, h, w in mm; ones: in pixels */
    double tolerance;
    struct windows windows;
    struct trained unet;
    struct arena arena;
    uint8_t *predicted, *confidence; /* [count,pixels]: class; 255 times its probability */
    float *probability;              /* [count,pixels,outputs] if it is saved, else NULL */
    int64_t *confusion;              /* [classes,classes], pooled */
    double *measures;                /* [count,classes,CASE_MEASURES] */
    double *score;                   /* [count]: mean Dice of the classes that count, or NaN */
    size_t metric_count, metric_capacity;
    struct named_value *metrics;
};

double *case_measures(const struct segmentation *s, uint32_t i, int32_t class);
const uint8_t *case_truth(const struct segmentation *s, uint32_t i);
const char *case_name(const struct segmentation *s, uint32_t i);
/* All files and the run's metrics. */
int segment_results(struct segmentation *s, const struct draft *draft, struct err *err);
int segment_pictures(struct segmentation *s, const struct draft *draft, struct err *err);
/* A tensor without those of the dimensions that are 0. */
struct tensor segment_tensor(const char *name, enum tensor_type type, const int64_t *dim, int dims,
                             const void *data);

#endif
