/* SPDX-License-Identifier: MIT */
/*
 * One run, from its request to its result. See supervisor.c for the way through.
 */
#ifndef RUN_SUPERVISOR_H
#define RUN_SUPERVISOR_H

#include <sys/types.h>

/* The fds that a supervisor is started with. */
enum supervisor_fd {
    SUPERVISOR_INPUT = 0,         /* bytes for the command's stdin */
    SUPERVISOR_CALLER = 3,        /* frames from and to the caller; its end ends the run */
    SUPERVISOR_CANCEL_SHARED = 4, /* readable: cancel. The caller's own fd, maybe for many runs */
    SUPERVISOR_CANCEL = 5,        /* readable: cancel. This run's */
};

struct run_order;

/* Takes one REQUEST from the caller, runs it, answers with RESULT or ERROR. `mask` is the caller's umask. The exit code. */
int supervisor_run(const char *id, mode_t mask);

/* The same without the REQUEST. `commit`, when not NULL: after exit code 0 the sandbox's root becomes
 * an image of that name. */
int supervisor_run_order(const struct run_order *order, const char *commit);

#endif
