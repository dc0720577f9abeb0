/*
 * model.txt: what a model is, beside its weights in the artifact. The canonical configuration dump
 * ("path=value" lines) of a struct described by a field table, read back through the same table, so
 * that a model can be rebuilt from its artifact alone. The weights' metadata repeat it.
 */
#ifndef CAIRN_NN_MODEL_TEXT_H
#define CAIRN_NN_MODEL_TEXT_H

#include "config/config.h"
#include "data/data.h"
#include "store/store.h"

/* What a data set tells a model. */
struct image_data {
    int64_t d, h, w, c;
    int64_t classes; /* 0: no labels */
};
extern const struct field image_data_fields[];
struct image_data image_data_of(const struct dataset *dataset);
/* STATUS_CONFIG if an image has more elements than an int32 counts. */
int image_data_check(const struct image_data *data, struct err *err);
/* STATUS_BAD_DATA if the two differ; what: "the judge". */
int image_data_match(const struct image_data *model, const struct image_data *data,
                     const char *what, struct err *err);

/* A kind of model, and the struct that describes one of it. */
struct model_kind {
    const char *name;
    const struct field *fields;
    /* What no single field can say: STATUS_CONFIG. A model is built only of what has passed. */
    int (*check)(const void *description, struct err *err);
};
/* "KIND\n", then what model.txt holds. */
const char *model_text(const struct model_kind *kind, const void *from, struct arena *arena);
int model_text_write(const struct model_kind *kind, const void *from, const struct draft *draft,
                     struct err *err);
/* Bound and checked; a text that does not describe a model of the kind is STATUS_BAD_DATA. */
int model_text_read(void *into, const struct model_kind *kind, const struct store *store,
                    const struct id *artifact, struct arena *arena, struct err *err);
int model_text_parse(void *into, const struct model_kind *kind, const char *text,
                     struct arena *arena, struct err *err);
/* The lines alone, of a run's configuration. what: its name for messages. */
int model_text_bind(void *into, const struct field *fields, const char *text, const char *what,
                    struct arena *arena, struct err *err);

#endif
