/* Masks: predicts and measures every case of the split. */
#include "evaluate/segment_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const uint8_t *case_truth(const struct evaluator *e, uint32_t i)
{
    return e->what->dataset->masks + (int64_t)(e->begin + i) * e->segmentation->pixels;
}

/* ---- predicting ----------------------------------------------------------------------------- */
static int keep_case(struct evaluator *e, uint32_t i, const float *p, struct err *err)
{
    struct segmentation *s = e->segmentation;
    const uint8_t *truth = case_truth(e, i);
    uint8_t *predicted = s->predicted + i * s->pixels, *sure = s->confidence + i * s->pixels;
    for (int64_t at = 0; at < s->pixels; at++) {
        float confidence;
        predicted[at] = pixel_class(p + at * s->outputs, s->outputs, &confidence);
        if (isnan(confidence))
            return fail(err, "the model's output for case '%s' is NaN", case_name(e, i));
        sure[at] = (uint8_t)(255 * confidence + 0.5f);
        if (truth[at] != MASK_IGNORE && needs(e, NEED_CONFIDENCE))
            calibration_add(&s->calibration, (double)confidence, predicted[at] == truth[at]);
    }
    int64_t size = s->pixels * s->outputs;
    if (s->kept)
        memcpy(s->kept + i * size, p, (size_t)size * sizeof *p);
    return 0;
}

static int predict_window(void *user, const float *image, float *probability, struct err *err)
{
    TRY(stop_obey(err));
    return trained_segment(user, image, probability, err);
}

/* One case at a time. */
static int predict_in_windows(struct evaluator *e, const struct batch *b, uint32_t first,
                              struct err *err)
{
    struct segmentation *s = e->segmentation;
    const struct dataset *data = e->what->dataset;
    const int32_t *side = e->windows.size;
    const struct sliding sliding = {side[0],    side[1],          side[2],        data->c,
                                    s->outputs, e->windows.batch, predict_window, &s->windowed};
    for (uint32_t i = 0; i < b->real; i++) {
        const struct raster raster = {.d = data->d,
                                      .h = data->h,
                                      .w = data->w,
                                      .c = data->c,
                                      .pixel = PIXEL_F32,
                                      .values = b->image + i * s->pixels * data->c};
        float *probability = s->probability + i * s->pixels * s->outputs;
        if (sliding_predict(probability, &sliding, &raster, err))
            return s->windowed.bad_case < 0 ? -1 : wrap(err, "case '%s'", case_name(e, first + i));
    }
    return 0;
}

static int predict_batch(struct evaluator *e, const struct batch *b, uint32_t first,
                         struct err *err)
{
    struct segmentation *s = e->segmentation;
    if (e->whole)
        TRY(trained_segment(&e->model, b->image, s->probability, err));
    else
        TRY(predict_in_windows(e, b, first, err));
    for (uint32_t i = 0; i < b->real; i++) {
        const float *image = b->image + i * s->pixels * e->what->dataset->c;
        TRY(keep_case(e, first + i, s->probability + i * s->pixels * s->outputs, err));
        TRY(gradcam_case(e, first + i, image, err));
    }
    return 0;
}

/* ---- measuring ------------------------------------------------------------------------------ */
static void measure_case(struct evaluator *e, uint32_t i)
{
    const struct segmentation *s = e->segmentation;
    int64_t *counts = s->counts + (int64_t)i * s->classes * s->classes;
    const uint8_t *truth = case_truth(e, i), *predicted = s->predicted + i * s->pixels;
    double sum = 0;
    int measured = 0;
    confusion_add(counts, s->classes, truth, predicted, s->pixels);
    for (int32_t class = e->first_class; class < s->classes; class ++) {
        struct subject of_class = {.counts = counts,
                                   .classes = s->classes,
                                   .overlap = confusion_overlap(counts, s->classes, class)};
        if (needs(e, NEED_SURFACES))
            of_class.surface =
                surface_compare(truth, predicted, class, s->size, s->spacing, s->tolerance);
        measure(e, HAS_MASKS, class, i, &of_class);
        if (!isnan(of_class.overlap.dice))
            sum += of_class.overlap.dice, measured++;
    }
    measure(e, HAS_MASKS, -1, i, &(struct subject){.counts = counts, .classes = s->classes});
    s->score[i] = measured ? sum / measured : NAN;
}

/* Precision is undefined if nothing is predicted, recall if nothing is true. */
static uint32_t count_alone(const struct evaluator *e, int32_t class)
{
    const struct segmentation *s = e->segmentation;
    uint32_t alone = 0;
    for (uint32_t i = 0; i < e->count; i++) {
        struct overlap overlap =
            confusion_overlap(s->counts + (int64_t)i * s->classes * s->classes, s->classes, class);
        alone += isnan(overlap.precision) != isnan(overlap.recall);
    }
    return alone;
}

/* Returns the counts of the whole split. */
static const int64_t *measure_split(struct evaluator *e)
{
    const struct segmentation *s = e->segmentation;
    size_t cells = (size_t)s->classes * (size_t)s->classes;
    int64_t *confusion = arena_alloc(&e->arena, cells * sizeof *confusion);
    for (size_t i = 0; i < e->count * cells; i++)
        confusion[i % cells] += s->counts[i];
    for (int32_t class = -1; class < s->classes; class ++) {
        struct subject subject = {
            .counts = confusion, .classes = s->classes, .calibration = &s->calibration};
        if (class >= 0) {
            subject.overlap = confusion_overlap(confusion, s->classes, class);
            subject.alone = count_alone(e, class);
        }
        measure(e, HAS_MASKS, class, POOLED_ALL, &subject);
    }
    return confusion;
}

/* ---- the side ------------------------------------------------------------------------------- */
static double choose_tolerance(const struct segmentation *s, double asked)
{
    double least = INFINITY, squared = 0;
    if (asked > 0)
        return asked;
    for (int k = s->size[0] == 1; k < 3; k++) {
        double side = s->size[k] * s->spacing[k];
        squared += side * side;
        least = fmin(least, s->spacing[k]);
    }
    return fmax(least, 0.0075 * sqrt(squared));
}

bool saves(const struct evaluator *e, enum saved what)
{
    for (size_t i = 0; i < e->config->save.count; i++)
        if (e->config->save.items[i] == (int64_t)what)
            return true;
    return false;
}

static int begin(struct evaluator *e, struct err *err)
{
    const struct dataset *data = e->what->dataset;
    struct segmentation *s = e->segmentation = arena_alloc(&e->arena, sizeof *s);
    *s = (struct segmentation){.classes = e->facts.mask_classes,
                               .outputs = e->facts.outputs,
                               .pixels = (int64_t)data->d * data->h * data->w,
                               .size = {data->d, data->h, data->w}};
    size_t pixels = e->count * (size_t)s->pixels, classes = (size_t)s->classes;
    for (int k = 0; k < 3; k++) /* spacing 1 if the data set's is unknown */
        s->spacing[k] = data->spacing[k] > 0 ? data->spacing[k] : 1;
    s->tolerance = choose_tolerance(s, e->config->tolerance);
    s->probability =
        xcalloc((size_t)e->batch * (size_t)s->pixels * (size_t)s->outputs, sizeof *s->probability);
    s->predicted = xcalloc(pixels, 1);
    s->confidence = xcalloc(pixels, 1);
    if (saves(e, SAVE_PROBABILITIES) || (saves(e, SAVE_CONFIDENCE) && data->d == 1))
        s->kept = xcalloc(pixels * (size_t)s->outputs, sizeof *s->kept);
    s->counts = xcalloc(e->count * classes * classes, sizeof *s->counts);
    s->score = arena_alloc(&e->arena, e->count * sizeof *s->score);
    TRY(gradcam_begin(e, err));
    if (e->whole)
        return 0;
    if (e->config->batch > 0)
        e->windows.batch = (int32_t)e->config->batch;
    return evaluate_open(&s->windowed, e, e->what->model, CAN(SEGMENT), &e->windows, err);
}

static int end(struct evaluator *e, const struct draft *draft, struct err *err)
{
#pragma omp parallel for num_threads(backend_threads(e->what->backend)) schedule(dynamic)
    for (uint32_t i = 0; i < e->count; i++)
        if (!stop_requested()) /* surface distances of large volumes take seconds */
            measure_case(e, i);
    TRY(stop_obey(err));
    add_segment_pictures(e);
    add_gradcam(e);
    return write_segmentation(e, measure_split(e), draft, err);
}

static void finish(struct evaluator *e)
{
    struct segmentation *s = e->segmentation;
    if (!s)
        return;
    gradcam_close(s->seen.gradcam);
    trained_close(&s->windowed);
    free(s->probability);
    free(s->predicted);
    free(s->confidence);
    free(s->kept);
    free(s->counts);
}

const struct side segment_side = {HAS_MASKS, begin, predict_batch, end, finish};
