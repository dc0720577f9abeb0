/* --explain: a place's recipe and state, why it would run, and where it would continue. */
#include "pipeline/explain.h"

#include "base/file.h"
#include "base/text.h"
#include "train/checkpoint.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const state_names[] = {
    [PLACE_KNOWN] = "known", [PLACE_READY] = "ready", [PLACE_WAITING] = "waiting"};
static const char *const state_words[] = {[PLACE_KNOWN] = "known",
                                          [PLACE_READY] = "not known: would run",
                                          [PLACE_WAITING] = "waits for an input"};

void explain_recipe(FILE *file, const struct place *place)
{
    fprintf(file, "%s%s %s\nstate %s\n", place->recipe_text, *place->recipe.hex ? "recipe" : "key",
            place->key.hex, state_words[place->state]);
    for (int i = 0; i < place->output_count; i++)
        fprintf(file, "output %s %s\n", place->outputs[i].name, place->outputs[i].artifact.hex);
}

/* ---- what is to be said --------------------------------------------------------------------- */
struct explanation {
    const struct place *place;
    struct arena arena;
    struct reason reasons[2 * MAX_PORTS];
    int reason_count;
    int64_t step; /* of the checkpoint; -1: none */
};

/* The places that have to run first, each once (asked, of its cell); the place itself if it waits for
 * nothing. */
static int find_reasons(struct explanation *out, struct store *store, const struct place *cell,
                        bool *asked, const struct place *place, struct err *err)
{
    enum { MOST = sizeof out->reasons / sizeof *out->reasons };
    if (asked[place - cell] || place->state == PLACE_KNOWN || out->reason_count == MOST)
        return 0;
    asked[place - cell] = true;
    if (place->state == PLACE_READY)
        return why_not_known(&out->reasons[out->reason_count++], &out->arena, store, place, err);
    for (int i = 0; i < place->input_count; i++)
        if (!*place->inputs[i].artifact.hex)
            TRY(find_reasons(out, store, cell, asked, place->makers[i], err));
    return 0;
}

static int find_checkpoint(struct explanation *out, const struct store *store, struct err *err)
{
    char work[PATH_BYTES], folder[PATH_BYTES];
    out->step = -1;
    if (!store || out->place->state != PLACE_READY || !out->place->section->stage->trains)
        return 0;
    TRY(path_join(work, store_lab(store), "work", err));
    TRY(path_join(folder, work, out->place->recipe.hex, err));
    return checkpoint_newest(&out->step, folder, &out->place->recipe, err);
}

static void drop(struct explanation *explanation)
{
    for (int i = 0; i < explanation->reason_count; i++)
        text_free(&explanation->reasons[i].differs);
    arena_free(&explanation->arena);
}

static bool same_recipe(const struct reason *reason)
{
    return strcmp(reason->run.recipe.hex, reason->place->recipe.hex) == 0;
}

/* ---- for people ----------------------------------------------------------------------------- */
static void print_reason(const struct reason *reason)
{
    const char *section = reason->place->section->name;
    const struct run_row *run = &reason->run;
    if (!run->id) {
        printf("why %s: no run of it is known\n", section);
    } else if (same_recipe(reason) && strcmp(run->status, "done") == 0) {
        printf("why %s: the result of run %lld is gone or damaged\n", section, (long long)run->id);
    } else if (same_recipe(reason)) {
        bool said = run->error && *run->error;
        printf("why %s: run %lld of this recipe: %s%s%s\n", section, (long long)run->id,
               run->status, said ? ": " : "", said ? run->error : "");
    } else {
        for (const char *p = reason->differs.data; p && *p;) {
            size_t length = strcspn(p, "\n");
            printf("why %s: since run %lld: %.*s\n", section, (long long)run->id, (int)length, p);
            p += length + (p[length] == '\n');
        }
    }
}

static void print(const struct explanation *explanation, const char *memory)
{
    explain_recipe(stdout, explanation->place);
    for (int i = 0; i < explanation->reason_count; i++)
        print_reason(&explanation->reasons[i]);
    if (explanation->step >= 0)
        printf("continue at step %lld\n", (long long)explanation->step);
    fputs(memory, stdout);
}

/* ---- for programs --------------------------------------------------------------------------- */
json_t *json_words(const char *text, size_t length)
{
    json_t *words = length ? json_stringn(text, length) : json_null();
    if (words)
        return words;
    char *plain = xprintf("%.*s", (int)length, text); /* not UTF-8: a file may be called so */
    for (char *p = plain; *p; p++)
        if ((unsigned char)*p >= 0x80)
            *p = '?';
    words = json_string(plain);
    free(plain);
    return words;
}

json_t *json_lines(const char *text)
{
    json_t *lines = json_array();
    for (const char *p = text; p && *p;) {
        size_t length = strcspn(p, "\n");
        json_array_append_new(lines, json_words(p, length));
        p += length + (p[length] == '\n');
    }
    return lines;
}

static json_t *id_or_null(const struct id *id)
{
    return *id->hex ? json_string(id->hex) : json_null();
}

static json_t *ports_json(const struct port *ports, int count)
{
    json_t *out = json_object();
    for (int i = 0; i < count; i++)
        json_object_set_new(out, ports[i].name, id_or_null(&ports[i].artifact));
    return out;
}

static json_t *reason_json(const struct reason *reason)
{
    const struct run_row *run = &reason->run;
    json_t *out = json_object();
    json_object_set_new(out, "section", json_string(reason->place->section->name));
    json_object_set_new(out, "run", run->id ? json_integer(run->id) : json_null());
    json_object_set_new(out, "same_recipe", json_boolean(run->id && same_recipe(reason)));
    json_object_set_new(out, "status", run->id ? json_string(run->status) : json_null());
    json_object_set_new(out, "error",
                        run->error ? json_words(run->error, strlen(run->error)) : json_null());
    json_object_set_new(out, "differs", json_lines(reason->differs.data));
    return out;
}

static void print_json(const struct explanation *explanation, const char *variant,
                       const char *memory)
{
    const struct place *place = explanation->place;
    json_t *out = json_object(), *why = json_array();
    for (int i = 0; i < explanation->reason_count; i++)
        json_array_append_new(why, reason_json(&explanation->reasons[i]));
    json_object_set_new(out, "section", json_string(place->section->name));
    json_object_set_new(out, "variant", json_string(variant));
    json_object_set_new(out, "seed", json_integer((json_int_t)place->seed));
    json_object_set_new(out, "state", json_string(state_names[place->state]));
    json_object_set_new(out, "recipe", id_or_null(&place->recipe));
    json_object_set_new(out, "recipe_text", json_lines(place->recipe_text));
    json_object_set_new(out, "inputs", ports_json(place->inputs, place->input_count));
    json_object_set_new(out, "outputs", ports_json(place->outputs, place->output_count));
    json_object_set_new(out, "why", why);
    json_object_set_new(out, "continue_at",
                        explanation->step >= 0 ? json_integer(explanation->step) : json_null());
    json_object_set_new(out, "training", json_lines(memory));
    json_print(out);
}

void json_print(json_t *value)
{
    char *text = json_dumps(value, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    if (text)
        puts(text);
    free(text);
    json_decref(value);
}

int explain(const struct place *place, const struct experiment *experiment, struct store *store,
            bool json, const char *memory, struct err *err)
{
    struct explanation explanation = {.place = place};
    const struct variant *variant = &experiment->variants[place->variant];
    const struct place *cell = place - (place->section - variant->sections);
    bool *asked = arena_alloc(&explanation.arena, variant->count * sizeof *asked);
    int status = find_reasons(&explanation, store, cell, asked, place, err) ||
                 find_checkpoint(&explanation, store, err);
    if (!status && json)
        print_json(&explanation, variant->name, memory);
    else if (!status)
        print(&explanation, memory);
    drop(&explanation);
    return status ? -1 : 0;
}
