/* What the parts of an evaluation share: evaluate.c, evaluate_results.c, judge.c, pictures.c. */
#ifndef CAIRN_EVALUATE_EVALUATE_PARTS_H
#define CAIRN_EVALUATE_EVALUATE_PARTS_H

#include "evaluate/evaluate.h"
#include "apply/trained.h"

#include "base/random.h"
#include "base/stop.h"

struct case_result {
    double negative_elbo, reconstruction, kl, negative_iw_bound, mse, psnr, ssim;
};
struct named_value {
    const char *name;
    double value;
};
enum { MOST_METRICS = 16 };
struct evaluator {
    const struct evaluation *what;
    const struct evaluate_config *config;
    uint32_t begin, count; /* the split's cases in the dataset */
    int64_t classes;       /* that the model is told; 0: unconditional */
    struct trained vae, judge;
    bool judged;
    struct arena arena;
    struct case_result *cases; /* [count] */
    float *z_mean;             /* [count, latent] */
    int32_t *wrong_label;      /* [count], if there are two classes or more */
    struct {
        size_t count;
        struct named_value items[MOST_METRICS];
    } metrics;
};

/* Keeps SPLIT/NAME for metrics.json and the run. */
void metric(struct evaluator *e, const char *name, double value);
/* The stream of one purpose for one case. */
struct stream noise(const struct evaluator *e, const char *purpose, const char *id);
int32_t label_of(const struct evaluator *e,
                 uint32_t i); /* of case i of the split; 0 without labels */
/* Decodes any number of codes [count, latent] with their labels, batch by batch; each batch's first
 * `n` images [n,d,h,w,c] go to `use`. */
int decode_all(struct evaluator *e, const float *z, const int32_t *label, uint32_t count,
               int (*use)(void *user, const float *image, uint32_t first, uint32_t n,
                          struct err *err),
               void *user, struct err *err);
/* Codes from N(0, I) with labels in turn, the same for every model with as many latent channels. */
void prior_codes(const struct evaluator *e, const char *purpose, uint32_t count, float *z,
                 int32_t *label);

/* The means of what was measured case by case, as metrics; a case without a number is an error. */
int take_means(struct evaluator *e, struct err *err);
/* metrics.json; sorts the items. NaN: undefined; an infinity is an error. */
int write_metrics(struct named_value *items, size_t count, const struct draft *draft,
                  struct err *err);
int write_cases(const struct evaluator *e, const struct draft *draft, struct err *err);
void keep_metrics(struct evaluator *e); /* on the run */
int judge_images(struct evaluator *e, struct err *err);
int write_pictures(struct evaluator *e, const struct draft *draft, struct err *err);

#endif
