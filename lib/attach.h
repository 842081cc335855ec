/* SPDX-License-Identifier: MIT */
/*
 * The way to the supervisor of a detached run, and to what it has left.
 */
#ifndef LIB_ATTACH_H
#define LIB_ATTACH_H

#include "lightrunner.h"

#include <jansson.h>

/* ms: a supervisor that is killed closes its socket before its process is seen to be gone. */
enum { GONE_TIMEOUT_MS = 2000 };

/*
 * A connection to the run's socket, non-blocking; -1 with errno. That is no proof that the supervisor is gone: not
 * even ECONNREFUSED, which is also the answer to another machine that shares the folder.
 */
int attach_connect(int state_dir, const char *id);

/* Asks for the outcome. -1 with errno. */
int attach_wait(int socket);

/* Asks for one LOG_GROWN, once there is kept output that the last one did not tell of. To be sent before that output is read.
 * -1 with errno. */
int attach_follow(int socket);

/*
 * Looks at the state of a run whose supervisor cannot be spoken to; `failed` is the errno that says why, ECONNRESET when
 * the connection has ended. 1: the run is over, and *out is its state, a new reference. 0: that is not known.
 * A run that is known to be lost is marked as failed (*lost); nothing else is changed. Until the deadline it waits
 * for a supervisor that is there, as that may be about to end. Errors: IO_FAILED, SUPERVISOR_LOST (no state).
 */
int attach_look(json_t **out, bool *lost, int state_dir, const char *id, int failed,
                int64_t deadline, lrun_error *err);

/* What became of such a run: 1: *result is it, or *err when that is NULL. 0: it is not known to be over. */
int attach_outcome(lrun_result **result, int state_dir, const char *id, int failed,
                   int64_t deadline, lrun_error *err);

/* The same of a state that has been read, and does not say that it is running. */
void attach_outcome_of(lrun_result **result, const json_t *state, lrun_error *err);

/* The error of a run that cannot be reached, and may be alive. Returns -1. */
int attach_unreachable(const char *id, int failed, lrun_error *err);

#endif
