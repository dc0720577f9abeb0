/*
 * Exactly once, whatever breaks: a process that claims a recipe, writes an artifact and commits it
 * is killed at, or refused, each of its system calls in turn (tests/faults/faults.c does that).
 * After every fault a plain second process must finish, and then there is one finished run, its
 * artifact is sound, and nothing half-written can be seen.
 */
#include "store_lab.h"

#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CALL_LIMIT = 2000 };

/* What the process does: also with a checkpoint, as a trainer would leave one. */
static int work(const char *path)
{
    struct err err;
    struct lab lab = {0};
    struct run *run = NULL;
    char checkpoint[PATH_BYTES];
    snprintf(lab.path, sizeof lab.path, "%s", path);
    int known = store_open(&lab.store, path, true, &err);
    if (!known)
        known = claim(&run, &lab, "recipe", false, &err);
    if (!known) {
        struct port port = {.name = "model"};
        run_metric(run, "test/dice", -1, 0.5);
        if (path_join(checkpoint, run_folder(run), "checkpoint", &err) ||
            file_publish(checkpoint, "step 7", 6, &err) ||
            run_event(run, "resumed", "{\"step\": 7}", &err) ||
            artifact_of(&port.artifact, lab.store, "weights.bin", "0123456789", &err)) {
            run_end(run, &err);
            known = -1;
        } else {
            known = run_commit(run, &port, 1, &err);
        }
    }
    store_close(lab.store);
    arena_free(&lab.arena);
    if (known < 0)
        fprintf(stderr, "%s\n", err.text);
    return known < 0 ? (int)err.status : 0;
}

struct bench {
    char folder[PATH_BYTES], lab[PATH_BYTES], shim[PATH_BYTES], log[PATH_BYTES];
    char self[PATH_BYTES];
    bool looks; /* the calls that only look are those that fail */
};

/* The shim is built here, so that whoever runs the tests needs no further step. */
static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    struct err err;
    *state = bench;
    const char *compiler = getenv("CC");
    snprintf(bench->folder, sizeof bench->folder, "%s/cairn-faults-XXXXXX", test_folder());
    /* not there: what is in memory may be mounted without permission to execute */
    snprintf(bench->shim, sizeof bench->shim, "/tmp/cairn-faults-%d.so", (int)getpid());
    ssize_t length = readlink("/proc/self/exe", bench->self, sizeof bench->self - 1);
    if (length < 0 || !mkdtemp(bench->folder) ||
        path_join(bench->lab, bench->folder, "lab", &err) ||
        path_join(bench->log, bench->folder, "log", &err))
        return -1;
    char *command = xprintf("%s -shared -fPIC -o '%s' tests/faults/faults.c -ldl",
                            compiler ? compiler : "cc", bench->shim);
    int status = system(command);
    free(command);
    return status;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    struct err err;
    int status = folder_remove(bench->folder, &err);
    unlink(bench->shim);
    free(bench);
    return status;
}

static void preload(const struct bench *bench)
{
    setenv("FAULT_UNDER", bench->lab, 1);
    setenv("FAULT_LOG", bench->log, 1);
    setenv("LD_PRELOAD", bench->shim, 1);
    /* the sanitizer wants to be first; what a killed process leaks is of no interest */
    setenv("ASAN_OPTIONS", "verify_asan_link_order=0:detect_leaks=0", 1);
}

/* Runs this program's work in a process of its own; at > 0: with a fault at that call, 0: on a
 * file system of the kind `what`, NULL: undisturbed. */
static int run_child(const struct bench *bench, const char *what, int at)
{
    pid_t child = fork();
    if (!child) {
        char number[16];
        snprintf(number, sizeof number, "%d", at);
        if (what)
            preload(bench);
        if (what && !at)
            setenv("FAULT_FS", what, 1);
        if (at) {
            setenv("FAULT_AT", number, 1);
            setenv("FAULT_DO", what, 1);
            if (bench->looks)
                setenv("FAULT_LOOKS", "1", 1);
            int null = open("/dev/null", O_WRONLY);
            dup2(null, 2);
        }
        execl(bench->self, bench->self, "--work", bench->lab, (char *)NULL);
        _exit(127);
    }
    int status;
    waitpid(child, &status, 0);
    return status;
}

static int count_rows(const struct bench *bench, const char *sql)
{
    char *path = xprintf("%s/registry.db", bench->lab);
    sqlite3 *db;
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int count = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    free(path);
    return count;
}

/* Every object has the bytes that its name promises, and there is no other file among them. */
static void check_objects(const struct bench *bench)
{
    char folder[PATH_BYTES], inner[PATH_BYTES], path[PATH_BYTES];
    struct err err;
    OK(path_join(folder, bench->lab, "objects", &err));
    DIR *dir = opendir(folder);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        OK(path_join(inner, folder, entry->d_name, &err));
        DIR *objects = opendir(inner);
        for (struct dirent *object; (object = readdir(objects));) {
            struct id id;
            if (object->d_name[0] == '.')
                continue;
            OK(path_join(path, inner, object->d_name, &err));
            OK(sha256_file(&id, NULL, path, &err));
            assert_memory_equal(id.hex, entry->d_name, 2);
            assert_string_equal(id.hex + 2, object->d_name);
        }
        closedir(objects);
    }
    closedir(dir);
}

static void check_lab(const struct bench *bench)
{
    struct err err;
    struct store *store;
    struct arena arena = {0};
    struct port outputs[MAX_PORTS];
    int count;
    int64_t run;
    struct id recipe = sha256_of("recipe", 6);
    OK(store_open(&store, bench->lab, false, &err));
    OK(registry_sweep(store, &err));
    assert_int_equal(registry_lookup(store, &recipe, &arena, &run, outputs, &count, &err), 1);
    OK(artifact_verify(store, &outputs[0].artifact, &err));
    struct draft *draft; /* clears what others left */
    OK(draft_open(&draft, store, &err));
    draft_drop(draft);
    store_close(store);
    arena_free(&arena);

    assert_int_equal(count_rows(bench, "SELECT count(*) FROM run WHERE status = 'done'"), 1);
    assert_int_equal(count_rows(bench, "SELECT count(*) FROM run WHERE status = 'running'"), 0);
    assert_int_equal(count_rows(bench, "SELECT count(*) FROM metric"), 1);
    assert_int_equal(count_rows(bench, "SELECT count(*) FROM run_output"), 1);
    check_objects(bench);
    char path[PATH_BYTES];
    OK(path_join(path, bench->lab, "work", &err));
    assert_int_equal(rmdir(path), 0); /* it is empty */
}

/* What SQLite cannot read it calls malformed. */
static bool is_refusal(const struct bench *bench, int status)
{
    return WIFEXITED(status) && (WEXITSTATUS(status) == STATUS_IO ||
                                 (bench->looks && WEXITSTATUS(status) == STATUS_BAD_DATA));
}

/* known: the lab is there already, and only the run is disturbed. */
static void disturb_each_call(const struct bench *bench, const char *what)
{
    struct err err;
    int at = 1, died = 0, refused = 0;
    for (; at < CALL_LIMIT; at++) {
        OK(folder_remove(bench->lab, &err));
        unlink(bench->log);
        int status = run_child(bench, what, at);
        if (!file_exists(bench->log)) { /* it makes fewer calls */
            assert_int_equal(status, 0);
            break;
        }
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
            died++;
        else if (is_refusal(bench, status))
            refused++;
        else if (status)
            fail_msg("%s at call %d: status %x", what, at, (unsigned)status);
        status = run_child(bench, NULL, 0);
        if (status)
            fail_msg("after %s at call %d: status %x", what, at, (unsigned)status);
        check_lab(bench);
    }
    print_message("# %s at each of %d calls: %d killed, %d refused\n", what, at - 1, died, refused);
    assert_in_range(at, 50, CALL_LIMIT - 1);
    if (!strcmp(what, "kill") || !strcmp(what, "torn"))
        assert_int_equal(died, at - 1);
    else
        assert_in_range(refused, 25, CALL_LIMIT);
}

static void killed_at_each_call(void **state)
{
    disturb_each_call(*state, "kill");
}

static void killed_within_each_write(void **state)
{
    disturb_each_call(*state, "torn");
}

static void each_call_fails_once(void **state)
{
    disturb_each_call(*state, "eio");
}

static void the_disk_is_full_from_each_call_on(void **state)
{
    disturb_each_call(*state, "full");
}

/* SMB, exFAT, FUSE: publishing renames where it cannot link, and lives without the rest. */
static void a_plain_file_system_will_do(void **state)
{
    const struct bench *bench = *state;
    struct stat st;
    char path[PATH_BYTES];
    struct err err;
    assert_int_equal(run_child(bench, "plain", 0), 0);
    OK(path_join(path, bench->lab, "registry.db", &err));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_nlink, 1);
    check_lab(bench);
}

/* Not to know is not to be absent: whatever cannot be looked at, nothing is computed twice. */
static void a_look_that_fails_is_an_error_and_not_absence(void **state)
{
    struct bench *bench = *state;
    static const char *const codes[] = {"eio", "eacces", "emfile", "enomem"};
    int at = 1, refused = 0;
    assert_int_equal(run_child(bench, NULL, 0), 0);
    bench->looks = true;
    for (; at < CALL_LIMIT; at++) {
        unlink(bench->log);
        int status = run_child(bench, codes[at % 4], at);
        if (!file_exists(bench->log)) {
            assert_int_equal(status, 0);
            break;
        }
        refused += is_refusal(bench, status);
        if (status && !is_refusal(bench, status))
            fail_msg("%s at look %d: status %x", codes[at % 4], at, (unsigned)status);
        assert_int_equal(count_rows(bench, "SELECT count(*) FROM run"), 1);
    }
    print_message("# a known result: %d looks failed, %d refused\n", at - 1, refused);
    assert_in_range(refused, 10, CALL_LIMIT);
    check_lab(bench);
}

static void a_run_among_looks_that_fail_is_made_once(void **state)
{
    struct bench *bench = *state;
    bench->looks = true;
    disturb_each_call(bench, "eio");
    disturb_each_call(bench, "eacces");
}

/* Bytes 18 and 19 of a database say whether it has a write-ahead log (2) or not (1): the file format
 * of SQLite, section 1.3.3. */
static int log_of(const struct bench *bench)
{
    struct err err;
    char path[PATH_BYTES], *bytes;
    size_t length;
    OK(path_join(path, bench->lab, "registry.db", &err));
    OK(file_read(&bytes, &length, path, 1 << 24, &err));
    int version = bytes[18];
    assert_int_equal(bytes[19], version);
    free(bytes);
    return version;
}

/* The log's index is memory that processes share, and machines do not. */
static void on_a_network_there_is_no_write_ahead_log(void **state)
{
    const struct bench *bench = *state;
    struct err err;
    assert_int_equal(run_child(bench, NULL, 0), 0);
    assert_int_equal(log_of(bench), 2);
    assert_int_equal(run_child(bench, "nfs", 0), 0); /* a lab that was copied there */
    assert_int_equal(log_of(bench), 1);
    OK(folder_remove(bench->lab, &err));
    assert_int_equal(run_child(bench, "nfs", 0), 0);
    assert_int_equal(log_of(bench), 1);
    check_lab(bench);
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "--work"))
        return work(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(killed_at_each_call, setup, teardown),
        cmocka_unit_test_setup_teardown(killed_within_each_write, setup, teardown),
        cmocka_unit_test_setup_teardown(each_call_fails_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_look_that_fails_is_an_error_and_not_absence, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_run_among_looks_that_fail_is_made_once, setup, teardown),
        cmocka_unit_test_setup_teardown(the_disk_is_full_from_each_call_on, setup, teardown),
        cmocka_unit_test_setup_teardown(a_plain_file_system_will_do, setup, teardown),
        cmocka_unit_test_setup_teardown(on_a_network_there_is_no_write_ahead_log, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
