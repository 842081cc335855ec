/* SPDX-License-Identifier: MIT */
/*
 * A session: one sandbox that takes any number of tasks (wire/task.h) until it is closed. A task is
 * a command, or about files (session_files.h). Each comes over a connection of its own, which
 * carries its answer and ends with it; if the connection ends earlier, its command is killed.
 * Commands run at the same time.
 *
 * The phases are those of a run. A session is in PHASE_RUN from the moment when its sandbox can take
 * tasks, and never in PHASE_COLLECT.
 */
#ifndef RUN_SESSION_H
#define RUN_SESSION_H

#include "run/agent_link.h"
#include "run/session_state.h"
#include "wire/task.h"

#include <poll.h>
#include <stdbool.h>

struct supervisor;
struct session_task;
void session_init(struct session *x, uint64_t idle_ms);

/* The sandbox can take tasks: tells the caller. Returns -1 with s->error. */
int session_begin(struct supervisor *s);

/* Tells the caller what is known of the sandbox. Returns -1 with s->error. */
int session_send_ready(struct supervisor *s);

/* A new connection, whose fd it takes. `said` is what was received from it so far, and `passed` the
 * fd that came with that, or -1. */
void session_connect(struct supervisor *s, int fd, const struct buffer *said, int passed);

/* A frame of the agent. */
void session_frame(struct supervisor *s, const struct frame *f);

/* Handles what was received from a task's connection. */
void session_take(struct supervisor *s, struct session_task *t);

/* Whether there are bytes of the host's files for the agent: a command's input that is a file, or a
 * copy. Files are always readable, so only the pipe to the agent sets the pace. */
bool session_has_work(const struct supervisor *s);

/* Fills in SESSION_POLLS entries for each task. */
void session_poll(struct supervisor *s, struct pollfd *p);
/* `progress`: the agent has taken bytes. */
void session_turn(struct supervisor *s, const struct pollfd *p, bool progress);

/* When the next thing is to be done for want of time, and does it. */
int64_t session_deadline(const struct supervisor *s);
void session_on_time(struct supervisor *s);

/* Sends a signal to all commands, and closes the session after the grace. */
int session_stop(struct supervisor *s, int number, int64_t grace, lrun_error *err);

/* Whether a command has been told to end, or was killed. */
bool session_ends_one(const struct supervisor *s);

/* The sandbox is gone: gives every task that has no answer one, and frees all of them. */
void session_end(struct supervisor *s);

#endif
