/* evaluate: measure a trained model on a split. */
#include "nn/evaluate.h"
#include "pipeline/pipeline.h"

static int run(struct context *context, struct err *err)
{
    struct dataset dataset;
    TRY(dataset_open(&dataset, context->store, context_input(context, "dataset"), &context->meter,
                     err));
    struct evaluation what = {.run = context->run,
                              .store = context->store,
                              .dataset = &dataset,
                              .model = context_input(context, "model"),
                              .judge = context_input(context, "judge"),
                              .meter = &context->meter,
                              .threads = context->threads,
                              .quiet = context->options->quiet};
    enum stage_kind maker;
    int status = context_input_maker(&maker, context, "model", err);
    if (!status)
        status = (maker == TRANSFER_UNET ? evaluate_unet : evaluate_vae)(&what, context->config,
                                                                         context->draft, err);
    dataset_close(&dataset);
    return status;
}

int main(int argc, char **argv)
{
    return stage_main(argc, argv, EVALUATE, run);
}
