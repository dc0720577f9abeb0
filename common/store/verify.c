/*
 * Does the lab still hold what was stored? Compares each object's bytes with the hash in its name,
 * the registry's rows of a run with the run's record, and its final metrics with the metrics.json
 * of its artifact.
 */
#include "store/store_parts.h"

#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char run_again[] = "; run its stage again with --again";
const char registry_again[] = "; 'registry rebuild' restores it from the records of its runs";

/* ---- what damage affects -------------------------------------------------------------------- */

/* Rows of two columns as ", a (b)"; the first is preceded by `head`. */
static void add_rows(struct text *out, const char *head, const struct store *store, const char *sql,
                     const char *value)
{
    struct err ignored; /* only adds to an error */
    struct statement statement;
    if (statement_open(&statement, store, sql, VALUES(text_value(value)), &ignored))
        return;
    for (; statement_step(&statement, &ignored) == 1; head = ", ")
        text_printf(out, "%s%s (%s)", head, statement_text(&statement, 0),
                    statement_text(&statement, 1));
    statement_close(&statement);
}

#define CELLS_OF(runs)                                                                             \
    "SELECT experiment || '/' || variant || '/' || seed, group_concat(section, ', ') FROM "        \
    "(SELECT * FROM cell ORDER BY experiment, position) "                                          \
    "WHERE recipe IN (SELECT recipe FROM run WHERE id IN (" runs ")) "                             \
    "GROUP BY experiment, variant, seed ORDER BY experiment, min(position)"

static void artifact_touches(struct text *out, const struct store *store, const char *artifact)
{
    add_rows(out, ", made by run ", store,
             "SELECT id, stage FROM run JOIN run_output ON run = id WHERE artifact = ? ORDER BY id",
             artifact);
    add_rows(out, ", read by run ", store,
             "SELECT id, stage FROM run JOIN run_input ON run = id WHERE artifact = ? ORDER BY id",
             artifact);
    add_rows(out, ", of cell ", store,
             CELLS_OF("SELECT run FROM run_output WHERE artifact = ?1 "
                      "UNION SELECT run FROM run_input WHERE artifact = ?1"),
             artifact);
}

static int fail_damaged(const char *path, const char *state, const char *what,
                        const struct text *touches, struct err *err)
{
    return fail_as(err, STATUS_BAD_DATA,
                   "object '%s' is %s: %s%s; remove it (rm -f) and run the experiment again", path,
                   state, what, touches->data ? touches->data : "");
}

int fail_artifact(const struct store *store, const struct id *artifact, const char *file,
                  const char *path, const char *state, struct err *err)
{
    struct text touches = {0};
    artifact_touches(&touches, store, artifact->hex);
    char *what = file ? xprintf("'%s' of artifact '%.16s'", file, artifact->hex)
                      : xprintf("manifest of artifact '%.16s'", artifact->hex);
    fail_damaged(path, state, what, &touches, err);
    free(what);
    text_free(&touches);
    return -1;
}

/* ---- everything a run left ------------------------------------------------------------------ */

enum state { STATE_SOUND, STATE_DAMAGED, STATE_GONE, STATE_UNREADABLE };
static const char *const state_names[] = {"sound", "damaged", "gone", "unreadable"};

/* An object that was hashed, or an artifact whose files were. */
struct seen {
    struct id id;
    enum state state;
};
struct verify {
    struct store *store;
    void (*tell)(void *user, const char *damage);
    void *user;
    void *objects, *artifacts, *runs; /* trees of struct seen */
    struct verified counts;
};

static int by_id(const void *a, const void *b)
{
    return memcmp(((const struct seen *)a)->id.hex, ((const struct seen *)b)->id.hex, 64);
}

/* New ones are marked by `is_new`. */
static struct seen *see(void **tree, const struct id *id, bool *is_new)
{
    struct seen **found = (struct seen **)tfind(&(struct seen){.id = *id}, tree, by_id);
    *is_new = !found;
    if (found)
        return *found;
    struct seen *seen = xcalloc(1, sizeof *seen);
    seen->id = *id;
    if (!tsearch(seen, tree, by_id))
        bug("no memory for one id");
    return seen;
}

static void tell(struct verify *v, const char *damage)
{
    v->counts.damaged++;
    v->tell(v->user, damage);
}

/* Each object is hashed once. */
static enum state check_object(struct verify *v, const struct id *object, const char *path)
{
    bool is_new;
    struct seen *seen = see(&v->objects, object, &is_new);
    struct id found;
    struct err err;
    if (!is_new)
        return seen->state;
    v->counts.objects++;
    if (sha256_file(&found, NULL, path, &err))
        seen->state = err.status == STATUS_MISSING ? STATE_GONE : STATE_UNREADABLE;
    else if (strcmp(found.hex, object->hex))
        seen->state = STATE_DAMAGED;
    return seen->state;
}

static int check_artifact(struct verify *v, const struct id *artifact, struct err *err)
{
    bool is_new;
    char path[PATH_BYTES];
    struct arena arena = {0};
    struct manifest manifest = {0};
    see(&v->artifacts, artifact, &is_new);
    if (!is_new)
        return 0;
    TRY(object_path(path, v->store, artifact, err));
    enum state state = check_object(v, artifact, path);
    if (state == STATE_SOUND && artifact_manifest(&manifest, &arena, v->store, artifact, err))
        state = STATE_DAMAGED;
    if (state) {
        fail_artifact(v->store, artifact, NULL, path, state_names[state], err);
        tell(v, err->text);
    }
    int status = 0;
    for (size_t i = 0; !status && i < manifest.count; i++) {
        const struct manifest_line *line = manifest.lines + i;
        status = object_path(path, v->store, &line->object, err);
        if (status || !(state = check_object(v, &line->object, path)))
            continue;
        fail_artifact(v->store, artifact, line->name, path, state_names[state], err);
        tell(v, err->text);
    }
    arena_free(&arena);
    return status;
}

static int check_recipe(struct verify *v, const struct run_row *run, struct err *err)
{
    char path[PATH_BYTES], number[32];
    TRY(object_path(path, v->store, &run->recipe, err));
    bool before = tfind(&(struct seen){.id = run->recipe}, &v->objects, by_id);
    enum state state = check_object(v, &run->recipe, path);
    if (!state || before)
        return 0;
    struct text touches = {0};
    snprintf(number, sizeof number, "%" PRId64, run->id);
    add_rows(&touches, ", of cell ", v->store, CELLS_OF("?"), number);
    char *what = xprintf("recipe of run %" PRId64 " (%s)", run->id, run->stage);
    fail_damaged(path, state_names[state], what, &touches, err);
    tell(v, err->text);
    free(what);
    text_free(&touches);
    return 0;
}

/* ---- the registry's rows -------------------------------------------------------------------- */

struct final_values {
    const json_t *json; /* metric -> value; null: undefined */
    size_t found;
    char *wrong; /* NULL: none so far */
};

static bool same_number(const json_t *json, double value)
{
    return json_is_number(json) ? json_number_value(json) == value
                                : json_is_null(json) && !isfinite(value);
}

static int compare_final(void *user, const struct metric_row *row, struct err *err)
{
    (void)err;
    struct final_values *values = user;
    const json_t *json = json_object_get(values->json, row->name);
    values->found += json != NULL;
    if (!json || same_number(json, row->value) || values->wrong)
        return 0;
    char number[NUMBER_TEXT];
    values->wrong = xprintf("metric '%s' is %s in the registry but differs in its metrics.json",
                            row->name, number_text(number, row->value));
    return 0;
}

/* Only for an intact file: damage to others is reported already. */
static int compare_metrics(char **wrong, struct store *store, int64_t run,
                           const struct id *artifact, struct err *err)
{
    char path[PATH_BYTES], *bytes;
    size_t length;
    if (artifact_path(path, store, artifact, "metrics.json", err))
        return 0;
    TRY(file_read(&bytes, &length, path, SIZE_MAX, err));
    json_t *json = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, NULL);
    free(bytes);
    struct final_values values = {.json = json};
    int status = json ? registry_metrics(store, run, true, compare_final, &values, err) : 0;
    if (!status && !values.wrong && values.found != json_object_size(json))
        values.wrong = xstrdup("the registry lacks metrics of its metrics.json");
    json_decref(json);
    *wrong = values.wrong;
    return status;
}

static int check_rows(struct verify *v, const struct run_row *run, const struct port *outputs,
                      int count, struct err *err)
{
    char *wrong = NULL;
    struct err why;
    int status = record_check(v->store, run->id, &why);
    if (status && why.status != STATUS_BAD_DATA && why.status != STATUS_MISSING) {
        *err = why;
        return -1;
    }
    if (status)
        tell(v, why.text);
    status = 0;
    for (int i = 0; !status && i < count && !wrong; i++)
        status = compare_metrics(&wrong, v->store, run->id, &outputs[i].artifact, err);
    if (!status && wrong) {
        char *text =
            xprintf("run %" PRId64 " (%s): %s%s", run->id, run->stage, wrong, registry_again);
        tell(v, text);
        free(text);
    }
    free(wrong);
    return status;
}

/* ---- what to check -------------------------------------------------------------------------- */

int verify_run(struct verify *v, const struct run_row *run, struct err *err)
{
    struct arena arena = {0};
    struct port outputs[MAX_PORTS];
    int count = 0;
    bool is_new;
    struct id number;
    snprintf(number.hex, sizeof number.hex, "%064" PRId64, run->id);
    see(&v->runs, &number, &is_new);
    if (!is_new)
        return 0;
    v->counts.runs++;
    int status = check_recipe(v, run, err) ||
                 ports_read(v->store, run->id, true, &arena, outputs, &count, err);
    for (int i = 0; !status && i < count; i++)
        status = check_artifact(v, &outputs[i].artifact, err);
    if (!status && !strcmp(run->status, "done"))
        status = check_rows(v, run, outputs, count, err);
    arena_free(&arena);
    return status ? -1 : 0;
}

/* Objects of no run: the texts of plans, and what a killed run left. */
static int check_stray(struct verify *v, const char *folder, const char *half, const char *name,
                       struct err *err)
{
    char path[PATH_BYTES];
    struct id id;
    snprintf(id.hex, sizeof id.hex, "%s%s", half, name);
    if (!id_valid(id.hex) || tfind(&(struct seen){.id = id}, &v->objects, by_id))
        return 0;
    TRY(path_join(path, folder, name, err));
    enum state state = check_object(v, &id, path);
    if (state) {
        fail_damaged(path, state_names[state], "no run needs it", &(struct text){0}, err);
        tell(v, err->text);
    }
    return 0;
}

static int check_folder(struct verify *v, const char *objects, const char *half,
                        struct arena *arena, struct err *err)
{
    char folder[PATH_BYTES], **names;
    size_t count;
    TRY(path_join(folder, objects, half, err));
    TRY(folder_names(&names, &count, folder, arena, err));
    for (size_t i = 0; i < count; i++)
        TRY(check_stray(v, folder, half, names[i], err));
    return 0;
}

static int check_objects(struct verify *v, struct err *err)
{
    struct arena arena = {0};
    char objects[PATH_BYTES], **names;
    size_t count = 0;
    int status = path_join(objects, v->store->lab, "objects", err) ||
                 folder_names(&names, &count, objects, &arena, err);
    for (size_t i = 0; !status && i < count; i++)
        if (strlen(names[i]) == 2)
            status = check_folder(v, objects, names[i], &arena, err);
    arena_free(&arena);
    return status;
}

/* Each row of the query reports damage, unless it is "ok". */
static int check_query(struct verify *v, const char *sql, struct err *err)
{
    struct statement statement;
    TRY(statement_open(&statement, v->store, sql, NULL, err));
    int got;
    while ((got = statement_step(&statement, err)) == 1 &&
           strcmp(statement_text(&statement, 0), "ok")) {
        char *text = xprintf("registry '%s' is damaged: %s%s", v->store->registry,
                             statement_text(&statement, 0), registry_again);
        tell(v, text);
        free(text);
    }
    statement_close(&statement);
    return got < 0 ? -1 : 0;
}

static int check_database(struct verify *v, struct err *err)
{
    TRY(check_query(v, "PRAGMA integrity_check", err));
    TRY(check_query(v,
                    "SELECT 'a row of ' || \"table\" || ' refers to nothing in ' || parent "
                    "FROM pragma_foreign_key_check",
                    err));
    return check_query(v,
                       "SELECT 'artifact ' || substr(id, 1, 16) || ' was not made by run ' || "
                       "made_by FROM artifact WHERE NOT EXISTS (SELECT * FROM run_output "
                       "WHERE artifact = artifact.id AND run = made_by)",
                       err);
}

static int take_run(void *user, const struct run_row *run, struct err *err)
{
    return verify_run(user, run, err);
}

int verify_all(struct verify *v, struct err *err)
{
    TRY(check_database(v, err));
    TRY(registry_runs(v->store, NULL, 0, -1, take_run, v, err));
    return check_objects(v, err);
}

struct verify *verify_open(struct store *store, void (*tell_user)(void *user, const char *damage),
                           void *user)
{
    struct verify *v = xcalloc(1, sizeof *v);
    *v = (struct verify){.store = store, .tell = tell_user, .user = user};
    return v;
}

struct verified verify_close(struct verify *v)
{
    struct verified counts = v->counts;
    tdestroy(v->objects, free);
    tdestroy(v->artifacts, free);
    tdestroy(v->runs, free);
    free(v);
    return counts;
}
