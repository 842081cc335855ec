/* SPDX-License-Identifier: MIT */
/* Starts the supervisor of a run or a session, and sends it the order. */
#ifndef LIB_RUN_H
#define LIB_RUN_H

#include "lightrunner.h"

#include "wire/request.h"

/* `idle_ms` is that of a session; 0: it is a run. Errors are those of lrun_run(). */
int run_start(lrun_execution **out, const lrun_runner *runner, const struct request *r,
              uint64_t idle_ms, const lrun_callbacks *c, lrun_error *err);

#endif
