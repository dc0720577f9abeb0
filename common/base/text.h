/* Text: a growing string, and a few things the C library lacks. */
#ifndef CAIRN_BASE_TEXT_H
#define CAIRN_BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialise to use. `data` may be NULL until something is added and is always terminated after
 * that. text_take hands over the string, which the caller frees. */
struct text {
    char *data;
    size_t length, capacity;
};
void text_add(struct text *text, const char *bytes, size_t length);
void text_puts(struct text *text, const char *string);
void text_printf(struct text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void text_vprintf(struct text *text, const char *fmt, va_list ap);
/* Adds string as one word of a shell command, in quotes. */
void text_shell(struct text *text, const char *string);
/* Adds string as a field of a CSV file (RFC 4180), in quotes where it needs them. A ' goes in front
 * of what a spreadsheet would take for a formula (it begins with = + - @ or a control character and
 * is not a number) and of what already begins with a '. */
void text_csv(struct text *text, const char *string);
/* Is it a JSON number (RFC 8259)? 01, +1, .5, nan and 0x1 are not. */
bool text_is_number(const char *string);
/* The length in bytes of the character at p, and its code point; 0 if it is not UTF-8 (RFC 3629). */
size_t text_character(uint32_t *code, const char *p);
/* The length in bytes of the control character or line separator (U+2028, U+2029) at p, else 0. */
size_t text_control(const char *p);
/* Adds string with & < > " ' escaped for HTML. */
void text_html(struct text *text, const char *string);
char *text_take(struct text *text); /* never NULL */
void text_free(struct text *text);

/* The shortest decimal that strtod reads back as exactly this number, or "nan", "inf", "-inf".
 * Integers below 2^53 have no exponent and no point. Returns buf. */
enum { NUMBER_TEXT = 32 };
char *number_text(char buf[NUMBER_TEXT], double value);

bool starts_with(const char *text, const char *prefix);
bool ends_with(const char *text, const char *suffix);
/* The same, ignoring the case of ASCII letters. */
bool ends_like(const char *text, const char *suffix);

/* Is it UTF-8? "" is. */
bool text_is_utf8(const char *text);
/* The same without control characters and line separators: fit to be shown and used as a name. */
bool text_is_plain(const char *text);

/* Edit distance (Levenshtein), for "did you mean". */
size_t edit_distance(const char *a, const char *b);
/* The candidate nearest to word, NULL if none is near enough to suggest. */
const char *nearest_word(const char *word, const char *const *candidates, size_t count);

/* 1.2 kB, 3.4 MB, 5.6 GB (powers of 1000). Returns buf. */
char *bytes_text(char buf[NUMBER_TEXT], double bytes);
/* 0.4 s, 12 s, 3 min 20 s, 2 h 5 min; "-" if it is not a duration. Returns buf. */
char *duration_text(char buf[NUMBER_TEXT], double seconds);

#endif
