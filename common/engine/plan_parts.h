/*
 * Inside the engine: a graph bound to a backend. The plan copies what it needs from the graph, so
 * only the parameter store and the backend must outlive it.
 */
#ifndef CAIRN_ENGINE_PLAN_PARTS_H
#define CAIRN_ENGINE_PLAN_PARTS_H

#include "engine/graph_parts.h"

enum { PLAN_ALIGN = 64, PLAN_SENTINEL = 0xA5 };

/* What lies together at the beginning of a plan's memory: small inputs, put together, then results,
 * fetched together. */
enum packed { NOT_PACKED, PACKED_INPUT, PACKED_RESULT };

/* Where a value lives. Several values share one memory (reshaped, in place): `root` stands for all
 * of them and carries the interval of steps in which the memory is in use, ends included. */
struct planned {
    struct value value;
    int32_t root;
    enum packed packed; /* root */
    bool used;          /* has memory */
    bool reserved;      /* root: for the whole run, as an input is */
    bool placed;        /* root: has an offset */
    int32_t birth, death;
    size_t bytes, offset; /* root: in the one allocation */
};

struct step {
    enum op op;
    int args;
    val value[MAX_IN + MAX_OUT]; /* inputs, outputs */
    void *arg[MAX_IN + MAX_OUT];
    struct attr attr;
    const char *path;
    struct kernel kernel;
};

struct plan {
    struct arena arena;
    struct backend *backend;
    const struct params *params;
    struct planned *value;
    struct step *step;
    int32_t values, steps;
    uint64_t generation; /* of the parameters' addresses, as bound */
    char *memory;
    size_t bytes, values_bytes;       /* all; without the scratch at its end */
    size_t packed[PACKED_RESULT + 1]; /* bytes of each */
    unsigned char *stage;             /* the packed inputs, encoded, in lent host memory */
    bool staged;                      /* it holds what the device does not have yet */
    size_t guard;
    struct meter *meter;
    void *recording;
};

/* Decides which nodes run and which share memory, and lifetimes: fills step and value. */
void plan_schedule(struct plan *plan, const struct graph *graph);
/* Gives every root its offset; sets values_bytes. */
void plan_pack(struct plan *plan);
/* Ready to run steps: resolves their arguments again if addresses have changed since, and puts what has
 * been staged. */
int plan_settle(struct plan *plan, struct err *err);
int plan_step(struct plan *plan, int32_t index, struct err *err);

#endif
