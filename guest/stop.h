/* SPDX-License-Identifier: MIT */
/* The ways to the end of the machine. */
#ifndef GUEST_STOP_H
#define GUEST_STOP_H

#include <errno.h>

/* "light-runner: cannot WHAT NAME: strerror(errno)" on the console, which the supervisor reads, then the end. Only in
 * the first process of the machine. */
_Noreturn void stop(const char *what, const char *name);

_Noreturn void stop_machine(void);

#endif
