/*
 * Evaluation of a trained model on a split. Batch size changes nothing but speed.
 *
 * Metrics are SPLIT/NAME[/CLASS], each a row of metrics.def. For images (similarity.h) they are
 * means over the cases; noise depends on noise_seed and the case's id, so that all training seeds
 * share the same noise. kl is KL(q(z|x) || N(0, I)) in closed form, reconstruction the
 * reconstruction term of the training loss, summed over the pixels of a case, negative_iw_bound
 * -log mean_k w_k over importance_samples (Burda et al. 2015, eq. 8). The judge's features are the
 * activations of its hidden layer, the one before the logits: Frechet distances (frechet.h) are
 * comparable only under the same judge; there are as many images from the prior as in the split,
 * with labels in turn. For masks (overlap.h; the prediction is the most probable class, with one
 * logit foreground from 0.5 up) they are pooled over the pixels of the split (with two classes the
 * foreground's) or, NAME_per_case, means over the cases that have a value, for each class except a
 * background. `background` decides whether class 0 is a background, which is not counted: exclude;
 * or auto, if it is called so or there are only two classes (dataset_first_class). Distances and
 * the tolerance are in mm if the data set's spacing is known, else in pixels.
 *
 * A case whose image was used to make the model or the judge, in the train or val split of another
 * data set (or, for a val case, in train), is not a fair test: STATUS_BAD_DATA, unless allow_leak.
 *
 * Of latents (embedding.h): z_mean or, of a map, each channel's mean over its positions.
 *
 * Files: metrics.json (metric -> value; null: undefined), cases.csv (case_id, label, the values of
 * the case; empty: undefined), pictures.safetensors (image_pictures.c, segment_pictures.c,
 * segment_gradcam.c); of
 * latents embedding.safetensors (embed_evaluate.c); of masks
 * confusion.csv (pixels of each truth class by predicted class), calibration.csv (a row a bin of
 * confidence, if calibration is measured) and, as `save` says,
 * prediction-CASE.png (class indices; what a file's name cannot have is _XX, behind a second '-') or
 * predictions.safetensors for volumes, and probabilities.safetensors (or, for the cases in the pictures,
 * each class's confidence there); with allowed leaks leaks.csv
 * (case_id, input, stage, dataset, split, copy: the case, the port through which it was known, and
 * the case of the data set that the stage read).
 */
#ifndef CAIRN_EVALUATE_EVALUATE_H
#define CAIRN_EVALUATE_EVALUATE_H

#include "config/config.h"
#include "data/data.h"
#include "evaluate/metrics.h"
#include "model/kinds.h"
#include "store/store.h"

enum background { BACKGROUND_AUTO, BACKGROUND_AS_CLASS, BACKGROUND_LEFT_OUT };
enum saved { SAVE_PREDICTIONS, SAVE_PROBABILITIES, SAVE_CONFIDENCE };
struct gradcam_config {
    bool present;
    const char *layer, *class;
};
struct evaluate_config {
    int split;                  /* enum split */
    struct int_list metrics;    /* enum metric; empty: the model's usual ones */
    int64_t batch, noise_seed;  /* batch -1: auto */
    int64_t importance_samples; /* 0: no importance-weighted bound */
    int64_t samples;            /* prior samples of label obedience */
    int64_t scales;             /* of ms_ssim */
    double tolerance;           /* of boundaries; 0: 0.75 % of the diagonal, at least one pixel */
    int background;             /* enum background */
    struct int_list save;       /* enum saved */
    struct gradcam_config gradcam;
    bool allow_leak; /* also measure cases that were used for training */
};
extern const struct field evaluate_fields[];
/* What can be measured for models of this kind: HAS_IMAGES, HAS_MASKS. */
unsigned evaluate_has(const struct model_kind *kind);
/* STATUS_CONFIG if a metric is requested that cannot be measured with what the model has (enum
 * has). */
int evaluate_check(const struct evaluate_config *config, unsigned has, struct err *err);
/* The work needed (enum need, combined) for the requested metrics that can be measured. */
unsigned evaluate_needs(const struct evaluate_config *config, unsigned has);
bool evaluate_wants(const struct evaluate_config *config, const struct metric_info *metric,
                    unsigned has);

/* The file of an evaluation that has leaks. */
#define LEAKS_FILE "leaks.csv"
struct evaluation {
    struct run *run; /* final and per-case metrics go here; may be NULL */
    const struct store *store;
    const struct dataset *dataset;
    const struct id *model, *judge; /* artifacts; judge NULL: nothing is judged */
    const struct id *lpips; /* of one that compares (model/convnet.h); NULL: nothing is compared */
    struct backend *backend;
    struct meter *meter;
    bool quiet;
};
int evaluate(const struct evaluation *what, const struct evaluate_config *config,
             const struct draft *draft, struct err *err);

#endif
