/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's way back to its caller: frames over a socket that the caller may read slowly or
 * not at all. The run must not be held up by that, so what the socket does not take is kept in a
 * file without a name, in order. The program's output is cut at `max_log_bytes`, or when what is kept of it (that file;
 * of a detached run the log) is longer than that and OUTPUT_SLACK with the headers of all pieces. Should the disk be
 * full, the frame at hand and the few that end the run are kept in memory: the caller is told why. Where no file can be made,
 * 64 MiB of memory are in its place.
 */
#ifndef RUN_OUTPUT_H
#define RUN_OUTPUT_H

#include "base/error.h"
#include "wire/frame.h"

#include <sys/types.h>

/* Headers that are free. Output in pieces of 4 KiB and more is never cut because of its headers, up to 64 MiB. */
#define OUTPUT_SLACK (256u << 10)

struct output {
    int socket;           /* -1 once the caller is gone */
    bool logs;            /* false: the program's output is thrown away */
    uint64_t log_left;    /* of the program's output */
    uint64_t kept_max;    /* what it may take with headers */
    uint64_t log_kept;    /* in the log so far, with headers */
    uint64_t log_appends; /* to the log: whoever follows it is told when this has changed */
    bool truncated;
    int spool;          /* -1 until it is needed */
    int no_file;        /* errno: it is memory, because no file can be made; 0: it is a file */
    off_t head, tail;   /* what is still to be sent */
    int log;            /* of a detached run: where the program's output is kept; -1: it is sent */
    struct buffer rest; /* and what the file did not take, behind that */
};

void output_init(struct output *o, int socket, bool logs, uint64_t max_log_bytes);
void output_free(struct output *o);

/* A piece of the program's output: FRAME_LOG_STDOUT or FRAME_LOG_STDERR. */
int output_log(struct output *o, enum frame_type stream, const char *data, size_t length,
               lrun_error *err);

/* Any other frame. After an error the stream is whole: it can be followed by other frames. */
int output_frame(struct output *o, enum frame_type type, const void *payload, size_t length,
                 lrun_error *err);

static inline bool output_pending(const struct output *o)
{
    return o->socket >= 0 && (o->head < o->tail || buffer_length(&o->rest) > 0);
}

/* Sends what the socket takes. */
void output_flush(struct output *o);

/* Sends everything, waiting for the caller up to the deadline. */
void output_drain(struct output *o, int64_t deadline);

#endif
