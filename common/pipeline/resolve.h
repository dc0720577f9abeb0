/*
 * Resolving: from an experiment to recipes, and from recipes to artifacts that the registry knows.
 *
 * A cell is a variant with a seed; a place is a section in a cell. A recipe needs the artifact ids
 * of its inputs, so a place below one that is not known yet has no recipe; its key (the recipe
 * text with the inputs' keys in their place) still tells equal work apart from different work.
 */
#ifndef CAIRN_PIPELINE_RESOLVE_H
#define CAIRN_PIPELINE_RESOLVE_H

#include "pipeline/experiment.h"
#include "store/store.h"

enum place_state {
    PLACE_KNOWN,   /* outputs are in the registry */
    PLACE_READY,   /* all inputs are known, the stage has to run */
    PLACE_WAITING, /* an input has to be computed first; no recipe yet */
};
struct place {
    size_t variant; /* index */
    uint64_t seed;
    const struct section *section;
    enum place_state state;
    size_t level;                  /* how many places have to run before it, the longest way */
    const char *recipe_text;       /* also of a waiting place, with keys for inputs */
    struct id key, recipe;         /* equal unless waiting; recipe.hex is "" when waiting */
    struct port inputs[MAX_PORTS]; /* artifact.hex "" where not known */
    const struct place *makers[MAX_PORTS]; /* NULL: artifact:ID */
    const char *made_as[MAX_PORTS];        /* which of the maker's outputs */
    int input_count;
    const struct source *sources;
    const struct id *source_ids;
    int source_count;
    struct port outputs[MAX_PORTS];
    int output_count;
    int64_t run;               /* of a known place */
    const struct place *first; /* of all with this key; itself, if it is the first */
};
struct resolution {
    struct arena arena;
    struct place *places; /* by variant, then seed, then section in file order */
    size_t count;
    const struct place **by_key; /* a table of key_slots slots, a power of two */
    size_t key_slots;
};

/* data: root of the raw data sets. variant, seed: -1 for all. store NULL: nothing is known. */
int resolve(struct resolution *out, const struct experiment *experiment, struct store *store,
            const char *data, int64_t variant, int64_t seed, struct err *err);
void resolution_free(struct resolution *resolution);
/* NULL: not there. */
const struct place *resolution_find(const struct resolution *resolution, size_t variant,
                                    uint64_t seed, const char *section);
/* The first place of this key, which is the recipe of all that wait for nothing; NULL: none. */
const struct place *resolution_by_key(const struct resolution *resolution, const struct id *key);
/* Tells the registry what each place resolves to now (table cell). */
int resolution_publish(const struct resolution *resolution, const struct experiment *experiment,
                       struct store *store, struct err *err);

/* ---- why ------------------------------------------------------------------------------------ */
/*
 * What differs between two runs, one item a line: "train-vae.train.lr: 0.001 -> 0.002". Inputs that
 * differ are followed to the runs that made them, so that the cause is named and not its
 * consequences. Numerics, which are in no recipe, come after the keys: "train-vae threads: 2 -> 1".
 * Nothing is added where nothing differs.
 */
int why_differ(struct text *out, struct store *store, int64_t old_run, int64_t new_run,
               struct err *err);
/* The earlier run of the same stage with another recipe from which this one differs least (of
 * equals the newest; the last few recipes are looked at), or else the newest of this recipe with
 * other numerics; 0 if there is none. */
int why_nearest(int64_t *out, struct store *store, int64_t run, struct err *err);

/* Why a place would run that is ready and not known. */
struct reason {
    const struct place *place;
    struct run_row run;  /* of its recipe: that one came to nothing, or its result is gone; else the
                          * run of the stage that differs least; id 0: there is none */
    struct text differs; /* in what the place differs from that run, as why_differ says it */
};
/* store NULL: there is no lab. The caller frees differs. */
int why_not_known(struct reason *out, struct arena *arena, struct store *store,
                  const struct place *place, struct err *err);

#endif
