/* Labs that several people, hosts and pid namespaces share, and names in them that are links. */
#include "store_db.h"

#include <sys/stat.h>

static mode_t mode_of(const char *folder, const char *name)
{
    struct err err;
    char path[PATH_BYTES];
    struct stat st;
    OK(path_join(path, folder, name, &err));
    if (lstat(path, &st))
        fail_msg("no '%s'", path);
    return st.st_mode & 07777;
}

/* ---- a group's lab -------------------------------------------------------------------------- */

/* Whatever the umask of the one who came first: the lab's folder says who may write. */
static void a_groups_lab_is_the_groups(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct run *run;
    char path[PATH_BYTES];
    mode_t before = umask(077);
    OK(path_join(path, lab->path, "group", &err));
    OK(folder_make(path, &err));
    assert_int_equal(chmod(path, 02770), 0);
    struct lab group = {0};
    OK(path_join(group.path, path, "", &err));
    OK(store_open(&group.store, path, true, &err));
    OK(run_once(&group, "recipe", "weights", false, &err));
    OK(claim(&run, &group, "other", false, &err));
    static const char *const files[] = {"registry.db", "registry.db-wal", "registry.db-shm"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        assert_int_equal(mode_of(path, files[i]), 0660);
    static const char *const folders[] = {"objects", "work", "runs"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        assert_int_equal(mode_of(path, folders[i]), 02770);
    assert_int_equal(mode_of(run_folder(run), ""), 02770);
    int64_t known;
    assert_int_equal(look_up(&group, "recipe", &known), 1);
    OK(artifact_path(path, group.store, &group.outputs[0].artifact, "weights.bin", &err));
    assert_int_equal(mode_of(path, ""), 0444);
    run_end(run, &(struct err){.status = STATUS_STOPPED});
    store_close(group.store);
    arena_free(&group.arena);
    umask(before);
}

/* ---- links ---------------------------------------------------------------------------------- */

static void a_link_in_the_place_of_a_working_folder_is_not_followed(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct run *run;
    char theirs[PATH_BYTES], file[PATH_BYTES];
    struct id recipe = sha256_of("recipe", 6);
    OK(path_join(theirs, lab->path, "theirs", &err));
    OK(path_join(file, theirs, "thesis", &err));
    OK(folder_make(theirs, &err));
    OK(file_publish(file, "x", 1, &err));
    char *link = xprintf("%s/work/%s", lab->path, recipe.hex);
    assert_int_equal(symlink(theirs, link), 0);
    OK(claim(&run, lab, "recipe", false, &err));
    assert_false(exists(run_folder(run), "thesis"));
    struct port port = {.name = "model"};
    OK(artifact_of(&port.artifact, lab->store, "w", "x", &err));
    OK(run_commit(run, &port, 1, &err));
    /* what a finished run left is cleared: the name, and not what it leads to */
    assert_int_equal(symlink(theirs, link), 0);
    OK(registry_sweep(lab->store, &err));
    assert_int_equal(unlink(link), -1);
    assert_true(file_exists(file));
    free(link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_TEST(a_groups_lab_is_the_groups),
        LAB_TEST(a_link_in_the_place_of_a_working_folder_is_not_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
