/* SPDX-License-Identifier: MIT */
/*
 * The calls that have a run (`run`, `attach`), and those that give a run an order. A run's handle is
 * used by the loop, or by one job at a time: the one that starts the run, gives it an order, or
 * waits for the end of its supervisor.
 */
#ifndef RPC_RUNS_H
#define RPC_RUNS_H

#include "state.h"

void runs_run(struct call *c);
void runs_attach(struct call *c);
void runs_order(struct call *c); /* cancel, stop, pause, resume */

/* Takes what has arrived for a run whose fd is readable. */
void runs_dispatch(struct call *c);

/* Adds the run's fd to the loop's epoll, or takes it out: the run's turn has come, or it has to wait
 * until the client has taken its output. */
void runs_watch(struct call *c);

#endif
