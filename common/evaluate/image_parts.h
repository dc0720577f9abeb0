/* Shared by the images' side: image_evaluate.c, image_judge.c, image_pictures.c. */
#ifndef CAIRN_EVALUATE_IMAGE_PARTS_H
#define CAIRN_EVALUATE_IMAGE_PARTS_H

#include "evaluate/evaluate_parts.h"
#include "evaluate/frechet.h"

/* The judge's view of some images. */
struct view {
    struct evaluator *e;
    const int32_t *label;    /* the expected labels */
    struct moments *moments; /* of its features */
    uint32_t labels, points; /* how many of the first images these apply to */
    uint32_t right;
};
struct images {
    int32_t classes; /* that the decoder is told; 0: unconditional */
    float *image;    /* [batch,d,h,w,c]: what is given back */
    struct trained lpips;
    float *distance; /* [batch]: that it sees */
    /* of codes: */
    float *z_mean;        /* [count, latent], and room for a whole batch at the end */
    int32_t *wrong_label; /* [count], if there are two classes or more */
    /* of one batch: the rest of the encoder's output, and room for codes */
    float *z_logvar, *z, *term;
    double *kl, *reconstruction, *weighted; /* [batch] */
    double *greatest, *ratio, *sum;         /* [batch]: importance weights */
    struct stream *stream;                  /* [batch] */
    struct trained judge;
    int32_t *recognised; /* [batch] */
    float *features;     /* [batch,features] */
    struct view real;    /* the split's images */
};

/* Codes from N(0, I) with labels in turn, the same for every model with latents of that size. */
void prior_codes(const struct evaluator *e, const char *purpose, uint32_t count, float *z,
                 int32_t *label);
/* Decodes any number of codes [count, latent] with their labels, batch by batch, and passes each
 * batch's first `n` images [n,d,h,w,c] to `use`. */
int decode_all(struct evaluator *e, const float *z, const int32_t *label, uint32_t count,
               int (*use)(void *user, const float *image, uint32_t first, uint32_t n,
                          struct err *err),
               void *user, struct err *err);

/* ---- image_judge.c -------------------------------------------------------------------------- */
int open_judge(struct evaluator *e, struct err *err);
/* user: a struct view; image: full batches. */
int look(void *user, const float *image, uint32_t first, uint32_t n, struct err *err);
/* For decoded images, after all real images have been seen. */
int judge_images(struct evaluator *e, struct err *err);

int add_image_pictures(struct evaluator *e, struct err *err);

#endif
