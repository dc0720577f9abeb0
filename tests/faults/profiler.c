/*
 * A profiler's timer: a shared object for LD_PRELOAD. A signal a millisecond of computing, whose
 * handler writes over some of the stack that it finds.
 *
 *   cc -shared -fPIC -o profiler.so tests/faults/profiler.c
 *   LD_PRELOAD=./profiler.so PROGRAM...
 */
#include <signal.h>
#include <string.h>
#include <sys/time.h>

static void note(int number)
{
    volatile char stack[4096];
    memset((char *)stack, number, sizeof stack);
}

__attribute__((constructor)) static void begin(void)
{
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
    const struct itimerval often = {{0, 1000}, {0, 1000}};
    sigaction(SIGPROF, &action, NULL);
    setitimer(ITIMER_PROF, &often, NULL);
}
