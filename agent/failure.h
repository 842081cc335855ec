/* SPDX-License-Identifier: MIT */
/*
 * Why the agent cannot obey the supervisor. A failure is sent as a FAILED frame. The agent does not
 * use lrun_error, because the supervisor chooses the codes.
 */
#ifndef AGENT_FAILURE_H
#define AGENT_FAILURE_H

struct failure {
    const char *operation; /* confine, filter, inspect, dns, prepare, seed, exec, protocol */
    int errnum;            /* 0: no errno belongs to it */
    char message[768];
};

/* Both functions fill *f and return -1. Callers cut paths in messages ("%.300s"), so that the text
 * after a path is not cut. */
int failure_set(struct failure *f, const char *operation, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Also appends ": " and the text of errnum to the message. */
int failure_errno(struct failure *f, const char *operation, int errnum, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
