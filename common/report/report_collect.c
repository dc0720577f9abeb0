/* Collects what the registry and the artifacts hold about an experiment. */
#include "report/report_parts.h"

#include "base/file.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int place_file(char *path, const struct report *report, const struct place *place, const char *name,
               struct err *err)
{
    fail_as(err, STATUS_MISSING, "'%s' has no %s", place->section->name, name);
    for (int i = 0; i < place->output_count && err->status == STATUS_MISSING; i++)
        if (!artifact_path(path, report->store, &place->outputs[i].artifact, name, err))
            return 0;
    return -1;
}

double figure_of(const struct facts *facts, const char *name)
{
    for (size_t i = 0; i < facts->figure_count; i++)
        if (strcmp(facts->figures[i].name, name) == 0)
            return facts->figures[i].value;
    return NAN;
}

/* ---- figures -------------------------------------------------------------------------------- */
struct figures {
    struct arena *arena;
    struct figure *items;
    size_t count;
};

static void add_figure(struct figures *figures, const char *name, double value)
{
    *ARRAY_ADD(figures->items, figures->count) =
        (struct figure){.name = arena_strdup(figures->arena, name), .value = value};
}

static int take_metric(void *user, const struct metric_row *row, struct err *err)
{
    (void)err;
    add_figure(user, row->name, row->value);
    return 0;
}

static int read_metrics_json(struct figures *figures, const char *path, struct err *err)
{
    json_error_t error;
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        return fail_as(err, STATUS_BAD_DATA, "%s", error.text);
    const char *name;
    json_t *value;
    int status = 0;
    if (!json_is_object(root))
        status = fail_as(err, STATUS_BAD_DATA, "not an object of numbers");
    json_object_foreach(root, name, value)
    {
        if (json_is_number(value) || json_is_null(value))
            add_figure(figures, name, json_is_null(value) ? NAN : json_number_value(value));
        else if (!status)
            status = fail_as(err, STATUS_BAD_DATA, "'%s' is not a number", name);
    }
    json_decref(root);
    return status;
}

static int read_figures(struct facts *facts, struct report *report, struct err *err)
{
    struct figures figures = {.arena = &report->arena};
    char path[PATH_BYTES];
    int status;
    if (facts->place->section->stage->measures) {
        status = place_file(path, report, facts->place, "metrics.json", err) ||
                 read_metrics_json(&figures, path, err);
        if (status)
            wrap(err, "metrics.json of '%s'", facts->place->section->name);
    } else {
        status = registry_metrics(report->store, facts->run.id, true, take_metric, &figures, err);
    }
    facts->figures = arena_alloc(&report->arena, figures.count * sizeof *facts->figures);
    if (figures.count)
        memcpy(facts->figures, figures.items, figures.count * sizeof *facts->figures);
    facts->figure_count = figures.count;
    free(figures.items);
    if (!status && facts->place->section->stage->measures)
        status = count_cases(facts, report, err) || count_leaks(facts, report, err);
    return status ? -1 : 0;
}

/* ---- runs ----------------------------------------------------------------------------------- */
static int find_run(struct facts *facts, struct report *report, struct err *err)
{
    const struct place *place = facts->place;
    char number[NUMBER_TEXT];
    if (place->state == PLACE_WAITING)
        return 0;
    const char *which =
        place->state == PLACE_KNOWN ? number_text(number, (double)place->run) : place->recipe.hex;
    if (registry_find_run(report->store, which, &report->arena, &facts->run, err) == 0)
        return 0;
    facts->run = (struct run_row){0};
    return place->state == PLACE_READY && err->status == STATUS_MISSING ? 0 : -1;
}

static int take_resident(void *user, const struct metric_row *row, struct err *err)
{
    (void)err;
    if (strcmp(row->name, "stage/peak_resident_bytes") == 0)
        *(double *)user = row->value;
    return 0;
}

static int collect_place(struct facts *facts, struct report *report, struct err *err)
{
    TRY(find_run(facts, report, err));
    facts->resident_bytes = NAN;
    if (facts->place->state != PLACE_KNOWN)
        return 0;
    if (record_check(report->store, facts->run.id, err) && err->status != STATUS_MISSING)
        return -1;
    TRY(registry_metrics(report->store, facts->run.id, true, take_resident, &facts->resident_bytes,
                         err));
    return read_figures(facts, report, err);
}

/* The facts of equal work; everything but the place itself. */
static struct facts *first_facts(const struct report *report, const struct place *place)
{
    return &report->facts[place->first - report->resolution->places];
}

static void share_facts(const struct report *report)
{
    for (size_t i = 0; i < report->resolution->count; i++) {
        const struct place *place = report->facts[i].place;
        report->facts[i] = *first_facts(report, place);
        report->facts[i].place = place;
    }
}

/* ---- events --------------------------------------------------------------------------------- */
struct history_walk {
    struct report *report;
    struct stage_run {
        int64_t run;
        const char *stage;
    } * runs; /* all runs of the experiment's recipes, newest first */
    size_t run_count;
    size_t at; /* the run whose events are being read */
};

static int take_run(void *user, const struct run_row *row, struct err *err)
{
    (void)err;
    struct history_walk *walk = user;
    const struct place *place = resolution_by_key(walk->report->resolution, &row->recipe);
    if (!place)
        return 0;
    first_facts(walk->report, place)->attempts++;
    *ARRAY_ADD(walk->runs, walk->run_count) =
        (struct stage_run){row->id, place->section->stage->name};
    return 0;
}

static int take_event(void *user, double at, const char *kind, const char *detail, struct err *err)
{
    (void)err;
    struct history_walk *walk = user;
    struct report *report = walk->report;
    *ARRAY_ADD(report->happenings, report->happening_count) = (struct happening){
        walk->runs[walk->at].run, walk->runs[walk->at].stage, arena_strdup(&report->arena, kind),
        arena_strdup(&report->arena, detail), at};
    return 0;
}

static int collect_history(struct report *report, struct err *err)
{
    struct history_walk walk = {.report = report};
    int status = registry_runs(report->store, NULL, 0, -1, take_run, &walk, err);
    for (size_t i = walk.run_count; i-- > 0 && !status;) { /* oldest first */
        walk.at = i;
        status = registry_events(report->store, walk.runs[i].run, take_event, &walk, err);
    }
    free(walk.runs);
    return status;
}

/* ---- measures ------------------------------------------------------------------------------- */
static const struct {
    const char *name;
    enum unit unit;
} costs[] = {
    {"train/parameters", UNIT_COUNT},        {"train/multiply_adds", UNIT_COUNT},
    {"train/samples_per_second", UNIT_RATE}, {"train/seconds", UNIT_SECONDS},
    {"train/peak_bytes", UNIT_BYTES},
};
enum { COSTS = sizeof costs / sizeof *costs };

static size_t cost_rank(const char *name)
{
    size_t i = 0;
    while (i < COSTS && strcmp(costs[i].name, name) != 0)
        i++;
    return i;
}

static struct measure *find_measure(struct report *report, const char *section, const char *name)
{
    for (size_t i = 0; i < report->measure_count; i++)
        if (strcmp(report->measures[i].section, section) == 0 &&
            strcmp(report->measures[i].name, name) == 0)
            return &report->measures[i];
    return NULL;
}

static void put_value(struct report *report, const struct place *place, const struct measure *like,
                      double value, struct coverage coverage)
{
    const struct experiment *experiment = report->experiment;
    struct measure *measure = find_measure(report, like->section, like->name);
    size_t seed = 0, cells = experiment->variant_count * experiment->seed_count;
    if (!measure) {
        measure = ARRAY_ADD(report->measures, report->measure_count);
        *measure = *like;
        measure->values = arena_alloc(&report->arena, cells * sizeof *measure->values);
        measure->coverage = arena_alloc(&report->arena, cells * sizeof *measure->coverage);
        for (size_t i = 0; i < cells; i++)
            measure->values[i] = NAN;
    }
    while (experiment->seeds[seed] != place->seed)
        seed++;
    measure->values[place->variant * experiment->seed_count + seed] = value;
    measure->coverage[place->variant * experiment->seed_count + seed] = coverage;
}

/* A judge trained once is not a cost of any variant: only seeded trainers are compared. */
static void measure_place(struct report *report, const struct facts *facts)
{
    const struct section *section = facts->place->section;
    if (facts->place->state != PLACE_KNOWN)
        return;
    if (section->stage->measures)
        for (size_t i = 0; i < facts->figure_count; i++) {
            const struct figure *figure = &facts->figures[i];
            struct measure like = {.section = section->name,
                                   .name = figure->name,
                                   .metric = metric_find(figure->name)};
            like.better = like.metric ? like.metric->better : NEITHER;
            put_value(report, facts->place, &like, figure->value, figure->coverage);
        }
    if (section->stage->trains && section->stage->seeded)
        for (size_t i = 0; i < COSTS; i++) {
            struct measure like = {.section = section->name,
                                   .name = costs[i].name,
                                   .unit = costs[i].unit,
                                   .cost = true};
            put_value(report, facts->place, &like, figure_of(facts, costs[i].name),
                      (struct coverage){0});
        }
}

/* In the order of the metrics table; unknown ones come last. */
static int by_metric(const struct measure *x, const struct measure *y)
{
    if (!x->metric || !y->metric)
        return !x->metric - !y->metric;
    return (x->metric > y->metric) - (x->metric < y->metric);
}

static int by_rank(const void *a, const void *b)
{
    const struct measure *x = a, *y = b;
    int order = x->cost - y->cost;
    if (!order)
        order = strcmp(x->section, y->section);
    if (!order)
        order = x->cost ? (int)cost_rank(x->name) - (int)cost_rank(y->name) : by_metric(x, y);
    return order ? order : strcmp(x->name, y->name);
}

static void title_measures(struct report *report)
{
    for (size_t i = 0; i < report->measure_count; i++) {
        struct measure *measure = &report->measures[i];
        measure->title = measure->name;
        for (size_t j = 0; j < report->measure_count; j++)
            if (strcmp(measure->name, report->measures[j].name) == 0 &&
                strcmp(measure->section, report->measures[j].section) != 0)
                measure->title =
                    arena_printf(&report->arena, "%s: %s", measure->section, measure->name);
    }
}

int report_collect(struct report *out, const struct experiment *experiment,
                   const struct resolution *resolution, struct store *store, struct err *err)
{
    *out = (struct report){.experiment = experiment, .resolution = resolution, .store = store};
    out->facts = arena_alloc(&out->arena, resolution->count * sizeof *out->facts);
    for (size_t i = 0; i < resolution->count; i++)
        out->facts[i].place = &resolution->places[i];
    int status = 0;
    for (size_t i = 0; i < resolution->count && !status; i++)
        if (resolution->places[i].first == &resolution->places[i])
            status = collect_place(&out->facts[i], out, err);
    if (!status)
        status = collect_history(out, err);
    share_facts(out);
    if (status) {
        report_free(out);
        return -1;
    }
    for (size_t i = 0; i < resolution->count; i++)
        measure_place(out, &out->facts[i]);
    if (out->measure_count)
        qsort(out->measures, out->measure_count, sizeof *out->measures, by_rank);
    title_measures(out);
    return 0;
}

void report_free(struct report *report)
{
    free(report->measures);
    free(report->happenings);
    arena_free(&report->arena);
    *report = (struct report){0};
}

/* ---- names ---------------------------------------------------------------------------------- */
const char *cell_name(struct arena *arena, const struct experiment *experiment, size_t variant,
                      uint64_t seed)
{
    const char *name = experiment->variants[variant].name;
    if (experiment->seed_count == 1)
        return name;
    return arena_printf(arena, "%s, seed %llu", name, (unsigned long long)seed);
}

/* Letters, digits, '.', '_', '-', and not too many: a name is data, and must remain a single
 * folder. A long one ends in its hash. */
static const char *slug(struct arena *arena, const char *name)
{
    enum { LONGEST = 64, HASH = 12 };
    char *out = arena_strdup(arena, *name ? name : "-");
    for (char *p = out; *p; p++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", *p))
            *p = '-';
    if (*out == '.')
        *out = '-';
    if (strlen(out) <= LONGEST)
        return out;
    struct id hash = sha256_of(name, strlen(name));
    return arena_printf(arena, "%.*s-%.*s", LONGEST - HASH - 1, out, HASH, hash.hex);
}

const char *variant_slug(struct arena *arena, const struct experiment *experiment, size_t variant)
{
    const char *out = slug(arena, experiment->variants[variant].name);
    for (size_t i = 0; i < experiment->variant_count; i++)
        if (i != variant && strcasecmp(slug(arena, experiment->variants[i].name), out) == 0)
            return arena_printf(arena, "%s+%zu", out, variant + 1);
    return out;
}

const char *cell_folder(struct arena *arena, const struct experiment *experiment, size_t variant,
                        uint64_t seed)
{
    if (variant == experiment->baseline && seed == experiment->seeds[0])
        return "";
    return arena_printf(arena, "variants/%s/seed-%llu/", variant_slug(arena, experiment, variant),
                        (unsigned long long)seed);
}
