/* Fitting a UNet to images and masks. */
#include "train/unet_train.h"

#include "model/unet_levels.h"
#include "train/model_text.h"

#include <stdio.h>

#define AT(member)              offsetof(struct unet_config, member)
#define WITHIN(section, member) .key = #member, .offset = AT(section.member) - AT(section)
static const struct field freeze_fields[] = {
    {WITHIN(freeze, encoder_epochs), .type = FIELD_INT, .fallback = "0", .min = 0, .max = 1000000,
     .help = "first epochs with a frozen encoder, running statistics included; if no fewer than "
             "the training has: always"},
    {0},
};
static const struct field lr_scale_fields[] = {
    {WITHIN(lr_scale, encoder), .type = FIELD_REAL, .fallback = "1", .min = 1e-9, .max = 1e9,
     .help = "factor of the learning rate"},
    {WITHIN(lr_scale, decoder), .type = FIELD_REAL, .fallback = "1", .min = 1e-9, .max = 1e9,
     .help = "factor of the learning rate"},
    {0},
};
#undef WITHIN
#undef AT

#define CONFIG(member) .key = #member, .offset = offsetof(struct unet_config, member)
const struct field unet_fields[] = {
    {CONFIG(init), .type = FIELD_INPUT, .fallback = "none",
     .help = "initial weights, from a model whose encoder has the same names and shapes: "
             "pretrain-ae, ...; none: random, from the seed"},
    {CONFIG(label_fraction), .type = FIELD_REAL, .fallback = "1", .min = 1e-9, .max = 1,
     .later = true,
     .help =
         "share of the train split to train on, the same for each label (or most frequent class "
         "of the masks), at least one case; 0.05 is a subset of 0.1"},
    {CONFIG(freeze), .type = FIELD_SECTION, .sub = freeze_fields, .later = true,
     .help = "what is frozen at first"},
    {CONFIG(lr_scale), .type = FIELD_SECTION, .sub = lr_scale_fields, .later = true,
     .help = "learning rates of the parts of the network"},
    {CONFIG(model), .type = FIELD_SECTION, .sub = unet_model_fields, .help = "the network"},
    {CONFIG(loss), .type = FIELD_SECTION, .sub = segment_loss_fields,
     .help = "the loss: the weighted sum of the given terms"},
    {CONFIG(train), .type = FIELD_SECTION, .sub = train_fields, .help = "training"},
    {0},
};
#undef CONFIG

int unet_config_check(const struct unet_config *config, struct err *err)
{
    TRY(unet_model_check(&config->model, err));
    TRY(segment_loss_check(&config->loss, err));
    return train_config_check(&config->train, err);
}

struct user {
    struct unet_description unet;
    const struct segment_loss_config *loss;
    struct class_counts counts;
    int32_t first; /* class of the monitor */
    int64_t frozen_epochs;
};

static val loss(struct graph *g, const struct feed *feed, const void *user,
                struct monitors *monitors)
{
    const struct user *u = user;
    const struct unet_description *unet = &u->unet;
    val logits[1 + UNET_LEVELS];
    int extra;
    logits[0] =
        unet_logits(g, &unet->model, (int32_t)unet->outputs, feed->image, logits + 1, &extra);
    val dice = unet_soft_dice(g, logits[0], feed->mask, feed->weight, (int32_t)unet->mask_classes,
                              u->first);
    monitor(monitors, "dice", MORE_IS_BETTER, dice);
    return unet_loss(g, u->loss, &u->counts, logits, 1 + extra, feed->mask, feed->weight);
}

/* ---- training ------------------------------------------------------------------------------- */
static int count_pixels(struct class_counts *out, const struct dataset *dataset, struct err *err)
{
    size_t pixels = (size_t)dataset->d * (size_t)dataset->h * (size_t)dataset->w;
    const uint8_t *mask = dataset->masks + dataset->begin[SPLIT_TRAIN] * pixels;
    int64_t seen[MASK_IGNORE + 1] = {0}, known = 0;
    for (size_t i = 0; i < dataset->count[SPLIT_TRAIN] * pixels; i++)
        seen[mask[i]]++;
    *out = (struct class_counts){.count = dataset->mask_class_count};
    for (int64_t c = 0; c < out->count; c++) {
        out->pixels[c] = (double)seen[c];
        known += seen[c];
    }
    if (!known && dataset->count[SPLIT_TRAIN])
        return fail_as(err, STATUS_BAD_DATA, "no pixel of the train split has a class");
    return 0;
}

static struct model_spacing spacing_of(const struct dataset *dataset)
{
    const double *spacing = dataset->spacing;
    return (struct model_spacing){spacing[0] > 0, spacing[0], spacing[1], spacing[2]};
}

static struct model_patch patch_of(const struct train_config *config)
{
    struct patch patch = train_patch(config);
    const int32_t *size = patch.size;
    return (struct model_patch){size[0] > 0, size[0], size[1], size[2]};
}

static int describe(struct user *out, const struct unet_config *config,
                    const struct dataset *dataset, struct err *err)
{
    int32_t outputs;
    if (!dataset->masks)
        return fail_as(err, STATUS_CONFIG, "transfer-unet needs masks, but the data set has none");
    TRY(unet_config_check(config, err));
    TRY(segment_loss_outputs(&outputs, &config->loss, dataset->mask_class_count, err));
    out->unet = (struct unet_description){.model = config->model,
                                          .data = image_data_of(dataset),
                                          .mask_classes = dataset->mask_class_count,
                                          .outputs = outputs,
                                          .patch = patch_of(&config->train),
                                          .spacing = spacing_of(dataset)};
    out->loss = &config->loss;
    out->first = dataset_first_class(dataset);
    out->frozen_epochs = config->freeze.encoder_epochs;
    TRY(unet_norm_check(&config->model, train_shape(&config->train, dataset), err));
    return count_pixels(&out->counts, dataset, err);
}

/* The programs of a training with a frozen phase, in the table's order; otherwise the first is left
 * out. */
enum { FROZEN, THAWED, VALIDATION, PROGRAMS };

static uint32_t thaws(int64_t step, int64_t steps, const void *user)
{
    const struct user *u = user;
    return 1u << (step / steps < u->frozen_epochs ? FROZEN : THAWED);
}

static int fit(const struct training *where, const struct unet_config *config,
               const struct id *init, uint64_t seed, const struct draft *draft, struct err *err)
{
    static const struct weights_map encoders[] = {{"encoder.", "encoder."}, {0}};
    const double encoder = config->lr_scale.encoder, decoder = config->lr_scale.decoder;
    const struct program_row programs[PROGRAMS] = {
        [FROZEN] = {.loss = loss, .groups = {{"decoder", decoder}}, .frozen = {"encoder"}},
        [THAWED] = {.loss = loss, .groups = {{"encoder", encoder}, {"decoder", decoder}}},
        [VALIDATION] = {.loss = loss},
    };
    int first = config->freeze.encoder_epochs ? FROZEN : THAWED;
    struct user user;
    TRY(describe(&user, config, where->dataset, err));
    struct task task = {.name = "transfer-unet",
                        .kind = &unet_kind,
                        .model = &user.unet,
                        .config = &config->train,
                        .seed = seed,
                        .programs = programs + first,
                        .program_count = PROGRAMS - first,
                        .runs = first == FROZEN ? thaws : NULL,
                        .init = {init, init ? encoders : NULL},
                        .user = &user};
    return train(where, &task, draft, err);
}

int unet_train(const struct training *where, const struct unet_config *config,
               const struct id *init, uint64_t seed, const struct draft *draft, struct err *err)
{
    if (config->label_fraction == 1)
        return fit(where, config, init, seed, draft, err);
    struct dataset part;
    struct training with_part = *where;
    TRY(dataset_part(&part, where->dataset, config->label_fraction, seed, err));
    if (!where->quiet)
        fprintf(stderr, "transfer-unet: learns from %u of %u cases (label_fraction %g)\n",
                part.count[SPLIT_TRAIN], where->dataset->count[SPLIT_TRAIN],
                config->label_fraction);
    with_part.dataset = &part;
    int status = fit(&with_part, config, init, seed, draft, err);
    dataset_close(&part);
    return status;
}
