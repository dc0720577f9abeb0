/* Segmentations compared with the truth: one row per case, from the arrays in an evaluation's
 * artifact. */
#include "report/report_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { COLUMNS = 5, IMAGE_SIDE = 256, ID_LINE = 16, MOST_CLASSES = 255 };

/* The labels of the cases. */
struct naming {
    const float *score;                   /* [k] */
    const char **classes, **ids, **ranks; /* [class_count], [k], [k] */
    size_t class_count, id_count, rank_count;
    bool ignored;    /* some pixels are not counted */
    bool background; /* class 0 is not looked for */
};
struct segmentation {
    struct grid images;                             /* rows: cases, one column */
    const uint8_t *truth, *prediction, *confidence; /* [k,h,w] */
    struct naming names;
};

/* ---- reading -------------------------------------------------------------------------------- */
static int mask(const uint8_t **out, const struct panels *panels, const struct grid *images,
                const char *name, struct err *err)
{
    const struct tensor *tensor;
    TRY(tensors_need(&tensor, &panels->tensors, name, TENSOR_U8, 3, err));
    if (tensor->dim[0] != images->columns || tensor->dim[1] != images->h ||
        tensor->dim[2] != images->w)
        return fail_as(err, STATUS_BAD_DATA, "'%s' is %lld x %lld x %lld, its images %d x %d x %d",
                       name, (long long)tensor->dim[0], (long long)tensor->dim[1],
                       (long long)tensor->dim[2], images->columns, images->h, images->w);
    *out = tensor->data;
    return 0;
}

static int listed(const char ***out, size_t *count, struct panels *panels, const char *key,
                  char between, struct err *err)
{
    const char *text = tensors_meta(&panels->tensors, key);
    if (!text)
        return fail_as(err, STATUS_BAD_DATA, "segmentation pictures without '%s'", key);
    *out = split_text(count, panels->arena, text, between);
    return 0;
}

static int read_names(struct naming *out, struct panels *panels, size_t cases, struct err *err)
{
    const struct tensor *score;
    TRY(tensors_need(&score, &panels->tensors, "segmentation_score", TENSOR_F32, 1, err));
    if ((size_t)score->dim[0] != cases)
        return fail_as(err, STATUS_BAD_DATA, "'segmentation_score' has %lld entries, not %zu",
                       (long long)score->dim[0], cases);
    out->score = score->data;
    TRY(listed(&out->classes, &out->class_count, panels, "mask_classes", ',', err));
    TRY(listed(&out->ids, &out->id_count, panels, "segmentation_ids", '\n', err));
    TRY(listed(&out->ranks, &out->rank_count, panels, "segmentation_ranks", ',', err));
    if (out->id_count != cases || out->rank_count != cases)
        return fail_as(err, STATUS_BAD_DATA, "%zu segmentations have %zu ids and %zu ranks", cases,
                       out->id_count, out->rank_count);
    out->background = panels->background == BACKGROUND_LEFT_OUT ||
                      (panels->background == BACKGROUND_AUTO &&
                       (out->class_count == 2 || !strcasecmp(out->classes[0], "background")));
    if (out->class_count < 2 || out->class_count > MOST_CLASSES)
        return fail_as(err, STATUS_BAD_DATA, "'mask_classes' has %zu names, not 2 to %d",
                       out->class_count, MOST_CLASSES);
    return 0;
}

static int check_classes(struct naming *names, const uint8_t *truth, const uint8_t *prediction,
                         size_t pixels, struct err *err)
{
    for (size_t i = 0; i < pixels; i++) {
        bool ignored = truth[i] == MASK_HATCHED;
        if (prediction[i] >= names->class_count || (truth[i] >= names->class_count && !ignored))
            return fail_as(err, STATUS_BAD_DATA,
                           "a segmentation has class %d of truth and %d of prediction; there are "
                           "%zu",
                           truth[i], prediction[i], names->class_count);
        names->ignored |= ignored;
    }
    return 0;
}

/* 1 if the file has segmentations. */
static int read_segmentation(struct segmentation *out, struct panels *panels, struct err *err)
{
    *out = (struct segmentation){0};
    int found = panel_images(&out->images, panels, "segmentation_images", err);
    if (found <= 0)
        return found;
    TRY(mask(&out->truth, panels, &out->images, "segmentation_truth", err));
    TRY(mask(&out->prediction, panels, &out->images, "segmentation_prediction", err));
    TRY(mask(&out->confidence, panels, &out->images, "segmentation_confidence", err));
    size_t cases = (size_t)out->images.columns;
    TRY(read_names(&out->names, panels, cases, err));
    size_t pixels = cases * (size_t)out->images.h * (size_t)out->images.w;
    TRY(check_classes(&out->names, out->truth, out->prediction, pixels, err));
    return 1;
}

/* ---- drawing -------------------------------------------------------------------------------- */
/* The least confidence that a predicted class can have. */
static int32_t least_confidence(const struct segmentation *s)
{
    return (int32_t)(255 / s->names.class_count);
}

static void paint_case(uint8_t *out, const struct segmentation *s, size_t k)
{
    const int32_t h = s->images.h, w = s->images.w, c = s->images.c;
    const size_t pixels = (size_t)h * (size_t)w, panel = 3 * pixels;
    const uint8_t *image = s->images.images + k * pixels * (size_t)c;
    const uint8_t *truth = s->truth + k * pixels, *prediction = s->prediction + k * pixels;
    paint_image(out, image, h, w, c);
    paint_classes(out + panel, image, truth, h, w, c);
    paint_classes(out + 2 * panel, image, prediction, h, w, c);
    paint_errors(out + 3 * panel, truth, prediction, s->names.background, h, w);
    paint_scale(out + 4 * panel, s->confidence + k * pixels, least_confidence(s), h, w);
}

/* As much of an id as fits a line, broken at a good place if there is one. */
static size_t id_line(const char *id)
{
    size_t length = strnlen(id, ID_LINE);
    for (size_t i = length; id[length] && i > 0; i--)
        if (strchr("_-./ ", id[i - 1]))
            return i;
    return length;
}

/* "best", the id in short lines, the score. */
static const char *row_label(struct arena *arena, const struct naming *s, size_t k)
{
    struct text label = {0};
    text_puts(&label, s->ranks[k]);
    for (const char *p = s->ids[k]; *p; p += id_line(p)) {
        text_puts(&label, "\n");
        text_add(&label, p, id_line(p));
    }
    text_printf(&label, "\nDice %.3f", (double)s->score[k]);
    const char *out = arena_strdup(arena, label.data);
    text_free(&label);
    return out;
}

static void swatches(struct grid *grid, struct arena *arena, const struct naming *s)
{
    struct swatch *out = arena_alloc(arena, (s->class_count + 8) * sizeof *out);
    bool two = s->class_count == 2;
    int32_t n = 0;
    for (size_t i = two; i < s->class_count; i++)
        out[n++] = (struct swatch){s->classes[i], class_colour((int32_t)i), false};
    if (s->ignored)
        out[n++] = (struct swatch){.name = "not counted", .hatched = true};
    out[n++] = (struct swatch){"correct", error_colour(ERROR_NONE), false};
    if (s->background) {
        out[n++] = (struct swatch){"false positive", error_colour(ERROR_FALSE_POSITIVE), false};
        out[n++] = (struct swatch){"false negative", error_colour(ERROR_FALSE_NEGATIVE), false};
    }
    if (!s->background || !two)
        out[n++] = (struct swatch){"wrong class", error_colour(ERROR_WRONG_CLASS), false};
    for (int i = 0; i < 3; i++) {
        double least = 1 / (double)s->class_count, share = i / 2.0;
        out[n++] = (struct swatch){
            arena_printf(arena, "%s%.2f", i ? "" : "confidence ", least + share * (1 - least)),
            scale_colour(share), false};
    }
    grid->swatches = out;
    grid->swatch_count = n;
}

static const char *caption(struct arena *arena, const struct naming *s)
{
    return arena_printf(
        arena,
        "The cases with the best, median and worst Dice%s, with image, truth, prediction, errors "
        "(%s) and confidence, the probability of the predicted class.%s",
        s->class_count == 2 ? "" : " (the mean over the classes without the first)",
        !s->background ? "pixels of a wrong class purple"
        : s->class_count == 2
            ? "false positives orange, false negatives blue"
            : "false positives orange, false negatives blue, a wrong class purple",
        s->ignored ? " Hatched pixels have no truth and are not counted." : "");
}

/* ---- class by class ------------------------------------------------------------------------- */
static int class_maps(struct grid *out, const uint8_t **values, const struct panels *panels,
                      const struct segmentation *s, struct err *err)
{
    const struct tensor *tensor = tensors_find(&panels->tensors, "segmentation_classes");
    const int64_t want[] = {s->images.columns, s->images.h, s->images.w,
                            (int64_t)s->names.class_count};
    if (!tensor)
        return 0;
    TRY(tensors_need(&tensor, &panels->tensors, "segmentation_classes", TENSOR_U8, 4, err));
    if (memcmp(tensor->dim, want, sizeof want) != 0)
        return fail_as(err, STATUS_BAD_DATA, "'segmentation_classes' does not fit its images");
    *out = (struct grid){.rows = s->images.columns,
                         .columns = (int32_t)s->names.class_count,
                         .h = s->images.h,
                         .w = s->images.w,
                         .c = 3};
    *values = tensor->data;
    return 1;
}

/* How probable each class is: a row a case, a column a class. */
static int draw_class_maps(struct panels *panels, const struct segmentation *s,
                           const char *const *labels, struct err *err)
{
    struct grid grid;
    const uint8_t *values = NULL;
    int found = class_maps(&grid, &values, panels, s, err);
    if (found <= 0)
        return found;
    size_t pixels = (size_t)grid.h * (size_t)grid.w, classes = (size_t)grid.columns;
    size_t maps = (size_t)grid.rows * classes;
    uint8_t *painted = xcalloc(maps, 3 * pixels), *plane = xcalloc(pixels, 1);
    for (size_t i = 0; i < maps; i++) {
        for (size_t at = 0; at < pixels; at++)
            plane[at] = values[(i / classes * pixels + at) * classes + i % classes];
        paint_scale(painted + i * 3 * pixels, plane, 0, grid.h, grid.w);
    }
    const struct swatch shares[] = {{"probability 0", scale_colour(0), false},
                                    {"0.5", scale_colour(0.5), false},
                                    {"1", scale_colour(1), false}};
    grid.images = painted;
    grid.row_labels = labels;
    grid.column_labels = s->names.classes;
    grid.swatches = shares;
    grid.swatch_count = 3;
    int status = panel_publish(panels, &grid, "class-confidence.png",
                               "How probable the model finds each class in the same cases.", err);
    free(plane);
    free(painted);
    return status;
}

int draw_segmentation(struct panels *panels, struct err *err)
{
    static const char *const heads[COLUMNS] = {"image", "truth", "prediction", "errors",
                                               "confidence"};
    struct segmentation s;
    int found = read_segmentation(&s, panels, err);
    if (found <= 0)
        return found;
    size_t cases = (size_t)s.images.columns;
    size_t row = (size_t)COLUMNS * 3 * (size_t)s.images.h * (size_t)s.images.w;
    int32_t side = s.images.h > s.images.w ? s.images.h : s.images.w;
    struct grid grid = {.rows = (int32_t)cases,
                        .columns = COLUMNS,
                        .h = s.images.h,
                        .w = s.images.w,
                        .c = 3,
                        .scale = side < IMAGE_SIDE ? IMAGE_SIDE / side : 1,
                        .column_labels = heads};
    uint8_t *pixels = xcalloc(cases, row);
    const char **labels = arena_alloc(panels->arena, cases * sizeof *labels);
    for (size_t k = 0; k < cases; k++) {
        paint_case(pixels + k * row, &s, k);
        labels[k] = row_label(panels->arena, &s.names, k);
    }
    grid.images = pixels;
    grid.row_labels = labels;
    swatches(&grid, panels->arena, &s.names);
    int status =
        panel_publish(panels, &grid, "segmentation.png", caption(panels->arena, &s.names), err);
    free(pixels);
    return status ? status : draw_class_maps(panels, &s, labels, err);
}

/* ---- volumes -------------------------------------------------------------------------------- */
/* Three slices per case, upright: anterior or superior is on top. */
#define SLICES_CAPTION                                                                             \
    "The cases with the best, median and worst Dice (the mean over the classes without the "       \
    "first): "                                                                                     \
    "slices through the middle of the true segmentation, or of the volume if it is empty. "        \
    "White outlines are the truth, coloured ones the prediction. Left is left; the top is "        \
    "anterior "                                                                                    \
    "(axial) or superior; in sagittal slices anterior is right."
enum { PLANES = 3, SLICE_SIDE = 288, TRUTH_REACH = 3, PREDICTION_REACH = 2 };
static const struct colour truth_ink = {255, 255, 255};
static const char *const plane_names[PLANES] = {"axial", "coronal", "sagittal"};
/* For each plane, which of d, h and w runs down and which across. */
static const int plane_down[PLANES] = {1, 0, 0}, plane_across[PLANES] = {2, 2, 1};

struct slices {
    size_t cases;
    const uint8_t *image[PLANES], *truth[PLANES], *prediction[PLANES]; /* [k,h,w] */
    int32_t h[PLANES], w[PLANES];                                      /* in voxels */
    int32_t shown_h[PLANES], shown_w[PLANES];                          /* in pixels */
    struct naming names;
};

static int slice_tensor(const uint8_t **out, const struct panels *panels, const struct slices *s,
                        int plane, const char *part, struct err *err)
{
    const char *name = arena_printf(panels->arena, "slices_%s%s", plane_names[plane], part);
    const struct tensor *tensor;
    TRY(tensors_need(&tensor, &panels->tensors, name, TENSOR_U8, 3, err));
    if ((size_t)tensor->dim[0] != s->cases || tensor->dim[1] != s->h[plane] ||
        tensor->dim[2] != s->w[plane])
        return fail_as(err, STATUS_BAD_DATA, "'%s' is %lld x %lld x %lld, not %zu x %d x %d", name,
                       (long long)tensor->dim[0], (long long)tensor->dim[1],
                       (long long)tensor->dim[2], s->cases, s->h[plane], s->w[plane]);
    *out = tensor->data;
    return 0;
}

static int read_plane(struct slices *s, struct panels *panels, int plane, struct err *err)
{
    const char *name = arena_printf(panels->arena, "slices_%s", plane_names[plane]);
    const struct tensor *tensor;
    TRY(tensors_need(&tensor, &panels->tensors, name, TENSOR_U8, 3, err));
    for (int i = 0; i < 3; i++)
        if (tensor->dim[i] < 1 || tensor->dim[i] > CANVAS_LARGEST)
            return fail_as(err, STATUS_BAD_DATA, "'%s': dimension %d is %lld", name, i,
                           (long long)tensor->dim[i]);
    if (!plane)
        s->cases = (size_t)tensor->dim[0];
    s->h[plane] = (int32_t)tensor->dim[1];
    s->w[plane] = (int32_t)tensor->dim[2];
    TRY(slice_tensor(&s->image[plane], panels, s, plane, "", err));
    TRY(slice_tensor(&s->truth[plane], panels, s, plane, "_truth", err));
    return slice_tensor(&s->prediction[plane], panels, s, plane, "_prediction", err);
}

static bool positive(double value)
{
    return value > 0 && isfinite(value);
}

/* Voxels keep their proportions; the longest side gets SLICE_SIDE pixels. */
static int choose_sizes(struct slices *s, const struct panels *panels, struct err *err)
{
    const char *text = tensors_meta(&panels->tensors, "slices_spacing");
    double spacing[3], longest = 0;
    if (!text || sscanf(text, "%lf,%lf,%lf", &spacing[0], &spacing[1], &spacing[2]) != 3 ||
        !(positive(spacing[0]) && positive(spacing[1]) && positive(spacing[2])))
        return fail_as(err, STATUS_BAD_DATA, "'slices_spacing' is '%s', not three sizes of a voxel",
                       text ? text : "");
    for (int p = 0; p < PLANES; p++)
        longest = fmax(longest,
                       fmax(s->h[p] * spacing[plane_down[p]], s->w[p] * spacing[plane_across[p]]));
    for (int p = 0; p < PLANES; p++) {
        double h = s->h[p] * spacing[plane_down[p]], w = s->w[p] * spacing[plane_across[p]];
        s->shown_h[p] = (int32_t)fmax(1, SLICE_SIDE * h / longest + 0.5);
        s->shown_w[p] = (int32_t)fmax(1, SLICE_SIDE * w / longest + 0.5);
    }
    return 0;
}

/* 1 if the file has slices. */
static int read_slices(struct slices *out, struct panels *panels, struct err *err)
{
    *out = (struct slices){0};
    if (!tensors_find(&panels->tensors, "slices_axial"))
        return 0;
    for (int p = 0; p < PLANES; p++)
        TRY(read_plane(out, panels, p, err));
    TRY(read_names(&out->names, panels, out->cases, err));
    for (int p = 0; p < PLANES; p++)
        TRY(check_classes(&out->names, out->truth[p], out->prediction[p],
                          out->cases * (size_t)out->h[p] * (size_t)out->w[p], err));
    TRY(choose_sizes(out, panels, err));
    return 1;
}

/* The slice at its size on the page, the last row on top. */
static void stretch(uint8_t *out, const struct slices *s, const uint8_t *from, int plane)
{
    int32_t h = s->shown_h[plane], w = s->shown_w[plane];
    for (int32_t y = 0; y < h; y++)
        for (int32_t x = 0; x < w; x++) {
            int32_t row = (int32_t)((2 * (h - 1 - y) + 1) * (int64_t)s->h[plane] / (2 * h));
            int32_t column = (int32_t)((2 * x + 1) * (int64_t)s->w[plane] / (2 * w));
            *out++ = from[(int64_t)row * s->w[plane] + column];
        }
}

/* out: [side,side,3], white around the slice. */
static void paint_slice(uint8_t *out, int32_t side_h, int32_t side_w, const struct slices *s,
                        int plane, size_t k)
{
    int32_t h = s->shown_h[plane], w = s->shown_w[plane];
    size_t pixels = (size_t)h * (size_t)w;
    size_t from = k * (size_t)s->h[plane] * (size_t)s->w[plane];
    uint8_t *room = xcalloc(6, pixels), *rgb = room + 3 * pixels;
    stretch(room, s, s->image[plane] + from, plane);
    stretch(room + pixels, s, s->truth[plane] + from, plane);
    stretch(room + 2 * pixels, s, s->prediction[plane] + from, plane);
    paint_image(rgb, room, h, w, 1);
    paint_contours(rgb, room + pixels, h, w, TRUTH_REACH, &truth_ink);
    paint_contours(rgb, room + 2 * pixels, h, w, PREDICTION_REACH, NULL);
    memset(out, 255, 3 * (size_t)side_h * (size_t)side_w);
    for (int32_t y = 0; y < h; y++)
        memcpy(out + 3 * ((int64_t)(y + (side_h - h) / 2) * side_w + (side_w - w) / 2),
               rgb + 3 * (int64_t)y * w, 3 * (size_t)w);
    free(room);
}

static void slice_swatches(struct grid *grid, struct arena *arena, const struct naming *names)
{
    struct swatch *out = arena_alloc(arena, (names->class_count + 1) * sizeof *out);
    int32_t n = 0;
    out[n++] = (struct swatch){"white outline: truth", truth_ink, false};
    for (size_t i = 1; i < names->class_count; i++)
        out[n++] = (struct swatch){
            arena_printf(arena, "%s%s", names->classes[i], i == 1 ? " (predicted)" : ""),
            class_colour((int32_t)i), false};
    grid->swatches = out;
    grid->swatch_count = n;
}

int draw_slices(struct panels *panels, struct err *err)
{
    struct slices s;
    int found = read_slices(&s, panels, err);
    if (found <= 0)
        return found;
    struct grid grid = {.rows = (int32_t)s.cases,
                        .columns = PLANES,
                        .c = 3,
                        .scale = 1,
                        .column_labels = plane_names};
    for (int p = 0; p < PLANES; p++) {
        grid.h = s.shown_h[p] > grid.h ? s.shown_h[p] : grid.h;
        grid.w = s.shown_w[p] > grid.w ? s.shown_w[p] : grid.w;
    }
    size_t panel = 3 * (size_t)grid.h * (size_t)grid.w;
    uint8_t *pixels = xcalloc(s.cases * PLANES, panel);
    const char **labels = arena_alloc(panels->arena, s.cases * sizeof *labels);
    for (size_t k = 0; k < s.cases; k++) {
        labels[k] = row_label(panels->arena, &s.names, k);
        for (int p = 0; p < PLANES; p++)
            paint_slice(pixels + (k * PLANES + (size_t)p) * panel, grid.h, grid.w, &s, p, k);
    }
    grid.images = pixels;
    grid.row_labels = labels;
    slice_swatches(&grid, panels->arena, &s.names);
    int status = panel_publish(panels, &grid, "segmentation.png", SLICES_CAPTION, err);
    free(pixels);
    return status;
}
