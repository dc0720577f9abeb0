/*
 * Rebuilds the registry from the records of finished runs. Unfinished runs, plans and the cache of
 * hashes have no record; the next plan recreates the latter two.
 */
#include "store/store_parts.h"

#include "base/text.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct record {
    const char *name;
    json_t *json;
    double started;
};

/* Runs get their numbers in the order in which they were started. */
static int by_start(const void *a, const void *b)
{
    const struct record *x = a, *y = b;
    if (x->started != y->started)
        return x->started < y->started ? -1 : 1;
    return strcmp(x->name, y->name);
}

static const char *text_of(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

static int64_t int_of(const json_t *json, const char *key)
{
    return json_integer_value(json_object_get(json, key));
}

/* ---- one run -------------------------------------------------------------------------------- */

static int take_row(struct store *store, const json_t *json, struct err *err)
{
    const json_t *owner = json_object_get(json, "owner");
    return sql_run(store,
                   "INSERT INTO run (stage, recipe, status, started, seconds, build, numerics, "
                   "config, uuid, owner_host, owner_boot, owner_pid, owner_start) "
                   "VALUES (?, ?, 'done', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                   VALUES(text_value(text_of(json, "stage")), text_value(text_of(json, "recipe")),
                          real_value(record_number(json_object_get(json, "started"))),
                          real_value(record_number(json_object_get(json, "seconds"))),
                          text_value(text_of(json, "build")), text_value(text_of(json, "numerics")),
                          text_value(text_of(json, "config")), text_value(text_of(json, "uuid")),
                          text_value(text_of(owner, "host")), text_value(text_of(owner, "boot")),
                          int_value(int_of(owner, "pid")), int_value(int_of(owner, "start"))),
                   err);
}

static int64_t bytes_of(struct store *store, const struct id *artifact)
{
    struct err err; /* gone or damaged: a look-up of the result reports it */
    int64_t bytes = 0;
    artifact_present(store, artifact, &bytes, &err);
    return bytes;
}

static int take_ports(struct store *store, int64_t run, const json_t *ports, bool outputs,
                      struct err *err)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)ports, name, value)
    {
        struct port port = {.name = name};
        snprintf(port.artifact.hex, sizeof port.artifact.hex, "%s", json_string_value(value));
        if (outputs)
            TRY(sql_run(store,
                        "INSERT OR IGNORE INTO artifact (id, kind, bytes, made_by) "
                        "VALUES (?, ?, ?, ?)",
                        VALUES(text_value(port.artifact.hex), text_value(name),
                               int_value(bytes_of(store, &port.artifact)), int_value(run)),
                        err));
        TRY(insert_ports(store,
                         outputs ? "INSERT INTO run_output (run, port, artifact) VALUES (?, ?, ?)"
                                 : "INSERT INTO run_input (run, port, artifact) VALUES (?, ?, ?)",
                         run, &port, 1, err));
    }
    return 0;
}

static int take_values(struct store *store, int64_t run, const json_t *list, bool cases,
                       struct err *err)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i), *second = json_array_get(one, 1);
        struct value first = text_value(json_string_value(json_array_get(one, 0)));
        struct value value = real_value(record_number(json_array_get(one, 2)));
        TRY(cases ? sql_run(
                        store, "INSERT OR REPLACE INTO case_metric VALUES (?, ?, ?, ?)",
                        VALUES(int_value(run), first, text_value(json_string_value(second)), value),
                        err)
                  : sql_run(
                        store, "INSERT OR REPLACE INTO metric VALUES (?, ?, ?, ?)",
                        VALUES(int_value(run), first, int_value(json_integer_value(second)), value),
                        err));
    }
    return 0;
}

static int take_events(struct store *store, int64_t run, const json_t *list, struct err *err)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        char *detail = json_dumps(json_array_get(one, 2), JSON_ENCODE_ANY);
        int status = sql_run(
            store, "INSERT INTO event VALUES (?, ?, ?, ?)",
            VALUES(int_value(run), real_value(record_number(json_array_get(one, 0))),
                   text_value(json_string_value(json_array_get(one, 1))), text_value(detail)),
            err);
        free(detail);
        TRY(status);
    }
    return 0;
}

static int take_record(struct store *store, const json_t *json, struct err *err)
{
    TRY(take_row(store, json, err));
    int64_t run = sql_last_id(store);
    TRY(take_ports(store, run, json_object_get(json, "inputs"), false, err));
    TRY(take_ports(store, run, json_object_get(json, "outputs"), true, err));
    TRY(take_values(store, run, json_object_get(json, "metrics"), false, err));
    TRY(take_values(store, run, json_object_get(json, "case_metrics"), true, err));
    return take_events(store, run, json_object_get(json, "events"), err);
}

/* ---- all of them ---------------------------------------------------------------------------- */

/* Damaged records are reported and skipped: their runs are computed again. */
static int load_records(struct record **out, size_t *count, const char *runs, struct arena *arena,
                        void (*tell)(void *user, const char *damage), void *user, struct err *err)
{
    char **names, path[PATH_BYTES];
    size_t all;
    TRY(folder_names(&names, &all, runs, arena, err));
    struct record *records = arena_alloc(arena, all * sizeof *records);
    *out = records;
    for (size_t i = 0; i < all; i++) {
        struct record *record = records + *count;
        if (!ends_with(names[i], ".json"))
            continue;
        TRY(path_join(path, runs, names[i], err));
        record->name = names[i];
        if (!record_read(&record->json, path, err)) {
            record->started = record_number(json_object_get(record->json, "started"));
            ++*count;
        } else if (err->status == STATUS_BAD_DATA) {
            tell(user, err->text);
        } else {
            return -1;
        }
    }
    if (*count)
        qsort(records, *count, sizeof *records, by_start);
    return 0;
}

int records_take(struct store *store, int64_t *taken, void (*tell)(void *user, const char *damage),
                 void *user, struct err *err)
{
    struct arena arena = {0};
    struct record *records = NULL;
    size_t count = 0;
    char runs[PATH_BYTES];
    int status = path_join(runs, store->lab, "runs", err) ||
                 load_records(&records, &count, runs, &arena, tell, user, err) ||
                 sql_run(store, "BEGIN IMMEDIATE", NULL, err);
    bool begun = !status;
    for (size_t i = 0; !status && i < count; i++)
        status = take_record(store, records[i].json, err);
    if (begun)
        status = sql_end(store, status, err);
    for (size_t i = 0; i < count; i++)
        json_decref(records[i].json);
    arena_free(&arena);
    *taken = (int64_t)count;
    return status ? -1 : 0;
}
