/*
 * Signals. No handler of a signal ever runs in a program that computes: the library's matrix
 * product moves the stack pointer into memory from malloc, and whatever a handler leaves on that
 * "stack" lies on somebody else's data. So every signal is blocked, in every thread, from before
 * there is a second one, and a request to stop is asked for where long work can end with nothing
 * half done. Whatever would have ended the program (Ctrl-C, SIGTERM, a closed terminal, SIGUSR2
 * ahead of the end of a scheduler's time) is such a request; what is ignored, as nohup has it, stays
 * so. What stops without a handler (SIGKILL, SIGQUIT, Ctrl-Z) is left alone.
 */
#ifndef CAIRN_BASE_STOP_H
#define CAIRN_BASE_STOP_H

#include "base/err.h"

#include <signal.h>
#include <stdbool.h>

/* Before anything else in a program: the three standard streams are open, so that no file gets the
 * number of a closed one, and what cannot be written is an error, never the end of the program:
 * SIGPIPE and SIGXFSZ are ignored. */
void stop_never_by_writing(void);

/* Blocks the signals in this thread and in those that it will make. Watches may be nested. */
struct stop {
    sigset_t before;
};
struct stop stop_watch(void);
void stop_unwatch(const struct stop *stop); /* the outermost forgets the request */

bool stop_requested(void);
/* STATUS_STOPPED if a stop is requested: for work of which nothing is kept before its end. */
int stop_obey(struct err *err);

/* What a program that is started from here should begin with: no signal blocked, and the default
 * actions of `changed`. */
void stop_clean(sigset_t *mask, sigset_t *changed);

#endif
