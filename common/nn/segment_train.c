/* Fitting a UNet to images and masks. */
#include "nn/segment.h"

static const char *const init_names[] = {"none", NULL};

#define CONFIG(member) .key = #member, .offset = offsetof(struct unet_config, member)
const struct field unet_fields[] = {
    {CONFIG(init), .type = FIELD_CHOICE, .fallback = "none", .choices = init_names,
     .help = "where the weights start from; none: drawn from the seed"},
    {CONFIG(model), .type = FIELD_SECTION, .sub = unet_model_fields, .help = "the network"},
    {CONFIG(loss), .type = FIELD_SECTION, .sub = segment_loss_fields,
     .help = "what is minimised: the weighted sum of the terms given"},
    {CONFIG(train), .type = FIELD_SECTION, .sub = train_fields, .help = "how"},
    {0},
};
#undef CONFIG

#define DESCRIPTION(member) .key = #member, .offset = offsetof(struct unet_description, member)
const struct field unet_description_fields[] = {
    {DESCRIPTION(model), .type = FIELD_SECTION, .sub = unet_model_fields, .help = "the network"},
    {DESCRIPTION(data), .type = FIELD_SECTION, .sub = image_data_fields,
     .help = "what it was trained on"},
    {DESCRIPTION(mask_classes), .type = FIELD_INT, .min = 2, .max = MASK_CLASSES,
     .help = "classes of a pixel"},
    {DESCRIPTION(outputs), .type = FIELD_INT, .min = 1, .max = MASK_CLASSES,
     .help = "logits of a pixel: 1 (sigmoid) or one a class (softmax)"},
    {0},
};
#undef DESCRIPTION

int unet_config_check(const struct unet_config *config, struct err *err)
{
    TRY(unet_model_check(&config->model, err));
    return segment_loss_check(&config->loss, err);
}

struct user {
    struct unet_description unet;
    const struct segment_loss_config *loss;
    struct class_counts counts;
};

/* Weights 1, 1/2, 1/4, ... from the top level down, made to sum to 1. */
static val supervised(struct graph *g, const struct user *user, const struct feed *feed, val logits,
                      const val *extra, int extra_count)
{
    double total = 2 - 1.0 / (1 << extra_count);
    val sum = segment_loss(g, user->loss, &user->counts, logits, feed->mask, feed->weight);
    sum = g_affine(g, sum, (float)(1 / total), 0);
    for (int i = 0; i < extra_count; i++) {
        val part = segment_loss(g, user->loss, &user->counts, extra[i], feed->mask, feed->weight);
        float weight = (float)(1 / total / (2 << i));
        sum = g_binary(g, OP_add, sum, g_affine(g, part, weight, 0));
    }
    return sum;
}

static val loss(struct graph *g, const struct feed *feed, const void *user,
                struct monitors *monitors)
{
    static const struct segment_loss_config soft_dice = {
        .dice = {.present = true,
                 .weight = 1,
                 .smooth = 1e-5,
                 .reduce = REDUCE_BATCH,
                 .background = BACKGROUND_EXCLUDE}};
    const struct user *u = user;
    val extra[UNET_LEVELS];
    int extra_count;
    val logits =
        unet_logits(g, &u->unet.model, (int32_t)u->unet.outputs, feed->image, extra, &extra_count);
    val lost = segment_loss(g, &soft_dice, &u->counts, logits, feed->mask, feed->weight);
    monitor(monitors, "dice", g_affine(g, lost, -1, 1));
    return supervised(g, u, feed, logits, extra, extra_count);
}

static void count_pixels(struct class_counts *out, const struct dataset *dataset)
{
    size_t pixels = (size_t)dataset->d * (size_t)dataset->h * (size_t)dataset->w;
    const uint8_t *mask = dataset->masks + dataset->begin[SPLIT_TRAIN] * pixels;
    int64_t seen[256] = {0};
    for (size_t i = 0; i < dataset->count[SPLIT_TRAIN] * pixels; i++)
        seen[mask[i]]++;
    *out = (struct class_counts){.count = dataset->mask_class_count};
    for (int64_t c = 0; c < out->count; c++)
        out->pixels[c] = (double)seen[c];
}

static int describe(struct user *out, const struct unet_config *config,
                    const struct dataset *dataset, struct err *err)
{
    int32_t outputs;
    if (!dataset->masks)
        return fail_as(err, STATUS_CONFIG, "transfer-unet needs masks, and the data set has none");
    TRY(unet_config_check(config, err));
    TRY(segment_loss_outputs(&outputs, &config->loss, dataset->mask_class_count, err));
    out->unet = (struct unet_description){config->model, image_data_of(dataset),
                                          dataset->mask_class_count, outputs};
    out->loss = &config->loss;
    count_pixels(&out->counts, dataset);
    return 0;
}

int unet_train(const struct training *where, const struct unet_config *config, uint64_t seed,
               const struct draft *draft, struct err *err)
{
    static const char *const groups[] = {"encoder", "decoder"};
    struct user user;
    TRY(describe(&user, config, where->dataset, err));
    struct task task = {.name = "transfer-unet",
                        .config = &config->train,
                        .seed = seed,
                        .loss = loss,
                        .user = &user,
                        .groups = groups,
                        .group_count = 2};
    if (!where->explain)
        TRY(model_text_write(&user.unet, unet_description_fields, draft, err));
    return train(where, &task, draft, err);
}
