/* SPDX-License-Identifier: MIT */
/*
 * The tasks of a session that are about files. Copies (PUT, GET) wait for one another. Operations
 * (FILE) run beside them and beside commands, but no more at once than the agent takes.
 */
#ifndef RUN_SESSION_FILES_H
#define RUN_SESSION_FILES_H

#include "run/session_task.h"

/* Begins those that wait and can begin. */
void session_files_begin(struct supervisor *s);

/* Whether files are being copied in, during which no command may be started. */
bool session_files_copy_in(const struct supervisor *s);

/* The files of a PUT have been read, completely or not. */
void session_files_read_all(struct supervisor *s);

/* Whether the frame is about files, and handles it. The fields are valid. */
bool session_files_are_meant(const struct frame *f);
void session_files_frame(struct supervisor *s, const struct frame *f);

/* Whether an operation has bytes for the agent, and sends some of them. */
bool session_files_have_bytes(const struct supervisor *s);
void session_files_feed(struct supervisor *s);

/* The agent has taken bytes, so it is alive. */
void session_files_progress(struct supervisor *s);

/* Nobody waits for the task any more. */
void session_files_gone(struct supervisor *s, struct session_task *t);

/* When a task that the agent does not go on with is given up; IO_NO_DEADLINE: never. */
int64_t session_files_deadline(const struct supervisor *s, const struct session_task *t);

#endif
