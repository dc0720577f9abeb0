/*
 * Data: raw files become a collection of decoded cases, a collection becomes a dataset artifact, a
 * loader turns a dataset's split into batches.
 *
 * A dataset artifact holds
 *   dataset.safetensors  images u8 [N,h,w,c] (or [N,d,h,w,c]; for volumes f32, with the
 *                        intensities of preprocess), labels i32 [N] (if there are any),
 *                        masks u8 (as images, without c; if there are any): class indices, or
 *                        MASK_IGNORE where a pixel has no class and is not counted
 *   cases.json           one record per case, in the same order: id, split, label, source (SHA-256
 *                        of its file, unpacked, if that file holds many cases), pixels (SHA-256 of
 *                        the decoded image before any resize), plus the class names and, for
 *                        volumes, the spacing (d, h, w in mm)
 *   integrity.json       a summary (integrity.h)
 * Cases are sorted by split (train, val, test), within a split in source order. Nothing in it
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
/* U8: 0 to 255 for 0 to 1; F32: unchanged */
enum pixel { PIXEL_U8, PIXEL_F32 };
/* The value of a U8 level, which is fractional if interpolated. */
static inline float pixel_value(float level)
{
    return level / 255.0f;
}

/* ---- collections: decoded cases on their way into an artifact ------------------------------- */
struct raw_case {
    const char *id; /* unique, stable: "train-00017" */
    enum split split;
    int32_t label;           /* -1: none */
    const struct id *source; /* NULL: generated, or a file of its own (its hash is in the recipe) */
    const struct id *pixels; /* image_hash of the image before any resize */
    int32_t size[3];         /* d, h, w before any resize; zeros: as in the collection */
    const void *image;       /* d*h*w*c of the collection's pixel */
    const uint8_t *mask;     /* d*h*w class indices or MASK_IGNORE, or NULL */
    int64_t labelled, cut;   /* voxels of a class above 0, and how many of them a size cut off */
};
struct skipped_case {
    const char *id, *reason;
};
struct collection {
    struct arena arena;
    int32_t d, h, w, c;
    enum pixel pixel;
    double spacing[3]; /* d, h, w in mm; zeros: unknown, as for pictures */
    uint32_t count;
    struct raw_case *cases;
    uint32_t skipped_count;
    struct skipped_case *skipped; /* unreadable cases, left out on request */
    uint32_t class_count, mask_class_count;
    const char **classes, **mask_classes;
    uint32_t note_count;
    const char **notes; /* collection_note */
};
void collection_free(struct collection *collection);
/* A line about the raw files for their owner, such as how something was interpreted, or what was
 * left out; text is the arena's. It is kept with the run, not in the artifact, which does not
 * depend on it. */
void collection_note(struct collection *collection, const char *text);
/* Checks class names of masks: at least two, all different, and valid in names of metrics. The
 * error has `status`. */
int class_names_check(const char *const *names, size_t count, enum status status, struct err *err);
/* SHA-256 of the text "D H W C\n" followed by the image's bytes. */
struct id image_hash(int32_t d, int32_t h, int32_t w, int32_t c, const uint8_t *image);
/* For F32: for each channel "D H W f32\n", then its bytes. */
struct id volume_hash(const struct volume *channels, int32_t count);
size_t pixel_size(enum pixel pixel);
/* The values that a model sees. */
void pixel_values(float *out, enum pixel pixel, const void *pixels, size_t count);

/* A file read from outside the store. Its name is its role, never a path: it enters the recipe
 * together with the content's hash. */
struct source {
    const char *name, *path;
};

/* How the cases of a data set are prepared. */
struct treatment {
    struct fit fit;            /* for pictures; skip_bad for all */
    struct volume_spec volume; /* for volumes */
};

/* Moves `count` cases of the train split to val or test, the same share of each label (as far as
 * integers allow), drawn by seed and id: an additional case only moves itself, or displaces
 * another. STATUS_CONFIG: more than there are, or any for a test split that already has cases. */
int collection_hold_out(struct collection *collection, enum split to, int64_t count, uint64_t seed,
                        struct err *err);
/* A number that depends only on the seed, a purpose ("labels") and a case's id. */
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
    double spacing[3];     /* d, h, w in mm; zeros: unknown */
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
/* The first class of the masks that is not background: 1, or 0 if there are more than two classes
 * and the first is not called background. */
int32_t dataset_first_class(const struct dataset *dataset);
/*
 * A share of the train split, 0 < fraction <= 1, and the whole val split; no test split. Of each
 * stratum (the label; without labels the most frequent class, first_class or above, of the mask)
 * fraction of its cases, rounded, at least one: the lowest draws by seed and id. So a smaller
 * fraction with the same seed is a subset of a larger one. A copy, except for the names: `from`
 * must outlive it.
 */
int dataset_part(struct dataset *out, const struct dataset *from, double fraction, uint64_t seed,
                 struct err *err);
void dataset_close(struct dataset *dataset);

/* ---- loader --------------------------------------------------------------------------------- */
/*
 * shuffle: an endless stream of epochs, each a permutation that depends on (seed, epoch); batches
 * are always full, across epoch boundaries; skipping `start` batches costs nothing. Otherwise: the
 * split once, in order; the last batch is padded with repeats of weight 0. A separate thread fills
 * the next batch (u8 to float, x / 255; f32 unchanged) while this one is in use.
 *
 * patch: only with shuffle. Every case of a batch is a window of this size, whose place depends on
 * (seed, epoch, case id): anywhere or, for the share `foreground` of the draws, around a voxel of a
 * class above 0 (drawn uniformly among them; anywhere if there is none). It is augmented as if it
 * were the whole case.
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
    const struct augment *augment; /* NULL: none; only with shuffle */
    struct patch patch;            /* only with shuffle */
    struct allocator memory;       /* for all its memory; zeros: block_alloc on the meter */
};
struct batch {
    const float *image;    /* [batch,d,h,w,c] (of patches: their size), for u8 in [0, 1] */
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
/* STATUS_CONFIG if loader_open would refuse the spec. */
int loader_check(const struct dataset *dataset, const struct loader_spec *spec, struct err *err);
/* Bytes that a loader of this spec will allocate. */
size_t loader_bytes(const struct dataset *dataset, const struct loader_spec *spec);

#endif
