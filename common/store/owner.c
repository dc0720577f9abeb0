/*
 * Who owns a run: host, boot id, process id and the process's start time. All four together are
 * never used twice, so a claim whose owner is gone can be told from one that is at work.
 */
#include "store/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* /proc files have no size, so file_read does not serve here. */
static bool read_line(char *out, size_t size, const char *path)
{
    FILE *file = fopen(path, "re");
    bool got = file && fgets(out, (int)size, file);
    if (file)
        fclose(file);
    if (got)
        out[strcspn(out, "\n")] = '\0';
    return got;
}

/* Field 22 of /proc/PID/stat; -1 if there is no such process or it is only waiting to be reaped.
 * The second field may hold anything, also blanks and brackets: count from the last bracket. */
static int64_t start_time(int64_t pid)
{
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
    if (!read_line(line, sizeof line, path))
        return -1;
    char *field = strrchr(line, ')');
    if (!field || field[1] != ' ' || strchr("ZX", field[2]))
        return -1;
    for (int i = 2; field && i < 22; i++)
        field = strchr(field + 1, ' ');
    return field ? strtoll(field, NULL, 10) : -1;
}

struct owner owner_self(void)
{
    struct owner self = {.pid = getpid()};
    if (gethostname(self.host, sizeof self.host - 1))
        snprintf(self.host, sizeof self.host, "localhost");
    if (!read_line(self.boot, sizeof self.boot, "/proc/sys/kernel/random/boot_id"))
        self.boot[0] = '\0';
    self.start = start_time(self.pid);
    return self;
}

enum life owner_life(const struct owner *owner, const struct owner *self)
{
    if (strcmp(owner->host, self->host))
        return LIFE_ELSEWHERE;
    if (strcmp(owner->boot, self->boot)) /* the machine was started anew since */
        return LIFE_DEAD;
    if (owner->start < 0) /* no /proc: the number alone has to do */
        return kill((pid_t)owner->pid, 0) && errno == ESRCH ? LIFE_DEAD : LIFE_ALIVE;
    return start_time(owner->pid) == owner->start ? LIFE_ALIVE : LIFE_DEAD;
}

void random_name(char out[RANDOM_NAME])
{
    uint64_t bits;
    ssize_t got;
    do
        got = getrandom(&bits, sizeof bits, 0);
    while (got < 0 && errno == EINTR); /* before the system has gathered any */
    if (got != sizeof bits)
        bug("no random bytes");
    snprintf(out, RANDOM_NAME, "%016" PRIx64, bits);
}
