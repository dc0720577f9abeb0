/* Planning: what an experiment still needs, as make rules. */
#include "pipeline/pipeline.h"

#include "base/file.h"
#include "base/text.h"
#include "base/threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Make wants $ doubled, and has no escape for a line break. */
static int check_word(const char *word, struct err *err)
{
    if (strpbrk(word, "\n\r"))
        return fail_as(err, STATUS_USAGE, "'%s': a line break in a path or name", word);
    return 0;
}

/* " WORD", escaped for a rule. */
static int put_word(struct text *out, const char *word, struct err *err)
{
    TRY(check_word(word, err));
    struct text quoted = {0};
    text_shell(&quoted, word);
    text_puts(out, " ");
    for (const char *p = quoted.data; *p; p++)
        text_add(out, *p == '$' ? "$$" : p, *p == '$' ? 2 : 1);
    text_free(&quoted);
    return 0;
}

int program_beside(char *out, const char *name, struct err *err)
{
    static const char installed[] = "cairn-";
    char self[PATH_BYTES];
    ssize_t length = readlink("/proc/self/exe", self, PATH_BYTES - 1);
    if (length < 0)
        return fail_errno(err, "cannot read '/proc/self/exe'");
    self[length] = '\0';
    char *own = strrchr(self, '/') + 1;
    own[starts_with(own, installed) ? sizeof installed - 1 : 0] = '\0';
    if (snprintf(out, PATH_BYTES, "%s%s", self, name) >= PATH_BYTES)
        return fail_as(err, STATUS_IO, "path too long: '%.60s...'", self);
    return 0;
}

static size_t cell_of(const struct experiment *experiment, const struct place *place)
{
    size_t seed = 0;
    while (experiment->seeds[seed] != place->seed)
        seed++;
    return place->variant * experiment->seed_count + seed;
}

struct plan {
    const struct options *options;
    const struct experiment *experiment;
    struct store *store;
    char frozen[PATH_BYTES];
    int threads; /* of a stage that computes; 0: all, the default */
    int misses, known;
    struct text goals, rules; /* for missing stages */
};

static int write_rule(struct plan *plan, const struct place *place, struct err *err)
{
    const struct options *options = plan->options;
    struct text *out = &plan->rules;
    const struct stage_info *stage = place->section->stage;
    char program[PATH_BYTES];
    TRY(program_beside(program, stage->name, err));
    text_printf(out, "%s:", place->key.hex);
    for (int i = 0; i < place->input_count; i++)
        if (!*place->inputs[i].artifact.hex)
            text_printf(out, " %s", place->makers[i]->key.hex);
    text_puts(out, "\n\t@exec"); /* so that make signals the program, not a shell */
    TRY(put_word(out, program, err));
    TRY(put_word(out, plan->frozen, err));
    text_printf(out, " --cell %zu --section", cell_of(plan->experiment, place));
    TRY(put_word(out, place->section->name, err));
    text_puts(out, " --lab");
    TRY(put_word(out, options->lab, err));
    text_puts(out, " --data");
    TRY(put_word(out, options->data, err));
    if (plan->threads && stage->compute)
        text_printf(out, " --threads %d", plan->threads);
    /* artifact ids are for people who run one stage; here they would be noise */
    text_printf(out, "%s >/dev/null\n", options->quiet ? " -q" : "");
    return 0;
}

/* The most missing computing stages at one level: this many can run at the same time. */
static int64_t widest(const struct resolution *resolution)
{
    int64_t *count = xcalloc(resolution->count, sizeof *count), most = 0;
    for (size_t i = 0; i < resolution->count; i++) {
        const struct place *place = &resolution->places[i];
        if (place->state == PLACE_KNOWN || !place->section->stage->compute || place->first != place)
            continue;
        int64_t here = ++count[place->level];
        most = here > most ? here : most;
    }
    free(count);
    return most;
}

int plan_threads(int processors, int64_t jobs, const struct resolution *resolution)
{
    int64_t wide = widest(resolution), beside = jobs < wide ? jobs : wide;
    if (beside <= 1)
        return 0;
    return processors > beside ? (int)(processors / beside) : 1;
}

/* The text of a known recipe may be lost, or removed because it was damaged. */
static int keep_recipe(struct store *store, const struct place *place, struct err *err)
{
    char path[PATH_BYTES];
    struct id id;
    TRY(object_path(path, store, &place->recipe, err));
    return file_exists(path)
               ? 0
               : object_put(store, place->recipe_text, strlen(place->recipe_text), &id, err);
}

struct id report_stamp(const struct experiment *experiment, const struct resolution *resolution)
{
    struct text text = {0};
    text_printf(&text, "%s\n%s", build_id(), experiment->frozen);
    for (size_t i = 0; i < resolution->count; i++) {
        const struct place *place = &resolution->places[i];
        text_printf(&text, "\n%zu %llu %s %s %lld", place->variant, (unsigned long long)place->seed,
                    place->section->name, place->key.hex, (long long)place->run);
    }
    struct id stamp = sha256_of(text.data, text.length);
    text_free(&text);
    return stamp;
}

/* Does each "SIZE NAME" line of the stamp match an existing file? */
static bool files_whole(const char *folder, char *lines)
{
    char *rest = NULL;
    for (char *line = strtok_r(lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        struct err err;
        struct stat file;
        char path[PATH_BYTES], *name;
        long long size = strtoll(line, &name, 10);
        if (*name != ' ' || path_join(path, folder, name + 1, &err) || stat(path, &file) ||
            file.st_size != size)
            return false;
    }
    return true;
}

/* Is lab/reports/NAME complete and up to date with the registry? */
static bool report_current(const char *folder, const struct experiment *experiment,
                           const struct resolution *resolution)
{
    enum { STAMP_BYTES = 1 << 24 };
    struct err err;
    struct id page;
    char path[PATH_BYTES], *stamp;
    size_t length;
    if (path_join(path, folder, "index.html", &err) || sha256_file(&page, NULL, path, &err) ||
        path_join(path, folder, REPORT_STAMP, &err) ||
        file_read(&stamp, &length, path, STAMP_BYTES, &err))
        return false;
    char *now = xprintf("%s\n%s\n", report_stamp(experiment, resolution).hex, page.hex);
    bool same = starts_with(stamp, now) && files_whole(folder, stamp + strlen(now));
    free(now);
    free(stamp);
    return same;
}

static int write_rules(struct plan *plan, const struct resolution *resolution, struct err *err)
{
    text_puts(&plan->goals, ""); /* there may be none */
    text_puts(&plan->rules, "");
    for (size_t i = 0; i < resolution->count; i++) {
        const struct place *place = &resolution->places[i];
        if (place->first != place)
            continue;
        if (place->state == PLACE_KNOWN) {
            plan->known++;
            TRY(keep_recipe(plan->store, place, err));
        } else {
            plan->misses++;
            text_printf(&plan->goals, " %s", place->key.hex);
            TRY(write_rule(plan, place, err));
        }
    }
    return 0;
}

/* The script that runs a plan reads its first three lines and its last. */
static int write_plan(struct text *out, struct plan *plan, const struct resolution *resolution,
                      struct err *err)
{
    const struct experiment *experiment = plan->experiment;
    char folder[PATH_BYTES];
    struct id frozen;
    TRY(registry_sweep(plan->store, err));
    TRY(resolution_publish(resolution, experiment, plan->store, err));
    TRY(object_put(plan->store, experiment->frozen, strlen(experiment->frozen), &frozen, err));
    TRY(object_path(plan->frozen, plan->store, &frozen, err));
    TRY(report_folder(folder, plan->options->lab, experiment->name, err));
    plan->threads = plan_threads(threads_available(), plan->options->jobs, resolution);
    TRY(write_rules(plan, resolution, err));
    text_printf(out, "# plan of %s: %d to run, %d known", experiment->name, plan->misses,
                plan->known);
    /* shown because it affects the bits: with threads auto, results depend on the number of jobs */
    if (plan->threads && plan->misses)
        text_printf(out, ", %d thread%s each", plan->threads, plan->threads > 1 ? "s" : "");
    text_printf(out, "\n# frozen %s\n# report %s/index.html %s\n", plan->frozen, folder,
                report_current(folder, experiment, resolution) ? "current" : "stale");
    text_printf(out, "all:%s\n.PHONY: all%s\n%s# end of the plan\n", plan->goals.data,
                plan->goals.data, plan->rules.data);
    return 0;
}

int plan_rules(struct text *out, const struct options *options, const struct experiment *experiment,
               struct store *store, struct err *err)
{
    struct plan plan = {.options = options, .experiment = experiment, .store = store};
    struct resolution resolution;
    TRY(check_word(options->lab, err));
    TRY(resolve(&resolution, experiment, store, options->data, -1, -1, err));
    int status = write_plan(out, &plan, &resolution, err);
    text_free(&plan.goals);
    text_free(&plan.rules);
    resolution_free(&resolution);
    return status;
}

void plan_words(struct text *out, const struct options *options,
                const struct experiment *experiment, const struct resolution *resolution)
{
    struct text missing = {0};
    int count = 0, known = 0;
    for (size_t i = 0; i < resolution->count; i++) {
        const struct place *place = &resolution->places[i];
        if (place->first != place)
            continue;
        known += place->state == PLACE_KNOWN;
        if (place->state == PLACE_KNOWN)
            continue;
        count++;
        text_printf(&missing, "%s: variant '%s', seed %llu\n", place->section->name,
                    experiment->variants[place->variant].name, (unsigned long long)place->seed);
    }
    char folder[PATH_BYTES];
    struct err err;
    text_printf(out, "%s: %d to run, %d known\n%s", experiment->name, count, known,
                missing.data ? missing.data : "");
    if (!report_folder(folder, options->lab, experiment->name, &err))
        text_printf(out, "report: %s/index.html%s\n", folder,
                    !count && report_current(folder, experiment, resolution)
                        ? ", which is current"
                        : ", which would be written");
    text_free(&missing);
}

int report_folder(char *out, const char *lab, const char *name, struct err *err)
{
    char reports[PATH_BYTES];
    TRY(path_join(reports, lab, "reports", err));
    return path_join(out, reports, name, err);
}
