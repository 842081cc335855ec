/* SPDX-License-Identifier: MIT */
/* The ways to stop the machine. */
#ifndef GUEST_STOP_H
#define GUEST_STOP_H

#include <errno.h>

/* Prints "light-runner: cannot WHAT NAME: strerror(errno)" on the console, which the supervisor
 * reads, and stops the machine. Only the first process of the machine may call this. */
_Noreturn void stop(const char *what, const char *name);

_Noreturn void stop_machine(void);

#endif
