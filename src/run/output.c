/* SPDX-License-Identifier: MIT */
#include "run/output.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "wire/log.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

static const char operation[] = "output.send";

enum { SPOOL_PIECE = 64 * 1024, SPOOL_MEMORY_MAX = 64 << 20 };

/* The header of each piece of output in the log. */
enum { LOG_HEADER_SIZE = FRAME_HEADER_SIZE + LOG_TIME_SIZE };

void output_init(struct output *o, int socket, bool logs, uint64_t max_log_bytes)
{
    *o = (struct output){.socket = socket, .spool = -1, .log = -1};
    output_limit(o, logs, max_log_bytes);
    buffer_init(&o->rest, 2 * (FRAME_CALLER_MAX + FRAME_HEADER_SIZE));
}

void output_limit(struct output *o, bool logs, uint64_t max_log_bytes)
{
    o->logs = logs;
    o->log_left = max_log_bytes;
    if (__builtin_add_overflow(max_log_bytes, OUTPUT_SLACK, &o->kept_max))
        o->kept_max = UINT64_MAX;
}

void output_free(struct output *o)
{
    cleanup_close_fd(&o->spool);
    cleanup_close_fd(&o->log);
    buffer_free(&o->rest);
    o->socket = -1;
}

static const char *spool_folder(void)
{
    const char *folder = secure_getenv("TMPDIR");
    return folder && folder[0] == '/' ? folder : "/tmp";
}

/* If no file can be created (on a read-only root, for example), memory holds some output. */
static int open_spool(struct output *o, lrun_error *err)
{
    if (o->spool >= 0)
        return 0;
    o->spool = open(spool_folder(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (o->spool >= 0)
        return 0;
    o->no_file = errno;
    o->spool = memfd_create("light-runner-output", MFD_CLOEXEC);
    return o->spool >= 0
               ? 0
               : error_errno(err, LRUN_IO_FAILED, operation, errno, "cannot keep output in memory");
}

static int no_room(const struct output *o, int number, lrun_error *err)
{
    if (o->no_file)
        error_errno(err, LRUN_IO_FAILED, operation, o->no_file,
                    "over %d MiB of output wait for the caller, and '%.200s' cannot hold a file",
                    SPOOL_MEMORY_MAX >> 20, spool_folder());
    else
        error_errno(err, LRUN_IO_FAILED, operation, number,
                    "cannot keep output in a file in '%.200s'", spool_folder());
    return error_hint(err, "set TMPDIR to a folder that can be written and has room");
}

static int keep_in_file(struct output *o, const char **data, size_t *length, lrun_error *err)
{
    if (open_spool(o, err) < 0)
        return -1;
    while (*length > 0) {
        ssize_t n = -1;
        errno = ENOSPC;
        if (!o->no_file || o->tail - o->head + (off_t)*length <= SPOOL_MEMORY_MAX)
            n = pwrite(o->spool, *data, *length, o->tail);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return no_room(o, n < 0 ? errno : ENOSPC, err);
        o->tail += n;
        *data += n;
        *length -= (size_t)n;
    }
    return 0;
}

static int keep(struct output *o, const char *data, size_t length, lrun_error *err)
{
    /* Most frames are sent completely, and need no file. */
    if (length == 0)
        return 0;
    /* Once some output is in memory, all later output goes there too, to keep the order. */
    bool in_memory = buffer_length(&o->rest) > 0;
    int rc = in_memory ? 0 : keep_in_file(o, &data, &length, err);
    if (length > 0 && !buffer_append(&o->rest, data, length)) {
        /* The stream cannot continue without the lost bytes. */
        o->socket = -1;
        return rc < 0 ? rc : error_oom(err, operation);
    }
    return rc;
}

/* The loop notices a caller that is gone, by the caller's end of the socket. */
static ssize_t send_some(struct output *o, struct iovec *parts, size_t count)
{
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    ssize_t n;
    do {
        n = sendmsg(o->socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN)
        o->socket = -1;
    return n < 0 ? 0 : n;
}

int output_frame(struct output *o, enum frame_type type, uint16_t command, const void *payload,
                 size_t length, lrun_error *err)
{
    if (o->socket < 0)
        return 0;
    char header[FRAME_HEADER_SIZE];
    frame_header(header, type, command, (uint32_t)length);
    size_t sent = 0;
    output_flush(o);
    if (!output_pending(o)) {
        struct iovec parts[2] = {{header, sizeof(header)}, {(void *)(uintptr_t)payload, length}};
        sent = (size_t)send_some(o, parts, length ? 2 : 1);
    }
    int rc = 0;
    if (sent < sizeof(header)) {
        rc = keep(o, header + sent, sizeof(header) - sent, err);
        sent = sizeof(header);
    }
    /* Even if the header could only be kept in memory: a frame is kept completely. */
    if (keep(o, (const char *)payload + (sent - sizeof(header)), length + sizeof(header) - sent,
             rc < 0 ? NULL : err) < 0)
        rc = -1;
    return rc;
}

static int pass_on(struct output *o, enum frame_type stream, const char *data, size_t length,
                   lrun_error *err)
{
    if (o->log < 0)
        return output_frame(o, stream, FRAME_COMMAND, data, length, err);
    o->log_appends++;
    return log_append(o->log, stream, data, length, err);
}

/*
 * Returns how much of a piece may be kept, given what is kept already. Headers count: if a program
 * writes single bytes, each becomes a piece, and most of what is kept is headers.
 */
static size_t affordable(struct output *o, size_t length)
{
    uint64_t pieces = (length + FRAME_DATA_MAX - 1) / FRAME_DATA_MAX;
    uint64_t headers = o->log >= 0 ? pieces * LOG_HEADER_SIZE : FRAME_HEADER_SIZE;
    uint64_t kept = o->log >= 0 ? o->log_kept : (uint64_t)o->tail;
    if (kept > o->kept_max || headers > o->kept_max - kept)
        return 0;
    uint64_t room = o->kept_max - kept - headers;
    size_t take = length < room ? length : (size_t)room;
    if (o->log >= 0)
        o->log_kept += headers + take;
    return take;
}

int output_log(struct output *o, enum frame_type stream, const char *data, size_t length,
               lrun_error *err)
{
    static const char notice[] = "\nlight-runner: the output is cut here: it is over the limit\n";
    if (!o->logs || o->truncated || length == 0)
        return 0;
    size_t take = affordable(o, length < o->log_left ? length : (size_t)o->log_left);
    o->log_left -= take;
    if (take > 0 && pass_on(o, stream, data, take, err) < 0)
        return -1;
    if (take == length)
        return 0;
    o->truncated = true;
    return pass_on(o, FRAME_LOG_STDERR, notice, sizeof(notice) - 1, err);
}

/* Returns false if the socket accepts no more for now, or is closed. */
static bool flush_file(struct output *o)
{
    char piece[SPOOL_PIECE];
    while (o->socket >= 0 && o->head < o->tail) {
        size_t want = o->tail - o->head < SPOOL_PIECE ? (size_t)(o->tail - o->head) : SPOOL_PIECE;
        ssize_t n = pread(o->spool, piece, want, o->head);
        if (n <= 0) {
            /* The stream cannot continue without the lost bytes. */
            o->socket = -1;
            return false;
        }
        ssize_t sent = send_some(o, &(struct iovec){piece, (size_t)n}, 1);
        if (sent == 0)
            return false;
        o->head += sent;
        /* The spool is memory here: free it at once. */
        if (o->no_file)
            (void)fallocate(o->spool, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, o->head);
    }
    if (o->spool >= 0 && o->tail > 0 && ftruncate(o->spool, 0) == 0)
        o->head = o->tail = 0;
    return o->socket >= 0;
}

void output_flush(struct output *o)
{
    if (!flush_file(o))
        return;
    while (o->socket >= 0 && buffer_length(&o->rest) > 0) {
        struct iovec part = {(void *)(uintptr_t)buffer_data(&o->rest), buffer_length(&o->rest)};
        ssize_t sent = send_some(o, &part, 1);
        if (sent == 0)
            return;
        buffer_consume(&o->rest, (size_t)sent);
    }
}

void output_drain(struct output *o, int64_t deadline)
{
    output_flush(o);
    while (output_pending(o) && clock_ms() < deadline) {
        struct pollfd p = {.fd = o->socket, .events = POLLOUT};
        if (poll(&p, 1, io_poll_timeout(deadline)) < 0 && errno != EINTR)
            return;
        output_flush(o);
    }
}
