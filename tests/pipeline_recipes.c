/*
 * What changes a recipe and what does not (DESIGN: "recipe unchanged under comments, order and
 * spelled-out defaults; changing any one field changes its stage and those downstream, nothing
 * else"). The second half is generated from the field tables: a new key is covered by being there.
 */
#include "pipeline/pipeline.h"

#include "base/file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char base_file[] = "name: t\n"
                                "seeds: 2\n"
                                "preprocess: {source: {format: shapes}}\n"
                                "train-classifier: {}\n"
                                "train-vae: {}\n"
                                "evaluate: {}\n";

struct fixture {
    char lab[64];
    struct store *store;
};

static int open_lab(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err err;
    strcpy(f->lab, "/tmp/cairn-test-XXXXXX");
    if (!mkdtemp(f->lab) || store_open(&f->store, f->lab, true, &err))
        return -1;
    *state = f;
    return 0;
}

static int close_lab(void **state)
{
    struct fixture *f = *state;
    struct err err;
    store_close(f->store);
    int status = folder_remove(f->lab, &err);
    free(f);
    return status;
}

enum { PLACES = 8 };
struct keys {
    int count;
    char section[PLACES][32];
    uint64_t seed[PLACES];
    struct id key[PLACES];
};

static struct keys keys_of(struct fixture *f, const char *file, const char *change)
{
    struct experiment experiment;
    struct resolution resolution;
    struct err err = {0};
    struct keys keys = {0};
    if (experiment_parse(&experiment, "t.yaml", file, strlen(file), &change, change ? 1 : 0,
                         &err) ||
        resolve(&resolution, &experiment, f->store, "/nowhere", -1, -1, &err))
        fail_msg("%s (%s)", err.text, change ? change : "no change");
    for (size_t i = 0; i < resolution.count && i < PLACES; i++) {
        const struct place *place = &resolution.places[i];
        snprintf(keys.section[i], sizeof keys.section[i], "%s", place->section->name);
        keys.seed[i] = place->seed;
        keys.key[i] = place->key;
        keys.count++;
    }
    resolution_free(&resolution);
    experiment_free(&experiment);
    return keys;
}

static void assert_same(const struct keys *a, const struct keys *b)
{
    assert_int_equal(a->count, b->count);
    for (int i = 0; i < a->count; i++)
        for (int j = 0; j < b->count; j++)
            if (!strcmp(a->section[i], b->section[j]) && a->seed[i] == b->seed[j])
                assert_string_equal(a->key[i].hex, b->key[j].hex);
}

static void neutral_edits_change_nothing(void **state)
{
    struct keys base = keys_of(*state, base_file, NULL);
    static const char *const same[] = {
        "# a comment\nname: t # more\nseeds: 2\npreprocess: {source: {format: shapes}}\n"
        "train-classifier: {}\ntrain-vae: {}\nevaluate: {}\n",
        "evaluate:\ntrain-vae:\ntrain-classifier:\nseeds: 2\npreprocess:\n  source:\n"
        "    format: shapes\nname: t\n",
        "name: t\nseeds: [0, 1]\npreprocess: {split: {seed: 0, val: 0}, source: {size: 28, format: "
        "shapes}}\ntrain-classifier: {}\ntrain-vae: {train: {lr: 0.001}}\nevaluate: {}\n",
        "name: t\nseeds: 2\nbackend: {device: auto, threads: auto, precision: f32}\n"
        "preprocess: {source: {format: shapes}}\n"
        "train-classifier: {}\ntrain-vae: {train: {lr: 1.0e-3}}\nevaluate: {}\n",
        "name: renamed\nseeds: 2\npreprocess: {source: {format: shapes}}\n"
        "train-classifier: {}\ntrain-vae: {}\nevaluate: {}\n",
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        struct keys edited = keys_of(*state, same[i], NULL);
        assert_same(&base, &edited);
    }
}

static void seeded_stages_alone_follow_the_seed(void **state)
{
    struct keys keys = keys_of(*state, base_file, NULL);
    assert_int_equal(keys.count, 8);
    for (int i = 0; i < 4; i++) {
        bool seeded = !strcmp(keys.section[i], "train-vae") || !strcmp(keys.section[i], "evaluate");
        assert_string_equal(keys.section[i], keys.section[i + 4]);
        assert_int_equal(!strcmp(keys.key[i].hex, keys.key[i + 4].hex), !seeded);
    }
}

/* ---- every key of every table --------------------------------------------------------------- */

/* Another legal value than the default; false if there is none. */
static bool other_value(char *out, size_t size, const struct field *field)
{
    const char *fallback = field->fallback ? field->fallback : "";
    double number = strtod(fallback, NULL);
    bool ranged = field->min != 0 || field->max != 0;
    switch (field->type) {
    case FIELD_BOOL:
        snprintf(out, size, "%s", strcmp(fallback, "true") ? "true" : "false");
        return true;
    case FIELD_INT:
    case FIELD_AUTO_INT:
        snprintf(out, size, "%.0f", ranged && number + 1 > field->max ? number - 1 : number + 1);
        return true;
    case FIELD_REAL:
        for (double step = 0.25; step > 1e-9; step /= 2) {
            double above = number + step, below = number - step;
            bool fits_above = !ranged || (above >= field->min && above <= field->max);
            bool fits_below = !ranged || (below >= field->min && below <= field->max);
            if (fits_above || fits_below) {
                snprintf(out, size, "%.10f", fits_above ? above : below);
                return true;
            }
        }
        return false;
    case FIELD_CHOICE:
        for (const char *const *choice = field->choices; *choice; choice++)
            if (strcmp(*choice, fallback)) {
                snprintf(out, size, "%s", *choice);
                return true;
            }
        return false;
    case FIELD_CHOICES:
        snprintf(out, size, "[%s]", field->choices[0]);
        return true;
    case FIELD_INTS:
    case FIELD_REALS:
        snprintf(out, size, "[17, 23]");
        return true;
    case FIELD_OPTION:
        snprintf(out, size, "{}");
        return true;
    default:
        snprintf(out, size, "other");
        return true;
    }
}

static bool downstream(const char *of, const char *section)
{
    if (!strcmp(of, section) || !strcmp(of, "preprocess"))
        return true;
    return !strcmp(section, "evaluate");
}

static int check_field(struct fixture *f, const struct keys *base, const char *section,
                       const char *path, const struct field *field)
{
    char value[64], change[256];
    if (!other_value(value, sizeof value, field))
        return 0;
    snprintf(change, sizeof change, "%s%s=%s", section, path, value);
    /* some combinations are refused (an image size the source does not have): not our subject */
    struct experiment experiment;
    struct err err;
    const char *changes = change;
    if (experiment_parse(&experiment, "t.yaml", base_file, strlen(base_file), &changes, 1, &err))
        return 0;
    experiment_free(&experiment);
    if (strstr(change, "source.format"))
        return 0; /* the other format reads files that are not here */
    struct keys keys = keys_of(f, base_file, change);
    for (int i = 0; i < keys.count; i++) {
        bool differs = strcmp(keys.key[i].hex, base->key[i].hex) != 0;
        bool should = !field->silent && downstream(section, keys.section[i]);
        if (differs != should)
            fail_msg("%s: %s of '%s'", change, differs ? "changed the key" : "left the key",
                     keys.section[i]);
    }
    return 1;
}

static int walk(struct fixture *f, const struct keys *base, const char *section, const char *prefix,
                const struct field *fields)
{
    int checked = 0;
    for (; fields->key; fields++) {
        char path[128];
        snprintf(path, sizeof path, "%s.%s", prefix, fields->key);
        if (fields->type == FIELD_SECTION)
            checked += walk(f, base, section, path, fields->sub);
        else
            checked += check_field(f, base, section, path, fields);
    }
    return checked;
}

static void one_field_changes_its_stage_and_what_follows(void **state)
{
    struct keys base = keys_of(*state, base_file, NULL);
    int checked = 0;
    for (int i = 0; i < STAGES; i++)
        checked += walk(*state, &base, stage_table[i].name, "", stage_table[i].fields);
    assert_true(checked > 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neutral_edits_change_nothing),
        cmocka_unit_test(seeded_stages_alone_follow_the_seed),
        cmocka_unit_test(one_field_changes_its_stage_and_what_follows),
    };
    return cmocka_run_group_tests_name("recipes", tests, open_lab, close_lab);
}
