#include "base/file.h"

#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail_path(struct err *err, const char *what, const char *path)
{
    int saved = errno;
    fail_errno(err, "%s '%s'", what, path);
    if (saved == ENOENT || saved == ENOTDIR)
        err->status = STATUS_MISSING;
    return -1;
}

int path_join(char out[PATH_BYTES], const char *folder, const char *name, struct err *err)
{
    const char *gap = !*folder || !*name || ends_with(folder, "/") ? "" : "/";
    int length = snprintf(out, PATH_BYTES, "%s%s%s", folder, gap, name);
    if (length < 0 || length >= PATH_BYTES)
        return fail_as(err, STATUS_IO, "path too long: '%.60s.../%s'", folder, name);
    return 0;
}

int file_open(int *fd, long long *size, const char *path, struct err *err)
{
    /* O_NONBLOCK: opening a pipe by this name must not block before fstat shows what it is */
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return fail_path(err, "cannot open", path);
    struct stat st;
    if (fstat(*fd, &st)) {
        fail_path(err, "cannot stat", path);
    } else if (!S_ISREG(st.st_mode)) {
        fail_as(err, STATUS_BAD_DATA, "'%s' is not a regular file", path);
    } else {
        *size = st.st_size;
        return 0;
    }
    close(*fd);
    return -1;
}

static int read_all(int fd, char *out, size_t length, size_t *got, const char *path,
                    struct err *err)
{
    *got = 0;
    while (*got < length) {
        ssize_t n = read(fd, out + *got, length - *got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_path(err, "cannot read", path);
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return 0;
}

int file_read(char **out, size_t *length, const char *path, size_t limit, struct err *err)
{
    int fd;
    long long size;
    TRY(file_open(&fd, &size, path, err));
    if ((unsigned long long)size > limit) {
        close(fd);
        return fail_as(err, STATUS_BAD_DATA, "'%s' has %lld bytes, more than the %zu allowed", path,
                       size, limit);
    }
    char *bytes = xmalloc((size_t)size + 1);
    int status = read_all(fd, bytes, (size_t)size, length, path, err);
    close(fd);
    if (status) {
        free(bytes);
        return -1;
    }
    bytes[*length] = '\0';
    *out = bytes;
    return 0;
}

/* The errors of a file system without this call: SMB, exFAT, FUSE mounts. */
static bool not_supported(int code)
{
    return code == EINVAL || code == ENOTSUP || code == ENOSYS;
}

int folder_sync(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail_path(err, "cannot open folder", path);
    int status = fsync(fd);
    if (status && not_supported(errno))
        status = 0;
    if (status)
        fail_errno(err, "cannot sync folder '%s'", path);
    close(fd);
    return status;
}

int file_chmod(const char *path, mode_t mode, struct err *err)
{
    if (chmod(path, mode) && errno != EPERM && !not_supported(errno))
        return fail_errno(err, "cannot change the permissions of '%s'", path);
    return 0;
}

static void folder_of(char out[PATH_BYTES], const char *path)
{
    snprintf(out, PATH_BYTES, "%s", path);
    char *slash = strrchr(out, '/');
    if (!slash)
        snprintf(out, PATH_BYTES, ".");
    else
        slash[slash == out] = '\0';
}

int file_share(const char *path, struct err *err)
{
    char folder[PATH_BYTES];
    struct stat made, around;
    folder_of(folder, path);
    if (lstat(path, &made) || stat(folder, &around))
        return fail_errno(err, "cannot stat '%s'", path);
    /* a sticky folder such as /tmp is everybody's, not that of a group working together */
    if (!(around.st_mode & S_IWGRP) || around.st_mode & S_ISVTX || made.st_gid != around.st_gid)
        return 0;
    mode_t bits = S_IRGRP | S_IWGRP | (S_ISDIR(made.st_mode) ? S_IXGRP : 0);
    mode_t mode = (made.st_mode & 07777) | (around.st_mode & bits);
    return mode == (made.st_mode & 07777) ? 0 : file_chmod(path, mode, err);
}

int folder_make(const char *path, struct err *err)
{
    char part[PATH_BYTES];
    TRY(path_join(part, path, "", err));
    for (char *p = part + 1;; p++) {
        if (*p && *p != '/')
            continue;
        char saved = *p;
        *p = '\0';
        if (!mkdir(part, 0777))
            TRY(file_share(part, err));
        else if (errno != EEXIST)
            return fail_errno(err, "cannot create folder '%s'", part);
        *p = saved;
        if (!saved)
            break;
    }
    struct stat st;
    if (stat(path, &st))
        return fail_errno(err, "cannot stat '%s'", path);
    if (!S_ISDIR(st.st_mode))
        return fail_as(err, STATUS_IO, "'%s' is not a folder", path);
    return 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int folder_names(char ***out, size_t *count, const char *path, struct arena *arena, struct err *err)
{
    DIR *dir = opendir(path);
    if (!dir)
        return fail_path(err, "cannot open folder", path);
    size_t used = 0;
    char **names = NULL;
    for (struct dirent *entry; errno = 0, (entry = readdir(dir));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        *ARRAY_ADD(names, used) = arena_strdup(arena, entry->d_name);
    }
    int status = errno ? fail_errno(err, "cannot read folder '%s'", path) : 0;
    closedir(dir);
    *out = arena_alloc(arena, used * sizeof *names);
    if (used) {
        qsort(names, used, sizeof *names, by_text);
        memcpy(*out, names, used * sizeof *names);
    }
    *count = used;
    free(names);
    return status;
}

int folder_make_own(const char *path, struct err *err)
{
    struct stat st;
    if (!lstat(path, &st) && S_ISLNK(st.st_mode) && unlink(path) && errno != ENOENT)
        return fail_errno(err, "cannot remove '%s'", path);
    return folder_make(path, err);
}

/* path is for messages only: everything goes through the open folder, so that a name swapped for a
 * link in the meantime is not followed either. */
static int remove_at(int folder, const char *name, const char *path, struct err *err)
{
    if (!unlinkat(folder, name, 0) || errno == ENOENT)
        return 0;
    if (errno != EISDIR)
        return fail_errno(err, "cannot remove '%s'", path);
    int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        fail_errno(err, "cannot open folder '%s'", path);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    int status = 0;
    struct dirent *entry;
    while (!status && (entry = readdir(dir))) {
        char inner[PATH_BYTES];
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        status =
            path_join(inner, path, entry->d_name, err) || remove_at(fd, entry->d_name, inner, err)
                ? -1
                : 0;
    }
    closedir(dir);
    if (!status && unlinkat(folder, name, AT_REMOVEDIR) && errno != ENOENT)
        status = fail_errno(err, "cannot remove folder '%s'", path);
    return status;
}

int folder_remove(const char *path, struct err *err)
{
    return remove_at(AT_FDCWD, path, path, err);
}

int file_place(const char *part, const char *path, struct err *err)
{
    int code = link(part, path) ? errno : 0;
    if (code == EPERM || code == EMLINK || not_supported(code)) { /* no hard links here */
        code = renameat2(AT_FDCWD, part, AT_FDCWD, path, RENAME_NOREPLACE) ? errno : 0;
        if (not_supported(code))
            code = file_exists(path) ? EEXIST : rename(part, path) ? errno : 0;
    }
    if (!code || code == EEXIST)
        return code == EEXIST;
    errno = code;
    return fail_errno(err, "cannot create '%s'", path);
}

bool file_exists(const char *path)
{
    struct stat st;
    return !stat(path, &st) || (errno != ENOENT && errno != ENOTDIR);
}

struct out_file {
    int fd;
    char path[PATH_BYTES], part[PATH_BYTES];
};

int out_open(struct out_file **out, const char *path, struct err *err)
{
    struct out_file *file = xcalloc(1, sizeof *file);
    int a = snprintf(file->path, PATH_BYTES, "%s", path);
    int b = snprintf(file->part, PATH_BYTES, "%s.part", path);
    if (a >= PATH_BYTES || b >= PATH_BYTES) {
        free(file);
        return fail_as(err, STATUS_IO, "path too long: '%.60s...'", path);
    }
    /* an existing .part may be a link: it is replaced, never written through */
    unlink(file->part);
    file->fd = open(file->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file->fd < 0) {
        fail_errno(err, "cannot create '%s'", path);
        free(file);
        return -1;
    }
    if (file_share(file->part, err)) {
        out_drop(file);
        return -1;
    }
    *out = file;
    return 0;
}

int out_write(struct out_file *file, const void *bytes, size_t length, struct err *err)
{
    const char *p = bytes;
    while (length) {
        ssize_t n = write(file->fd, p, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(err, "cannot write '%s'", file->path);
        p += n;
        length -= (size_t)n;
    }
    return 0;
}

static int sync_folder_of(const char *path, struct err *err)
{
    char folder[PATH_BYTES];
    folder_of(folder, path);
    return folder_sync(folder, err);
}

int out_close(struct out_file *file, struct err *err)
{
    int status = 0;
    if (fsync(file->fd))
        status = fail_errno(err, "cannot write '%s'", file->path);
    if (close(file->fd) && !status)
        status = fail_errno(err, "cannot write '%s'", file->path);
    if (!status && rename(file->part, file->path))
        status = fail_errno(err, "cannot rename '%s' to '%s'", file->part, file->path);
    if (!status)
        status = sync_folder_of(file->path, err);
    else
        unlink(file->part);
    free(file);
    return status;
}

void out_drop(struct out_file *file)
{
    if (!file)
        return;
    close(file->fd);
    unlink(file->part);
    free(file);
}

int file_publish(const char *path, const void *bytes, size_t length, struct err *err)
{
    struct out_file *file;
    TRY(out_open(&file, path, err));
    if (out_write(file, bytes, length, err)) {
        out_drop(file);
        return -1;
    }
    return out_close(file, err);
}

int text_publish(struct text *text, const char *path, struct err *err)
{
    int status = file_publish(path, text->data, text->length, err);
    text_free(text);
    return status;
}

int map_open(struct mapping *map, const char *path, struct err *err)
{
    int fd;
    long long size;
    *map = (struct mapping){0};
    TRY(file_open(&fd, &size, path, err));
    if (size) {
        void *data = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) {
            fail_errno(err, "cannot map '%s'", path);
            close(fd);
            return -1;
        }
        map->data = data;
        map->length = (size_t)size;
    }
    close(fd);
    return 0;
}

void map_close(struct mapping *map)
{
    if (map->data)
        munmap((void *)map->data, map->length);
    *map = (struct mapping){0};
}
