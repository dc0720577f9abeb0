/* Reading the registry, and the cells that record what an experiment's latest plan resolves to. */
#include "store/store_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUN_COLUMNS                                                                                \
    "id, stage, status, build, numerics, config, error, recipe, started, seconds, owner_host, "    \
    "owner_boot, owner_pid, owner_start "

static void id_read(struct id *out, const char *text)
{
    *out = (struct id){{0}};
    if (id_valid(text))
        memcpy(out->hex, text, sizeof out->hex);
}

/* Texts are valid until the next step. */
static struct run_row row_read(const struct statement *statement, const struct owner *self)
{
    struct run_row row = {.id = statement_int(statement, 0),
                          .stage = statement_text(statement, 1),
                          .status = statement_text(statement, 2),
                          .build = statement_text(statement, 3),
                          .numerics = statement_maybe(statement, 4),
                          .config = statement_text(statement, 5),
                          .error = statement_maybe(statement, 6),
                          .started = statement_real(statement, 8),
                          .seconds = statement_real(statement, 9)};
    id_read(&row.recipe, statement_text(statement, 7));
    struct owner owner;
    owner_read(&owner, statement, 10);
    if (!strcmp(row.status, "running") && owner_life(statement->store, &owner, self) == LIFE_DEAD)
        row.status = "lost";
    return row;
}

int registry_runs(struct store *store, const char *stage, int64_t before, int64_t limit,
                  int (*row)(void *user, const struct run_row *row, struct err *err), void *user,
                  struct err *err)
{
    struct statement statement;
    /* a negative limit means none, as in SQLite */
    const char *sql = stage ? "SELECT " RUN_COLUMNS "FROM run WHERE id < ?2 AND stage = ?3 "
                              "ORDER BY id DESC LIMIT ?1"
                            : "SELECT " RUN_COLUMNS "FROM run WHERE id < ?2 "
                              "ORDER BY id DESC LIMIT ?1";
    struct value values[] = {int_value(limit),
                             int_value(before ? before : INT64_MAX),
                             text_value(stage),
                             {.type = VALUE_END}};
    if (!stage)
        values[2].type = VALUE_END;
    TRY(statement_open(&statement, store, sql, values, err));
    struct owner self = owner_self();
    int got;
    while ((got = statement_step(&statement, err)) == 1) {
        struct run_row found = row_read(&statement, &self);
        if ((got = row(user, &found, err)))
            break;
    }
    statement_close(&statement);
    return got;
}

int registry_count_runs(struct store *store, const char *stage, int64_t *out, struct err *err)
{
    return sql_int(out, store, "SELECT count(*) FROM run WHERE ?1 IS NULL OR stage = ?1",
                   VALUES(text_value(stage)), err);
}

/* ---- finding one run ------------------------------------------------------------------------ */

static int read_run(const struct store *store, int64_t run, struct arena *arena,
                    struct run_row *out, struct err *err)
{
    struct statement statement;
    TRY(statement_open(&statement, store, "SELECT " RUN_COLUMNS "FROM run WHERE id = ?",
                       VALUES(int_value(run)), err));
    struct owner self = owner_self();
    int got = statement_step(&statement, err);
    if (got == 1) {
        *out = row_read(&statement, &self);
        const char **texts[] = {&out->stage,    &out->status, &out->build,
                                &out->numerics, &out->config, &out->error};
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
            if (*texts[i])
                *texts[i] = arena_strdup(arena, *texts[i]);
    }
    statement_close(&statement);
    return got;
}

/* How many recipes or artifacts begin with the prefix (2 stands for more than one), and the
 * matching run. sql selects run and name for names between ?1 and ?2. */
static int find_prefix(const struct store *store, const char *sql, const char *prefix, int64_t *run,
                       int *matches, struct err *err)
{
    struct statement statement;
    char after[66]; /* 'g' comes after every hex digit */
    snprintf(after, sizeof after, "%sg", prefix);
    TRY(statement_open(&statement, store, sql, VALUES(text_value(prefix), text_value(after)), err));
    int got;
    while ((got = statement_step(&statement, err)) == 1) {
        *run = statement_int(&statement, 0);
        if (++*matches == 2)
            break;
    }
    statement_close(&statement);
    return got < 0 ? -1 : 0;
}

int registry_find_run(struct store *store, const char *text, struct arena *arena,
                      struct run_row *out, struct err *err)
{
    size_t length = strlen(text);
    int got = 0;
    if (length && length <= 18 && strspn(text, "0123456789") == length)
        got = read_run(store, strtoll(text, NULL, 10), arena, out, err);
    if (got)
        return got < 0 ? -1 : 0;
    int64_t run = 0;
    int matches = 0;
    if (length >= 4 && length <= 64 && strspn(text, "0123456789abcdef") == length) {
        TRY(find_prefix(store,
                        "SELECT max(id) FROM run WHERE recipe >= ? AND recipe < ? GROUP BY recipe",
                        text, &run, &matches, err));
        TRY(find_prefix(store, "SELECT made_by FROM artifact WHERE id >= ? AND id < ?", text, &run,
                        &matches, err));
    }
    if (matches > 1)
        return fail_as(err, STATUS_USAGE,
                       "'%s' is ambiguous: several recipes or artifacts begin with it", text);
    got = matches ? read_run(store, run, arena, out, err) : 0;
    if (!got)
        return fail_as(err, STATUS_MISSING, "no run '%s' in lab '%s'", text, store->lab);
    return got < 0 ? -1 : 0;
}

int registry_ports(struct store *store, int64_t run, bool outputs, struct arena *arena,
                   struct port ports[MAX_PORTS], int *count, struct err *err)
{
    return ports_read(store, run, outputs, arena, ports, count, err);
}

int registry_recipe_text(char **out, struct store *store, const struct id *recipe, struct err *err)
{
    size_t length;
    return object_get(out, &length, store, recipe, err);
}

int registry_maker(struct store *store, const struct id *artifact, int64_t *run, struct err *err)
{
    return sql_int(run, store, "SELECT made_by FROM artifact WHERE id = ?",
                   VALUES(text_value(artifact->hex)), err);
}

int registry_origins(const struct store *store, const struct id *artifact,
                     int (*row)(void *user, const struct origin *origin, struct err *err),
                     void *user, struct err *err)
{
    struct statement statement;
    TRY(statement_open(
        &statement, store,
        "WITH RECURSIVE origin(run, port, artifact) AS ("
        "SELECT run, port, run_input.artifact FROM run_input "
        "JOIN artifact ON made_by = run WHERE id = ? "
        "UNION SELECT run_input.run, run_input.port, run_input.artifact FROM origin "
        "JOIN artifact ON id = origin.artifact JOIN run_input ON run_input.run = made_by) "
        "SELECT origin.run, stage, port, artifact FROM origin "
        "JOIN run ON id = origin.run ORDER BY id DESC, port",
        VALUES(text_value(artifact->hex)), err));
    int got;
    while ((got = statement_step(&statement, err)) == 1) {
        struct origin found = {.run = statement_int(&statement, 0),
                               .stage = statement_text(&statement, 1),
                               .port = statement_text(&statement, 2)};
        id_read(&found.artifact, statement_text(&statement, 3));
        if ((got = row(user, &found, err)))
            break;
    }
    statement_close(&statement);
    return got;
}

/* ---- what a run left ------------------------------------------------------------------------ */

int registry_metrics(struct store *store, int64_t run, bool final_only,
                     int (*row)(void *user, const struct metric_row *row, struct err *err),
                     void *user, struct err *err)
{
    struct statement statement;
    TRY(statement_open(&statement, store,
                       "SELECT name, step, value FROM metric WHERE run = ? AND (step = -1 OR ?) "
                       "ORDER BY name, step",
                       VALUES(int_value(run), int_value(!final_only)), err));
    int got;
    while ((got = statement_step(&statement, err)) == 1) {
        struct metric_row found = {statement_text(&statement, 0), statement_int(&statement, 1),
                                   statement_real(&statement, 2)};
        if ((got = row(user, &found, err)))
            break;
    }
    statement_close(&statement);
    return got;
}

int registry_events(struct store *store, int64_t run,
                    int (*row)(void *user, double at, const char *kind, const char *detail,
                               struct err *err),
                    void *user, struct err *err)
{
    struct statement statement;
    TRY(statement_open(&statement, store,
                       "SELECT at, kind, detail FROM event WHERE run = ? ORDER BY rowid",
                       VALUES(int_value(run)), err));
    int got;
    while ((got = statement_step(&statement, err)) == 1)
        if ((got = row(user, statement_real(&statement, 0), statement_text(&statement, 1),
                       statement_text(&statement, 2), err)))
            break;
    statement_close(&statement);
    return got;
}

/* ---- cells ---------------------------------------------------------------------------------- */

static int replace_cells(const struct store *store, const char *experiment,
                         const struct cell *cells, size_t count, struct err *err)
{
    TRY(sql_run(store, "DELETE FROM cell WHERE experiment = ?", VALUES(text_value(experiment)),
                err));
    struct statement statement;
    TRY(statement_open(&statement, store,
                       "INSERT INTO cell (experiment, variant, seed, section, recipe, position) "
                       "VALUES (?, ?, ?, ?, ?, ?)",
                       NULL, err));
    int status = 0;
    for (size_t i = 0; !status && i < count; i++) {
        const struct cell *cell = cells + i;
        status = statement_run(&statement,
                               VALUES(text_value(experiment), text_value(cell->variant),
                                      int_value(cell->seed), text_value(cell->section),
                                      text_value(cell->recipe.hex[0] ? cell->recipe.hex : NULL),
                                      int_value((int64_t)i)),
                               err);
    }
    statement_close(&statement);
    return status;
}

int registry_set_cells(struct store *store, const char *experiment, const struct cell *cells,
                       size_t count, struct err *err)
{
    TRY(sql_begin(store, err));
    return sql_end(store, replace_cells(store, experiment, cells, count, err), err);
}

int registry_cells(struct store *store, const char *experiment,
                   int (*row)(void *user, const struct cell *cell, struct err *err), void *user,
                   struct err *err)
{
    struct statement statement;
    TRY(statement_open(&statement, store,
                       "SELECT variant, seed, section, recipe FROM cell WHERE experiment = ? "
                       "ORDER BY position",
                       VALUES(text_value(experiment)), err));
    int got;
    while ((got = statement_step(&statement, err)) == 1) {
        struct cell found = {.variant = statement_text(&statement, 0),
                             .seed = statement_int(&statement, 1),
                             .section = statement_text(&statement, 2)};
        id_read(&found.recipe, statement_text(&statement, 3));
        if ((got = row(user, &found, err)))
            break;
    }
    statement_close(&statement);
    return got;
}
