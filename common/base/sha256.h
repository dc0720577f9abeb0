/* SHA-256 (FIPS 180-4) through libcrypto. Ids and recipes are its lower-case hex form. */
#ifndef CAIRN_BASE_SHA256_H
#define CAIRN_BASE_SHA256_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* An artifact, object or recipe id: 64 hex digits and a terminator. */
struct id {
    char hex[65];
};

struct sha256;
struct sha256 *sha256_new(void); /* never NULL */
void sha256_add(struct sha256 *sha, const void *bytes, size_t length);
struct id sha256_end(struct sha256 *sha); /* frees sha */

struct id sha256_of(const void *bytes, size_t length);
/* Hashes a regular file by streaming it; *size (may be NULL) receives its length. A file that does
 * not exist is STATUS_MISSING, any other error STATUS_IO. */
int sha256_file(struct id *out, long long *size, const char *path, struct err *err);

/* Exactly 64 lower-case hex digits? */
bool id_valid(const char *text);

#endif
