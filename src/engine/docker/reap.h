/* SPDX-License-Identifier: MIT */
/*
 * Orphaned objects on the daemon, left by runs whose supervisor was killed: containers, volumes and
 * networks that have a run's id both as their name and as their label.
 */
#ifndef ENGINE_DOCKER_REAP_H
#define ENGINE_DOCKER_REAP_H

#include "engine/docker/daemon.h"
#include "engine/engine.h"

/* Removes orphaned objects that are older than min_age_ms: those whose supervisor is known to be
 * gone and, if that is unknown, those in which nothing runs. Adds to *out. Errors:
 * DOCKER_UNREACHABLE. */
int docker_reap(struct daemon *d, int64_t min_age_ms, struct engine_reaped *out, lrun_error *err);

#endif
