/* Shared by the masks' side: segment_evaluate.c, segment_files.c, segment_pictures.c. */
#ifndef CAIRN_EVALUATE_SEGMENT_PARTS_H
#define CAIRN_EVALUATE_SEGMENT_PARTS_H

#include "evaluate/evaluate_parts.h"

struct segmentation {
    int32_t classes, outputs;
    int64_t pixels;    /* d*h*w */
    int32_t size[3];   /* d, h, w */
    double spacing[3]; /* in mm; ones: in pixels */
    double tolerance;
    struct trained windowed;         /* if cases are not predicted as a whole */
    float *probability;              /* [batch,pixels,outputs] */
    uint8_t *predicted, *confidence; /* [count,pixels]: class; 255 times its probability */
    float *kept;     /* [count,pixels,outputs] where they are saved or shown, or NULL */
    int64_t *counts; /* [count,classes,classes] */
    struct calibration calibration;
    double *score; /* [count]: mean Dice of the classes that count, or NaN */
};

bool saves(const struct evaluator *e, enum saved what);
const uint8_t *case_truth(const struct evaluator *e, uint32_t i);
/* confusion.csv and what `save` says. */
int write_segmentation(struct evaluator *e, const int64_t *confusion, const struct draft *draft,
                       struct err *err);
void add_segment_pictures(struct evaluator *e);

#endif
