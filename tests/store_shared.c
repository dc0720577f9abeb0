/* Labs that several people, hosts and pid namespaces share, and names in them that are links. */
#include "store_db.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

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

/* ---- who is alive --------------------------------------------------------------------------- */

static int count_entries(const char *folder, const char *name)
{
    struct err err;
    struct arena arena = {0};
    char path[PATH_BYTES], **names;
    size_t count;
    OK(path_join(path, folder, name, &err));
    OK(folder_names(&names, &count, path, &arena, &err));
    arena_free(&arena);
    return (int)count;
}

/* In a process of its own: has a run and a draft, says so, and waits to be killed. */
static void hold(const char *path, int ready)
{
    struct err err;
    struct lab lab = {0};
    struct run *run;
    struct draft *draft;
    snprintf(lab.path, sizeof lab.path, "%s", path);
    if (store_open(&lab.store, path, false, &err) || claim(&run, &lab, "recipe", false, &err) ||
        draft_open(&draft, lab.store, &err) || write(ready, "r", 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

/* The process that holds, first of a new pid namespace with a /proc of its own; 0: not allowed. */
static pid_t start_in_namespace(const struct lab *lab)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (!child) {
        if (unshare(CLONE_NEWPID | CLONE_NEWNS) ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
            _exit(1);
        pid_t inner = fork();
        if (!inner) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (mount("proc", "/proc", "proc", 0, NULL))
                _exit(1);
            hold(lab->path, ready[1]);
        }
        close(ready[1]);
        waitpid(inner, NULL, 0);
        _exit(0);
    }
    close(ready[1]);
    bool held = read(ready[0], &byte, 1) == 1;
    close(ready[0]);
    if (!held)
        waitpid(child, NULL, 0);
    return held ? child : 0;
}

static void a_run_in_another_pid_namespace_is_alive(void **state)
{
    struct lab *lab = *state;
    struct err err;
    pid_t child = start_in_namespace(lab);
    if (!child)
        skip();
    db_gives(lab, "SELECT owner_pid FROM run", "1\n");
    OK(registry_sweep(lab->store, &err));
    db_gives(lab, "SELECT status FROM run", "running\n");
    assert_int_equal(count_entries(lab->path, "work"), 2);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    /* the kernel ends the other one soon */
    for (int i = 0; i < 1000 && count_entries(lab->path, "work") > 1; i++) {
        OK(registry_sweep(lab->store, &err));
        usleep(10000);
    }
    db_gives(lab, "SELECT status FROM run", "lost\n");
    assert_int_equal(count_entries(lab->path, "work"), 1);  /* its folder, with its checkpoints */
    assert_int_equal(count_entries(lab->path, "alive"), 1); /* our own */
}

/* Its number is nobody's here, as that of a process in a container. */
static void a_lock_tells_who_is_alive(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct run *run;
    struct arena arena = {0};
    char folder[PATH_BYTES], **names;
    size_t count;
    OK(claim(&run, lab, "recipe", false, &err));
    OK(path_join(folder, lab->path, "alive", &err));
    OK(folder_names(&names, &count, folder, &arena, &err));
    assert_int_equal(count, 1);
    /* HOST-BOOT-PID-START, of host and boot the first digits of a hash */
    char *path = xprintf("%s/%.18s99999999-7", folder, names[0]);
    char *away =
        xprintf("%s/%.8s%.10s99999999-7", folder, sha256_of("container", 9).hex, names[0] + 8);
    int fd = open(path, O_RDWR | O_CREAT, 0666);
    assert_int_equal(flock(fd, LOCK_SH), 0);
    db_run(lab, "UPDATE run SET owner_pid = 99999999, owner_start = 7");
    OK(registry_sweep(lab->store, &err));
    db_gives(lab, "SELECT status FROM run", "running\n");
    close(fd);
    OK(registry_sweep(lab->store, &err));
    db_gives(lab, "SELECT status FROM run", "lost\n");
    assert_false(file_exists(path));

    /* a container has a name of its own, but its kernel is ours */
    fd = open(away, O_RDWR | O_CREAT, 0666);
    assert_int_equal(flock(fd, LOCK_SH), 0);
    db_run(lab, "UPDATE run SET status = 'running', owner_host = 'container'");
    OK(registry_sweep(lab->store, &err));
    db_gives(lab, "SELECT status FROM run", "running\n");
    close(fd);
    OK(registry_sweep(lab->store, &err));
    db_gives(lab, "SELECT status FROM run", "lost\n");
    assert_int_equal(count_entries(lab->path, "alive"), 1); /* our own */
    run_end(run, &(struct err){.status = STATUS_STOPPED});
    free(away);
    free(path);
    arena_free(&arena);
}

static bool never_the_same; /* what fstat says of a file */

int fstat(int fd, struct stat *st)
{
    int status = fstatat(fd, "", st, AT_EMPTY_PATH);
    st->st_ino += never_the_same;
    return status;
}

static void a_lock_that_is_always_taken_away_is_given_up(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct draft *draft;
    store_close(lab->store); /* which has its lock */
    OK(store_open(&lab->store, lab->path, false, &err));
    never_the_same = true;
    FAILS(draft_open(&draft, lab->store, &err), STATUS_IO, "/alive/");
    never_the_same = false;
    OK(draft_open(&draft, lab->store, &err));
    draft_drop(draft);
}

static void what_killed_processes_left_is_cleared(void **state)
{
    struct lab *lab = *state;
    struct err err;
    static const char *const folders[] = {"", "work", "reports"};
    for (int process = 0; process < 2; process++) {
        pid_t child = process ? fork() : 0;
        if (child) {
            waitpid(child, NULL, 0);
            continue;
        }
        struct store *store = lab->store; /* not to be used across fork */
        if (process && store_open(&store, lab->path, false, &err))
            _exit(1);
        for (size_t i = 0; i < 3; i++) {
            char path[PATH_BYTES], folder[PATH_BYTES];
            if (path_join(folder, lab->path, folders[i], &err) || folder_make(folder, &err) ||
                temporary_name(path, store, folder, ".draft-1.", &err) || folder_make(path, &err) ||
                strncmp(strrchr(path, '/'), "/.draft-1.draft-", 16))
                _exit(1);
        }
        if (process)
            _exit(0);
    }
    for (size_t i = 1; i < 3; i++)
        assert_int_equal(count_entries(lab->path, folders[i]), 2);
    OK(registry_sweep(lab->store, &err));
    for (size_t i = 1; i < 3; i++)
        assert_int_equal(count_entries(lab->path, folders[i]), 1); /* ours */
    char *command = xprintf("test $(ls -A '%s' | grep -c draft) = 1", lab->path);
    assert_int_equal(system(command), 0);
    free(command);
}

/* ---- a registry that another holds ---------------------------------------------------------- */

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Looking needs no lock, and whoever waited once in vain does not wait for each row again. */
static void a_locked_registry_is_waited_for_once(void **state)
{
    struct lab *lab = *state;
    struct err err;
    enum { PATIENCE = 2 };
    for (int i = 0; i < 3; i++) { /* trainings that stopped half-way */
        char recipe[32];
        struct run *run;
        snprintf(recipe, sizeof recipe, "recipe %d", i);
        OK(claim(&run, lab, recipe, false, &err));
        run_end(run, &(struct err){.status = STATUS_STOPPED});
    }
    sqlite3 *other = db_open(lab);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    store_patience(lab->store, PATIENCE);
    double start = seconds();
    OK(registry_sweep(lab->store, &err));
    assert_true(seconds() - start < PATIENCE);
    FAILS(registry_set_cells(lab->store, "e", NULL, 0, &err), STATUS_IO, "is busy");
    double waited = seconds();
    assert_true(waited - start > PATIENCE);
    FAILS(registry_set_cells(lab->store, "e", NULL, 0, &err), STATUS_IO, "is busy");
    assert_true(seconds() - waited < PATIENCE);
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    OK(registry_set_cells(lab->store, "e", NULL, 0, &err));
    sqlite3_close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_TEST(a_groups_lab_is_the_groups),
        LAB_TEST(a_link_in_the_place_of_a_working_folder_is_not_followed),
        LAB_TEST(a_run_in_another_pid_namespace_is_alive),
        LAB_TEST(a_lock_tells_who_is_alive),
        LAB_TEST(a_lock_that_is_always_taken_away_is_given_up),
        LAB_TEST(what_killed_processes_left_is_cleared),
        LAB_TEST(a_locked_registry_is_waited_for_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
