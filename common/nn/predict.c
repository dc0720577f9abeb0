#include "nn/predict.h"

#include "nn/evaluate_parts.h"

#include "data/listing.h"
#include "engine/backend.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Pixels of windows that are predicted together, and how many windows at most. */
enum { BATCH_PIXELS = 1 << 18, BATCH_MOST = 64 };

/* ---- windows -------------------------------------------------------------------------------- */
/* Where windows lie along one side of an image, and what share each has in what lies under it. */
struct axis {
    int32_t length, side, count; /* of the image; of a window; windows */
    int32_t *begin;              /* [count]; negative where a window begins before the image */
    double *share;               /* [count,side]; over all windows they add up to 1 */
};

static struct axis axis_new(int32_t length, int32_t side)
{
    struct axis axis = {.length = length, .side = side, .count = 1};
    int64_t over = (int64_t)length - side;
    if (over > 0)
        axis.count = (int32_t)((2 * over + side - 1) / side) + 1;
    axis.begin = xcalloc((size_t)axis.count, sizeof *axis.begin);
    axis.share = xcalloc((size_t)axis.count * (size_t)side, sizeof *axis.share);
    double *total = xcalloc((size_t)length, sizeof *total), middle = (side - 1) / 2.0;
    for (int64_t k = 0, gaps = axis.count - 1; k < axis.count; k++) {
        axis.begin[k] = (int32_t)(gaps ? (2 * k * over + gaps) / (2 * gaps) : -(-over / 2));
        for (int32_t i = 0; i < side; i++) {
            double *share = &axis.share[k * side + i], away = (i - middle) / (side / 8.0);
            int32_t at = axis.begin[k] + i;
            *share = exp(-away * away / 2);
            if (at >= 0 && at < length)
                total[at] += *share;
        }
    }
    for (int32_t k = 0; k < axis.count; k++)
        for (int32_t i = 0; i < side; i++)
            if (axis.begin[k] + i >= 0 && axis.begin[k] + i < length)
                axis.share[(size_t)k * (size_t)side + (size_t)i] /= total[axis.begin[k] + i];
    free(total);
    return axis;
}

static void axis_free(struct axis *axis)
{
    free(axis->begin);
    free(axis->share);
}

/* The pixel that stands for one beside the image: ... 2 1 [0 1 2 ... n-1] n-2 n-3 ... */
static int32_t reflected(int32_t at, int32_t length)
{
    if (length == 1)
        return 0;
    int32_t period = 2 * (length - 1);
    at = at % period + (at % period < 0 ? period : 0);
    return at < length ? at : period - at;
}

static void copy_window(float *out, const struct image *image, const struct axis *down, int32_t row,
                        const struct axis *across, int32_t column)
{
    for (int32_t y = 0; y < down->side; y++) {
        int64_t from = (int64_t)reflected(down->begin[row] + y, image->h) * image->w;
        for (int32_t x = 0; x < across->side; x++) {
            int64_t at = from + reflected(across->begin[column] + x, image->w);
            for (int32_t j = 0; j < image->c; j++)
                *out++ = (float)image->pixels[at * image->c + j] / 255.0f;
        }
    }
}

static void add_window(float *sum, const float *probability, int32_t outputs,
                       const struct axis *down, int32_t row, const struct axis *across,
                       int32_t column)
{
    const double *of_row = down->share + (size_t)row * (size_t)down->side,
                 *of_column = across->share + (size_t)column * (size_t)across->side;
    for (int32_t i = 0; i < down->side; i++) {
        int32_t y = down->begin[row] + i;
        for (int32_t j = 0; y >= 0 && y < down->length && j < across->side; j++) {
            int32_t x = across->begin[column] + j;
            if (x < 0 || x >= across->length)
                continue;
            const float *from = probability + ((int64_t)i * across->side + j) * outputs;
            float *to = sum + ((int64_t)y * across->length + x) * outputs;
            float share = (float)(of_row[i] * of_column[j]);
            for (int32_t k = 0; k < outputs; k++)
                to[k] += share * from[k];
        }
    }
}

int sliding_predict(float *probability, const struct sliding *s, const struct image *image,
                    struct err *err)
{
    struct axis down = axis_new(image->h, s->h), across = axis_new(image->w, s->w);
    int64_t windows = (int64_t)down.count * across.count, pixels = (int64_t)s->h * s->w;
    size_t batch = (size_t)(s->batch * pixels);
    float *in = xcalloc(batch, (size_t)s->c * sizeof *in);
    float *out = xcalloc(batch, (size_t)s->outputs * sizeof *out);
    int status = 0;
    memset(probability, 0,
           (size_t)image->h * (size_t)image->w * (size_t)s->outputs * sizeof *probability);
    for (int64_t first = 0; !status && first < windows; first += s->batch) {
        int32_t n = (int32_t)(windows - first < s->batch ? windows - first : s->batch);
        for (int32_t i = 0; i < n; i++)
            copy_window(in + i * pixels * s->c, image, &down, (int32_t)((first + i) / across.count),
                        &across, (int32_t)((first + i) % across.count));
        status = s->predict(s->user, in, out, err);
        for (int32_t i = 0; !status && i < n; i++)
            add_window(probability, out + i * pixels * s->outputs, s->outputs, &down,
                       (int32_t)((first + i) / across.count), &across,
                       (int32_t)((first + i) % across.count));
    }
    free(in);
    free(out);
    axis_free(&down);
    axis_free(&across);
    return status ? -1 : 0;
}

/* ---- predictor ------------------------------------------------------------------------------ */
int predictor_open(struct predictor *out, const struct store *store, const struct id *model,
                   const struct fit *fit, int threads, struct meter *meter, struct err *err)
{
    *out = (struct predictor){.store = store, .model = *model, .fit = *fit, .meter = meter};
    TRY(model_text_read(&out->description, unet_description_fields, store, model, &out->arena,
                        err));
    const struct image_data *data = &out->description.data;
    if (data->d != 1 || (data->c != 1 && data->c != 3))
        return fail_as(err, STATUS_BAD_DATA,
                       "the model is of %s with %lld channels; grey or colour images expected",
                       data->d == 1 ? "images" : "volumes", (long long)data->c);
    return cpu_open(&out->backend, threads, meter, err);
}

void predictor_close(struct predictor *predictor)
{
    trained_unet_close(&predictor->unet);
    if (predictor->backend)
        backend_close(predictor->backend);
    arena_free(&predictor->arena);
}

enum image_form predictor_form(const struct predictor *predictor)
{
    return predictor->description.data.c == 1 ? IMAGE_GREY : IMAGE_RGB;
}

static int plan_for(struct predictor *p, int32_t batch, int32_t h, int32_t w, struct err *err)
{
    if (p->batch == batch && p->h == h && p->w == w)
        return 0;
    trained_unet_close(&p->unet);
    p->unet = (struct trained_unet){0};
    p->batch = 0;
    TRY(trained_unet_open(&p->unet, p->store, &p->model, p->backend, batch,
                          (struct shape){batch, 1, h, w, 0}, p->meter, err));
    p->batch = batch;
    p->h = h;
    p->w = w;
    return 0;
}

static int predict_batch(void *user, const float *image, float *probability, struct err *err)
{
    struct predictor *p = user;
    TRY(obey_stop(err));
    return trained_unet_predict(&p->unet, image, probability, err);
}

/* In windows of a size, of which there may be one. */
static int predict_windows(struct predictor *p, float *probability, const struct image *image,
                           int32_t h, int32_t w, struct err *err)
{
    int32_t batch = 1;
    int64_t pixels = (int64_t)h * w;
    while (pixels < (int64_t)image->h * image->w && batch < BATCH_MOST &&
           2 * batch * pixels <= BATCH_PIXELS)
        batch *= 2;
    const struct sliding sliding = {.h = h,
                                    .w = w,
                                    .c = image->c,
                                    .outputs = (int32_t)p->description.outputs,
                                    .batch = batch,
                                    .predict = predict_batch,
                                    .user = p};
    TRY(plan_for(p, batch, h, w, err));
    return sliding_predict(probability, &sliding, image, err);
}

/* Cuts the window out of the frame and brings it to the image's size. */
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
    int32_t h = p->fit.h, w = p->fit.w, outputs = (int32_t)p->description.outputs;
    size_t pixels = (size_t)h * (size_t)w;
    struct image fitted = {h, w, image->c, xcalloc(pixels, (size_t)image->c)};
    float *frame = xcalloc(pixels, (size_t)outputs * sizeof *frame);
    fit_case(fitted.pixels, NULL, &p->fit, image->pixels, NULL, image->h, image->w, image->c);
    int status = predict_windows(p, frame, &fitted, h, w, err);
    if (!status)
        back_to_size(probability, image, frame, &p->fit, outputs);
    free(frame);
    image_free(&fitted);
    return status;
}

int predictor_run(struct predictor *p, float *probability, const struct image *image,
                  struct err *err)
{
    const struct image_data *data = &p->description.data;
    int64_t most = data->h * data->w > PREDICT_PIXELS ? data->h * data->w : PREDICT_PIXELS;
    if (p->fit.h)
        return predict_resized(p, probability, image, err);
    if ((int64_t)image->h * image->w <= most)
        return predict_windows(p, probability, image, image->h, image->w, err);
    return predict_windows(p, probability, image, (int32_t)data->h, (int32_t)data->w, err);
}

int predictor_decide(uint8_t *mask, const float *probability, int64_t pixels, int32_t outputs,
                     struct err *err)
{
    for (int64_t at = 0; at < pixels; at++) {
        float sure;
        mask[at] = unet_decide(probability + at * outputs, outputs, &sure);
        if (isnan(sure))
            return fail(err, "the model's output is not a number");
    }
    return 0;
}
