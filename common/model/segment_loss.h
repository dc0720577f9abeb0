/*
 * Losses of segmentation, on logits [n,d,h,w,k] and integer labels [n,d,h,w,1]. A label of
 * MASK_IGNORE contributes to none of them, and neither does a case of weight 0 (padding); without
 * any pixel that counts the loss is 0. A label that is no class makes it NaN. Each is one number;
 * the loss is their weighted sum.
 *
 * Two classes may have one logit (k = 1, sigmoid, class 1 is the foreground), otherwise k is the
 * number of classes (softmax). p is always the probability, never the logit. "Pixels" are those
 * that count.
 *   bce            mean over pixels; positive_weight multiplies the foreground's term (k = 1 only)
 *   cross_entropy  weighted mean over pixels as torch's (sum w_y loss / sum w_y); label_smoothing as
 *                  torch's, in training only; weights given, or balance: frequency, w_c = N / (K N_c)
 *                  over the training split's pixels (an absent class: 0)
 *   dice           1 - (2 sum p t + smooth) / (sum p + sum t + smooth), mean over classes (Milletari
 *                  et al. 2016; denominator without squares); sums over pixels, reduce: case (then
 *                  the mean over cases) or batch (over the cases, too). background: whether class 0
 *                  counts among several classes; one logit is the foreground alone
 *   focal          (1 - p_y)^gamma times the cross entropy, mean over pixels (Lin et al. 2017);
 *                  alpha: weight of the foreground, 1 - alpha of the background (k = 1; absent: 1
 *                  and 1); class_balanced: weights (1 - beta) / (1 - beta^N_c), scaled to mean 1
 *                  (Cui et al. 2019)
 *   tversky        1 - (TP + smooth) / (TP + alpha FP + beta FN + smooth) (Salehi et al. 2017), else
 *                  as dice
 */
#ifndef CAIRN_MODEL_SEGMENT_LOSS_H
#define CAIRN_MODEL_SEGMENT_LOSS_H

#include "config/config.h"
#include "base/mask.h"
#include "engine/engine.h"

enum loss_reduce { REDUCE_CASE, REDUCE_BATCH };
enum loss_background { BACKGROUND_UNSAID, BACKGROUND_INCLUDE, BACKGROUND_EXCLUDE };
enum loss_balance { BALANCE_NONE, BALANCE_FREQUENCY };

struct segment_loss_config {
    struct {
        bool present;
        double weight, positive_weight;
    } bce;
    struct {
        bool present;
        double weight, label_smoothing;
        struct real_list class_weights; /* empty: none */
        int balance;
    } cross_entropy;
    struct {
        bool present;
        double weight, smooth; /* no defaults: the file says */
        int reduce, background;
    } dice;
    struct {
        bool present;
        double weight, gamma, alpha; /* alpha -1: none */
        bool class_balanced;
        double beta;
    } focal;
    struct {
        bool present;
        double weight, alpha, beta, smooth;
        int reduce, background;
    } tversky;
};
extern const struct field segment_loss_fields[];

/* Pixels of each class in the training split. */
struct class_counts {
    int64_t count; /* classes */
    double pixels[MASK_CLASSES];
};

/* Checks for any number of classes: no loss at all, bce beside cross_entropy, weights set twice
 * or all 0. STATUS_CONFIG. */
int segment_loss_check(const struct segment_loss_config *config, struct err *err);
/* The number of logits that the configuration asks for with this many classes. STATUS_CONFIG, beside
 * the above: bce or focal.alpha with several logits, class weights of another count, background
 * unsaid with several logits, included with one. */
int segment_loss_outputs(int32_t *out, const struct segment_loss_config *config, int64_t classes,
                         struct err *err);
/* logits [n,d,h,w,k], label I32 [n,d,h,w,1], weight [n,1,1,1,1] -> one number */
val segment_loss(struct graph *g, const struct segment_loss_config *config,
                 const struct class_counts *counts, val logits, val label, val weight);

/* segment_loss of logits[0], the model's, and the others, of deep supervision, each at half the
 * weight of the one before; the weights add up to 1. */
val unet_loss(struct graph *g, const struct segment_loss_config *config,
              const struct class_counts *counts, const val *logits, int count, val label,
              val weight);
/* Soft Dice of a batch, 2 sum p t / (sum p + sum t): the mean over those classes from `first` on that
 * the truth has (0 if it has none). */
val unet_soft_dice(struct graph *g, val logits, val label, val weight, int32_t classes,
                   int32_t first);

#endif
