/* SPDX-License-Identifier: MIT */
/* Hints for a tier that the daemon lacks, or that does not start. */
#ifndef ENGINE_DOCKER_HINT_H
#define ENGINE_DOCKER_HINT_H

#include "base/error.h"

/* Adds a hint how to make the tier available at the daemon. Returns -1. */
int hint_register(const char *tier, lrun_error *err);

/* Adds a hint for a start that has failed in the daemon's runtime, or on a kernel that is not the
 * tier's. `said`: the text of the failure. */
void hint_start(const char *tier, const char *said, lrun_error *err);

#endif
