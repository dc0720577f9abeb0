/*
 * Shapes to test every op at, demanded by ops.def: a row without its cases_NAME does not compile. A
 * case is one node; case_run runs it on any backend with the same numbers, so that two backends can
 * be compared. Cases bound for central differences are small; a few are large enough that a backend
 * uses its threads.
 */
#ifndef CAIRN_TESTS_ORACLE_CASES_H
#define CAIRN_TESTS_ORACLE_CASES_H

#include "engine/backend.h"

enum content {
    ABSENT,
    ANY,      /* in [-2, 2] */
    POSITIVE, /* in [0.5, 2] */
    UNIT,     /* in [0, 1], the ends included */
    NOT_A_NUMBER,
    INFINITE,
    LABEL,     /* i32 in [0, classes), now and then attr.ignore */
    BAD_LABEL, /* the same, the last one is `classes` */
    WINNER,    /* u8, a position of the window that lies inside */
    CLOCK,
    RATES_AT_STEP_3, /* Adam's, beta 0.9 and 0.999 */
};

struct operand {
    enum content content;
    struct shape shape;
    bool stored; /* in the parameter store, and read back as a result */
    bool fixed;  /* has no derivative */
};

struct op_case {
    const char *name;
    struct operand in[MAX_IN];
    struct attr attr;
    int32_t classes;
    unsigned unread; /* bit i: nobody reads output i */
};

const struct op_case *op_cases(enum op op, int *count);

/* A program of one node. `trained`: every operand that has a derivative is a parameter of group
 * "x", else an input; in_place: input 0 is a temporary that dies here. */
struct case_program {
    enum op op;
    const struct op_case *test;
    struct params *params;
    struct graph *graph;
    struct plan *plan;
    val operand[MAX_IN]; /* what case_fill writes to */
    val out[MAX_OUT];
};
struct case_form {
    bool trained, in_place;
    bool half; /* activations are inputs cast to BF16 */
    size_t guard;
};
/* Builds the graph. The caller may append to it before case_plan. */
void case_build(struct case_program *program, enum op op, const struct op_case *test,
                struct case_form form);
/* Realises, plans and fills the operands. */
int case_plan(struct case_program *program, struct backend *backend, struct case_form form,
              struct err *err);
void case_free(struct case_program *program);

/* What a node left behind: outputs that are read, then stored operands, as floats. */
struct case_result {
    int count;
    float *data[MAX_OUT + MAX_IN];
    int64_t length[MAX_OUT + MAX_IN];
};
/* Builds, runs, checks the guards, reads. */
int case_run(struct case_result *result, enum op op, const struct op_case *test,
             struct backend *backend, struct case_form form, struct err *err);
void case_result_free(struct case_result *result);

/* Largest difference over the largest magnitude of `want`; NaN equals NaN, infinity itself. */
double scaled_error(const float *got, const float *want, int64_t count);

#endif
