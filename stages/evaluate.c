/* evaluate: measure a trained model on a split; evaluate predict, encode, decode: use one. */
#include "base/stop.h"
#include "base/threads.h"
#include "commands/latents_command.h"
#include "commands/predict_command.h"
#include "evaluate/evaluate.h"
#include "pipeline/pipeline.h"

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
                              .lpips = context_input(context, "lpips"),
                              .backend = context->backend,
                              .meter = &context->meter,
                              .quiet = context->options->quiet};
    int status = evaluate(&what, context->config, context_output(context, "evaluation"), err);
    dataset_close(&dataset);
    return status;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv, struct err *err);
} commands[] = {
    {"predict", predict_command},
    {"encode", encode_command},
    {"decode", decode_command},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        struct err err = {0};
        stop_never_by_writing();
        stop_watch();
        threads_spin_briefly(argv); /* before options are parsed, which reorders them */
        return finish("evaluate", commands[i].run(argc, argv, &err), &err);
    }
    return stage_main(argc, argv, "evaluate", run);
}
