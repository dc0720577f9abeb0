/*
 * Images to latents and back with a trained model that can encode and decode.
 *
 * A file of latents is safetensors: z_mean and, where the model has one, z_logvar, f32 [N,c], or
 * [N,h,w,c] or [N,d,h,w,c] where the model's latents are maps or volumes, labels i32 [N] where the
 * model or the data has any (what the encoder was told), and as metadata `model` (artifact id) and
 * `names` (one a line, in the order of the rows). Equal latents give equal bytes. Only z_mean has to be there when
 * it is read: without names a row's is its number.
 */
#ifndef CAIRN_APPLY_LATENTS_H
#define CAIRN_APPLY_LATENTS_H

#include "apply/trained.h"

#include "base/file.h"

struct latents {
    uint32_t count;
    struct shape shape;    /* of a code, n is 1 */
    const char **names;    /* [count], none twice; fit to be a file's name */
    const float *z_mean;   /* [count,d,h,w,c] */
    const float *z_logvar; /* likewise; NULL: they have none, or were read */
    int32_t *labels;       /* [count]; NULL: none */
};
/* STATUS_USAGE for a name that cannot be a file's or is not UTF-8, or is there twice. */
int latents_check_names(const char *const *names, uint32_t count, struct err *err);
int latents_write(const char *path, const struct latents *latents, const struct id *model,
                  struct err *err);
/* Into arena. What cannot be codes of this model is STATUS_BAD_DATA. */
int latents_read(struct latents *out, const char *path, const struct id *model,
                 const struct model_facts *facts, struct arena *arena, struct err *err);

/* A model at work: batches of up to trained.batch. */
struct coder {
    struct id model;
    struct trained trained;
    float *image;             /* [batch,d,h,w,c]: what was decoded, or room for what is encoded */
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
