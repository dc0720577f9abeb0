/*
 * A run of this process: what is noted while it runs, and the commit that makes its result exist.
 */
#include "store/store_parts.h"

#include "base/json.h"
#include "base/progress.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

int64_t run_id(const struct run *run)
{
    return run->id;
}

const struct id *run_recipe(const struct run *run)
{
    return &run->recipe;
}

const char *run_folder(const struct run *run)
{
    return run->folder;
}

/* ---- while it runs -------------------------------------------------------------------------- */

int run_event(struct run *run, const char *kind, const char *detail_json, struct err *err)
{
    json_t *json = json_loads(detail_json, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    if (!json)
        return fail(err, "detail of event '%s' is not JSON: %s", kind, detail_json);
    json_decref(json);
    return sql_run(run->store, "INSERT INTO event (run, at, kind, detail) VALUES (?, ?, ?, ?)",
                   VALUES(int_value(run->id), real_value(unix_time()), text_value(kind),
                          text_value(detail_json)),
                   err);
}

void run_numerics(struct run *run, const char *numerics)
{
    free(run->numerics);
    run->numerics = xstrdup(numerics);
}

void run_metric(struct run *run, const char *name, int64_t step, double value)
{
    *ARRAY_ADD(run->metrics, run->metric_count) =
        (struct metric){.name = xstrdup(name), .step = step, .value = value};
}

void run_case_metric(struct run *run, const char *case_id, const char *name, double value)
{
    *ARRAY_ADD(run->metrics, run->metric_count) =
        (struct metric){.name = xstrdup(name), .case_id = xstrdup(case_id), .value = value};
}

/* ---- commit --------------------------------------------------------------------------------- */

static int insert_metrics(const struct run *run, bool cases, struct err *err)
{
    struct statement statement;
    /* a value logged again by a resumed run replaces the first */
    const char *sql = cases ? "INSERT OR REPLACE INTO case_metric (run, case_id, name, value) "
                              "VALUES (?, ?, ?, ?)"
                            : "INSERT OR REPLACE INTO metric (run, name, step, value) "
                              "VALUES (?, ?, ?, ?)";
    TRY(statement_open(&statement, run->store, sql, NULL, err));
    int status = 0;
    for (size_t i = 0; !status && i < run->metric_count; i++) {
        const struct metric *metric = run->metrics + i;
        if (cases != (metric->case_id != NULL))
            continue;
        struct value name = text_value(metric->name);
        status =
            statement_run(&statement,
                          VALUES(int_value(run->id), cases ? text_value(metric->case_id) : name,
                                 cases ? name : int_value(metric->step), real_value(metric->value)),
                          err);
    }
    statement_close(&statement);
    return status;
}

static int insert_artifacts(const struct run *run, const struct port *outputs, int count,
                            struct err *err)
{
    for (int i = 0; i < count; i++) {
        int64_t bytes;
        int present = artifact_present(run->store, &outputs[i].artifact, &bytes, err);
        if (present < 0)
            return -1;
        if (!present)
            return fail_as(err, STATUS_BAD_DATA, "output '%s': artifact '%.16s' is not in lab '%s'",
                           outputs[i].name, outputs[i].artifact.hex, run->store->lab);
        TRY(sql_run(run->store,
                    "INSERT OR IGNORE INTO artifact (id, kind, bytes, made_by) VALUES (?, ?, ?, ?)",
                    VALUES(text_value(outputs[i].artifact.hex), text_value(outputs[i].name),
                           int_value(bytes), int_value(run->id)),
                    err));
    }
    return insert_ports(run->store, "INSERT INTO run_output (run, port, artifact) VALUES (?, ?, ?)",
                        run->id, outputs, count, err);
}

/* status, seconds, numerics and error of a run that is still ours. */
static int close_row(const struct run *run, const char *status, const char *error, double seconds,
                     struct err *err)
{
    int64_t closed;
    TRY(sql_int(&closed, run->store,
                "UPDATE run SET status = ?, error = ?, seconds = ?, numerics = ? "
                "WHERE id = ? AND status = 'running' RETURNING id",
                VALUES(text_value(status), text_value(error), real_value(seconds),
                       text_value(run->numerics), int_value(run->id)),
                err));
    return closed ? 0 : fail(err, "run %" PRId64 " was taken over by another process", run->id);
}

static int commit_rows(const struct run *run, const struct port *outputs, int count,
                       const char *status_name, const char *error, double seconds, struct err *err)
{
    TRY(sql_begin(run->store, err));
    int status = close_row(run, status_name, error, seconds, err);
    if (!status)
        status = insert_artifacts(run, outputs, count, err);
    if (!status)
        status = insert_metrics(run, false, err);
    if (!status)
        status = insert_metrics(run, true, err);
    return sql_end(run->store, status, err);
}

/* "; numerics then 'A', now 'B'", or "" if they are the same. */
static int numerics_note(char **out, const struct run *run, int64_t other, struct err *err)
{
    struct statement statement;
    TRY(statement_open(&statement, run->store,
                       "SELECT coalesce(numerics, '') FROM run WHERE id = ?",
                       VALUES(int_value(other)), err));
    int got = statement_step(&statement, err);
    const char *then = got == 1 ? statement_text(&statement, 0) : "";
    const char *now = run->numerics ? run->numerics : "";
    if (got >= 0)
        *out =
            strcmp(then, now) ? xprintf("; numerics then '%s', now '%s'", then, now) : xstrdup("");
    statement_close(&statement);
    return got < 0 ? -1 : 0;
}

/* Compares with the newest finished run of the recipe: 1 and an event if the outputs differ (err
 * then says how), 0 if not. */
static int compare(struct run *run, const struct port *outputs, int count, struct err *err)
{
    struct arena arena = {0};
    struct port before[MAX_PORTS];
    int before_count = 0;
    int64_t other;
    int status = newest_run(run->store, &run->recipe, "done", &other, err);
    if (!status && other)
        status = ports_read(run->store, other, true, &arena, before, &before_count, err);
    const char *missing = "0000000000000000"; /* a port that only one of them has */
    for (int i = 0; !status && other && i < (count > before_count ? count : before_count); i++) {
        const struct port *port = i < count ? outputs + i : before + i;
        const char *then = missing, *now = missing;
        for (int k = 0; k < before_count; k++)
            if (!strcmp(before[k].name, port->name))
                then = before[k].artifact.hex;
        for (int k = 0; k < count; k++)
            if (!strcmp(outputs[k].name, port->name))
                now = outputs[k].artifact.hex;
        if (!strcmp(then, now))
            continue;
        struct json detail = {0};
        json_begin(&detail, NULL, "{*, *}");
        json_raw(&detail, "run", "%" PRId64, other);
        json_text(&detail, "port", port->name);
        json_text(&detail, "before", then);
        json_text(&detail, "now", now);
        json_end(&detail);
        status = run_event(run, "differs", detail.text.data, err) ? -1 : 1;
        text_free(&detail.text);
        char *note = NULL;
        if (status == 1 && numerics_note(&note, run, other, err))
            status = -1;
        if (status == 1)
            fail(err,
                 "output '%s' differs from that of run %" PRId64 ": '%.16s' then, '%.16s' now%s",
                 port->name, other, then, now, note);
        free(note);
    }
    arena_free(&arena);
    return status;
}

/* A repetition with other outputs is recorded for inspection, never served. Its checkpoints are
 * removed, since another repetition would only continue them. */
static void refuse(struct run *run, const struct port *outputs, int count, double seconds,
                   struct err *err)
{
    struct err late;
    char *error = xstrdup(err->text);
    folder_remove(run->folder, &late);
    if (commit_rows(run, outputs, count, "failed", error, seconds, &late))
        *err = late;
    free(error);
    run_free(run);
}

int run_commit(struct run *run, const struct port *outputs, int count, struct err *err)
{
    if (count < 0 || count > MAX_PORTS)
        bug("%d outputs", count);
    double seconds = clock_seconds() - run->clock;
    int differs = compare(run, outputs, count, err);
    if (differs == 1 && run->again) {
        refuse(run, outputs, count, seconds, err);
        return -1;
    }
    if (differs < 0 || record_write(run, outputs, count, seconds, err) ||
        commit_rows(run, outputs, count, "done", NULL, seconds, err)) {
        run_end(run, err);
        return -1;
    }
    clear_finished(run->store, run->recipe.hex);
    run_free(run);
    return 0;
}

void run_end(struct run *run, const struct err *why)
{
    struct err ignored;
    bool stopped = why->status == STATUS_STOPPED;
    close_row(run, stopped ? "stopped" : "failed", stopped ? NULL : why->text,
              clock_seconds() - run->clock, &ignored);
    run_free(run);
}
