/* What the function of a stage asks of the run that it is part of. */
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

/* By its name in the registry, as that of a section. */
struct stage_query {
    int64_t run;
    const struct stage_info *stage;
};

static int take_stage(void *user, const struct run_row *row, struct err *err)
{
    (void)err;
    struct stage_query *query = user;
    if (row->id == query->run)
        query->stage = stage_of_section(row->stage);
    return 0;
}

static int maker_of_artifact(const struct stage_info **out, const struct context *context,
                             const char *port, const struct id *artifact, struct err *err)
{
    struct stage_query query = {0};
    TRY(registry_maker(context->store, artifact, &query.run, err));
    if (query.run)
        TRY(registry_runs(context->store, NULL, query.run + 1, 1, take_stage, &query, err));
    if (!query.stage)
        return fail_as(err, STATUS_MISSING, "input '%s': no run of this lab made artifact '%s'",
                       port, artifact->hex);
    *out = query.stage;
    return 0;
}

int context_input_maker(const struct stage_info **out, const struct context *context,
                        const char *port, struct err *err)
{
    const struct place *place = context->place;
    for (int i = 0; i < place->input_count; i++) {
        if (strcmp(place->inputs[i].name, port) != 0)
            continue;
        if (!place->makers[i])
            return maker_of_artifact(out, context, port, &place->inputs[i].artifact, err);
        *out = place->makers[i]->section->stage;
        return 0;
    }
    bug("'%s' does not read '%s'", place->section->name, port);
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
