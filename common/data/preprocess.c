#include "data/preprocess.h"

#include "base/file.h"
#include "data/formats/formats.h"

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

static const struct field_variant *format_keys(int choice)
{
    return formats[choice] ? &formats[choice]->keys : NULL;
}

#define AT(member) offsetof(struct preprocess_config, member)
static const struct field source_fields[] = {
    {"root", FIELD_TEXT, AT(source.root), "''", "folder of the files, relative to DATA",
     .silent = true},
    {"format", FIELD_VARIANT, AT(source.format), NULL, "format of the raw data",
     .variant = format_keys},
    {0},
};
static const struct field intensity_fields[] = {
    {"kind", FIELD_CHOICE, AT(intensity.kind), "none",
     "percentile: each volume's percentiles low and high become 0 and 1; range: these values do; "
     "zscore: subtract the mean, divide by the standard deviation",
     .choices = intensities},
    {"low", FIELD_REAL, AT(intensity.low), "0.5",
     .help = "percentile or value; values below are clipped"},
    {"high", FIELD_REAL, AT(intensity.high), "99.5",
     .help = "percentile or value; values above are clipped"},
    {"within", FIELD_CHOICE, AT(intensity.within), "auto",
     "voxels used for percentiles, mean and deviation: all (computed tomography) or nonzero, then "
     "zeros stay 0; auto: percentile all, zscore nonzero",
     .choices = withins, .later = true},
    {0},
};
static const struct field split_fields[] = {
    {"val", FIELD_INT, AT(split.val), "0", "training cases held out for validation", .min = 0,
     .max = INT32_MAX},
    {"test", FIELD_INT, AT(split.test), "0",
     "training cases held out for testing, for data without a test split", .min = 0,
     .max = INT32_MAX},
    {"seed", FIELD_INT, AT(split.seed), "0", "seed that chooses them", .min = 0, .max = INT32_MAX},
    {0},
};
const struct field preprocess_fields[] = {
    {"source", FIELD_SECTION, 0, NULL, "where the cases come from", .sub = source_fields},
    {"size", FIELD_INTS, AT(size), "[]",
     "height and width of images; depth, height and width of volumes, which are cropped or padded "
     "about the centre, with 0 (intensity none: their least value), in masks with class "
     "0; []: as in the files",
     .min = 1, .max = 4096, .max_count = 3},
    {"aspect", FIELD_CHOICE, AT(aspect), "stretch",
     "images: keep: pad with black bars, which have no class in masks", .choices = aspects},
    {"filter", FIELD_CHOICE, AT(filter), "area", "how images are resized", .choices = filters},
    {"transparent", FIELD_CHOICE, AT(transparent), "file",
     "images: what transparent pixels are laid over; file: the file's own background, else "
     "black; none: nothing, alpha is ignored; error: refuse them",
     .choices = grounds, .later = true},
    {"spacing", FIELD_REALS, AT(spacing), "[]",
     "volumes: mm between voxels along depth (inferior to superior), height (posterior to "
     "anterior) and width (left to right); images linear, masks nearest; []: as in the files",
     .min = 1e-6, .max = 1e3, .max_count = 3},
    {"intensity", FIELD_SECTION, 0, "", "volumes: normalisation of their values",
     .sub = intensity_fields},
    {"on_bad", FIELD_CHOICE, AT(on_bad), "error", "what to do about unreadable or missing cases",
     .choices = bad_choices},
    {"equal", FIELD_CHOICE, AT(equal), "error", "what to do if splits have images in common",
     .choices = equal_choices},
    {"split", FIELD_SECTION, 0, "", "train, validation, test", .sub = split_fields},
    {0},
};
#undef AT

static const struct format *format_of(const struct preprocess_config *config)
{
    return formats[config->source.format.choice];
}

static struct content content_of(const struct preprocess_config *config)
{
    const struct format *format = format_of(config);
    return format->content ? format->content(config->source.format.own)
                           : (struct content){.axes = 2};
}

bool preprocess_volumes(const struct preprocess_config *config)
{
    return content_of(config).numbers;
}

static int check_count(const char *key, size_t count, int axes, struct err *err)
{
    if (!count || count == (size_t)axes)
        return 0;
    return fail_as(err, STATUS_CONFIG,
                   "%s: %zu item%s given; %d (%sheight and width) or none expected", key, count,
                   count == 1 ? "" : "s", axes, axes == 3 ? "depth, " : "");
}

static int check_intensity(const struct preprocess_config *config, struct err *err)
{
    double low = config->intensity.low, high = config->intensity.high;
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
        return fail_as(err, STATUS_CONFIG, "intensity: within is for percentile and zscore only");
    return 0;
}

int preprocess_check(const struct preprocess_config *config, struct err *err)
{
    const struct content content = content_of(config);
    const struct int_list *size = &config->size;
    int64_t voxels = 1;
    TRY(check_count("size", size->count, content.axes, err));
    for (size_t i = 0; i < size->count; i++)
        voxels *= size->items[i];
    if (content.numbers && voxels > VOLUME_VOXELS)
        return fail_as(err, STATUS_CONFIG, "size: %lld voxels; %d at most", (long long)voxels,
                       VOLUME_VOXELS);
    if (config->spacing.count && !content.spaced)
        return fail_as(err, STATUS_CONFIG, "spacing: for volumes (source.format: nifti) only");
    TRY(check_count("spacing", config->spacing.count, 3, err));
    if (content.numbers)
        return check_intensity(config, err);
    if (config->intensity.kind != INTENSITY_NONE || config->intensity.within != WITHIN_AUTO)
        return fail_as(err, STATUS_CONFIG,
                       "intensity: for volumes (source.format: nifti) and numbers (npy) only");
    return 0;
}

int preprocess_sources(const void *config, const char *data, struct arena *arena,
                       const struct source **out, int *count, struct err *err)
{
    const struct preprocess_config *preprocess = config;
    char folder[PATH_BYTES];
    TRY(path_join(folder, data, preprocess->source.root, err));
    struct sources sources = {.folder = folder, .arena = arena};
    TRY(format_sources(&sources, format_of(preprocess), preprocess->source.format.own,
                       preprocess->on_bad == ON_BAD_SKIP, err));
    *out = sources.items;
    *count = sources.count;
    return 0;
}

/* ---- reading -------------------------------------------------------------------------------- */

struct treatment preprocess_treatment(const struct preprocess_config *config)
{
    struct treatment how = {.fit = {.ground = (enum image_ground)config->transparent,
                                    .filter = (enum resize_filter)config->filter,
                                    .keep_aspect = config->aspect == 1,
                                    .skip_bad = config->on_bad == ON_BAD_SKIP},
                            .volume = {.intensity = (enum intensity)config->intensity.kind,
                                       .low = config->intensity.low,
                                       .high = config->intensity.high,
                                       .within = (enum within)config->intensity.within}};
    const struct int_list *size = &config->size;
    const int64_t *width = size->items + size->count;
    for (size_t i = 0; i < config->spacing.count; i++)
        how.volume.spacing[i] = config->spacing.items[i];
    if (size->count && preprocess_volumes(config)) {
        how.volume.size[0] = size->count == 3 ? (int32_t)width[-3] : 1;
        how.volume.size[1] = (int32_t)width[-2], how.volume.size[2] = (int32_t)width[-1];
    } else if (size->count) {
        how.fit.h = (int32_t)width[-2], how.fit.w = (int32_t)width[-1];
    }
    return how;
}

int preprocess_read(struct collection *out, const struct preprocess_config *config,
                    const char *data, struct err *err)
{
    const struct treatment how = preprocess_treatment(config);
    char folder[PATH_BYTES];
    TRY(path_join(folder, data, config->source.root, err));
    return format_read(out, format_of(config), config->source.format.own, folder, &how, err);
}
