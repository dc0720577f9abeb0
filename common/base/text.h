/* Text: a growing string, and the few things the C library leaves out. */
#ifndef CAIRN_BASE_TEXT_H
#define CAIRN_BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialise to use. `data` is always terminated once anything was added; may be NULL before
 * that. text_take hands the string over: the caller frees it. */
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
/* Adds string as a field of a CSV file (RFC 4180), in quotes where it needs them. What a spreadsheet
 * would take for a formula (= + - @ and control characters begin one, numbers do not) has a ' in
 * front, as has what begins with one. */
void text_csv(struct text *text, const char *string);
/* A number as JSON (RFC 8259) has it: not 01, +1, .5, nan or 0x1. */
bool text_is_number(const char *string);
/* The bytes of the character that p begins with, and its code; 0 if they are not UTF-8 (RFC 3629). */
size_t text_character(uint32_t *code, const char *p);
/* The bytes of the control character or line separator (U+2028, U+2029) that p begins with, else 0. */
size_t text_control(const char *p);
/* Adds string with & < > " ' escaped for HTML. */
void text_html(struct text *text, const char *string);
char *text_take(struct text *text); /* never NULL */
void text_free(struct text *text);

/* The shortest decimal that strtod reads back as exactly this number; "nan", "inf", "-inf" else.
 * Integers below 2^53 have no exponent and no point. Returns buf. */
enum { NUMBER_TEXT = 32 };
char *number_text(char buf[NUMBER_TEXT], double value);

bool starts_with(const char *text, const char *prefix);
bool ends_with(const char *text, const char *suffix);
/* The same, where the case of ASCII letters does not count. */
bool ends_like(const char *text, const char *suffix);

/* Is it UTF-8? "" is. */
bool text_is_utf8(const char *text);
/* The same without control characters and separators of lines: can be shown, and be a name. */
bool text_is_plain(const char *text);

/* Edit distance (Levenshtein), for "did you mean". */
size_t edit_distance(const char *a, const char *b);
/* The candidate nearest to word if near enough to suggest (NULL if none). */
const char *nearest_word(const char *word, const char *const *candidates, size_t count);

/* 1.2 kB, 3.4 MB, 5.6 GB (powers of 1000). Returns buf. */
char *bytes_text(char buf[NUMBER_TEXT], double bytes);
/* 0.4 s, 12 s, 3 min 20 s, 2 h 5 min; "-" for what is no duration. Returns buf. */
char *duration_text(char buf[NUMBER_TEXT], double seconds);

#endif
