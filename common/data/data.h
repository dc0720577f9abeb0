/*
 * Data: raw files become a collection of decoded cases, a collection becomes a dataset artifact, a
 * loader turns a dataset's split into batches.
 *
 * A dataset artifact holds
 *   dataset.safetensors  images u8 [N,h,w,c] (or [N,d,h,w,c]; of volumes f32, at the intensities that
 *                        preprocess gave them), labels i32 [N] (if there are any),
 *                        masks u8 (as images, without c; if there are any): class indices, or
 *                        MASK_IGNORE where a pixel has no class and counts nowhere
 *   cases.json           one record a case, in the same order: id, split, label, source (SHA-256 of
 *                        the file it came from, unpacked, where that file holds many cases), pixels
 *                        (SHA-256 of the decoded image before any resize), plus the class names and, of
 *                        volumes, the spacing (d, h, w in mm)
 *   integrity.json       what is in it (integrity.h)
 * Cases are sorted by split (train, val, test), inside a split in source order. Nothing in it
 * depends on how an image file was encoded: the same pixels in another file give the same bytes.
 */
#ifndef CAIRN_DATA_DATA_H
#define CAIRN_DATA_DATA_H

#include "base/err.h"
#include "base/mask.h"
#include "base/memory.h"
#include "base/sha256.h"
#include "data/augment.h"
#include "data/fit.h"
#include "data/formats/volumes.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum split { SPLIT_TRAIN, SPLIT_VAL, SPLIT_TEST, SPLITS };
extern const char *const split_names[SPLITS + 1]; /* "train", "val", "test", NULL */
/* U8: 0 to 255 for 0 to 1; F32: as they are */
enum pixel { PIXEL_U8, PIXEL_F32 };
/* Of U8; between two levels where it is interpolated. */
static inline float pixel_value(float level)
{
    return level / 255.0f;
}

/* ---- collections: decoded cases on their way into an artifact ------------------------------- */
struct raw_case {
    const char *id; /* unique, stable: "train-00017" */
    enum split split;
    int32_t label;           /* -1: none */
    const struct id *source; /* NULL: made, or a file of its own (the recipe has its hash) */
    const struct id *pixels; /* image_hash of the image before any resize */
    int32_t size[3];         /* d, h, w before any resize; zeros: as the collection */
    const void *image;       /* d*h*w*c of the collection's pixel */
    const uint8_t *mask;     /* d*h*w class indices or MASK_IGNORE, or NULL */
    int64_t labelled, cut;   /* voxels of a class above 0, and those of them that a size cut off */
};
struct skipped_case {
    const char *id, *reason;
};
struct collection {
    struct arena arena;
    int32_t d, h, w, c;
    enum pixel pixel;
    double spacing[3]; /* d, h, w in mm; zeros: not known, as of pictures */
    uint32_t count;
    struct raw_case *cases;
    uint32_t skipped_count;
    struct skipped_case *skipped; /* could not be read, and were left out on request */
    uint32_t class_count, mask_class_count;
    const char **classes, **mask_classes;
    uint32_t note_count;
    const char **notes; /* collection_note */
};
void collection_free(struct collection *collection);
/* A line about the raw files that their owner should know, as what was taken for what, or left out;
 * text is the arena's. It is kept with the run and not in the artifact, which depends on neither. */
void collection_note(struct collection *collection, const char *text);
/* Names of the classes of masks: at least two, all different, and such that metrics can bear them.
 * The error has `status`. */
int class_names_check(const char *const *names, size_t count, enum status status, struct err *err);
/* SHA-256 of the text "D H W C\n" followed by the image's bytes. */
struct id image_hash(int32_t d, int32_t h, int32_t w, int32_t c, const uint8_t *image);
/* Of F32: for each channel "D H W f32\n", then its bytes. */
struct id volume_hash(const struct volume *channels, int32_t count);
size_t pixel_size(enum pixel pixel);
/* As a model sees them. */
void pixel_values(float *out, enum pixel pixel, const void *pixels, size_t count);

/* One file that is read from outside the store. The name is its role, never a path: it enters the
 * recipe beside the content's hash. */
struct source {
    const char *name, *path;
};

/* What is done to the cases of a set on their way in. */
struct treatment {
    struct fit fit;            /* of pictures; skip_bad of all */
    struct volume_spec volume; /* of volumes */
};

/* Moves `count` cases of the train split to val or test, the same share of each label (as far as
 * integers allow), drawn by seed and id: a case more moves itself, or one that it takes the place
 * of. More than there are is STATUS_CONFIG, and so is any for a test split that has cases already.
 */
int collection_hold_out(struct collection *collection, enum split to, int64_t count, uint64_t seed,
                        struct err *err);
/* A number of the seed, a purpose ("labels") and a case's id alone. */
uint64_t case_draw(uint64_t seed, const char *purpose, const char *id);
/* Writes the artifact's files. */
int collection_write(const struct collection *collection, const struct draft *draft,
                     struct err *err);

/* ---- datasets ------------------------------------------------------------------------------- */
struct dataset {
    struct id artifact;
    int32_t d, h, w, c;
    uint32_t begin[SPLITS], count[SPLITS]; /* cases of a split: [begin, begin + count) */
    enum pixel pixel;
    double spacing[3];     /* d, h, w in mm; zeros: not known */
    const void *images;    /* resident: the start of one metered block of `bytes` */
    const int32_t *labels; /* NULL: none */
    const uint8_t *masks;  /* NULL: none */
    const char **ids;      /* of all cases */
    uint32_t class_count, mask_class_count;
    const char **classes, **mask_classes;
    size_t bytes;
    struct meter *meter;
    struct arena arena;
};
int dataset_open(struct dataset *out, const struct store *store, const struct id *artifact,
                 struct meter *meter, struct err *err);
/* The first class of the masks that is not merely the rest: 1, but 0 of more than two classes of which
 * the first is not called background. */
int32_t dataset_first_class(const struct dataset *dataset);
/*
 * A share of the train split, 0 < fraction <= 1, and the val split whole; no test split. Of each
 * stratum (the label; without labels the class, first_class or above, of most pixels of the mask)
 * fraction of its cases, rounded, at least one: the lowest draws by seed and id. So a smaller fraction
 * of the same seed lies within a larger one. A copy, but for the names: `from` outlives it.
 */
int dataset_part(struct dataset *out, const struct dataset *from, double fraction, uint64_t seed,
                 struct err *err);
void dataset_close(struct dataset *dataset);

/* ---- loader --------------------------------------------------------------------------------- */
/*
 * shuffle: an endless stream of epochs, each a permutation that is a function of (seed, epoch);
 * batches are always full, across epoch boundaries; `start` batches are passed over at no cost.
 * Otherwise: the split once, in order; the last batch is padded with repeats of weight 0.
 * A thread of its own fills the next batch (u8 to float, x / 255; f32 as it is) while this one is
 * used.
 *
 * patch: with shuffle only, every case of a batch is a window of this size, its place a function of
 * (seed, epoch, case id): anywhere, or, for the share `foreground` of the draws, about a voxel of a
 * class above 0 (drawn evenly among those; anywhere where there is none). It is augmented as if it
 * were all there is of the case.
 */
struct patch {
    int32_t size[3]; /* d, h, w; 0 0 0: whole cases */
    double foreground;
};
struct loader_spec {
    enum split split;
    uint32_t batch;
    bool shuffle;
    uint64_t seed;
    uint64_t start;
    const struct augment *augment; /* NULL: none; with shuffle only */
    struct patch patch;            /* with shuffle only */
    struct allocator memory;       /* of all that it takes; zeros: block_alloc on the meter */
};
struct batch {
    const float *image;    /* [batch,d,h,w,c] (of patches: theirs), of u8 in [0, 1] */
    const int32_t *label;  /* [batch]; zeros if the dataset has none */
    const int32_t *mask;   /* [batch,d,h,w] class indices or MASK_IGNORE, or NULL */
    const float *weight;   /* [batch]: 1, or 0 for padding */
    const uint32_t *index; /* [batch]: case index in the dataset */
    uint32_t real;         /* cases that are not padding */
    uint64_t epoch;        /* of the first case */
};
struct loader;
int loader_open(struct loader **out, const struct dataset *dataset, const struct loader_spec *spec,
                struct meter *meter, struct err *err);
/* NULL after the last batch (never when shuffling). Valid until the next call. */
const struct batch *loader_next(struct loader *loader);
void loader_close(struct loader *loader); /* NULL is fine */
/* What loader_open would refuse: STATUS_CONFIG. */
int loader_check(const struct dataset *dataset, const struct loader_spec *spec, struct err *err);
/* Bytes a loader of this spec will take. */
size_t loader_bytes(const struct dataset *dataset, const struct loader_spec *spec);

#endif
