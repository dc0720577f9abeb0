#include "pipeline/experiment_parts.h"

#include "base/file.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { EXPERIMENT_BYTES = 1 << 20, MAX_SEEDS = 1000, MAX_SECTIONS = 1000 };

const char *const precision_names[] = {[F32] = "f32", [BF16] = "bf16", NULL};

#define AT(member) offsetof(struct backend_config, member)
static const struct field backend_fields[] = {
    {"device", FIELD_CHOICE, AT(device), "auto", "where to compute", .choices = backend_devices},
    {"threads", FIELD_AUTO_INT, AT(threads), "auto", "processor threads", .min = 1, .max = 1024},
    {"precision", FIELD_CHOICE, AT(precision), "f32",
     "activations and their gradients while training (bf16: a processor with AVX-512; parameters, "
     "statistics, sums and losses stay f32)",
     .choices = precision_names},
    {0},
};
#undef AT

/* Names become folders, table columns and shell words: nothing that needs quoting is allowed. */
static bool plain_name(const char *text)
{
    static const char *const letters =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t length = strlen(text);
    return length > 0 && length <= 64 && text[0] != '.' && text[0] != '-' &&
           strspn(text, letters) == length;
}

/* ---- top-level keys ------------------------------------------------------------------------- */

static int parse_seed(uint64_t *out, const struct yaml *at, struct err *err)
{
    if (at->kind == YAML_SCALAR && !at->quoted && *at->text) {
        char *end;
        unsigned long long value = strtoull(at->text, &end, 10);
        if (!*end && at->text[0] >= '0' && at->text[0] <= '9' && value <= INT32_MAX) {
            *out = value;
            return 0;
        }
    }
    return yaml_fail(err, at, "seeds: '%s' is not a whole number from 0 to %d",
                     at->kind == YAML_SCALAR ? at->text : "this", INT32_MAX);
}

/* seeds: 3 means 0, 1, 2; seeds: [3, 7] means these; seed: 3 means only that one. */
static int read_seeds(struct experiment *out, const struct yaml *root, struct err *err)
{
    const struct yaml *one = yaml_get(root, "seed"), *many = yaml_get(root, "seeds");
    uint64_t count = 1;
    if (one && one->kind == YAML_LIST)
        return yaml_fail(err, one, "seed: one number expected; use seeds for several");
    if (!one && many && many->kind == YAML_LIST)
        count = many->count;
    else if (!one && many)
        TRY(parse_seed(&count, many, err));
    if (count < 1 || count > MAX_SEEDS)
        return yaml_fail(err, many, "seeds: 1 to %d of them expected", MAX_SEEDS);
    uint64_t *seeds = arena_alloc(&out->arena, count * sizeof *seeds);
    for (uint64_t i = 0; i < count; i++) {
        seeds[i] = i;
        if (one)
            TRY(parse_seed(&seeds[i], one, err));
        else if (many && many->kind == YAML_LIST)
            TRY(parse_seed(&seeds[i], many->items[i], err));
        for (uint64_t j = 0; j < i; j++)
            if (seeds[j] == seeds[i])
                return yaml_fail(err, many->items[i], "seeds: %llu is given twice",
                                 (unsigned long long)seeds[i]);
    }
    out->seeds = seeds;
    out->seed_count = count;
    return 0;
}

static const char *const reserved[] = {"name", "seeds", "seed", "backend", "vary", "baseline"};
enum { RESERVED = sizeof reserved / sizeof *reserved };

static bool is_reserved(const char *key)
{
    for (size_t i = 0; i < RESERVED; i++)
        if (strcmp(reserved[i], key) == 0)
            return true;
    return false;
}

static int fail_unknown(const struct yaml *key, struct err *err)
{
    size_t count = 0;
    while (stage_table[count].name)
        count++;
    const char **words = xcalloc(RESERVED + count, sizeof *words);
    struct text all = {0};
    for (size_t i = 0; i < RESERVED + count; i++) {
        words[i] = i < RESERVED ? reserved[i] : stage_table[i - RESERVED].name;
        text_printf(&all, "%s%s", i ? ", " : "", words[i]);
    }
    const char *near = nearest_word(key->text, words, RESERVED + count);
    if (near)
        yaml_fail(err, key, "unknown key '%s'; did you mean '%s'?", key->text, near);
    else
        yaml_fail(err, key, "unknown key '%s'; one of %s expected", key->text, all.data);
    text_free(&all);
    free(words);
    return -1;
}

static int check_key(const struct yaml *key, struct err *err)
{
    if (is_reserved(key->text))
        return 0;
    const struct stage_info *stage = stage_of_section(key->text);
    const char *at = strchr(key->text, '@');
    if (stage && (!at || plain_name(at + 1)))
        return 0;
    if (stage)
        return yaml_fail(err, key, "'%s': a label may have letters, digits, '.', '_' and '-'",
                         key->text);
    return fail_unknown(key, err);
}

static int read_name(const char **out, const struct yaml *root, const char *key, struct err *err)
{
    const struct yaml *value = yaml_get(root, key);
    if (!value)
        return 0;
    if (value->kind != YAML_SCALAR)
        return yaml_fail(err, value, "%s: a name expected", key);
    *out = value->text;
    return 0;
}

/* ---- one variant ---------------------------------------------------------------------------- */

static int read_section(struct section *out, struct arena *arena, const char *name,
                        struct yaml *map, struct err *err)
{
    *out = (struct section){.name = name, .stage = stage_of_section(name), .at = map};
    struct yaml *rest = NULL;
    if (map->kind == YAML_MAP) {
        /* `inputs` belongs to the pipeline, the other keys to the stage's own table */
        rest = arena_alloc(arena, sizeof *rest);
        *rest = *map;
        rest->items = arena_alloc(arena, map->count * sizeof *rest->items);
        rest->keys = arena_alloc(arena, map->count * sizeof *rest->keys);
        rest->count = 0;
        for (size_t i = 0; i < map->count; i++) {
            if (strcmp(map->keys[i]->text, "inputs") == 0) {
                TRY(experiment_inputs(out, map->items[i], err));
                continue;
            }
            rest->keys[rest->count] = map->keys[i];
            rest->items[rest->count++] = map->items[i];
        }
    } else if (map->kind != YAML_NULL) {
        rest = map; /* the field table reports the error */
    }
    void *config = arena_alloc(arena, out->stage->config_size);
    TRY(config_bind(config, out->stage->fields, rest, name, arena, err));
    out->config = config;
    return 0;
}

int experiment_variant(struct variant *out, struct arena *arena, const char *name,
                       const struct yaml *root, struct err *err)
{
    out->name = name;
    TRY(config_bind(&out->backend, backend_fields, yaml_get(root, "backend"), "backend", arena,
                    err));
    out->sections = arena_alloc(arena, root->count * sizeof *out->sections);
    for (size_t i = 0; i < root->count; i++) {
        TRY(check_key(root->keys[i], err));
        if (!is_reserved(root->keys[i]->text))
            TRY(read_section(&out->sections[out->count++], arena, root->keys[i]->text,
                             root->items[i], err));
    }
    if (!out->count)
        return yaml_fail(err, root, "no stage here: nothing to do");
    if (out->count > MAX_SECTIONS)
        return yaml_fail(err, root, "more than %d sections", MAX_SECTIONS);
    return experiment_ports(out, root, arena, err);
}

/* ---- the file ------------------------------------------------------------------------------- */

/* The length in bytes of the line break at p, by YAML's rules; 0: none. */
static size_t line_break(const char *p)
{
    static const char *const breaks[] = {"\r\n", "\n", "\r", "\xc2\x85", "\u2028", "\u2029"};
    for (size_t i = 0; i < sizeof breaks / sizeof *breaks; i++)
        if (starts_with(p, breaks[i]))
            return strlen(breaks[i]);
    return 0;
}

/* The comment lines at the top of the file. */
static const char *head_comment(struct arena *arena, const char *bytes)
{
    struct text text = {0};
    if (starts_with(bytes, "\uFEFF")) /* a byte order mark */
        bytes += strlen("\uFEFF");
    while (*bytes == '#') {
        size_t length = 1;
        while (bytes[length] && !line_break(bytes + length))
            length++;
        const char *from = bytes + 1;
        size_t left = length - 1;
        if (left && *from == ' ')
            from++, left--;
        if (text.length)
            text_puts(&text, "\n");
        text_add(&text, from, left);
        bytes += length + line_break(bytes + length);
    }
    const char *kept = arena_strdup(arena, text.data ? text.data : "");
    text_free(&text);
    return kept;
}

static const char *freeze(struct arena *arena, const char *question, const struct yaml *root)
{
    struct text text = {0};
    for (const char *p = question; *p;) {
        size_t length = strcspn(p, "\n");
        text_printf(&text, "# %.*s\n", (int)length, p);
        p += length + (p[length] == '\n');
    }
    yaml_write(&text, root);
    text_puts(&text, "\n");
    const char *kept = arena_strdup(arena, text.data);
    text_free(&text);
    return kept;
}

static int build(struct experiment *out, const char *name, const char *bytes, size_t length,
                 const char *const *changes, int change_count, struct err *err)
{
    struct yaml *root;
    TRY(yaml_parse(&root, &out->arena, name, bytes, length, err));
    if (root->kind == YAML_MAP)
        TRY(experiment_change(&root, &out->arena, changes, change_count, err));
    if (root->kind != YAML_MAP)
        return yaml_fail(err, root, "an experiment is a map of keys and stages");
    for (size_t i = 0; i < root->count; i++)
        TRY(check_key(root->keys[i], err));
    TRY(read_name(&out->name, root, "name", err));
    if (!out->name || !plain_name(out->name))
        return yaml_fail(err, out->name ? yaml_get(root, "name") : root,
                         "name: expected letters, digits, '.', '_' and '-'");
    TRY(read_seeds(out, root, err));
    TRY(experiment_variants(out, root, err));
    const char *baseline = NULL;
    TRY(read_name(&baseline, root, "baseline", err));
    while (baseline && strcmp(out->variants[out->baseline].name, baseline) != 0)
        if (++out->baseline == out->variant_count)
            return yaml_fail(err, yaml_get(root, "baseline"), "baseline: no variant is called '%s'",
                             baseline);
    out->question = head_comment(&out->arena, bytes);
    out->frozen = freeze(&out->arena, out->question, root);
    return 0;
}

int experiment_parse(struct experiment *out, const char *name, const char *bytes, size_t length,
                     const char *const *changes, int change_count, struct err *err)
{
    *out = (struct experiment){0};
    int status = build(out, name, bytes, length, changes, change_count, err);
    if (status)
        experiment_free(out);
    return status;
}

int experiment_load(struct experiment *out, const char *path, const char *const *changes,
                    int change_count, struct err *err)
{
    char *bytes;
    size_t length;
    TRY(file_read(&bytes, &length, path, EXPERIMENT_BYTES, err));
    int status = experiment_parse(out, path, bytes, length, changes, change_count, err);
    free(bytes);
    return status;
}

void experiment_free(struct experiment *experiment)
{
    arena_free(&experiment->arena);
    *experiment = (struct experiment){0};
}
