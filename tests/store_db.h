/* The database as others see it, by SQLite itself. */
#ifndef CAIRN_TESTS_STORE_DB_H
#define CAIRN_TESTS_STORE_DB_H

#include "store_lab.h"

#include <sqlite3.h>

static inline sqlite3 *db_open(const struct lab *lab)
{
    char *path = xprintf("%s/registry.db", lab->path);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    free(path);
    return db;
}

static inline void db_run(const struct lab *lab, const char *sql)
{
    sqlite3 *db = db_open(lab);
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    sqlite3_close(db);
}

static inline int add_row(void *user, int columns, char **values, char **names)
{
    (void)names;
    struct text *text = user;
    for (int i = 0; i < columns; i++)
        text_printf(text, "%s%s", i ? "|" : "", values[i] ? values[i] : "NULL");
    text_puts(text, "\n");
    return 0;
}

/* Rows as "a|b\nc|d\n". */
static inline void db_gives(const struct lab *lab, const char *sql, const char *expected)
{
    sqlite3 *db = db_open(lab);
    struct text text = {0};
    assert_int_equal(sqlite3_exec(db, sql, add_row, &text, NULL), SQLITE_OK);
    text_add(&text, "", 0);
    if (strcmp(text.data, expected))
        fail_msg("%s:\n%snot\n%s", sql, text.data, expected);
    text_free(&text);
    sqlite3_close(db);
}

static inline int look_up(struct lab *lab, const char *recipe_text, int64_t *run)
{
    struct err err;
    struct id recipe = sha256_of(recipe_text, strlen(recipe_text));
    int known =
        registry_lookup(lab->store, &recipe, &lab->arena, run, lab->outputs, &lab->count, &err);
    OK(known);
    return known;
}

static inline int exists(const char *folder, const char *name)
{
    struct err err;
    char path[PATH_BYTES];
    OK(path_join(path, folder, name, &err));
    return file_exists(path);
}

#endif
