/* SPDX-License-Identifier: MIT */
/*
 * Making and finding calls, and what they have for the client.
 */
#ifndef RPC_CALL_H
#define RPC_CALL_H

#include "state.h"

/* Makes a call and adds it to the server's. It takes the params. NULL when memory is out. */
struct call *call_new(struct server *s, json_t *id, const struct method *method,
                      struct params *params);
void call_free(struct call *c);

/* The server's call with that id that is not answered; NULL: none. */
struct call *call_find(struct server *s, const json_t *id);

/* The server's run with that id; NULL: none. */
struct call *call_find_run(struct server *s, const char *run);

/*
 * These may be called by any thread that works for the call. They queue the response or an event,
 * and take the references.
 */
void call_result(struct call *c, json_t *result);
void call_fail(struct call *c, const lrun_error *e);

/* As call_fail(), with what was done before the failure. NULL: nothing. Borrowed. */
void call_fail_with_counts(struct call *c, const lrun_error *e, json_t *counts);
void call_event(struct call *c, const char *name, json_t *event, size_t cost);

/* The library's callbacks; the user is the call. In a thread other than the loop's, they wait while
 * the client takes no more. */
void call_on_output(void *user, lrun_stream stream, const char *data, size_t length);
void call_on_start(void *user);
void call_on_progress(void *user, const lrun_progress *progress);
void call_on_line(void *user, lrun_stream stream, int64_t time_ms, const char *data, size_t length);

/* Stops the call: kills its run, or ends its job if that can be ended. */
void call_cancel(struct call *c);

#endif
