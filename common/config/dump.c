#include "config/config_parts.h"

#include <inttypes.h>
#include <string.h>

static void put_number(struct text *out, double value)
{
    char number[NUMBER_TEXT];
    text_puts(out, number_text(number, value));
}

/* Quoted and on one line whatever it contains, such that YAML reads it back. */
static void put_text(struct text *out, const char *text)
{
    yaml_write(out, &(struct yaml){.kind = YAML_SCALAR, .text = text, .quoted = true});
}

static void put_list(struct text *out, const struct field *field, const void *at)
{
    const struct int_list *ints = at;
    const struct real_list *reals = at;
    const struct text_list *texts = at;
    size_t count = field->type == FIELD_REALS   ? reals->count
                   : field->type == FIELD_TEXTS ? texts->count
                                                : ints->count;
    text_puts(out, "[");
    for (size_t i = 0; i < count; i++) {
        if (i)
            text_puts(out, ", ");
        if (field->type == FIELD_REALS)
            put_number(out, reals->items[i]);
        else if (field->type == FIELD_TEXTS)
            put_text(out, texts->items[i]);
        else if (field->type == FIELD_INTS)
            text_printf(out, "%" PRId64, ints->items[i]);
        else
            text_puts(out, field->choices[ints->items[i]]);
    }
    text_puts(out, "]");
}

static void put_value(struct text *out, const struct field *field, const void *at)
{
    switch (field->type) {
    case FIELD_BOOL:
        text_puts(out, *(const bool *)at ? "true" : "false");
        break;
    case FIELD_INT:
        text_printf(out, "%" PRId64, *(const int64_t *)at);
        break;
    case FIELD_REAL:
        put_number(out, *(const double *)at);
        break;
    case FIELD_TEXT:
        put_text(out, *(const char *const *)at);
        break;
    case FIELD_INPUT:
        text_puts(out, field_fills(field, at) ? "given" : "none");
        break;
    case FIELD_CHOICE:
        text_puts(out, field->choices[*(const int *)at]);
        break;
    case FIELD_VARIANT:
        text_puts(out, field->variant(*(const int *)at)->name);
        break;
    case FIELD_AUTO_INT:
        if (*(const int64_t *)at < 0)
            text_puts(out, "auto");
        else
            text_printf(out, "%" PRId64, *(const int64_t *)at);
        break;
    default:
        put_list(out, field, at);
    }
}

static bool is_fallback(const struct field *field, const void *at, const char *path,
                        struct arena *arena)
{
    union {
        struct int_list list; /* lists are the largest values */
        double real;
    } fallback;
    struct text value = {0}, other = {0};
    if (!field->fallback)
        bug("%s: a later key without a default", path);
    field_bind_fallback(&fallback, field, path, arena);
    put_value(&value, field, at);
    put_value(&other, field, &fallback);
    bool same = strcmp(value.data, other.data) == 0;
    text_free(&value);
    text_free(&other);
    return same;
}

enum extent { WHAT_DIFFERS, LATER, ALL }; /* of later keys; LATER: these are some */

static void dump(struct text *out, const struct field *fields, const void *from, const char *prefix,
                 enum extent extent, struct arena *arena)
{
    for (const struct field *f = fields; f && f->key; f++) {
        const void *at = (const char *)from + f->offset;
        const char *path = field_path(arena, prefix, f->key);
        const enum extent own = extent == WHAT_DIFFERS && f->later ? LATER : extent;
        if (f->silent)
            continue;
        if (f->type == FIELD_OPTION) {
            if (!*(const bool *)at)
                continue;
            text_printf(out, "%s=given\n", path); /* even if it has no rows of its own */
        }
        if (f->type == FIELD_SECTION || f->type == FIELD_OPTION) {
            dump(out, f->sub, at, path, own, arena);
            continue;
        }
        bool required = !f->fallback && !f->later; /* of a later section that is there */
        if (own != LATER || required || !is_fallback(f, at, path, arena)) {
            text_printf(out, "%s=", path);
            if (own == ALL && f->type == FIELD_INPUT && field_fills(f, at))
                text_puts(out, field_fills(f, at));
            else
                put_value(out, f, at);
            text_puts(out, "\n");
        }
        if (f->type == FIELD_VARIANT) {
            const struct variant_value *value = at;
            dump(out, f->variant(value->choice)->fields, value->own, prefix, own, arena);
        }
    }
}

void config_dump(struct text *out, const struct field *fields, const void *from, const char *prefix)
{
    struct arena arena = {0};
    dump(out, fields, from, prefix, WHAT_DIFFERS, &arena);
    arena_free(&arena);
}

void config_settings(struct text *out, const struct field *fields, const void *from,
                     const char *prefix)
{
    struct arena arena = {0};
    dump(out, fields, from, prefix, ALL, &arena);
    arena_free(&arena);
}

/* ---- help ----------------------------------------------------------------------------------- */

enum { CELLS = 4, WIDEST = 36 }; /* key, type, default, range; a wider cell shifts its line */

static void help_cells(const char *cell[CELLS], const struct field *field, const char *path,
                       struct arena *arena)
{
    const char *counts = field_counts(arena, field), *range = field_range(arena, field);
    cell[0] = path;
    cell[1] = field_type_name(field);
    if (*counts)
        cell[1] = arena_printf(arena, "%s (%s)", cell[1], counts);
    cell[2] = field->fallback                ? field->fallback
              : field->type == FIELD_OPTION  ? "absent"
              : field->type == FIELD_SECTION ? ""
                                             : "(required)";
    cell[3] = field->choice_help ? "" : range; /* listed below, one per line */
}

static void help_row(struct text *out, size_t width[CELLS], bool measure,
                     const char *const cell[CELLS], const char *what)
{
    for (int i = 0; i < CELLS; i++) {
        size_t length = strlen(cell[i]);
        if (measure && length <= WIDEST && length > width[i])
            width[i] = length;
        if (!measure)
            text_printf(out, "%-*s  ", (int)width[i], cell[i]);
    }
    if (!measure)
        text_printf(out, "%s\n", what ? what : "");
}

static void help(struct text *out, size_t width[CELLS], bool measure, const struct field *fields,
                 const char *prefix, struct arena *arena)
{
    for (const struct field *f = fields; f && f->key; f++) {
        const char *cell[CELLS], *path = field_path(arena, prefix, f->key);
        help_cells(cell, f, path, arena);
        help_row(out, width, measure, cell, f->help);
        for (size_t i = 0; f->choice_help && f->choices[i]; i++)
            help_row(
                out, width, measure,
                (const char *const[CELLS]){arena_printf(arena, "  %s", f->choices[i]), "", "", ""},
                f->choice_help[i]);
        if (f->type == FIELD_SECTION || f->type == FIELD_OPTION)
            help(out, width, measure, f->sub, path, arena);
        const struct field_variant *variant;
        for (int i = 0; f->variant && (variant = f->variant(i)); i++) {
            const char *given = arena_printf(arena, "%s=%s", path, variant->name);
            help_row(out, width, measure, (const char *const[CELLS]){given, "", "", ""},
                     variant->help);
            help(out, width, measure, variant->fields, prefix, arena);
        }
    }
}

void config_help(struct text *out, const struct field *fields, const char *prefix)
{
    struct arena arena = {0};
    size_t width[CELLS] = {0};
    help(out, width, true, fields, prefix, &arena);
    help(out, width, false, fields, prefix, &arena);
    arena_free(&arena);
}
