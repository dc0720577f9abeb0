/*
 * Volumes of NIfTI-1 files: .nii, or a pair of .hdr and .img (given by either name), each also with
 * gzip. The header is checked before any of it sizes anything. NIfTI-2 and ANALYZE are reported by
 * name and refused, and so are files of several volumes (dim[4] above 1).
  *
 * Any orientation is brought to RAS+ by swapping and flipping axes only: no value is interpolated.
 * Oblique axes count as the nearest directions.
 */
#ifndef CAIRN_DATA_FORMATS_NIFTI_H
#define CAIRN_DATA_FORMATS_NIFTI_H

#include "base/err.h"
#include "base/memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VOLUME_HEADER = 348 };
struct volume {
    /* w runs from left to right, h from posterior to anterior, d from inferior to superior */
    int32_t d, h, w;
    float *voxels; /* [d,h,w], scaled by scl_slope and scl_inter, finite; freed by volume_free */
    double spacing[3]; /* in mm, along d, h and w */
    /* mm to the right, anterior and superior of voxel (w, h, d): sform, else qform, else pixdim */
    double to_world[3][4];
    uint8_t header[VOLUME_HEADER]; /* of the file, unchanged */
};
enum { VOLUME_VOXELS = 1 << 29 };

/* The length of a volume name's ending: .nii, .hdr or .img, in any case, with or without .gz; 0: it
 * has none. */
size_t volume_ending(const char *name);
/* The name without its folder and its ending. */
const char *volume_stem(const char *path, struct arena *arena);
/* The name of the other half of a pair: its ending (".hdr") is replaced by another (".img") in the
 * same case; false: path has another ending. out has PATH_BYTES. */
bool volume_other(char out[], const char *path, const char *from, const char *to);
/* Zeroed; the caller frees it. Out of memory is STATUS_FAILED with the size. */
int voxels_alloc(float **out, int64_t count, struct err *err);

int volume_read(struct volume *out, const char *path, struct err *err);
void volume_free(struct volume *volume);
/* The same for a .nii or .hdr file, but messages do not name the file: *at tells which it is. */
enum nifti_file {
    NIFTI_UNOPENED, /* none: the message names it */
    NIFTI_FIRST,
    NIFTI_SECOND /* the .img of a pair */
};
int nifti_read(struct volume *out, enum nifti_file *at, const char *path, struct err *err);

/* Writes class indices [d,h,w], in the order of volume_read, as a .nii or .nii.gz file of bytes
 * (uint8) with the geometry of the file whose header is `header`: sizes, order and directions of
 * the axes, sform and qform, their codes and units. Atomic; equal masks give equal bytes. */
int volume_write_mask(const char *path, const uint8_t *mask, const uint8_t header[VOLUME_HEADER],
                      struct err *err);

#endif
