/* SPDX-License-Identifier: MIT */
#include "lines.h"

#include <string.h>

void lines_init(struct lines *l, lrun_stream stream, lrun_output_fn deliver, void *user)
{
    *l = (struct lines){.stream = stream, .deliver = deliver, .user = user};
    buffer_init(&l->held, LINES_MAX);
}

void lines_free(struct lines *l)
{
    buffer_free(&l->held);
}

static void deliver_held(struct lines *l)
{
    l->deliver(l->user, l->stream, buffer_data(&l->held), buffer_length(&l->held));
    buffer_clear(&l->held);
}

/* Holds bytes without a newline. If they do not fit, the bytes held so far are delivered as a part
 * of the line: either the buffer is full because the line is too long, or memory is out. */
static void hold(struct lines *l, const char *data, size_t length)
{
    while (length > 0 && l->deliver) {
        size_t room = buffer_room(&l->held);
        size_t take = length < room ? length : room;
        if (take > 0 && buffer_append(&l->held, data, take)) {
            data += take;
            length -= take;
        } else if (buffer_length(&l->held) > 0) {
            deliver_held(l);
        } else {
            l->deliver(l->user, l->stream, data, length);
            return;
        }
    }
}

void lines_push(struct lines *l, const char *data, size_t length)
{
    /* A delivery may have removed the receiver. */
    while (length > 0 && l->deliver) {
        const char *newline = memchr(data, '\n', length);
        if (!newline) {
            hold(l, data, length);
            return;
        }
        size_t line = (size_t)(newline - data);
        if (buffer_length(&l->held) == 0 && line <= LINES_MAX) {
            /* The usual case: the line is complete, and is delivered in place. */
            l->deliver(l->user, l->stream, data, line);
        } else {
            hold(l, data, line);
            if (l->deliver)
                deliver_held(l);
        }
        data = newline + 1;
        length -= line + 1;
    }
}

void lines_finish(struct lines *l)
{
    if (l->deliver && buffer_length(&l->held) > 0)
        deliver_held(l);
}
