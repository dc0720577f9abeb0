/*
 * pictures.safetensors: what a report shows, as u8 images [k,h,w,c] (volumes [k,d,h,w,c]), i32
 * labels. Which cases are shown is a rule, never chance or choice: the first case of each class,
 * then the second of each, and so on ("in turn").
 *
 *   originals, reconstructions [20], original_labels [20]   cases in turn, decoded from z_mean
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
#include "evaluate/evaluate_parts.h"

#include "base/file.h"
#include "base/text.h"
#include "store/tensors.h"
#include "train/model_text.h"

#include <string.h>

enum { SHOWN = 20, WRONG = 25, GRID_COLUMNS = 8, ROWS = 5, COLUMNS = 10, SAMPLES = 64 };
enum { MAX_ITEMS = 16 };

struct pictures {
    struct evaluator *e;
    size_t count;
    struct tensor items[MAX_ITEMS];
};

static void add(struct pictures *p, const char *name, enum tensor_type type, int dims,
                const int64_t *dim, const void *data)
{
    if (p->count == MAX_ITEMS)
        bug("no room for '%s'", name);
    struct tensor *t = &p->items[p->count++];
    *t = (struct tensor){.name = name, .type = type, .dims = dims, .data = data};
    t->bytes = tensor_size(type);
    for (int i = 0; i < dims; i++) {
        t->dim[i] = dim[i];
        t->bytes *= (size_t)dim[i];
    }
}

static void add_images(struct pictures *p, const char *name, uint32_t count, const uint8_t *images)
{
    const struct image_data *is = &p->e->vae.model.facts.data;
    int64_t dim[5] = {count};
    int dims = 1;
    if (is->d > 1)
        dim[dims++] = is->d;
    dim[dims++] = is->h;
    dim[dims++] = is->w;
    dim[dims++] = is->c;
    add(p, name, TENSOR_U8, dims, dim, images);
}

static void add_labels(struct pictures *p, const char *name, uint32_t count, const int32_t *labels)
{
    int64_t dim = count;
    add(p, name, TENSOR_I32, 1, &dim, labels);
}

/* ---- decoding to bytes ---------------------------------------------------------------------- */
struct bytes {
    uint8_t *out;
    size_t pixels;
    struct range range;
};

static int keep_bytes(void *user, const float *image, uint32_t first, uint32_t n, struct err *err)
{
    const struct bytes *bytes = user;
    (void)err;
    for (uint32_t i = 0; i < n; i++)
        image_to_bytes(bytes->out + (first + i) * bytes->pixels, image + i * bytes->pixels,
                       bytes->pixels, bytes->range);
    return 0;
}

/* NULL with err set, or the images [count], in the evaluator's arena. */
static const uint8_t *decoded(struct evaluator *e, const float *z, const int32_t *label,
                              uint32_t count, struct err *err)
{
    struct bytes bytes = {.pixels = (size_t)e->vae.pixels, .range = e->vae.model.facts.range};
    bytes.out = arena_alloc(&e->arena, count * bytes.pixels);
    return decode_all(e, z, label, count, keep_bytes, &bytes, err) ? NULL : bytes.out;
}

static int add_decoded(struct pictures *p, const char *name, const float *z, const int32_t *label,
                       uint32_t count, struct err *err)
{
    const uint8_t *images = decoded(p->e, z, label, count, err);
    if (!images)
        return -1;
    add_images(p, name, count, images);
    return 0;
}

/* ---- choosing cases ------------------------------------------------------------------------- */
/* The nth (from 0) case of a label; the split's count if there are fewer. */
static uint32_t nth_of_label(const struct evaluator *e, int32_t label, uint32_t nth)
{
    for (uint32_t i = 0; i < e->count; i++)
        if (label_of(e, i) == label && nth-- == 0)
            return i;
    return e->count;
}

/* Cases in turn over the labels, as many as there are up to `most`. */
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

struct chosen {
    uint32_t count;
    uint32_t cases[WRONG];
    float *z;         /* [count, latent]: z_mean */
    int32_t *label;   /* [count] */
    uint8_t *sources; /* [count] images of the data set */
};

static void copy_source(uint8_t *out, const struct evaluator *e, uint32_t i)
{
    const struct dataset *dataset = e->what->dataset;
    size_t pixels = (size_t)e->vae.pixels;
    if (dataset->pixel == PIXEL_F32)
        image_to_bytes(out, (const float *)dataset->images + i * pixels, pixels,
                       e->vae.model.facts.range);
    else
        memcpy(out, (const uint8_t *)dataset->images + i * pixels, pixels);
}

static struct chosen choose(struct evaluator *e, uint32_t most)
{
    struct chosen chosen = {0};
    size_t latent = (size_t)e->vae.latent, pixels = (size_t)e->vae.pixels;
    uint32_t count = chosen.count = cases_in_turn(e, chosen.cases, most);
    chosen.z = arena_alloc(&e->arena, count * latent * sizeof *chosen.z);
    chosen.label = arena_alloc(&e->arena, count * sizeof *chosen.label);
    chosen.sources = arena_alloc(&e->arena, count * pixels);
    for (uint32_t k = 0; k < count; k++) {
        uint32_t i = chosen.cases[k];
        memcpy(chosen.z + k * latent, e->z_mean + i * latent, latent * sizeof *chosen.z);
        chosen.label[k] = label_of(e, i);
        copy_source(chosen.sources + k * pixels, e, e->begin + i);
    }
    return chosen;
}

/* ---- the pictures --------------------------------------------------------------------------- */
static int originals(struct pictures *p, struct err *err)
{
    struct chosen shown = choose(p->e, SHOWN);
    add_images(p, "originals", shown.count, shown.sources);
    add_labels(p, "original_labels", shown.count, shown.label);
    return add_decoded(p, "reconstructions", shown.z, shown.label, shown.count, err);
}

static int wrong_labels(struct pictures *p, struct err *err)
{
    struct evaluator *e = p->e;
    if (!e->wrong_label)
        return 0;
    struct chosen shown = choose(e, WRONG);
    int32_t *given = arena_alloc(&e->arena, shown.count * sizeof *given);
    for (uint32_t k = 0; k < shown.count; k++)
        given[k] = e->wrong_label[shown.cases[k]];
    add_images(p, "wrong_label_sources", shown.count, shown.sources);
    add_labels(p, "wrong_label_true", shown.count, shown.label);
    add_labels(p, "wrong_label_given", shown.count, given);
    return add_decoded(p, "wrong_label_images", shown.z, given, shown.count, err);
}

static int class_grid(struct pictures *p, struct err *err)
{
    struct evaluator *e = p->e;
    if (!e->classes)
        return 0;
    uint32_t rows = (uint32_t)e->classes, count = rows * GRID_COLUMNS;
    size_t latent = (size_t)e->vae.latent;
    float *z = arena_alloc(&e->arena, count * latent * sizeof *z);
    int32_t *label = arena_alloc(&e->arena, count * sizeof *label);
    int32_t *row_label = arena_alloc(&e->arena, rows * sizeof *row_label);
    prior_codes(e, "class-grid", GRID_COLUMNS, z, label);
    for (uint32_t k = 0; k < count; k++) {
        if (k >= GRID_COLUMNS)
            memcpy(z + k * latent, z + (k - GRID_COLUMNS) * latent, latent * sizeof *z);
        label[k] = row_label[k / GRID_COLUMNS] = (int32_t)(k / GRID_COLUMNS);
    }
    add_labels(p, "class_grid_labels", rows, row_label);
    return add_decoded(p, "class_grid", z, label, count, err);
}

static int interpolation(struct pictures *p, struct err *err)
{
    struct evaluator *e = p->e;
    int32_t labels = (int32_t)image_data_of(e->what->dataset).classes;
    size_t latent = (size_t)e->vae.latent;
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
                z[at * latent + j] =
                    (1 - t) * e->z_mean[from * latent + j] + t * e->z_mean[to * latent + j];
        }
        rows++;
    }
    if (!rows)
        return 0;
    int32_t *columns = arena_alloc(&e->arena, sizeof *columns);
    *columns = COLUMNS;
    add_labels(p, "interpolation_columns", 1, columns);
    return add_decoded(p, "interpolation", z, label, rows * COLUMNS, err);
}

static int samples(struct pictures *p, struct err *err)
{
    struct evaluator *e = p->e;
    float *z = arena_alloc(&e->arena, SAMPLES * (size_t)e->vae.latent * sizeof *z);
    int32_t *label = arena_alloc(&e->arena, SAMPLES * sizeof *label);
    prior_codes(e, "prior", SAMPLES, z, label);
    if (e->classes)
        add_labels(p, "sample_labels", SAMPLES, label);
    return add_decoded(p, "samples", z, label, SAMPLES, err);
}

int write_pictures(struct evaluator *e, const struct draft *draft, struct err *err)
{
    struct pictures p = {.e = e};
    TRY(originals(&p, err));
    TRY(wrong_labels(&p, err));
    TRY(class_grid(&p, err));
    TRY(interpolation(&p, err));
    TRY(samples(&p, err));
    char path[PATH_BYTES];
    TRY(draft_path(draft, "pictures.safetensors", path, err));
    struct text classes = {0};
    const struct dataset *dataset = e->what->dataset;
    for (uint32_t i = 0; i < dataset->class_count; i++)
        text_printf(&classes, "%s%s", i ? "," : "", dataset->classes[i]);
    const char *meta[] = {"classes", classes.data ? classes.data : ""};
    int rc = tensors_write(path, p.items, p.count, meta, 1, err);
    text_free(&classes);
    return rc;
}
