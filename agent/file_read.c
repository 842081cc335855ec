/* SPDX-License-Identifier: MIT */
/* READ: sends a part of a file. */
#include "operation.h"

#include "base/cleanup.h"
#include "walk.h"

#include <fcntl.h>
#include <string.h>

struct reading {
    int file; /* a file descriptor is never 0 here: the agent keeps 0 to 2 */
    uint64_t left;
    uint64_t bytes;
};

/* Opens a regular file. Its kind is checked before, because opening a device or a fifo has side
 * effects, and afterwards, because another file may have taken its place. */
static int open_regular(const struct place *place, struct stat *st)
{
    static const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    if (fstatat(place->folder, place->name, st, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    cleanup_close int fd = S_ISREG(st->st_mode) ? openat(place->folder, place->name, flags) : -1;
    if (fd < 0 && S_ISREG(st->st_mode))
        return -1;
    if (fd >= 0 && fstat(fd, st) < 0)
        return -1;
    if (!S_ISREG(st->st_mode) || walk_is_pseudo(fd)) {
        errno = S_ISDIR(st->st_mode) ? EISDIR : EINVAL;
        return -1;
    }
    return steal_fd(&fd);
}

static enum operation_outcome begin(struct operation *op, const struct frame *f)
{
    struct reading *r = op->own;
    const char *path = fields_get(f, "path");
    uint64_t offset = 0;
    r->left = FRAME_FILE_MAX;
    if (!path || (fields_get(f, "offset") && !fields_get_u64(f, "offset", &offset)) ||
        (fields_get(f, "size") && !fields_get_u64(f, "size", &r->left)) || offset > INT64_MAX)
        return operation_fail(op, EINVAL,
                              "READ needs a path, and takes the numbers offset and size");
    if (r->left > FRAME_FILE_MAX)
        return operation_fail(op, EFBIG, "a READ has at most %d bytes", FRAME_FILE_MAX);
    struct place place;
    struct stat st;
    if (place_find(&place, op->workdir, op->user, path, PLACE_FOLLOW) < 0)
        return operation_cannot(op, "read", path);
    r->file = open_regular(&place, &st);
    int errnum = errno;
    place_free(&place);
    errno = errnum;
    if (r->file < 0 && errnum == EINVAL)
        return operation_fail(op, EINVAL, "cannot read '%.300s': it is not a regular file", path);
    if (r->file < 0 || lseek(r->file, (off_t)offset, SEEK_SET) < 0)
        return operation_cannot(op, "read", path);
    return fields_add_u64(&op->fields, "size", (uint64_t)st.st_size) ? OPERATION_GOES_ON
                                                                     : OPERATION_BROKEN;
}

static enum operation_outcome step(struct operation *op)
{
    struct reading *r = op->own;
    size_t want = r->left < FRAME_DATA_MAX ? (size_t)r->left : FRAME_DATA_MAX;
    ssize_t n = want == 0 ? 0 : channel_send_file(op->channel, op->number, r->file, want);
    if (n == CHANNEL_FULL)
        return OPERATION_BROKEN;
    if (n < 0)
        return operation_fail(op, errno, "cannot read the file to its end: %s", strerror(errno));
    r->left -= (uint64_t)n;
    r->bytes += (uint64_t)n;
    if (n > 0)
        return OPERATION_GOES_ON;
    return fields_add_u64(&op->fields, "bytes", r->bytes) ? OPERATION_ENDS : OPERATION_BROKEN;
}

static void release(struct operation *op)
{
    struct reading *r = op->own;
    if (r->file > 0)
        cleanup_close_fd(&r->file);
}

const struct operation_kind file_read_kind = {.type = FRAME_READ,
                                              .size = sizeof(struct reading),
                                              .begin = begin,
                                              .step = step,
                                              .free = release};
