/* The golden pictures of scripts/golden-images.py: tensors "NAME:PART", files and what they hold. */
#ifndef CAIRN_TESTS_DATA_GOLDEN_H
#define CAIRN_TESTS_DATA_GOLDEN_H

#include "data/image.h"

#include "store/tensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

static inline int setup(void **state)
{
    static struct tensors golden;
    struct err err;
    if (tensors_open(&golden, "tests/golden/images.safetensors", &err)) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    *state = &golden;
    return 0;
}

static inline int teardown(void **state)
{
    tensors_close(*state);
    return 0;
}

/* "NAME:PART", where NAME is that of "NAME:..."; NULL if there is none. */
static inline const struct tensor *beside(const struct tensors *golden, const char *name,
                                          const char *part)
{
    char full[128];
    snprintf(full, sizeof full, "%.*s:%s", (int)strcspn(name, ":"), name, part);
    return tensors_find(golden, full);
}

static inline const struct tensor *need(const struct tensors *golden, const char *name,
                                        const char *part)
{
    const struct tensor *t = beside(golden, name, part);
    if (!t)
        fail_msg("the golden file has no '%s:%s'", name, part);
    return t;
}

static inline bool is_file(const struct tensor *t)
{
    const char *part = strchr(t->name, ':') + 1;
    return strncmp(t->name, "bad-", 4) != 0 &&
           (!strcmp(part, "file") || !strcmp(part, "plain") || !strcmp(part, "adam7"));
}

static inline bool is_jpeg(const struct tensor *t)
{
    return strncmp(t->name, "jpeg", 4) == 0;
}

/* A copy with room for `more` bytes. */
static inline uint8_t *copy_of(const struct tensor *t, size_t more)
{
    uint8_t *bytes = calloc(t->bytes + more, 1);
    assert_non_null(bytes);
    memcpy(bytes, t->data, t->bytes);
    return bytes;
}

/* Decodes an exact-sized copy, so that a sanitizer sees reading past the end. */
static inline int decode(struct image *out, enum image_form form, const uint8_t *bytes,
                         size_t length, struct err *err)
{
    uint8_t *exact = malloc(length ? length : 1);
    assert_non_null(exact);
    memcpy(exact, bytes, length);
    *err = (struct err){0};
    int status = image_decode(out, form, GROUND_FILE, exact, length, err);
    free(exact);
    return status;
}

static inline void expect_good(struct image *out, enum image_form form, const uint8_t *bytes,
                               size_t length, const char *name)
{
    struct err err;
    if (decode(out, form, bytes, length, &err))
        fail_msg("%s: %s", name, err.text);
    assert_int_equal(out->c, form == IMAGE_RGB ? 3 : 1);
}

/* One line, of the right status, that holds `text`; and no pixels are left behind. */
static inline void expect_bad(enum image_form form, const uint8_t *bytes, size_t length,
                              const char *text)
{
    struct image image;
    struct err err;
    if (!decode(&image, form, bytes, length, &err))
        fail_msg("accepted, instead of '%s'", text);
    assert_null(image.pixels);
    assert_int_equal(err.status, STATUS_BAD_DATA);
    assert_null(strchr(err.text, '\n'));
    if (!strstr(err.text, text))
        fail_msg("'%s' does not say '%s'", err.text, text);
}

static inline void expect_near(const uint8_t *got, const struct tensor *want, int tolerance,
                               const char *name)
{
    const uint8_t *values = want->data;
    for (size_t i = 0; i < want->bytes; i++)
        if (abs(got[i] - values[i]) > tolerance)
            fail_msg("%s: value %zu is %d, not %d", name, i, got[i], values[i]);
}

static inline void expect_shape(const struct image *image, const struct tensor *want)
{
    assert_int_equal(want->dims, 3);
    assert_int_equal(image->h, want->dim[0]);
    assert_int_equal(image->w, want->dim[1]);
    assert_int_equal(image->c, want->dim[2]);
}

/* ---- parts of a file ------------------------------------------------------------------------ */
static inline uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void put_u32(uint8_t *p, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> (24 - 8 * i));
}

static inline void put_u16(uint8_t *p, unsigned value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

/* The chunk of a kind, with 8 bytes before its data. */
static inline uint8_t *chunk_of(uint8_t *png, size_t length, const char *kind)
{
    for (uint8_t *p = png + 8; p < png + length; p += 12 + get_u32(p))
        if (memcmp(p + 4, kind, 4) == 0)
            return p;
    fail_msg("no chunk %s", kind);
    return NULL;
}

static inline void seal(uint8_t *chunk)
{
    uint32_t length = get_u32(chunk);
    put_u32(chunk + 8 + length, (uint32_t)crc32(0, chunk + 4, 4 + length));
}

static inline uint8_t *segment_of(uint8_t *jpeg, uint8_t marker)
{
    uint8_t *p = jpeg + 2;
    while (p[1] != marker)
        p += 2 + (p[2] << 8 | p[3]);
    return p;
}

#endif
