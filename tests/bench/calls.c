/*
 * calls COUNT COMMAND...: how long a command takes from being started to having ended, over COUNT
 * calls after one that is not counted. Prints "median,MS" and "p95,MS". What the command prints is
 * thrown away; a call that fails ends it all.
 */
#include "base/err.h"
#include "base/memory.h"
#include "base/progress.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

static int call(double *ms, char **command, struct err *err)
{
    posix_spawn_file_actions_t actions;
    pid_t child;
    int status, rc;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    double begin = clock_seconds();
    rc = posix_spawnp(&child, command[0], &actions, NULL, command, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (rc)
        return fail(err, "cannot start '%s': %s", command[0], strerror(rc));
    if (waitpid(child, &status, 0) != child || status)
        return fail(err, "'%s' failed", command[0]);
    *ms = 1e3 * (clock_seconds() - begin);
    return 0;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    int count = argc > 2 ? atoi(argv[1]) : 0;
    struct err err;
    if (count < 1 || count > 1000000) {
        fprintf(stderr, "usage: %s COUNT COMMAND [ARGUMENT]...\n", argv[0]);
        return STATUS_USAGE;
    }
    double *ms = xcalloc((size_t)count, sizeof *ms);
    int rc = call(ms, argv + 2, &err);
    for (int i = 0; !rc && i < count; i++)
        rc = call(&ms[i], argv + 2, &err);
    if (rc) {
        fprintf(stderr, "%s: %s\n", argv[0], err.text);
    } else {
        qsort(ms, (size_t)count, sizeof *ms, ascending);
        printf("median,%.3f\np95,%.3f\n", ms[count / 2], ms[(count * 95 - 1) / 100]);
    }
    free(ms);
    return rc ? (int)err.status : 0;
}
