/* NIfTI-1 files for tests: little but what the standard demands, in this machine's byte order. */
#ifndef CAIRN_TESTS_DATA_NIFTI_FILE_H
#define CAIRN_TESTS_DATA_NIFTI_FILE_H

#include <nifti/nifti1.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

struct nifti_content {
    int size[3]; /* i, j, k: i runs fastest */
    int type;    /* DT_UINT8, DT_INT16 or DT_FLOAT32 */
    const void *voxels;
    float affine[3][4]; /* all zeros: the identity */
    int volumes;        /* 0: a file of three dimensions */
};

/* By the name: .nii, packed if it ends in .gz, or .hdr with an .img. A failure ends the program. */
static inline void write_nifti(const char *path, const struct nifti_content *file)
{
    static const float identity[3][4] = {{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}};
    static const float none[3][4] = {0};
    const float(*affine)[4] = memcmp(file->affine, none, sizeof none) ? file->affine : identity;
    int bits = file->type == DT_UINT8 ? 8 : file->type == DT_INT16 ? 16 : 32;
    bool packed = strcmp(path + strlen(path) - 3, ".gz") == 0;
    char *dot = strstr(path, ".hdr"), voxels[4096];
    struct nifti_1_header h = {
        .sizeof_hdr = 348,
        .dim = {3, (short)file->size[0], (short)file->size[1], (short)file->size[2], 1, 1, 1, 1},
        .datatype = (short)file->type,
        .bitpix = (short)bits,
        .pixdim = {1, 1, 1, 1},
        .vox_offset = dot ? 0 : 352,
        .sform_code = 1,
        .magic = "n+1"};
    if (file->volumes)
        h.dim[0] = 4, h.dim[4] = (short)file->volumes;
    if (dot)
        h.magic[1] = 'i';
    memcpy(h.srow_x, affine[0], sizeof h.srow_x);
    memcpy(h.srow_y, affine[1], sizeof h.srow_y);
    memcpy(h.srow_z, affine[2], sizeof h.srow_z);
    unsigned bytes = (unsigned)(file->size[0] * file->size[1] * file->size[2] * (bits / 8) *
                                (file->volumes ? file->volumes : 1));
    gzFile out = gzopen(path, packed ? "wb" : "wbT");
    int good = out && gzwrite(out, &h, sizeof h) == sizeof h;
    if (good && dot) {
        gzclose(out);
        snprintf(voxels, sizeof voxels, "%.*s.img%s", (int)(dot - path), path, dot + 4);
        out = gzopen(voxels, packed ? "wb" : "wbT");
        good = out != NULL;
    } else {
        good = good && gzwrite(out, "\0\0\0", 4) == 4;
    }
    if (!good || gzwrite(out, file->voxels, bytes) != (int)bytes || gzclose(out)) {
        fprintf(stderr, "cannot write '%s'\n", path);
        abort();
    }
}

#endif
