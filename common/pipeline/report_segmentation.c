/* Segmentations beside the truth: a row a case, from the arrays in an evaluation's artifact. */
#include "pipeline/report_parts.h"

#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 5, IMAGE_SIDE = 256, ID_LINE = 16, MOST_CLASSES = 255 };

struct segmentation {
    struct grid images;                             /* rows: cases, one column */
    const uint8_t *truth, *prediction, *confidence; /* [k,h,w] */
    const float *score;                             /* [k] */
    const char **classes, **ids, **ranks;           /* [class_count], [k], [k] */
    size_t class_count, id_count, rank_count;
    bool ignored; /* some pixel counts nowhere */
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

static int read_names(struct segmentation *out, struct panels *panels, struct err *err)
{
    size_t cases = (size_t)out->images.columns;
    TRY(listed(&out->classes, &out->class_count, panels, "mask_classes", ',', err));
    TRY(listed(&out->ids, &out->id_count, panels, "segmentation_ids", '\n', err));
    TRY(listed(&out->ranks, &out->rank_count, panels, "segmentation_ranks", ',', err));
    if (out->id_count != cases || out->rank_count != cases)
        return fail_as(err, STATUS_BAD_DATA, "%zu segmentations have %zu ids and %zu ranks", cases,
                       out->id_count, out->rank_count);
    if (out->class_count < 2 || out->class_count > MOST_CLASSES)
        return fail_as(err, STATUS_BAD_DATA, "'mask_classes' has %zu names, not 2 to %d",
                       out->class_count, MOST_CLASSES);
    return 0;
}

static int check_classes(struct segmentation *s, struct err *err)
{
    size_t pixels = (size_t)s->images.columns * (size_t)s->images.h * (size_t)s->images.w;
    for (size_t i = 0; i < pixels; i++) {
        bool ignored = s->truth[i] == MASK_HATCHED;
        if (s->prediction[i] >= s->class_count || (s->truth[i] >= s->class_count && !ignored))
            return fail_as(err, STATUS_BAD_DATA,
                           "a segmentation has class %d of truth and %d of prediction; there are "
                           "%zu",
                           s->truth[i], s->prediction[i], s->class_count);
        s->ignored |= ignored;
    }
    return 0;
}

/* 1 if the file has segmentations. */
static int read_segmentation(struct segmentation *out, struct panels *panels, struct err *err)
{
    const struct tensor *score;
    *out = (struct segmentation){0};
    int found = panel_images(&out->images, panels, "segmentation_images", err);
    if (found <= 0)
        return found;
    TRY(mask(&out->truth, panels, &out->images, "segmentation_truth", err));
    TRY(mask(&out->prediction, panels, &out->images, "segmentation_prediction", err));
    TRY(mask(&out->confidence, panels, &out->images, "segmentation_confidence", err));
    TRY(tensors_need(&score, &panels->tensors, "segmentation_score", TENSOR_F32, 1, err));
    if (score->dim[0] != out->images.columns)
        return fail_as(err, STATUS_BAD_DATA, "'segmentation_score' has %lld entries, not %d",
                       (long long)score->dim[0], out->images.columns);
    out->score = score->data;
    TRY(read_names(out, panels, err));
    TRY(check_classes(out, err));
    return 1;
}

/* ---- drawing -------------------------------------------------------------------------------- */
/* The least confidence that a predicted class can have. */
static int32_t least_confidence(const struct segmentation *s)
{
    return (int32_t)(255 / s->class_count);
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
    paint_errors(out + 3 * panel, truth, prediction, (int32_t)s->class_count, h, w);
    paint_scale(out + 4 * panel, s->confidence + k * pixels, least_confidence(s), h, w);
}

/* As much of an id as a line takes, up to a place where it may be broken if there is one. */
static size_t id_line(const char *id)
{
    size_t length = strnlen(id, ID_LINE);
    for (size_t i = length; id[length] && i > 0; i--)
        if (strchr("_-./ ", id[i - 1]))
            return i;
    return length;
}

/* "best", the id in short lines, the score. */
static const char *row_label(struct arena *arena, const struct segmentation *s, size_t k)
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

static void swatches(struct grid *grid, struct arena *arena, const struct segmentation *s)
{
    struct swatch *out = arena_alloc(arena, (s->class_count + 8) * sizeof *out);
    bool two = s->class_count == 2;
    int32_t n = 0;
    for (size_t i = two; i < s->class_count; i++)
        out[n++] = (struct swatch){s->classes[i], class_colour((int32_t)i), false};
    if (s->ignored)
        out[n++] = (struct swatch){.name = "not counted", .hatched = true};
    out[n++] = (struct swatch){"right", error_colour(ERROR_NONE), false};
    if (two) {
        out[n++] = (struct swatch){"false positive", error_colour(ERROR_FALSE_POSITIVE), false};
        out[n++] = (struct swatch){"false negative", error_colour(ERROR_FALSE_NEGATIVE), false};
    } else {
        out[n++] = (struct swatch){"wrong class", error_colour(ERROR_WRONG_CLASS), false};
    }
    for (int i = 0; i < 3; i++) {
        double least = 1 / (double)s->class_count, share = i / 2.0;
        out[n++] = (struct swatch){
            arena_printf(arena, "%s%.2f", i ? "" : "confidence ", least + share * (1 - least)),
            scale_colour(share), false};
    }
    grid->swatches = out;
    grid->swatch_count = n;
}

static const char *caption(struct arena *arena, const struct segmentation *s)
{
    return arena_printf(
        arena,
        "The cases with the best, median and worst Dice%s, with image, truth, prediction, errors "
        "(%s) and confidence, the probability of the predicted class.%s",
        s->class_count == 2 ? "" : " (the mean over the classes without the first)",
        s->class_count == 2 ? "false positives orange, false negatives blue"
                            : "pixels of a wrong class red",
        s->ignored ? " Hatched pixels have no truth and count nowhere." : "");
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
        labels[k] = row_label(panels->arena, &s, k);
    }
    grid.images = pixels;
    grid.row_labels = labels;
    swatches(&grid, panels->arena, &s);
    int status = panel_publish(panels, &grid, "segmentation.png", caption(panels->arena, &s), err);
    free(pixels);
    return status;
}
