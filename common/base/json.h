/*
 * JSON (RFC 8259), written piece by piece. Commas, quotes and escapes are seen to here, and a byte
 * that is not UTF-8 becomes U+FFFD: a path may be any bytes, and no text makes writing fail.
 *
 * Written by hand, for what is written becomes part of artifacts and so of their ids: numbers are the
 * shortest exact ones, and line breaks stand where tools that compare lines want them.
 */
#ifndef CAIRN_BASE_JSON_H
#define CAIRN_BASE_JSON_H

#include "base/text.h"

/* Zero-initialise to use. The text is the caller's to free. */
struct json {
    struct text text;
    bool tight; /* no blank behind a key's colon */
    int depth;
    struct json_level {
        const char *layout;
        bool any;
    } level[8];
};

/* Opens a list or an object that looks like its layout, where each * stands for a member: "{*, *}" or
 * "[\n *,\n *\n]". An empty one is its brackets alone. key is NULL in a list. */
void json_begin(struct json *json, const char *key, const char *layout);
void json_end(struct json *json);
void json_text(struct json *json, const char *key, const char *text); /* null for NULL */
void json_number(struct json *json, const char *key, double value);   /* null if not finite */
/* What is JSON already: true, an integer, a whole object. */
void json_raw(struct json *json, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
