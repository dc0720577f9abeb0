#include "commands/latents_command.h"

#include "base/png.h"
#include "base/progress.h"
#include "base/stop.h"
#include "base/text.h"
#include "data/listing.h"
#include "apply/latents.h"
#include "commands/model_run.h"
#include "pipeline/pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char encode_usage[] = "encode MODEL (FILE ... | --split SPLIT) -o DIR [OPTION ...]";
static const char encode_help[] =
    "Encodes PNG and JPEG images with a trained model. Writes\n"
    "DIR/latents.safetensors: z_mean and, for a VAE, z_logvar f32 [N,latent]; labels\n"
    "i32 [N] if the model is conditional; names as metadata. Prints MODEL\n"
    "DIR/latents.safetensors.\n\n"
    "A FILE that ends in .txt is a list with one image per line, PATH or PATH CLASS\n"
    "(separated by a tab if they contain spaces); paths are relative to the list's\n"
    "folder. A conditional model needs a class for each image: that of its line, else\n"
    "--label. Images are rotated as their EXIF says and prepared as the model's\n"
    "training images were (preprocess: transparent, size, aspect, filter).\n\n"
    "MODEL is the run that trained it: its number, or the first digits of its recipe's\n"
    "or its model's id\n";

static const char decode_usage[] = "decode MODEL FILE -o DIR [OPTION ...]";
static const char decode_help[] =
    "Writes DIR/NAME.png for each row of z_mean in FILE, latents as written by\n"
    "`evaluate encode`: the image that the model decodes from it, given the row's\n"
    "label, or --label instead. Prints MODEL NAME DIR/NAME.png.\n\n"
    "MODEL is the run that trained it: its number, or the first digits of its recipe's\n"
    "or its model's id\n";

/* A picture to encode. */
struct picture {
    const char *path, *label; /* label NULL: none of its own */
    const char *list;         /* the list it is from; NULL: the command line */
    size_t line;
};
struct work {
    struct options options;
    struct store *store;
    struct arena arena;
    struct meter meter;
    struct backend *backend;
    struct coder coder;
    struct dataset dataset; /* the model's training data; open if its id is not empty */
    struct id dataset_id;
    int64_t run;
    struct fit fit;
    struct picture *pictures;
    size_t count;
    int transparent; /* number of pictures with such pixels */
    const char *first_transparent;
    struct latents latents;
};

/* ---- the model and its data ----------------------------------------------------------------- */
static int open_model(struct work *work, enum ability ability, struct err *err)
{
    struct id model;
    const struct options *options = &work->options;
    TRY(store_open(&work->store, options->lab, false, err));
    TRY(model_run_find(&model, &work->run, work->store, ability, options->arguments[1],
                       &work->arena, err));
    TRY(backend_open(&work->backend, &(struct backend_spec){.threads = (int)options->threads},
                     &work->meter, err));
    return coder_open(&work->coder, work->store, &model, ability, work->backend, &work->meter, err);
}

/* Has the names of the classes and the cases of the splits. */
static int open_dataset(struct work *work, struct err *err)
{
    struct id id;
    if (*work->dataset_id.hex)
        return 0;
    TRY(model_run_dataset(&id, work->store, work->run, &work->arena, err));
    TRY(dataset_open(&work->dataset, work->store, &id, &work->meter, err));
    work->dataset_id = id;
    struct image_data data = image_data_of(&work->dataset);
    return image_data_match(&work->coder.trained.model.facts.data, &data, "the model", err);
}

static int check_pictures(const struct work *work, struct err *err)
{
    const struct image_data *data = &work->coder.trained.model.facts.data;
    if (data->d != 1 || (data->c != 1 && data->c != 3))
        return fail_as(err, STATUS_BAD_DATA,
                       "the model is for %s with %lld channels; grey or colour images expected",
                       data->d == 1 ? "images" : "volumes", (long long)data->c);
    return 0;
}

/* A class by its name or, failing that, its number. */
static int find_class(int32_t *out, struct work *work, const char *label, struct err *err)
{
    char *end;
    long long number = strtoll(label, &end, 10);
    TRY(open_dataset(work, err));
    const struct dataset *dataset = &work->dataset;
    for (uint32_t k = 0; k < dataset->class_count; k++) {
        *out = (int32_t)k;
        if (strcmp(dataset->classes[k], label) == 0)
            return 0;
    }
    *out = (int32_t)number;
    if (*label >= '0' && *label <= '9' && !*end && number < dataset->class_count)
        return 0;
    struct text names = {0};
    for (uint32_t k = 0; k < dataset->class_count; k++)
        text_printf(&names, "%s%s", k ? ", " : "", dataset->classes[k]);
    fail_as(err, STATUS_USAGE, "no class '%s'; valid: %s, or a number from 0", label, names.data);
    text_free(&names);
    return -1;
}

static bool conditional(const struct work *work)
{
    return work->coder.trained.model.facts.conditional;
}

/* ---- what to encode ------------------------------------------------------------------------- */
/* A path relative to the list's folder. */
static const char *path_in_list(struct work *work, const char *list, const char *path)
{
    const char *slash = strrchr(list, '/');
    if (*path == '/' || !slash)
        return arena_strdup(&work->arena, path);
    return arena_printf(&work->arena, "%.*s/%s", (int)(slash - list), list, path);
}

/* PATH, or PATH CLASS, separated by a tab or spaces. Both may contain spaces: such a path is
 * recognised if its file exists, or is in double quotes. */
static size_t part_line(char *fields[2], struct work *work, const char *list, char *text)
{
    char *cut = strchr(text, '\t'), *copy = arena_strdup(&work->arena, text);
    fields[0] = text, fields[1] = NULL;
    if (!cut && file_exists(path_in_list(work, list, text)))
        return 1;
    if (!cut && (cut = strrchr(copy, ' '))) {
        *cut = '\0';
        bool known = file_exists(path_in_list(work, list, line_trim(copy)));
        cut = known ? text + (cut - copy) : NULL;
    }
    if (!cut || *text == '"')
        return line_fields(text, fields, 2);
    *cut = '\0';
    fields[0] = line_trim(text);
    fields[1] = line_trim(cut + 1);
    return *fields[1] ? 2 : 1;
}

static int list_line(struct work *work, const char *list, size_t line, char *text, struct err *err)
{
    char *fields[2];
    text = line_trim(text);
    if (!*text || *text == '#')
        return 0;
    size_t count = part_line(fields, work, list, text);
    if (count > 2)
        return fail_as(err, STATUS_BAD_DATA,
                       "line %zu of '%s': %zu fields; PATH or PATH CLASS expected, a path with "
                       "spaces in double quotes",
                       line, list, count);
    *ARRAY_ADD(work->pictures, work->count) =
        (struct picture){.path = path_in_list(work, list, fields[0]),
                         .label = count == 2 ? fields[1] : NULL,
                         .list = list,
                         .line = line};
    return 0;
}

static int add_list(struct work *work, const char *list, struct err *err)
{
    char **lines;
    size_t count;
    TRY(lines_read(&lines, &count, list, &work->arena, err));
    for (size_t i = 0; i < count; i++)
        TRY(list_line(work, list, i + 1, lines[i], err));
    return 0;
}

static int add_files(struct work *work, struct err *err)
{
    const struct options *options = &work->options;
    for (int i = 2; i < options->argument_count; i++) {
        const char *file = options->arguments[i];
        if (ends_like(file, ".txt"))
            TRY(add_list(work, file, err));
        else
            *ARRAY_ADD(work->pictures, work->count) = (struct picture){.path = file};
    }
    if (!work->count)
        return fail_as(err, STATUS_BAD_DATA, "the lists contain no images");
    return 0;
}

/* ---- encode: files -------------------------------------------------------------------------- */
static int label_picture(int32_t *out, struct work *work, const struct picture *picture,
                         struct err *err)
{
    const char *label = picture->label ? picture->label : work->options.label;
    if (label && !conditional(work))
        return fail_as(err, STATUS_USAGE, "label '%s': the model was trained without labels",
                       label);
    if (!label)
        return fail_as(
            err, STATUS_USAGE,
            "'%s' has no label, which the model needs (--label, or PATH CLASS in a list)",
            picture->path);
    if (find_class(out, work, label, err) == 0)
        return 0;
    if (!picture->label || err->status != STATUS_USAGE)
        return -1;
    err->status = STATUS_BAD_DATA;
    return wrap(err, "line %zu of '%s'", picture->line, picture->list);
}

static int name_pictures(struct work *work, struct err *err)
{
    struct latents *latents = &work->latents;
    latents->names = arena_alloc(&work->arena, work->count * sizeof *latents->names);
    int32_t label = 0;
    if (conditional(work))
        latents->labels = arena_alloc(&work->arena, work->count * sizeof *latents->labels);
    if (conditional(work) && work->options.label) /* even if every line has its own */
        TRY(find_class(&label, work, work->options.label, err));
    for (size_t i = 0; i < work->count; i++) {
        const struct picture *picture = &work->pictures[i];
        latents->names[i] = file_stem(&picture_files, picture->path, &work->arena);
        if (conditional(work) || picture->label || work->options.label)
            TRY(label_picture(&label, work, picture, err));
        if (latents->labels)
            latents->labels[i] = label;
    }
    return latents_check_names(latents->names, latents->count, err);
}

/* Resizes a picture as the training images were. */
static int fit_picture(uint8_t *pixels, const struct work *work, const struct image *image,
                       struct err *err)
{
    const struct image_data *data = &work->coder.trained.model.facts.data;
    if (work->fit.h)
        fit_case(pixels, NULL, &work->fit, image->pixels, NULL, image->h, image->w, image->c);
    else if (image->h != data->h || image->w != data->w)
        return fail_as(err, STATUS_BAD_DATA,
                       "%dx%d pixels, but the model's %lldx%lld images were not resized",
                       (int)image->h, (int)image->w, (long long)data->h, (long long)data->w);
    else
        memcpy(pixels, image->pixels, (size_t)work->coder.trained.pixels);
    return 0;
}

static int read_picture(float *out, struct work *work, const char *path, struct err *err)
{
    size_t count = (size_t)work->coder.trained.pixels;
    enum image_form form = work->coder.trained.model.facts.data.c == 1 ? IMAGE_GREY : IMAGE_RGB;
    struct image image;
    TRY(image_read(&image, form, work->fit.ground, path, err));
    if (image.transparent && !work->transparent++)
        work->first_transparent = path;
    uint8_t *pixels = xcalloc(count, 1);
    int status = fit_picture(pixels, work, &image, err);
    image_free(&image);
    if (!status)
        pixel_values(out, PIXEL_U8, pixels, count);
    free(pixels);
    return status ? wrap(err, "'%s'", path) : 0;
}

/* The latents, [count,latent] each. */
struct rows {
    float *z_mean, *z_logvar;
};

/* Prepends the row at which the model failed to an error. */
static int name_row(const struct work *work, uint32_t first, struct err *err)
{
    int32_t bad = work->coder.trained.bad_case;
    return bad < 0 ? -1 : wrap(err, "'%s'", work->latents.names[first + (uint32_t)bad]);
}

static int encode_rows(struct work *work, const struct rows *rows, const float *image,
                       uint32_t first, uint32_t n, struct err *err)
{
    const struct latents *latents = &work->latents;
    size_t at = first * (size_t)work->coder.trained.latent;
    if (coder_encode(&work->coder, image, latents->labels ? latents->labels + first : NULL, n,
                     rows->z_mean + at, rows->z_logvar + at, err))
        return name_row(work, first, err);
    return 0;
}

static int encode_files(struct work *work, const struct rows *rows, struct progress *progress,
                        struct err *err)
{
    struct coder *coder = &work->coder;
    uint32_t batch = (uint32_t)coder->trained.batch, held = 0;
    for (uint32_t i = 0; i < work->count; i++) {
        TRY(stop_obey(err));
        TRY(read_picture(coder->image + held++ * (size_t)coder->trained.pixels, work,
                         work->pictures[i].path, err));
        if (held == batch || i + 1 == work->count) {
            TRY(encode_rows(work, rows, coder->image, i + 1 - held, held, err));
            held = 0;
        }
        progress_step(progress, i + 1, 1, "pictures", "");
    }
    return 0;
}

static int prepare_files(struct work *work, struct err *err)
{
    struct preprocess_config config;
    TRY(add_files(work, err));
    TRY(check_pictures(work, err));
    TRY(model_run_preprocess(&config, work->store, work->run, &work->arena, err));
    if (preprocess_volumes(&config))
        return fail_as(err, STATUS_BAD_DATA,
                       "the model is for single slices of volumes; one for images expected");
    work->fit = preprocess_treatment(&config).fit;
    const struct image_data *data = &work->coder.trained.model.facts.data;
    if (work->fit.h && (work->fit.h != data->h || work->fit.w != data->w))
        return fail_as(err, STATUS_BAD_DATA,
                       "the model is for images of %lldx%lld, but its data set has %dx%d",
                       (long long)data->h, (long long)data->w, (int)work->fit.h, (int)work->fit.w);
    work->latents.count = (uint32_t)work->count;
    return name_pictures(work, err);
}

/* ---- encode: a split ------------------------------------------------------------------------ */
static int find_split(enum split *out, const char *name, struct err *err)
{
    for (int i = 0; i < SPLITS; i++)
        if (strcmp(split_names[i], name) == 0) {
            *out = (enum split)i;
            return 0;
        }
    return fail_as(err, STATUS_USAGE, "--split '%s': train, val or test expected", name);
}

static int prepare_split(struct work *work, enum split *split, struct err *err)
{
    struct latents *latents = &work->latents;
    TRY(find_split(split, work->options.split, err));
    if (work->options.label)
        return fail_as(err, STATUS_USAGE, "--label: the cases of a split have labels of their own");
    TRY(open_dataset(work, err));
    const struct dataset *dataset = &work->dataset;
    latents->count = dataset->count[*split];
    if (!latents->count)
        return fail_as(err, STATUS_USAGE, "--split %s: it has no cases", work->options.split);
    latents->names = dataset->ids + dataset->begin[*split];
    if (dataset->labels) {
        size_t bytes = latents->count * sizeof *latents->labels;
        latents->labels = arena_alloc(&work->arena, bytes);
        memcpy(latents->labels, dataset->labels + dataset->begin[*split], bytes);
    }
    return 0;
}

static int encode_split(struct work *work, const struct rows *rows, enum split split,
                        struct progress *progress, struct err *err)
{
    struct loader_spec spec = {.split = split,
                               .batch = (uint32_t)work->coder.trained.batch,
                               .memory = backend_host_memory(work->backend)};
    struct loader *loader;
    TRY(loader_open(&loader, &work->dataset, &spec, &work->meter, err));
    int status = 0;
    uint32_t first = 0;
    for (const struct batch *b; !status && (b = loader_next(loader)); first += b->real) {
        status = stop_obey(err) || encode_rows(work, rows, b->image, first, b->real, err);
        progress_step(progress, first + b->real, 1, "cases", "");
    }
    loader_close(loader);
    return status ? -1 : 0;
}

/* ---- encode --------------------------------------------------------------------------------- */
static int encode_all(struct work *work, enum split split, struct err *err)
{
    struct latents *latents = &work->latents;
    struct progress progress;
    latents->shape = work->coder.trained.model.facts.latent;
    size_t codes = latents->count * (size_t)work->coder.trained.latent;
    struct rows rows = {xcalloc(codes, sizeof(float)), xcalloc(codes, sizeof(float))};
    char path[PATH_BYTES];
    progress_start(&progress, "encode", 0, latents->count, work->options.quiet);
    int status = work->options.split ? encode_split(work, &rows, split, &progress, err)
                                     : encode_files(work, &rows, &progress, err);
    progress_end(&progress);
    if (work->transparent && !work->options.quiet)
        fprintf(stderr, "evaluate: %d image%s with transparent pixels, %s, the first '%s'\n",
                work->transparent, work->transparent == 1 ? "" : "s", ground_text(work->fit.ground),
                work->first_transparent);
    latents->z_mean = rows.z_mean;
    latents->z_logvar = work->coder.trained.model.facts.sampled ? rows.z_logvar : NULL;
    status = status || folder_make(work->options.output, err) ||
             path_join(path, work->options.output, "latents.safetensors", err) ||
             latents_write(path, latents, &work->coder.model, err);
    if (!status)
        printf("%s %s\n", work->coder.model.hex, path);
    free(rows.z_mean);
    free(rows.z_logvar);
    return status ? -1 : 0;
}

static int encode(struct work *work, struct err *err)
{
    enum split split = SPLIT_TEST;
    TRY(open_model(work, ENCODE, err));
    TRY(work->options.split ? prepare_split(work, &split, err) : prepare_files(work, err));
    return encode_all(work, split, err);
}

/* ---- decode --------------------------------------------------------------------------------- */
static int label_rows(struct work *work, struct err *err)
{
    struct latents *latents = &work->latents;
    const char *label = work->options.label;
    int32_t class;
    if (label && !conditional(work))
        return fail_as(err, STATUS_USAGE, "label '%s': the model was trained without labels",
                       label);
    if (!label && conditional(work) && !latents->labels)
        return fail_as(err, STATUS_USAGE, "'%s' has no labels, which the model needs (--label)",
                       work->options.arguments[2]);
    if (!label)
        return 0;
    TRY(find_class(&class, work, label, err));
    latents->labels = arena_alloc(&work->arena, latents->count * sizeof *latents->labels);
    for (uint32_t i = 0; i < latents->count; i++)
        latents->labels[i] = class;
    return 0;
}

static int write_picture(struct work *work, const float *pixels, const char *name, struct err *err)
{
    const struct image_data *data = &work->coder.trained.model.facts.data;
    char path[PATH_BYTES];
    const char *file = arena_printf(&work->arena, "%s.png", name);
    TRY(path_join(path, work->options.output, file, err));
    uint8_t *bytes = xcalloc((size_t)work->coder.trained.pixels, 1);
    image_to_bytes(bytes, pixels, (size_t)work->coder.trained.pixels,
                   work->coder.trained.model.facts.range);
    int status =
        png_publish(path, bytes, (int32_t)data->h, (int32_t)data->w, (int32_t)data->c, err);
    free(bytes);
    if (!status)
        printf("%s %s %s\n", work->coder.model.hex, name, path);
    return status;
}

static int decode_all_rows(struct work *work, struct progress *progress, struct err *err)
{
    const struct latents *latents = &work->latents;
    uint32_t batch = (uint32_t)work->coder.trained.batch;
    for (uint32_t first = 0, n; first < latents->count; first += n) {
        n = latents->count - first < batch ? latents->count - first : batch;
        TRY(stop_obey(err));
        if (coder_decode(&work->coder, latents, first, n, err))
            return name_row(work, first, err);
        for (uint32_t i = 0; i < n; i++)
            TRY(write_picture(work, work->coder.image + i * (size_t)work->coder.trained.pixels,
                              latents->names[first + i], err));
        fflush(stdout); /* a printed line means that its file exists */
        progress_step(progress, first + n, 1, "images", "");
    }
    return 0;
}

static int decode(struct work *work, struct err *err)
{
    struct progress progress;
    TRY(open_model(work, DECODE, err));
    TRY(check_pictures(work, err));
    TRY(latents_read(&work->latents, work->options.arguments[2], &work->coder.model,
                     &work->coder.trained.model.facts, &work->arena, err));
    TRY(label_rows(work, err));
    TRY(folder_make(work->options.output, err));
    progress_start(&progress, "decode", 0, work->latents.count, work->options.quiet);
    int status = decode_all_rows(work, &progress, err);
    progress_end(&progress);
    return status;
}

/* ---- commands ------------------------------------------------------------------------------- */
static void work_free(struct work *work)
{
    coder_close(&work->coder);
    backend_close(work->backend);
    if (*work->dataset_id.hex)
        dataset_close(&work->dataset);
    if (work->store)
        store_close(work->store);
    free(work->pictures);
    arena_free(&work->arena);
}

int encode_command(int argc, char **argv, struct err *err)
{
    static const char *const takes[] = {"output", "label", "split", "threads", NULL};
    struct work work = {0};
    const struct options *options = &work.options;
    TRY(options_parse(&work.options, argc, argv, encode_usage, encode_help, takes, err));
    if (options->argument_count < 2 || !options->output ||
        (options->argument_count == 2) != (options->split != NULL))
        return fail_as(err, STATUS_USAGE, "usage: evaluate %s", encode_usage);
    int status = encode(&work, err);
    work_free(&work);
    return status;
}

int decode_command(int argc, char **argv, struct err *err)
{
    static const char *const takes[] = {"output", "label", "threads", NULL};
    struct work work = {0};
    const struct options *options = &work.options;
    TRY(options_parse(&work.options, argc, argv, decode_usage, decode_help, takes, err));
    if (options->argument_count != 3 || !options->output)
        return fail_as(err, STATUS_USAGE, "usage: evaluate %s", decode_usage);
    int status = decode(&work, err);
    work_free(&work);
    return status;
}
