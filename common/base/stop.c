#include "base/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

static void written_signals(sigset_t *out)
{
    sigemptyset(out);
    sigaddset(out, SIGPIPE);
    sigaddset(out, SIGXFSZ);
}

void stop_never_by_writing(void)
{
    /* read-only: writing to a stream that was closed still fails */
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            open("/dev/null", O_RDONLY);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

/* All but those raised by faults of the program itself, which end it anyway, and those that stop or
 * end it without a handler. */
static void blocked_signals(sigset_t *out)
{
    static const int free_signals[] = {SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGTRAP, SIGSYS,
                                       SIGABRT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT};
    sigfillset(out);
    for (size_t i = 0; i < sizeof free_signals / sizeof *free_signals; i++)
        sigdelset(out, free_signals[i]);
}

/* Would the signal have ended the program? */
static bool ends(int number)
{
    struct sigaction action;
    if (number == SIGCHLD || number == SIGURG || number == SIGWINCH)
        return false;
    return sigaction(number, NULL, &action) == 0 && !(action.sa_flags & SA_SIGINFO) &&
           action.sa_handler == SIG_DFL;
}

/* The requests received so far: only blocked signals are ever pending. */
static bool pending(sigset_t *out)
{
    sigset_t now;
    bool any = false;
    sigpending(&now);
    sigemptyset(out);
    for (int number = 1; number <= SIGRTMAX; number++)
        if (sigismember(&now, number) == 1 && ends(number)) {
            sigaddset(out, number);
            any = true;
        }
    return any;
}

struct stop stop_watch(void)
{
    struct stop stop;
    sigset_t all;
    blocked_signals(&all);
    pthread_sigmask(SIG_BLOCK, &all, &stop.before);
    return stop;
}

void stop_unwatch(const struct stop *stop)
{
    sigset_t requests;
    if (!sigismember(&stop->before, SIGTERM) && pending(&requests))
        while (sigtimedwait(&requests, NULL, &(struct timespec){0}) > 0)
            ;
    pthread_sigmask(SIG_SETMASK, &stop->before, NULL);
}

bool stop_requested(void)
{
    sigset_t requests;
    return pending(&requests);
}

int stop_obey(struct err *err)
{
    return stop_requested()
               ? fail_as(err, STATUS_STOPPED, "stopped; run the same command to start over")
               : 0;
}

void stop_clean(sigset_t *mask, sigset_t *changed)
{
    sigemptyset(mask);
    written_signals(changed);
}
