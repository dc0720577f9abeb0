/*
 * Volumes on their way from a file to a network: intensities, then spacing, then size. A data set's
 * treatment is applied here to one volume, so that new files can be treated the same way.
 *
 * Grids share their centre: resampling, cropping and padding are undone by the same call with the
 * two grids swapped (except for what was cropped or interpolated).
 */
#ifndef CAIRN_DATA_FORMATS_VOLUMES_H
#define CAIRN_DATA_FORMATS_VOLUMES_H

#include "data/formats/nifti.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum intensity {
    INTENSITY_NONE,
    INTENSITY_PERCENTILE, /* percentiles low and high become 0 and 1; values beyond are clipped */
    INTENSITY_ZSCORE,     /* minus the mean, divided by the standard deviation */
    INTENSITY_RANGE       /* values low and high become 0 and 1; values beyond are clipped */
};
/* The voxels that percentiles, mean and deviation are computed over; with NONZERO, zeros stay
 * zero. */
enum within {
    WITHIN_AUTO, /* percentiles of all voxels, mean and deviation of nonzero ones */
    WITHIN_ALL,  /* for computed tomography, where 0 is water */
    WITHIN_NONZERO
};
struct volume_spec {
    enum intensity intensity;
    double low, high;
    double spacing[3]; /* d, h, w in mm; zeros: as in the file */
    int32_t size[3];   /* d, h, w; zeros: unchanged */
    enum within within;
};

/* Applies all three to a volume that was read; to_world follows. Cropping and padding are centred;
 * padding is 0 or, for raw intensities or after a change that moves 0, the least value.
 * STATUS_BAD_DATA: the volume has not two values to normalise by, or would be too large. */
int volume_prepare(struct volume *volume, const struct volume_spec *spec, struct err *err);
/* Only the intensities. Percentiles are interpolated linearly between voxels. */
int volume_normalise(struct volume *volume, const struct volume_spec *spec, struct err *err);

/* Voxels [size], for probabilities with c values each; sizes and spacings are d, h, w. */
struct voxel_grid {
    int32_t size[3];
    double spacing[3];
};
/* The volume's grid. */
struct voxel_grid volume_grid(const struct volume *volume);
/* Do files with these spacings form one data set? Tolerance: a part in a thousand, in any unit. */
bool spacing_agrees(double one, double other);
/* The same extent at another spacing, rounded to whole voxels; at least one. An axis whose spacing
 * agrees to a part in ten thousand is unchanged. STATUS_BAD_DATA: more than VOLUME_VOXELS. */
int grid_respace(struct voxel_grid *out, const struct voxel_grid *from, const double spacing[3],
                 struct err *err);
/* Trilinear interpolation; beyond the outermost centres, the nearest voxel. */
void grid_linear(float *out, const struct voxel_grid *to, const float *in,
                 const struct voxel_grid *from, int32_t c);
/* The voxel with the nearest centre, the later of two. */
void grid_nearest(uint8_t *out, const struct voxel_grid *to, const uint8_t *in,
                  const struct voxel_grid *from);
/* Centred: cropped on both sides, or padded with `bytes` bytes of fill; the larger half of an odd
 * difference is at the end. */
void grid_place(void *out, const int32_t to[3], const void *in, const int32_t from[3],
                const void *fill, size_t bytes);

#endif
