/* SPDX-License-Identifier: MIT */
/* The handle of a session, which session.c (commands) and session_files.c (files) share. */
#ifndef LIB_SESSION_H
#define LIB_SESSION_H

#include "execution.h"

#include "wire/task.h"

#include <jansson.h>

struct lrun_session {
    lrun_execution *whole;
    int state_dir; /* of a detached one; -1 */
    char *json;    /* READY */
};

/* Returns a connection to the session, for one task; or -1. */
int session_connect(const lrun_session *s, lrun_error *err);

/* Starts a command or a copy. Takes the document's reference. `input` is an fd for stdin, or -1. */
int session_start_task(const lrun_session *s, enum task_kind kind, json_t *document, int input,
                       const lrun_callbacks *c, lrun_execution **out, lrun_error *err);

#endif
