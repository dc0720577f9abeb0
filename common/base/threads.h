/* The processors this process may use, and how its threads wait for each other. */
#ifndef CAIRN_BASE_THREADS_H
#define CAIRN_BASE_THREADS_H

/* Processors in the affinity mask, limited by the cgroup's CPU quota; at least 1. */
int threads_available(void);

/*
 * Threads that wait for each other spin first. libgomp's default, tens of milliseconds, is a disaster
 * when other work shares the processors: the spinning thread takes time from the one it waits for.
 * Measured with 2 threads, samples/s at a spin count of 300, 3,000 and 300,000: 13,300, 17,100 and
 * 17,100 on idle cores; 15,400, 4,700 and 650 at a load of 9. So the spin is short if anything else
 * is running and moderate if not; results do not depend on it. libgomp reads its setting once, before
 * main, so a program that is going to compute re-executes itself with these arguments. Blocked and
 * pending signals survive that.
 */
void threads_spin_briefly(char **argv);

#endif
