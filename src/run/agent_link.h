/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's end of the channel to the agent: two pipes that carry frames. Everything that
 * arrives is hostile: its length is bounded here, and its content is checked where it is used.
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

/* Queues a frame about that command, or FRAME_SANDBOX. */
int agent_link_send(struct agent_link *l, enum frame_type type, uint16_t command,
                    const void *payload, size_t length, lrun_error *err);

/* Writes as much as the pipe accepts. A closed pipe is not an error: the agent's last frames can
 * still be read. */
void agent_link_flush(struct agent_link *l);

/* Reads bytes that have arrived, if the buffer has room for them. */
void agent_link_fill(struct agent_link *l);

#endif
