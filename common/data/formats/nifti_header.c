/* The 348 bytes of a NIfTI-1 header, used only after they are checked. nifticlib handles the
 * format's quaternions and byte orders. */
#include "data/formats/nifti_parts.h"

#include "data/formats/nifti.h"

#include <math.h>
#include <nifti/nifti1_io.h>
#include <string.h>

static int refuse(struct err *err, const char *what)
{
    return fail_as(err, STATUS_BAD_DATA, "%s", what);
}

static int parse_kind(struct nifti_1_header *header, struct nifti_layout *out,
                      const uint8_t bytes[NIFTI_HEADER], struct err *err)
{
    memcpy(header, bytes, sizeof *header);
    const uint8_t *n = bytes; /* sizeof_hdr, 348 or 540, tells the byte order */
    uint32_t little = n[0] | (uint32_t)n[1] << 8 | (uint32_t)n[2] << 16 | (uint32_t)n[3] << 24;
    uint32_t big = n[3] | (uint32_t)n[2] << 8 | (uint32_t)n[1] << 16 | (uint32_t)n[0] << 24;
    if (little == 540 || big == 540)
        return refuse(err, "a NIfTI-2 file; NIfTI-1 expected");
    if (little != NIFTI_HEADER && big != NIFTI_HEADER)
        return refuse(err, "not a NIfTI-1 file");
    if (memcmp(header->magic, "n+1", 4) != 0 && memcmp(header->magic, "ni1", 4) != 0)
        return refuse(err, "a header without NIfTI's magic (ANALYZE?); NIfTI-1 expected");
    out->pair = header->magic[1] == 'i';
    out->big_endian = big == NIFTI_HEADER;
    if (header->sizeof_hdr != NIFTI_HEADER)
        swap_nifti_header(header, 1);
    return 0;
}

static int parse_size(struct nifti_layout *out, const struct nifti_1_header *header,
                      struct err *err)
{
    const short *dim = header->dim;
    int64_t count = 1;
    if (dim[0] < 1 || dim[0] > 7)
        return fail_as(err, STATUS_BAD_DATA, "dim[0] is %d; 3 dimensions expected", dim[0]);
    if (dim[0] < 3)
        return fail_as(err, STATUS_BAD_DATA, "%d dimensions; a volume of 3 expected", dim[0]);
    for (int i = 1; i <= dim[0]; i++) {
        if (dim[i] < 1)
            return fail_as(err, STATUS_BAD_DATA, "dim[%d] is %d; 1 or more expected", i, dim[i]);
        if (i > 3 && dim[i] > 1)
            return fail_as(err, STATUS_BAD_DATA, "dim[%d] is %d; one volume (1) expected", i,
                           dim[i]);
        count *= dim[i];
    }
    if (count > VOLUME_VOXELS)
        return fail_as(err, STATUS_BAD_DATA, "%d x %d x %d voxels; at most %d are read", dim[1],
                       dim[2], dim[3], VOLUME_VOXELS);
    for (int i = 0; i < 3; i++)
        out->size[i] = dim[i + 1];
    return 0;
}

static int bytes_of(int type)
{
    switch (type) {
    case DT_UINT8:
    case DT_INT8:
        return 1;
    case DT_INT16:
    case DT_UINT16:
        return 2;
    case DT_INT32:
    case DT_UINT32:
    case DT_FLOAT32:
        return 4;
    case DT_INT64:
    case DT_UINT64:
    case DT_FLOAT64:
        return 8;
    default:
        return 0;
    }
}

static int parse_voxels(struct nifti_layout *out, const struct nifti_1_header *header,
                        struct err *err)
{
    int least = out->pair ? 0 : NIFTI_HEADER + NIFTI_EXTENDER;
    out->type = header->datatype;
    out->bytes = bytes_of(header->datatype);
    if (!out->bytes)
        return fail_as(err, STATUS_BAD_DATA,
                       "datatype %d; integers of 8 to 64 bits or floats of 32 or 64 expected",
                       header->datatype);
    if (header->bitpix != 8 * out->bytes)
        return fail_as(err, STATUS_BAD_DATA, "bitpix is %d; %d expected of datatype %d",
                       header->bitpix, 8 * out->bytes, header->datatype);
    /* a whole number that a float holds exactly; 2^60 and more fit in no file anyway */
    if (!(header->vox_offset >= (float)least && header->vox_offset < 0x1p60f) ||
        header->vox_offset != floorf(header->vox_offset))
        return fail_as(err, STATUS_BAD_DATA, "vox_offset is %g; %d or more expected",
                       (double)header->vox_offset, least);
    out->offset = (int64_t)header->vox_offset;
    /* in the standard 0 means "not scaled"; some programs write NaN for it */
    bool scaled = isfinite(header->scl_slope) && header->scl_slope != 0;
    if (scaled && !isfinite(header->scl_inter))
        return fail_as(err, STATUS_BAD_DATA, "scl_inter is %g; a number expected",
                       (double)header->scl_inter);
    out->slope = scaled ? (double)header->scl_slope : 1;
    out->inter = scaled ? (double)header->scl_inter : 0;
    return 0;
}

/* The unit of the coordinates in mm; without one they are mm, by convention. */
static double unit_of(const struct nifti_1_header *header)
{
    switch (XYZT_TO_SPACE(header->xyzt_units)) {
    case NIFTI_UNITS_METER:
        return 1000;
    case NIFTI_UNITS_MICRON:
        return 0.001;
    default:
        return 1;
    }
}

static mat44 matrix_of(const struct nifti_1_header *header)
{
    const float *step = header->pixdim + 1;
    mat44 m = {{{step[0], 0, 0, 0}, {0, step[1], 0, 0}, {0, 0, step[2], 0}, {0, 0, 0, 1}}};
    if (header->sform_code > 0) {
        memcpy(m.m[0], header->srow_x, sizeof m.m[0]);
        memcpy(m.m[1], header->srow_y, sizeof m.m[1]);
        memcpy(m.m[2], header->srow_z, sizeof m.m[2]);
    } else if (header->qform_code > 0) {
        m = nifti_quatern_to_mat44(header->quatern_b, header->quatern_c, header->quatern_d,
                                   header->qoffset_x, header->qoffset_y, header->qoffset_z, step[0],
                                   step[1], step[2], header->pixdim[0]);
    }
    return m;
}

static int parse_world(struct nifti_layout *out, const struct nifti_1_header *header,
                       struct err *err)
{
    for (int i = 1; i <= 3 && header->sform_code <= 0; i++)
        if (!(header->pixdim[i] > 0 && isfinite(header->pixdim[i])))
            return fail_as(err, STATUS_BAD_DATA, "pixdim[%d] is %g; more than 0 expected", i,
                           (double)header->pixdim[i]);
    mat44 matrix = matrix_of(header);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 4; j++) {
            if (!isfinite(matrix.m[i][j]))
                return refuse(err, "the orientation (sform or qform) is not made of numbers");
            out->to_world[i][j] = (double)matrix.m[i][j] * unit_of(header);
        }
    int code[3], seen = 0; /* 1, 2: right, left; 3, 4: anterior, posterior; 5, 6: superior, ... */
    nifti_mat44_to_orientation(matrix, &code[0], &code[1], &code[2]);
    for (int i = 0; i < 3; i++) {
        /* a column of zeros also gets a code if it can be derived from the others */
        bool moves = false;
        for (int row = 0; row < 3; row++)
            moves |= out->to_world[row][i] < 0 || out->to_world[row][i] > 0;
        out->axis[i] = (code[i] - 1) / 2;
        out->turned[i] = code[i] % 2 == 0;
        seen |= code[i] > 0 && moves ? 1 << out->axis[i] : 0;
    }
    if (seen != 7)
        return refuse(err, "the orientation (sform or qform) has no three directions");
    return 0;
}

int nifti_header_parse(struct nifti_layout *out, const uint8_t bytes[NIFTI_HEADER], struct err *err)
{
    struct nifti_1_header header;
    *out = (struct nifti_layout){0};
    TRY(parse_kind(&header, out, bytes, err));
    memcpy(out->header, &header, sizeof header);
    TRY(parse_size(out, &header, err));
    TRY(parse_voxels(out, &header, err));
    return parse_world(out, &header, err);
}
