/* SPDX-License-Identifier: MIT */
/*
 * One line of the client as a request: {"id": 1, "method": "run", "params": {...}}.
 */
#ifndef RPC_MESSAGE_H
#define RPC_MESSAGE_H

#include "base/error.h"

#include <jansson.h>

enum {
    MESSAGE_ID_MAX = 64,         /* bytes of an id that is a string */
    MESSAGE_REST_MAX = 64 * 1024 /* bytes of a line without params.request */
};

struct message {
    json_t *document;   /* the line, with null in the place of params.request */
    json_t *id;         /* borrowed; NULL if it is missing or wrong */
    const char *method; /* borrowed */
    json_t *params;     /* borrowed; NULL if there are none */
    /* params.request as it is in the line, because a run's input passes on letter by letter; NULL:
     * there is none */
    const char *request;
    size_t request_length;
};

/* Errors: INVALID_ARGUMENT. `out` has the id even then, if the line has a valid one. Free `out` in
 * both cases. It refers to the line. */
int message_parse(struct message *out, const char *line, size_t length, lrun_error *err);
void message_free(struct message *m);

/*
 * Lines to the client, with their line feed. malloc'd; NULL when memory is out. They take the
 * references of `result` and `event`. `id` may be NULL.
 */
char *message_response(json_t *id, json_t *result);
/* counts: what was done before the failure, or NULL. Borrowed. */
char *message_error(json_t *id, const lrun_error *e, json_t *counts);
char *message_event(json_t *id, const char *name, json_t *event);

#endif
