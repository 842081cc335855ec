/* SPDX-License-Identifier: MIT */
/*
 * A call to the daemon that does not block: a child process makes it, over a connection of its own.
 */
#ifndef ENGINE_DOCKER_CALL_H
#define ENGINE_DOCKER_CALL_H

#include "engine/docker/daemon.h"
#include "host/process.h"

struct call {
    struct process process;
    int answer; /* readable once call_finish() has an outcome to return; -1: there is no call */
};

/* Initializes *c. Call it before the first call_start(). */
void call_init(struct call *c);

/* Starts POST /containers/CONTAINER/ACTION. The daemon must answer 204 within a few seconds; the
 * limit is shorter than the time that the library gives an order to a run. Does not block.
 * Errors: IO_FAILED. */
int call_start(struct call *c, const struct daemon *d, const char *container, const char *action,
               lrun_error *err);

/* Returns the outcome of the call. Does not block once `answer` is readable.
 * Errors: IO_FAILED (the daemon refuses), DOCKER_UNREACHABLE. */
int call_finish(struct call *c, lrun_error *err);

/* Ends a call that is under way, whether or not the daemon carries it out. Does nothing
 * if there is no call. */
void call_abandon(struct call *c);

#endif
