#include "base/threads.h"

#include <sched.h>
#include <stdio.h>

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
