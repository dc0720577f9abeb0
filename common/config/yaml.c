#include "config/config.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct anchor {
    const struct anchor *next; /* newest first: a repeated name hides the older one */
    const char *name;
    struct yaml *node;
    size_t nodes; /* what an alias to it expands to; 0 while the node itself is being read */
    int height;
};

struct composer {
    yaml_parser_t parser;
    const char *bytes;
    size_t length;
    const char *file;
    struct arena *arena;
    struct anchor *anchors;
    size_t anchor_count;
    size_t nodes; /* read so far, with aliases expanded */
    int deepest;  /* level reached so far within the node being read */
};

/* Where a node is, for messages: the keys (or list indices) that lead to it. */
struct place {
    const struct place *up;
    const char *key;
    size_t index;
    int depth;
};

static struct yaml *node_at(struct composer *c, enum yaml_kind kind, const yaml_mark_t *mark)
{
    struct yaml *node = arena_alloc(c->arena, sizeof *node);
    node->kind = kind;
    node->file = c->file;
    node->line = (int)mark->line + 1;
    node->col = (int)mark->column + 1;
    return node;
}

/* ---- the library's errors, in our words ----------------------------------------------------- */

/* Line and column (in characters) of a byte offset. */
static yaml_mark_t mark_of(const char *bytes, size_t offset)
{
    yaml_mark_t mark = {0};
    for (size_t i = 0; i < offset; i++) {
        if (bytes[i] == '\n') {
            mark.line++;
            mark.column = 0;
        } else if (((unsigned char)bytes[i] & 0xC0) != 0x80) {
            mark.column++;
        }
    }
    return mark;
}

/* The byte at libyaml's index, which counts characters. */
static char byte_at(const struct composer *c, size_t index)
{
    for (size_t i = 0; i < c->length; i++)
        if (((unsigned char)c->bytes[i] & 0xC0) != 0x80 && index-- == 0)
            return c->bytes[i];
    return '\0';
}

static int unreadable(struct composer *c, struct err *err)
{
    const yaml_parser_t *p = &c->parser;
    yaml_mark_t mark = mark_of(c->bytes, p->problem_offset);
    const struct yaml *at = node_at(c, YAML_NULL, &mark);
    if (strstr(p->problem, "control"))
        return yaml_fail(err, at, "control character 0x%02x; expected a text file",
                         (unsigned)p->problem_value);
    return yaml_fail(err, at, "not valid UTF-8 (%s)", p->problem);
}

static int syntax_error(struct composer *c, struct err *err)
{
    const yaml_parser_t *p = &c->parser;
    if (p->error == YAML_MEMORY_ERROR)
        return fail(err, "%s: out of memory", c->file);
    if (p->error == YAML_READER_ERROR)
        return unreadable(c, err);
    const struct yaml *at = node_at(c, YAML_NULL, &p->problem_mark);
    if (strstr(p->problem, "cannot start any token")) {
        char byte = byte_at(c, p->problem_mark.index);
        if (byte != '\t')
            return yaml_fail(err, at, "'%c' cannot start a value; put it in quotes", byte);
    }
    if (strstr(p->problem, "tab character") || strstr(p->problem, "cannot start any token"))
        return yaml_fail(err, at, "tab character in the indentation; use spaces");
    if (!p->context)
        return yaml_fail(err, at, "not valid YAML: %s", p->problem);
    return yaml_fail(err, at, "not valid YAML: %s (%s that starts at %zu:%zu)", p->problem,
                     p->context, p->context_mark.line + 1, p->context_mark.column + 1);
}

static int next(yaml_event_t *event, struct composer *c, struct err *err)
{
    if (!yaml_parser_parse(&c->parser, event))
        return syntax_error(c, err);
    return 0;
}

/* ---- composing ------------------------------------------------------------------------------ */

/* "a.b[2].c: ", or "" at the top. */
static const char *place_text(struct composer *c, const struct place *place)
{
    const char *path = "";
    for (const struct place *p = place; p && p->up; p = p->up) {
        const char *dot = *path && *path != '[' && *path != ':' ? "." : "";
        if (!*path)
            path = ": ";
        path = p->key ? arena_printf(c->arena, "%s%s%s", yaml_shown(c->arena, p->key), dot, path)
                      : arena_printf(c->arena, "[%zu]%s%s", p->index, dot, path);
    }
    return path;
}

static int compose(struct yaml **out, struct composer *c, const struct place *place,
                   struct err *err);

/* Counts what was just read at this place: a value, or all that an alias expands to. */
static int count(struct composer *c, const struct place *place, size_t nodes, int height,
                 const struct yaml *at, struct err *err)
{
    int bottom = place->depth + height - 1;
    if (bottom > YAML_DEPTH)
        return yaml_fail(err, at, "nested deeper than %d levels", YAML_DEPTH);
    if (bottom > c->deepest)
        c->deepest = bottom;
    c->nodes += nodes;
    if (c->nodes > YAML_NODES)
        return yaml_fail(err, at,
                         "the document expands to more than %d values (an alias counts as all "
                         "it stands for)",
                         YAML_NODES);
    return 0;
}

static int list(struct yaml *node, struct composer *c, const struct place *place, struct err *err)
{
    for (;;) {
        struct place inner = {place, NULL, node->count, place->depth + 1};
        struct yaml *item;
        TRY(compose(&item, c, &inner, err));
        if (!item)
            return 0;
        *ARENA_ADD(c->arena, node->items, node->count) = item;
    }
}

static int by_text_then_position(const void *a, const void *b)
{
    const struct yaml *x = *(struct yaml *const *)a, *y = *(struct yaml *const *)b;
    int order = strcmp(x->text, y->text);
    if (order)
        return order;
    return x->line != y->line ? x->line - y->line : x->col - y->col;
}

static int check_keys_differ(const struct yaml *map, struct composer *c, const struct place *place,
                             struct err *err)
{
    struct yaml **sorted = arena_alloc(c->arena, map->count * sizeof *sorted + 1);
    if (map->count)
        memcpy(sorted, map->keys, map->count * sizeof *sorted);
    qsort(sorted, map->count, sizeof *sorted, by_text_then_position);
    for (size_t i = 1; i < map->count; i++)
        if (strcmp(sorted[i - 1]->text, sorted[i]->text) == 0)
            return yaml_fail(err, sorted[i], "%skey '%s' given twice; first at %d:%d",
                             place_text(c, place), yaml_shown(c->arena, sorted[i]->text),
                             sorted[i - 1]->line, sorted[i - 1]->col);
    return 0;
}

static int check_key(const struct yaml *key, const struct yaml_event_s *event, struct err *err)
{
    if (event->type != YAML_SCALAR_EVENT || event->data.scalar.anchor)
        return yaml_fail(err, key, "a key must be plain text");
    if (!*key->text)
        return yaml_fail(err, key, "empty key");
    if (strlen(key->text) > YAML_KEY_BYTES)
        return yaml_fail(err, key, "key longer than %d bytes", YAML_KEY_BYTES);
    if (!key->quoted && strcmp(key->text, "<<") == 0)
        return yaml_fail(err, key, "merge keys ('<<') are not part of YAML 1.2");
    return 0;
}

/* Strict about what the library accepts: tags, NUL bytes written as escapes, very long texts. */
static int scalar(struct yaml **out, struct composer *c, const struct place *place,
                  const yaml_event_t *event, struct err *err)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t length = event->data.scalar.length;
    struct yaml *node = *out = node_at(c, YAML_SCALAR, &event->start_mark);
    if (event->data.scalar.tag)
        return yaml_fail(err, node, "tags ('!') are not supported");
    if (length > YAML_SCALAR_BYTES)
        return yaml_fail(err, node, "text longer than %d bytes", YAML_SCALAR_BYTES);
    if (memchr(text, '\0', length))
        return yaml_fail(err, node, "text with a NUL character");
    node->text = arena_strndup(c->arena, text, length);
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return count(c, place, 1 + length / 64, 1, node, err);
}

static void make_null_if_empty(struct yaml *node)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; !node->quoted && i < sizeof words / sizeof *words; i++) {
        if (strcmp(node->text, words[i]) == 0) {
            node->kind = YAML_NULL;
            node->text = NULL;
            return;
        }
    }
}

/* The key of the next pair; NULL at the end of the map. */
static int map_key(struct yaml **out, struct composer *c, const struct place *place,
                   struct err *err)
{
    yaml_event_t event;
    TRY(next(&event, c, err));
    int rc = 0;
    if (event.type == YAML_MAPPING_END_EVENT)
        *out = NULL;
    else if (event.type == YAML_SCALAR_EVENT)
        rc = scalar(out, c, place, &event, err);
    else
        *out = node_at(c, YAML_NULL, &event.start_mark);
    if (!rc && *out)
        rc = check_key(*out, &event, err);
    yaml_event_delete(&event);
    return rc;
}

static int map(struct yaml *node, struct composer *c, const struct place *place, struct err *err)
{
    for (;;) {
        struct place inner = {place, NULL, 0, place->depth + 1};
        struct yaml *key, *item;
        TRY(map_key(&key, c, &inner, err));
        if (!key)
            return check_keys_differ(node, c, place, err);
        inner.key = key->text;
        TRY(compose(&item, c, &inner, err));
        node->keys = arena_grow(c->arena, node->keys, node->count, sizeof *node->keys);
        node->keys[node->count] = key;
        *ARENA_ADD(c->arena, node->items, node->count) = item;
    }
}

static int alias(struct yaml **out, struct composer *c, const struct place *place,
                 const yaml_event_t *event, struct err *err)
{
    const char *name = (const char *)event->data.alias.anchor;
    const struct anchor *anchor = c->anchors;
    while (anchor && strcmp(anchor->name, name) != 0)
        anchor = anchor->next;
    const struct yaml *at = node_at(c, YAML_NULL, &event->start_mark);
    if (!anchor)
        return yaml_fail(err, at, "alias '*%s' has no anchor before it",
                         yaml_shown(c->arena, name));
    if (!anchor->nodes)
        return yaml_fail(err, at, "'*%s' contains itself", yaml_shown(c->arena, name));
    *out = anchor->node;
    return count(c, place, anchor->nodes, anchor->height, at, err);
}

static int anchor_add(struct anchor **out, struct composer *c, const yaml_char_t *name,
                      struct yaml *node, struct err *err)
{
    *out = NULL;
    if (!name)
        return 0;
    if (++c->anchor_count > YAML_ANCHORS)
        return yaml_fail(err, node, "more than %d anchors", YAML_ANCHORS);
    struct anchor *anchor = arena_alloc(c->arena, sizeof *anchor);
    *anchor = (struct anchor){c->anchors, arena_strdup(c->arena, (const char *)name), node, 0, 0};
    *out = c->anchors = anchor;
    return 0;
}

/* A scalar, or the head of a list or map; *anchor is its anchor's name if it has one. */
static int head(struct yaml **out, const yaml_char_t **anchor, struct composer *c,
                const struct place *place, const yaml_event_t *event, struct err *err)
{
    const yaml_char_t *tag;
    if (event->type == YAML_SCALAR_EVENT) {
        *anchor = event->data.scalar.anchor;
        TRY(scalar(out, c, place, event, err));
        make_null_if_empty(*out);
        return 0;
    }
    if (event->type == YAML_SEQUENCE_START_EVENT) {
        *out = node_at(c, YAML_LIST, &event->start_mark);
        *anchor = event->data.sequence_start.anchor, tag = event->data.sequence_start.tag;
    } else {
        *out = node_at(c, YAML_MAP, &event->start_mark);
        *anchor = event->data.mapping_start.anchor, tag = event->data.mapping_start.tag;
    }
    if (tag)
        return yaml_fail(err, *out, "tags ('!') are not supported");
    return count(c, place, 1, 1, *out, err);
}

static int content(struct yaml **out, struct composer *c, const struct place *place,
                   const yaml_event_t *event, struct err *err)
{
    size_t before = c->nodes;
    int deepest = c->deepest;
    const yaml_char_t *name;
    struct anchor *anchor;
    c->deepest = 0;
    TRY(head(out, &name, c, place, event, err));
    TRY(anchor_add(&anchor, c, name, *out, err));
    if ((*out)->kind == YAML_LIST)
        TRY(list(*out, c, place, err));
    else if ((*out)->kind == YAML_MAP)
        TRY(map(*out, c, place, err));
    if (anchor)
        anchor->nodes = c->nodes - before, anchor->height = c->deepest - place->depth + 1;
    if (deepest > c->deepest)
        c->deepest = deepest;
    return 0;
}

/* The next value; NULL at the end of a list. */
static int compose(struct yaml **out, struct composer *c, const struct place *place,
                   struct err *err)
{
    yaml_event_t event;
    TRY(next(&event, c, err));
    int rc = 0;
    *out = NULL;
    if (event.type == YAML_ALIAS_EVENT)
        rc = alias(out, c, place, &event, err);
    else if (event.type != YAML_SEQUENCE_END_EVENT)
        rc = content(out, c, place, &event, err);
    yaml_event_delete(&event);
    return rc;
}

/* Consumes one event and returns its kind and position. */
static int skip(yaml_event_type_t *type, yaml_mark_t *mark, struct composer *c, struct err *err)
{
    yaml_event_t event;
    TRY(next(&event, c, err));
    *type = event.type;
    *mark = event.start_mark;
    yaml_event_delete(&event);
    return 0;
}

static int document(struct yaml **out, struct composer *c, struct err *err)
{
    yaml_event_type_t type;
    yaml_mark_t mark;
    const struct place top = {NULL, NULL, 0, 1};
    TRY(skip(&type, &mark, c, err)); /* stream start */
    TRY(skip(&type, &mark, c, err));
    if (type == YAML_STREAM_END_EVENT) {
        *out = node_at(c, YAML_NULL, &(yaml_mark_t){0});
        return 0;
    }
    TRY(compose(out, c, &top, err));
    TRY(skip(&type, &mark, c, err)); /* document end */
    TRY(skip(&type, &mark, c, err));
    if (type != YAML_STREAM_END_EVENT)
        return yaml_fail(err, node_at(c, YAML_NULL, &mark),
                         "a second document starts here; one file holds one");
    return 0;
}

int yaml_parse(struct yaml **out, struct arena *arena, const char *file, const char *bytes,
               size_t length, struct err *err)
{
    if (length > YAML_BYTES)
        return fail_as(err, STATUS_CONFIG, "%s: larger than %d bytes", file, YAML_BYTES);
    if (length >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) /* a byte order mark */
        bytes += 3, length -= 3;
    struct composer c = {.bytes = bytes, .length = length, .arena = arena};
    c.file = arena_strdup(arena, file);
    if (!yaml_parser_initialize(&c.parser))
        return fail(err, "%s: out of memory", file);
    yaml_parser_set_encoding(&c.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&c.parser, (const unsigned char *)bytes, length);
    int rc = document(out, &c, err);
    yaml_parser_delete(&c.parser);
    return rc;
}
