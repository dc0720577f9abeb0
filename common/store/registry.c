/*
 * The database file: opening, creating, migrating, and SQL for the other files of the store.
 *
 * A lab on a read-only file system still answers look-ups, although SQLite cannot create the shared
 * memory file that a WAL database needs. Without a leftover log the file is opened as immutable;
 * with one, which is part of the registry's content, the log's index is kept in memory.
 */
#include "store/store_parts.h"

#include "base/progress.h"
#include "base/stop.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum { APPLICATION_ID = 0x4341524e /* "CARN" */, NAP_MS = 20 };

/* The build has no step for text files, so the assembler includes schema.sql verbatim; the path is
 * relative to the root of the repository, where make runs. */
__asm__(".pushsection .rodata\n"
        "store_schema_sql:\n"
        ".incbin \"common/store/schema.sql\"\n"
        ".byte 0\n"
        ".popsection\n");
extern const char schema_sql[] __asm__("store_schema_sql");

/* migrations[v] leads from version v to v + 1; a new registry runs them all. */
static const char *const migrations[] = {schema_sql};
enum { SCHEMA_VERSION = sizeof migrations / sizeof *migrations };

/* ---- errors --------------------------------------------------------------------------------- */

/* SQLite reports this also when the disk cannot be read. */
static int fail_corrupt(const struct store *store, struct err *err)
{
    struct id id;
    char *what = xstrdup(sqlite3_errmsg(store->db));
    int status = sha256_file(&id, NULL, sqlite3_db_filename(store->db, "main"), err);
    if (!status)
        status = fail_as(err, STATUS_BAD_DATA, "registry '%s' is damaged: %s%s", store->registry,
                         what, registry_again);
    free(what);
    return status;
}

static int fail_sql(const struct store *store, struct err *err)
{
    int code = sqlite3_extended_errcode(store->db);
    switch (code & 0xff) {
    case SQLITE_READONLY:
        return fail_as(err, STATUS_IO, "lab '%s' is read-only", store->lab);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        if (stop_requested())
            return fail_as(err, STATUS_STOPPED, "stopped while waiting for registry '%s'",
                           store->registry);
        return fail_as(err, STATUS_IO, "registry '%s' is busy: another process holds it",
                       store->registry);
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
    case SQLITE_ERROR: /* all SQL is fixed: only a wrong schema can break it */
        return fail_corrupt(store, err);
    case SQLITE_FULL:
        return fail_as(err, STATUS_IO, "registry '%s': no space left on device", store->registry);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        errno = sqlite3_system_errno(store->db);
        return errno ? fail_errno(err, "cannot use registry '%s'", store->registry)
                     : fail_as(err, STATUS_IO, "registry '%s': %s", store->registry,
                               sqlite3_errmsg(store->db));
    default:
        return fail(err, "registry '%s': %s", store->registry, sqlite3_errmsg(store->db));
    }
}

/* ---- statements ----------------------------------------------------------------------------- */

/* Restarts with other values. */
static int statement_bind(struct statement *statement, const struct value *values, struct err *err)
{
    sqlite3_reset(statement->stmt);
    int rc = SQLITE_OK;
    for (int i = 1; values && values->type != VALUE_END && rc == SQLITE_OK; values++, i++) {
        if (values->type == VALUE_INT)
            rc = sqlite3_bind_int64(statement->stmt, i, values->i);
        else if (values->type == VALUE_REAL)
            rc = sqlite3_bind_double(statement->stmt, i, values->d);
        else
            rc = sqlite3_bind_text(statement->stmt, i, values->t, -1, SQLITE_STATIC);
    }
    return rc == SQLITE_OK ? 0 : fail_sql(statement->store, err);
}

int statement_open(struct statement *out, const struct store *store, const char *sql,
                   const struct value *values, struct err *err)
{
    *out = (struct statement){.store = store};
    if (sqlite3_prepare_v2(store->db, sql, -1, &out->stmt, NULL) != SQLITE_OK)
        return fail_sql(store, err);
    if (!statement_bind(out, values, err))
        return 0;
    statement_close(out);
    return -1;
}

int statement_step(struct statement *statement, struct err *err)
{
    int rc = sqlite3_step(statement->stmt);
    if (rc == SQLITE_ROW)
        return 1;
    return rc == SQLITE_DONE ? 0 : fail_sql(statement->store, err);
}

const char *statement_maybe(const struct statement *statement, int column)
{
    return (const char *)sqlite3_column_text(statement->stmt, column);
}

const char *statement_text(const struct statement *statement, int column)
{
    const char *text = statement_maybe(statement, column);
    return text ? text : "";
}

int64_t statement_int(const struct statement *statement, int column)
{
    return sqlite3_column_int64(statement->stmt, column);
}

double statement_real(const struct statement *statement, int column)
{
    if (sqlite3_column_type(statement->stmt, column) == SQLITE_NULL)
        return __builtin_nan("");
    return sqlite3_column_double(statement->stmt, column);
}

void statement_close(struct statement *statement)
{
    sqlite3_finalize(statement->stmt);
    statement->stmt = NULL;
}

int statement_run(struct statement *statement, const struct value *values, struct err *err)
{
    return statement_bind(statement, values, err) || statement_step(statement, err) < 0 ? -1 : 0;
}

int sql_run(const struct store *store, const char *sql, const struct value *values, struct err *err)
{
    struct statement statement;
    TRY(statement_open(&statement, store, sql, values, err));
    int status = statement_step(&statement, err);
    statement_close(&statement);
    return status < 0 ? -1 : 0;
}

int sql_int(int64_t *out, const struct store *store, const char *sql, const struct value *values,
            struct err *err)
{
    struct statement statement;
    TRY(statement_open(&statement, store, sql, values, err));
    int got = statement_step(&statement, err);
    *out = got == 1 ? statement_int(&statement, 0) : 0;
    statement_close(&statement);
    return got < 0 ? -1 : 0;
}

int sql_begin(struct store *store, struct err *err)
{
    if (store->read_only)
        return fail_as(err, STATUS_IO, "lab '%s' is read-only", store->lab);
    TRY(sql_run(store, "BEGIN IMMEDIATE", NULL, err));
    store->impatient = false;
    return 0;
}

int sql_end(const struct store *store, int status, struct err *err)
{
    if (!status)
        status = sql_run(store, "COMMIT", NULL, err);
    /* a failed COMMIT may already have rolled back */
    if (status && !sqlite3_get_autocommit(store->db))
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

int64_t sql_last_id(const struct store *store)
{
    return sqlite3_last_insert_rowid(store->db);
}

/* ---- versions ------------------------------------------------------------------------------- */

static int read_version(const struct store *store, int64_t *version, struct err *err)
{
    int64_t application;
    TRY(sql_int(&application, store, "PRAGMA application_id", NULL, err));
    if (application != APPLICATION_ID)
        return fail_as(err, STATUS_BAD_DATA, "'%s' is not a registry of this program",
                       store->registry);
    return sql_int(version, store, "PRAGMA user_version", NULL, err);
}

static int run_script(const struct store *store, const char *sql, struct err *err)
{
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail_sql(store, err);
}

/* All steps in one transaction: after a kill the registry is unchanged. */
static int migrate(const struct store *store, struct err *err)
{
    TRY(run_script(store, "BEGIN EXCLUSIVE", err));
    int64_t version = 0; /* read again: another process may have just migrated */
    int status = sql_int(&version, store, "PRAGMA user_version", NULL, err);
    for (; !status && version < SCHEMA_VERSION; version++)
        status = run_script(store, migrations[version], err);
    char text[64];
    snprintf(text, sizeof text, "PRAGMA user_version = %d", (int)version);
    if (!status)
        status = run_script(store, text, err);
    return sql_end(store, status, err);
}

static int sync_file(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd)) {
        fail_errno(err, "cannot write '%s'", path);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    close(fd);
    return 0;
}

/* registry.db.schema-V is a copy of the registry before a migration from version V. */
static int back_up(struct store *store, int64_t version, struct err *err)
{
    char part[PATH_BYTES];
    TRY(temporary_name(part, store, store->lab, "registry.db.", err));
    char *copy = xprintf("%s.schema-%d", store->registry, (int)version);
    /* VACUUM INTO does not sync what it writes */
    int status = sql_run(store, "VACUUM INTO ?", VALUES(text_value(part)), err);
    if (!status)
        status = sync_file(part, err);
    if (!status && rename(part, copy))
        status = fail_errno(err, "cannot rename '%s' to '%s'", part, copy);
    if (status)
        unlink(part);
    else
        status = folder_sync(store->lab, err);
    free(copy);
    return status;
}

static int check_version(struct store *store, struct err *err)
{
    int64_t version = 0;
    TRY(read_version(store, &version, err));
    if (version > SCHEMA_VERSION || version < 0)
        return fail_as(err, STATUS_CONFIG,
                       "registry '%s' was written by a newer version (schema %lld, this program "
                       "knows %d)",
                       store->registry, (long long)version, SCHEMA_VERSION);
    if (version == SCHEMA_VERSION)
        return 0;
    if (store->read_only)
        return fail_as(err, STATUS_IO,
                       "lab '%s' is read-only and its registry has the older schema %lld",
                       store->lab, (long long)version);
    TRY(back_up(store, version, err));
    return migrate(store, err);
}

/* ---- opening -------------------------------------------------------------------------------- */

/* "file:PATH?query", with the special characters of a URI escaped. */
static char *database_uri(const char *path, const char *query)
{
    struct text uri = {0};
    text_puts(&uri, "file:");
    for (; *path; path++)
        text_printf(&uri, strchr("%?#", *path) ? "%%%02x" : "%c", (unsigned char)*path);
    text_printf(&uri, "?%s", query);
    return text_take(&uri);
}

static void close_database(struct store *store)
{
    sqlite3_close(store->db);
    store->db = NULL;
}

/* Another process holds the registry; this is the nth call, and 0 ends the wait. After a stop
 * request it still waits a second, so that an ending run can record its end. */
static int nap(void *user, int nth)
{
    struct store *store = user;
    double now = clock_seconds(), most = store->patience;
    if (!nth)
        store->busy_since = now;
    if (stop_requested() && most > 1)
        most = 1;
    if (store->impatient || now - store->busy_since >= most) {
        store->impatient = true;
        return 0;
    }
    long ms = nth < 5 ? 1L << nth : NAP_MS; /* most hold it for a moment */
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
    return 1;
}

/* alone: nobody can write to it while it is open, and lock files cannot be created. */
static int open_database(struct store *store, const char *path, const char *query, bool alone,
                         struct err *err)
{
    char *uri = database_uri(path, query);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI;
    int rc = sqlite3_open_v2(uri, &store->db, flags, NULL);
    free(uri);
    int status = rc == SQLITE_OK ? 0 : fail_sql(store, err);
    if (!status && alone) /* before the first read, or SQLite needs the shared memory */
        status = run_script(store, "PRAGMA locking_mode = EXCLUSIVE", err);
    if (!status) {
        sqlite3_busy_handler(store->db, nap, store);
        /* FULL: in WAL mode NORMAL does not sync a commit, and a commit is what makes a result
         * exist */
        status = run_script(store, "PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL", err);
    }
    int64_t version;
    if (!status) /* the first read: only now does SQLite open the WAL */
        status = sql_int(&version, store, "PRAGMA user_version", NULL, err);
    if (status)
        close_database(store);
    return status;
}

/* Together with its log, which may hold the latest rows and must not be taken for the new
 * registry's. The registry keeps its name until the new one takes it: there always is one. */
static int put_aside(const struct store *store, struct err *err)
{
    static const char *const parts[] = {"-wal", "-shm", "-journal", ""};
    int status = 0;
    for (size_t i = 0; !status && i < sizeof parts / sizeof *parts; i++) {
        char *from = xprintf("%s%s", store->registry, parts[i]);
        char *to = xprintf("%s.before%s", store->registry, parts[i]);
        bool kept =
            !*parts[i] && file_exists(from) && (!unlink(to) || errno == ENOENT) && !link(from, to);
        if (!kept && rename(from, to) && errno != ENOENT) /* no hard links here */
            status = fail_errno(err, "cannot rename '%s' to '%s'", from, to);
        free(from);
        free(to);
    }
    return status;
}

static int replace(const struct store *store, const char *part, struct err *err)
{
    TRY(put_aside(store, err));
    if (rename(part, store->registry))
        return fail_errno(err, "cannot rename '%s' to '%s'", part, store->registry);
    return 0;
}

/* What a rebuilt registry begins with. */
struct content {
    int64_t *runs;
    void (*tell)(void *user, const char *damage);
    void *user;
};

/* A new registry is made under a temporary name and linked into place, so that nobody sees half of
 * one. With a content it replaces the existing one. */
static int create_database(struct store *store, const struct content *content, struct err *err)
{
    char part[PATH_BYTES], sql[64];
    TRY(temporary_name(part, store, store->lab, "registry.db.", err));
    int status = open_database(store, part, "mode=rwc", false, err);
    snprintf(sql, sizeof sql, "PRAGMA application_id = %d", APPLICATION_ID);
    if (!status)
        status = run_script(store, sql, err);
    if (!status)
        status = migrate(store, err);
    if (!status && content)
        status = records_take(store, content->runs, content->tell, content->user, err);
    if (!status && !store->network) /* stored in the file */
        status = run_script(store, "PRAGMA journal_mode = WAL", err);
    close_database(store);
    if (!status)
        status = sync_file(part, err);
    if (!status)
        status = file_share(part, err);
    if (!status)
        status = content ? replace(store, part, err) : file_place(part, store->registry, err);
    unlink(part);
    return status < 0 ? -1 : folder_sync(store->lab, err);
}

/* File systems whose memory mappings are not shared with other machines. */
static const char *network_of(const char *path)
{
    static const struct {
        unsigned long type;
        const char *name;
    } kinds[] = {
        {0x6969, "NFS"},       {0x517b, "SMB"},        {0xff534d42, "SMB"},
        {0xfe534d42, "SMB"},   {0x0bd00bd0, "Lustre"}, {0x65735546, "FUSE"},
        {0x00c36400, "Ceph"},  {0x47504653, "GPFS"},   {0x19830326, "BeeGFS"},
        {0x20030528, "PVFS"},  {0xaad7aaea, "PanFS"},  {0x5346414f, "AFS"},
        {0x6b414653, "AFS"},   {0x01021997, "9P"},     {0x786f4256, "a shared folder"},
        {0x7461636f, "OCFS2"}, {0x01161970, "GFS2"},   {0x73757245, "Coda"},
    };
    struct statfs st;
    if (statfs(path, &st))
        return NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if ((unsigned long)st.f_type == kinds[i].type)
            return kinds[i].name;
    return NULL;
}

/* For a registry that was created on a local disk. While others have it open it stays unchanged. */
static void leave_wal(struct store *store)
{
    struct err ignored;
    store->impatient = true;
    run_script(store, "PRAGMA journal_mode = DELETE", &ignored);
    store->impatient = false;
}

static int create_lab(struct store *store, struct err *err)
{
    static const char *const folders[] = {"objects", "work", "runs"};
    TRY(folder_make(store->lab, err));
    store->network = network_of(store->lab);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char path[PATH_BYTES];
        TRY(path_join(path, store->lab, folders[i], err));
        TRY(folder_make(path, err));
    }
    return create_database(store, NULL, err);
}

static int open_unshared(struct store *store, struct err *err)
{
    char log[PATH_BYTES];
    struct stat st;
    TRY(path_join(log, store->lab, "registry.db-wal", err));
    if (stat(log, &st) ? errno == ENOENT : !st.st_size)
        return open_database(store, store->registry, "mode=ro&immutable=1", false, err);
    return open_database(store, store->registry, "mode=ro&vfs=unix-none", true, err);
}

/* An empty registry in place of a lost one would cause all runs to be computed again. */
static int check_new(const struct store *store, struct err *err)
{
    struct arena arena = {0};
    char runs[PATH_BYTES], **names;
    size_t count = 0;
    bool records = false;
    TRY(path_join(runs, store->lab, "runs", err));
    int status = folder_names(&names, &count, runs, &arena, err);
    for (size_t i = 0; !status && i < count; i++)
        records |= ends_with(names[i], ".json");
    arena_free(&arena);
    if (status)
        return err->status == STATUS_MISSING ? 0 : -1;
    if (records && !file_exists(store->registry)) /* another process may have just made it */
        return fail_as(err, STATUS_BAD_DATA,
                       "registry '%s' is gone, but records of its runs exist%s", store->registry,
                       registry_again);
    return 0;
}

static int open_lab(struct store *store, bool create, struct err *err)
{
    if (!file_exists(store->registry)) {
        TRY(check_new(store, err));
        if (!create)
            return fail_as(err, STATUS_MISSING, "no lab at '%s'", store->lab);
        TRY(create_lab(store, err));
    }
    store->network = network_of(store->lab);
    store->read_only = access(store->lab, W_OK) || access(store->registry, W_OK);
    if (!store->read_only)
        TRY(open_database(store, store->registry, "mode=rw", false, err));
    else if (open_database(store, store->registry, "mode=ro", false, err))
        TRY(open_unshared(store, err));
    if (store->network && !store->read_only)
        leave_wal(store);
    return check_version(store, err);
}

int store_open(struct store **out, const char *lab, bool create, struct err *err)
{
    struct store *store = xcalloc(1, sizeof *store);
    store->alive = -1;
    store->patience = 30;
    if (path_join(store->lab, lab, "", err) ||
        path_join(store->registry, lab, "registry.db", err) || open_lab(store, create, err)) {
        store_close(store);
        return -1;
    }
    *out = store;
    return 0;
}

/* ---- rebuilding ----------------------------------------------------------------------------- */

static int find_running(void *user, const struct run_row *row, struct err *err)
{
    (void)err;
    *(int64_t *)user = strcmp(row->status, "running") ? 0 : row->id;
    return *(int64_t *)user != 0;
}

/* A process working with the old file would commit into it. Nobody works with a damaged one. */
static int check_idle(const char *lab, struct err *err)
{
    struct store *old;
    int64_t run = 0;
    if (store_open(&old, lab, false, err))
        return err->status == STATUS_BAD_DATA ? 0 : -1;
    int status = registry_runs(old, NULL, 0, -1, find_running, &run, err);
    store_close(old);
    if (run)
        return fail(err, "run %lld is in progress in lab '%s'", (long long)run, lab);
    return status && err->status != STATUS_BAD_DATA ? -1 : 0;
}

int store_rebuild(const char *lab, int64_t *runs, void (*tell)(void *user, const char *damage),
                  void *user, struct err *err)
{
    struct store store = {.alive = -1, .patience = 30};
    struct content content = {runs, tell, user};
    TRY(path_join(store.lab, lab, "", err));
    TRY(path_join(store.registry, lab, "registry.db", err));
    TRY(check_idle(lab, err));
    store.network = network_of(store.lab);
    int status = create_database(&store, &content, err);
    alive_release(&store);
    return status;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    hash_cache_flush(store);
    if (store->db)
        close_database(store);
    alive_release(store);
    free(store);
}

const char *store_lab(const struct store *store)
{
    return store->lab;
}

const char *store_network(const struct store *store)
{
    return store->network;
}

void store_patience(struct store *store, double seconds)
{
    store->patience = seconds;
}
