/*
 * Evaluation of a trained model on a split. Batch size changes nothing but speed.
 *
 * Metrics are SPLIT/NAME[/CLASS]. Of a VAE, means over the cases; noise is a function of noise_seed
 * and the case's id, so the same noise serves every training seed:
 *   negative_elbo   reconstruction + kl with one noise sample a case; nats
 *   reconstruction  the reconstruction term of the training loss, summed over the pixels of a case
 *   kl              KL(q(z|x) || N(0, I)), in closed form
 *   negative_iw_bound  -log mean_k w_k over importance_samples (Burda et al. 2015, eq. 8)
 *   mse, psnr, ssim of the images decoded from z_mean (metrics.h)
 *   label_obedience/wrong_label  share of the cases whose z_mean, decoded with a wrong label drawn
 *                   uniformly, is recognised by the judge as that label
 *   label_obedience/prior  the same for z from N(0, I), labels in turn
 *   fd_judge/reconstruction, fd_judge/prior  Frechet distance (frechet.h) between the split's
 *                   images and those decoded from their z_mean, or from as many z from N(0, I) with
 *                   labels in turn, in the judge's features: what its hidden layer, the one before
 *                   the logits, says after its activation. Comparable under one judge alone
 *   judge_accuracy  the judge's own accuracy on the real images of the split
 * Of a UNet (overlap.h; the prediction is the most probable class, with one logit foreground from
 * 0.5 on):
 *   pixel_accuracy, miou (background included)            pooled over the pixels of the split
 *   iou, dice, precision, recall /CLASS                   pooled; of two classes the foreground's
 *   dice_per_case, iou_per_case, boundary_f_per_case, hd95_per_case, surface_distance_per_case,
 *   surface_dice_per_case /CLASS                          means over the cases that have a value,
 *                   of each class but a background
 *   hd95_undefined, surface_distance_undefined /CLASS     cases where one of the two has the class
 * Class 0 is a background, not looked for, as `background` says: where it is excluded, or by auto if
 * it is called so or there are but two classes (dataset_first_class).
 * Distances and the tolerance are in mm where the data set knows its spacing, else in pixels.
 *
 * Files: metrics.json (metric -> value; null: undefined), cases.csv (case_id, label, the values of
 * the case; empty: undefined), pictures.safetensors (pictures.c, segment_pictures.c); of a UNet
 * confusion.csv (pixels of each truth class by predicted class) and, as `save` says,
 * prediction-CASE.png (class indices; what a file's name cannot have is _XX, behind a second '-') or
 * predictions.safetensors for volumes, and probabilities.safetensors.
 */
#ifndef CAIRN_EVALUATE_EVALUATE_H
#define CAIRN_EVALUATE_EVALUATE_H

#include "config/config.h"
#include "data/data.h"
#include "store/store.h"

enum metric {
    METRIC_NEGATIVE_ELBO, /* with its two terms */
    METRIC_MSE,
    METRIC_PSNR,
    METRIC_SSIM,
    METRIC_LABEL_OBEDIENCE,
    METRIC_FD_JUDGE, /* both with the judge's accuracy */
    METRIC_PIXEL_ACCURACY,
    METRIC_IOU, /* with the mean over classes */
    METRIC_DICE,
    METRIC_PRECISION,
    METRIC_RECALL,
    METRIC_BOUNDARY_F,
    METRIC_HD95,
    METRIC_SURFACE_DISTANCE,
    METRIC_SURFACE_DICE,
};
enum model_family { FAMILY_VAE, FAMILY_UNET };
enum background { BACKGROUND_AUTO, BACKGROUND_AS_CLASS, BACKGROUND_LEFT_OUT };
enum saved { SAVE_PREDICTIONS, SAVE_PROBABILITIES };
struct evaluate_config {
    int split;                  /* enum split */
    struct int_list metrics;    /* enum metric; empty: all that are usual for the model */
    int64_t batch, noise_seed;  /* batch -1: auto */
    int64_t importance_samples; /* 0: no importance-weighted bound */
    int64_t samples;            /* prior samples of label obedience */
    double tolerance;           /* of boundaries; 0: 0.75 % of the diagonal, at least a pixel */
    int background;             /* enum background */
    struct int_list save;       /* enum saved */
};
extern const struct field evaluate_fields[];
/* A metric that the model cannot have: STATUS_CONFIG. */
int evaluate_check(const struct evaluate_config *config, enum model_family family, struct err *err);
bool evaluate_wants(const struct evaluate_config *config, enum metric metric);

struct evaluation {
    struct run *run; /* final and per-case metrics go here; may be NULL */
    const struct store *store;
    const struct dataset *dataset;
    const struct id *model, *judge; /* artifacts; judge NULL: nothing is judged */
    struct backend *backend;
    struct meter *meter;
    bool quiet;
};
int evaluate_vae(const struct evaluation *what, const struct evaluate_config *config,
                 const struct draft *draft, struct err *err);
int evaluate_unet(const struct evaluation *what, const struct evaluate_config *config,
                  const struct draft *draft, struct err *err);

#endif
