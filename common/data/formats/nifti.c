/*
 * Reading the voxels. nifticlib's own reader is not used: it turns NaN into 0, allocates what an
 * extension claims to be, and prints its findings.
 */
#include "data/formats/nifti.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "data/formats/nifti_parts.h"

#include <ctype.h>
#include <math.h>
#include <nifti/nifti1.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <zlib.h>

/* ---- a file, packed or not ------------------------------------------------------------------ */
struct input {
    gzFile file;
    int64_t most; /* upper bound on its unpacked bytes */
};

enum { DEFLATE_RATIO = 1032 }; /* the most bytes one packed byte can yield */

static int input_open(struct input *out, const char *path, struct err *err)
{
    int fd;
    long long size;
    TRY(file_open(&fd, &size, path, err));
    out->file = gzdopen(fd, "rb");
    if (!out->file) {
        close(fd);
        return fail(err, "'%s': zlib cannot start", path);
    }
    out->most = gzdirect(out->file) ? size : size * DEFLATE_RATIO;
    return 0;
}

static int take(const struct input *in, void *out, unsigned count, struct err *err)
{
    int got = gzread(in->file, out, count), code = Z_OK;
    if (got >= 0 && (unsigned)got == count)
        return 0;
    gzerror(in->file, &code);
    if (code != Z_OK && code != Z_BUF_ERROR)
        return fail_as(err, code == Z_ERRNO ? STATUS_IO : STATUS_BAD_DATA, "damaged gzip data");
    return fail_as(err, STATUS_BAD_DATA, "the file ends early");
}

/* Reads to the end, where gzip has its checksum. Padding after the voxels is fine. */
static int check_end(const struct input *in, struct err *err)
{
    char rest[4096];
    int got, code = Z_OK;
    while ((got = gzread(in->file, rest, sizeof rest)) > 0)
        ;
    gzerror(in->file, &code);
    if (got < 0 || code == Z_BUF_ERROR)
        return fail_as(err, STATUS_BAD_DATA, "damaged gzip data at the end");
    return 0;
}

/* ---- the voxels ----------------------------------------------------------------------------- */
static double value_of(const uint8_t *p, const struct nifti_layout *layout)
{
    uint64_t bits = 0;
    for (int i = 0; i < layout->bytes; i++)
        bits |= (uint64_t)p[layout->big_endian ? layout->bytes - 1 - i : i] << 8 * i;
    uint32_t low = (uint32_t)bits;
    float single;
    double wide;
    switch (layout->type) {
    case DT_INT8:
        return (int8_t)bits;
    case DT_INT16:
        return (int16_t)bits;
    case DT_INT32:
        return (int32_t)bits;
    case DT_INT64:
        return (double)(int64_t)bits;
    case DT_FLOAT32:
        memcpy(&single, &low, sizeof single);
        return (double)single;
    case DT_FLOAT64:
        memcpy(&wide, &bits, sizeof wide);
        return wide;
    default:
        return (double)bits;
    }
}

struct nifti_walk nifti_walk(const struct nifti_layout *layout)
{
    struct nifti_walk walk = {0};
    int64_t stride = 1;
    for (int axis = 0; axis < 3; axis++)
        for (int i = 0; i < 3; i++) {
            if (layout->axis[i] != axis)
                continue;
            walk.start += layout->turned[i] ? (layout->size[i] - 1) * stride : 0;
            walk.step[i] = layout->turned[i] ? -stride : stride;
            stride *= layout->size[i];
            break;
        }
    return walk;
}

static int put_row(float *at, int64_t step, const uint8_t *row, int y, int z,
                   const struct nifti_layout *layout, struct err *err)
{
    for (int x = 0; x < layout->size[0]; x++) {
        double value = value_of(row + (size_t)x * (size_t)layout->bytes, layout);
        float scaled = (float)(value * layout->slope + layout->inter);
        if (!isfinite(scaled))
            return fail_as(err, STATUS_BAD_DATA, "voxel (%d, %d, %d) is %g; a number expected", x,
                           y, z, (double)scaled);
        at[x * step] = scaled;
    }
    return 0;
}

static int read_voxels(const struct volume *volume, const struct input *in,
                       const struct nifti_layout *layout, struct err *err)
{
    const int32_t *size = layout->size;
    struct nifti_walk walk = nifti_walk(layout);
    unsigned length = (unsigned)size[0] * (unsigned)layout->bytes;
    uint8_t *row = xmalloc(length);
    int status = 0;
    for (int z = 0; !status && z < size[2]; z++)
        for (int y = 0; !status && y < size[1]; y++) {
            float *at = volume->voxels + walk.start + y * walk.step[1] + z * walk.step[2];
            status =
                take(in, row, length, err) || put_row(at, walk.step[0], row, y, z, layout, err);
        }
    free(row);
    return status ? -1 : check_end(in, err);
}

/* Axes are swapped and flipped, and so are the matrix's columns; its last one moves to the new
 * first voxel. */
static void place(struct volume *out, const struct nifti_layout *layout)
{
    int32_t size[3];
    for (int i = 0; i < 3; i++) {
        int axis = layout->axis[i];
        double sum = 0;
        size[axis] = layout->size[i];
        for (int row = 0; row < 3; row++) {
            double step = layout->to_world[row][i];
            out->to_world[row][axis] = layout->turned[i] ? -step : step;
            sum += step * step;
        }
        out->spacing[2 - axis] = sqrt(sum);
    }
    for (int row = 0; row < 3; row++) {
        out->to_world[row][3] = layout->to_world[row][3];
        for (int i = 0; i < 3; i++)
            if (layout->turned[i])
                out->to_world[row][3] += layout->to_world[row][i] * (layout->size[i] - 1);
    }
    out->w = size[0], out->h = size[1], out->d = size[2];
}

int voxels_alloc(float **out, int64_t count, struct err *err)
{
    *out = calloc((size_t)count, sizeof **out);
    return *out ? 0 : fail(err, "out of memory: %lld voxels", (long long)count);
}

static int read_body(struct volume *out, const struct input *in, const struct nifti_layout *layout,
                     struct err *err)
{
    place(out, layout);
    int64_t count = (int64_t)out->w * out->h * out->d;
    if (count * layout->bytes > in->most - layout->offset)
        return fail_as(err, STATUS_BAD_DATA,
                       "the file is too short for %d x %d x %d voxels of %d bytes at %lld",
                       layout->size[0], layout->size[1], layout->size[2], layout->bytes,
                       (long long)layout->offset);
    if (gzseek(in->file, (z_off_t)layout->offset, SEEK_SET) != layout->offset)
        return fail_as(err, STATUS_BAD_DATA, "the file ends before the voxels");
    TRY(voxels_alloc(&out->voxels, count, err));
    return read_voxels(out, in, layout, err);
}

/* Extensions between the header and the voxels are not read, but a broken chain of them is a sign
 * of damage. */
static int check_extensions(const struct input *in, const struct nifti_layout *layout,
                            struct err *err)
{
    uint8_t p[8];
    int64_t at = NIFTI_HEADER + NIFTI_EXTENDER;
    TRY(take(in, p, NIFTI_EXTENDER, err));
    bool more = p[0] != 0;
    while (more && at + 8 <= layout->offset) {
        TRY(take(in, p, sizeof p, err));
        uint32_t bytes = 0;
        for (int i = 0; i < 4; i++)
            bytes = bytes << 8 | p[layout->big_endian ? i : 3 - i];
        if (bytes < 16 || bytes % 16 || bytes > layout->offset - at)
            return fail_as(
                err, STATUS_BAD_DATA,
                "an extension of %u bytes at %lld; it must end before the voxels at %lld", bytes,
                (long long)at, (long long)layout->offset);
        at += bytes;
        if (gzseek(in->file, (z_off_t)at, SEEK_SET) != at)
            return fail_as(err, STATUS_BAD_DATA, "the file ends in an extension");
    }
    return 0;
}

/* ---- a file, or two ------------------------------------------------------------------------- */
size_t volume_ending(const char *name)
{
    static const char *const endings[] = {".nii", ".hdr", ".img"};
    size_t length = strlen(name), packed = ends_like(name, ".gz") ? strlen(".gz") : 0;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (length >= packed + strlen(endings[i]) &&
            strncasecmp(name + length - packed - strlen(endings[i]), endings[i],
                        strlen(endings[i])) == 0)
            return packed + strlen(endings[i]);
    return 0;
}

const char *volume_stem(const char *path, struct arena *arena)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    return arena_strndup(arena, name, strlen(name) - volume_ending(name));
}

bool volume_other(char out[], const char *path, const char *from, const char *to)
{
    size_t length = strlen(path), ending = volume_ending(path), n = strlen(from);
    const char *at = path + length - ending;
    if (length >= PATH_BYTES || ending < n || strncasecmp(at, from, n) != 0)
        return false;
    memcpy(out, path, length + 1);
    for (size_t i = 0; i < n; i++)
        out[length - ending + i] = (char)(isupper((unsigned char)at[i]) ? toupper(to[i]) : to[i]);
    return true;
}

static int read_pair(struct volume *out, enum nifti_file *at, const char *path,
                     const struct nifti_layout *layout, struct err *err)
{
    char voxels[PATH_BYTES];
    struct input in;
    if (!volume_other(voxels, path, ".hdr", ".img"))
        return fail_as(err, STATUS_BAD_DATA,
                       "its voxels are in another file (ni1); the name must end in .hdr");
    *at = NIFTI_UNOPENED;
    TRY(input_open(&in, voxels, err));
    *at = NIFTI_SECOND;
    int status = read_body(out, &in, layout, err);
    gzclose(in.file);
    return status;
}

static int read_files(struct volume *out, enum nifti_file *at, const char *path, struct err *err)
{
    uint8_t bytes[NIFTI_HEADER];
    struct nifti_layout layout;
    struct input in;
    *at = NIFTI_UNOPENED;
    TRY(input_open(&in, path, err));
    *at = NIFTI_FIRST;
    int status = take(&in, bytes, NIFTI_HEADER, err) || nifti_header_parse(&layout, bytes, err);
    if (!status)
        memcpy(out->header, bytes, NIFTI_HEADER);
    bool pair = !status && layout.pair;
    if (!status && !pair)
        status = check_extensions(&in, &layout, err) || read_body(out, &in, &layout, err);
    gzclose(in.file);
    return pair ? read_pair(out, at, path, &layout, err) : status;
}

int nifti_read(struct volume *out, enum nifti_file *at, const char *path, struct err *err)
{
    *out = (struct volume){0};
    if (!read_files(out, at, path, err))
        return 0;
    volume_free(out);
    return -1;
}

int volume_read(struct volume *out, const char *path, struct err *err)
{
    char header[PATH_BYTES], voxels[PATH_BYTES];
    enum nifti_file at;
    const char *first = volume_other(header, path, ".img", ".hdr") ? header : path;
    if (!nifti_read(out, &at, first, err))
        return 0;
    bool second = at == NIFTI_SECOND && volume_other(voxels, first, ".hdr", ".img");
    return at == NIFTI_UNOPENED ? -1 : wrap(err, "'%s'", second ? voxels : first);
}

void volume_free(struct volume *volume)
{
    free(volume->voxels);
    *volume = (struct volume){0};
}
