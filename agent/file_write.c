/* SPDX-License-Identifier: MIT */
/*
 * WRITE: replaces a file as a whole. The bytes go to a temporary file in the same folder, which
 * then gets the name. So a program that reads the file meanwhile sees the old bytes or the new ones.
 */
#include "operation.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "seed.h"

#include <fcntl.h>
#include <string.h>

/* ms. A disk that does not take the data of one frame in this time is broken. */
enum { WRITE_TIMEOUT = 10 * 60000, MODE_DEFAULT = 0644 };

struct writing {
    struct place place;
    int file; /* 0: none, as the agent keeps 0 to 2 */
    uint64_t bytes;
    bool has_mode;
    mode_t mode;
    char temporary[48];
};

static int open_temporary(const struct writing *w)
{
    static const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC;
    int fd = openat(w->place.folder, w->temporary, flags, 0600);
    if (fd >= 0 || errno != EEXIST || unlinkat(w->place.folder, w->temporary, 0) < 0)
        return fd;
    return openat(w->place.folder, w->temporary, flags, 0600);
}

static enum operation_outcome begin(struct operation *op, const struct frame *f)
{
    struct writing *w = op->own;
    const char *path = fields_get(f, "path"), *mode = fields_get(f, "mode");
    w->place.folder = w->file = -1;
    w->has_mode = mode != NULL;
    if (!path || (mode && !seed_parse_mode(mode, &w->mode)))
        return operation_fail(op, EINVAL, "WRITE needs a path, and takes an octal mode");
    if (place_find(&w->place, op->workdir, op->user, path, PLACE_MAKE) < 0)
        return operation_cannot(op, "write", path);
    if (strcmp(w->place.name, ".") == 0) {
        errno = EISDIR;
        return operation_cannot(op, "write", path);
    }
    snprintf(w->temporary, sizeof(w->temporary), ".light-runner-write-%u", (unsigned)op->number);
    w->file = open_temporary(w);
    return w->file < 0 ? operation_cannot(op, "write", path) : OPERATION_GOES_ON;
}

/* Gives the file its owner and mode, and its name. */
static int complete(struct operation *op)
{
    struct writing *w = op->own;
    struct stat old;
    bool replaces = fstatat(w->place.folder, w->place.name, &old, AT_SYMLINK_NOFOLLOW) == 0 &&
                    S_ISREG(old.st_mode);
    if (!w->has_mode)
        w->mode = replaces ? old.st_mode & 0777 : MODE_DEFAULT;
    /* An owner that this sandbox has no id for cannot be kept. */
    if ((!replaces || fchown(w->file, old.st_uid, old.st_gid) < 0) &&
        fchown(w->file, op->user->uid, op->user->gid) < 0)
        return -1;
    /* Some file systems do not report before close() that they are full. */
    if (fchmod(w->file, w->mode) < 0 || close(steal_fd(&w->file)) < 0 ||
        renameat(w->place.folder, w->temporary, w->place.folder, w->place.name) < 0)
        return -1;
    w->temporary[0] = '\0';
    return 0;
}

static enum operation_outcome frame(struct operation *op, const struct frame *f)
{
    struct writing *w = op->own;
    if (f->type == FRAME_ENTRY_END) {
        const char *error = fields_get(f, "error");
        if (error)
            return operation_fail(op, ECANCELED, "nothing was written: %.300s", error);
        return complete(op) < 0 ? operation_cannot(op, "write", w->place.name) : OPERATION_ENDS;
    }
    if (f->type != FRAME_DATA)
        return operation_fail(op, EINVAL, "WRITE takes DATA and ENTRY_END");
    w->bytes += f->length;
    if (w->bytes > FRAME_FILE_MAX)
        return operation_fail(op, EFBIG, "a WRITE has at most %d bytes", FRAME_FILE_MAX);
    if (io_write_all(w->file, f->payload, f->length, clock_ms() + WRITE_TIMEOUT) < 0)
        return operation_cannot(op, "write", w->place.name);
    return OPERATION_GOES_ON;
}

static void release(struct operation *op)
{
    struct writing *w = op->own;
    if (w->file > 0)
        cleanup_close_fd(&w->file);
    if (w->temporary[0])
        (void)unlinkat(w->place.folder, w->temporary, 0);
    if (w->place.folder > 0)
        place_free(&w->place);
}

const struct operation_kind file_write_kind = {.type = FRAME_WRITE,
                                               .size = sizeof(struct writing),
                                               .begin = begin,
                                               .frame = frame,
                                               .free = release};
