/* SPDX-License-Identifier: MIT */
/* What a supervisor keeps of a session (run/session.h). */
#ifndef RUN_SESSION_STATE_H
#define RUN_SESSION_STATE_H

#include <stddef.h>
#include <stdint.h>

struct session_task;

/* How many commands there may be at once, how many tasks with the copies, and the fds of each. */
enum { SESSION_COMMANDS_MAX = 64, SESSION_TASKS_MAX = 80, SESSION_POLLS = 2 };
enum { SESSION_FDS = SESSION_TASKS_MAX * SESSION_POLLS };

struct session {
    uint64_t idle_ms; /* 0: this is a run */
    int64_t idle_at;  /* when it closes unless a task comes; IO_NO_DEADLINE: there is a task */
    int64_t stop_at;  /* when the grace of a stop ends; IO_NO_DEADLINE: it is not stopping */
    int64_t ready;    /* microseconds; 0: it takes no tasks yet */
    uint16_t last;    /* the highest number of a command so far */
    uint16_t last_operation; /* of the operations on files, which are numbered separately */
    struct session_task *tasks[SESSION_TASKS_MAX];
    size_t count;
    size_t polled;             /* how many of them session_poll() has seen */
    struct session_task *copy; /* the PUT or GET that goes on; NULL: none */
};

#endif
