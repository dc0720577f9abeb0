/* Normalisation: batch (Ioffe and Szegedy 2015), instance and group (Wu and He 2018), with scale,
 * shift and activation in the same pass. */
#include "engine/op.h"

static int check_groups(struct graph *graph, const struct node *node, struct shape x,
                        struct shape *statistic)
{
    int32_t groups = node->attr.groups;
    if (groups < 0 || (groups && x.c % groups))
        return op_fail(graph, node, "%d channels do not divide into %d groups", x.c, groups);
    *statistic = groups ? (struct shape){x.n, 1, 1, 1, groups} : (struct shape){1, 1, 1, 1, x.c};
    return 0;
}

int op_norm_infer(struct graph *graph, struct node *node)
{
    enum dtype type;
    TRY(op_activation(graph, node, 0, &type));
    struct shape x = op_shape(graph, node, 0), channel = {1, 1, 1, 1, x.c}, statistic;
    TRY(op_same(graph, node, 1, channel));
    TRY(op_same(graph, node, 2, channel));
    TRY(check_groups(graph, node, x, &statistic));
    if (!node->in[3] != !node->in[4])
        return op_fail(graph, node, "mean and rstd are given together or not at all");
    if (node->in[3] && node->attr.groups)
        return op_fail(graph, node, "given statistics are per channel, not per group");
    TRY(op_optional(graph, node, 3, channel));
    TRY(op_optional(graph, node, 4, channel));
    TRY(op_output(graph, node, 0, x, type));
    TRY(op_output(graph, node, 1, statistic, F32));
    return op_output(graph, node, 2, statistic, F32);
}

int op_norm_grad_infer(struct graph *graph, struct node *node)
{
    enum dtype type;
    TRY(op_activation(graph, node, 1, &type));
    struct shape x = op_shape(graph, node, 1), channel = {1, 1, 1, 1, x.c}, statistic;
    TRY(check_groups(graph, node, x, &statistic));
    TRY(op_alike(graph, node, 0, 1));
    TRY(op_same(graph, node, 2, channel));
    TRY(op_same(graph, node, 3, channel));
    TRY(op_same(graph, node, 4, statistic));
    TRY(op_same(graph, node, 5, statistic));
    TRY(op_output(graph, node, 0, x, type));
    TRY(op_output(graph, node, 1, channel, F32));
    return op_output(graph, node, 2, channel, F32);
}

void op_norm_grad(struct graph *graph, const struct node *node, const val *dout, val *din)
{
    bool fixed = node->in[3] != 0;
    op_constant(graph, node, 3);
    op_constant(graph, node, 4);
    if (dout[1] || dout[2])
        op_fail(graph, node, "the statistics cannot be differentiated");
    if (!dout[0])
        return;
    const val in[] = {dout[0],
                      node->in[0],
                      node->in[1],
                      node->in[2],
                      fixed ? node->in[3] : node->out[1],
                      fixed ? node->in[4] : node->out[2]};
    struct attr attr = node->attr;
    attr.fixed = fixed;
    val out[3];
    g_append(graph, OP_norm_grad, in, &attr, out);
    for (int i = 0; i < 3; i++)
        if (g_wants_grad(graph, node->in[i]))
            din[i] = out[i];
}
