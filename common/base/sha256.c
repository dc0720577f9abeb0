#include "base/sha256.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/stop.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static EVP_MD_CTX *ctx_of(struct sha256 *sha)
{
    return (EVP_MD_CTX *)sha;
}

struct sha256 *sha256_new(void)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx || !EVP_DigestInit_ex(ctx, EVP_sha256(), NULL))
        bug("libcrypto has no SHA-256");
    return (struct sha256 *)ctx;
}

void sha256_add(struct sha256 *sha, const void *bytes, size_t length)
{
    if (length && !EVP_DigestUpdate(ctx_of(sha), bytes, length))
        bug("EVP_DigestUpdate failed");
}

struct id sha256_end(struct sha256 *sha)
{
    unsigned char digest[32];
    if (!EVP_DigestFinal_ex(ctx_of(sha), digest, NULL))
        bug("EVP_DigestFinal_ex failed");
    EVP_MD_CTX_free(ctx_of(sha));
    static const char hex[] = "0123456789abcdef";
    struct id id;
    for (size_t i = 0; i < sizeof digest; i++) {
        id.hex[2 * i] = hex[digest[i] >> 4];
        id.hex[2 * i + 1] = hex[digest[i] & 15];
    }
    id.hex[64] = '\0';
    return id;
}

struct id sha256_of(const void *bytes, size_t length)
{
    struct sha256 *sha = sha256_new();
    sha256_add(sha, bytes, length);
    return sha256_end(sha);
}

int sha256_file(struct id *out, long long *size, const char *path, struct err *err)
{
    int fd;
    long long expected;
    TRY(file_open(&fd, &expected, path, err));
    enum { BUFFER = 1 << 18, OBEYS = 1 << 26 }; /* small files are hashed to their end */
    unsigned char *buffer = xmalloc(BUFFER);
    struct sha256 *sha = sha256_new();
    long long total = 0, obeys = OBEYS;
    ssize_t got;
    int status = 0;
    while (!status && ((got = read(fd, buffer, BUFFER)) > 0 || (got < 0 && errno == EINTR))) {
        sha256_add(sha, buffer, got > 0 ? (size_t)got : 0);
        total += got > 0 ? got : 0;
        if (total >= obeys) {
            status = stop_obey(err);
            obeys += OBEYS;
        }
    }
    if (!status && got < 0)
        status = fail_errno(err, "cannot read '%s'", path);
    *out = sha256_end(sha);
    if (size)
        *size = total;
    free(buffer);
    close(fd);
    return status;
}

bool id_valid(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}
