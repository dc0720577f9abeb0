/* Processors this process may use. */
#ifndef CAIRN_BASE_THREADS_H
#define CAIRN_BASE_THREADS_H

/* Processors in the affinity mask, at most what the cgroup's CPU quota pays for; at least 1. */
int threads_available(void);

#endif
