#include "apply/predict.h"

#include "base/stop.h"
#include "train/model_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Pixels of windows predicted together, and the most windows. */
enum { BATCH_PIXELS = 1 << 18, BATCH_MOST = 64 };

/* ---- windows -------------------------------------------------------------------------------- */
/* A network for volumes has no plan for a single slice, which is reflected to a volume instead. */
static bool fits_whole(const struct model_facts *facts, const int32_t size[3])
{
    const struct image_data *data = &facts->data;
    int64_t seen = data->d * data->h * data->w,
            most = seen > PREDICT_PIXELS ? seen : PREDICT_PIXELS;
    if (!facts->any_size)
        return size[0] == data->d && size[1] == data->h && size[2] == data->w;
    if (facts->patch.present)
        most = PREDICT_PIXELS;
    return (int64_t)size[0] * size[1] * size[2] <= most && (size[0] > 1) == (data->d > 1);
}

struct windows windows_for(const struct model_facts *facts, const int32_t size[3])
{
    const struct image_data *data = &facts->data;
    const struct model_patch *patch = &facts->patch;
    struct windows out = {{size[0], size[1], size[2]}, 1};
    if (fits_whole(facts, size))
        return out;
    out = (struct windows){{(int32_t)data->d, (int32_t)data->h, (int32_t)data->w}, 1};
    if (patch->present)
        out = (struct windows){{(int32_t)patch->d, (int32_t)patch->h, (int32_t)patch->w}, 1};
    int64_t pixels = (int64_t)out.size[0] * out.size[1] * out.size[2];
    while (pixels < (int64_t)size[0] * size[1] * size[2] && out.batch < BATCH_MOST &&
           2 * out.batch * pixels <= BATCH_PIXELS)
        out.batch *= 2;
    return out;
}

static int plan_for(struct predictor *p, const struct windows *windows, struct err *err)
{
    const int32_t *size = windows->size;
    if (memcmp(&p->windows, windows, sizeof *windows) == 0)
        return 0;
    trained_close(&p->trained);
    p->trained = (struct trained){0};
    p->windows.batch = 0;
    const struct trained_spec spec = {.store = p->store,
                                      .artifact = &p->model,
                                      .backend = p->backend,
                                      .batch = windows->batch,
                                      .size = {.d = size[0], .h = size[1], .w = size[2]},
                                      .abilities = CAN(SEGMENT),
                                      .meter = p->meter};
    TRY(trained_open(&p->trained, &spec, err));
    p->windows = *windows;
    return 0;
}

static int predict_batch(void *user, const float *image, float *probability, struct err *err)
{
    struct predictor *p = user;
    TRY(stop_obey(err));
    return trained_segment(&p->trained, image, probability, err);
}

int predictor_windows(struct predictor *p, float *probability, const struct raster *raster,
                      struct err *err)
{
    const int32_t size[3] = {raster->d, raster->h, raster->w};
    const struct windows windows = windows_for(&p->facts, size);
    const struct sliding sliding = {.d = windows.size[0],
                                    .h = windows.size[1],
                                    .w = windows.size[2],
                                    .c = raster->c,
                                    .outputs = p->facts.outputs,
                                    .batch = windows.batch,
                                    .predict = predict_batch,
                                    .user = p};
    TRY(plan_for(p, &windows, err));
    return sliding_predict(probability, &sliding, raster, err);
}

/* ---- predictor ------------------------------------------------------------------------------ */
int predictor_open(struct predictor *out, const struct store *store, const struct id *model,
                   const struct treatment *treatment, struct backend *backend, struct meter *meter,
                   struct err *err)
{
    *out = (struct predictor){.store = store,
                              .model = *model,
                              .treatment = *treatment,
                              .backend = backend,
                              .meter = meter};
    struct model what;
    TRY(model_read(&what, store, model, &out->arena, err));
    TRY(model_need(what.kind, CAN(SEGMENT), err));
    out->facts = what.facts;
    const struct image_data *data = &out->facts.data;
    if (data->c != 1 && (data->c != 3 || data->d != 1))
        return fail_as(
            err, STATUS_BAD_DATA,
            "the model is for %s with %lld channels; grey or colour images or volumes of "
            "one channel expected",
            data->d == 1 ? "images" : "volumes", (long long)data->c);
    return 0;
}

void predictor_close(struct predictor *predictor)
{
    trained_close(&predictor->trained);
    arena_free(&predictor->arena);
}

bool predictor_takes_volumes(const struct predictor *predictor)
{
    return predictor->facts.data.d > 1;
}

enum image_form predictor_form(const struct predictor *predictor)
{
    return predictor->facts.data.c == 1 ? IMAGE_GREY : IMAGE_RGB;
}

static struct raster raster_of(const struct image *image)
{
    return (struct raster){1, image->h, image->w, image->c, PIXEL_U8, image->pixels};
}

/* Crops the window from the frame and resizes it to the image's size. */
static void back_to_size(float *probability, const struct image *image, float *frame,
                         const struct fit *fit, int32_t outputs)
{
    struct fit_window window = fit_window(fit, image->h, image->w);
    size_t row = (size_t)window.w * (size_t)outputs;
    for (int32_t y = 0; y < window.h; y++)
        memmove(frame + (size_t)y * row,
                frame + ((int64_t)(window.top + y) * fit->w + window.left) * outputs,
                row * sizeof *frame);
    image_resize_floats(probability, image->h, image->w, frame, window.h, window.w, outputs);
}

static int predict_resized(struct predictor *p, float *probability, const struct image *image,
                           struct err *err)
{
    const struct fit *fit = &p->treatment.fit;
    int32_t outputs = p->facts.outputs;
    size_t pixels = (size_t)fit->h * (size_t)fit->w;
    struct image fitted = {
        .h = fit->h, .w = fit->w, .c = image->c, .pixels = xcalloc(pixels, (size_t)image->c)};
    struct raster raster = raster_of(&fitted);
    float *frame = xcalloc(pixels, (size_t)outputs * sizeof *frame);
    fit_case(fitted.pixels, NULL, fit, image->pixels, NULL, image->h, image->w, image->c);
    int status = predictor_windows(p, frame, &raster, err);
    if (!status)
        back_to_size(probability, image, frame, fit, outputs);
    free(frame);
    image_free(&fitted);
    return status;
}

int predictor_picture(struct predictor *p, float *probability, const struct image *image,
                      struct err *err)
{
    const struct raster raster = raster_of(image);
    if (p->treatment.fit.h)
        return predict_resized(p, probability, image, err);
    return predictor_windows(p, probability, &raster, err);
}

int predictor_decide(uint8_t *mask, const float *probability, int64_t pixels, int32_t outputs,
                     struct err *err)
{
    for (int64_t at = 0; at < pixels; at++) {
        float sure;
        mask[at] = pixel_class(probability + at * outputs, outputs, &sure);
        if (isnan(sure))
            return fail(err, "the model's output is NaN");
    }
    return 0;
}
