/* Describes a place: what it is, why it would run, where it would resume; and past runs. */
#ifndef CAIRN_PIPELINE_EXPLAIN_H
#define CAIRN_PIPELINE_EXPLAIN_H

#include "base/json.h"
#include "pipeline/resolve.h"

#include <stdio.h>

/* The recipe, its hash, and whether it is known. */
void explain_recipe(FILE *file, const struct place *place);
/* The same on stdout with the reasons, the checkpoint's step and a trainer's memory summary, as
 * lines or as JSON. store NULL: there is no lab. */
int explain(const struct place *place, const struct experiment *experiment, struct store *store,
            bool json, const char *memory, struct err *err);

/* ---- JSON for programs ---------------------------------------------------------------------- */
/* The text's lines as a list with this layout; text may be NULL. */
void json_lines(struct json *json, const char *key, const char *text, const char *layout);
void json_print(struct json *json); /* ends it, prints it on stdout, frees it */
/* Everything that `registry show` reports about a run, on stdout. */
int run_json(struct store *store, const struct run_row *run, struct arena *arena, struct err *err);
/* The output of `registry why`; from 0: there is no run to compare with. */
void differences_json(int64_t from, int64_t to, const char *items);

#endif
