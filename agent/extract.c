/* SPDX-License-Identifier: MIT */
#include "extract.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "walk.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>

enum { TAR_BLOCK = 512, QUEUE_ENOUGH = 256 * 1024 };

/* Below this number of bytes, copying costs less than splicing. */
enum { SPLICE_WORTH = 64 * 1024 };

struct extract {
    struct channel *channel;
    const char *path;
    uint64_t max;
    uint64_t bytes; /* in this pass */
    struct buffer fields;
    struct walk walk;
    char reason[512];
};

/* Queues a frame with `fields` and empties them. If much is queued, waits until it is sent. */
static int send_fields(struct extract *x, enum frame_type type)
{
    int failed = channel_send_fields(x->channel, type, &x->fields);
    buffer_clear(&x->fields);
    if (!failed && buffer_length(&x->channel->out) >= QUEUE_ENOUGH)
        failed = channel_drain(x->channel);
    return failed;
}

static int send_verdict(struct extract *x, enum frame_type type, const char *status)
{
    if (!fields_add(&x->fields, "status", status) ||
        (strcmp(status, "error") == 0 && !fields_add(&x->fields, "reason", x->reason)))
        return -1;
    return send_fields(x, type);
}

static int send_begin(struct extract *x, const char *kind)
{
    if (!fields_add(&x->fields, "kind", kind) || !fields_add_u64(&x->fields, "bytes", x->bytes))
        return -1;
    return send_verdict(x, FRAME_EXTRACT_BEGIN, "ok");
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

static int send_entry(struct extract *x, const char *path, const struct stat *st)
{
    char mode[16];
    snprintf(mode, sizeof(mode), "%o", (unsigned)st->st_mode & 0777);
    if (!fields_add(&x->fields, "kind", S_ISDIR(st->st_mode) ? "dir" : "file") ||
        !fields_add(&x->fields, "path", path) || !fields_add(&x->fields, "mode", mode) ||
        !fields_add_time(&x->fields, st->st_mtim))
        return -1;
    return send_fields(x, FRAME_ENTRY);
}

/* Queues a piece of a file. Returns the same as channel_splice(), but -1 with errno means that the
 * file cannot be read. */
static ssize_t copy_piece(struct channel *c, int fd, size_t max)
{
    char *to = channel_reserve(c, max);
    if (!to)
        return CHANNEL_GONE;
    ssize_t n;
    while ((n = read(fd, to, max)) < 0 && errno == EINTR)
        ;
    if (n <= 0)
        return n;
    channel_commit(c, FRAME_DATA, (size_t)n);
    if (buffer_length(&c->out) >= QUEUE_ENOUGH && channel_drain(c) < 0)
        return CHANNEL_GONE;
    return n;
}

/*
 * Sends the file's bytes, up to the size that was charged. Returns 1 if the file is complete, 0 if
 * it could not be read to its end (the supervisor is told), -1 if the channel is broken.
 */
static int send_data(struct extract *x, int fd, const char *path, const struct stat *st)
{
    uint64_t left = (uint64_t)st->st_size;
    int errnum = 0;
    while (left > 0) {
        size_t want = left < FRAME_DATA_MAX ? (size_t)left : FRAME_DATA_MAX;
        ssize_t n = want < SPLICE_WORTH ? CHANNEL_COPY : channel_splice(x->channel, fd, want);
        if (n == CHANNEL_COPY)
            n = copy_piece(x->channel, fd, want);
        if (n == CHANNEL_GONE)
            return -1;
        if (n <= 0) {
            errnum = n < 0 ? errno : 0; /* a file that has become shorter is not an error */
            break;
        }
        left -= (uint64_t)n;
    }
    if (errnum) {
        snprintf(x->reason, sizeof(x->reason), "cannot read '%.300s': %s", path, strerror(errnum));
        if (!fields_add(&x->fields, "error", x->reason))
            return -1;
    }
    return send_fields(x, FRAME_ENTRY_END) < 0 ? -1 : errnum == 0;
}

static int send_tree(struct extract *x, int fd)
{
    x->bytes = 0;
    int more = walk_begin(&x->walk, fd, true, x->reason, sizeof(x->reason));
    while (more >= 0 && (more = walk_next(&x->walk, x->reason, sizeof(x->reason))) > 0) {
        const struct walk *w = &x->walk;
        if (!charge(x, &w->st)) {
            more = -1;
            break;
        }
        int sent = send_entry(x, w->path, &w->st);
        if (!sent && w->file >= 0) {
            int complete = send_data(x, w->file, w->path, &w->st);
            sent = complete < 0 ? -1 : 0;
            more = complete ? 1 : -1;
        }
        if (sent < 0) {
            walk_end(&x->walk);
            return -1;
        }
    }
    walk_end(&x->walk);
    return send_verdict(x, FRAME_EXTRACT_END, more < 0 ? "error" : "ok");
}

/* ---------------------------------------------------------------- one path */

static int refuse(struct extract *x, const char *what)
{
    snprintf(x->reason, sizeof(x->reason), "'%.300s' is %s", x->path, what);
    return send_verdict(x, FRAME_EXTRACT_BEGIN, "error");
}

static int extract_file(struct extract *x, int fd, const struct stat *st)
{
    if (!charge(x, st))
        return send_verdict(x, FRAME_EXTRACT_BEGIN, "error");
    const char *name = strrchr(x->path, '/') + 1;
    if (send_begin(x, "file") < 0 || send_entry(x, name, st) < 0)
        return -1;
    int complete = send_data(x, fd, x->path, st);
    if (complete < 0)
        return -1;
    return send_verdict(x, FRAME_EXTRACT_END, complete ? "ok" : "error");
}

static int extract_folder(struct extract *x, int *fd)
{
    int more = -1;
    cleanup_close int again = openat(*fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (again < 0)
        snprintf(x->reason, sizeof(x->reason), "cannot read '%.300s': %s", x->path,
                 strerror(errno));
    else
        more = walk_begin(&x->walk, steal_fd(fd), false, x->reason, sizeof(x->reason));
    if (more == 0) {
        while ((more = walk_next(&x->walk, x->reason, sizeof(x->reason))) > 0) {
            if (!charge(x, &x->walk.st)) {
                more = -1;
                break;
            }
        }
        walk_end(&x->walk);
    }
    if (more < 0)
        return send_verdict(x, FRAME_EXTRACT_BEGIN, "error");
    return send_begin(x, "dir") < 0 ? -1 : send_tree(x, steal_fd(&again));
}

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

static int cannot_read(struct extract *x)
{
    if (errno == ENOENT || errno == ENOTDIR)
        return send_verdict(x, FRAME_EXTRACT_BEGIN, "missing");
    snprintf(x->reason, sizeof(x->reason), "cannot read '%.300s': %s", x->path, strerror(errno));
    return send_verdict(x, FRAME_EXTRACT_BEGIN, "error");
}

static int extract_path(struct extract *x)
{
    /* Check the kind before opening: opening a device or a fifo has side effects. */
    struct stat st;
    if (fstatat(AT_FDCWD, x->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return cannot_read(x);
    const char *refused = kind_refused(st.st_mode);
    if (refused)
        return refuse(x, refused);
    cleanup_close int fd = open(x->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return cannot_read(x);
    refused = kind_refused(st.st_mode);
    if (refused)
        return refuse(x, refused);
    if (walk_is_pseudo(fd))
        return refuse(x, "in one of the kernel's own file systems, which are not extracted");
    return S_ISDIR(st.st_mode) ? extract_folder(x, &fd) : extract_file(x, fd, &st);
}

int extract_run(struct channel *channel, const char *path, uint64_t max)
{
    /* The walk needs one fd per level of the tree. No program of the user is started after this, so
     * none inherits the higher limit. */
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    cleanup_free struct extract *x = calloc(1, sizeof(*x));
    if (!x)
        return -1;
    x->channel = channel;
    x->path = path;
    x->max = max;
    buffer_init(&x->fields, FRAME_AGENT_MAX);
    int failed = extract_path(x);
    buffer_free(&x->fields);
    return failed ? -1 : channel_drain(channel);
}
