/*
 * Resolving: from an experiment to recipes, and from recipes to artifacts that the registry knows.
 *
 * A cell is a variant with a seed; a place is a section in a cell. A recipe contains the artifact
 * ids of its inputs, so a place that depends on an unknown one has no recipe; its key (the recipe
 * text with the inputs' keys instead) still tells whether two places are the same work.
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
    size_t level;                  /* length of the longest chain of places to run before it */
    const char *recipe_text;       /* for a waiting place with keys for inputs */
    struct id key, recipe;         /* equal unless waiting; recipe.hex is "" when waiting */
    struct port inputs[MAX_PORTS]; /* artifact.hex is "" if not known */
    const struct place *makers[MAX_PORTS]; /* NULL: artifact:ID */
    const char *made_as[MAX_PORTS];        /* which of the maker's outputs */
    int input_count;
    const struct source *sources;
    const struct id *source_ids;
    int source_count;
    struct port outputs[MAX_PORTS];
    int output_count;
    int64_t run;               /* if known */
    const struct place *first; /* the first place with this key, maybe itself */
};
struct resolution {
    struct arena arena;
    struct place *places; /* by variant, then seed, then section in file order */
    size_t count;
    const struct place **by_key; /* a table of key_slots slots, a power of two */
    size_t key_slots;
};

/* data: root of the raw data sets. variant, seed: -1 for all. store NULL: nothing is known yet. */
int resolve(struct resolution *out, const struct experiment *experiment, struct store *store,
            const char *data, int64_t variant, int64_t seed, struct err *err);
void resolution_free(struct resolution *resolution);
/* NULL if there is none. */
const struct place *resolution_find(const struct resolution *resolution, size_t variant,
                                    uint64_t seed, const char *section);
/* The first place with this key (the recipe, unless it waits); NULL: none. */
const struct place *resolution_by_key(const struct resolution *resolution, const struct id *key);
/* Publishes what each place resolves to now (table cell). */
int resolution_publish(const struct resolution *resolution, const struct experiment *experiment,
                       struct store *store, struct err *err);

/* ---- why ------------------------------------------------------------------------------------ */
/*
 * What differs between two runs, one item per line: "train-vae.train.lr: 0.001 -> 0.002". Inputs
 * that differ are followed to the runs that made them, so that the cause is named and not its
 * consequences. Numerics, which are in no recipe, come after the keys: "train-vae threads: 2 -> 1".
 * Appends nothing if nothing differs.
 */
int why_differ(struct text *out, struct store *store, int64_t old_run, int64_t new_run,
               struct err *err);
/* Among the last few recipes of the same stage, the earlier run that differs least from this one
 * (the newest of equals); if there is none, the newest run of this recipe with other numerics; else
 * 0. */
int why_nearest(int64_t *out, struct store *store, int64_t run, struct err *err);

/* Why a place that is ready would run. */
struct reason {
    const struct place *place;
    /* of its recipe, if that run did not finish or its result is gone; else the run of the stage that
     * differs least; id 0: there is none */
    struct run_row run;
    struct text differs; /* how the place differs from that run, as in why_differ */
};
/* store NULL: there is no lab. The caller frees differs. */
int why_not_known(struct reason *out, struct arena *arena, struct store *store,
                  const struct place *place, struct err *err);

#endif
