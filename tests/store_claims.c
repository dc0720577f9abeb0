/* Several processes on one lab, and labs that are old, damaged or cannot be written. */
#include "store_db.h"

#include "base/stop.h"

#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

/* ---- several processes ---------------------------------------------------------------------- */

static int child_status(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        ;
    return status;
}

/* In a child: claims and says so through the pipe, then waits to be killed. */
static void hold_claim(const char *path, int ready)
{
    struct err err;
    struct store *store;
    struct run *run;
    struct arena arena = {0};
    struct port outputs[MAX_PORTS];
    int count;
    char file[PATH_BYTES];
    struct run_spec spec = {
        .stage = "train-vae", .recipe_text = "recipe", .build = "b", .config = "c"};
    if (store_open(&store, path, false, &err) ||
        run_claim(&run, store, &spec, &arena, outputs, &count, NULL, &err) ||
        path_join(file, run_folder(run), "checkpoint", &err) || file_publish(file, "x", 1, &err))
        _exit(1);
    if (write(ready, "r", 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

static pid_t start_holder(struct lab *lab)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (!child)
        hold_claim(lab->path, ready[1]);
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return child;
}

static int only_status(void *user, const struct run_row *row, struct err *err)
{
    (void)err;
    snprintf(user, 16, "%s", row->status);
    return 0;
}

static void a_killed_run_is_lost_and_its_claim_free(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct run *run;
    char status[16];
    pid_t child = start_holder(lab);
    OK(registry_runs(lab->store, NULL, 0, -1, only_status, status, &err));
    assert_string_equal(status, "running");
    OK(registry_sweep(lab->store, &err));
    db_gives(lab, "SELECT status FROM run", "running\n");
    kill(child, SIGKILL);
    /* not reaped yet: a zombie is dead, too */
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    OK(registry_runs(lab->store, NULL, 0, -1, only_status, status, &err));
    assert_string_equal(status, "lost");
    assert_int_equal(claim(&run, lab, "recipe", false, &err), 0);
    assert_true(exists(run_folder(run), "checkpoint"));
    db_gives(lab, "SELECT id, status FROM run", "1|lost\n2|running\n");
    child_status(child);
    run_end(run, &(struct err){.status = STATUS_STOPPED});
}

static void sweep_marks_lost_runs(void **state)
{
    struct lab *lab = *state;
    struct err err;
    pid_t child = start_holder(lab);
    kill(child, SIGKILL);
    child_status(child);
    OK(registry_sweep(lab->store, &err));
    db_gives(lab, "SELECT status FROM run", "lost\n");
}

static void a_number_used_again_is_not_the_owner(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct run *run;
    assert_int_equal(claim(&run, lab, "recipe", false, &err), 0);
    OK(registry_sweep(lab->store, &err));
    char *command = xprintf("cut -d' ' -f22 /proc/%d/stat", (int)getpid());
    FILE *pipe = popen(command, "r");
    char start[32];
    assert_non_null(fgets(start, sizeof start, pipe));
    pclose(pipe);
    free(command);
    db_gives(lab, "SELECT owner_start FROM run", start);
    db_gives(lab, "SELECT status FROM run", "running\n");
    db_run(lab, "UPDATE run SET owner_start = owner_start + 1");
    OK(registry_sweep(lab->store, &err));
    db_gives(lab, "SELECT status FROM run", "lost\n");
    db_run(lab,
           "UPDATE run SET status = 'running', owner_start = owner_start - 1, owner_boot = 'x'");
    OK(registry_sweep(lab->store, &err));
    db_gives(lab, "SELECT status FROM run", "lost\n");
    /* and whoever lost its claim cannot commit */
    struct port port = {.name = "model"};
    OK(artifact_of(&port.artifact, lab->store, "w", "x", &err));
    FAILS(run_commit(run, &port, 1, &err), STATUS_FAILED, "taken over");
    db_gives(lab, "SELECT status FROM run", "lost\n");
}

/* Several processes want one recipe at once: one computes it, all have the result. */
static void racing_processes_compute_once(void **state)
{
    struct lab *lab = *state;
    enum { RACERS = 6, ROUNDS = 5 };
    for (int round = 0; round < ROUNDS; round++) {
        char recipe[32];
        snprintf(recipe, sizeof recipe, "recipe %d", round);
        pid_t racers[RACERS];
        for (int i = 0; i < RACERS; i++) {
            racers[i] = fork();
            if (racers[i])
                continue;
            struct err err;
            struct lab own = {0};
            snprintf(own.path, sizeof own.path, "%s", lab->path);
            if (store_open(&own.store, own.path, true, &err))
                _exit(1);
            int known = run_once(&own, recipe, "weights", false, &err);
            store_close(own.store);
            _exit(known < 0 ? 1 : known ? 20 : 10);
        }
        int computed = 0, taken = 0;
        for (int i = 0; i < RACERS; i++) {
            int status = WEXITSTATUS(child_status(racers[i]));
            computed += status == 10;
            taken += status == 20;
        }
        assert_int_equal(computed, 1);
        assert_int_equal(taken, RACERS - 1);
    }
    db_gives(lab, "SELECT count(*), count(DISTINCT recipe), min(status), max(status) FROM run",
             "5|5|done|done\n");
}

/* Processes that also create the lab at the same time. */
static void racing_processes_create_one_lab(void **state)
{
    struct lab *lab = *state;
    char *path = xprintf("%s/inner/lab", lab->path);
    pid_t racers[4];
    for (int i = 0; i < 4; i++) {
        racers[i] = fork();
        if (racers[i])
            continue;
        struct err err;
        struct lab own = {0};
        _exit(store_open(&own.store, path, true, &err) ||
              run_once(&own, i % 2 ? "a" : "b", "weights", false, &err) < 0);
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(child_status(racers[i]), 0);
    struct lab inner = {0};
    snprintf(inner.path, sizeof inner.path, "%s", path);
    db_gives(&inner, "SELECT count(*), min(status) FROM run", "2|done\n");
    char *command = xprintf("test -z \"$(ls '%s' | grep draft)\"", path);
    assert_int_equal(system(command), 0);
    free(command);
    free(path);
}

static char waited_for[512];

static void note_wait(const struct holder *holder)
{
    snprintf(waited_for + strlen(waited_for), sizeof waited_for - strlen(waited_for),
             "[%d of %d on %s in %s%s]", (int)holder->run, (int)holder->pid, holder->host,
             holder->lab, holder->elsewhere ? ", elsewhere" : "");
}

static int claim_noting(struct run **run, struct lab *lab, struct err *err)
{
    struct run_spec spec = {.stage = "s", .recipe_text = "recipe", .build = "b", .config = "c"};
    waited_for[0] = '\0';
    return run_claim(run, lab->store, &spec, &lab->arena, lab->outputs, &lab->count, note_wait,
                     err);
}

static void waiting_says_so_once_and_obeys_a_signal(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct run *run;
    pid_t child = start_holder(lab);
    struct stop stop = stop_watch();
    struct itimerspec in = {.it_value = {.tv_nsec = 450 * 1000 * 1000}};
    timer_t timer;
    assert_int_equal(timer_create(CLOCK_MONOTONIC, NULL, &timer), 0);
    assert_int_equal(timer_settime(timer, 0, &in, NULL), 0);
    FAILS(claim_noting(&run, lab, &err), STATUS_STOPPED, "stopped while waiting for run 1");
    stop_unwatch(&stop);
    timer_delete(timer);
    char host[256], *expected;
    assert_int_equal(gethostname(host, sizeof host), 0);
    expected = xprintf("[1 of %d on %s in %s]", (int)child, host, lab->path);
    assert_string_equal(waited_for, expected);
    free(expected);
    kill(child, SIGKILL);
    child_status(child);
}

static void an_owner_elsewhere_is_waited_for_until_released(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct run *run;
    assert_int_equal(claim(&run, lab, "recipe", false, &err), 0);
    db_run(lab, "UPDATE run SET owner_host = 'elsewhere.example', owner_boot = 'x', owner_pid = 1");
    OK(registry_sweep(lab->store, &err));
    pid_t child = fork();
    if (!child) {
        struct store *store;
        nanosleep(&(struct timespec){.tv_nsec = 300 * 1000 * 1000}, NULL);
        _exit(store_open(&store, lab->path, false, &err) || registry_release(store, 1, &err));
    }
    struct run *second;
    assert_int_equal(claim_noting(&second, lab, &err), 0);
    char *expected = xprintf("[1 of 1 on elsewhere.example in %s, elsewhere]", lab->path);
    assert_string_equal(waited_for, expected);
    free(expected);
    assert_int_equal(child_status(child), 0);
    db_gives(lab, "SELECT id, status FROM run", "1|lost\n2|running\n");
    FAILS(registry_release(lab->store, 1, &err), STATUS_MISSING, "run 1 is not running");
    run_end(second, &(struct err){.status = STATUS_STOPPED});
    run_end(run, &(struct err){.status = STATUS_STOPPED});
}

/* ---- opening -------------------------------------------------------------------------------- */

static void a_missing_lab_is_not_created_unasked(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct store *store;
    char *path = xprintf("%s/none", lab->path);
    FAILS(store_open(&store, path, false, &err), STATUS_MISSING, "no lab at");
    assert_false(file_exists(path));
    FAILS(store_open(&store, "/proc/lab", true, &err), STATUS_IO, "cannot create folder");
    free(path);
}

static void a_newer_registry_is_refused(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct store *store;
    db_run(lab, "PRAGMA user_version = 3");
    FAILS(store_open(&store, lab->path, true, &err), STATUS_CONFIG,
          "was written by a newer version (schema 3, this program knows 1)");
    db_run(lab, "PRAGMA user_version = 1; PRAGMA application_id = 7");
    FAILS(store_open(&store, lab->path, true, &err), STATUS_BAD_DATA, "is not a registry");
}

static void a_damaged_registry_is_named(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct store *store;
    char *path = xprintf("%s/registry.db", lab->path);
    store_close(lab->store);
    lab->store = NULL;
    OK(file_publish(path, "this is no database, not at all", 31, &err));
    FAILS(store_open(&store, lab->path, true, &err), STATUS_BAD_DATA, "is damaged");
    free(path);
}

/* Version 0 is what a registry is before its first step: with a table of its own, to see it kept.
 */
static void an_older_registry_is_migrated_after_a_backup(void **state)
{
    struct lab *lab = *state;
    struct err err;
    char *path = xprintf("%s/registry.db", lab->path);
    char *backup = xprintf("%s.schema-0", path);
    store_close(lab->store);
    lab->store = NULL;
    assert_int_equal(unlink(path), 0);
    db_run(lab,
           "PRAGMA application_id = 0x4341524e; CREATE TABLE old (x); INSERT INTO old VALUES (42)");
    OK(store_open(&lab->store, lab->path, false, &err));
    db_gives(lab, "PRAGMA user_version", "1\n");
    db_gives(lab, "SELECT x, (SELECT count(*) FROM run) FROM old", "42|0\n");
    assert_true(file_exists(backup));
    struct lab copy = {0};
    OK(path_join(copy.path, lab->path, "copy", &err));
    OK(folder_make(copy.path, &err));
    char *there = xprintf("%s/registry.db", copy.path);
    assert_int_equal(rename(backup, there), 0);
    db_gives(&copy, "PRAGMA user_version", "0\n");
    db_gives(&copy, "SELECT x FROM old", "42\n");
    db_gives(&copy, "SELECT name FROM sqlite_master", "old\n");
    OK(run_once(lab, "recipe", "weights", false, &err));
    free(there);
    free(backup);
    free(path);
}

/* A step that fails leaves the registry as it was. */
static void a_failed_migration_changes_nothing(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct store *store;
    char *path = xprintf("%s/registry.db", lab->path);
    store_close(lab->store);
    lab->store = NULL;
    assert_int_equal(unlink(path), 0);
    db_run(lab, "PRAGMA application_id = 0x4341524e; CREATE TABLE cell (in_the_way)");
    FAILS(store_open(&store, lab->path, true, &err), STATUS_BAD_DATA, "already exists");
    db_gives(lab, "PRAGMA user_version", "0\n");
    db_gives(lab, "SELECT name FROM sqlite_master", "cell\n");
    free(path);
}

/* ---- a lab that cannot be written ----------------------------------------------------------- */

/* In a child: 0 if a look-up works and whatever writes says why it cannot. */
static int use_read_only(const char *path)
{
    struct err err;
    struct lab lab = {0};
    struct run *run;
    struct draft *draft;
    struct id id;
    int64_t found;
    char expected[PATH_BYTES + 32];
    snprintf(lab.path, sizeof lab.path, "%s", path);
    snprintf(expected, sizeof expected, "lab '%s' is read-only", path);
    struct id recipe = sha256_of("recipe", 6);
    if (store_open(&lab.store, path, true, &err))
        return fprintf(stderr, "%s\n", err.text), 2;
    if (registry_lookup(lab.store, &recipe, &lab.arena, &found, lab.outputs, &lab.count, &err) != 1)
        return 3;
    if (claim(&run, &lab, "recipe", false, &err) != 1 ||
        artifact_verify(lab.store, &lab.outputs[0].artifact, &err) ||
        registry_sweep(lab.store, &err) || store_hash_file(lab.store, "/bin/sh", &id, &err))
        return 4;
    if (claim(&run, &lab, "other", false, &err) != -1 || err.status != STATUS_IO ||
        strcmp(err.text, expected))
        return fprintf(stderr, "%s\n", err.text), 5;
    if (draft_open(&draft, lab.store, &err) != -1 || strcmp(err.text, expected))
        return fprintf(stderr, "%s\n", err.text), 6;
    if (registry_set_cells(lab.store, "e", NULL, 0, &err) != -1 || strcmp(err.text, expected))
        return fprintf(stderr, "%s\n", err.text), 7;
    store_close(lab.store);
    return 0;
}

/* One finished run, and the lab not opened by anybody. killed: the process that made it never
 * closed the registry, so that all of the run is still in the write-ahead log; shared: with its index beside it. */
static void make_one_run(struct lab *lab, bool killed, bool shared)
{
    struct err err;
    store_close(lab->store);
    lab->store = NULL;
    pid_t child = fork();
    if (!child) {
        struct lab own = {0};
        snprintf(own.path, sizeof own.path, "%s", lab->path);
        if (store_open(&own.store, own.path, true, &err) ||
            run_once(&own, "recipe", "weights", false, &err))
            _exit(1);
        if (!killed)
            store_close(own.store);
        _exit(0);
    }
    assert_int_equal(child_status(child), 0);
    assert_int_equal(exists(lab->path, "registry.db-wal"), killed);
    if (killed && !shared) { /* as a backup has it, or another machine */
        char *path = xprintf("%s/registry.db-shm", lab->path);
        assert_int_equal(unlink(path), 0);
        free(path);
    }
}

static void use_without_permission(struct lab *lab, bool killed, bool shared)
{
    make_one_run(lab, killed, shared);
    char *command = xprintf("chmod -R a+rX,a-w '%s'", lab->path);
    assert_int_equal(system(command), 0);
    free(command);
    pid_t child = fork();
    if (!child) /* permissions do not stop root */
        _exit(!geteuid() && (setgroups(0, NULL) || setgid(65534) || setuid(65534))
                  ? 1
                  : use_read_only(lab->path));
    int status = child_status(child);
    command = xprintf("chmod -R u+w '%s'", lab->path);
    assert_int_equal(system(command), 0);
    free(command);
    assert_int_equal(status, 0);
}

static void a_lab_without_permission_is_read_only(void **state)
{
    use_without_permission(*state, false, true);
}

static void a_lab_without_permission_after_a_kill(void **state)
{
    use_without_permission(*state, true, true);
}

static void use_on_read_only_file_system(struct lab *lab, bool killed, bool shared)
{
    make_one_run(lab, killed, shared);
    enum { CANNOT_MOUNT = 99 };
    pid_t child = fork();
    if (!child) {
        if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
            mount(lab->path, lab->path, NULL, MS_BIND, NULL) ||
            mount(NULL, lab->path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL))
            _exit(CANNOT_MOUNT);
        _exit(use_read_only(lab->path));
    }
    int status = child_status(child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == CANNOT_MOUNT)
        skip();
    assert_int_equal(status, 0);
}

static void a_read_only_file_system_answers_look_ups(void **state)
{
    use_on_read_only_file_system(*state, false, true);
}

static void a_read_only_file_system_after_a_kill(void **state)
{
    use_on_read_only_file_system(*state, true, true);
}

static void a_log_counts_without_shared_memory(void **state)
{
    use_without_permission(*state, true, false);
}

static void a_log_counts_on_a_read_only_file_system(void **state)
{
    use_on_read_only_file_system(*state, true, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_TEST(a_killed_run_is_lost_and_its_claim_free),
        LAB_TEST(sweep_marks_lost_runs),
        LAB_TEST(a_number_used_again_is_not_the_owner),
        LAB_TEST(racing_processes_compute_once),
        LAB_TEST(racing_processes_create_one_lab),
        LAB_TEST(waiting_says_so_once_and_obeys_a_signal),
        LAB_TEST(an_owner_elsewhere_is_waited_for_until_released),
        LAB_TEST(a_missing_lab_is_not_created_unasked),
        LAB_TEST(a_newer_registry_is_refused),
        LAB_TEST(a_damaged_registry_is_named),
        LAB_TEST(an_older_registry_is_migrated_after_a_backup),
        LAB_TEST(a_failed_migration_changes_nothing),
        LAB_TEST(a_lab_without_permission_is_read_only),
        LAB_TEST(a_lab_without_permission_after_a_kill),
        LAB_TEST(a_read_only_file_system_answers_look_ups),
        LAB_TEST(a_read_only_file_system_after_a_kill),
        LAB_TEST(a_log_counts_without_shared_memory),
        LAB_TEST(a_log_counts_on_a_read_only_file_system),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
