/* Files: one way to publish, and every refusal named. */
#include "base/file.h"
#include "base/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int scratch(void **state)
{
    char *folder = strdup("/tmp/cairn-files-XXXXXX");
    *state = folder;
    return mkdtemp(folder) ? 0 : -1;
}

static int clear(void **state)
{
    struct err err;
    int status = folder_remove(*state, &err);
    free(*state);
    return status;
}

static char *in(void **state, const char *name)
{
    static char path[PATH_BYTES];
    struct err err;
    assert_int_equal(path_join(path, *state, name, &err), 0);
    return path;
}

static void published_bytes_are_read_back(void **state)
{
    struct err err;
    char *bytes;
    size_t length;
    assert_int_equal(file_publish(in(state, "a"), "one\0two", 7, &err), 0);
    assert_int_equal(file_publish(in(state, "a"), "three", 5, &err), 0);
    assert_int_equal(file_read(&bytes, &length, in(state, "a"), 100, &err), 0);
    assert_int_equal(length, 5);
    assert_string_equal(bytes, "three");
    free(bytes);
    assert_false(file_exists(in(state, "a.part")));
}

/* A link to itself cannot be followed: anything may be behind it. */
static void only_what_is_certainly_not_there_does_not_exist(void **state)
{
    struct err err = {0};
    struct arena arena = {0};
    char **names;
    size_t count;
    assert_int_equal(file_publish(in(state, "b"), "", 0, &err), 0);
    assert_int_equal(folder_make(in(state, "a"), &err), 0);
    assert_int_equal(folder_names(&names, &count, *state, &arena, &err), 0);
    assert_int_equal(count, 2);
    assert_string_equal(names[0], "a");
    assert_string_equal(names[1], "b");
    assert_int_equal(symlink("loop", in(state, "loop")), 0);
    assert_true(file_exists(in(state, "b")));
    assert_false(file_exists(in(state, "c")));
    assert_false(file_exists(in(state, "b/c")));
    assert_true(file_exists(in(state, "loop")));
    assert_int_equal(folder_names(&names, &count, in(state, "c"), &arena, &err), -1);
    assert_int_equal(err.status, STATUS_MISSING);
    assert_int_equal(folder_names(&names, &count, in(state, "loop"), &arena, &err), -1);
    assert_int_equal(err.status, STATUS_IO);
    arena_free(&arena);
}

static void what_is_dropped_leaves_the_old_file(void **state)
{
    struct err err;
    struct out_file *file;
    char *bytes;
    size_t length;
    assert_int_equal(file_publish(in(state, "a"), "old", 3, &err), 0);
    assert_int_equal(out_open(&file, in(state, "a"), &err), 0);
    assert_int_equal(out_write(file, "new", 3, &err), 0);
    out_drop(file);
    assert_int_equal(file_read(&bytes, &length, in(state, "a"), 100, &err), 0);
    assert_string_equal(bytes, "old");
    free(bytes);
    assert_false(file_exists(in(state, "a.part")));
}

static void refusals_have_their_status(void **state)
{
    struct err err;
    char *bytes;
    size_t length;
    struct mapping map;
    assert_int_equal(file_read(&bytes, &length, in(state, "none"), 9, &err), -1);
    assert_int_equal(err.status, STATUS_MISSING);
    assert_non_null(strstr(err.text, "No such file"));
    assert_int_equal(file_publish(in(state, "a"), "0123456789", 10, &err), 0);
    assert_int_equal(file_read(&bytes, &length, in(state, "a"), 9, &err), -1);
    assert_int_equal(err.status, STATUS_BAD_DATA);
    assert_int_equal(file_read(&bytes, &length, in(state, "a"), 10, &err), 0);
    free(bytes);
    assert_int_equal(file_read(&bytes, &length, *state, 9, &err), -1);
    assert_int_equal(err.status, STATUS_BAD_DATA);
    assert_int_equal(mkfifo(in(state, "pipe"), 0600), 0);
    assert_int_equal(map_open(&map, in(state, "pipe"), &err), -1); /* and does not hang */
    struct id id;
    assert_int_equal(sha256_file(&id, NULL, in(state, "pipe"), &err), -1);
    assert_int_equal(err.status, STATUS_BAD_DATA);
    assert_int_equal(sha256_file(&id, NULL, *state, &err), -1);
    assert_non_null(strstr(err.text, "is not a regular file"));
    assert_int_equal(sha256_file(&id, NULL, in(state, "nothing"), &err), -1);
    assert_int_equal(err.status, STATUS_MISSING);
    assert_int_equal(file_publish(in(state, "no/such/folder"), "", 0, &err), -1);
    assert_int_equal(err.status, STATUS_IO);
    assert_int_equal(folder_make(in(state, "a/b"), &err), -1);
}

static void folders_are_made_and_removed_with_all_they_hold(void **state)
{
    struct err err;
    assert_int_equal(folder_make(in(state, "x/y/z"), &err), 0);
    assert_int_equal(folder_make(in(state, "x/y/z"), &err), 0);
    assert_int_equal(file_publish(in(state, "x/y/f"), "f", 1, &err), 0);
    assert_int_equal(file_publish(in(state, "outside"), "o", 1, &err), 0);
    char target[PATH_BYTES];
    strcpy(target, in(state, "outside"));
    assert_int_equal(symlink(target, in(state, "x/link")), 0);
    assert_int_equal(folder_remove(in(state, "x"), &err), 0);
    assert_false(file_exists(in(state, "x")));
    assert_true(file_exists(in(state, "outside")));
    assert_int_equal(folder_remove(in(state, "x"), &err), 0);
}

/* Only the link is ours, not what it points to. */
static void what_a_link_points_to_is_never_touched(void **state)
{
    struct err err;
    struct stat st;
    char target[PATH_BYTES];
    strcpy(target, in(state, "theirs"));
    assert_int_equal(folder_make(target, &err), 0);
    assert_int_equal(file_publish(in(state, "theirs/f"), "theirs", 6, &err), 0);
    assert_int_equal(folder_make(in(state, "ours/deep"), &err), 0);
    assert_int_equal(symlink(target, in(state, "ours/deep/link")), 0);
    assert_int_equal(folder_remove(in(state, "ours"), &err), 0);
    assert_true(file_exists(in(state, "theirs/f")));
    /* the folder to be removed is a link itself */
    assert_int_equal(symlink(target, in(state, "ours")), 0);
    assert_int_equal(folder_remove(in(state, "ours"), &err), 0);
    assert_int_equal(lstat(in(state, "ours"), &st), -1);
    assert_true(file_exists(in(state, "theirs/f")));
    /* or to be made */
    assert_int_equal(symlink(target, in(state, "ours")), 0);
    assert_int_equal(folder_make_own(in(state, "ours"), &err), 0);
    assert_int_equal(lstat(in(state, "ours"), &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_false(file_exists(in(state, "ours/f")));

    /* nor is a link by the temporary name written through */
    strcpy(target, in(state, "theirs/f"));
    assert_int_equal(symlink(target, in(state, "new")), 0);
    assert_int_equal(symlink(target, in(state, "new.part")), 0);
    assert_int_equal(file_publish(in(state, "new"), "ours", 4, &err), 0);
    char *bytes;
    size_t length;
    assert_int_equal(file_read(&bytes, &length, target, 100, &err), 0);
    assert_string_equal(bytes, "theirs");
    free(bytes);
    assert_int_equal(lstat(in(state, "new"), &st), 0);
    assert_true(S_ISREG(st.st_mode));
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    return st.st_mode & 07777;
}

static void a_folder_that_its_group_writes_shares_what_is_made_in_it(void **state)
{
    struct err err;
    mode_t before = umask(077);
    assert_int_equal(folder_make(in(state, "private"), &err), 0);
    assert_int_equal(mode_of(in(state, "private")), 0700);
    assert_int_equal(chmod(in(state, "private"), 0750), 0); /* read-only for its group */
    assert_int_equal(folder_make(in(state, "private/a"), &err), 0);
    assert_int_equal(mode_of(in(state, "private/a")), 0700);
    assert_int_equal(folder_make(in(state, "shared"), &err), 0);
    assert_int_equal(chmod(in(state, "shared"), 02770), 0);
    assert_int_equal(folder_make(in(state, "shared/a/b"), &err), 0);
    assert_int_equal(file_publish(in(state, "shared/a/b/f"), "f", 1, &err), 0);
    assert_int_equal(mode_of(in(state, "shared/a")), 02770);
    assert_int_equal(mode_of(in(state, "shared/a/b")), 02770);
    assert_int_equal(mode_of(in(state, "shared/a/b/f")), 0660);
    assert_int_equal(chmod(in(state, "shared"), 01777), 0); /* as /tmp is */
    assert_int_equal(file_publish(in(state, "shared/f"), "f", 1, &err), 0);
    assert_int_equal(mode_of(in(state, "shared/f")), 0600);
    umask(before);
}

static void a_mapping_and_a_hash_see_the_whole_file(void **state)
{
    enum { BYTES = 1000000 };
    struct err err;
    struct mapping map;
    struct id id;
    long long size;
    char *bytes = malloc(BYTES);
    memset(bytes, 'a', BYTES);
    assert_int_equal(file_publish(in(state, "a"), bytes, BYTES, &err), 0);
    assert_int_equal(map_open(&map, in(state, "a"), &err), 0);
    assert_int_equal(map.length, BYTES);
    assert_memory_equal(map.data, bytes, BYTES);
    map_close(&map);
    assert_int_equal(sha256_file(&id, &size, in(state, "a"), &err), 0);
    /* FIPS 180-4: a million times "a" */
    assert_string_equal(id.hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    assert_int_equal(size, BYTES);
    assert_int_equal(file_publish(in(state, "empty"), "", 0, &err), 0);
    assert_int_equal(map_open(&map, in(state, "empty"), &err), 0);
    assert_int_equal(map.length, 0);
    map_close(&map);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(published_bytes_are_read_back, scratch, clear),
        cmocka_unit_test_setup_teardown(only_what_is_certainly_not_there_does_not_exist, scratch,
                                        clear),
        cmocka_unit_test_setup_teardown(what_is_dropped_leaves_the_old_file, scratch, clear),
        cmocka_unit_test_setup_teardown(refusals_have_their_status, scratch, clear),
        cmocka_unit_test_setup_teardown(folders_are_made_and_removed_with_all_they_hold, scratch,
                                        clear),
        cmocka_unit_test_setup_teardown(what_a_link_points_to_is_never_touched, scratch, clear),
        cmocka_unit_test_setup_teardown(a_folder_that_its_group_writes_shares_what_is_made_in_it,
                                        scratch, clear),
        cmocka_unit_test_setup_teardown(a_mapping_and_a_hash_see_the_whole_file, scratch, clear),
    };
    return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
