/* SPDX-License-Identifier: MIT */
#include "walk.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

/* Not in every version of <linux/magic.h>. */
#define MQUEUE_MAGIC 0x19800202

bool walk_is_pseudo(int fd)
{
    static const unsigned long magics[] = {
        PROC_SUPER_MAGIC,   SYSFS_MAGIC,  CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
        DEVPTS_SUPER_MAGIC, MQUEUE_MAGIC, SECURITYFS_MAGIC,   DEBUGFS_MAGIC,
        TRACEFS_MAGIC,      BPF_FS_MAGIC, NSFS_MAGIC,         PIPEFS_MAGIC,
    };
    struct statfs fs;
    if (fstatfs(fd, &fs) < 0)
        return false;
    for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++)
        if ((unsigned long)fs.f_type == magics[i])
            return true;
    return false;
}

static int fail(char *reason, size_t size, const char *what, const char *path, int errnum)
{
    snprintf(reason, size, "cannot %s '%.300s': %s", what, path, strerror(errnum));
    return -1;
}

static int enter(struct walk *w, int *fd, char *reason, size_t size)
{
    if (w->depth == WALK_DEPTH_MAX) {
        snprintf(reason, size, "'%.200s...' is more than %d levels deep", w->path, WALK_DEPTH_MAX);
        return -1;
    }
    DIR *opened = fdopendir(*fd);
    if (!opened)
        return fail(reason, size, "read", w->path, errno);
    steal_fd(fd);
    w->lengths[w->depth] = strlen(w->path);
    w->levels[w->depth++] = opened;
    return 0;
}

int walk_begin(struct walk *w, int fd, bool open_files, char *reason, size_t size)
{
    cleanup_close int held = fd;
    w->depth = 0;
    w->path[0] = '\0';
    w->file = -1;
    w->open_files = open_files;
    return enter(w, &held, reason, size);
}

void walk_end(struct walk *w)
{
    cleanup_close_fd(&w->file);
    while (w->depth > 0)
        closedir(w->levels[--w->depth]);
}

/* Returns whether the entry has disappeared or become something else. This happens only if another
 * process still writes there, and is not an error. */
static bool has_changed(int errnum)
{
    return errnum == ENOENT || errnum == ELOOP || errnum == ENOTDIR || errnum == ENXIO;
}

/* Examines an entry. Returns 1 to visit it, 0 to skip it, -1 on an error. */
static int visit(struct walk *w, const char *name, char *reason, size_t size)
{
    int level = dirfd(w->levels[w->depth - 1]);
    if (fstatat(level, name, &w->st, AT_SYMLINK_NOFOLLOW) < 0)
        return has_changed(errno) ? 0 : fail(reason, size, "read", w->path, errno);
    bool folder = S_ISDIR(w->st.st_mode);
    if (!folder && !S_ISREG(w->st.st_mode))
        return 0;
    if (!folder && !w->open_files)
        return 1;
    /* NONBLOCK: if the entry has become a fifo, opening it must not block. */
    cleanup_close int fd = openat(level, name,
                                  O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC |
                                      (folder ? O_DIRECTORY : 0));
    if (fd < 0)
        return has_changed(errno) ? 0 : fail(reason, size, "read", w->path, errno);
    struct stat st;
    if (fstat(fd, &st) < 0)
        return fail(reason, size, "read", w->path, errno);
    if ((st.st_mode & S_IFMT) != (w->st.st_mode & S_IFMT) || (folder && walk_is_pseudo(fd)))
        return 0;
    w->st = st;
    if (folder)
        return enter(w, &fd, reason, size) < 0 ? -1 : 1;
    w->file = steal_fd(&fd);
    return 1;
}

int walk_next(struct walk *w, char *reason, size_t size)
{
    cleanup_close_fd(&w->file);
    while (w->depth > 0) {
        size_t base = w->lengths[w->depth - 1];
        errno = 0;
        const struct dirent *e = readdir(w->levels[w->depth - 1]);
        w->path[base] = '\0';
        if (!e && errno)
            return fail(reason, size, "read", w->path, errno);
        if (!e) {
            closedir(w->levels[--w->depth]);
            continue;
        }
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || e->d_type == DT_LNK)
            continue;
        int n =
            snprintf(w->path + base, sizeof(w->path) - base, "%s%s", base ? "/" : "", e->d_name);
        if (n < 0 || (size_t)n >= sizeof(w->path) - base) {
            w->path[base] = '\0';
            snprintf(reason, size, "a path in '%.200s...' is longer than %zu bytes", w->path,
                     sizeof(w->path) - 1);
            return -1;
        }
        int found = visit(w, e->d_name, reason, size);
        if (found)
            return found;
    }
    return 0;
}
