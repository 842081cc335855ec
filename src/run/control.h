/* SPDX-License-Identifier: MIT */
/*
 * Where a detached run can be spoken to: the socket <id>.sock beside its state. Several may be
 * connected at once. Each sends CONTROL frames and gets an answer for each. A client that has asked to wait gets
 * the outcome as well, and a client that has sent FOLLOW gets one LOG_GROWN once the kept output has grown. It sends
 * FOLLOW again before it reads the file, so it misses nothing, and no more than one LOG_GROWN ever waits for it. Only the user whose run it is, and root, are listened to.
 */
#ifndef RUN_CONTROL_H
#define RUN_CONTROL_H

#include "base/error.h"
#include "wire/frame.h"

#include <jansson.h>

struct control;

/* Acts on one CONTROL frame. -1 with the error that is the answer; 1: control_answer_later() follows, before another 1. */
typedef int (*control_fn)(void *user, const struct frame *f, lrun_error *err);

/* Listens at <id>.sock of the open folder. Errors: IO_FAILED. */
int control_open(struct control **out, int dirfd, const char *id, lrun_error *err);

/* Readable when control_serve() has work. */
int control_fd(const struct control *c);

/* Takes what has come, without waiting. */
void control_serve(struct control *c, control_fn act, void *user);

/* The kept output has grown: tells the clients that follow it. `appends` counts up. Accepts NULL. */
void control_log_grown(struct control *c, uint64_t appends);

/* Answers the frame for which the function has returned 1; nothing happens when whoever sent it is gone, or it came another
 * way. Accepts NULL. */
void control_answer_later(struct control *c, const lrun_error *failed);

/* The outcome, a RESULT or an ERROR, for all who wait. */
void control_announce(struct control *c, enum frame_type type, const char *text);

/* Takes the socket away. Accepts NULL. */
void control_close(struct control *c);

/* The answer to a CONTROL frame; `failed` is the error, or NULL. malloc'd; NULL when memory is out. */
char *control_answer(const struct frame *f, const lrun_error *failed);

#endif
