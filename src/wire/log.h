/* SPDX-License-Identifier: MIT */
/*
 * The kept output of a detached run: frames (wire/frame.h) of type LOG_STDOUT and LOG_STDERR. Each
 * payload is a time in ms since 1970 (64 bits, little-endian), followed by the output bytes.
 */
#ifndef WIRE_LOG_H
#define WIRE_LOG_H

#include "base/error.h"
#include "wire/frame.h"

enum { LOG_TIME_SIZE = 8, LOG_PAYLOAD_MAX = FRAME_DATA_MAX + LOG_TIME_SIZE };

/* Appends output, in pieces of at most FRAME_DATA_MAX bytes. Errors: IO_FAILED. */
int log_append(int fd, enum frame_type stream, const char *data, size_t length, lrun_error *err);

struct log_piece {
    lrun_stream stream;
    int64_t time_ms;
    const char *data; /* borrowed: valid until the next call of log_reader_next() */
    size_t length;
};

struct log_reader {
    int fd; /* borrowed */
    struct buffer in;
    struct frame frame; /* the frame of the last piece; type 0: there is none */
};

void log_reader_init(struct log_reader *r, int fd);
void log_reader_free(struct log_reader *r);

/* Returns 1 with the next piece in *out; 0 if there is none (if the run is still going, it may
 * append more); -1 if the file is not a log. */
int log_reader_next(struct log_reader *r, struct log_piece *out);

#endif
