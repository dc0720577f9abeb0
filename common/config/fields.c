#include "config/config_parts.h"

#include <math.h>
#include <string.h>

const char *field_type_name(const struct field *field)
{
    static const char *const names[] = {
        [FIELD_BOOL] = "true or false",
        [FIELD_INT] = "integer",
        [FIELD_REAL] = "number",
        [FIELD_TEXT] = "text",
        [FIELD_CHOICE] = "choice",
        [FIELD_INTS] = "list of integers",
        [FIELD_REALS] = "list of numbers",
        [FIELD_TEXTS] = "list of texts",
        [FIELD_CHOICES] = "list of choices",
        [FIELD_SECTION] = "section",
        [FIELD_OPTION] = "optional section",
        [FIELD_AUTO_INT] = "integer or auto",
        [FIELD_INPUT] = "section or artifact:ID",
        [FIELD_VARIANT] = "choice",
    };
    return names[field->type];
}

const char *field_fills(const struct field *field, const void *at)
{
    const char *said = *(const char *const *)at;
    return field->type == FIELD_INPUT && strcmp(said, "none") != 0 ? said : NULL;
}

/* One-sided and closed ranges in words; infinite ends are open. */
static const char *range_words(struct arena *arena, double min, double max)
{
    char low[NUMBER_TEXT], high[NUMBER_TEXT];
    number_text(low, min);
    number_text(high, max);
    if (isinf(min) && isinf(max))
        return "";
    if (isinf(max))
        return arena_printf(arena, "%s or more", low);
    if (isinf(min))
        return arena_printf(arena, "%s or less", high);
    return min == max ? arena_strdup(arena, low) : arena_printf(arena, "%s to %s", low, high);
}

const char *const *field_choices(struct arena *arena, const struct field *field)
{
    if (!field->variant)
        return field->choices;
    int count = 0;
    while (field->variant(count))
        count++;
    const char **names = arena_alloc(arena, ((size_t)count + 1) * sizeof *names);
    for (int i = 0; i < count; i++)
        names[i] = field->variant(i)->name;
    return names;
}

const char *field_range(struct arena *arena, const struct field *field)
{
    struct text words = {0};
    switch (field->type) {
    case FIELD_CHOICE:
    case FIELD_CHOICES:
    case FIELD_VARIANT:
        for (const char *const *choice = field_choices(arena, field); *choice; choice++)
            text_printf(&words, "%s%s", words.length ? ", " : "", *choice);
        const char *copy = arena_strdup(arena, words.data ? words.data : "");
        text_free(&words);
        return copy;
    case FIELD_INT:
    case FIELD_REAL:
    case FIELD_INTS:
    case FIELD_REALS:
    case FIELD_AUTO_INT:
        return field->min == 0 && field->max == 0 ? "" : range_words(arena, field->min, field->max);
    default:
        return "";
    }
}

const char *field_counts(struct arena *arena, const struct field *field)
{
    if (field->min_count == 0 && field->max_count == 0)
        return "";
    double most = field->max_count ? (double)field->max_count : INFINITY;
    return range_words(arena, (double)field->min_count, most);
}

const char *field_path(struct arena *arena, const char *prefix, const char *key)
{
    return *prefix ? arena_printf(arena, "%s.%s", prefix, key) : key;
}
