/*
 * Evaluation of a trained VAE on a split: the bound and its terms, reconstruction measures, label
 * obedience by the judge, and the pictures' arrays. Noise is a function of noise_seed and the
 * case's id, so the same noise serves every training seed, and batch size changes nothing but
 * speed.
 *
 * Metrics (SPLIT/NAME; means over the cases):
 *   negative_elbo   reconstruction + kl with one noise sample a case; nats
 *   reconstruction  the reconstruction term of the training loss, summed over the pixels of a case
 *   kl              KL(q(z|x) || N(0, I)), in closed form
 *   negative_iw_bound  -log mean_k w_k over importance_samples (Burda et al. 2015, eq. 8)
 *   mse, psnr, ssim of the images decoded from z_mean (metrics.h)
 *   label_obedience/wrong_label  share of the cases whose z_mean, decoded with a wrong label drawn
 *                   uniformly, is recognised by the judge as that label
 *   label_obedience/prior  the same for z from N(0, I), labels in turn
 *   judge_accuracy  the judge's own accuracy on the real images of the split
 *
 * Files: metrics.json (metric -> value), cases.csv (case_id, label, the metrics of the case),
 * pictures.safetensors (pictures.c says what is in it).
 */
#ifndef CAIRN_NN_EVALUATE_H
#define CAIRN_NN_EVALUATE_H

#include "nn/classifier.h"
#include "nn/vae.h"

enum vae_metric {
    METRIC_NEGATIVE_ELBO, /* with its two terms */
    METRIC_MSE,
    METRIC_PSNR,
    METRIC_SSIM,
    METRIC_LABEL_OBEDIENCE, /* with the judge's accuracy */
    VAE_METRICS
};
struct evaluate_config {
    int split;               /* enum split */
    struct int_list metrics; /* enum vae_metric */
    int64_t batch, noise_seed;
    int64_t importance_samples; /* 0: no importance-weighted bound */
    int64_t samples;            /* prior samples judged */
};
extern const struct field evaluate_fields[];

struct evaluation {
    struct run *run; /* final and per-case metrics go here; may be NULL */
    const struct store *store;
    const struct dataset *dataset;
    const struct id *model, *judge; /* artifacts; judge NULL: no label obedience */
    struct meter *meter;
    int threads;
    bool quiet;
};
int evaluate_vae(const struct evaluation *what, const struct evaluate_config *config,
                 const struct draft *draft, struct err *err);

#endif
