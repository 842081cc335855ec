/* SPDX-License-Identifier: MIT */
/* Starts the supervisor of a run or a session, and sends it the order. */
#ifndef LIB_RUN_H
#define LIB_RUN_H

#include "lightrunner.h"

#include "wire/request.h"

#include <jansson.h>

/* `idle_ms` is that of a session; 0: it is a run. Errors are those of lrun_run(). */
int run_start(lrun_execution **out, const lrun_runner *runner, const struct request *r,
              uint64_t idle_ms, const lrun_callbacks *c, lrun_error *err);

/* Starts a sandbox for a run that is ordered later. The handle's `ready` is set when it is there. Of
 * the request, only what is fixed with the sandbox counts. */
int run_reserve(lrun_execution **out, const lrun_runner *runner, const struct request *r,
                lrun_error *err);

/* Makes it that run, whose request agrees about the sandbox. The callbacks have no `id`. */
int run_use_reserved(lrun_execution *x, const struct request *r, const lrun_callbacks *c,
                     lrun_error *err);

/* Reads and checks a request for the runner. Takes the document's reference. */
int run_read_request(struct request *out, const lrun_runner *runner, json_t *document,
                     const lrun_callbacks *c, lrun_error *err);

#endif
