#include "pipeline/stage.h"

#include "evaluate/evaluate.h"
#include "train/classifier_train.h"
#include "train/unet_train.h"
#include "train/vae_train.h"

#include <string.h>

/* ---- evaluate ------------------------------------------------------------------------------- */

enum { PORT_MODEL }; /* the first of evaluate */

/* No metrics named means all that suit the model: images are judged if there is a judge. */
static enum port_use judged(const void *config, const enum stage_kind *fillers)
{
    const struct evaluate_config *evaluate = config;
    if (fillers[PORT_MODEL] == TRANSFER_UNET)
        return PORT_UNUSED;
    if (!evaluate->metrics.count)
        return PORT_IF_MADE;
    for (size_t i = 0; i < evaluate->metrics.count; i++)
        if (evaluate->metrics.items[i] == METRIC_LABEL_OBEDIENCE ||
            evaluate->metrics.items[i] == METRIC_FD_JUDGE)
            return PORT_USED;
    return PORT_UNUSED;
}

/* What an artifact given by its id is, only the stage itself can tell. */
static int check_evaluate(const void *config, const enum stage_kind *fillers, struct err *err)
{
    if (fillers[PORT_MODEL] == STAGES)
        return 0;
    return evaluate_check(config, fillers[PORT_MODEL] == TRANSFER_UNET ? FAMILY_UNET : FAMILY_VAE,
                          err);
}

/* ---- preprocess ----------------------------------------------------------------------------- */
static int check_preprocess(const void *config, const enum stage_kind *fillers, struct err *err)
{
    (void)fillers;
    return preprocess_check(config, err);
}

/* ---- transfer-unet -------------------------------------------------------------------------- */
static int check_unet(const void *config, const enum stage_kind *fillers, struct err *err)
{
    (void)fillers;
    return unet_config_check(config, err);
}

/* ---- the table ------------------------------------------------------------------------------ */

const struct stage_info stage_table[STAGES] = {
    [PREPROCESS] = {.name = "preprocess",
                    .help = "decode raw files into a dataset",
                    .version = 3,
                    .fields = preprocess_fields,
                    .config_size = sizeof(struct preprocess_config),
                    .output = "dataset",
                    .check = check_preprocess,
                    .sources = preprocess_sources},
    /* Not seeded: the judge is a measuring instrument, and one instrument serves every seed. */
    [TRAIN_CLASSIFIER] = {.name = "train-classifier",
                          .help = "fit the classifier that judges generated images",
                          .version = 2,
                          .compute = true,
                          .trains = true,
                          .fields = classifier_fields,
                          .config_size = sizeof(struct classifier_config),
                          .output = "model",
                          .ports = {{"dataset", 1, {PREPROCESS}, NULL}}},
    [TRAIN_VAE] = {.name = "train-vae",
                   .help = "fit a (conditional) variational autoencoder",
                   .version = 2,
                   .seeded = true,
                   .compute = true,
                   .trains = true,
                   .fields = vae_fields,
                   .config_size = sizeof(struct vae_config),
                   .output = "model",
                   .ports = {{"dataset", 1, {PREPROCESS}, NULL}}},
    [TRANSFER_UNET] = {.name = "transfer-unet",
                       .help = "fit a UNet to images and masks",
                       .version = 3,
                       .seeded = true,
                       .compute = true,
                       .trains = true,
                       .fields = unet_fields,
                       .config_size = sizeof(struct unet_config),
                       .output = "model",
                       .ports = {{"dataset", 1, {PREPROCESS}, NULL}},
                       .check = check_unet},
    [EVALUATE] = {.name = "evaluate",
                  .help = "measure a trained model on a split",
                  .also =
                      "evaluate predict MODEL FILE ... -o DIR: segment pictures with a trained "
                      "UNet (evaluate predict --help)\n"
                      "evaluate encode MODEL FILE ... -o DIR: latents of pictures with a trained "
                      "VAE (evaluate encode --help)\n"
                      "evaluate decode MODEL FILE -o DIR: pictures of latents (evaluate decode "
                      "--help)",
                  .version = 5,
                  .compute = true,
                  .fields = evaluate_fields,
                  .config_size = sizeof(struct evaluate_config),
                  .output = "evaluation",
                  .ports = {{"model", 2, {TRAIN_VAE, TRANSFER_UNET}, NULL},
                            {"dataset", 1, {PREPROCESS}, NULL},
                            {"judge", 1, {TRAIN_CLASSIFIER}, judged}},
                  .check = check_evaluate},
};

const struct stage_info *stage_of_section(const char *section)
{
    size_t length = strcspn(section, "@");
    for (int i = 0; i < STAGES; i++)
        if (strlen(stage_table[i].name) == length &&
            strncmp(stage_table[i].name, section, length) == 0)
            return &stage_table[i];
    return NULL;
}
