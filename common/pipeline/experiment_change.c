/* Changes to an experiment from the command line: --set. */
#include "pipeline/experiment_parts.h"

#include "base/text.h"

#include <string.h>

/* map with key: value as its last pair, replacing an equal key. */
static struct yaml *with_last(struct arena *arena, const struct yaml *map, struct yaml *key,
                              struct yaml *value)
{
    struct yaml *out = arena_alloc(arena, sizeof *out);
    *out = *map;
    out->kind = YAML_MAP;
    out->keys = arena_alloc(arena, (map->count + 1) * sizeof *out->keys);
    out->items = arena_alloc(arena, (map->count + 1) * sizeof *out->items);
    out->count = 0;
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->keys[i]->text, key->text) != 0) {
            out->keys[out->count] = map->keys[i];
            out->items[out->count++] = map->items[i];
        }
    out->keys[out->count] = key;
    out->items[out->count++] = value;
    return out;
}

/* Is one path equal to the other or a prefix of it? "train-vae.train" and "train-vae.train.lr"
 * are. */
static bool paths_meet(const char *a, const char *b)
{
    size_t i = 0;
    while (a[i] && a[i] == b[i])
        i++;
    return (!a[i] && (!b[i] || b[i] == '.')) || (!b[i] && a[i] == '.');
}

/* A change from the command line is applied after a named variant's own, or a variant that replaces
 * the whole section would silently undo it. What a grid varies cannot be changed this way. */
static int change_variants(struct yaml *root, struct arena *arena, const char *path,
                           struct yaml *value, struct err *err)
{
    const struct yaml *vary = yaml_get(root, "vary");
    if (!vary || vary->kind != YAML_MAP || !vary->count)
        return 0;
    if (vary->items[0]->kind == YAML_LIST) {
        for (size_t i = 0; i < vary->count; i++)
            if (paths_meet(path, vary->keys[i]->text))
                return fail_as(err, STATUS_CONFIG, "--set %s: the grid varies '%s'", path,
                               vary->keys[i]->text);
        return 0;
    }
    struct yaml *key = arena_alloc(arena, sizeof *key), *changed = arena_alloc(arena, sizeof *key);
    *key = *value;
    key->kind = YAML_SCALAR;
    key->text = path;
    *changed = *vary;
    changed->items = arena_alloc(arena, vary->count * sizeof *changed->items);
    for (size_t i = 0; i < vary->count; i++) {
        const struct yaml *variant = vary->items[i];
        bool map = variant->kind == YAML_MAP || variant->kind == YAML_NULL;
        changed->items[i] = map ? with_last(arena, variant, key, value) : (struct yaml *)variant;
    }
    for (size_t i = 0; i < root->count; i++)
        if (root->items[i] == vary)
            root->items[i] = changed;
    return 0;
}

static int apply_change(struct yaml **root, struct arena *arena, const char *change, size_t length,
                        struct err *err)
{
    const char *equals = memchr(change, '=', length);
    if (!equals || equals == change)
        return fail_as(err, STATUS_USAGE, "--set '%.*s': SECTION.KEY=VALUE expected", (int)length,
                       change);
    struct yaml *value;
    const char *path = arena_strndup(arena, change, (size_t)(equals - change));
    TRY(yaml_parse(&value, arena, "--set", equals + 1, (size_t)(change + length - equals - 1),
                   err));
    TRY(yaml_replace(root, arena, *root, path, value, err));
    if (strchr(path, '.') && !starts_with(path, "vary."))
        TRY(change_variants(*root, arena, path, value, err));
    return 0;
}

/* The length of the first of several changes "KEY=VALUE KEY=VALUE". It ends at a space outside
 * brackets and quotes that is followed by the next KEY=, so that values may contain spaces. */
static size_t change_length(const char *text)
{
    static const char blanks[] = " \t\r\n";
    int depth = 0;
    char quote = '\0';
    size_t i = 0;
    for (; text[i]; i++) {
        char c = text[i];
        if (quote) {
            if (text[i + 1] && (c == '\\' ? quote == '"' : c == '\'' && text[i + 1] == quote))
                i++; /* an escaped character, or a doubled quote */
            else if (c == quote)
                quote = '\0';
        } else if (strchr("\"'", c) && i && strchr(" \t\r\n=[{,:", text[i - 1])) {
            quote = c; /* elsewhere, as in don't, it is a plain character */
        } else if (strchr("[{", c)) {
            depth++;
        } else if (strchr("]}", c)) {
            depth--;
        } else if (strchr(blanks, c) && depth <= 0) {
            const char *next = text + i + strspn(text + i, blanks);
            size_t key = strcspn(next, " \t\r\n=[]{},\"'");
            if (!*next || (key && next[key] == '='))
                break;
        }
    }
    return i;
}

int experiment_change(struct yaml **root, struct arena *arena, const char *const *changes,
                      int count, struct err *err)
{
    for (int i = 0; i < count; i++) {
        const char *at = changes[i];
        do {
            at += strspn(at, " \t\r\n");
            size_t length = change_length(at);
            TRY(apply_change(root, arena, at, length, err));
            at += length;
        } while (at[strspn(at, " \t\r\n")]);
    }
    return 0;
}
