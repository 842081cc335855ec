/* SPDX-License-Identifier: MIT */
/*
 * What a call has for the client and has not sent yet: output of a run, as the raw bytes, and lines
 * that are ready to be sent. Output becomes lines of JSON only when it is sent, so that a client
 * that stops the output of a run costs no more than the bytes of that output.
 *
 * A queue has no lock of its own: server.h has the one of all queues.
 */
#ifndef RPC_QUEUE_H
#define RPC_QUEUE_H

#include "lightrunner.h"

#include <jansson.h>

enum log_format { LOG_LINES, LOG_BASE64, LOG_NONE };

enum {
    QUEUE_LINE_MAX = 64 * 1024, /* a longer line comes in parts */
    QUEUE_EVENT_COST = 64,      /* what an event takes of the window, besides its bytes */
};

/* The unfinished line of a stream. */
struct queue_line {
    char *held; /* QUEUE_LINE_MAX bytes; NULL: not needed yet */
    size_t length;
};

struct queue {
    struct queue_item *first, *last;
    size_t bytes; /* of memory, for the caller's limits */
    enum log_format format;
    struct queue_line lines[2];
};

void queue_free(struct queue *q);

/* Adds output. Returns false when memory is out. */
bool queue_output(struct queue *q, lrun_stream stream, const char *data, size_t length);

/* Adds a line to send. Takes `line`, which may be NULL (memory is out; false is returned). `cost`
 * is what it takes of the window. */
bool queue_line(struct queue *q, char *line, size_t cost);

/* Makes the unfinished lines complete: no more output comes. */
bool queue_finish(struct queue *q);

/* Whether there is something, and whether it needs room in the window. */
bool queue_has(const struct queue *q, bool *needs_window);

/*
 * Takes the next line for the client, malloc'd. `id` is the call's. Returns NULL if output was taken
 * that makes no line yet, or when memory is out (*failed).
 */
char *queue_take(struct queue *q, json_t *id, size_t *cost, bool *failed);

#endif
