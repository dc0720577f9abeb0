/*
 * Raw formats: what lies in a folder becomes a collection. A format is a file here, which says how
 * its folder is laid out, and a row in formats.c. Damage is named with the file and what was
 * expected (STATUS_BAD_DATA); a folder or file that is not there says how to fetch it, where that
 * is known (STATUS_MISSING).
 */
#ifndef CAIRN_DATA_FORMATS_FORMATS_H
#define CAIRN_DATA_FORMATS_FORMATS_H

#include "config/config.h"
#include "data/listing.h"

/* What the images are. */
struct content {
    bool
        numbers; /* f32, of any range, cut off or filled up to a size; else bytes, which are resized */
    int axes;    /* that a size has: 2, or 3 with a depth */
    bool spaced; /* the files say how many mm lie between voxels */
};
/* own: the struct of the format's keys. */
struct format {
    struct field_variant keys; /* name, layout in a line of help, keys beside those of all */
    struct content (*content)(const void *own); /* NULL: bytes without a depth */
    /* Either the folder is a list of cases, which are decoded one by one; what `out` points to and the
     * names of the classes live in the arena of `classes`. */
    int (*list)(struct listing *out, struct collection *classes, const char *folder,
                const void *own, struct err *err);
    int (*decode)(struct collection *out, const struct listing *listing,
                  const struct treatment *how, struct err *err);
    /* or some files (NULL: none) hold all cases. */
    int (*sources)(struct sources *out, const void *own, struct err *err);
    int (*read)(struct collection *out, const char *folder, const void *own, struct err *err);
};
extern const struct format *const formats[]; /* ends with NULL */

/* The files that format_read would read, lists first. With skip_bad those of cases may be missing,
 * and are left out. */
int format_sources(struct sources *out, const struct format *format, const void *own, bool skip_bad,
                   struct err *err);
/* Files are decoded in parallel; the result does not depend on the threads. */
int format_read(struct collection *out, const struct format *format, const void *own,
                const char *folder, const struct treatment *how, struct err *err);

/* ---- parts of formats, for their tests ------------------------------------------------------ */
enum { IDX_FILES = 4 };
/* A gzip stream that holds one IDX stream, into arena. The header inside says how much room it
 * gets, before any is taken; rank is what it must be (0: any). */
int idx_unpack(const uint8_t **out, size_t *length, struct arena *arena, const uint8_t *packed,
               size_t packed_length, int rank, const char *name, struct err *err);
/* One IDX stream from memory, already unpacked. dims[0..*rank) are filled; *data points into bytes.
 */
int idx_parse(const uint8_t **data, int *rank, int64_t dims[4], const uint8_t *bytes, size_t length,
              const char *name, struct err *err);
/* What an .npy file holds, from memory. */
struct npy {
    char type; /* 'b'ool, 'u'nsigned, 'i'nteger, 'f'loat, of so many bytes */
    int bytes;
    bool turned;  /* the highest byte comes first */
    bool fortran; /* the first axis runs fastest, else the last */
    int rank;
    int64_t dim[4];
    const uint8_t *data; /* as many elements as the dimensions say */
};
int npy_parse(struct npy *out, const uint8_t *bytes, size_t length, struct err *err);
/* The shapes of shapes.c; size, classes, train and test may be all that the drawing can do. */
int shapes_make(struct collection *out, int64_t size, int64_t classes, int64_t train, int64_t test,
                uint64_t seed, struct err *err);

#endif
