/*
 * Images and masks as written by numpy.save, formats 1.0 to 3.0
 * (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html): pairs of .npy files,
 * laid out as in listing.h. `axes` gives the order of an image's axes in the array; a mask has the
 * same without c. Elements are bool, integers of 1 to 8 bytes, or floats of 4 or 8, in either byte
 * order, C or Fortran order. Values are
 *   bytes    u1, 0 to 255 for 0 to 1: images, as if the same pixels were in a PNG
 *   numbers  any type, unchanged: treated as volumes; each channel has its own intensities
 */
#include "data/formats/formats.h"

#include "base/file.h"
#include "base/text.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES, NUMBERS };
static const char *const all_values[] = {[BYTES] = "bytes", [NUMBERS] = "numbers", NULL};
static const char *const all_axes[] = {"hw", "hwc", "chw", "dhw", "dhwc", NULL};
struct keys {
    struct pair_keys pairs;
    int axes, values;
};
static const struct file_kind files = {{".npy"}, ".npy", ".npy file"};

/* ---- the file ------------------------------------------------------------------------------- */

/* The rest of the header. */
struct text_left {
    const char *p, *end;
};

static void skip_blanks(struct text_left *left)
{
    while (left->p < left->end && (*left->p == ' ' || *left->p == '\n'))
        left->p++;
}

static bool take(struct text_left *left, char wanted)
{
    skip_blanks(left);
    bool there = left->p < left->end && *left->p == wanted;
    left->p += there;
    return there;
}

/* A text in quotes of either kind; one longer than out is not known here. */
static bool take_text(struct text_left *left, char out[16])
{
    char quote = take(left, '\'') ? '\'' : take(left, '"') ? '"' : '\0';
    const char *end = quote ? memchr(left->p, quote, (size_t)(left->end - left->p)) : NULL;
    if (!end || end - left->p >= 16)
        return false;
    memcpy(out, left->p, (size_t)(end - left->p));
    out[end - left->p] = '\0';
    left->p = end + 1;
    return true;
}

static bool take_word(struct text_left *left, const char *word)
{
    const char *rest = word + 1;
    size_t length = strlen(rest);
    if (!take(left, *word) || (size_t)(left->end - left->p) < length ||
        memcmp(left->p, rest, length) != 0)
        return false;
    left->p += length;
    return true;
}

static bool take_number(struct text_left *left, int64_t *out)
{
    skip_blanks(left);
    const char *first = left->p;
    bool large = false;
    for (*out = 0; left->p < left->end && isdigit((unsigned char)*left->p); left->p++)
        large |= __builtin_mul_overflow(*out, 10, out) ||
                 __builtin_add_overflow(*out, *left->p - '0', out);
    return left->p > first && !large;
}

/* "(3, 4)", "(3,)", "()" */
static bool take_shape(struct text_left *left, struct npy *out)
{
    out->rank = 0;
    if (!take(left, '('))
        return false;
    while (!take(left, ')')) {
        if (out->rank == sizeof out->dim / sizeof *out->dim ||
            !take_number(left, &out->dim[out->rank++]))
            return false;
        if (!take(left, ','))
            return take(left, ')');
    }
    return true;
}

static int take_type(struct text_left *left, struct npy *out, struct err *err)
{
    static const char *const known[] = {"b1", "u1", "u2", "u4", "u8", "i1",
                                        "i2", "i4", "i8", "f4", "f8"};
    char type[16] = "?"; /* may be a list of fields */
    bool text = take_text(left, type);
    for (size_t i = 0; text && i < sizeof known / sizeof *known; i++)
        if (strchr("<>|=", type[0]) && strcmp(type + 1, known[i]) == 0) {
            out->type = type[1];
            out->bytes = type[2] - '0';
            out->turned = type[0] == '>';
            return 0;
        }
    return fail_as(err, STATUS_BAD_DATA,
                   "elements of type '%s'; bool, integers, or floats of 4 or 8 bytes expected",
                   text_is_plain(type) ? type : "?");
}

/* "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }" in any order. */
static int parse_header(struct npy *out, struct text_left left, struct err *err)
{
    enum { DESCR = 1, ORDER = 2, SHAPE = 4 };
    int found = 0;
    bool good = take(&left, '{');
    while (good && !take(&left, '}')) {
        char key[16];
        good = take_text(&left, key) && take(&left, ':');
        if (good && strcmp(key, "descr") == 0) {
            TRY(take_type(&left, out, err));
            found |= DESCR;
        } else if (good && strcmp(key, "fortran_order") == 0) {
            out->fortran = take_word(&left, "True");
            good = out->fortran || take_word(&left, "False");
            found |= ORDER;
        } else if (good && strcmp(key, "shape") == 0) {
            good = take_shape(&left, out);
            found |= SHAPE;
        } else {
            good = false;
        }
        if (good && !take(&left, ',')) {
            good = take(&left, '}');
            left.p -= good; /* for the next iteration */
        }
    }
    if (!good || found != (DESCR | ORDER | SHAPE))
        return fail_as(err, STATUS_BAD_DATA,
                       "the header is not {'descr': ..., 'fortran_order': ..., 'shape': ...} of at "
                       "most 4 axes");
    return 0;
}

int npy_parse(struct npy *out, const uint8_t *bytes, size_t length, struct err *err)
{
    static const char magic[] = "\x93NUMPY";
    enum { FIXED = 8 };
    *out = (struct npy){0};
    if (length < FIXED + 4 || memcmp(bytes, magic, sizeof magic - 1) != 0)
        return fail_as(err, STATUS_BAD_DATA, "not an .npy file of NumPy");
    int version = bytes[6], width = version == 1 ? 2 : 4;
    if (version < 1 || version > 3 || bytes[7])
        return fail_as(err, STATUS_BAD_DATA, "format %d.%d; 1.0 to 3.0 expected", version,
                       bytes[7]);
    size_t header = 0, start = FIXED + (size_t)width;
    for (int i = 0; i < width; i++)
        header |= (size_t)bytes[FIXED + i] << 8 * i;
    if (header > length - start)
        return fail_as(err, STATUS_BAD_DATA, "ends early after %zu bytes, in its header", length);
    const char *text = (const char *)bytes + start;
    TRY(parse_header(out, (struct text_left){text, text + header}, err));
    out->data = bytes + start + header;
    size_t size = (size_t)out->bytes;
    bool large = false;
    for (int i = 0; i < out->rank; i++)
        large |= __builtin_mul_overflow(size, (size_t)out->dim[i], &size);
    if (large || size != length - start - header)
        return fail_as(err, STATUS_BAD_DATA, "%zu bytes of elements; the header says %s%zu",
                       length - start - header, large ? "more than " : "", large ? SIZE_MAX : size);
    return 0;
}

static double element(const struct npy *npy, int64_t at)
{
    const uint8_t *p = npy->data + at * npy->bytes;
    uint64_t bits = 0;
    for (int i = 0; i < npy->bytes; i++)
        bits |= (uint64_t)p[npy->turned ? npy->bytes - 1 - i : i] << 8 * i;
    if (npy->type == 'f' && npy->bytes == 4) {
        float value;
        memcpy(&value, &(uint32_t){(uint32_t)bits}, sizeof value);
        return (double)value;
    }
    if (npy->type == 'f') {
        double value;
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    int unused = 64 - 8 * npy->bytes;
    return npy->type == 'i' ? (double)((int64_t)(bits << unused) >> unused) : (double)bits;
}

/* ---- its axes ------------------------------------------------------------------------------- */

enum { D, H, W, C, AXES };
/* The array as [d,h,w,c]. */
struct view {
    struct npy npy;
    int32_t size[AXES];
    int64_t step[AXES]; /* in elements */
};

static int open_view(struct view *out, bool mask, const struct listing *listing,
                     const uint8_t *bytes, size_t length, struct err *err)
{
    const struct keys *keys = listing->own;
    const char *axes = all_axes[keys->axes];
    struct npy *npy = &out->npy;
    char mine[AXES + 1] = "", shape[128] = "";
    int64_t count = 1;
    TRY(npy_parse(npy, bytes, length, err));
    for (const char *axis = axes; *axis; axis++)
        if (!mask || *axis != 'c')
            mine[strlen(mine)] = *axis;
    for (int i = 0; i < npy->rank; i++)
        snprintf(shape + strlen(shape), sizeof shape - strlen(shape), "%s%lld", i ? "x" : "",
                 (long long)npy->dim[i]);
    if (npy->rank != (int)strlen(mine))
        return fail_as(err, STATUS_BAD_DATA, "%d ax%cs (%s); %s expected (source.axes is %s)",
                       npy->rank, npy->rank == 1 ? 'i' : 'e', shape, mine, axes);
    for (int i = 0; i < AXES; i++)
        out->size[i] = 1, out->step[i] = 0;
    for (int i = 0; i < npy->rank; i++) {
        int k = npy->fortran ? i : npy->rank - 1 - i; /* fastest first */
        int axis = (int)(strchr("dhwc", mine[k]) - "dhwc");
        if (npy->dim[k] < 1 || npy->dim[k] > VOLUME_VOXELS / count)
            return fail_as(err, STATUS_BAD_DATA, "%s elements; 1 to %d expected", shape,
                           VOLUME_VOXELS);
        out->size[axis] = (int32_t)npy->dim[k];
        out->step[axis] = count;
        count *= npy->dim[k];
    }
    return 0;
}

static double value_at(const struct view *view, int32_t z, int32_t y, int32_t x, int32_t k)
{
    const int64_t *step = view->step;
    return element(&view->npy, z * step[D] + y * step[H] + x * step[W] + k * step[C]);
}

/* ---- pictures ------------------------------------------------------------------------------- */

static int read_picture(struct image *out, bool mask, const struct listing *listing,
                        const uint8_t *bytes, size_t length, struct err *err)
{
    struct view view;
    TRY(open_view(&view, mask, listing, bytes, length, err));
    const int32_t *size = view.size;
    if (!mask && (view.npy.type != 'u' || view.npy.bytes != 1))
        return fail_as(err, STATUS_BAD_DATA,
                       "elements of type %c%d; bytes (u1) expected, or source.values: numbers",
                       view.npy.type, view.npy.bytes);
    if (size[H] > IMAGE_LARGEST || size[W] > IMAGE_LARGEST)
        return fail_as(err, STATUS_BAD_DATA, "%dx%d (height x width); at most %d each way expected",
                       size[H], size[W], IMAGE_LARGEST);
    *out = (struct image){.h = size[H], .w = size[W], .c = size[C], .orientation = 1};
    uint8_t *next = out->pixels = xmalloc((size_t)size[H] * (size_t)size[W] * (size_t)size[C]);
    for (int32_t y = 0; y < size[H]; y++)
        for (int32_t x = 0; x < size[W]; x++)
            for (int32_t k = 0; k < size[C]; k++) {
                double value = value_at(&view, 0, y, x, k);
                if (!(value >= 0 && value <= 255 && value == floor(value)))
                    return fail_as(err, STATUS_BAD_DATA,
                                   "the pixel in row %d, column %d is %g; a class expected", y, x,
                                   value);
                *next++ = (uint8_t)value;
            }
    return 0;
}

/* ---- numbers -------------------------------------------------------------------------------- */

static int fill_channel(struct volume *out, const struct view *view, int32_t k, struct err *err)
{
    const int32_t *size = view->size;
    *out = (struct volume){.d = size[D], .h = size[H], .w = size[W], .spacing = {1, 1, 1}};
    for (int i = 0; i < 3; i++)
        out->to_world[i][i] = 1;
    TRY(voxels_alloc(&out->voxels, (int64_t)size[D] * size[H] * size[W], err));
    float *next = out->voxels;
    for (int32_t z = 0; z < size[D]; z++)
        for (int32_t y = 0; y < size[H]; y++)
            for (int32_t x = 0; x < size[W]; x++) {
                *next = (float)value_at(view, z, y, x, k);
                if (!isfinite(*next++))
                    return fail_as(err, STATUS_BAD_DATA,
                                   "voxel (%d, %d, %d, %d) (d, h, w, c) is not a finite number of "
                                   "single precision",
                                   z, y, x, k);
            }
    return 0;
}

static int read_channels(struct channels *out, enum nifti_file *at, bool mask,
                         const struct listing *listing, const char *path, struct err *err)
{
    struct mapping map;
    struct view view;
    *at = NIFTI_UNOPENED;
    TRY(map_open(&map, path, err));
    *at = NIFTI_FIRST;
    int status = open_view(&view, mask, listing, map.data, map.length, err);
    if (!status)
        out->items = xcalloc((size_t)view.size[C], sizeof *out->items);
    while (!status && out->count < view.size[C]) {
        int32_t k = out->count++;
        status = fill_channel(&out->items[k], &view, k, err);
    }
    map_close(&map);
    return status;
}

/* ---- the format ----------------------------------------------------------------------------- */

static struct content content(const void *own)
{
    const struct keys *keys = own;
    return (struct content){.numbers = keys->values == NUMBERS,
                            .axes = all_axes[keys->axes][0] == 'd' ? 3 : 2};
}

static int list_npy(struct listing *out, struct collection *classes, const char *folder,
                    const void *own, struct err *err)
{
    const struct keys *keys = own;
    if (keys->values == BYTES && content(own).axes == 3)
        return fail_as(err, STATUS_CONFIG, "axes: %s needs values: numbers", all_axes[keys->axes]);
    TRY(pairs_list(out, classes, folder, &keys->pairs, &files, err));
    out->own = own;
    out->picture = read_picture;
    out->volume = read_channels;
    out->order = "w, h, d";
    out->ignore = keys->pairs.void_value ? (int)keys->pairs.void_value : -1;
    return 0;
}

static int decode_npy(struct collection *out, const struct listing *listing,
                      const struct treatment *how, struct err *err)
{
    return content(listing->own).numbers ? volumes_decode(out, listing, how, err)
                                         : pictures_decode(out, listing, how, err);
}

static const struct field fields[] = {
    PAIR_FIELDS(".npy, see `axes` and `values`", ".npy of class numbers from 0, without c"),
    {"axes", FIELD_CHOICE, offsetof(struct keys, axes), "hwc",
     "depth, height, width and channels of the images, in the arrays' order", .choices = all_axes},
    {"values", FIELD_CHOICE, offsetof(struct keys, values), "bytes",
     "bytes: u1, 0 to 255 for 0 to 1, treated as images; numbers: of any type, unchanged, treated "
     "as volumes without spacing",
     .choices = all_values},
    {0},
};
const struct format npy_format = {
    .keys = {"npy", "NumPy arrays: images and masks with matching names", fields,
             sizeof(struct keys)},
    .content = content,
    .list = list_npy,
    .decode = decode_npy,
};
