#include "base/text.h"

#include "base/memory.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void reserve(struct text *text, size_t more)
{
    size_t need = text->length + more + 1;
    if (need <= text->capacity)
        return;
    size_t capacity = text->capacity ? text->capacity : 64;
    while (capacity < need)
        capacity *= 2;
    text->data = xrealloc(text->data, capacity, 1);
    text->capacity = capacity;
}

void text_add(struct text *text, const char *bytes, size_t length)
{
    reserve(text, length);
    memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = '\0';
}

void text_puts(struct text *text, const char *string)
{
    text_add(text, string, strlen(string));
}

void text_vprintf(struct text *text, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int length = vsnprintf(NULL, 0, fmt, ap);
    if (length < 0)
        bug("format '%s'", fmt);
    reserve(text, (size_t)length);
    vsnprintf(text->data + text->length, (size_t)length + 1, fmt, again);
    text->length += (size_t)length;
    va_end(again);
}

void text_printf(struct text *text, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(text, fmt, ap);
    va_end(ap);
}

size_t text_character(uint32_t *code, const char *p)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; /* overlong forms are refused */
    unsigned char lead = (unsigned char)*p;
    size_t length = lead < 0x80 ? 1 : lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    *code = length > 1 ? lead & 0x7fu >> length : lead;
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (p[i] & 0x3fu);
    }
    bool surrogate = *code >= 0xd800 && *code < 0xe000;
    return *code < least[length] || surrogate || *code > 0x10ffff || lead >= 0xf8 ? 0 : length;
}

static const char *digits(const char *p)
{
    while (*p >= '0' && *p <= '9')
        p++;
    return p;
}

bool text_is_number(const char *p)
{
    p += *p == '-';
    const char *whole = p;
    p = digits(p);
    if (p == whole || (*whole == '0' && p - whole > 1))
        return false;
    if (*p == '.') {
        const char *fraction = p + 1;
        p = digits(fraction);
        if (p == fraction)
            return false;
    }
    if (*p == 'e' || *p == 'E') {
        const char *exponent = p + 1 + (p[1] == '-' || p[1] == '+');
        p = digits(exponent);
        if (p == exponent)
            return false;
    }
    return *p == '\0';
}

void text_shell(struct text *text, const char *string)
{
    text_puts(text, "'");
    for (const char *p = string; *p; p++)
        text_add(text, *p == '\'' ? "'\\''" : p, *p == '\'' ? 4 : 1);
    text_puts(text, "'");
}

void text_csv(struct text *text, const char *string)
{
    const char *guard =
        *string && strchr("=+-@\t\r'", *string) && !text_is_number(string) ? "'" : "";
    if (!strpbrk(string, ",\"\r\n")) {
        text_printf(text, "%s%s", guard, string);
        return;
    }
    text_printf(text, "\"%s", guard);
    for (const char *p = string; *p; p++) {
        text_add(text, p, 1);
        if (*p == '"')
            text_add(text, p, 1);
    }
    text_add(text, "\"", 1);
}

size_t text_control(const char *p)
{
    uint32_t code;
    size_t length = text_character(&code, p);
    bool control =
        (code && code < 0x20) || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029;
    return control ? length : 0;
}

void text_html(struct text *text, const char *string)
{
    for (const char *p = string; *p; p++) {
        switch (*p) {
        case '&':
            text_puts(text, "&amp;");
            break;
        case '<':
            text_puts(text, "&lt;");
            break;
        case '>':
            text_puts(text, "&gt;");
            break;
        case '"':
            text_puts(text, "&quot;");
            break;
        case '\'':
            text_puts(text, "&#39;");
            break;
        default:
            text_add(text, p, 1);
        }
    }
}

char *text_take(struct text *text)
{
    reserve(text, 0);
    text->data[text->length] = '\0';
    char *data = text->data;
    *text = (struct text){0};
    return data;
}

void text_free(struct text *text)
{
    free(text->data);
    *text = (struct text){0};
}

char *number_text(char buf[NUMBER_TEXT], double value)
{
    if (isnan(value))
        return strcpy(buf, "nan");
    if (isinf(value))
        return strcpy(buf, value < 0 ? "-inf" : "inf");
    if (value == 0) /* -0 and 0 are one number to a reader and to a recipe */
        return strcpy(buf, "0");
    if (value == floor(value) && fabs(value) < 9007199254740992.0) {
        snprintf(buf, NUMBER_TEXT, "%.0f", value);
        return buf;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(buf, NUMBER_TEXT, "%.*g", digits, value);
        if (strtod(buf, NULL) == value)
            break;
    }
    return buf;
}

bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool ends_with(const char *text, const char *suffix)
{
    size_t a = strlen(text), b = strlen(suffix);
    return a >= b && strcmp(text + a - b, suffix) == 0;
}

bool ends_like(const char *text, const char *suffix)
{
    size_t a = strlen(text), b = strlen(suffix);
    return a >= b && strcasecmp(text + a - b, suffix) == 0;
}

bool text_is_utf8(const char *text)
{
    uint32_t code;
    size_t length = 1;
    for (; *text && length; text += length)
        length = text_character(&code, text);
    return length;
}

bool text_is_plain(const char *text)
{
    for (const char *p = text; *p; p++)
        if (text_control(p))
            return false;
    return text_is_utf8(text);
}

size_t edit_distance(const char *a, const char *b)
{
    enum { LONGEST = 64 };
    size_t n = strlen(a), m = strlen(b), row[LONGEST + 1];
    if (n > LONGEST || m > LONGEST)
        return n > m ? n : m;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[m];
}

const char *nearest_word(const char *word, const char *const *candidates, size_t count)
{
    const char *best = NULL;
    size_t limit = strlen(word) / 3 + 1, least = limit + 1;
    for (size_t i = 0; i < count; i++) {
        size_t distance = edit_distance(word, candidates[i]);
        if (distance < least) {
            least = distance;
            best = candidates[i];
        }
    }
    return best;
}

char *bytes_text(char buf[NUMBER_TEXT], double bytes)
{
    static const char *const unit[] = {"B", "kB", "MB", "GB", "TB"};
    size_t i = 0;
    while (bytes >= 1000 && i + 1 < sizeof unit / sizeof *unit) {
        bytes /= 1000;
        i++;
    }
    snprintf(buf, NUMBER_TEXT, i && bytes < 100 ? "%.1f %s" : "%.0f %s", bytes, unit[i]);
    return buf;
}

char *duration_text(char buf[NUMBER_TEXT], double seconds)
{
    if (!(fabs(seconds) < 1e9)) { /* also not a number */
        snprintf(buf, NUMBER_TEXT, "-");
        return buf;
    }
    long whole = (long)(seconds + 0.5);
    if (seconds < 10)
        snprintf(buf, NUMBER_TEXT, "%.1f s", seconds);
    else if (whole < 60)
        snprintf(buf, NUMBER_TEXT, "%ld s", whole);
    else if (whole < 3600)
        snprintf(buf, NUMBER_TEXT, "%ld min %ld s", whole / 60, whole % 60);
    else
        snprintf(buf, NUMBER_TEXT, "%ld h %ld min", whole / 3600, whole / 60 % 60);
    return buf;
}
