/* SPDX-License-Identifier: MIT */
/*
 * The control socket of a detached run: <id>.sock beside its state. Several clients may be
 * connected at the same time. Each sends CONTROL frames and gets an answer for each. A client that
 * has asked to wait also gets the outcome. A client that has sent FOLLOW gets one LOG_GROWN once
 * the kept output has grown. It sends FOLLOW again before it reads the file, so it misses nothing,
 * and no more than one LOG_GROWN is ever queued for it. A connection to a session may also begin
 * with a task. Only the user who owns the run and root are
 * served.
 */
#ifndef RUN_CONTROL_H
#define RUN_CONTROL_H

#include "base/error.h"
#include "wire/frame.h"

#include <jansson.h>

struct control;

/* Acts on one CONTROL frame. Returns 0 when it is done; -1 if it failed, and the error is the
 * answer; 1 if control_answer_later() will answer it, which happens before another frame gets a
 * 1. */
typedef int (*control_fn)(void *user, const struct frame *f, lrun_error *err);

/* Takes over a connection that begins with a task of a session: its fd, what was received, and the
 * fd that came with that, or -1. */
typedef void (*control_adopt_fn)(void *user, int fd, const struct buffer *said, int passed);

/* Listens at <id>.sock of the open folder. Errors: IO_FAILED. */
int control_open(struct control **out, int dirfd, const char *id, lrun_error *err);

/* Readable when control_serve() has work. */
int control_fd(const struct control *c);

/* Handles everything that has arrived, without waiting. `adopt` may be NULL: then a task breaks the
 * protocol. */
void control_serve(struct control *c, control_fn act, control_adopt_fn adopt, void *user);

/* Tells the clients that follow the kept output that it has grown. `appends` is the number of
 * appends so far. Accepts NULL. */
void control_log_grown(struct control *c, uint64_t appends);

/* Answers the frame for which control_fn returned 1. Does nothing if the client that sent it is
 * gone, or if the frame did not arrive through this socket. Accepts NULL. */
void control_answer_later(struct control *c, const lrun_error *failed);

/* Sends the outcome, a RESULT or an ERROR, to all clients that wait for it. Accepts NULL. */
void control_announce(struct control *c, enum frame_type type, const char *text);

/* Closes the socket and removes its file. Accepts NULL. */
void control_close(struct control *c);

#endif
