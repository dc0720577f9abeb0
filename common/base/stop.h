/*
 * Signals. No signal handler ever runs in a program that computes: oneDNN's matrix product moves the
 * stack pointer into memory from malloc, and a handler's frame on that "stack" would overwrite other
 * data. So all signals are blocked in all threads, from before the second thread starts, and long
 * work polls for a request to stop wherever it can end with nothing half done. Any signal that would
 * have ended the program (Ctrl-C, SIGTERM, a closed terminal, SIGUSR2 before a scheduler's time
 * limit) is such a request; ignored signals, as under nohup, stay ignored. Signals that need no
 * handler (SIGKILL, SIGQUIT, Ctrl-Z) are left alone.
 */
#ifndef CAIRN_BASE_STOP_H
#define CAIRN_BASE_STOP_H

#include "base/err.h"

#include <signal.h>
#include <stdbool.h>

/* Call first in a program. Opens whichever standard streams are closed, so that no file gets their
 * numbers, and ignores SIGPIPE and SIGXFSZ: a failed write is an error, never the program's end. */
void stop_never_by_writing(void);

/* Blocks the signals in this thread and in those it will create. Watches may be nested. */
struct stop {
    sigset_t before;
};
struct stop stop_watch(void);
void stop_unwatch(const struct stop *stop); /* the outermost one discards the request */

bool stop_requested(void);
/* STATUS_STOPPED if a stop is requested: for work that keeps nothing until it ends. */
int stop_obey(struct err *err);

/* The signal state for a child program: no signal blocked, default actions for `changed`. */
void stop_clean(sigset_t *mask, sigset_t *changed);

#endif
