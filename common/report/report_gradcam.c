/* Where a layer of the model sees what speaks for a class, from the arrays in an evaluation's artifact. */
#include "report/report_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 3, IMAGE_SIDE = 192 };

/* A row: the image, the map, and the map over the image. */
static void paint_row(uint8_t *out, const struct grid *images, size_t k, const float *map,
                      uint8_t *scratch)
{
    size_t pixels = (size_t)images->h * (size_t)images->w;
    const uint8_t *image = images->images + k * pixels * (size_t)images->c;
    for (size_t i = 0; i < pixels; i++)
        scratch[i] = (uint8_t)lround(255 * fmin(fmax((double)map[k * pixels + i], 0), 1));
    paint_image(out, image, images->h, images->w, images->c);
    paint_scale(out + 3 * pixels, scratch, 0, images->h, images->w);
    paint_heat(out + 6 * pixels, image, scratch, images->h, images->w, images->c);
}

static int need_note(const char **out, const struct panels *panels, const char *key,
                     struct err *err)
{
    *out = tensors_meta(&panels->tensors, key);
    return *out ? 0 : fail_as(err, STATUS_BAD_DATA, "gradcam pictures without '%s'", key);
}

static int publish(struct panels *panels, struct grid *grid, size_t cases, struct err *err)
{
    static const char *const heads[COLUMNS] = {"image", "seen", "both"};
    const struct swatch shares[] = {{"0", scale_colour(0), false},
                                    {"half the most", scale_colour(0.5), false},
                                    {"the most in the image", scale_colour(1), false}};
    const char *layer, *class, *ids;
    size_t count;
    TRY(need_note(&layer, panels, "gradcam_layer", err));
    TRY(need_note(&class, panels, "gradcam_class", err));
    TRY(need_note(&ids, panels, "gradcam_ids", err));
    grid->row_labels = split_text(&count, panels->arena, ids, '\n');
    if (count != cases)
        return fail_as(err, STATUS_BAD_DATA, "%zu gradcam maps have %zu ids", cases, count);
    grid->column_labels = heads;
    grid->swatches = shares;
    grid->swatch_count = 3;
    return panel_publish(panels, grid, "gradcam.png",
                         arena_printf(panels->arena,
                                      "Grad-CAM: where the layer %s sees what speaks for %s where "
                                      "that is predicted, in the first cases.",
                                      layer, class),
                         err);
}

int draw_gradcam(struct panels *panels, struct err *err)
{
    struct grid images;
    const struct tensor *maps;
    int found = panel_images(&images, panels, "gradcam_images", err);
    if (found <= 0)
        return found;
    TRY(tensors_need(&maps, &panels->tensors, "gradcam_maps", TENSOR_F32, 3, err));
    if (maps->dim[0] != images.columns || maps->dim[1] != images.h || maps->dim[2] != images.w)
        return fail_as(err, STATUS_BAD_DATA, "'gradcam_maps' does not fit its images");
    size_t cases = (size_t)images.columns, pixels = (size_t)images.h * (size_t)images.w;
    int32_t side = images.h > images.w ? images.h : images.w;
    struct grid grid = {.rows = images.columns,
                        .columns = COLUMNS,
                        .h = images.h,
                        .w = images.w,
                        .c = 3,
                        .scale = side < IMAGE_SIDE ? IMAGE_SIDE / side : 1};
    uint8_t *painted = xcalloc(cases * COLUMNS, 3 * pixels), *scratch = xcalloc(pixels, 1);
    for (size_t k = 0; k < cases; k++)
        paint_row(painted + k * COLUMNS * 3 * pixels, &images, k, maps->data, scratch);
    grid.images = painted;
    int status = publish(panels, &grid, cases, err);
    free(scratch);
    free(painted);
    return status;
}
