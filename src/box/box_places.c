/* SPDX-License-Identifier: MIT */
#include "box/box_places.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int box_places_open_beneath(int from, const char *path, int flags)
{
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC),
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    return (int)syscall(SYS_openat2, from, path, &how, sizeof(how));
}

int box_places_owner(const char *path, const char **rest)
{
    int owner = BOX_IN_ROOT;
    size_t longest = 0;
    *rest = path + 1;
    for (int i = 0; box_filesystems[i].type; i++) {
        size_t length = strlen(box_filesystems[i].target);
        if (length > longest && strncmp(path, box_filesystems[i].target, length) == 0 &&
            path[length] == '/') {
            owner = i;
            longest = length;
            *rest = path + length + 1;
        }
    }
    return owner;
}

int box_places_open(const struct box_mounts *m, const struct box *b, const char *path, int flags)
{
    const char *rest;
    int owner = box_places_owner(path, &rest);
    return box_places_open_beneath(owner == BOX_IN_ROOT ? b->root : m->filesystems[owner], rest,
                                   flags | O_PATH);
}

/* ---------------------------------------------------------------- guests */

/* If that is not known, it is. */
static bool is_ours(const struct box_mounts *m, int place)
{
    struct stat st, own;
    if (fstat(place, &st) < 0)
        return true;
    for (size_t i = 0; i < m->count; i++)
        if (fstat(m->filesystems[i], &own) < 0 || own.st_dev == st.st_dev)
            return true;
    return false;
}

/* Follows links, within `from`. `root`: the result may not be in a file system of ours. */
static int follow(const struct box_mounts *m, int from, const char *path, bool root)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    int fd = (int)syscall(SYS_openat2, from, path, &how, sizeof(how));
    if (fd < 0 || !root || !is_ours(m, fd))
        return fd;
    close(fd);
    errno = EXDEV;
    return -1;
}

/* A link that leads nowhere is not followed: mkdirat() and mknodat() find it, and fail. */
static int make_entry(int folder, const char *name, bool is_folder)
{
    return is_folder ? mkdirat(folder, name, 0755) : mknodat(folder, name, S_IFREG | 0644, 0);
}

int box_places_make(const struct box_mounts *m, const struct box *b, const struct box_tree *guest)
{
    const char *rest;
    char path[BOX_PATH_MAX];
    struct stat st;
    int owner = box_places_owner(guest->target, &rest);
    bool root = owner == BOX_IN_ROOT;
    int from = root ? b->root : m->filesystems[owner];
    if (fstat(guest->fd, &st) < 0)
        return -1;
    if (strlen(rest) >= sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(path, rest);
    /* From folder to folder. `end` is the end of the part that is looked at. */
    int folder = follow(m, from, ".", root);
    for (char *name = path, *end; folder >= 0; name = end + 1) {
        end = strchrnul(name, '/');
        bool last = *end == '\0';
        *end = '\0';
        int next = follow(m, from, path, root);
        if (next < 0 && errno == ENOENT &&
            make_entry(folder, name, !last || S_ISDIR(st.st_mode)) == 0)
            next = follow(m, from, path, root);
        int failed = errno;
        close(folder);
        errno = failed;
        if (last)
            return next;
        *end = '/';
        folder = next;
    }
    return -1;
}
