/* stage_main: from a command line to at most one run of one stage. */
#include "pipeline/explain.h"
#include "pipeline/pipeline.h"

#include "base/file.h"
#include "base/stop.h"
#include "base/text.h"
#include "base/threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char *const stage_options[] = {"set",     "variant", "seed", "cell",    "section",
                                            "explain", "again",   "json", "verbose", NULL};
static const char *const compute_options[] = {"set",     "variant", "seed",  "cell",
                                              "section", "explain", "again", "json",
                                              "verbose", "threads", NULL};

/* ---- which place ---------------------------------------------------------------------------- */

struct choice {
    size_t variant; /* index */
    uint64_t seed;
    const char *section;
};

static int choose_cell(size_t *variant, uint64_t *seed, const struct options *options,
                       const struct experiment *experiment, struct err *err)
{
    *variant = experiment->baseline;
    *seed = experiment->seeds[0];
    if (options->cell >= 0 && (options->variant || options->seed >= 0))
        return fail_as(err, STATUS_USAGE,
                       "--cell gives variant and seed: use it without --variant and --seed");
    if (options->cell >= 0) {
        size_t cell = (size_t)options->cell;
        if (cell >= experiment->variant_count * experiment->seed_count)
            return fail_as(err, STATUS_USAGE, "--cell %zu: '%s' has %zu cells", cell,
                           experiment->name, experiment->variant_count * experiment->seed_count);
        *variant = cell / experiment->seed_count;
        *seed = experiment->seeds[cell % experiment->seed_count];
        return 0;
    }
    if (options->variant) {
        for (*variant = 0; strcmp(experiment->variants[*variant].name, options->variant) != 0;)
            if (++*variant == experiment->variant_count)
                return fail_as(err, STATUS_USAGE, "--variant: '%s' has no variant '%s'",
                               experiment->name, options->variant);
    }
    if (options->seed >= 0) {
        size_t i = 0;
        while (i < experiment->seed_count && experiment->seeds[i] != (uint64_t)options->seed)
            i++;
        if (i == experiment->seed_count)
            return fail_as(err, STATUS_USAGE,
                           "--seed %lld: not a seed of '%s' (use --set seed=%lld to run it)",
                           (long long)options->seed, experiment->name, (long long)options->seed);
        *seed = experiment->seeds[i];
    }
    return 0;
}

static int choose_section(const char **out, const struct options *options,
                          const struct stage_info *stage, const struct variant *variant,
                          struct err *err)
{
    int found = 0;
    for (size_t i = 0; i < variant->count; i++) {
        const struct section *section = &variant->sections[i];
        if (section->stage != stage ||
            (options->section && strcmp(options->section, section->name) != 0))
            continue;
        *out = section->name;
        found++;
    }
    if (!found)
        return fail_as(err, STATUS_USAGE, "variant '%s' has no section '%s'", variant->name,
                       options->section ? options->section : stage->name);
    if (found > 1)
        return fail_as(err, STATUS_USAGE, "'%s' has several sections: choose with --section",
                       stage->name);
    return 0;
}

static int choose(struct choice *out, const struct options *options,
                  const struct experiment *experiment, const struct stage_info *stage,
                  struct err *err)
{
    *out = (struct choice){0};
    TRY(choose_cell(&out->variant, &out->seed, options, experiment, err));
    return choose_section(&out->section, options, stage, &experiment->variants[out->variant], err);
}

/* ---- describing the place ------------------------------------------------------------------- */

static void print_result(const struct options *options, const struct place *place, int64_t run,
                         bool known, const struct port *outputs, int count)
{
    if (!options->json) {
        for (int i = 0; i < count; i++)
            printf("%s%s%s\n", count > 1 ? outputs[i].name : "", count > 1 ? " " : "",
                   outputs[i].artifact.hex);
        return;
    }
    struct json json = {0};
    json_begin(&json, NULL, "{*, *}\n");
    json_text(&json, "stage", place->section->stage->name);
    json_raw(&json, "run", "%lld", (long long)run);
    json_text(&json, "recipe", place->recipe.hex);
    json_raw(&json, "known", known ? "true" : "false");
    json_begin(&json, "outputs", "{*, *}");
    for (int i = 0; i < count; i++)
        json_text(&json, outputs[i].name, outputs[i].artifact.hex);
    json_end(&json);
    json_print(&json);
}

static struct context context_of(const struct options *options, const struct experiment *experiment,
                                 struct store *store, const struct place *place)
{
    const struct backend_config *backend = &experiment->variants[place->variant].backend;
    bool trains = place->section->stage->trains;
    return (struct context){
        .options = options,
        .place = place,
        .store = store,
        .config = place->section->config,
        .seed = place->seed,
        .spec = {.device = backend->device,
                 .threads = (int)(backend->threads > 0 ? backend->threads : options->threads),
                 .precision = trains ? (enum dtype)backend->precision : F32}};
}

/* A stage that computes gets a backend, and the run records its numerics. */
static int perform(struct context *context, int (*run)(struct context *, struct err *),
                   struct err *err)
{
    if (context->place->section->stage->compute) {
        TRY(backend_open(&context->backend, &context->spec, &context->meter, err));
        if (context->run)
            run_numerics(context->run, backend_numerics(context->backend));
    }
    int status = run(context, err);
    backend_close(context->backend);
    context->backend = NULL;
    return status;
}

/* A trainer also reports its memory, based on its data set. */
static int explain_place(struct context *context, const struct experiment *experiment,
                         int (*run)(struct context *, struct err *), struct err *err)
{
    const struct place *place = context->place;
    struct text memory = {0};
    int status = 0;
    if (place->section->stage->trains && place->state != PLACE_WAITING && context->store) {
        context->explain = &memory;
        status = perform(context, run, err);
        context->explain = NULL;
    }
    if (!status)
        status = explain(place, experiment, context->store, context->options->json,
                         memory.data ? memory.data : "", err);
    text_free(&memory);
    return status;
}

static int missing_input(const struct place *place, struct err *err)
{
    for (int i = 0; i < place->input_count; i++)
        if (!*place->inputs[i].artifact.hex)
            return fail_as(
                err, STATUS_MISSING,
                "input '%s' is not computed yet: run '%s' first (as make experiment= does)",
                place->inputs[i].name, place->makers[i]->section->name);
    bug("'%s' waits for nothing", place->section->name);
}

void say_network(const struct options *options, const struct store *store)
{
    if (store_network(store) && !options->quiet)
        fprintf(stderr,
                "lab '%s' is on a network file system (%s): no write-ahead log, and one process "
                "writes to the registry at a time\n",
                store_lab(store), store_network(store));
}

static void say_waiting(const struct holder *holder)
{
    struct text text = {0};
    text_printf(&text, "waiting for run %lld of process %lld on '%s', which has the same recipe",
                (long long)holder->run, (long long)holder->pid, holder->host);
    char registry[PATH_BYTES];
    struct err err;
    if (holder->elsewhere && !program_beside(registry, "registry", &err)) {
        text_puts(&text, "; whether it is alive cannot be determined from here. If it is gone: ");
        text_shell(&text, registry);
        text_printf(&text, " release %lld --lab ", (long long)holder->run);
        text_shell(&text, holder->lab);
    }
    fprintf(stderr, "%s\n", text.data);
    text_free(&text);
}

/* Shown even with --quiet: the wait may be endless. */
static void say_if_for_ever(const struct holder *holder)
{
    if (holder->elsewhere)
        say_waiting(holder);
}

/* A missing result may have been removed on purpose, a truncated one never. */
static void say_cut(const struct store *store, const struct place *place)
{
    char path[PATH_BYTES];
    for (int i = 0; i < place->output_count; i++)
        if (artifact_cut(path, store, &place->outputs[i].artifact))
            fprintf(stderr, "object '%s' has the wrong size: it is made again\n", path);
}

/* ---- the run -------------------------------------------------------------------------------- */

/* Sources hashed before the run must be unchanged after it: otherwise an old recipe would lead to
 * new bytes. */
static int check_sources(struct store *store, const struct place *place, struct err *err)
{
    for (int i = 0; i < place->source_count; i++) {
        struct id now;
        TRY(stop_obey(err) || sha256_file(&now, NULL, place->sources[i].path, err));
        if (strcmp(now.hex, place->source_ids[i].hex) == 0)
            continue;
        TRY(store_forget_file(store, place->sources[i].path, err));
        return fail_as(err, STATUS_BAD_DATA, "'%s' changed while it was read: run again",
                       place->sources[i].path);
    }
    return 0;
}

/* Seals all outputs or leaves none. Returns how many, or -1. */
static int produce(struct context *context, int (*run)(struct context *, struct err *),
                   struct port outputs[MAX_PORTS], struct err *err)
{
    const struct output_info *made = context->place->section->stage->outputs;
    int count = 0, status = -1;
    for (; made[count].name; count++)
        if (draft_open(&context->drafts[count], context->store, err))
            goto done;
    if (perform(context, run, err) || check_sources(context->store, context->place, err))
        goto done;
    for (int i = 0; i < count; i++) {
        struct draft *draft = context->drafts[i];
        context->drafts[i] = NULL;
        outputs[i].name = made[i].name;
        if (draft_seal(draft, &outputs[i].artifact, err))
            goto done;
    }
    status = count;
done:
    for (int i = 0; i < count; i++)
        draft_drop(context->drafts[i]);
    return status;
}

static int claim(struct run **out, const struct options *options, struct store *store,
                 const struct place *place, struct arena *arena, struct port *outputs, int *count,
                 struct err *err)
{
    struct text config = {0};
    config_dump(&config, place->section->stage->fields, place->section->config, "");
    struct run_spec spec = {.stage = place->section->stage->name,
                            .recipe_text = place->recipe_text,
                            .build = build_id(),
                            .config = config.data ? config.data : "",
                            .inputs = place->inputs,
                            .input_count = place->input_count,
                            .again = options->again};
    int known = run_claim(out, store, &spec, arena, outputs, count,
                          options->quiet ? say_if_for_ever : say_waiting, err);
    text_free(&config);
    return known;
}

/* A property of the run, like its duration: it is in no artifact. */
static void record_memory(struct run *run)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        run_metric(run, "stage/peak_resident_bytes", -1, 1024.0 * (double)usage.ru_maxrss);
}

static int run_place(struct context *context, int (*run)(struct context *, struct err *),
                     struct err *err)
{
    const struct options *options = context->options;
    const struct place *place = context->place;
    struct arena arena = {0};
    struct port outputs[MAX_PORTS];
    int count = 0;
    TRY(registry_sweep(context->store, err)); /* removes what killed runs left, of any recipe */
    int known = claim(&context->run, options, context->store, place, &arena, outputs, &count, err);
    int64_t number = known ? place->run : run_id(context->run);
    int status = known < 0 ? -1 : 0;
    if (!known) {
        say_cut(context->store, place);
        count = produce(context, run, outputs, err);
        if (count < 0) {
            run_end(context->run, err);
            status = -1;
        } else {
            record_memory(context->run);
            status = run_commit(context->run, outputs, count, err);
        }
    }
    if (!status)
        print_result(options, place, number, known, outputs, count);
    arena_free(&arena);
    return status;
}

static int find_and_run(const struct options *options, char **argv, const struct choice *choice,
                        const struct experiment *experiment, struct store *store,
                        int (*run)(struct context *, struct err *), struct err *err)
{
    struct resolution resolution;
    TRY(resolve(&resolution, experiment, store, options->data, (int64_t)choice->variant,
                (int64_t)choice->seed, err));
    const struct place *place =
        resolution_find(&resolution, choice->variant, choice->seed, choice->section);
    struct context context = context_of(options, experiment, store, place);
    int status = 0;
    if (options->verbose)
        explain_recipe(stderr, place);
    if (options->explain) {
        status = explain_place(&context, experiment, run, err);
    } else if (place->state == PLACE_KNOWN && !options->again) {
        print_result(options, place, place->run, true, place->outputs, place->output_count);
    } else if (place->state == PLACE_WAITING) {
        status = missing_input(place, err);
    } else {
        if (place->section->stage->compute)
            threads_spin_briefly(argv);
        if (options->cell < 0) /* otherwise the plan has reported it */
            say_network(options, store);
        status = run_place(&context, run, err);
    }
    resolution_free(&resolution);
    return status;
}

/* Errors in the selection are reported before there is a lab. */
static int open_and_run(const struct options *options, char **argv, const struct stage_info *stage,
                        const struct experiment *experiment,
                        int (*run)(struct context *, struct err *), struct err *err)
{
    struct choice choice;
    struct store *store = NULL;
    TRY(choose(&choice, options, experiment, stage, err));
    int status = store_open(&store, options->lab, !options->explain, err);
    if (status && options->explain && err->status == STATUS_MISSING)
        status = 0; /* no lab yet, so nothing is known; --explain does not create one */
    if (!status) {
        status = find_and_run(options, argv, &choice, experiment, store, run, err);
        store_close(store);
    }
    return status;
}

static int run_stage(int argc, char **argv, const struct stage_info *stage,
                     int (*run)(struct context *, struct err *), struct err *err)
{
    struct options options;
    struct text help = {0};
    text_printf(&help, "%s: %s\n", stage->name, stage->help);
    if (stage->also)
        text_printf(&help, "%s\n", stage->also);
    text_puts(&help, "\nkeys of its section:\n");
    config_help(&help, stage->fields, "");
    int status = options_parse(&options, argc, argv, "EXPERIMENT.yaml [OPTION ...]", help.data,
                               stage->compute ? compute_options : stage_options, err);
    text_free(&help);
    TRY(status);
    if (options.argument_count != 1)
        return fail_as(err, STATUS_USAGE, "one experiment file expected (--help)");
    struct experiment experiment;
    TRY(experiment_load(&experiment, options.arguments[0], options.changes, options.change_count,
                        err));
    status = open_and_run(&options, argv, stage, &experiment, run, err);
    experiment_free(&experiment);
    return status;
}

int stage_main(int argc, char **argv, const char *name,
               int (*run)(struct context *context, struct err *err))
{
    struct err err = {0};
    stop_never_by_writing();
    stop_watch();
    int status = run_stage(argc, argv, stage_of_section(name), run, &err);
    return finish(name, status, &err);
}
