/* SPDX-License-Identifier: MIT */
#ifndef WIRE_SUPERVISOR_FDS_H
#define WIRE_SUPERVISOR_FDS_H

/* The fds that a supervisor is started with. */
enum supervisor_fd {
    SUPERVISOR_INPUT = 0,         /* bytes for the command's stdin */
    SUPERVISOR_CALLER = 3,        /* frames from and to the caller; its end ends the run */
    SUPERVISOR_CANCEL_SHARED = 4, /* readable: cancel. The caller's own fd, maybe for many runs */
    SUPERVISOR_CANCEL = 5,        /* readable: cancel. Only for this run */
};

#endif
