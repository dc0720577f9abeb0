/* preprocess: decode raw files into a dataset. */
#include "pipeline/pipeline.h"
#include "pipeline/preprocess.h"

#include "base/file.h"
#include "data/data.h"

#include <stdio.h>

static int read_source(struct collection *out, const struct context *context, struct err *err)
{
    const struct preprocess_config *config = context->config;
    char folder[PATH_BYTES];
    switch ((enum source_format)config->source.format) {
    case SOURCE_IDX:
        TRY(path_join(folder, context->options->data, config->source.root, err));
        return idx_read(out, folder, err);
    case SOURCE_SHAPES:
        return shapes_make(out, config->source.size, config->source.classes, config->source.train,
                           config->source.test, (uint64_t)config->source.seed, err);
    }
    bug("source format %d", config->source.format);
}

static void say(const struct context *context, const struct collection *collection)
{
    uint32_t count[SPLITS] = {0};
    for (uint32_t i = 0; i < collection->count; i++)
        count[collection->cases[i].split]++;
    if (!context->options->quiet)
        fprintf(stderr, "preprocess: %u train, %u val, %u test cases of %dx%dx%d, %u classes\n",
                count[SPLIT_TRAIN], count[SPLIT_VAL], count[SPLIT_TEST], collection->h,
                collection->w, collection->c, collection->class_count);
}

static int run(struct context *context, struct err *err)
{
    const struct preprocess_config *config = context->config;
    struct collection collection = {0};
    TRY(read_source(&collection, context, err));
    int status =
        collection_hold_out(&collection, config->split.val, (uint64_t)config->split.seed, err) ||
        collection_write(&collection, context->draft, err);
    if (!status)
        say(context, &collection);
    collection_free(&collection);
    return status ? -1 : 0;
}

int main(int argc, char **argv)
{
    return stage_main(argc, argv, PREPROCESS, run);
}
