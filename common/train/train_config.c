#include "train/train.h"

static const char *const optimizer_names[] = {"adam", "adamw", "sgd", NULL};
static const char *const schedule_names[] = {"constant", "cosine", "polynomial", NULL};
static const char *const statistics_names[] = {"running", "recomputed", NULL};
static const char *const keep_names[] = {"best", "last", "all", NULL};

#define AT(member)              offsetof(struct train_config, member)
#define TRAIN(member)           .key = #member, .offset = AT(member)
#define WITHIN(section, member) .key = #member, .offset = AT(section.member) - AT(section)

static const struct field schedule_fields[] = {
    {WITHIN(schedule, kind), .type = FIELD_CHOICE, .fallback = "constant",
     .choices = schedule_names, .help = "decay of the learning rate after the warm-up"},
    {WITHIN(schedule, warmup_steps), .type = FIELD_INT, .fallback = "0", .min = 0, .max = INT32_MAX,
     .help = "updates over which the rate rises linearly from 0"},
    {WITHIN(schedule, final), .type = FIELD_REAL, .fallback = "0", .min = 0, .max = 1,
     .help = "final rate, as a fraction of lr (cosine, polynomial)"},
    {WITHIN(schedule, power), .type = FIELD_REAL, .fallback = "0.9", .min = 0, .max = 100,
     .help = "exponent of the polynomial"},
    {.key = NULL},
};

static const struct field early_stopping_fields[] = {
    {WITHIN(early_stopping, patience), .type = FIELD_INT, .fallback = "10", .min = 0,
     .max = 1000000,
     .help = "epochs without improvement of checkpoint.by before training stops; 0: never stop"},
    {WITHIN(early_stopping, min_delta), .type = FIELD_REAL, .fallback = "0", .min = 0, .max = 1e12,
     .help = "smallest change that counts as an improvement"},
    {.key = NULL},
};

static const struct field checkpoint_fields[] = {
    {WITHIN(checkpoint, keep), .type = FIELD_CHOICE, .fallback = "best", .choices = keep_names,
     .help = "best: the weights of the best epoch by `by` (the last without a val split); last; "
             "all: as best, and epoch-NNN.safetensors for every epoch"},
    {WITHIN(checkpoint, by), .type = FIELD_TEXT, .fallback = "loss", .later = true,
     .help = "what decides which epoch is the best: loss, or a monitor of the validation (dice, "
             "accuracy, kl, ...)"},
    {WITHIN(checkpoint, seconds), .type = FIELD_REAL, .fallback = "15", .min = 0, .max = 86400,
     .silent = true, .help = "minimum seconds between checkpoints; changes no result"},
    {WITHIN(checkpoint, share), .type = FIELD_REAL, .fallback = "0.02", .min = 0.0001, .max = 1,
     .silent = true, .help = "largest share of time spent writing checkpoints; changes no result"},
    {.key = NULL},
};

#define LIMIT(member, default, least, most, text)                                                  \
    {                                                                                              \
        .key = #member, .type = FIELD_REAL, .offset = offsetof(struct augment_limits, member),     \
        .fallback = default, .min = least, .max = most, .help = text                               \
    }
static const struct field augment_limits_fields[] = {
    LIMIT(crop, "0.75", 0.01, 1, "the smallest window, as a share of each side"),
    LIMIT(rotate, "15", 0, 180, "largest angle either way, in degrees"),
    LIMIT(scale, "0.2", 0, 0.9, "size times 1/(1+scale) to 1+scale"),
    LIMIT(brightness, "0.2", 0, 0.9, "values times 1-brightness to 1+brightness"),
    LIMIT(contrast, "0.2", 0, 0.9, "distance from the image's mean times 1-contrast to 1+contrast"),
    LIMIT(saturation, "0.2", 0, 0.9,
          "distance from each pixel's luma times 1-saturation to 1+saturation"),
    {.key = NULL},
};
#undef LIMIT

static const struct field patch_fields[] = {
    {WITHIN(patch, size), .type = FIELD_INTS, .fallback = "[]", .min = 1, .max = 4096,
     .max_count = 3,
     .help = "depth, height and width of the patches cut from training cases; []: whole cases"},
    {WITHIN(patch, foreground), .type = FIELD_REAL, .fallback = "0.33", .min = 0, .max = 1,
     .help = "share of patches around a voxel of a class above 0; the others are anywhere"},
    {.key = NULL},
};

const struct field train_fields[] = {
    {TRAIN(optimizer), .type = FIELD_CHOICE, .fallback = "adam", .choices = optimizer_names,
     .help = "adam, adamw (decoupled weight decay) or sgd with momentum"},
    {TRAIN(lr), .type = FIELD_REAL, .fallback = "1.0e-3", .min = 0, .max = 1000,
     .help = "learning rate"},
    {TRAIN(beta1), .type = FIELD_REAL, .fallback = "0.9", .min = 0, .max = 0.999999,
     .help = "adam: decay of the mean gradient"},
    {TRAIN(beta2), .type = FIELD_REAL, .fallback = "0.999", .min = 0, .max = 0.999999,
     .help = "adam: decay of the mean squared gradient"},
    {TRAIN(eps), .type = FIELD_REAL, .fallback = "1.0e-8", .min = 1e-30, .max = 1,
     .help = "adam: added to the root of the mean squared gradient"},
    {TRAIN(weight_decay), .type = FIELD_REAL, .fallback = "0", .min = 0, .max = 1000,
     .help = "weight decay"},
    {TRAIN(momentum), .type = FIELD_REAL, .fallback = "0.9", .min = 0, .max = 0.999999,
     .help = "sgd: decay of the velocity; 0: none"},
    {TRAIN(nesterov), .type = FIELD_BOOL, .fallback = "false",
     .help = "sgd: look ahead along the velocity"},
    {TRAIN(epochs), .type = FIELD_INT, .fallback = "10", .min = 1, .max = 1000000,
     .help = "passes over the train split, each rounded to whole updates"},
    {TRAIN(steps), .type = FIELD_INT, .fallback = "0", .min = 0, .max = INT32_MAX,
     .help = "number of updates, instead of epochs; 0: by epochs"},
    {TRAIN(batch), .type = FIELD_INT, .fallback = "128", .min = 1, .max = 65536,
     .help = "cases in a batch"},
    {TRAIN(accumulate), .type = FIELD_INT, .fallback = "1", .min = 1, .max = 1 << 10,
     .help = "batches averaged into one update"},
    {TRAIN(schedule), .type = FIELD_SECTION, .sub = schedule_fields,
     .help = "the learning rate over the steps"},
    {TRAIN(clip_norm), .type = FIELD_REAL, .fallback = "0", .min = 0, .max = 1e12,
     .help = "largest norm of the whole gradient; 0: no clipping"},
    {TRAIN(ema), .type = FIELD_REAL, .fallback = "0", .min = 0, .max = 0.999999,
     .help = "decay of the averaged weights, which become the result (update n: at most "
             "(1 + n) / (10 + n)); 0: off"},
    {TRAIN(norm_statistics), .type = FIELD_CHOICE, .fallback = "running", .later = true,
     .choices = statistics_names,
     .help =
         "batch norm: the means and variances of the result are those that ran along (running), "
         "or are measured at the end on the train split with the final weights (recomputed)"},
    {TRAIN(checkpoint_activations), .type = FIELD_BOOL, .fallback = "false", .silent = true,
     .help = "less memory for a little more time: cheap activations are recomputed for the "
             "gradient; changes no result"},
    {TRAIN(augment), .type = FIELD_CHOICES, .fallback = "[]", .choices = augmentation_names,
     .help = "random changes to training cases in each epoch"},
    {TRAIN(augment_limits), .type = FIELD_SECTION, .sub = augment_limits_fields,
     .help = "limits of the augmentations"},
    {TRAIN(patch), .type = FIELD_SECTION, .sub = patch_fields,
     .help = "training on patches of cases"},
    {TRAIN(early_stopping), .type = FIELD_OPTION, .sub = early_stopping_fields,
     .help = "stop when checkpoint.by no longer improves; absent: train to the end"},
    {TRAIN(checkpoint), .type = FIELD_SECTION, .sub = checkpoint_fields,
     .help = "checkpoints and which weights to keep"},
    {.key = NULL},
};

int train_config_check(const struct train_config *config, struct err *err)
{
    size_t count = config->patch.size.count;
    if (count && count != 3)
        return fail_as(err, STATUS_CONFIG,
                       "train.patch.size: %zu item%s given; 3 (depth, height and width) or none "
                       "expected",
                       count, count == 1 ? "" : "s");
    return 0;
}

struct patch train_patch(const struct train_config *config)
{
    struct patch patch = {.foreground = config->patch.foreground};
    for (size_t i = 0; i < config->patch.size.count; i++)
        patch.size[i] = (int32_t)config->patch.size.items[i];
    return patch;
}

struct shape train_shape(const struct train_config *config, const struct dataset *dataset)
{
    const int32_t whole[3] = {(int32_t)dataset->d, (int32_t)dataset->h, (int32_t)dataset->w};
    struct patch patch = train_patch(config);
    const int32_t *size = patch.size[0] ? patch.size : whole;
    return (struct shape){(int32_t)config->batch, size[0], size[1], size[2], (int32_t)dataset->c};
}
