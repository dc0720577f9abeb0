/*
 * MNIST (http://yann.lecun.com/exdb/mnist/): FOLDER/{train,t10k}-{images-idx3,labels-idx1}-ubyte,
 * with or without .gz. Splits: train and test.
 *
 * IDX: two zero bytes, the type of the elements (0x08: unsigned byte), the number of dimensions,
 * each dimension as a big-endian 32-bit number, then the elements, the last dimension fastest.
 */
#include "data/formats/formats.h"

#include "base/file.h"
#include "base/text.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { UNSIGNED_BYTES = 0x08, MAX_RANK = 4, MAX_SIDE = 4096, DIGITS = 10 };
enum { IMAGE_RANK = 3, LABEL_RANK = 1 };

static const char *const file_names[IDX_FILES] = {
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte"};

struct header {
    int rank;
    int64_t dims[MAX_RANK];
    size_t bytes, total; /* of the header; with the elements */
};

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int ends_early(const char *name, size_t length, const struct header *header, struct err *err)
{
    if (!header->total)
        return fail_as(err, STATUS_BAD_DATA, "'%s' ends early after %zu bytes, in its header", name,
                       length);
    return fail_as(err, STATUS_BAD_DATA, "'%s' ends early after %zu bytes, its header promises %zu",
                   name, length, header->total);
}

/* rank 0: any. */
static int parse_magic(struct header *out, const uint8_t *bytes, size_t length, int rank,
                       const char *name, struct err *err)
{
    *out = (struct header){0};
    if (length < 4)
        return ends_early(name, length, out, err);
    uint32_t magic = big_endian(bytes);
    out->rank = (int)(magic & 0xff);
    if (magic >> 8 != UNSIGNED_BYTES || out->rank < 1 || out->rank > MAX_RANK)
        return fail_as(err, STATUS_BAD_DATA, "wrong magic in '%s': found 0x%08x, expected 0x%08x",
                       name, magic, UNSIGNED_BYTES << 8 | (rank ? rank : IMAGE_RANK));
    if (rank && rank != out->rank)
        return fail_as(err, STATUS_BAD_DATA, "wrong magic in '%s': found 0x%08x, expected 0x%08x",
                       name, magic, UNSIGNED_BYTES << 8 | rank);
    out->bytes = 4 + 4 * (size_t)out->rank;
    return 0;
}

static int parse_header(struct header *out, const uint8_t *bytes, size_t length, int rank,
                        const char *name, struct err *err)
{
    TRY(parse_magic(out, bytes, length, rank, name, err));
    if (length < out->bytes)
        return ends_early(name, length, out, err);
    size_t elements = 1;
    bool overflow = false;
    for (int i = 0; i < out->rank; i++) {
        out->dims[i] = big_endian(bytes + 4 + 4 * i);
        overflow |= __builtin_mul_overflow(elements, (size_t)out->dims[i], &elements);
    }
    overflow |= __builtin_add_overflow(elements, out->bytes, &out->total);
    if (overflow || out->total > SSIZE_MAX)
        return fail_as(err, STATUS_BAD_DATA, "impossible size in '%s': %lld items of rank %d", name,
                       (long long)out->dims[0], out->rank);
    return 0;
}

static int parse(struct header *out, const uint8_t *bytes, size_t length, int rank,
                 const char *name, struct err *err)
{
    if (!length)
        return fail_as(err, STATUS_BAD_DATA, "'%s' is empty", name);
    TRY(parse_header(out, bytes, length, rank, name, err));
    if (length < out->total)
        return ends_early(name, length, out, err);
    if (length > out->total)
        return fail_as(err, STATUS_BAD_DATA, "'%s' continues after its end: %zu bytes too many",
                       name, length - out->total);
    return 0;
}

int idx_parse(const uint8_t **data, int *rank, int64_t dims[4], const uint8_t *bytes, size_t length,
              const char *name, struct err *err)
{
    struct header header;
    TRY(parse(&header, bytes, length, 0, name, err));
    *rank = header.rank;
    memcpy(dims, header.dims, sizeof header.dims);
    *data = bytes + header.bytes;
    return 0;
}

/* ---- gzip ----------------------------------------------------------------------------------- */

/* A gzip file may have several streams, one after the other (RFC 1952, section 2.2). */
static bool another_member(const uint8_t *next, const uint8_t *end)
{
    return end - next >= 2 && next[0] == 0x1f && next[1] == 0x8b;
}

/* Unpacks until out is full or the last stream ends; *produced is the number of bytes written.
 * Returns zlib's status: Z_STREAM_END, Z_OK (out is full), Z_BUF_ERROR (the input ends early), or
 * an error.
 * */
static int unpack_some(z_stream *z, const uint8_t *end, uint8_t *out, size_t room, size_t *produced)
{
    *produced = 0;
    int status = Z_OK;
    while (status == Z_OK && *produced < room) {
        size_t in = (size_t)(end - z->next_in), space = room - *produced;
        uInt chunk = space > UINT_MAX ? UINT_MAX : (uInt)space;
        z->avail_in = in > UINT_MAX ? UINT_MAX : (uInt)in;
        z->next_out = out + *produced;
        z->avail_out = chunk;
        status = inflate(z, Z_NO_FLUSH);
        *produced += chunk - z->avail_out;
        if (status == Z_STREAM_END && another_member(z->next_in, end))
            status = inflateReset(z);
    }
    return status;
}

static int unpack_failure(int status, const z_stream *z, size_t length, const struct header *header,
                          const char *name, struct err *err)
{
    if (status == Z_BUF_ERROR || status == Z_STREAM_END)
        return ends_early(name, length, header, err);
    return fail_as(err, STATUS_BAD_DATA, "'%s' is damaged after %zu unpacked bytes: %s", name,
                   length, z->msg ? z->msg : zError(status));
}

static int unpack_all(z_stream *z, uint8_t **out, size_t *length, struct arena *arena,
                      size_t packed_length, const uint8_t *end, int rank, const char *name,
                      struct err *err)
{
    uint8_t first[4 + 4 * MAX_RANK] = {0};
    struct header header = {0};
    size_t got, more;
    int status = unpack_some(z, end, first, 4, &got);
    if (got < 4)
        return unpack_failure(status, z, got, &header, name, err);
    TRY(parse_magic(&header, first, got, rank, name, err));
    status = unpack_some(z, end, first + 4, header.bytes - 4, &more);
    got += more;
    if (got < header.bytes)
        return unpack_failure(status, z, got, &header, name, err);
    TRY(parse_header(&header, first, got, rank, name, err));
    /* deflate compresses at most 1032 to 1: a header that promises more is refused before any
     * memory is allocated */
    if (header.total / 1032 > packed_length)
        return fail_as(err, STATUS_BAD_DATA,
                       "'%s' cannot hold the %zu bytes that its header promises, it has %zu packed",
                       name, header.total, packed_length);
    void *room; /* one more, to detect a stream that continues */
    TRY(arena_block(&room, arena, header.total + 1, 1, err));
    *out = room;
    memcpy(*out, first, got);
    status = unpack_some(z, end, *out + got, header.total + 1 - got, &more);
    got += more;
    if (got > header.total)
        return fail_as(err, STATUS_BAD_DATA, "'%s' continues after the %zu bytes of its header",
                       name, header.total);
    if (got == header.total && status == Z_BUF_ERROR)
        return fail_as(err, STATUS_BAD_DATA, "'%s' ends early, in its gzip checksum", name);
    if (got < header.total || status != Z_STREAM_END)
        return unpack_failure(status, z, got, &header, name, err);
    if (z->next_in != end)
        return fail_as(err, STATUS_BAD_DATA, "'%s' continues after its end: %zu bytes too many",
                       name, (size_t)(end - z->next_in));
    *length = got;
    return 0;
}

int idx_unpack(const uint8_t **out, size_t *length, struct arena *arena, const uint8_t *packed,
               size_t packed_length, int rank, const char *name, struct err *err)
{
    z_stream z = {.next_in = (z_const Bytef *)packed};
    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) /* 16: gzip, not zlib */
        return fail(err, "cannot unpack '%s': zlib does not start", name);
    uint8_t *bytes = NULL;
    int status = unpack_all(&z, &bytes, length, arena, packed_length, packed + packed_length, rank,
                            name, err);
    *out = bytes;
    inflateEnd(&z);
    return status;
}

/* ---- the four files ------------------------------------------------------------------------- */

static int add_sources(struct sources *out, const void *own, struct err *err)
{
    (void)own;
    out->fetch = "mnist";
    for (int i = 0; i < IDX_FILES; i++) {
        const char *names[] = {file_names[i], arena_printf(out->arena, "%s.gz", file_names[i])};
        char path[PATH_BYTES];
        int k = 0;
        for (; k < 2; k++) {
            TRY(path_join(path, out->folder, names[k], err));
            if (file_exists(path))
                break;
        }
        TRY(sources_add(out, k < 2 ? names[k] : arena_printf(out->arena, "%s[.gz]", names[0]),
                        err));
    }
    return 0;
}

struct file {
    struct header header;
    const uint8_t *data; /* in the arena */
    struct id source;
};

/* The content decides, not the name: downloads are often unpacked on the way. */
static int read_file(struct file *out, struct arena *arena, const char *path, int rank,
                     struct err *err)
{
    struct mapping map;
    TRY(map_open(&map, path, err));
    bool packed = map.length >= 2 && map.data[0] == 0x1f && map.data[1] == 0x8b;
    const uint8_t *bytes = NULL;
    size_t length = map.length;
    void *copy;
    int status = 0;
    if (packed)
        status = idx_unpack(&bytes, &length, arena, map.data, map.length, rank, path, err);
    else if (length && !(status = arena_block(&copy, arena, length, 1, err)))
        bytes = memcpy(copy, map.data, length);
    if (!status)
        status = parse(&out->header, bytes, length, rank, path, err);
    if (!status) {
        out->data = bytes + out->header.bytes;
        out->source = sha256_of(bytes, length); /* the same, packed or not */
    }
    map_close(&map);
    return status;
}

static int check_half(const struct file *images, const struct file *labels, const char *image_path,
                      const char *label_path, struct err *err)
{
    const int64_t *dims = images->header.dims;
    if (dims[0] < 1 || dims[0] > INT32_MAX / 2)
        return fail_as(err, STATUS_BAD_DATA, "'%s' has %lld images, expected 1 to %d", image_path,
                       (long long)dims[0], INT32_MAX / 2);
    if (dims[1] < 1 || dims[1] > MAX_SIDE || dims[2] < 1 || dims[2] > MAX_SIDE)
        return fail_as(err, STATUS_BAD_DATA,
                       "images in '%s' have %lld rows and %lld columns, expected 1 to %d",
                       image_path, (long long)dims[1], (long long)dims[2], MAX_SIDE);
    if (labels->header.dims[0] != dims[0])
        return fail_as(err, STATUS_BAD_DATA, "'%s' has %lld labels for the %lld images of '%s'",
                       label_path, (long long)labels->header.dims[0], (long long)dims[0],
                       image_path);
    for (int64_t i = 0; i < dims[0]; i++)
        if (labels->data[i] >= DIGITS)
            return fail_as(err, STATUS_BAD_DATA, "label %lld in '%s' is %d, expected 0 to %d",
                           (long long)i, label_path, labels->data[i], DIGITS - 1);
    return 0;
}

static void add_half(struct collection *out, enum split split, const struct file *images,
                     const struct file *labels)
{
    uint32_t count = (uint32_t)images->header.dims[0];
    size_t size = (size_t)out->h * (size_t)out->w;
    struct id *source = arena_alloc(&out->arena, sizeof *source);
    struct id *pixels = arena_alloc(&out->arena, count * sizeof *pixels);
    *source = images->source;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *image = images->data + i * size;
        pixels[i] = image_hash(1, out->h, out->w, 1, image);
        out->cases[out->count++] =
            (struct raw_case){.id = arena_printf(&out->arena, "%s-%05u", split_names[split], i),
                              .split = split,
                              .label = labels->data[i],
                              .source = source,
                              .pixels = &pixels[i],
                              .image = image};
    }
}

static int read_idx(struct collection *out, const char *folder, const void *own, struct err *err)
{
    struct sources sources = {.folder = folder, .arena = &out->arena};
    struct file file[IDX_FILES];
    const char *path[IDX_FILES];
    TRY(add_sources(&sources, own, err));
    for (int i = 0; i < IDX_FILES; i++) {
        path[i] = sources.items[i].path;
        TRY(read_file(&file[i], &out->arena, path[i], i % 2 ? LABEL_RANK : IMAGE_RANK, err));
    }
    TRY(check_half(&file[0], &file[1], path[0], path[1], err));
    TRY(check_half(&file[2], &file[3], path[2], path[3], err));
    const int64_t *train = file[0].header.dims, *test = file[2].header.dims;
    if (train[1] != test[1] || train[2] != test[2])
        return fail_as(err, STATUS_BAD_DATA, "images are %lldx%lld in '%s' and %lldx%lld in '%s'",
                       (long long)train[1], (long long)train[2], path[0], (long long)test[1],
                       (long long)test[2], path[2]);
    out->d = out->c = 1;
    out->h = (int32_t)train[1];
    out->w = (int32_t)train[2];
    out->class_count = DIGITS;
    out->classes = arena_alloc(&out->arena, DIGITS * sizeof *out->classes);
    for (int i = 0; i < DIGITS; i++)
        out->classes[i] = arena_printf(&out->arena, "%d", i);
    out->cases = arena_alloc(&out->arena, (size_t)(train[0] + test[0]) * sizeof *out->cases);
    add_half(out, SPLIT_TRAIN, &file[0], &file[1]);
    add_half(out, SPLIT_TEST, &file[2], &file[3]);
    return 0;
}

const struct format idx_format = {
    .keys = {"idx", "the four MNIST files"},
    .sources = add_sources,
    .read = read_idx,
};
