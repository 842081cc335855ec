/* SPDX-License-Identifier: MIT */
/*
 * The agent's end of the channel to the supervisor. Frames arrive on the fd that was stdin and
 * leave on the fd that was stdout.
 */
#ifndef AGENT_CHANNEL_H
#define AGENT_CHANNEL_H

#include "wire/fields.h"

#include <sys/types.h>

struct channel {
    int from;
    int to;
    int staging[2]; /* the agent's own pipe, for channel_splice(); -1 until its first call */
    bool copies;    /* do not try to splice: it does not work here, or costs more */
    struct buffer in;
    struct buffer out;
};

/* Reserves stdin and stdout for the channel: moves them to fds that no child inherits, and puts
 * /dev/null in their place. Returns 0, or -1 with errno. */
int channel_open(struct channel *c);

/* Reads once. Returns 1 if bytes came, 0 if there are none yet, -1 if the supervisor is gone (or
 * the queue has no room). */
int channel_fill(struct channel *c);

/* Queues a frame. Returns -1 if there is no room or memory; the agent cannot go on then. */
int channel_send(struct channel *c, enum frame_type type, const void *payload, size_t length);
int channel_send_fields(struct channel *c, enum frame_type type, const struct buffer *fields);

/* For raw frames that are read straight into the queue. channel_reserve() makes room for a header
 * and `length` bytes of payload, and returns the place of the payload (NULL: no room).
 * channel_commit() adds the header once the length is known. */
char *channel_reserve(struct channel *c, size_t length);
void channel_commit(struct channel *c, enum frame_type type, size_t length);

/*
 * Sends up to `max` bytes of an open file as one DATA frame without copying them, and waits until
 * the pipe has taken them. Returns the number of bytes sent, 0 at the end of the file, or:
 * CHANNEL_COPY  the file cannot be spliced, and nothing was sent. The caller uses read() instead,
 *               which also tells it about errors.
 * CHANNEL_GONE  the channel is broken.
 */
enum { CHANNEL_COPY = -1, CHANNEL_GONE = -2 };
ssize_t channel_splice(struct channel *c, int file, size_t max);

/* Writes as much as the pipe takes. Returns -1 if the supervisor is gone. */
int channel_flush(struct channel *c);

/* Waits until everything is written. Returns -1 if the supervisor is gone, or has not taken it all
 * within some minutes. */
int channel_drain(struct channel *c);

#endif
