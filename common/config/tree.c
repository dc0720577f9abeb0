#include "config/config.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct yaml *yaml_get(const struct yaml *map, const char *key)
{
    if (!map || map->kind != YAML_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->keys[i]->text, key) == 0)
            return map->items[i];
    return NULL;
}

int yaml_fail(struct err *err, const struct yaml *at, const char *fmt, ...)
{
    char what[sizeof err->text];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    if (!at)
        return fail_as(err, STATUS_CONFIG, "%s", what);
    return fail_as(err, STATUS_CONFIG, "%s:%d:%d: %s", at->file, at->line, at->col, what);
}

const char *yaml_shown(struct arena *arena, const char *text)
{
    enum { LONGEST = 60 };
    size_t length = strlen(text), cut = length;
    if (length > LONGEST) {
        cut = LONGEST;
        while (cut > 0 && ((unsigned char)text[cut] & 0xC0) == 0x80)
            cut--; /* never inside a character */
    }
    char *shown = arena_printf(arena, "%.*s%s", (int)cut, text, cut < length ? "..." : "");
    for (char *p = shown; *p; p++)
        memset(p, '?', text_control(p));
    return shown;
}

/* ---- replacing ------------------------------------------------------------------------------ */

static struct yaml *new_node(struct arena *arena, enum yaml_kind kind, const struct yaml *at)
{
    struct yaml *node = arena_alloc(arena, sizeof *node);
    *node = (struct yaml){.kind = kind, .file = at->file, .line = at->line, .col = at->col};
    return node;
}

/* A copy of map with room for one more pair; an empty map if it is not a map. */
static struct yaml *copy_map(struct arena *arena, const struct yaml *map, const struct yaml *at)
{
    bool given = map && map->kind == YAML_MAP;
    struct yaml *copy = new_node(arena, YAML_MAP, given ? map : at);
    copy->count = given ? map->count : 0;
    copy->keys = arena_alloc(arena, (copy->count + 1) * sizeof *copy->keys);
    copy->items = arena_alloc(arena, (copy->count + 1) * sizeof *copy->items);
    if (copy->count) {
        memcpy(copy->keys, map->keys, copy->count * sizeof *copy->keys);
        memcpy(copy->items, map->items, copy->count * sizeof *copy->items);
    }
    return copy;
}

static void put(struct arena *arena, struct yaml *map, const char *key, struct yaml *item,
                const struct yaml *at)
{
    for (size_t i = 0; i < map->count; i++) {
        if (strcmp(map->keys[i]->text, key) == 0) {
            map->items[i] = item;
            return;
        }
    }
    struct yaml *name = new_node(arena, YAML_SCALAR, at);
    name->text = key;
    map->keys[map->count] = name;
    map->items[map->count++] = item;
}

int yaml_replace(struct yaml **out, struct arena *arena, const struct yaml *map, const char *path,
                 struct yaml *value, struct err *err)
{
    struct yaml *top = copy_map(arena, map, value), *here = top;
    const char *rest = path;
    for (int depth = 1;; depth++) {
        size_t length = strcspn(rest, ".");
        if (length == 0 || length > YAML_KEY_BYTES || depth > YAML_DEPTH)
            return yaml_fail(err, value, "'%s' is not a key or a path of keys (a.b.c)",
                             yaml_shown(arena, path));
        const char *key = arena_strndup(arena, rest, length);
        if (!rest[length]) {
            put(arena, here, key, value, value);
            *out = top;
            return 0;
        }
        const struct yaml *inner = yaml_get(here, key);
        if (inner && inner->kind != YAML_MAP && inner->kind != YAML_NULL) {
            const char *above = arena_strndup(arena, path, (size_t)(rest + length - path));
            return yaml_fail(err, value, "%s: '%s' is not a section (%s:%d:%d)",
                             yaml_shown(arena, path), yaml_shown(arena, above), inner->file,
                             inner->line, inner->col);
        }
        struct yaml *copy = copy_map(arena, inner, value);
        put(arena, here, key, copy, value);
        here = copy;
        rest += length + 1;
    }
}

/* ---- writing -------------------------------------------------------------------------------- */

/* Words and numbers that mean the same inside and outside flow brackets; the rest is quoted. */
static bool is_plain(const char *text)
{
    size_t length = strlen(text), lead = strspn(text, "+-.");
    if (lead > 2 || !isalnum((unsigned char)text[lead]))
        return false;
    return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                        "_+-./@") == length;
}

static void write_quoted(struct text *out, const char *text)
{
    text_puts(out, "\"");
    for (const char *p = text; *p;) {
        uint32_t code;
        size_t length = text_character(&code, p);
        /* what YAML does not accept as it is, or folds as a line break */
        bool escape = text_control(p) || code == 0xFEFF || code == 0xFFFE || code == 0xFFFF;
        if (*p == '"' || *p == '\\')
            text_printf(out, "\\%c", *p);
        else if (escape)
            text_printf(out, "\\u%04x", code);
        else
            text_add(out, p, length ? length : 1);
        p += length ? length : 1;
    }
    text_puts(out, "\"");
}

void yaml_write(struct text *out, const struct yaml *node)
{
    bool is_map = node->kind == YAML_MAP;
    if (node->kind == YAML_NULL) {
        text_puts(out, "null");
    } else if (node->kind == YAML_SCALAR) {
        if (!node->quoted && is_plain(node->text))
            text_puts(out, node->text);
        else
            write_quoted(out, node->text);
    } else {
        text_puts(out, is_map ? "{" : "[");
        for (size_t i = 0; i < node->count; i++) {
            if (i)
                text_puts(out, ", ");
            if (is_map) {
                yaml_write(out, node->keys[i]);
                text_puts(out, ": ");
            }
            yaml_write(out, node->items[i]);
        }
        text_puts(out, is_map ? "}" : "]");
    }
}
