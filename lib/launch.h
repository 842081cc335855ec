/* SPDX-License-Identifier: MIT */
/*
 * Starts a supervisor. It gets six fds, and no other of the caller's:
 *
 *      0  the bytes for the command's stdin        3  the socket: frames
 *      1  /dev/null                                4  readable: the caller cancels (its own fd)
 *      2  the caller's stderr                      5  readable: the caller cancels
 *                                                     (lrun_execution_cancel)
 *
 * It runs in its own session, so that a Ctrl-C at the terminal reaches only the caller.
 */
#ifndef LIB_LAUNCH_H
#define LIB_LAUNCH_H

#include "lightrunner.h"

#include <sys/types.h>

struct launch {
    const char *supervisor; /* path; NULL: look in the usual places */
    const char *id;
    int input_fd;      /* or -1 */
    const char *text;  /* for stdin if there is no input_fd; NULL: nothing */
    int caller_cancel; /* or -1 */
    int cancel;
};

struct launched {
    pid_t pid;
    int pidfd;
    int socket;
};

/* Errors: SUPERVISOR_LOST (it cannot be started), IO_FAILED. */
int launch_supervisor(struct launched *out, const struct launch *l, lrun_error *err);

/* Returns an unnamed file that holds the text, for a command's stdin; or -1. */
int launch_open_text(const char *text, lrun_error *err);

#endif
