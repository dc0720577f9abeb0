/* model.txt: the model's description, next to its weights in the artifact and in their metadata. */
#ifndef CAIRN_TRAIN_MODEL_TEXT_H
#define CAIRN_TRAIN_MODEL_TEXT_H

#include "data/data.h"
#include "model/kinds.h"
#include "store/store.h"

struct image_data image_data_of(const struct dataset *dataset);
int model_text_write(const struct model_kind *kind, const void *from, const struct draft *draft,
                     struct err *err);
/* The model of an artifact, into arena. Its kind is taken from the weights' metadata;
 * STATUS_BAD_DATA if they have none, or one that model.txt does not describe. */
int model_read(struct model *out, const struct store *store, const struct id *artifact,
               struct arena *arena, struct err *err);

#endif
