#include "commands/model_run.h"

#include "train/model_text.h"

#include <string.h>

struct port_list {
    struct port items[MAX_PORTS];
    int count;
};

static const struct id *port_find(const struct port_list *ports, const char *name)
{
    for (int i = 0; i < ports->count; i++)
        if (strcmp(ports->items[i].name, name) == 0)
            return &ports->items[i].artifact;
    return NULL;
}

static int check_ability(const struct store *store, const struct id *artifact, enum ability ability,
                         struct arena *arena, struct err *err)
{
    struct model model;
    TRY(model_read(&model, store, artifact, arena, err));
    if (model_need(model.kind, CAN(ability), err) == 0)
        return 0;
    err->status = STATUS_USAGE; /* the choice is wrong, not a file */
    return -1;
}

int model_run_find(struct id *model, int64_t *run_of, struct store *store, enum ability ability,
                   const char *text, struct arena *arena, struct err *err)
{
    struct run_row run;
    struct port_list outputs;
    TRY(registry_find_run(store, text, arena, &run, err));
    const struct stage_info *stage = stage_of_section(run.stage);
    if (!stage || !stage->trains)
        return fail_as(err, STATUS_USAGE, "'%s' is a run of %s, which makes no model", text,
                       run.stage);
    TRY(registry_ports(store, run.id, true, arena, outputs.items, &outputs.count, err));
    const struct id *made = port_find(&outputs, "model");
    if (!made)
        return fail_as(err, STATUS_MISSING, "run %lld of %s is %s: it has no model",
                       (long long)run.id, run.stage, run.status);
    *model = *made;
    *run_of = run.id;
    if (check_ability(store, made, ability, arena, err))
        return wrap(err, "'%s' is a run of %s", text, run.stage);
    return 0;
}

int model_run_dataset(struct id *out, struct store *store, int64_t run, struct arena *arena,
                      struct err *err)
{
    struct port_list inputs;
    TRY(registry_ports(store, run, false, arena, inputs.items, &inputs.count, err));
    const struct id *dataset = port_find(&inputs, "dataset");
    if (!dataset)
        return fail_as(err, STATUS_MISSING, "the data set of run %lld is unknown", (long long)run);
    *out = *dataset;
    return 0;
}

int model_run_preprocess(struct preprocess_config *out, struct store *store, int64_t run,
                         struct arena *arena, struct err *err)
{
    struct id dataset;
    struct run_row maker;
    int64_t number = 0;
    TRY(model_run_dataset(&dataset, store, run, arena, err));
    TRY(registry_maker(store, &dataset, &number, err));
    if (!number)
        return fail_as(err, STATUS_MISSING,
                       "no run of this lab made the data set of run %lld: how its images were "
                       "resized is unknown",
                       (long long)run);
    TRY(registry_find_run(store, arena_printf(arena, "%lld", (long long)number), arena, &maker,
                          err));
    if (model_text_bind(out, preprocess_fields, maker.config, "config", arena, err))
        return wrap(err, "run %lld of %s", (long long)number, maker.stage);
    return 0;
}
