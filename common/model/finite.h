/*
 * Whether the output of a trained model is finite. An activation may hide that it is not (the sigmoid of
 * an infinity is 1), so the values before it are tested: by the sum of their squares in each case, which
 * is not finite if one of them is not, or is absurdly large.
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
/* x [cases,...]; call it before the activation of x is appended, which may then work in place. */
void finite_watch(struct finite *out, struct graph *graph, val x, struct arena *arena);
/* After a run of the plan. what: "the decoder's logits". The error names the case by its place in the
 * batch and the first node that was not finite; the caller knows the case's name. */
int finite_check(struct finite *finite, struct plan *plan, const char *what, struct err *err);

#endif
