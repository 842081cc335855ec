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
    size_t
        staged; /* bytes in `staging` that are to be sent after the first `before` bytes of out */
    size_t before;
};

/* Reserves stdin and stdout for the channel: moves them to fds that no child inherits, and puts
 * /dev/null in their place. Returns 0, or -1 with errno. */
int channel_open(struct channel *c);

/* Reads once. Returns 1 if bytes came, 0 if there are none yet, -1 if the supervisor is gone (or
 * the queue has no room). */
int channel_fill(struct channel *c);

/* Queues a frame about that command, or FRAME_SANDBOX. Returns -1 if there is no room or memory; the agent cannot go on then. */
int channel_send(struct channel *c, enum frame_type type, uint16_t command, const void *payload,
                 size_t length);
int channel_send_fields(struct channel *c, enum frame_type type, uint16_t command,
                        const struct buffer *fields);

/* For raw frames that are read straight into the queue. channel_reserve() makes room for a header
 * and `length` bytes of payload, and returns the place of the payload (NULL: no room).
 * channel_commit() adds the header once the length is known. */
char *channel_reserve(struct channel *c, size_t length);
void channel_commit(struct channel *c, enum frame_type type, uint16_t command, size_t length);

/* Whether an operation on files may queue more. What waits to be sent does not grow with the file. */
bool channel_has_room(const struct channel *c);

/* Whether something waits to be sent. */
bool channel_is_pending(const struct channel *c);

/*
 * Queues up to `max` <= FRAME_DATA_MAX bytes of an open file as one DATA frame. Call it only if there
 * is room. Where it can and pays, the bytes are spliced and not copied. Returns the number of bytes,
 * 0 at the end of the file, -1 with errno if the file cannot be read, or CHANNEL_FULL if there is no
 * room or memory.
 */
enum { CHANNEL_FULL = -2 };
ssize_t channel_send_file(struct channel *c, uint16_t command, int file, size_t max);

/* Writes as much as the pipe takes. Returns -1 if the supervisor is gone. */
int channel_flush(struct channel *c);

#endif
