/*
 * What the parts of an evaluation share. Three sides measure what a model can do: images
 * (image_evaluate.c, image_judge.c, image_pictures.c), latents (embed_evaluate.c) and masks
 * (segment_*.c). evaluate.c gives each
 * batch to those that apply, results.c keeps what they found.
 */
#ifndef CAIRN_EVALUATE_EVALUATE_PARTS_H
#define CAIRN_EVALUATE_EVALUATE_PARTS_H

#include "evaluate/evaluate.h"
#include "apply/predict.h"
#include "base/random.h"
#include "base/stop.h"
#include "base/text.h"
#include "store/tensors.h"

/* One number of metrics.json and, if it is measured case by case, a column of cases.csv. */
struct column {
    const struct metric_info *metric;
    int32_t class;    /* of masks; -1: none */
    const char *name; /* SPLIT/NAME[/CLASS] */
    double value;     /* NaN: undefined */
    double *cases;    /* [count]; NULL: pooled */
};
struct evaluator {
    const struct evaluation *what;
    const struct evaluate_config *config;
    uint32_t begin, count; /* the split's cases in the dataset */
    unsigned has, needs;   /* joined enum has, enum need */
    int32_t batch;         /* cases at a time */
    int32_t first_class;   /* of masks, that is counted: 1, or 0 if that is not background */
    struct model_facts facts;
    struct windows windows; /* in which masks are predicted, if not as ... */
    bool whole;             /* ... whole cases */
    struct trained model;   /* opened for what is done with whole cases */
    struct arena arena;
    size_t column_count;
    struct column *columns;
    struct images *images;             /* in the arena, as ... */
    struct segmentation *segmentation; /* ... that, or ... */
    struct embedding *embedding;       /* ... that; NULL where the side does not apply */
    size_t picture_count, note_count;
    struct tensor *pictures;
    const char **notes; /* of the pictures: key, value, ... */
};

struct side {
    enum has has;
    int (*begin)(struct evaluator *e, struct err *err);
    /* The split's cases from `first` on; batches come in order. */
    int (*batch)(struct evaluator *e, const struct batch *b, uint32_t first, struct err *err);
    /* After all of them: pooled values, pictures, files of its own. */
    int (*end)(struct evaluator *e, const struct draft *draft, struct err *err);
    void (*close)(struct evaluator *e); /* also after a failed begin */
};
extern const struct side image_side, latent_side, segment_side;

static inline bool needs(const struct evaluator *e, enum need need)
{
    return (e->needs & need) == need;
}
/* Of case i of the split. */
const char *case_name(const struct evaluator *e, uint32_t i);
int32_t case_label(const struct evaluator *e, uint32_t i); /* 0 without labels */
/* Windows may be whole cases. */
int evaluate_open(struct trained *out, const struct evaluator *e, const struct id *artifact,
                  unsigned abilities, const struct windows *windows, struct err *err);

/* ---- leaks.c -------------------------------------------------------------------------------- */
/* STATUS_BAD_DATA if cases of the split were in an earlier split of another data set that the model
 * or the judge was made from; if such leaks are allowed they are listed instead. */
int find_leaks(const struct evaluator *e, const struct draft *draft, struct err *err);

/* ---- results.c ------------------------------------------------------------------------------ */
void choose_columns(struct evaluator *e);
/* Computes the values of all columns with this need and class, for case i or, if i is POOLED_ALL,
 * for the split. May be called for different cases at the same time. */
enum { POOLED_ALL = -1 };
void measure(struct evaluator *e, enum has has, int32_t class, int64_t i, const struct subject *s);
/* metrics.json, cases.csv, pictures.safetensors, and the run's metrics. */
int write_results(struct evaluator *e, const struct draft *draft, struct err *err);
/* A tensor; dimensions of 0 are left out. */
struct tensor tensor_of(const char *name, enum tensor_type type, const int64_t *dim, int dims,
                        const void *data);
/* What is added must live until the results are written. */
void add_picture(struct evaluator *e, const char *name, enum tensor_type type, const int64_t *dim,
                 int dims, const void *data);
void add_note(struct evaluator *e, const char *key, const char *value);
/* The names, joined, in the arena. */
const char *joined(struct evaluator *e, const char *const *names, size_t count, char between);

#endif
