/*
 * Errors. A function that can fail returns 0 or -1 and takes `struct err *` as its last argument.
 * The first failure sets one line of text and the exit status; callers put context in front with
 * wrap() or pass it up with TRY(). Library code never prints and never exits.
 *
 * Text style: lower case, no full stop, what failed first, the subject quoted.
 */
#ifndef CAIRN_BASE_ERR_H
#define CAIRN_BASE_ERR_H

/* -ffast-math, -Ofast and their parts would change results and remove the checks for NaN. */
#if defined __FAST_MATH__ || (defined __FINITE_MATH_ONLY__ && __FINITE_MATH_ONLY__) ||             \
    defined __ASSOCIATIVE_MATH__ || defined __RECIPROCAL_MATH__ || defined __NO_SIGNED_ZEROS__
#error "CFLAGS: fast-math (-ffast-math, -Ofast or a part of them) changes results"
#endif

/* Exit statuses of a program; the values are those of sysexits(3) where one fits. */
enum status {
    STATUS_OK = 0,
    STATUS_FAILED = 1,
    STATUS_USAGE = 64,
    STATUS_BAD_DATA = 65,
    STATUS_MISSING = 66,
    STATUS_IO = 74,
    STATUS_STOPPED = 75, /* stopped early, can be resumed */
    STATUS_CONFIG = 78,  /* bad configuration, or a registry from a newer version */
};

struct err {
    enum status status;
    char text[1024];
};

/* Sets the text and STATUS_FAILED; returns -1. */
int fail(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Sets the text and the given status; returns -1. */
int fail_as(struct err *err, enum status status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Sets STATUS_IO and appends ": " and the text of errno; returns -1. */
int fail_errno(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Puts "context: " in front of the existing text, keeping the status; returns -1. */
int wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A broken invariant of our own (never of the user's input): prints file:line and aborts. */
_Noreturn void bug_at(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
#define bug(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)

#define TRY(call)                                                                                  \
    do {                                                                                           \
        if (call)                                                                                  \
            return -1;                                                                             \
    } while (0)

#endif
