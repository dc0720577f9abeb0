/*
 * The store: artifacts as content-hashed files, and the registry of runs.
 *
 *   lab/registry.db        SQLite, WAL; schema.sql is the interface for queries
 *   lab/objects/ab/cdef..  files named by the SHA-256 of their bytes, mode 0444
 *   lab/work/              drafts and the working folders of runs
 *   lab/runs/RECIPE-UUID.json  immutable records of finished runs: the database can be rebuilt
 *   lab/reports/
 *   lab/alive/             locks of the processes at work (owner.c)
 *
 * Any of these may be a link to another disk, but no link inside them is followed.
 *
 * An artifact is a sorted manifest of lines "SHA256 SIZE NAME\n"; its id is the manifest's SHA-256,
 * and the manifest is an object itself. A recipe is the SHA-256 of its canonical text, which is
 * kept as an object too.
 *
 * Writing: a draft folder in lab/work, fsync, link into objects, fsync the folder, then one
 * registry transaction. Only that last commit makes a result exist; anything can be killed at any
 * instruction.
 */
#ifndef CAIRN_STORE_STORE_H
#define CAIRN_STORE_STORE_H

#include "base/err.h"
#include "base/memory.h"
#include "base/sha256.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

/* Opens the lab, creating it if `create`. STATUS_MISSING: there is no lab and `create` is false;
 * STATUS_IO: it cannot be created; STATUS_CONFIG: the registry is from a newer version;
 * STATUS_BAD_DATA: the registry is gone but records of its runs exist. A read-only lab opens too
 * and answers look-ups; writes fail with STATUS_IO, "lab 'PATH' is read-only". Must not be used
 * across fork. */
int store_open(struct store **out, const char *lab, bool create, struct err *err);
void store_close(struct store *store);
const char *store_lab(const struct store *store);
/* The kind of network file system the lab is on; NULL: none. On one, the registry has no
 * write-ahead log, since machines would not share its memory, and only one process writes at a
 * time. */
const char *store_network(const struct store *store);
/* How long to wait while others write to the registry (30 s). After a wait in vain the next
 * attempts do not wait until a write succeeds, so that a command has one deadline, not one per
 * row. */
void store_patience(struct store *store, double seconds);
/* A temporary path in a folder of the lab, BEFOREdraft-OWNER-UNIQUE, for what is renamed later;
 * out has PATH_BYTES. In lab, lab/work and lab/reports the next command removes what a killed
 * one left. */
int temporary_name(char *out, struct store *store, const char *folder, const char *before,
                   struct err *err);

/* Rebuilds the registry from the records in lab/runs: the finished runs, in the order in which they
 * were started. Damaged records are reported to `tell` and skipped. The old file is kept as
 * registry.db.before. Refused while a run is in progress. */
int store_rebuild(const char *lab, int64_t *runs, void (*tell)(void *user, const char *damage),
                  void *user, struct err *err);

/* ---- artifacts ------------------------------------------------------------------------------ */
struct draft;
struct text;
int draft_open(struct draft **out, struct store *store, struct err *err);
/* Where to write the file NAME (plain names, [A-Za-z0-9._-]); out has PATH_BYTES. */
int draft_path(const struct draft *draft, const char *name, char *out, struct err *err);
/* Writes the text as the file NAME and frees it, even on failure. */
int draft_text(const struct draft *draft, const char *name, struct text *text, struct err *err);
/* Hashes all files of the draft, publishes them as objects and returns the artifact's id. The
 * artifact enters the registry when a run commits it. Frees the draft, even on failure. */
int draft_seal(struct draft *draft, struct id *out, struct err *err);
void draft_drop(struct draft *draft); /* NULL is fine */

struct manifest_line {
    struct id object;
    int64_t size;
    const char *name;
};
struct manifest {
    size_t count;
    struct manifest_line *lines;
};
int artifact_manifest(struct manifest *out, struct arena *arena, const struct store *store,
                      const struct id *artifact, struct err *err);
/* The path of a file's object, after checking its hash; out has PATH_BYTES. Every process hashes
 * what it is going to read, because neither time nor size of a file reveals a flipped bit.
 * STATUS_MISSING: the artifact has no such file. STATUS_BAD_DATA: the object is damaged or gone;
 * the text names the runs and cells affected and how to make the object again. */
int artifact_path(char *out, const struct store *store, const struct id *artifact, const char *name,
                  struct err *err);
/* The path of its first file that exists with a wrong size; out has PATH_BYTES. */
bool artifact_cut(char *out, const struct store *store, const struct id *artifact);

/* An existing object is hashed, and replaced if it is damaged. */
int object_put(struct store *store, const void *bytes, size_t length, struct id *out,
               struct err *err);
/* The path of an object's file (whether or not it exists); out has PATH_BYTES. */
int object_path(char *out, const struct store *store, const struct id *object, struct err *err);
int object_get(char **out, size_t *length, const struct store *store, const struct id *object,
               struct err *err);

/* SHA-256 of an input file outside the store, with a cache in the registry keyed by device, inode,
 * size, mtime and ctime in nanoseconds; a file changed in the last two seconds is not cached. */
int store_hash_file(struct store *store, const char *path, struct id *out, struct err *err);
/* For a file that changed, or whose cached hash was wrong: the next call hashes it. */
int store_forget_file(struct store *store, const char *path, struct err *err);

/* ---- runs ----------------------------------------------------------------------------------- */
struct port {
    const char *name; /* "dataset", "model", ... */
    struct id artifact;
};
enum { MAX_PORTS = 8 };

/* The newest finished run of this recipe. Returns 1 and fills outputs (names in arena, sorted), 0
 * if none is known, -1 on errors. One indexed look-up, so it takes milliseconds. A result whose
 * objects are gone or truncated no longer counts as known; only the manifest is rehashed. If a
 * system error hides whether they exist, that is an error and never 0. */
int registry_lookup(struct store *store, const struct id *recipe, struct arena *arena, int64_t *run,
                    struct port outputs[MAX_PORTS], int *count, struct err *err);

struct run_spec {
    const char *stage;
    const char *recipe_text;
    const char *build;  /* build id */
    const char *config; /* canonical configuration text */
    const struct port *inputs;
    int input_count;
    bool again; /* run although the recipe is known; commit fails if the outputs differ */
};
struct run;

/* Who holds a claim. elsewhere: whether it is alive cannot be determined from here. */
struct holder {
    int64_t run, pid;
    const char *host, *lab;
    bool elsewhere;
};

/* Claims the recipe. Returns 1 if it has become known (outputs filled, *out = NULL), 0 if the run
 * is ours. If another live process owns it, calls `waiting` (may be NULL) once, waits, and then
 * takes its result or its place. A dead owner's run becomes `lost`; an owner elsewhere is waited
 * for until registry_release. A stop request ends the wait with STATUS_STOPPED. A claim on a recipe
 * with a `lost`, `failed` or `stopped` run starts a new run in the same working folder. */
int run_claim(struct run **out, struct store *store, const struct run_spec *spec,
              struct arena *arena, struct port outputs[MAX_PORTS], int *count,
              void (*waiting)(const struct holder *holder), struct err *err);
int64_t run_id(const struct run *run);
const struct id *run_recipe(const struct run *run);
/* lab/work/RECIPE: checkpoints live here; kept until a run of the recipe is done. */
const char *run_folder(const struct run *run);

/* Events are written at once; numerics and metrics are kept in memory and written by the commit. A
 * later value with the same name and step (or case and name) replaces the earlier one. */
int run_event(struct run *run, const char *kind, const char *detail_json, struct err *err);
void run_numerics(struct run *run, const char *numerics);
void run_metric(struct run *run, const char *name, int64_t step, double value); /* final: -1 */
void run_case_metric(struct run *run, const char *case_id, const char *name, double value);

/* Writes the immutable record, then in one transaction status done, outputs and metrics; then
 * removes the working folder. If the recipe already has other outputs, an event 'differs' is
 * recorded (and with `again` the commit fails). Frees run, even on failure. */
int run_commit(struct run *run, const struct port *outputs, int count, struct err *err);
/* status failed (error text kept) or stopped (STATUS_STOPPED). Frees run; ignores its own
 * errors. */
void run_end(struct run *run, const struct err *why);

/* Marks runs of dead owners `lost`, and removes working folders left by finished runs. */
int registry_sweep(struct store *store, struct err *err);
/* For a person who knows that a run's owner is gone. STATUS_MISSING if the run is not running. */
int registry_release(struct store *store, int64_t run, struct err *err);

/* ---- cells: what each place in an experiment's latest plan resolves to ---------------------- */
struct cell {
    const char *variant;
    int64_t seed;
    const char *section;
    struct id recipe; /* hex[0] == '\0': not known yet (an input is not computed) */
};
int registry_set_cells(struct store *store, const char *experiment, const struct cell *cells,
                       size_t count, struct err *err);

/* In the order of registry_set_cells; recipe.hex[0] == '\0' where it is not known yet. */
int registry_cells(struct store *store, const char *experiment,
                   int (*row)(void *user, const struct cell *cell, struct err *err), void *user,
                   struct err *err);

/* ---- reading -------------------------------------------------------------------------------- */
struct run_row {
    int64_t id;
    const char *stage, *status, *build, *numerics, *config, *error;
    struct id recipe;
    double started, seconds; /* Unix time; duration */
};
/* All call `row` once per row, newest first; a non-zero return ends the walk and is passed on. Rows
 * are valid only during the call. A running run whose owner is dead is shown as lost. */
int registry_runs(struct store *store, const char *stage /* NULL: all */,
                  int64_t before /* only smaller ids; 0: all */, int64_t limit,
                  int (*row)(void *user, const struct run_row *row, struct err *err), void *user,
                  struct err *err);
int registry_count_runs(struct store *store, const char *stage /* NULL: all */, int64_t *out,
                        struct err *err);
/* By number, by a unique prefix of a recipe (its newest run) or by a unique prefix of an artifact
 * (the run that made it first); prefixes have at least 4 digits. STATUS_MISSING if nothing matches,
 * STATUS_USAGE if several do. */
int registry_find_run(struct store *store, const char *text, struct arena *arena,
                      struct run_row *out, struct err *err);
int registry_ports(struct store *store, int64_t run, bool outputs, struct arena *arena,
                   struct port ports[MAX_PORTS], int *count, struct err *err);
struct metric_row {
    const char *name;
    int64_t step;
    double value;
};
int registry_metrics(struct store *store, int64_t run, bool final_only,
                     int (*row)(void *user, const struct metric_row *row, struct err *err),
                     void *user, struct err *err);
int registry_events(struct store *store, int64_t run,
                    int (*row)(void *user, double at, const char *kind, const char *detail,
                               struct err *err),
                    void *user, struct err *err);
/* A recipe's text, from its object. The caller frees it. */
int registry_recipe_text(char **out, struct store *store, const struct id *recipe, struct err *err);
/* The first run that made an artifact; 0 if none. */
int registry_maker(struct store *store, const struct id *artifact, int64_t *run, struct err *err);
/* What an artifact was made from, and what that was made from, to the end: a row for each input of each
 * run that made any of it first, newest run first. */
struct origin {
    int64_t run;
    const char *stage, *port;
    struct id artifact; /* that the run read at the port */
};
int registry_origins(const struct store *store, const struct id *artifact,
                     int (*row)(void *user, const struct origin *origin, struct err *err),
                     void *user, struct err *err);

/* ---- checking ------------------------------------------------------------------------------- */
/* STATUS_BAD_DATA if the registry's rows of a finished run and its record in lab/runs disagree, or
 * the record is damaged; STATUS_MISSING if it is gone. */
int record_check(struct store *store, int64_t run, struct err *err);

/* Checks on demand. Each case of damage is counted and passed to `tell` as one line: what is
 * damaged, what it affects and what to do. */
struct verify;
struct verified {
    int64_t runs, objects, damaged;
};
struct verify *verify_open(struct store *store, void (*tell)(void *user, const char *damage),
                           void *user);
struct verified verify_close(struct verify *verify);
/* A run's recipe and artifacts; for a finished run also its rows, against its record and its
 * metrics.json. Objects hashed by earlier calls are not hashed again. */
int verify_run(struct verify *verify, const struct run_row *run, struct err *err);
/* The database, all runs, and objects that no run needs. */
int verify_all(struct verify *verify, struct err *err);

#endif
