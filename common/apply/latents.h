/*
 * Images to latents and back with a trained model that can encode and decode.
 *
 * A file of latents is safetensors: z_mean and, if the model has one, z_logvar, f32 [N,c], or
 * [N,h,w,c] or [N,d,h,w,c] if the model's latents are maps or volumes; labels i32 [N] if the model
 * or the data has any (the encoder's condition); and as metadata `model` (artifact id) and `names`
 * (one per line, in row order). Equal latents give equal bytes. For reading only z_mean is
 * required: without names a row's name is its number.
 */
#ifndef CAIRN_APPLY_LATENTS_H
#define CAIRN_APPLY_LATENTS_H

#include "apply/trained.h"

#include "base/file.h"

struct latents {
    uint32_t count;
    struct shape shape;    /* of a code, n is 1 */
    const char **names;    /* [count], unique; valid as file names */
    const float *z_mean;   /* [count,d,h,w,c] */
    const float *z_logvar; /* likewise; NULL: none, or read from a file */
    int32_t *labels;       /* [count]; NULL: none */
};
/* STATUS_USAGE for a name that is not valid as a file name, not UTF-8, or not unique. */
int latents_check_names(const char *const *names, uint32_t count, struct err *err);
int latents_write(const char *path, const struct latents *latents, const struct id *model,
                  struct err *err);
/* Into arena. STATUS_BAD_DATA if these cannot be codes of this model. */
int latents_read(struct latents *out, const char *path, const struct id *model,
                 const struct model_facts *facts, struct arena *arena, struct err *err);

/* A model at work: batches of up to trained.batch. */
struct coder {
    struct id model;
    struct trained trained;
    float *image; /* [batch,d,h,w,c]: decoded images, or a buffer for images to encode */
    float *z_mean, *z_logvar; /* [batch, the latent's d,h,w,c] */
    int32_t *labels;          /* [batch] */
};
/* ability: ENCODE or DECODE. Close it also after a failed open. */
int coder_open(struct coder *out, const struct store *store, const struct id *model,
               enum ability ability, struct backend *backend, struct meter *meter, struct err *err);
void coder_close(struct coder *coder);
/* image [batch,d,h,w,c], its first n with labels (NULL: none) -> z_mean, z_logvar (zeros of a
 * model that has none) */
int coder_encode(struct coder *coder, const float *image, const int32_t *labels, uint32_t n,
                 float *z_mean, float *z_logvar, struct err *err);
/* Rows [first, first + n) -> coder->image. */
int coder_decode(struct coder *coder, const struct latents *latents, uint32_t first, uint32_t n,
                 struct err *err);

#endif
