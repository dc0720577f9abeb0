/* Evaluations in a test's lab, and what is looked for in what they leave. */
#ifndef CAIRN_TESTS_EVALUATE_WORLD_H
#define CAIRN_TESTS_EVALUATE_WORLD_H

#include "evaluate/evaluate.h"
#include "one_thread.h"
#include "store_lab.h"

#include "near.h"

/* what: of which data set, model, judge and run. */
static inline int measured(struct id *out, struct lab *lab, struct evaluation what,
                           const struct evaluate_config *config, struct err *err)
{
    struct draft *draft;
    what.store = lab->store;
    what.backend = one_thread();
    what.quiet = true;
    TRY(draft_open(&draft, lab->store, err));
    if (evaluate(&what, config, draft, err)) {
        draft_drop(draft);
        return -1;
    }
    return draft_seal(draft, out, err);
}

/* Images [train + test,d,h,w,1] of any values, with masks of a foreground. */
static inline struct dataset masked_volumes(const int32_t size[3], uint32_t train, uint32_t test,
                                            const float *images, const uint8_t *masks,
                                            const char **ids)
{
    static const char *classes[] = {"background", "foreground"};
    return (struct dataset){.d = size[0],
                            .h = size[1],
                            .w = size[2],
                            .c = 1,
                            .begin = {0, train, train},
                            .count = {train, 0, test},
                            .pixel = PIXEL_F32,
                            .images = images,
                            .masks = masks,
                            .ids = ids,
                            .mask_class_count = 2,
                            .mask_classes = classes};
}

/* Kept by the lab's arena. */
static inline const char *text_of(struct lab *lab, const struct id *artifact, const char *name)
{
    char path[PATH_BYTES], *bytes;
    size_t length;
    struct err err;
    OK(artifact_path(path, lab->store, artifact, name, &err));
    OK(file_read(&bytes, &length, path, 1 << 20, &err));
    const char *text = arena_strdup(&lab->arena, bytes);
    free(bytes);
    return text;
}

/* Of the test split in a metrics.json; null is not a number. */
static inline double metric_of(const char *json, const char *name)
{
    char key[128];
    snprintf(key, sizeof key, "\"test/%s\": ", name);
    const char *at = strstr(json, key);
    if (!at)
        fail_msg("no metric '%s' in %s", name, json);
    at += strlen(key);
    return starts_with(at, "null") ? NAN : strtod(at, NULL);
}

#endif
