#include "model/perceptual.h"

#include <math.h>

val perceptual_error(struct graph *g, const struct model *network, val image, val target)
{
    val seen[MAX_TAPS], wanted[MAX_TAPS], total = 0;
    graph_borrow(g, PERCEPTUAL_GROUP);
    int count = network->kind->features(g, network->description, image, seen);
    network->kind->features(g, network->description, target, wanted);
    graph_return(g);
    for (int i = 0; i < count; i++) {
        struct shape one = g_shape(g, seen[i]);
        one.n = 1;
        val error = g_affine(g, g_loss(g, OP_mse, seen[i], wanted[i]),
                             1.0f / ((float)shape_count(one) * (float)count), 0);
        total = total ? g_binary(g, OP_add, total, error) : error;
    }
    return total;
}

int perceptual_check(const struct model *network, struct range range, int64_t channels,
                     struct err *err)
{
    const struct model_facts *its = &network->facts;
    TRY(model_need(network->kind, CAN(FEATURES), err));
    if (its->data.c != channels && !(its->repeats && channels == 1))
        return fail_as(err, STATUS_BAD_DATA,
                       "the perceptual network sees images of %lld channels, these have %lld",
                       (long long)its->data.c, (long long)channels);
    if (isfinite(its->range.high - its->range.low) &&
        (its->range.low != range.low || its->range.high != range.high))
        return fail_as(err, STATUS_BAD_DATA,
                       "the perceptual network sees values from %g to %g, these are from %g to %g",
                       (double)its->range.low, (double)its->range.high, (double)range.low,
                       (double)range.high);
    return 0;
}
