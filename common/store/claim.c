/*
 * Claiming a recipe, so that everything is computed once.
 *
 * A claim is a row with status 'running'; a unique index over those rows admits one per recipe. A
 * claim whose owner is dead is marked 'lost' by whoever looks next. An owner whose state cannot be
 * determined is waited for until a person declares it gone with registry_release.
 */
#include "store/store_parts.h"

#include "base/progress.h"
#include "base/stop.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { POLL_NS = 200 * 1000 * 1000 };

double unix_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void run_free(struct run *run)
{
    if (!run)
        return;
    for (size_t i = 0; i < run->metric_count; i++) {
        free(run->metrics[i].name);
        free(run->metrics[i].case_id);
    }
    for (int i = 0; i < run->input_count; i++)
        free((char *)run->inputs[i].name);
    free(run->metrics);
    free(run->stage);
    free(run->build);
    free(run->config);
    free(run->numerics);
    free(run);
}

/* ---- look-up -------------------------------------------------------------------------------- */

int ports_read(const struct store *store, int64_t run, bool outputs, struct arena *arena,
               struct port ports[MAX_PORTS], int *count, struct err *err)
{
    struct statement statement;
    const char *sql = outputs ? "SELECT port, artifact FROM run_output WHERE run = ? ORDER BY port"
                              : "SELECT port, artifact FROM run_input WHERE run = ? ORDER BY port";
    TRY(statement_open(&statement, store, sql, VALUES(int_value(run)), err));
    int got;
    *count = 0;
    while ((got = statement_step(&statement, err)) == 1) {
        const char *artifact = statement_text(&statement, 1);
        if (*count == MAX_PORTS || !id_valid(artifact)) {
            got = fail_as(err, STATUS_BAD_DATA,
                          "registry '%s' is damaged: ports of run %" PRId64 "%s", store->registry,
                          run, registry_again);
            break;
        }
        ports[*count].name = arena_strdup(arena, statement_text(&statement, 0));
        memcpy(ports[(*count)++].artifact.hex, artifact, sizeof ports->artifact.hex);
    }
    statement_close(&statement);
    return got;
}

/* The newest run of the recipe with this status; 0 if none. */
int newest_run(const struct store *store, const struct id *recipe, const char *status, int64_t *run,
               struct err *err)
{
    return sql_int(run, store, "SELECT max(id) FROM run WHERE recipe = ? AND status = ?",
                   VALUES(text_value(recipe->hex), text_value(status)), err);
}

/* A result whose files were deleted or truncated no longer counts as known and is made again. */
int registry_lookup(struct store *store, const struct id *recipe, struct arena *arena, int64_t *run,
                    struct port outputs[MAX_PORTS], int *count, struct err *err)
{
    TRY(newest_run(store, recipe, "done", run, err));
    if (!*run)
        return 0;
    TRY(ports_read(store, *run, true, arena, outputs, count, err));
    if (!*count)
        return fail_as(err, STATUS_BAD_DATA,
                       "registry '%s' is damaged: run %" PRId64 " has no output%s", store->registry,
                       *run, registry_again);
    int present = 1;
    for (int i = 0; present == 1 && i < *count; i++) {
        int64_t bytes;
        present = artifact_present(store, &outputs[i].artifact, &bytes, err);
    }
    return present;
}

/* ---- claims --------------------------------------------------------------------------------- */

void owner_read(struct owner *out, const struct statement *statement, int column)
{
    *out = (struct owner){.pid = statement_int(statement, column + 2),
                          .start = statement_int(statement, column + 3)};
    snprintf(out->host, sizeof out->host, "%s", statement_text(statement, column));
    snprintf(out->boot, sizeof out->boot, "%s", statement_text(statement, column + 1));
}

/* The run that holds the recipe; 0 if none does. */
static int find_holder(const struct store *store, const struct id *recipe, int64_t *run,
                       struct owner *owner, struct err *err)
{
    struct statement statement;
    TRY(statement_open(&statement, store,
                       "SELECT id, owner_host, owner_boot, owner_pid, owner_start FROM run "
                       "WHERE recipe = ? AND status = 'running'",
                       VALUES(text_value(recipe->hex)), err));
    int got = statement_step(&statement, err);
    *run = got == 1 ? statement_int(&statement, 0) : 0;
    if (got == 1)
        owner_read(owner, &statement, 1);
    statement_close(&statement);
    return got < 0 ? -1 : 0;
}

/* Is the newest run of the recipe done? Then its working folder holds no checkpoint to resume. */
static int newest_is_done(const struct store *store, const char *recipe, int64_t *done,
                          struct err *err)
{
    return sql_int(done, store,
                   "SELECT status = 'done' FROM run WHERE recipe = ? ORDER BY id DESC LIMIT 1",
                   VALUES(text_value(recipe)), err);
}

/* The next run must not take leftovers of a finished run for a checkpoint. Inside a transaction, so
 * that nobody can claim the recipe in the meantime. */
static int clear_folder(const struct store *store, const char *recipe, struct err *err)
{
    int64_t done;
    char folder[PATH_BYTES];
    TRY(newest_is_done(store, recipe, &done, err));
    TRY(lab_path(folder, store, "work", recipe, err));
    return done ? folder_remove(folder, err) : 0;
}

void clear_finished(struct store *store, const char *recipe)
{
    struct err ignored; /* registry_sweep or the next claim removes what is left */
    int64_t done;
    /* checked without the lock first: most folders belong to trainings stopped half-way */
    if (!newest_is_done(store, recipe, &done, &ignored) && done && !sql_begin(store, &ignored))
        sql_end(store, clear_folder(store, recipe, &ignored), &ignored);
}

int insert_ports(const struct store *store, const char *sql, int64_t run, const struct port *ports,
                 int count, struct err *err)
{
    struct statement statement;
    TRY(statement_open(&statement, store, sql, NULL, err));
    int status = 0;
    for (int i = 0; !status && i < count; i++)
        status = statement_run(
            &statement,
            VALUES(int_value(run), text_value(ports[i].name), text_value(ports[i].artifact.hex)),
            err);
    statement_close(&statement);
    return status;
}

static int insert_run(struct run *run, struct err *err)
{
    const struct owner *owner = &run->owner;
    run->started = unix_time();
    run->clock = clock_seconds();
    TRY(sql_run(run->store,
                "INSERT INTO run (stage, recipe, status, started, build, config, uuid, owner_host, "
                "owner_boot, owner_pid, owner_start) "
                "VALUES (?, ?, 'running', ?, ?, ?, ?, ?, ?, ?, ?)",
                VALUES(text_value(run->stage), text_value(run->recipe.hex),
                       real_value(run->started), text_value(run->build), text_value(run->config),
                       text_value(run->uuid), text_value(owner->host), text_value(owner->boot),
                       int_value(owner->pid), int_value(owner->start)),
                err));
    run->id = sql_last_id(run->store);
    return insert_ports(run->store, "INSERT INTO run_input (run, port, artifact) VALUES (?, ?, ?)",
                        run->id, run->inputs, run->input_count, err);
}

enum claim { CLAIM_OURS, CLAIM_DONE, CLAIM_HELD };

/* Touches no file but the run's own folder: others wait for the lock. */
static int claim_locked(struct run *run, enum claim *out, struct err *err)
{
    int64_t done, holder;
    struct owner owner;
    *out = CLAIM_DONE;
    if (!run->again) {
        TRY(newest_run(run->store, &run->recipe, "done", &done, err));
        if (done != run->passed_over)
            return 0;
    }
    *out = CLAIM_HELD;
    TRY(find_holder(run->store, &run->recipe, &holder, &owner, err));
    if (holder && owner_life(run->store, &owner, &run->owner) != LIFE_DEAD)
        return 0;
    if (holder)
        TRY(sql_run(run->store, "UPDATE run SET status = 'lost' WHERE id = ?",
                    VALUES(int_value(holder)), err));
    *out = CLAIM_OURS;
    TRY(clear_folder(run->store, run->recipe.hex, err));
    return insert_run(run, err);
}

/* Waits a moment for the holder. */
static int wait_for(const struct store *store, int64_t holder, const struct owner *owner,
                    enum life life, void (*waiting)(const struct holder *holder), struct err *err)
{
    if (waiting)
        waiting(&(struct holder){.run = holder,
                                 .pid = owner->pid,
                                 .host = owner->host,
                                 .lab = store->lab,
                                 .elsewhere = life == LIFE_ELSEWHERE});
    nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    if (stop_requested())
        return fail_as(err, STATUS_STOPPED, "stopped while waiting for run %" PRId64, holder);
    return 0;
}

/* 1: known in the meantime, 0: the claim is ours, -1: error. */
static int claim_or_wait(struct run *run, struct arena *arena, struct port outputs[MAX_PORTS],
                         int *count, void (*waiting)(const struct holder *holder), struct err *err)
{
    for (;;) {
        enum claim claim;
        TRY(sql_begin(run->store, err));
        int status = claim_locked(run, &claim, err);
        TRY(sql_end(run->store, status, err));
        if (claim == CLAIM_OURS)
            return 0;
        if (claim == CLAIM_DONE) { /* finished by another; its files may be gone since */
            int known = registry_lookup(run->store, &run->recipe, arena, &run->passed_over, outputs,
                                        count, err);
            if (known)
                return known;
            continue;
        }
        for (;;) { /* only reads, so waiting blocks nobody */
            int64_t holder;
            struct owner owner;
            TRY(find_holder(run->store, &run->recipe, &holder, &owner, err));
            enum life life = holder ? owner_life(run->store, &owner, &run->owner) : LIFE_DEAD;
            if (life == LIFE_DEAD)
                break;
            TRY(wait_for(run->store, holder, &owner, life, waiting, err));
            waiting = NULL;
        }
    }
}

static struct run *run_new(struct store *store, const struct run_spec *spec)
{
    struct run *run = xcalloc(1, sizeof *run);
    run->store = store;
    run->owner = owner_self();
    run->stage = xstrdup(spec->stage);
    run->build = xstrdup(spec->build);
    run->config = xstrdup(spec->config);
    run->again = spec->again;
    if (spec->input_count < 0 || spec->input_count > MAX_PORTS)
        bug("%d inputs", spec->input_count);
    run->input_count = spec->input_count;
    for (int i = 0; i < spec->input_count; i++)
        run->inputs[i] = (struct port){xstrdup(spec->inputs[i].name), spec->inputs[i].artifact};
    random_name(run->uuid);
    return run;
}

int run_claim(struct run **out, struct store *store, const struct run_spec *spec,
              struct arena *arena, struct port outputs[MAX_PORTS], int *count,
              void (*waiting)(const struct holder *holder), struct err *err)
{
    *out = NULL;
    struct run *run = run_new(store, spec);
    run->recipe = sha256_of(spec->recipe_text, strlen(spec->recipe_text));
    hash_cache_flush(store);
    int known = 0;
    if (!spec->again) /* before any write: a read-only lab has results too */
        known = registry_lookup(store, &run->recipe, arena, &run->passed_over, outputs, count, err);
    if (!known &&
        (alive_hold(store, err) ||
         object_put(store, spec->recipe_text, strlen(spec->recipe_text), &run->recipe, err) ||
         lab_path(run->folder, store, "work", run->recipe.hex, err)))
        known = -1;
    if (!known)
        known = claim_or_wait(run, arena, outputs, count, waiting, err);
    if (known) {
        run_free(run);
        return known;
    }
    if (folder_make_own(run->folder, err)) {
        run_end(run, err);
        return -1;
    }
    *out = run;
    return 0;
}

/* ---- dead owners ---------------------------------------------------------------------------- */

static int mark_lost(const struct store *store, const int64_t *runs, size_t count, struct err *err)
{
    int status = 0;
    for (size_t i = 0; !status && i < count; i++)
        status =
            sql_run(store, "UPDATE run SET status = 'lost' WHERE id = ? AND status = 'running'",
                    VALUES(int_value(runs[i])), err);
    return status;
}

/* Folders of finished runs that were killed before they could remove them. */
static void clear_finished_folders(struct store *store)
{
    struct err err;
    char work[PATH_BYTES];
    DIR *dir = path_join(work, store->lab, "work", &err) ? NULL : opendir(work);
    struct dirent *entry;
    while (dir && (entry = readdir(dir)))
        if (id_valid(entry->d_name))
            clear_finished(store, entry->d_name);
    if (dir)
        closedir(dir);
}

int registry_sweep(struct store *store, struct err *err)
{
    if (store->read_only) /* readers show such runs as lost anyway */
        return 0;
    struct statement statement;
    TRY(statement_open(&statement, store,
                       "SELECT id, owner_host, owner_boot, owner_pid, owner_start FROM run "
                       "WHERE status = 'running'",
                       NULL, err));
    struct owner self = owner_self(), owner;
    int64_t *lost = NULL;
    size_t count = 0;
    int got;
    while ((got = statement_step(&statement, err)) == 1) {
        owner_read(&owner, &statement, 1);
        if (owner_life(store, &owner, &self) != LIFE_DEAD)
            continue;
        *ARRAY_ADD(lost, count) = statement_int(&statement, 0);
    }
    statement_close(&statement);
    if (!got && count && !(got = sql_begin(store, err)))
        got = sql_end(store, mark_lost(store, lost, count, err), err);
    free(lost);
    if (!got) {
        clear_finished_folders(store);
        clear_left_behind(store);
    }
    return got;
}

int registry_release(struct store *store, int64_t run, struct err *err)
{
    int64_t lost;
    TRY(sql_int(&lost, store,
                "UPDATE run SET status = 'lost' WHERE id = ? AND status = 'running' RETURNING id",
                VALUES(int_value(run)), err));
    return lost ? 0 : fail_as(err, STATUS_MISSING, "run %" PRId64 " is not running", run);
}
