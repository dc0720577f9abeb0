/*
 * Segmenting pictures and volumes of any size with a trained model that can.
 *
 * New data get the same treatment as the training images. If those were resized, a picture is
 * resized in the same way, and the probabilities are resized back to the picture's size (bilinear,
 * after removing the padding) before a class is chosen. A volume gets the training volumes'
 * intensities, spacing and at least their size (padded, never cropped), and the probabilities are
 * resampled to its own voxels (linear).
 *
 * The result is predicted as a whole up to PREDICT_PIXELS (or the training images' size, if
 * larger), beyond that by sliding windows of the training size. The choice depends only on sizes,
 * never on the machine.
 */
#ifndef CAIRN_APPLY_PREDICT_H
#define CAIRN_APPLY_PREDICT_H

#include "apply/sliding.h"
#include "apply/trained.h"
#include "data/data.h"

enum { PREDICT_PIXELS = 1 << 20 };

/* The windows in which a model predicts images of one size; a single one has the image's size. */
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
    struct trained trained; /* planned for the last image */
    struct windows windows; /* for the last image; batch 0: none yet */
};
/* STATUS_BAD_DATA if it cannot segment, or is not for grey or colour images or volumes of one
 * channel. Close it also after a failed open. The caller keeps store, backend and meter. */
int predictor_open(struct predictor *out, const struct store *store, const struct id *model,
                   const struct treatment *treatment, struct backend *backend, struct meter *meter,
                   struct err *err);
void predictor_close(struct predictor *predictor);
bool predictor_takes_volumes(const struct predictor *predictor); /* else pictures */
/* How pictures must be decoded. */
enum image_form predictor_form(const struct predictor *predictor);
/* raster, as the network should see it -> probability [d,h,w,outputs]. STATUS_STOPPED on a stop
 * request (base/stop.h). */
int predictor_windows(struct predictor *predictor, float *probability, const struct raster *raster,
                      struct err *err);
/* image -> probability [h,w,outputs] at the image's own size */
int predictor_picture(struct predictor *predictor, float *probability, const struct image *image,
                      struct err *err);
/* volume, as read -> probability [d,h,w,outputs] at its own voxels. Consumes the volume. */
int predictor_volume(struct predictor *predictor, float *probability, struct volume *volume,
                     struct err *err);
/* probability [pixels,outputs] -> mask [pixels]; NaN is an error. */
int predictor_decide(uint8_t *mask, const float *probability, int64_t pixels, int32_t outputs,
                     struct err *err);

#endif
