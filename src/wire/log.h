/* SPDX-License-Identifier: MIT */
/*
 * The kept output of a detached run: frames (wire/frame.h) of LOG_STDOUT and LOG_STDERR, each payload
 * a time in ms since 1970 (64 bits, little-endian) and then the bytes as they came.
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
    const char *data; /* borrowed: valid until the next piece is asked for */
    size_t length;
};

struct log_reader {
    int fd; /* borrowed */
    struct buffer in;
    struct frame frame; /* that of the last piece; type 0: none */
};

void log_reader_init(struct log_reader *r, int fd);
void log_reader_free(struct log_reader *r);

/* 1: *out is the next piece. 0: there is none (yet: a run that is going may append). -1: the file is
 * no log. */
int log_reader_next(struct log_reader *r, struct log_piece *out);

#endif
