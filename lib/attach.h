/* SPDX-License-Identifier: MIT */
/*
 * Reaches the supervisor of a detached run, and reads the state that it has left.
 */
#ifndef LIB_ATTACH_H
#define LIB_ATTACH_H

#include "lightrunner.h"

#include <jansson.h>

/* ms: when a supervisor is killed, its socket closes before its process is seen to be gone. */
enum { GONE_TIMEOUT_MS = 2000 };

/*
 * Connects to the run's socket. Returns a non-blocking fd, or -1 with errno. A failure does not
 * prove that the supervisor is gone. Not even ECONNREFUSED does: another machine that shares the
 * folder gets it, too.
 */
int attach_connect(int state_dir, const char *id);

/* Asks for the outcome. Returns -1 with errno on failure. */
int attach_wait(int socket);

/* Asks for one LOG_GROWN, to be sent once there is kept output that the last one did not announce.
 * Call this before you read that output. Returns -1 with errno on failure. */
int attach_follow(int socket);

/*
 * Looks at the state of a run whose supervisor cannot be reached. `failed` is the errno that says
 * why; ECONNRESET means that the connection has ended. Returns 1 if the run is over; then *out is
 * its state, a new reference. Returns 0 if that is not known. A run that is known to be lost is
 * marked as failed (*lost); nothing else is changed. While the supervisor's process exists, this
 * waits until the deadline, because the process may be about to end.
 * Errors: IO_FAILED, SUPERVISOR_LOST (no state).
 */
int attach_look(json_t **out, bool *lost, int state_dir, const char *id, int failed,
                int64_t deadline, lrun_error *err);

/* Gives the outcome of such a run. Returns 1 with *result set, or with *err set if *result is NULL;
 * returns 0 if the run is not known to be over. */
int attach_outcome(lrun_result **result, int state_dir, const char *id, int failed,
                   int64_t deadline, lrun_error *err);

/* Like attach_outcome(), for a state that was read already and does not say that the run is going
 * on. */
void attach_outcome_of(lrun_result **result, const json_t *state, lrun_error *err);

/* Sets the error for a run that cannot be reached and may be alive. Returns -1. */
int attach_unreachable(const char *id, int failed, lrun_error *err);

#endif
