/* SPDX-License-Identifier: MIT */
/*
 * The way to the supervisor of a detached run, and to what it has left.
 */
#ifndef LIB_ATTACH_H
#define LIB_ATTACH_H

#include "lightrunner.h"

#include <jansson.h>

/* A connection to the run's socket, non-blocking; -1 with errno: its supervisor is gone. */
int attach_connect(int state_dir, const char *id);

/* Asks for the outcome. */
int attach_wait(int socket);

/*
 * What became of a run, out of its state: *result, or -1 with the error that it ended with. A state that
 * says that it is running is marked as failed: call it only when its supervisor is known to be gone.
 */
int attach_outcome(lr_result **result, int state_dir, const char *id, lr_error *err);

/* The same out of a state that has been read. */
int attach_outcome_of(lr_result **result, json_t *state, int state_dir, lr_error *err);

/* Marks a state whose supervisor is gone. Errors: IO_FAILED. */
int attach_mark_lost(json_t *state, int state_dir, lr_error *err);

#endif
