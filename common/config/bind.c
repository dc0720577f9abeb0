#include "config/config_parts.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One value to be bound, with all that a message needs. */
struct site {
    const struct field *field;
    const struct yaml *at; /* the value */
    const char *path;      /* "train-vae.train.lr", "train-vae.model.channels[2]" */
    struct arena *arena;
};

static const char *shown(const struct site *site)
{
    return yaml_shown(site->arena, site->at->text);
}

/* ---- scalars -------------------------------------------------------------------------------- */

static int want_scalar(const struct site *site, const char *expected, struct err *err)
{
    static const char *const given[] = {
        [YAML_NULL] = "nothing", [YAML_LIST] = "a list", [YAML_MAP] = "a section"};
    if (site->at->kind == YAML_SCALAR)
        return 0;
    return yaml_fail(err, site->at, "%s: %s given; %s expected", site->path, given[site->at->kind],
                     expected);
}

static int want_unquoted(const struct site *site, const char *expected, struct err *err)
{
    TRY(want_scalar(site, expected, err));
    if (site->at->quoted)
        return yaml_fail(err, site->at, "%s: '%s' is in quotes, which makes it text; %s expected",
                         site->path, shown(site), expected);
    return 0;
}

static int out_of_range(const struct site *site, struct err *err)
{
    const char *range = field_range(site->arena, site->field);
    return yaml_fail(err, site->at, "%s: %s is out of range%s%s%s", site->path, shown(site),
                     *range ? " (" : "", range, *range ? ")" : "");
}

static bool in_range(const struct field *field, double value)
{
    return (field->min == 0 && field->max == 0) || (value >= field->min && value <= field->max);
}

/* [-+]? ( '.' [0-9]+ | [0-9]+ ( '.' [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?, as in the YAML 1.2 core schema. */
static bool is_real(const char *text)
{
    const char *digits = "0123456789", *p = text + (*text == '-' || *text == '+');
    size_t whole = strspn(p, digits), part = 0;
    p += whole;
    if (*p == '.')
        p += 1 + (part = strspn(p + 1, digits));
    if (whole + part == 0)
        return false;
    if (*p == 'e' || *p == 'E') {
        p += 1 + (p[1] == '-' || p[1] == '+');
        size_t exponent = strspn(p, digits);
        if (exponent == 0)
            return false;
        p += exponent;
    }
    return *p == '\0';
}

/* No leading zeros: elsewhere they mean octal. */
static bool is_integer(const char *text)
{
    const char *p = text + (*text == '-' || *text == '+');
    size_t digits = strspn(p, "0123456789");
    return digits && p[digits] == '\0' && (digits == 1 || *p != '0');
}

static int read_real(double *out, const struct site *site, struct err *err)
{
    TRY(want_unquoted(site, "number", err));
    if (!is_real(site->at->text))
        return yaml_fail(err, site->at, "%s: '%s' is not a number", site->path, shown(site));
    double value = strtod(site->at->text, NULL);
    const char *first = site->at->text + strcspn(site->at->text, "123456789eE");
    bool zero = !*first || *first == 'e' || *first == 'E'; /* all digits are 0 */
    /* computations are in single precision, where such values would become infinite or 0 */
    if (!(fabs(value) <= FLT_MAX) || !in_range(site->field, value))
        return out_of_range(site, err);
    if (!zero && fabs(value) < FLT_MIN)
        return yaml_fail(err, site->at, "%s: %s is too small, it would become 0", site->path,
                         shown(site));
    *out = value + 0.0; /* -0 becomes 0 */
    return 0;
}

static int not_an_integer(const struct site *site, const char *expected, struct err *err)
{
    char number[NUMBER_TEXT];
    double value = is_real(site->at->text) ? strtod(site->at->text, NULL) : NAN;
    if (value == floor(value) && fabs(value) < 9007199254740992.0)
        return yaml_fail(err, site->at, "%s: '%s' is not an %s; did you mean %s?", site->path,
                         shown(site), expected, number_text(number, value));
    return yaml_fail(err, site->at, "%s: '%s' is not an %s", site->path, shown(site), expected);
}

static int read_int(int64_t *out, const struct site *site, struct err *err)
{
    TRY(want_unquoted(site, "integer", err));
    if (!is_integer(site->at->text))
        return not_an_integer(site, "integer", err);
    errno = 0;
    long long value = strtoll(site->at->text, NULL, 10);
    if (errno == ERANGE || !in_range(site->field, (double)value))
        return out_of_range(site, err);
    *out = value;
    return 0;
}

static int read_auto_int(int64_t *out, const struct site *site, struct err *err)
{
    TRY(want_scalar(site, "integer or auto", err));
    if (strcmp(site->at->text, "auto") == 0) {
        *out = -1;
        return 0;
    }
    if (!site->at->quoted && !is_integer(site->at->text))
        return not_an_integer(site, "integer or auto", err);
    TRY(read_int(out, site, err));
    if (*out < 0)
        return yaml_fail(err, site->at, "%s: %s is out of range (0 or more, or auto)", site->path,
                         shown(site));
    return 0;
}

static int read_bool(bool *out, const struct site *site, struct err *err)
{
    TRY(want_unquoted(site, "true or false", err));
    *out = strcmp(site->at->text, "true") == 0;
    if (!*out && strcmp(site->at->text, "false") != 0)
        return yaml_fail(err, site->at, "%s: '%s' is not true or false", site->path, shown(site));
    return 0;
}

static int read_text(const char **out, const struct site *site, struct err *err)
{
    TRY(want_scalar(site, "text", err));
    *out = site->at->text;
    return 0;
}

static int read_choice(int *out, const struct site *site, struct err *err)
{
    const char *const *choices = field_choices(site->arena, site->field);
    int count = 0;
    TRY(want_scalar(site, field_range(site->arena, site->field), err));
    for (; choices[count]; count++) {
        if (strcmp(choices[count], site->at->text) == 0) {
            *out = count;
            return 0;
        }
    }
    const char *near = nearest_word(site->at->text, choices, (size_t)count);
    return yaml_fail(err, site->at, "%s: '%s' is not one of %s%s%s%s", site->path, shown(site),
                     field_range(site->arena, site->field), near ? "; did you mean '" : "",
                     near ? near : "", near ? "'?" : "");
}

/* ---- lists ---------------------------------------------------------------------------------- */

static int want_list(const struct site *site, struct err *err)
{
    const struct field *f = site->field;
    if (site->at->kind == YAML_SCALAR)
        return yaml_fail(err, site->at, "%s: '%s' is not a list; did you mean [%s]?", site->path,
                         shown(site), shown(site));
    if (site->at->kind != YAML_LIST)
        return yaml_fail(err, site->at, "%s: %s given; %s expected", site->path,
                         site->at->kind == YAML_MAP ? "a section" : "nothing", field_type_name(f));
    size_t count = site->at->count;
    if (count < f->min_count || (f->max_count && count > f->max_count))
        return yaml_fail(err, site->at, "%s: %zu item%s given; %s expected", site->path, count,
                         count == 1 ? "" : "s", field_counts(site->arena, f));
    return 0;
}

/* A list of choices is a set, kept in the table's order, so that the order in the file does not
 * matter. */
static int add_choice(struct int_list *list, const struct site *site, struct err *err)
{
    int choice = 0;
    TRY(read_choice(&choice, site, err));
    size_t at = list->count;
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i] == choice)
            return yaml_fail(err, site->at, "%s: '%s' given twice", site->path, shown(site));
    for (; at > 0 && list->items[at - 1] > choice; at--)
        list->items[at] = list->items[at - 1];
    list->items[at] = choice;
    list->count++;
    return 0;
}

/* All list structs share one layout: a count, then a pointer to items of 8 bytes each. */
static int read_list(void *into, const struct site *site, struct err *err)
{
    TRY(want_list(site, err));
    struct int_list *ints = into;
    struct real_list *reals = into;
    struct text_list *texts = into;
    size_t count = site->at->count;
    void *items = arena_alloc(site->arena, count * sizeof(int64_t) + 1);
    if (site->field->type == FIELD_REALS)
        *reals = (struct real_list){0, items};
    else if (site->field->type == FIELD_TEXTS)
        *texts = (struct text_list){0, items};
    else
        *ints = (struct int_list){0, items};
    for (size_t i = 0; i < count; i++) {
        struct site item = {site->field, site->at->items[i],
                            arena_printf(site->arena, "%s[%zu]", site->path, i), site->arena};
        if (site->field->type == FIELD_REALS)
            TRY(read_real(&reals->items[reals->count++], &item, err));
        else if (site->field->type == FIELD_TEXTS)
            TRY(read_text(&texts->items[texts->count++], &item, err));
        else if (site->field->type == FIELD_INTS)
            TRY(read_int(&ints->items[ints->count++], &item, err));
        else
            TRY(add_choice(ints, &item, err));
    }
    return 0;
}

/* ---- sections ------------------------------------------------------------------------------- */

static bool has_key(const struct field *fields, const char *key)
{
    const struct field *f = fields;
    while (f && f->key && strcmp(f->key, key) != 0)
        f++;
    return f && f->key;
}

static const struct field *variant_row(const struct field *fields)
{
    while (fields->key && fields->type != FIELD_VARIANT)
        fields++;
    return fields->key ? fields : NULL;
}

/* Appends to keys unless that is NULL; returns how many there are. */
static size_t add_keys(const char **keys, const struct field *fields)
{
    size_t count = 0;
    for (; fields && fields[count].key; count++)
        if (keys)
            keys[count] = fields[count].key;
    return count;
}

/* The keys a section may have: those of its table, then of the chosen variant (NULL: none). */
static const char **valid_keys(size_t *count, const struct field *fields,
                               const struct field_variant *chosen, struct arena *arena)
{
    const struct field *own = chosen ? chosen->fields : NULL;
    size_t first = add_keys(NULL, fields);
    const char **keys = arena_alloc(arena, (first + add_keys(NULL, own) + 1) * sizeof *keys);
    *count = add_keys(keys, fields) + add_keys(keys + first, own);
    return keys;
}

static const char *listed(const char *const *words, size_t count, struct arena *arena)
{
    const char *list = words[0];
    for (size_t i = 1; i < count; i++)
        list = arena_printf(arena, "%s, %s", list, words[i]);
    return list;
}

/* "; did you mean 'epochs'?", or the valid keys if they are few, or "". */
static const char *key_hint(const char *key, const char *const *keys, size_t count,
                            struct arena *arena)
{
    enum { FEW = 12 };
    const char *hint = nearest_word(key, keys, count);
    if (hint)
        return arena_printf(arena, "; did you mean '%s'?", hint);
    if (count == 0)
        return "; no keys are expected here";
    return count > FEW ? "" : arena_printf(arena, "; valid keys: %s", listed(keys, count, arena));
}

/* "'folder', 'npy'": the variants that have the key; NULL if none. */
static const char *owners(const struct field *row, const char *key, struct arena *arena)
{
    const char *names = NULL;
    for (int i = 0; row && row->variant(i); i++)
        if (has_key(row->variant(i)->fields, key))
            names = arena_printf(arena, "%s%s'%s'", names ? names : "", names ? ", " : "",
                                 row->variant(i)->name);
    return names;
}

static int check_keys(const struct field *fields, const struct field_variant *chosen,
                      const struct yaml *map, const char *name, struct arena *arena,
                      struct err *err)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct yaml *key = map->keys[i];
        if (has_key(fields, key->text) || (chosen && has_key(chosen->fields, key->text)))
            continue;
        size_t count;
        const struct field *row = variant_row(fields);
        const char **keys = valid_keys(&count, fields, chosen, arena);
        const char *others = owners(row, key->text, arena), *colon = *name ? ": " : "";
        if (others)
            return yaml_fail(err, key, "%s%skey '%s' belongs to %s %s, not to '%s'; valid keys: %s",
                             name, colon, key->text, row->key, others, chosen->name,
                             listed(keys, count, arena));
        return yaml_fail(err, key, "%s%sunknown key '%s'%s", name, colon,
                         yaml_shown(arena, key->text), key_hint(key->text, keys, count, arena));
    }
    return 0;
}

static int bind(void *into, const struct field *fields, const struct yaml *map,
                const struct yaml *at, const char *name, struct arena *arena, struct err *err);

static int bind_value(void *into, const struct site *site, struct err *err)
{
    switch (site->field->type) {
    case FIELD_BOOL:
        return read_bool(into, site, err);
    case FIELD_INT:
        return read_int(into, site, err);
    case FIELD_REAL:
        return read_real(into, site, err);
    case FIELD_TEXT:
    case FIELD_INPUT:
        return read_text(into, site, err);
    case FIELD_CHOICE:
    case FIELD_VARIANT: /* its first member */
        return read_choice(into, site, err);
    case FIELD_AUTO_INT:
        return read_auto_int(into, site, err);
    default:
        return read_list(into, site, err);
    }
}

/* The default is read by the same code as a user's value. */
void field_bind_fallback(void *into, const struct field *field, const char *path,
                         struct arena *arena)
{
    struct err err;
    struct yaml *value;
    if (yaml_parse(&value, arena, "default", field->fallback, strlen(field->fallback), &err))
        bug("%s: %s", path, err.text);
    struct site site = {field, value, path, arena};
    if (bind_value(into, &site, &err))
        bug("%s", err.text);
}

/* What a map gives, and of `base` what it does not, on all levels. */
static const struct yaml *with_base(const struct yaml *given, const struct yaml *base,
                                    struct arena *arena)
{
    if (!given || given->kind == YAML_NULL)
        return base;
    if (given->kind != YAML_MAP || base->kind != YAML_MAP)
        return given;
    size_t most = given->count + base->count;
    struct yaml *both = arena_alloc(arena, sizeof *both);
    *both = *given;
    both->keys = arena_alloc(arena, most * sizeof(struct yaml *));
    both->items = arena_alloc(arena, most * sizeof(struct yaml *));
    for (size_t i = 0; i < given->count; i++) {
        const struct yaml *own = yaml_get(base, given->keys[i]->text);
        both->keys[i] = given->keys[i];
        both->items[i] =
            own ? (struct yaml *)with_base(given->items[i], own, arena) : given->items[i];
    }
    for (size_t i = 0; i < base->count; i++)
        if (!yaml_get(given, base->keys[i]->text)) {
            both->keys[both->count] = base->keys[i];
            both->items[both->count++] = base->items[i];
        }
    return both;
}

/* A section as it is given, with the defaults that its row has for it. */
static const struct yaml *section_value(const struct yaml *given, const struct field *field,
                                        const char *path, struct arena *arena)
{
    struct err err;
    struct yaml *base;
    if (!field->fallback || !*field->fallback)
        return given;
    if (yaml_parse(&base, arena, "default", field->fallback, strlen(field->fallback), &err))
        bug("%s: %s", path, err.text);
    return with_base(given, base, arena);
}

/* at: the nearest value that was given, where a missing key is reported. */
static int bind_field(void *into, const struct field *field, const struct yaml *value,
                      const struct yaml *at, const char *path, struct arena *arena, struct err *err)
{
    if (field->type == FIELD_OPTION)
        *(bool *)into = value != NULL;
    if (field->type == FIELD_OPTION && !value)
        return 0;
    if (field->type == FIELD_SECTION)
        value = section_value(value, field, path, arena);
    if (field->type == FIELD_SECTION || field->type == FIELD_OPTION)
        return bind(into, field->sub, value, value ? value : at, path, arena, err);
    if (value) {
        struct site site = {field, value, path, arena};
        return bind_value(into, &site, err);
    }
    if (!field->fallback)
        return yaml_fail(err, at, "%s: missing; %s expected: %s", path, field_type_name(field),
                         field->help);
    field_bind_fallback(into, field, path, arena);
    return 0;
}

/* All rows but a choice of variants. */
static int bind_rows(void *into, const struct field *fields, const struct yaml *map,
                     const struct yaml *at, const char *name, struct arena *arena, struct err *err)
{
    for (const struct field *f = fields; f->key; f++)
        if (f->type != FIELD_VARIANT)
            TRY(bind_field((char *)into + f->offset, f, yaml_get(map, f->key), at,
                           field_path(arena, name, f->key), arena, err));
    return 0;
}

/* The choice, and memory for the struct of its variant. */
static int bind_variant(const struct field_variant **chosen, void *into, const struct field *row,
                        const struct yaml *map, const struct yaml *at, const char *name,
                        struct arena *arena, struct err *err)
{
    struct variant_value *value = (void *)((char *)into + row->offset);
    TRY(bind_field(value, row, yaml_get(map, row->key), at, field_path(arena, name, row->key),
                   arena, err));
    *chosen = row->variant(value->choice);
    value->own = arena_alloc(arena, (*chosen)->size);
    return 0;
}

static int bind(void *into, const struct field *fields, const struct yaml *map,
                const struct yaml *at, const char *name, struct arena *arena, struct err *err)
{
    if (map && map->kind == YAML_NULL)
        map = NULL;
    if (map && map->kind != YAML_MAP)
        return yaml_fail(
            err, map, "%s%s%s given; a section (key: value) expected", name, *name ? ": " : "",
            map->kind == YAML_LIST ? "a list"
                                   : arena_printf(arena, "'%s'", yaml_shown(arena, map->text)));
    const struct field *row = variant_row(fields);
    const struct field_variant *chosen = NULL;
    if (row) /* first: it decides which keys are valid */
        TRY(bind_variant(&chosen, into, row, map, at, name, arena, err));
    if (map)
        TRY(check_keys(fields, chosen, map, name, arena, err));
    TRY(bind_rows(into, fields, map, at, name, arena, err));
    if (!chosen || !chosen->fields)
        return 0;
    struct variant_value *value = (void *)((char *)into + row->offset);
    return bind_rows(value->own, chosen->fields, map, at, name, arena, err);
}

int config_bind(void *into, const struct field *fields, const struct yaml *map, const char *name,
                struct arena *arena, struct err *err)
{
    return bind(into, fields, map, map, name, arena, err);
}

/* The variant that a map chooses, judged by the text alone; NULL: none. */
static const struct field_variant *chosen_by(const struct yaml *map, const struct field *row)
{
    const struct yaml *word = yaml_get(map, row->key);
    for (int i = 0; word && word->kind == YAML_SCALAR && row->variant(i); i++)
        if (strcmp(row->variant(i)->name, word->text) == 0)
            return row->variant(i);
    return NULL;
}

void config_drop_others(struct yaml *map, const struct field *fields)
{
    struct arena arena = {0};
    const struct field *row = variant_row(fields);
    const struct field_variant *chosen = row ? chosen_by(map, row) : NULL;
    size_t kept = 0;
    for (size_t i = 0; chosen && i < map->count; i++) {
        const char *key = map->keys[i]->text;
        if (!has_key(fields, key) && !has_key(chosen->fields, key) && owners(row, key, &arena))
            continue;
        map->keys[kept] = map->keys[i];
        map->items[kept++] = map->items[i];
    }
    map->count = chosen ? kept : map->count;
    for (const struct field *f = fields; f->key; f++) {
        struct yaml *inner = f->sub ? yaml_get(map, f->key) : NULL;
        if (inner && inner->kind == YAML_MAP)
            config_drop_others(inner, f->sub);
    }
    arena_free(&arena);
}
