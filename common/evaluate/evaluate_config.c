#include "evaluate/evaluate.h"

enum { MAX_BATCH = 65536, MAX_SAMPLES = 1000000 };

static const char *const metric_names[] = {"negative_elbo",
                                           "mse",
                                           "psnr",
                                           "ssim",
                                           "label_obedience",
                                           "fd_judge",
                                           "pixel_accuracy",
                                           "iou",
                                           "dice",
                                           "precision",
                                           "recall",
                                           "boundary_f",
                                           "hd95",
                                           "surface_distance",
                                           "surface_dice",
                                           NULL};
static const char *const background_names[] = {"auto", "include", "exclude", NULL};
static const char *const save_names[] = {"predictions", "probabilities", NULL};

#define FIELD(member) .key = #member, .offset = offsetof(struct evaluate_config, member)
const struct field evaluate_fields[] = {
    {FIELD(split), .type = FIELD_CHOICE, .fallback = "test", .choices = split_names,
     .help = "which cases"},
    {FIELD(metrics), .type = FIELD_CHOICES, .fallback = "[]", .choices = metric_names,
     .help =
         "what is measured; []: all that is usual for the model (label_obedience and fd_judge if "
         "there is a judge; of distances boundary_f alone)"},
    {FIELD(batch), .type = FIELD_AUTO_INT, .fallback = "auto", .min = 1, .max = MAX_BATCH,
     .help = "cases at a time"},
    {FIELD(noise_seed), .type = FIELD_INT, .fallback = "0", .min = 0, .max = 9007199254740992.0,
     .help = "seed of all noise; the same for every training seed"},
    {FIELD(importance_samples), .type = FIELD_INT, .fallback = "0", .min = 0, .max = MAX_SAMPLES,
     .help = "VAE: samples a case of the importance-weighted bound; 0: no such bound"},
    {FIELD(samples), .type = FIELD_INT, .fallback = "5000", .min = 0, .max = MAX_SAMPLES,
     .help = "VAE: prior samples of label_obedience"},
    {FIELD(tolerance), .type = FIELD_REAL, .fallback = "0", .min = 0, .max = 1e6,
     .help =
         "UNet: how far a boundary may be off in boundary_f and surface_dice, in mm where the data "
         "set knows its spacing, else in pixels; 0: 0.75 % of the diagonal, at least a pixel's "
         "least side"},
    {FIELD(background), .type = FIELD_CHOICE, .fallback = "auto", .choices = background_names,
     .later = true,
     .help =
         "UNet: whether class 0 counts as the others do, in per-case metrics and the order of "
         "cases "
         "(of two classes everywhere); auto: unless it is called background or there are but two"},
    {FIELD(save), .type = FIELD_CHOICES, .fallback = "[predictions]", .choices = save_names,
     .help = "UNet: what is kept of each case"},
    {0},
};
#undef FIELD

static bool is_of_vae(int64_t metric)
{
    return metric <= METRIC_FD_JUDGE;
}

int evaluate_check(const struct evaluate_config *config, enum model_family family, struct err *err)
{
    for (size_t i = 0; i < config->metrics.count; i++)
        if (is_of_vae(config->metrics.items[i]) != (family == FAMILY_VAE))
            return fail_as(err, STATUS_CONFIG, "metrics: '%s' is not measured of a %s",
                           metric_names[config->metrics.items[i]],
                           family == FAMILY_VAE ? "VAE" : "UNet");
    if (config->importance_samples && family != FAMILY_VAE)
        return fail_as(err, STATUS_CONFIG, "importance_samples: a UNet has no such bound");
    return 0;
}

bool evaluate_wants(const struct evaluate_config *config, enum metric metric)
{
    for (size_t i = 0; i < config->metrics.count; i++)
        if (config->metrics.items[i] == (int64_t)metric)
            return true;
    return !config->metrics.count && metric <= METRIC_BOUNDARY_F;
}
