/* Field tables: binding, messages, defaults, the canonical dump and the help. */
#include "config_arena.h"
#include "config_table.h"

#include <stdio.h>

static const char *dumped(struct arena *arena, const struct sample *sample)
{
    struct text out = {0};
    config_dump(&out, sample_fields, sample, "t");
    return kept(arena, &out);
}

/* The canonical dump of a tree, or the message it is refused with. */
static const char *outcome(struct arena *arena, const struct yaml *tree)
{
    struct err err = {0};
    struct sample sample = {0};
    if (!config_bind(&sample, sample_fields, tree, "t", arena, &err))
        return dumped(arena, &sample);
    assert_int_equal(err.status, STATUS_CONFIG);
    assert_null(strchr(err.text, '\n'));
    return arena_strdup(arena, err.text);
}

/* ---- by hand -------------------------------------------------------------------------------- */

static const char *const defaults = "t.enabled=true\n"
                                    "t.epochs=10\n"
                                    "t.level=-3\n"
                                    "t.lr=0.001\n"
                                    "t.offset=0\n"
                                    "t.bias=0\n"
                                    "t.optimizer=adam\n"
                                    "t.channels=[16, 32]\n"
                                    "t.augment=[]\n"
                                    "t.betas=[0.9, 0.999]\n"
                                    "t.metrics=[\"dice\"]\n"
                                    "t.patience=auto\n"
                                    "t.schedule.warmup=0\n"
                                    "t.schedule.nesterov=false\n"
                                    "t.root=\"r\"\n";

static void defaults_fill_what_is_not_given(void **state)
{
    assert_string_equal(outcome(*state, parse(*state, "root: r")), defaults);
    /* nothing given for a section: all its defaults */
    assert_string_equal(outcome(*state, parse(*state, "root: r\nschedule:\n")), defaults);
    assert_string_equal(outcome(*state, parse(*state, "root: r\nschedule: {}\n")), defaults);
}

/* A section may have other defaults than its rows; what is given for it leaves the rest of them. */
static void a_section_has_defaults_of_its_own(void **state)
{
    static const struct {
        const char *given, *want;
    } cases[] = {
        {"{}",
         "s.warmup=5\ns.nesterov=false\ns.dice=given\ns.dice.weight=2\ns.dice.reduce=batch\n"},
        {"{s: }",
         "s.warmup=5\ns.nesterov=false\ns.dice=given\ns.dice.weight=2\ns.dice.reduce=batch\n"},
        {"{s: {warmup: 1, nesterov: true}}",
         "s.warmup=1\ns.nesterov=true\ns.dice=given\ns.dice.weight=2\ns.dice.reduce=batch\n"},
        {"{s: {dice: {reduce: case}}}",
         "s.warmup=5\ns.nesterov=false\ns.dice=given\ns.dice.weight=2\ns.dice.reduce=case\n"},
        {"{s: {warmup: 0}}",
         "s.warmup=0\ns.nesterov=false\ns.dice=given\ns.dice.weight=2\ns.dice.reduce=batch\n"},
    };
    static const struct field fields[] = {{"s", FIELD_SECTION, 0, "{warmup: 5, dice: {weight: 2}}",
                                           "a section", .sub = schedule_fields},
                                          {0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct schedule schedule;
        struct err err;
        struct text out = {0};
        assert_int_equal(
            config_bind(&schedule, fields, parse(*state, cases[i].given), "", *state, &err), 0);
        config_dump(&out, fields, &schedule, "");
        assert_string_equal(kept(*state, &out), cases[i].want);
    }
}

/* Its keys are in the recipe only where they differ from their defaults: however those are spelled. */
static void a_key_that_came_later_is_dumped_where_it_differs(void **state)
{
    static const struct {
        const char *given, *line;
    } cases[] = {
        {"{}", ""},
        {"{on: false, rounds: 3, momentum: 0.9, label: \"\", weights: [1, 2.5]}", ""},
        {"{inner: {warmup: 0}}", ""},
        {"{on: true}", "t.added.on=true\n"},
        {"{rounds: 4}", "t.added.rounds=4\n"},
        {"{momentum: 0.90000001}", "t.added.momentum=0.90000001\n"},
        {"{label: 'on'}", "t.added.label=\"on\"\n"},
        {"{weights: [1]}", "t.added.weights=[1]\n"},
        {"{weights: []}", "t.added.weights=[]\n"},
        {"{inner: {nesterov: true}}", "t.added.inner.nesterov=true\n"},
        {"{inner: {dice: {}}}", "t.added.inner.dice=given\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256], want[2048];
        snprintf(text, sizeof text, "root: r\nadded: %s", cases[i].given);
        snprintf(want, sizeof want, "%.*s%st.root=\"r\"\n",
                 (int)(strlen(defaults) - strlen("t.root=\"r\"\n")), defaults, cases[i].line);
        assert_string_equal(outcome(*state, parse(*state, text)), want);
    }
}

static void values_arrive_in_the_struct(void **state)
{
    struct sample s;
    struct err err;
    const char *text =
        "{enabled: false, epochs: +7, level: -9223372036854775808, lr: .5, offset: "
        "-1e2, root: 3, optimizer: 'sgd', device: cuda, channels: [8, 4096], "
        "augment: [noise, flip], betas: [1, 0.25], metrics: [iou, '1'], threads: "
        "auto, interval: 0, patience: 12, schedule: {warmup: 5, dice: {reduce: case}}, bce: {}}";
    memset(&s, 0x5A, sizeof s);
    if (config_bind(&s, sample_fields, parse(*state, text), "t", *state, &err))
        fail_msg("%s", err.text);
    assert_false(s.enabled);
    assert_int_equal(s.epochs, 7);
    assert_true(s.level == INT64_MIN);
    assert_true(s.lr == 0.5 && s.offset == -100);
    assert_string_equal(s.root, "3");
    assert_int_equal(s.optimizer, 2);
    assert_int_equal(s.device, 2);
    assert_int_equal(s.channels.count, 2);
    assert_int_equal(s.channels.items[1], 4096);
    assert_int_equal(s.augment.count, 2);
    assert_int_equal(s.augment.items[0], 0); /* a set: given in the other order */
    assert_int_equal(s.augment.items[1], 2);
    assert_true(s.betas.count == 2 && s.betas.items[0] == 1 && s.betas.items[1] == 0.25);
    assert_int_equal(s.metrics.count, 2);
    assert_string_equal(s.metrics.items[1], "1");
    assert_int_equal(s.threads, -1);
    assert_int_equal(s.interval, 0);
    assert_int_equal(s.schedule.warmup, 5);
    assert_false(s.schedule.nesterov);
    assert_true(s.schedule.dice.present);
    assert_true(s.schedule.dice.weight == 1.0);
    assert_int_equal(s.schedule.dice.reduce, 1);
    assert_false(s.dice.present);
    assert_true(s.bce.present);
    assert_string_equal(dumped(*state, &s), "t.enabled=false\n"
                                            "t.epochs=7\n"
                                            "t.level=-9223372036854775808\n"
                                            "t.lr=0.5\n"
                                            "t.offset=-100\n"
                                            "t.bias=0\n"
                                            "t.optimizer=sgd\n"
                                            "t.device=cuda\n"
                                            "t.channels=[8, 4096]\n"
                                            "t.augment=[flip, noise]\n"
                                            "t.betas=[1, 0.25]\n"
                                            "t.metrics=[\"iou\", \"1\"]\n"
                                            "t.patience=12\n"
                                            "t.schedule.warmup=5\n"
                                            "t.schedule.nesterov=false\n"
                                            "t.schedule.dice=given\n"
                                            "t.schedule.dice.weight=1\n"
                                            "t.schedule.dice.reduce=case\n"
                                            "t.bce=given\n"
                                            "t.root=\"3\"\n");
}

static void what_is_refused_and_how(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"epoch: 3", "1:1: t: unknown key 'epoch'; did you mean 'epochs'?"},
        {"schedule: {qqqqqq: 1}",
         "1:12: t.schedule: unknown key 'qqqqqq'; valid keys: warmup, nesterov, dice"},
        {"qqqqqqqq: 1", "1:1: t: unknown key 'qqqqqqqq'"}, /* too many keys to list */
        {"bce: {a: 1}", "1:7: t.bce: unknown key 'a'; no keys are expected here"},
        {"lr: fast", "1:5: t.lr: 'fast' is not a number"},
        {"lr: -1", "1:5: t.lr: -1 is out of range (0 to 1)"},
        {"lr: 1.0001", "1:5: t.lr: 1.0001 is out of range (0 to 1)"},
        {"offset: 6", "1:9: t.offset: 6 is out of range (5 or less)"},
        {"offset: -1e999", "1:9: t.offset: -1e999 is out of range (5 or less)"},
        {"lr: '0.1'", "1:5: t.lr: '0.1' is in quotes, which makes it text; number expected"},
        {"lr:", "1:4: t.lr: nothing given; number expected"},
        {"lr: [1]", "1:5: t.lr: a list given; number expected"},
        {"lr: {a: 1}", "1:5: t.lr: a section given; number expected"},
        {"epochs: -1", "1:9: t.epochs: -1 is out of range (1 or more)"},
        {"epochs: 3.0", "1:9: t.epochs: '3.0' is not an integer; did you mean 3?"},
        {"epochs: 1e3", "1:9: t.epochs: '1e3' is not an integer; did you mean 1000?"},
        {"epochs: 3.5", "1:9: t.epochs: '3.5' is not an integer"},
        {"epochs: 9223372036854775808",
         "1:9: t.epochs: 9223372036854775808 is out of range (1 or more)"},
        {"level: -9223372036854775809", "1:8: t.level: -9223372036854775809 is out of range"},
        {"threads: -1", "1:10: t.threads: -1 is out of range (1 to 256)"},
        {"threads: 0", "1:10: t.threads: 0 is out of range (1 to 256)"},
        {"interval: -1", "1:11: t.interval: -1 is out of range (0 or more, or auto)"},
        {"threads: all", "1:10: t.threads: 'all' is not an integer or auto"},
        {"threads: 2.0", "1:10: t.threads: '2.0' is not an integer or auto; did you mean 2?"},
        {"enabled: yes", "1:10: t.enabled: 'yes' is not true or false"},
        {"enabled: True", "1:10: t.enabled: 'True' is not true or false"},
        {"enabled: 1", "1:10: t.enabled: '1' is not true or false"},
        {"enabled: 'true'",
         "1:10: t.enabled: 'true' is in quotes, which makes it text; true or false expected"},
        {"root: null", "1:7: t.root: nothing given; text expected"},
        {"optimizer: adm",
         "1:12: t.optimizer: 'adm' is not one of adam, adamw, sgd; did you mean 'adam'?"},
        {"optimizer: momentum", "1:12: t.optimizer: 'momentum' is not one of adam, adamw, sgd"},
        {"optimizer: [sgd]", "1:12: t.optimizer: a list given; adam, adamw, sgd expected"},
        {"channels: 16", "1:11: t.channels: '16' is not a list; did you mean [16]?"},
        {"channels: {a: 1}", "1:11: t.channels: a section given; list of integers expected"},
        {"channels: []", "1:11: t.channels: 0 items given; 1 to 8 expected"},
        {"channels: [16, 0]", "1:16: t.channels[1]: 0 is out of range (1 to 4096)"},
        {"channels: [16,\n  1.5]", "2:3: t.channels[1]: '1.5' is not an integer"},
        {"betas: [0.9]", "1:8: t.betas: 1 item given; 2 expected"},
        {"betas: [0.9, x]", "1:14: t.betas[1]: 'x' is not a number"},
        {"metrics: []", "1:10: t.metrics: 0 items given; 1 or more expected"},
        {"metrics: [a, [b]]", "1:14: t.metrics[1]: a list given; text expected"},
        {"augment: [flip, flop]",
         "1:17: t.augment[1]: 'flop' is not one of flip, rotate, noise; did you mean 'flip'?"},
        {"augment: [flip, noise, flip]", "1:24: t.augment[2]: 'flip' given twice"},
        {"schedule: fast", "1:11: t.schedule: 'fast' given; a section (key: value) expected"},
        {"dice: [1]", "1:7: t.dice: a list given; a section (key: value) expected"},
        {"schedule: {dice: {weight: x}}", "1:27: t.schedule.dice.weight: 'x' is not a number"},
        {"# nothing\nlr: 1", "2:1: t.root: missing; text expected: folder under DATA"},
        {"", "1:1: t.root: missing; text expected: folder under DATA"},
        {"[1]", "1:1: t: a list given; a section (key: value) expected"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(outcome(*state, parse(*state, cases[i].text)),
                            arena_printf(*state, "x.yaml:%s", cases[i].message));
    assert_string_equal(outcome(*state, NULL), "t.root: missing; text expected: folder under DATA");
}

/* What is missing is reported at the nearest thing that was given. */
static void missing_keys_are_reported_where_they_belong(void **state)
{
    static const struct field inner[] = {
        {"path", FIELD_TEXT, .help = "of the file"},
        {0},
    };
    static const struct field outer[] = {
        {"source", FIELD_SECTION, .help = "where from", .sub = inner},
        {0},
    };
    static const char *const texts[] = {"{}", " {source: {}}", " source:"};
    static const char *const places[] = {"1:1", "1:11", "1:9"};
    for (size_t i = 0; i < 3; i++) {
        const char *path;
        struct err err;
        assert_int_equal(config_bind(&path, outer, parse(*state, texts[i]), "t", *state, &err), -1);
        assert_string_equal(err.text,
                            arena_printf(*state,
                                         "x.yaml:%s: t.source.path: missing; text expected: of "
                                         "the file",
                                         places[i]));
    }
}

static void long_values_are_cut_in_messages(void **state)
{
    char text[2000] = "lr: ";
    memset(text + 4, 'x', 1900);
    assert_string_equal(
        outcome(*state, parse(*state, text)),
        "x.yaml:1:5: t.lr: 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxx...' is not a number");
    assert_string_equal(outcome(*state, parse(*state, "\"l\\nr\": 1")),
                        "x.yaml:1:1: t: unknown key 'l?r'; did you mean 'lr'?");
}

/* The grammar of YAML 1.2's core schema, less octal, hexadecimal, infinities and NaN. */
static void numbers_are_whole_tokens(void **state)
{
    static const struct {
        const char *text;
        double value;
    } reals[] = {{"0", 0},           {"-0", 0},
                 {"+0.5", 0.5},      {".5", 0.5},
                 {"5.", 5},          {"1E2", 100},
                 {"007", 7},         {"1e+2", 100},
                 {"-.5e-1", -.05},   {"0e0", 0},
                 {"-0.000e-400", 0}, {"1.2e-38", 1.2e-38},
                 {"1e-3", 0.001},    {"3.4028234e38", 3.4028234e38}};
    static const char *const words[] = {"0x10", "0o7", ".inf", "-.inf",   ".nan", "inf",   "nan",
                                        "1_0",  "1,0", "1e",   "1e+",     ".",    "e5",    "1.0f",
                                        "1 0",  "0b1", "--1",  "+-1",     "1:30", "1.2.3", "1e5x",
                                        "NaN",  "-x",  "+",    "Infinity"};
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        struct sample s;
        struct err err;
        const char *text = arena_printf(*state, "{root: r, bias: %s}", reals[i].text);
        if (config_bind(&s, sample_fields, parse(*state, text), "t", *state, &err))
            fail_msg("%s", err.text);
        assert_true(s.bias == reals[i].value);
        assert_true(!signbit(s.bias) || s.bias < 0); /* no negative zero */
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        assert_string_equal(
            outcome(*state, parse(*state, arena_printf(*state, "bias: %s", words[i]))),
            arena_printf(*state, "x.yaml:1:7: t.bias: '%s' is not a number", words[i]));
    assert_string_equal(outcome(*state, parse(*state, "bias: 1e999")),
                        "x.yaml:1:7: t.bias: 1e999 is out of range");
    /* beyond the range of single precision */
    assert_string_equal(outcome(*state, parse(*state, "bias: -3.5e38")),
                        "x.yaml:1:7: t.bias: -3.5e38 is out of range");
    static const char *const small[] = {"1e-400", "-1e-400", "1e-39", ".001e-37", "1.17e-38"};
    for (size_t i = 0; i < sizeof small / sizeof *small; i++)
        assert_string_equal(
            outcome(*state, parse(*state, arena_printf(*state, "bias: %s", small[i]))),
            arena_printf(*state, "x.yaml:1:7: t.bias: %s is too small, it would become 0",
                         small[i]));
    assert_string_equal(outcome(*state, parse(*state, "level: 010")),
                        "x.yaml:1:8: t.level: '010' is not an integer; did you mean 10?");
}

/* A text is one line of the dump whatever it contains, and texts that differ give other dumps. */
static void texts_are_dumped_on_one_line(void **state)
{
    const char *dump = outcome(*state, parse(*state, "{root: \"a\\nt.lr=1 \\\"\"}"));
    assert_non_null(strstr(dump, "\nt.root=\"a\\u000at.lr=1 \\\"\"\n"));
}

static void help_is_aligned(void **state)
{
    struct text out = {0};
    config_help(&out, schedule_fields, "train-vae.schedule");
    assert_string_equal(
        out.data,
        "train-vae.schedule.warmup       integer           0       0 to 1000000  steps\n"
        "train-vae.schedule.nesterov     true or false     false                 look ahead\n"
        "train-vae.schedule.dice         optional section  absent                a term\n"
        "train-vae.schedule.dice.weight  number            1.0     0 or more     factor\n"
        "train-vae.schedule.dice.reduce  choice            batch   batch, case   over\n");
    text_free(&out);
    config_help(&out, sample_fields, "");
    assert_non_null(strstr(out.data, "\nroot "));
    assert_non_null(strstr(out.data, " (required) "));
    assert_non_null(strstr(out.data, " list of integers (1 to 8) "));
    text_free(&out);
    (void)state;
}

/* ---- a choice that brings keys of its own --------------------------------------------------- */

struct disk {
    double radius;
    int64_t dots;
};
struct file {
    const char *path;
    int64_t dots;
};
static const struct field disk_fields[] = {
    {"radius", FIELD_REAL, offsetof(struct disk, radius), "2", .help = "in mm", .max = 9},
    {"dots", FIELD_INT, offsetof(struct disk, dots), "3", .help = "how many"},
    {0}};
static const struct field file_fields[] = {
    {"path", FIELD_TEXT, offsetof(struct file, path), .help = "of the file"},
    {"dots", FIELD_INT, offsetof(struct file, dots), "4", .help = "in it", .later = true},
    {0}};
static const struct field_variant *drawing(int choice)
{
    static const struct field_variant all[] = {
        {"disk", "drawn", disk_fields, sizeof(struct disk)},
        {"file", "read", file_fields, sizeof(struct file)},
        {.name = "none", .help = "nothing"},
    };
    return choice < 3 ? &all[choice] : NULL;
}
struct drawing {
    int64_t seed, last;
    struct variant_value from;
};
static const struct field drawing_fields[] = {
    {"seed", FIELD_INT, offsetof(struct drawing, seed), "0", .help = "of what is random"},
    {"from", FIELD_VARIANT, offsetof(struct drawing, from), .help = "what", .variant = drawing},
    {"last", FIELD_INT, offsetof(struct drawing, last), "0", .help = "of all"},
    {0}};
static const struct field picture_fields[] = {
    {"drawing", FIELD_SECTION, .help = "the picture", .sub = drawing_fields}, {0}};

/* The dump, or the message. */
static const char *drawn(struct arena *arena, const struct yaml *tree)
{
    struct drawing d;
    struct err err;
    struct text out = {0};
    if (config_bind(&d, picture_fields, tree, "", arena, &err))
        return arena_strdup(arena, err.text);
    config_dump(&out, picture_fields, &d, "");
    const char *copy = arena_strdup(arena, out.data);
    text_free(&out);
    return copy;
}

static void a_choice_brings_its_keys(void **state)
{
    static const char *const cases[][2] = {
        {"{from: disk}", "drawing.seed=0\ndrawing.from=disk\ndrawing.radius=2\ndrawing.dots=3\n"
                         "drawing.last=0\n"},
        {"{dots: 1, last: 5, from: disk}",
         "drawing.seed=0\ndrawing.from=disk\ndrawing.radius=2\ndrawing.dots=1\ndrawing.last=5\n"},
        {"{path: a, dots: 4, from: file}", /* `later` as anywhere */
         "drawing.seed=0\ndrawing.from=file\ndrawing.path=\"a\"\ndrawing.last=0\n"},
        {"{from: none}", "drawing.seed=0\ndrawing.from=none\ndrawing.last=0\n"},
        {"{}", "x.yaml:1:10: drawing.from: missing; choice expected: what"},
        {"{from: disc}", "x.yaml:1:17: drawing.from: 'disc' is not one of disk, file, none; did "
                         "you mean 'disk'?"},
        {"{from: disk, radius: 10}", "x.yaml:1:31: drawing.radius: 10 is out of range (0 to 9)"},
        {"{from: file}", "x.yaml:1:10: drawing.path: missing; text expected: of the file"},
        {"{from: file, path: a, radius: 1}", "x.yaml:1:32: drawing: key 'radius' belongs to from "
                                             "'disk', not to 'file'; valid keys: seed, "
                                             "from, last, path, dots"},
        {"{from: none, dots: 1}",
         "x.yaml:1:23: drawing: key 'dots' belongs to from 'disk', 'file', not "
         "to 'none'; valid keys: seed, from, last"},
        {"{from: disk, radios: 1}",
         "x.yaml:1:23: drawing: unknown key 'radios'; did you mean 'radius'?"},
        {"{from: none, qqqqq: 1}",
         "x.yaml:1:23: drawing: unknown key 'qqqqq'; valid keys: seed, from, last"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *text = arena_printf(*state, "drawing: %s", cases[i][0]);
        assert_string_equal(drawn(*state, parse(*state, text)), cases[i][1]);
    }
    struct drawing d;
    struct err err;
    memset(&d, 0x5A, sizeof d);
    if (config_bind(&d, drawing_fields, parse(*state, "{from: file, path: b}"), "", *state, &err))
        fail_msg("%s", err.text);
    const struct file *file = d.from.own;
    assert_int_equal(d.from.choice, 1);
    assert_string_equal(file->path, "b");
    assert_int_equal(file->dots, 4);
}

/* A dump from before keys belonged to choices can be read, but keys of no choice are still refused. */
static void keys_of_other_choices_can_be_dropped(void **state)
{
    struct yaml *tree =
        parse(*state, "drawing: {from: file, radius: 20, path: a, dots: 7, seed: 1}");
    config_drop_others(tree, picture_fields);
    assert_string_equal(drawn(*state, tree),
                        "drawing.seed=1\ndrawing.from=file\n"
                        "drawing.path=\"a\"\ndrawing.dots=7\ndrawing.last=0\n");
    tree = parse(*state, "drawing: {from: none, radius: 20, rodius: 1}");
    config_drop_others(tree, picture_fields);
    assert_string_equal(drawn(*state, tree), "x.yaml:1:35: drawing: unknown key 'rodius'; valid "
                                             "keys: seed, from, last");
}

static void help_has_the_keys_of_each_choice(void **state)
{
    struct text out = {0};
    (void)state;
    config_help(&out, picture_fields, "");
    assert_string_equal(
        out.data, "drawing            section                                the picture\n"
                  "drawing.seed       integer  0                             of what is random\n"
                  "drawing.from       choice   (required)  disk, file, none  what\n"
                  "drawing.from=disk                                         drawn\n"
                  "drawing.radius     number   2           0 to 9            in mm\n"
                  "drawing.dots       integer  3                             how many\n"
                  "drawing.from=file                                         read\n"
                  "drawing.path       text     (required)                    of the file\n"
                  "drawing.dots       integer  4                             in it\n"
                  "drawing.from=none                                         nothing\n"
                  "drawing.last       integer  0                             of all\n");
    text_free(&out);
}

/* ---- generated: what must hold for every row of any table ----------------------------------- */

/* Two documents that give every key and differ in every value. */
static const char *const document_a =
    "{enabled: true, epochs: 3, level: 1, lr: 0.5, offset: 1, bias: 2, root: a, optimizer: adamw, "
    "device: cpu, channels: [8], augment: [flip], betas: [0.5, 0.6], metrics: [dice], threads: 2, "
    "interval: 5, patience: 3, schedule: {warmup: 1, nesterov: true, dice: {weight: 2, reduce: "
    "case}}, "
    "dice: {weight: 3, reduce: case}, bce: {}, "
    "added: {on: true, rounds: 4, momentum: 0.5, label: a, weights: [1], inner: {warmup: 1, "
    "nesterov: true, dice: {weight: 2, reduce: case}}}}";
static const char *const document_b =
    "{enabled: false, epochs: 4, level: 2, lr: 0.25, offset: 2, bias: 3, root: b, optimizer: sgd, "
    "device: cuda, channels: [8, 8], augment: [flip, noise], betas: [0.5, 0.7], metrics: [iou], "
    "threads: 3, interval: 6, patience: 4, schedule: {warmup: 2, nesterov: false, dice: {weight: "
    "4, reduce: "
    "batch}}, dice: {weight: 5, reduce: batch}, bce: {}, "
    "added: {on: false, rounds: 5, momentum: 0.25, label: b, weights: [2], inner: {warmup: 2, "
    "nesterov: false, dice: {weight: 4, reduce: batch}}}}";

struct walk {
    struct arena *arena;
    const struct yaml *a, *b;
};

static const struct yaml *lookup(struct arena *arena, const struct yaml *tree, const char *path)
{
    char *rest = arena_strdup(arena, path), *key;
    while (tree && (key = strsep(&rest, ".")))
        tree = yaml_get(tree, key);
    return tree;
}

static const struct yaml *with(const struct walk *w, const char *path, const char *value)
{
    struct err err;
    struct yaml *out;
    if (yaml_replace(&out, w->arena, w->a, path, parse(w->arena, value), &err))
        fail_msg("%s", err.text);
    return out;
}

/* Document a without what is at the path. */
static const struct yaml *without(const struct walk *w, const char *path)
{
    struct err err;
    const char *dot = strrchr(path, '.'), *key = dot ? dot + 1 : path;
    const char *above = dot ? arena_strndup(w->arena, path, (size_t)(dot - path)) : NULL;
    const struct yaml *from = above ? lookup(w->arena, w->a, above) : w->a;
    struct yaml *map = arena_alloc(w->arena, sizeof *map), *out;
    *map = *from;
    map->keys = arena_alloc(w->arena, from->count * sizeof *map->keys);
    map->items = arena_alloc(w->arena, from->count * sizeof *map->items);
    map->count = 0;
    for (size_t i = 0; i < from->count; i++) {
        if (strcmp(from->keys[i]->text, key) == 0)
            continue;
        map->keys[map->count] = from->keys[i];
        map->items[map->count++] = from->items[i];
    }
    assert_int_equal(map->count + 1, from->count);
    if (!above)
        return map;
    if (yaml_replace(&out, w->arena, w->a, above, map, &err))
        fail_msg("%s", err.text);
    return out;
}

static void refused(const struct walk *w, const struct yaml *tree, const char *path,
                    const char *what)
{
    const char *got = outcome(w->arena, tree);
    const char *head = arena_printf(w->arena, ": t.%s", path);
    if (!starts_with(got, "x.yaml:1:") || !strstr(got, head) || !strstr(got, what))
        fail_msg("%s: '%s' expected, got: %s", path, what, got);
}

static void check_unknown_sibling(const struct walk *w, const char *path, const char *key)
{
    const char *got = outcome(w->arena, with(w, arena_printf(w->arena, "%sx", path), "1"));
    const char *tail = arena_printf(w->arena, ": unknown key '%sx'; did you mean '%s'?", key, key);
    if (!starts_with(got, "x.yaml:1:1: t") || !ends_with(got, tail))
        fail_msg("%s: got: %s", path, got);
}

static void check_wrong_type(const struct walk *w, const struct field *f, const char *path)
{
    static const struct {
        const char *value, *what;
    } wrong[] = {
        [FIELD_BOOL] = {"word", "is not true or false"},
        [FIELD_INT] = {"word", "is not an integer"},
        [FIELD_REAL] = {"word", "is not a number"},
        [FIELD_TEXT] = {"[a]", "a list given"},
        [FIELD_CHOICE] = {"word", "is not one of"},
        [FIELD_INTS] = {"word", "is not a list"},
        [FIELD_REALS] = {"word", "is not a list"},
        [FIELD_TEXTS] = {"word", "is not a list"},
        [FIELD_CHOICES] = {"word", "is not a list"},
        [FIELD_SECTION] = {"word", "section (key: value) expected"},
        [FIELD_OPTION] = {"word", "section (key: value) expected"},
        [FIELD_INPUT] = {"[a]", "a list given"},
        [FIELD_AUTO_INT] = {"word", "is not an integer or auto"},
    };
    refused(w, with(w, path, wrong[f->type].value), path, wrong[f->type].what);
}

/* A number just out of range, as a value or as the items of a list of the right length. */
static void check_beyond(const struct walk *w, const struct field *f, const char *path,
                         double value)
{
    char number[NUMBER_TEXT];
    const char *text = arena_strdup(w->arena, number_text(number, value)), *what = text;
    if (!isfinite(value))
        return;
    if (f->type == FIELD_INTS || f->type == FIELD_REALS) {
        for (size_t i = 1; i < f->min_count; i++)
            text = arena_printf(w->arena, "%s, %s", text, what);
        text = arena_printf(w->arena, "[%s]", text);
    }
    refused(w, with(w, path, text), path, "is out of range");
}

static void check_limits(const struct walk *w, const struct field *f, const char *path)
{
    if (f->min != 0 || f->max != 0) {
        check_beyond(w, f, path, f->min - 1);
        check_beyond(w, f, path, f->max + 1);
    }
    if (f->min_count)
        refused(w, with(w, path, "[]"), path, "0 items given");
    if (f->max_count) {
        const char *items = "1";
        for (size_t i = 0; i < f->max_count; i++)
            items = arena_printf(w->arena, "1, %s", items);
        refused(w, with(w, path, arena_printf(w->arena, "[%s]", items)), path, "items given");
    }
}

static void check_default(const struct walk *w, const struct field *f, const char *path)
{
    const char *left_out = outcome(w->arena, without(w, path));
    if (f->type == FIELD_SECTION) {
        assert_string_equal(left_out, outcome(w->arena, with(w, path, "{}")));
        assert_string_equal(left_out, outcome(w->arena, with(w, path, "null")));
    } else if (f->type == FIELD_OPTION) {
        assert_null(strstr(left_out, arena_printf(w->arena, "\nt.%s=", path)));
        assert_null(strstr(left_out, arena_printf(w->arena, "\nt.%s.", path)));
        const char *given = outcome(w->arena, with(w, path, "null"));
        assert_non_null(strstr(given, arena_printf(w->arena, "\nt.%s=given\n", path)));
        assert_string_equal(given, outcome(w->arena, with(w, path, "{}")));
    } else if (f->fallback) {
        assert_true(starts_with(left_out, "t."));
        assert_string_equal(left_out, outcome(w->arena, with(w, path, f->fallback)));
    } else {
        refused(w, without(w, path), path,
                arena_printf(w->arena, "missing; text expected: %s", f->help));
    }
}

/* The dump without the lines of a path. */
static const char *rest_of(struct arena *arena, const char *dump, const char *path)
{
    const char *rest = "", *line = arena_printf(arena, "t.%s=", path);
    const char *within = arena_printf(arena, "t.%s.", path);
    for (size_t length; *dump; dump += length) {
        length = strcspn(dump, "\n") + 1;
        if (!starts_with(dump, line) && !starts_with(dump, within))
            rest = arena_printf(arena, "%s%.*s", rest, (int)length, dump);
    }
    return rest;
}

/* Changing one value changes its own lines of the dump and nothing else; a silent one, nothing. */
static void check_dump(const struct walk *w, const struct field *f, const char *path)
{
    struct text value = {0};
    yaml_write(&value, lookup(w->arena, w->b, path));
    const char *before = outcome(w->arena, w->a);
    const char *after = outcome(w->arena, with(w, path, value.data));
    text_free(&value);
    assert_string_equal(rest_of(w->arena, before, path), rest_of(w->arena, after, path));
    bool has_rows = (f->type != FIELD_SECTION && f->type != FIELD_OPTION) || f->sub[0].key;
    assert_int_equal(strcmp(before, after) != 0, !f->silent && has_rows);
}

static void check_rows(const struct walk *w, const struct field *fields, const char *prefix)
{
    for (const struct field *f = fields; f->key; f++) {
        const char *path = *prefix ? arena_printf(w->arena, "%s.%s", prefix, f->key) : f->key;
        check_unknown_sibling(w, path, f->key);
        check_wrong_type(w, f, path);
        check_limits(w, f, path);
        check_default(w, f, path);
        check_dump(w, f, path);
        if (f->sub)
            check_rows(w, f->sub, path);
    }
}

static void every_row_keeps_the_rules(void **state)
{
    struct walk w = {*state, parse(*state, document_a), parse(*state, document_b)};
    check_rows(&w, sample_fields, "");
}

static void reverse(struct yaml *node)
{
    for (size_t i = 0, j = node->count; node->kind == YAML_MAP && i + 1 < j--; i++) {
        struct yaml *key = node->keys[i], *item = node->items[i];
        node->keys[i] = node->keys[j], node->items[i] = node->items[j];
        node->keys[j] = key, node->items[j] = item;
    }
    for (size_t i = 0; node->kind == YAML_MAP && i < node->count; i++)
        reverse(node->items[i]);
}

static void key_order_and_comments_do_not_matter(void **state)
{
    const char *before = outcome(*state, parse(*state, document_a));
    struct yaml *tree = parse(*state, arena_printf(*state, "# why\n%s # how\n", document_a));
    reverse(tree);
    assert_string_equal(tree->keys[0]->text, "added");
    assert_string_equal(outcome(*state, tree), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(defaults_fill_what_is_not_given),
        ARENA_TEST(a_section_has_defaults_of_its_own),
        ARENA_TEST(a_key_that_came_later_is_dumped_where_it_differs),
        ARENA_TEST(values_arrive_in_the_struct),
        ARENA_TEST(what_is_refused_and_how),
        ARENA_TEST(long_values_are_cut_in_messages),
        ARENA_TEST(missing_keys_are_reported_where_they_belong),
        ARENA_TEST(numbers_are_whole_tokens),
        ARENA_TEST(texts_are_dumped_on_one_line),
        ARENA_TEST(help_is_aligned),
        ARENA_TEST(a_choice_brings_its_keys),
        ARENA_TEST(keys_of_other_choices_can_be_dropped),
        ARENA_TEST(help_has_the_keys_of_each_choice),
        ARENA_TEST(every_row_keeps_the_rules),
        ARENA_TEST(key_order_and_comments_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
