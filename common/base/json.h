/*
 * A JSON (RFC 8259) writer, piece by piece. It takes care of commas, quotes and escapes; a byte that
 * is not UTF-8 becomes U+FFFD, since a path may be any bytes and no text may make writing fail.
 *
 * Our own rather than a library's because the output is part of artifacts and so of their ids:
 * numbers are the shortest exact ones, and line breaks suit tools that compare lines.
 */
#ifndef CAIRN_BASE_JSON_H
#define CAIRN_BASE_JSON_H

#include "base/text.h"

/* Zero-initialise to use. The caller frees the text. */
struct json {
    struct text text;
    bool tight; /* no space after a key's colon */
    int depth;
    struct json_level {
        const char *layout;
        bool any;
    } level[8];
};

/* Opens a list or an object with the given layout, in which each * stands for a member: "{*, *}" or
 * "[\n *,\n *\n]". An empty one is just its brackets. key is NULL in a list. */
void json_begin(struct json *json, const char *key, const char *layout);
void json_end(struct json *json);
void json_text(struct json *json, const char *key, const char *text); /* null for NULL */
void json_number(struct json *json, const char *key, double value);   /* null if not finite */
/* A value that is already JSON: true, an integer, a whole object. */
void json_raw(struct json *json, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
