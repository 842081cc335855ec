/* SPDX-License-Identifier: MIT */
/*
 * Why the agent cannot do what it was told: what becomes a FAILED frame. It takes the place of
 * lrun_error here, whose codes are the supervisor's to choose.
 */
#ifndef AGENT_FAILURE_H
#define AGENT_FAILURE_H

struct failure {
    const char *operation; /* confine, filter, inspect, prepare, seed, exec, protocol */
    int errnum;            /* 0: none */
    char message[768];
};

/* Both fill *f and return -1. Paths in messages are to be cut ("%.300s"), so that what is said
 * behind them is not. */
int failure_set(struct failure *f, const char *operation, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, with ": " and the text of errnum behind the message. */
int failure_errno(struct failure *f, const char *operation, int errnum, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
