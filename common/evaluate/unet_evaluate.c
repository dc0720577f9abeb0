/* A UNet's evaluation: predict every case of a split, and measure each. */
#include "evaluate/unet_parts.h"

#include "base/progress.h"
#include "train/model_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Pixels of an automatic batch, and its most cases. */
enum { AUTO_PIXELS = 1 << 18, AUTO_MOST = 64 };

double *case_measures(const struct segmentation *s, uint32_t i, int32_t class)
{
    return s->measures + ((int64_t)i * s->classes + class) * CASE_MEASURES;
}

const uint8_t *case_truth(const struct segmentation *s, uint32_t i)
{
    return s->what->dataset->masks + (int64_t)(s->begin + i) * s->pixels;
}

const char *case_name(const struct segmentation *s, uint32_t i)
{
    return s->what->dataset->ids[s->begin + i];
}

/* ---- predicting ----------------------------------------------------------------------------- */
static int keep_case(struct segmentation *s, uint32_t i, const float *p, struct err *err)
{
    uint8_t *predicted = s->predicted + i * s->pixels, *sure = s->confidence + i * s->pixels;
    for (int64_t at = 0; at < s->pixels; at++) {
        float confidence;
        predicted[at] = pixel_class(p + at * s->outputs, s->outputs, &confidence);
        if (isnan(confidence))
            return fail(err, "the model's output for case '%s' is not a number", case_name(s, i));
        sure[at] = (uint8_t)(255 * confidence + 0.5f);
    }
    int64_t size = s->pixels * s->outputs;
    if (s->probability)
        memcpy(s->probability + i * size, p, (size_t)size * sizeof *p);
    return 0;
}

/* That at which the model failed, if it did. */
static void name_case(const struct segmentation *s, uint32_t first, struct err *err)
{
    if (s->unet.bad_case >= 0)
        wrap(err, "case '%s'", case_name(s, first + (uint32_t)s->unet.bad_case));
}

static int predict_batches(struct segmentation *s, struct loader *loader, float *probability,
                           struct err *err)
{
    struct progress progress;
    progress_start(&progress, "evaluate", 0, s->count, s->what->quiet);
    int status = 0;
    uint32_t first = 0;
    for (const struct batch *b; !status && (b = loader_next(loader)); first += b->real) {
        status = stop_obey(err);
        if (!status && (status = trained_segment(&s->unet, b->image, probability, err)))
            name_case(s, first, err);
        for (uint32_t i = 0; !status && i < b->real; i++)
            status = keep_case(s, first + i, probability + i * s->pixels * s->outputs, err);
        progress_step(&progress, first + b->real, 1, "cases", "");
    }
    progress_end(&progress);
    return status ? -1 : 0;
}

static int predict_whole(struct segmentation *s, struct err *err)
{
    struct loader_spec spec = {.split = (enum split)s->config->split,
                               .batch = (uint32_t)s->unet.batch};
    struct loader *loader;
    TRY(loader_open(&loader, s->what->dataset, &spec, s->what->meter, err));
    size_t size = (size_t)s->unet.batch * (size_t)s->pixels * (size_t)s->outputs;
    float *probability = xcalloc(size, sizeof *probability);
    int status = predict_batches(s, loader, probability, err);
    free(probability);
    loader_close(loader);
    return status;
}

static int predict_window(void *user, const float *image, float *probability, struct err *err)
{
    struct segmentation *s = user;
    TRY(stop_obey(err));
    return trained_segment(&s->unet, image, probability, err);
}

static int predict_in_windows(struct segmentation *s, struct err *err)
{
    const struct dataset *data = s->what->dataset;
    const int32_t *side = s->windows.size;
    const struct sliding sliding = {side[0],    side[1],          side[2],        data->c,
                                    s->outputs, s->windows.batch, predict_window, s};
    size_t pixel = (size_t)data->c * (data->pixel == PIXEL_F32 ? sizeof(float) : 1);
    size_t image = (size_t)s->pixels * pixel;
    const char *images = (const char *)data->images + s->begin * image;
    float *probability = xcalloc((size_t)s->pixels * (size_t)s->outputs, sizeof *probability);
    struct progress progress;
    int status = 0;
    progress_start(&progress, "evaluate", 0, s->count, s->what->quiet);
    for (uint32_t i = 0; !status && i < s->count; i++) {
        const struct raster raster = {.d = data->d,
                                      .h = data->h,
                                      .w = data->w,
                                      .c = data->c,
                                      .pixel = data->pixel,
                                      .values = images + i * image};
        status = sliding_predict(probability, &sliding, &raster, err);
        if (status && s->unet.bad_case >= 0)
            wrap(err, "case '%s'", case_name(s, i));
        status = status || keep_case(s, i, probability, err);
        progress_step(&progress, i + 1, 1, "cases", "");
    }
    progress_end(&progress);
    free(probability);
    return status ? -1 : 0;
}

/* ---- measuring ------------------------------------------------------------------------------ */
static bool wants_surfaces(const struct evaluate_config *config)
{
    return evaluate_wants(config, METRIC_BOUNDARY_F) || evaluate_wants(config, METRIC_HD95) ||
           evaluate_wants(config, METRIC_SURFACE_DISTANCE) ||
           evaluate_wants(config, METRIC_SURFACE_DICE);
}

static void measure_surfaces(const struct segmentation *s, uint32_t i, int32_t class)
{
    const struct dataset *data = s->what->dataset;
    const int32_t size[3] = {data->d, data->h, data->w};
    struct surface surface = surface_compare(case_truth(s, i), s->predicted + i * s->pixels, class,
                                             size, s->spacing, s->tolerance);
    double *out = case_measures(s, i, class);
    out[CASE_BOUNDARY_F] = surface.f;
    out[CASE_HD95] = surface.hd95;
    out[CASE_SURFACE_DISTANCE] = surface.average;
    out[CASE_SURFACE_DICE] = surface.dice;
}

static void measure_case(const struct segmentation *s, uint32_t i, int64_t *counts)
{
    double sum = 0;
    int measured = 0;
    confusion_add(counts, s->classes, case_truth(s, i), s->predicted + i * s->pixels, s->pixels);
    for (int32_t class = 0; class < s->classes; class ++) {
        struct overlap overlap = confusion_overlap(counts, s->classes, class);
        double *out = case_measures(s, i, class);
        out[CASE_DICE] = overlap.dice;
        out[CASE_IOU] = overlap.iou;
        if (class < s->first)
            continue;
        if (wants_surfaces(s->config))
            measure_surfaces(s, i, class);
        if (!isnan(overlap.dice))
            sum += overlap.dice, measured++;
    }
    s->score[i] = measured ? sum / measured : NAN;
}

static int measure_cases(struct segmentation *s, struct err *err)
{
    size_t cells = (size_t)s->classes * (size_t)s->classes;
    int64_t *counts = xcalloc(s->count * cells, sizeof *counts);
#pragma omp parallel for num_threads(backend_threads(s->what->backend)) schedule(dynamic)
    for (uint32_t i = 0; i < s->count; i++)
        if (!stop_requested()) /* surface distances of large volumes take seconds */
            measure_case(s, i, counts + i * cells);
    for (uint32_t i = 0; i < s->count; i++)
        for (size_t k = 0; k < cells; k++)
            s->confusion[k] += counts[i * cells + k];
    free(counts);
    return stop_obey(err);
}

/* ---- the whole ------------------------------------------------------------------------------ */
static bool is_whole(const struct segmentation *s)
{
    const struct dataset *data = s->what->dataset;
    const int32_t *side = s->windows.size;
    return side[0] == data->d && side[1] == data->h && side[2] == data->w;
}

static void choose_windows(struct segmentation *s, const struct model_facts *unet)
{
    const struct dataset *data = s->what->dataset;
    const int32_t size[3] = {data->d, data->h, data->w};
    s->windows = windows_for(unet, size);
    if (s->config->batch > 0) {
        s->windows.batch = (int32_t)s->config->batch;
    } else if (is_whole(s)) {
        s->windows.batch = AUTO_MOST;
        while (s->windows.batch > 1 && s->windows.batch * s->pixels > AUTO_PIXELS)
            s->windows.batch /= 2;
    }
}

/* Pixels are 1 apart where the data set does not say. */
static void take_spacing(struct segmentation *s)
{
    const double *spacing = s->what->dataset->spacing;
    for (int k = 0; k < 3; k++)
        s->spacing[k] = spacing[k] > 0 ? spacing[k] : 1;
}

static double choose_tolerance(const struct segmentation *s)
{
    const struct dataset *data = s->what->dataset;
    const int32_t size[3] = {data->d, data->h, data->w};
    double least = INFINITY, squared = 0;
    if (s->config->tolerance > 0)
        return s->config->tolerance;
    for (int k = data->d == 1; k < 3; k++) {
        double side = size[k] * s->spacing[k];
        squared += side * side;
        least = fmin(least, s->spacing[k]);
    }
    return fmax(least, 0.0075 * sqrt(squared));
}

static int check_model(struct model_facts *unet, struct segmentation *s, struct err *err)
{
    const struct evaluation *what = s->what;
    struct image_data data = image_data_of(what->dataset);
    struct model model;
    TRY(model_read(&model, what->store, what->model, &s->arena, err));
    TRY(model_need(model.kind, CAN(SEGMENT), err));
    *unet = model.facts;
    data.classes = unet->data.classes; /* labels of whole images are nothing to it */
    TRY(image_data_match(&unet->data, &data, "the model", err));
    if (unet->mask_classes != (int64_t)what->dataset->mask_class_count)
        return fail_as(err, STATUS_BAD_DATA,
                       "the model was trained on masks of %d classes, the data set has %u",
                       (int)unet->mask_classes, what->dataset->mask_class_count);
    return 0;
}

static int open_model(struct segmentation *s, struct err *err)
{
    const struct evaluation *what = s->what;
    struct model_facts unet;
    TRY(check_model(&unet, s, err));
    choose_windows(s, &unet);
    s->classes = unet.mask_classes;
    s->first = s->config->background == BACKGROUND_AUTO
                   ? dataset_first_class(what->dataset)
                   : s->config->background == BACKGROUND_LEFT_OUT;
    s->outputs = unet.outputs;
    const int32_t *side = s->windows.size;
    const struct trained_spec spec = {.store = what->store,
                                      .artifact = what->model,
                                      .backend = what->backend,
                                      .batch = s->windows.batch,
                                      .size = {.d = side[0], .h = side[1], .w = side[2]},
                                      .abilities = CAN(SEGMENT),
                                      .meter = what->meter};
    return trained_open(&s->unet, &spec, err);
}

static bool saves(const struct evaluate_config *config, enum saved what)
{
    for (size_t i = 0; i < config->save.count; i++)
        if (config->save.items[i] == (int64_t)what)
            return true;
    return false;
}

static void make_room(struct segmentation *s)
{
    size_t pixels = s->count * (size_t)s->pixels, classes = (size_t)s->classes;
    s->predicted = xcalloc(pixels, 1);
    s->confidence = xcalloc(pixels, 1);
    if (saves(s->config, SAVE_PROBABILITIES))
        s->probability = xcalloc(pixels * (size_t)s->outputs, sizeof *s->probability);
    s->confusion = arena_alloc(&s->arena, classes * classes * sizeof *s->confusion);
    memset(s->confusion, 0, classes * classes * sizeof *s->confusion);
    s->measures = arena_alloc(&s->arena, s->count * classes * CASE_MEASURES * sizeof(double));
    for (size_t i = 0; i < s->count * classes * CASE_MEASURES; i++)
        s->measures[i] = NAN;
    s->score = arena_alloc(&s->arena, s->count * sizeof *s->score);
    take_spacing(s);
    s->tolerance = choose_tolerance(s);
}

static int evaluate(struct segmentation *s, const struct draft *draft, struct err *err)
{
    TRY(open_model(s, err));
    make_room(s);
    TRY(is_whole(s) ? predict_whole(s, err) : predict_in_windows(s, err));
    TRY(measure_cases(s, err));
    return segment_results(s, draft, err);
}

int evaluate_unet(const struct evaluation *what, const struct evaluate_config *config,
                  const struct draft *draft, struct err *err)
{
    const struct dataset *data = what->dataset;
    struct segmentation s = {.what = what, .config = config};
    TRY(evaluate_check(config, FAMILY_UNET, err));
    s.begin = data->begin[config->split];
    s.count = data->count[config->split];
    s.pixels = (int64_t)data->d * data->h * data->w;
    if (!s.count)
        return fail_as(err, STATUS_CONFIG, "the %s split is empty", split_names[config->split]);
    if (!data->masks)
        return fail_as(err, STATUS_CONFIG,
                       "a UNet is measured on masks, and the data set has none");
    int status = evaluate(&s, draft, err);
    trained_close(&s.unet);
    free(s.predicted);
    free(s.confidence);
    free(s.probability);
    free(s.metrics);
    arena_free(&s.arena);
    return status;
}
