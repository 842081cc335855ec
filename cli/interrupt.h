/* SPDX-License-Identifier: MIT */
/*
 * Ctrl-C and its siblings for verbs that wait for the library: it watches an fd, ends the work, and
 * removes what it has begun.
 */
#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H

#include "lightrunner.h"

/* Catches SIGINT, SIGTERM and SIGHUP. Returns an fd for a cancel_fd, readable after a signal; it stays
 * open until the process ends. Errors: IO_FAILED. */
int interrupt_catch(lrun_error *err);

/* Does the same as a signal. */
void interrupt_raise(void);

/* Non-zero after a signal. */
extern volatile int interrupt_came;

#endif
