/* SPDX-License-Identifier: MIT */
/* LIST and STAT: what is in a folder, and what a path is. Opens no file. */
#include "operation.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

/* How many items are sent in one step. */
enum { ITEMS = 32 };

struct listing {
    DIR *folder;
    uint64_t skip;
    uint64_t left;
};

static const char *kind_name(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return "file";
    case S_IFDIR:
        return "dir";
    case S_IFLNK:
        return "link";
    case S_IFIFO:
        return "fifo";
    case S_IFSOCK:
        return "socket";
    default:
        return "device";
    }
}

static bool add_target(struct operation *op, int folder, const char *name)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(folder, name, target, sizeof(target) - 1);
    target[n > 0 ? n : 0] = '\0';
    return fields_add(&op->fields, "target", target);
}

static enum operation_outcome send_item(struct operation *op, int folder, const char *name,
                                        const struct stat *st)
{
    struct buffer *to = &op->fields;
    char mode[16];
    snprintf(mode, sizeof(mode), "%o", (unsigned)st->st_mode & 07777);
    bool added = fields_add(to, "name", name) && fields_add(to, "kind", kind_name(st->st_mode)) &&
                 fields_add_u64(to, "size", (uint64_t)st->st_size) &&
                 fields_add(to, "mode", mode) && fields_add_time(to, st->st_mtim) &&
                 fields_add_u64(to, "uid", st->st_uid) && fields_add_u64(to, "gid", st->st_gid) &&
                 (!S_ISLNK(st->st_mode) || add_target(op, folder, name));
    return added ? operation_send(op, FRAME_ITEM) : OPERATION_BROKEN;
}

static enum operation_outcome begin_stat(struct operation *op, const struct frame *f)
{
    const char *path = fields_get(f, "path");
    struct place place;
    struct stat st;
    if (!path)
        return operation_fail(op, EINVAL, "STAT without a path");
    if (place_find(&place, op->workdir, op->user, path, PLACE_LOOK) < 0)
        return operation_cannot(op, "find", path);
    enum operation_outcome outcome = fstatat(place.folder, place.name, &st, AT_SYMLINK_NOFOLLOW) < 0
                                         ? operation_cannot(op, "find", path)
                                         : send_item(op, place.folder, place.name, &st);
    place_free(&place);
    return outcome == OPERATION_GOES_ON ? OPERATION_ENDS : outcome;
}

static enum operation_outcome begin_list(struct operation *op, const struct frame *f)
{
    struct listing *l = op->own;
    const char *path = fields_get(f, "path");
    l->left = FRAME_LIST_MAX;
    if (!path || (fields_get(f, "skip") && !fields_get_u64(f, "skip", &l->skip)) ||
        (fields_get(f, "limit") && !fields_get_u64(f, "limit", &l->left)) || l->left == 0)
        return operation_fail(op, EINVAL,
                              "LIST needs a path, and takes the numbers limit and skip");
    if (l->left > FRAME_LIST_MAX)
        l->left = FRAME_LIST_MAX;
    cleanup_close int at = place_open_folder(op->workdir, op->user, path, PLACE_FOLLOW);
    cleanup_close int fd =
        at < 0 ? -1 : openat(at, ".", O_RDONLY | O_DIRECTORY | O_NOCTTY | O_CLOEXEC);
    l->folder = fd < 0 ? NULL : fdopendir(fd);
    if (!l->folder)
        return operation_cannot(op, "list", path);
    steal_fd(&fd);
    return OPERATION_GOES_ON;
}

static enum operation_outcome step_list(struct operation *op)
{
    struct listing *l = op->own;
    for (int n = 0; n < ITEMS; n++) {
        struct stat st;
        errno = 0;
        const struct dirent *e = readdir(l->folder);
        if (!e)
            return errno ? operation_fail(op, errno, "cannot read the folder: %s", strerror(errno))
                         : OPERATION_ENDS;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (l->skip > 0) {
            l->skip--;
            continue;
        }
        if (l->left == 0)
            return fields_add(&op->fields, "more", "1") ? OPERATION_ENDS : OPERATION_BROKEN;
        /* It may have gone meanwhile. */
        if (fstatat(dirfd(l->folder), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        l->left--;
        if (send_item(op, dirfd(l->folder), e->d_name, &st) < 0)
            return OPERATION_BROKEN;
    }
    return OPERATION_GOES_ON;
}

static void free_list(struct operation *op)
{
    struct listing *l = op->own;
    cleanup_close_dir(&l->folder);
}

const struct operation_kind file_stat_kind = {.type = FRAME_STAT, .size = 1, .begin = begin_stat};
const struct operation_kind file_list_kind = {.type = FRAME_LIST,
                                              .size = sizeof(struct listing),
                                              .begin = begin_list,
                                              .step = step_list,
                                              .free = free_list};
