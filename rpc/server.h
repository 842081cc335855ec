/* SPDX-License-Identifier: MIT */
#ifndef RPC_SERVER_H
#define RPC_SERVER_H

#include "state.h"

#include "base/error.h"

/* Makes the loop look at its lists and queues. Any thread may call it. */
void server_wake(struct server *s);

/* Finds the supervisor, and makes the runner with the defaults. */
int server_init_runner(struct server *s, lrun_error *err);

/* A runner for a call outside of runs. `engine` and `runtime` may be NULL: the default. */
int server_runner(lrun_runner **out, const struct server *s, const char *engine,
                  const char *runtime, lrun_error *err);

#endif
