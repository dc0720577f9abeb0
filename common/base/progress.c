#include "base/progress.h"

#include "base/text.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void progress_start(struct progress *progress, const char *title, int64_t first, int64_t total,
                    bool quiet)
{
    double now = clock_seconds();
    *progress = (struct progress){.title = title,
                                  .first = first,
                                  .total = total,
                                  .started = now,
                                  .shown = now,
                                  .quiet = quiet,
                                  .terminal = isatty(STDERR_FILENO) != 0};
}

void progress_step(struct progress *progress, int64_t done, double unit_per_step, const char *unit,
                   const char *note)
{
    if (progress->quiet)
        return;
    double now = clock_seconds();
    bool first_line = progress->shown == progress->started;
    double wait = progress->terminal ? (first_line ? 1.0 : 0.2) : (first_line ? 5.0 : 30.0);
    if (now - progress->shown < wait)
        return;
    progress->shown = now;
    double rate = (double)(done - progress->first) / (now - progress->started);
    char left[NUMBER_TEXT] = "?";
    if (rate > 0)
        duration_text(left, (double)(progress->total - done) / rate);
    fprintf(stderr, "%s%s: %lld/%lld  %.0f %s/s  %s left%s%s%s",
            progress->terminal ? "\r\033[K" : "", progress->title, (long long)done,
            (long long)progress->total, rate * unit_per_step, unit, left, *note ? "  " : "", note,
            progress->terminal ? "" : "\n");
    fflush(stderr);
    progress->drawn = progress->terminal;
}

void progress_end(struct progress *progress)
{
    if (progress->drawn)
        fputs("\r\033[K", stderr);
    progress->drawn = false;
}
