#include "evaluate/evaluate.h"
#include "evaluate/similarity.h"

enum { MAX_BATCH = 65536, MAX_SAMPLES = 1000000 };

static const char *const background_names[] = {"auto", "include", "exclude", NULL};
static const char *const save_names[] = {"predictions", "probabilities", "confidence", NULL};

#define GRADCAM(member) .key = #member, .offset = offsetof(struct gradcam_config, member)
static const struct field gradcam_fields[] = {
    {GRADCAM(layer), .type = FIELD_TEXT,
     .help =
         "a layer by its path (encoder.2.norm2), or a level (decoder.0), whose last value counts"},
    {GRADCAM(class), .type = FIELD_TEXT, .help = "a class of the masks"},
    {0},
};
#undef GRADCAM

#define FIELD(member) .key = #member, .offset = offsetof(struct evaluate_config, member)
const struct field evaluate_fields[] = {
    {FIELD(split), .type = FIELD_CHOICE, .fallback = "test", .choices = split_names,
     .help = "the split to evaluate"},
    {FIELD(metrics), .type = FIELD_CHOICES, .fallback = "[]", .choices = metric_keys,
     .choice_help = metric_help,
     .help = "what to measure; []: the usual ones that the model, and the judge if any, allow"},
    {FIELD(batch), .type = FIELD_AUTO_INT, .fallback = "auto", .min = 1, .max = MAX_BATCH,
     .help = "cases per batch"},
    {FIELD(noise_seed), .type = FIELD_INT, .fallback = "0", .min = 0, .max = 9007199254740992.0,
     .help = "seed of all noise; the same for every training seed"},
    {FIELD(importance_samples), .type = FIELD_INT, .fallback = "0", .min = 0, .max = MAX_SAMPLES,
     .help = "images: samples per case for the importance-weighted bound; 0: no such bound"},
    {FIELD(samples), .type = FIELD_INT, .fallback = "5000", .min = 0, .max = MAX_SAMPLES,
     .help = "images: prior samples for label_obedience"},
    {FIELD(scales), .type = FIELD_INT, .fallback = "5", .min = 1, .max = MS_SSIM_SCALES,
     .later = true,
     .help = "images: scales of ms_ssim; five, as published, need 176 pixels a side, each one less "
             "half"},
    {FIELD(tolerance), .type = FIELD_REAL, .fallback = "0", .min = 0, .max = 1e6,
     .help = "masks: tolerance of boundary_f and surface_dice, in mm if the data set's spacing is "
             "known, else in pixels; 0: 0.75 % of the diagonal, at least a pixel's least side"},
    {FIELD(background), .type = FIELD_CHOICE, .fallback = "auto", .choices = background_names,
     .later = true,
     .help = "masks: whether class 0 counts like the others in per-case metrics and the order of "
             "cases (with two classes everywhere); auto: unless it is called background or there "
             "are only two"},
    {FIELD(save), .type = FIELD_CHOICES, .fallback = "[predictions]", .choices = save_names,
     .help = "masks: what to save for each case; confidence: for images, how probable each class "
             "is, in the cases that the report shows"},
    {FIELD(gradcam), .type = FIELD_OPTION, .sub = gradcam_fields, .later = true,
     .help =
         "masks: Grad-CAM pictures of the first cases, where a layer sees what speaks for a class"},
    {FIELD(allow_leak), .type = FIELD_BOOL, .fallback = "false", .later = true,
     .help = "measure cases that the model or the judge may have learnt from, in another "
             "data set; the report points it out"},
    {0},
};
#undef FIELD

static bool names(const struct evaluate_config *config, enum metric metric)
{
    for (size_t i = 0; i < config->metrics.count; i++)
        if (config->metrics.items[i] == (int64_t)metric)
            return true;
    return !config->metrics.count && metric_usual[metric];
}

static bool can(const struct metric_info *metric, unsigned has)
{
    return !(metric->need & HAS_ALL & ~has);
}

unsigned evaluate_needs(const struct evaluate_config *config, unsigned has)
{
    unsigned needs = config->importance_samples && has & HAS_CODES ? NEED_WEIGHTS : 0;
    for (size_t i = 0; i < metric_count; i++)
        if (metric_table[i].key != METRICS && evaluate_wants(config, &metric_table[i], has))
            needs |= metric_table[i].need;
    return needs;
}

bool evaluate_wants(const struct evaluate_config *config, const struct metric_info *metric,
                    unsigned has)
{
    if (metric->key == METRICS)
        return !(metric->need & ~evaluate_needs(config, has));
    return names(config, metric->key) && can(metric, has);
}

int evaluate_check(const struct evaluate_config *config, unsigned has, struct err *err)
{
    for (size_t i = 0; i < metric_count && config->metrics.count; i++) {
        const struct metric_info *metric = &metric_table[i];
        if (metric->key != METRICS && names(config, metric->key) && !can(metric, has | HAS_BESIDE))
            return fail_as(err, STATUS_CONFIG, "metrics: '%s' needs a model that %s",
                           metric_keys[metric->key],
                           metric->need & HAS_CODES     ? "encodes and decodes images"
                           : metric->need & HAS_LATENTS ? "encodes images"
                           : metric->need & HAS_IMAGES  ? "reconstructs images"
                                                        : "segments");
    }
    if (config->gradcam.present && !(has & HAS_MASKS))
        return fail_as(err, STATUS_CONFIG, "gradcam: needs a model that segments");
    if (config->importance_samples && !(has & HAS_CODES))
        return fail_as(err, STATUS_CONFIG,
                       "importance_samples: the bound needs a model that encodes and decodes "
                       "images");
    return 0;
}
