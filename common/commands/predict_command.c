/* evaluate predict: segments images and volumes of any size. */
#include "commands/predict_command.h"

#include "base/png.h"
#include "base/progress.h"
#include "base/text.h"
#include "data/listing.h"
#include "data/formats/nifti.h"
#include "apply/predict.h"
#include "commands/model_run.h"
#include "pipeline/pipeline.h"
#include "store/tensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char usage[] = "predict MODEL FILE ... -o DIR [OPTION ...]";
static const char help[] =
    "Segments images of any size with a trained model (a UNet): PNG and JPEG files or,\n"
    "if the model was trained on volumes, NIfTI files (.nii, .hdr, .img, .gz).\n"
    "DIR/NAME.png or DIR/NAME.nii.gz has the class of each pixel; with --probabilities\n"
    "NAME.safetensors has `probabilities` f32 [h,w,classes] (only the foreground's if\n"
    "the model has one logit), for volumes [d,h,w,classes] from left to right,\n"
    "posterior to anterior, inferior to superior. Prints MODEL FILE MASK.\n\n"
    "Images are rotated as their EXIF says and prepared as the model's training images\n"
    "were (preprocess: transparent, size, aspect, filter); the probabilities are\n"
    "resized back, so that the mask matches the image as viewers show it. Volumes get\n"
    "the training volumes' intensities, spacing and padding; the probabilities are\n"
    "resampled to the file's own voxels, and the mask has its geometry (sizes, axes,\n"
    "sform, qform). Volumes, and images if the model's were not resized, of more than\n"
    "2^20 pixels are predicted in sliding windows of the training size.\n\n"
    "MODEL is the run that trained it: its number, or the first digits of its recipe's\n"
    "or its model's id\n";

/* ---- inputs and outputs --------------------------------------------------------------------- */

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
    struct backend *backend;
    struct predictor predictor;
    struct meter meter;
    int transparent; /* number of pictures with such pixels */
    const char *first_transparent;
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

/* Two files must not have the same output. */
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

static const char *stem_of(struct work *work, const char *path)
{
    return predictor_takes_volumes(&work->predictor)
               ? volume_stem(path, &work->arena)
               : file_stem(&picture_files, path, &work->arena);
}

static int name_files(struct work *work, struct err *err)
{
    const struct options *options = work->options;
    const char *ending = predictor_takes_volumes(&work->predictor) ? ".nii.gz" : ".png";
    work->count = options->argument_count - 2;
    work->files = arena_alloc(&work->arena, (size_t)work->count * sizeof *work->files);
    for (int i = 0; i < work->count; i++) {
        struct file *file = &work->files[i];
        file->in = options->arguments[2 + i];
        const char *stem = stem_of(work, file->in);
        TRY(!(file->mask = output_path(work, stem, ending, err)));
        if (options->probabilities)
            TRY(!(file->probability = output_path(work, stem, ".safetensors", err)));
    }
    return check_names(work, err);
}

/* A missing file is reported when it is read. */
static int check_output(const struct work *work, const char *path, struct err *err)
{
    struct stat st;
    if (!path || !file_exists(path))
        return 0;
    if (stat(path, &st))
        return fail_errno(err, "cannot stat '%s'", path);
    for (int i = 0; i < work->count; i++)
        if (work->files[i].device == st.st_dev && work->files[i].inode == st.st_ino)
            return fail_as(err, STATUS_USAGE, "'%s' would be overwritten by '%s'",
                           work->files[i].in, path);
    return 0;
}

static int read_image(struct image *out, const struct work *work, const char *path, struct err *err)
{
    const struct predictor *predictor = &work->predictor;
    return image_read(out, predictor_form(predictor), predictor->treatment.fit.ground, path, err);
}

static int try_to_read(struct work *work, const char *path, struct err *err)
{
    struct image image;
    struct volume volume;
    if (predictor_takes_volumes(&work->predictor)) {
        TRY(volume_read(&volume, path, err));
        volume_free(&volume);
    } else {
        TRY(read_image(&image, work, path, err));
        if (image.transparent && !work->transparent++)
            work->first_transparent = path;
        image_free(&image);
    }
    return 0;
}

/* Reads all of them first, so that nothing is predicted if one is bad. */
static int check_files(struct work *work, struct err *err)
{
    for (int i = 0; i < work->count; i++) {
        struct file *file = &work->files[i];
        struct stat st;
        TRY(try_to_read(work, file->in, err));
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

/* The prediction for one file, at its own resolution. */
struct result {
    int32_t d, h, w, outputs;
    float *probability;    /* [d,h,w,outputs] */
    const uint8_t *header; /* of a volume's file; NULL: a picture */
};

static int64_t pixels_of(const struct result *result)
{
    return (int64_t)result->d * result->h * result->w;
}

static int write_probabilities(const struct result *result, const char *path, struct err *err)
{
    int64_t values = pixels_of(result) * result->outputs;
    const struct tensor of_picture = {.name = "probabilities",
                                      .type = TENSOR_F32,
                                      .dims = 3,
                                      .dim = {result->h, result->w, result->outputs},
                                      .data = result->probability,
                                      .bytes = (size_t)values * sizeof *result->probability};
    struct tensor of_volume = of_picture;
    of_volume.dims = 4;
    of_volume.dim[0] = result->d;
    memcpy(of_volume.dim + 1, of_picture.dim, 3 * sizeof *of_picture.dim);
    const char *meta[] = {"layout",
                          result->header ? "[depth,height,width,class]" : "[height,width,class]"};
    return tensors_write(path, result->header ? &of_volume : &of_picture, 1, meta, 1, err);
}

static int write_results(const struct file *file, const struct result *result, struct err *err)
{
    int64_t pixels = pixels_of(result);
    uint8_t *mask = xcalloc((size_t)pixels, 1);
    int status = predictor_decide(mask, result->probability, pixels, result->outputs, err);
    if (status)
        wrap(err, "'%s'", file->in);
    if (!status && file->probability)
        status = write_probabilities(result, file->probability, err);
    if (!status)
        status = result->header ? volume_write_mask(file->mask, mask, result->header, err)
                                : png_publish(file->mask, mask, result->h, result->w, 1, err);
    free(mask);
    return status;
}

/* Either image or volume; the other is NULL. */
static int predict_one(struct work *work, const struct file *file, const struct image *image,
                       struct volume *volume, struct err *err)
{
    struct result result = {.d = volume ? volume->d : 1,
                            .h = volume ? volume->h : image->h,
                            .w = volume ? volume->w : image->w,
                            .outputs = work->predictor.facts.outputs,
                            .header = volume ? volume->header : NULL};
    void *block;
    size_t bytes = (size_t)(pixels_of(&result) * result.outputs) * sizeof *result.probability;
    TRY(block_alloc(&block, bytes, &work->meter, err));
    result.probability = block;
    int status = volume ? predictor_volume(&work->predictor, block, volume, err)
                        : predictor_picture(&work->predictor, block, image, err);
    if (status && (err->status == STATUS_BAD_DATA || work->predictor.trained.bad_case >= 0))
        wrap(err, "'%s'", file->in);
    if (!status)
        status = write_results(file, &result, err);
    block_free(block, bytes, &work->meter);
    return status;
}

static int predict_file(struct work *work, const struct file *file, struct err *err)
{
    struct image image;
    struct volume volume;
    int status;
    if (predictor_takes_volumes(&work->predictor)) {
        TRY(volume_read(&volume, file->in, err));
        status = predict_one(work, file, NULL, &volume, err);
        volume_free(&volume);
    } else {
        TRY(read_image(&image, work, file->in, err));
        status = predict_one(work, file, &image, NULL, err);
        image_free(&image);
    }
    return status ? -1 : 0;
}

static int predict_files(struct work *work, struct err *err)
{
    struct progress progress;
    int status = 0;
    progress_start(&progress, "predict", 0, work->count, work->options->quiet);
    for (int i = 0; !status && i < work->count; i++) {
        status = predict_file(work, &work->files[i], err);
        if (!status)
            printf("%s %s %s\n", work->predictor.model.hex, work->files[i].in, work->files[i].mask);
        fflush(stdout); /* a printed line means that its files exist */
        progress_step(&progress, i + 1, 1, "files", "");
    }
    progress_end(&progress);
    return status;
}

static int predict_with(struct work *work, struct store *store, struct err *err)
{
    const struct options *options = work->options;
    struct id model = {0};
    struct preprocess_config preprocess;
    int64_t run = 0;
    TRY(model_run_find(&model, &run, store, SEGMENT, options->arguments[1], &work->arena, err));
    TRY(model_run_preprocess(&preprocess, store, run, &work->arena, err));
    const struct treatment treatment = preprocess_treatment(&preprocess);
    TRY(backend_open(&work->backend, &(struct backend_spec){.threads = (int)options->threads},
                     &work->meter, err));
    TRY(predictor_open(&work->predictor, store, &model, &treatment, work->backend, &work->meter,
                       err));
    if (preprocess_volumes(&preprocess) && !predictor_takes_volumes(&work->predictor))
        return fail_as(
            err, STATUS_BAD_DATA,
            "the model is for single slices of volumes; one for images or for volumes of "
            "several slices expected");
    TRY(name_files(work, err));
    TRY(check_files(work, err));
    if (work->transparent && !options->quiet)
        fprintf(stderr, "evaluate: %d image%s with transparent pixels, %s, the first '%s'\n",
                work->transparent, work->transparent == 1 ? "" : "s",
                ground_text(treatment.fit.ground), work->first_transparent);
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
    int status = store_open(&store, options.lab, false, err);
    if (!status) {
        status = predict_with(&work, store, err);
        predictor_close(&work.predictor);
        backend_close(work.backend);
        store_close(store);
    }
    arena_free(&work.arena);
    return status ? -1 : 0;
}
