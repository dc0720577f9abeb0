#include "base/stop.h"

#include "base/memory.h"

#include <signal.h>
#include <stdlib.h>

/* SIGUSR2 is what schedulers send ahead of the end of a job's time; SIGUSR1 is NCCL's. */
static const int watched[] = {SIGTERM, SIGINT, SIGUSR2};
enum { WATCHED = sizeof watched / sizeof *watched };

struct stop {
    struct sigaction before[WATCHED];
};

/* The one thing that a signal handler may touch. */
static volatile sig_atomic_t requested;

static void request(int signal)
{
    (void)signal;
    requested = 1;
}

struct stop *stop_watch(void)
{
    struct stop *stop = xcalloc(1, sizeof *stop);
    struct sigaction action = {.sa_handler = request, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < WATCHED; i++)
        sigaction(watched[i], &action, &stop->before[i]);
    return stop;
}

void stop_unwatch(struct stop *stop)
{
    if (!stop)
        return;
    for (int i = 0; i < WATCHED; i++)
        sigaction(watched[i], &stop->before[i], NULL);
    requested = 0;
    free(stop);
}

bool stop_requested(void)
{
    return requested != 0;
}
