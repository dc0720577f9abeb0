/* The oracle: a backend of plain loops in double precision. F32 and BF16 values are kept as doubles,
 * so the addresses that plan_address gives are double *; only a cast to BF16 rounds. */
#ifndef CAIRN_TESTS_ORACLE_REFERENCE_H
#define CAIRN_TESTS_ORACLE_REFERENCE_H

#include "engine/backend.h"

int reference_open(struct backend **out, struct err *err);

#endif
