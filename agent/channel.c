/* SPDX-License-Identifier: MIT */
#include "channel.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

enum {
    READ_SIZE = 256 * 1024,
    IN_MAX = FRAME_AGENT_MAX + FRAME_HEADER_SIZE + READ_SIZE,
    OUT_MAX = 1024 * 1024,
    FIRST_FD = 10,
    DRAIN_TIMEOUT = 5 * 60000,
};

/* Returns an fd for reading and writing nothing. An image need not have a working /dev/null. */
static int open_nothing(void)
{
    int fd = open("/dev/null", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -1;
    close(ends[1]);
    return ends[0];
}

int channel_open(struct channel *c)
{
    *c = (struct channel){.from = -1, .to = -1, .staging = {-1, -1}};
    buffer_init(&c->in, IN_MAX);
    buffer_init(&c->out, OUT_MAX);
    c->from = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, FIRST_FD);
    c->to = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, FIRST_FD);
    if (c->from < 0 || c->to < 0)
        return -1;
    cleanup_close int nothing = open_nothing();
    if (nothing < 0)
        return -1;
    if (dup2(nothing, STDIN_FILENO) < 0 || dup2(nothing, STDOUT_FILENO) < 0)
        return -1;
    /* stderr is the runtime's text channel and stays. If it is closed, its number must be taken,
     * because a pipe of the command would get it. */
    if (fcntl(STDERR_FILENO, F_GETFD) < 0 && dup2(nothing, STDERR_FILENO) < 0)
        return -1;
    if (nothing <= STDERR_FILENO)
        steal_fd(&nothing);
    return io_set_nonblock(c->from, true) < 0 || io_set_nonblock(c->to, true) < 0 ? -1 : 0;
}

int channel_fill(struct channel *c)
{
    char *to = buffer_reserve(&c->in, READ_SIZE);
    if (!to)
        return -1;
    ssize_t n = read(c->from, to, READ_SIZE);
    if (n > 0) {
        buffer_commit(&c->in, (size_t)n);
        return 1;
    }
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

int channel_send(struct channel *c, enum frame_type type, const void *payload, size_t length)
{
    return frame_append(&c->out, type, payload, length) ? 0 : -1;
}

int channel_send_fields(struct channel *c, enum frame_type type, const struct buffer *fields)
{
    return channel_send(c, type, buffer_data(fields), buffer_length(fields));
}

char *channel_reserve(struct channel *c, size_t length)
{
    char *to = buffer_reserve(&c->out, FRAME_HEADER_SIZE + length);
    return to ? to + FRAME_HEADER_SIZE : NULL;
}

void channel_commit(struct channel *c, enum frame_type type, size_t length)
{
    /* channel_reserve() has not moved the end of the queue, so the header goes there. */
    frame_header(c->out.data + c->out.end, type, (uint32_t)length);
    buffer_commit(&c->out, FRAME_HEADER_SIZE + length);
}

int channel_flush(struct channel *c)
{
    while (buffer_length(&c->out) > 0) {
        ssize_t n = write(c->to, buffer_data(&c->out), buffer_length(&c->out));
        if (n > 0)
            buffer_consume(&c->out, (size_t)n);
        else if (n < 0 && errno == EAGAIN)
            return 0;
        else if (n == 0 || errno != EINTR)
            return -1;
    }
    return 0;
}

int channel_drain(struct channel *c)
{
    if (io_write_all(c->to, buffer_data(&c->out), buffer_length(&c->out),
                     clock_ms() + DRAIN_TIMEOUT) < 0)
        return -1;
    buffer_clear(&c->out);
    return 0;
}

/* Sends the staged bytes by copying them through memory. Returns 0 or -1. */
static int copy_staged(struct channel *c, size_t length)
{
    char chunk[16 * 1024];
    while (length > 0) {
        ssize_t n = read(c->staging[0], chunk, length < sizeof(chunk) ? length : sizeof(chunk));
        if (n <= 0 || io_write_all(c->to, chunk, (size_t)n, clock_ms() + DRAIN_TIMEOUT) < 0)
            return -1;
        length -= (size_t)n;
    }
    return 0;
}

static int send_staged(struct channel *c, size_t length)
{
    int64_t deadline = clock_ms() + DRAIN_TIMEOUT;
    while (length > 0) {
        ssize_t n = splice(c->staging[0], NULL, c->to, NULL, length, SPLICE_F_MOVE);
        if (n > 0) {
            length -= (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            if (io_wait(c->to, POLLOUT, deadline) < 0)
                return -1;
        } else if (n < 0 && errno == EINVAL) {
            /* The channel is not a pipe but the port of a VM, or a pipe of another kernel. */
            c->copies = true;
            return copy_staged(c, length);
        } else if (n == 0 || errno != EINTR) {
            return -1;
        }
    }
    return 0;
}

ssize_t channel_splice(struct channel *c, int file, size_t max)
{
    if (!c->copies && c->staging[0] < 0) {
        c->copies = pipe2(c->staging, O_CLOEXEC | O_NONBLOCK) < 0;
        if (!c->copies)
            fcntl(c->staging[0], F_SETPIPE_SZ, FRAME_DATA_MAX);
    }
    if (c->copies)
        return CHANNEL_COPY;
    /* The bytes go through the agent's own pipe first, because the frame's header precedes them and
     * says how many there are. */
    ssize_t n = splice(file, NULL, c->staging[1], NULL, max, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n <= 0)
        return n < 0 ? CHANNEL_COPY : 0;
    char header[FRAME_HEADER_SIZE];
    frame_header(header, FRAME_DATA, (uint32_t)n);
    if (!buffer_append(&c->out, header, sizeof(header)) || channel_drain(c) < 0 ||
        send_staged(c, (size_t)n) < 0)
        return CHANNEL_GONE;
    return n;
}
