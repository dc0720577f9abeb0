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

double op_multiply_adds(enum op op, const struct shape *shape)
{
    uint16_t products = table[op].flags >> 8;
    struct shape filter = shape[products & 15], output = shape[products >> 4];
    output.c = 1;
    return products ? (double)shape_count(output) * (double)shape_count(filter) : 0;
}
