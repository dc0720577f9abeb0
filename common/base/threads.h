/* Processors this process may use, and how its threads wait for each other. */
#ifndef CAIRN_BASE_THREADS_H
#define CAIRN_BASE_THREADS_H

/* Processors in the affinity mask, at most what the cgroup's CPU quota pays for; at least 1. */
int threads_available(void);

/*
 * Threads that wait for each other first spin. libgomp's default, tens of milliseconds, is a disaster
 * where other work shares the processors: the spinning thread takes the time of the one it waits
 * for. Measured with 2 threads, samples/s at a spin of 300, 3,000 and 300,000: on idle cores 13,300,
 * 17,100, 17,100; at a load of 9 15,400, 4,700, 650. So a short one if anything else is running, a
 * moderate one if not; results do not depend on it. libgomp reads its setting once, before main, so
 * a program that is going to compute starts itself again, with these arguments. Signals that are
 * blocked and requests that wait stay so across it.
 */
void threads_spin_briefly(char **argv);

#endif
