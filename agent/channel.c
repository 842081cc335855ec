/* SPDX-License-Identifier: MIT */
#include "agent.h"

#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { QUEUE_MAX = 2 * (FRAME_AGENT_MAX + FRAME_HEADER_SIZE) };

_Noreturn void agent_end(int code)
{
    /* As PID 1 of the sandbox our end takes everything along; outside of one this does. */
    if (getpid() == 1)
        kill(-1, SIGKILL);
    _exit(code);
}

void channel_init(struct channel *c)
{
    /* Away from 0 and 1, so that nothing else is ever written into the stream, and out of the reach of
     * what is executed. */
    c->in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 100);
    c->out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 100);
    if (c->in < 0 || c->out < 0)
        _exit(1);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        if (null > STDERR_FILENO)
            close(null);
    } else {
        close(STDIN_FILENO);
        close(STDOUT_FILENO);
    }
    io_set_nonblock(c->in, true);
    io_set_nonblock(c->out, true);
    buffer_init(&c->incoming, QUEUE_MAX);
    buffer_init(&c->outgoing, QUEUE_MAX);
}

void channel_flush(struct channel *c)
{
    while (buffer_length(&c->outgoing) > 0) {
        ssize_t n = write(c->out, buffer_data(&c->outgoing), buffer_length(&c->outgoing));
        if (n > 0)
            buffer_consume(&c->outgoing, (size_t)n);
        else if (errno == EAGAIN)
            return;
        else if (errno != EINTR)
            agent_end(1);
    }
}

void channel_drain(struct channel *c)
{
    channel_flush(c);
    while (buffer_length(&c->outgoing) > 0) {
        /* No deadline: the supervisor has one, and ends us by closing the pipes. */
        struct pollfd p = {.fd = c->out, .events = POLLOUT};
        poll(&p, 1, -1);
        channel_flush(c);
    }
}

void channel_send(struct channel *c, enum frame_type type, const struct buffer *fields)
{
    const char *payload = fields ? buffer_data(fields) : NULL;
    size_t length = fields ? buffer_length(fields) : 0;
    if (frame_append(&c->outgoing, type, payload, length))
        return;
    channel_drain(c);
    if (!frame_append(&c->outgoing, type, payload, length))
        agent_end(1);
}

_Noreturn void channel_fail(struct channel *c, const char *operation, int errnum, const char *format, ...)
{
    char message[512], text[128];
    va_list ap;
    va_start(ap, format);
    vsnprintf(message, sizeof(message), format, ap);
    va_end(ap);
    struct buffer fields;
    buffer_init(&fields, 4096);
    if (errnum) {
        size_t used = strlen(message);
        snprintf(message + used, sizeof(message) - used, ": %s",
                 strerror_r(errnum, text, sizeof(text)));
    }
    fields_add(&fields, "operation", operation);
    fields_add(&fields, "message", message);
    fields_add_u64(&fields, "errno", (uint64_t)errnum);
    channel_send(c, FRAME_FAILED, &fields);
    channel_drain(c);
    agent_end(1);
}
