#include "engine/op.h"

static const struct op_info table[OPS] = {
    [OP_none] = {.name = "none"},
#define OP(name, nin, nout, flags, help)                                                           \
    [OP_##name] = {#name, nin, nout, flags, help, op_##name##_infer, NULL},
#define OP_GRAD(name, nin, nout, flags, help)                                                      \
    [OP_##name] = {#name, nin, nout, flags, help, op_##name##_infer, op_##name##_grad},
#include "engine/ops.def"
};

const struct op_info *op_info(enum op op)
{
    return &table[op];
}

const char *op_name(enum op op)
{
    return table[op].name;
}
