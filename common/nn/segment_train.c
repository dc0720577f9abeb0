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

#define SIZE(member)                                                                               \
    {                                                                                              \
        .key = #member, .type = FIELD_INT, .offset = offsetof(struct unet_patch, member),          \
        .min = 1, .max = 1 << 20, .help = "voxels along " #member                                  \
    }
static const struct field patch_fields[] = {SIZE(d), SIZE(h), SIZE(w), {0}};
#undef SIZE
#define STEP(member)                                                                               \
    {                                                                                              \
        .key = #member, .type = FIELD_REAL, .offset = offsetof(struct unet_spacing, member),       \
        .min = 1e-6, .max = 1e6, .help = "mm along " #member                                       \
    }
static const struct field spacing_fields[] = {STEP(d), STEP(h), STEP(w), {0}};
#undef STEP

#define DESCRIPTION(member) .key = #member, .offset = offsetof(struct unet_description, member)
static const struct field description_fields[] = {
    {DESCRIPTION(model), .type = FIELD_SECTION, .sub = unet_model_fields, .help = "the network"},
    {DESCRIPTION(data), .type = FIELD_SECTION, .sub = image_data_fields,
     .help = "what it was trained on"},
    {DESCRIPTION(mask_classes), .type = FIELD_INT, .min = 2, .max = MASK_CLASSES,
     .help = "classes of a pixel"},
    {DESCRIPTION(outputs), .type = FIELD_INT, .min = 1, .max = MASK_CLASSES,
     .help = "logits of a pixel: 1 (sigmoid) or one a class (softmax)"},
    {DESCRIPTION(patch), .type = FIELD_OPTION, .sub = patch_fields,
     .help = "what it saw of its images at a time"},
    {DESCRIPTION(spacing), .type = FIELD_OPTION, .sub = spacing_fields,
     .help = "of its images' voxels"},
    {0},
};
#undef DESCRIPTION

static int check(const void *description, struct err *err)
{
    const struct unet_description *is = description;
    const struct unet_patch *patch = &is->patch;
    TRY(unet_model_check(&is->model, err));
    TRY(image_data_check(&is->data, err));
    if (is->outputs != is->mask_classes && (is->outputs != 1 || is->mask_classes != 2))
        return fail_as(err, STATUS_CONFIG, "outputs: %lld for %lld mask_classes",
                       (long long)is->outputs, (long long)is->mask_classes);
    if (patch->present && (patch->d > is->data.d || patch->h > is->data.h || patch->w > is->data.w))
        return fail_as(err, STATUS_CONFIG, "patch: %lldx%lldx%lld of images of %lldx%lldx%lld",
                       (long long)patch->d, (long long)patch->h, (long long)patch->w,
                       (long long)is->data.d, (long long)is->data.h, (long long)is->data.w);
    return 0;
}

const struct model_kind unet_kind = {"unet", description_fields, check};

int unet_config_check(const struct unet_config *config, struct err *err)
{
    TRY(unet_model_check(&config->model, err));
    TRY(segment_loss_check(&config->loss, err));
    return train_config_check(&config->train, err);
}

/* ---- loss ----------------------------------------------------------------------------------- */
val unet_soft_dice(struct graph *g, val logits, val label, val weight, int32_t classes,
                   int32_t first)
{
    int32_t others = classes - first;
    struct shape each = {1, 1, 1, 1, others}, one = {1, 1, 1, 1, 1}, pixel = g_shape(g, label);
    val p = g_shape(g, logits).c == 1 ? g_unary(g, OP_sigmoid, logits)
                                      : g_slice(g, g_softmax(g, logits), AXIS_C, first, others);
    val target = g_binary(g, OP_mul, g_one_hot(g, label, 0, classes, MASK_IGNORE), weight);
    val counts = g_reduce_sum(g, target, pixel), t = g_slice(g, target, AXIS_C, first, others);
    val both = g_reduce_sum(g, g_binary(g, OP_mul, p, t), each);
    val predicted = g_reduce_sum(g, g_binary(g, OP_mul, p, counts), each);
    val there = g_reduce_sum(g, t, each);
    val present = g_reduce_sum(g, g_clamp(g, there, 0, 1), one); /* of 0 or at least 1 pixels */
    val sizes = g_clamp(g, g_binary(g, OP_add, predicted, there), 1e-6f, 1e30f);
    val dice = g_reduce_sum(g, g_binary(g, OP_div_, g_affine(g, both, 2, 0), sizes), one);
    return g_binary(g, OP_div_, dice, g_clamp(g, present, 1, MASK_CLASSES));
}

val unet_loss(struct graph *g, const struct segment_loss_config *config,
              const struct class_counts *counts, const val *logits, int count, val label,
              val weight)
{
    float total = 2 - 1.0f / (float)(1 << (count - 1)); /* 1 + 1/2 + 1/4 + ... */
    val sum = 0;
    for (int i = 0; i < count; i++) {
        val term = segment_loss(g, config, counts, logits[i], label, weight);
        if (count > 1)
            term = g_affine(g, term, 1.0f / (float)(1 << i) / total, 0);
        sum = i ? g_binary(g, OP_add, sum, term) : term;
    }
    return sum;
}

struct user {
    struct unet_description unet;
    const struct segment_loss_config *loss;
    struct class_counts counts;
    int32_t first; /* class of the monitor */
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
static int64_t halved(int64_t side, size_t times)
{
    return (side + ((int64_t)1 << times) - 1) >> times;
}

/* A statistic of one value makes that value 0, whatever it was. */
static int check_norm(const struct unet_description *unet, int64_t batch, struct err *err)
{
    const struct unet_model_config *model = &unet->model;
    const struct image_data *data = &unet->data;
    struct unet_patch seen = unet->patch;
    if (!seen.present)
        seen = (struct unet_patch){true, data->d, data->h, data->w};
    for (size_t i = 0; model->norm != NORM_NONE && i < model->channels.count; i++) {
        int64_t values = halved(seen.d, i) * halved(seen.h, i) * halved(seen.w, i);
        if (model->norm == NORM_BATCH)
            values *= batch;
        if (model->norm == NORM_GROUP)
            values *= model->channels.items[i] / model->norm_groups;
        if (values == 1)
            return fail_as(err, STATUS_CONFIG,
                           "model.norm: '%s' has one value to normalise at level %zu, where images "
                           "of %lldx%lldx%lld are one pixel; fewer levels or another norm",
                           norm_names[model->norm], i, (long long)seen.d, (long long)seen.h,
                           (long long)seen.w);
    }
    return 0;
}

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

static struct unet_spacing spacing_of(const struct dataset *dataset)
{
    const double *spacing = dataset->spacing;
    return (struct unet_spacing){spacing[0] > 0, spacing[0], spacing[1], spacing[2]};
}

static struct unet_patch patch_of(const struct train_config *config)
{
    struct patch patch = train_patch(config);
    const int32_t *size = patch.size;
    return (struct unet_patch){size[0] > 0, size[0], size[1], size[2]};
}

static int describe(struct user *out, const struct unet_config *config,
                    const struct dataset *dataset, struct err *err)
{
    int32_t outputs;
    if (!dataset->masks)
        return fail_as(err, STATUS_CONFIG, "transfer-unet needs masks, and the data set has none");
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
    TRY(check_norm(&out->unet, config->train.batch, err));
    return count_pixels(&out->counts, dataset, err);
}

int unet_train(const struct training *where, const struct unet_config *config, uint64_t seed,
               const struct draft *draft, struct err *err)
{
    static const struct program_row programs[] = {
        {.loss = loss, .groups = {{.name = "encoder"}, {.name = "decoder"}}},
        {.loss = loss},
    };
    struct user user;
    TRY(describe(&user, config, where->dataset, err));
    struct task task = {.name = "transfer-unet",
                        .kind = &unet_kind,
                        .model = &user.unet,
                        .config = &config->train,
                        .seed = seed,
                        .programs = programs,
                        .program_count = 2,
                        .user = &user,
                        .any_size = true};
    return train(where, &task, draft, err);
}
