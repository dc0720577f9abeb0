#include "pipeline/stage.h"

#include "evaluate/evaluate.h"
#include "train/autoencoder_train.h"
#include "train/classifier_train.h"
#include "train/unet_train.h"
#include "train/vae_train.h"

/* ---- evaluate ------------------------------------------------------------------------------- */

enum { PORT_MODEL }; /* the first port of evaluate */

/* The abilities of the model; an artifact given by its id may have any, only the stage can tell. */
static unsigned has_of(const struct stage_info *maker)
{
    return maker && maker->model ? evaluate_has(maker->model) : HAS_ALL;
}

/* No metrics given means all that suit the model, those of an instrument only if there is one. */
static enum port_use measured_by(const struct evaluate_config *config, enum need need,
                                 const struct stage_info *const *makers)
{
    unsigned has = has_of(makers[PORT_MODEL]) | HAS_BESIDE;
    if ((evaluate_needs(config, has) & need) != need)
        return PORT_UNUSED;
    return config->metrics.count ? PORT_USED : PORT_IF_MADE;
}

static enum port_use judged(const void *config, const struct stage_info *const *makers)
{
    return measured_by(config, NEED_JUDGE, makers);
}

static enum port_use compared(const void *config, const struct stage_info *const *makers)
{
    return measured_by(config, NEED_COMPARED, makers);
}

static int check_evaluate(const void *config, const struct stage_info *const *makers,
                          struct err *err)
{
    return evaluate_check(config, has_of(makers[PORT_MODEL]), err);
}

/* ---- preprocess ----------------------------------------------------------------------------- */
static int check_preprocess(const void *config, const struct stage_info *const *makers,
                            struct err *err)
{
    (void)makers;
    return preprocess_check(config, err);
}

/* ---- pretrain-ae ---------------------------------------------------------------------------- */
static int check_autoencoder(const void *config, const struct stage_info *const *makers,
                             struct err *err)
{
    (void)makers;
    return autoencoder_config_check(config, err);
}

static enum port_use perceived(const void *config, const struct stage_info *const *makers)
{
    const struct autoencoder_config *autoencoder = config;
    (void)makers;
    return autoencoder->loss.perceptual.present ? PORT_USED : PORT_UNUSED;
}

/* ---- transfer-unet -------------------------------------------------------------------------- */
static int check_unet(const void *config, const struct stage_info *const *makers, struct err *err)
{
    (void)makers;
    return unet_config_check(config, err);
}

/* ---- the table: all else here is private, so that a test can have its own table ------------- */

const struct stage_info stage_table[] = {
    {
        .name = "preprocess",
        .help = "decode raw files into a dataset",
        .version = 4,
        .fields = preprocess_fields,
        .config_size = sizeof(struct preprocess_config),
        .outputs = {{"dataset", "dataset"}},
        .check = check_preprocess,
        .sources = preprocess_sources,
    },
    {
        /* Not seeded: the judge is a measuring instrument, and all seeds use the same one. */
        .name = "train-classifier",
        .help = "fit the classifier that judges generated images",
        .version = 2,
        .compute = true,
        .trains = true,
        .model = &classifier_kind,
        .fields = classifier_fields,
        .config_size = sizeof(struct classifier_config),
        .outputs = {{"model", "judge"}},
        .ports = {{"dataset", "dataset", NULL}},
    },
    {
        .name = "train-vae",
        .help = "fit a (conditional) variational autoencoder",
        .version = 2,
        .seeded = true,
        .compute = true,
        .trains = true,
        .model = &vae_kind,
        .fields = vae_fields,
        .config_size = sizeof(struct vae_config),
        .outputs = {{"model", "model"}},
        .ports = {{"dataset", "dataset", NULL}},
    },
    {
        .name = "pretrain-ae",
        .help = "fit an autoencoder to images without labels",
        .version = 1,
        .seeded = true,
        .compute = true,
        .trains = true,
        .model = &autoencoder_kind,
        .fields = autoencoder_fields,
        .config_size = sizeof(struct autoencoder_config),
        .outputs = {{"model", "model"}},
        .ports = {{"dataset", "dataset", NULL}, {"perceptual", "judge", perceived, "model"}},
        .check = check_autoencoder,
    },
    {
        .name = "transfer-unet",
        .help = "fit a UNet to images and masks",
        .version = 3,
        .seeded = true,
        .compute = true,
        .trains = true,
        .model = &unet_kind,
        .fields = unet_fields,
        .config_size = sizeof(struct unet_config),
        .outputs = {{"model", "model"}},
        .ports = {{"dataset", "dataset", NULL}, {"init", "model", NULL}},
        .check = check_unet,
    },
    {
        .name = "evaluate",
        .help = "measure a trained model on a split",
        .also = "evaluate predict MODEL FILE ... -o DIR: segment images with a trained UNet "
                "(evaluate predict --help)\n"
                "evaluate encode MODEL FILE ... -o DIR: latents of images from a trained VAE "
                "(evaluate encode --help)\n"
                "evaluate decode MODEL FILE -o DIR: images from latents (evaluate decode --help)",
        .version = 5,
        .compute = true,
        .measures = true,
        .fields = evaluate_fields,
        .config_size = sizeof(struct evaluate_config),
        .outputs = {{"evaluation", "evaluation"}},
        .ports = {{"model", "model", NULL},
                  {"dataset", "dataset", NULL},
                  {"judge", "judge", judged},
                  {"lpips", "lpips", compared}},
        .check = check_evaluate,
    },
    {0},
};
