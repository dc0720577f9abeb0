/*
 * A trained model in use: rebuilt from its artifact (model.txt, weights.safetensors), and planned
 * for one batch size and the abilities it is opened for. Its kind does not matter, only its
 * abilities.
 *
 * Arrays on the host are full batches, images [batch,d,h,w,c] and labels [batch]. Data beyond the
 * caller's cases are ignored, but must be finite: if the model's output is not, the ability fails
 * and `bad_case` is the case.
 */
#ifndef CAIRN_APPLY_TRAINED_H
#define CAIRN_APPLY_TRAINED_H

#include "model/finite.h"
#include "model/kinds.h"
#include "store/store.h"

/* Each ability is a program of its own. */
enum { TRAINED_INPUTS = 3, TRAINED_OUTPUTS = 2 };
struct trained_program {
    struct graph *graph;
    struct plan *plan;
    struct finite finite;
    val in[TRAINED_INPUTS], out[TRAINED_OUTPUTS];
};
struct trained {
    struct model model;
    struct shape image; /* [batch,d,h,w,c] */
    int32_t batch;
    int64_t pixels, latent; /* d*h*w*c of an image, and of a latent */
    int32_t bad_case;       /* the case in the batch at which it last failed; -1: none */
    struct arena arena;
    struct params *params;
    struct trained_program programs[ABILITIES];
    float *scores; /* CLASSIFY: [batch,classes] */
};
struct trained_spec {
    const struct store *store;
    const struct id *artifact;
    struct backend *backend;
    int32_t batch;
    /* d, h, w of its images, if it takes any and gives no latents of them (and c, where it repeats one
     * channel); zeros: as it was trained */
    struct shape size;
    unsigned abilities; /* bits of CAN */
    struct meter *meter;
};
/* STATUS_BAD_DATA if it lacks an ability. Close it also after a failed open. */
int trained_open(struct trained *out, const struct trained_spec *spec, struct err *err);
void trained_close(struct trained *trained);

/* image, label -> z_mean, z_logvar [batch, the latent's d,h,w,c]; a model without z_logvar
 * (facts.sampled) leaves it unchanged, and it may be NULL */
int trained_encode(struct trained *trained, const float *image, const int32_t *label, float *z_mean,
                   float *z_logvar, struct err *err);
/* z, label -> image, in the model's range, and the reconstruction term per case against target.
 * image may be NULL; target and reconstruction may be NULL together. */
int trained_decode(struct trained *trained, const float *z, const int32_t *label,
                   const float *target, float *image, float *reconstruction, struct err *err);
/* image -> the model's reconstruction, in its range */
int trained_reconstruct(struct trained *trained, const float *image, float *reconstruction,
                        struct err *err);
/* image -> the most probable class of each, the first of equals, and features [batch,features],
 * unless NULL */
int trained_classify(struct trained *trained, const float *image, int32_t *predicted,
                     float *features, struct err *err);
/* image -> probability [batch,d,h,w,outputs] (sigmoid or softmax) */
int trained_segment(struct trained *trained, const float *image, float *probability,
                    struct err *err);
/* image, other -> distance [batch] */
int trained_compare(struct trained *trained, const float *image, const float *other,
                    float *distance, struct err *err);

/* The most probable class of a pixel, the first of equals; a single output is the probability of
 * the second of two classes. sure: its probability; NaN if any of p is. */
uint8_t pixel_class(const float *p, int32_t outputs, float *sure);

/* Maps values from range.low to range.high to the nearest of 0 to 255, clipping values beyond, as
 * volumes may have. Without bounds: from the image's least value to its greatest. */
void image_to_bytes(uint8_t *out, const float *image, size_t count, struct range range);

#endif
