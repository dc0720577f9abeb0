#include "model/unet_description.h"

#include "base/mask.h"

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
