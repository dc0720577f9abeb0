#include "view/gnuplot.h"

#include "base/file.h"
#include "base/stop.h"
#include "view/embed.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

EMBED(gnuplot_look, "reports/curves.gp");

extern char **environ;

static void quoted(struct text *out, const char *text, const char *doubled)
{
    text_puts(out, "'");
    for (; *text; text++) {
        char c = (unsigned char)*text < 0x20 ? ' ' : *text;
        text_add(out, &c, strchr(doubled, c) ? 1 : 0);
        text_add(out, &c, 1);
    }
    text_puts(out, "'");
}

void gnuplot_quoted(struct text *out, const char *text)
{
    quoted(out, text, "'");
}

void gnuplot_tic(struct text *out, const char *text)
{
    quoted(out, text, "'%");
}

size_t gnuplot_text_width(const char *text)
{
    enum { CHARACTER = 7 };
    size_t characters = 0;
    for (; *text; text++)
        characters += ((unsigned char)*text & 0xc0) != 0x80;
    return characters * CHARACTER;
}

/*
 * gnuplot's three streams are files in memory, not pipes: a full pipe that nobody empties while we
 * are writing to another would block both processes.
 */
struct streams {
    FILE *in, *out, *err;
};

static void streams_close(struct streams *streams)
{
    FILE *all[] = {streams->in, streams->out, streams->err};
    for (size_t i = 0; i < 3; i++)
        if (all[i])
            fclose(all[i]);
}

static FILE *memory_file(void)
{
    int fd = memfd_create("gnuplot", MFD_CLOEXEC);
    return fd < 0 ? NULL : fdopen(fd, "w+");
}

static int streams_open(struct streams *streams, const struct text *input, struct err *err)
{
    *streams = (struct streams){memory_file(), memory_file(), memory_file()};
    if (!streams->in || !streams->out || !streams->err)
        return fail_errno(err, "cannot open a temporary file");
    if (fwrite(input->data, 1, input->length, streams->in) != input->length ||
        fflush(streams->in) || fseek(streams->in, 0, SEEK_SET))
        return fail_errno(err, "cannot write a temporary file");
    return 0;
}

static void slurp(struct text *out, FILE *file)
{
    char buf[4096];
    size_t n;
    rewind(file);
    while ((n = fread(buf, 1, sizeof buf, file)) > 0)
        text_add(out, buf, n);
}

/* gnuplot shows the line, a caret under it, then `"-" line 12: what`: the last line has the
 * reason. */
static const char *last_line(char *text)
{
    const char *last = "no reason given";
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        line += strspn(line, " \t");
        if (*line)
            last = line;
    }
    return last;
}

/* Polls every few milliseconds, which needs no signal. A process that takes too long, or is running
 * when a stop is requested, is killed with everything it has started. */
static int wait_for(pid_t pid, int seconds, int *ended, struct err *err)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    struct timespec now, begin;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (;;) {
        pid_t got = waitpid(pid, ended, WNOHANG);
        if (got == pid)
            return 0;
        if (got < 0 && errno != EINTR)
            return fail_errno(err, "cannot wait for gnuplot");
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec - begin.tv_sec >= seconds || stop_requested())
            break;
        nanosleep(&pause, NULL);
    }
    kill(-pid, SIGKILL);
    while (waitpid(pid, ended, 0) < 0 && errno == EINTR)
        continue;
    TRY(stop_obey(err));
    fail(err, "gnuplot took longer than %d s", seconds);
    return 1;
}

static int spawn(const struct streams *streams, int seconds, int *ended, struct err *err)
{
    char *const argv[] = {"gnuplot", "--default-settings", "-", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t mask, changed;
    if (posix_spawn_file_actions_init(&actions) || posix_spawnattr_init(&attributes))
        return fail(err, "cannot start gnuplot");
    stop_clean(&mask, &changed);
    posix_spawnattr_setsigmask(&attributes, &mask);
    posix_spawnattr_setsigdefault(&attributes, &changed);
    /* a process group of its own (0), so that a terminal's Ctrl-C reaches us but not gnuplot */
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    posix_spawn_file_actions_adddup2(&actions, fileno(streams->in), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fileno(streams->out), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fileno(streams->err), STDERR_FILENO);
    pid_t pid;
    struct stop stop = stop_watch();
    int trouble = posix_spawnp(&pid, argv[0], &actions, &attributes, argv, environ);
    int status = trouble ? 1 : wait_for(pid, seconds, ended, err);
    pthread_sigmask(SIG_SETMASK, &stop.before, NULL); /* a pending signal takes effect now */
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (!trouble)
        return status;
    if (trouble == ENOENT)
        fail(err, "'gnuplot' is not installed; plots need it");
    else
        fail(err, "cannot start gnuplot: %s", strerror(trouble));
    return 1;
}

static int run_gnuplot(struct text *svg, const struct text *input, int seconds, struct err *err)
{
    struct streams streams;
    struct text complaint = {0};
    int ended = 0;
    int status = streams_open(&streams, input, err);
    if (!status)
        status = spawn(&streams, seconds, &ended, err);
    if (!status) {
        slurp(svg, streams.out);
        slurp(&complaint, streams.err);
        if (ended || !svg->data || !strstr(svg->data, "</svg>")) {
            char *said = text_take(&complaint);
            fail(err, "gnuplot failed: %s", last_line(said));
            free(said);
            status = 1;
        }
    }
    text_free(&complaint);
    streams_close(&streams);
    return status;
}

int gnuplot_svg(const struct text *script, const char *path, int seconds, struct err *err)
{
    struct text svg = {0};
    int status = run_gnuplot(&svg, script, seconds, err);
    if (!status)
        return text_publish(&svg, path, err);
    text_free(&svg);
    return status < 0 ? wrap(err, "cannot draw '%s'", path) : status;
}
