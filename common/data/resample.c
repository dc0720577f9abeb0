#include "data/formats/volumes.h"

#include "base/memory.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Spacings in files are float, or worse; a part in ten thousand is a fiftieth of a voxel over
 * 200. */
#define SAME_SPACING 1e-4
/* For files of one data set: they are treated as equal without resampling. */
#define AGREEING_SPACING 1e-3

/* ---- grids ---------------------------------------------------------------------------------- */

struct voxel_grid volume_grid(const struct volume *volume)
{
    struct voxel_grid grid = {.size = {volume->d, volume->h, volume->w}};
    memcpy(grid.spacing, volume->spacing, sizeof grid.spacing);
    return grid;
}

bool spacing_agrees(double one, double other)
{
    return fabs(one - other) <= AGREEING_SPACING * fmax(one, other);
}

int grid_respace(struct voxel_grid *out, const struct voxel_grid *from, const double spacing[3],
                 struct err *err)
{
    double count = 1, size[3];
    for (int i = 0; i < 3; i++) {
        size[i] = fmax(1, floor(from->size[i] * from->spacing[i] / spacing[i] + 0.5));
        count *= size[i];
    }
    if (!(count <= VOLUME_VOXELS))
        return fail_as(err, STATUS_BAD_DATA,
                       "%.0f x %.0f x %.0f voxels at a spacing of %g x %g x %g mm; %d at most fit",
                       size[0], size[1], size[2], spacing[0], spacing[1], spacing[2],
                       VOLUME_VOXELS);
    for (int i = 0; i < 3; i++) {
        bool same = fabs(from->spacing[i] - spacing[i]) <= SAME_SPACING * spacing[i];
        out->size[i] = same ? from->size[i] : (int32_t)size[i];
        out->spacing[i] = same ? from->spacing[i] : spacing[i];
    }
    return 0;
}

/* The position of voxel i of `to` along an axis of `from`, in voxels. */
static double position(const struct voxel_grid *to, const struct voxel_grid *from, int axis,
                       int32_t i)
{
    double middle = (to->size[axis] - 1) / 2.0, other = (from->size[axis] - 1) / 2.0;
    return (i - middle) * (to->spacing[axis] / from->spacing[axis]) + other;
}

static int32_t clamp(double at, int32_t size)
{
    return at < 0 ? 0 : at > size - 1 ? size - 1 : (int32_t)at;
}

/* For each voxel along one axis: its two neighbours and the weight of the second. */
struct tap {
    int32_t first, second;
    double share;
};

static struct tap *taps_new(const struct voxel_grid *to, const struct voxel_grid *from, int axis)
{
    struct tap *taps = xcalloc((size_t)to->size[axis], sizeof *taps);
    for (int32_t i = 0; i < to->size[axis]; i++) {
        double at = position(to, from, axis, i), low = floor(at);
        taps[i] =
            (struct tap){clamp(low, from->size[axis]), clamp(low + 1, from->size[axis]), at - low};
    }
    return taps;
}

static double between(double a, double b, double share)
{
    return a + share * (b - a);
}

static void blend(float *out, const float *in, const struct voxel_grid *from, int32_t c,
                  struct tap z, struct tap y, struct tap x)
{
    const int64_t h = from->size[1], w = from->size[2];
    const float *row[4] = {
        in + (z.first * h + y.first) * w * c, in + (z.first * h + y.second) * w * c,
        in + (z.second * h + y.first) * w * c, in + (z.second * h + y.second) * w * c};
    int64_t a = (int64_t)x.first * c, b = (int64_t)x.second * c;
    for (int32_t k = 0; k < c; k++) {
        double v[4];
        for (int i = 0; i < 4; i++)
            v[i] = between((double)row[i][a + k], (double)row[i][b + k], x.share);
        out[k] =
            (float)between(between(v[0], v[1], y.share), between(v[2], v[3], y.share), z.share);
    }
}

void grid_linear(float *out, const struct voxel_grid *to, const float *in,
                 const struct voxel_grid *from, int32_t c)
{
    struct tap *taps[3];
    for (int i = 0; i < 3; i++)
        taps[i] = taps_new(to, from, i);
    for (int32_t z = 0; z < to->size[0]; z++)
        for (int32_t y = 0; y < to->size[1]; y++)
            for (int32_t x = 0; x < to->size[2]; x++, out += c)
                blend(out, in, from, c, taps[0][z], taps[1][y], taps[2][x]);
    for (int i = 0; i < 3; i++)
        free(taps[i]);
}

void grid_nearest(uint8_t *out, const struct voxel_grid *to, const uint8_t *in,
                  const struct voxel_grid *from)
{
    int32_t *at[3];
    for (int i = 0; i < 3; i++) {
        at[i] = xcalloc((size_t)to->size[i], sizeof *at[i]);
        for (int32_t k = 0; k < to->size[i]; k++)
            at[i][k] = clamp(floor(position(to, from, i, k) + 0.5), from->size[i]);
    }
    for (int32_t z = 0; z < to->size[0]; z++)
        for (int32_t y = 0; y < to->size[1]; y++) {
            const uint8_t *row =
                in + ((int64_t)at[0][z] * from->size[1] + at[1][y]) * from->size[2];
            for (int32_t x = 0; x < to->size[2]; x++)
                *out++ = row[at[2][x]];
        }
    for (int i = 0; i < 3; i++)
        free(at[i]);
}

/* Along one axis `count` voxels are kept, copied from `in` to `out`. */
struct run {
    int32_t in, out, count;
};

static struct run run_of(int32_t to, int32_t from)
{
    if (to < from)
        return (struct run){(from - to) / 2, 0, to};
    return (struct run){0, (to - from) / 2, from};
}

void grid_place(void *out, const int32_t to[3], const void *in, const int32_t from[3],
                const void *fill, size_t bytes)
{
    struct run z = run_of(to[0], from[0]), y = run_of(to[1], from[1]), x = run_of(to[2], from[2]);
    size_t count = (size_t)to[0] * (size_t)to[1] * (size_t)to[2];
    for (size_t i = 0; i < count; i++)
        memcpy((uint8_t *)out + i * bytes, fill, bytes);
    for (int32_t k = 0; k < z.count; k++)
        for (int32_t j = 0; j < y.count; j++) {
            int64_t row = (int64_t)(z.out + k) * to[1] + y.out + j;
            int64_t source = (int64_t)(z.in + k) * from[1] + y.in + j;
            memcpy((uint8_t *)out + (size_t)(row * to[2] + x.out) * bytes,
                   (const uint8_t *)in + (size_t)(source * from[2] + x.in) * bytes,
                   (size_t)x.count * bytes);
        }
}

/* ---- intensities ---------------------------------------------------------------------------- */

static size_t voxel_count(const struct volume *volume)
{
    return (size_t)volume->d * (size_t)volume->h * (size_t)volume->w;
}

/* Unsigned integers in the order of the floats, and back. */
static uint32_t key_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static float value_of(uint32_t key)
{
    uint32_t bits = key & 0x80000000u ? key & 0x7FFFFFFFu : ~key;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static bool is_zero(float value)
{
    return !(value < 0 || value > 0);
}

/* The voxels used for statistics. */
struct sample {
    const struct volume *volume;
    bool zeros; /* zeros included */
    size_t count;
};

static bool counts(const struct sample *sample, float value)
{
    return sample->zeros || !is_zero(value);
}

static struct sample sample_of(const struct volume *volume, bool zeros)
{
    struct sample sample = {volume, zeros, 0};
    size_t all = voxel_count(volume);
    for (size_t i = 0; i < all; i++)
        sample.count += counts(&sample, volume->voxels[i]);
    return sample;
}

/* The voxel of a rank from 0 in the sorted sample: by the upper half of its key, then the lower. */
static float ranked(const struct sample *sample, size_t rank)
{
    enum { HALF = 1 << 16 };
    uint32_t *found = xcalloc(HALF, sizeof *found), upper = 0, lower = 0;
    const float *voxels = sample->volume->voxels;
    size_t count = voxel_count(sample->volume);
    for (size_t i = 0; i < count; i++)
        if (counts(sample, voxels[i]))
            found[key_of(voxels[i]) >> 16]++;
    for (; rank >= found[upper]; upper++)
        rank -= found[upper];
    memset(found, 0, HALF * sizeof *found);
    for (size_t i = 0; i < count; i++) {
        uint32_t key = key_of(voxels[i]);
        if (key >> 16 == upper && counts(sample, voxels[i]))
            found[key & (HALF - 1)]++;
    }
    for (; rank >= found[lower]; lower++)
        rank -= found[lower];
    free(found);
    return value_of(upper << 16 | lower);
}

static double percentile(const struct sample *sample, double percent)
{
    double at = percent / 100 * (double)(sample->count - 1), low = floor(at);
    double value = (double)ranked(sample, (size_t)low);
    return at > low ? between(value, (double)ranked(sample, (size_t)low + 1), at - low) : value;
}

static int stretch(struct volume *volume, bool zeros, double low, double high, struct err *err)
{
    size_t count = voxel_count(volume);
    if (!(high > low))
        return fail_as(err, STATUS_BAD_DATA, "both percentiles are %g: nothing to stretch", low);
    for (size_t i = 0; i < count; i++) {
        double value = ((double)volume->voxels[i] - low) / (high - low);
        if (zeros || !is_zero(volume->voxels[i]))
            volume->voxels[i] = (float)(value < 0 ? 0 : value > 1 ? 1 : value);
    }
    return 0;
}

static int stretch_percentiles(struct volume *volume, const struct volume_spec *spec,
                               struct err *err)
{
    bool zeros = spec->within != WITHIN_NONZERO;
    struct sample sample = sample_of(volume, zeros);
    if (!sample.count)
        return fail_as(err, STATUS_BAD_DATA, "all voxels are zero: no percentiles");
    return stretch(volume, zeros, percentile(&sample, spec->low), percentile(&sample, spec->high),
                   err);
}

/* Two passes: the mean, then the deviations from it. */
static int standardise(struct volume *volume, bool zeros, struct err *err)
{
    struct sample sample = sample_of(volume, zeros);
    size_t count = voxel_count(volume), used = sample.count;
    double sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)volume->voxels[i];
    double mean = used ? sum / (double)used : 0;
    for (size_t i = 0; i < count; i++) {
        double deviation = (double)volume->voxels[i] - mean;
        squares += counts(&sample, volume->voxels[i]) ? deviation * deviation : 0;
    }
    double sd = used ? sqrt(squares / (double)used) : 0;
    if (!(sd > 0))
        return fail_as(err, STATUS_BAD_DATA, "the voxels%s have at most one value: no z-score",
                       zeros ? "" : " that are not zero");
    for (size_t i = 0; i < count; i++)
        if (counts(&sample, volume->voxels[i]))
            volume->voxels[i] = (float)(((double)volume->voxels[i] - mean) / sd);
    return 0;
}

int volume_normalise(struct volume *volume, const struct volume_spec *spec, struct err *err)
{
    switch (spec->intensity) {
    case INTENSITY_NONE:
        return 0;
    case INTENSITY_PERCENTILE:
        return stretch_percentiles(volume, spec, err);
    case INTENSITY_ZSCORE:
        return standardise(volume, spec->within == WITHIN_ALL, err);
    case INTENSITY_RANGE:
        return stretch(volume, true, spec->low, spec->high, err);
    }
    bug("intensity %d", (int)spec->intensity);
}

/* ---- all three ------------------------------------------------------------------------------ */

/* Replaces the volume's voxels; the new grid has the same centre. */
static void regrid(struct volume *volume, float *voxels, const struct voxel_grid *to)
{
    struct voxel_grid from = volume_grid(volume);
    for (int row = 0; row < 3; row++) {
        double *m = volume->to_world[row];
        for (int axis = 0; axis < 3; axis++) { /* w, h, d */
            int at = 2 - axis;
            double middle = (from.size[at] - 1) / 2.0, step = m[axis];
            m[axis] *= to->spacing[at] / from.spacing[at];
            m[3] += step * middle - m[axis] * ((to->size[at] - 1) / 2.0);
        }
    }
    free(volume->voxels);
    volume->voxels = voxels;
    volume->d = to->size[0], volume->h = to->size[1], volume->w = to->size[2];
    memcpy(volume->spacing, to->spacing, sizeof volume->spacing);
}

static int respace(struct volume *volume, const double spacing[3], struct err *err)
{
    struct voxel_grid from = volume_grid(volume), to;
    TRY(grid_respace(&to, &from, spacing, err));
    if (!memcmp(to.spacing, from.spacing, sizeof to.spacing))
        return 0;
    float *voxels;
    TRY(voxels_alloc(&voxels, (int64_t)to.size[0] * to.size[1] * to.size[2], err));
    grid_linear(voxels, &to, volume->voxels, &from, 1);
    regrid(volume, voxels, &to);
    return 0;
}

/* Cropping shifts the centre by half a voxel if the difference is odd. */
static int resize(struct volume *volume, const int32_t size[3], float fill, struct err *err)
{
    struct voxel_grid from = volume_grid(volume);
    float *voxels;
    TRY(voxels_alloc(&voxels, (int64_t)size[0] * size[1] * size[2], err));
    grid_place(voxels, size, volume->voxels, from.size, &fill, sizeof fill);
    for (int axis = 0; axis < 3; axis++) {
        struct run run = run_of(size[2 - axis], from.size[2 - axis]);
        for (int row = 0; row < 3; row++)
            volume->to_world[row][3] += volume->to_world[row][axis] * (run.in - run.out);
    }
    free(volume->voxels);
    volume->voxels = voxels;
    volume->d = size[0], volume->h = size[1], volume->w = size[2];
    return 0;
}

/* The padding of a volume: its least value unless 0 is known to be background. */
static float fill_of(const struct volume *volume, const struct volume_spec *spec)
{
    const struct sample all = {volume, true, voxel_count(volume)};
    bool moved = spec->intensity == INTENSITY_ZSCORE && spec->within == WITHIN_ALL;
    return spec->intensity == INTENSITY_NONE || moved ? ranked(&all, 0) : 0;
}

int volume_prepare(struct volume *volume, const struct volume_spec *spec, struct err *err)
{
    TRY(volume_normalise(volume, spec, err));
    if (spec->spacing[0] > 0)
        TRY(respace(volume, spec->spacing, err));
    return spec->size[0] ? resize(volume, spec->size, fill_of(volume, spec), err) : 0;
}
