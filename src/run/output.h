/* SPDX-License-Identifier: MIT */
/*
 * Sends frames from the supervisor to its caller, over a socket that the caller may read slowly or
 * not at all. That must not hold up the run, so bytes that the socket does not accept are kept in
 * order in an unnamed file.
 *
 * The program's output is cut after `max_log_bytes`. It is also cut when the place where it is kept
 * (that file, or the log of a detached run), with the headers of all pieces, would grow beyond
 * `max_log_bytes` and OUTPUT_SLACK. If the disk is full, the current frame and the few that end the
 * run are kept in memory, so that the caller is told why. If no file can be created, 64 MiB of
 * memory take its place.
 */
#ifndef RUN_OUTPUT_H
#define RUN_OUTPUT_H

#include "base/error.h"
#include "wire/frame.h"

#include <sys/types.h>

/* Bytes of headers that do not count. Up to 64 MiB, output in pieces of 4 KiB or more is never cut
 * because of its headers. */
#define OUTPUT_SLACK (256u << 10)

struct output {
    int socket;           /* -1 once the caller is gone */
    bool logs;            /* false: the program's output is discarded */
    uint64_t log_left;    /* how much more of the program's output is accepted */
    uint64_t kept_max;    /* how much may be kept, with headers */
    uint64_t log_kept;    /* how much is in the log so far, with headers */
    uint64_t log_appends; /* appends to the log so far; clients that follow it are told */
    bool truncated;
    int spool;          /* -1 until it is needed */
    int no_file;        /* errno: `spool` is memory, as no file can be made; 0: it is a file */
    off_t head, tail;   /* the part of `spool` that is not sent yet */
    int log;            /* a detached run's file for the program's output; -1: it is sent */
    struct buffer rest; /* sent after `spool`: bytes that the file did not accept */
};

void output_init(struct output *o, int socket, bool logs, uint64_t max_log_bytes);
void output_free(struct output *o);

/* Changes what output_init() has set, before there was any output. */
void output_limit(struct output *o, bool logs, uint64_t max_log_bytes);

/* Sends a piece of the program's output: FRAME_LOG_STDOUT or FRAME_LOG_STDERR. */
int output_log(struct output *o, enum frame_type stream, const char *data, size_t length,
               lrun_error *err);

/* Sends any other frame. The stream stays intact after an error: more frames can follow. */
int output_frame(struct output *o, enum frame_type type, uint16_t command, const void *payload,
                 size_t length, lrun_error *err);

static inline bool output_pending(const struct output *o)
{
    return o->socket >= 0 && (o->head < o->tail || buffer_length(&o->rest) > 0);
}

/* Sends as much as the socket accepts. */
void output_flush(struct output *o);

/* Sends everything, waiting for the caller up to the deadline. */
void output_drain(struct output *o, int64_t deadline);

#endif
