/* transfer-unet: fit a UNet to images and masks. */
#include "pipeline/pipeline.h"
#include "train/unet_train.h"

static int fit(const struct context *context, const struct training *where, struct err *err)
{
    return unet_train(where, context->config, context_input(context, "init"), context->seed,
                      context_output(context, "model"), err);
}

static int run(struct context *context, struct err *err)
{
    return context_train(context, fit, err);
}

int main(int argc, char **argv)
{
    return stage_main(argc, argv, "transfer-unet", run);
}
