/* SPDX-License-Identifier: MIT */
/*
 * One run, from its request to its result. supervisor.c describes the sequence.
 */
#ifndef RUN_SUPERVISOR_H
#define RUN_SUPERVISOR_H

#include <sys/types.h>

/* Takes one REQUEST from the caller, runs it, and answers with RESULT or ERROR. `mask` is the
 * caller's umask. Returns the exit code. */
int supervisor_run(const char *id, mode_t mask);

#endif
