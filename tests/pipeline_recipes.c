/*
 * What changes a recipe and what does not (DESIGN: "recipe unchanged under comments, order and
 * spelled-out defaults; changing any one field changes its stage and those downstream, nothing
 * else"). The second half is generated from the field tables: a new key is covered by being there.
 */
#include "store_lab.h"

#include "model/autoencoder.h"
#include "pipeline/pipeline.h"

#include <math.h>

static const char base_file[] = "name: t\n"
                                "seeds: 2\n"
                                "preprocess: {source: {format: shapes}}\n"
                                "train-classifier: {}\n"
                                "train-vae: {}\n"
                                "evaluate: {}\n";

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

enum { PLACES = 8 };
struct keys {
    int count;
    char section[PLACES][32];
    uint64_t seed[PLACES];
    struct id key[PLACES];
};

static struct keys keys_of(struct lab *lab, const char *file, const char *change)
{
    struct experiment experiment;
    struct resolution resolution;
    struct err err = {0};
    struct keys keys = {0};
    if (experiment_parse(&experiment, "t.yaml", file, strlen(file), &change, change ? 1 : 0,
                         &err) ||
        resolve(&resolution, &experiment, lab->store, "/nowhere", -1, -1, &err))
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

/* All of a are in b, and equal. */
static void assert_same(const struct keys *a, const struct keys *b)
{
    for (int i = 0; i < a->count; i++) {
        int j = 0;
        while (strcmp(a->section[i], b->section[j]) || a->seed[i] != b->seed[j])
            assert_true(++j < b->count);
        assert_string_equal(a->key[i].hex, b->key[j].hex);
    }
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
        assert_int_equal(edited.count, base.count);
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

/* The lines of a section's recipe that begin with "backend.". */
static void backend_lines(struct text *out, struct lab *lab, const char *section,
                          const char *precision)
{
    struct experiment experiment;
    struct resolution resolution;
    struct err err = {0};
    const char *change = precision;
    if (experiment_parse(&experiment, "t.yaml", base_file, strlen(base_file), &change, 1, &err) ||
        resolve(&resolution, &experiment, lab->store, "/nowhere", -1, -1, &err))
        fail_msg("%s", err.text);
    const struct place *place = resolution_find(&resolution, 0, 0, section);
    for (const char *line = place->recipe_text; *line; line += strcspn(line, "\n") + 1)
        if (starts_with(line, "backend."))
            text_add(out, line, strcspn(line, "\n") + 1);
    text_puts(out, "");
    resolution_free(&resolution);
    experiment_free(&experiment);
}

/* What was trained in bf16 before its version 2 is not taken for what is trained now, and all else is:
 * evaluations compute in f32, whatever the model was trained in. */
static void a_precision_has_a_version_of_its_own(void **state)
{
    static const struct {
        const char *section, *precision, *lines;
    } cases[] = {
        {"preprocess", "backend.precision=bf16", ""},
        {"train-vae", "backend.precision=f32", "backend.precision=f32\n"},
        {"evaluate", "backend.precision=f32", "backend.precision=f32\n"},
        {"train-vae", "backend.precision=bf16",
         "backend.precision=bf16\nbackend.precision.version=2\n"},
        {"train-classifier", "backend.precision=bf16",
         "backend.precision=bf16\nbackend.precision.version=2\n"},
        {"evaluate", "backend.precision=bf16", "backend.precision=bf16\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct text lines = {0};
        backend_lines(&lines, *state, cases[i].section, cases[i].precision);
        assert_string_equal(lines.data, cases[i].lines);
        text_free(&lines);
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
        out[0] = 0; /* the last: a section may have another default for its row, but not that */
        for (const char *const *choice = field->choices; *choice; choice++)
            if (strcmp(*choice, fallback))
                snprintf(out, size, "%s", *choice);
        return out[0] != 0;
    case FIELD_CHOICES:
        snprintf(out, size, "[%s]", field->choices[0]);
        if (strcmp(out, fallback) == 0)
            snprintf(out, size, "[%s]", field->choices[1]);
        return true;
    case FIELD_INTS:
    case FIELD_REALS:
        snprintf(out, size, "[17, 23]");
        return true;
    case FIELD_OPTION: /* those of a loss have a weight; one of them is in the base */
        snprintf(out, size, strcmp(field->sub->key, "weight") ? "{}" : "{weight: 3.0}");
        return true;
    default:
        snprintf(out, size, "other");
        return true;
    }
}

/* The judge is there: what it does shows in evaluate. */
static bool downstream(const char *of, const char *section)
{
    if (!strcmp(of, section) || !strcmp(of, "preprocess"))
        return true;
    return !strcmp(section, "evaluate");
}

/* What is changed, and its keys as it is. */
struct base {
    const char *file;
    struct keys keys;
};

static int check_field(struct lab *lab, const struct base *base, const char *section,
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
    if (experiment_parse(&experiment, "t.yaml", base->file, strlen(base->file), &changes, 1, &err))
        return 0;
    experiment_free(&experiment);
    if (strstr(change, "source.format"))
        return 0; /* the other format reads files that are not here */
    struct keys keys = keys_of(lab, base->file, change);
    for (int i = 0; i < keys.count; i++) {
        bool differs = strcmp(keys.key[i].hex, base->keys.key[i].hex) != 0;
        bool should = !field->silent && downstream(section, keys.section[i]);
        if (differs != should)
            fail_msg("%s: %s of '%s'", change, differs ? "changed the key" : "left the key",
                     keys.section[i]);
    }
    return 1;
}

/* Those of another variant than the base's are refused before they could be in a recipe. */
static int walk(struct lab *lab, const struct base *base, const char *section, const char *prefix,
                const struct field *fields)
{
    int checked = 0;
    for (; fields->key; fields++) {
        char path[128];
        snprintf(path, sizeof path, "%s.%s", prefix, fields->key);
        if (fields->type == FIELD_SECTION || fields->type == FIELD_OPTION)
            checked += walk(lab, base, section, path, fields->sub);
        for (int i = 0; fields->variant && fields->variant(i); i++)
            if (strcmp(fields->variant(i)->name, "shapes") == 0) /* of the base */
                checked += walk(lab, base, section, prefix, fields->variant(i)->fields);
        if (fields->type != FIELD_SECTION)
            checked += check_field(lab, base, section, path, fields);
    }
    return checked;
}

/* ---- a segmentation ------------------------------------------------------------------------- */

static const char unet_file[] = "name: t\nseeds: 2\npreprocess: {source: {format: shapes}}\n"
                                "transfer-unet: {loss: {bce: {}}}\nevaluate: {}\n";

static const char ae_file[] =
    "name: t\nseeds: 2\npreprocess: {source: {format: shapes}}\n"
    "pretrain-ae: {train: {early_stopping: {patience: 20}}}\nevaluate: {}\n";

static void one_field_changes_its_stage_and_what_follows(void **state)
{
    struct base vae = {base_file, keys_of(*state, base_file, NULL)};
    struct base unet = {unet_file, keys_of(*state, unet_file, NULL)};
    struct base ae = {ae_file, keys_of(*state, ae_file, NULL)};
    for (const struct stage_info *stage = stage_table; stage->name; stage++) {
        const struct base *base = stage->model == &unet_kind          ? &unet
                                  : stage->model == &autoencoder_kind ? &ae
                                                                      : &vae;
        int checked = walk(*state, base, stage->name, "", stage->fields);
        print_message("%s: %d keys\n", stage->name, checked);
        assert_true(checked >= (stage->trains ? 20 : 4));
    }
}

static void a_unet_has_no_judge(void **state)
{
    struct keys base = keys_of(*state, unet_file, NULL);
    struct keys judged =
        keys_of(*state,
                "name: t\nseeds: 2\npreprocess: {source: {format: shapes}}\n"
                "transfer-unet: {loss: {bce: {}}}\nevaluate: {}\ntrain-classifier: {}\n",
                NULL);
    assert_int_equal(base.count, 6);
    assert_int_equal(judged.count, 8);
    assert_same(&base, &judged);
    static const char *const changes[] = {
        "transfer-unet.loss={dice: {reduce: batch, smooth: 1}}",
        "transfer-unet.loss={bce: {weight: 2}}",
        "transfer-unet.model.down=strided",
        "transfer-unet.train.augment=[flip]",
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct keys changed = keys_of(*state, unet_file, changes[i]);
        for (int k = 0; k < base.count; k++)
            assert_int_equal(strcmp(changed.key[k].hex, base.key[k].hex) != 0,
                             strcmp(base.section[k], "preprocess") != 0);
    }
}

/* ---- new keys ------------------------------------------------------------------------------- */

struct added {
    bool on;
    int choice;
    int64_t integer, automatic;
    double real;
    const char *text;
    struct int_list ints, choices;
    struct real_list reals;
    struct text_list texts;
    struct {
        bool present;
    } option;
};
static const char *const words[] = {"a", "b", NULL};
static const struct field no_fields[] = {{0}};
#define AT(member) .offset = offsetof(struct added, member), .help = "new", .later = true
static const struct field added_fields[] = {
    {"on", FIELD_BOOL, AT(on), .fallback = "true"},
    {"choice", FIELD_CHOICE, AT(choice), .fallback = "b", .choices = words},
    {"integer", FIELD_INT, AT(integer), .fallback = "7"},
    {"automatic", FIELD_AUTO_INT, AT(automatic), .fallback = "auto"},
    {"real", FIELD_REAL, AT(real), .fallback = "2.50"},
    {"text", FIELD_TEXT, AT(text), .fallback = "none"},
    {"ints", FIELD_INTS, AT(ints), .fallback = "[1, 2]"},
    {"choices", FIELD_CHOICES, AT(choices), .fallback = "[a, b]", .choices = words},
    {"reals", FIELD_REALS, AT(reals), .fallback = "[1.0]"},
    {"texts", FIELD_TEXTS, AT(texts), .fallback = "[a, 'b c']"},
    {"option", FIELD_OPTION, AT(option), .sub = no_fields},
    {0},
};
#undef AT

/* The table, and a section of new keys at the end of it and of each section in it. */
static const struct field *with_added(const struct field *fields, size_t offset,
                                      struct arena *arena)
{
    size_t count = 0;
    while (fields[count].key)
        count++;
    struct field *out = arena_alloc(arena, (count + 2) * sizeof *out);
    memcpy(out, fields, count * sizeof *out);
    for (size_t i = 0; i < count; i++)
        if (out[i].type == FIELD_SECTION)
            out[i].sub = with_added(out[i].sub, offset - out[i].offset, arena);
    out[count] = (struct field){.key = "added", FIELD_SECTION, offset, .sub = added_fields};
    return out;
}

static void a_key_added_to_any_table_changes_no_recipe(void **state)
{
    (void)state;
    for (const struct stage_info *stage = stage_table; stage->name; stage++) {
        size_t offset = (stage->config_size + 15) / 16 * 16;
        char *config = calloc(1, offset + sizeof(struct added));
        struct arena arena = {0};
        struct yaml *map;
        struct text before = {0}, after = {0};
        struct err err;
        const char *given = !strcmp(stage->name, "preprocess")      ? "source: {format: shapes}"
                            : !strcmp(stage->name, "transfer-unet") ? "loss: {bce: {}}"
                                                                    : "{}";
        assert_int_equal(yaml_parse(&map, &arena, "t", given, strlen(given), &err), 0);
        const struct field *fields = with_added(stage->fields, offset, &arena);
        assert_int_equal(config_bind(config, fields, map, "t", &arena, &err), 0);
        config_dump(&before, stage->fields, config, "");
        config_dump(&after, fields, config, "");
        assert_string_equal(after.data, before.data);
        ((struct added *)(config + offset))->integer++;
        text_free(&after);
        after = (struct text){0};
        config_dump(&after, fields, config, "");
        assert_non_null(strstr(after.data, "added.integer=8\n"));
        text_free(&before);
        text_free(&after);
        arena_free(&arena);
        free(config);
    }
}

/* The configuration in the recipes of every experiment in experiments/, as it was when the file was
 * written: a line that differs runs that stage again in every lab. A new experiment needs its lines;
 * with CAIRN_PIN=FILE they are written there. */
static void add_experiment(struct text *out, const char *name)
{
    char path[256];
    struct experiment experiment;
    struct err err;
    snprintf(path, sizeof path, "experiments/%s.yaml", name);
    if (experiment_load(&experiment, path, NULL, 0, &err))
        fail_msg("%s", err.text);
    for (size_t v = 0; v < experiment.variant_count; v++)
        for (size_t i = 0; i < experiment.variants[v].count; i++) {
            const struct section *section = &experiment.variants[v].sections[i];
            text_printf(out, "[%s %s %s]\n", name, experiment.variants[v].name, section->name);
            config_dump(out, section->stage->fields, section->config, "");
        }
    experiment_free(&experiment);
}

static void recipes_of_the_experiments_stand_still(void **state)
{
    (void)state;
    static const char *const names[] = {"ae-reconstruct", "ae-transfer",      "camvid-unet",
                                        "cifar-cvae",     "hippocampus-unet", "mnist-cvae",
                                        "quickstart",     "unet-ablation",    "unet-best"};
    struct text now = {0};
    char *pinned;
    size_t length;
    struct err err;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        add_experiment(&now, names[i]);
    if (getenv("CAIRN_PIN"))
        put(getenv("CAIRN_PIN"), now.data);
    assert_int_equal(file_read(&pinned, &length, "tests/golden/recipes.txt", 1 << 20, &err), 0);
    size_t same = 0, line = 0;
    for (; now.data[same] && now.data[same] == pinned[same]; same++)
        if (now.data[same] == '\n')
            line = same + 1;
    if (now.data[same] || pinned[same])
        fail_msg("recipe text: '%.*s', pinned '%.*s'", (int)strcspn(now.data + line, "\n"),
                 now.data + line, (int)strcspn(pinned + line, "\n"), pinned + line);
    text_free(&now);
    free(pinned);
}

/* ---- sources -------------------------------------------------------------------------------- */

enum { PICTURES = 700 };

/* Pictures and masks by name alone: nothing decodes them here. */
static void lay_out(const char *root)
{
    char path[256], text[64];
    struct err err;
    static const char *const folders[] = {"", "/images", "/masks"};
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", root, folders[i]);
        assert_int_equal(folder_make(path, &err), 0);
    }
    struct text names[3] = {0}; /* one case to validate on, one to test */
    for (int i = 0; i < PICTURES; i++) {
        text_printf(&names[i > 1 ? 0 : 1 + i], "%04d\n", i);
        for (int kind = 1; kind < 3; kind++) {
            snprintf(path, sizeof path, "%s%s/%04d.png", root, folders[kind], i);
            snprintf(text, sizeof text, "%s of %d", folders[kind], i);
            put(path, text);
        }
    }
    static const char *const lists[] = {"train.txt", "val.txt", "test.txt"};
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", root, lists[i]);
        put(path, names[i].data);
        text_free(&names[i]);
    }
}

static void assert_hashes(const struct place *place)
{
    assert_true(place->source_count >= 2 * PICTURES);
    for (int i = 0; i < place->source_count; i++) {
        struct id id;
        struct err err;
        assert_int_equal(sha256_file(&id, NULL, place->sources[i].path, &err), 0);
        assert_string_equal(place->source_ids[i].hex, id.hex);
    }
}

/* Each place has the hashes of its own files; those of one section have them in common. */
static void thousands_of_files_are_hashed_once(void **state)
{
    struct lab *lab = *state;
    char root[128];
    static const char file[] =
        "name: t\nseeds: 2\npreprocess: {source: {format: folder, root: one}}\n"
        "vary: {a: {}, b: {preprocess.split.val: 1}, c: {preprocess.source.root: two}}\n";
    snprintf(root, sizeof root, "%.100s/one", lab->path);
    lay_out(root);
    snprintf(root, sizeof root, "%.100s/two", lab->path);
    lay_out(root);
    char path[256];
    struct err err = {0};
    snprintf(path, sizeof path, "%s/images/0007.png", root);
    put(path, "another");

    struct experiment experiment;
    struct resolution resolution;
    if (experiment_parse(&experiment, "t.yaml", file, strlen(file), NULL, 0, &err) ||
        resolve(&resolution, &experiment, lab->store, lab->path, -1, -1, &err))
        fail_msg("%s", err.text);
    assert_int_equal(resolution.count, 6);
    const struct place *places = resolution.places;
    for (int i = 0; i < 6; i++)
        assert_hashes(&places[i]);
    assert_ptr_equal(places[0].source_ids, places[1].source_ids);
    assert_string_equal(places[0].key.hex, places[1].key.hex);
    assert_string_not_equal(places[0].key.hex, places[2].key.hex);
    assert_string_not_equal(places[0].key.hex, places[4].key.hex);
    resolution_free(&resolution);
    experiment_free(&experiment);
}

/* ---- processors ----------------------------------------------------------------------------- */

static int threads_of(struct lab *lab, const char *file, int processors, int64_t jobs)
{
    struct experiment experiment;
    struct resolution resolution;
    struct err err = {0};
    if (experiment_parse(&experiment, "t.yaml", file, strlen(file), NULL, 0, &err) ||
        resolve(&resolution, &experiment, lab->store, "/nowhere", -1, -1, &err))
        fail_msg("%s", err.text);
    int threads = plan_threads(processors, jobs, &resolution);
    resolution_free(&resolution);
    experiment_free(&experiment);
    return threads;
}

static void programs_side_by_side_share_the_processors(void **state)
{
    /* two trainings at once (and then two evaluations), whatever the number of jobs */
    assert_int_equal(threads_of(*state, unet_file, 8, 1), 0);
    assert_int_equal(threads_of(*state, unet_file, 8, 2), 4);
    assert_int_equal(threads_of(*state, unet_file, 8, 100), 4);
    assert_int_equal(threads_of(*state, unet_file, 1, 2), 1);
    /* a classifier that serves both seeds, and a VAE each: three */
    assert_int_equal(threads_of(*state, base_file, 8, 2), 4);
    assert_int_equal(threads_of(*state, base_file, 8, 3), 2);
    assert_int_equal(threads_of(*state, base_file, 9, 100), 3);
    assert_int_equal(threads_of(*state, base_file, 2, 100), 1);
    /* one after the other: nothing to share */
    assert_int_equal(threads_of(*state,
                                "name: t\npreprocess: {source: {format: shapes}}\n"
                                "transfer-unet: {loss: {bce: {}}}\nevaluate: {}\n",
                                8, 4),
                     0);
    /* preparing data computes on no backend */
    assert_int_equal(threads_of(*state,
                                "name: t\npreprocess: {source: {format: shapes}}\n"
                                "preprocess@b: {source: {format: shapes, size: 16}}\n",
                                8, 4),
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neutral_edits_change_nothing),
        cmocka_unit_test(seeded_stages_alone_follow_the_seed),
        cmocka_unit_test(a_precision_has_a_version_of_its_own),
        cmocka_unit_test(one_field_changes_its_stage_and_what_follows),
        cmocka_unit_test(a_unet_has_no_judge),
        cmocka_unit_test(a_key_added_to_any_table_changes_no_recipe),
        cmocka_unit_test(recipes_of_the_experiments_stand_still),
        cmocka_unit_test(thousands_of_files_are_hashed_once),
        cmocka_unit_test(programs_side_by_side_share_the_processors),
    };
    return cmocka_run_group_tests_name("recipes", tests, lab_setup, lab_teardown);
}
