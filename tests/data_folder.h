/* A folder of raw data that a test writes, and what it expects of those who read it. */
#ifndef CAIRN_TESTS_DATA_FOLDER_H
#define CAIRN_TESTS_DATA_FOLDER_H

#include "base/file.h"
#include "data_raw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char folder[64];
};

static const struct fit as_they_are = {0}, skipping = {.skip_bad = true};

static inline void must(int status, const struct err *err)
{
    if (status)
        fail_msg("%s", err->text);
}

/* Valid until the next call. */
static inline const char *path_of(const struct fixture *f, const char *name)
{
    static char path[PATH_BYTES];
    struct err err;
    must(path_join(path, f->folder, name, &err), &err);
    return path;
}

static inline void put_bytes(const struct fixture *f, const char *name, const void *bytes,
                             size_t length)
{
    FILE *file = fopen(path_of(f, name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static inline void put(const struct fixture *f, const char *name, const char *text)
{
    put_bytes(f, name, text, strlen(text));
}

static inline void put_folder(const struct fixture *f, const char *name)
{
    struct err err;
    must(folder_make(path_of(f, name), &err), &err);
}

static inline int make_folder(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    strcpy(f->folder, "/tmp/raw-test-XXXXXX");
    *state = f;
    return mkdtemp(f->folder) ? 0 : -1;
}

static inline int drop_folder(void **state)
{
    struct fixture *f = *state;
    struct err err;
    int status = folder_remove(f->folder, &err);
    free(f);
    return status;
}

/* The text of err, its folder written as '@'. */
static inline void expect_error(const struct fixture *f, const struct err *err, enum status status,
                                const char *text)
{
    char whole[2048], *to = whole;
    for (const char *p = text; *p; p++)
        to += snprintf(to, (size_t)(whole + sizeof whole - to), "%.*s", *p == '@' ? 64 : 1,
                       *p == '@' ? f->folder : p);
    assert_string_equal(err->text, whole);
    assert_int_equal(err->status, status);
}

/* As `source` says the folder is not read, and nothing is left of what was. */
static inline void expect_refusal_of(const struct fixture *f, const char *source,
                                     const struct fit *fit, enum status status, const char *text)
{
    struct collection c;
    struct err err = {0};
    if (!raw_read(&c, f->folder, source, fit, &err))
        fail_msg("read, although: %s", text);
    expect_error(f, &err, status, text);
    assert_null(c.cases);
}

static inline void expect_refusal(const struct fixture *f, const char *source, enum status status,
                                  const char *text)
{
    expect_refusal_of(f, source, &as_they_are, status, text);
}

/* These, each in the folder, in this order; names end with NULL. */
static inline void expect_sources(const struct fixture *f, const char *source, bool skip_bad,
                                  const char *const *names)
{
    struct arena arena = {0};
    struct sources found;
    struct err err;
    int count = 0;
    must(raw_sources(&found, f->folder, source, skip_bad, &arena, &err), &err);
    for (; names[count] && count < found.count; count++) {
        assert_string_equal(found.items[count].name, names[count]);
        assert_string_equal(found.items[count].path, path_of(f, names[count]));
        assert_true(file_exists(found.items[count].path));
    }
    assert_null(names[count]);
    assert_int_equal(found.count, count);
    arena_free(&arena);
}

/* A data set below DATA; the test is skipped where there is none. */
static inline const char *real(const char *name)
{
    static char folder[PATH_BYTES];
    const char *root = getenv("DATA");
    struct err err;
    if (!root || path_join(folder, root, name, &err) || !file_exists(folder))
        skip();
    return folder;
}

#endif
