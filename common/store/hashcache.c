/*
 * Hashes of files outside the store. A file is recognised by device, inode, size and both times in
 * nanoseconds. Content does not change without any of them changing, except within one tick of the
 * clock, so a file changed just now is not cached.
 */
#include "store/store_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { FLUSH_AT = 1024 };

struct file_hash {
    int64_t device, inode, size, mtime, ctime;
    struct id hash;
};

static int64_t nanoseconds(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int identify(struct file_hash *out, const char *path, struct err *err)
{
    struct stat st;
    if (stat(path, &st)) {
        bool missing = errno == ENOENT || errno == ENOTDIR;
        fail_errno(err, "cannot open '%s'", path);
        if (missing)
            err->status = STATUS_MISSING;
        return -1;
    }
    if (!S_ISREG(st.st_mode))
        return fail_as(err, STATUS_BAD_DATA, "'%s' is not a regular file", path);
    *out = (struct file_hash){.device = (int64_t)st.st_dev,
                              .inode = (int64_t)st.st_ino,
                              .size = st.st_size,
                              .mtime = nanoseconds(st.st_mtim),
                              .ctime = nanoseconds(st.st_ctim)};
    return 0;
}

static bool same(const struct file_hash *a, const struct file_hash *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->mtime == b->mtime && a->ctime == b->ctime;
}

static bool just_touched(const struct file_hash *file)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t newest = file->mtime > file->ctime ? file->mtime : file->ctime;
    return nanoseconds(now) - newest < 2000000000;
}

static int cached(struct file_hash *file, const struct store *store, struct err *err)
{
    for (size_t i = 0; i < store->fresh_count; i++) {
        if (same(file, store->fresh + i)) {
            file->hash = store->fresh[i].hash;
            return 1;
        }
    }
    struct statement statement;
    TRY(statement_open(&statement, store,
                       "SELECT hash FROM file_hash WHERE device = ? AND inode = ? AND size = ? AND "
                       "mtime_ns = ? AND ctime_ns = ?",
                       VALUES(int_value(file->device), int_value(file->inode),
                              int_value(file->size), int_value(file->mtime),
                              int_value(file->ctime)),
                       err));
    int got = statement_step(&statement, err);
    if (got == 1 && id_valid(statement_text(&statement, 0)))
        memcpy(file->hash.hex, statement_text(&statement, 0), sizeof file->hash.hex);
    statement_close(&statement);
    return got;
}

/* Collected in memory first: each transaction waits for the disk. */
static void remember(struct store *store, const struct file_hash *file)
{
    if (!store->fresh)
        store->fresh = xcalloc(FLUSH_AT, sizeof *store->fresh);
    store->fresh[store->fresh_count++] = *file;
    if (store->fresh_count == FLUSH_AT)
        hash_cache_flush(store);
}

int store_hash_file(struct store *store, const char *path, struct id *out, struct err *err)
{
    struct file_hash before, after;
    TRY(identify(&before, path, err));
    int got = cached(&before, store, err);
    if (got < 0)
        return -1;
    if (!got) {
        TRY(sha256_file(&before.hash, NULL, path, err));
        TRY(identify(&after, path, err));
        if (!same(&before, &after))
            return fail_as(err, STATUS_IO, "'%s' changed while it was read", path);
        if (!just_touched(&before))
            remember(store, &before);
    }
    *out = before.hash;
    return 0;
}

int store_forget_file(struct store *store, const char *path, struct err *err)
{
    struct file_hash file;
    TRY(identify(&file, path, err));
    hash_cache_flush(store);
    return sql_run(store, "DELETE FROM file_hash WHERE device = ? AND inode = ?",
                   VALUES(int_value(file.device), int_value(file.inode)), err);
}

void hash_cache_flush(struct store *store)
{
    struct err err;
    int status = store->fresh_count && store->db ? sql_begin(store, &err) : -1;
    struct statement statement = {0};
    if (!status) {
        status = statement_open(&statement, store,
                                "INSERT OR REPLACE INTO file_hash VALUES (?, ?, ?, ?, ?, ?)", NULL,
                                &err);
        for (size_t i = 0; !status && i < store->fresh_count; i++) {
            const struct file_hash *file = store->fresh + i;
            status = statement_run(&statement,
                                   VALUES(int_value(file->device), int_value(file->inode),
                                          int_value(file->size), int_value(file->mtime),
                                          int_value(file->ctime), text_value(file->hash.hex)),
                                   &err);
        }
        statement_close(&statement);
        sql_end(store, status, &err);
    }
    free(store->fresh);
    store->fresh = NULL;
    store->fresh_count = 0;
}
