/* SPDX-License-Identifier: MIT */
/*
 * A library call that blocks has a thread for as long as it takes. All functions of the library may
 * be called by several threads, each with its own handle. A process that ends does not wait for
 * these threads: the supervisors that they talk to notice the end of their socket.
 *
 * There are two kinds, each with its own limit, so that pulls that take hours do not keep a run from
 * being paused. Jobs over the limit wait for their turn.
 */
#ifndef RPC_JOBS_H
#define RPC_JOBS_H

#include "state.h"

/* Starts a job, now or once others have ended. If memory is out it fails in the loop's next round. */
void jobs_start(struct server *s, enum job_kind kind, struct call *call, lrun_execution *execution,
                void (*work)(struct job *), void (*finish)(struct job *));

/* A finish() that answers the call. */
void jobs_answer(struct job *job);

/* Calls finish() of the jobs that have ended. */
void jobs_finish(struct server *s);

#endif
