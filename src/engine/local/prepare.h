/* SPDX-License-Identifier: MIT */
/* Everything that is done before the first process of a sandbox: a list of steps. */
#ifndef ENGINE_LOCAL_PREPARE_H
#define ENGINE_LOCAL_PREPARE_H

#include "engine/local/backend.h"

/* What a failure leaves behind the sandbox's destructor removes. */
int prepare_sandbox(struct local_plan *p, lrun_error *err);

#endif
