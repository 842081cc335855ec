/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's end of the channel to the agent: two pipes with frames. What comes in is
 * hostile: it is bounded here, and checked where it is used.
 */
#ifndef RUN_AGENT_LINK_H
#define RUN_AGENT_LINK_H

#include "base/error.h"
#include "wire/fields.h"

struct agent_link {
    int to;   /* non-blocking; -1 once closed */
    int from; /* non-blocking; -1 once at its end */
    struct buffer out;
    struct buffer in;
};

#define AGENT_LINK_NONE ((struct agent_link){.to = -1, .from = -1})

/* The fds are borrowed. */
int agent_link_init(struct agent_link *l, int to, int from, lrun_error *err);
void agent_link_free(struct agent_link *l);

/* Queues a frame. */
int agent_link_send(struct agent_link *l, enum frame_type type, const void *payload, size_t length,
                    lrun_error *err);

/* Writes what the pipe takes. A closed pipe is no error: what the agent said last is still to be
 * read. */
void agent_link_flush(struct agent_link *l);

/* Reads what has come, up to the room that there is. */
void agent_link_fill(struct agent_link *l);

#endif
