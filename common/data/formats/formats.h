/*
 * Raw formats: the contents of a folder become a collection. A format is a file here, which
 * describes how its folder is laid out, and a row in formats.c. Damage is reported with the file
 * and what was expected (STATUS_BAD_DATA), a missing folder or file with how to fetch it, where
 * known (STATUS_MISSING).
 */
#ifndef CAIRN_DATA_FORMATS_FORMATS_H
#define CAIRN_DATA_FORMATS_FORMATS_H

#include "config/config.h"
#include "data/listing.h"

/* The kind of images. */
struct content {
    /* f32 of any range, cropped or padded to a size; else bytes, which are resized */
    bool numbers;
    int axes;    /* in a size: 2, or 3 with a depth */
    bool spaced; /* the files give the voxel spacing in mm */
};
/* own: the struct of the format's keys. */
struct format {
    struct field_variant keys; /* name, one line of help, keys besides the common ones */
    struct content (*content)(const void *own); /* NULL: bytes without a depth */
    /* Either the folder is a list of cases, decoded one by one; what `out` points to and the names
     * of the classes live in the arena of `classes`. */
    int (*list)(struct listing *out, struct collection *classes, const char *folder,
                const void *own, struct err *err);
    int (*decode)(struct collection *out, const struct listing *listing,
                  const struct treatment *how, struct err *err);
    /* or some files (NULL: none) hold all cases. */
    int (*sources)(struct sources *out, const void *own, struct err *err);
    int (*read)(struct collection *out, const char *folder, const void *own, struct err *err);
};
extern const struct format *const formats[]; /* ends with NULL */

/* The files that format_read would read, lists first. With skip_bad, missing files of cases are
 * left out. */
int format_sources(struct sources *out, const struct format *format, const void *own, bool skip_bad,
                   struct err *err);
/* Files are decoded in parallel; the result does not depend on the number of threads. */
int format_read(struct collection *out, const struct format *format, const void *own,
                const char *folder, const struct treatment *how, struct err *err);

/* ---- parts of formats, for their tests ------------------------------------------------------ */
enum { IDX_FILES = 4 };
/* Unpacks a gzip stream that holds one IDX stream into arena. Memory is allocated by the IDX
 * header's sizes, checked first; rank is the expected one (0: any). */
int idx_unpack(const uint8_t **out, size_t *length, struct arena *arena, const uint8_t *packed,
               size_t packed_length, int rank, const char *name, struct err *err);
/* One IDX stream from memory, already unpacked. dims[0..*rank) are filled; *data points into bytes.
 */
int idx_parse(const uint8_t **data, int *rank, int64_t dims[4], const uint8_t *bytes, size_t length,
              const char *name, struct err *err);
/* The contents of an .npy file, from memory. */
struct npy {
    char type; /* 'b'ool, 'u'nsigned, 'i'nteger, 'f'loat, of this many bytes */
    int bytes;
    bool turned;  /* big-endian */
    bool fortran; /* the first axis is the fastest, else the last */
    int rank;
    int64_t dim[4];
    const uint8_t *data; /* the elements */
};
int npy_parse(struct npy *out, const uint8_t *bytes, size_t length, struct err *err);
/* The shapes of shapes.c, with the full range of size, classes, train and test. */
int shapes_make(struct collection *out, int64_t size, int64_t classes, int64_t train, int64_t test,
                uint64_t seed, struct err *err);

#endif
