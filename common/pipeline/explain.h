/* Saying what a place is, why it would run, and where it would continue; and what a run was. */
#ifndef CAIRN_PIPELINE_EXPLAIN_H
#define CAIRN_PIPELINE_EXPLAIN_H

#include "pipeline/resolve.h"

#include <jansson.h>
#include <stdio.h>

/* The recipe, its hash, and whether it is known. */
void explain_recipe(FILE *file, const struct place *place);
/* The same on stdout with the reasons, the checkpoint's step and what a trainer says of its memory, in
 * lines or as JSON. store NULL: there is no lab. */
int explain(const struct place *place, const struct experiment *experiment, struct store *store,
            bool json, const char *memory, struct err *err);

/* ---- JSON for programs ---------------------------------------------------------------------- */
/* null if there are none; bytes that are not UTF-8 become ? */
json_t *json_words(const char *text, size_t length);
json_t *json_lines(const char *text); /* its lines as a list; text may be NULL */
void json_print(json_t *value);       /* on stdout; frees it */
/* All that `registry show` says of a run, on stdout. */
int run_json(struct store *store, const struct run_row *run, struct arena *arena, struct err *err);
/* What `registry why` says; from 0: there is no run to compare with. */
void differences_json(int64_t from, int64_t to, const char *lines);

#endif
