/*
 * Reads a run's record and compares the registry's rows with it: both were written together, so a
 * change in either is found.
 */
#include "store/store_parts.h"

#include "base/text.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORD_LIMIT = 1 << 30, KEYS_WITHOUT_HASH = 15 /* of records of earlier versions */ };

struct check {
    struct store *store;
    int64_t run;
    char path[PATH_BYTES];
    json_t *json;
};

static int differs(const struct check *check, const char *what, struct err *err)
{
    return fail_as(err, STATUS_BAD_DATA,
                   "run %" PRId64 ": the registry and the record '%s' disagree on its %s%s",
                   check->run, check->path, what, registry_again);
}

/* ---- the record ----------------------------------------------------------------------------- */

/* JSON has no nan or inf: read from strings. */
double record_number(const json_t *json)
{
    return json_is_string(json) ? strtod(json_string_value(json), NULL) : json_number_value(json);
}

/* The hash is of the text with zeros in place of the hash itself. */
static bool hash_holds(const json_t *json, char *text, size_t length)
{
    char *key = memmem(text, length, record_hash_key, strlen(record_hash_key));
    if (!key)
        return json_object_size(json) == KEYS_WITHOUT_HASH;
    char *hash = key + strlen(record_hash_key);
    if (length - (size_t)(hash - text) < RECORD_HASH)
        return false;
    char there[RECORD_HASH];
    memcpy(there, hash, RECORD_HASH);
    memset(hash, '0', RECORD_HASH);
    return !memcmp(sha256_of(text, length).hex, there, RECORD_HASH);
}

int record_read(json_t **out, const char *path, struct err *err)
{
    char *text;
    size_t length;
    TRY(file_read(&text, &length, path, RECORD_LIMIT, err));
    *out = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    bool sound = *out && hash_holds(*out, text, length);
    free(text);
    if (sound)
        return 0;
    json_decref(*out);
    *out = NULL;
    return fail_as(err, STATUS_BAD_DATA, "record '%s' is damaged%s", path, run_again);
}

static bool same_text(const json_t *record, const char *key, const char *value)
{
    const char *text = json_string_value(json_object_get(record, key));
    return text && value ? !strcmp(text, value) : !text && !value;
}

/* NULL in the registry is NaN. */
static bool same_number(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* ---- the run's own row ---------------------------------------------------------------------- */

static int open_check(struct check *check, struct store *store, int64_t run, struct err *err)
{
    struct statement statement;
    char name[128];
    *check = (struct check){.store = store, .run = run};
    TRY(statement_open(&statement, store, "SELECT recipe, uuid FROM run WHERE id = ?",
                       VALUES(int_value(run)), err));
    int got = statement_step(&statement, err);
    if (got == 1)
        snprintf(name, sizeof name, "%.64s-%.16s.json", statement_text(&statement, 0),
                 statement_text(&statement, 1));
    statement_close(&statement);
    if (!got)
        return fail_as(err, STATUS_MISSING, "no run %" PRId64, run);
    if (got < 0 || lab_path(check->path, store, "runs", name, err))
        return -1;
    if (file_exists(check->path))
        return record_read(&check->json, check->path, err);
    return fail_as(err, STATUS_MISSING, "run %" PRId64 ": its record '%s' is gone%s", run,
                   check->path, run_again);
}

static int check_row(const struct check *check, struct err *err)
{
    static const char *const texts[] = {"stage", "recipe", "build", "config", "numerics", "uuid"};
    static const char *const owner[] = {"host", "boot"};
    enum { TEXTS = sizeof texts / sizeof *texts };
    struct statement statement;
    TRY(statement_open(&statement, check->store,
                       "SELECT stage, recipe, build, config, numerics, uuid, owner_host, "
                       "owner_boot, started, seconds, owner_pid, owner_start FROM run WHERE id = ?",
                       VALUES(int_value(check->run)), err));
    int got = statement_step(&statement, err);
    const char *wrong = NULL;
    const json_t *json = check->json, *own = json_object_get(json, "owner");
    for (int i = 0; got == 1 && i < TEXTS; i++)
        if (!same_text(json, texts[i], statement_maybe(&statement, i)))
            wrong = texts[i];
    for (int i = 0; got == 1 && i < 2; i++)
        if (!same_text(own, owner[i], statement_maybe(&statement, TEXTS + i)))
            wrong = "owner";
    if (got == 1 && (!same_number(record_number(json_object_get(json, "started")),
                                  statement_real(&statement, 8)) ||
                     !same_number(record_number(json_object_get(json, "seconds")),
                                  statement_real(&statement, 9))))
        wrong = "time";
    if (got == 1 &&
        (json_integer_value(json_object_get(own, "pid")) != statement_int(&statement, 10) ||
         json_integer_value(json_object_get(own, "start")) != statement_int(&statement, 11)))
        wrong = "owner";
    statement_close(&statement);
    if (got < 0)
        return -1;
    return wrong ? differs(check, wrong, err) : 0;
}

/* ---- inputs and outputs --------------------------------------------------------------------- */

static int check_ports(const struct check *check, bool outputs, struct err *err)
{
    struct arena arena = {0};
    struct port ports[MAX_PORTS];
    int count = 0;
    const char *key = outputs ? "outputs" : "inputs";
    const json_t *json = json_object_get(check->json, key);
    int status = ports_read(check->store, check->run, outputs, &arena, ports, &count, err);
    bool same = json_object_size(json) == (size_t)count;
    for (int i = 0; !status && i < count; i++)
        same = same && same_text(json, ports[i].name, ports[i].artifact.hex);
    arena_free(&arena);
    if (status)
        return -1;
    return same ? 0 : differs(check, key, err);
}

/* ---- values --------------------------------------------------------------------------------- */

struct value_row {
    const char *first, *second;
    int64_t step;
    size_t at; /* position in the record: the later of two equals wins */
    double value;
};

static int by_key(const void *a, const void *b)
{
    const struct value_row *x = a, *y = b;
    int order = strcmp(x->first, y->first);
    if (!order)
        order = strcmp(x->second, y->second);
    if (!order)
        order = (x->step > y->step) - (x->step < y->step);
    return order;
}

static int by_key_and_place(const void *a, const void *b)
{
    int order = by_key(a, b);
    size_t x = ((const struct value_row *)a)->at, y = ((const struct value_row *)b)->at;
    return order ? order : (x > y) - (x < y);
}

/* [NAME, STEP, VALUE] or, for cases, [CASE, NAME, VALUE]; sorted, each key once. False:
 * malformed. */
static bool record_values(struct value_row **out, size_t *count, const json_t *list, bool cases)
{
    size_t all = json_array_size(list);
    struct value_row *rows = xcalloc(all + 1, sizeof *rows);
    *out = rows;
    for (size_t i = 0; i < all; i++) {
        const json_t *one = json_array_get(list, i), *second = json_array_get(one, 1);
        rows[i] = (struct value_row){
            json_string_value(json_array_get(one, 0)), cases ? json_string_value(second) : "",
            cases ? 0 : json_integer_value(second), i, record_number(json_array_get(one, 2))};
        if (!rows[i].first || !rows[i].second)
            return false;
    }
    if (all)
        qsort(rows, all, sizeof *rows, by_key_and_place);
    *count = 0;
    for (size_t i = 0; i < all; i++)
        if (i + 1 == all || by_key(rows + i, rows + i + 1))
            rows[(*count)++] = rows[i];
    return true;
}

static int check_values(const struct check *check, bool cases, struct err *err)
{
    const char *key = cases ? "case_metrics" : "metrics";
    struct value_row *rows;
    size_t count = 0, at = 0;
    bool same = record_values(&rows, &count, json_object_get(check->json, key), cases);
    struct statement statement;
    int got =
        statement_open(&statement, check->store,
                       cases ? "SELECT case_id, name, 0, value FROM case_metric WHERE run = ? "
                               "ORDER BY case_id, name"
                             : "SELECT name, '', step, value FROM metric WHERE run = ? "
                               "ORDER BY name, step",
                       VALUES(int_value(check->run)), err);
    while (!got && same && (got = statement_step(&statement, err)) == 1) {
        struct value_row row = {.first = statement_text(&statement, 0),
                                .second = statement_text(&statement, 1),
                                .step = statement_int(&statement, 2)};
        same = at < count && !by_key(&row, rows + at) &&
               same_number(rows[at].value, statement_real(&statement, 3));
        at++;
        got = 0;
    }
    statement_close(&statement);
    free(rows);
    if (got < 0)
        return -1;
    return same && at == count ? 0 : differs(check, key, err);
}

struct event_walk {
    const json_t *list;
    size_t at;
    bool same;
};

static int check_event(void *user, double at, const char *kind, const char *detail, struct err *err)
{
    (void)err;
    struct event_walk *walk = user;
    const json_t *one = json_array_get(walk->list, walk->at++);
    json_t *json = json_loads(detail, JSON_DECODE_ANY, NULL);
    const char *name = json_string_value(json_array_get(one, 1));
    walk->same = walk->same && name && !strcmp(name, kind) && json &&
                 same_number(record_number(json_array_get(one, 0)), at) &&
                 json_equal(json, json_array_get(one, 2));
    json_decref(json);
    return 0;
}

static int check_events(const struct check *check, struct err *err)
{
    struct event_walk walk = {json_object_get(check->json, "events"), 0, true};
    TRY(registry_events(check->store, check->run, check_event, &walk, err));
    return walk.same && walk.at == json_array_size(walk.list) ? 0 : differs(check, "events", err);
}

int record_check(struct store *store, int64_t run, struct err *err)
{
    struct check check;
    int status = open_check(&check, store, run, err) || check_row(&check, err) ||
                 check_ports(&check, false, err) || check_ports(&check, true, err) ||
                 check_values(&check, false, err) || check_values(&check, true, err) ||
                 check_events(&check, err);
    json_decref(check.json);
    return status ? -1 : 0;
}
