/* model.txt: what a model is, beside its weights in the artifact. The weights' metadata repeat it. */
#ifndef CAIRN_TRAIN_MODEL_TEXT_H
#define CAIRN_TRAIN_MODEL_TEXT_H

#include "data/data.h"
#include "model/description.h"
#include "store/store.h"

struct image_data image_data_of(const struct dataset *dataset);
int model_text_write(const struct model_kind *kind, const void *from, const struct draft *draft,
                     struct err *err);
/* A text that does not describe a model of the kind is STATUS_BAD_DATA. */
int model_text_read(void *into, const struct model_kind *kind, const struct store *store,
                    const struct id *artifact, struct arena *arena, struct err *err);

#endif
