/*
 * Stages that feed their own kind, and stages that leave several artifacts. No stage of the product
 * does either yet, so this program has a table of its own, which the linker takes instead.
 */
#include "store_lab.h"

#include "pipeline/explain.h"
#include "pipeline/pipeline.h"

#include <getopt.h>

struct toy_config {
    int64_t value;
    bool alone;
};
static const struct field toy_fields[] = {
    {"value", FIELD_INT, offsetof(struct toy_config, value), "0", "any", .max = 1000},
    {"alone", FIELD_BOOL, offsetof(struct toy_config, alone), "false", "no model is read",
     .min = 0},
    {0},
};

static enum port_use unless_alone(const void *config, const struct stage_info *const *makers)
{
    (void)makers;
    return ((const struct toy_config *)config)->alone ? PORT_UNUSED : PORT_IF_MADE;
}

#define TOY .version = 1, .fields = toy_fields, .config_size = sizeof(struct toy_config)
const struct stage_info stage_table[] = {
    {.name = "load", .help = "data", .outputs = {{"data", "data"}}, TOY},
    {.name = "fit",
     .help = "a student and its teacher",
     .seeded = true,
     .compute = true,
     .outputs = {{"student", "model"}, {"teacher", "model"}, {"log", "words"}},
     .ports = {{"data", "data", NULL},
               {"init", "model", unless_alone},
               {"guide", "model", unless_alone}},
     TOY},
    {.name = "read", .help = "needs words", .ports = {{"text", "words", NULL, "data"}}, TOY},
    {0},
};

enum { FILE_BYTES = 1 << 18 };

/* A load of this value, and COUNT sections fit@1 ..., each of which begins where the one before it ended: in the file the last
 * comes first. guide: what stands behind the name of the one before, at a second port; NULL: none. */
static void write_chain(char out[FILE_BYTES], int value, int count, const char *guide)
{
    int length = snprintf(out, FILE_BYTES, "name: t\nload: {value: %d}\n", value);
    for (int i = count; i > 1; i--) {
        length += snprintf(out + length, (size_t)(FILE_BYTES - length),
                           "fit@%d: {value: %d, inputs: {init: fit@%d", i, i, i - 1);
        if (guide)
            length += snprintf(out + length, (size_t)(FILE_BYTES - length), ", guide: fit@%d%s",
                               i - 1, guide);
        length += snprintf(out + length, (size_t)(FILE_BYTES - length), "}}\n");
    }
    snprintf(out + length, (size_t)(FILE_BYTES - length), "fit@1: {alone: true}\n");
}

struct world {
    struct lab *lab;
    char file[PATH_BYTES + 8], text[FILE_BYTES];
    struct experiment experiment;
    struct resolution resolution;
};

static int open_world(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    *state = w;
    TRY(lab_setup((void **)&w->lab));
    snprintf(w->file, sizeof w->file, "%s/t.yaml", w->lab->path);
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;
    int status = lab_teardown((void **)&w->lab);
    free(w);
    return status;
}

static void see(struct world *w)
{
    struct err err = {0};
    if (experiment_parse(&w->experiment, "t.yaml", w->text, strlen(w->text), NULL, 0, &err) ||
        resolve(&w->resolution, &w->experiment, w->lab->store, "/nowhere", -1, -1, &err))
        fail_msg("%s", err.text);
}

static void unsee(struct world *w)
{
    resolution_free(&w->resolution);
    experiment_free(&w->experiment);
}

static const struct place *place_of(const struct world *w, const char *section)
{
    const struct place *place = resolution_find(&w->resolution, 0, 0, section);
    assert_non_null(place);
    return place;
}

static const struct id *output_of(const struct place *place, const char *name)
{
    for (int i = 0; i < place->output_count; i++)
        if (!strcmp(place->outputs[i].name, name))
            return &place->outputs[i].artifact;
    fail_msg("%s has no %s", place->section->name, name);
    return NULL;
}

/* What a stage was given goes into each of its files: artifacts are equal only where all was. */
static int leave_all(struct context *context, struct err *err)
{
    const struct place *place = context->place;
    for (int i = 0; place->section->stage->outputs[i].name; i++) {
        char path[PATH_BYTES];
        const char *name = place->section->stage->outputs[i].name;
        TRY(draft_path(context_output(context, name), "file", path, err));
        FILE *file = fopen(path, "we");
        assert_non_null(file);
        fprintf(file, "%s %lld\n", name,
                (long long)((const struct toy_config *)context->config)->value);
        for (int j = 0; j < place->input_count; j++)
            fprintf(file, "%s %s\n", place->inputs[j].name, place->inputs[j].artifact.hex);
        assert_int_equal(fclose(file), 0);
    }
    return 0;
}

static int run_section(const struct world *w, const char *stage, const char *section)
{
    FILE *file = fopen(w->file, "we");
    assert_non_null(file);
    fputs(w->text, file);
    assert_int_equal(fclose(file), 0);
    const char *words[] = {stage, w->file, "--lab", w->lab->path, "--section", section, "-q", NULL};
    optind = 0; /* another command line */
    return stage_main(7, (char **)(uintptr_t)words, stage, leave_all);
}

static void run_chain(struct world *w, int count)
{
    char name[16];
    assert_int_equal(run_section(w, "load", "load"), 0);
    for (int i = 1; i <= count; i++) {
        snprintf(name, sizeof name, "fit@%d", i);
        assert_int_equal(run_section(w, "fit", name), 0);
    }
}

/* ---- chains --------------------------------------------------------------------------------- */

static void a_chain_of_one_kind_resolves_plans_and_runs(void **state)
{
    enum { LINKS = 12 };
    struct world *w = *state;
    struct options options = {.lab = w->lab->path, .data = "/nowhere", .jobs = 4};
    struct text rules = {0};
    struct err err = {0};
    char name[16], rule[4 * sizeof(struct id)];
    write_chain(w->text, 0, LINKS, NULL);
    see(w);
    for (int i = 1; i <= LINKS; i++) {
        snprintf(name, sizeof name, "fit@%d", i);
        assert_int_equal(place_of(w, name)->state, PLACE_WAITING);
        assert_int_equal(place_of(w, name)->level, i); /* the data is below all */
    }
    assert_int_equal(plan_threads(8, 4, &w->resolution), 0); /* nothing runs beside anything */
    assert_int_equal(plan_rules(&rules, &options, &w->experiment, w->lab->store, &err), 0);
    assert_non_null(strstr(rules.data, ": 13 to run, 0 known\n"));
    snprintf(rule, sizeof rule, "\n%s: %s %s\n", place_of(w, "fit@12")->key.hex,
             place_of(w, "load")->key.hex, place_of(w, "fit@11")->key.hex);
    assert_non_null(strstr(rules.data, rule));
    text_free(&rules);
    unsee(w);

    assert_int_equal(run_section(w, "fit", "fit@2"), STATUS_MISSING); /* not before the first */
    run_chain(w, LINKS);
    see(w);
    for (int i = 1; i <= LINKS; i++) {
        snprintf(name, sizeof name, "fit@%d", i);
        const struct place *place = place_of(w, name);
        assert_int_equal(place->state, PLACE_KNOWN);
        assert_int_equal(place->input_count, i == 1 ? 1 : 2);
        snprintf(name, sizeof name, "fit@%d", i - 1);
        if (i > 1)
            assert_string_equal(place->inputs[1].artifact.hex,
                                output_of(place_of(w, name), "student")->hex);
    }
    unsee(w);
}

/* Each section reads the one before it twice: there are 2^99 ways along the inputs. */
static void a_long_chain_is_not_slow(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    write_chain(w->text, 0, 100, ".teacher");
    see(w);
    assert_int_equal(place_of(w, "fit@100")->level, 100);
    assert_int_equal(plan_threads(8, 4, &w->resolution), 0);
    assert_int_equal(
        explain(place_of(w, "fit@100"), &w->experiment, w->lab->store, false, "", &err), 0);
    unsee(w);
}

/* The cause at the far end, said once, although 2^19 ways lead to it. */
static void why_goes_to_the_end_of_a_chain(void **state)
{
    enum { LINKS = 20 };
    struct world *w = *state;
    struct text why = {0};
    struct err err = {0};
    int64_t runs[2];
    for (int i = 0; i < 2; i++) {
        write_chain(w->text, 7 * i, LINKS, ".teacher");
        run_chain(w, LINKS);
        see(w);
        runs[i] = place_of(w, "fit@20")->run;
        unsee(w);
    }
    assert_int_equal(why_differ(&why, w->lab->store, runs[0], runs[1], &err), 0);
    assert_string_equal(why.data, "load.value: 0 -> 7\n");
    text_free(&why);
}

static void expect_refused(const char *sections, const char *message)
{
    struct experiment experiment;
    struct err err = {0};
    char *text = xprintf("name: t\nload: {}\n%s", sections);
    assert_int_equal(experiment_parse(&experiment, "t.yaml", text, strlen(text), NULL, 0, &err),
                     -1);
    assert_string_equal(err.text, message);
    assert_int_equal(err.status, STATUS_CONFIG);
    free(text);
}

static void a_circle_is_named_with_its_path(void **state)
{
    struct world *w = *state;
    expect_refused("fit: {inputs: {init: fit}}\n",
                   "t.yaml:3:22: fit: its input 'init' leads back to itself: fit -> fit");
    expect_refused("fit@a: {inputs: {init: fit@b}}\nfit@b: {inputs: {init: fit@a}}\n",
                   "t.yaml:4:24: fit@b: its input 'init' leads back to itself: "
                   "fit@a -> fit@b -> fit@a");
    /* the way into a circle is not part of it */
    expect_refused("fit@in: {inputs: {init: fit@a}}\nfit@a: {inputs: {init: fit@b}}\n"
                   "fit@b: {inputs: {guide: fit@a}}\n",
                   "t.yaml:5:25: fit@b: its input 'guide' leads back to itself: "
                   "fit@a -> fit@b -> fit@a");
    /* what fills fit@a is not said, so its section is shown */
    expect_refused("fit: {inputs: {init: fit@a}}\nfit@a: {value: 1}\n",
                   "t.yaml:4:8: fit@a: its input 'init' leads back to itself: "
                   "fit -> fit@a -> fit");
    write_chain(w->text, 0, 12, NULL);
    char *first = strstr(w->text, "alone: true");
    strcpy(first, "inputs: {init: fit@12}}\n");
    expect_refused(strstr(w->text, "fit@12"),
                   "t.yaml:14:24: fit@1: its input 'init' leads back to itself: fit@12 -> fit@11 "
                   "-> fit@10 -> fit@9 -> fit@8 -> fit@7 -> fit@6 -> fit@5 -> fit@4 -> fit@3 -> "
                   "fit@2 -> fit@1 -> fit@12");
}

static void the_number_of_sections_is_bounded(void **state)
{
    struct world *w = *state;
    struct experiment experiment;
    struct err err = {0};
    write_chain(w->text, 0, 1000, NULL); /* and load */
    assert_int_equal(
        experiment_parse(&experiment, "t.yaml", w->text, strlen(w->text), NULL, 0, &err), -1);
    assert_string_equal(err.text, "t.yaml:1:1: more than 1000 sections");
    write_chain(w->text, 0, 999, NULL);
    see(w);
    assert_int_equal(place_of(w, "fit@999")->level, 999);
    unsee(w);
}

static void by_default_no_section_fills_its_own_port(void **state)
{
    struct world *w = *state;
    strcpy(w->text, "name: t\nload: {}\nfit: {}\nfit@more: {value: 1}\n");
    see(w);
    assert_int_equal(place_of(w, "fit")->input_count, 1);
    assert_int_equal(place_of(w, "fit@more")->input_count, 3);
    assert_ptr_equal(place_of(w, "fit@more")->makers[1], place_of(w, "fit"));
    unsee(w);
}

/* ---- several artifacts ---------------------------------------------------------------------- */

static void a_port_takes_the_output_that_it_names(void **state)
{
    struct world *w = *state;
    const char *const outputs[] = {"", ".student",
                                   ".teacher"}; /* the first that fits, unless said */
    struct id keys[3];
    for (int i = 0; i < 3; i++) { /* nothing has run: the keys alone tell them apart */
        snprintf(w->text, sizeof w->text,
                 "name: t\nload: {value: 9}\nfit: {alone: true}\n"
                 "fit@b: {inputs: {init: fit%s, guide: fit}}\n",
                 outputs[i]);
        see(w);
        keys[i] = place_of(w, "fit@b")->key;
        unsee(w);
    }
    assert_string_equal(keys[0].hex, keys[1].hex);
    assert_string_not_equal(keys[1].hex, keys[2].hex);

    assert_int_equal(run_section(w, "load", "load"), 0);
    assert_int_equal(run_section(w, "fit", "fit"), 0);
    assert_int_equal(run_section(w, "fit", "fit@b"), 0);
    see(w);
    const struct place *fit = place_of(w, "fit"), *b = place_of(w, "fit@b");
    assert_int_equal(fit->output_count, 3);
    assert_string_equal(b->inputs[1].artifact.hex, output_of(fit, "teacher")->hex);
    assert_string_equal(b->inputs[2].artifact.hex, output_of(fit, "student")->hex);
    assert_string_not_equal(b->inputs[1].artifact.hex, b->inputs[2].artifact.hex);
    unsee(w);
    expect_refused("fit@a.b: {}\nfit: {inputs: {init: fit@a.b.log}}\n",
                   "t.yaml:4:22: fit.inputs.init: 'fit@a.b.log' makes no model");
    expect_refused("fit@a.b: {}\nfit: {inputs: {init: fit@a.c}}\n",
                   "t.yaml:4:22: fit needs a section 'fit@a.c' for its input 'init'");
}

/* What a port also takes, it takes only if it is told to. */
static void a_port_may_be_given_another_type(void **state)
{
    static const char told[] = "name: t\nload: {}\nread: {inputs: {text: load}}\n";
    struct experiment experiment;
    struct err err = {0};
    (void)state;
    if (experiment_parse(&experiment, "t.yaml", told, strlen(told), NULL, 0, &err))
        fail_msg("%s", err.text);
    const struct section *read = variant_section(&experiment.variants[0], "read");
    assert_string_equal(read->fillers[0].maker->name, "load");
    experiment_free(&experiment);
    expect_refused("read: {}\n", "t.yaml:1:1: read needs a section 'fit' for its input 'text'");
}

static void texts_name_the_stages_of_the_table(void **state)
{
    (void)state;
    expect_refused("read: {}\n", "t.yaml:1:1: read needs a section 'fit' for its input 'text'");
    expect_refused("nonsense: {}\n",
                   "t.yaml:3:1: unknown key 'nonsense'; one of name, seeds, seed, backend, vary, "
                   "baseline, load, fit, read expected");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
    setenv("GOMP_SPINCOUNT", "300", 0); /* or a stage starts its program again */
    alarm(300);                         /* what is too slow would take for ever */
    const struct CMUnitTest tests[] = {
        TEST(a_chain_of_one_kind_resolves_plans_and_runs),
        TEST(a_long_chain_is_not_slow),
        TEST(why_goes_to_the_end_of_a_chain),
        TEST(a_circle_is_named_with_its_path),
        TEST(the_number_of_sections_is_bounded),
        TEST(by_default_no_section_fills_its_own_port),
        TEST(a_port_takes_the_output_that_it_names),
        TEST(a_port_may_be_given_another_type),
        TEST(texts_name_the_stages_of_the_table),
    };
    return cmocka_run_group_tests_name("chains", tests, NULL, NULL);
}
