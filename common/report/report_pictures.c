/* The image panels of an evaluation, from the arrays in its artifact. */
#include "report/report_parts.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

enum { IN_A_ROW = 10 };
enum { GAIN = 4 };  /* of a difference; stated in the caption */
enum { SHORT = 4 }; /* total letters of two class names that fit below an image */

/* ---- the contents of the file --------------------------------------------------------------- */
const char **split_text(size_t *count, struct arena *arena, const char *text, char between)
{
    const char stop[] = {between, '\0'};
    size_t most = 1;
    *count = 0;
    for (const char *p = text; *p; p++)
        most += *p == between;
    const char **out = arena_alloc(arena, most * sizeof *out);
    for (const char *p = text; *text && *count < most; p++) {
        size_t length = strcspn(p, stop);
        out[(*count)++] = arena_strndup(arena, p, length);
        p += length;
    }
    return out;
}

static void name_classes(struct panels *panels)
{
    const char *names = tensors_meta(&panels->tensors, "classes");
    if (names)
        panels->classes = split_text(&panels->class_count, panels->arena, names, ',');
}

static const char *class_name(const struct panels *panels, int32_t label)
{
    if (label >= 0 && (size_t)label < panels->class_count)
        return panels->classes[label];
    return arena_printf(panels->arena, "%d", label);
}

/* The middle slices of volumes, seen from above, with anterior (the last row) on top. */
static const uint8_t *middle_slices(const struct tensor *tensor, struct arena *arena)
{
    const int64_t *dim = tensor->dim;
    size_t row = (size_t)(dim[3] * dim[4]), slice = (size_t)dim[2] * row;
    uint8_t *out = arena_alloc(arena, (size_t)dim[0] * slice), *to = out;
    for (int64_t i = 0; i < dim[0]; i++) {
        const uint8_t *from =
            (const uint8_t *)tensor->data + (size_t)(i * dim[1] + dim[1] / 2) * slice;
        for (int64_t y = dim[2] - 1; y >= 0; y--, to += row)
            memcpy(to, from + (size_t)y * row, row);
    }
    return out;
}

int panel_images(struct grid *out, const struct panels *panels, const char *name, struct err *err)
{
    const struct tensor *tensor = tensors_find(&panels->tensors, name);
    if (!tensor)
        return 0;
    bool volumes = tensor->dims == 5;
    TRY(tensors_need(&tensor, &panels->tensors, name, TENSOR_U8, volumes ? 5 : 4, err));
    const int64_t *dim = tensor->dim;
    for (int i = 0; i < tensor->dims; i++)
        if (dim[i] < 1 || dim[i] > CANVAS_LARGEST)
            return fail_as(err, STATUS_BAD_DATA, "'%s': dimension %d is %lld", name, i,
                           (long long)dim[i]);
    *out = (struct grid){.columns = (int32_t)dim[0],
                         .rows = 1,
                         .h = (int32_t)dim[volumes ? 2 : 1],
                         .w = (int32_t)dim[volumes ? 3 : 2],
                         .c = (int32_t)dim[volumes ? 4 : 3],
                         .images = volumes ? middle_slices(tensor, panels->arena) : tensor->data};
    return 1;
}

/* The labels of `count` images; NULL: none in the file. */
static int labels(const int32_t **out, const struct panels *panels, const char *name, int64_t count,
                  struct err *err)
{
    const struct tensor *tensor;
    *out = NULL;
    if (!tensors_find(&panels->tensors, name))
        return 0;
    TRY(tensors_need(&tensor, &panels->tensors, name, TENSOR_I32, 1, err));
    if (tensor->dim[0] != count)
        return fail_as(err, STATUS_BAD_DATA, "'%s' has %lld entries, not %lld", name,
                       (long long)tensor->dim[0], (long long)count);
    *out = tensor->data;
    return 0;
}

/* Lays k images out in rows of `columns`; an incomplete last row is not shown. */
static void wrap_rows(struct grid *grid, int32_t columns)
{
    int32_t count = grid->columns;
    grid->columns = count < columns ? count : columns;
    grid->rows = count / grid->columns;
}

int panel_publish(struct panels *panels, const struct grid *grid, const char *name,
                  const char *caption, struct err *err)
{
    const char *file = arena_printf(panels->arena, "%s%s%s", panels->folder, panels->prefix, name);
    char path[PATH_BYTES];
    TRY(path_join(path, panels->root, file, err));
    TRY(grid_png(grid, path, err));
    gallery_add(panels->out, panels->arena, file, caption);
    return 0;
}

/* ---- the panels ----------------------------------------------------------------------------- */
static int wrong_labels(struct panels *panels, struct err *err)
{
    struct grid grid, sources;
    const int32_t *given, *was;
    int found = panel_images(&grid, panels, "wrong_label_images", err);
    if (found <= 0)
        return found;
    int32_t count = grid.columns;
    TRY(labels(&given, panels, "wrong_label_given", count, err));
    TRY(labels(&was, panels, "wrong_label_true", count, err));
    if (!given || !was)
        return fail_as(err, STATUS_BAD_DATA, "wrong-label images without their labels");
    const char **captions = arena_alloc(panels->arena, (size_t)count * sizeof *captions);
    const char **names = arena_alloc(panels->arena, (size_t)count * sizeof *names);
    for (int32_t i = 0; i < count; i++) {
        names[i] = class_name(panels, was[i]);
        const char *as = class_name(panels, given[i]);
        captions[i] = arena_printf(panels->arena,
                                   strlen(as) + strlen(names[i]) > SHORT ? "as %s\n(was %s)"
                                                                         : "as %s (was %s)",
                                   as, names[i]);
    }
    wrap_rows(&grid, 5);
    grid.captions = captions;
    TRY(panel_publish(
        panels, &grid, "wrong-label-5x5.png",
        "Test images decoded with a wrong label: the given label, and the true one in "
        "brackets. The style should stay, the content should follow the given label.",
        err));
    found = panel_images(&sources, panels, "wrong_label_sources", err);
    if (found <= 0)
        return found;
    if (sources.columns != count)
        return fail_as(err, STATUS_BAD_DATA, "'wrong_label_sources' has %d images, not %d",
                       sources.columns, count);
    wrap_rows(&sources, 5);
    sources.captions = names;
    sources.scale = 2;
    return panel_publish(panels, &sources, "wrong-label-sources-5x5.png",
                         "The images they were encoded from, in the same order.", err);
}

/* The absolute difference, GAIN times: a quarter of the range or more is white. */
static void paint_difference(uint8_t *out, const uint8_t *a, const uint8_t *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int apart = GAIN * abs(a[i] - b[i]);
        out[i] = (uint8_t)(apart > 255 ? 255 : apart);
    }
}

/* Rows of originals, with their reconstructions and the differences below. */
static int reconstructions(struct panels *panels, struct err *err)
{
    enum { EACH = 3 };
    static const char *const heads[EACH] = {"original", "reconstruction", "difference"};
    struct grid originals, decoded;
    int found = panel_images(&originals, panels, "originals", err);
    if (found > 0)
        found = panel_images(&decoded, panels, "reconstructions", err);
    if (found <= 0)
        return found;
    if (originals.columns != decoded.columns || originals.h != decoded.h ||
        originals.w != decoded.w || originals.c != decoded.c)
        return fail_as(err, STATUS_BAD_DATA, "originals and reconstructions differ in shape");
    wrap_rows(&originals, IN_A_ROW);
    struct grid both = originals;
    both.rows = EACH * originals.rows;
    size_t row = (size_t)both.columns * (size_t)both.h * (size_t)both.w * (size_t)both.c;
    uint8_t *pixels = xmalloc(row * (size_t)both.rows);
    const char **names = arena_alloc(panels->arena, (size_t)both.rows * sizeof *names);
    for (size_t i = 0; i < (size_t)originals.rows; i++) {
        uint8_t *at = pixels + EACH * i * row;
        memcpy(at, originals.images + i * row, row);
        memcpy(at + row, decoded.images + i * row, row);
        paint_difference(at + 2 * row, at, at + row, row);
        memcpy(names + EACH * i, heads, sizeof heads);
    }
    both.images = pixels;
    both.row_labels = names;
    int status = panel_publish(
        panels, &both, "reconstructions.png",
        "Test images, each above its reconstruction (from the latent's mean, if it is a "
        "distribution) "
        "and the absolute difference of the two, four times as bright.",
        err);
    free(pixels);
    return status;
}

static int class_grid(struct panels *panels, struct err *err)
{
    struct grid grid;
    const struct tensor *rows;
    int found = panel_images(&grid, panels, "class_grid", err);
    if (found <= 0)
        return found;
    TRY(tensors_need(&rows, &panels->tensors, "class_grid_labels", TENSOR_I32, 1, err));
    int64_t count = rows->dim[0];
    if (count < 1 || count > grid.columns || grid.columns % count)
        return fail_as(err, STATUS_BAD_DATA, "%d images of the class grid for %lld classes",
                       grid.columns, (long long)count);
    wrap_rows(&grid, (int32_t)(grid.columns / count));
    const int32_t *label = rows->data;
    const char **names = arena_alloc(panels->arena, (size_t)count * sizeof *names);
    for (int64_t i = 0; i < count; i++)
        names[i] = class_name(panels, label[i]);
    grid.row_labels = names;
    return panel_publish(
        panels, &grid, "class-grid.png",
        "One label per row, one latent code per column: a column shares its style.", err);
}

static int interpolation(struct panels *panels, struct err *err)
{
    struct grid grid;
    const int32_t *columns;
    int found = panel_images(&grid, panels, "interpolation", err);
    if (found <= 0)
        return found;
    TRY(labels(&columns, panels, "interpolation_columns", 1, err));
    if (!columns || *columns < 1 || *columns > grid.columns)
        return fail_as(err, STATUS_BAD_DATA, "'interpolation_columns' does not fit its images");
    wrap_rows(&grid, *columns);
    return panel_publish(
        panels, &grid, "interpolation.png",
        "From the latent code of one test image (left) to that of another (right).", err);
}

static int samples(struct panels *panels, struct err *err)
{
    struct grid grid;
    const int32_t *label;
    int found = panel_images(&grid, panels, "samples", err);
    if (found <= 0)
        return found;
    int32_t count = grid.columns;
    TRY(labels(&label, panels, "sample_labels", count, err));
    const char **names = arena_alloc(panels->arena, (size_t)count * sizeof *names);
    for (int32_t i = 0; i < count && label; i++)
        names[i] = class_name(panels, label[i]);
    wrap_rows(&grid, IN_A_ROW);
    grid.captions = label ? names : NULL;
    grid.scale = grid.h < 48 ? 2 : 1;
    return panel_publish(panels, &grid, "samples.png",
                         label ? "Samples from the prior, each with the label it was decoded with."
                               : "Samples from the prior.",
                         err);
}

static int draw_place(struct panels *panels, const struct place *place, struct err *err)
{
    static int (*const kinds[])(struct panels *, struct err *) = {
        reconstructions, wrong_labels,      class_grid,  interpolation,
        samples,         draw_segmentation, draw_slices, draw_gradcam};
    char path[PATH_BYTES];
    if (place_file(path, panels->report, place, "pictures.safetensors", err))
        return err->status == STATUS_MISSING ? 0 : -1; /* some have no pictures */
    TRY(tensors_open(&panels->tensors, path, err));
    name_classes(panels);
    int status = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !status; i++)
        status = kinds[i](panels, err);
    tensors_close(&panels->tensors);
    return status ? wrap(err, "pictures of '%s'", place->section->name) : 0;
}

int draw_pictures(struct gallery *out, struct report *report, const char *folder, size_t variant,
                  uint64_t seed, struct err *err)
{
    for (size_t i = 0; i < report->resolution->count; i++) {
        const struct place *place = &report->resolution->places[i];
        if (place->variant != variant || place->seed != seed || place->state != PLACE_KNOWN ||
            !place->section->stage->measures)
            continue;
        const char *at = strchr(place->section->name, '@');
        struct panels panels = {.out = out,
                                .report = report,
                                .arena = &report->arena,
                                .root = folder,
                                .folder =
                                    cell_folder(&report->arena, report->experiment, variant, seed)};
        panels.background = ((const struct evaluate_config *)place->section->config)->background;
        panels.prefix = at ? arena_printf(&report->arena, "%s-", at + 1) : "";
        TRY(draw_place(&panels, place, err));
        TRY(draw_embedding(&panels, place, err));
        TRY(draw_confusion(&panels, place, err));
        TRY(draw_calibration(&panels, place, err));
    }
    return 0;
}
