/* SPDX-License-Identifier: MIT */
/* One task of a session, which session.c (commands) and session_files.c (files) share. */
#ifndef RUN_SESSION_TASK_H
#define RUN_SESSION_TASK_H

#include "run/file_operation.h"
#include "run/life.h"
#include "wire/task.h"

struct session_task {
    int socket;           /* owned */
    struct caller caller; /* borrows the socket */
    bool known;           /* `task` has been received */
    bool answered;        /* RESULT or ERROR has been queued: it is over */
    struct task task;
    struct command command;     /* of an EXEC */
    struct file_operation file; /* of a FILE */
    uint16_t operation; /* the number of a PUT or FILE that the agent has not ended; 0: none */
    struct run_result result;
    int64_t began;      /* microseconds */
    uint64_t oom_kills; /* in the sandbox before it began */
    int64_t deadline;   /* of the answer, once it is queued; of the files' progress */
};

/* Queues the answer, of which there is one. `text` is JSON; NULL: memory is out. */
void session_task_send(struct session_task *t, enum frame_type type, const char *text);
void session_task_refuse(struct session_task *t, const lrun_error *e);
/* The answer is t->result. */
void session_task_answer(struct supervisor *s, struct session_task *t);

/* Starts the commands that wait, unless files are being copied in. */
void session_task_start_waiting(struct supervisor *s);

#endif
