/*
 * Shared by the files of the store: the open lab, SQL without sqlite3.h (which only registry.c
 * includes), and the identity of processes.
 */
#ifndef CAIRN_STORE_STORE_PARTS_H
#define CAIRN_STORE_STORE_PARTS_H

#include "base/file.h"
#include "store/store.h"

struct sqlite3;
struct sqlite3_stmt;
struct file_hash; /* hashcache.c */
struct json_t;    /* jansson's */

struct store {
    char lab[PATH_BYTES];
    char registry[PATH_BYTES];
    struct sqlite3 *db;
    bool read_only;      /* file system or permissions forbid writing: look-ups still work */
    const char *network; /* the kind of network file system it is on; NULL: none */
    int alive;           /* our lock in lab/alive; -1: nothing was written yet */
    bool impatient;      /* the last wait for a lock was in vain: the next one does not wait */
    double patience, busy_since; /* seconds; clock_seconds() */
    struct file_hash *fresh;     /* hashes not yet in the cache */
    size_t fresh_count;
};

/* ---- SQL (registry.c) ----------------------------------------------------------------------- */
struct value {
    enum { VALUE_END, VALUE_INT, VALUE_REAL, VALUE_TEXT } type;
    union {
        int64_t i;
        double d;
        const char *t;
    };
};
static inline struct value int_value(int64_t i)
{
    return (struct value){.type = VALUE_INT, .i = i};
}
/* NaN is stored as NULL: SQLite has no other way. */
static inline struct value real_value(double d)
{
    return (struct value){.type = VALUE_REAL, .d = d};
}
/* NULL is NULL; t must outlive the statement. */
static inline struct value text_value(const char *t)
{
    return (struct value){.type = VALUE_TEXT, .t = t};
}
#define VALUES(...) ((const struct value[]){__VA_ARGS__, (struct value){.type = VALUE_END}})

struct statement {
    const struct store *store;
    struct sqlite3_stmt *stmt;
};
/* values may be NULL: none. */
int statement_open(struct statement *out, const struct store *store, const char *sql,
                   const struct value *values, struct err *err);
int statement_step(struct statement *statement, struct err *err); /* 1: a row, 0: no more, -1 */
/* Valid until the next step; "" for NULL, which only a damaged file has in a NOT NULL column. */
const char *statement_text(const struct statement *statement, int column);
const char *statement_maybe(const struct statement *statement, int column); /* NULL for NULL */
int64_t statement_int(const struct statement *statement, int column);
double statement_real(const struct statement *statement, int column); /* NULL: NaN */
void statement_close(struct statement *statement);
/* Binds the values and steps: for a reusable statement that returns no rows. */
int statement_run(struct statement *statement, const struct value *values, struct err *err);

/* Runs a statement that returns no rows. */
int sql_run(const struct store *store, const char *sql, const struct value *values,
            struct err *err);
/* The number in the first column of the first row; 0 if there is no row. */
int sql_int(int64_t *out, const struct store *store, const char *sql, const struct value *values,
            struct err *err);
/* Takes the write lock at once, so that nothing read inside can change before the commit. Fails for
 * a read-only lab. */
int sql_begin(struct store *store, struct err *err);
/* Commits if status is 0, otherwise rolls back (err already says why); returns 0 or -1. */
int sql_end(const struct store *store, int status, struct err *err);
int64_t sql_last_id(const struct store *store);

/* ---- processes (owner.c) -------------------------------------------------------------------- */
enum { OWNER_KEY = 64 };
struct owner {
    char host[256], boot[64];
    int64_t pid, start;  /* start: clock ticks after boot, -1 without /proc */
    char key[OWNER_KEY]; /* "" unless read from a file name, which has only hashes of the rest */
};
struct owner owner_self(void);
/* ELSEWHERE: cannot be determined from here. */
enum life { LIFE_DEAD, LIFE_ALIVE, LIFE_ELSEWHERE };
enum life owner_life(const struct store *store, const struct owner *owner,
                     const struct owner *self);
/* Call before writing anything that names this process as its owner. */
int alive_hold(struct store *store, struct err *err);
void alive_release(struct store *store);
/* Removes what dead processes left under temporary names. Nothing depends on it: errors are
 * ignored. */
void clear_left_behind(const struct store *store);

/* ---- files ---------------------------------------------------------------------------------- */
/* LAB/FOLDER/NAME */
int lab_path(char out[PATH_BYTES], const struct store *store, const char *folder, const char *name,
             struct err *err);
/* 16 random hex digits, so that no two processes choose the same name. */
enum { RANDOM_NAME = 17 };
void random_name(char out[RANDOM_NAME]);
/* 1 if the manifest is intact and each file exists with its size (files are not rehashed), and
 * *bytes receives the sum; 0 if the manifest or a file is gone or truncated; -1 if the check fails
 * or the manifest is damaged. */
int artifact_present(const struct store *store, const struct id *artifact, int64_t *bytes,
                     struct err *err);

/* ---- what changed (verify.c, record_check.c) ------------------------------------------------ */
/* STATUS_BAD_DATA: "object 'PATH' is STATE: 'FILE' of artifact ...", with the runs and cells
 * affected and what to do. file NULL: the manifest. */
int fail_artifact(const struct store *store, const struct id *artifact, const char *file,
                  const char *path, const char *state, struct err *err);
/* The advice for changed rows or records, and for a damaged database. */
extern const char run_again[], registry_again[];
/* Reads a record and checks its hash; the caller drops *out. */
int record_read(struct json_t **out, const char *path, struct err *err);
double record_number(const struct json_t *json); /* also one written as a string */
/* Inserts the runs of all records into an empty registry (rebuild.c). */
int records_take(struct store *store, int64_t *taken, void (*tell)(void *user, const char *damage),
                 void *user, struct err *err);
/* The text before the hash in a record. */
extern const char record_hash_key[];
enum { RECORD_HASH = 64 };
/* Writes the new hashes of store_hash_file; failures are harmless. */
void hash_cache_flush(struct store *store);

/* ---- runs ----------------------------------------------------------------------------------- */
struct metric {
    char *name, *case_id; /* case_id NULL: a metric of the run */
    int64_t step;
    double value;
};
struct run {
    struct store *store;
    struct owner owner;
    int64_t id;
    struct id recipe;
    char uuid[RANDOM_NAME];
    char folder[PATH_BYTES];
    char *stage, *build, *config, *numerics;
    struct port inputs[MAX_PORTS]; /* names are owned */
    int input_count;
    bool again;
    int64_t passed_over;   /* the recipe's newest finished run, if its files are gone */
    double started, clock; /* Unix time; monotonic */
    struct metric *metrics;
    size_t metric_count;
};
/* Publishes lab/runs/RECIPE-UUID.json (record.c). */
int record_write(const struct run *run, const struct port *outputs, int count, double seconds,
                 struct err *err);
void run_free(struct run *run); /* NULL is fine */
double unix_time(void);
/* The newest run of the recipe with this status; 0 if there is none. */
int newest_run(const struct store *store, const struct id *recipe, const char *status, int64_t *run,
               struct err *err);
/* sql takes run, port, artifact. */
int insert_ports(const struct store *store, const char *sql, int64_t run, const struct port *ports,
                 int count, struct err *err);
/* Removes the working folder of a recipe whose newest run is done. */
void clear_finished(struct store *store, const char *recipe);
void owner_read(struct owner *out, const struct statement *statement, int column);
int ports_read(const struct store *store, int64_t run, bool outputs, struct arena *arena,
               struct port ports[MAX_PORTS], int *count, struct err *err);

#endif
