/* SPDX-License-Identifier: MIT */
/*
 * One operation on a file or folder of a session (wire/file_order.h): what the supervisor sends to
 * the agent for it, and what it takes as the answer. The agent may lie: an answer that does not fit
 * the order ends the session.
 */
#ifndef RUN_FILE_OPERATION_H
#define RUN_FILE_OPERATION_H

#include "run/agent_link.h"
#include "wire/file_order.h"

#include <stdbool.h>

struct file_operation {
    const struct file_order *order; /* borrowed */
    uint16_t number;                /* of its frames; 0: it has not begun */
    int fd;                         /* borrowed: where the bytes are, or go to; -1: none */
    uint64_t bytes;                 /* how many were sent or received */
    uint64_t size;                  /* READ: of the file, as the agent says */
    bool sent;                      /* everything was sent */
    bool aborted;                   /* so the agent may end it before it is complete */
    json_t *items;
    size_t items_size; /* bytes that they take as JSON, at most */
    bool more;         /* LIST: there are items that are not in `items` */
};

enum file_progress {
    FILE_GOES_ON,
    FILE_ENDED,  /* the answer is in file_operation_answer() */
    FILE_FAILED, /* the answer is the error */
    FILE_LIES,   /* the agent broke the protocol; the error's message says how */
};

/* `fd` is that which came with the order, or -1. Errors: INVALID_ARGUMENT if it does not fit. */
int file_operation_init(struct file_operation *x, const struct file_order *order, int fd,
                        lrun_error *err);
void file_operation_free(struct file_operation *x);

/* Tells the agent to begin. */
int file_operation_begin(struct file_operation *x, uint16_t number, struct agent_link *link,
                         lrun_error *err);

/* Whether there are bytes for the agent, and sends as many as the link should have. */
bool file_operation_has_bytes(const struct file_operation *x, const struct agent_link *link);
int file_operation_feed(struct file_operation *x, struct agent_link *link, lrun_error *err);

/* Tells the agent to end it. It still answers. */
int file_operation_abort(struct file_operation *x, struct agent_link *link, lrun_error *err);

/* Handles a frame about it. The fields are valid. */
enum file_progress file_operation_frame(struct file_operation *x, const struct frame *f,
                                        struct agent_link *link, lrun_error *err);

/* Takes the agent's DONE about any operation. Returns FILE_ENDED if it went well, FILE_FAILED with
 * the error for the caller, or FILE_LIES. */
enum file_progress file_operation_done(const struct frame *f, enum lrun_code failed,
                                       const char *operation, lrun_error *err);

/* A new document; NULL when memory is out. */
json_t *file_operation_answer(const struct file_operation *x);

#endif
