/* Shared by the masks' side: segment_evaluate.c, segment_files.c, segment_pictures.c. */
#ifndef CAIRN_EVALUATE_SEGMENT_PARTS_H
#define CAIRN_EVALUATE_SEGMENT_PARTS_H

#include "apply/gradcam.h"
#include "evaluate/evaluate_parts.h"

/* Of the first cases, where it is asked for. */
struct seen {
    struct gradcam *gradcam; /* NULL: it is not */
    uint32_t count;
    float *maps, *peaks; /* [count,pixels], [count] */
};
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
    struct seen seen;
    double *score; /* [count]: mean Dice of the classes that count, or NaN */
};

bool saves(const struct evaluator *e, enum saved what);
const uint8_t *case_truth(const struct evaluator *e, uint32_t i);
/* confusion.csv and what `save` says. */
int write_segmentation(struct evaluator *e, const int64_t *confusion, const struct draft *draft,
                       struct err *err);
void add_segment_pictures(struct evaluator *e);
/* Case i's image in 256 levels, [d,h,w,c]. */
void case_levels(uint8_t *out, const struct evaluator *e, uint32_t i);

/* segment_gradcam.c */
int gradcam_begin(struct evaluator *e, struct err *err);
/* image [h,w,c], as the model takes it; the case has been predicted. */
int gradcam_case(struct evaluator *e, uint32_t i, const float *image, struct err *err);
void add_gradcam(struct evaluator *e);

#endif
