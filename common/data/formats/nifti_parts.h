/* What nifti_header.c reads for nifti.c. */
#ifndef CAIRN_DATA_FORMATS_NIFTI_PARTS_H
#define CAIRN_DATA_FORMATS_NIFTI_PARTS_H

#include "data/formats/nifti.h"

#include <stdbool.h>
#include <stdint.h>

enum { NIFTI_HEADER = VOLUME_HEADER, NIFTI_EXTENDER = 4 };

struct nifti_layout {
    uint8_t header[NIFTI_HEADER]; /* in this machine's byte order */
    int32_t size[3];              /* in the file's order, the first is the fastest */
    int type, bytes;              /* DT_... of nifti1.h; of one voxel */
    bool big_endian, pair;
    int64_t offset; /* of the voxels in their file */
    double slope, inter;
    double to_world[3][4];
    int axis
        [3]; /* which of right, anterior, superior (0, 1, 2) each of the file's axes is nearest */
    bool turned[3]; /* and whether it is reversed */
};

/* The step in the volume [d,h,w] for one step along each of the file's axes, and the place of the
 * file's first voxel. */
struct nifti_walk {
    int64_t start, step[3];
};
struct nifti_walk nifti_walk(const struct nifti_layout *layout);

int nifti_header_parse(struct nifti_layout *out, const uint8_t bytes[NIFTI_HEADER],
                       struct err *err);

#endif
