/*
 * Segmenting pictures of any size with a trained UNet.
 *
 * Where the training images were brought to a size, a picture is brought to it in the same way, and
 * the probabilities back to the picture's own size (bilinear; what filled up the frame is cut off)
 * before a class is chosen. Elsewhere a picture is predicted as it is: as one up to PREDICT_PIXELS
 * (or the training images' size, if that is more), beyond that by sliding windows. Which of these it
 * is depends on sizes alone, never on the machine.
 */
#ifndef CAIRN_NN_PREDICT_H
#define CAIRN_NN_PREDICT_H

#include "nn/segment.h"

enum { PREDICT_PIXELS = 1 << 20 };

struct predictor {
    const struct store *store;
    struct id model;
    struct fit fit; /* h 0: training images were not resized */
    struct meter *meter;
    struct arena arena;
    struct unet_description description;
    struct backend *backend;
    struct trained_unet unet; /* planned for what was predicted last */
    int32_t batch, h, w;      /* of that; 0: nothing yet */
};
/* STATUS_BAD_DATA if it is no model of grey or colour images. Close it also after a failed open.
 * threads 0: all. store and meter stay the caller's. */
int predictor_open(struct predictor *out, const struct store *store, const struct id *model,
                   const struct fit *fit, int threads, struct meter *meter, struct err *err);
void predictor_close(struct predictor *predictor);
/* What pictures have to be read as. */
enum image_form predictor_form(const struct predictor *predictor);
/* image -> probability [h,w,outputs] at the image's own size. STATUS_STOPPED after a signal
 * (base/stop.h). */
int predictor_run(struct predictor *predictor, float *probability, const struct image *image,
                  struct err *err);
/* probability [pixels,outputs] -> mask [pixels]; one that is not a number is an error. */
int predictor_decide(uint8_t *mask, const float *probability, int64_t pixels, int32_t outputs,
                     struct err *err);

/*
 * Sliding windows (Isensee et al. 2021, nnU-Net): evenly spread, each overlapping the next by half
 * or more, weighted by a Gaussian about the window's middle (sigma: 1/8 of its side). Where the
 * image is smaller than a window, it stands in the middle and is reflected at its edges (without
 * repeating the edge).
 */
struct sliding {
    int32_t h, w, c, outputs, batch; /* of a window; how many are predicted together */
    /* image [batch,h,w,c] in [0, 1] -> probability [batch,h,w,outputs] */
    int (*predict)(void *user, const float *image, float *probability, struct err *err);
    void *user;
};
int sliding_predict(float *probability, const struct sliding *sliding, const struct image *image,
                    struct err *err);

#endif
