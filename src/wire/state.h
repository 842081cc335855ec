/* SPDX-License-Identifier: MIT */
/*
 * The state files of detached runs, in $LIGHT_RUNNER_STATE_DIR or ~/.light-runner/state:
 *
 *      <id>.json   what is known of the run; written by temporary file and rename
 *      <id>.log    its output (wire/log.h)
 *      <id>.sock   where its supervisor listens, as long as it lives
 *
 * Other programs write such files too: fields that are not known here are kept, and files that are
 * none are not looked at. Whoever can write to the folder decides what `attach` says, so it has to
 * belong to the user alone.
 */
#ifndef WIRE_STATE_H
#define WIRE_STATE_H

#include "base/process_identity.h"
#include "wire/request.h"

#include <stdbool.h>

enum { STATE_MAX_BYTES = 8 * 1024 * 1024 };

/* ms: the longest timeout that is believed, and how much longer than its timeout a run may take: for the
 * extraction, and for the sandbox's end. */
#define STATE_TIMEOUT_MAX (INT64_MAX / 8)
enum { STATE_OVERTIME = 2 * 60 * 60 * 1000 };

/* The fd of the folder; made when `create` says so and it is missing. *out is -1 where there is none.
 * Errors: IO_FAILED, INVALID_ARGUMENT (LIGHT_RUNNER_STATE_DIR, or a folder that others may write). */
int state_open_dir(int *out, bool create, lrun_error *err);

/*
 * Reads one. *out is NULL for an id that is unknown, malformed, or whose file is not a state. A file that is there
 * but cannot be read is an error. New reference. Errors: IO_FAILED.
 */
int state_read(json_t **out, int dirfd, const char *id, lrun_error *err);

/* Errors: IO_FAILED. */
int state_write(int dirfd, const json_t *state, lrun_error *err);

/* Removes the files of a run. */
void state_remove(int dirfd, const char *id);

/*
 * Calls `each` for every state, in no order; the state is borrowed. One after the other, so that there may be any
 * number. A state that cannot be read, or for which `each` returns less than 0, does not keep the others from
 * being visited; the first such error is returned after that.
 */
typedef int (*state_each_fn)(void *user, json_t *state, lrun_error *err);
int state_each(int dirfd, state_each_fn each, void *user, lrun_error *err);

/* Every state, oldest first, as a JSON array. New reference. */
int state_list(json_t **out, int dirfd, lrun_error *err);

/* That of a run which has just begun. New reference; NULL when memory is out. */
json_t *state_begin(const char *id, const struct request *r);

/*
 * Adds the end. `document` is the result, or the error when `failed`; it is kept whole beside the fields
 * that every state has. -1 when memory is out.
 */
int state_end(json_t *state, const json_t *document, bool failed);

const char *state_id(const json_t *state);
bool state_is_running(const json_t *state);

/*
 * What is known of the supervisor of a run that says that it is running: by the process that `supervisor` names, which
 * process_identity() made. One that cannot be seen from here is gone when its deadline has passed by hours. Ask only
 * when nobody listens at the run's socket.
 */
enum process_fate state_fate(const json_t *state);

/* The run's timeout: ms, at least 0 and not more than STATE_TIMEOUT_MAX. */
int64_t state_timeout(const json_t *state);

/* "2026-01-31T12:00:00.123Z" */
void state_format_time(char out[32], int64_t ms);

/* The point in time of such a text, in ms since 1970; -1 for anything else. */
int64_t state_parse_time(const char *text);

#endif
