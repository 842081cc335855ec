/* SPDX-License-Identifier: MIT */
/* REMOVE: removes a file, or a folder with what is in it. Follows no link. */
#include "operation.h"

#include "base/cleanup.h"
#include "walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

/* How many entries are removed in one step. */
enum { ENTRIES = 32 };

struct removal {
    struct place place; /* of the whole tree */
    bool begun;
    size_t depth;
    struct {
        DIR *folder;
        char name[NAME_MAX + 1]; /* in the folder above */
    } levels[WALK_DEPTH_MAX];
};

/* The folder that contains the current level. */
static int above(const struct removal *r)
{
    return r->depth > 1 ? dirfd(r->levels[r->depth - 2].folder) : r->place.folder;
}

static int enter(struct removal *r, int folder, const char *name)
{
    if (r->depth == WALK_DEPTH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    cleanup_close int fd =
        openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
    DIR *opened = fd < 0 ? NULL : fdopendir(fd);
    if (!opened)
        return -1;
    steal_fd(&fd);
    snprintf(r->levels[r->depth].name, sizeof(r->levels[0].name), "%s", name);
    r->levels[r->depth++].folder = opened;
    return 0;
}

/* Returns 0 if it is gone, 1 if it is a folder that has something in it, -1 with errno. */
static int remove_entry(int folder, const char *name)
{
    if (unlinkat(folder, name, 0) == 0 || errno == ENOENT)
        return 0;
    int errnum = errno;
    /* POSIX says EPERM for a folder, Linux says EISDIR. */
    if (errnum != EISDIR && errnum != EPERM)
        return -1;
    if (unlinkat(folder, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    if (errno == ENOTEMPTY || errno == EEXIST)
        return 1;
    if (errno == ENOTDIR)
        errno = errnum;
    return -1;
}

static enum operation_outcome begin(struct operation *op, const struct frame *f)
{
    struct removal *r = op->own;
    const char *path = fields_get(f, "path"), *recursive = fields_get(f, "recursive");
    struct stat st;
    if (!path)
        return operation_fail(op, EINVAL, "REMOVE without a path");
    if (place_find(&r->place, op->workdir, op->user, path, PLACE_CHANGE) < 0)
        return operation_cannot(op, "remove", path);
    r->begun = true;
    errno = EBUSY;
    if (strcmp(r->place.name, ".") == 0 ||
        fstatat(r->place.folder, r->place.name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return operation_cannot(op, "remove", path);
    int more = remove_entry(r->place.folder, r->place.name);
    if (more == 0)
        return OPERATION_ENDS;
    if (more > 0 && (!recursive || strcmp(recursive, "yes") != 0)) {
        errno = ENOTEMPTY;
        more = -1;
    }
    return more < 0 || enter(r, r->place.folder, r->place.name) < 0
               ? operation_cannot(op, "remove", path)
               : OPERATION_GOES_ON;
}

static enum operation_outcome step(struct operation *op)
{
    struct removal *r = op->own;
    for (int n = 0; n < ENTRIES; n++) {
        DIR *folder = r->levels[r->depth - 1].folder;
        errno = 0;
        const struct dirent *e = readdir(folder);
        if (!e && errno)
            return operation_cannot(op, "read", r->levels[r->depth - 1].name);
        if (e) {
            int more = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0
                           ? 0
                           : remove_entry(dirfd(folder), e->d_name);
            if (more < 0 || (more > 0 && enter(r, dirfd(folder), e->d_name) < 0))
                return operation_cannot(op, "remove", e->d_name);
            continue;
        }
        /* If another process goes on making files here, this fails. */
        const char *name = r->levels[r->depth - 1].name;
        if (unlinkat(above(r), name, AT_REMOVEDIR) < 0 && errno != ENOENT)
            return operation_cannot(op, "remove", name);
        cleanup_close_dir(&r->levels[--r->depth].folder);
        if (r->depth == 0)
            return OPERATION_ENDS;
    }
    return OPERATION_GOES_ON;
}

static void release(struct operation *op)
{
    struct removal *r = op->own;
    while (r->depth > 0)
        cleanup_close_dir(&r->levels[--r->depth].folder);
    if (r->begun)
        place_free(&r->place);
}

const struct operation_kind file_remove_kind = {.type = FRAME_REMOVE,
                                                .size = sizeof(struct removal),
                                                .begin = begin,
                                                .step = step,
                                                .free = release};
