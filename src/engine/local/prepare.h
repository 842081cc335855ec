/* SPDX-License-Identifier: MIT */
/* The steps before a sandbox has its first process. */
#ifndef ENGINE_LOCAL_PREPARE_H
#define ENGINE_LOCAL_PREPARE_H

#include "engine/local/backend.h"

/* After a failure, the sandbox's destructor removes what was made. */
int prepare_sandbox(struct local_plan *p, lrun_error *err);

#endif
