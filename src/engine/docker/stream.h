/* SPDX-License-Identifier: MIT */
/*
 * The attach stream of a container without a terminal. It consists of frames with a header of 8
 * bytes: one byte for the stream, three zeros, and the length of the payload. A header may arrive
 * in pieces, and a frame may be longer than any buffer, so the parser is a state machine that
 * accepts any piece of data.
 */
#ifndef ENGINE_DOCKER_STREAM_H
#define ENGINE_DOCKER_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STREAM_HEADER_SIZE = 8, STREAM_STDOUT = 1, STREAM_STDERR = 2, STREAM_DAEMON = 3 };

/*
 * Parses the head of the answer to an attach, which precedes the stream. *length is the size
 * of the head, or 0 while the head is incomplete. Returns the HTTP status; 0: incomplete;
 * -1: this is not HTTP.
 */
long stream_head(const char *data, size_t have, size_t *length);

struct stream {
    uint8_t header[STREAM_HEADER_SIZE];
    size_t have;   /* how many bytes of the header have arrived */
    uint32_t left; /* how many bytes of the frame's payload are still to come */
};

/*
 * Parses the beginning of the data. Consumes headers, and sets *taken to the number of their bytes.
 * Sets *payload to the number of following bytes that belong to the stream *which (STREAM_...).
 * Once the caller has handled n of those, it calls stream_advance(n). *which and *payload are 0 if
 * there is no payload yet. False: the data is not such a stream.
 */
bool stream_next(struct stream *s, const char *data, size_t length, size_t *taken, int *which,
                 size_t *payload);

void stream_advance(struct stream *s, size_t n);

#endif
