#include "base/stop.h"

#include "base/file.h"
#include "base/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

static void whatever_would_end_it_is_a_request(void **state)
{
    (void)state;
    const int ending[] = {SIGINT,  SIGTERM, SIGHUP,    SIGUSR1, SIGUSR2,
                          SIGALRM, SIGPROF, SIGVTALRM, SIGXCPU, SIGRTMIN + 1};
    for (size_t i = 0; i < sizeof ending / sizeof *ending; i++) {
        struct err err;
        struct stop stop = stop_watch();
        assert_false(stop_requested());
        assert_int_equal(stop_obey(&err), 0);
        kill(getpid(), ending[i]);
        assert_true(stop_requested());
        assert_true(stop_requested()); /* asking does not answer it */
        assert_int_equal(stop_obey(&err), -1);
        assert_int_equal(err.status, STATUS_STOPPED);
        stop_unwatch(&stop);
        assert_false(stop_requested());
    }
}

static void what_ends_nothing_is_none(void **state)
{
    (void)state;
    struct stop stop = stop_watch();
    kill(getpid(), SIGCHLD);
    kill(getpid(), SIGWINCH);
    kill(getpid(), SIGURG);
    assert_false(stop_requested());
    stop_unwatch(&stop);
}

static void what_is_ignored_stays_so(void **state)
{
    (void)state;
    signal(SIGHUP, SIG_IGN); /* as nohup leaves it */
    struct stop stop = stop_watch();
    kill(getpid(), SIGHUP);
    assert_false(stop_requested());
    stop_unwatch(&stop);
    signal(SIGHUP, SIG_DFL);
}

static void a_stop_within_a_stop_is_seen_by_both(void **state)
{
    (void)state;
    struct stop outer = stop_watch(), inner = stop_watch();
    kill(getpid(), SIGTERM);
    assert_true(stop_requested());
    stop_unwatch(&inner);
    assert_true(stop_requested());
    stop_unwatch(&outer);
    assert_false(stop_requested());
}

static volatile sig_atomic_t handled;
static void handler(int number)
{
    (void)number;
    handled++;
}

/* Keeps the processor busy while timers of all kinds go off. */
static void *compute(void *argument)
{
    double sum = 0;
    for (clock_t end = clock() + CLOCKS_PER_SEC / 10; clock() < end;)
        for (int i = 0; i < 10000; i++)
            sum += i;
    return sum > 0 ? argument : NULL;
}

static void no_handler_runs_in_any_thread(void **state)
{
    (void)state;
    static const int numbers[] = {SIGALRM, SIGPROF, SIGVTALRM, SIGCHLD, SIGINT, SIGUSR1};
    struct sigaction action = {.sa_handler = handler}, before[6];
    for (int i = 0; i < 6; i++)
        sigaction(numbers[i], &action, &before[i]);
    const struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    static const int timers[] = {ITIMER_REAL, ITIMER_PROF, ITIMER_VIRTUAL};
    struct stop stop = stop_watch();
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, compute, NULL), 0);
    for (int i = 0; i < 3; i++)
        setitimer(timers[i], &often, NULL);
    for (int i = 0; i < 6; i++)
        kill(getpid(), numbers[i]);
    compute(NULL);
    pthread_join(thread, NULL);
    for (int i = 0; i < 3; i++)
        setitimer(timers[i], &never, NULL);
    assert_int_equal(handled, 0);
    assert_false(stop_requested()); /* a handled signal is not a request */
    stop_unwatch(&stop);            /* now they run */
    assert_true(handled > 0);
    for (int i = 0; i < 6; i++)
        sigaction(numbers[i], &before[i], NULL);
}

static void hashing_obeys(void **state)
{
    (void)state;
    struct err err;
    struct id id;
    char path[] = "/tmp/cairn-large-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && ftruncate(fd, 200 << 20) == 0);
    close(fd);
    struct stop stop = stop_watch();
    kill(getpid(), SIGTERM);
    assert_int_equal(sha256_file(&id, NULL, "/proc/self/exe", &err), 0); /* a moment */
    assert_int_equal(sha256_file(&id, NULL, path, &err), -1);
    assert_int_equal(err.status, STATUS_STOPPED);
    stop_unwatch(&stop);
    assert_int_equal(sha256_file(&id, NULL, path, &err), 0);
    unlink(path);
}

/* In a process of its own: what `body` returns. */
static int in_child(int (*body)(void))
{
    pid_t child = fork();
    if (!child)
        _exit(body());
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int write_to_a_closed_pipe(void)
{
    int ends[2];
    stop_never_by_writing();
    if (pipe(ends) || close(ends[0]))
        return 1;
    return write(ends[1], "", 1) == -1 && errno == EPIPE ? 0 : 2;
}

static int write_past_a_limit(void)
{
    char path[] = "/tmp/cairn-limit-XXXXXX", bytes[4096] = {0};
    struct rlimit limit = {1024, RLIM_INFINITY};
    struct err err;
    stop_never_by_writing();
    int fd = mkstemp(path);
    if (fd < 0 || setrlimit(RLIMIT_FSIZE, &limit))
        return 1;
    int status = file_publish(path, bytes, sizeof bytes, &err);
    unlink(path);
    return status == -1 && err.status == STATUS_IO && strstr(err.text, "File too large") ? 0 : 2;
}

/* A file must not get the number of a closed stream: what is printed would go into it. */
static int open_with_closed_streams(void)
{
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    stop_never_by_writing();
    int fd = open("/proc/self/exe", O_RDONLY);
    return fd == 3 && write(STDOUT_FILENO, "", 1) == -1 && errno == EBADF ? 0 : 2;
}

static void what_cannot_be_written_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(in_child(write_to_a_closed_pipe), 0);
    assert_int_equal(in_child(write_past_a_limit), 0);
    assert_int_equal(in_child(open_with_closed_streams), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_would_end_it_is_a_request),
        cmocka_unit_test(what_ends_nothing_is_none),
        cmocka_unit_test(what_is_ignored_stays_so),
        cmocka_unit_test(a_stop_within_a_stop_is_seen_by_both),
        cmocka_unit_test(no_handler_runs_in_any_thread),
        cmocka_unit_test(hashing_obeys),
        cmocka_unit_test(what_cannot_be_written_is_an_error),
    };
    return cmocka_run_group_tests_name("base/stop", tests, NULL, NULL);
}
