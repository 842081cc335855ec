/* SPDX-License-Identifier: MIT */
/*
 * The attach stream of a container without a terminal: frames of an 8-byte header, one byte that says
 * which stream it is and, behind three zeros, the length of what follows. A header may come in pieces,
 * and a frame may be longer than any buffer: this is a state machine that is given what has come.
 */
#ifndef ENGINE_DOCKER_STREAM_H
#define ENGINE_DOCKER_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STREAM_HEADER_SIZE = 8, STREAM_STDOUT = 1, STREAM_STDERR = 2, STREAM_DAEMON = 3 };

/*
 * The head of the answer to an attach, before the stream begins: *length is how much of the data it is, 0 while it
 * is not complete. The status of HTTP; 0: not complete yet; -1: this is no HTTP.
 */
long stream_head(const char *data, size_t have, size_t *length);

struct stream {
    uint8_t header[STREAM_HEADER_SIZE];
    size_t have;   /* bytes of the header */
    uint32_t left; /* bytes of the frame's payload that are still to come */
};

/*
 * Looks at the first bytes of what has come. Bytes of headers are taken: *taken says how many. Then
 * *payload is how many of the next bytes belong to the stream *which (STREAM_...); whoever has dealt with
 * n of them calls stream_advance(n). Both are 0 when nothing has come. False: this is not such a stream.
 */
bool stream_next(struct stream *s, const char *data, size_t length, size_t *taken, int *which,
                 size_t *payload);

void stream_advance(struct stream *s, size_t n);

#endif
