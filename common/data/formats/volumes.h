/*
 * Volumes on their way from a file to a network: intensities, then spacing, then size. What is done
 * to a data set is done here to one volume, so that new files can be treated alike.
 *
 * Grids share their centre: resampling, cropping and padding are undone by the same call with the
 * two grids exchanged (as far as what was cut off or interpolated can be).
 */
#ifndef CAIRN_DATA_FORMATS_VOLUMES_H
#define CAIRN_DATA_FORMATS_VOLUMES_H

#include "data/formats/nifti.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum intensity {
    INTENSITY_NONE,
    INTENSITY_PERCENTILE, /* the percentiles low and high become 0 and 1; beyond is clipped */
    INTENSITY_ZSCORE,     /* less the mean, over the standard deviation */
    INTENSITY_RANGE       /* the values low and high become 0 and 1; beyond is clipped */
};
/* Which voxels percentiles, mean and deviation are of; of those that are not zero, zeros stay zero. */
enum within {
    WITHIN_AUTO, /* percentiles of all, mean and deviation of those that are not zero */
    WITHIN_ALL,  /* as in computed tomography, where 0 is water */
    WITHIN_NONZERO
};
struct volume_spec {
    enum intensity intensity;
    double low, high;
    double spacing[3]; /* d, h, w in mm; zeros: as in the file */
    int32_t size[3];   /* d, h, w; zeros: as it comes */
    enum within within;
};

/* All three on a volume that was read; to_world follows. Cropping and padding are centred, what is
 * padded is 0, without a change of intensities, or after one that moves 0, the least value. A volume without two values to
 * normalise by, or that would be too large, is STATUS_BAD_DATA. */
int volume_prepare(struct volume *volume, const struct volume_spec *spec, struct err *err);
/* Values become other values. Percentiles are interpolated linearly between voxels. */
int volume_normalise(struct volume *volume, const struct volume_spec *spec, struct err *err);

/* Voxels [size] and, of probabilities, c values each; sizes and spacings are d, h, w. */
struct voxel_grid {
    int32_t size[3];
    double spacing[3];
};
/* Of the volume as it is. */
struct voxel_grid volume_grid(const struct volume *volume);
/* Do files with these spacings make one data set? To a part in a thousand, in whatever unit. */
bool spacing_agrees(double one, double other);
/* The same extent at another spacing, to the nearest voxel; at least one. An axis whose spacing is
 * the same but for a part in ten thousand stays as it is. STATUS_BAD_DATA: more than VOLUME_VOXELS. */
int grid_respace(struct voxel_grid *out, const struct voxel_grid *from, const double spacing[3],
                 struct err *err);
/* Linear between the eight voxels around a place; beyond the outermost centres, the nearest. */
void grid_linear(float *out, const struct voxel_grid *to, const float *in,
                 const struct voxel_grid *from, int32_t c);
/* The voxel whose centre is nearest, of two the later. */
void grid_nearest(uint8_t *out, const struct voxel_grid *to, const uint8_t *in,
                  const struct voxel_grid *from);
/* Centred: cut off on both sides, or filled up with `bytes` bytes of fill; of an odd difference the
 * larger part is at the end. */
void grid_place(void *out, const int32_t to[3], const void *in, const int32_t from[3],
                const void *fill, size_t bytes);

#endif
