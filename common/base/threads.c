#include "base/threads.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* cgroup v2: "MAX PERIOD" in microseconds, or "max PERIOD" for no limit. */
static int quota(void)
{
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (!file)
        return 0;
    long long most, period;
    int got = fscanf(file, "%lld %lld", &most, &period);
    fclose(file);
    if (got != 2 || most <= 0 || period <= 0)
        return 0;
    return (int)((most + period - 1) / period);
}

int threads_available(void)
{
    cpu_set_t set;
    int count = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        count = CPU_COUNT(&set);
    int limit = quota();
    if (limit > 0 && limit < count)
        count = limit;
    return count > 0 ? count : 1;
}

void threads_spin_briefly(char **argv)
{
    char self[4096];
    int running = 2; /* this process and another, unless the system says otherwise */
    FILE *load = fopen("/proc/loadavg", "re");
    if (load && fscanf(load, "%*f %*f %*f %d/", &running) != 1)
        running = 2;
    if (load)
        fclose(load);
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0 || getenv("GOMP_SPINCOUNT") ||
        setenv("GOMP_SPINCOUNT", running > 1 ? "300" : "3000", 0))
        return; /* only slower without */
    self[length] = '\0';
    execv(self, argv);
}
