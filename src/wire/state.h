/* SPDX-License-Identifier: MIT */
/*
 * The state files of detached runs, in $LIGHT_RUNNER_STATE_DIR or ~/.light-runner/state:
 *
 *      <id>.json   what is known of the run; written by temporary file and rename
 *      <id>.log    its output (wire/log.h)
 *      <id>.sock   where its supervisor listens, as long as the supervisor lives
 *
 * Other programs write such files too. Fields that are not known here are kept, and files that are
 * not valid states are ignored. Anybody who can write to the folder decides what `attach` says, so
 * only the user may be able to write to it.
 */
#ifndef WIRE_STATE_H
#define WIRE_STATE_H

#include "base/process_identity.h"
#include "wire/request.h"
#include "wire/result.h"

#include <stdbool.h>

enum { STATE_MAX_BYTES = 8 * 1024 * 1024 };

/* In ms: the longest timeout that is believed, and how long after its timeout a run may still take
 * for extraction and the sandbox's end. */
#define STATE_TIMEOUT_MAX (INT64_MAX / 8)
enum { STATE_OVERTIME = 2 * 60 * 60 * 1000 };

/* Opens the folder. If it is missing, it is made if `create` is true; else *out is -1. Errors:
 * IO_FAILED, INVALID_ARGUMENT (LIGHT_RUNNER_STATE_DIR, or a folder that others may write). */
int state_open_dir(int *out, bool create, lrun_error *err);

/*
 * Reads a state. *out is NULL if the id is unknown or malformed, or if its file is not a state. A
 * file that exists but cannot be read is an error. New reference. Errors: IO_FAILED.
 */
int state_read(json_t **out, int dirfd, const char *id, lrun_error *err);

/* Errors: IO_FAILED. */
int state_write(int dirfd, const json_t *state, lrun_error *err);

/* Removes the files of a run. */
void state_remove(int dirfd, const char *id);

/*
 * Calls `each` for every state, in no order; the state is borrowed. Only one state is in memory at
 * a time, so there may be any number. If a state cannot be read, or `each` returns less than 0, the
 * other states are still visited; the first such error is returned after that. A return value above
 * 0 ends the visits.
 */
typedef int (*state_each_fn)(void *user, json_t *state, lrun_error *err);
int state_each(int dirfd, state_each_fn each, void *user, lrun_error *err);

/* Makes the state of a run that has just begun. New reference; NULL when memory is out. */
json_t *state_begin(const char *id, const struct request *r);

/* Says that it is the state of a session, which closes after that time without a command. Of the
 * result, only the isolation is taken. */
void state_add_session(json_t *state, uint64_t idle_ms, const struct run_result *r);
bool state_is_session(const json_t *state);

/*
 * Adds the end of the run to its state. `document` is the result, or the error if `failed`. It is
 * kept whole, beside the fields that every state has. Returns -1 when memory is out.
 */
int state_end(json_t *state, const json_t *document, bool failed);

const char *state_id(const json_t *state);
bool state_is_running(const json_t *state);

/*
 * Says whether the supervisor of a run whose state is "running" still exists. `supervisor` in the
 * state identifies its process (process_identity()). A process that cannot be seen from here counts
 * as gone once its deadline has passed by hours. Ask only if nobody listens at the run's socket.
 */
enum process_fate state_fate(const json_t *state);

/* Returns the run's timeout in ms, from 0 to STATE_TIMEOUT_MAX. */
int64_t state_timeout(const json_t *state);

#endif
