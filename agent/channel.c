/* SPDX-License-Identifier: MIT */
#include "channel.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum {
    READ_SIZE = 256 * 1024,
    IN_MAX = FRAME_AGENT_MAX + FRAME_HEADER_SIZE + READ_SIZE,
    OUT_MAX = 1024 * 1024,
    OUT_ENOUGH = 256 * 1024,
    SPLICE_WORTH = 64 * 1024, /* for fewer bytes, copying costs less */
    FIRST_FD = 10,
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

int channel_send(struct channel *c, enum frame_type type, uint16_t command, const void *payload,
                 size_t length)
{
    return frame_append(&c->out, type, command, payload, length) ? 0 : -1;
}

int channel_send_fields(struct channel *c, enum frame_type type, uint16_t command,
                        const struct buffer *fields)
{
    return channel_send(c, type, command, buffer_data(fields), buffer_length(fields));
}

char *channel_reserve(struct channel *c, size_t length)
{
    char *to = buffer_reserve(&c->out, FRAME_HEADER_SIZE + length);
    return to ? to + FRAME_HEADER_SIZE : NULL;
}

void channel_commit(struct channel *c, enum frame_type type, uint16_t command, size_t length)
{
    /* channel_reserve() has not moved the end of the queue, so the header goes there. */
    frame_header(c->out.data + c->out.end, type, command, (uint32_t)length);
    buffer_commit(&c->out, FRAME_HEADER_SIZE + length);
}

bool channel_has_room(const struct channel *c)
{
    return c->staged == 0 && buffer_length(&c->out) < OUT_ENOUGH;
}

bool channel_is_pending(const struct channel *c)
{
    return c->staged > 0 || buffer_length(&c->out) > 0;
}

/* Moves the staged bytes to the front of the queue: the channel is not a pipe but the port of a VM,
 * or a pipe of another kernel. */
static int copy_staged(struct channel *c)
{
    struct buffer all;
    buffer_init(&all, OUT_MAX);
    char *to = buffer_reserve(&all, c->staged);
    size_t have = 0;
    while (to && have < c->staged) {
        ssize_t n = read(c->staging[0], to + have, c->staged - have);
        if (n > 0)
            have += (size_t)n;
        else if (n == 0 || errno != EINTR)
            to = NULL;
    }
    if (to)
        buffer_commit(&all, have);
    if (!to || !buffer_append(&all, buffer_data(&c->out), buffer_length(&c->out))) {
        buffer_free(&all);
        return -1;
    }
    buffer_free(&c->out);
    c->out = all;
    c->staged = 0;
    c->copies = true;
    return 0;
}

/* Writes once. Returns 1 if something was written, 0 if the pipe is full, -1 if it is broken. */
static int flush_some(struct channel *c)
{
    size_t first = c->staged > 0 ? c->before : buffer_length(&c->out);
    ssize_t n = first > 0 ? write(c->to, buffer_data(&c->out), first)
                          : splice(c->staging[0], NULL, c->to, NULL, c->staged,
                                   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n > 0 && first > 0) {
        buffer_consume(&c->out, (size_t)n);
        c->before -= c->staged > 0 ? (size_t)n : 0;
    } else if (n > 0) {
        c->staged -= (size_t)n;
    } else if (n < 0 && errno == EAGAIN) {
        return 0;
    } else if (n < 0 && errno == EINVAL && first == 0) {
        return copy_staged(c) < 0 ? -1 : 1;
    } else if (n == 0 || errno != EINTR) {
        return -1;
    }
    return 1;
}

int channel_flush(struct channel *c)
{
    int wrote = 1;
    while (wrote > 0 && channel_is_pending(c))
        wrote = flush_some(c);
    return wrote < 0 ? -1 : 0;
}

/* Returns CHANNEL_FULL, the number of bytes, or -1 if the file cannot be spliced. */
static ssize_t stage(struct channel *c, uint16_t command, int file, size_t max)
{
    if (!c->copies && c->staging[0] < 0) {
        c->copies = pipe2(c->staging, O_CLOEXEC | O_NONBLOCK) < 0;
        if (!c->copies)
            fcntl(c->staging[0], F_SETPIPE_SZ, FRAME_DATA_MAX);
    }
    if (c->copies)
        return -1;
    /* The bytes go through the agent's own pipe first, because the frame's header precedes them and
     * says how many there are. */
    ssize_t n = splice(file, NULL, c->staging[1], NULL, max, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n <= 0)
        return n;
    char header[FRAME_HEADER_SIZE];
    frame_header(header, FRAME_DATA, command, (uint32_t)n);
    if (!buffer_append(&c->out, header, sizeof(header)))
        return CHANNEL_FULL;
    c->staged = (size_t)n;
    c->before = buffer_length(&c->out);
    return n;
}

ssize_t channel_send_file(struct channel *c, uint16_t command, int file, size_t max)
{
    ssize_t n = max < SPLICE_WORTH ? -1 : stage(c, command, file, max);
    if (n != -1)
        return n;
    /* read() also tells why the file could not be spliced. */
    char *to = channel_reserve(c, max);
    if (!to)
        return CHANNEL_FULL;
    while ((n = read(file, to, max)) < 0 && errno == EINTR)
        continue;
    if (n > 0)
        channel_commit(c, FRAME_DATA, command, (size_t)n);
    return n < 0 ? -1 : n;
}
