/*
 * Makes system calls fail: a shared object for LD_PRELOAD.
 *
 *   cc -shared -fPIC -o faults.so tests/faults/faults.c -ldl
 *   FAULT_UNDER=lab FAULT_AT=7 FAULT_DO=kill LD_PRELOAD=./faults.so PROGRAM...
 *
 * Calls that change files whose path contains FAULT_UNDER are counted; at the one with number
 * FAULT_AT (1 is the first) happens what FAULT_DO says:
 *
 *   kill   the process is killed before the call does anything
 *   torn   a write puts down half of its bytes, then the process is killed; others are as with kill
 *   eio    this call fails with EIO
 *   full   this call and all later ones that need room fail with ENOSPC
 *
 * With FAULT_LOOKS it is instead the calls that only look (open to read, read, stat, access, mmap, a
 * folder's entries) that are counted, and FAULT_DO is eio, eacces, emfile or enomem.
 *
 * FAULT_FS says what the file system under that path is, for every call:
 *
 *   plain  it has no hard links, no exchange of names, no permissions, and cannot sync a folder
 *   nfs    statfs says that it is NFS
 *
 * FAULT_LOG names a file that then receives one line, "7 write PATH": without it the program makes
 * fewer calls than that. Only calls through the C library's symbols are seen: not those of stdio,
 * and not stores into a mapping.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum need { NEEDS_ROOM, NEEDS_NONE, LOOKS };
enum verdict { GO_ON, FAIL, TEAR };

static _Atomic long calls;
static _Atomic bool disk_full;

static void report(long number, const char *call, const char *path)
{
    const char *log = getenv("FAULT_LOG");
    char line[4300];
    int length = snprintf(line, sizeof line, "%ld %s %s\n", number, call, path);
    int fd =
        log ? (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND, 0666) : -1;
    if (fd >= 0) {
        syscall(SYS_write, fd, line, (size_t)length);
        close(fd);
    }
}

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static int code_of(const char *what)
{
    return !strcmp(what, "eacces")   ? EACCES
           : !strcmp(what, "emfile") ? EMFILE
           : !strcmp(what, "enomem") ? ENOMEM
                                     : EIO;
}

/* Counts a call on path; FAIL has set errno. */
static enum verdict judge(const char *call, const char *path, enum need need)
{
    const char *under = getenv("FAULT_UNDER"), *at = getenv("FAULT_AT"), *what = getenv("FAULT_DO");
    if (!under || !at || !what || !strstr(path, under) ||
        (need == LOOKS) != (getenv("FAULT_LOOKS") != NULL))
        return GO_ON;
    long number = ++calls;
    if (disk_full && need == NEEDS_ROOM) {
        errno = ENOSPC;
        return FAIL;
    }
    if (number != atol(at))
        return GO_ON;
    report(number, call, path);
    if (!strcmp(what, "kill"))
        die();
    if (!strcmp(what, "torn"))
        return TEAR;
    if (!strcmp(what, "full")) {
        disk_full = true;
        if (need == NEEDS_NONE)
            return GO_ON;
    }
    errno = disk_full ? ENOSPC : code_of(what);
    return FAIL;
}

static void path_of(char path[4096], int fd)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, 4095);
    path[length < 0 ? 0 : length] = '\0';
}

static enum verdict judge_fd(const char *call, int fd, enum need need)
{
    char path[4096];
    int saved = errno;
    path_of(path, fd);
    errno = saved;
    return judge(call, path, need);
}

/* Is it under that path, and the file system such a one? */
static bool file_system(const char *kind, const char *path)
{
    const char *under = getenv("FAULT_UNDER"), *is = getenv("FAULT_FS");
    return under && is && !strcmp(is, kind) && strstr(path, under);
}

static bool plain(const char *path, int code)
{
    if (!file_system("plain", path))
        return false;
    errno = code;
    return true;
}

static bool plain_folder(int fd)
{
    char path[4096];
    struct stat st;
    path_of(path, fd);
    return !fstat(fd, &st) && S_ISDIR(st.st_mode) && plain(path, EINVAL);
}

/* The next definition of a function, after this one. */
#define REAL(name, ...) ((__typeof__(&name))(intptr_t)dlsym(RTLD_NEXT, #name))(__VA_ARGS__)

#define WRITE(name, fd, whole, half)                                                               \
    do {                                                                                           \
        enum verdict verdict = judge_fd(#name, fd, NEEDS_ROOM);                                    \
        if (verdict == TEAR) {                                                                     \
            ssize_t torn = half;                                                                   \
            (void)torn;                                                                            \
            die();                                                                                 \
        }                                                                                          \
        return verdict == FAIL ? -1 : whole;                                                       \
    } while (0)

#define CALL(verdict_of, whole)                                                                    \
    do {                                                                                           \
        enum verdict verdict = verdict_of;                                                         \
        if (verdict == TEAR)                                                                       \
            die();                                                                                 \
        return verdict == FAIL ? -1 : whole;                                                       \
    } while (0)

ssize_t write(int fd, const void *bytes, size_t size)
{
    WRITE(write, fd, REAL(write, fd, bytes, size), REAL(write, fd, bytes, size / 2));
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    WRITE(pwrite, fd, REAL(pwrite, fd, bytes, size, at), REAL(pwrite, fd, bytes, size / 2, at));
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at)
{
    WRITE(pwrite64, fd, REAL(pwrite64, fd, bytes, size, at),
          REAL(pwrite64, fd, bytes, size / 2, at));
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    WRITE(writev, fd, REAL(writev, fd, parts, count), REAL(writev, fd, parts, count / 2));
}

int fsync(int fd)
{
    if (plain_folder(fd))
        return -1;
    CALL(judge_fd("fsync", fd, NEEDS_ROOM), REAL(fsync, fd));
}

int fdatasync(int fd)
{
    CALL(judge_fd("fdatasync", fd, NEEDS_ROOM), REAL(fdatasync, fd));
}

int ftruncate(int fd, off_t length)
{
    CALL(judge_fd("ftruncate", fd, NEEDS_ROOM), REAL(ftruncate, fd, length));
}

int ftruncate64(int fd, off64_t length)
{
    CALL(judge_fd("ftruncate64", fd, NEEDS_ROOM), REAL(ftruncate64, fd, length));
}

int fchmod(int fd, mode_t mode)
{
    CALL(judge_fd("fchmod", fd, NEEDS_NONE), REAL(fchmod, fd, mode));
}

int chmod(const char *path, mode_t mode)
{
    if (plain(path, EPERM))
        return -1;
    CALL(judge("chmod", path, NEEDS_NONE), REAL(chmod, path, mode));
}

int rename(const char *from, const char *to)
{
    CALL(judge("rename", to, NEEDS_ROOM), REAL(rename, from, to));
}

int link(const char *from, const char *to)
{
    if (plain(to, EPERM))
        return -1;
    CALL(judge("link", to, NEEDS_ROOM), REAL(link, from, to));
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    if (flags && plain(to, EINVAL))
        return -1;
    CALL(judge("renameat2", to, NEEDS_ROOM),
         REAL(renameat2, from_folder, from, to_folder, to, flags));
}

int mkdir(const char *path, mode_t mode)
{
    CALL(judge("mkdir", path, NEEDS_ROOM), REAL(mkdir, path, mode));
}

int rmdir(const char *path)
{
    CALL(judge("rmdir", path, NEEDS_NONE), REAL(rmdir, path));
}

int unlink(const char *path)
{
    CALL(judge("unlink", path, NEEDS_NONE), REAL(unlink, path));
}

int unlinkat(int folder, const char *name, int flags)
{
    char path[4096];
    path_of(path, folder);
    CALL(judge("unlinkat", folder == AT_FDCWD ? name : path, NEEDS_NONE),
         REAL(unlinkat, folder, name, flags));
}

int statfs(const char *path, struct statfs *out)
{
    int status = REAL(statfs, path, out);
    if (!status && file_system("nfs", path))
        out->f_type = 0x6969;
    return status;
}

/* Opening changes something where it may create a file. */
#define OPEN(name)                                                                                 \
    mode_t mode = 0;                                                                               \
    if (flags & O_CREAT) {                                                                         \
        va_list ap;                                                                                \
        va_start(ap, flags);                                                                       \
        mode = va_arg(ap, mode_t);                                                                 \
        va_end(ap);                                                                                \
    }                                                                                              \
    CALL(judge(#name, path, flags &O_CREAT ? NEEDS_ROOM : LOOKS), REAL(name, path, flags, mode))

int open(const char *path, int flags, ...)
{
    OPEN(open);
}

int open64(const char *path, int flags, ...)
{
    OPEN(open64);
}

/* ---- looking -------------------------------------------------------------------------------- */

/* SQLite and the loader of shared objects look too: only what lies under the path counts. */
ssize_t read(int fd, void *bytes, size_t size)
{
    CALL(judge_fd("read", fd, LOOKS), REAL(read, fd, bytes, size));
}

ssize_t pread64(int fd, void *bytes, size_t size, off64_t at)
{
    CALL(judge_fd("pread64", fd, LOOKS), REAL(pread64, fd, bytes, size, at));
}

int stat(const char *path, struct stat *out)
{
    CALL(judge("stat", path, LOOKS), REAL(stat, path, out));
}

int stat64(const char *path, struct stat64 *out)
{
    CALL(judge("stat64", path, LOOKS), REAL(stat64, path, out));
}

int lstat(const char *path, struct stat *out)
{
    CALL(judge("lstat", path, LOOKS), REAL(lstat, path, out));
}

int fstat(int fd, struct stat *out)
{
    CALL(judge_fd("fstat", fd, LOOKS), REAL(fstat, fd, out));
}

int fstat64(int fd, struct stat64 *out)
{
    CALL(judge_fd("fstat64", fd, LOOKS), REAL(fstat64, fd, out));
}

int access(const char *path, int mode)
{
    CALL(judge("access", path, LOOKS), REAL(access, path, mode));
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (fd >= 0 && judge_fd("mmap", fd, LOOKS) == FAIL)
        return MAP_FAILED;
    return REAL(mmap, at, size, protection, flags, fd, offset);
}

void *mmap64(void *at, size_t size, int protection, int flags, int fd, off64_t offset)
{
    if (fd >= 0 && judge_fd("mmap64", fd, LOOKS) == FAIL)
        return MAP_FAILED;
    return REAL(mmap64, at, size, protection, flags, fd, offset);
}

DIR *opendir(const char *path)
{
    return judge("opendir", path, LOOKS) == FAIL ? NULL : REAL(opendir, path);
}

DIR *fdopendir(int fd)
{
    return judge_fd("fdopendir", fd, LOOKS) == FAIL ? NULL : REAL(fdopendir, fd);
}

struct dirent *readdir(DIR *folder)
{
    return judge_fd("readdir", dirfd(folder), LOOKS) == FAIL ? NULL : REAL(readdir, folder);
}

FILE *fopen(const char *path, const char *mode)
{
    return judge("fopen", path, LOOKS) == FAIL ? NULL : REAL(fopen, path, mode);
}
