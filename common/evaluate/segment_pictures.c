/*
 * pictures.safetensors of masks: cases for a report, chosen by a rule: sorted by score (the mean
 * Dice of a case's classes but a background; cases without any are left out; of equals by id), the
 * 3 best, the 3 about the median and the 3 worst, none twice.
 *   segmentation_score f32 [k]
 * of images:
 *   segmentation_images u8 [k,h,w,c], segmentation_truth, _prediction, _confidence u8 [k,h,w]
 *   segmentation_classes u8 [k,h,w,classes]: 255 times the probability of each, where `save` says so
 * of volumes three slices through the middle (the mean place) of what the truth has of the classes
 * but a background, or of the volume where it has none: axial [k,h,w], coronal [k,d,w], sagittal
 * [k,d,h]:
 *   slices_axial, slices_axial_truth, slices_axial_prediction, ... u8
 * Values that are floats are shown from their 0.5 to their 99.5 percentile. Metadata: mask_classes
 * and segmentation_ranks joined by commas, segmentation_ids by newlines; of volumes slices_spacing:
 * d,h,w (only what they are to one another matters).
 */
#include "evaluate/segment_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

static void choose(struct shown *out, const struct evaluator *e)
{
    const double *score = e->segmentation->score;
    struct ranked *all = xcalloc(e->count, sizeof *all);
    uint32_t count = 0;
    for (uint32_t i = 0; i < e->count; i++)
        if (!isnan(score[i]))
            all[count++] = (struct ranked){score[i], case_name(e, i), i};
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

/* Uses the values nearest to the percentiles, without interpolation. */
static void window_of(double window[2], const float *values, size_t count)
{
    float *sorted = xcalloc(count, sizeof *sorted);
    memcpy(sorted, values, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, ascending);
    window[0] = (double)sorted[(size_t)lround(0.005 * (double)(count - 1))];
    window[1] = (double)sorted[(size_t)lround(0.995 * (double)(count - 1))];
    free(sorted);
}

void case_levels(uint8_t *out, const struct evaluator *e, uint32_t i)
{
    const struct dataset *data = e->what->dataset;
    size_t count = (size_t)e->segmentation->pixels * (size_t)data->c, from = (e->begin + i) * count;
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

/* ---- what is saved ------------------------------------------------------------------------ */
static void add_shown(struct evaluator *e, const struct shown *shown)
{
    float *score = arena_alloc(&e->arena, shown->count * sizeof *score);
    const char *ids[SHOWN];
    for (uint32_t i = 0; i < shown->count; i++) {
        score[i] = (float)shown->cases[i].score;
        ids[i] = shown->cases[i].id;
    }
    add_picture(e, "segmentation_score", TENSOR_F32, &(int64_t){shown->count}, 1, score);
    add_note(e, "mask_classes",
             joined(e, e->what->dataset->mask_classes, (size_t)e->segmentation->classes, ','));
    add_note(e, "segmentation_ids", joined(e, ids, shown->count, '\n'));
    add_note(e, "segmentation_ranks", joined(e, shown->rank, shown->count, ','));
}

static const void *gather(struct evaluator *e, const uint8_t *from, const struct shown *shown)
{
    size_t size = (size_t)e->segmentation->pixels;
    uint8_t *out = arena_alloc(&e->arena, shown->count * size);
    for (uint32_t i = 0; i < shown->count; i++)
        memcpy(out + i * size, from + shown->cases[i].index * size, size);
    return out;
}

/* [k,h,w,classes]: 255 times how probable each is; of one output the first is what the second leaves. */
static void add_confidence(struct evaluator *e, const struct shown *shown)
{
    const struct segmentation *s = e->segmentation;
    const struct dataset *data = e->what->dataset;
    const int64_t dim[] = {shown->count, data->h, data->w, s->classes};
    uint8_t *out = arena_alloc(&e->arena, shown->count * (size_t)(s->pixels * s->classes)),
            *to = out;
    for (uint32_t i = 0; i < shown->count; i++) {
        const float *p = s->kept + shown->cases[i].index * s->pixels * s->outputs;
        for (int64_t at = 0; at < s->pixels; at++, p += s->outputs)
            for (int32_t k = 0; k < s->classes; k++)
                *to++ = (uint8_t)(255 * (s->outputs > 1 ? p[k] : k ? *p : 1 - *p) + 0.5f);
    }
    add_picture(e, "segmentation_classes", TENSOR_U8, dim, 4, out);
}

static void add_images(struct evaluator *e, const struct shown *shown)
{
    const struct segmentation *s = e->segmentation;
    const struct dataset *data = e->what->dataset;
    const int64_t dim[] = {shown->count, data->h, data->w, data->c};
    size_t image = (size_t)s->pixels * (size_t)data->c;
    uint8_t *levels = arena_alloc(&e->arena, shown->count * image);
    for (uint32_t i = 0; i < shown->count; i++)
        case_levels(levels + i * image, e, shown->cases[i].index);
    add_picture(e, "segmentation_images", TENSOR_U8, dim, 4, levels);
    const struct {
        const char *name;
        const uint8_t *from;
    } masks[] = {{"segmentation_truth", case_truth(e, 0)},
                 {"segmentation_prediction", s->predicted},
                 {"segmentation_confidence", s->confidence}};
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++)
        add_picture(e, masks[i].name, TENSOR_U8, dim, 3, gather(e, masks[i].from, shown));
    if (saves(e, SAVE_CONFIDENCE))
        add_confidence(e, shown);
}

/* ---- slices --------------------------------------------------------------------------------- */
/* A slice is at a fixed position of one axis and extends along the two others. */
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

/* from: [d,h,w] with c values each, of which the first is used. */
static void cut(uint8_t *out, const uint8_t *from, const int32_t size[3], int32_t c,
                const struct plane *plane, const int32_t middle[3])
{
    int32_t at[3];
    at[plane->fixed] = middle[plane->fixed];
    for (at[plane->down] = 0; at[plane->down] < size[plane->down]; at[plane->down]++)
        for (at[plane->across] = 0; at[plane->across] < size[plane->across]; at[plane->across]++)
            *out++ = from[(((int64_t)at[0] * size[1] + at[1]) * size[2] + at[2]) * c];
}

static void add_plane(struct evaluator *e, const struct shown *shown, const struct plane *plane,
                      const uint8_t *const *levels)
{
    const struct segmentation *s = e->segmentation;
    const int32_t *size = s->size, c = e->what->dataset->c;
    const int64_t dim[] = {shown->count, size[plane->down], size[plane->across]};
    size_t area = (size_t)(dim[1] * dim[2]);
    uint8_t *out[3];
    for (int k = 0; k < 3; k++)
        out[k] = arena_alloc(&e->arena, shown->count * area);
    for (uint32_t i = 0; i < shown->count; i++) {
        uint32_t index = shown->cases[i].index;
        const uint8_t *truth = case_truth(e, index);
        int32_t middle[3];
        find_middle(middle, truth, size, e->first_class);
        cut(out[0] + i * area, levels[i], size, c, plane, middle);
        cut(out[1] + i * area, truth, size, 1, plane, middle);
        cut(out[2] + i * area, s->predicted + index * s->pixels, size, 1, plane, middle);
    }
    static const char *const parts[] = {"", "_truth", "_prediction"};
    for (int k = 0; k < 3; k++)
        add_picture(e, arena_printf(&e->arena, "slices_%s%s", plane->name, parts[k]), TENSOR_U8,
                    dim, 3, out[k]);
}

static void add_slices(struct evaluator *e, const struct shown *shown)
{
    const double *spacing = e->segmentation->spacing;
    size_t bytes = (size_t)e->segmentation->pixels * (size_t)e->what->dataset->c;
    uint8_t *levels[SHOWN];
    char number[3][NUMBER_TEXT];
    for (uint32_t i = 0; i < shown->count; i++) {
        levels[i] = xmalloc(bytes);
        case_levels(levels[i], e, shown->cases[i].index);
    }
    for (int p = 0; p < 3; p++)
        add_plane(e, shown, &planes[p], (const uint8_t *const *)levels);
    for (uint32_t i = 0; i < shown->count; i++)
        free(levels[i]);
    const char *texts[3];
    for (int k = 0; k < 3; k++)
        texts[k] = number_text(number[k], spacing[k]);
    add_note(e, "slices_spacing", joined(e, texts, 3, ','));
}

void add_segment_pictures(struct evaluator *e)
{
    struct shown shown;
    choose(&shown, e);
    if (!shown.count)
        return;
    add_shown(e, &shown);
    if (e->what->dataset->d > 1)
        add_slices(e, &shown);
    else
        add_images(e, &shown);
}
