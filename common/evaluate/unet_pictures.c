/*
 * pictures.safetensors of a UNet's evaluation: cases for a report, chosen by a rule: sorted by
 * score (the mean Dice of a case's classes but a background; cases without any are left out; of equals
 * by id), the 3 best, the 3 about the median and the 3 worst, none twice.
 *   segmentation_score f32 [k]
 * of images:
 *   segmentation_images u8 [k,h,w,c], segmentation_truth, _prediction, _confidence u8 [k,h,w]
 * of volumes three slices through the middle (the mean place) of what the truth has of the classes
 * but a background, or of the volume where it has none: axial [k,h,w], coronal [k,d,w], sagittal
 * [k,d,h]:
 *   slices_axial, slices_axial_truth, slices_axial_prediction, ... u8
 * Values that are floats are shown from their 0.5 to their 99.5 percentile.
 * Metadata: mask_classes and segmentation_ranks joined by commas, segmentation_ids by newlines; of
 * volumes slices_spacing: d,h,w (only what they are to one another matters).
 */
#include "evaluate/unet_parts.h"

#include "base/file.h"
#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct tensor segment_tensor(const char *name, enum tensor_type type, const int64_t *dim, int dims,
                             const void *data)
{
    struct tensor t = {.name = name, .type = type, .data = data, .bytes = tensor_size(type)};
    for (int i = 0; i < dims; i++)
        if (dim[i] > 0) {
            t.dim[t.dims++] = dim[i];
            t.bytes *= (size_t)dim[i];
        }
    return t;
}

/* ---- which cases ---------------------------------------------------------------------------- */
enum { EACH = 3, SHOWN = 3 * EACH };

struct ranked {
    double score;
    const char *id;
    uint32_t index;
};
struct shown {
    struct ranked cases[SHOWN]; /* best first */
    const char *rank[SHOWN];
    uint32_t count;
};

static int by_score(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return strcmp(x->id, y->id);
}

static void choose(struct shown *out, const struct segmentation *s)
{
    struct ranked *all = xcalloc(s->count, sizeof *all);
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->count; i++)
        if (!isnan(s->score[i]))
            all[count++] = (struct ranked){s->score[i], case_name(s, i), i};
    qsort(all, count, sizeof *all, by_score);
    uint32_t best = count < EACH ? count : EACH, rest = count - best;
    uint32_t worst = rest < EACH ? rest : EACH, between = rest - worst;
    uint32_t middle = between < EACH ? between : EACH;
    const struct {
        uint32_t from, count;
        const char *name;
    } parts[] = {{0, best, "best"},
                 {best + (between - middle) / 2, middle, "median"},
                 {count - worst, worst, "worst"}};
    out->count = 0;
    for (int p = 0; p < 3; p++)
        for (uint32_t i = 0; i < parts[p].count; i++) {
            out->rank[out->count] = parts[p].name;
            out->cases[out->count++] = all[parts[p].from + i];
        }
    free(all);
}

/* ---- what they look like -------------------------------------------------------------------- */
static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Of the values nearest to the percentiles, so that no value is interpolated. */
static void window_of(double window[2], const float *values, size_t count)
{
    float *sorted = xcalloc(count, sizeof *sorted);
    memcpy(sorted, values, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, ascending);
    window[0] = (double)sorted[(size_t)lround(0.005 * (double)(count - 1))];
    window[1] = (double)sorted[(size_t)lround(0.995 * (double)(count - 1))];
    free(sorted);
}

/* A case's image in 256 levels. */
static void put_levels(uint8_t *out, const struct segmentation *s, uint32_t i)
{
    const struct dataset *data = s->what->dataset;
    size_t count = (size_t)s->pixels * (size_t)data->c, from = (s->begin + i) * count;
    if (data->pixel == PIXEL_U8) {
        memcpy(out, (const uint8_t *)data->images + from, count);
        return;
    }
    const float *values = (const float *)data->images + from;
    double window[2];
    window_of(window, values, count);
    double range = window[1] > window[0] ? window[1] - window[0] : 1;
    for (size_t at = 0; at < count; at++) {
        double share = ((double)values[at] - window[0]) / range;
        out[at] = (uint8_t)lround(255 * fmin(fmax(share, 0), 1));
    }
}

/* ---- files ---------------------------------------------------------------------------------- */
enum { MAX_ITEMS = 16 };
struct pictures {
    struct tensor items[MAX_ITEMS];
    size_t count;
    const char *spacing; /* NULL: images */
};

static void add(struct pictures *pictures, const char *name, enum tensor_type type,
                const int64_t *dim, int dims, const void *data)
{
    if (pictures->count == MAX_ITEMS)
        bug("no room for '%s'", name);
    pictures->items[pictures->count++] = segment_tensor(name, type, dim, dims, data);
}

static int write_file(struct pictures *pictures, const struct segmentation *s,
                      const struct shown *shown, const struct draft *draft, struct err *err)
{
    const int64_t dim[] = {shown->count};
    float score[SHOWN];
    struct text classes = {0}, ids = {0}, ranks = {0};
    for (int32_t i = 0; i < s->classes; i++)
        text_printf(&classes, "%s%s", i ? "," : "", s->what->dataset->mask_classes[i]);
    for (uint32_t i = 0; i < shown->count; i++) {
        score[i] = (float)shown->cases[i].score;
        text_printf(&ids, "%s%s", i ? "\n" : "", shown->cases[i].id);
        text_printf(&ranks, "%s%s", i ? "," : "", shown->rank[i]);
    }
    add(pictures, "segmentation_score", TENSOR_F32, dim, 1, score);
    const char *meta[] = {"mask_classes",   classes.data,         "segmentation_ids",
                          ids.data,         "segmentation_ranks", ranks.data,
                          "slices_spacing", pictures->spacing};
    char path[PATH_BYTES];
    int status =
        draft_path(draft, "pictures.safetensors", path, err) ||
        tensors_write(path, pictures->items, pictures->count, meta, pictures->spacing ? 4 : 3, err);
    text_free(&classes);
    text_free(&ids);
    text_free(&ranks);
    return status ? -1 : 0;
}

static const void *gather(struct segmentation *s, const uint8_t *from, const struct shown *shown)
{
    size_t size = (size_t)s->pixels;
    uint8_t *out = arena_alloc(&s->arena, shown->count * size);
    for (uint32_t i = 0; i < shown->count; i++)
        memcpy(out + i * size, from + shown->cases[i].index * size, size);
    return out;
}

static int write_images(struct segmentation *s, const struct shown *shown,
                        const struct draft *draft, struct err *err)
{
    const struct dataset *data = s->what->dataset;
    const int64_t dim[] = {shown->count, data->h, data->w, data->c};
    size_t image = (size_t)s->pixels * (size_t)data->c;
    struct pictures pictures = {0};
    uint8_t *levels = arena_alloc(&s->arena, shown->count * image);
    for (uint32_t i = 0; i < shown->count; i++)
        put_levels(levels + i * image, s, shown->cases[i].index);
    add(&pictures, "segmentation_images", TENSOR_U8, dim, 4, levels);
    add(&pictures, "segmentation_truth", TENSOR_U8, dim, 3, gather(s, case_truth(s, 0), shown));
    add(&pictures, "segmentation_prediction", TENSOR_U8, dim, 3, gather(s, s->predicted, shown));
    add(&pictures, "segmentation_confidence", TENSOR_U8, dim, 3, gather(s, s->confidence, shown));
    return write_file(&pictures, s, shown, draft, err);
}

/* ---- slices --------------------------------------------------------------------------------- */
/* A slice stands at one place of an axis and is spread over the two others. */
struct plane {
    const char *name;
    int fixed, down, across; /* 0, 1, 2: d, h, w */
};
static const struct plane planes[3] = {
    {"axial", 0, 1, 2}, {"coronal", 1, 0, 2}, {"sagittal", 2, 0, 1}};

static void find_middle(int32_t middle[3], const uint8_t *truth, const int32_t size[3],
                        int32_t first)
{
    int64_t sum[3] = {0}, count = 0, at = 0;
    for (int64_t z = 0; z < size[0]; z++)
        for (int64_t y = 0; y < size[1]; y++)
            for (int64_t x = 0; x < size[2]; x++, at++) {
                if (truth[at] < first || truth[at] == MASK_IGNORE)
                    continue;
                sum[0] += z;
                sum[1] += y;
                sum[2] += x;
                count++;
            }
    for (int k = 0; k < 3; k++)
        middle[k] = (int32_t)(count ? (2 * sum[k] + count) / (2 * count) : size[k] / 2);
}

/* from: [d,h,w] of c values each, of which the first is taken. */
static void cut(uint8_t *out, const uint8_t *from, const int32_t size[3], int32_t c,
                const struct plane *plane, const int32_t middle[3])
{
    int32_t at[3];
    at[plane->fixed] = middle[plane->fixed];
    for (at[plane->down] = 0; at[plane->down] < size[plane->down]; at[plane->down]++)
        for (at[plane->across] = 0; at[plane->across] < size[plane->across]; at[plane->across]++)
            *out++ = from[(((int64_t)at[0] * size[1] + at[1]) * size[2] + at[2]) * c];
}

static void add_plane(struct pictures *pictures, struct segmentation *s, const struct shown *shown,
                      const struct plane *plane, const uint8_t *const *levels)
{
    const struct dataset *data = s->what->dataset;
    const int32_t size[3] = {data->d, data->h, data->w};
    const int64_t dim[] = {shown->count, size[plane->down], size[plane->across]};
    size_t area = (size_t)(dim[1] * dim[2]);
    uint8_t *out[3];
    for (int k = 0; k < 3; k++)
        out[k] = arena_alloc(&s->arena, shown->count * area);
    for (uint32_t i = 0; i < shown->count; i++) {
        uint32_t index = shown->cases[i].index;
        const uint8_t *truth = case_truth(s, index);
        int32_t middle[3];
        find_middle(middle, truth, size, s->first);
        cut(out[0] + i * area, levels[i], size, data->c, plane, middle);
        cut(out[1] + i * area, truth, size, 1, plane, middle);
        cut(out[2] + i * area, s->predicted + index * s->pixels, size, 1, plane, middle);
    }
    static const char *const parts[] = {"", "_truth", "_prediction"};
    for (int k = 0; k < 3; k++)
        add(pictures, arena_printf(&s->arena, "slices_%s%s", plane->name, parts[k]), TENSOR_U8, dim,
            3, out[k]);
}

static int write_slices(struct segmentation *s, const struct shown *shown,
                        const struct draft *draft, struct err *err)
{
    struct pictures pictures = {0};
    size_t bytes = (size_t)s->pixels * (size_t)s->what->dataset->c;
    uint8_t *levels[SHOWN];
    char number[3][NUMBER_TEXT];
    for (uint32_t i = 0; i < shown->count; i++) {
        levels[i] = xmalloc(bytes);
        put_levels(levels[i], s, shown->cases[i].index);
    }
    for (int p = 0; p < 3; p++)
        add_plane(&pictures, s, shown, &planes[p], (const uint8_t *const *)levels);
    for (uint32_t i = 0; i < shown->count; i++)
        free(levels[i]);
    pictures.spacing =
        arena_printf(&s->arena, "%s,%s,%s", number_text(number[0], s->spacing[0]),
                     number_text(number[1], s->spacing[1]), number_text(number[2], s->spacing[2]));
    return write_file(&pictures, s, shown, draft, err);
}

int segment_pictures(struct segmentation *s, const struct draft *draft, struct err *err)
{
    struct shown shown;
    choose(&shown, s);
    if (!shown.count)
        return 0;
    return s->what->dataset->d > 1 ? write_slices(s, &shown, draft, err)
                                   : write_images(s, &shown, draft, err);
}
