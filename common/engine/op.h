/* What ops.def demands of op_*.c: an infer per row, a grad per OP_GRAD row. */
#ifndef CAIRN_ENGINE_OP_H
#define CAIRN_ENGINE_OP_H

#include "engine/graph_parts.h"

#define OP(name, nin, nout, flags, help)                                                           \
    int op_##name##_infer(struct graph *graph, struct node *node);
#define OP_GRAD(name, nin, nout, flags, help)                                                      \
    OP(name, nin, nout, flags, help)                                                               \
    void op_##name##_grad(struct graph *graph, const struct node *node, const val *dout, val *din);
#include "engine/ops.def"

#endif
