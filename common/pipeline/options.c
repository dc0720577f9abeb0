#include "pipeline/pipeline.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One row per option: its name, its text in --help, and what is done with its value. */
struct option_row {
    const char *name, *argument; /* argument: its value's name in --help; NULL: it has none */
    const char *help;
    int (*take)(void *into, const struct option_row *row, char *value, struct err *err);
    size_t offset;    /* of `into` in struct options */
    int64_t min, max; /* of a number */
    char letter;      /* short form; '\0': none */
    bool always;      /* accepted by every program */
};

static int take_text(void *into, const struct option_row *row, char *value, struct err *err)
{
    (void)row, (void)err;
    *(const char **)into = value;
    return 0;
}

static int take_flag(void *into, const struct option_row *row, char *value, struct err *err)
{
    (void)row, (void)value, (void)err;
    *(bool *)into = true;
    return 0;
}

static int take_number(void *into, const struct option_row *row, char *value, struct err *err)
{
    char *end;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (!*value || *end || errno || number < row->min || number > row->max)
        return fail_as(err, STATUS_USAGE, "--%s '%s': a whole number from %lld to %lld expected",
                       row->name, value, (long long)row->min, (long long)row->max);
    *(int64_t *)into = number;
    return 0;
}

static int take_change(void *into, const struct option_row *row, char *value, struct err *err)
{
    struct options *options = into;
    if (options->change_count == MAX_CHANGES)
        return fail_as(err, STATUS_USAGE, "--%s: more than %d changes", row->name, MAX_CHANGES);
    options->changes[options->change_count++] = value;
    return 0;
}

#define INTO(function, member) .take = take_##function, .offset = offsetof(struct options, member)
static const struct option_row rows[] = {
    {"lab", "DIR", "workspace (default $CAIRN_LAB or lab)", INTO(text, lab), .always = true},
    {"data", "DIR", "root of the raw data sets (default $CAIRN_DATA or data)", INTO(text, data),
     .always = true},
    {"set", "KEY=VALUE", "change the experiment file: SECTION.KEY=VALUE (or several)",
     .take = take_change},
    {"variant", "NAME", "which variant (default: the baseline)", INTO(text, variant)},
    {"seed", "N", "which seed (default: the first)", INTO(number, seed), .max = INT32_MAX},
    {"cell", "N", "variant and seed by number, as in a plan", INTO(number, cell), .max = INT32_MAX},
    {"section", "NAME", "which section, if the stage has several (STAGE@LABEL)",
     INTO(text, section)},
    {"threads", "N", "processor threads if the file says auto (default: all)",
     INTO(number, threads), .min = 1, .max = 1024},
    {"jobs", "N", "plan for N programs running in parallel (default 1)", INTO(number, jobs),
     .min = 1, .max = INT32_MAX},
    {"format", "FORMAT", "text, md, csv, tex, json or html", INTO(text, format)},
    {"explain", NULL, "show what would run (for a stage also why); run nothing",
     INTO(flag, explain)},
    {"again", NULL, "run even if the result is known; fail if it differs", INTO(flag, again)},
    {"all", NULL, "everything in the lab", INTO(flag, all)},
    {"json", NULL, "print the result as JSON", INTO(flag, json)},
    {"quiet", NULL, "no progress output, only errors", INTO(flag, quiet), .letter = 'q',
     .always = true},
    {"verbose", NULL, "also show the recipe and whether it is known", INTO(flag, verbose),
     .letter = 'v'},
    {"output", "DIR", "folder for the results", INTO(text, output), .letter = 'o'},
    {"label", "CLASS", "a class by name, or by number from 0", INTO(text, label)},
    {"split", "SPLIT", "train, val or test of the model's own data set", INTO(text, split)},
    {"as", "NAME", "what the weights are of: vgg16, alexnet or sequence", INTO(text, as)},
    {"probabilities", NULL, "also write NAME.safetensors for each mask", INTO(flag, probabilities)},
    {"version", NULL, "print the build id and exit", INTO(flag, version), .always = true},
    {"help", NULL, "print this and exit", INTO(flag, help), .letter = 'h', .always = true},
};
#undef INTO
enum { ROWS = sizeof rows / sizeof *rows };

static bool taken(const struct option_row *row, const char *const *options)
{
    if (row->always)
        return true;
    for (; options && *options; options++)
        if (strcmp(*options, row->name) == 0)
            return true;
    return false;
}

/* For programs that compute. */
static const char environment_help[] =
    "\nenvironment:\n"
    "  CAIRN_ISA=v2|v3|v4   limit instructions to x86-64-v2 (SSE4.2), v3 (AVX2) or v4 (AVX-512\n"
    "                       without VNNI, BF16 and AMX); default: all of the processor's\n";

static void print_help(const char *program, const char *usage, const char *help,
                       const char *const *options)
{
    bool computes = false;
    printf("usage: %s %s\n\n", program, usage);
    for (size_t i = 0; i < ROWS; i++) {
        if (!taken(&rows[i], options))
            continue;
        char left[64];
        const char letter[] = {'-', rows[i].letter, ',', ' ', '\0'};
        snprintf(left, sizeof left, "%s--%s%s%s", rows[i].letter ? letter : "", rows[i].name,
                 rows[i].argument ? " " : "", rows[i].argument ? rows[i].argument : "");
        printf("  %-20s %s\n", left, rows[i].help);
        computes |= strcmp(rows[i].name, "threads") == 0;
    }
    if (computes)
        fputs(environment_help, stdout);
    if (help)
        printf("\n%s", help);
}

static const char *environment(const char *name, const char *fallback)
{
    const char *value = getenv(name);
    return value && *value ? value : fallback;
}

int options_parse(struct options *out, int argc, char **argv, const char *usage, const char *help,
                  const char *const *options, struct err *err)
{
    const char *slash = strrchr(argv[0], '/');
    *out = (struct options){.program = slash ? slash + 1 : argv[0],
                            .lab = environment("CAIRN_LAB", "lab"),
                            .data = environment("CAIRN_DATA", "data"),
                            .cell = -1,
                            .seed = -1,
                            .jobs = 1};
    struct option table[ROWS + 1] = {0};
    char letters[2 * ROWS + 1] = "";
    size_t count = 0, length = 0;
    for (size_t i = 0; i < ROWS; i++) {
        if (!taken(&rows[i], options))
            continue;
        table[count++] = (struct option){
            rows[i].name, rows[i].argument ? required_argument : no_argument, NULL, (int)i};
        if (rows[i].letter)
            letters[length++] = rows[i].letter;
        if (rows[i].letter && rows[i].argument)
            letters[length++] = ':';
    }
    opterr = 0;
    for (int got; (got = getopt_long(argc, argv, letters, table, NULL)) != -1;) {
        const struct option_row *row = NULL;
        if (got < (int)ROWS)
            row = &rows[got];
        for (size_t i = 0; i < ROWS && !row; i++)
            if (got != '?' && rows[i].letter == got && taken(&rows[i], options))
                row = &rows[i];
        if (!row)
            return fail_as(err, STATUS_USAGE,
                           "'%s' is not an option of %s, or lacks its value (see --help)",
                           argv[optind - 1], out->program);
        TRY(row->take((char *)out + row->offset, row, optarg, err));
        if (out->help)
            print_help(out->program, usage, help, options);
        if (out->version)
            printf("%s %s\n", out->program, build_id());
        if (out->help || out->version)
            exit(finish(out->program, 0, err));
    }
    out->arguments = argv + optind;
    out->argument_count = argc - optind;
    return 0;
}

int finish(const char *program, int result, struct err *err)
{
    if (!result) {
        errno = 0; /* the reason of an earlier failed write is lost */
        if (!fflush(stdout) && !ferror(stdout))
            return STATUS_OK;
        if (errno == EPIPE)
            return STATUS_IO;
        if (errno)
            fail_errno(err, "cannot write to the standard output");
        else
            fail_as(err, STATUS_IO, "cannot write to the standard output");
    }
    fprintf(stderr, "%s: %s\n", program, err->text);
    return err->status ? (int)err->status : STATUS_FAILED;
}
