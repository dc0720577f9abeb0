/* --explain: a place's recipe and state, why it would run, and where it would resume. */
#include "pipeline/explain.h"

#include "base/file.h"
#include "train/checkpoint.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const state_names[] = {
    [PLACE_KNOWN] = "known", [PLACE_READY] = "ready", [PLACE_WAITING] = "waiting"};
static const char *const state_words[] = {[PLACE_KNOWN] = "known",
                                          [PLACE_READY] = "not known: would run",
                                          [PLACE_WAITING] = "waiting for an input"};

void explain_recipe(FILE *file, const struct place *place)
{
    fprintf(file, "%s%s %s\nstate %s\n", place->recipe_text, *place->recipe.hex ? "recipe" : "key",
            place->key.hex, state_words[place->state]);
    for (int i = 0; i < place->output_count; i++)
        fprintf(file, "output %s %s\n", place->outputs[i].name, place->outputs[i].artifact.hex);
}

/* ---- what to report ------------------------------------------------------------------------- */
struct explanation {
    const struct place *place;
    struct arena arena;
    struct reason reasons[2 * MAX_PORTS];
    int reason_count;
    int64_t step; /* of the checkpoint; -1: none */
};

/* The places that have to run first, each once (looked for in its cell); the place itself if it
 * waits for nothing. */
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
void json_lines(struct json *json, const char *key, const char *text, const char *layout)
{
    json_begin(json, key, layout);
    for (const char *p = text; p && *p;) {
        size_t length = strcspn(p, "\n");
        char *line = xprintf("%.*s", (int)length, p);
        json_text(json, NULL, line);
        free(line);
        p += length + (p[length] == '\n');
    }
    json_end(json);
}

void json_print(struct json *json)
{
    json_end(json);
    fputs(json->text.data, stdout);
    text_free(&json->text);
}

static const char *id_or_null(const struct id *id)
{
    return *id->hex ? id->hex : NULL;
}

static void put_ports(struct json *json, const char *key, const struct port *ports, int count)
{
    json_begin(json, key, "{\n  *,\n  *\n }");
    for (int i = 0; i < count; i++)
        json_text(json, ports[i].name, id_or_null(&ports[i].artifact));
    json_end(json);
}

static void put_reason(struct json *json, const struct reason *reason)
{
    const struct run_row *run = &reason->run;
    json_begin(json, NULL, "{\n   *,\n   *\n  }");
    json_text(json, "section", reason->place->section->name);
    json_number(json, "run", run->id ? (double)run->id : NAN);
    json_raw(json, "same_recipe", run->id && same_recipe(reason) ? "true" : "false");
    json_text(json, "status", run->id ? run->status : NULL);
    json_text(json, "error", run->error);
    json_lines(json, "differs", reason->differs.data, "[\n    *,\n    *\n   ]");
    json_end(json);
}

static void print_json(const struct explanation *explanation, const char *variant,
                       const char *memory)
{
    static const char lines[] = "[\n  *,\n  *\n ]";
    const struct place *place = explanation->place;
    struct json json = {0};
    json_begin(&json, NULL, "{\n *,\n *\n}\n");
    json_text(&json, "section", place->section->name);
    json_text(&json, "variant", variant);
    json_raw(&json, "seed", "%" PRIu64, place->seed);
    json_text(&json, "state", state_names[place->state]);
    json_text(&json, "recipe", id_or_null(&place->recipe));
    json_lines(&json, "recipe_text", place->recipe_text, lines);
    put_ports(&json, "inputs", place->inputs, place->input_count);
    put_ports(&json, "outputs", place->outputs, place->output_count);
    json_begin(&json, "why", lines);
    for (int i = 0; i < explanation->reason_count; i++)
        put_reason(&json, &explanation->reasons[i]);
    json_end(&json);
    json_number(&json, "continue_at", explanation->step >= 0 ? (double)explanation->step : NAN);
    json_lines(&json, "training", memory, lines);
    json_print(&json);
}

int explain(const struct place *place, const struct experiment *experiment, struct store *store,
            bool json, const char *memory, struct err *err)
{
    struct explanation explanation = {.place = place};
    const struct variant *variant = &experiment->variants[place->variant];
    const struct place *cell = place - (place->section - variant->sections);
    bool *asked = arena_alloc(&explanation.arena, variant->count * sizeof *asked);
    int status = -1;
    if (find_reasons(&explanation, store, cell, asked, place, err) ||
        find_checkpoint(&explanation, store, err))
        goto done;
    if (json)
        print_json(&explanation, variant->name, memory);
    else
        print(&explanation, memory);
    status = 0;
done:
    drop(&explanation);
    return status;
}
