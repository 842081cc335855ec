/* SPDX-License-Identifier: MIT */
/*
 * One run, from its request to its result. See supervisor.c for the way through.
 */
#ifndef RUN_SUPERVISOR_H
#define RUN_SUPERVISOR_H

/* The fds that a supervisor is started with. */
enum supervisor_fd {
    SUPERVISOR_INPUT = 0,         /* bytes for the command's stdin */
    SUPERVISOR_CALLER = 3,        /* frames from and to the caller; its end ends the run */
    SUPERVISOR_CANCEL_SHARED = 4, /* readable: cancel. The caller's own fd, maybe for many runs */
    SUPERVISOR_CANCEL = 5,        /* readable: cancel. This run's */
};

/* Takes one REQUEST from the caller, runs it, answers with RESULT or ERROR. The exit code. */
int supervisor_run(const char *id);

#endif
