#include "pipeline/preprocess.h"

#include "base/file.h"
#include "data/data.h"

#include <string.h>

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
const struct field preprocess_fields[] = {
    {"source", FIELD_SECTION, 0, NULL, "where the cases come from", .sub = source_fields},
    {"split", FIELD_SECTION, 0, "", "train, validation, test", .sub = split_fields},
    {0},
};
#undef AT

int preprocess_sources(const void *config, const char *data, struct arena *arena,
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
