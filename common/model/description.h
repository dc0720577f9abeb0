/*
 * What a model is, as text: the canonical configuration dump ("path=value" lines) of a struct
 * described by a field table, read back through the same table, so that a model can be rebuilt from
 * its artifact alone (model/kinds.h, train/model_text.h).
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
/* STATUS_CONFIG if an image has more elements than an int32 can count. */
int image_data_check(const struct image_data *data, struct err *err);
/* STATUS_BAD_DATA if the two differ; what: "the judge". */
int image_data_match(const struct image_data *model, const struct image_data *data,
                     const char *what, struct err *err);

/* "path=value" lines, as a dump has them, into the struct that the fields describe. what: its name for
 * messages. */
int model_text_bind(void *into, const struct field *fields, const char *text, const char *what,
                    struct arena *arena, struct err *err);

#endif
