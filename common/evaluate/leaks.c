/*
 * Leakage: whether evaluated cases were also used for training. Everything that the model, or the
 * judge of its images, was made from is followed back to the data sets: training, pre-training, the
 * network of a perceptual loss. Whole data sets are compared, regardless of what share of one was
 * used.
 *
 * A data set's own splits are not compared: preprocess refuses equal images in two of them, unless
 * told to allow them.
 */
#include "evaluate/evaluate_parts.h"

#include "data/copies.h"

#include <stdlib.h>
#include <string.h>

/* The state while the origins of one input are walked. */
struct walk {
    const struct evaluation *what;
    const struct evaluate_config *config;
    const char *input; /* of the evaluation */
    struct arena *arena;
    struct id *seen; /* data sets and other artifacts already compared */
    size_t seen_count;
    struct text *table; /* leaks.csv; without data: no leak yet */
};

static bool seen_before(struct walk *walk, const struct id *artifact)
{
    for (size_t i = 0; i < walk->seen_count; i++)
        if (strcmp(walk->seen[i].hex, artifact->hex) == 0)
            return true;
    *ARRAY_ADD(walk->seen, walk->seen_count) = *artifact;
    return false;
}

static void note_leaks(const struct walk *walk, const struct origin *origin,
                       const struct copy *copies, uint32_t count)
{
    if (!walk->table->data)
        text_puts(walk->table, "case_id,input,stage,dataset,split,copy\n");
    for (const struct copy *copy = copies; copy < copies + count; copy++) {
        text_csv(walk->table, copy->id);
        text_printf(walk->table, ",%s,%s,%s,%s,", walk->input, origin->stage, origin->artifact.hex,
                    split_names[copy->split]);
        text_csv(walk->table, copy->as);
        text_puts(walk->table, "\n");
    }
}

static int compare_origin(void *user, const struct origin *origin, struct err *err)
{
    struct walk *walk = user;
    const struct id *own = &walk->what->dataset->artifact;
    enum split split = (enum split)walk->config->split;
    struct copy *copies;
    uint32_t count;
    if (strcmp(origin->artifact.hex, own->hex) == 0 || seen_before(walk, &origin->artifact))
        return 0;
    if (copies_find(&copies, &count, walk->arena, walk->what->store, own, split, &origin->artifact,
                    err))
        return wrap(err, "dataset %.12s", origin->artifact.hex);
    if (count && !walk->config->allow_leak)
        return fail_as(
            err, STATUS_BAD_DATA,
            "%s case '%s' is not a fair test of the %s: it has the pixels of '%s/%s' in data set "
            "%.12s, which %s read (run %lld); %u of %u cases are affected; remove them "
            "there, or set allow_leak: true",
            split_names[split], copies->id, walk->input, split_names[copies->split], copies->as,
            origin->artifact.hex, origin->stage, (long long)origin->run, count,
            walk->what->dataset->count[split]);
    if (count)
        note_leaks(walk, origin, copies, count);
    return 0;
}

int find_leaks(const struct evaluator *e, const struct draft *draft, struct err *err)
{
    const struct {
        const char *name;
        const struct id *artifact;
    } inputs[] = {{"model", e->what->model}, {"judge", e->what->judge}, {"lpips", e->what->lpips}};
    struct text table = {0};
    struct arena arena = {0};
    int status = 0;
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs && !status; i++) {
        struct walk walk = {.what = e->what,
                            .config = e->config,
                            .input = inputs[i].name,
                            .arena = &arena,
                            .table = &table};
        if (inputs[i].artifact)
            status =
                registry_origins(e->what->store, inputs[i].artifact, compare_origin, &walk, err);
        free(walk.seen);
    }
    arena_free(&arena);
    if (!status && table.data)
        return draft_text(draft, LEAKS_FILE, &table, err);
    text_free(&table);
    return status;
}
