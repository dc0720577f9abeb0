#include "pipeline/pipeline.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One row an option: what a program may take, its argument's name and help. */
struct option_row {
    const char *name;
    char letter;
    const char *argument, *help;
    bool always; /* every program takes it */
    bool brief;  /* its letter is an option, too */
};
static const struct option_row rows[] = {
    {"lab", 'L', "DIR", "workspace (default $CAIRN_LAB or lab)", true, false},
    {"data", 'D', "DIR", "root of the raw data sets (default $CAIRN_DATA or data)", true, false},
    {"set", 's', "KEY=VALUE", "change the experiment file: train-vae.train.lr=2e-3 (or several)",
     false, false},
    {"variant", 'V', "NAME", "which variant (default: the baseline)", false, false},
    {"seed", 'S', "N", "which seed (default: the first)", false, false},
    {"cell", 'C', "N", "variant and seed by number, as a plan gives them", false, false},
    {"section", 'c', "NAME", "which section, where a stage has several (STAGE@LABEL)", false,
     false},
    {"threads", 't', "N", "processor threads where the file says auto (default: all)", false,
     false},
    {"jobs", 'J', "N", "plan for so many programs side by side (default 1)", false, false},
    {"format", 'f', "FORMAT", "text, md, csv, tex, json or html", false, false},
    {"explain", 'e', NULL, "say what would run (a stage: and why); run nothing", false, false},
    {"again", 'a', NULL, "run although it is known; fail if the result differs", false, false},
    {"all", 'A', NULL, "all that the lab holds", false, false},
    {"json", 'j', NULL, "result as JSON", false, false},
    {"quiet", 'q', NULL, "no progress, only errors", true, true},
    {"verbose", 'v', NULL, "say the recipe and whether it is known, too", false, true},
    {"output", 'o', "DIR", "folder for what is made", false, true},
    {"label", 'l', "CLASS", "name of a class, or its number from 0", false, false},
    {"split", 'P', "SPLIT", "train, val or test of the data that the model learned from", false,
     false},
    {"probabilities", 'p', NULL, "write NAME.safetensors beside each mask", false, false},
    {"version", 'b', NULL, "print the build and exit", true, false},
    {"help", 'h', NULL, "print this and exit", true, true},
};
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

/* Of programs that compute. */
static const char environment_help[] =
    "\nIn the environment:\n"
    "  CAIRN_ISA=v2|v3|v4   no instructions above x86-64-v2 (SSE4.2), v3 (AVX2) or v4 (AVX-512\n"
    "                       without VNNI, BF16 and AMX); default: all that the processor has\n";

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
        snprintf(left, sizeof left, "%s--%s%s%s", rows[i].brief ? letter : "", rows[i].name,
                 rows[i].argument ? " " : "", rows[i].argument ? rows[i].argument : "");
        printf("  %-20s %s\n", left, rows[i].help);
        computes |= rows[i].letter == 't';
    }
    if (computes)
        fputs(environment_help, stdout);
    if (help)
        printf("\n%s", help);
}

static int whole_number(int64_t *out, const char *name, const char *text, struct err *err)
{
    char *end;
    long long value = strtoll(text, &end, 10);
    if (!*text || *end || value < 0 || value > INT32_MAX)
        return fail_as(err, STATUS_USAGE, "--%s '%s': a whole number expected", name, text);
    *out = value;
    return 0;
}

static int count_of(int64_t *out, const char *name, const char *text, int64_t most, struct err *err)
{
    TRY(whole_number(out, name, text, err));
    if (*out < 1 || *out > most)
        return fail_as(err, STATUS_USAGE, "--%s '%s': 1 to %lld expected", name, text,
                       (long long)most);
    return 0;
}

static int take(struct options *out, const struct option_row *row, char *value, struct err *err)
{
    switch (row->letter) {
    case 'L':
        out->lab = value;
        return 0;
    case 'D':
        out->data = value;
        return 0;
    case 's':
        if (out->change_count == MAX_CHANGES)
            return fail_as(err, STATUS_USAGE, "--set: more than %d changes", MAX_CHANGES);
        out->changes[out->change_count++] = value;
        return 0;
    case 'V':
        out->variant = value;
        return 0;
    case 'S':
        return whole_number(&out->seed, row->name, value, err);
    case 'C':
        return whole_number(&out->cell, row->name, value, err);
    case 't':
        return count_of(&out->threads, row->name, value, 1024, err);
    case 'J':
        return count_of(&out->jobs, row->name, value, INT32_MAX, err);
    case 'c':
        out->section = value;
        return 0;
    case 'f':
        out->format = value;
        return 0;
    case 'e':
        out->explain = true;
        return 0;
    case 'a':
        out->again = true;
        return 0;
    case 'A':
        out->all = true;
        return 0;
    case 'j':
        out->json = true;
        return 0;
    case 'o':
        out->output = value;
        return 0;
    case 'l':
        out->label = value;
        return 0;
    case 'P':
        out->split = value;
        return 0;
    case 'p':
        out->probabilities = true;
        return 0;
    case 'q':
        out->quiet = true;
        return 0;
    case 'v':
        out->verbose = true;
        return 0;
    default:
        bug("option '%s' is in the table but not taken", row->name);
    }
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
        if (rows[i].brief)
            letters[length++] = rows[i].letter;
        if (rows[i].brief && rows[i].argument)
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
                           "'%s' is no option of %s, or lacks its value (--help lists them)",
                           argv[optind - 1], out->program);
        if (row->letter == 'h') {
            print_help(out->program, usage, help, options);
            exit(finish(out->program, 0, err));
        }
        if (row->letter == 'b') {
            printf("%s %s\n", out->program, build_id());
            exit(finish(out->program, 0, err));
        }
        TRY(take(out, row, optarg, err));
    }
    out->arguments = argv + optind;
    out->argument_count = argc - optind;
    return 0;
}

int finish(const char *program, int result, struct err *err)
{
    if (!result) {
        errno = 0; /* of a write that failed earlier nobody knows the reason any more */
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
