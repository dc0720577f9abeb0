/* What those share who read the files of a dataset artifact. */
#ifndef CAIRN_DATA_DATASET_PARTS_H
#define CAIRN_DATA_DATASET_PARTS_H

#include "data/data.h"

#include <jansson.h>

/* cases.json; the caller drops it. */
int cases_load(json_t **out, const struct store *store, const struct id *artifact, struct err *err);
/* Of one of its cases; SPLITS: none that there is. */
enum split case_split(const json_t *one);

#endif
