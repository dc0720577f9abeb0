/*
 * Writing masks. nifticlib's own writer is not used: it does not detect a full disk, nor publish
 * files atomically.
 */
#include "data/formats/nifti.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "data/formats/nifti_parts.h"

#include <nifti/nifti1.h>
#include <stdlib.h>
#include <string.h>
#define ZLIB_CONST
#include <zlib.h>

/* ---- a file, packed or not ------------------------------------------------------------------ */
struct output {
    struct out_file *file;
    z_stream *packed; /* NULL: not packed */
};

/* finish: these are the last bytes. */
static int put(const struct output *out, const void *bytes, size_t length, bool finish,
               struct err *err)
{
    uint8_t room[1 << 14];
    if (!out->packed)
        return out_write(out->file, bytes, length, err);
    z_stream *z = out->packed;
    z->next_in = bytes;
    z->avail_in = (uInt)length;
    do {
        z->next_out = room;
        z->avail_out = sizeof room;
        if (deflate(z, finish ? Z_FINISH : Z_NO_FLUSH) == Z_STREAM_ERROR)
            bug("zlib's state is damaged");
        TRY(out_write(out->file, room, sizeof room - z->avail_out, err));
    } while (z->avail_out == 0);
    return 0;
}

/* ---- the header ----------------------------------------------------------------------------- */
/* Keeps the geometry; drops what described the original values and the patient. */
static struct nifti_1_header header_of(const struct nifti_layout *layout)
{
    struct nifti_1_header header;
    const struct nifti_1_header *like = memcpy(&header, layout->header, sizeof header);
    struct nifti_1_header out = {.sizeof_hdr = NIFTI_HEADER,
                                 .regular = 'r',
                                 .dim_info = like->dim_info,
                                 .datatype = DT_UINT8,
                                 .bitpix = 8,
                                 .vox_offset = NIFTI_HEADER + NIFTI_EXTENDER,
                                 .scl_slope = 1,
                                 .xyzt_units = like->xyzt_units,
                                 .qform_code = like->qform_code,
                                 .sform_code = like->sform_code,
                                 .quatern_b = like->quatern_b,
                                 .quatern_c = like->quatern_c,
                                 .quatern_d = like->quatern_d,
                                 .qoffset_x = like->qoffset_x,
                                 .qoffset_y = like->qoffset_y,
                                 .qoffset_z = like->qoffset_z,
                                 .magic = "n+1"};
    memcpy(out.dim, like->dim, sizeof out.dim);
    memcpy(out.pixdim, like->pixdim, sizeof out.pixdim);
    memcpy(out.srow_x, like->srow_x, sizeof out.srow_x);
    memcpy(out.srow_y, like->srow_y, sizeof out.srow_y);
    memcpy(out.srow_z, like->srow_z, sizeof out.srow_z);
    return out;
}

static int put_voxels(const struct output *out, const uint8_t *mask,
                      const struct nifti_layout *layout, struct err *err)
{
    const int32_t *size = layout->size;
    struct nifti_walk walk = nifti_walk(layout);
    uint8_t *row = xmalloc((size_t)size[0]);
    int status = 0;
    for (int32_t z = 0; !status && z < size[2]; z++)
        for (int32_t y = 0; !status && y < size[1]; y++) {
            const uint8_t *from = mask + walk.start + y * walk.step[1] + z * walk.step[2];
            for (int32_t x = 0; x < size[0]; x++)
                row[x] = from[x * walk.step[0]];
            status = put(out, row, (size_t)size[0], z == size[2] - 1 && y == size[1] - 1, err);
        }
    free(row);
    return status;
}

static int put_all(const struct output *out, const uint8_t *mask, const struct nifti_layout *layout,
                   struct err *err)
{
    const struct nifti_1_header header = header_of(layout);
    const uint8_t extender[NIFTI_EXTENDER] = {0};
    TRY(put(out, &header, sizeof header, false, err));
    TRY(put(out, extender, sizeof extender, false, err));
    return put_voxels(out, mask, layout, err);
}

int volume_write_mask(const char *path, const uint8_t *mask, const uint8_t header[VOLUME_HEADER],
                      struct err *err)
{
    enum { GZIP = 16 }; /* tells zlib to write gzip format */
    struct nifti_layout layout;
    struct output out = {0};
    z_stream stream = {0};
    bool packs = ends_with(path, ".gz");
    TRY(nifti_header_parse(&layout, header, err));
    TRY(out_open(&out.file, path, err));
    if (packs && deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP + MAX_WBITS,
                              MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
        out_drop(out.file);
        return fail(err, "'%s': zlib cannot start", path);
    }
    out.packed = packs ? &stream : NULL;
    int status = put_all(&out, mask, &layout, err);
    if (packs)
        deflateEnd(&stream);
    if (status)
        out_drop(out.file);
    return status ? -1 : out_close(out.file, err);
}
