/* SPDX-License-Identifier: MIT */
#include "run/agent_link.h"

#include "base/io.h"

#include <errno.h>
#include <unistd.h>

/* Room for the longest frame, and for a second one that arrives while the first is handled. */
enum { QUEUE_MAX = 2 * (FRAME_AGENT_MAX + FRAME_HEADER_SIZE), READ_SIZE = 256 * 1024 };

int agent_link_init(struct agent_link *l, int to, int from, lrun_error *err)
{
    *l = (struct agent_link){.to = to, .from = from};
    buffer_init(&l->out, QUEUE_MAX);
    buffer_init(&l->in, QUEUE_MAX);
    if (io_set_nonblock(to, true) < 0 || io_set_nonblock(from, true) < 0)
        return error_errno(err, LRUN_INTERNAL, "agent.link", errno, "cannot set up the channel");
    return 0;
}

void agent_link_free(struct agent_link *l)
{
    buffer_free(&l->out);
    buffer_free(&l->in);
    l->to = l->from = -1;
}

int agent_link_send(struct agent_link *l, enum frame_type type, uint16_t command,
                    const void *payload, size_t length, lrun_error *err)
{
    if (!frame_append(&l->out, type, command, payload, length))
        return error_oom(err, "agent.send");
    return 0;
}

void agent_link_flush(struct agent_link *l)
{
    while (l->to >= 0 && buffer_length(&l->out) > 0) {
        ssize_t n = write(l->to, buffer_data(&l->out), buffer_length(&l->out));
        if (n > 0) {
            buffer_consume(&l->out, (size_t)n);
        } else if (errno == EINTR) {
            continue;
        } else if (errno == EAGAIN) {
            return;
        } else {
            l->to = -1;
        }
    }
    if (l->to < 0)
        buffer_clear(&l->out);
}

void agent_link_fill(struct agent_link *l)
{
    while (l->from >= 0 && buffer_room(&l->in) >= READ_SIZE) {
        char *to = buffer_reserve(&l->in, READ_SIZE);
        if (!to)
            return;
        ssize_t n = read(l->from, to, READ_SIZE);
        if (n > 0) {
            buffer_commit(&l->in, (size_t)n);
            /* One read at a time, so that the other fds of the loop get their turn. */
            return;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        l->from = -1;
    }
}
