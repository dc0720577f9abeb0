/*
 * Segmenting pictures and volumes of any size with a trained model that can.
 *
 * What is new goes through all that the training images went through. Where they were brought to a
 * size, a picture is brought to it in the same way, and the probabilities back to the picture's own
 * size (bilinear; what filled up the frame is cut off) before a class is chosen. A volume comes to
 * the intensities, the spacing and at least the size of the training volumes (it is filled up, but
 * never cropped), and the probabilities back to its own voxels (linear).
 *
 * In that state it is predicted as one up to PREDICT_PIXELS (or the training images' size, if that is
 * more), beyond that by sliding windows of the size that the training saw. Which of these it is
 * depends on sizes alone, never on the machine.
 */
#ifndef CAIRN_APPLY_PREDICT_H
#define CAIRN_APPLY_PREDICT_H

#include "apply/sliding.h"
#include "apply/trained.h"
#include "data/data.h"

enum { PREDICT_PIXELS = 1 << 20 };

/* The windows in which a model predicts images of one size; a single one is as large as the image. */
struct windows {
    int32_t size[3]; /* d, h, w */
    int32_t batch;
};
struct windows windows_for(const struct model_facts *facts, const int32_t size[3]);

struct predictor {
    const struct store *store;
    struct id model;
    struct treatment treatment; /* of the training images; fit.h 0: they were not resized */
    struct meter *meter;
    struct arena arena;
    struct model_facts facts;
    struct backend *backend;
    struct trained trained; /* planned for what was predicted last */
    struct windows windows; /* of that; batch 0: nothing yet */
};
/* STATUS_BAD_DATA if it cannot segment, or is no model of grey or colour images or of volumes of one channel.
 * Close it also after a failed open. store, backend and meter stay the caller's. */
int predictor_open(struct predictor *out, const struct store *store, const struct id *model,
                   const struct treatment *treatment, struct backend *backend, struct meter *meter,
                   struct err *err);
void predictor_close(struct predictor *predictor);
bool predictor_takes_volumes(const struct predictor *predictor); /* pictures if not */
/* What pictures have to be read as. */
enum image_form predictor_form(const struct predictor *predictor);
/* raster, as the network is to see it -> probability [d,h,w,outputs]. STATUS_STOPPED after a signal
 * (base/stop.h). */
int predictor_windows(struct predictor *predictor, float *probability, const struct raster *raster,
                      struct err *err);
/* image -> probability [h,w,outputs] at the image's own size */
int predictor_picture(struct predictor *predictor, float *probability, const struct image *image,
                      struct err *err);
/* volume, as it was read -> probability [d,h,w,outputs] at its own voxels. The volume is used up. */
int predictor_volume(struct predictor *predictor, float *probability, struct volume *volume,
                     struct err *err);
/* probability [pixels,outputs] -> mask [pixels]; one that is not a number is an error. */
int predictor_decide(uint8_t *mask, const float *probability, int64_t pixels, int32_t outputs,
                     struct err *err);

#endif
