/* evaluate predict: segments pictures of any size with a trained UNet. */
#include "pipeline/predict_command.h"

#include "base/progress.h"
#include "base/stop.h"
#include "data/listing.h"
#include "nn/predict.h"
#include "pipeline/model_run.h"
#include "pipeline/pipeline.h"
#include "store/tensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char usage[] = "predict MODEL FILE ... -o DIR [OPTION ...]";
static const char help[] =
    "Segments PNG and JPEG pictures of any size with a trained UNet: DIR/NAME.png holds the class\n"
    "of each pixel; NAME.safetensors, if asked for, `probabilities` f32 [h,w,classes] (one "
    "channel,\n"
    "the foreground's, where the model has one logit). On stdout: MODEL FILE DIR/NAME.png.\n\n"
    "Pictures come to the model as its training images did (preprocess: size, aspect, filter), "
    "and\n"
    "the probabilities back to the picture's size. Without a size pictures of more than 2^20 "
    "pixels\n"
    "are predicted in sliding windows of the training images' size.\n\n"
    "MODEL is a run of transfer-unet: its number, or the beginning of its recipe's or its model's "
    "id\n";

/* ---- what becomes of which file ------------------------------------------------------------- */

struct file {
    const char *in, *mask, *probability; /* paths; probability NULL: not asked for */
    dev_t device;                        /* of in */
    ino_t inode;
};
struct work {
    const struct options *options;
    struct file *files;
    int count;
    struct arena arena;
    struct predictor predictor;
    struct meter meter;
};

static const char *output_path(struct work *work, const char *stem, const char *ending,
                               struct err *err)
{
    char path[PATH_BYTES];
    const char *name = arena_printf(&work->arena, "%s%s", stem, ending);
    return path_join(path, work->options->output, name, err) ? NULL
                                                             : arena_strdup(&work->arena, path);
}

static int by_mask(const void *a, const void *b)
{
    const struct file *const *x = a, *const *y = b;
    int order = strcmp((*x)->mask, (*y)->mask);
    return order ? order : (*x > *y) - (*x < *y);
}

/* Two files may not become one. */
static int check_names(const struct work *work, struct err *err)
{
    const struct file **sorted = xcalloc((size_t)work->count, sizeof *sorted);
    int status = 0;
    for (int i = 0; i < work->count; i++)
        sorted[i] = &work->files[i];
    qsort(sorted, (size_t)work->count, sizeof *sorted, by_mask);
    for (int i = 1; !status && i < work->count; i++)
        if (strcmp(sorted[i - 1]->mask, sorted[i]->mask) == 0)
            status = fail_as(err, STATUS_USAGE, "'%s' and '%s' would both become '%s'",
                             sorted[i - 1]->in, sorted[i]->in, sorted[i]->mask);
    free(sorted);
    return status;
}

static int name_files(struct work *work, struct err *err)
{
    const struct options *options = work->options;
    work->count = options->argument_count - 2;
    work->files = arena_alloc(&work->arena, (size_t)work->count * sizeof *work->files);
    for (int i = 0; i < work->count; i++) {
        struct file *file = &work->files[i];
        file->in = options->arguments[2 + i];
        const char *stem = picture_stem(file->in, &work->arena);
        TRY(!(file->mask = output_path(work, stem, ".png", err)));
        if (options->probabilities)
            TRY(!(file->probability = output_path(work, stem, ".safetensors", err)));
    }
    return check_names(work, err);
}

/* One that is not there is told by whoever reads it. */
static int check_output(const struct work *work, const char *path, struct err *err)
{
    struct stat st;
    if (!path || stat(path, &st))
        return 0;
    for (int i = 0; i < work->count; i++)
        if (work->files[i].device == st.st_dev && work->files[i].inode == st.st_ino)
            return fail_as(err, STATUS_USAGE, "'%s' would be overwritten by '%s'",
                           work->files[i].in, path);
    return 0;
}

/* All of them are read, so that nothing is predicted where one is bad. */
static int check_files(struct work *work, struct err *err)
{
    for (int i = 0; i < work->count; i++) {
        struct file *file = &work->files[i];
        struct image image;
        struct stat st;
        TRY(image_read(&image, predictor_form(&work->predictor), file->in, err));
        image_free(&image);
        if (stat(file->in, &st))
            return fail_errno(err, "cannot stat '%s'", file->in);
        file->device = st.st_dev;
        file->inode = st.st_ino;
    }
    for (int i = 0; i < work->count; i++)
        TRY(check_output(work, work->files[i].mask, err) ||
            check_output(work, work->files[i].probability, err));
    return 0;
}

/* ---- predict -------------------------------------------------------------------------------- */

static int write_results(const struct file *file, const struct image *image,
                         const float *probability, int32_t outputs, struct err *err)
{
    int64_t pixels = (int64_t)image->h * image->w;
    const struct tensor tensor = {.name = "probabilities",
                                  .type = TENSOR_F32,
                                  .dims = 3,
                                  .dim = {image->h, image->w, outputs},
                                  .data = probability,
                                  .bytes = (size_t)(pixels * outputs) * sizeof *probability};
    uint8_t *mask = xcalloc((size_t)pixels, 1);
    int status = predictor_decide(mask, probability, pixels, outputs, err);
    if (status)
        wrap(err, "'%s'", file->in);
    if (!status && file->probability)
        status = tensors_write(file->probability, &tensor, 1, NULL, 0, err);
    if (!status)
        status = image_write_mask(file->mask, mask, image->h, image->w, err);
    free(mask);
    return status;
}

static int predict_file(struct work *work, const struct file *file, struct err *err)
{
    struct image image;
    void *probability;
    TRY(image_read(&image, predictor_form(&work->predictor), file->in, err));
    int32_t outputs = (int32_t)work->predictor.description.outputs;
    size_t bytes = (size_t)image.h * (size_t)image.w * (size_t)outputs * sizeof(float);
    int status = block_alloc(&probability, bytes, &work->meter, err);
    if (!status) {
        status = predictor_picture(&work->predictor, probability, &image, err) ||
                 write_results(file, &image, probability, outputs, err);
        block_free(probability, bytes, &work->meter);
    }
    image_free(&image);
    return status ? -1 : 0;
}

static int predict_files(struct work *work, struct err *err)
{
    struct progress progress;
    struct stop *stop = stop_watch();
    int status = 0;
    progress_start(&progress, "predict", 0, work->count, work->options->quiet);
    for (int i = 0; !status && i < work->count; i++) {
        status = predict_file(work, &work->files[i], err);
        if (!status)
            printf("%s %s %s\n", work->predictor.model.hex, work->files[i].in, work->files[i].mask);
        fflush(stdout); /* a line says that its files are there */
        progress_step(&progress, i + 1, 1, "pictures", "");
    }
    progress_end(&progress);
    stop_unwatch(stop);
    return status;
}

static int predict_with(struct work *work, struct store *store, struct err *err)
{
    const struct options *options = work->options;
    struct id model = {0};
    struct preprocess_config preprocess;
    int64_t run = 0;
    TRY(model_run_find(&model, &run, store, TRANSFER_UNET, "a UNet", options->arguments[1],
                       &work->arena, err));
    TRY(model_run_preprocess(&preprocess, store, run, &work->arena, err));
    const struct treatment treatment = {.fit = preprocess_fit(&preprocess)};
    TRY(predictor_open(&work->predictor, store, &model, &treatment, (int)options->threads,
                       &work->meter, err));
    TRY(check_files(work, err));
    TRY(folder_make(options->output, err));
    return predict_files(work, err);
}

int predict_command(int argc, char **argv, struct err *err)
{
    static const char *const takes[] = {"output", "probabilities", "threads", NULL};
    struct options options;
    struct work work = {.options = &options};
    struct store *store;
    TRY(options_parse(&options, argc, argv, usage, help, takes, err));
    if (options.argument_count < 3 || !options.output)
        return fail_as(err, STATUS_USAGE, "usage: evaluate %s", usage);
    int status = name_files(&work, err) || store_open(&store, options.lab, false, err);
    if (!status) {
        status = predict_with(&work, store, err);
        predictor_close(&work.predictor);
        store_close(store);
    }
    arena_free(&work.arena);
    return status ? -1 : 0;
}
