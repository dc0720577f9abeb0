/* preprocess: decode raw files into a dataset. */
#include "pipeline/pipeline.h"
#include "data/preprocess.h"

#include "base/json.h"
#include "data/integrity.h"

#include <stdio.h>

static int check_leaks(const struct collection *collection, const struct preprocess_config *config,
                       struct err *err)
{
    if (config->equal == ON_EQUAL_ALLOW || !integrity_check_leaks(collection, err))
        return 0;
    return wrap(err, "equal");
}

static int keep_notes(const struct collection *collection, struct run *run, struct err *err)
{
    for (uint32_t i = 0; i < collection->note_count; i++) {
        struct json detail = {0};
        json_begin(&detail, NULL, "{*, *}");
        json_text(&detail, "text", collection->notes[i]);
        json_end(&detail);
        int status = run_event(run, "note", detail.text.data, err);
        text_free(&detail.text);
        TRY(status);
    }
    return 0;
}

static void say(const struct collection *collection)
{
    uint32_t count[SPLITS] = {0};
    char depth[16] = "";
    if (collection->d > 1)
        snprintf(depth, sizeof depth, "%dx", collection->d);
    for (uint32_t i = 0; i < collection->count; i++)
        count[collection->cases[i].split]++;
    fprintf(stderr, "preprocess: %u train, %u val, %u test cases of ", count[SPLIT_TRAIN],
            count[SPLIT_VAL], count[SPLIT_TEST]);
    if (collection->spacing[0] > 0)
        fprintf(stderr, "%dx%dx%d voxels of %.4gx%.4gx%.4g mm", collection->d, collection->h,
                collection->w, collection->spacing[0], collection->spacing[1],
                collection->spacing[2]);
    else
        fprintf(stderr, "%s%dx%dx%d", depth, collection->h, collection->w, collection->c);
    if (collection->class_count)
        fprintf(stderr, ", %u classes", collection->class_count);
    if (collection->mask_class_count)
        fprintf(stderr, ", masks of %u classes", collection->mask_class_count);
    fprintf(stderr, "\n");
    if (collection->skipped_count)
        fprintf(stderr, "preprocess: %u case%s skipped, the first because of %s\n",
                collection->skipped_count, collection->skipped_count == 1 ? "" : "s",
                collection->skipped[0].reason);
    for (uint32_t i = 0; i < collection->note_count; i++)
        fprintf(stderr, "preprocess: %s\n", collection->notes[i]);
}

static int run(struct context *context, struct err *err)
{
    const struct preprocess_config *config = context->config;
    uint64_t seed = (uint64_t)config->split.seed;
    struct collection collection;
    TRY(preprocess_read(&collection, config, context->options->data, err));
    int status = collection_hold_out(&collection, SPLIT_TEST, config->split.test, seed, err) ||
                 collection_hold_out(&collection, SPLIT_VAL, config->split.val, seed, err) ||
                 check_leaks(&collection, config, err) ||
                 collection_write(&collection, context_output(context, "dataset"), err);
    if (!status) {
        integrity_note(&collection);
        status = keep_notes(&collection, context->run, err);
    }
    if (!status && !context->options->quiet)
        say(&collection);
    collection_free(&collection);
    return status ? -1 : 0;
}

int main(int argc, char **argv)
{
    return stage_main(argc, argv, "preprocess", run);
}
