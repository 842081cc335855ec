/* SPDX-License-Identifier: MIT */
/*
 * One process that a supervisor serves, by its socket: the one that ordered the run or the session,
 * or one that has a command or a transfer of files in a session.
 */
#ifndef RUN_CALLER_H
#define RUN_CALLER_H

#include "run/output.h"

/* Bytes. The longest frame that a caller may send after its order. */
enum { CALLER_FRAME_MAX = 4096 };

struct caller {
    int socket;           /* borrowed; output.socket is -1 once nothing can be sent any more */
    struct output output; /* frames to it */
    struct buffer said;   /* received and not yet acted on */
    struct buffer asked;  /* its CONTROL frame that is answered later; empty: there is none */
    int passed;           /* the fd that came with its last frame; -1: none */
    bool gone;
};

void caller_init(struct caller *c, int socket, bool logs, uint64_t max_log_bytes);
void caller_free(struct caller *c);

/* recv() that does not wait, and takes an fd that comes with the bytes into *passed. One that is
 * there already is closed. */
ssize_t caller_receive(int socket, void *to, size_t room, int *passed);

/* What to poll its socket for. */
short caller_events(const struct caller *c);

/* Reads once, without waiting. Returns false if nothing came; c->gone is set at the end of the
 * stream. */
bool caller_read(struct caller *c);

/* The caller is gone, or does not speak the protocol: nothing is read from it or sent to it any
 * more. */
void caller_leave(struct caller *c);

/* Answers a CONTROL frame. `failed` is the error, or NULL. */
void caller_answer(struct caller *c, const struct frame *f, const lrun_error *failed);

/* Keeps a CONTROL frame until caller_answer_later(), which does nothing if there is none. */
void caller_keep(struct caller *c, const struct frame *f);
void caller_answer_later(struct caller *c, const lrun_error *failed);

/* Returns the answer to a CONTROL frame, malloc'd; NULL when memory is out. `failed` is the error,
 * or NULL. */
char *caller_answer_text(const struct frame *f, const lrun_error *failed);

/* A CONTROL frame: what it asks for. */
struct caller_order {
    char action[16];
    int signal;             /* of a stop */
    int64_t grace;          /* of a stop, in ms */
    unsigned rows, columns; /* of a resize */
};
int caller_read_order(struct caller_order *out, const struct frame *f, lrun_error *err);

#endif
