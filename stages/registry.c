/* registry: look up what was run, what it made, and why two runs differ. */
#include "pipeline/explain.h"
#include "pipeline/pipeline.h"

#include "base/stop.h"
#include "base/text.h"
#include "train/weights_import.h"
#include "view/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char usage[] =
    "ls [STAGE] | show RUN | why RUN [RUN2] | verify [--all | RUN | EXPERIMENT] | "
    "rebuild | release RUN | import-weights FILE [FILE] --as NAME [OPTION ...]";
static const char help[] =
    "ls [STAGE]       the runs, newest first\n"
    "show RUN         one run: recipe, inputs, outputs, final metrics, events\n"
    "why RUN [RUN2]   what differs between two runs (RUN2: the nearest earlier run of the stage)\n"
    "verify [--all]   read all objects, and compare all rows with the runs' records\n"
    "verify RUN       the same for one run, or for all that the latest plan of an\n"
    "verify EXPERIMENT  experiment (its file or its name) stands for\n"
    "rebuild          make a damaged registry again, from the records of all finished runs\n"
    "release RUN      a running run's owner on another machine is gone: others need not wait\n"
    "import-weights FILE [FILE] --as NAME\n"
    "                 an artifact of the weights in safetensors files, to be named artifact:ID\n"
    "                 by inputs; its id is printed. vgg16 and alexnet: torchvision's\n"
    "                 features.N.weight and .bias; sequence: these names, and metadata\n"
    "                 'convnet', the lines of a model.txt; with linK.model.1.weight, as LPIPS\n"
    "                 calls them, in either file it can compare images\n\n"
    "RUN is a number, or the beginning of a recipe's or artifact's id; ls, show and why take "
    "--json\n";

static void date_text(char out[32], double seconds)
{
    time_t whole = (time_t)seconds;
    struct tm tm;
    localtime_r(&whole, &tm);
    strftime(out, 32, "%Y-%m-%d %H:%M:%S", &tm);
}

/* ---- ls ------------------------------------------------------------------------------------- */

enum { LIST_COLUMNS = 7, LIST_MOST = 1000 };
struct list {
    struct arena *arena;
    struct table_cell cells[LIST_MOST * LIST_COLUMNS];
    size_t rows;
};

static int list_row(void *user, const struct run_row *run, struct err *err)
{
    (void)err;
    struct list *list = user;
    char started[32], duration[NUMBER_TEXT];
    date_text(started, run->started);
    struct table_cell *cell = &list->cells[list->rows++ * LIST_COLUMNS];
    cell[0].text = arena_printf(list->arena, "%lld", (long long)run->id);
    cell[1].text = arena_strdup(list->arena, run->stage);
    cell[2].text = arena_strdup(list->arena, run->status);
    cell[3].text = arena_strdup(list->arena, started);
    cell[4].text = arena_strdup(list->arena, duration_text(duration, run->seconds));
    cell[5].text = arena_printf(list->arena, "%.12s", run->recipe.hex);
    cell[6].text = arena_strdup(list->arena, run->error ? run->error : "");
    return 0;
}

static int list(const struct options *options, struct store *store, struct arena *arena,
                struct err *err)
{
    static const char *const heads[LIST_COLUMNS] = {"run",  "stage",  "status", "started",
                                                    "took", "recipe", "error"};
    static const bool right[LIST_COLUMNS] = {true, false, false, false, true, false, false};
    const char *stage = options->argument_count > 1 ? options->arguments[1] : NULL;
    struct list *rows = arena_alloc(arena, sizeof *rows);
    int64_t all;
    rows->arena = arena;
    TRY(registry_runs(store, stage, 0, LIST_MOST, list_row, rows, err));
    TRY(registry_count_runs(store, stage, &all, err));
    struct table table = {.columns = LIST_COLUMNS,
                          .rows = rows->rows,
                          .heads = heads,
                          .right = right,
                          .cells = rows->cells};
    struct text out = {0};
    table_write(&out, &table, options->json ? TABLE_JSON : TABLE_TEXT);
    fputs(out.data, stdout);
    text_free(&out);
    if (all > LIST_MOST && !options->quiet)
        fprintf(stderr, "the newest %d of %lld runs\n", LIST_MOST, (long long)all);
    return 0;
}

/* ---- show ----------------------------------------------------------------------------------- */

static int show_metric(void *user, const struct metric_row *row, struct err *err)
{
    (void)user, (void)err;
    char number[NUMBER_TEXT];
    printf("metric   %s = %s\n", row->name, number_text(number, row->value));
    return 0;
}

static int show_event(void *user, double at, const char *kind, const char *detail, struct err *err)
{
    (void)user, (void)err;
    char when[32];
    date_text(when, at);
    printf("event    %s %s %s\n", when, kind, detail);
    return 0;
}

static int show_ports(struct store *store, int64_t run, bool outputs, struct arena *arena,
                      struct err *err)
{
    struct port ports[MAX_PORTS];
    int count;
    TRY(registry_ports(store, run, outputs, arena, ports, &count, err));
    for (int i = 0; i < count; i++) {
        printf("%s %s %s\n", outputs ? "output  " : "input   ", ports[i].name,
               ports[i].artifact.hex);
        if (!outputs)
            continue;
        struct manifest manifest;
        TRY(artifact_manifest(&manifest, arena, store, &ports[i].artifact, err));
        for (size_t j = 0; j < manifest.count; j++)
            printf("           %-24s %12lld bytes  %s\n", manifest.lines[j].name,
                   (long long)manifest.lines[j].size, manifest.lines[j].object.hex);
    }
    return 0;
}

static int show(const struct options *options, struct store *store, struct arena *arena,
                struct err *err)
{
    struct run_row run;
    char when[32], duration[NUMBER_TEXT], *recipe;
    TRY(registry_find_run(store, options->arguments[1], arena, &run, err));
    bool differs = strcmp(run.status, "done") == 0 && record_check(store, run.id, err) &&
                   err->status != STATUS_MISSING;
    if (options->json)
        return differs ? -1 : run_json(store, &run, arena, err);
    date_text(when, run.started);
    printf("run      %lld\nstage    %s\nstatus   %s\nstarted  %s\ntook     %s\nbuild    %s\n",
           (long long)run.id, run.stage, run.status, when, duration_text(duration, run.seconds),
           run.build);
    printf("numerics %s\nrecipe   %s\n", run.numerics ? run.numerics : "-", run.recipe.hex);
    if (run.error && *run.error)
        printf("error    %s\n", run.error);
    TRY(registry_recipe_text(&recipe, store, &run.recipe, err));
    for (const char *p = recipe; *p;) {
        size_t length = strcspn(p, "\n");
        printf("           %.*s\n", (int)length, p);
        p += length + (p[length] == '\n');
    }
    free(recipe);
    TRY(show_ports(store, run.id, false, arena, err));
    TRY(show_ports(store, run.id, true, arena, err));
    TRY(registry_metrics(store, run.id, true, show_metric, NULL, err));
    TRY(registry_events(store, run.id, show_event, NULL, err));
    return differs ? -1 : 0;
}

/* ---- why ------------------------------------------------------------------------------------ */

static int why(const struct options *options, struct store *store, struct arena *arena,
               struct err *err)
{
    struct run_row run, other = {0};
    TRY(registry_find_run(store, options->arguments[1], arena, &run, err));
    if (options->argument_count > 2)
        TRY(registry_find_run(store, options->arguments[2], arena, &other, err));
    else
        TRY(why_nearest(&other.id, store, run.id, err));
    if (!other.id && options->json)
        differences_json(0, run.id, NULL);
    if (!other.id) {
        fprintf(stderr, "run %lld: no earlier run of its stage has another recipe\n",
                (long long)run.id);
        return 0;
    }
    struct text items = {0};
    /* the later run is compared with the earlier one */
    int64_t from = other.id < run.id ? other.id : run.id,
            to = other.id < run.id ? run.id : other.id;
    int status = why_differ(&items, store, from, to, err);
    if (!status) {
        fprintf(stderr, "run %lld -> run %lld%s\n", (long long)from, (long long)to,
                items.length ? "" : ": nothing differs");
        if (options->json)
            differences_json(from, to, items.data);
        else
            fputs(items.data ? items.data : "", stdout);
    }
    text_free(&items);
    return status;
}

/* ---- verify --------------------------------------------------------------------------------- */

static void print_damage(void *user, const char *damage)
{
    (void)user;
    puts(damage);
}

struct verification {
    struct store *store;
    struct verify *verify;
    struct arena *arena;
    size_t cells;
};

static int verify_cell(void *user, const struct cell *cell, struct err *err)
{
    struct verification *v = user;
    struct port outputs[MAX_PORTS];
    struct run_row run;
    int64_t number = 0;
    int count;
    v->cells++;
    if (!*cell->recipe.hex)
        return 0;
    int known = registry_lookup(v->store, &cell->recipe, v->arena, &number, outputs, &count, err);
    if (!number)
        return known;
    TRY(registry_find_run(v->store, arena_printf(v->arena, "%lld", (long long)number), v->arena,
                          &run, err));
    return verify_run(v->verify, &run, err);
}

/* By the name of its plan in the registry, which the file gives. */
static int verify_experiment(struct verification *v, const char *text, struct err *err)
{
    if (!ends_with(text, ".yaml"))
        return registry_cells(v->store, text, verify_cell, v, err);
    struct experiment experiment;
    TRY(experiment_load(&experiment, text, NULL, 0, err));
    int status = registry_cells(v->store, experiment.name, verify_cell, v, err);
    if (!status && !v->cells)
        status = fail_as(err, STATUS_MISSING, "no plan of '%s' in lab '%s'", experiment.name,
                         store_lab(v->store));
    experiment_free(&experiment);
    return status;
}

static int verify_argument(struct verification *v, const char *text, struct err *err)
{
    struct run_row run;
    TRY(verify_experiment(v, text, err));
    if (v->cells)
        return 0;
    TRY(registry_find_run(v->store, text, v->arena, &run, err));
    return verify_run(v->verify, &run, err);
}

static int verify(const struct options *options, struct store *store, struct arena *arena,
                  struct err *err)
{
    struct verification v = {store, verify_open(store, print_damage, NULL), arena, 0};
    int status = options->argument_count > 1 ? verify_argument(&v, options->arguments[1], err)
                                             : verify_all(v.verify, err);
    struct verified counts = verify_close(v.verify);
    TRY(status);
    if (counts.damaged)
        return fail_as(
            err, STATUS_BAD_DATA, "damage, named above: %lld (checked: %lld objects, %lld runs)",
            (long long)counts.damaged, (long long)counts.objects, (long long)counts.runs);
    if (!options->quiet)
        fprintf(stderr, "sound: %lld objects, %lld runs\n", (long long)counts.objects,
                (long long)counts.runs);
    return 0;
}

/* ---- rebuild -------------------------------------------------------------------------------- */

static void note_damage(void *user, const char *damage)
{
    fprintf(stderr, "%s: %s\n", (const char *)user, damage);
}

static int rebuild(const struct options *options, struct store *store, struct arena *arena,
                   struct err *err)
{
    (void)store, (void)arena;
    int64_t runs;
    TRY(store_rebuild(options->lab, &runs, note_damage, (void *)(uintptr_t)options->program, err));
    if (!options->quiet)
        fprintf(stderr,
                "%lld runs restored from their records; plans return when they are made again\n",
                (long long)runs);
    printf("%s/registry.db\n", options->lab);
    return 0;
}

/* ---- release -------------------------------------------------------------------------------- */

static int release(const struct options *options, struct store *store, struct arena *arena,
                   struct err *err)
{
    struct run_row run;
    TRY(registry_find_run(store, options->arguments[1], arena, &run, err));
    return registry_release(store, run.id, err);
}

/* ---- import-weights ------------------------------------------------------------------------- */

/* What the files hold, and what they are taken for; no path. */
static int import_recipe(struct text *out, const struct options *options, struct store *store,
                         struct err *err)
{
    text_printf(out, "stage=import-weights\nversion=1\nas=%s\n", options->as);
    for (int i = 1; i < options->argument_count; i++) {
        struct id id;
        TRY(store_hash_file(store, options->arguments[i], &id, err));
        text_printf(out, "source weights.%d %s\n", i, id.hex);
    }
    return 0;
}

static int import_files(struct port *output, const struct options *options, struct store *store,
                        struct err *err)
{
    struct draft *draft;
    TRY(draft_open(&draft, store, err));
    if (weights_import((const char *const *)options->arguments + 1, options->argument_count - 1,
                       options->as, draft, err) == 0)
        return draft_seal(draft, &output->artifact, err);
    draft_drop(draft);
    return -1;
}

/* Makes it, or finds it made. */
static int import_run(struct port *output, const struct options *options, struct store *store,
                      const char *recipe, struct arena *arena, struct err *err)
{
    const struct run_spec spec = {
        .stage = "import-weights", .recipe_text = recipe, .build = build_id(), .config = ""};
    struct port known[MAX_PORTS];
    struct run *run;
    int count, found = run_claim(&run, store, &spec, arena, known, &count, NULL, err);
    if (found > 0)
        *output = known[0];
    if (found)
        return found < 0 ? -1 : 0;
    if (import_files(output, options, store, err) == 0)
        return run_commit(run, output, 1, err);
    run_end(run, err);
    return -1;
}

static int import_weights(const struct options *options, struct store *store, struct arena *arena,
                          struct err *err)
{
    struct text recipe = {0};
    struct port output = {.name = "model"};
    if (!options->as)
        return fail_as(err, STATUS_USAGE, "import-weights: --as NAME says what FILE is");
    int status = import_recipe(&recipe, options, store, err) ||
                 import_run(&output, options, store, recipe.data, arena, err);
    text_free(&recipe);
    if (!status)
        puts(output.artifact.hex);
    return status ? -1 : 0;
}

/* ---- command line --------------------------------------------------------------------------- */

/* rebuild does not open the registry, which may be damaged. */
static const struct command {
    const char *name;
    int (*run)(const struct options *options, struct store *store, struct arena *arena,
               struct err *err);
    int least, most; /* arguments */
    bool json;       /* accepts --json */
} commands[] = {
    {"ls", list, 0, 1, true},
    {"show", show, 1, 1, true},
    {"why", why, 1, 2, true},
    {"verify", verify, 0, 1, false},
    {"rebuild", rebuild, 0, 0, false},
    {"release", release, 1, 1, false},
    {"import-weights", import_weights, 1, MAX_IMPORTED, false},
};

static int choose(const struct command **out, const struct options *options, struct err *err)
{
    int words = options->argument_count - 1;
    for (size_t i = 0; words >= 0 && i < sizeof commands / sizeof *commands; i++) {
        const struct command *command = &commands[i];
        if (strcmp(command->name, options->arguments[0]) != 0)
            continue;
        if (options->json && !command->json)
            return fail_as(err, STATUS_USAGE, "--json: not for '%s'", command->name);
        if (options->as && command->run != import_weights)
            return fail_as(err, STATUS_USAGE, "--as: only import-weights has it");
        if (options->all && command->run != verify)
            return fail_as(err, STATUS_USAGE, "--all: only for verify");
        if (words < command->least || words > command->most - options->all)
            break;
        *out = command;
        return 0;
    }
    return fail_as(err, STATUS_USAGE, "usage: registry %s", usage);
}

static int registry(int argc, char **argv, struct err *err)
{
    static const char *const takes[] = {"json", "all", "as", NULL};
    const struct command *command = NULL;
    struct options options;
    struct store *store = NULL;
    struct arena arena = {0};
    TRY(options_parse(&options, argc, argv, usage, help, takes, err));
    TRY(choose(&command, &options, err));
    if (command->run != rebuild)
        TRY(store_open(&store, options.lab, command->run == import_weights, err));
    int status = command->run(&options, store, &arena, err);
    arena_free(&arena);
    store_close(store);
    return status;
}

int main(int argc, char **argv)
{
    struct err err = {0};
    stop_never_by_writing();
    int status = registry(argc, argv, &err);
    return finish("registry", status, &err);
}
