#include "pipeline/stage.h"

#include "base/file.h"
#include "base/text.h"
#include "data/data.h"
#include "nn/classifier.h"
#include "nn/evaluate.h"
#include "nn/vae.h"

#include <math.h>
#include <string.h>

/* ---- preprocess ----------------------------------------------------------------------------- */

static const char *const source_formats[] = {"idx", "shapes", NULL};

#define AT(member) offsetof(struct preprocess_config, member)
static const struct field source_fields[] = {
    {"format", FIELD_CHOICE, AT(source.format), NULL,
     "idx: the MNIST files; shapes: made here from a seed", .choices = source_formats},
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
    {0},
};
static const struct field split_fields[] = {
    {"val", FIELD_INT, AT(split.val), "0", "training cases held out for validation", .min = 0,
     .max = INT32_MAX},
    {"seed", FIELD_INT, AT(split.seed), "0", "which of them", .min = 0, .max = INT32_MAX},
    {0},
};
static const struct field preprocess_fields[] = {
    {"source", FIELD_SECTION, 0, NULL, "where the cases come from", .sub = source_fields},
    {"split", FIELD_SECTION, 0, "", "train, validation, test", .sub = split_fields},
    {0},
};
#undef AT

static int preprocess_sources(const void *config, const char *data, struct arena *arena,
                              const struct source **out, int *count, struct err *err)
{
    const struct preprocess_config *preprocess = config;
    *count = 0;
    if (preprocess->source.format != SOURCE_IDX)
        return 0;
    char folder[PATH_BYTES];
    const char *paths[IDX_FILES];
    TRY(path_join(folder, data, preprocess->source.root, err));
    TRY(idx_sources(paths, folder, arena, err));
    struct source *sources = arena_alloc(arena, IDX_FILES * sizeof *sources);
    for (int i = 0; i < IDX_FILES; i++) {
        const char *slash = strrchr(paths[i], '/');
        sources[i] = (struct source){.name = slash ? slash + 1 : paths[i], .path = paths[i]};
    }
    *out = sources;
    *count = IDX_FILES;
    return 0;
}

/* ---- evaluate ------------------------------------------------------------------------------- */

static bool judged(const void *config)
{
    const struct evaluate_config *evaluate = config;
    for (size_t i = 0; i < evaluate->metrics.count; i++)
        if (evaluate->metrics.items[i] == METRIC_LABEL_OBEDIENCE)
            return true;
    return false;
}

/* ---- the table ------------------------------------------------------------------------------ */

const struct stage_info stage_table[STAGES] = {
    [PREPROCESS] = {.name = "preprocess",
                    .help = "decode raw files into a dataset",
                    .version = 1,
                    .fields = preprocess_fields,
                    .config_size = sizeof(struct preprocess_config),
                    .output = "dataset",
                    .sources = preprocess_sources},
    /* Not seeded: the judge is a measuring instrument, and one instrument serves every seed. */
    [TRAIN_CLASSIFIER] = {.name = "train-classifier",
                          .help = "fit the classifier that judges generated images",
                          .version = 1,
                          .compute = true,
                          .trains = true,
                          .fields = classifier_fields,
                          .config_size = sizeof(struct classifier_config),
                          .output = "model",
                          .ports = {{"dataset", PREPROCESS, NULL}}},
    [TRAIN_VAE] = {.name = "train-vae",
                   .help = "fit a (conditional) variational autoencoder",
                   .version = 1,
                   .seeded = true,
                   .compute = true,
                   .trains = true,
                   .fields = vae_fields,
                   .config_size = sizeof(struct vae_config),
                   .output = "model",
                   .ports = {{"dataset", PREPROCESS, NULL}}},
    [EVALUATE] = {.name = "evaluate",
                  .help = "measure a trained model on a split",
                  .version = 1,
                  .compute = true,
                  .fields = evaluate_fields,
                  .config_size = sizeof(struct evaluate_config),
                  .output = "evaluation",
                  .ports = {{"model", TRAIN_VAE, NULL},
                            {"dataset", PREPROCESS, NULL},
                            {"judge", TRAIN_CLASSIFIER, judged}}},
};

const struct stage_info *stage_of_section(const char *section)
{
    size_t length = strcspn(section, "@");
    for (int i = 0; i < STAGES; i++)
        if (strlen(stage_table[i].name) == length &&
            strncmp(stage_table[i].name, section, length) == 0)
            return &stage_table[i];
    return NULL;
}
