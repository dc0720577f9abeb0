/* evaluate: measure a trained model on a split; evaluate predict: segment pictures with one. */
#include "nn/evaluate.h"
#include "pipeline/pipeline.h"
#include "pipeline/predict_command.h"

#include <string.h>

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
    if (argc < 2 || strcmp(argv[1], "predict") != 0)
        return stage_main(argc, argv, EVALUATE, run);
    struct err err = {0};
    spin_briefly(argv); /* before the options, which change their order */
    return finish("evaluate", predict_command(argc, argv, &err), &err);
}
