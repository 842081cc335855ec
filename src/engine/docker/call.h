/* SPDX-License-Identifier: MIT */
/*
 * A call to the daemon that nobody waits for: made by a process of its own, over a connection of its own.
 */
#ifndef ENGINE_DOCKER_CALL_H
#define ENGINE_DOCKER_CALL_H

#include "engine/docker/daemon.h"
#include "host/process.h"

struct call {
    struct process process;
    int answer; /* readable once call_finish() has something to tell; -1: there is no call */
};

/* Before the first call_start(). */
void call_init(struct call *c);

/* Begins POST /containers/CONTAINER/ACTION, which the daemon is to answer with 204 within a few seconds, less than the
 * library gives an order to a run. Does not block. Errors: IO_FAILED. */
int call_start(struct call *c, const struct daemon *d, const char *container, const char *action,
               lrun_error *err);

/* What came of it. Does not block once `answer` is readable. Errors: IO_FAILED (the daemon refuses),
 * DOCKER_UNREACHABLE. */
int call_finish(struct call *c, lrun_error *err);

/* Ends a call that is under way: what the daemon makes of it is unknown. Nothing happens when there is none. */
void call_abandon(struct call *c);

#endif
