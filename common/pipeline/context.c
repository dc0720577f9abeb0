/* What a stage's function can ask of its run. */
#include "pipeline/pipeline.h"

#include <string.h>

const struct id *context_input(const struct context *context, const char *port)
{
    const struct place *place = context->place;
    for (int i = 0; i < place->input_count; i++)
        if (strcmp(place->inputs[i].name, port) == 0)
            return &place->inputs[i].artifact;
    return NULL;
}

const struct draft *context_output(const struct context *context, const char *output)
{
    const struct stage_info *stage = context->place->section->stage;
    for (int i = 0; stage->outputs[i].name; i++)
        if (strcmp(stage->outputs[i].name, output) == 0)
            return context->drafts[i];
    bug("'%s' has no output '%s'", stage->name, output);
}

int context_train(struct context *context,
                  int (*fit)(const struct context *context, const struct training *where,
                             struct err *err),
                  struct err *err)
{
    struct dataset dataset;
    TRY(dataset_open(&dataset, context->store, context_input(context, "dataset"), &context->meter,
                     err));
    struct training where = {.run = context->run,
                             .store = context->store,
                             .dataset = &dataset,
                             .backend = context->backend,
                             .meter = &context->meter,
                             .precision = context->spec.precision,
                             .quiet = context->options->quiet,
                             .explain = context->explain};
    int status = fit(context, &where, err);
    dataset_close(&dataset);
    return status;
}
