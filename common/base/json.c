#include "base/json.h"

#include "base/err.h"
#include "base/memory.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void quote(struct text *out, const char *string)
{
    text_puts(out, "\"");
    for (const char *p = string; *p;) {
        uint32_t code;
        size_t length = text_character(&code, p);
        if (!length)
            text_puts(out, "\\ufffd");
        else if (*p == '"' || *p == '\\')
            text_printf(out, "\\%c", *p);
        else if (code < 0x20)
            text_printf(out, "\\u%04x", code);
        else
            text_add(out, p, length);
        p += length ? length : 1;
    }
    text_puts(out, "\"");
}

/* Writes what precedes a member: the layout up to its first *, or from there to the second. */
static void member(struct json *json, const char *key)
{
    if (json->depth) {
        struct json_level *level = &json->level[json->depth - 1];
        const char *first = strchr(level->layout, '*') + 1;
        const char *from = level->any ? first : level->layout + 1;
        text_add(&json->text, from, strcspn(from, "*"));
        level->any = true;
    }
    if (!key)
        return;
    quote(&json->text, key);
    text_puts(&json->text, json->tight ? ":" : ": ");
}

void json_begin(struct json *json, const char *key, const char *layout)
{
    member(json, key);
    if (json->depth == sizeof json->level / sizeof *json->level)
        bug("JSON deeper than %d", json->depth);
    text_add(&json->text, layout, 1);
    json->level[json->depth++] = (struct json_level){.layout = layout};
}

void json_end(struct json *json)
{
    const struct json_level *level = &json->level[--json->depth];
    const char *close = strrchr(level->layout, '*') + 1;
    text_puts(&json->text, level->any ? close : close + strspn(close, " \n"));
}

void json_text(struct json *json, const char *key, const char *text)
{
    member(json, key);
    if (text)
        quote(&json->text, text);
    else
        text_puts(&json->text, "null");
}

void json_number(struct json *json, const char *key, double value)
{
    char number[NUMBER_TEXT];
    json_raw(json, key, "%s", isfinite(value) ? number_text(number, value) : "null");
}

void json_raw(struct json *json, const char *key, const char *fmt, ...)
{
    va_list ap;
    member(json, key);
    va_start(ap, fmt);
    text_vprintf(&json->text, fmt, ap);
    va_end(ap);
}
