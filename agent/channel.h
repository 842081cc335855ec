/* SPDX-License-Identifier: MIT */
/*
 * The agent's end of the channel to the supervisor: frames in over what was its stdin, frames out
 * over what was its stdout.
 */
#ifndef AGENT_CHANNEL_H
#define AGENT_CHANNEL_H

#include "wire/fields.h"

#include <sys/types.h>

struct channel {
    int from;
    int to;
    int staging[2]; /* a pipe of our own, for channel_splice(); -1 until the first */
    bool copies;    /* splicing is not to be tried: it does not work here, or costs more */
    struct buffer in;
    struct buffer out;
};

/* Takes stdin and stdout away from everybody else: moves them to fds that no child inherits, and
 * puts /dev/null in their place. -1 with errno. */
int channel_open(struct channel *c);

/* One read of what has come. 1: there was something; 0: nothing yet; -1: the supervisor is gone. */
int channel_fill(struct channel *c);

/* Queues a frame. -1: no room or memory (the agent is of no use then). */
int channel_send(struct channel *c, enum frame_type type, const void *payload, size_t length);
int channel_send_fields(struct channel *c, enum frame_type type, const struct buffer *fields);

/* For raw frames that are read straight into the queue: room for `length` bytes of payload behind a
 * header, then the header once it is known how many came. */
char *channel_reserve(struct channel *c, size_t length);
void channel_commit(struct channel *c, enum frame_type type, size_t length);

/*
 * Sends up to `max` bytes of an open file as one DATA frame, without a copy of them, and waits for the pipe to take
 * them. The bytes sent; 0 at the file's end; CHANNEL_COPY when this is not to be had and nothing was sent, so that
 * read() has to do, and to say what is wrong; CHANNEL_GONE.
 */
enum { CHANNEL_COPY = -1, CHANNEL_GONE = -2 };
ssize_t channel_splice(struct channel *c, int file, size_t max);

/* Writes what the pipe takes. -1: the supervisor is gone. */
int channel_flush(struct channel *c);

/* Waits until all is written. -1: the supervisor is gone, or has read nothing for minutes. */
int channel_drain(struct channel *c);

#endif
