/* SPDX-License-Identifier: MIT */
/*
 * What runs have left on the daemon whose supervisor was killed: containers, volumes and networks whose
 * name is a run's id, and which have that id as their label.
 */
#ifndef ENGINE_DOCKER_REAP_H
#define ENGINE_DOCKER_REAP_H

#include "engine/docker/daemon.h"
#include "engine/engine.h"

/* Removes what is older than min_age_ms and of which nothing runs, or whose supervisor is known to be
 * gone. Errors: DOCKER_UNREACHABLE. */
int docker_reap(struct daemon *d, int64_t min_age_ms, struct engine_reaped *out, lrun_error *err);

#endif
