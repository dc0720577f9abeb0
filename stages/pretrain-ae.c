/* pretrain-ae: fit an autoencoder to images without labels. */
#include "pipeline/pipeline.h"
#include "train/autoencoder_train.h"

static int fit(const struct context *context, const struct training *where, struct err *err)
{
    return autoencoder_train(where, context->config, context_input(context, "perceptual"),
                             context->seed, context_output(context, "model"), err);
}

static int run(struct context *context, struct err *err)
{
    return context_train(context, fit, err);
}

int main(int argc, char **argv)
{
    return stage_main(argc, argv, "pretrain-ae", run);
}
