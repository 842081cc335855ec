/* SPDX-License-Identifier: MIT */
/*
 * EXTRACT: copies files out of the sandbox.
 *
 * A first pass adds up the size that the tree would have as a tar archive: 512 bytes for each
 * entry, and its data rounded up to 512. If the sum is over the limit, the answer is an error and
 * no file is sent. The second pass sends the tree and checks the limit again, because files may
 * have grown since the first pass.
 */
#include "operation.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "file_limit.h"
#include "walk.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

enum { TAR_BLOCK = 512 };

/* How many entries the first pass adds up in one step. */
enum { ENTRIES = 64 };

enum phase { NOT_BEGUN, MEASURING, WALKING, SENDING };

struct extract {
    char *path; /* whole */
    uint64_t max;
    uint64_t bytes; /* in this pass */
    enum phase phase;
    int again;     /* the folder, for the second pass */
    int file;      /* what is being sent; that of the walk, or `single` */
    int single;    /* if the path is a file */
    uint64_t left; /* of that file, up to the size that was charged */
    struct walk walk;
    char reason[512];
};

static enum operation_outcome end(struct operation *op, const char *reason)
{
    return operation_fail(op, 0, "%s", reason);
}

/* The status of BEGIN says whether END follows. */
static bool finish(struct operation *op)
{
    const struct extract *x = op->own;
    bool begun = x->phase == WALKING || x->phase == SENDING;
    bool missing = !begun && (op->errnum == ENOENT || op->errnum == ENOTDIR);
    buffer_clear(&op->fields);
    if (x->phase == SENDING &&
        (!fields_add(&op->fields, "error", op->reason) || operation_send(op, FRAME_ENTRY_END) < 0))
        return false;
    const char *status = !op->failed ? "ok" : missing ? "missing" : "error";
    return fields_add(&op->fields, "status", status) &&
           (!op->failed || missing || fields_add(&op->fields, "reason", op->reason)) &&
           operation_send(op, begun ? FRAME_EXTRACT_END : FRAME_EXTRACT_BEGIN) == OPERATION_GOES_ON;
}

static enum operation_outcome send_begin(struct operation *op, const char *kind)
{
    const struct extract *x = op->own;
    return fields_add(&op->fields, "kind", kind) &&
                   fields_add_u64(&op->fields, "bytes", x->bytes) &&
                   fields_add(&op->fields, "status", "ok")
               ? operation_send(op, FRAME_EXTRACT_BEGIN)
               : OPERATION_BROKEN;
}

/* Adds an entry to the bytes of this pass. Returns false, and sets the reason, if that exceeds the
 * limit. */
static bool charge(struct extract *x, const struct stat *st)
{
    uint64_t bytes = TAR_BLOCK, data = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0;
    if (!__builtin_add_overflow(data, TAR_BLOCK - 1, &data) &&
        !__builtin_add_overflow(bytes, data / TAR_BLOCK * TAR_BLOCK, &bytes) &&
        bytes <= x->max - x->bytes) {
        x->bytes += bytes;
        return true;
    }
    snprintf(x->reason, sizeof(x->reason), "over the limit of %" PRIu64 " bytes", x->max);
    return false;
}

/* ---------------------------------------------------------------- the sending pass */

/* Sends the ENTRY. The data of a file follows in later steps. */
static enum operation_outcome send_entry(struct operation *op, const char *path,
                                         const struct stat *st, int file)
{
    struct extract *x = op->own;
    char mode[16];
    snprintf(mode, sizeof(mode), "%o", (unsigned)st->st_mode & 0777);
    if (!fields_add(&op->fields, "kind", S_ISDIR(st->st_mode) ? "dir" : "file") ||
        !fields_add(&op->fields, "path", path) || !fields_add(&op->fields, "mode", mode) ||
        !fields_add_time(&op->fields, st->st_mtim))
        return OPERATION_BROKEN;
    if (file >= 0) {
        x->file = file;
        x->left = (uint64_t)st->st_size;
        x->phase = SENDING;
    }
    return operation_send(op, FRAME_ENTRY);
}

/* Sends one piece of a file, or its end. */
static enum operation_outcome send_piece(struct operation *op)
{
    struct extract *x = op->own;
    size_t want = x->left < FRAME_DATA_MAX ? (size_t)x->left : FRAME_DATA_MAX;
    ssize_t n = want == 0 ? 0 : channel_send_file(op->channel, op->number, x->file, want);
    int errnum = n < 0 ? errno : 0;
    if (n == CHANNEL_FULL)
        return OPERATION_BROKEN;
    if (n > 0) {
        x->left -= (uint64_t)n;
        return OPERATION_GOES_ON;
    }
    /* A file that has become shorter is not an error. */
    if (errnum) {
        snprintf(x->reason, sizeof(x->reason), "cannot read '%.300s': %s",
                 x->single >= 0 ? x->path : x->walk.path, strerror(errnum));
        if (!fields_add(&op->fields, "error", x->reason))
            return OPERATION_BROKEN;
    }
    if (operation_send(op, FRAME_ENTRY_END) < 0)
        return OPERATION_BROKEN;
    x->phase = WALKING;
    if (errnum)
        return end(op, x->reason);
    return x->single >= 0 ? OPERATION_ENDS : OPERATION_GOES_ON;
}

static enum operation_outcome send_next(struct operation *op)
{
    struct extract *x = op->own;
    int more = walk_next(&x->walk, x->reason, sizeof(x->reason));
    if (more == 0)
        return OPERATION_ENDS;
    if (more < 0 || !charge(x, &x->walk.st))
        return end(op, x->reason);
    return send_entry(op, x->walk.path, &x->walk.st, x->walk.file);
}

/* ---------------------------------------------------------------- the first pass */

static enum operation_outcome begin_sending(struct operation *op)
{
    struct extract *x = op->own;
    enum operation_outcome outcome = send_begin(op, "dir");
    walk_end(&x->walk);
    x->phase = WALKING;
    x->bytes = 0;
    if (walk_begin(&x->walk, steal_fd(&x->again), true, x->reason, sizeof(x->reason)) < 0)
        return outcome < 0 ? outcome : end(op, x->reason);
    return outcome;
}

static enum operation_outcome measure(struct operation *op)
{
    struct extract *x = op->own;
    for (int n = 0; n < ENTRIES; n++) {
        int more = walk_next(&x->walk, x->reason, sizeof(x->reason));
        if (more == 0)
            return begin_sending(op);
        if (more < 0 || !charge(x, &x->walk.st))
            return end(op, x->reason);
    }
    return OPERATION_GOES_ON;
}

static enum operation_outcome step(struct operation *op)
{
    const struct extract *x = op->own;
    return (x->phase == MEASURING ? measure : x->phase == SENDING ? send_piece : send_next)(op);
}

/* ---------------------------------------------------------------- one path */

static const char *kind_refused(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
    case S_IFDIR:
        return NULL;
    case S_IFLNK:
        return "a symbolic link; links are not extracted";
    case S_IFIFO:
        return "a fifo; only files and folders are extracted";
    case S_IFSOCK:
        return "a socket; only files and folders are extracted";
    default:
        return "a device; only files and folders are extracted";
    }
}

static const char pseudo[] = "in one of the kernel's own file systems, which are not extracted";

static enum operation_outcome refuse(struct operation *op, const char *what)
{
    const struct extract *x = op->own;
    return operation_fail(op, EINVAL, "'%.300s' is %s", x->path, what);
}

static enum operation_outcome begin_file(struct operation *op, int *fd, const struct stat *st)
{
    struct extract *x = op->own;
    if (!charge(x, st))
        return end(op, x->reason);
    x->single = steal_fd(fd);
    if (send_begin(op, "file") < 0)
        return OPERATION_BROKEN;
    return send_entry(op, strrchr(x->path, '/') + 1, st, x->single);
}

static enum operation_outcome begin_folder(struct operation *op, int *fd)
{
    struct extract *x = op->own;
    file_limit_raise();
    x->again = openat(*fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (x->again < 0)
        return operation_cannot(op, "read", x->path);
    if (walk_begin(&x->walk, steal_fd(fd), false, x->reason, sizeof(x->reason)) < 0)
        return end(op, x->reason);
    x->phase = MEASURING;
    return OPERATION_GOES_ON;
}

static enum operation_outcome begin_place(struct operation *op, const struct place *p)
{
    struct extract *x = op->own;
    /* Check the kind before opening: opening a device or a fifo has side effects. */
    struct stat st;
    if (fstatat(p->folder, p->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return operation_cannot(op, "read", x->path);
    const char *refused = kind_refused(st.st_mode);
    if (refused)
        return refuse(op, refused);
    cleanup_close int fd =
        openat(p->folder, p->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return operation_cannot(op, "read", x->path);
    refused = kind_refused(st.st_mode);
    if (refused)
        return refuse(op, refused);
    if (walk_is_pseudo(fd))
        return refuse(op, pseudo);
    return S_ISDIR(st.st_mode) ? begin_folder(op, &fd) : begin_file(op, &fd, &st);
}

static enum operation_outcome begin(struct operation *op, const struct frame *f)
{
    struct extract *x = op->own;
    const char *path = fields_get(f, "path");
    x->again = x->single = x->walk.file = -1;
    if (!path || !fields_get_u64(f, "max", &x->max))
        return operation_fail(op, EINVAL, "EXTRACT needs a path and a number `max`");
    x->path = text_path_join(op->workdir->path, path);
    if (!x->path)
        return OPERATION_BROKEN;
    struct place place;
    if (place_find(&place, op->workdir, op->user, path, PLACE_LOOK) < 0)
        return errno == EXDEV ? refuse(op, pseudo) : operation_cannot(op, "read", x->path);
    enum operation_outcome outcome = begin_place(op, &place);
    place_free(&place);
    return outcome;
}

static void release(struct operation *op)
{
    struct extract *x = op->own;
    if (!x->path) /* it has not begun */
        return;
    walk_end(&x->walk);
    cleanup_close_fd(&x->again);
    cleanup_close_fd(&x->single);
    free(x->path);
}

const struct operation_kind extract_kind = {.type = FRAME_EXTRACT,
                                            .size = sizeof(struct extract),
                                            .begin = begin,
                                            .step = step,
                                            .finish = finish,
                                            .free = release};
