/* What the formulas of pointwise.def and losses.def are written in, on the CPU. */
#ifndef CAIRN_ENGINE_CPU_FORMULAS_H
#define CAIRN_ENGINE_CPU_FORMULAS_H

#include "engine/cpu/math.h"

typedef float real;
#define EXP(x)     exp1(x)
#define LOG(x)     log1(x)
#define TANH(x)    tanh1(x)
#define ERF(x)     erf1(x)
#define SQRT(x)    sqrt1(x)
#define FABS(x)    abs1(x)
#define FMIN(x, y) min1(x, y)
#define FMAX(x, y) max1(x, y)

#endif
