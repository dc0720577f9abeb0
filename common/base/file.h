/*
 * Files. There is one way to publish bytes: write next to the target, fsync, rename, fsync the
 * folder. A file that does not exist is STATUS_MISSING; any other system error is STATUS_IO. A full
 * disk is reported as such. File systems that cannot sync a folder, make hard links or keep
 * permissions (SMB, exFAT, FUSE) are supported without these.
 */
#ifndef CAIRN_BASE_FILE_H
#define CAIRN_BASE_FILE_H

#include "base/err.h"
#include "base/memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct text;

enum { PATH_BYTES = 4096 };

/* Joins into out[PATH_BYTES]; a result that does not fit is an error. */
int path_join(char out[PATH_BYTES], const char *folder, const char *name, struct err *err);

/* Opens a regular file for reading; a pipe, a folder or a device is STATUS_BAD_DATA. */
int file_open(int *fd, long long *size, const char *path, struct err *err);
/* Reads a whole file, terminated by a NUL that is not counted; larger than limit is
 * STATUS_BAD_DATA. The caller frees *out. */
int file_read(char **out, size_t *length, const char *path, size_t limit, struct err *err);
/* Publishes bytes at path atomically and durably. */
int file_publish(const char *path, const void *bytes, size_t length, struct err *err);
/* The same for a text, which is freed even on failure. */
int text_publish(struct text *text, const char *path, struct err *err);
/* Creates the folder and its parents; existing ones are fine. */
int folder_make(const char *path, struct err *err);
/* The same for a folder that only this program uses: a link by its name is replaced, not followed. */
int folder_make_own(const char *path, struct err *err);
int folder_sync(const char *path, struct err *err);
/* Removes a file, or a folder with everything in it. Links, path itself included, are removed and
 * never followed. A path that does not exist is fine. */
int folder_remove(const char *path, struct err *err);
/* Gives a complete file its name unless the name is taken: returns 0, or 1 if it is. The caller
 * removes `part`, which remains if the file system has hard links and is gone if it has not. */
int file_place(const char *part, const char *path, struct err *err);
/* A file system without permissions is not an error. */
int file_chmod(const char *path, mode_t mode, struct err *err);
/* In a group-writable folder, makes what was just created at path group-writable too, whatever the
 * umask. out_open and folder_make do this. */
int file_share(const char *path, struct err *err);
/* The names in a folder without "." and "..", sorted. No such folder is STATUS_MISSING. */
int folder_names(char ***out, size_t *count, const char *path, struct arena *arena,
                 struct err *err);
/* False only if there certainly is no such file. Where the check itself fails the answer is true,
 * and whoever opens the file gets the error: a system error is never taken for absence. */
bool file_exists(const char *path);

/*
 * A file written piece by piece as "NAME.part". out_close makes it durable and renames it to NAME;
 * out_drop removes it. Large tensor files are written this way without being held in memory.
 */
struct out_file;
int out_open(struct out_file **out, const char *path, struct err *err);
int out_write(struct out_file *file, const void *bytes, size_t length, struct err *err);
int out_close(struct out_file *file, struct err *err); /* frees file even on failure */
void out_drop(struct out_file *file);                  /* NULL is fine */

/* A read-only mapping of a whole regular file; an empty file maps to length 0. */
struct mapping {
    const unsigned char *data;
    size_t length;
};
int map_open(struct mapping *map, const char *path, struct err *err);
void map_close(struct mapping *map);

#endif
