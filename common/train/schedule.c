#include "train/train_parts.h"

#include <math.h>

static const double PI = 3.14159265358979323846;

/* The factor of the base rate at update `at` of `steps` after the warm-up: 1 at the first, `final`
 * at the one past the last, so that no update has a rate of zero. Cosine: Loshchilov & Hutter 2017,
 * eq. 5; polynomial: Chen et al. 2018 (DeepLab). */
static double decay(const struct train_config *config, int64_t at, int64_t steps)
{
    double passed = (double)at / (double)steps, rest = 0;
    switch ((enum schedule_kind)config->schedule.kind) {
    case SCHEDULE_CONSTANT:
        return 1;
    case SCHEDULE_COSINE:
        rest = 0.5 * (1 + cos(PI * passed));
        break;
    case SCHEDULE_POLYNOMIAL:
        rest = pow(1 - passed, config->schedule.power);
        break;
    }
    return config->schedule.final + (1 - config->schedule.final) * rest;
}

double schedule_lr(const struct train_config *config, int64_t step, int64_t total)
{
    int64_t warmup = config->schedule.warmup_steps;
    if (step < warmup)
        return config->lr * (double)(step + 1) / (double)warmup;
    return config->lr *
           (step < total ? decay(config, step - warmup, total - warmup) : decay(config, 1, 1));
}

/* An average that starts from random weights would keep them for long: after n updates, including
 * this one, it keeps at most (1 + n) / (10 + n), as TensorFlow's ExponentialMovingAverage does with
 * num_updates = n, the number of updates of the weights. */
double schedule_ema(const struct train_config *config, int64_t updates)
{
    double n = (double)updates;
    return fmin(config->ema, (1 + n) / (10 + n));
}

void schedule_rates(float rates[RATES], const struct train_config *config, int64_t step,
                    int64_t total, int64_t updates)
{
    double update = (double)(updates + 1);
    rates[RATE_LR] = (float)schedule_lr(config, step, total);
    rates[RATE_WEIGHT_DECAY] = (float)config->weight_decay;
    rates[RATE_BIAS1] = (float)(1 - pow(config->beta1, update));
    rates[RATE_BIAS2] = (float)(1 - pow(config->beta2, update));
    rates[RATE_BETA1] = (float)config->beta1;
    rates[RATE_BETA2] = (float)config->beta2;
    rates[RATE_EPS] = (float)config->eps;
    rates[RATE_MOMENTUM] = (float)config->momentum;
    rates[RATE_EMA] = (float)schedule_ema(config, updates + 1);
}

int schedule_budget(struct budget *out, const struct train_config *config, uint32_t cases,
                    struct err *err)
{
    int64_t update = config->batch * config->accumulate;
    int64_t epoch = ((int64_t)cases + update / 2) / update;
    out->epoch = epoch > 1 ? epoch : 1;
    if (config->steps > 0)
        out->total = config->steps;
    else if (__builtin_mul_overflow(config->epochs, out->epoch, &out->total))
        out->total = INT64_MAX;
    if (out->total > INT32_MAX)
        return fail_as(err, STATUS_CONFIG, "%lld epochs of %lld steps are more than %d steps",
                       (long long)config->epochs, (long long)out->epoch, INT32_MAX);
    return 0;
}
