/*
 * Where a layer sees what speaks for a class (apply/gradcam.h), of the first cases of the split. In
 * pictures.safetensors:
 *   gradcam_images u8 [k,h,w,c], gradcam_maps f32 [k,h,w], gradcam_peaks f32 [k]
 * Metadata: gradcam_layer, gradcam_class; gradcam_ids joined by newlines.
 */
#include "evaluate/segment_parts.h"

#include <string.h>

enum { SEEN = 8 };

static int find_class(int32_t *out, const struct evaluator *e, const char *name, struct err *err)
{
    const struct segmentation *s = e->segmentation;
    const char **names = e->what->dataset->mask_classes;
    for (*out = 0; *out < s->classes; ++*out)
        if (strcmp(names[*out], name) == 0)
            return 0;
    struct text all = {0};
    for (int32_t k = 0; k < s->classes; k++)
        text_printf(&all, "%s'%s'", k ? ", " : "", names[k]);
    fail_as(err, STATUS_CONFIG, "gradcam.class: '%s' is not a class; the masks have %s", name,
            all.data);
    text_free(&all);
    return -1;
}

int gradcam_begin(struct evaluator *e, struct err *err)
{
    const struct gradcam_config *config = &e->config->gradcam;
    struct segmentation *s = e->segmentation;
    int32_t class;
    if (!config->present)
        return 0;
    if (!e->whole || s->size[0] > 1)
        return fail_as(err, STATUS_CONFIG,
                       "gradcam: needs images that the model segments as a whole");
    TRY(find_class(&class, e, config->class, err));
    s->seen.maps = arena_alloc(&e->arena, SEEN * (size_t)s->pixels * sizeof(float));
    s->seen.peaks = arena_alloc(&e->arena, SEEN * sizeof(float));
    return gradcam_open(&s->seen.gradcam, &e->model, e->what->backend, e->what->meter,
                        config->layer, class, err);
}

int gradcam_case(struct evaluator *e, uint32_t i, const float *image, struct err *err)
{
    struct seen *seen = &e->segmentation->seen;
    int64_t pixels = e->segmentation->pixels;
    if (!seen->gradcam || i >= SEEN)
        return 0;
    seen->count = i + 1;
    return gradcam_map(seen->gradcam, image, e->segmentation->predicted + i * pixels,
                       seen->maps + i * pixels, &seen->peaks[i], err);
}

void add_gradcam(struct evaluator *e)
{
    const struct seen *seen = &e->segmentation->seen;
    const struct dataset *data = e->what->dataset;
    const int64_t dim[] = {seen->count, data->h, data->w, data->c};
    size_t image = (size_t)e->segmentation->pixels * (size_t)data->c;
    const char *ids[SEEN];
    if (!seen->gradcam)
        return;
    uint8_t *levels = arena_alloc(&e->arena, seen->count * image);
    for (uint32_t i = 0; i < seen->count; i++) {
        case_levels(levels + i * image, e, i);
        ids[i] = case_name(e, i);
    }
    add_picture(e, "gradcam_images", TENSOR_U8, dim, 4, levels);
    add_picture(e, "gradcam_maps", TENSOR_F32, dim, 3, seen->maps);
    add_picture(e, "gradcam_peaks", TENSOR_F32, dim, 1, seen->peaks);
    add_note(e, "gradcam_layer", e->config->gradcam.layer);
    add_note(e, "gradcam_class", e->config->gradcam.class);
    add_note(e, "gradcam_ids", joined(e, ids, seen->count, '\n'));
}
