/* A field table with a row of every type, for the tests and the fuzz target of the configuration.
 */
#ifndef TESTS_CONFIG_TABLE_H
#define TESTS_CONFIG_TABLE_H

#include "config/config.h"

#include <math.h>

struct dice {
    bool present;
    double weight;
    int reduce;
};

struct empty {
    bool present;
};

struct schedule {
    int64_t warmup;
    bool nesterov;
    struct dice dice;
};

/* what came later */
struct added {
    bool on;
    int64_t rounds;
    double momentum;
    const char *label;
    struct real_list weights;
    struct schedule inner;
};

struct sample {
    bool enabled;
    int64_t epochs, level;
    double lr, offset, bias;
    const char *root;
    int optimizer, device;
    struct int_list channels, augment;
    struct real_list betas;
    struct text_list metrics;
    int64_t threads, interval, patience;
    struct schedule schedule;
    struct dice dice;
    struct empty bce;
    struct added added;
};

static const char *const reduces[] = {"batch", "case", NULL};
static const char *const optimizers[] = {"adam", "adamw", "sgd", NULL};
static const char *const devices[] = {"auto", "cpu", "cuda", NULL};
static const char *const augments[] = {"flip", "rotate", "noise", NULL};

#define AT(member) .offset = offsetof(struct dice, member)
static const struct field dice_fields[] = {
    {"weight", FIELD_REAL, AT(weight), .fallback = "1.0", .help = "factor", .max = INFINITY},
    {"reduce", FIELD_CHOICE, AT(reduce), .fallback = "batch", .help = "over", .choices = reduces},
    {0}};
#undef AT

static const struct field empty_fields[] = {{0}};

#define AT(member) .offset = offsetof(struct schedule, member)
static const struct field schedule_fields[] = {
    {"warmup", FIELD_INT, AT(warmup), .fallback = "0", .help = "steps", .max = 1e6},
    {"nesterov", FIELD_BOOL, AT(nesterov), .fallback = "false", .help = "look ahead"},
    {"dice", FIELD_OPTION, AT(dice), .help = "a term", .sub = dice_fields},
    {0}};
#undef AT

/* The section's row has the mark; none of these needs it. */
#define AT(member) .offset = offsetof(struct added, member)
static const struct field added_fields[] = {
    {"on", FIELD_BOOL, AT(on), .fallback = "false", .help = "take part"},
    {"rounds", FIELD_INT, AT(rounds), .fallback = "3", .help = "how many"},
    {"momentum", FIELD_REAL, AT(momentum), .fallback = "9.0e-1", .help = "factor"},
    {"label", FIELD_TEXT, AT(label), .fallback = "''", .help = "name"},
    {"weights", FIELD_REALS, AT(weights), .fallback = "[1.0, 2.50]", .help = "each"},
    {"inner", FIELD_SECTION, AT(inner), .help = "over time", .sub = schedule_fields},
    {0}};
#undef AT

#define AT(member) .offset = offsetof(struct sample, member)
static const struct field sample_fields[] = {
    {"enabled", FIELD_BOOL, AT(enabled), .fallback = "true", .help = "take part"},
    {"epochs", FIELD_INT, AT(epochs), .fallback = "10", .help = "passes", .min = 1,
     .max = INFINITY},
    {"level", FIELD_INT, AT(level), .fallback = "-3", .help = "any integer"},
    {"lr", FIELD_REAL, AT(lr), .fallback = "1.0e-3", .help = "learning rate", .max = 1},
    {"offset", FIELD_REAL, AT(offset), .fallback = "0", .help = "at most 5", .min = -INFINITY,
     .max = 5},
    {"bias", FIELD_REAL, AT(bias), .fallback = "0", .help = "any number"},
    {"optimizer", FIELD_CHOICE, AT(optimizer), .fallback = "adam", .help = "which",
     .choices = optimizers},
    {"device", FIELD_CHOICE, AT(device), .fallback = "auto", .help = "where", .choices = devices,
     .later = true},
    {"channels", FIELD_INTS, AT(channels), .fallback = "[16, 32]", .help = "per level", .min = 1,
     .max = 4096, .min_count = 1, .max_count = 8},
    {"augment", FIELD_CHOICES, AT(augment), .fallback = "[]", .help = "on the fly",
     .choices = augments},
    {"betas", FIELD_REALS, AT(betas), .fallback = "[0.9, 0.999]", .help = "of the moments",
     .max = 1, .min_count = 2, .max_count = 2},
    {"metrics", FIELD_TEXTS, AT(metrics), .fallback = "[dice]", .help = "names", .min_count = 1},
    {"threads", FIELD_AUTO_INT, AT(threads), .fallback = "auto", .help = "of the backend", .min = 1,
     .max = 256, .later = true},
    {"interval", FIELD_AUTO_INT, AT(interval), .fallback = "60", .help = "seconds", .silent = true},
    {"patience", FIELD_AUTO_INT, AT(patience), .fallback = "auto", .help = "epochs"},
    {"schedule", FIELD_SECTION, AT(schedule), .help = "over time", .sub = schedule_fields},
    {"dice", FIELD_OPTION, AT(dice), .help = "a term", .sub = dice_fields},
    {"bce", FIELD_OPTION, AT(bce), .help = "a term without parameters", .sub = empty_fields},
    {"added", FIELD_SECTION, AT(added), .help = "came later", .sub = added_fields, .later = true},
    {"root", FIELD_TEXT, AT(root), .help = "folder under DATA"},
    {0}};
#undef AT

#endif
