/*
 * The progress of long work, on stderr: one line redrawn in place on a terminal, a plain line now
 * and then elsewhere (so that logs stay readable), nothing when quiet. Work that ends within a
 * second shows nothing.
 */
#ifndef CAIRN_BASE_PROGRESS_H
#define CAIRN_BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *title;
    int64_t total, first; /* first: where a resumed run began */
    double started, shown;
    bool quiet, terminal, drawn;
};

double clock_seconds(void); /* monotonic */

void progress_start(struct progress *progress, const char *title, int64_t first, int64_t total,
                    bool quiet);
/* note: shown after rate and time left, e.g. "loss 101.3"; may be "". unit_per_step: what one step
 * counts in the displayed rate (samples per step), unit: its name. Cheap when no update is due. */
void progress_step(struct progress *progress, int64_t done, double unit_per_step, const char *unit,
                   const char *note);
/* Ends the line so that other output can follow. */
void progress_end(struct progress *progress);

#endif
