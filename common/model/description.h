/*
 * What a model is, as text: the canonical configuration dump ("path=value" lines) of a struct
 * described by a field table, read back through the same table, so that a model can be rebuilt from
 * its artifact alone (train/model_text.h).
 */
#ifndef CAIRN_MODEL_DESCRIPTION_H
#define CAIRN_MODEL_DESCRIPTION_H

#include "config/config.h"

/* What a data set tells a model. */
struct image_data {
    int64_t d, h, w, c;
    int64_t classes; /* 0: no labels */
};
extern const struct field image_data_fields[];
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
/* Bound and checked; a text that does not describe a model of the kind is STATUS_BAD_DATA. */
int model_text_parse(void *into, const struct model_kind *kind, const char *text,
                     struct arena *arena, struct err *err);
/* The lines alone, of a run's configuration. what: its name for messages. */
int model_text_bind(void *into, const struct field *fields, const char *text, const char *what,
                    struct arena *arena, struct err *err);

#endif
