/*
 * Kinds of models. A row says how a model of its kind is described and what it can do, as functions
 * that append to a graph: whoever uses a trained model (apply/trained.h) asks what it can do, not
 * what it is. A new kind is a file that holds its row, and a line in kinds.c.
 */
#ifndef CAIRN_MODEL_KINDS_H
#define CAIRN_MODEL_KINDS_H

#include "engine/engine.h"
#include "model/description.h"

/* Image to latent; latent to image; image to class; image to the class of each pixel; image to image,
 * for models that need more than the latent for it; image to features on several levels; two images to
 * how different they look. */
enum ability { ENCODE, DECODE, CLASSIFY, SEGMENT, RECONSTRUCT, FEATURES, COMPARE, ABILITIES };
#define CAN(ability) (1u << (ability))

/* What values may be; -INFINITY and INFINITY: any. */
struct range {
    float low, high;
};
/* From end to end; 1 if it is unbounded. */
double range_width(struct range range);
/* What a model saw of its images at a time. */
struct model_patch {
    bool present;
    int64_t d, h, w;
};
/* Of its images' voxels, in mm. */
struct model_spacing {
    bool present;
    double d, h, w;
};

/* What a model says about itself; 0 for what it cannot do. */
struct model_facts {
    struct image_data data; /* what it was trained on */
    bool any_size;          /* takes images of any d, h, w, so it can learn from patches */
    struct range range;     /* of the values of images, both those it takes and those it gives */
    struct shape latent;    /* of one case: n is 1 */
    bool sampled;           /* ENCODE: a latent has a distribution, not its mean alone */
    bool repeats;           /* FEATURES: an image of one channel is repeated for all */
    bool conditional;       /* ENCODE, DECODE: the label matters */
    int32_t features;       /* CLASSIFY */
    int32_t mask_classes, outputs; /* SEGMENT; outputs: 1 (sigmoid) or mask_classes (softmax) */
    struct model_patch patch;      /* SEGMENT; absent: it saw whole images */
    struct model_spacing spacing;  /* SEGMENT; absent: not known */
};

/* The most maps of features that are kept of an image. */
enum { MAX_TAPS = 16 };

/* image [n,d,h,w,c], label I32 [n,1,1,1,1], z [n, the latent's d,h,w,c]; all but the label F32.
 * A function is NULL if the kind cannot do it. "Raw" is the output before an activation, which might hide
 * an infinity. */
struct model_kind {
    const char *name;
    const struct field *fields; /* of its description, ... */
    size_t size;                /* ... a struct of this many bytes */
    /* Checks that no single field can make: STATUS_CONFIG. Models are built only from what has passed. */
    int (*check)(const void *description, struct err *err);
    struct model_facts (*facts)(const void *description);

    /* -> z_mean (returned) and z_logvar, 0 unless it is `sampled` */
    val (*encode)(struct graph *g, const void *description, val image, val label, val *z_logvar);
    /* -> raw */
    val (*decode)(struct graph *g, const void *description, val z, val label);
    val (*reconstruct)(struct graph *g, const void *description, val image);
    /* From the raw of either: the image; what is `sampled` also has a reconstruction term against a
     * target, [n,1,1,1,1] */
    val (*image)(struct graph *g, const void *description, val raw);
    val (*reconstruction)(struct graph *g, const void *description, val raw, val target);
    /* -> logits [n,1,1,1,classes] (returned) and features [n,1,1,1,features] */
    val (*classify)(struct graph *g, const void *description, val image, val *features);
    /* -> logits [n,d,h,w,outputs] */
    val (*segment)(struct graph *g, const void *description, val image);
    /* -> how many taps there are: maps [n,d,h,w,c], F32, from near the image to far from it, in the order
     * of the network. Images may have any size that is large enough. */
    int (*features)(struct graph *g, const void *description, val image, val tap[MAX_TAPS]);
    /* -> distance [n,1,1,1,1] */
    val (*compare)(struct graph *g, const void *description, val image, val other);
};
extern const struct model_kind *const model_kinds[]; /* ends with NULL */

/* Bits of CAN. */
unsigned model_abilities(const struct model_kind *kind);
/* STATUS_BAD_DATA with what it can do, if it cannot do all of these. */
int model_need(const struct model_kind *kind, unsigned abilities, struct err *err);

/* A model that has been read. */
struct model {
    const struct model_kind *kind;
    const void *description;
    struct model_facts facts;
};
/* "KIND\n", then what model.txt holds. */
const char *model_text(const struct model_kind *kind, const void *from, struct arena *arena);
/* The kind whose name the text begins with; NULL: none. */
const struct model_kind *model_text_kind(const char *text);
/* What model.txt holds, into arena, bound and checked; a text that does not describe a model of the
 * kind is STATUS_BAD_DATA. */
int model_text_parse(struct model *out, const struct model_kind *kind, const char *text,
                     struct arena *arena, struct err *err);

#endif
