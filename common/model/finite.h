/*
 * Whether what a trained model says is made of numbers. An activation may hide what is not (the
 * sigmoid of an infinity is 1), so it is asked of the values before it: of each case the sum of their
 * squares, which is not finite where one of them is not, or is beyond all sense.
 */
#ifndef CAIRN_MODEL_FINITE_H
#define CAIRN_MODEL_FINITE_H

#include "engine/engine.h"

struct finite {
    int32_t cases;
    val sums;
    float *of_case; /* [cases] */
    int32_t bad;    /* the case that failed last; -1: none did */
};
/* x [cases,...]; to be called before what activates x is appended, which may then do it in place. */
void finite_watch(struct finite *out, struct graph *graph, val x, struct arena *arena);
/* After a run of the plan. what: "the decoder's logits". The error names the case by its place in the
 * batch and the first node that was not finite; the caller knows the case's name. */
int finite_check(struct finite *finite, struct plan *plan, const char *what, struct err *err);

#endif
