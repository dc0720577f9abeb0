/*
 * pictures.safetensors: what a report shows, as u8 images [k,h,w,c] (volumes [k,d,h,w,c]) and i32
 * labels. The cases are chosen by a rule, never at random or by hand: the first case of each class,
 * then the second of each, and so on ("in turn").
 *
 *   originals, reconstructions [20], original_labels [20]   cases in turn, and what is given back,
 *                       decoded from z_mean if by a code; the rest is of codes
 *   wrong_label_images, wrong_label_sources [25], wrong_label_given, wrong_label_true [25]
 *                       cases in turn, decoded with the wrong label that the metric uses
 *   class_grid [classes * 8], class_grid_labels [classes]   rows = class, columns = the same z
 *   interpolation [rows * 10], interpolation_columns [1]    a row a class, at most 5: from the
 *                       first to the second case of the class, straight through z
 *   samples [64], sample_labels [64]                        prior samples, labels in turn
 *
 * Metadata "classes": the class names, joined by commas. Without labels in the model there are no
 * wrong labels, no class grid and no labels of samples.
 */
#include "evaluate/image_parts.h"

#include "train/model_text.h"

#include <stdlib.h>
#include <string.h>

enum { SHOWN = 20, WRONG = 25, GRID_COLUMNS = 8, ROWS = 5, COLUMNS = 10, SAMPLES = 64 };

static void add_images(struct evaluator *e, const char *name, uint32_t count, const uint8_t *images)
{
    const struct image_data *is = &e->facts.data;
    const int64_t dim[] = {count, is->d > 1 ? is->d : 0, is->h, is->w, is->c};
    add_picture(e, name, TENSOR_U8, dim, 5, images);
}

static void add_labels(struct evaluator *e, const char *name, uint32_t count, const int32_t *labels)
{
    add_picture(e, name, TENSOR_I32, &(int64_t){count}, 1, labels);
}

/* ---- decoding to bytes ---------------------------------------------------------------------- */
struct bytes {
    struct evaluator *e;
    uint8_t *out;
};

static int keep_bytes(void *user, const float *image, uint32_t first, uint32_t n, struct err *err)
{
    const struct bytes *bytes = user;
    size_t pixels = (size_t)bytes->e->model.pixels;
    (void)err;
    for (uint32_t i = 0; i < n; i++)
        image_to_bytes(bytes->out + (first + i) * pixels, image + i * pixels, pixels,
                       bytes->e->facts.range);
    return 0;
}

static int add_decoded(struct evaluator *e, const char *name, const float *z, const int32_t *label,
                       uint32_t count, struct err *err)
{
    struct bytes bytes = {e, arena_alloc(&e->arena, count * (size_t)e->model.pixels)};
    TRY(decode_all(e, z, label, count, keep_bytes, &bytes, err));
    add_images(e, name, count, bytes.out);
    return 0;
}

/* ---- choosing cases ------------------------------------------------------------------------- */
/* The nth (from 0) case with a label; the split's count if there are fewer. */
static uint32_t nth_of_label(const struct evaluator *e, int32_t label, uint32_t nth)
{
    for (uint32_t i = 0; i < e->count; i++)
        if (case_label(e, i) == label && nth-- == 0)
            return i;
    return e->count;
}

/* Cases in turn over the labels, at most `most`. */
static uint32_t cases_in_turn(const struct evaluator *e, uint32_t *out, uint32_t most)
{
    int32_t labels = (int32_t)image_data_of(e->what->dataset).classes;
    uint32_t count = 0;
    if (most > e->count)
        most = e->count;
    for (uint32_t nth = 0; count < most; nth++)
        for (int32_t label = 0; label < (labels ? labels : 1) && count < most; label++) {
            uint32_t i = nth_of_label(e, label, nth);
            if (i < e->count)
                out[count++] = i;
        }
    return count;
}

/* Case i as the model sees it, whatever the data set's pixel type. */
static void source_values(float *out, const struct evaluator *e, uint32_t i)
{
    const struct dataset *data = e->what->dataset;
    size_t count = (size_t)e->model.pixels;
    pixel_values(out, data->pixel,
                 (const char *)data->images + (e->begin + i) * count * pixel_size(data->pixel),
                 count);
}

struct chosen {
    uint32_t count;
    uint32_t cases[WRONG];
    float *z;         /* [count, latent]: z_mean */
    int32_t *label;   /* [count] */
    uint8_t *sources; /* [count] images of the data set */
};

/* In the range of its reconstruction. */
static void copy_source(uint8_t *out, const struct evaluator *e, uint32_t i)
{
    size_t count = (size_t)e->model.pixels;
    float *values = xcalloc(count, sizeof *values);
    source_values(values, e, i);
    image_to_bytes(out, values, count, e->facts.range);
    free(values);
}

static struct chosen choose(struct evaluator *e, uint32_t most)
{
    struct chosen chosen = {0};
    size_t latent = (size_t)e->model.latent, pixels = (size_t)e->model.pixels;
    uint32_t count = chosen.count = cases_in_turn(e, chosen.cases, most);
    bool codes = e->has & HAS_CODES;
    chosen.z = codes ? arena_alloc(&e->arena, count * latent * sizeof *chosen.z) : NULL;
    chosen.label = arena_alloc(&e->arena, count * sizeof *chosen.label);
    chosen.sources = arena_alloc(&e->arena, count * pixels);
    for (uint32_t k = 0; k < count; k++) {
        uint32_t i = chosen.cases[k];
        if (codes)
            memcpy(chosen.z + k * latent, e->images->z_mean + i * latent,
                   latent * sizeof *chosen.z);
        chosen.label[k] = case_label(e, i);
        copy_source(chosen.sources + k * pixels, e, i);
    }
    return chosen;
}

/* The reconstructions of a model without codes. */
static int add_given_back(struct evaluator *e, const char *name, const struct chosen *chosen,
                          struct err *err)
{
    uint32_t batch = (uint32_t)e->batch;
    size_t pixels = (size_t)e->model.pixels;
    float *in = arena_alloc(&e->arena, batch * pixels * sizeof *in);
    struct bytes bytes = {e, arena_alloc(&e->arena, chosen->count * pixels)};
    for (uint32_t first = 0; first < chosen->count; first += batch) {
        uint32_t n = chosen->count - first < batch ? chosen->count - first : batch;
        for (uint32_t i = 0; i < n; i++)
            source_values(in + i * pixels, e, chosen->cases[first + i]);
        TRY(trained_reconstruct(&e->model, in, e->images->image, err));
        TRY(keep_bytes(&bytes, e->images->image, first, n, err));
    }
    add_images(e, name, chosen->count, bytes.out);
    return 0;
}

/* ---- the pictures --------------------------------------------------------------------------- */
static int originals(struct evaluator *e, struct err *err)
{
    struct chosen shown = choose(e, SHOWN);
    add_images(e, "originals", shown.count, shown.sources);
    add_labels(e, "original_labels", shown.count, shown.label);
    return e->has & HAS_CODES
               ? add_decoded(e, "reconstructions", shown.z, shown.label, shown.count, err)
               : add_given_back(e, "reconstructions", &shown, err);
}

static int wrong_labels(struct evaluator *e, struct err *err)
{
    if (!e->images->wrong_label)
        return 0;
    struct chosen shown = choose(e, WRONG);
    int32_t *given = arena_alloc(&e->arena, shown.count * sizeof *given);
    for (uint32_t k = 0; k < shown.count; k++)
        given[k] = e->images->wrong_label[shown.cases[k]];
    add_images(e, "wrong_label_sources", shown.count, shown.sources);
    add_labels(e, "wrong_label_true", shown.count, shown.label);
    add_labels(e, "wrong_label_given", shown.count, given);
    return add_decoded(e, "wrong_label_images", shown.z, given, shown.count, err);
}

static int class_grid(struct evaluator *e, struct err *err)
{
    if (!e->images->classes)
        return 0;
    uint32_t rows = (uint32_t)e->images->classes, count = rows * GRID_COLUMNS;
    size_t latent = (size_t)e->model.latent;
    float *z = arena_alloc(&e->arena, count * latent * sizeof *z);
    int32_t *label = arena_alloc(&e->arena, count * sizeof *label);
    int32_t *row_label = arena_alloc(&e->arena, rows * sizeof *row_label);
    prior_codes(e, "class-grid", GRID_COLUMNS, z, label);
    for (uint32_t k = 0; k < count; k++) {
        if (k >= GRID_COLUMNS)
            memcpy(z + k * latent, z + (k - GRID_COLUMNS) * latent, latent * sizeof *z);
        label[k] = row_label[k / GRID_COLUMNS] = (int32_t)(k / GRID_COLUMNS);
    }
    add_labels(e, "class_grid_labels", rows, row_label);
    return add_decoded(e, "class_grid", z, label, count, err);
}

static int interpolation(struct evaluator *e, struct err *err)
{
    int32_t labels = (int32_t)image_data_of(e->what->dataset).classes;
    size_t latent = (size_t)e->model.latent;
    float *z = arena_alloc(&e->arena, (size_t)ROWS * COLUMNS * latent * sizeof *z);
    int32_t *label = arena_alloc(&e->arena, ROWS * COLUMNS * sizeof *label);
    uint32_t rows = 0;
    for (int32_t k = 0; k < ROWS && (!k || k < labels); k++) {
        uint32_t from = nth_of_label(e, k, 0), to = nth_of_label(e, k, 1);
        if (to == e->count)
            continue;
        for (uint32_t column = 0; column < COLUMNS; column++) {
            uint32_t at = rows * COLUMNS + column;
            float t = (float)column / (COLUMNS - 1);
            label[at] = k;
            for (size_t j = 0; j < latent; j++)
                z[at * latent + j] = (1 - t) * e->images->z_mean[from * latent + j] +
                                     t * e->images->z_mean[to * latent + j];
        }
        rows++;
    }
    if (!rows)
        return 0;
    int32_t *columns = arena_alloc(&e->arena, sizeof *columns);
    *columns = COLUMNS;
    add_labels(e, "interpolation_columns", 1, columns);
    return add_decoded(e, "interpolation", z, label, rows * COLUMNS, err);
}

static int samples(struct evaluator *e, struct err *err)
{
    float *z = arena_alloc(&e->arena, SAMPLES * (size_t)e->model.latent * sizeof *z);
    int32_t *label = arena_alloc(&e->arena, SAMPLES * sizeof *label);
    prior_codes(e, "prior", SAMPLES, z, label);
    if (e->images->classes)
        add_labels(e, "sample_labels", SAMPLES, label);
    return add_decoded(e, "samples", z, label, SAMPLES, err);
}

int add_image_pictures(struct evaluator *e, struct err *err)
{
    const struct dataset *dataset = e->what->dataset;
    TRY(originals(e, err));
    add_note(e, "classes", joined(e, dataset->classes, dataset->class_count, ','));
    if (!(e->has & HAS_CODES))
        return 0;
    TRY(wrong_labels(e, err));
    TRY(class_grid(e, err));
    TRY(interpolation(e, err));
    return samples(e, err);
}
