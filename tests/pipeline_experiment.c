/* The experiment file: variants, grids, seeds, ports, and every mistake named with its place. */
#include "pipeline/experiment_parts.h"

#include "base/text.h"
#include "pipeline/pipeline.h"
#include "train/vae_train.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define STAGES_HERE                                                                                \
    "preprocess: {source: {format: shapes}}\ntrain-classifier: {}\ntrain-vae: {}\nevaluate: {}\n"

static void expect_refused(const char *text, const char *change, const char *message)
{
    struct experiment experiment;
    struct err err = {0};
    assert_int_equal(
        experiment_parse(&experiment, "e.yaml", text, strlen(text), &change, change ? 1 : 0, &err),
        -1);
    assert_string_equal(err.text, message);
    assert_int_equal(err.status, STATUS_CONFIG);
}

static struct experiment parse(const char *text, const char *change)
{
    struct experiment experiment;
    struct err err = {0};
    if (experiment_parse(&experiment, "e.yaml", text, strlen(text), &change, change ? 1 : 0, &err))
        fail_msg("%s", err.text);
    return experiment;
}

static void mistakes_are_named_with_their_place(void **state)
{
    (void)state;
    expect_refused("name: a b\n" STAGES_HERE, NULL,
                   "e.yaml:1:7: name: expected letters, digits, '.', '_' and '-'");
    expect_refused("name: a\nseeds: many\n" STAGES_HERE, NULL,
                   "e.yaml:2:8: seeds: 'many' is not a whole number from 0 to 2147483647");
    expect_refused("name: a\nseeds: [1, 1]\n" STAGES_HERE, NULL,
                   "e.yaml:2:12: seeds: 1 is given twice");
    expect_refused("name: a\ntrain-vea: {}\n", NULL,
                   "e.yaml:2:1: unknown key 'train-vea'; did you mean 'train-vae'?");
    expect_refused("name: a\npreprocess: {source: {format: shapes}}\nevaluate: {}\n", NULL,
                   "e.yaml:1:1: evaluate needs a section 'train-vae' or 'pretrain-ae' or "
                   "'transfer-unet' for its input "
                   "'model'");
    expect_refused("name: a\nbaseline: b\nvary: {a: {}}\n" STAGES_HERE, NULL,
                   "e.yaml:2:11: baseline: no variant is called 'b'");
    expect_refused("name: a\nvary: {v: {train-veq.lr: 1}}\n" STAGES_HERE, NULL,
                   "e.yaml:2:12: vary: 'train-veq.lr' does not begin with a stage's section");
    expect_refused("name: a\n" STAGES_HERE "train-vae@b: {inputs: {datset: preprocess}}\n", NULL,
                   "e.yaml:6:24: train-vae@b.inputs: 'train-vae' has no input 'datset'");
    expect_refused("name: a\n" STAGES_HERE "evaluate@b: {inputs: {model: preprocess}}\n", NULL,
                   "e.yaml:6:30: evaluate@b.inputs.model: 'preprocess' makes no model");
    expect_refused("name: a\n" STAGES_HERE "vary: {train-vae.train.lr: [0.1, 0.1]}\n", NULL,
                   "e.yaml:6:7: vary: two variants are called 'lr=0.1'");
    expect_refused("name: a\n" STAGES_HERE "vary: {train-vae.train.lr: [0.1, 0.2]}\n",
                   "train-vae.train={lr: 0.5}",
                   "--set train-vae.train: the grid varies 'train-vae.train.lr'");
    expect_refused("name: a\n" STAGES_HERE, "train-vae.train.lr=fast",
                   "--set:1:1: train-vae.train.lr: 'fast' is not a number");
}

static void a_mistake_in_one_variant_stops_all(void **state)
{
    (void)state;
    expect_refused("name: a\n" STAGES_HERE
                   "vary:\n  good: {}\n  bad: {train-vae.train.epochs: -1}\n",
                   NULL, "e.yaml:8:33: train-vae.train.epochs: -1 is out of range (1 to 1000000)");
}

/* ---- ports ---------------------------------------------------------------------------------- */

#define SHAPES "name: a\npreprocess: {source: {format: shapes}}\n"
#define UNET   "transfer-unet: {loss: {bce: {}}}\n"
#define ID     "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* What fills a port of a section of the first variant; "" for nothing. */
static void expect_filler(const char *text, const char *section, const char *port,
                          const char *filler)
{
    struct experiment e = parse(text, NULL);
    const struct section *found = variant_section(&e.variants[0], section);
    for (int i = 0; found->stage->ports[i].name; i++) {
        const struct filler *f = &found->fillers[i];
        const char *artifact = f->artifact ? f->artifact : "";
        if (!strcmp(found->stage->ports[i].name, port))
            assert_string_equal(f->maker ? f->maker->name : artifact, filler);
    }
    experiment_free(&e);
}

static void a_model_comes_from_the_one_trainer_that_is_there(void **state)
{
    (void)state;
    expect_filler("name: a\n" STAGES_HERE, "evaluate", "model", "train-vae");
    expect_filler(SHAPES UNET "evaluate: {}\n", "evaluate", "model", "transfer-unet");
    expect_filler(SHAPES UNET "evaluate: {}\n", "evaluate", "dataset", "preprocess");
    /* a label makes it another section, which nothing stands for unless it is said */
    expect_filler(SHAPES UNET "train-vae@other: {}\nevaluate: {}\n", "evaluate", "model",
                  "transfer-unet");
}

static void two_trainers_are_a_question(void **state)
{
    (void)state;
    expect_refused(SHAPES UNET "train-vae: {}\nevaluate: {}\n", NULL,
                   "e.yaml:5:11: evaluate: both 'train-vae' and 'transfer-unet' make its input "
                   "'model'; choose with inputs: {model: ...}");
    static const char said[] = SHAPES UNET
        "train-classifier: {}\ntrain-vae: {}\nevaluate: {inputs: {model: transfer-unet}}\n"
        "evaluate@vae: {inputs: {model: train-vae}}\n"
        "evaluate@old: {inputs: {model: 'artifact:" ID "'}}\n";
    expect_filler(said, "evaluate", "model", "transfer-unet");
    expect_filler(said, "evaluate@vae", "model", "train-vae");
    expect_filler(said, "evaluate@old", "model", ID);
}

static void only_what_a_model_needs_is_read(void **state)
{
    (void)state;
    static const char with_judge[] = SHAPES UNET "train-classifier: {}\ntrain-vae: {}\n"
                                                 "evaluate@unet: {inputs: {model: transfer-unet}}\n"
                                                 "evaluate@vae: {inputs: {model: train-vae}}\n";
    expect_filler(with_judge, "evaluate@unet", "judge", "");
    expect_filler(with_judge, "evaluate@vae", "judge", "train-classifier");
}

/* No metrics named: labels are judged if there is a judge. */
static void a_judge_is_needed_where_it_is_asked_for(void **state)
{
    (void)state;
    expect_filler(SHAPES "train-vae: {}\nevaluate: {}\n", "evaluate", "judge", "");
    expect_filler("name: a\n" STAGES_HERE, "evaluate", "judge", "train-classifier");
    expect_filler(SHAPES "train-classifier: {}\ntrain-vae: {}\nevaluate: {metrics: [mse]}\n",
                  "evaluate", "judge", "");
    expect_refused(SHAPES "train-vae: {}\nevaluate: {metrics: [mse, label_obedience]}\n", NULL,
                   "e.yaml:1:1: evaluate needs a section 'train-classifier' for its input 'judge'");
}

/* A key of the port's name says whether it is used, and by what. */
static void what_a_unet_begins_with(void **state)
{
    (void)state;
#define BEGINS(init)                                                                               \
    SHAPES "pretrain-ae: {}\npretrain-ae@b: {}\ntransfer-unet: {init: " init ", loss: {bce: "      \
           "{}}}\n"
    expect_filler(BEGINS("none"), "transfer-unet", "init", "");
    expect_filler(SHAPES "pretrain-ae: {}\n" UNET, "transfer-unet", "init", "");
    expect_filler(BEGINS("pretrain-ae"), "transfer-unet", "init", "pretrain-ae");
    expect_filler(BEGINS("pretrain-ae@b"), "transfer-unet", "init", "pretrain-ae@b");
    expect_filler(BEGINS("artifact:" ID), "transfer-unet", "init", ID);
    /* `inputs` redirects the port, and does not turn it on */
    expect_filler(BEGINS("pretrain-ae, inputs: {init: pretrain-ae@b}"), "transfer-unet", "init",
                  "pretrain-ae@b");
    expect_filler(BEGINS("none, inputs: {init: pretrain-ae@b}"), "transfer-unet", "init", "");
    expect_refused(BEGINS("train-vae"), NULL,
                   "e.yaml:5:23: transfer-unet needs a section 'train-vae' for its input 'init'");
    expect_refused(BEGINS("preprocess"), NULL,
                   "e.yaml:5:23: transfer-unet.init: 'preprocess' makes no model");
    expect_refused(BEGINS("artifact:12"), NULL,
                   "e.yaml:5:23: transfer-unet.init: an artifact id is 64 hex digits");
    expect_refused(BEGINS("transfer-unet"), NULL,
                   "e.yaml:5:23: transfer-unet: its input 'init' leads back to itself: "
                   "transfer-unet -> transfer-unet");
    struct experiment by_name = parse(BEGINS("pretrain-ae"), NULL),
                      by_id = parse(BEGINS("artifact:" ID), NULL);
    struct text name = {0}, id = {0};
    const struct section *unet = variant_section(&by_name.variants[0], "transfer-unet");
    config_dump(&name, unet->stage->fields, unet->config, "");
    config_dump(&id, unet->stage->fields,
                variant_section(&by_id.variants[0], "transfer-unet")->config, "");
    assert_string_equal(name.data, id.data); /* the recipe has the artifact, however it was named */
    assert_true(starts_with(name.data, "init=given\n"));
    text_free(&name);
    text_free(&id);
    experiment_free(&by_name);
    experiment_free(&by_id);
#undef BEGINS
}

static void redirects_are_checked(void **state)
{
    (void)state;
    expect_refused(SHAPES UNET "evaluate: {inputs: {model: train-vae}}\n", NULL,
                   "e.yaml:4:28: evaluate needs a section 'train-vae' for its input 'model'");
    expect_refused(SHAPES UNET "evaluate: {inputs: {model: 'artifact:12'}}\n", NULL,
                   "e.yaml:4:28: evaluate.inputs.model: an artifact id is 64 hex digits");
    expect_refused(SHAPES UNET "evaluate: {inputs: {dataset: transfer-unet}}\n", NULL,
                   "e.yaml:4:30: evaluate.inputs.dataset: 'transfer-unet' makes no dataset");
}

static void what_fits_no_model_is_named_with_its_section(void **state)
{
    (void)state;
    expect_refused(SHAPES "transfer-unet: {loss: {}}\n", NULL,
                   "e.yaml:3:16: transfer-unet: loss: nothing to minimise; "
                   "bce, cross_entropy, dice, focal, tversky, or several of them expected");
    expect_refused(SHAPES UNET "vary: {a: {}, b: {transfer-unet.loss: {bce: {}, cross_entropy: "
                               "{}}}}\n",
                   NULL,
                   "e.yaml:3:16: transfer-unet (variant 'b'): loss: bce has one logit and "
                   "cross_entropy one a class; choose one of them");
    expect_refused(SHAPES UNET,
                   "transfer-unet.model={channels: [8, 12], norm: group, norm_groups: 8}",
                   "e.yaml:3:16: transfer-unet: model.norm_groups: 8 groups do "
                   "not divide the 12 channels of level 1");
}

/* ---- variants ------------------------------------------------------------------------------- */

static void named_variants_replace_whole_values(void **state)
{
    (void)state;
    struct experiment e =
        parse("name: a\nbaseline: two\n" STAGES_HERE
              "vary:\n  one: {}\n  two: {train-vae.loss: {beta: 2}, backend.threads: 3}\n",
              NULL);
    assert_int_equal(e.variant_count, 2);
    assert_string_equal(e.variants[1].name, "two");
    assert_int_equal(e.baseline, 1);
    assert_int_equal(e.variants[0].backend.threads, -1);
    assert_int_equal(e.variants[1].backend.threads, 3);
    experiment_free(&e);
}

/* A variant that replaces a whole section must not undo what the command line asks for. */
static void a_change_from_the_command_line_wins(void **state)
{
    (void)state;
    struct experiment e = parse("name: a\n" STAGES_HERE
                                "vary:\n  one:\n  two: {train-vae.train: {lr: 0.5, batch: 7}}\n",
                                "train-vae.train.batch=9");
    for (int i = 0; i < 2; i++) {
        const struct vae_config *vae = variant_section(&e.variants[i], "train-vae")->config;
        assert_int_equal(vae->train.batch, 9);
        assert_true(vae->train.lr == (i ? 0.5 : 0.001));
    }
    struct experiment again = parse(e.frozen, NULL);
    const struct vae_config *vae = variant_section(&again.variants[1], "train-vae")->config;
    assert_int_equal(vae->train.batch, 9);
    experiment_free(&again);
    experiment_free(&e);
}

/* One text of changes is what they are one by one: blanks part them, but not those within brackets or
 * quotes, nor those of a value. */
static void several_changes_in_one_text(void **state)
{
    (void)state;
    static const char *const apart[] = {
        "preprocess.split={val: 26, test: 52}",      "preprocess.source.root=my old pictures",
        "train-vae.model.channels=[8, 16]",          "evaluate.masks=\"a b=c\"",
        "train-vae.inputs.dataset='it''s here=now'", "seeds=3"};
    struct text all = {0};
    struct yaml *one, *other;
    struct arena arena = {0};
    struct err err;
    for (size_t i = 0; i < sizeof apart / sizeof *apart; i++)
        text_printf(&all, "%s%s", i % 2 ? "\n " : " ", apart[i]);
    const char *together = all.data;
    assert_int_equal(yaml_parse(&one, &arena, "e", STAGES_HERE, strlen(STAGES_HERE), &err), 0);
    assert_int_equal(yaml_parse(&other, &arena, "e", STAGES_HERE, strlen(STAGES_HERE), &err), 0);
    if (experiment_change(&one, &arena, apart, 6, &err))
        fail_msg("%s", err.text);
    assert_int_equal(experiment_change(&other, &arena, &together, 1, &err), 0);
    struct text a = {0}, b = {0};
    yaml_write(&a, one);
    yaml_write(&b, other);
    assert_string_equal(a.data, b.data);
    assert_string_equal(yaml_get(yaml_get(yaml_get(one, "preprocess"), "source"), "root")->text,
                        "my old pictures");
    assert_string_equal(yaml_get(yaml_get(one, "evaluate"), "masks")->text, "a b=c");
    text_free(&a);
    text_free(&b);
    text_free(&all);
    arena_free(&arena);
}

static void a_grid_runs_the_last_path_fastest(void **state)
{
    (void)state;
    struct experiment e = parse("name: a\n" STAGES_HERE "vary:\n  train-vae.train.lr: [0.1, 0.2]\n"
                                "  train-vae.train.batch: [8, 16, 32]\n",
                                NULL);
    static const char *const names[] = {"lr=0.1,batch=8", "lr=0.1,batch=16", "lr=0.1,batch=32",
                                        "lr=0.2,batch=8", "lr=0.2,batch=16", "lr=0.2,batch=32"};
    assert_int_equal(e.variant_count, 6);
    for (int i = 0; i < 6; i++)
        assert_string_equal(e.variants[i].name, names[i]);
    experiment_free(&e);
}

static void seeds_count_or_list_or_one(void **state)
{
    (void)state;
    struct experiment e = parse("name: a\nseeds: 3\n" STAGES_HERE, NULL);
    assert_int_equal(e.seed_count, 3);
    assert_int_equal(e.seeds[2], 2);
    experiment_free(&e);
    e = parse("name: a\nseeds: [5, 9]\n" STAGES_HERE, NULL);
    assert_int_equal(e.seed_count, 2);
    assert_int_equal(e.seeds[1], 9);
    experiment_free(&e);
    e = parse("name: a\nseeds: 3\n" STAGES_HERE, "seed=7");
    assert_int_equal(e.seed_count, 1);
    assert_int_equal(e.seeds[0], 7);
    experiment_free(&e);
}

/* What a plan freezes must be the experiment that was planned. */
static void the_frozen_text_is_the_experiment(void **state)
{
    (void)state;
    struct experiment a = parse("# Why?\n# Because.\nname: a\nseeds: 2\n" STAGES_HERE
                                "vary: {x: {}, 'it''s: odd': {train-vae.train.epochs: 4}}\n",
                                "train-vae.train.lr=0.5");
    assert_string_equal(a.question, "Why?\nBecause.");
    struct experiment b = parse(a.frozen, NULL);
    assert_string_equal(a.frozen, b.frozen);
    assert_string_equal(b.variants[1].name, "it's: odd");
    assert_non_null(strstr(b.frozen, "0.5"));
    experiment_free(&a);
    experiment_free(&b);
}

/* To YAML each of these ends a line, so also a comment: what stands behind one is no comment. */
static void every_line_break_ends_a_comment(void **state)
{
    (void)state;
    static const char *const breaks[] = {"\n", "\r\n", "\r", "\xc2\x85", "\u2028", "\u2029"};
    for (size_t i = 0; i < sizeof breaks / sizeof *breaks; i++) {
        char file[512];
        snprintf(file, sizeof file, "# Why?%s# Because.%sname: a\n" STAGES_HERE, breaks[i],
                 breaks[i]);
        struct experiment a = parse(file, NULL);
        assert_string_equal(a.question, "Why?\nBecause.");
        struct experiment b = parse(a.frozen, NULL);
        assert_string_equal(a.frozen, b.frozen);
        experiment_free(&a);
        experiment_free(&b);
    }
}

/* A write that failed, and then a call that has set errno to something else. */
static void a_write_that_failed_earlier_has_no_reason(void **state)
{
    (void)state;
    int said[2], status;
    char text[200] = "";
    assert_int_equal(pipe(said), 0);
    pid_t child = fork();
    if (!child) {
        struct err err = {0};
        if (!freopen("/dev/full", "w", stdout) || dup2(said[1], STDERR_FILENO) < 0)
            _exit(1);
        puts("a result");
        fflush(stdout);
        errno = ENOENT;
        _exit(finish("program", 0, &err));
    }
    close(said[1]);
    assert_true(read(said[0], text, sizeof text - 1) > 0);
    close(said[0]);
    waitpid(child, &status, 0);
    assert_int_equal(WEXITSTATUS(status), STATUS_IO);
    assert_string_equal(text, "program: cannot write to the standard output\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_named_with_their_place),
        cmocka_unit_test(a_mistake_in_one_variant_stops_all),
        cmocka_unit_test(a_model_comes_from_the_one_trainer_that_is_there),
        cmocka_unit_test(two_trainers_are_a_question),
        cmocka_unit_test(only_what_a_model_needs_is_read),
        cmocka_unit_test(a_judge_is_needed_where_it_is_asked_for),
        cmocka_unit_test(what_a_unet_begins_with),
        cmocka_unit_test(redirects_are_checked),
        cmocka_unit_test(what_fits_no_model_is_named_with_its_section),
        cmocka_unit_test(named_variants_replace_whole_values),
        cmocka_unit_test(a_change_from_the_command_line_wins),
        cmocka_unit_test(several_changes_in_one_text),
        cmocka_unit_test(a_grid_runs_the_last_path_fastest),
        cmocka_unit_test(seeds_count_or_list_or_one),
        cmocka_unit_test(the_frozen_text_is_the_experiment),
        cmocka_unit_test(every_line_break_ends_a_comment),
        cmocka_unit_test(a_write_that_failed_earlier_has_no_reason),
    };
    return cmocka_run_group_tests_name("experiment", tests, NULL, NULL);
}
