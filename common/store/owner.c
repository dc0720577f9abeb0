/*
 * Who owns a run or a draft, and whether that process is alive.
 *
 * An owner is host, boot id, process id and the process's start time. A process id is meaningful
 * only in its own pid namespace, and containers share labs: so before it first writes to a lab, a
 * process takes a lock on lab/alive/OWNER, which the kernel releases when the process ends in any
 * way. The lock is shared, because two containers may have the same process id; whoever can get it
 * exclusively knows that the owner is dead. Only where the file system has no locks does the
 * process id decide, if the file says that it is from our namespace. The state of an owner on
 * another machine is unknown: a network file system may keep locks local to each machine.
 */
#include "store/store_parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAMESPACE = 64, ATTEMPTS = 100 };

/* /proc files have no size, so file_read does not work here. */
static bool read_line(char *out, size_t size, const char *path)
{
    FILE *file = fopen(path, "re");
    bool got = file && fgets(out, (int)size, file);
    if (file)
        fclose(file);
    if (got)
        out[strcspn(out, "\n")] = '\0';
    return got;
}

/* Field 22 of /proc/PID/stat; -1 if there is no such process or it is a zombie. The second field
 * may contain anything, including spaces and parentheses: count from the last parenthesis. */
static int64_t start_time(int64_t pid)
{
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
    if (!read_line(line, sizeof line, path))
        return -1;
    char *field = strrchr(line, ')');
    if (!field || field[1] != ' ' || strchr("ZX", field[2]))
        return -1;
    for (int i = 2; field && i < 22; i++)
        field = strchr(field + 1, ' ');
    return field ? strtoll(field, NULL, 10) : -1;
}

struct owner owner_self(void)
{
    struct owner self = {.pid = getpid()};
    if (gethostname(self.host, sizeof self.host - 1))
        snprintf(self.host, sizeof self.host, "localhost");
    if (!read_line(self.boot, sizeof self.boot, "/proc/sys/kernel/random/boot_id"))
        self.boot[0] = '\0';
    self.start = start_time(self.pid);
    return self;
}

/* ---- names ---------------------------------------------------------------------------------- */

static void short_hash(char out[9], const char *text)
{
    snprintf(out, 9, "%.8s", sha256_of(text, strlen(text)).hex);
}

/* HOST-BOOT-PID-START, as used in file names. */
static char *owner_key(char out[OWNER_KEY], const struct owner *owner)
{
    char host[9], boot[9];
    short_hash(host, owner->host);
    short_hash(boot, owner->boot);
    snprintf(out, OWNER_KEY, "%s-%s-%" PRId64 "-%" PRId64, host, boot, owner->pid, owner->start);
    return out;
}

/* From hashes we can only tell whether host and boot are our own. */
static bool owner_of_key(struct owner *out, const char *name, const struct owner *self)
{
    char host[9], boot[9], own_host[9], own_boot[9];
    *out = (struct owner){0};
    if (sscanf(name, "%8[0-9a-f]-%8[0-9a-f]-%" SCNd64 "-%" SCNd64, host, boot, &out->pid,
               &out->start) != 4)
        return false;
    snprintf(out->key, sizeof out->key, "%s-%s-%" PRId64 "-%" PRId64, host, boot, out->pid,
             out->start);
    short_hash(own_host, self->host);
    short_hash(own_boot, self->boot);
    snprintf(out->host, sizeof out->host, "%s", strcmp(host, own_host) ? host : self->host);
    snprintf(out->boot, sizeof out->boot, "%s", strcmp(boot, own_boot) ? boot : self->boot);
    return true;
}

static const char temporary[] = "draft-";

int temporary_name(char *out, struct store *store, const char *folder, const char *before,
                   struct err *err)
{
    struct owner self = owner_self();
    char key[OWNER_KEY], unique[RANDOM_NAME], name[2 * OWNER_KEY + 128];
    TRY(alive_hold(store, err));
    random_name(unique);
    snprintf(name, sizeof name, "%.128s%s%s-%s", before, temporary, owner_key(key, &self), unique);
    return path_join(out, folder, name, err);
}

/* ---- life ----------------------------------------------------------------------------------- */

static bool no_locks(int code)
{
    return code == ENOLCK || code == ENOSYS || code == ENOTSUP || code == EINVAL || code == EBADF;
}

static int lock(int fd, int how)
{
    int status;
    while ((status = flock(fd, how)) && errno == EINTR)
        ;
    return status;
}

static void own_namespace(char out[NAMESPACE])
{
    ssize_t length = readlink("/proc/self/ns/pid", out, NAMESPACE - 1);
    out[length < 0 ? 0 : length] = '\0';
}

/* 1: the file is ours and locked. 0: someone took it for a dead process's and removed it. */
static int hold_file(struct store *store, const char *path, struct err *err)
{
    char namespace[NAMESPACE];
    struct stat mine, there = {0};
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0)
        return fail_errno(err, "cannot create '%s'", path);
    own_namespace(namespace);
    int status = 1;
    if (lock(fd, LOCK_SH) && !no_locks(errno))
        status = fail_errno(err, "cannot lock '%s'", path);
    else if (fstat(fd, &mine) || (stat(path, &there) && errno != ENOENT))
        status = fail_errno(err, "cannot stat '%s'", path);
    else if (mine.st_ino != there.st_ino)
        status = 0;
    else if (file_share(path, err))
        status = -1;
    else if (write(fd, namespace, strlen(namespace)) < 0)
        status = fail_errno(err, "cannot write '%s'", path);
    if (status == 1)
        store->alive = fd;
    else
        close(fd);
    return status;
}

int alive_hold(struct store *store, struct err *err)
{
    struct owner self = owner_self();
    char key[OWNER_KEY], path[PATH_BYTES], folder[PATH_BYTES];
    if (store->alive >= 0)
        return 0;
    if (store->read_only)
        return fail_as(err, STATUS_IO, "lab '%s' is read-only", store->lab);
    TRY(path_join(folder, store->lab, "alive", err));
    TRY(folder_make(folder, err));
    TRY(lab_path(path, store, "alive", owner_key(key, &self), err));
    int held = 0;
    for (int i = 0; !held && i < ATTEMPTS; i++)
        held = hold_file(store, path, err);
    if (!held)
        return fail_as(err, STATUS_IO, "cannot keep '%s': others keep replacing it", path);
    return held < 0 ? -1 : 0;
}

/* Removes the file unless somebody else holds it. */
static void alive_clear(int fd, const char *path)
{
    if (!lock(fd, LOCK_EX | LOCK_NB) || errno != EWOULDBLOCK)
        unlink(path);
    close(fd);
}

void alive_release(struct store *store)
{
    struct owner self = owner_self();
    struct err ignored;
    char key[OWNER_KEY], path[PATH_BYTES];
    if (store->alive < 0)
        return;
    if (!lab_path(path, store, "alive", owner_key(key, &self), &ignored))
        alive_clear(store->alive, path);
    store->alive = -1;
}

static enum life life_by_number(const struct owner *owner)
{
    if (owner->start < 0) /* no /proc: only the process id can tell */
        return kill((pid_t)owner->pid, 0) && errno == ESRCH ? LIFE_DEAD : LIFE_ALIVE;
    return start_time(owner->pid) == owner->start ? LIFE_ALIVE : LIFE_DEAD;
}

/* False: there is no lock to go by, only a process id of our own namespace. */
static bool life_by_lock(enum life *out, const struct store *store, const struct owner *owner)
{
    char key[OWNER_KEY], path[PATH_BYTES], namespace[NAMESPACE] = "", own[NAMESPACE];
    struct err ignored;
    *out = LIFE_ELSEWHERE;
    if (lab_path(path, store, "alive", *owner->key ? owner->key : owner_key(key, owner), &ignored))
        return true;
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT)
        fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) /* no file: released, or written by an older version */
        return errno != ENOENT;
    /* another process checking at the same moment finds it held, and checks again later */
    int code = lock(fd, LOCK_EX | LOCK_NB) ? errno : 0;
    if (!code || code == EWOULDBLOCK)
        *out = code ? LIFE_ALIVE : LIFE_DEAD;
    own_namespace(own);
    bool by_number =
        no_locks(code) && read(fd, namespace, sizeof namespace - 1) > 0 && !strcmp(namespace, own);
    close(fd);
    return !by_number;
}

enum life owner_life(const struct store *store, const struct owner *owner, const struct owner *self)
{
    enum life life;
    bool same_host = !strcmp(owner->host, self->host);
    if (strcmp(owner->boot, self->boot)) /* this machine was rebooted, or it is another one */
        return same_host && !store->network ? LIFE_DEAD : LIFE_ELSEWHERE;
    if (!same_host && store->network)
        return LIFE_ELSEWHERE;
    if (life_by_lock(&life, store, owner))
        return life;
    return same_host ? life_by_number(owner) : LIFE_ELSEWHERE;
}

/* ---- what dead processes left --------------------------------------------------------------- */

static void clear_folder_of_dead(const struct store *store, const char *name,
                                 const struct owner *self)
{
    struct err err;
    struct owner owner;
    char folder[PATH_BYTES], path[PATH_BYTES];
    DIR *dir = path_join(folder, store->lab, name, &err) ? NULL : opendir(folder);
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        const char *key = NULL; /* after the last one: the text before may contain it too */
        for (const char *at = entry->d_name; (at = strstr(at, temporary));)
            key = at += sizeof temporary - 1;
        if (key && owner_of_key(&owner, key, self) &&
            owner_life(store, &owner, self) == LIFE_DEAD &&
            !path_join(path, folder, entry->d_name, &err))
            folder_remove(path, &err);
    }
    if (dir)
        closedir(dir);
}

static void clear_alive(const struct store *store, const struct owner *self)
{
    struct err err;
    struct owner owner;
    char folder[PATH_BYTES], path[PATH_BYTES];
    DIR *dir = path_join(folder, store->lab, "alive", &err) ? NULL : opendir(folder);
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        if (!owner_of_key(&owner, entry->d_name, self) ||
            owner_life(store, &owner, self) != LIFE_DEAD ||
            lab_path(path, store, "alive", entry->d_name, &err))
            continue;
        int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0)
            alive_clear(fd, path);
    }
    if (dir)
        closedir(dir);
}

void clear_left_behind(const struct store *store)
{
    struct owner self = owner_self();
    clear_folder_of_dead(store, "", &self);
    clear_folder_of_dead(store, "work", &self);
    clear_folder_of_dead(store, "reports", &self);
    clear_alive(store, &self);
}

void random_name(char out[RANDOM_NAME])
{
    uint64_t bits;
    ssize_t got;
    do
        got = getrandom(&bits, sizeof bits, 0);
    while (got < 0 && errno == EINTR); /* early in boot */
    if (got != sizeof bits)
        bug("no random bytes");
    snprintf(out, RANDOM_NAME, "%016" PRIx64, bits);
}
